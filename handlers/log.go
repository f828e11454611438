package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"bitb/domain"
	"bitb/domain/trace"
)

// seen is what is learnt about a request on its way, for its log lines.
type seen struct {
	id       string
	route    string
	identity domain.Identity
	visitor  domain.ID
}

// actor is who makes the request; "" while nobody is known.
func (s *seen) actor() string {
	switch who := s.identity; {
	case who.StaffID != domain.ID{}:
		return "staff:" + who.StaffID.String()
	case who.UserID != domain.ID{}:
		return "member:" + who.UserID.String()
	case s.visitor != domain.ID{}:
		return "visitor:" + s.visitor.String()
	}
	return ""
}

type seenKey struct{}

func seenIn(ctx context.Context) *seen {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		return s
	}
	return &seen{}
}

// NewLog writes JSON, a line each, with what LogHandler adds.
func NewLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(LogHandler{slog.NewJSONHandler(escaper{w}, &slog.HandlerOptions{Level: level})})
}

// escaper writes JSON in which no character commands a terminal or turns text around. The encoder has escaped what is below
// the space already; outside of strings there is none of the others.
type escaper struct{ io.Writer }

func (w escaper) Write(line []byte) (int, error) {
	if !bytes.ContainsFunc(line, commanding) {
		return w.Writer.Write(line)
	}
	var out bytes.Buffer
	for _, r := range string(line) {
		if commanding(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	if _, err := w.Writer.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(line), nil
}

// commanding are DEL, the second set of control characters, and those that change the direction of text.
func commanding(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// LogHandler adds to every line where it belongs: request, route, tenant, actor, trace and span.
type LogHandler struct{ slog.Handler }

// Handle writes one line.
func (h LogHandler) Handle(ctx context.Context, r slog.Record) error {
	add := func(key, value string) {
		if value != "" {
			r.AddAttrs(slog.String(key, value))
		}
	}
	who, _ := domain.IdentityFrom(ctx)
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		add("request_id", s.id)
		add("actor", s.actor())
		add("route", s.route)
		who = s.identity
	}
	if who.TenantID != (domain.ID{}) {
		add("tenant_id", who.TenantID.String())
	}
	traceID, spanID := trace.IDs(ctx)
	add("trace_id", traceID)
	add("span_id", spanID)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the additions.
func (h LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return LogHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the additions.
func (h LogHandler) WithGroup(name string) slog.Handler { return LogHandler{h.Handler.WithGroup(name)} }

// statusWriter remembers the status. Unwrap keeps flushing and deadlines of the connection within reach.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logged gives the request an id, writes one line when it ends, counts it, and turns a panic into a logged 500.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := domain.NewID()
		about := &seen{id: id.String()}
		ctx := context.WithValue(trace.Begin(r.Context(), id), seenKey{}, about)
		out := &statusWriter{ResponseWriter: w}
		out.Header().Set("X-Request-Id", about.id)
		defer func() {
			if p := recover(); p != nil {
				if aborted, ok := p.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
					panic(p)
				}
				s.Metrics.Panicked()
				s.Log.ErrorContext(ctx, "panic in a handler", "panic", p, "stack", string(debug.Stack()))
				if out.status == 0 {
					http.Error(out, "Something went wrong on our side. The request id is "+about.id+".", http.StatusInternalServerError)
				}
			}
			s.finish(ctx, r, about, out.status, time.Since(began))
		}()
		next.ServeHTTP(out, r.WithContext(ctx))
	})
}

// knownMethod bounds the words that anybody can make up.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

func (s *server) finish(ctx context.Context, r *http.Request, about *seen, status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	if about.route == "" {
		about.route = "unmatched"
	}
	method := knownMethod(r.Method)
	s.Metrics.Request(about.route, method, status, took)
	trace.Name(ctx, method+" "+about.route)
	trace.Set(ctx, "http.route", about.route, "bitb.request_id", about.id, "bitb.actor", about.actor())
	if about.identity.TenantID != (domain.ID{}) {
		trace.Set(ctx, "bitb.tenant_id", about.identity.TenantID.String())
	}
	level := slog.LevelInfo
	if about.route == "/healthz" || about.route == "/readyz" || about.route == "/static/*" {
		level = slog.LevelDebug
	}
	s.Log.Log(ctx, level, "request", "method", method, "status", status, "ms", took.Milliseconds())
}
