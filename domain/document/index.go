package document

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// The statements below keep what a search counts with (corpora, search.term_stats, search.vocabulary) exact: it counts what can be found. Whoever
// changes them takes the tenant's row of corpora first, so that two documents of a tenant end one after the other and never
// wait for each other in a circle.

// insertIndexed writes chunks of a reading with their part of the index: what is off goes where it waits to be switched on.
func insertIndexed(ctx context.Context, tx pgx.Tx, a Attempt, c Content) error {
	var off bool
	if err := tx.QueryRow(ctx, "select off from documents where tenant_id = $1 and id = $2", a.TenantID, a.DocumentID).Scan(&off); err != nil {
		return err
	}
	for i := range c.Chunks {
		c.Chunks[i].hidden = off || c.Chunks[i].Off
	}
	for _, step := range []func(context.Context, pgx.Tx, Attempt, Content) error{insertChunks, insertVectors, insertLexemes} {
		if err := step(ctx, tx, a, c); err != nil {
			return err
		}
	}
	var ids []domain.ID
	for _, k := range c.Chunks {
		if !k.hidden {
			ids = append(ids, k.ID)
		}
	}
	if err := count(ctx, tx, a.TenantID, ids, 1); err != nil {
		return err
	}
	return insertWords(ctx, tx, a.TenantID, c.Chunks)
}

// count puts chunks that have their part of the index into the figures (sign 1), or takes them out (-1).
func count(ctx context.Context, tx pgx.Tx, tenantID domain.ID, ids []domain.ID, sign int) error {
	_, err := tx.Exec(ctx, `
		update corpora set index_version = index_version + 1, changed_at = clock_timestamp(), chunks = corpora.chunks + $3 * c.chunks, terms = corpora.terms + $3 * c.terms
		from (select count(*) as chunks, coalesce(sum(terms), 0) as terms from chunks where tenant_id = $1 and id = any($2)) c
		where tenant_id = $1`, tenantID, ids, sign)
	if err != nil {
		return fmt.Errorf("count chunks: %w", err)
	}
	_, err = tx.Exec(ctx, `
		insert into search.term_stats as s (tenant_id, term, chunks)
		select $1, term, $3 * count(*) from search.lexemes l, unnest(l.terms) term
		where l.tenant_id = $1 and l.chunk_id = any($2) group by term order by term
		on conflict (tenant_id, term) do update set chunks = s.chunks + excluded.chunks`, tenantID, ids, sign)
	if err != nil {
		return fmt.Errorf("count terms: %w", err)
	}
	return nil
}

// hold takes the tenant's row of corpora where no figure changes first.
func hold(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	_, err := tx.Exec(ctx, "select from corpora where tenant_id = $1 for update", tenantID)
	return err
}

// changed notes that a search may find otherwise now what it found before, whatever its figures.
func changed(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	_, err := tx.Exec(ctx, "update corpora set index_version = index_version + 1, changed_at = clock_timestamp() where tenant_id = $1", tenantID)
	return err
}

// keepUp tells what follows the index that it changed: the tests of the tenant, and the approximate index, which is given what
// it lacks for a tenant whose searches look into it.
func (s *Service) keepUp(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	if err := s.ingest.Changed(ctx, tx, tenantID); err != nil {
		return err
	}
	return s.keepVectors(ctx, tx, tenantID)
}

func (s *Service) keepVectors(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	var lacks bool
	err := tx.QueryRow(ctx, `select chunks > $2 and exists (select from chunk_embeddings where tenant_id = $1 and not near and not starts_with(model, $3))
		from corpora where tenant_id = $1`, tenantID, postgres.ApproximateFrom, postgres.Builtin).Scan(&lacks)
	if err != nil || !lacks {
		return err
	}
	return s.ingest.KeepUp(ctx, tx, tenantID)
}

