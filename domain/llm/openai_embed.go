package llm

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"

	"github.com/sashabaranov/go-openai"

	"bitb/domain"
)

// Bounds of one request. 32 texts is what the strictest common server takes at once.
const (
	batchTexts  = 32
	batchTokens = 32_000
)

// NewEmbedder makes an Embedder on an OpenAI-compatible server.
func NewEmbedder(c OpenAI) (Embedder, error) {
	u, err := newUpstream(c, "embed")
	if err != nil {
		return nil, err
	}
	e := &openAIEmbedder{upstream: u}
	e.dims.Store(int64(c.Dims))
	if c.Dims == 0 {
		e.dims.Store(nativeDims[bareModel(c.Model)])
	}
	return e, nil
}

// nativeDims of well-known models, so that Dims is known before the first call.
var nativeDims = map[string]int64{
	"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536,
}

func bareModel(model string) string { return model[strings.LastIndexByte(model, '/')+1:] }

type openAIEmbedder struct {
	*upstream
	dims atomic.Int64 // set once
}

func (e *openAIEmbedder) Model() string { return e.upstream.Model }
func (e *openAIEmbedder) Dims() int     { return int(e.dims.Load()) }

func (e *openAIEmbedder) Embed(ctx context.Context, texts []string) ([][]float32, Usage, error) {
	var total Usage
	vectors := make([][]float32, 0, len(texts))
	for rest := texts; len(rest) > 0; {
		n, err := batchSize(rest)
		if err != nil {
			return nil, total, err
		}
		batch, usage, err := e.embedBatch(ctx, rest[:n])
		total = total.Add(usage)
		if err != nil {
			return nil, total, err
		}
		vectors, rest = append(vectors, batch...), rest[n:]
	}
	return vectors, total, nil
}

// batchSize says how many of texts go into one request; at least one.
func batchSize(texts []string) (n int, err error) {
	for tokens := 0; n < len(texts) && n < batchTexts; n++ {
		if strings.TrimSpace(texts[n]) == "" {
			return 0, domain.NewError(domain.Invalid, "There is no text to work with.")
		}
		if tokens += EstimateTokens(texts[n]); n > 0 && tokens > batchTokens {
			break
		}
	}
	return n, nil
}

func (e *openAIEmbedder) embedBatch(ctx context.Context, texts []string) ([][]float32, Usage, error) {
	var report Call
	var vectors [][]float32
	err := e.do(ctx, &report, func(ctx context.Context, a *attempt) error {
		own, cancel := context.WithTimeoutCause(ctx, e.Limits.Embed, errSlow)
		defer cancel()
		resp, err := e.client(a).CreateEmbeddings(own, e.request(texts))
		if cause := context.Cause(own); err != nil && cause != nil && ctx.Err() == nil {
			return cause
		}
		if err != nil {
			return err
		}
		if vectors, err = e.check(resp.Data, len(texts)); err != nil {
			return err
		}
		if err := e.learn(own, a, texts[0], len(vectors[0])); err != nil {
			return err
		}
		report.Usage = embedUsage(resp.Usage, texts)
		return nil
	})
	if err != nil {
		return nil, Usage{}, err
	}
	return vectors, report.Usage, nil
}

func (e *openAIEmbedder) request(texts []string) openai.EmbeddingRequest {
	r := openai.EmbeddingRequest{Input: texts, Model: openai.EmbeddingModel(e.upstream.Model)}
	if strings.HasPrefix(bareModel(e.upstream.Model), "text-embedding-3") {
		r.Dimensions = e.OpenAI.Dims // these alone can be told; 0 sends nothing
	}
	return r
}

func embedUsage(u openai.Usage, texts []string) Usage {
	if u.PromptTokens > 0 {
		return Usage{In: u.PromptTokens}
	}
	est := Usage{Estimated: true}
	for _, t := range texts {
		est.In += EstimateTokens(t)
	}
	return est
}

// check puts the vectors in the order of the texts and brings them to unit length, or rejects the whole batch: one
// wrong vector in the index is found by nobody, and ranks at random for ever.
func (e *openAIEmbedder) check(data []openai.Embedding, n int) ([][]float32, error) {
	if len(data) != n {
		return nil, fmt.Errorf("%w: %d vectors for %d texts", ErrVectors, len(data), n)
	}
	dims := e.Dims()
	if dims == 0 {
		dims = len(data[0].Embedding)
	}
	vectors := make([][]float32, n)
	for _, d := range data {
		if d.Index < 0 || d.Index >= n || vectors[d.Index] != nil {
			return nil, fmt.Errorf("%w: index %d twice or out of range", ErrVectors, d.Index)
		}
		if len(d.Embedding) != dims {
			return nil, fmt.Errorf("%w: %d dimensions instead of %d", ErrVectors, len(d.Embedding), dims)
		}
		if !normalise(d.Embedding) {
			return nil, fmt.Errorf("%w: vector %d is zero or not finite", ErrVectors, d.Index)
		}
		vectors[d.Index] = d.Embedding
	}
	return vectors, nil
}

// learn takes the dimensions of a model that nobody knows for right when it says so twice, and no process has learnt others before: after
// a first answer that is wrong, all right ones would be refused.
func (e *openAIEmbedder) learn(ctx context.Context, a *attempt, text string, dims int) error {
	if e.Dims() == 0 {
		again, err := e.client(a).CreateEmbeddings(ctx, e.request([]string{text}))
		if err != nil {
			return err
		}
		if len(again.Data) != 1 || len(again.Data[0].Embedding) != dims {
			return fmt.Errorf("%w: %d dimensions, and others when asked again", ErrVectors, dims)
		}
		kept := dims
		if e.Learnt != nil {
			if kept, err = e.Learnt.Keep(ctx, e.Model(), dims); err != nil {
				return err
			}
		}
		e.dims.CompareAndSwap(0, int64(kept))
	}
	if e.Dims() != dims {
		return fmt.Errorf("%w: %d dimensions instead of %d", ErrVectors, dims, e.Dims())
	}
	return nil
}

// normalise brings v to unit length in place; false when it has no direction.
func normalise(v []float32) bool {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) {
		return false
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range v {
		v[i] = float32(float64(x) * scale)
	}
	return true
}
