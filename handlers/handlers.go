// Package handlers is HTTP in and HTML, events or JSON out. routes.go holds one table with who may call a route and how
// often on each line; a file for each screen holds its handlers, which parse, make one call of the domain and render. What
// is allowed to whom, what a thing is worth and what is stored is decided elsewhere.
package handlers

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/questions"
	"bitb/domain/redis"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
	"bitb/views"
)

// Limiter counts events; see redis.Store.
type Limiter interface {
	Allow(ctx context.Context, key string, l redis.Limit) (wait time.Duration)
	Forget(ctx context.Context, key string)
}

// Hints tell that something of a tenant changed; see redis.Store.
type Hints interface {
	Listen(ctx context.Context, topic string) <-chan struct{}
}

// Cache keeps what may be lost; see redis.Store.
type Cache interface {
	Get(ctx context.Context, key string) (value []byte, found bool)
	Set(ctx context.Context, key string, value []byte, ttl time.Duration)
}

// Metrics counts what happens to requests. route is the pattern from the table, never the address; the other words are few and
// fixed too.
type Metrics interface {
	Request(route, method string, status int, took time.Duration)
	Panicked()
	SignInRefused(who string, throttled bool) // who is "member" or "staff"
	Denied(kind string)                       // see denied.go
	Suspicious(what string)                   // more than happens by itself
	KeyUsed(purpose, key string, accepted bool)
}

// Deps is what the handlers need from the rest of the product.
type Deps struct {
	Log       *slog.Logger
	PublicURL string // where people reach the server, without a trailing slash; https turns on secure cookies
	Static    fs.FS  // the built front end
	Tenants   *tenant.Service
	Sessions  *tenant.Sessions
	Support   *tenant.Support
	Documents *document.Service
	Retrieve  *retrieve.Service
	Chat      *chat.Service
	Questions *questions.Service
	Readiness Readiness
	Limiter   Limiter
	Hints     Hints
	Cache     Cache
	Metrics   Metrics
	Models    views.Models
	TraceDays int // that an answer can be explained

	// Sniff tells the format of a file from its first bytes and refuses what cannot be read, before it is stored. What holds
	// several files is "zip". An error about the file has a Refusal in its chain.
	Sniff func(content []byte, name string) (format string, err error)
	// Unzip gives each file in a ZIP to each, or why that one cannot be had, within limits of size and number. It ends early
	// with the error of each, or with why it cannot go on.
	Unzip func(content []byte, each func(name string, content []byte, err error) error) error
	// RenderPage makes a picture of a page of a PDF, so many pixels wide. Without it, and where it fails, its text is shown.
	RenderPage func(ctx context.Context, content []byte, page, width int) (picture []byte, mediaType string, err error)
	// Ready says why the server should get no requests now, as domain.Unavailable; nil when all is well.
	Ready func(ctx context.Context) error
	// Secured tells whether a request came over HTTPS. With it plain HTTP is refused, and so is every host but PublicURL's; without it
	// both are served.
	Secured func(*http.Request) bool
	// ClientIP tells who is calling, past the proxies that are trusted.
	ClientIP echo.IPExtractor
}

type server struct {
	Deps
	sessions      *scs.SessionManager
	staffSessions *scs.SessionManager
	uploads       *slots        // bound the memory that uploads take
	renders       chan struct{} // bounds what pictures of pages take
	stop          context.Context
}

// New returns the whole public HTTP interface. When stop ends, streams are told to end.
func New(stop context.Context, d Deps) (http.Handler, error) {
	if err := views.UseAssets(d.Static); err != nil {
		return nil, err
	}
	s := &server{Deps: d, stop: stop, uploads: newSlots(4), renders: make(chan struct{}, 2)}
	s.sessions, s.staffSessions = newSessions(d, false), newSessions(d, true)
	e := s.newEcho()
	return s.around(e)
}

func (s *server) newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = s.ClientIP
	e.HTTPErrorHandler = s.fail
	for _, r := range routes {
		e.Add(r.method, r.path, s.guard(r))
	}
	return e
}

// around is what happens to every request before Echo sees it. The session is loaded outside of Echo, so that an error
// page sends one cookie, and only where there may be one: files and the widget have none.
func (s *server) around(e *echo.Echo) (http.Handler, error) {
	withSession, reading, forStaff := s.sessions.LoadAndSave(e), s.readSession(e), s.staffSessions.LoadAndSave(e)
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(domain.NewError(domain.Forbidden, "This request came from another site, so it was refused."), e.NewContext(r, w))
	}))
	dashboard := crossOrigin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case staffPath(r.URL.Path):
			forStaff.ServeHTTP(w, r)
		case besidePages(r):
			reading.ServeHTTP(w, r)
		default:
			withSession.ServeHTTP(w, r)
		}
	}))
	inside, err := s.overHTTPS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if strings.HasPrefix(s.PublicURL, "https://") && (s.Secured == nil || s.Secured(r)) {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		if cookieless(r.URL.Path) {
			e.ServeHTTP(w, r)
			return
		}
		dashboard.ServeHTTP(w, r)
	}))
	return s.logged(inside), err
}

func staffPath(path string) bool { return path == "/staff" || strings.HasPrefix(path, "/staff/") }

func cookieless(path string) bool {
	return strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, "/widget/") || path == "/widget.js" ||
		path == "/healthz" || path == "/readyz"
}

// secure sets the headers that every answer carries. No inline script and no inline style ever runs.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "+
		"connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}
