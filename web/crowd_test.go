package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bitb/domain/dbtest"
)

// Whoever finds no room is told so at once, and is let in when somebody has left.
func TestCrowd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(l)
	c.most = 2
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })}
	go func() { _ = srv.Serve(c) }()
	t.Cleanup(func() { srv.Close() })
	ask := func() string {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		return string(answer)
	}
	first, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	dbtest.Eventually(t, 5*time.Second, "both to be let in", func() bool { return c.here.Load() == 2 })
	if answer := ask(); !strings.HasPrefix(answer, "HTTP/1.1 503") || !strings.Contains(answer, "Retry-After: 5") || !strings.HasSuffix(answer, "in a moment.\n") {
		t.Errorf("the third was told %q", answer)
	}
	first.Close()
	dbtest.Eventually(t, 5*time.Second, "one to have left", func() bool { return c.here.Load() == 1 })
	if answer := ask(); !strings.HasSuffix(answer, "here") {
		t.Errorf("the next was told %q", answer)
	}
}
