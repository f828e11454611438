package document

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

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
	Name       string
	Content    []byte
}

// Begin takes up a document that is in line or was left half way, and returns its original. A document that is ready,
// failed or gone is ErrSuperseded.
func (s *Service) Begin(ctx context.Context, tenantID, id domain.ID) (Attempt, error) {
	r := Attempt{TenantID: tenantID, DocumentID: id}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			update documents set status = 'reading', attempt = attempt + 1, progress_done = 0, progress_total = 0, updated_at = now()
			where tenant_id = $1 and id = $2 and status in ('queued', 'reading', 'embedding')
			returning attempt, name`, tenantID, id).Scan(&r.Number, &r.Name)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrSuperseded
		}
		if err != nil {
			return fmt.Errorf("take up a document: %w", err)
		}
		return tx.QueryRow(ctx, "select content from document_files where tenant_id = $1 and document_id = $2", tenantID, id).Scan(&r.Content)
	})
	return r, err
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
		return also(tx)
	})
}

func failDocument(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID, f Failure) error {
	_, err := tx.Exec(ctx, `update documents set status = 'failed', failure_code = $3, failure_title = $4, failure_message = $5,
		failure_page = $6, updated_at = now() where tenant_id = $1 and id = $2`, tenantID, id, f.Code, f.Title, f.Message, f.Page)
	if err != nil {
		return fmt.Errorf("mark a document failed: %w", err)
	}
	return nil
}

// FailStranded fails a document that is still busy although nothing works on it any more.
func (s *Service) FailStranded(ctx context.Context, tenantID, id domain.ID, f Failure) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var busy bool
		err := tx.QueryRow(ctx, `select status in ('queued', 'reading', 'embedding') from documents where tenant_id = $1 and id = $2 for update`,
			tenantID, id).Scan(&busy)
		if errors.Is(err, pgx.ErrNoRows) || (err == nil && !busy) {
			return nil
		}
		if err != nil {
			return err
		}
		return failDocument(ctx, tx, tenantID, id, f)
	})
}

// current runs fn in a transaction that holds the document's row, if r is still its newest reading.
func (s *Service) current(ctx context.Context, r Attempt, fn func(pgx.Tx) error) error {
	return s.db.InTenant(ctx, r.TenantID, func(tx pgx.Tx) error {
		var attempt int
		err := tx.QueryRow(ctx, `select attempt from documents where tenant_id = $1 and id = $2
			and status in ('queued', 'reading', 'embedding') for update`, r.TenantID, r.DocumentID).Scan(&attempt)
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
	Language string // ISO 639-1, "" when it is not known
	Pages    int
	Notes    []string
	Text     []Page
	Chunks   []NewChunk
	Model    string // that made the vectors
}

// NewChunk is a chunk to store, with what makes it findable.
type NewChunk struct {
	Chunk
	Terms   int       // its length in terms, BM25's len
	Lexemes string    // its terms as hashes, an array of integers as PostgreSQL writes it; see lexical.Weights
	Weights string    // BM25's part of the chunk by the same hashes, a sparsevec as pgvector writes it
	Vector  []float32 // of unit length
}

// Complete replaces all chunks of the document by those of this reading and marks it ready: readers see the old or the new,
// nothing between. also runs in the same transaction.
func (s *Service) Complete(ctx context.Context, r Attempt, c Content, also func(pgx.Tx) error) error {
	return s.current(ctx, r, func(tx pgx.Tx) error {
		if err := removeChunks(ctx, tx, r.TenantID, r.DocumentID); err != nil {
			return err
		}
		for _, step := range []func(context.Context, pgx.Tx, Attempt, Content) error{insertPages, insertChunks, insertVectors, insertLexemes, countChunks, markReady} {
			if err := step(ctx, tx, r, c); err != nil {
				return err
			}
		}
		return also(tx)
	})
}

func insertPages(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	var numbers, starts []int
	var texts []string
	for _, p := range c.Text {
		numbers, starts, texts = append(numbers, p.Number), append(starts, p.Start), append(texts, p.Text)
	}
	_, err := tx.Exec(ctx, `insert into document_pages (tenant_id, document_id, page, start_offset, text)
		select $1, $2, p.* from unnest($3::int[], $4::int[], $5::text[]) p`, r.TenantID, r.DocumentID, numbers, starts, texts)
	if err != nil {
		return fmt.Errorf("insert pages: %w", err)
	}
	return nil
}

func insertChunks(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	n := len(c.Chunks)
	ids, ordinals, texts, headings := make([]domain.ID, n), make([]int, n), make([]string, n), make([]string, n)
	from, to, tokens, starts, ends := make([]int, n), make([]int, n), make([]int, n), make([]int, n), make([]int, n)
	for i := range c.Chunks {
		k := &c.Chunks[i]
		ids[i], ordinals[i], texts[i], headings[i] = k.ID, k.Ordinal, k.Text, strings.Join(k.Heading, headingSeparator)
		from[i], to[i], tokens[i], starts[i], ends[i] = k.PageFrom, k.PageTo, k.Tokens, k.Start, k.End
	}
	// unnest takes no arrays of arrays of unequal length, so a path travels as one text.
	_, err := tx.Exec(ctx, `
		insert into chunks (tenant_id, document_id, id, ordinal, text, heading, page_from, page_to, tokens, start_offset, end_offset)
		select $1, $2, id, ordinal, text, case heading when '' then '{}' else string_to_array(heading, $12) end, page_from, page_to, tokens, s, e
		from unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[])
			as k (id, ordinal, text, heading, page_from, page_to, tokens, s, e)`,
		r.TenantID, r.DocumentID, ids, ordinals, texts, headings, from, to, tokens, starts, ends, headingSeparator)
	if err != nil {
		return fmt.Errorf("insert chunks: %w", err)
	}
	return nil
}

// headingSeparator stands in no text: the reader drops control characters.
const headingSeparator = "\x1f"

func insertVectors(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	var ids []domain.ID
	var vectors []string
	for _, k := range c.Chunks {
		if k.Vector != nil {
			ids, vectors = append(ids, k.ID), append(vectors, vectorText(k.Vector))
		}
	}
	_, err := tx.Exec(ctx, `insert into chunk_embeddings (tenant_id, chunk_id, model, embedding)
		select $1, v.id, $2, v.embedding::halfvec from unnest($3::uuid[], $4::text[]) as v (id, embedding)`, r.TenantID, c.Model, ids, vectors)
	if err != nil {
		return fmt.Errorf("insert vectors: %w", err)
	}
	return nil
}

func vectorText(v []float32) string {
	b := append(make([]byte, 0, 10*len(v)), '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', 5, 32) // a half-precision number has three to four digits
	}
	return string(append(b, ']'))
}

func markReady(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	tokens := 0
	for _, k := range c.Chunks {
		tokens += k.Tokens
	}
	_, err := tx.Exec(ctx, `update documents set status = 'ready', format = $3, pages = $4, notes = $5, chunk_count = $6, token_count = $7,
			embedding_model = $8, language = $9, progress_done = $6, progress_total = $6, updated_at = now()
		where tenant_id = $1 and id = $2`,
		r.TenantID, r.DocumentID, c.Format, c.Pages, append([]string{}, c.Notes...), len(c.Chunks), tokens, c.Model, c.Language)
	if err != nil {
		return fmt.Errorf("mark a document ready: %w", err)
	}
	return nil
}

// Delete removes a document with all that was made from it, and returns its name. It answers nothing from that moment on,
// not even from a cache: the index has a new version.
func (s *Service) Delete(ctx context.Context, tenantID, id domain.ID) (name string, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "select name from documents where tenant_id = $1 and id = $2 for update", tenantID, id).Scan(&name)
		if err != nil {
			return err
		}
		if err := removeChunks(ctx, tx, tenantID, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "delete from documents where tenant_id = $1 and id = $2", tenantID, id)
		return err
	})
	return name, err
}
