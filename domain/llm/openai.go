package llm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sashabaranov/go-openai"

	"bitb/domain"
	"bitb/domain/trace"
)

// OpenAI says which model of which OpenAI-compatible server to use.
type OpenAI struct {
	BaseURL  string // with its version, as https://host/v1; "" means OpenAI's own; of a Reranker the whole address
	Key      string // "" sends none
	Keys     Keys   // instead of Key: several that are valid at once
	Model    string
	Dims     int          // of an embedding model; 0: known by the model's name, or learnt from the first answer
	Learnt   Dimensions   // where that is kept; nil: for this process alone
	HTTP     *http.Client // nil: our own, which follows the operator's proxy settings; not for addresses a tenant gives
	Limits   Limits
	Observer Observer // may be nil
}

// Dimensions keeps for all processes how many dimensions the vectors of a model have. What was kept first stays, and is returned.
type Dimensions interface {
	Keep(ctx context.Context, model string, dims int) (kept int, err error)
}

// Keys are what a server may be asked with, the newest first; see secret.Ring. They may change between two calls.
type Keys interface {
	All() []string
	Used(key string, accepted bool)
}

// oneKey is a key that nobody counts.
type oneKey string

func (k oneKey) All() []string {
	if k == "" {
		return nil
	}
	return []string{string(k)}
}

func (k oneKey) Used(string, bool) {}

// Limits bound one call; a zero field takes its default.
type Limits struct {
	FirstToken time.Duration // until a chat says something, 15 s
	Idle       time.Duration // between two pieces of an answer, 20 s
	Total      time.Duration // one chat attempt, 120 s
	Embed      time.Duration // one embedding attempt, 30 s
	Rerank     time.Duration // a re-ranking with its retries, 2 s
	Retry      time.Duration // no retry starts later than this after the first attempt did, 10 s
	Tokens     int           // of an answer, 8192
}

func (l Limits) withDefaults() Limits {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDuration(&l.FirstToken, 15*time.Second)
	orDuration(&l.Idle, 20*time.Second)
	orDuration(&l.Total, 120*time.Second)
	orDuration(&l.Embed, 30*time.Second)
	orDuration(&l.Rerank, 2*time.Second)
	orDuration(&l.Retry, 10*time.Second)
	if l.Tokens <= 0 {
		l.Tokens = 8192
	}
	return l
}

// maxRetries beyond the first attempt.
const maxRetries = 2

// upstream is what chat, embedding and re-ranking models have in common.
type upstream struct {
	OpenAI
	kind    string // for the Observer
	breaker breaker
}

func newUpstream(c OpenAI, kind string) (*upstream, error) {
	if c.BaseURL == "" {
		c.BaseURL = openai.DefaultConfig("").BaseURL
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		// The address itself stays out of the message: somebody may have put a password into it.
		return nil, errors.New("the model server's address must look like https://host/v1")
	}
	if c.Model == "" {
		return nil, errors.New("no model is named")
	}
	if c.HTTP == nil {
		c.HTTP = newHTTPClient()
	}
	if c.Keys == nil {
		c.Keys = oneKey(c.Key)
	}
	own := *c.HTTP
	// A redirected POST would lose its body, or hand the prompt to a host nobody chose.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &own
	c.Limits = c.Limits.withDefaults()
	return &upstream{OpenAI: c, kind: kind}, nil
}

// newHTTPClient has no timeout of its own: each attempt carries its limits in its context.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxIdleConnsPerHost = 32
	return &http.Client{Transport: t}
}

// attempt is one HTTP exchange. It stands between go-openai and the HTTP client, because go-openai reads bodies and
// lines of any length and hides the headers of a failure.
type attempt struct {
	http       *http.Client
	key        string // "" sends none
	retryAfter time.Duration
	body       *guardedBody // nil until an answer came
	spoke      bool         // something was emitted: too late for another attempt
}

