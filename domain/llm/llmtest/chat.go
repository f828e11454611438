package llmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Message is one message of a prompt.
type Message struct{ Role, Content string }

// ChatRequest is what a client asked.
type ChatRequest struct {
	Model               string
	Messages            []Message
	Stream              bool
	MaxTokens           int             `json:"max_tokens"`
	MaxCompletionTokens int             `json:"max_completion_tokens"`
	Raw                 json.RawMessage `json:"-"`
	Header              http.Header     `json:"-"`
	Remote              string          `json:"-"` // the address of the connection
}

// Prompt is the text of all messages.
func (r ChatRequest) Prompt() string {
	var b strings.Builder
	for _, m := range r.Messages {
		b.WriteString(m.Content + "\n")
	}
	return b.String()
}

// FollowUp is the question that is to be rewritten, and whether this is such a request.
func (r ChatRequest) FollowUp() (question string, ok bool) {
	_, rest, ok := strings.Cut(r.Prompt(), "\n<question>")
	question, _, ended := strings.Cut(rest, "</question>")
	return question, ok && ended
}

// Chat scripts the chat completions.
type Chat struct {
	mu       sync.Mutex
	reply    func(ChatRequest) string
	rewrite  func(question string) string
	requests []ChatRequest
	pace     time.Duration
	hold     int // words before release is awaited; 0: none
	release  chan struct{}
}

// Reply sets what is answered: the first text to the next request, and so on; the last one stays.
func (c *Chat) Reply(texts ...string) {
	n := 0
	c.ReplyFunc(func(ChatRequest) string {
		text := texts[min(n, len(texts)-1)]
		n++
		return text
	})
}

// ReplyFunc sets how answers are made; f is called for one request at a time. Without it, the first sentence of the
// prompt's first passage is quoted, with [1].
func (c *Chat) ReplyFunc(f func(ChatRequest) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply = f
}

// Rewrite sets what is made of a follow-up question that is to be put so that it can be searched for; nil repeats it.
// Reply and ReplyFunc do not see these requests.
func (c *Chat) Rewrite(f func(question string) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rewrite = f
}

// Pace sets how long the server waits before each word.
func (c *Chat) Pace(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace = d
}

// HoldAfter makes answers stop after n words until release is called, or the client goes away.
func (c *Chat) HoldAfter(n int) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	c.hold, c.release = n, ch
	return sync.OnceFunc(func() {
		close(ch)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.hold = 0
	})
}

// Requests returns what was asked so far, failed requests included.
func (c *Chat) Requests() []ChatRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ChatRequest(nil), c.requests...)
}

// Last returns the newest request; the zero value when there was none.
func (c *Chat) Last() ChatRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) == 0 {
		return ChatRequest{}
	}
	return c.requests[len(c.requests)-1]
}

func (c *Chat) serve(x *exchange) {
	var req ChatRequest
	if err := json.NewDecoder(x.r.Body).Decode(&req.Raw); err != nil {
		Status(http.StatusBadRequest).respond(x.w, x.r, x.stop)
		return
	}
	json.Unmarshal(req.Raw, &req)
	req.Header = x.r.Header.Clone()
	req.Remote = x.r.RemoteAddr
	text := c.record(req)
	switch {
	case x.fault.respond != nil:
		x.fault.respond(x.w, x.r, x.stop)
	case !req.Stream:
		x.json(map[string]any{
			"object": "chat.completion", "model": req.Model, "usage": usage(req, text),
			"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": text}}},
		})
	default:
		x.w.Header().Set("Content-Type", "text/event-stream")
		s := &stream{exchange: x, req: req}
		if x.fault.stream != nil {
			x.fault.stream(s, text)
			return
		}
		c.stream(s, text)
	}
}

func (c *Chat) record(req ChatRequest) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, req)
	if question, ok := req.FollowUp(); ok {
		if c.rewrite != nil {
			return c.rewrite(question)
		}
		return question
	}
	if c.reply == nil {
		return quote(req)
	}
	return c.reply(req)
}

func (c *Chat) stream(s *stream, text string) {
	for i, word := range words(text) {
		c.mu.Lock()
		pace, hold, release := c.pace, c.hold, c.release
		c.mu.Unlock()
		if hold > 0 && i == hold {
			select {
			case <-release:
			case <-s.r.Context().Done():
				return
			case <-s.stop:
				return
			}
		}
		if pace > 0 && !s.wait(pace) || !s.delta(word) {
			return
		}
	}
	s.end(text)
}

// stream writes server-sent events.
type stream struct {
	*exchange
	req ChatRequest
}

func (s *stream) event(v any) bool {
	data, _ := json.Marshal(v)
	return s.write("data: " + string(data) + "\n\n")
}

func (s *stream) delta(text string) bool {
	return s.event(chunk(map[string]any{"content": text}, nil))
}

func (s *stream) finish() bool { return s.event(chunk(map[string]any{}, "stop")) }

func (s *stream) end(text string) {
	s.finish()
	if strings.Contains(string(s.req.Raw), `"include_usage":true`) {
		s.event(map[string]any{"choices": []any{}, "usage": usage(s.req, text)})
	}
	s.write("data: [DONE]\n\n")
}

func chunk(delta map[string]any, finish any) map[string]any {
	return map[string]any{
		"object":  "chat.completion.chunk",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	}
}

// usage counts a token for each word.
func usage(req ChatRequest, answer string) map[string]int {
	in, out := len(strings.Fields(req.Prompt())), len(strings.Fields(answer))
	return map[string]int{"prompt_tokens": in, "completion_tokens": out, "total_tokens": in + out}
}

// words splits text so that the pieces put together are the text again.
func words(text string) []string { return strings.SplitAfter(text, " ") }

// quote is the default answer: it keeps to the prompt, as a good model would.
func quote(req ChatRequest) string {
	_, rest, ok := strings.Cut(req.Prompt(), "<passage ")
	if !ok {
		return "I have no passages to answer from."
	}
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "</passage>")
	text = strings.Join(strings.Fields(text), " ")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i+1]
	}
	return fmt.Sprintf("%s [1]", text)
}
