package retrieve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/lexical"
)

// Explanation follows one chunk through a search.
type Explanation struct {
	Retrieval Retrieval // as it is when the chunk is let through every stage: it is among the Passages then
	Passage   Passage   // the chunk, with the scores and ranks it has or would have
	Words     []MatchedWord
	Steps     []Step // in order
	Lost      string // Stage of the step at which it was lost; "" when it reached the model
}

// MatchedWord is a word of the question beside the chunk.
type MatchedWord struct {
	Word
	Has   bool    // the chunk has it, or what it was taken for
	Score float64 // what it adds to the chunk's BM25, on the scale of Passage.Lexical
}

// Step is one stage as the chunk went through it.
type Step struct {
	Stage      string // "index", "words", "vectors", "fused", "rerank", "threshold", "duplicate", "limit"
	State      StepState
	Value, Bar float64   // its score, and the one it had to beat; 0 where there is none
	Rank, Most int       // its place, among all of the tenant's chunks with words and vectors, and how many go on; 0: none
	Reason     Reason    // with "index", "words" and "limit"
	Other      domain.ID // with "duplicate" and "limit": the chunk that stands for it
}

// StepState is how a stage ended.
type StepState string

// The states.
const (
	Passed  StepState = "passed"
	Missed  StepState = "missed"  // not found this way, which does no harm where the other way found it
	Fell    StepState = "lost"    // here it ended
	Skipped StepState = "skipped" // no stage of this search, or it was lost before
)

// Reason says more about a step.
type Reason string

// The reasons.
const (
	ReasonGone        Reason = "gone"         // the chunk is not there any more
	ReasonOff         Reason = "off"          // a person switched it off
	ReasonDocumentOff Reason = "document_off" // or its document
	ReasonNotReady    Reason = "not_ready"    // no reading of the document was stored
	ReasonLater       Reason = "later"        // it is newer than the answer
	ReasonNoWord      Reason = "no_word"      // it has no word of the question
	ReasonCommon      Reason = "common"       // it has only those that are too common to be looked for
	ReasonNoRoom      Reason = "no_room"      // better passages fill the prompt
)

// Explain follows a chunk through a search for q with the index as it is now; with a zero chunk the best one of the document is
// followed. A document that is not there is domain.NotFound.
func (s *Service) Explain(ctx context.Context, tenantID domain.ID, q Query, documentID, chunkID domain.ID) (Explanation, error) {
	run := s.newSearch(tenantID, q)
	run.target = &target{document: documentID, chunk: chunkID}
	if err := run.candidates(ctx); err != nil {
		return Explanation{}, err
	}
	run.rerank(ctx)
	run.choose()
	run.out.forReader(ctx)
	return run.explanation(), nil
}

// target is a chunk that is followed.
type target struct {
	document, chunk domain.ID
	reason          Reason // why it is not in the index, or ReasonLater
	absent          bool   // from the index
	terms           []int32
	weights         lexical.Weights
	bm25            float64
	byWords, nearby bool // found by words, by vectors
	rank            [2]int
}

// follows reports whether a chunk is the one that is followed.
func (s *search) follows(chunk domain.ID) bool { return s.target != nil && s.target.chunk == chunk }

// follow finds out about the target, within the transaction of the search, and puts it among the hits.
func (s *search) follow(ctx context.Context) error {
	t := s.target
	if t == nil {
		return nil
	}
	if err := t.choose(ctx, s); err != nil || t.chunk == (domain.ID{}) {
		return err
	}
	if err := t.look(ctx, s); err != nil || t.absent && t.terms == nil {
		return err
	}
	h := s.hit(t.chunk)
	t.byWords, t.nearby = h.lexicalRank > 0, h.vectorRank > 0
	if !t.byWords && !t.nearby { // as a search that finds it by words would have it
		h.bm25 = t.bm25
	}
	if err := t.compare(ctx, s, h); err != nil {
		return err
	}
	return t.place(ctx, s, h)
}

