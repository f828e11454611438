package retrieve

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// corpusSQL steps from language to language of the documents through an index. It also lets the commit return before the
// trace is on disk: an answer that names it is committed later, and what is committed later reaches the disk later.
const corpusSQL = `
	with recursive l (language) as (
		(select language from documents where tenant_id = $1 and chunk_count > 0 order by language limit 1)
		union all
		select (select d.language from documents d where d.tenant_id = $1 and d.chunk_count > 0 and d.language > l.language order by d.language limit 1)
		from l where l.language is not null)
	select index_version, chunks, array(select language from l where language is not null), set_config('synchronous_commit', 'off', true)
	from corpora where tenant_id = $1`

const frequenciesSQL = "select term, chunks from search.term_stats where tenant_id = $1 and term = any($2)"

// lexicalSQL finds chunks by words, and says how near their vectors are too.
const lexicalSQL = `
	select l.chunk_id, l.score, coalesce((select -(e.embedding <#> $6::halfvec) from chunk_embeddings e
		where e.tenant_id = $1 and e.model = $5 and e.chunk_id = l.chunk_id and vector_dims(e.embedding) = vector_dims($6::halfvec)), 0)
	from search.lexical($2, $3::sparsevec, $4) l`

// passagesSQL is fenced by offset 0: for an average tenant it looks cheaper to go from all documents to all their chunks.
const passagesSQL = `
	select c.id, c.document_id, d.name, c.ordinal, c.heading, c.page_from, c.page_to, c.text, c.tokens
	from (select * from chunks where tenant_id = $1 and id = any($2) offset 0) c
	join documents d on d.tenant_id = $1 and d.id = c.document_id`

// read fills in what the best hits say.
func (s *search) read(ctx context.Context) error {
	s.hits = s.hits[:min(listed, len(s.hits))]
	limit := s.query.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	for i, h := range s.hits {
		s.out.Passages = append(s.out.Passages, Passage{ChunkID: h.chunk, Lexical: h.lexical, Vector: max(0, h.cosine), Fused: h.fused,
			LexicalRank: h.lexicalRank, VectorRank: h.vectorRank, Used: i < limit && h.fused >= s.out.Threshold})
	}
	return fillPassages(ctx, s.tx, s.tenant, s.out.Passages)
}

// fillPassages reads what the passages say. One whose chunk is gone stays as it is.
func fillPassages(ctx context.Context, tx pgx.Tx, tenant domain.ID, passages []Passage) error {
	if len(passages) == 0 {
		return nil
	}
	at := make(map[domain.ID]*Passage, len(passages))
	ids := make([]domain.ID, len(passages))
	for i := range passages {
		ids[i] = passages[i].ChunkID
		at[ids[i]] = &passages[i]
	}
	rows, err := tx.Query(ctx, passagesSQL, tenant, ids)
	if err != nil {
		return fmt.Errorf("read passages: %w", err)
	}
	var p Passage
	_, err = pgx.ForEachRow(rows, []any{&p.ChunkID, &p.DocumentID, &p.DocumentName, &p.Ordinal, &p.Heading, &p.PageFrom, &p.PageTo, &p.Text, &p.Tokens}, func() error {
		to := at[p.ChunkID]
		to.DocumentID, to.DocumentName, to.Ordinal, to.Heading = p.DocumentID, p.DocumentName, p.Ordinal, p.Heading
		to.PageFrom, to.PageTo, to.Text, to.Tokens = p.PageFrom, p.PageTo, p.Text, p.Tokens
		p.Heading = nil // the next row must not write into it
		return nil
	})
	if err != nil {
		return fmt.Errorf("read passages: %w", err)
	}
	return nil
}
