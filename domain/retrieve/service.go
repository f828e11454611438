package retrieve

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/lexical"
	"bitb/domain/postgres"
)

// Embedder makes the vector of a question for one tenant, by the model that made the vectors of its documents; see
// llm.QueryEmbedder.
type Embedder interface {
	Model() string // of what is embedded from now on
	EmbedQuery(ctx context.Context, tenantID domain.ID, model, text string) ([]float32, error)
}

// Reranker scores texts by how well they answer a question, 0 to 1 for each; see llm.Reranker.
type Reranker interface {
	Model() string
	Rerank(ctx context.Context, question string, texts []string) ([]float64, error)
}

// Config is what a Service is made of.
type Config struct {
	DB       *postgres.DB
	Log      *slog.Logger
	Embedder Embedder
	Reranker Reranker // nil: none

	// Fit notes which of the chosen passages have no room in a prompt, as LostBudget; nil: all have. What a prompt holds is
	// known to whoever writes it.
	Fit func(*Retrieval)

	// Changed is told, within the transaction, of settings that changed; nil: nobody is.
	Changed func(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error
}

// Service searches one tenant at a time. It keeps nothing between searches, so nothing can cross tenants.
type Service struct {
	db       *postgres.DB
	log      *slog.Logger
	embedder Embedder
	reranker Reranker
	fit      func(*Retrieval)
	changed  func(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error
}

// NewService returns the service.
func NewService(c Config) *Service {
	return &Service{db: c.DB, log: c.Log, embedder: c.Embedder, reranker: c.Reranker, fit: c.Fit, changed: c.Changed}
}

// Retrieve searches the tenant's chunks. It writes nothing: whoever uses the result keeps it with Keep. No chunk in common with
// the question is an empty list of passages, not an error; a model that does not answer is done without.
func (s *Service) Retrieve(ctx context.Context, tenantID domain.ID, q Query) (Retrieval, error) {
	run := s.newSearch(tenantID, q)
	if err := run.candidates(ctx); err != nil {
		return run.out, err
	}
	run.rerank(ctx)
	from := time.Now()
	run.choose()
	run.note("choose", from)
	run.out.forReader(ctx)
	return run.out, nil
}

// search is one question on its way through the stages.
type search struct {
	*Service
	tx     postgres.Reader
	tenant domain.ID
	query  Query
	out    Retrieval

	known   []string           // languages that the first of the models knows; nil: it was not examined
	vectors map[string]*string // the question's, by model; nil where its model did not answer
	words   lexical.Weighed
	found   map[domain.ID]*hit
	hits    []hit   // what was found, fused
	target  *target // a chunk that is followed through all stages, found or not; nil: none
}

func (s *Service) newSearch(tenantID domain.ID, q Query) *search {
	storable := func(text string) string { // PostgreSQL stores neither
		return strings.ReplaceAll(strings.ToValidUTF8(text, " "), "\x00", " ")
	}
	if q.Settings != nil && !q.Settings.FollowUps {
		q.Text, q.Context, q.By = cmp.Or(q.Asked, q.Text), nil, ""
	}
	q.Text, q.Asked = storable(q.Text), storable(q.Asked)
	q.Context = slices.Clone(q.Context[:min(lexical.CarriedTurns, len(q.Context))])
	for i, text := range q.Context {
		q.Context[i] = storable(text)
	}
	r := &search{Service: s, tenant: tenantID, query: q, vectors: map[string]*string{}}
	r.out = Retrieval{ID: domain.NewID(), BotID: q.BotID, Question: q.Text, Searched: q.Text, CreatedAt: time.Now()}
	r.out.Question = cmp.Or(q.Asked, q.Text)
	if r.out.Question != q.Text || len(q.Context) > 0 {
		r.out.SearchedBy, r.out.Context = q.By, q.Context
	}
	return r
}

// stage notes how long do takes.
func (s *search) stage(name string, do func() error) error {
	defer s.note(name, time.Now())
	return do()
}

// note notes a stage that began at from and ends now.
func (s *search) note(name string, from time.Time) {
	s.out.Timings = append(s.out.Timings, Timing{name, millis(from.Sub(s.out.CreatedAt)), millis(time.Since(from))})
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// candidates finds what may answer, fuses it and reads the best. The question is embedded before the transaction, which is not to
// wait for a model; documents that are still embedded by another model are known only within it, and then it is run again.
func (s *search) candidates(ctx context.Context) error {
	missing := []string{s.embedder.Model()}
	if isBuiltin(missing[0]) || s.query.Settings != nil && s.query.Settings.Search == WordsOnly {
		missing = nil
	}
	for {
		if len(missing) > 0 {
			from := time.Now()
			s.embed(ctx, missing)
			s.note("embed", from)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if missing, err = s.searchBy(ctx); err != nil || len(missing) == 0 {
			return err
		}
	}
}

// searchBy searches with the vectors that there are, and returns the models of which one is missing: then it found nothing.
func (s *search) searchBy(ctx context.Context) (missing []string, err error) {
	var texts map[domain.ID]*text
	first, df := s.statistics()
	from := time.Now()
	err = s.db.SnapshotFrom(ctx, s.tenant, first, func(tx postgres.Reader) error {
		s.tx = tx
		err := s.weigh(ctx, df)
		s.note("statistics", from)
		if err != nil {
			return err
		}
		if missing = s.unembedded(); len(missing) > 0 {
			return nil
		}
		if err := s.stage("search", func() error { return s.find(ctx) }); err != nil {
			return err
		}
		return s.stage("passages", func() (err error) {
			texts, err = s.read(ctx)
			return err
		})
	})
	if err == nil && len(missing) == 0 {
		from := time.Now()
		s.list(texts)
		s.note("near", from)
	}
	return missing, err
}

// embed makes the question's vectors by these models.
func (s *search) embed(ctx context.Context, models []string) {
	for _, model := range models {
		s.vectors[model] = nil
		vector, err := s.vectorBy(ctx, model)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.WarnContext(ctx, "question not embedded; searching by words alone", "model", model, "error", err)
			s.out.VectorsLost = "The embedding model " + model + " did not answer."
		case err == nil && usable(vector):
			s.vectors[model] = vectorText(vector)
		}
	}
}

// unembedded are the models of the tenant's documents by which the question was not embedded yet.
func (s *search) unembedded() []string {
	if s.out.Settings.Search == WordsOnly || s.planOf(s.leading()) == VectorsIfFew {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.out.Models), func(model string) bool { _, done := s.vectors[model]; return done })
}

// statistics asks for what is known of the tenant's chunks, and of the question's words in them, as the question's own language has
// the words: mostly that is one of the documents' languages, and a round trip is saved.
func (s *search) statistics() (*pgx.Batch, map[int32]int) {
	df := map[int32]int{}
	likely := lexical.ParseQuery(s.tenant, s.query.Text, []lexical.Lang{lexical.Guess(s.query.Text), lexical.English}).Carry(s.query.Context).Hashes()
	for _, term := range likely {
		df[term] = 0
	}
	var batch pgx.Batch
	batch.Queue(corpusSQL, s.tenant, s.embedder.Model()).Query(s.readCorpus)
	batch.Queue(frequenciesSQL, s.tenant, likely).Query(readFrequencies(df))
	return &batch, df
}

// weigh weighs the words of the question by how many chunks have them: df, which has some terms already.
func (s *search) weigh(ctx context.Context, df map[int32]int) error {
	if s.out.Chunks == 0 {
		return nil
	}
	words := lexical.ParseQuery(s.tenant, s.query.Text, s.languages()).Carry(s.query.Context)
	missing := slices.DeleteFunc(words.Hashes(), func(term int32) bool { _, known := df[term]; return known })
	if len(missing) > 0 {
		rows, err := s.tx.Query(ctx, frequenciesSQL, s.tenant, missing)
		if err != nil {
			return fmt.Errorf("read term frequencies: %w", err)
		}
		if err := readFrequencies(df)(rows); err != nil {
			return fmt.Errorf("read term frequencies: %w", err)
		}
	}
	if s.out.Settings.Spelling {
		if err := s.spell(ctx, &words, df); err != nil {
			return err
		}
	}
	s.words = words.Weigh(s.out.Chunks, df)
	s.out.Words = nil
	for _, w := range s.words.Words {
		s.out.Words = append(s.out.Words, Word{Text: w.Text, Small: w.Small, Chunks: w.Chunks, Weight: round(w.Weight), Spelled: w.Spelled, Carried: w.Carried})
	}
	return nil
}

// languages are those of the documents.
func (s *search) languages() []lexical.Lang {
	langs := make([]lexical.Lang, len(s.out.Languages))
	for i, l := range s.out.Languages {
		langs[i] = lexical.Lang(l)
	}
	return langs
}

func (s *search) readCorpus(rows pgx.Rows) error {
	var kept []byte
	fields := []any{&s.out.IndexVersion, &s.out.Chunks, &s.out.Languages, &s.out.Models, &kept, &s.known}
	_, err := pgx.ForEachRow(rows, fields, func() (err error) {
		if s.query.Settings != nil {
			s.out.Settings = *s.query.Settings
			return s.out.Settings.Check()
		}
		s.out.Settings, err = s.settingsFrom(kept)
		return err
	})
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
	most = 100 // chunks that each side may find
	few  = 10  // found by words: then the built-in vectors of all chunks are worth a look
)

// find searches by words and by vectors, in one round trip.
func (s *search) find(ctx context.Context) error {
	most := max(most, s.query.Depth)
	// The transaction may be carried out again.
	s.out.ByWords, s.out.ByVector, s.found, s.hits = Side{Most: most}, Side{Most: most}, make(map[domain.ID]*hit, most), nil
	s.planVectors()
	var batch pgx.Batch
	if len(s.words.Rarest) > 0 && s.out.Settings.Search != VectorsOnly {
		var models []string // by whose vectors what words find is ordered
		args := []any{s.words.Rarest, s.words.Weights.Sparse(), most}
		if s.out.Vectors != VectorsIfFew && len(s.out.Models) > 0 {
			models, args = s.out.Models, append(args, s.tenant)
		}
		for _, model := range models {
			args = append(args, model, s.vectors[model])
		}
		batch.Queue(lexicalSQL(len(models)), args...).Query(s.collectWords(len(models)))
	}
	s.queueVectors(&batch)
	if err := s.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if err := s.lookFurther(ctx); err != nil {
		return err
	}
	if err := s.follow(ctx); err != nil {
		return err
	}
	s.hits = make([]hit, 0, len(s.found))
	for _, h := range s.found {
		if h.bm25 > 0 || h.cosine > 0 || s.follows(h.chunk) {
			s.hits = append(s.hits, *h)
		}
	}
	s.fuse()
	return nil
}

// fuse brings the vectors of models that a tenant leaves behind to the scale of the first, by the best of each.
func (s *search) fuse() {
	top := make([]float64, max(1, len(s.out.Models)))
	for _, h := range s.hits {
		top[h.model] = max(top[h.model], h.cosine)
	}
	for i := range s.hits {
		if h := &s.hits[i]; h.model > 0 && top[0] > 0 && top[h.model] > 0 {
			h.cosine *= top[0] / top[h.model]
		}
	}
	if s.out.Settings.Search == VectorsOnly {
		fuseVectors(s.hits)
		return
	}
	fuse(s.hits, s.words.Possible, s.leading(), len(s.out.Foreign) > 0)
}

// leading is the first of the models by whose vectors is searched; "" without any.
func (s *search) leading() string {
	if len(s.out.Models) == 0 {
		return ""
	}
	return s.out.Models[0]
}

// planVectors leaves the models by whose vectors the tenant can be searched, and picks the way through those of the first. Where these are
// the built-in ones beside words, what an earlier model knows is not asked.
func (s *search) planVectors() {
	first := s.leading()
	if s.planOf(first) != VectorsIfFew {
		words := s.out.Settings.Search == WordsOnly
		s.out.Models = slices.DeleteFunc(s.out.Models, func(model string) bool { return words || s.vectors[model] == nil })
	}
	if s.leading() != first {
		s.known = nil
	}
	s.out.Foreign = nil
	if s.out.Vectors = s.planOf(s.leading()); s.out.Vectors == VectorsIfFew {
		s.out.Models, s.out.ByVector.Most = s.out.Models[:1], s.depth()
	}
	s.speak(s.languages())
}

// speak notes whether the model of the vectors knows the language of the question, by those of the documents that it may be about, where
// that decides what its vectors count.
func (s *search) speak(documents []lexical.Lang) {
	if s.out.AskedVectors() && s.out.Settings.Search == Both && !isBuiltin(s.leading()) {
		s.out.Foreign = foreign(s.query.Text, documents, s.known)
	}
}

func (s *search) queueVectors(batch *pgx.Batch) {
	for i, model := range s.out.Models {
		plan := s.planOf(model)
		if i == 0 {
			plan = s.out.Vectors
		}
		args := []any{s.tenant, model, s.vectors[model], s.out.ByVector.Most}
		collect := s.collectVectors(i)
		switch plan {
		case VectorsExact:
			batch.Queue(exactSQL, args...).Query(collect)
		case VectorsHNSW:
			batch.Queue(hnswSettings).Exec(func(pgconn.CommandTag) error { return nil })
			batch.Queue(hnswSQL, args...).Query(collect)
		}
	}
}

// lookFurther compares all vectors where too little was found: by the approximate index, which does not reach all where there are few, or
// by words alone.
func (s *search) lookFurther(ctx context.Context) error {
	switch {
	case s.out.Vectors == VectorsHNSW && s.out.ByVector.Found < s.out.ByVector.Most:
	case s.out.Vectors == VectorsIfFew && s.out.ByWords.Found < few && s.out.Chunks <= exactTo:
		if s.embed(ctx, s.out.Models); s.vectors[s.leading()] == nil { // which asks nobody
			s.out.Vectors, s.out.Models = VectorsOff, nil
			return nil
		}
	default:
		return nil
	}
	s.out.Vectors, s.out.ByVector.Found = VectorsExact, 0
	var batch pgx.Batch
	s.queueVectors(&batch)
	if err := s.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("search all vectors: %w", err)
	}
	return nil
}

// asBytes is an id as pgx knows it, while it would have a domain.ID written as text and read from that.
func asBytes(id *domain.ID) *[16]byte { return (*[16]byte)(id) }

// hit returns what is known of a chunk.
func (s *search) hit(chunk domain.ID) *hit {
	h := s.found[chunk]
	if h == nil {
		h = &hit{chunk: chunk}
		s.found[chunk] = h
	}
	return h
}

// collectWords reads rows of chunk and BM25 score, the best first, each with its cosine by each of so many models or null.
func (s *search) collectWords(models int) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var chunk domain.ID
		var score float64
		cosines := make([]*float64, models)
		fields := []any{asBytes(&chunk), &score}
		for i := range cosines {
			fields = append(fields, &cosines[i])
		}
		words := &s.out.ByWords
		_, err := pgx.ForEachRow(rows, fields, func() error {
			h := s.hit(chunk)
			words.Found, words.Last = words.Found+1, score
			h.bm25, h.lexicalRank = score, words.Found
			for model, cosine := range cosines {
				if cosine != nil {
					h.cosine, h.model = *cosine, model
					break
				}
			}
			return nil
		})
		return err
	}
}