// KeepVectors has the tenant's approximate index given what it lacks, if it is searched. For what did not come by this service:
// a migration, and what a job that was given up left.
func (s *Service) KeepVectors(ctx context.Context, tenantID domain.ID) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error { return s.keepVectors(ctx, tx, tenantID) })
}

// IndexVectors gives the tenant's approximate index some of the vectors that it lacks, and returns how many; 0 at the end, when it
// has let go of the indexes of models that have none any more. A vector takes milliseconds: triggers copy it to where the
// index is.
func (s *Service) IndexVectors(ctx context.Context, tenantID domain.ID) (n int, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			with chosen as materialized (select model, chunk_id from chunk_embeddings
				where tenant_id = $1 and not near and not starts_with(model, $2) limit 100 for update skip locked)
			update chunk_embeddings e set near = true from chosen where e.tenant_id = $1 and e.model = chosen.model and e.chunk_id = chosen.chunk_id`,
			tenantID, postgres.Builtin)
		if n = int(tag.RowsAffected()); err == nil && n == 0 {
			_, err = tx.Exec(ctx, "select search.tidy_near()")
		}
		return err
	})
	return n, err
}

// removeChunks takes the document's chunks out of the index, its figures and the table; those of the reading keep stay.
func removeChunks(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID, keep int) error {
	rows, err := tx.Query(ctx, "select id, indexed from chunks where tenant_id = $1 and document_id = $2 and reading <> $3", tenantID, documentID, keep)
	if err != nil {
		return err
	}
	var all, found []domain.ID
	var id domain.ID
	var indexed bool
	_, err = pgx.ForEachRow(rows, []any{&id, &indexed}, func() error {
		if all = append(all, id); indexed {
			found = append(found, id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find the chunks that go: %w", err)
	}
	if err := count(ctx, tx, tenantID, found, -1); err != nil {
		return err
	}
	if err := countWords(ctx, tx, tenantID, found, -1); err != nil {
		return err
	}
	if err := removeWords(ctx, tx, tenantID, all); err != nil {
		return err
	}
	if keep >= 0 {
		if err := keepRevisions(ctx, tx, tenantID, byReading, "c.document_id = $3 and c.reading <> $4", documentID, keep); err != nil {
			return err
		}
	}
	// vectors and lexemes go with them
	if _, err := tx.Exec(ctx, "delete from chunks where tenant_id = $1 and document_id = $2 and reading <> $3", tenantID, documentID, keep); err != nil {
		return fmt.Errorf("remove chunks: %w", err)
	}
	return nil
}

// What takes the place of a chunk's words.
const (
	byEdit    = "edit"
	byReading = "reading"
)

// keepRevisions keeps chunks as they are before they are replaced, so that an answer can be explained with the words it was
// made from. which is a condition from this package, on the chunk c.
func keepRevisions(ctx context.Context, tx pgx.Tx, tenantID domain.ID, by, which string, args ...any) error {
	_, err := tx.Exec(ctx, `insert into chunk_revisions
			(tenant_id, chunk_id, revision, document_id, version, ordinal, heading, page_from, page_to, text, tokens, replaced_by)
		select c.tenant_id, c.id, c.revision, c.document_id, d.live_version, c.ordinal, c.heading, c.page_from, c.page_to, c.text, c.tokens, $2
		from chunks c join documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
		where c.tenant_id = $1 and `+which, append([]any{tenantID, by}, args...)...)
	if err != nil {
		return fmt.Errorf("keep chunks as they were: %w", err)
	}
	return nil
}

// ForgetRevisions removes what was kept of chunks that were replaced before a time: no trace is left that could name them.
func (s *Service) ForgetRevisions(ctx context.Context, tenantID domain.ID, before time.Time) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from chunk_revisions where tenant_id = $1 and replaced_at < $2", tenantID, before)
		return err
	})
}

// matchIndex brings the index in line with the switches of a document and its chunks.
func matchIndex(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) error {
	for _, on := range []bool{false, true} {
		rows, err := tx.Query(ctx, `
			select c.id from chunks c join documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
			where c.tenant_id = $1 and c.document_id = $2 and (not c.off and not d.off) = $3 and c.indexed <> $3`, tenantID, documentID, on)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
		if err != nil {
			return fmt.Errorf("find the chunks to switch: %w", err)
		}
		if len(ids) == 0 {
			continue
		}
		if err := setIndexed(ctx, tx, tenantID, ids, on); err != nil {
			return err
		}
	}
	return nil
}

// setIndexed moves the chunks' part of the index to where searches look, or to where they do not.
func setIndexed(ctx context.Context, tx pgx.Tx, tenantID domain.ID, ids []domain.ID, on bool) error {
	if !on {
		if err := count(ctx, tx, tenantID, ids, -1); err != nil {
			return err
		}
		if err := countWords(ctx, tx, tenantID, ids, -1); err != nil {
			return err
		}
	} else if err := hold(ctx, tx, tenantID); err != nil {
		return err
	}
	// What comes back joins the approximate index later: there and then, ten thousand vectors would take minutes.
	moves := []string{"update chunk_embeddings set near = false where tenant_id = $1 and chunk_id = any($2) and near",
		moveSQL("chunk_embeddings", "hidden_embeddings"), moveSQL("search.lexemes", "search.hidden_lexemes")}
	if on {
		moves = []string{moveSQL("hidden_embeddings", "chunk_embeddings"), moveSQL("search.hidden_lexemes", "search.lexemes")}
	}
	for _, sql := range moves {
		if _, err := tx.Exec(ctx, sql, tenantID, ids); err != nil {
			return fmt.Errorf("switch chunks: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, "update chunks set indexed = $3 where tenant_id = $1 and id = any($2)", tenantID, ids, on); err != nil {
		return fmt.Errorf("switch chunks: %w", err)
	}
	if !on {
		return nil
	}
	if err := count(ctx, tx, tenantID, ids, 1); err != nil {
		return err
	}
	return countWords(ctx, tx, tenantID, ids, 1)
}

// moveSQL takes names from this file only.
func moveSQL(from, to string) string {
	return "with moved as (delete from " + from + " where tenant_id = $1 and chunk_id = any($2) returning *) insert into " + to + " select * from moved"
}

// replaceIndexed gives a chunk other words with their part of the index.
func replaceIndexed(ctx context.Context, tx pgx.Tx, tenantID domain.ID, k NewChunk) error {
	var indexed bool
	if err := tx.QueryRow(ctx, "select indexed from chunks where tenant_id = $1 and id = $2", tenantID, k.ID).Scan(&indexed); err != nil {
		return err
	}
	ids, found := []domain.ID{k.ID}, []domain.ID{}
	if k.hidden = !indexed; indexed {
		found = ids
	}
	if err := takeWords(ctx, tx, tenantID, ids, found); err != nil {
		return err
	}
	for _, sql := range []string{
		"delete from chunk_embeddings where tenant_id = $1 and chunk_id = $2", "delete from hidden_embeddings where tenant_id = $1 and chunk_id = $2",
	} {
		if _, err := tx.Exec(ctx, sql, tenantID, k.ID); err != nil {
			return fmt.Errorf("take a chunk out of the index: %w", err)
		}
	}
	if err := keepRevisions(ctx, tx, tenantID, byEdit, "c.id = $3", k.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update documents d set token_count = d.token_count + $3 - c.tokens from chunks c
		where c.tenant_id = $1 and c.id = $2 and d.tenant_id = $1 and d.id = c.document_id`, tenantID, k.ID, k.Tokens)
	if err == nil {
		_, err = tx.Exec(ctx, "update chunks set text = $3, tokens = $4, terms = $5, revision = revision + 1 where tenant_id = $1 and id = $2", tenantID, k.ID, k.Text, k.Tokens, k.Terms)
	}
	if err != nil {
		return fmt.Errorf("rewrite a chunk: %w", err)
	}
	content := Content{Chunks: []NewChunk{k}, Model: k.EmbeddingModel}
	a := Attempt{TenantID: tenantID, DocumentID: k.DocumentID}
	if err := insertVectors(ctx, tx, a, content); err != nil {
		return err
	}
	return putWords(ctx, tx, a, content, found)
}

