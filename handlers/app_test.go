package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"bitb"
	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/dbtest"
	"bitb/domain/doctor"
	"bitb/domain/document"
	"bitb/domain/llm"
	"bitb/domain/questions"
	"bitb/domain/redis"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
	"bitb/handlers"
	"bitb/views"
)

const password = "vier wörter ohne sinn"

// app is the whole HTTP interface over a scratch database, with the built-in models and a line that nobody works on.
type app struct {
	*httptest.Server
	db        *dbtest.Database
	logs      *syncBuffer
	told      *told
	tenants   *tenant.Service
	support   *tenant.Support
	clock     atomic.Int64 // seconds, of one-time codes
	documents *document.Service
	chat      *chat.Service
	search    *retrieve.Service
	questions *questions.Service
	doctor    fakeDoctor
	counted   *countless
	rendering atomic.Pointer[func(ctx context.Context, page, width int) error] // what a test does while a page is drawn
}

// render draws a page of any file as a picture of one pixel.
func (a *app) render(ctx context.Context, _ []byte, page, width int) (picture []byte, mediaType string, err error) {
	if do := a.rendering.Load(); do != nil {
		err = (*do)(ctx, page, width)
	}
	return onePixel, "image/png", err
}

var onePixel = func() []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	return b.Bytes()
}()

// fakeDoctor finds one thing wrong, and counts how often it was asked to look again.
type fakeDoctor struct{ again atomic.Int64 }

func (f *fakeDoctor) Report(_ context.Context, again bool) doctor.Report {
	if again {
		f.again.Add(1)
	}
	return doctor.Run(context.Background(), []doctor.Check{
		{Group: "Database", ID: "a", Name: "Role", Run: func(context.Context) doctor.Result {
			return doctor.Fail("The server logs in as <b>.").Doing("Let it log in as bitb_app.")
		}},
		{Group: "Database", ID: "b", Name: "Version", Run: func(context.Context) doctor.Result { return doctor.Pass("15.20.") }},
	}, nil)
}

type noMetrics struct{}

