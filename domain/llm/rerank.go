package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sashabaranov/go-openai"

	"bitb/domain"
)

// Reranker says how well each text answers a query, 0 to 1, in the order of the texts. An error means that none of the
// scores may be used; whoever searches goes on without them.
type Reranker interface {
	Model() string
	Rerank(ctx context.Context, query string, texts []string) ([]float64, error)
}

// Bounds of one re-ranking.
const (
	MaxRerank       = 100     // texts
	rerankTokens    = 2_000   // of a text; what is longer is cut
	rerankTextBatch = 32      // texts in one request of the shape that TEI knows, which takes no more unless told to
	maxRerankBody   = 4 << 20 // some servers send the texts back
)

// NewReranker makes a Reranker. c.BaseURL is the whole address of the endpoint: of Cohere (…/v2/rerank), of Jina, vLLM,
// llama.cpp and others that follow them (…/v1/rerank), or of Hugging Face's TEI (…/rerank).
func NewReranker(c OpenAI) (Reranker, error) {
	if c.BaseURL == "" {
		return nil, errors.New("the re-ranking endpoint has no address")
	}
	u, err := newUpstream(c, "rerank")
	if err != nil {
		return nil, err
	}
	// A person waits for the search, which can do without: the first attempt and its retries share the time.
	u.Limits.Retry = min(u.Limits.Retry, u.Limits.Rerank/2)
	return &reranker{upstream: u}, nil
}

type reranker struct {
	*upstream
	asTexts atomic.Bool // the server asked for "texts", as TEI does, instead of "documents"
	logits  atomic.Bool // it was seen to give scores that are no probabilities
}

func (r *reranker) Model() string { return r.upstream.Model }

