package retrieve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/lexical"
	"bitb/domain/postgres"
)

// Service searches one tenant at a time. It keeps nothing between searches, so nothing can cross tenants.
type Service struct{ db *postgres.DB }

// NewService returns the service over db.
func NewService(db *postgres.DB) *Service { return &Service{db: db} }

// Retrieve searches the tenant's chunks and stores the trace, in one transaction. No chunk in common with the question is
// an empty list of passages, not an error.
func (s *Service) Retrieve(ctx context.Context, tenantID domain.ID, q Query) (Retrieval, error) {
	q.Text = strings.ReplaceAll(strings.ToValidUTF8(q.Text, " "), "\x00", " ") // PostgreSQL stores neither
	r := Retrieval{ID: domain.NewID(), BotID: q.BotID, Question: q.Text, Threshold: Threshold, CreatedAt: time.Now()}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		run := search{tx: tx, tenant: tenantID, query: q, out: &r, began: r.CreatedAt}
		for _, stage := range []struct {
			name string
			do   func(context.Context) error
		}{{"statistics", run.weigh}, {"search", run.find}, {"passages", run.read}} {
			from := time.Now()
			if err := stage.do(ctx); err != nil {
				return err
			}
			r.Timings = append(r.Timings, Timing{stage.name, millis(from.Sub(run.began)), millis(time.Since(from))})
		}
		return insertRetrieval(ctx, tx, tenantID, r)
	})
	return r, err
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// search is one question on its way through the database.
type search struct {
	tx     pgx.Tx
	tenant domain.ID
	query  Query
	out    *Retrieval
	began  time.Time

	words  lexical.Weighed
	vector *string // the question's, nil with VectorsOff
	found  map[domain.ID]*hit
	hits   []hit // what was found, fused
}

// weigh reads what is known of the tenant's chunks, and of the question's words in them. It asks for the words as the
// question's own language has them along with the languages of the documents: mostly these are the same, and a second
// round trip is saved.
func (s *search) weigh(ctx context.Context) error {
	df := map[int32]int{}
	likely := lexical.ParseQuery(s.tenant, s.query.Text, []lexical.Lang{lexical.Guess(s.query.Text), lexical.English}).Hashes()
	var batch pgx.Batch
	batch.Queue(corpusSQL, s.tenant).Query(s.readCorpus)
	batch.Queue(frequenciesSQL, s.tenant, likely).Query(readFrequencies(df))
	if err := s.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("read the corpus: %w", err)
	}
	if s.out.Chunks == 0 {
		return nil
	}
	langs := make([]lexical.Lang, len(s.out.Languages))
	for i, l := range s.out.Languages {
		langs[i] = lexical.Lang(l)
	}
	words := lexical.ParseQuery(s.tenant, s.query.Text, langs)
	missing := slices.DeleteFunc(words.Hashes(), func(term int32) bool { return slices.Contains(likely, term) })
	if len(missing) > 0 {
		rows, err := s.tx.Query(ctx, frequenciesSQL, s.tenant, missing)
		if err != nil {
			return fmt.Errorf("read term frequencies: %w", err)
		}
		if err := readFrequencies(df)(rows); err != nil {
			return fmt.Errorf("read term frequencies: %w", err)
		}
	}
	if err := s.spell(ctx, &words, df); err != nil {
		return err
	}
	s.words = words.Weigh(s.out.Chunks, df)
	s.out.Words, s.out.Unknown = len(s.words.Words), len(s.words.Words)-s.words.Found
	return nil
}

func (s *search) readCorpus(rows pgx.Rows) error {
	var commit string
	_, err := pgx.ForEachRow(rows, []any{&s.out.IndexVersion, &s.out.Chunks, &s.out.Languages, &commit}, func() error { return nil })
	return err
}

func readFrequencies(df map[int32]int) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var term int32
		var chunks int
		_, err := pgx.ForEachRow(rows, []any{&term, &chunks}, func() error { df[term] = chunks; return nil })
		return err
	}
}

const (
	byWords  = 50 // chunks that words may find
	byVector = 50 // chunks that vectors may find
	few      = 10 // found by words: then the built-in vectors of all chunks are worth a look
)

// find searches by words and by vectors, in one round trip.
func (s *search) find(ctx context.Context) error {
	s.out.Vectors = planVectors(s.query, s.out.Chunks)
	if s.out.Vectors != VectorsOff {
		s.out.Model, s.vector = s.query.Model, vectorText(s.query.Vector)
	}
	s.found = map[domain.ID]*hit{}
	var batch pgx.Batch
	if len(s.words.Rarest) > 0 {
		batch.Queue(lexicalSQL, s.tenant, s.words.Rarest, s.words.Weights.Sparse(), byWords, s.out.Model, s.vector).
			Query(s.collect(func(h *hit, rank int) { h.lexicalRank = rank; s.out.ByWords = rank }))
	}
	s.queueVectors(&batch)
	if err := s.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if err := s.lookFurther(ctx); err != nil {
		return err
	}
	for _, h := range s.found {
		if h.bm25 > 0 || h.cosine > 0 {
			s.hits = append(s.hits, *h)
		}
	}
	fuse(s.hits, s.words.Possible, s.out.Model)
	return nil
}

func (s *search) queueVectors(batch *pgx.Batch) {
	args := []any{s.tenant, s.out.Model, s.vector, byVector}
	collect := s.collect(func(h *hit, rank int) { h.vectorRank = rank; s.out.ByVector = rank })
	switch s.out.Vectors {
	case VectorsExact:
		batch.Queue(exactSQL, args...).Query(collect)
	case VectorsHNSW:
		batch.Queue(hnswSettings).Exec(func(pgconn.CommandTag) error { return nil })
		batch.Queue(hnswSQL(len(s.query.Vector)), args...).Query(collect)
	}
}

// lookFurther compares all vectors where too little was found: by the built-in model's question with hardly a known word,
// or by the approximate index, which gives up when a tenant's vectors are few among all.
func (s *search) lookFurther(ctx context.Context) error {
	switch {
	case s.out.Vectors == VectorsHNSW && s.out.ByVector < byVector:
	case s.out.Vectors == VectorsOfHits && s.out.ByWords < few && s.out.Chunks <= exactTo:
	default:
		return nil
	}
	s.out.Vectors = VectorsExact
	var batch pgx.Batch
	s.queueVectors(&batch)
	if err := s.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("search all vectors: %w", err)
	}
	return nil
}

// collect reads rows of chunk, BM25 score and cosine, and tells rank the place of each.
func (s *search) collect(rank func(h *hit, place int)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var row hit
		place := 0
		_, err := pgx.ForEachRow(rows, []any{&row.chunk, &row.bm25, &row.cosine}, func() error {
			h := s.found[row.chunk]
			if h == nil {
				h = &hit{chunk: row.chunk}
				s.found[row.chunk] = h
			}
			h.bm25, h.cosine = max(h.bm25, row.bm25), row.cosine
			place++
			rank(h, place)
			return nil
		})
		return err
	}
}
