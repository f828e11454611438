package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
)

var errTwice = errors.New("the connection had been closed; it was sent a second time")

// asProgram in the environment makes the test binary the program.
const asProgram = "BITB_TEST_AS_PROGRAM"

// release is a build of the program. One from before BITB_DRAIN stops accepting at once when it is told to stop, so whoever
// stops it takes it out of the proxy first, as a preStop hook does.
type release struct {
	name, binary string
	drains       bool
}

// versions are this one and, where BITB_PREVIOUS names its binary, the previous one: `make switches` builds it.
func releases() (present, other release) {
	present = release{"N", os.Args[0], true}
	if binary := os.Getenv("BITB_PREVIOUS"); binary != "" {
		return present, release{"N-1", binary, os.Getenv("BITB_PREVIOUS_DRAINS") != ""}
	}
	return present, present
}

// process is the real program in a process of its own.
type process struct {
	release
	url, metrics string
	cmd          *exec.Cmd
	ended        chan error
	said         *bytes.Buffer
}

func startProcess(t *testing.T, v release, settings map[string]string) *process {
	t.Helper()
	p := &process{release: v, url: "http://" + freeAddress(t), metrics: "http://" + freeAddress(t), ended: make(chan error, 1), said: &bytes.Buffer{}}
	p.cmd = exec.Command(v.binary, "serve")
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "BITB_LISTEN="+strings.TrimPrefix(p.url, "http://"),
		"BITB_METRICS_LISTEN="+strings.TrimPrefix(p.metrics, "http://"))
	for name, value := range settings {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// stop tells the process to stop and says how long that took.
func (p *process) stop(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			t.Errorf("%s ended with %v:\n%s", p.name, err, p.said)
		}
	case <-time.After(time.Minute):
		t.Errorf("%s does not stop", p.name)
	}
	return time.Since(began)
}

// Versions are switched under load, by rolling and by blue and green, there and back, and nobody notices: no request fails, no
// answer breaks off, no upload is lost or doubled, nobody is signed out. BITB_SWITCHES says how many of each.
func TestSwitches(t *testing.T) {
	t.Parallel() // its processes are not this one
	n, _ := strconv.Atoi(os.Getenv("BITB_SWITCHES"))
	present, other := releases()
	f := newFleet(t)
	if n > 0 {
		f.busy = busy{visitors: 20, members: 4, pause: 2 * time.Second}
		f.model.Chat.Pace(60 * time.Millisecond)
		f.settings["BITB_DRAIN"] = "2s"
	}
	f.running = f.start(present, 2)
	f.proxy.use(f.running...)
	f.until("the first processes to be ready", func() bool { return f.proxy.knows(f.running...) })
	f.open()
	both := map[release]release{present: other, other: present}
	for _, way := range []struct {
		name string
		to   func(release)
	}{{"rolling", f.roll}, {"blue/green", f.swap}} {
		f.load(max(1, n), way.name, func() { way.to(both[f.running[0].release]) })
	}
	f.check()
}

// fleet is the processes of one installation behind the proxy, with its customers.
type fleet struct {
	*testing.T
	db       *dbtest.Database
	proxy    *proxy
	model    *llmtest.Server
	settings map[string]string
	busy     busy
	running  []*process
	longest  time.Duration // that a process took to stop

	member   *http.Client
	bot      string
	answered atomic.Int64
	sent     atomic.Int64
	uploaded atomic.Int64
	tally    tally
}

// busy is how many are at work, and how long versions are left alone between two switches.
type busy struct {
	visitors, members int
	pause             time.Duration
}

const said = "It costs 19 euros a day [1], and whoever keeps it for a week pays for five days only, as our list of prices says in so many words."

