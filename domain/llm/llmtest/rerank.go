package llmtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// RerankRequest is what a client asked.
type RerankRequest struct {
	Path      string `json:"-"`
	Model     string
	Query     string
	Documents []string
	Texts     []string
	TopN      int `json:"top_n"`
	Truncate  bool
}

// Paths of the three re-ranking endpoints; see RerankURL.
const (
	Cohere = "/v2/rerank"
	Jina   = "/v1/rerank"
	TEI    = "/rerank"
)

// Reranking scripts the re-ranking. Unless told otherwise, a text's score is the share of the query's words that it has.
type Reranking struct {
	mu       sync.Mutex
	score    func(query, text string) float64
	requests []RerankRequest
}

// Score sets how texts are scored.
func (r *Reranking) Score(f func(query, text string) float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.score = f
}

// Requests returns what was asked so far, failed requests included.
func (r *Reranking) Requests() []RerankRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// rank is one result of an answer.
type rank struct {
	index any
	score float64
}

func (r *Reranking) serve(x *exchange) {
	req := RerankRequest{Path: x.r.URL.Path}
	if err := json.NewDecoder(x.r.Body).Decode(&req); err != nil {
		Status(http.StatusBadRequest).respond(x.w, x.r, x.stop)
		return
	}
	r.mu.Lock()
	r.requests = append(r.requests, req)
	score := r.score
	r.mu.Unlock()
	if x.fault.respond != nil {
		x.fault.respond(x.w, x.r, x.stop)
		return
	}
	if refusal := req.refusal(); refusal != "" {
		http.Error(x.w, refusal, http.StatusUnprocessableEntity)
		return
	}
	if score == nil {
		score = shared
	}
	var ranks []rank
	for i, text := range append(req.Documents, req.Texts...) {
		ranks = append(ranks, rank{i, score(req.Query, text)})
	}
	slices.SortStableFunc(ranks, func(a, b rank) int { return cmp.Compare(b.score, a.score) })
	if x.fault.ranks != nil {
		ranks = x.fault.ranks(ranks)
	}
	x.json(req.answer(ranks))
}

// refusal is what a server of this kind says of a request that it does not understand.
func (q RerankRequest) refusal() string {
	switch {
	case q.Path == TEI && q.Texts == nil:
		return "Failed to deserialize the JSON body into the target type: missing field `texts` at line 1 column 60"
	case q.Path == TEI && len(q.Texts) > 32:
		return `{"error":"batch size > maximum allowed batch size 32","error_type":"Validation"}`
	case q.Path != TEI && q.Documents == nil:
		return `{"detail":[{"type":"missing","loc":["body","documents"],"msg":"Field required"}]}`
	}
	return ""
}

func (q RerankRequest) answer(ranks []rank) any {
	name := "relevance_score"
	if q.Path == TEI {
		name = "score"
	}
	results := make([]map[string]any, len(ranks))
	for i, r := range ranks {
		results[i] = map[string]any{"index": r.index, name: r.score}
	}
	switch q.Path {
	case TEI:
		return results
	case Cohere:
		return map[string]any{"id": "1", "results": results, "meta": map[string]any{"billed_units": map[string]int{"search_units": 1}}}
	}
	return map[string]any{"model": q.Model, "results": results, "usage": map[string]int{"total_tokens": 7 * len(ranks)}}
}

func shared(query, text string) float64 {
	words := strings.Fields(strings.ToLower(query))
	n := 0
	for _, word := range words {
		if strings.Contains(strings.ToLower(text), word) {
			n++
		}
	}
	return float64(n) / float64(max(1, len(words)))
}

// WrongIndex numbers the first result of a re-ranking with what index is: a number out of range, or nothing.
func WrongIndex(index any) Fault {
	return Fault{ranks: func(ranks []rank) []rank { ranks[0].index = index; return ranks }}
}

// SameIndex numbers all results of a re-ranking 0.
func SameIndex() Fault {
	return Fault{ranks: func(ranks []rank) []rank {
		for i := range ranks {
			ranks[i].index = 0
		}
		return ranks
	}}
}

// TopOnly leaves out all results of a re-ranking but the best.
func TopOnly() Fault { return Fault{ranks: func(ranks []rank) []rank { return ranks[:1] }} }

// RankNaN answers a re-ranking with a score that is no number.
func RankNaN() Fault { return Body(`{"results":[{"index":0,"relevance_score":NaN}]}`) }

// Huge answers 200 with n bytes of a list that does not end.
func Huge(n int) Fault {
	return Fault{respond: func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
		fmt.Fprint(w, `{"results":[`)
		piece := []byte(strings.Repeat(" ", 64<<10))
		for n > 0 {
			if _, err := w.Write(piece); err != nil {
				return
			}
			n -= len(piece)
		}
	}}
}