// takeWords takes the terms and words of chunks out of the index, and out of the figures those of the chunks that can be found.
func takeWords(ctx context.Context, tx pgx.Tx, tenantID domain.ID, ids, found []domain.ID) error {
	if len(found) > 0 {
		if err := count(ctx, tx, tenantID, found, -1); err != nil {
			return err
		}
		if err := countWords(ctx, tx, tenantID, found, -1); err != nil {
			return err
		}
	} else if err := hold(ctx, tx, tenantID); err != nil {
		return err
	}
	if err := removeWords(ctx, tx, tenantID, ids); err != nil {
		return err
	}
	for _, sql := range []string{
		"delete from search.lexemes where tenant_id = $1 and chunk_id = any($2)", "delete from search.hidden_lexemes where tenant_id = $1 and chunk_id = any($2)",
	} {
		if _, err := tx.Exec(ctx, sql, tenantID, ids); err != nil {
			return fmt.Errorf("remove lexemes: %w", err)
		}
	}
	return nil
}

// putWords puts them in again as they are now.
func putWords(ctx context.Context, tx pgx.Tx, a Attempt, c Content, found []domain.ID) error {
	if err := insertLexemes(ctx, tx, a, c); err != nil {
		return err
	}
	if err := insertWords(ctx, tx, a.TenantID, c.Chunks); err != nil || len(found) == 0 {
		return err
	}
	return count(ctx, tx, a.TenantID, found, 1)
}