// choose picks the document's best chunk by words, and by its place where words say nothing.
func (t *target) choose(ctx context.Context, s *search) error {
	var ready, off bool
	err := s.tx.QueryRow(ctx, "select live_version > 0, off from documents where tenant_id = $1 and id = $2", s.tenant, t.document).Scan(&ready, &off)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return domain.NewError(domain.NotFound, "There is no such document.")
	case err != nil:
		return fmt.Errorf("look at the document: %w", err)
	case !ready:
		t.absent, t.reason = true, ReasonNotReady
	case off:
		t.absent, t.reason = true, ReasonDocumentOff
	}
	if t.chunk != (domain.ID{}) || !ready {
		return nil
	}
	err = s.tx.QueryRow(ctx, `select c.id from chunks c
			left join lateral (select weights from search.lexemes l where l.tenant_id = $1 and l.chunk_id = c.id
				union all select weights from search.hidden_lexemes l where l.tenant_id = $1 and l.chunk_id = c.id limit 1) l on true
		where c.tenant_id = $1 and c.document_id = $2 order by l.weights <#> $3::sparsevec, c.ordinal limit 1`,
		s.tenant, t.document, s.words.Weights.Sparse()).Scan(&t.chunk)
	if errors.Is(err, pgx.ErrNoRows) {
		t.absent, t.reason = true, ReasonNotReady
		return nil
	}
	return err
}

// look reads what the index has of the chunk, or would have if it were not switched off.
func (t *target) look(ctx context.Context, s *search) error {
	var created time.Time
	var document domain.ID
	var off, indexed bool
	var weights *string
	err := s.tx.QueryRow(ctx, `select c.document_id, c.created_at, c.off, c.indexed, l.terms, l.weights::text from chunks c
			left join lateral (select terms, weights from search.lexemes l where l.tenant_id = $1 and l.chunk_id = c.id
				union all select terms, weights from search.hidden_lexemes l where l.tenant_id = $1 and l.chunk_id = c.id limit 1) l on true
		where c.tenant_id = $1 and c.id = $2`, s.tenant, t.chunk).Scan(&document, &created, &off, &indexed, &t.terms, &weights)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && document != t.document:
		t.absent, t.reason = true, ReasonGone
		return nil
	case err != nil:
		return fmt.Errorf("look at the chunk: %w", err)
	case off:
		t.absent, t.reason = true, ReasonOff
	case !indexed:
		t.absent = true
	case !s.query.At.IsZero() && created.After(s.query.At):
		t.reason = ReasonLater
	}
	if weights == nil {
		return nil
	}
	if t.weights, err = lexical.ParseSparse(*weights); err != nil {
		return fmt.Errorf("read the chunk's weights: %w", err)
	}
	t.bm25 = s.words.Weights.Dot(t.weights)
	return nil
}

// compare works out how near the chunk's vector is.
func (t *target) compare(ctx context.Context, s *search, h *hit) error {
	if h.cosine != 0 || s.out.Vectors == VectorsIfFew {
		return nil
	}
	for i, model := range s.out.Models {
		err := s.tx.QueryRow(ctx, `select -(e.embedding <#> $4::halfvec) from (select * from chunk_embeddings union all select * from hidden_embeddings) e
			where e.tenant_id = $1 and e.chunk_id = $2 and e.model = $3 and vector_dims(e.embedding) = vector_dims($4::halfvec)`,
			s.tenant, t.chunk, model, s.vectors[model]).Scan(&h.cosine)
		if err == nil {
			h.model = i
			return nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("compare the chunk's vector: %w", err)
		}
	}
	return nil
}

// place counts the chunks that are ahead of it, by words and by vectors.
func (t *target) place(ctx context.Context, s *search, h *hit) error {
	if t.lookedFor(s) {
		err := s.tx.QueryRow(ctx, "select 1 + count(*) from search.lexical($1, $2::sparsevec, 10000000) where score > $3 and chunk_id <> $4",
			s.words.Rarest, s.words.Weights.Sparse(), t.bm25*(1+1e-6), t.chunk).Scan(&t.rank[0])
		if err != nil {
			return fmt.Errorf("count what words rank higher: %w", err)
		}
	}
	if h.model < len(s.out.Models) && h.cosine > 0 {
		model := s.out.Models[h.model]
		err := s.tx.QueryRow(ctx, `select 1 + count(*) from chunk_embeddings e where e.tenant_id = $1 and e.model = $2 and e.chunk_id <> $3
			and vector_dims(e.embedding) = vector_dims($4::halfvec) and -(e.embedding <#> $4::halfvec) > $5`,
			s.tenant, model, t.chunk, s.vectors[model], h.cosine*(1+1e-6)).Scan(&t.rank[1])
		if err != nil {
			return fmt.Errorf("count what is nearer: %w", err)
		}
	}
	return nil
}

// lookedFor reports whether the chunk has one of the words by which candidates are found.
func (t *target) lookedFor(s *search) bool {
	return slices.ContainsFunc(s.words.Rarest, func(term int32) bool { return slices.Contains(t.terms, term) })
}

