package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
)

// The figures of docs/benchmarks.md, as `make bench` prints them. Nothing here fails for being slow.

// client is a signed-up owner without a browser.
type client struct {
	*http.Client
	url    string
	tenant domain.ID
}

func newClient(b *testing.B, db *dbtest.Database, server string) *client {
	b.Helper()
	c := &client{Client: signUp(b, server), url: server}
	if err := db.Super(b).QueryRow(b.Context(), "select tenant_id from users").Scan(&c.tenant); err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkUploadToReady is a 10-page PDF from the first byte sent to the document that answers, with the built-in models.
func BenchmarkUploadToReady(b *testing.B) {
	db := dbtest.New(b)
	server := boot(b, "serve", map[string]string{"DATABASE_URL": db.URL})
	c := newClient(b, db, server.url)
	pdf, err := os.ReadFile(filepath.Join("..", "domain", "ingest", "extract", "testdata", "harbour-handbook.pdf"))
	if err != nil {
		b.Fatal(err)
	}
	conn := db.Super(b)
	var took []time.Duration
	for b.Loop() {
		n := len(took)
		began := time.Now()
		uploadText(b, c.Client, server.url, "handbook.pdf", fmt.Sprintf("%s\n%% copy %d\n", pdf, n)) // another document each time
		dbtest.Eventually(b, time.Minute, "the document to be ready", func() bool {
			var ready int
			if err := conn.QueryRow(b.Context(), "select count(*) from documents where status = 'ready'").Scan(&ready); err != nil {
				b.Fatal(err)
			}
			return ready == n+1
		})
		took = append(took, time.Since(began))
	}
	report(b, took)
}

// BenchmarkFirstByte is our own part of the time to the first streamed byte of an answer, at a tenant of 10,000 chunks:
// the model is a scripted server in this process that answers at once.
func BenchmarkFirstByte(b *testing.B) {
	db, model := dbtest.New(b), llmtest.New(b)
	model.Chat.ReplyFunc(func(llmtest.ChatRequest) string { return "It says so [1]." })
	server := boot(b, "serve", map[string]string{"DATABASE_URL": db.URL, "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key,
		"BITB_CHAT_MODEL": "scripted", "BITB_EMBEDDING_MODEL": builtinModel})
	c := newClient(b, db, server.url)
	words := newWords()
	for i := range 10 {
		texts := make([]string, 1000)
		for j := range texts {
			texts[j] = words.text(120)
		}
		db.Document(b, c.tenant, fmt.Sprintf("document-%d.txt", i), texts...)
	}
	db.Exec(b, "analyze")
	members := c.colleagues(b, db, 10) // each may ask thirty times a minute
	var took []time.Duration
	for b.Loop() {
		if len(took)%25 == 0 {
			db.Exec(b, "delete from conversations") // a long conversation is another question
		}
		took = append(took, members[len(took)%len(members)].firstByte(b, words.text(8)+"?"))
	}
	report(b, took)
}

// colleagues are n more owners of the tenant, signed in.
func (c *client) colleagues(b *testing.B, db *dbtest.Database, n int) []*client {
	b.Helper()
	var members []*client
	for i := range n {
		email := fmt.Sprintf("bench-%d@example.com", i)
		db.Exec(b, `with u as (insert into users (tenant_id, id, email, name, role) values ($1, $2, $3, 'Bench', 'owner'))
			insert into auth.logins (email, tenant_id, user_id, password_hash)
			select $3, $1, $2, password_hash from auth.logins where email = 'owner@example.com'`, c.tenant, domain.NewID(), email)
		jar, err := cookiejar.New(nil)
		if err != nil {
			b.Fatal(err)
		}
		m := &client{Client: &http.Client{Jar: jar, CheckRedirect: c.CheckRedirect}, url: c.url, tenant: c.tenant}
		r, err := m.PostForm(c.url+"/signin", url.Values{"email": {email}, "password": {"vier wörter ohne sinn"}})
		if err != nil || r.StatusCode != http.StatusSeeOther {
			b.Fatalf("sign-in: %v %v", r, err)
		}
		r.Body.Close()
		members = append(members, m)
	}
	return members
}

func (c *client) firstByte(b *testing.B, question string) time.Duration {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, c.url+"/playground/messages", strings.NewReader(url.Values{"question": {question}}.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/event-stream")
	began := time.Now()
	got, err := c.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer got.Body.Close()
	if got.StatusCode == http.StatusTooManyRequests {
		b.Fatal("the benchmark ran into the limit of its member")
	}
	buf, seen := make([]byte, 64<<10), ""
	for !strings.Contains(seen, "event: delta") {
		n, err := got.Body.Read(buf)
		seen += string(buf[:n])
		if err != nil {
			b.Fatalf("no answer: %v\n%s", err, seen)
		}
	}
	took := time.Since(began)
	_, _ = io.Copy(io.Discard, got.Body)
	return took
}

// words makes texts of words that are as unequally frequent as real ones (Zipf's law).
type words struct{ next func() string }

func newWords() *words {
	n := uint64(1)
	return &words{next: func() string {
		n = n*6364136223846793005 + 1442695040888963407
		share := float64(n>>11) / (1 << 53)
		rank := int(1 / (share*0.9999 + 0.0001)) // the first word in half of all places, the thousandth in a few
		spread := int(n>>7) % (rank + 1)
		return "w" + strconv.FormatInt(int64(rank*31+spread), 36)
	}}
}

func (w *words) text(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = w.next()
	}
	return strings.Join(parts, " ")
}

// BenchmarkMemoryAtRest is the resident set of the real binary that serves and works, after a page and a question.
func BenchmarkMemoryAtRest(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "bitb")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	db := dbtest.New(b)
	address := freeAddress(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "serve")
	cmd.Env = []string{"DATABASE_URL=" + db.URL, "REDIS_URL=" + dbtest.RedisURL(b), "BITB_LISTEN=" + address, "BITB_METRICS_LISTEN=off", "BITB_LOG_LEVEL=ERROR"}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	dbtest.Eventually(b, 15*time.Second, "the binary to be ready", func() bool {
		r, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == http.StatusOK
	})
	c := newClient(b, db, "http://"+address)
	db.Document(b, c.tenant, "prices.txt", "A bicycle costs 19 euros a day.")
	r, err := c.PostForm(c.url+"/playground/messages", url.Values{"question": {"What does a bicycle cost?"}})
	if err != nil {
		b.Fatal(err)
	}
	r.Body.Close()
	for b.Loop() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			b.Skip("no /proc: ", err)
		}
		for line := range strings.Lines(string(status)) {
			if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, _ := strconv.Atoi(strings.Fields(kb)[0])
				b.ReportMetric(float64(n)/1024, "MiB")
			}
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkWidgetSize is what a visitor's browser downloads.
func BenchmarkWidgetSize(b *testing.B) {
	script, err := os.ReadFile(filepath.Join("..", "static", "widget.js"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		_, _ = w.Write(script)
		_ = w.Close()
		b.ReportMetric(float64(packed.Len()), "bytes-gzipped")
	}
	b.ReportMetric(0, "ns/op")
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(len(took)-1, int(share*float64(len(took))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(.5), "p50-ms")
	b.ReportMetric(at(.95), "p95-ms")
	b.ReportMetric(0, "ns/op")
}