func newFleet(t *testing.T) *fleet {
	f := &fleet{T: t, db: dbtest.New(t), model: llmtest.New(t), busy: busy{visitors: 6, members: 1}}
	f.proxy = newProxy(t, f.tally.fail)
	model := f.model
	model.Chat.Reply(said)
	model.Chat.Pace(20 * time.Millisecond) // half a second for an answer
	f.settings = map[string]string{"DATABASE_URL": f.db.URL, "REDIS_URL": dbtest.RedisURL(t), "BITB_LOG_LEVEL": "WARN", "BITB_PUBLIC_URL": f.proxy.URL,
		"BITB_TRUSTED_PROXIES": "127.0.0.0/8", "BITB_DRAIN": "500ms", "BITB_WORKERS": "1",
		"OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key, "BITB_CHAT_MODEL": "scripted", "BITB_EMBEDDING_MODEL": builtinModel}
	return f
}

func (f *fleet) start(v release, n int) []*process {
	started := make([]*process, n)
	for i := range started {
		started[i] = startProcess(f.T, v, f.settings)
	}
	return started
}

func (f *fleet) until(what string, ok func() bool) {
	f.Helper()
	dbtest.Eventually(f.T, 30*time.Second, what, ok)
}

// open signs a customer up, with a document that answers the question.
func (f *fleet) open() {
	f.member = signUp(f.T, f.proxy.URL)
	f.member.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	uploadText(f.T, f.member, f.proxy.URL, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	f.until("the document to be ready", func() bool { return f.db.Count(f.T, "select count(*) from documents where status = 'ready'") == 1 })
	if err := f.db.Super(f.T).QueryRow(f.Context(), "select key::text from bots").Scan(&f.bot); err != nil {
		f.Fatal(err)
	}
}

// roll replaces one process after the other.
func (f *fleet) roll(to release) {
	for i, old := range f.running {
		f.running[i] = f.start(to, 1)[0]
		f.proxy.use(f.running[i])
		f.until("the new process to be ready", func() bool { return f.proxy.knows(f.running[i]) })
		f.retire(old)
	}
}

// swap starts all of the new version beside the old one, and turns the proxy over at once.
func (f *fleet) swap(to release) {
	old := f.running
	f.running = f.start(to, len(old))
	f.until("the new processes to be ready", func() bool {
		for _, p := range f.running {
			if !isReady(f.Context(), p.url) {
				return false
			}
		}
		return true
	})
	f.proxy.use(f.running...)
	f.until("the proxy to know them", func() bool { return f.proxy.knows(f.running...) })
	f.proxy.drop(old...)
	f.stop(old...)
}

// retire stops a process that is still in the proxy, which learns of it from /readyz.
func (f *fleet) retire(p *process) {
	if !p.drains {
		f.proxy.drop(p)
	}
	f.stop(p)
	f.proxy.drop(p)
}

// stop stops processes at once.
func (f *fleet) stop(processes ...*process) {
	took := make([]time.Duration, len(processes))
	var stopping sync.WaitGroup
	for i, p := range processes {
		stopping.Go(func() { took[i] = p.stop(f.T) })
	}
	stopping.Wait()
	f.longest = max(f.longest, slices.Max(took))
}

// load has customers at work while versions are switched n times.
func (f *fleet) load(n int, way string, once func()) {
	f.tally.reset()
	f.longest = 0
	ctx, cancel := context.WithCancel(f.Context())
	var at sync.WaitGroup
	for v := range f.busy.visitors {
		at.Go(func() { f.visit(ctx, way, v) })
	}
	for range f.busy.members {
		at.Go(func() { f.every(ctx, time.Duration(f.busy.members)*250*time.Millisecond, f.look) }) // no more than 300 a minute are allowed
		at.Go(func() { f.every(ctx, 400*time.Millisecond, func() { f.upload(way) }) })
	}
	at.Go(func() { f.watch(ctx) })
	began := time.Now()
	for range n {
		time.Sleep(f.busy.pause)
		once()
	}
	took := time.Since(began)
	cancel()
	at.Wait()
	counts, failures := f.tally.all()
	f.Logf("| %s | %d | %d | %d | %d | %d | %d | %s | %s |", way, n, counts["answer"], counts["upload"], counts["page"], counts["live rows"], len(failures),
		f.longest.Round(10*time.Millisecond), took.Round(time.Second))
	for _, failure := range failures {
		f.Errorf("%s: %s", way, failure)
	}
	for _, kind := range []string{"answer", "upload", "page", "live rows"} {
		if counts[kind] == 0 {
			f.Errorf("%s: there was no %s", way, kind)
		}
	}
}

// every does something again and again. What has begun is not broken off.
func (f *fleet) every(ctx context.Context, pause time.Duration, do func()) {
	for tick := time.NewTicker(pause); ctx.Err() == nil; {
		do()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// visit is a visitor of the customer's site, who asks question after question and reads each answer to its end.
func (f *fleet) visit(ctx context.Context, way string, n int) {
	v := visitor{http: &http.Client{Transport: &http.Transport{}}, base: f.proxy.URL + "/widget/v1/bots/" + f.bot, origin: f.proxy.URL,
		address: fmt.Sprintf("203.0.113.%d", n+1)}
	whole := context.WithoutCancel(ctx)
	if err := v.arrive(whole); err != nil {
		f.tally.fail("visitor", err)
		return
	}
	asked := 0
	f.every(ctx, 2100*time.Millisecond, func() { // no more than 30 a minute are allowed
		asked++
		stream, err := v.ask(whole, domain.NewID(), fmt.Sprintf("What does a bicycle cost a day? %s, %d, %d", way, n, asked))
		switch {
		case err != nil:
			f.tally.fail("answer", err)
		case !strings.Contains(stream, "event: done") || !strings.Contains(stream, `"status":"complete"`) || !strings.Contains(stream, said):
			f.tally.fail("answer", fmt.Errorf("broke off: %s", stream))
		default:
			f.answered.Add(1)
			f.tally.count("answer")
		}
	})
}

// visitor is what the widget sends for one.
type visitor struct {
	http                  *http.Client
	base, origin, address string
	token                 string
}

func (v *visitor) arrive(ctx context.Context) error {
	made, err := v.send(ctx, "/visitors", "")
	var body struct{ Token string }
	if err == nil {
		err = json.Unmarshal([]byte(made), &body)
	}
	v.token = body.Token
	return err
}

// ask returns all events of the answer.
func (v *visitor) ask(ctx context.Context, id domain.ID, question string) (string, error) {
	return v.send(ctx, "/messages", fmt.Sprintf(`{"id":%q,"question":%q}`, id, question))
}

func (v *visitor) send(ctx context.Context, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	for name, value := range map[string]string{"Origin": v.origin, "X-Forwarded-For": v.address, "Content-Type": "application/json",
		"Accept": "text/event-stream", "Authorization": "Bearer " + v.token} {
		req.Header.Set(name, value)
	}
	return read(v.http, req)
}

// look opens the dashboard; who is signed out is sent to /signin.
func (f *fleet) look() {
	req, err := http.NewRequest(http.MethodGet, f.proxy.URL+"/documents", nil)
	if err == nil {
		_, err = read(f.member, req)
	}
	if err != nil {
		f.tally.fail("page", err)
		return
	}
	f.tally.count("page")
}

// upload sends a file in pieces, as a slow line does.
func (f *fleet) upload(way string) {
	n := f.sent.Add(1)
	content := fmt.Sprintf("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"note-%d.md\"\r\n\r\n# Note %d\n\n%s, %s\r\n--x--\r\n", n, n, way,
		strings.Repeat("the bell of the tandem was oiled. ", 40))
	body, pieces := io.Pipe()
	go func() {
		for piece := range strings.SplitSeq(content, " ") {
			if _, err := io.WriteString(pieces, piece+" "); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		pieces.Close()
	}()
	req, err := http.NewRequest(http.MethodPost, f.proxy.URL+"/documents", body)
	if err == nil {
		req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		req.Header.Set("Accept", "application/json")
		_, err = read(f.member, req)
	}
	if err != nil {
		f.tally.fail("upload", err)
		return
	}
	f.uploaded.Add(1)
	f.tally.count("upload")
}

// watch keeps the live rows of the dashboard open. They end with the process that sends them; the browser connects again.
func (f *fleet) watch(ctx context.Context) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.proxy.URL+"/documents/events", nil)
		if err == nil {
			_, err = read(f.member, req)
		}
		if err != nil && ctx.Err() == nil {
			f.tally.fail("live rows", err)
		}
		f.tally.count("live rows")
	}
}

// read sends a request once and reads the whole answer.
func read(c *http.Client, req *http.Request) (string, error) {
	r, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && (r.StatusCode < 200 || r.StatusCode > 299) {
		err = fmt.Errorf("%s %s: %.300s", r.Status, r.Header.Get("Location"), body)
	}
	return string(body), err
}

// check looks into the database for what the customers were told.
func (f *fleet) check() {
	uploaded := int(f.uploaded.Load()) + 1
	f.until("all documents to be ready", func() bool {
		return f.db.Count(f.T, "select count(*) from documents where status = 'ready'") >= uploaded
	})
	if n := f.db.Count(f.T, "select count(*) from documents"); n != uploaded {
		f.Errorf("%d documents were taken, and %d are there", uploaded, n)
	}
	answered := int(f.answered.Load())
	for what, sql := range map[string]string{
		"questions": "select count(*) from messages where author = 'person'",
		"answers":   "select count(*) from messages where author = 'bot' and status = 'complete'",
	} {
		if n := f.db.Count(f.T, sql); n != answered {
			f.Errorf("%d questions were answered, and %d %s are kept", answered, n, what)
		}
	}
	f.stop(f.running...)
}

// tally counts what was done and what failed.
type tally struct {
	mu       sync.Mutex
	counts   map[string]int
	failures []string
}

func (c *tally) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.failures = map[string]int{}, nil
}

func (c *tally) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

func (c *tally) fail(what string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, what+": "+err.Error())
}

