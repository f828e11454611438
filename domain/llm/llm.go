// Package llm is the one place that talks to language models: it embeds texts, re-ranks them and streams answers, through
// any OpenAI-compatible server or with the built-in pair that needs no server at all. What a prompt says, which passages
// go into it and what a citation means is left to package chat; what a vector is stored in, to its callers.
package llm

import (
	"context"
	"errors"
	"time"

	"bitb/domain/trace"
)

// Usage counts the tokens of one or more calls.
type Usage struct {
	In, Out   int
	Estimated bool // the server gave no counts; they were worked out from the text
}

// Add returns the sum of two counts.
func (u Usage) Add(v Usage) Usage {
	return Usage{In: u.In + v.In, Out: u.Out + v.Out, Estimated: u.Estimated || v.Estimated}
}

// Embedder turns texts into vectors of unit length, one for each text, in the order of the texts. All vectors of one
// Embedder have the same dimension. An error means that none of them may be used.
type Embedder interface {
	Model() string
	Dims() int // 0 while nothing is known of it
	Embed(ctx context.Context, texts []string) ([][]float32, Usage, error)
}

// Message is one turn of a prompt. Role is "system", "user" or "assistant".
type Message struct{ Role, Content string }

// Request is one question to a Chat. A model that writes reads Messages; one that quotes reads Question, Before and Passages.
type Request struct {
	Messages  []Message
	Question  string
	Before    string    // the question before it, where Question may mean little without; its words count less
	Passages  []Passage // numbered from 1, the best first
	MaxTokens int       // of the answer; 0 leaves it to the server, up to Limits.Tokens
}

// Passage is a retrieved piece of a document. Score is comparable within one request only; more is better.
type Passage struct {
	N       int
	Title   string   // of the document
	Heading []string // the path to the passage, outermost first
	Text    string
	Score   float64
}

// Result tells how an answer ended. FinishReason is "stop", or "length" when the model had more to say.
type Result struct {
	Usage        Usage
	FinishReason string
}

// Chat answers a Request piece by piece. Stream calls emit from one goroutine, in order, never with "", and returns
// after the last piece; an error of emit stops the model and is returned. When err is ErrInterrupted, what was emitted
// is the beginning of an answer, and Result counts what it cost. After any other error nothing was emitted, unless ctx
// or emit ended it.
type Chat interface {
	Model() string
	Stream(ctx context.Context, req Request, emit func(delta string) error) (Result, error)
}

var (
	// ErrNothingFits says that the passages hold no answer; nothing was emitted.
	ErrNothingFits = errors.New("nothing in the passages answers the question")
	// ErrInterrupted says that an answer broke off after part of it was emitted.
	ErrInterrupted = errors.New("the answer was interrupted")
	// ErrVectors says that an embedding model sent something that cannot be stored: too few vectors, of unlike dimensions, or
	// not numbers.
	ErrVectors = errors.New("unusable embeddings")
)

// Outcomes of a Call. They are few and fixed, so that they can label a metric.
const (
	OutcomeOK          = "ok"
	OutcomeNothingFits = "nothing_fits"
	OutcomeCancelled   = "cancelled"    // the caller went away
	OutcomeLimited     = "rate_limited" // 429 to the end
	OutcomeRefused     = "refused"      // 401, 403, 404: our key, address or model name is wrong; somebody must act
	OutcomeRejected    = "rejected"     // 400, 413, 422: this request will never pass
	OutcomeTimeout     = "timeout"
	OutcomeBroken      = "broken"       // an answer that cannot be used: garbage, half a stream, wrong vectors
	OutcomeUnavailable = "unavailable"  // cannot be reached, or 5xx
	OutcomeOpen        = "circuit_open" // not even tried, as it failed too often just now
)

// Call is what an Observer learns of one call of a model, retries included.
type Call struct {
	Kind       string // "chat", "embed" or "rerank"
	Model      string
	Outcome    string
	Duration   time.Duration
	FirstToken time.Duration // from the start, chat only; 0 when there was none
	Retries    int
	Usage      Usage
}

// describe notes in the trace what the call was: numbers and names, no words.
func (c *Call) describe(ctx context.Context) {
	trace.Set(ctx, "gen_ai.operation.name", c.Kind, "gen_ai.request.model", c.Model, "bitb.outcome", c.Outcome)
	trace.Count(ctx, "gen_ai.usage.input_tokens", c.Usage.In)
	trace.Count(ctx, "gen_ai.usage.output_tokens", c.Usage.Out)
	trace.Count(ctx, "bitb.retries", c.Retries)
}

// Observer is told of every call and every cache look-up; it must be quick and safe for concurrent use.
type Observer interface {
	ModelCall(Call)
	CacheLookup(cache string, hit bool) // cache is "embedding" or "answer"
}

// EstimateTokens guesses how many tokens text has, rather too many than too few: about four letters of the Latin
// script make a token, a Han or Kana character is one, and other scripts lie between.
func EstimateTokens(text string) int { return (tokenQuarters(text) + 3) / 4 }

// tokenQuarters is the estimate in quarters of a token, which can be summed over the pieces of a text.
func tokenQuarters(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case r < 0x80:
			n++
		case r < 0x3000:
			n += 2
		default:
			n += 4
		}
	}
	return n
}