// Do implements openai.HTTPDoer.
func (a *attempt) Do(req *http.Request) (*http.Response, error) {
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Body.Close()
		return nil, &openai.RequestError{HTTPStatusCode: resp.StatusCode, HTTPStatus: resp.Status, Err: errors.New("redirect not followed")}
	}
	limit := int64(maxBody)
	if resp.StatusCode >= 400 {
		limit = maxErrorBody
		a.retryAfter = parseRetryAfter(resp.Header.Get("Retry-After"))
	}
	a.body = &guardedBody{ReadCloser: resp.Body, left: limit}
	resp.Body = a.body
	return resp, nil
}

// client makes a go-openai client for this attempt; it holds no connections, so that costs nothing.
func (u *upstream) client(a *attempt) *openai.Client {
	c := openai.DefaultConfig(a.key)
	c.BaseURL = u.BaseURL
	c.HTTPClient = a
	return openai.NewClientWithConfig(c)
}

// do runs call until it succeeds, fails for good, or the retries are used up, and reports how that went. The error is
// a *domain.Error, or wraps ctx.Err() when the caller went away.
func (u *upstream) do(ctx context.Context, report *Call, call func(context.Context, *attempt) error) error {
	start := time.Now()
	report.Kind, report.Model = u.kind, u.Model
	ctx, end := trace.Start(ctx, u.kind+" "+u.Model)
	err := u.attempts(ctx, report, call)
	report.Duration = time.Since(start)
	report.describe(ctx)
	end(err)
	if u.Observer != nil {
		u.Observer.ModelCall(*report)
	}
	return err
}

func (u *upstream) attempts(ctx context.Context, report *Call, call func(context.Context, *attempt) error) error {
	start := time.Now()
	for ; ; report.Retries++ {
		a := &attempt{http: u.HTTP}
		f := u.try(ctx, a, call)
		report.Outcome = f.outcome
		if f.err == nil {
			return nil
		}
		wait := max(a.retryAfter, backoff(report.Retries))
		if !f.retry || a.spoke || report.Retries == maxRetries || time.Since(start)+wait > u.Limits.Retry {
			return f.err
		}
		if err := pause(ctx, wait); err != nil {
			report.Outcome = OutcomeCancelled
			return fmt.Errorf("%s with %s: %w", u.kind, u.Model, err)
		}
	}
}

func (u *upstream) try(ctx context.Context, a *attempt, call func(context.Context, *attempt) error) failure {
	if !u.breaker.allow() {
		return u.failed(OutcomeOpen, domain.Unavailable, sentenceDown, breakerPause, errors.New("not tried, as it failed too often just now"))
	}
	f := u.judge(ctx, a, u.withKeys(ctx, a, call))
	u.breaker.record(f.outcome)
	return f
}

// withKeys makes the call with the first key, and where that is refused, with the next one: while keys are exchanged, two are set and
// one of them may be gone.
func (u *upstream) withKeys(ctx context.Context, a *attempt, call func(context.Context, *attempt) error) error {
	keys := u.Keys.All()
	if len(keys) == 0 {
		return call(ctx, a)
	}
	var err error
	for _, a.key = range keys {
		err = call(ctx, a)
		status := statusOf(err)
		refused := status == http.StatusUnauthorized
		if refused || err == nil || status > 0 { // whom nobody answered, nobody accepted
			u.Keys.Used(a.key, !refused)
		}
		if !refused || a.spoke {
			break
		}
	}
	return err
}

// backoff is short, because a person waits: two retries take less than a second unless the server asks for more.
func backoff(retries int) time.Duration {
	base := 150 * time.Millisecond << retries
	return base/2 + rand.N(base)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// parseRetryAfter reads both forms of RFC 9110, 10.2.3; what cannot be read counts as absent.
func parseRetryAfter(h string) time.Duration {
	if s, err := strconv.ParseFloat(h, 64); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(h); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
