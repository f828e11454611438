package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"bitb/domain"
)

// What a person is told. Nothing a server says reaches them: it may hold the key, the prompt or a foreign language.
const (
	sentenceDown        = "The language model cannot be reached right now. Try again in a moment."
	sentenceSlow        = "The language model took too long to answer. Try again in a moment."
	sentenceBusy        = "The language model is busy right now. Try again in a moment."
	sentenceRefused     = "The language model is not set up correctly. Whoever runs this service must check its address, its key and the model's name."
	sentenceRejected    = "The language model did not accept this text."
	sentenceBroken      = "The language model gave an answer that cannot be used. Try again in a moment."
	sentenceInterrupted = "The answer was interrupted. Try again."
)

var (
	errSlow    = errors.New("nothing, or no end, came in time")
	errCut     = errors.New("the stream ended without its end mark")
	errEmpty   = errors.New("the answer is empty")
	errTooLong = errors.New("the answer is longer than allowed")
)

// callerError is an error of the caller's own emit.
type callerError struct{ error }

func (e callerError) Unwrap() error { return e.error }

// failure is the verdict on one attempt; err is nil for a good one.
type failure struct {
	outcome string
	retry   bool
	err     error
}

// judge decides what an attempt's error means: for the metric, for a retry, and for the person.
func (u *upstream) judge(ctx context.Context, a *attempt, err error) failure {
	caller, isCaller := errors.AsType[callerError](err)
	switch {
	case err == nil:
		return failure{outcome: OutcomeOK}
	case isCaller:
		return failure{outcome: OutcomeCancelled, err: fmt.Errorf("%s with %s: emit: %w", u.kind, u.Model, caller.error)}
	case errors.Is(ctx.Err(), context.DeadlineExceeded): // the caller's deadline, not ours
		return failure{outcome: OutcomeTimeout, err: fmt.Errorf("%s with %s: %w", u.kind, u.Model, ctx.Err())}
	case ctx.Err() != nil:
		return failure{outcome: OutcomeCancelled, err: fmt.Errorf("%s with %s: %w", u.kind, u.Model, ctx.Err())}
	}
	f := u.blame(a, err)
	if a.spoke {
		f = u.failed(f.outcome, domain.Unavailable, sentenceInterrupted, 0, fmt.Errorf("%w: %s", ErrInterrupted, u.redact(err)))
	}
	return f
}

// blame judges an error that is the server's.
func (u *upstream) blame(a *attempt, err error) failure {
	if errors.Is(err, errSlow) {
		return u.failed(OutcomeTimeout, domain.Unavailable, sentenceSlow, 0, err)
	}
	if errors.Is(err, ErrVectors) || errors.Is(err, errScores) {
		return u.failed(OutcomeBroken, domain.Unavailable, sentenceBroken, 0, err)
	}
	f := failure{}
	switch status := statusOf(err); {
	case status == http.StatusTooManyRequests:
		f = u.failed(OutcomeLimited, domain.RateLimited, sentenceBusy, a.retryAfter, err)
		f.retry = !quotaSpent(err)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly, status >= 500:
		f = u.failed(OutcomeUnavailable, domain.Unavailable, sentenceDown, a.retryAfter, err)
		f.retry = true
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status/100 == 3:
		f = u.failed(OutcomeRefused, domain.Unavailable, sentenceRefused, 0, err)
	case status >= 400:
		f = u.failed(OutcomeRejected, domain.Invalid, sentenceRejected, 0, err)
	case isGarbage(err):
		f = u.failed(OutcomeBroken, domain.Unavailable, sentenceBroken, 0, err)
		f.retry = true
	default: // not reached, reset, closed, or an error event in the stream
		f = u.failed(OutcomeUnavailable, domain.Unavailable, sentenceDown, 0, err)
		f.retry = true
	}
	return f
}

// failed makes a failure whose cause is safe for the log: no key in it, and not much of what the server said.
func (u *upstream) failed(outcome string, code domain.Code, sentence string, retryAfter time.Duration, cause error) failure {
	if !errors.Is(cause, ErrInterrupted) && !errors.Is(cause, ErrVectors) && !errors.Is(cause, errScores) { // in words of our own
		cause = errors.New(u.redact(cause))
	}
	switch u.kind {
	case "embed":
		sentence = strings.Replace(sentence, "language model", "embedding model", 1)
	case "rerank":
		sentence = strings.Replace(sentence, "language model", "re-ranking model", 1)
	}
	return failure{outcome: outcome, err: &domain.Error{
		Code: code, Message: sentence, RetryAfter: retryAfter, Err: fmt.Errorf("%s with %s: %w", u.kind, u.Model, cause),
	}}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*openai.APIError](err); ok {
		return e.HTTPStatusCode
	}
	if e, ok := errors.AsType[*openai.RequestError](err); ok {
		return e.HTTPStatusCode
	}
	return 0
}

// quotaSpent tells a 429 that waiting does not cure.
func quotaSpent(err error) bool {
	e, ok := errors.AsType[*openai.APIError](err)
	return ok && (e.Code == "insufficient_quota" || e.Type == "insufficient_quota")
}

func isGarbage(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return syntax || kind || errors.Is(err, errEmpty) || errors.Is(err, errTooLong) || errors.Is(err, errTooMuch)
}

var secret = regexp.MustCompile(`(?i)\b(?:sk|key|pk)-[\w*.\-]{4,}|bearer\s+\S+`)

// redact returns what err says, in one line of at most 300 bytes, without the key. A server may send back the whole
// request, so of a body that is no OpenAI error only the status is kept, and the sentence in it if there is one.
func (u *upstream) redact(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*openai.RequestError](err); ok {
		text = e.HTTPStatus + " " + sentenceIn(e.Body)
	}
	for _, key := range u.Keys.All() {
		text = strings.ReplaceAll(text, key, "[redacted]")
	}
	text = secret.ReplaceAllString(text, "[redacted]")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// sentenceIn finds the message in the error bodies of servers that are only nearly compatible.
func sentenceIn(body []byte) string {
	var b struct{ Error, Message, Detail any }
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	for _, v := range []any{b.Error, b.Message, b.Detail} {
		if s, ok := v.(string); ok {
			return s
		}
	}
	return ""
}
