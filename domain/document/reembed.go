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

// Outdated is a document to embed or to analyse anew.
type Outdated struct {
	TenantID   domain.ID
	DocumentID domain.ID
	Title      string // its own, or its name
	Language   string
	Chunks     []Chunk // in order, with what is switched off; of one to analyse see NextOlder

	model    string
	analysis int
	reading  int
	revision int
}

// ErrLater says that documents are outdated, and that it is the turn of none of them now: they are being read, or were refused.
var ErrLater = errors.New("it is the turn of no document now")

const (
	hasOther = "d.tenant_id = $1 and d.chunk_count > 0 and d.embedding_model <> $2"
	isRead   = "d.status in ('ready', 'failed')"
)

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
		if err := nextOutdated(ctx, tx, &o, isRead+" and d.due_at <= clock_timestamp()", hasOther, model); err != nil {
			return err
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

// nextOutdated fills in a document that is outdated, one that is free if there is any. Both are conditions from this package.
func nextOutdated(ctx context.Context, tx pgx.Tx, o *Outdated, free, which string, than any) error {
	var now bool
	err := tx.QueryRow(ctx, `
		select id, coalesce(nullif(title, ''), name), language, embedding_model, analysis, edit_revision, `+free+` as free
		from documents d where `+which+` order by free desc, id limit 1`, o.TenantID, than).
		Scan(&o.DocumentID, &o.Title, &o.Language, &o.model, &o.analysis, &o.revision, &now)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNothing
	case err != nil:
		return fmt.Errorf("find an outdated document: %w", err)
	case !now:
		return ErrLater
	}
	return nil
}

// ReplaceVectors gives the document the vectors that the model made of its chunks, in their order: searches find the old ones
// or the new. When the document changed meanwhile, nothing is written: ErrSuperseded.
func (s *Service) ReplaceVectors(ctx context.Context, o Outdated, model string, vectors [][]float32) error {
	return s.db.InTenant(ctx, o.TenantID, func(tx pgx.Tx) error {
		if err := takeTime(ctx, tx); err != nil {
			return err
		}
		now, err := unchanged(ctx, tx, o)
		if err != nil {
			return err
		}
		if now.model != o.model {
			return ErrSuperseded
		}
		if err := changed(ctx, tx, o.TenantID); err != nil { // before all else, as whoever writes to the index: see count
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

// unchanged takes the document's row and makes sure that its chunks are still those that were looked at.
func unchanged(ctx context.Context, tx pgx.Tx, o Outdated) (now Outdated, err error) {
	err = tx.QueryRow(ctx, `select embedding_model, analysis, edit_revision from documents where tenant_id = $1 and id = $2 for no key update`,
		o.TenantID, o.DocumentID).Scan(&now.model, &now.analysis, &now.revision)
	if err == nil {
		err = tx.QueryRow(ctx, "select coalesce(max(reading), 0) from chunks where tenant_id = $1 and document_id = $2", o.TenantID, o.DocumentID).Scan(&now.reading)
	}
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && (now.revision != o.revision || now.reading != o.reading)) {
		return now, ErrSuperseded
	}
	return now, err
}

// hiddenChunks are those whose part of the index waits to be switched on.
func hiddenChunks(ctx context.Context, tx pgx.Tx, o Outdated) (map[domain.ID]bool, error) {
	rows, err := tx.Query(ctx, "select id from chunks where tenant_id = $1 and document_id = $2 and not indexed", o.TenantID, o.DocumentID)
	if err != nil {
		return nil, err
	}
	hidden := map[domain.ID]bool{}
	var id domain.ID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { hidden[id] = true; return nil }); err != nil {
		return nil, fmt.Errorf("find what is switched off: %w", err)
	}
	return hidden, nil
}

// withVectors are the chunks with their vectors, each for where its part of the index is now.
func withVectors(ctx context.Context, tx pgx.Tx, o Outdated, model string, vectors [][]float32) (Content, error) {
	content := Content{Model: model}
	hidden, err := hiddenChunks(ctx, tx, o)
	if err != nil {
		return content, err
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
