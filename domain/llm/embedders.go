package llm

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bitb/domain"
)

// A question is embedded with an earlier model beside the present one, so it waits for it only a moment; and a model that is
// gone is not asked again with every question.
const (
	formerLimit = 2 * time.Second
	formerPause = time.Minute
)

// embedders are the models that questions are embedded with: the present one, and those that embedded some documents before
// it, until these are embedded anew.
type embedders struct {
	current Embedder
	server  *OpenAI // nil: none

	lock   sync.Mutex
	others map[string]Embedder
}

func newEmbedders(current Embedder) *embedders {
	builtin := NewHashing()
	return &embedders{current: current, others: map[string]Embedder{builtin.Model(): builtin}}
}

// named returns the embedder of a model. Names are of models that embedded documents, so they are few.
func (e *embedders) named(model string) (Embedder, error) {
	if model == e.current.Model() {
		return e.current, nil
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if other := e.others[model]; other != nil {
		return other, nil
	}
	if e.server == nil {
		return nil, domain.NewError(domain.Unavailable, "The model that embedded this is not at hand any more.")
	}
	c := *e.server
	c.Model, c.Dims = model, 0
	c.Limits = Limits{Embed: formerLimit, Retry: time.Nanosecond}
	embedder, err := NewEmbedder(c)
	if err != nil {
		return nil, fmt.Errorf("set up an earlier embedding model: %w", err)
	}
	e.others[model] = &former{Embedder: embedder}
	return e.others[model], nil
}

// former is a model that the server may have no more.
type former struct {
	Embedder
	lock  sync.Mutex
	until time.Time // when it is asked again
	err   error     // why not before
}

// Embed implements Embedder.
func (f *former) Embed(ctx context.Context, texts []string) ([][]float32, Usage, error) {
	f.lock.Lock()
	until, err := f.until, f.err
	f.lock.Unlock()
	if time.Now().Before(until) {
		return nil, Usage{}, err
	}
	vectors, usage, err := f.Embedder.Embed(ctx, texts)
	if err != nil && ctx.Err() == nil {
		f.lock.Lock()
		f.until, f.err = time.Now().Add(formerPause), err
		f.lock.Unlock()
	}
	return vectors, usage, err
}
