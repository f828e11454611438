package retrieve

import (
	"cmp"
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
	ChangedLanguages ChangeKind = "languages" // that the model was found to know: Name holds those of the question that it does not, with commas between
	ChangedReranker  ChangeKind = "reranker"
	ChangedAnswerer  ChangeKind = "answering_model" // told by whoever has the answer: a search does not know it
	DocumentAdded    ChangeKind = "document_added"  // and found now
	DocumentDeleted  ChangeKind = "document_deleted"
	DocumentVersion  ChangeKind = "document_version" // a newer one answers
	DocumentSwitched ChangeKind = "document_off"
	ChunkEdited      ChangeKind = "chunk_edited"
	ChunkDeleted     ChangeKind = "chunk_deleted" // one that was added by hand
	ChunkSwitched    ChangeKind = "chunk_off"
	ChunksCut        ChangeKind = "chunk_cut"   // the document was read again
	SwitchedOn       ChangeKind = "switched_on" // a document or chunk that is found now
	ChangedIndex     ChangeKind = "index"       // something else
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
		told := map[domain.ID]bool{} // documents of which everything is said
		lost, err := changedPassages(ctx, tx, tenantID, then, told)
		if err != nil {
			return err
		}
		won, err := newPassages(ctx, tx, tenantID, then, now, told)
		changes = slices.Concat(settings, lost, won)
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
	// Models that a setting leaves out, or that did not answer, are no others.
	if embedded := strings.Join(then.Models, ", "); embedded != "" && len(now.Models) > 0 && embedded != strings.Join(now.Models, ", ") {
		changes = append(changes, Change{Kind: ChangedModel, Before: embedded, After: strings.Join(now.Models, ", ")})
	}
	if len(now.Models) > 0 && slices.Equal(then.Models, now.Models) && !slices.Equal(then.Foreign, now.Foreign) {
		changes = append(changes, Change{Kind: ChangedLanguages, Name: strings.Join(now.Foreign, ",")})
	}
	if then.Settings.Rerank && now.Settings.Rerank && then.RerankLost == "" && now.RerankLost == "" && then.Reranker != now.Reranker {
		changes = append(changes, Change{Kind: ChangedReranker, Before: then.Reranker, After: now.Reranker})
	}
	return changes
}

// changedPassages compares the passages of then with their chunks and documents of now, a document once.
func changedPassages(ctx context.Context, tx pgx.Tx, tenantID domain.ID, then Retrieval, told map[domain.ID]bool) ([]Change, error) {
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
		case revision == nil && before == nil: // a reading would have kept its words
			c.Kind = ChunkDeleted
		case revision == nil:
			c.Kind = ChunksCut
		case *off:
			c.Kind = ChunkSwitched
		case *revision != p.Revision && deref(before) != *text: // or the edit was undone
			c.Kind, c.Before, c.After = ChunkEdited, deref(before), *text
		default:
			return nil
		}
		told[p.DocumentID] = c.Kind != ChunkSwitched && c.Kind != ChunkEdited && c.Kind != ChunkDeleted
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

