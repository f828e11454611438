package llm_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
)

func embedder(t *testing.T, c llm.OpenAI) (*llmtest.Server, llm.Embedder, *calls) {
	t.Helper()
	srv, seen := llmtest.NewInMemory(t), &calls{}
	srv.Embed.Dims = 8
	c.BaseURL, c.Key, c.HTTP, c.Observer = srv.URL, srv.Key, srv.Client(), seen
	if c.Model == "" {
		c.Model = "test-embed"
	}
	return srv, must(llm.NewEmbedder(c)), seen
}

func numbered(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("text number %d", i)
	}
	return texts
}

func TestEmbedBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, e, seen := embedder(t, llm.OpenAI{})
		texts := numbered(70)
		vectors, usage, err := e.Embed(t.Context(), texts)
		if err != nil || len(vectors) != 70 {
			t.Fatalf("%d vectors, %v", len(vectors), err)
		}
		for i, v := range vectors {
			if !near(v, llmtest.Vector(texts[i], 8)) {
				t.Fatalf("vector %d is another text's", i)
			}
		}
		if usage != (llm.Usage{In: 210}) || e.Dims() != 8 || len(srv.Embed.Requests()) != 4 || len(seen.calls) != 3 {
			t.Errorf("usage %+v, dims %d, %d requests", usage, e.Dims(), len(srv.Embed.Requests()))
		}
	})
}

// A first answer of wrong dimensions is refused, and what is right afterwards is not.
func TestEmbedLearnsDimensions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, e, _ := embedder(t, llm.OpenAI{})
		srv.FailNext(llmtest.WrongDims())
		if _, _, err := e.Embed(t.Context(), numbered(3)); !errors.Is(err, llm.ErrVectors) || e.Dims() != 0 {
			t.Errorf("a wrong first answer: %v, %d dimensions", err, e.Dims())
		}
		if v, _, err := e.Embed(t.Context(), numbered(3)); err != nil || len(v) != 3 || e.Dims() != 8 {
			t.Errorf("a right answer then: %v, %d dimensions", err, e.Dims())
		}
	})
}

func near(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-6 })
}

func TestEmbedFailures(t *testing.T) {
	many := func(f llmtest.Fault) []llmtest.Fault { return []llmtest.Fault{f, f, f, f} }
	tests := []struct {
		name     string
		faults   []llmtest.Fault
		code     domain.Code
		outcome  string
		requests int
	}{
		{"503 once", []llmtest.Fault{llmtest.Status(503)}, "", llm.OutcomeOK, 2},
		{"reversed, but indexed", many(llmtest.Reversed()), "", llm.OutcomeOK, 1},
		{"500 for ever", many(llmtest.Status(500)), domain.Unavailable, llm.OutcomeUnavailable, 3},
		{"429 for long", many(llmtest.RateLimited(time.Minute)), domain.RateLimited, llm.OutcomeLimited, 1},
		{"401", many(llmtest.Status(401)), domain.Unavailable, llm.OutcomeRefused, 1},
		{"413", many(llmtest.Status(413)), domain.Invalid, llm.OutcomeRejected, 1},
		{"hangs", many(llmtest.Hang()), domain.Unavailable, llm.OutcomeTimeout, 1},
		{"NaN", many(llmtest.NaN()), domain.Unavailable, llm.OutcomeBroken, 3},
		{"garbage", many(llmtest.Body("<html>")), domain.Unavailable, llm.OutcomeBroken, 3},
		{"zeros", many(llmtest.Zero()), domain.Unavailable, llm.OutcomeBroken, 1},
		{"one short", many(llmtest.ShortBatch()), domain.Unavailable, llm.OutcomeBroken, 1},
		{"one index for all", many(llmtest.Duplicate()), domain.Unavailable, llm.OutcomeBroken, 1},
		{"wrong dimension", many(llmtest.WrongDims()), domain.Unavailable, llm.OutcomeBroken, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, e, seen := embedder(t, llm.OpenAI{Dims: 8})
				srv.FailNext(tt.faults...)
				texts := numbered(3)
				vectors, _, err := e.Embed(t.Context(), texts)
				if domain.CodeOf(err) != tt.code || err != nil && vectors != nil {
					t.Errorf("%d vectors, %v", len(vectors), err)
				}
				if err == nil && !near(vectors[2], llmtest.Vector(texts[2], 8)) {
					t.Error("the vectors are in the wrong order")
				}
				if n := len(srv.Embed.Requests()); n != tt.requests || seen.last().Outcome != tt.outcome {
					t.Errorf("%d requests, observed %+v", n, seen.last())
				}
				noSecrets(t, srv.Key, err)
				srv.WaitIdle(t, time.Second)
			})
		})
	}
}

// A server that is restarted with another model must not mix its vectors among the old ones.
func TestEmbedDimsStayConstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, e, _ := embedder(t, llm.OpenAI{})
		if _, _, err := e.Embed(t.Context(), numbered(1)); err != nil || e.Dims() != 8 {
			t.Fatalf("learnt %d, %v", e.Dims(), err)
		}
		srv.FailNext(llmtest.WrongDims())
		if _, _, err := e.Embed(t.Context(), numbered(1)); domain.CodeOf(err) != domain.Unavailable || e.Dims() != 8 {
			t.Errorf("took other dimensions: %d, %v", e.Dims(), err)
		}
	})
}

// What one process has learnt holds for the next, which may begin while the model answers wrongly.
func TestEmbedDimsAreSharedByProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		learnt := kept{}
		_, first, _ := embedder(t, llm.OpenAI{Learnt: learnt})
		if _, _, err := first.Embed(t.Context(), numbered(1)); err != nil {
			t.Fatal(err)
		}
		srv, second, _ := embedder(t, llm.OpenAI{Learnt: learnt})
		srv.FailAll(llmtest.WrongDims())
		if _, _, err := second.Embed(t.Context(), numbered(1)); domain.CodeOf(err) != domain.Unavailable || second.Dims() != 8 {
			t.Errorf("took other dimensions: %d, %v", second.Dims(), err)
		}
		srv.Heal()
		if _, _, err := second.Embed(t.Context(), numbered(1)); err != nil {
			t.Errorf("refuses the right ones afterwards: %v", err)
		}
	})
}

// kept are the dimensions that processes have learnt, by model.
type kept map[string]int

func (k kept) Keep(_ context.Context, model string, dims int) (int, error) {
	if k[model] == 0 {
		k[model] = dims
	}
	return k[model], nil
}

func TestEmbedDims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, large, _ := embedder(t, llm.OpenAI{Model: "text-embedding-3-large"})
		if large.Dims() != 3072 {
			t.Errorf("the native dimension is %d", large.Dims())
		}
		srv, small, _ := embedder(t, llm.OpenAI{Model: "text-embedding-3-small", Dims: 512})
		v, _, err := small.Embed(t.Context(), numbered(1))
		if err != nil || len(v[0]) != 512 || srv.Embed.Requests()[0].Dimensions != 512 {
			t.Errorf("asked %+v, %v", srv.Embed.Requests()[0], err)
		}
	})
}

func TestEmbedRefusesBlankText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, e, _ := embedder(t, llm.OpenAI{})
		if _, _, err := e.Embed(t.Context(), []string{"a", " \n"}); domain.CodeOf(err) != domain.Invalid || len(srv.Embed.Requests()) != 0 {
			t.Errorf("got %v", err)
		}
		if v, _, err := e.Embed(t.Context(), nil); len(v) != 0 || err != nil {
			t.Errorf("nothing gave %v, %v", v, err)
		}
	})
}