// explanation is what the stages made of the target.
func (s *search) explanation() Explanation {
	t := s.target
	e := Explanation{Retrieval: s.out}
	for _, p := range s.out.Passages {
		if p.ChunkID == t.chunk {
			e.Passage = p
		}
	}
	for i, w := range s.words.Words {
		m := MatchedWord{Word: s.out.Words[i]}
		for _, term := range w.Terms {
			m.Has = m.Has || slices.Contains(t.terms, term)
			if s.words.Possible > 0 {
				m.Score += float64(s.words.Weights[term]) * float64(t.weights[term]) / s.words.Possible
			}
		}
		e.Words = append(e.Words, m)
	}
	e.Steps = s.steps(e.Passage)
	for i := range e.Steps {
		step := &e.Steps[i]
		if e.Lost != "" && step.State != Skipped {
			step.State = Skipped
		}
		if step.State == Fell {
			e.Lost = step.Stage
		}
	}
	return e
}

func (s *search) steps(p Passage) []Step {
	t := s.target
	index := Step{Stage: "index", State: Passed, Reason: t.reason}
	if t.absent {
		index.State = Fell
	}
	words, vectors := s.wordStep(p), s.vectorStep(p)
	if !t.byWords && !t.nearby && !t.absent {
		switch { // the way that could have found it
		case words.State == Skipped:
			vectors.State = Fell
		default:
			words.State = Fell
		}
	}
	steps := []Step{index, words, vectors, s.fusedStep(p), {Stage: "rerank", State: Skipped}}
	if s.out.Reranker != "" {
		steps[4] = Step{Stage: "rerank", State: Passed, Value: p.Reranked, Rank: p.RerankRank}
	}
	threshold := Step{Stage: "threshold", State: Passed, Value: p.Score, Bar: s.out.Settings.Threshold}
	duplicate := Step{Stage: "duplicate", State: Passed}
	limit := Step{Stage: "limit", State: Passed, Rank: s.chosenAhead(p) + 1, Most: s.out.Settings.Limit}
	switch p.Lost {
	case LostThreshold:
		threshold.State = Fell
	case LostDuplicate:
		duplicate.State, duplicate.Other = Fell, p.Into
	case LostLimit:
		limit.State = Fell
	case LostBudget:
		limit.State, limit.Reason = Fell, ReasonNoRoom
	case Joined:
		limit.Other = p.Into
	}
	if !s.out.Settings.Duplicates {
		duplicate.State = Skipped
	}
	return append(steps, threshold, duplicate, limit)
}

func (s *search) wordStep(p Passage) Step {
	step := Step{Stage: "words", State: Missed, Rank: s.target.rank[0], Most: s.out.ByWords.Most}
	if s.words.Possible > 0 {
		step.Value = min(1, s.target.bm25/s.words.Possible)
		if s.out.ByWords.Full() {
			step.Bar = s.out.ByWords.Last
		}
	}
	switch {
	case s.out.Settings.Search == VectorsOnly:
		step.State = Skipped
	case s.target.byWords: // with what its words gain by standing near each other
		step.State, step.Value, step.Rank = Passed, p.Lexical, p.LexicalRank
	case s.target.bm25 == 0:
		step.Reason = ReasonNoWord
	case !s.target.lookedFor(s):
		step.Reason = ReasonCommon
	}
	return step
}

func (s *search) vectorStep(p Passage) Step {
	step := Step{Stage: "vectors", State: Missed, Value: p.Vector, Rank: s.target.rank[1], Most: s.out.ByVector.Most}
	if s.out.ByVector.Full() {
		step.Bar = s.out.ByVector.Last
	}
	switch {
	case !s.out.AskedVectors():
		step.State, step.Most = Skipped, 0
	case s.target.nearby:
		step.State = Passed
	}
	return step
}

func (s *search) fusedStep(p Passage) Step {
	depth := s.depth()
	step := Step{Stage: "fused", State: Passed, Value: p.Fused, Rank: p.FusedRank, Most: depth}
	if len(s.hits) > depth {
		step.Bar = s.hits[depth-1].fused
	}
	if p.FusedRank > depth {
		step.State = Fell
	}
	return step
}

// chosenAhead counts the chunks of better passages that reach the model.
func (s *search) chosenAhead(p Passage) int {
	n := 0
	for _, q := range s.out.Passages {
		if q.ChunkID == p.ChunkID {
			break
		}
		if q.Lost == Kept || q.Lost == Joined {
			n++
		}
	}
	return n
}
