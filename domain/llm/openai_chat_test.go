package llm_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const reply = "Returns are free within 30 days of delivery [1]."

var ask = llm.Request{Messages: []llm.Message{
	{Role: "system", Content: "Answer from the passages."},
	{Role: "user", Content: "How long can I return things?"},
}}

// calls is an Observer that keeps everything.
type calls struct {
	mu    sync.Mutex
	calls []llm.Call
	looks []bool
}

func (c *calls) ModelCall(call llm.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

func (c *calls) CacheLookup(_ string, hit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks = append(c.looks, hit)
}

func (c *calls) last() llm.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[len(c.calls)-1]
}

type chatTest struct {
	srv  *llmtest.Server
	chat llm.Chat
	seen *calls
	text strings.Builder
}

// bubble runs f with a chat model in memory, where time passes at once.
func bubble(t *testing.T, f func(t *testing.T, c *chatTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &chatTest{srv: llmtest.NewInMemory(t), seen: &calls{}}
		c.srv.Chat.Reply(reply)
		c.chat = must(llm.NewChat(c.config("test-model")))
		f(t, c)
	})
}

func (c *chatTest) config(model string) llm.OpenAI {
	return llm.OpenAI{BaseURL: c.srv.URL, Key: c.srv.Key, Model: model, HTTP: c.srv.Client(), Observer: c.seen}
}

func (c *chatTest) ask(ctx context.Context) (llm.Result, error) {
	c.text.Reset()
	return c.chat.Stream(ctx, ask, func(delta string) error {
		c.text.WriteString(delta)
		return nil
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestChatStreams(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		res, err := c.ask(t.Context())
		if err != nil || c.text.String() != reply {
			t.Fatalf("got %q, %v", c.text.String(), err)
		}
		want := llm.Result{Usage: llm.Usage{In: 10, Out: 9}, FinishReason: "stop"}
		if d := cmp.Diff(want, res); d != "" {
			t.Error(d)
		}
		if got := c.srv.Chat.Last(); len(got.Messages) != 2 || got.Messages[1].Content != ask.Messages[1].Content || !got.Stream {
			t.Errorf("the server was asked %+v", got)
		}
		if call := c.seen.last(); call.Outcome != llm.OutcomeOK || call.Usage != want.Usage || call.Kind != "chat" {
			t.Errorf("observed %+v", call)
		}
	})
}

// TestChatFailures has one line for each way a server can fail: what a person is told and how often it was tried.
func TestChatFailures(t *testing.T) {
	const half = "Returns are free within 30 "
	many := func(f llmtest.Fault) []llmtest.Fault { return []llmtest.Fault{f, f, f, f} }
	one := func(f llmtest.Fault) []llmtest.Fault { return []llmtest.Fault{f} }
	tests := []struct {
		name     string
		faults   []llmtest.Fault
		text     string // that was emitted
		code     domain.Code
		outcome  string
		requests int
		atMost   time.Duration
	}{
		{"503 once", one(llmtest.Status(503)), reply, "", llm.OutcomeOK, 2, time.Second},
		{"429 then 500", []llmtest.Fault{llmtest.RateLimited(2 * time.Second), llmtest.Status(500)}, reply, "", llm.OutcomeOK, 3, 3 * time.Second},
		{"reset once", one(llmtest.Reset()), reply, "", llm.OutcomeOK, 2, time.Second},
		{"garbage once", one(llmtest.Body("data: <html>\n\n")), reply, "", llm.OutcomeOK, 2, time.Second},
		{"empty once", one(llmtest.Empty()), reply, "", llm.OutcomeOK, 2, time.Second},
		{"500 for ever", many(llmtest.Status(500)), "", domain.Unavailable, llm.OutcomeUnavailable, 3, time.Second},
		{"429 for ever", many(llmtest.RateLimited(3 * time.Second)), "", domain.RateLimited, llm.OutcomeLimited, 3, 7 * time.Second},
		{"429 for long", many(llmtest.RateLimited(30 * time.Second)), "", domain.RateLimited, llm.OutcomeLimited, 1, 0},
		{"quota spent", many(llmtest.QuotaSpent()), "", domain.RateLimited, llm.OutcomeLimited, 1, 0},
		{"401", many(llmtest.Status(401)), "", domain.Unavailable, llm.OutcomeRefused, 1, 0},
		{"404", many(llmtest.Status(404)), "", domain.Unavailable, llm.OutcomeRefused, 1, 0},
		{"400", many(llmtest.Status(400)), "", domain.Invalid, llm.OutcomeRejected, 1, 0},
		{"redirect", many(llmtest.Redirect("http://elsewhere.test/")), "", domain.Unavailable, llm.OutcomeRefused, 1, 0},
		{"a web page", many(llmtest.Body("<html>Welcome</html>")), "", domain.Unavailable, llm.OutcomeUnavailable, 3, time.Second},
		{"hangs", many(llmtest.Hang()), "", domain.Unavailable, llm.OutcomeTimeout, 1, 15 * time.Second},
		{"only pings", many(llmtest.Pings(time.Second)), "", domain.Unavailable, llm.OutcomeTimeout, 1, 15 * time.Second},
		{"drips", many(llmtest.Drip(5 * time.Second)), half, domain.Unavailable, llm.OutcomeTimeout, 1, 20 * time.Second},
		{"half, then hangs", many(llmtest.HalfThenHang()), half, domain.Unavailable, llm.OutcomeTimeout, 1, 20 * time.Second},
		{"half, then reset", many(llmtest.HalfThenReset()), half, domain.Unavailable, llm.OutcomeUnavailable, 1, 0},
		{"half, then garbage", many(llmtest.HalfThenGarbage()), half, domain.Unavailable, llm.OutcomeBroken, 1, 0},
		{"half, then error", many(llmtest.HalfThenError()), half, domain.Unavailable, llm.OutcomeUnavailable, 1, 0},
		{"10 MB token", many(llmtest.GiantToken(10 << 20)), half, domain.Unavailable, llm.OutcomeBroken, 1, 0},
		{"900 kB token", many(llmtest.GiantToken(900 << 10)), half, domain.Unavailable, llm.OutcomeBroken, 1, 0},
		{"no end mark", many(llmtest.NoDone()), reply, domain.Unavailable, llm.OutcomeUnavailable, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *chatTest) {
				c.srv.FailNext(tt.faults...)
				start := time.Now()
				_, err := c.ask(t.Context())
				if took := time.Since(start); took > tt.atMost {
					t.Errorf("took %v, want at most %v", took, tt.atMost)
				}
				if c.text.String() != tt.text || domain.CodeOf(err) != tt.code {
					t.Errorf("emitted %q, then %v", c.text.String(), err)
				}
				if got := errors.Is(err, llm.ErrInterrupted); got != (tt.text != "" && err != nil) {
					t.Errorf("ErrInterrupted is %v in %v", got, err)
				}
				if n := len(c.srv.Chat.Requests()); n != tt.requests {
					t.Errorf("%d requests, want %d", n, tt.requests)
				}
				if call := c.seen.last(); call.Outcome != tt.outcome || call.Retries != tt.requests-1 {
					t.Errorf("observed %+v, want %s", call, tt.outcome)
				}
				noSecrets(t, c.srv.Key, err)
				c.srv.WaitIdle(t, time.Second)
			})
		})
	}
}

