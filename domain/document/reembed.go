package document

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// A document is outdated when another model than the present one made its vectors. They go on answering, together with that
// model's vector of the question, until the document is embedded anew: its vectors are all of the one model, or all of the
// other.

// Outdated is a document to embed anew.
type Outdated struct {
	TenantID   domain.ID
	DocumentID domain.ID
	Title      string  // its own, or its name
	Chunks     []Chunk // in order, with what is switched off

	model    string
	reading  int
	revision int
}

// ErrLater says that documents are outdated, and that none of them can be embedded now: they are being read, or were refused.
var ErrLater = errors.New("nothing can be embedded now")

const hasOther = "d.tenant_id = $1 and d.chunk_count > 0 and d.embedding_model <> $2"

// HasOutdated reports whether a model other than this one made vectors of the tenant. It takes two steps in an index.
func (s *Service) HasOutdated(ctx context.Context, tenantID domain.ID, model string) (has bool, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select
			exists (select from documents where tenant_id = $1 and chunk_count > 0 and embedding_model < $2) or
			exists (select from documents where tenant_id = $1 and chunk_count > 0 and embedding_model > $2)`, tenantID, model).Scan(&has)
	})
	return has, err
}

// NextOutdated returns a document to embed with the model; ErrNothing when there is none, or ErrLater. One that is being read
// is left to its reading.
func (s *Service) NextOutdated(ctx context.Context, tenantID domain.ID, model string) (Outdated, error) {
	o := Outdated{TenantID: tenantID}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var free bool
		err := tx.QueryRow(ctx, `
			select id, coalesce(nullif(title, ''), name), embedding_model, edit_revision, status in ('ready', 'failed') and due_at <= clock_timestamp() as free
			from documents d where `+hasOther+` order by free desc, id limit 1`, tenantID, model).Scan(&o.DocumentID, &o.Title, &o.model, &o.revision, &free)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrNothing
		case err != nil:
			return fmt.Errorf("find an outdated document: %w", err)
		case !free:
			return ErrLater
		}
		rows, err := tx.Query(ctx, `select id, reading, text, heading from chunks where tenant_id = $1 and document_id = $2 order by ordinal`, tenantID, o.DocumentID)
		if err != nil {
			return err
		}
		o.Chunks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Chunk, err error) {
			err = row.Scan(&c.ID, &o.reading, &c.Text, &c.Heading)
			return c, err
		})
		return err
	})
	return o, err
}

// ReplaceVectors gives the document the vectors that the model made of its chunks, in their order: searches find the old ones
// or the new. When the document changed meanwhile, nothing is written: ErrSuperseded.
func (s *Service) ReplaceVectors(ctx context.Context, o Outdated, model string, vectors [][]float32) error {
	return s.db.InTenant(ctx, o.TenantID, func(tx pgx.Tx) error {
		if err := takeTime(ctx, tx); err != nil {
			return err
		}
		if err := unchanged(ctx, tx, o); err != nil {
			return err
		}
		// As whoever writes to the index does: see count. What was answered before may be answered otherwise now.
		if _, err := tx.Exec(ctx, "update corpora set index_version = index_version + 1, changed_at = clock_timestamp() where tenant_id = $1", o.TenantID); err != nil {
			return err
		}
		content, err := withVectors(ctx, tx, o, model, vectors)
		if err != nil {
			return err
		}
		for _, table := range []string{"chunk_embeddings", "hidden_embeddings"} {
			_, err := tx.Exec(ctx, "delete from "+table+` e using chunks c
				where e.tenant_id = $1 and c.tenant_id = $1 and c.document_id = $2 and e.chunk_id = c.id`, o.TenantID, o.DocumentID)
			if err != nil {
				return fmt.Errorf("remove vectors: %w", err)
			}
		}
		if err := insertVectors(ctx, tx, Attempt{TenantID: o.TenantID, DocumentID: o.DocumentID}, content); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update documents set embedding_model = $3 where tenant_id = $1 and id = $2", o.TenantID, o.DocumentID, model)
		if err != nil {
			return fmt.Errorf("note the model: %w", err)
		}
		return s.keepUp(ctx, tx, o.TenantID)
	})
}

// unchanged takes the document's row and makes sure that its chunks are still those that were embedded.
func unchanged(ctx context.Context, tx pgx.Tx, o Outdated) error {
	now := o
	err := tx.QueryRow(ctx, `select embedding_model, edit_revision from documents where tenant_id = $1 and id = $2 for no key update`,
		o.TenantID, o.DocumentID).Scan(&now.model, &now.revision)
	if err == nil {
		err = tx.QueryRow(ctx, "select coalesce(max(reading), 0) from chunks where tenant_id = $1 and document_id = $2", o.TenantID, o.DocumentID).Scan(&now.reading)
	}
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && (now.model != o.model || now.revision != o.revision || now.reading != o.reading)) {
		return ErrSuperseded
	}
	return err
}

// withVectors are the chunks with their vectors, each for where its part of the index is now.
func withVectors(ctx context.Context, tx pgx.Tx, o Outdated, model string, vectors [][]float32) (Content, error) {
	content := Content{Model: model}
	rows, err := tx.Query(ctx, "select id from chunks where tenant_id = $1 and document_id = $2 and not indexed", o.TenantID, o.DocumentID)
	if err != nil {
		return content, err
	}
	hidden := map[domain.ID]bool{}
	var id domain.ID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { hidden[id] = true; return nil }); err != nil {
		return content, fmt.Errorf("find what is switched off: %w", err)
	}
	for i, c := range o.Chunks {
		content.Chunks = append(content.Chunks, NewChunk{Chunk: c, Vector: vectors[i], hidden: hidden[c.ID]})
	}
	return content, nil
}

// LeaveOutdated has a document that the model refused come up again only after a while. Its old vectors stay.
func (s *Service) LeaveOutdated(ctx context.Context, o Outdated, wait time.Duration) error {
	return s.db.InTenant(ctx, o.TenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update documents set due_at = clock_timestamp() + $3::interval
			where tenant_id = $1 and id = $2 and status in ('ready', 'failed')`, o.TenantID, o.DocumentID, wait)
		return err
	})
}
