package retrieve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Change is something that is not as it was when a question was asked.
type Change struct {
	Kind          ChangeKind
	Name          string // of the document, or the setting as JSON has it
	DocumentID    domain.ID
	ChunkID       domain.ID
	Before, After string    // values of a setting, names of models, numbers of versions, words of a chunk
	At            time.Time // zero: not known
}

// ChangeKind says what changed.
type ChangeKind string

// The kinds.
const (
	ChangedSetting   ChangeKind = "setting"
	ChangedModel     ChangeKind = "embedding_model"
	ChangedReranker  ChangeKind = "reranker"
	ChangedAnswerer  ChangeKind = "answering_model" // told by whoever has the answer: a search does not know it
	DocumentAdded    ChangeKind = "document_added"  // and found now
	DocumentDeleted  ChangeKind = "document_deleted"
	DocumentVersion  ChangeKind = "document_version" // a newer one answers
	DocumentSwitched ChangeKind = "document_off"
	ChunkEdited      ChangeKind = "chunk_edited"
	ChunkSwitched    ChangeKind = "chunk_off"
	ChunksCut        ChangeKind = "chunk_cut" // the document was read again
	ChangedIndex     ChangeKind = "index"     // something else, of documents that were not found
)

// Since searches once more for what a past retrieval searched for, with the index and the settings of now, and names what
// changed in between of what either of them found.
func (s *Service) Since(ctx context.Context, tenantID domain.ID, then Retrieval) (now Retrieval, changes []Change, err error) {
	now, err = s.Retrieve(ctx, tenantID, then.Query())
	if err != nil {
		return now, nil, err
	}
	settings := changedSettings(then, now)
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		found, err := changedPassages(ctx, tx, tenantID, then)
		if err != nil {
			return err
		}
		added, err := addedDocuments(ctx, tx, tenantID, then, now)
		changes = slices.Concat(settings, found, added)
		return err
	})
	if err == nil && len(changes) == 0 && then.IndexVersion != now.IndexVersion {
		changes = append(changes, Change{Kind: ChangedIndex})
	}
	return now, changes, err
}

func changedSettings(then, now Retrieval) []Change {
	var changes []Change
	fields := func(s Settings) map[string]any {
		var m map[string]any
		b, err := json.Marshal(s)
		if err != nil || json.Unmarshal(b, &m) != nil {
			return nil // numbers, names and switches: it cannot be
		}
		return m
	}
	before, after := fields(then.Settings), fields(now.Settings)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			changes = append(changes, Change{Kind: ChangedSetting, Name: name, Before: fmt.Sprint(before[name]), After: fmt.Sprint(after[name])})
		}
	}
	for _, c := range []Change{
		{Kind: ChangedModel, Before: strings.Join(then.Models, ", "), After: strings.Join(now.Models, ", ")},
		{Kind: ChangedReranker, Before: then.Reranker, After: now.Reranker},
	} {
		if c.Before != c.After {
			changes = append(changes, c)
		}
	}
	return changes
}