// noSecrets checks that neither the person nor the log sees the key, and the person nothing the server said.
func noSecrets(t *testing.T, key string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		t.Fatalf("%v is no domain.Error", err)
	}
	if strings.Contains(err.Error(), key) || strings.Contains(e.Message, "scripted") || e.Message == "" {
		t.Errorf("the error tells too much or nothing: %v", err)
	}
}

func TestChatTotalLimit(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.Chat.Reply(strings.Repeat("word ", 1000))
		c.srv.Chat.Pace(10 * time.Second) // never idle for long, but for 10,000 s in all
		start := time.Now()
		res, err := c.ask(t.Context())
		if took := time.Since(start); !errors.Is(err, llm.ErrInterrupted) || took != 120*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		if !res.Usage.Estimated || res.Usage.Out < 11 {
			t.Errorf("what was streamed is not counted: %+v", res.Usage)
		}
	})
}

func TestChatTokenCap(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailNext(llmtest.Endless())
		_, err := c.ask(t.Context())
		if n := llm.EstimateTokens(c.text.String()); !errors.Is(err, llm.ErrInterrupted) || n > 8192 || n < 8000 {
			t.Errorf("%d tokens, then %v", n, err)
		}
		c.srv.WaitIdle(t, time.Second)
	})
}

func TestChatRetryAfterReachesCaller(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailNext(llmtest.RateLimited(30 * time.Second))
		_, err := c.ask(t.Context())
		if e, ok := errors.AsType[*domain.Error](err); !ok || e.RetryAfter != 30*time.Second {
			t.Errorf("got %+v", err)
		}
	})
}

