// Package static_test drives the built front end in a real browser: the widget on pages of another origin than the server it
// talks to, which is scripted, and the dashboard on the real server.
package static_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const bot = "0190a5b0-0000-7000-8000-000000000001"

// ---- the browser

var browser = sync.OnceValues(func() (context.Context, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
				chromedp.Flag("disable-component-update", true), chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"))
			allocator, _ := chromedp.NewExecAllocator(context.Background(), opts...)
			ctx, _ := chromedp.NewContext(allocator)
			return ctx, chromedp.Do(ctx)
		}
	}
	return nil, exec.ErrNotFound
})

func TestMain(m *testing.M) {
	code := m.Run()
	if ctx, err := browser(); err == nil {
		_ = chromedp.Cancel(ctx)
	}
	os.Exit(code)
}

// tab is a page in a browser profile of its own.
type tab struct {
	*testing.T
	ctx context.Context
}

func newTab(t *testing.T) *tab {
	t.Helper()
	parent, err := browser()
	if err != nil {
		t.Skipf("no Chromium, so this was not tested: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	return &tab{t, ctx}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// In every expression, $ and $$ look inside the widget's shadow root.
const inside = `const root = document.querySelector("bitb-widget")?.shadowRoot, $ = s => root?.querySelector(s), $$ = s => [...(root?.querySelectorAll(s) ?? [])];`

func eval[T any](p *tab, expression string) T {
	p.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](`(() => { `+inside+` return `+expression+` })()`))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits for a JavaScript condition.
func (p *tab) until(condition string) {
	p.Helper()
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if eval[bool](p, "!!("+condition+")") {
			return
		}
	}
	p.Fatalf("never became true: %s\nit shows: %s", condition, eval[string](p, `$(".panel")?.innerText ?? document.body.innerText`))
}

// check evaluates a JavaScript condition once.
func (p *tab) check(condition string) {
	p.Helper()
	if !eval[bool](p, "!!("+condition+")") {
		p.Errorf("not true: %s\nit shows: %s", condition, eval[string](p, `$(".panel")?.innerText ?? document.body.innerText`))
	}
}

// press clicks in the middle of the element that an expression finds, as a person does: what lies above it takes the click.
func (p *tab) press(element string) {
	p.Helper()
	p.until(`(` + element + `)?.getBoundingClientRect().height > 0`)
	at := eval[[]float64](p, `(e => { e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })(`+element+`)`)
	p.do(chromedp.MouseClickXY(at[0], at[1]))
}

// click presses an element of the widget.
func (p *tab) click(selector string) {
	p.Helper()
	p.press(`$("` + selector + `")`)
}

// write types into what has the focus.
func (p *tab) write(text string) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) keys(keys string, opts ...chromedp.KeyOption) {
	p.Helper()
	p.do(chromedp.KeyEvent(keys, opts...))
}