func (noMetrics) Answered(chat.Outcome, bool, time.Duration, time.Duration) {}
func (noMetrics) Retrieved(time.Duration)                                   {}
func (noMetrics) CacheLookup(string, bool)                                  {}
func (noMetrics) ModelCall(llm.Call)                                        {}
func (noMetrics) Request(string, string, int, time.Duration)                {}
func (noMetrics) Panicked()                                                 {}
func (noMetrics) SignInRefused(string, bool)                                {}
func (noMetrics) Denied(string)                                             {}
func (noMetrics) Suspicious(string)                                         {}
func (noMetrics) KeyUsed(string, string, bool)                              {}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{db: dbtest.New(t), logs: &syncBuffer{}, told: &told{n: map[string]int{}}}
	log := handlers.NewLog(a.logs, slog.LevelInfo)
	store, err := redis.Open(dbtest.RedisURL(t), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	a.search = retrieve.NewService(retrieve.Config{DB: a.db.DB, Log: log, Embedder: llm.Cached(llm.NewHashing(), store, noMetrics{}), Fit: chat.Fit})
	a.tenants = tenant.NewService(a.db.DB, chat.FirstBot)
	a.clock.Store(1_800_000_000)
	a.support = tenant.NewSupport(a.db.DB, dbtest.Sealer(t, "encryption"), func() time.Time { return time.Unix(a.clock.Load(), 0) })
	a.documents = document.NewService(a.db.DB, dbtest.NoQueue)
	a.chat = chat.NewService(chat.Config{DB: a.db.DB, Log: log, Retrieve: a.search, Model: llm.Extractive{}, Quoter: llm.Extractive{},
		Cache: store, Metrics: noMetrics{}})
	a.questions = questions.NewService(questions.Config{DB: a.db.DB, Log: log, Searcher: a.search, Queue: dbtest.NoQueue})
	static, err := fs.Sub(bitb.Static, "static")
	if err != nil {
		t.Fatal(err)
	}
	a.counted = &countless{Store: store, t: t}
	listener := httptest.NewUnstartedServer(nil)
	publicURL := "http://" + listener.Listener.Addr().String()
	handler, err := handlers.New(t.Context(), handlers.Deps{
		Log: log, PublicURL: publicURL, Static: static, Tenants: a.tenants, Sessions: tenant.NewSessions(a.db.DB, dbtest.Sealer(t, "session")), Support: a.support,
		Documents: a.documents, Retrieve: a.search, Chat: a.chat, Questions: a.questions, Limiter: a.counted, Hints: store, Cache: store, Metrics: a.told,
		Models: views.Models{Answer: llm.Extractive{}.Model(), Embedding: llm.NewHashing().Model(), BuiltIn: true}, TraceDays: 30,
		Sniff: sniff, Unzip: unzip,
		Readiness: &a.doctor, RenderPage: a.render, Ready: a.db.Ping, ClientIP: echo.ExtractIPDirect(),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener.Config.Handler = handler
	listener.Start()
	t.Cleanup(listener.Close)
	a.Server = listener
	return a
}

// sniff knows pictures, which are refused, and what archive made.
func sniff(content []byte, name string) (string, error) {
	switch {
	case bytes.HasPrefix(content, []byte("\x89PNG")):
		return "", &domain.Error{Code: domain.Unsupported, Message: "It is a PNG picture.", Err: &handlers.Refusal{Is: "a picture (PNG)"}}
	case bytes.HasPrefix(content, []byte("archive")):
		return "zip", nil
	}
	return "text", nil
}

// archive is several files in one: name, content, name, content.
func archive(files ...string) []byte {
	return []byte(strings.Join(append([]string{"archive"}, files...), "\x00"))
}

// unzip takes an archive apart. What is "locked" cannot be had, and "broken" ends the archive.
func unzip(content []byte, each func(string, []byte, error) error) error {
	for pair := range slices.Chunk(strings.Split(string(content), "\x00")[1:], 2) {
		var err error
		switch pair[1] {
		case "broken":
			return &domain.Error{Code: domain.Invalid, Message: "It is damaged.", Err: &handlers.Refusal{Is: "damaged or incomplete"}}
		case "locked":
			err = &domain.Error{Code: domain.Invalid, Message: "It is locked.", Err: &handlers.Refusal{Is: "protected with a password"}}
		}
		if err := each(pair[0], []byte(pair[1]), err); err != nil {
			return err
		}
	}
	return nil
}

// syncBuffer is written by requests and read by the test.
type syncBuffer struct {
	lock sync.Mutex
	buf  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.buf.Write(b)
}

func (a *app) logged() string {
	a.logs.lock.Lock()
	defer a.logs.lock.Unlock()
	return a.logs.buf.String()
}

// countless lets everything through but what a test wants to be counted: all come from one address.
type countless struct {
	*redis.Store
	t      *testing.T
	limits sync.Map // by key: what is counted together must have one limit

	uploads atomic.Int32 // that came as far as this
}

func (c *countless) Allow(ctx context.Context, key string, l redis.Limit) time.Duration {
	if other, known := c.limits.LoadOrStore(key, l); known && other != l {
		c.t.Errorf("%s is counted for %v and for %v", key, other, l)
	}
	if len(key) > 200 {
		c.t.Errorf("a key of %d bytes: somebody chooses how much is kept", len(key))
	}
	if strings.HasPrefix(key, "POST /documents:") {
		c.uploads.Add(1)
	}
	if strings.HasPrefix(key, "signin:") || strings.HasPrefix(key, "bot:") || strings.Contains(key, ":visitor:") {
		return c.Store.Allow(ctx, key, l)
	}
	return 0
}

// member is somebody with a browser.
type member struct {
	*http.Client
	app     *app
	account tenant.Account
	bot     chat.Bot
}

// nobody is a browser without a session.
func (a *app) nobody(t *testing.T) *member {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &member{app: a, Client: &http.Client{Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// owner signs up a tenant through the form and returns its owner, signed in.
func (a *app) owner(t *testing.T, company string) *member {
	t.Helper()
	m := a.nobody(t)
	email := domain.NewID().String()[24:] + "@example.com"
	r := m.post(t, "/signup", url.Values{"company": {company}, "name": {"Owner"}, "email": {email}, "password": {password}})
	if r.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-up: %d %s", r.StatusCode, r.body)
	}
	var err error
	if m.account, err = a.tenants.SignIn(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	if m.bot, err = a.chat.Bot(t.Context(), m.account.Tenant.ID); err != nil {
		t.Fatal(err)
	}
	return m
}

// colleague is another member of the same tenant with another role.
func (m *member) colleague(t *testing.T, role domain.Role) *member {
	t.Helper()
	email := domain.NewID().String()[24:] + "@example.com"
	m.app.db.Exec(t, `with u as (insert into users (tenant_id, id, email, name, role) values ($1, $2, $3, 'Colleague', $4))
		insert into auth.logins (email, tenant_id, user_id, password_hash)
		select $3, $1, $2, password_hash from auth.logins where email = $5`,
		m.account.Tenant.ID, domain.NewID(), email, role, m.account.User.Email)
	other := m.app.nobody(t)
	r := other.post(t, "/signin", url.Values{"email": {email}, "password": {password}})
	if r.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in as %s: %d %s", role, r.StatusCode, r.body)
	}
	other.account, other.bot = m.account, m.bot
	return other
}

type response struct {
	*http.Response
	body string
}

func (m *member) do(t *testing.T, r *http.Request) response {
	t.Helper()
	got, err := m.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{got, string(body)}
}

func (m *member) request(t *testing.T, method, path string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, m.app.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (m *member) get(t *testing.T, path string, headers ...string) response {
	t.Helper()
	return m.do(t, m.request(t, http.MethodGet, path, nil, headers...))
}

func (m *member) post(t *testing.T, path string, form url.Values, headers ...string) response {
	t.Helper()
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)
	return m.do(t, m.request(t, http.MethodPost, path, strings.NewReader(form.Encode()), headers...))
}

// upload sends one file as the page's script does.
func (m *member) upload(t *testing.T, name string, content []byte) response {
	t.Helper()
	return m.sendFiles(t, "/documents", []string{name, string(content)}, "Accept", "application/json")
}

// sendFiles sends files, as name and content in turns, to an address.
func (m *member) sendFiles(t *testing.T, path string, files []string, headers ...string) response {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for pair := range slices.Chunk(files, 2) {
		part, err := form.CreateFormFile("file", pair[0])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(pair[1]))
	}
	_ = form.Close()
	return m.do(t, m.request(t, http.MethodPost, path, &body, append([]string{"Content-Type", form.FormDataContentType()}, headers...)...))
}

// ready stores a document with one chunk for each text, as if it had been read.
func (m *member) ready(t *testing.T, name string, texts ...string) (id domain.ID, chunks []domain.ID) {
	t.Helper()
	return m.app.db.Document(t, m.account.Tenant.ID, name, texts...)
}

// ask puts a question in the playground and returns the events by name.
func (m *member) ask(t *testing.T, question string) map[string][]string {
	t.Helper()
	r := m.post(t, "/playground/messages", url.Values{"question": {question}}, "Accept", "text/event-stream")
	if r.StatusCode != http.StatusOK {
		t.Fatalf("ask: %d %s", r.StatusCode, r.body)
	}
	return events(r.body)
}

func events(body string) map[string][]string {
	found := map[string][]string{}
	for frame := range strings.SplitSeq(body, "\n\n") {
		var name string
		var data []string
		for line := range strings.SplitSeq(frame, "\n") {
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				name = v
			} else if v, ok := strings.CutPrefix(line, "data: "); ok {
				data = append(data, v)
			}
		}
		if name != "" {
			found[name] = append(found[name], strings.Join(data, "\n"))
		}
	}
	return found
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func path(format string, args ...any) string { return fmt.Sprintf(format, args...) }