func TestChatSlowReaderIsNotIdle(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		slow := sync.OnceFunc(func() { time.Sleep(30 * time.Second) }) // of the fake clock
		if _, err := c.chat.Stream(t.Context(), ask, func(string) error { slow(); return nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestChatCancelClosesUpstream(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailNext(llmtest.HalfThenHang())
		ctx, cancel := context.WithCancel(t.Context())
		_, err := c.chat.Stream(ctx, ask, func(string) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) || errors.Is(err, llm.ErrInterrupted) {
			t.Errorf("got %v", err)
		}
		c.srv.WaitIdle(t, time.Second)
		if call := c.seen.last(); call.Outcome != llm.OutcomeCancelled {
			t.Errorf("observed %+v", call)
		}
	})
}

func TestChatCancelDuringRetry(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailNext(llmtest.RateLimited(8 * time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.ask(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestChatEmitErrorStops(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		gone := errors.New("client gone")
		c.srv.FailNext(llmtest.Endless())
		if _, err := c.chat.Stream(t.Context(), ask, func(string) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		c.srv.WaitIdle(t, time.Second)
	})
}

func TestChatEstimatesMissingUsage(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailNext(llmtest.NoUsage())
		res, err := c.ask(t.Context())
		if err != nil || !res.Usage.Estimated || res.Usage.Out != llm.EstimateTokens(reply) || res.Usage.In < 10 {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}

// TestChatLearnsDialect: servers that reject a field are asked without it, from then on at once.
func TestChatLearnsDialect(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailNext(llmtest.Reject("stream_options"), llmtest.Reject("max_tokens"), llmtest.Reject("temperature"))
		req := ask
		req.MaxTokens = 300
		for range 2 {
			if _, err := c.chat.Stream(t.Context(), req, func(string) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		all := c.srv.Chat.Requests()
		if len(all) != 5 {
			t.Fatalf("%d requests, want 3 that teach and 2 that pass", len(all))
		}
		last := all[4]
		if last.MaxTokens != 0 || last.MaxCompletionTokens != 300 ||
			strings.Contains(string(last.Raw), "stream_options") || strings.Contains(string(last.Raw), "temperature") {
			t.Errorf("asked %s", last.Raw)
		}
		if all[0].MaxTokens != 300 {
			t.Errorf("asked first %s", all[0].Raw)
		}
	})
}

func TestChatReasoningModel(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		chat := must(llm.NewChat(c.config("gpt-5-mini")))
		req := ask
		req.MaxTokens = 300
		if _, err := chat.Stream(t.Context(), req, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if all := c.srv.Chat.Requests(); len(all) != 1 || all[0].MaxCompletionTokens != 300 {
			t.Errorf("asked %d times, last %s", len(all), all[len(all)-1].Raw)
		}
	})
}

func TestChatBreaker(t *testing.T) {
	bubble(t, func(t *testing.T, c *chatTest) {
		c.srv.FailAll(llmtest.Status(500))
		for range 7 { // 21 attempts
			c.ask(t.Context())
		}
		tried := len(c.srv.Chat.Requests())
		start := time.Now()
		if _, err := c.ask(t.Context()); domain.CodeOf(err) != domain.Unavailable || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if n := len(c.srv.Chat.Requests()); n != tried || c.seen.last().Outcome != llm.OutcomeOpen {
			t.Errorf("an open breaker let %d requests through", n-tried)
		}
		time.Sleep(16 * time.Second) // the fake clock's
		if c.ask(t.Context()); len(c.srv.Chat.Requests()) != tried+1 {
			t.Errorf("%d probes, want 1", len(c.srv.Chat.Requests())-tried)
		}
		c.srv.Heal()
		time.Sleep(16 * time.Second)
		for range 3 {
			if _, err := c.ask(t.Context()); err != nil {
				t.Fatalf("still shut after a good probe: %v", err)
			}
		}
	})
}

// TestChatOverSockets repeats on a real connection what a pipe cannot show: that it is closed, and kept when all is well.
func TestChatOverSockets(t *testing.T) {
	srv := llmtest.New(t)
	srv.Chat.Reply(reply)
	hosts := map[string]bool{}
	var mu sync.Mutex
	count := roundTripper(func(r *http.Request) (*http.Response, error) { return srv.Client().Transport.RoundTrip(r) })
	chat := must(llm.NewChat(llm.OpenAI{BaseURL: srv.URL, Key: srv.Key, Model: "m", HTTP: &http.Client{Transport: count}}))
	srv.Chat.ReplyFunc(func(r llmtest.ChatRequest) string {
		mu.Lock()
		defer mu.Unlock()
		hosts[r.Remote] = true
		return reply
	})
	for range 5 {
		if _, err := chat.Stream(t.Context(), ask, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(hosts) != 1 {
		t.Errorf("%d connections for 5 answers, want 1", len(hosts))
	}
	srv.FailNext(llmtest.HalfThenHang())
	ctx, cancel := context.WithCancel(t.Context())
	chat.Stream(ctx, ask, func(string) error { cancel(); return nil })
	srv.WaitIdle(t, time.Second)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNewChatRefusesBadConfig(t *testing.T) {
	for name, c := range map[string]llm.OpenAI{
		"no model":     {BaseURL: "https://host/v1"},
		"no scheme":    {BaseURL: "host/v1", Model: "m"},
		"other scheme": {BaseURL: "ftp://host/v1", Model: "m"},
		"password":     {BaseURL: "https://user:hunter2@host/v1", Model: "m"},
	} {
		if _, err := llm.NewChat(c); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
