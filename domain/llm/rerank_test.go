package llm_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
)

func reranker(t *testing.T, path string) (*llmtest.Server, llm.Reranker, *calls) {
	t.Helper()
	srv, seen := llmtest.NewInMemory(t), &calls{}
	c := llm.OpenAI{BaseURL: srv.RerankURL(path), Key: srv.Key, Model: "test-rerank", HTTP: srv.Client(), Observer: seen}
	return srv, must(llm.NewReranker(c)), seen
}

var bicycles = []string{"Helmets are free.", "A bicycle costs 19 euros a day.", "The bicycle is blue."}

// The three shapes give the same scores, in the order of the texts and not of the ranks. The one that wants another field
// is asked in vain once.
func TestRerankShapes(t *testing.T) {
	for path, requests := range map[string]int{llmtest.Cohere: 2, llmtest.Jina: 2, llmtest.TEI: 3} {
		synctest.Test(t, func(t *testing.T) {
			srv, r, seen := reranker(t, path)
			for range 2 {
				scores, err := r.Rerank(t.Context(), "bicycle costs", bicycles)
				if err != nil || !slices.Equal(scores, []float64{0, 1, .5}) {
					t.Errorf("%s: %v, %v", path, scores, err)
				}
			}
			asked := srv.Rerank.Requests()
			last := asked[len(asked)-1]
			if len(asked) != requests || path != llmtest.TEI && (last.TopN != 3 || last.Model != "test-rerank") || path == llmtest.TEI && !last.Truncate {
				t.Errorf("%s: %d requests, the last %+v", path, len(asked), last)
			}
			if c := seen.last(); c.Kind != "rerank" || c.Model != "test-rerank" || c.Outcome != llm.OutcomeOK || c.Retries != 0 || c.Usage.In == 0 {
				t.Errorf("%s: observed %+v", path, c)
			}
		})
	}
}

func TestRerankFailures(t *testing.T) {
	many := func(f llmtest.Fault) []llmtest.Fault { return []llmtest.Fault{f, f, f, f} }
	for name, c := range map[string]struct {
		faults   []llmtest.Fault
		code     domain.Code
		outcome  string
		requests int
	}{
		"503 once":        {[]llmtest.Fault{llmtest.Status(503)}, "", llm.OutcomeOK, 2},
		"500 for ever":    {many(llmtest.Status(500)), domain.Unavailable, llm.OutcomeUnavailable, 3},
		"429 for long":    {many(llmtest.RateLimited(time.Minute)), domain.RateLimited, llm.OutcomeLimited, 1},
		"401":             {many(llmtest.Status(401)), domain.Unavailable, llm.OutcomeRefused, 1},
		"422":             {many(llmtest.Status(422)), domain.Invalid, llm.OutcomeRejected, 1},
		"hangs":           {many(llmtest.Hang()), domain.Unavailable, llm.OutcomeTimeout, 1},
		"redirects":       {many(llmtest.Redirect("http://elsewhere.test/")), domain.Unavailable, llm.OutcomeRefused, 1},
		"NaN":             {many(llmtest.RankNaN()), domain.Unavailable, llm.OutcomeBroken, 3},
		"garbage":         {many(llmtest.Body("<html>")), domain.Unavailable, llm.OutcomeBroken, 3},
		"nothing":         {many(llmtest.Body("{}")), domain.Unavailable, llm.OutcomeBroken, 1},
		"no scores":       {many(llmtest.Body(`{"results":[{"index":0},{"index":1},{"index":2}]}`)), domain.Unavailable, llm.OutcomeBroken, 1},
		"too much":        {many(llmtest.Huge(16 << 20)), domain.Unavailable, llm.OutcomeBroken, 3},
		"index too large": {many(llmtest.WrongIndex(3)), domain.Unavailable, llm.OutcomeBroken, 1},
		"negative index":  {many(llmtest.WrongIndex(-1)), domain.Unavailable, llm.OutcomeBroken, 1},
		"no index":        {many(llmtest.WrongIndex(nil)), domain.Unavailable, llm.OutcomeBroken, 1},
		"one index":       {many(llmtest.SameIndex()), domain.Unavailable, llm.OutcomeBroken, 1},
		"the best alone":  {many(llmtest.TopOnly()), domain.Unavailable, llm.OutcomeBroken, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, r, seen := reranker(t, llmtest.Jina)
				srv.FailNext(c.faults...)
				began := time.Now()
				scores, err := r.Rerank(t.Context(), "bicycle costs", bicycles)
				if domain.CodeOf(err) != c.code || err != nil && scores != nil {
					t.Errorf("%v, %v", scores, err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("a person waited %v", took)
				}
				if n := len(srv.Rerank.Requests()); n != c.requests || seen.last().Outcome != c.outcome {
					t.Errorf("%d requests, observed %+v", n, seen.last())
				}
				noSecrets(t, srv.Key, err)
				srv.WaitIdle(t, time.Second)
			})
		})
	}
}

// Logits become probabilities, and stay so in answers of which all happen to look like some.
func TestRerankLogits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, r, _ := reranker(t, llmtest.Jina)
		logits := map[string]float64{"a": 8, "b": -3, "c": .5}
		srv.Rerank.Score(func(_, text string) float64 { return logits[text] })
		first, err := r.Rerank(t.Context(), "q", []string{"b", "a", "c"})
		if err != nil || first[0] > .1 || first[1] < .99 || first[1] > 1 {
			t.Errorf("%v, %v", first, err)
		}
		second, err := r.Rerank(t.Context(), "q", []string{"c"})
		if err != nil || math.Abs(second[0]-first[2]) > 1e-9 {
			t.Errorf("%v after %v, %v", second, first, err)
		}
	})
}

func TestRerankBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, r, _ := reranker(t, llmtest.TEI)
		texts := make([]string, llm.MaxRerank)
		for i := range texts {
			texts[i] = fmt.Sprintf("word%d %s", i, strings.Repeat("ж\xff", 20_000))
		}
		scores, err := r.Rerank(t.Context(), "word77", texts)
		if err != nil || slices.Index(scores, 1) != 77 {
			t.Fatalf("%v, %v", scores, err)
		}
		asked := srv.Rerank.Requests()
		if n := len(asked[1].Texts[0]); len(asked) != 5 || len(asked[4].Texts) != 4 || n > 20_000 {
			t.Errorf("%d requests, %d bytes in the first text", len(asked), n)
		}
		if _, err := r.Rerank(t.Context(), "q", append(texts, "one more")); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("too many texts: %v", err)
		}
		if scores, err := r.Rerank(t.Context(), "q", nil); scores != nil || err != nil || len(srv.Rerank.Requests()) != 5 {
			t.Errorf("no texts: %v, %v", scores, err)
		}
	})
}

// A server that fails too often is left alone for a while.
func TestRerankBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, r, seen := reranker(t, llmtest.Jina)
		srv.FailAll(llmtest.Hang())
		for range 21 {
			if _, err := r.Rerank(t.Context(), "q", bicycles); err == nil {
				t.Fatal("a server that hangs gave scores")
			}
		}
		if n := len(srv.Rerank.Requests()); n != 20 || seen.last().Outcome != llm.OutcomeOpen || seen.last().Duration != 0 {
			t.Errorf("%d requests, observed %+v", n, seen.last())
		}
	})
}

func TestRerankNeedsItsAddress(t *testing.T) {
	for _, c := range []llm.OpenAI{{Model: "m"}, {BaseURL: "rerank", Model: "m"}, {BaseURL: "https://user:pass@host/rerank", Model: "m"}, {BaseURL: "https://host/rerank"}} {
		if _, err := llm.NewReranker(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