func insertLexemes(ctx context.Context, tx pgx.Tx, a Attempt, c Content) error {
	for _, hidden := range []bool{false, true} {
		var ids []domain.ID
		var terms, weights, words []string
		for _, k := range c.Chunks {
			if k.hidden == hidden {
				ids, terms, weights, words = append(ids, k.ID), append(terms, k.Lexemes), append(weights, k.Weights), append(words, hashes(k.Words))
			}
		}
		if len(ids) == 0 {
			continue
		}
		table := map[bool]string{false: "search.lexemes", true: "search.hidden_lexemes"}[hidden]
		_, err := tx.Exec(ctx, "insert into "+table+` (tenant_id, chunk_id, terms, weights, words)
			select $1, l.id, l.terms::integer[], l.weights::sparsevec, l.words::integer[]
			from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) as l (id, terms, weights, words)`,
			a.TenantID, ids, terms, weights, words)
		if err != nil {
			return fmt.Errorf("insert lexemes: %w", err)
		}
	}
	return nil
}

func insertVectors(ctx context.Context, tx pgx.Tx, a Attempt, c Content) error {
	for _, hidden := range []bool{false, true} {
		var ids []domain.ID
		var vectors []string
		for _, k := range c.Chunks {
			if k.Vector != nil && k.hidden == hidden {
				ids, vectors = append(ids, k.ID), append(vectors, postgres.VectorText(k.Vector))
			}
		}
		if len(ids) == 0 {
			continue
		}
		table := map[bool]string{false: "chunk_embeddings", true: "hidden_embeddings"}[hidden]
		_, err := tx.Exec(ctx, "insert into "+table+` (tenant_id, chunk_id, model, embedding)
			select $1, v.id, $2, v.embedding::halfvec from unnest($3::uuid[], $4::text[]) as v (id, embedding)`, a.TenantID, c.Model, ids, vectors)
		if err != nil {
			return fmt.Errorf("insert vectors: %w", err)
		}
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
