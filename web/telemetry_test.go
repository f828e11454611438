package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
	"bitb/handlers"
)

// receiver is a collector that keeps all spans.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*otlp.Span
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body io.Reader = req.Body
		if req.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(body)
		}
		content, _ := io.ReadAll(body)
		var export collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(content, &export); err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s got %v", req.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, resource := range export.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []*otlp.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// under lists the names of the spans below a span, which must be the only one of its name.
func under(t *testing.T, spans []*otlp.Span, name string) string {
	t.Helper()
	var root *otlp.Span
	children := map[string][]*otlp.Span{}
	for _, s := range spans {
		children[string(s.ParentSpanId)] = append(children[string(s.ParentSpanId)], s)
		if s.Name == name {
			if root != nil {
				t.Errorf("there are two spans %q", name)
			}
			root = s
		}
	}
	if root == nil {
		t.Fatalf("there is no span %q", name)
	}
	var names []string
	var walk func(*otlp.Span)
	walk = func(s *otlp.Span) {
		for _, child := range children[string(s.SpanId)] {
			if !bytes.Equal(child.TraceId, root.TraceId) {
				t.Errorf("%q is in another trace than %q", child.Name, name)
			}
			names = append(names, child.Name)
			walk(child)
		}
	}
	walk(root)
	return strings.Join(names, "\n") + "\n"
}

// One upload and one question are a trace each, from the request through SQL, Redis and the models to the job, and neither a
// span nor a log line holds a word of the document or of the question.
func TestTraces(t *testing.T) {
	db, model, spans, logs := dbtest.New(t), llmtest.New(t), newReceiver(t), &lockedBuffer{}
	const secret, question = "The vault opens with the word abracadabra.", "Which word opens the vault of Zanzibar?"
	model.Chat.Reply("It is abracadabra [1].")
	values := map[string]string{"DATABASE_URL": db.URL, "REDIS_URL": dbtest.RedisURL(t), "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key,
		"BITB_CHAT_MODEL": "scripted", "OTEL_EXPORTER_OTLP_ENDPOINT": spans.URL, "BITB_LOG_LEVEL": "DEBUG",
		"BITB_LISTEN": freeAddress(t), "BITB_METRICS_LISTEN": "off"}
	s := runServer(t, values, logs)
	c := signUp(t, s.url)
	uploadText(t, c, s.url, "zanzibar.md", "# Vault\n\n"+secret+"\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	if answer := askThis(t, c, s.url, question); !strings.Contains(answer, "abracadabra") {
		t.Fatalf("answered %s", answer)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	all := spans.all()
	for name, want := range map[string][]string{
		"POST /documents":           {"read a document\n", "read the file\n", "embed the chunks\n", "embed text-embedding-3-small\n", "store the chunks\n", "insert\n"},
		"POST /playground/messages": {"chat scripted\n", "embed text-embedding-3-small\n", "select\n", "evalsha\n"},
	} {
		got := under(t, all, name)
		for _, child := range want {
			if !strings.Contains(strings.ToLower(got), strings.ToLower(child)) {
				t.Errorf("below %q there is no %q in\n%s", name, child, got)
			}
		}
	}
	for _, s := range all {
		if said := strings.ToLower(fmt.Sprint(s)); strings.Contains(said, "abracadabra") || strings.Contains(said, "zanzibar") {
			t.Errorf("a span tells what was said: %v", s)
		}
	}
	checkLogs(t, logs.String(), all)
}

// checkLogs: each line of a request says whose it is and belongs to a trace.
func checkLogs(t *testing.T, logs string, spans []*otlp.Span) {
	t.Helper()
	if said := strings.ToLower(logs); strings.Contains(said, "abracadabra") || strings.Contains(said, "zanzibar") {
		t.Errorf("the log tells what was said")
	}
	traces := map[string]string{} // by route
	for line := range strings.Lines(logs) {
		var l struct{ Msg, Route, Actor, Tenant_id, Request_id, Trace_id, Span_id string } //nolint:revive // as they are in the log
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch {
		case l.Msg == "request" && (l.Route == "/documents" || l.Route == "/playground/messages"):
			traces[l.Route] = l.Trace_id
			if l.Request_id == "" || l.Tenant_id == "" || !strings.HasPrefix(l.Actor, "member:") || l.Span_id == "" {
				t.Errorf("something is missing: %s", line)
			}
		case l.Msg == "document ready":
			if l.Trace_id == "" || l.Trace_id != traces["/documents"] {
				t.Errorf("the job is not in the upload's trace %s: %s", traces["/documents"], line)
			}
		}
	}
	for _, s := range spans {
		if s.Name == "POST /documents" && hex.EncodeToString(s.TraceId) != traces["/documents"] {
			t.Errorf("the log says trace %s, the span %x", traces["/documents"], s.TraceId)
		}
	}
}

// Lines of users stay lines of the log: nothing in them ends a line or commands a terminal.
func TestLogEscapes(t *testing.T) {
	var out bytes.Buffer
	const nasty = "a\r\nlevel=ERROR \x1b[31mred\x7f \u009b31m \u202egnp.exe \u2028"
	handlers.NewLog(&out, 0).Info("upload", "name", nasty)
	line := out.Bytes()
	if bytes.Count(line, []byte("\n")) != 1 || bytes.ContainsAny(line[:len(line)-1], "\r\n\x1b\x7f\u009b\u202e\u2028") {
		t.Errorf("wrote %q", line)
	}
	var back struct{ Name string }
	if err := json.Unmarshal(line, &back); err != nil || back.Name != nasty {
		t.Errorf("read back %q, %v", back.Name, err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a server whose parts a test can reach.
type running struct {
	*server
	url  string
	stop func() error
}

// runServer runs a server in this process.
func runServer(t *testing.T, values map[string]string, logs io.Writer, change ...func(*server)) *running {
	t.Helper()
	c, err := loadConfig(func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	log := handlers.NewLog(logs, c.LogLevel)
	s, err := newServer(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range change {
		do(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, began := make(chan error, 1), make(chan struct{})
	go func() { ended <- s.run(ctx, true, func() { close(began) }) }()
	r := &running{server: s, url: "http://" + c.Listen, stop: sync.OnceValue(func() error { cancel(); return <-ended })}
	t.Cleanup(func() { _ = r.stop() })
	select {
	case <-began:
	case err := <-ended:
		t.Fatal(err)
	}
	return r
}
