package retrieve

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// corpusSQL steps through an index from language to language of the documents, and from model to model of their vectors; the
// one that is embedded by now comes first.
const corpusSQL = `
	with recursive l (language) as (
		(select language from documents where tenant_id = $1 and chunk_count > 0 order by language limit 1)
		union all
		select (select d.language from documents d where d.tenant_id = $1 and d.chunk_count > 0 and d.language > l.language order by d.language limit 1)
		from l where l.language is not null),
	m (model) as (
		(select embedding_model from documents where tenant_id = $1 and chunk_count > 0 order by embedding_model limit 1)
		union all
		select (select d.embedding_model from documents d where d.tenant_id = $1 and d.chunk_count > 0 and d.embedding_model > m.model
			order by d.embedding_model limit 1)
		from m where m.model is not null)
	select index_version, chunks, array(select language from l where language is not null),
		array(select model from m where model <> '' order by model <> $2, model), search_settings
	from corpora where tenant_id = $1`

const frequenciesSQL = "select term, chunks from search.term_stats where tenant_id = $1 and term = any($2)"

// lexicalSQL finds chunks by words, and says how near their vectors by each of so many models are.
func lexicalSQL(models int) string {
	var cosines strings.Builder
	for i := range models {
		fmt.Fprintf(&cosines, `, (select -(e.embedding <#> $%[2]d::halfvec) from chunk_embeddings e where e.tenant_id = $4 and e.model = $%[1]d
			and e.chunk_id = l.chunk_id and vector_dims(e.embedding) = vector_dims($%[2]d::halfvec))`, 5+2*i, 6+2*i)
	}
	return "select l.chunk_id, l.score" + cosines.String() + " from search.lexical($1, $2::sparsevec, $3) l"
}

// passagesSQL is fenced by offset 0: for an average tenant it looks cheaper to go from all documents to all their chunks.
const passagesSQL = `
	select c.id, c.revision, c.document_id, d.live_version, d.name, c.ordinal, c.heading, c.page_from, c.page_to, c.text, c.tokens
	from (select * from chunks where tenant_id = $1 and id = any($2) offset 0) c
	join documents d on d.tenant_id = $1 and d.id = c.document_id`

// How many passages are looked at closely: duplicates go and neighbours are joined, so it is more than a model is given. A
// re-ranking model is worth the more the more it sees.
const (
	deep       = 24
	deepRerank = 50
)

func (s *search) depth() int {
	if s.reranker != nil && s.out.Settings.Rerank {
		return max(deepRerank, s.query.Depth)
	}
	return max(deep, s.query.Depth)
}

// read fills in what the best hits say.
func (s *search) read(ctx context.Context) error {
	depth := s.depth()
	for i, h := range s.hits {
		p := Passage{ChunkID: h.chunk, Lexical: h.lexical, Vector: max(0, h.cosine), Fused: h.fused, LexicalRank: h.lexicalRank,
			VectorRank: h.vectorRank, FusedRank: i + 1, Score: h.fused}
		if i < depth || s.follows(h.chunk) {
			s.out.Passages = append(s.out.Passages, p)
		} else {
			p.Lost = LostRank
			s.out.Others = append(s.out.Others, p)
		}
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
	_, err = pgx.ForEachRow(rows, []any{&p.ChunkID, &p.Revision, &p.DocumentID, &p.Version, &p.DocumentName, &p.Ordinal, &p.Heading, &p.PageFrom, &p.PageTo, &p.Text, &p.Tokens}, func() error {
		to := at[p.ChunkID]
		to.Revision, to.DocumentID, to.Version, to.DocumentName, to.Ordinal, to.Heading = p.Revision, p.DocumentID, p.Version, p.DocumentName, p.Ordinal, p.Heading
		to.PageFrom, to.PageTo, to.Text, to.Tokens = p.PageFrom, p.PageTo, p.Text, p.Tokens
		p.Heading = nil // the next row must not write into it
		return nil
	})
	if err != nil {
		return fmt.Errorf("read passages: %w", err)
	}
	return nil
}
