// Package retrieve finds the passages of a tenant's documents that fit a question: by their words, ranked by BM25, and by
// their vectors, the two fused into one score. Every search leaves its trace. It reads what package document writes; what
// an answer makes of the passages is package chat's.
package retrieve

import (
	"time"

	"bitb/domain"
)

// Threshold is the score under which nothing reaches a model. Measured with the built-in embedder on questions that the
// documents do answer, it refuses one in a hundred; of questions about something else altogether, six to nine in ten.
const Threshold = 0.25

// How many passages a search returns, and how many of them reach the model unless Query.Limit says otherwise.
const (
	listed       = 12
	defaultLimit = 8
)

// Query is one question.
type Query struct {
	Text   string
	Vector []float32 // of the question, of unit length; nil searches by words alone
	Model  string    // that made Vector; only vectors of the same model are compared with it
	Limit  int       // passages that may reach the model, 12 at most; 0: eight
	BotID  domain.ID // zero: none
}

// Retrieval is one search and how it went.
type Retrieval struct {
	ID           domain.ID
	BotID        domain.ID // zero: none
	Question     string
	Passages     []Passage // the best first
	Threshold    float64   // of Passage.Fused
	Timings      []Timing
	IndexVersion int64 // of the tenant's chunks as they were searched
	CreatedAt    time.Time

	Chunks    int        // that the tenant has
	Languages []string   // of the documents, in which the question was read
	Words     int        // of the question
	Unknown   int        // of these, words that no chunk has
	Vectors   VectorPlan // how the vectors were searched
	Model     string     // that made them, "" with VectorsOff
	ByWords   int        // chunks found by words, 50 at most
	ByVector  int        // chunks found by vectors, 50 at most
}

// Passage is a chunk in a result list. Scores are 0 to 1; a rank of 0 means that this side did not find it.
type Passage struct {
	ChunkID          domain.ID
	DocumentID       domain.ID
	DocumentName     string
	Ordinal          int      // of the chunk in its document, from 1
	Heading          []string // path, outermost first
	PageFrom, PageTo int      // 0: no pages
	Text             string   // "" in a past retrieval whose chunk is gone
	Tokens           int
	Lexical          float64 // BM25, divided by what the question's three heaviest words could score
	Vector           float64 // cosine
	Fused            float64
	LexicalRank      int
	VectorRank       int
	Used             bool // may reach the model: not under the threshold, and among the first Limit
}

// Timing is how long one stage took, from when the search began.
type Timing struct {
	Stage  string  `json:"stage"` // "statistics", "search", "passages"
	Start  float64 `json:"start"` // ms
	Millis float64 `json:"ms"`
}

// VectorPlan is how a search went through the vectors.
type VectorPlan string

// The plans.
const (
	VectorsOff    VectorPlan = "off"   // none: the question had no vector
	VectorsOfHits VectorPlan = "hits"  // those of the chunks that words found
	VectorsExact  VectorPlan = "exact" // all of the tenant
	VectorsHNSW   VectorPlan = "hnsw"  // the nearest, by an approximate index
)