// newPassages tells of what is found now why it was not found then: its document is newer, has another version or was read again,
// its words are others, or it was switched on.
func newPassages(ctx context.Context, tx pgx.Tx, tenantID domain.ID, then, now Retrieval, told map[domain.ID]bool) ([]Change, error) {
	was, known := map[domain.ID]bool{}, map[domain.ID]bool{}
	for _, p := range then.Passages {
		was[p.ChunkID], known[p.DocumentID] = true, true
	}
	fresh := slices.DeleteFunc(slices.Clone(now.Passages), func(p Passage) bool { return was[p.ChunkID] || told[p.DocumentID] })
	for _, p := range then.Others {
		was[p.ChunkID] = true
	}
	var ids []domain.ID
	for _, p := range fresh {
		ids = append(ids, p.ChunkID)
	}
	rows, err := tx.Query(ctx, `
		select n.i, c.created_at, c.created_at > $3, c.text, d.updated_at > $3, edited.text, edited.replaced_at, read.version, read.replaced_at
		from unnest($2::uuid[]) with ordinality as n (chunk_id, i)
		join chunks c on c.tenant_id = $1 and c.id = n.chunk_id
		join documents d on d.tenant_id = $1 and d.id = c.document_id
		left join lateral (select text, replaced_at from chunk_revisions r
			where r.tenant_id = $1 and r.chunk_id = c.id and r.replaced_at > $3 order by r.replaced_at limit 1) edited on true
		left join lateral (select version, replaced_at from chunk_revisions r
			where r.tenant_id = $1 and r.document_id = d.id and r.replaced_by = 'reading' and r.replaced_at > $3 order by r.replaced_at limit 1) read on true
		order by n.i`, tenantID, ids, then.CreatedAt)
	if err != nil {
		return nil, fmt.Errorf("look for what is found now: %w", err)
	}
	var changes []Change
	var at int
	var created time.Time
	var newer, touched bool
	var text string
	var before *string
	var version *int
	var edited, read *time.Time
	_, err = pgx.ForEachRow(rows, []any{&at, &created, &newer, &text, &touched, &before, &edited, &version, &read}, func() error {
		p := fresh[at-1]
		c := Change{Name: p.DocumentName, DocumentID: p.DocumentID}
		switch {
		case told[p.DocumentID]:
			return nil
		case newer && version == nil && known[p.DocumentID]: // added by hand
			return nil
		case newer && version == nil:
			c.Kind, c.At = DocumentAdded, created
		case newer && *version != p.Version:
			c.Kind, c.Before, c.After, c.At = DocumentVersion, fmt.Sprint(*version), fmt.Sprint(p.Version), *read
		case newer:
			c.Kind, c.At = ChunksCut, *read
		case before != nil && *before != text:
			c.Kind, c.ChunkID, c.Before, c.After, c.At = ChunkEdited, p.ChunkID, *before, text, *edited
		case touched && !was[p.ChunkID] && wouldHave(then, now, p):
			c.Kind, c.ChunkID = SwitchedOn, p.ChunkID
		default:
			return nil
		}
		told[p.DocumentID] = c.Kind != ChunkEdited
		changes = append(changes, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for what is found now: %w", err)
	}
	return changes, nil
}

// wouldHave reports whether then would have found a passage of now, had it been there: it searched in the same way, and either found all that
// there was or stopped well below the passage. How words weigh changes a little with every document.
func wouldHave(then, now Retrieval, p Passage) bool {
	over := func(s Side, rank int, score float64) bool {
		return rank > 0 && (!s.Full() || rank <= s.Most/2 && score > s.Last)
	}
	words := then.Settings.Search != VectorsOnly && then.Settings.Spelling == now.Settings.Spelling
	vectors := then.AskedVectors() && slices.Equal(then.Models, now.Models)
	return words && over(then.ByWords, p.LexicalRank, p.Lexical) || vectors && over(then.ByVector, p.VectorRank, p.Vector)
}

// Renamed gives the chunks of a past retrieval that a new reading put others in the place of, word for word, the ids of these, so that
// both can be compared.
func Renamed(then, now Retrieval) Retrieval {
	taken, renamed := map[domain.ID]bool{}, map[domain.ID]domain.ID{}
	for _, p := range then.Passages {
		taken[p.ChunkID] = true
	}
	for _, p := range then.Passages {
		at := slices.IndexFunc(now.Passages, func(q Passage) bool { return !taken[q.ChunkID] && sameWordsAs(p, q) })
		if at < 0 || slices.ContainsFunc(now.Passages, func(q Passage) bool { return q.ChunkID == p.ChunkID }) {
			continue
		}
		renamed[p.ChunkID], taken[now.Passages[at].ChunkID] = now.Passages[at].ChunkID, true
	}
	then.Passages = slices.Clone(then.Passages)
	for i := range then.Passages {
		p := &then.Passages[i]
		p.ChunkID, p.Into = cmp.Or(renamed[p.ChunkID], p.ChunkID), cmp.Or(renamed[p.Into], p.Into)
	}
	return then
}

// sameWordsAs reports whether a chunk of one reading says what a chunk of another does. One of them may have neighbours joined to it.
func sameWordsAs(p, q Passage) bool {
	if p.DocumentID != q.DocumentID || p.Text == "" || q.Text == "" {
		return false
	}
	return p.Text == q.Text || p.Ordinal == q.Ordinal && (strings.Contains(p.Text, q.Text) || strings.Contains(q.Text, p.Text))
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
