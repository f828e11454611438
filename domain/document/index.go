package document

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// The statements below keep what a search counts with (corpora, search.term_stats) exact. They all take the tenant's row
// of corpora first, so that two documents of a tenant finish one after the other and never wait for each other in a circle.

// removeChunks takes the document's chunks out of the index and out of its figures.
func removeChunks(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) error {
	_, err := tx.Exec(ctx, `
		update corpora set index_version = index_version + 1, chunks = corpora.chunks - gone.chunks, terms = corpora.terms - gone.terms
		from (select chunk_count as chunks, term_count as terms from documents where tenant_id = $1 and id = $2) gone
		where tenant_id = $1`, tenantID, documentID)
	if err != nil {
		return fmt.Errorf("count the chunks that go: %w", err)
	}
	_, err = tx.Exec(ctx, `
		update search.term_stats s set chunks = s.chunks - gone.chunks
		from (select term, count(*) as chunks
			from chunks c join search.lexemes l on l.tenant_id = c.tenant_id and l.chunk_id = c.id, unnest(l.terms) term
			where c.tenant_id = $1 and c.document_id = $2 group by term) gone
		where s.tenant_id = $1 and s.term = gone.term`, tenantID, documentID)
	if err != nil {
		return fmt.Errorf("count the terms that go: %w", err)
	}
	for _, sql := range []string{
		"delete from chunks where tenant_id = $1 and document_id = $2", // vectors and lexemes go with them
		"delete from document_pages where tenant_id = $1 and document_id = $2",
		"update documents set chunk_count = 0, term_count = 0, token_count = 0 where tenant_id = $1 and id = $2",
	} {
		if _, err := tx.Exec(ctx, sql, tenantID, documentID); err != nil {
			return fmt.Errorf("remove chunks: %w", err)
		}
	}
	return nil
}

func insertLexemes(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	ids, terms, weights := make([]domain.ID, len(c.Chunks)), make([]string, len(c.Chunks)), make([]string, len(c.Chunks))
	for i, k := range c.Chunks {
		ids[i], terms[i], weights[i] = k.ID, k.Lexemes, k.Weights
	}
	_, err := tx.Exec(ctx, `insert into search.lexemes (tenant_id, chunk_id, terms, weights)
		select $1, l.id, l.terms::integer[], l.weights::sparsevec from unnest($2::uuid[], $3::text[], $4::text[]) as l (id, terms, weights)`,
		r.TenantID, ids, terms, weights)
	if err != nil {
		return fmt.Errorf("insert lexemes: %w", err)
	}
	return nil
}

// countChunks puts the new chunks into the figures.
func countChunks(ctx context.Context, tx pgx.Tx, r Attempt, c Content) error {
	terms := 0
	for _, k := range c.Chunks {
		terms += k.Terms
	}
	for _, sql := range []string{
		"update corpora set chunks = chunks + $3, terms = terms + $4 where tenant_id = $1 and $2::uuid is not null",
		"update documents set chunk_count = $3, term_count = $4 where tenant_id = $1 and id = $2",
	} {
		if _, err := tx.Exec(ctx, sql, r.TenantID, r.DocumentID, len(c.Chunks), terms); err != nil {
			return fmt.Errorf("count the chunks that come: %w", err)
		}
	}
	_, err := tx.Exec(ctx, `
		insert into search.term_stats as s (tenant_id, term, chunks)
		select $1, term, count(*)
		from chunks c join search.lexemes l on l.tenant_id = c.tenant_id and l.chunk_id = c.id, unnest(l.terms) term
		where c.tenant_id = $1 and c.document_id = $2 group by term order by term
		on conflict (tenant_id, term) do update set chunks = s.chunks + excluded.chunks`, r.TenantID, r.DocumentID)
	if err != nil {
		return fmt.Errorf("count the terms that come: %w", err)
	}
	return nil
}

// Corpus returns how many chunks a tenant has and how many terms they have in all: BM25's average length.
func (s *Service) Corpus(ctx context.Context, tenantID domain.ID) (chunks int, terms int64, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select chunks, terms from corpora where tenant_id = $1", tenantID).Scan(&chunks, &terms)
	})
	return chunks, terms, err
}
