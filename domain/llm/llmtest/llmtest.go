// Package llmtest is a scripted OpenAI-compatible server for tests: it answers chat completions, embeddings and
// re-rankings, records what it was asked, and misbehaves on order. It imports nothing of the product, so that anything may use it.
//
//	srv := llmtest.New(t)
//	srv.Chat.Reply("Within 30 days [1].")
//	srv.FailNext(llmtest.Status(503), llmtest.RateLimited(2*time.Second))
package llmtest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is the scripted server. Its methods are safe for concurrent use.
type Server struct {
	URL    string // the base URL, with /v1
	Key    string // the one key it accepts
	Chat   *Chat
	Embed  *Embeddings
	Rerank *Reranking

	client *http.Client
	stop   chan struct{} // closed at the end of the test, frees what hangs

	mu     sync.Mutex
	next   []Fault
	always *Fault
	active int
	idle   chan struct{} // closed when active falls to 0
}

// New starts a server on the loopback interface and stops it when the test ends.
func New(t testing.TB) *Server {
	s := newServer()
	web := httptest.NewServer(s)
	s.URL, s.client = web.URL+"/v1", web.Client()
	t.Cleanup(func() { close(s.stop); web.Close() })
	return s
}

// NewInMemory starts a server that is reached through Client alone, without a socket: inside testing/synctest, minutes
// of waiting pass at once.
func NewInMemory(t testing.TB) *Server {
	s := newServer()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	web := &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	web.Start()
	transport := &http.Transport{DialContext: l.dial}
	s.URL, s.client = "http://model.test/v1", &http.Client{Transport: transport}
	t.Cleanup(func() { close(s.stop); transport.CloseIdleConnections(); web.Close() })
	return s
}

func newServer() *Server {
	return &Server{
		Key: "7f3a91c2d05b", Chat: &Chat{}, Embed: &Embeddings{Dims: 1536}, Rerank: &Reranking{},
		stop: make(chan struct{}), idle: make(chan struct{}),
	}
}

// RerankURL is the whole address of a re-ranking endpoint: Cohere, Jina or TEI.
func (s *Server) RerankURL(path string) string { return strings.TrimSuffix(s.URL, "/v1") + path }

// Client reaches the server; a server in memory is reached by no other.
func (s *Server) Client() *http.Client { return s.client }

// FailNext makes the next requests fail, one fault each, in order; then all is well again.
func (s *Server) FailNext(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, faults...)
}

// FailAll makes every request fail until Heal.
func (s *Server) FailAll(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &f
}

// Heal ends FailAll and forgets the faults that were not used.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always, s.next = nil, nil
}

// WaitIdle waits until no request is being served, which shows that a client closed its connections; it fails the test
// after limit.
func (s *Server) WaitIdle(t testing.TB, limit time.Duration) {
	t.Helper()
	s.mu.Lock()
	active, idle := s.active, s.idle
	s.mu.Unlock()
	if active == 0 {
		return
	}
	select {
	case <-idle:
	case <-time.After(limit):
		t.Fatalf("the model server is still serving a request after %v", limit)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := s.begin()
	defer s.finish()
	if r.Header.Get("Authorization") != "Bearer "+s.Key {
		Status(http.StatusUnauthorized).respond(w, r, s.stop)
		return
	}
	x := &exchange{w: w, r: r, fault: fault, stop: s.stop}
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/chat/completions":
		s.Chat.serve(x)
	case "POST /v1/embeddings":
		s.Embed.serve(x)
	case "POST " + Cohere, "POST " + Jina, "POST " + TEI:
		s.Rerank.serve(x)
	default:
		Status(http.StatusNotFound).respond(w, r, s.stop)
	}
}

func (s *Server) begin() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	if len(s.next) > 0 {
		f := s.next[0]
		s.next = s.next[1:]
		return f
	}
	if s.always != nil {
		return *s.always
	}
	return Fault{}
}

func (s *Server) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active--; s.active == 0 {
		close(s.idle)
		s.idle = make(chan struct{})
	}
}

// exchange is one request being answered.
type exchange struct {
	w     http.ResponseWriter
	r     *http.Request
	fault Fault
	stop  <-chan struct{}
}

// wait returns false when the client went away, or the test ended, before d passed; d < 0 waits for that alone.
func (x *exchange) wait(d time.Duration) bool {
	var timer <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
		return true
	case <-x.r.Context().Done():
	case <-x.stop:
	}
	return false
}

func (x *exchange) json(v any) {
	x.w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(x.w).Encode(v)
}

// write sends text at once.
func (x *exchange) write(text string) bool {
	_, err := x.w.Write([]byte(text))
	return err == nil && http.NewResponseController(x.w).Flush() == nil
}

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
