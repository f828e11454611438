package llm

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sashabaranov/go-openai"
)

// NewChat makes a Chat that streams from an OpenAI-compatible server.
func NewChat(c OpenAI) (Chat, error) {
	u, err := newUpstream(c, "chat")
	if err != nil {
		return nil, err
	}
	return &openAIChat{upstream: u}, nil
}

type openAIChat struct {
	*upstream
	dialect atomic.Uint32 // what the server was found not to understand
}

func (c *openAIChat) Model() string { return c.upstream.Model }

func (c *openAIChat) Stream(ctx context.Context, req Request, emit func(string) error) (Result, error) {
	start := time.Now()
	var report Call
	var a *answer
	err := c.do(ctx, &report, func(ctx context.Context, at *attempt) error {
		a = &answer{attempt: at, limits: c.Limits, emit: func(delta string) error {
			if report.FirstToken == 0 {
				report.FirstToken = time.Since(start)
			}
			return emit(delta)
		}}
		err := c.read(ctx, a, req)
		if err == nil || at.spoke {
			report.Usage = a.tally(req)
		}
		return err
	})
	if a == nil {
		return Result{}, err
	}
	return Result{Usage: report.Usage, FinishReason: a.finish}, err
}

// read carries out one attempt. A watchdog cancels the request when a limit is reached, which closes the connection.
func (c *openAIChat) read(ctx context.Context, a *answer, req Request) error {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	total := time.AfterFunc(c.Limits.Total, func() { cancel(errSlow) })
	defer total.Stop()
	a.watch = time.AfterFunc(c.Limits.FirstToken, func() { cancel(errSlow) })
	defer a.watch.Stop()

	stream, err := c.open(own, a.attempt, req)
	if err == nil {
		a.body.stream = true
		err = a.receive(stream)
		stream.Close()
	}
	if cause := context.Cause(own); err != nil && cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// answer is one attempt's reading of a stream.
type answer struct {
	*attempt
	limits   Limits
	emit     func(string) error
	watch    *time.Timer // until the next piece
	quarters int         // of a token, emitted so far
	usage    *openai.Usage
	finish   string
}

func (a *answer) receive(stream *openai.ChatCompletionStream) error {
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return a.end()
		}
		if err != nil {
			return err
		}
		if part.Usage != nil {
			a.usage = part.Usage
		}
		if len(part.Choices) == 0 {
			continue
		}
		choice := part.Choices[0]
		if choice.FinishReason != "" {
			a.finish = string(choice.FinishReason)
		}
		// Postgres takes no NUL, and no reader misses it.
		text := strings.ReplaceAll(choice.Delta.Content, "\x00", "")
		if text == "" && choice.Delta.ReasoningContent == "" {
			continue // pings and empty pieces are no sign of progress
		}
		a.watch.Stop() // a slow reader of ours is not the server's fault
		if err := a.pass(text); err != nil {
			return err
		}
		a.watch.Reset(a.limits.Idle)
	}
}

func (a *answer) pass(text string) error {
	if text == "" {
		return nil
	}
	a.quarters += tokenQuarters(text)
	if a.quarters > 4*a.limits.Tokens {
		return errTooLong
	}
	a.spoke = true
	if err := a.emit(text); err != nil {
		return callerError{err}
	}
	return nil
}

// end judges a stream that is over, and reads what little is left of it, so that the connection can be used again.
func (a *answer) end() error {
	switch {
	case !a.body.done():
		return errCut
	case !a.spoke:
		return errEmpty
	}
	a.watch.Reset(100 * time.Millisecond)
	_, _ = io.Copy(io.Discard, io.LimitReader(a.body, 512)) // the stream is over; only the connection is at stake
	return nil
}

func (a *answer) tally(req Request) Usage {
	if a.usage != nil && a.usage.PromptTokens > 0 {
		return Usage{In: a.usage.PromptTokens, Out: a.usage.CompletionTokens}
	}
	u := Usage{Out: (a.quarters + 3) / 4, Estimated: true}
	for _, m := range req.Messages {
		u.In += EstimateTokens(m.Content) + 4 // the role and the marks around a message
	}
	return u
}

// What "OpenAI-compatible" leaves open. Everything is asked for first, as OpenAI's own older models and most servers
// understand it, and left out once a server complains by name.
const (
	noStreamOptions     uint32 = 1 << iota // Mistral answers 422, and sends the usage anyway
	maxCompletionTokens                    // reasoning models know no max_tokens; Ollama and LM Studio know only that
	noTemperature                          // reasoning models take none
)

// open starts a stream; it asks again, in other words, while a complaint teaches something new.
func (c *openAIChat) open(ctx context.Context, a *attempt, req Request) (*openai.ChatCompletionStream, error) {
	for {
		dialect := c.dialect.Load()
		stream, err := c.client(a).CreateChatCompletionStream(ctx, c.request(req, dialect))
		if err == nil {
			return stream, nil
		}
		lesson := complaint(err)
		if lesson&^dialect == 0 {
			return nil, err
		}
		c.dialect.Or(lesson)
	}
}

func (c *openAIChat) request(req Request, dialect uint32) openai.ChatCompletionRequest {
	r := openai.ChatCompletionRequest{Model: c.upstream.Model}
	for _, m := range req.Messages {
		r.Messages = append(r.Messages, openai.ChatCompletionMessage{Role: m.Role, Content: m.Content})
	}
	limit := min(req.MaxTokens, c.Limits.Tokens)
	if dialect&maxCompletionTokens != 0 {
		r.MaxCompletionTokens = limit
	} else {
		r.MaxTokens = limit //nolint:staticcheck // the older name is the only one that most compatible servers know
	}
	if dialect&noStreamOptions == 0 {
		r.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	}
	if dialect&noTemperature == 0 {
		r.Temperature = 0.1
	}
	return r
}

// complaint says which field a server, or go-openai on its behalf, does not accept.
func complaint(err error) (lesson uint32) {
	status := statusOf(err)
	if status != 0 && status != 400 && status != 422 {
		return 0
	}
	text := err.Error()
	if status != 0 && strings.Contains(text, "stream_options") {
		lesson |= noStreamOptions
	}
	if errors.Is(err, openai.ErrReasoningModelMaxTokensDeprecated) || status != 0 && strings.Contains(text, "max_tokens") {
		lesson |= maxCompletionTokens
	}
	if errors.Is(err, openai.ErrReasoningModelLimitationsOther) || errors.Is(err, openai.ErrReasoningSamplingUnsupported) ||
		status != 0 && strings.Contains(text, "temperature") {
		lesson |= noTemperature
	}
	return lesson
}
