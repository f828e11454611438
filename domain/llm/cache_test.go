package llm_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bitb/domain"
	"bitb/domain/llm"
)

// shelf is a cache in memory.
type shelf map[string][]byte

func (s shelf) Get(_ context.Context, key string) ([]byte, bool) { v, ok := s[key]; return v, ok }

func (s shelf) Set(_ context.Context, key string, value []byte, _ time.Duration) { s[key] = value }

// counting embeds every text as the number of times it was asked.
type counting struct {
	n    float32
	dims int
	err  error
}

func (c *counting) Model() string { return "counting" }
func (c *counting) Dims() int     { return c.dims }
func (c *counting) Embed(_ context.Context, texts []string) ([][]float32, llm.Usage, error) {
	c.n++
	return [][]float32{{c.n}}, llm.Usage{}, c.err
}

func TestQueryEmbedderCaches(t *testing.T) {
	cache, e, seen := shelf{}, &counting{dims: 1}, &calls{}
	q := llm.Cached(e, cache, seen)
	a, b := domain.NewID(), domain.NewID()
	ask := func(tenant domain.ID, text string, want float32) {
		t.Helper()
		if v, err := q.EmbedQuery(t.Context(), tenant, q.Model(), text); err != nil || len(v) != 1 || v[0] != want {
			t.Errorf("%q: got %v, %v, want %v", text, v, err, want)
		}
	}
	ask(a, "how long", 1)
	ask(a, "how long", 1) // from the cache
	ask(a, "how much", 2)
	ask(b, "how long", 3) // another tenant's is computed afresh
	e.dims = 2
	ask(a, "how long", 4) // and so is one of a model that was set up anew
	if want := []bool{false, true, false, false, false}; !slices.Equal(seen.looks, want) {
		t.Errorf("looked up %v, want %v", seen.looks, want)
	}
}

// Whatever comes back from the cache, it is used only if it is this tenant's vector of this question.
func TestQueryEmbedderDistrustsCache(t *testing.T) {
	a, b := domain.NewID(), domain.NewID()
	for name, spoil := range map[string]func(right, others []byte) []byte{
		"another tenant's":   func(_, others []byte) []byte { return others },
		"cut":                func(right, _ []byte) []byte { return right[:len(right)-1] },
		"without a number":   func(right, _ []byte) []byte { return right[:32] },
		"empty":              func(_, _ []byte) []byte { return nil },
		"something else":     func(_, _ []byte) []byte { return []byte("<html>") },
		"the tag of nothing": func(_, _ []byte) []byte { return make([]byte, 36) },
	} {
		cache, e := shelf{}, &counting{dims: 1}
		q := llm.Cached(e, cache, nil)
		q.EmbedQuery(t.Context(), b, q.Model(), "how long")
		others := slices.Collect(maps.Values(cache))[0]
		clear(cache)
		q.EmbedQuery(t.Context(), a, q.Model(), "how long")
		for key, right := range cache {
			cache[key] = spoil(right, others)
		}
		if v, err := q.EmbedQuery(t.Context(), a, q.Model(), "how long"); err != nil || v[0] != 3 {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
}

// hanging never answers.
type hanging struct{ counting }

func (*hanging) Embed(ctx context.Context, _ []string) ([][]float32, llm.Usage, error) {
	<-ctx.Done()
	return nil, llm.Usage{}, ctx.Err()
}

func TestQueryEmbedderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, from := llm.Cached(&hanging{}, shelf{}, nil), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := q.EmbedQuery(ctx, domain.NewID(), q.Model(), "how long"); err == nil || time.Since(from) != 5*time.Second {
			t.Errorf("waited %v for a model that does not answer, and got %v", time.Since(from), err)
		}
	})
}

func TestQueryEmbedderFails(t *testing.T) {
	cache, down := shelf{}, errors.New("down")
	q := llm.Cached(&counting{err: down}, cache, nil)
	if _, err := q.EmbedQuery(t.Context(), domain.NewID(), q.Model(), "how long"); !errors.Is(err, down) || len(cache) != 0 {
		t.Errorf("got %v, and kept %d values", err, len(cache))
	}
}

// The built-in model gives up too where nobody waits any more.
func TestBuiltInQueryEmbedderIsCancelled(t *testing.T) {
	q := llm.Cached(llm.NewHashing(), shelf{}, nil)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if v, err := q.EmbedQuery(gone, domain.NewID(), q.Model(), "how long"); !errors.Is(err, context.Canceled) || v != nil {
		t.Errorf("got %v, %v", v, err)
	}
}
