package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"bitb/domain"
)

// seen is what is learnt about a request on its way, for the log line at its end.
type seen struct {
	id       string
	route    string
	identity domain.Identity
}

type seenKey struct{}

func seenIn(ctx context.Context) *seen {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		return s
	}
	return &seen{}
}

// LogHandler adds the request id and the tenant of the context to every line.
type LogHandler struct{ slog.Handler }

// Handle writes one line.
func (h LogHandler) Handle(ctx context.Context, r slog.Record) error {
	if s, ok := ctx.Value(seenKey{}).(*seen); ok {
		r.AddAttrs(slog.String("request_id", s.id))
		if s.identity.TenantID != (domain.ID{}) {
			r.AddAttrs(slog.String("tenant_id", s.identity.TenantID.String()))
		}
		if s.identity.StaffID != (domain.ID{}) {
			r.AddAttrs(slog.String("staff_id", s.identity.StaffID.String()))
		}
	} else if who, ok := domain.IdentityFrom(ctx); ok {
		r.AddAttrs(slog.String("tenant_id", who.TenantID.String()))
	}
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
		about := &seen{id: domain.NewID().String()}
		ctx := context.WithValue(r.Context(), seenKey{}, about)
		out := &statusWriter{ResponseWriter: w}
		out.Header().Set("X-Request-Id", about.id)
		defer func() {
			if p := recover(); p != nil {
				if aborted, ok := p.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
					panic(p)
				}
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

func (s *server) finish(ctx context.Context, r *http.Request, about *seen, status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	if about.route == "" {
		about.route = "unmatched"
	}
	if s.Metrics != nil {
		s.Metrics.Request(about.route, r.Method, status, took)
	}
	level := slog.LevelInfo
	if about.route == "/healthz" || about.route == "/readyz" || about.route == "/static/*" {
		level = slog.LevelDebug
	}
	s.Log.Log(ctx, level, "request", "method", r.Method, "route", about.route, "status", status, "ms", took.Milliseconds())
}