// ask types a question into the open panel and sends it.
func (p *tab) ask(question string) {
	p.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector("textarea").focus()`))
	p.write(question)
	p.keys(kb.Enter)
}

// answered waits until nothing is under way.
func (p *tab) answered() {
	p.Helper()
	p.until(`$(".a") && !$(".a.live") && !$(".send.running")`)
}

// offline takes the tab's network away, or gives it back.
func (p *tab) offline(yes bool) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, network.Enable, network.EnableParams{}); err != nil {
		p.Fatal(err)
	}
	_, err := chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	if err != nil {
		p.Fatal(err)
	}
	if _, err := chromedp.Call(p.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1}); err != nil {
		p.Fatal(err)
	}
}

// ---- the customer's site and the server

type page struct {
	Dir, Bot, Origin string
	Before           template.JS // runs before the widget
	css, csp         string
}

// site serves one page on an origin of its own, and the built widget with the scripted server s on another.
func site(t *testing.T, s *server, p page) (url string) {
	t.Helper()
	api := httptest.NewServer(s)
	t.Cleanup(api.Close)
	p.Origin = api.URL
	if p.Dir == "" {
		p.Dir = "ltr"
	}
	if p.Bot == "" {
		p.Bot = bot
	}
	html := template.Must(template.ParseFiles("src/widget/page.html"))
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			if p.csp != "" {
				w.Header().Set("Content-Security-Policy", strings.ReplaceAll(p.csp, "ORIGIN", api.URL))
			}
			_ = html.Execute(w, p)
		case "/host.css":
			w.Header().Set("Content-Type", "text/css")
			_, _ = w.Write([]byte(`body { margin: 0; font: 16px/1.6 system-ui, sans-serif } header { padding: 16px 24px } main { padding: 24px; max-width: 40rem }` + p.css))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(host.Close)
	s.mu.Lock()
	s.allowed = host.URL
	s.mu.Unlock()
	return host.URL + "/"
}

// server is /widget/v1 with scripted answers: it keeps conversations as the real one does, and fails on demand.
type server struct {
	mu       sync.Mutex
	allowed  string                                              // the one origin that may ask
	script   func(q string, try int, w *wire) (message, refusal) // what the answer to q does on the wire
	tokens   int
	messages []message
	asked    map[string]int // how often each id came
	log      []string       // method and path
	settings map[string]any // of the bot
	gone     bool           // the bot does not exist
	busy     int            // so many requests for the settings are refused
}

type source struct {
	N       int    `json:"n"`
	Title   string `json:"title"`
	Page    int    `json:"page"`
	Heading string `json:"heading"`
	Text    string `json:"text"`
}

type message struct {
	ID      string   `json:"id"`
	Role    string   `json:"role"`
	Text    string   `json:"text"`
	Status  string   `json:"status"`
	Sources []source `json:"sources"`
	Model   string   `json:"model"`
	ReplyTo string   `json:"reply_to,omitempty"`
}

type refusal struct {
	status     int
	Code       string `json:"code"`
	Message    string `json:"message"`
	RetryAfter int    `json:"retry_after,omitempty"`
}

func newServer(script func(q string, try int, w *wire) (message, refusal)) *server {
	return &server{script: script, asked: map[string]int{}, settings: map[string]any{
		"name": "Paper Boat", "greeting": "What can we help you find?", "suggestions": []string{"What does shipping cost?", "Can I return an engraved pen?"},
		"brand": "#9a3b12", "on_brand": "#ffffff", "corner": "right", "fallback": "", "model": "built-in",
	}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/widget.js" {
		http.ServeFile(w, r, "widget.js")
		return
	}
	s.mu.Lock()
	allowed := s.allowed
	path := strings.TrimPrefix(r.URL.Path, "/widget/v1/bots/"+bot)
	s.log = append(s.log, r.Method+" "+path)
	s.mu.Unlock()
	w.Header().Set("Vary", "Origin")
	if r.Header.Get("Origin") != allowed || r.Header.Get("Cookie") != "" {
		refuse(w, refusal{status: 403, Code: "origin", Message: "This site may not ask."})
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", allowed)
	w.Header().Set("Access-Control-Allow-Headers", "authorization, content-type")
	known := strings.HasPrefix(r.Header.Get("Authorization"), "Bearer bv_"+fmt.Sprint(s.token()))
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case s.gone || path == r.URL.Path:
		refuse(w, refusal{status: 404, Code: "not_found", Message: "There is no such bot."})
	case path == "" && s.takes(&s.busy):
		refuse(w, refusal{status: 503, Code: "unavailable", Message: "There is too much to do at the moment.", RetryAfter: 5})
	case path == "":
		send(w, s.settings)
	case path == "/visitors":
		s.mu.Lock()
		s.tokens++
		s.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		send(w, map[string]string{"token": fmt.Sprint("bv_", s.token())})
	case !known:
		refuse(w, refusal{status: 401, Code: "unauthenticated", Message: "This conversation has ended. Start a new one."})
	case path == "/conversations":
		s.mu.Lock()
		s.messages = nil
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet:
		s.mu.Lock()
		defer s.mu.Unlock()
		send(w, map[string]any{"messages": s.messages})
	default:
		s.answer(w, r)
	}
}

// takes counts one of n, if there is one left.
func (s *server) takes(n *int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n--
	return *n >= 0
}

func (s *server) token() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	var q struct{ ID, Question string }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		refuse(w, refusal{status: 400, Code: "invalid", Message: err.Error()})
		return
	}
	s.mu.Lock()
	s.asked[q.ID]++
	try := s.asked[q.ID]
	if try == 1 {
		s.messages = append(s.messages, message{ID: q.ID, Role: "visitor", Text: q.Question, Status: "complete"})
	}
	s.mu.Unlock()
	stream := &wire{w: w, r: r, server: s, id: q.ID}
	m, no := s.script(q.Question, try, stream)
	if no.Code != "" {
		s.forget(q.ID)
		refuse(w, no)
		return
	}
	if m.Status == "" {
		return
	}
	stream.done(m)
}

// forget takes back a question that was refused.
func (s *server) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = s.messages[:len(s.messages)-1]
	delete(s.asked, id)
}

// sent tells for each message with this question how often it came.
func (s *server) sent(question string) (times []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.Role == "visitor" && m.Text == question {
			times = append(times, s.asked[m.ID])
		}
	}
	return times
}

func (s *server) count(line string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.log {
		if l == line {
			n++
		}
	}
	return n
}

// wire writes one answer's event stream.
type wire struct {
	w      http.ResponseWriter
	r      *http.Request
	server *server
	id     string
	begun  bool
}

func (s *wire) raw(text string) {
	if !s.begun {
		s.w.Header().Set("Content-Type", "text/event-stream")
	}
	s.begun = true
	_, _ = s.w.Write([]byte(text))
	_ = http.NewResponseController(s.w).Flush()
}

func (s *wire) event(name string, data any) {
	s.raw(frame(name, data))
}

func frame(name string, data any) string {
	body, _ := json.Marshal(data)
	return "event: " + name + "\ndata: " + string(body) + "\n\n"
}

func (s *wire) stage(name string)  { s.event("status", map[string]string{"stage": name}) }
func (s *wire) delta(piece string) { s.event("delta", map[string]string{"text": piece}) }

// words streams a text word by word.
func (s *wire) words(text string) {
	s.stage("searching")
	s.stage("writing")
	for _, word := range strings.SplitAfter(text, " ") {
		s.delta(word)
	}
}

func (s *wire) store(m message) message {
	m.ID, m.Role, m.ReplyTo, m.Model = fmt.Sprintf("answer-%s", s.id), "bot", s.id, "built-in"
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for _, old := range s.server.messages {
		if old.ID == m.ID {
			return old
		}
	}
	s.server.messages = append(s.server.messages, m)
	return m
}

func (s *wire) done(m message) { s.event("done", s.store(m)) }

func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, no refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(no)
}

var shipping = message{
	Status: "complete",
	Text: "Shipping inside the country costs **4.50**, and nothing from 60 on.[1] It takes two working days.[2]\n\n" +
		"- Standard: two days\n- Express: the next morning, before 10\n\nReturns are free for 30 days.[1]",
	Sources: []source{
		{1, "Shipping and returns 2026", 4, "Shipping › Prices", "Shipping inside the country costs 4.50. Orders from 60 on are sent free of charge.\n\n| Zone | Price |\n|---|--:|\n| 1 | 4.50 |\n| 2 | 9.00 |\n\nReturns are free for 30 days."},
		{2, "Help centre: delivery times", 0, "", "A parcel takes two working days."},
	},
}

func always(m message) func(string, int, *wire) (message, refusal) {
	return func(_ string, _ int, w *wire) (message, refusal) {
		w.words(m.Text)
		return m, refusal{}
	}
}

// opened loads a customer's page and opens the panel.
func opened(t *testing.T, s *server, p page) (*tab, string) {
	t.Helper()
	tab := newTab(t)
	url := site(t, s, p)
	tab.do(chromedp.Navigate(url))
	tab.click(".launch")
	tab.until(`!$(".panel").hidden`)
	return tab, url
}