// collectVectors reads rows of chunk and cosine by one of the models, the best first.
func (s *search) collectVectors(model int) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var chunk domain.ID
		var cosine float64
		rank := 0
		_, err := pgx.ForEachRow(rows, []any{asBytes(&chunk), &cosine}, func() error {
			rank++
			h := s.hit(chunk)
			h.cosine, h.model, h.vectorRank = cosine, model, rank
			if model == 0 {
				s.out.ByVector.Last = cosine
			}
			s.out.ByVector.Found++
			return nil
		})
		return err
	}
}

// choose decides which passages reach the model.
func (s *search) choose() {
	choose(s.out.Passages, s.out.Settings)
	if s.fit != nil {
		s.fit(&s.out)
	}
}

// rerank has the re-ranking model put the best in order. Without it they stay as they are.
func (s *search) rerank(ctx context.Context) {
	passages := s.out.Passages
	for i := range passages {
		passages[i].Score = passages[i].Fused
	}
	if s.reranker == nil || !s.out.Settings.Rerank || len(passages) == 0 {
		return
	}
	texts := make([]string, len(passages))
	for i, p := range passages {
		texts[i] = strings.Join(append(slices.Clone(p.Heading), p.Text), "\n")
	}
	var scores []float64
	err := s.stage("rerank", func() (err error) {
		scores, err = s.reranker.Rerank(ctx, s.query.whole(), texts)
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "passages not re-ranked", "model", s.reranker.Model(), "error", err)
		s.out.RerankLost = "The re-ranking model " + s.reranker.Model() + " did not answer."
		return
	}
	s.out.Reranker = s.reranker.Model()
	for i := range passages {
		passages[i].Reranked, passages[i].Score = scores[i], scores[i]
	}
	slices.SortStableFunc(passages, func(a, b Passage) int { return cmp.Compare(b.Score, a.Score) })
	for i := range passages {
		passages[i].RerankRank = i + 1
	}
}
