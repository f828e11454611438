package retrieve

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/lexical"
)

// corpusSQL steps through an index from language to language of the documents, and from model to model of their vectors; the
// one that is embedded by now comes first, and the languages that it knows last.
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
	select index_version, chunks, array(select language from l where language is not null), models, search_settings,
		(select languages from meta.embedding_models e where e.model = models[1])
	from corpora, (select array(select model from m where model <> '' order by model <> $2, model) as models) v where tenant_id = $1`

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
	select c.id, c.revision, c.document_id, d.live_version, d.name, c.ordinal, c.heading, c.page_from, c.page_to, c.text, c.tokens, d.title, d.language
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

// read reads what the best hits say.
func (s *search) read(ctx context.Context) (map[domain.ID]*text, error) {
	depth := s.depth()
	var ids [][16]byte // see asBytes
	for i, h := range s.hits {
		if i < depth || s.follows(h.chunk) {
			ids = append(ids, h.chunk)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return s.readTexts(ctx, ids)
}

// list ranks the best hits once more by how near to each other they have the words of the question, and by the language that it is
// more likely in now that they are known, and lists them all.
func (s *search) list(texts map[domain.ID]*text) {
	near := s.words.Near(s.tenant)
	var languages []lexical.Lang
	for i := range s.hits[:min(toLookAt, len(s.hits))] {
		h := &s.hits[i]
		t := texts[h.chunk]
		languages = append(languages, lexical.Lang(t.language))
		h.near = near.Score(t.title+"\n"+strings.Join(t.Heading, "\n"), t.Text, lexical.Lang(t.language))
	}
	s.speak(languages)
	s.fuse()
	rank(s.hits)
	if s.words.Possible > 0 { // on the scale of Passage.Lexical
		s.out.ByWords.Last = min(1, s.out.ByWords.Last/s.words.Possible)
	}
	s.out.Passages, s.out.Others = make([]Passage, 0, len(texts)), make([]Passage, 0, len(s.hits)-len(texts))
	for i, h := range s.hits {
		p := Passage{ChunkID: h.chunk, Lost: LostRank}
		if t := texts[h.chunk]; t != nil {
			p = t.Passage
		}
		p.Lexical, p.Vector, p.Fused, p.Score = h.lexical, max(0, h.cosine), h.fused, h.fused
		p.LexicalRank, p.VectorRank, p.FusedRank = h.lexicalRank, h.vectorRank, i+1
		if p.Lost == LostRank {
			s.out.Others = append(s.out.Others, p)
		} else {
			s.out.Passages = append(s.out.Passages, p)
		}
	}
}

// text is what a chunk says, and what its words stand under.
type text struct {
	Passage
	title, language string
}

func (s *search) readTexts(ctx context.Context, ids [][16]byte) (map[domain.ID]*text, error) {
	rows, err := s.tx.Query(ctx, passagesSQL, s.tenant, ids)
	if err != nil {
		return nil, fmt.Errorf("read passages: %w", err)
	}
	texts := make(map[domain.ID]*text, len(ids))
	var t text
	fields := []any{asBytes(&t.ChunkID), &t.Revision, asBytes(&t.DocumentID), &t.Version, &t.DocumentName, &t.Ordinal, &t.Heading, &t.PageFrom, &t.PageTo, &t.Text, &t.Tokens,
		&t.title, &t.language}
	_, err = pgx.ForEachRow(rows, fields, func() error {
		read := t
		read.title = cmp.Or(read.title, read.DocumentName)
		texts[read.ChunkID] = &read
		t.Heading = nil // the next row must not write into it
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read passages: %w", err)
	}
	return texts, nil
}
