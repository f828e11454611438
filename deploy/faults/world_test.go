package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

const (
	site     = "http://chat.test" // the address under which both instances are reached
	password = "vier wörter ohne sinn"
)

// world is what one fault happens to: a fresh database, two instances of the program, and tenants with documents.
type world struct {
	*run
	database  string
	pg, redis *proxy
	model     *proxy
	apps      []*app
	tenants   []*tenant
	faultFrom atomic.Int64 // when the fault began and ended, unix nanoseconds
	faultTo   atomic.Int64
	settings  []string
}

// app is one instance of the program.
type app struct {
	url, metrics string
	*process
	logPath string
	env     []string
}

// tenant is a customer with a member who uploads, visitors who ask, and a word that no other tenant may ever see.
type tenant struct {
	id       domain.ID
	bot      string
	canary   string
	member   *http.Client
	visitors []*visitor
}

type visitor struct{ token, address string }

// newWorld boots everything. settings are added to the instances' environment.
func (r *run) newWorld(settings ...string) *world {
	r.Helper()
	return r.newWorldOf(2, settings...)
}

// newWorldOf boots so many instances.
func (r *run) newWorldOf(instances int, settings ...string) *world {
	r.Helper()
	r.models.heal()
	w := &world{run: r, database: "w" + strings.ReplaceAll(domain.NewID().String(), "-", ""), settings: settings}
	r.rig.pg.exec(r, "postgres", "create database "+w.database+" template migrated strategy file_copy") // the other one loses unlogged tables in a crash
	r.Cleanup(func() {                                                                                  // after the instances are gone
		r.rig.pg.exec(r, "postgres", "drop database if exists "+w.database+" with (force)")
	})
	w.pg, w.redis, w.model = newProxy(r, fmt.Sprintf("127.0.0.1:%d", r.rig.pg.port)), newProxy(r, r.redisAddress()), newProxy(r, r.models.address)
	for range instances {
		w.apps = append(w.apps, w.boot())
	}
	return w
}

// boot starts one more instance and waits until it is ready.
func (w *world) boot(settings ...string) *app {
	w.Helper()
	a := &app{}
	listen, metrics := fmt.Sprintf("127.0.0.1:%d", freePort(w)), fmt.Sprintf("127.0.0.1:%d", freePort(w))
	a.url, a.metrics = "http://"+listen, "http://"+metrics
	a.logPath = filepath.Join(w.dir, fmt.Sprintf("app-%s.log", strings.TrimPrefix(listen, "127.0.0.1:")))
	a.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + w.dir, "BITB_CACHE_DIR=" + filepath.Join(w.dir, "cache"),
		"DATABASE_URL=postgres://bitb_app@" + w.pg.Addr().String() + "/" + w.database + "?sslmode=disable", "REDIS_URL=redis://" + w.redis.Addr().String(),
		"OPENAI_BASE_URL=http://" + w.model.Addr().String() + "/v1", "OPENAI_API_KEY=" + w.models.chat.Key, "BITB_CHAT_MODEL=scripted", "BITB_EMBEDDING_MODEL=scripted",
		"BITB_LISTEN=" + listen, "BITB_METRICS_LISTEN=" + metrics, "BITB_PUBLIC_URL=" + site, "BITB_TRUSTED_PROXIES=127.0.0.0/8"},
		append(w.settings, settings...)...)
	must(w, w.begin(a, w.bitb, "serve"))
	w.Cleanup(func() {
		if !a.gone() {
			_ = a.Process.Signal(syscall.SIGCONT)
			if !a.end(syscall.SIGTERM, 40*time.Second) {
				a.end(syscall.SIGKILL, 5*time.Second)
			}
		}
	})
	if !w.ready(a, 20*time.Second) {
		text, _ := os.ReadFile(a.logPath)
		w.Fatalf("an instance is not ready:\n%s", text[max(0, len(text)-3000):])
	}
	return a
}

