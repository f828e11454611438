package document

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Topic is what a hint about a change of a tenant's documents is published under.
func Topic(tenantID domain.ID) string { return "documents:" + tenantID.String() }

// ErrSuperseded says that the document was deleted, or taken up by a newer reading: what this one has is not wanted.
var ErrSuperseded = errors.New("the document is gone or is being read anew")

// Attempt is one attempt at a document. Only the newest attempt may write.
type Attempt struct {
	TenantID   domain.ID
	DocumentID domain.ID
	Number     int
	Version    int
	Name       string
	Content    []byte // nil where it is kept elsewhere: see OriginalOf
	object     *domain.ID
	Cutting    Cutting
	Edits      []Edit    // to find again in the text; a reading that does not know the newest starts anew
	Tries      int       // that failed before
	WaitsSince time.Time // when, by the clock here, it began to wait for something else than its turn; zero: it does not
	Trace      string    // of the upload; see trace.Resume

	revision int
}

// Waited is for how long the document has been waiting for something else than its turn.
func (a Attempt) Waited() time.Duration {
	if a.WaitsSince.IsZero() {
		return 0
	}
	return time.Since(a.WaitsSince)
}

// Progress notes how far a reading got.
func (s *Service) Progress(ctx context.Context, r Attempt, status Status, done, total int) error {
	return s.current(ctx, r, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update documents set status = $3, progress_done = $4, progress_total = $5, updated_at = now()
			where tenant_id = $1 and id = $2`, r.TenantID, r.DocumentID, status, done, total)
		return err
	})
}

// Fail ends a reading with its reason. also runs in the same transaction.
func (s *Service) Fail(ctx context.Context, r Attempt, f Failure, also func(pgx.Tx) error) error {
	return s.current(ctx, r, func(tx pgx.Tx) error {
		if err := failDocument(ctx, tx, r.TenantID, r.DocumentID, f); err != nil {
			return err
		}
		return s.leave(ctx, tx, r.TenantID, also)
	})
}

// Wanted reports whether the reading is still the newest one: ErrSuperseded when it is not.
func (s *Service) Wanted(ctx context.Context, r Attempt) error {
	return s.current(ctx, r, func(pgx.Tx) error { return nil })
}

func failDocument(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID, f Failure) error {
	_, err := tx.Exec(ctx, `update documents set status = 'failed', failure_code = $3, failure_title = $4, failure_message = $5,
		failure_page = $6, job_id = 0, waits_for = '', waits_since = null, updated_at = now() where tenant_id = $1 and id = $2`, tenantID, id, f.Code, f.Title, f.Message, f.Page)
	if err != nil {
		return fmt.Errorf("mark a document failed: %w", err)
	}
	return nil
}

// current runs fn in a transaction that holds the document's row, if r is still its newest reading.
func (s *Service) current(ctx context.Context, r Attempt, fn func(pgx.Tx) error) error {
	return s.db.InTenant(ctx, r.TenantID, func(tx pgx.Tx) error {
		var attempt int
		err := tx.QueryRow(ctx, `select attempt from documents where tenant_id = $1 and id = $2
			and status in ('queued', 'reading', 'embedding') for no key update`, r.TenantID, r.DocumentID).Scan(&attempt)
		if errors.Is(err, pgx.ErrNoRows) || (err == nil && attempt != r.Number) {
			return ErrSuperseded
		}
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

// Content is what a reading found: all that is stored of a document but its original.
type Content struct {
	Format   string
	Title    string // what it calls itself, or its name
	Language string // ISO 639-1, "" when it is not known
	Pages    int
	Notes    []string
	Text     []Page
	Chunks   []NewChunk
	Edits    []Edit // of the attempt, with what became of them
	Model    string // that made the vectors
	Analysis int    // lexical.Version, by which the words were analysed
}

// NewChunk is a chunk to store, with what makes it findable.
type NewChunk struct {
	Chunk
	EditID  domain.ID // the edit whose passage it is; zero: nobody touched it
	Terms   int       // its length in terms, BM25's len
	Lexemes string    // its terms as hashes, an array of integers as PostgreSQL writes it; see lexical.Weights
	Weights string    // BM25's part of the chunk by the same hashes, a sparsevec as pgvector writes it
	Words   []Word    // its different words, by their hashes; see lexical.Reader
	Vector  []float32 // of unit length

	hidden bool
}

// Word is a word as chunks have it, which misspelled words of a question are taken for.
type Word struct {
	Hash int32
	Text string
	Keys string // that it shares with misspellings, an array of integers as PostgreSQL writes it
}

// ErrEdited says that somebody edited a chunk of the document since the attempt took it up: it has to be cut anew.
var ErrEdited = errors.New("a chunk was edited in the meantime")

// Complete replaces all chunks of the document by those of this reading and marks it ready: readers see the old or the new,
// nothing between. also runs in the same transaction. An edit that the attempt does not know is ErrEdited, and nothing is
// written.
func (s *Service) Complete(ctx context.Context, r Attempt, c Content, also func(pgx.Tx) error) error {
	return s.current(ctx, r, func(tx pgx.Tx) error {
		if err := takeTime(ctx, tx); err != nil {
			return err
		}
		var revision int
		if err := tx.QueryRow(ctx, "select edit_revision from documents where tenant_id = $1 and id = $2", r.TenantID, r.DocumentID).Scan(&revision); err != nil {
			return err
		}
		if revision != r.revision {
			return ErrEdited
		}
		for _, step := range []func(context.Context, pgx.Tx, Attempt, Content) error{replacePages, insertIndexed, removeOld, settleEdits, markReady} {
			if err := step(ctx, tx, r, c); err != nil {
				return err
			}
		}
		if err := s.keepUp(ctx, tx, r.TenantID); err != nil {
			return err
		}
		return s.leave(ctx, tx, r.TenantID, also)
	})
}

// takeTime lets the statements of the transaction take longer than those of a page may: a book has ten thousand chunks.
func takeTime(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "select set_config('statement_timeout', '120s', true), set_config('lock_timeout', '60s', true)")
	return err
}

func removeOld(ctx context.Context, tx pgx.Tx, r Attempt, _ Content) error {
	return removeChunks(ctx, tx, r.TenantID, r.DocumentID, r.Number)
}

// lineFields is how many numbers a Line is in the database.
const lineFields = 6

func replacePages(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	if _, err := tx.Exec(ctx, "delete from document_pages where tenant_id = $1 and document_id = $2", r.TenantID, r.DocumentID); err != nil {
		return fmt.Errorf("remove pages: %w", err)
	}
	var numbers, starts []int
	var texts, lines []string
	for _, p := range c.Text {
		numbers, starts, texts, lines = append(numbers, p.Number), append(starts, p.Start), append(texts, p.Text), append(lines, lineText(p.Lines))
	}
	_, err := tx.Exec(ctx, `insert into document_pages (tenant_id, document_id, page, start_offset, text, lines)
		select $1, $2, p.page, p.start, p.text, p.lines::integer[] from unnest($3::int[], $4::int[], $5::text[], $6::text[]) as p (page, start, text, lines)`,
		r.TenantID, r.DocumentID, numbers, starts, texts, lines)
	if err != nil {
		return fmt.Errorf("insert pages: %w", err)
	}
	return nil
}

// lineText writes lines as an array: unnest takes no arrays of arrays of unequal length.
func lineText(lines []Line) string {
	b := []byte{'{'}
	for i, l := range lines {
		for j, n := range [lineFields]int{l.Start, l.End, l.X0, l.Y0, l.X1, l.Y1} {
			if i+j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(n), 10)
		}
	}
	return string(append(b, '}'))
}

func insertChunks(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	n := len(c.Chunks)
	ids, ordinals, texts, headings := make([]domain.ID, n), make([]int, n), make([]string, n), make([]string, n)
	from, to, tokens, starts, ends := make([]int, n), make([]int, n), make([]int, n), make([]int, n), make([]int, n)
	terms, off, indexed, edits := make([]int, n), make([]bool, n), make([]bool, n), make([]*domain.ID, n)
	for i := range c.Chunks {
		k := &c.Chunks[i]
		ids[i], ordinals[i], texts[i], headings[i] = k.ID, k.Ordinal, k.Text, strings.Join(k.Heading, headingSeparator)
		from[i], to[i], tokens[i], starts[i], ends[i] = k.PageFrom, k.PageTo, k.Tokens, k.Start, k.End
		terms[i], off[i], indexed[i] = k.Terms, k.Off, !k.hidden
		if k.EditID != (domain.ID{}) {
			edits[i] = &k.EditID
		}
	}
	// unnest takes no arrays of arrays of unequal length, so a path travels as one text.
	_, err := tx.Exec(ctx, `
		insert into chunks (tenant_id, document_id, reading, id, ordinal, text, heading, page_from, page_to, tokens, start_offset, end_offset,
			terms, off, indexed, edit_id)
		select $1, $2, $17, id, ordinal, text, case heading when '' then '{}' else string_to_array(heading, $12) end, page_from, page_to, tokens, s, e,
			terms, off, indexed, edit_id
		from unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[],
			$13::int[], $14::bool[], $15::bool[], $16::uuid[])
			as k (id, ordinal, text, heading, page_from, page_to, tokens, s, e, terms, off, indexed, edit_id)`,
		r.TenantID, r.DocumentID, ids, ordinals, texts, headings, from, to, tokens, starts, ends, headingSeparator,
		terms, off, indexed, edits, r.Number)
	if err != nil {
		return fmt.Errorf("insert chunks: %w", err)
	}
	return nil
}

// headingSeparator stands in no text: the reader drops control characters.
const headingSeparator = "\x1f"

// settleEdits notes what became of the edits: where their passages stand now, or that a person has to decide.
func settleEdits(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	for _, e := range c.Edits {
		_, err := tx.Exec(ctx, `update chunk_edits set state = $3, quote = $4, start_offset = $5, original = $6, heading = $7, page = $8
			where tenant_id = $1 and id = $2`, r.TenantID, e.ID, e.State, e.Quote, e.Start, e.Original, append([]string{}, e.Heading...), e.Page)
		if err != nil {
			return fmt.Errorf("settle an edit: %w", err)
		}
	}
	return nil
}

func markReady(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	tokens := 0
	for _, k := range c.Chunks {
		tokens += k.Tokens
	}
	_, err := tx.Exec(ctx, `update documents d set status = 'ready', format = $3, pages = $4, notes = $5, chunk_count = $6, token_count = $7,
			embedding_model = $8, language = $9, progress_done = $6, progress_total = $6, updated_at = now(), title = $10,
			live_version = f.version, name = f.name, size_bytes = f.size_bytes, cut_tokens = $12, cut_overlap = $13,
			tries = 0, interruptions = 0, waits_for = '', waits_since = null, job_id = 0
		from document_files f
		where d.tenant_id = $1 and d.id = $2 and f.tenant_id = $1 and f.document_id = $2 and f.version = $11`,
		r.TenantID, r.DocumentID, c.Format, c.Pages, append([]string{}, c.Notes...), len(c.Chunks), tokens, c.Model, c.Language,
		c.Title, r.Version, r.Cutting.Tokens, r.Cutting.Overlap)
	if err != nil {
		return fmt.Errorf("mark a document ready: %w", err)
	}
	return noteAnalysis(ctx, tx, r.TenantID, r.DocumentID, c.Analysis)
}

// Delete removes a document with all that was made from it, and returns its name. It answers nothing from that moment on,
// not even from a cache: the index has a new version.
func (s *Service) Delete(ctx context.Context, tenantID, id domain.ID) (name string, err error) {
	var objects []domain.ID
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := takeTime(ctx, tx); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, "select name from documents where tenant_id = $1 and id = $2 for no key update", tenantID, id).Scan(&name)
		if err != nil {
			return err
		}
		if err := removeChunks(ctx, tx, tenantID, id, -1); err != nil {
			return err
		}
		if objects, err = objectsOf(ctx, tx, tenantID, id); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, "delete from documents where tenant_id = $1 and id = $2", tenantID, id); err != nil {
			return err
		}
		return s.keepUp(ctx, tx, tenantID)
	})
	if err == nil && len(objects) > 0 && s.originals != nil {
		_ = s.originals.Delete(context.WithoutCancel(ctx), tenantID, objects...) // or SweepOriginals does
	}
	return name, err
}
