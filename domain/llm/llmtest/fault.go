package llmtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is one way to misbehave. The zero value behaves.
type Fault struct {
	respond func(w http.ResponseWriter, r *http.Request, stop <-chan struct{}) // instead of any answer
	stream  func(s *stream, text string)                                       // instead of the usual stream
	vectors func([]item) []item                                                // spoils embeddings
	ranks   func([]rank) []rank                                                // spoils re-rankings
}

// Status answers with code and an error body in the form of OpenAI's, which repeats the key, as some servers do.
func Status(code int) Fault { return failure(code, "", "server_error") }

// RateLimited answers 429 with Retry-After, in whole seconds.
func RateLimited(after time.Duration) Fault {
	return failure(http.StatusTooManyRequests, strconv.Itoa(int(after.Seconds())), "rate_limit_exceeded")
}

// QuotaSpent answers the 429 that waiting does not cure.
func QuotaSpent() Fault { return failure(http.StatusTooManyRequests, "", "insufficient_quota") }

func failure(code int, retryAfter, kind string) Fault {
	return Fault{respond: func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":{"message":%q,"type":%q,"code":%q}}`,
			"scripted failure, your key was "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), kind, kind)
	}}
}

// Reject answers 422 in the form of a server that is only nearly compatible, naming the field it does not know.
func Reject(field string) Fault {
	return Fault{respond: func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body",%q]}]}}`, field)
	}}
}

// Body answers 200 with any text, such as a proxy's HTML page.
func Body(text string) Fault {
	return Fault{respond: func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) { fmt.Fprint(w, text) }}
}

// Redirect sends the client elsewhere.
func Redirect(to string) Fault {
	return Fault{respond: func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}}
}

// Hang accepts the request and never answers.
func Hang() Fault {
	return Fault{respond: func(w http.ResponseWriter, r *http.Request, stop <-chan struct{}) {
		(&exchange{w: w, r: r, stop: stop}).wait(-1)
	}}
}

// Reset closes the connection without an answer.
func Reset() Fault {
	return Fault{respond: func(http.ResponseWriter, *http.Request, <-chan struct{}) { panic(http.ErrAbortHandler) }}
}

// Drip sends half of the answer's words, and then one byte of an event each interval, for ever.
func Drip(interval time.Duration) Fault {
	return Fault{stream: func(s *stream, text string) {
		s.half(text)
		s.write("data: {")
		for s.wait(interval) && s.write(" ") {
		}
	}}
}

// Pings sends comments and empty pieces each interval, and never a word.
func Pings(interval time.Duration) Fault {
	return Fault{stream: func(s *stream, _ string) {
		for s.write(": ping\n\n") && s.delta("") && s.wait(interval) {
		}
	}}
}

// HalfThenReset sends half of the answer's words and then breaks the connection.
func HalfThenReset() Fault {
	return Fault{stream: func(s *stream, text string) {
		s.half(text)
		panic(http.ErrAbortHandler)
	}}
}

// HalfThenHang sends half of the answer's words and then nothing.
func HalfThenHang() Fault {
	return Fault{stream: func(s *stream, text string) {
		s.half(text)
		s.wait(-1)
	}}
}

// HalfThenGarbage sends half of the answer's words and then what is no JSON.
func HalfThenGarbage() Fault {
	return Fault{stream: func(s *stream, text string) {
		s.half(text)
		s.write("data: {\"choices\":[{\"delta\":<html>\n\n")
		s.end(text)
	}}
}

// HalfThenError sends half of the answer's words and then an error event.
func HalfThenError() Fault {
	return Fault{stream: func(s *stream, text string) {
		s.half(text)
		s.write("data: {\"error\":{\"message\":\"scripted failure\",\"type\":\"server_error\"}}\n\n")
	}}
}

// NoDone sends the whole answer and closes the connection without the end mark.
func NoDone() Fault {
	return Fault{stream: func(s *stream, text string) {
		for _, w := range words(text) {
			s.delta(w)
		}
		s.finish()
	}}
}

// Empty sends a stream without a word.
func Empty() Fault { return Fault{stream: func(s *stream, _ string) { s.end("") }} }

// NoUsage sends the answer without token counts.
func NoUsage() Fault {
	return Fault{stream: func(s *stream, text string) {
		for _, w := range words(text) {
			s.delta(w)
		}
		s.finish()
		s.write("data: [DONE]\n\n")
	}}
}

// Endless repeats the answer for ever, whatever was asked for.
func Endless() Fault {
	return Fault{stream: func(s *stream, text string) {
		for s.delta(text + " ") {
		}
	}}
}

// GiantToken sends half of the answer's words and then a single piece of n bytes.
func GiantToken(n int) Fault {
	return Fault{stream: func(s *stream, text string) {
		s.half(text)
		if s.delta(strings.Repeat("a", n)) {
			s.end(text)
		}
	}}
}

func (s *stream) half(text string) {
	all := words(text)
	for _, w := range all[:(len(all)+1)/2] {
		s.delta(w)
	}
}

// WrongDims gives vectors that are one number short.
func WrongDims() Fault {
	return each(func(it *item) { it.Embedding = it.Embedding[1:] })
}

// Zero gives vectors of zeros.
func Zero() Fault { return each(func(it *item) { clear(it.Embedding) }) }

// NaN answers with a number that is none.
func NaN() Fault {
	return Body(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,NaN,0.3]}]}`)
}

// Duplicate gives every vector the index 0.
func Duplicate() Fault { return each(func(it *item) { it.Index = 0 }) }

func each(spoil func(*item)) Fault {
	return Fault{vectors: func(items []item) []item {
		for i := range items {
			spoil(&items[i])
		}
		return items
	}}
}

// ShortBatch leaves the last vector out.
func ShortBatch() Fault {
	return Fault{vectors: func(items []item) []item { return items[:len(items)-1] }}
}

// Reversed gives the vectors in the wrong order, with the right index on each: a client that goes by the index is right.
func Reversed() Fault {
	return Fault{vectors: func(items []item) []item {
		out := make([]item, 0, len(items))
		for i := len(items) - 1; i >= 0; i-- {
			out = append(out, items[i])
		}
		return out
	}}
}