func (r *reranker) Rerank(ctx context.Context, query string, texts []string) ([]float64, error) {
	switch {
	case len(texts) == 0:
		return nil, nil
	case len(texts) > MaxRerank:
		return nil, domain.NewError(domain.Invalid, fmt.Sprintf("At most %d texts can be ranked at once.", MaxRerank))
	}
	query = cutText(query, rerankTokens)
	cut := make([]string, len(texts))
	for i, text := range texts {
		cut[i] = cutText(text, rerankTokens)
	}
	deadline := time.Now().Add(r.Limits.Rerank)
	var report Call
	var scores []float64
	err := r.do(ctx, &report, func(ctx context.Context, a *attempt) error {
		own, cancel := context.WithDeadlineCause(ctx, deadline, errSlow)
		defer cancel()
		var err error
		scores, report.Usage, err = r.rank(own, a, query, cut)
		if cause := context.Cause(own); err != nil && cause != nil && ctx.Err() == nil {
			return cause
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}

// rank asks in the shape that the server was found to know, and in the other one when it says so: a field that is missing
// is named by all of them, one that is too many is often ignored.
func (r *reranker) rank(ctx context.Context, a *attempt, query string, texts []string) ([]float64, Usage, error) {
	asTexts := r.asTexts.Load()
	scores, usage, err := r.ask(ctx, a, asTexts, query, texts)
	if err != nil && asksFor(err, field(!asTexts)) {
		if scores, usage, err = r.ask(ctx, a, !asTexts, query, texts); err == nil {
			r.asTexts.Store(!asTexts)
		}
	}
	if err != nil {
		return nil, Usage{}, err
	}
	r.intoProbabilities(scores)
	return scores, usage, nil
}

func field(asTexts bool) string {
	if asTexts {
		return "texts"
	}
	return "documents"
}

// asksFor reports whether a request was refused with a word about name.
func asksFor(err error, name string) bool {
	e, ok := errors.AsType[*openai.RequestError](err)
	return ok && (e.HTTPStatusCode == http.StatusBadRequest || e.HTTPStatusCode == http.StatusUnprocessableEntity) &&
		bytes.Contains(e.Body, []byte(name))
}

func (r *reranker) ask(ctx context.Context, a *attempt, asTexts bool, query string, texts []string) ([]float64, Usage, error) {
	size := len(texts)
	if asTexts {
		size = rerankTextBatch
	}
	var all []float64
	var usage Usage
	for rest := texts; len(rest) > 0; {
		batch := rest[:min(size, len(rest))]
		body := map[string]any{"query": query, field(asTexts): batch}
		if asTexts {
			body["truncate"] = true // a text that is longer than the model takes is refused otherwise
		} else {
			body["model"], body["top_n"] = r.upstream.Model, len(batch)
		}
		answer, err := r.post(ctx, a, body)
		if err != nil {
			return nil, Usage{}, err
		}
		scores, err := answer.scores(len(batch))
		if err != nil {
			return nil, Usage{}, err
		}
		all, rest = append(all, scores...), rest[len(batch):]
		usage = usage.Add(answer.usage(query, batch))
	}
	return all, usage, nil
}

func (r *reranker) post(ctx context.Context, a *attempt, body map[string]any) (ranked, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return ranked{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.BaseURL, bytes.NewReader(content))
	if err != nil {
		return ranked{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.key != "" {
		req.Header.Set("Authorization", "Bearer "+a.key)
	}
	resp, err := a.Do(req)
	if err != nil {
		return ranked{}, err
	}
	defer resp.Body.Close()
	a.body.left = min(a.body.left, maxRerankBody)
	content, err = io.ReadAll(resp.Body)
	if resp.StatusCode >= 400 {
		return ranked{}, &openai.RequestError{HTTPStatusCode: resp.StatusCode, HTTPStatus: resp.Status, Body: content, Err: errors.New(resp.Status)}
	}
	if err != nil {
		return ranked{}, err
	}
	return readRanked(content)
}

// ranked is an answer in any of the shapes: an object with results whose score is the relevance_score, or a bare list of
// results whose score is the score.
type ranked struct {
	Results []struct {
		Index          *int     `json:"index"`
		RelevanceScore *float64 `json:"relevance_score"`
		Score          *float64 `json:"score"`
	} `json:"results"`
	Usage struct {
		TotalTokens int `json:"total_tokens"`
	} `json:"usage"`
}

func readRanked(content []byte) (ranked, error) {
	var out ranked
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("[")) {
		err = json.Unmarshal(content, &out.Results)
	} else {
		err = json.Unmarshal(content, &out)
	}
	return out, err
}

// errScores says that a server sent something that ranks nothing: too few scores, or for texts that it was not given.
var errScores = errors.New("unusable scores")

// scores puts the n scores in the order of the texts, or rejects them all: one that went to a wrong text ranks at random.
func (a ranked) scores(n int) ([]float64, error) {
	if len(a.Results) != n {
		return nil, fmt.Errorf("%w: %d for %d texts", errScores, len(a.Results), n)
	}
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = math.NaN()
	}
	for _, r := range a.Results {
		score := r.RelevanceScore
		if score == nil {
			score = r.Score
		}
		switch {
		case r.Index == nil || score == nil:
			return nil, fmt.Errorf("%w: one without its index or its score", errScores)
		case *r.Index < 0 || *r.Index >= n || !math.IsNaN(scores[*r.Index]):
			return nil, fmt.Errorf("%w: index %d twice or out of range", errScores, *r.Index)
		}
		scores[*r.Index] = *score
	}
	return scores, nil
}

func (a ranked) usage(query string, texts []string) Usage {
	if a.Usage.TotalTokens > 0 {
		return Usage{In: a.Usage.TotalTokens}
	}
	return Usage{In: EstimateTokens(query)*len(texts) + EstimateTokens(strings.Join(texts, " ")), Estimated: true}
}

// intoProbabilities brings scores to 0..1. A server that gave logits once always does: that all of them lie between 0 and 1
// today must not put them on another scale.
func (r *reranker) intoProbabilities(scores []float64) {
	for _, s := range scores {
		if s < 0 || s > 1 {
			r.logits.Store(true)
		}
	}
	if !r.logits.Load() {
		return
	}
	for i, s := range scores {
		scores[i] = 1 / (1 + math.Exp(-s))
	}
}

// cutText shortens a text to about so many tokens, at a rune.
func cutText(text string, tokens int) string {
	if len(text) <= tokens { // a byte is a token at most
		return text
	}
	left := 4 * tokens
	for i, r := range text {
		if left -= tokenQuarters(string(r)); left < 0 {
			return text[:i]
		}
	}
	return text
}
