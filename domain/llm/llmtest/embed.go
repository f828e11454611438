package llmtest

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
	"sync"
)

// EmbedRequest is what a client asked.
type EmbedRequest struct {
	Model      string
	Input      []string
	Dimensions int
	Header     http.Header `json:"-"`
}

// Embeddings scripts the embeddings. Texts with words in common have similar vectors, the same ones in every run.
type Embeddings struct {
	// Both are set before the first request. Models are the dimensions of the models that there are, other names are 404; nil: every
	// name is a model. Dims are the dimensions of the rest, when the request names none.
	Dims   int
	Models map[string]int

	mu       sync.Mutex
	requests []EmbedRequest
}

// Requests returns what was asked so far, failed requests included.
func (e *Embeddings) Requests() []EmbedRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]EmbedRequest(nil), e.requests...)
}

// item is one vector of an answer.
type item struct {
	Object    string    `json:"object"`
	Index     int       `json:"index"`
	Embedding []float32 `json:"embedding"`
}

func (e *Embeddings) serve(x *exchange) {
	var req EmbedRequest
	if err := json.NewDecoder(x.r.Body).Decode(&req); err != nil {
		Status(http.StatusBadRequest).respond(x.w, x.r, x.stop)
		return
	}
	req.Header = x.r.Header.Clone()
	e.mu.Lock()
	e.requests = append(e.requests, req)
	e.mu.Unlock()
	if x.fault.respond != nil {
		x.fault.respond(x.w, x.r, x.stop)
		return
	}
	dims := e.Dims
	if e.Models != nil {
		if dims = e.Models[req.Model]; dims == 0 {
			Status(http.StatusNotFound).respond(x.w, x.r, x.stop)
			return
		}
	}
	if req.Dimensions > 0 {
		dims = req.Dimensions
	}
	items, tokens := make([]item, len(req.Input)), 0
	for i, text := range req.Input {
		items[i] = item{"embedding", i, Vector(text, dims)}
		tokens += len(strings.Fields(text))
	}
	if x.fault.vectors != nil {
		items = x.fault.vectors(items)
	}
	x.json(map[string]any{
		"object": "list", "model": req.Model, "data": items, "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	})
}

// Vector is the vector of unit length that the server gives for text: the sum of one pseudo-random direction a word.
func Vector(text string, dims int) []float32 {
	sum := make([]float64, dims)
	for _, word := range append(strings.Fields(strings.ToLower(text)), "\x00") { // never zero
		h := fnv.New64a()
		h.Write([]byte(strings.Trim(word, ".,;:!?()[]\"'")))
		state := h.Sum64()
		for i := range sum {
			state ^= state << 13 // xorshift64
			state ^= state >> 7
			state ^= state << 17
			sum[i] += float64(int64(state)) / math.MaxInt64
		}
	}
	norm := 0.0
	for _, x := range sum {
		norm += x * x
	}
	v := make([]float32, dims)
	for i, x := range sum {
		v[i] = float32(x / math.Sqrt(norm))
	}
	return v
}
