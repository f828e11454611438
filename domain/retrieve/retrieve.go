// Package retrieve finds the passages of a tenant's documents that fit a question, in stages: by their words, ranked by BM25,
// and by their vectors; the two fused into one score; the best looked at by a re-ranking model where there is one; near-duplicates
// left out, neighbours joined, and what passes the tenant's threshold given to whoever answers. A Retrieval tells of every
// candidate at which stage it was lost and why, and Explain does for any other chunk. It reads what package document writes;
// what an answer makes of the passages is package chat's.
package retrieve

import (
	"cmp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bitb/domain"
)

// Query is one question.
type Query struct {
	Text     string    // what is searched for
	Context  []string  // what the same person asked before, the last first, where Text may mean little without it
	Asked    string    // the person's own words, where Text is a rewriting of them; "": Text
	By       string    // what made Text of Asked: the name of a model, or Carried
	BotID    domain.ID // zero: none
	At       time.Time // with Explain: when it was asked; zero: now
	Settings *Settings // nil: the tenant's own
	Depth    int       // passages that are looked at closely, for measurements; 0: as many as a model may need
}

// whole is the question for a model that reads it at once: after the one before it, where it was not rewritten.
func (q Query) whole() string {
	if q.By == Carried && len(q.Context) > 0 {
		return q.Context[0] + "\n" + q.Text
	}
	return q.Text
}

// Carried is Query.By where words of earlier turns were carried over.
const Carried = "terms"

// Retrieval is one search and how it went.
type Retrieval struct {
	ID           domain.ID
	BotID        domain.ID // zero: none
	Question     string    // as the person asked
	Searched     string    // what was searched for
	SearchedBy   string    // what made Searched of Question, or Carried; "" when they are the same
	Context      []string  // what was said before of which words were carried over, the last first
	Settings     Settings  // it was made with
	Passages     []Passage // that were looked at closely, the best first
	Others       []Passage // found, but not among the best; without their words
	Timings      []Timing
	IndexVersion int64 // of the tenant's chunks as they were searched
	CreatedAt    time.Time

	Chunks      int        // that the tenant has
	Languages   []string   // of the documents, in which the question was read
	Words       []Word     // of the question, in order; then those carried over
	Vectors     VectorPlan // how the vectors were searched
	Foreign     []string   // languages of the question, one of these, that the first of Models was not found to know: words order what words find
	Models      []string   // that made them, the present one first; none with VectorsOff
	VectorsLost string     // why there are none, when there should have been
	Reranker    string     // the model that ordered the best anew, "" for none
	RerankLost  string     // why it did not, when it should have
	ByWords     Side
	ByVector    Side

	query *Query // of a past retrieval, as the person asked it and not as it is shown within a case
}

// AskedVectors reports whether vectors were compared.
func (r Retrieval) AskedVectors() bool { return r.Vectors != VectorsOff && r.Vectors != VectorsIfFew }

// Side is what one of the two searches found.
type Side struct {
	Found int     `json:"found"` // chunks
	Most  int     `json:"most"`  // it may find
	Last  float64 `json:"last"`  // score of the last, which one more would have had to beat if Found is Most
}

// Full reports whether the search stopped at its limit.
func (s Side) Full() bool { return s.Found > 0 && s.Found >= s.Most }

// Word is a word of the question.
type Word struct {
	Text    string   `json:"text"`
	Small   bool     `json:"small,omitempty"`   // it says little, and weighs little
	Chunks  int      `json:"chunks"`            // of the tenant that have it, or what it was taken for
	Weight  float64  `json:"weight,omitempty"`  // in BM25
	Spelled []string `json:"spelled,omitempty"` // words of the documents that it was taken for
	Carried bool     `json:"carried,omitempty"` // of what was asked before
}

// Unknown counts the words that no chunk has as they were typed.
func (r Retrieval) Unknown() int {
	n := 0
	for _, w := range r.Words {
		if w.Chunks == 0 || len(w.Spelled) > 0 {
			n++
		}
	}
	return n
}

// Query is what was searched for, to be searched for again with the settings of whenever that is.
func (r Retrieval) Query() Query {
	if r.query != nil {
		return *r.query
	}
	return Query{Text: r.Searched, Context: r.Context, Asked: r.Question, By: r.SearchedBy, BotID: r.BotID}
}

// Corrected returns a text with the words that were misspelled as the documents most likely have them.
func (r Retrieval) Corrected(text string) string {
	likely := map[string]string{}
	for _, w := range r.Words {
		if len(w.Spelled) > 0 {
			likely[w.Text] = w.Spelled[0]
		}
	}
	if len(likely) == 0 {
		return text
	}
	var b strings.Builder
	for text != "" {
		n := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
		if n < 0 {
			n = len(text)
		}
		b.WriteString(cmp.Or(likely[text[:n]], text[:n]))
		_, size := utf8.DecodeRuneInString(text[n:])
		b.WriteString(text[n : n+size])
		text = text[n+size:]
	}
	return b.String()
}

// Used returns the passages that reach the model, the best first.
func (r Retrieval) Used() []Passage {
	var used []Passage
	for _, p := range r.Passages {
		if p.Lost == Kept {
			used = append(used, p)
		}
	}
	return used
}

// Passage is a chunk in a result list. Scores are 0 to 1; a rank of 0 means that this side did not find it.
type Passage struct {
	ChunkID          domain.ID
	Revision         int // of the chunk's words
	DocumentID       domain.ID
	Version          int // of the document
	DocumentName     string
	Ordinal          int      // of the chunk in its document, from 1
	Heading          []string // path, outermost first
	PageFrom, PageTo int      // 0: no pages
	Text             string   // with its neighbours' where they were joined; "" in a past retrieval whose chunk is gone
	Tokens           int

	Lexical     float64 // BM25, divided by what the question's three heaviest words could score
	Vector      float64 // cosine
	Fused       float64
	Reranked    float64 // by the re-ranking model
	LexicalRank int
	VectorRank  int
	FusedRank   int
	RerankRank  int
	Score       float64 // what the threshold is compared with: Reranked where there is a rank of it, else Fused

	Lost Loss
	Into domain.ID // with LostDuplicate and Joined: the passage that stands for this one
}

// Loss is the stage at which a passage was lost.
type Loss string

// The stages, in their order.
const (
	LostRank      Loss = "rank"      // not among the first of the fused list, which alone are looked at closely
	LostThreshold Loss = "threshold" // its score is under the tenant's threshold
	LostDuplicate Loss = "duplicate" // a better passage says the same
	LostLimit     Loss = "limit"     // enough better ones
	Joined        Loss = "joined"    // not lost: its words are part of a neighbour's passage
	LostBudget    Loss = "budget"    // no room left in the prompt
	Kept          Loss = ""          // it reached the model
)

// Timing is how long one stage took, from when the search began.
type Timing struct {
	Stage  string  `json:"stage"` // "embed", "statistics", "search", "passages", "near", "rerank", "choose"
	Start  float64 `json:"start"` // ms
	Millis float64 `json:"ms"`
}

// VectorPlan is how a search went through the vectors.
type VectorPlan string

// The plans.
const (
	VectorsOff   VectorPlan = "off"   // none: the question had no vector
	VectorsIfFew VectorPlan = "few"   // none: the built-in ones are asked where words find few
	VectorsExact VectorPlan = "exact" // all of the tenant
	VectorsHNSW  VectorPlan = "hnsw"  // the nearest, by an approximate index
)