func (c *tally) all() (map[string]int, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts, c.failures
}

// Answers that are still being written when the time of a stop is over are ended and kept as far as they got, and their readers are
// told so.
func TestStopKeepsWhatWasWritten(t *testing.T) {
	if os.Getenv("BITB_SWITCHES") == "" {
		t.Skip("takes the whole time of a stop; make switches tries it")
	}
	present, _ := releases()
	f := newFleet(t)
	f.running = f.start(present, 1)
	f.proxy.use(f.running...)
	f.until("the process to be ready", func() bool { return f.proxy.knows(f.running...) })
	f.open()
	defer f.model.Chat.HoldAfter(5)()
	const streams = 50
	answers := make(chan string, streams)
	for n := range streams {
		go func() {
			v := visitor{http: &http.Client{Transport: &http.Transport{}}, base: f.proxy.URL + "/widget/v1/bots/" + f.bot, origin: f.proxy.URL,
				address: fmt.Sprintf("203.0.113.%d", n+1)}
			if err := v.arrive(t.Context()); err != nil {
				t.Error(err)
			}
			answer, err := v.ask(t.Context(), domain.NewID(), fmt.Sprintf("What does a bicycle cost a day? %d", n))
			if err != nil {
				t.Error(err)
			}
			answers <- answer
		}()
	}
	f.until("the model to be asked", func() bool { return len(f.model.Chat.Requests()) == streams })
	f.stop(f.running...)
	t.Logf("stopped in %s", f.longest.Round(10*time.Millisecond))
	if f.longest > stopWithin+5*time.Second {
		t.Errorf("the stop took %s", f.longest)
	}
	for range streams {
		if answer := <-answers; !strings.Contains(answer, `"status":"interrupted"`) || !strings.Contains(answer, "It costs 19 euros") {
			t.Errorf("a reader got %s", answer)
		}
	}
	if n := f.db.Count(t, "select count(*) from messages where author = 'bot' and status = 'interrupted' and text like 'It costs 19 euros%'"); n != streams {
		t.Errorf("%d beginnings are kept", n)
	}
}