func (w *world) begin(a *app, name string, args ...string) error {
	log, err := os.OpenFile(a.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = a.env, log, log, w.dir
	a.process, err = begin(cmd, nil)
	return err
}

// restart starts a dead instance again at its old address, and returns how long it took to be ready.
func (w *world) restart(a *app) time.Duration {
	w.Helper()
	from := time.Now()
	must(w, w.begin(a, w.bitb, "serve"))
	if !w.ready(a, 30*time.Second) {
		w.Fatal("a restarted instance is not ready")
	}
	return time.Since(from)
}

func (w *world) ready(a *app, limit time.Duration) bool {
	return w.until(limit, 20*time.Millisecond, func() bool { return !a.gone() && status(a.url+"/readyz", time.Second) == http.StatusOK })
}

// until asks again and again; false when it never became true.
func (r *run) until(limit, step time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(step) {
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// status is what an address answers; 0 when it does not within limit.
func status(address string, limit time.Duration) int {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	resp, err := plain.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// settle signs tenants up, each with visitors and a document that holds its secret word.
func (w *world) settle(tenants, visitors int) {
	w.Helper()
	for i := range tenants {
		w.tenants = append(w.tenants, w.signUp(i, visitors))
	}
	for _, t := range w.tenants {
		if _, err := w.sendFile(w.apps[0], t, "depot.md", depot(t.canary), ""); err != nil {
			w.Fatalf("upload: %v", err)
		}
	}
	if !w.until(60*time.Second, 50*time.Millisecond, func() bool { return w.count("select count(*) from documents where status = 'ready'") == tenants }) {
		w.Fatal("the first documents are not ready")
	}
}

func depot(canary string) []byte {
	return fmt.Appendf(nil, "# Depot\n\nThe storage code of the depot is %s. It opens the storage of the depot at any hour.\n\n# Helmets\n\nHelmets are lent for a day.\n", canary)
}

func (w *world) signUp(n, visitors int) *tenant {
	w.Helper()
	jar, _ := cookiejar.New(nil)
	t := &tenant{canary: "canary-" + domain.NewID().String(), member: &http.Client{Jar: jar, Timeout: time.Minute,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 8},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	email := fmt.Sprintf("owner%d@%s.example", n, w.database)
	resp, err := t.member.PostForm(w.apps[0].url+"/signup", url.Values{"company": {"Company"}, "name": {"Owner"}, "email": {email}, "password": {password}})
	must(w, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		w.Fatalf("sign-up: %s", resp.Status)
	}
	w.row([]any{&t.id, &t.bot}, "select k.tenant_id, k.key::text from auth.bot_keys k join auth.logins l using (tenant_id) where l.email = $1", email)
	for i := range visitors {
		v := &visitor{address: fmt.Sprintf("10.%d.%d.%d", 1+n, i/250, 1+i%250)}
		got, err := w.widget(context.Background(), w.apps[0], t, v, "visitors", nil, "")
		if err != nil || got.status != http.StatusCreated {
			w.Fatalf("a visitor: %v %s", err, got.body)
		}
		var made struct{ Token string }
		must(w, json.Unmarshal([]byte(got.body), &made))
		v.token = made.Token
		t.visitors = append(t.visitors, v)
	}
	return t
}

var visiting = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// widget posts to the widget's interface as a browser on the customer's site would.
func (w *world) widget(ctx context.Context, a *app, t *tenant, v *visitor, path string, body []byte, accept string) (badStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/widget/v1/bots/"+t.bot+"/"+path, bytes.NewReader(body))
	if err != nil {
		return badStatus{}, err
	}
	req.Header = http.Header{"Origin": {site}, "X-Forwarded-For": {v.address}, "Authorization": {"Bearer " + v.token}, "Content-Type": {"application/json"}}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := visiting.Do(req)
	if err != nil {
		return badStatus{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return badStatus{resp.StatusCode, resp.Header.Get("Retry-After"), string(text)}, err
}

// sendFile uploads as the page's script does and returns the document's id.
func (w *world) sendFile(a *app, t *tenant, name string, content []byte, key string) (uploaded, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", name)
	_, _ = part.Write(content)
	_ = form.Close()
	req, err := http.NewRequest(http.MethodPost, a.url+"/documents", &body)
	if err != nil {
		return uploaded{}, err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Accept", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := t.member.Do(req)
	if err != nil {
		return uploaded{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	up := uploaded{status: resp.StatusCode, body: string(text), retryAfter: resp.Header.Get("Retry-After")}
	if err != nil {
		return up, err
	}
	if resp.StatusCode/100 != 2 {
		return up, &badStatus{resp.StatusCode, up.retryAfter, up.body}
	}
	return up, json.Unmarshal(text, &up)
}

type uploaded struct {
	ID         domain.ID `json:"id"`
	Duplicate  bool      `json:"duplicate"`
	status     int
	retryAfter string
	body       string
}

// badStatus is an answer that is not 2xx.
type badStatus struct {
	status     int
	retryAfter string
	body       string
}

// statusOf is the status that an error stands for, 0 for another error.
func statusOf(err error) int {
	if e, ok := errors.AsType[*badStatus](err); ok {
		return e.status
	}
	return 0
}

func (e *badStatus) Error() string { return fmt.Sprintf("%d %.200s", e.status, e.body) }

// answer is what a visitor got to a question.
type answer struct {
	ID      domain.ID `json:"id"`
	Text    string    `json:"text"`
	Status  string    `json:"status"`
	Sources []struct {
		Text string `json:"text"`
	} `json:"sources"`
	raw string // all that came
}

var errCutOff = fmt.Errorf("the stream ended without done or error")

// ask puts a question to the bot and reads the stream to its end.
func (w *world) ask(ctx context.Context, a *app, t *tenant, v *visitor, id domain.ID, question string) (answer, error) {
	body, _ := json.Marshal(map[string]string{"id": id.String(), "question": question})
	said, err := w.widget(ctx, a, t, v, "messages", body, "text/event-stream")
	got := answer{raw: said.body}
	if err != nil {
		return got, err
	}
	if said.status != http.StatusOK {
		return got, &said
	}
	if data, ok := event(got.raw, "done"); ok {
		return got, json.Unmarshal([]byte(data), &got)
	}
	if data, ok := event(got.raw, "error"); ok {
		return got, &badStatus{0, "", data}
	}
	return got, errCutOff
}

// event finds the data of the named event in a stream.
func event(stream, name string) (data string, found bool) {
	_, rest, found := strings.Cut(stream, "event: "+name+"\ndata: ")
	data, _, _ = strings.Cut(rest, "\n\n")
	return data, found
}

// super is a connection that sees all rows, past the proxy.
func (w *world) super() *pgx.Conn {
	conn, err := pgx.Connect(context.Background(), w.rig.pg.url("postgres", w.database))
	must(w, err)
	return conn
}

func (w *world) row(into []any, sql string, args ...any) {
	w.Helper()
	conn := w.super()
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(into...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) count(sql string, args ...any) (n int) {
	w.Helper()
	w.row([]any{&n}, sql, args...)
	return n
}

// during marks the time of the fault, for the budget of errors.
func (w *world) during(do func()) {
	w.faultFrom.Store(time.Now().UnixNano())
	do()
	w.faultTo.Store(time.Now().UnixNano())
}

var gauge = regexp.MustCompile(`(?m)^(go_goroutines|process_open_fds) ([0-9.e+]+)$`)

// held is how many goroutines and files an instance has.
func (a *app) held() (goroutines, files int) {
	resp, err := plain.Get(a.metrics + "/metrics")
	if err != nil {
		return 0, 0
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for _, m := range gauge.FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.ParseFloat(m[2], 64)
		if m[1] == "go_goroutines" {
			goroutines = int(n)
		} else {
			files = int(n)
		}
	}
	return goroutines, files
}