// changedPassages compares the passages of then with their chunks and documents of now, a document once.
func changedPassages(ctx context.Context, tx pgx.Tx, tenantID domain.ID, then Retrieval) ([]Change, error) {
	var ids, documents []domain.ID
	var revisions []int
	for _, p := range then.Passages {
		ids, documents, revisions = append(ids, p.ChunkID), append(documents, p.DocumentID), append(revisions, p.Revision)
	}
	rows, err := tx.Query(ctx, `
		select n.i, d.live_version, d.off, d.updated_at, c.revision, c.off, c.text, r.text, r.replaced_at
		from unnest($2::uuid[], $3::uuid[], $4::int[]) with ordinality as n (chunk_id, document_id, revision, i)
		left join documents d on d.tenant_id = $1 and d.id = n.document_id
		left join chunks c on c.tenant_id = $1 and c.id = n.chunk_id
		left join chunk_revisions r on r.tenant_id = $1 and r.chunk_id = n.chunk_id and r.revision = n.revision
		order by n.i`, tenantID, ids, documents, revisions)
	if err != nil {
		return nil, fmt.Errorf("compare with what is there now: %w", err)
	}
	var changes []Change
	told := map[domain.ID]bool{} // documents of which everything is said
	var at int
	var version, revision *int
	var documentOff, off *bool
	var updated, replaced *time.Time
	var text, before *string
	_, err = pgx.ForEachRow(rows, []any{&at, &version, &documentOff, &updated, &revision, &off, &text, &before, &replaced}, func() error {
		p := then.Passages[at-1]
		c := Change{Name: p.DocumentName, DocumentID: p.DocumentID, ChunkID: p.ChunkID, At: deref(replaced)}
		switch {
		case told[p.DocumentID]:
			return nil
		case version == nil:
			c.Kind, c.ChunkID, c.At = DocumentDeleted, domain.ID{}, time.Time{}
		case *documentOff:
			c.Kind, c.At = DocumentSwitched, *updated
		case *version != p.Version:
			c.Kind, c.Before, c.After = DocumentVersion, fmt.Sprint(p.Version), fmt.Sprint(*version)
		case revision == nil:
			c.Kind = ChunksCut
		case *off:
			c.Kind = ChunkSwitched
		case *revision != p.Revision:
			c.Kind, c.Before, c.After = ChunkEdited, deref(before), *text
		default:
			return nil
		}
		told[p.DocumentID] = c.Kind != ChunkSwitched && c.Kind != ChunkEdited
		changes = append(changes, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compare with what is there now: %w", err)
	}
	return changes, nil
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// addedDocuments are those found now that came after then.
func addedDocuments(ctx context.Context, tx pgx.Tx, tenantID domain.ID, then, now Retrieval) ([]Change, error) {
	known := map[domain.ID]bool{}
	for _, p := range append(slices.Clone(then.Passages), then.Others...) {
		known[p.DocumentID] = true
	}
	var fresh []domain.ID
	for _, p := range now.Passages {
		if !known[p.DocumentID] {
			fresh = append(fresh, p.DocumentID)
		}
	}
	rows, err := tx.Query(ctx, "select id, name, created_at from documents where tenant_id = $1 and id = any($2) and created_at > $3 order by created_at, id",
		tenantID, fresh, then.CreatedAt)
	if err != nil {
		return nil, fmt.Errorf("look for newer documents: %w", err)
	}
	changes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Change, error) {
		c := Change{Kind: DocumentAdded}
		err := row.Scan(&c.DocumentID, &c.Name, &c.At)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for newer documents: %w", err)
	}
	return changes, nil
}

// Move is the place of a chunk in two retrievals.
type Move struct {
	Passage       Passage // as in the second, or as in the first where it is gone
	Before, After int     // its place among all candidates, from 1; 0: not found
	BeforeLost    Loss
	AfterLost     Loss
}

// Moves lists the chunks that either retrieval looked at closely, in the order of the second; what it did not find comes last.
func Moves(before, after Retrieval) []Move {
	placed := func(r Retrieval) map[domain.ID]Move {
		m := map[domain.ID]Move{}
		for i, p := range append(slices.Clone(r.Passages), r.Others...) {
			m[p.ChunkID] = Move{Passage: p, After: i + 1, AfterLost: p.Lost}
		}
		return m
	}
	was, is := placed(before), placed(after)
	var moves []Move
	for _, p := range after.Passages {
		m := is[p.ChunkID]
		m.Before, m.BeforeLost = was[p.ChunkID].After, was[p.ChunkID].AfterLost
		moves = append(moves, m)
		delete(was, p.ChunkID)
	}
	for _, p := range before.Passages {
		w, left := was[p.ChunkID]
		if !left {
			continue
		}
		m := Move{Passage: p, Before: w.After, BeforeLost: p.Lost, After: is[p.ChunkID].After, AfterLost: is[p.ChunkID].AfterLost}
		moves = append(moves, m)
	}
	return moves
}
