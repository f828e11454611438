package handlers

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/redis"
	"bitb/domain/tenant"
)

// access says who may call a route.
type access string

const (
	anyone  access = "anyone"
	viewer  access = access(domain.Viewer)
	editor  access = access(domain.Editor)
	admin   access = access(domain.Admin)
	owner   access = access(domain.Owner)
	website access = "website" // a browser on one of the bot's allowed sites
	visitor access = "visitor" // the same, with a visitor's token of this bot
	staff   access = "staff"   // works for BITB; sees no tenant's content
	inCase  access = "case"    // staff, within the open case that :case names; each call is in the tenant's audit log
)

// limit says how often, and counted by what.
type limit struct {
	redis.Limit
	by string // "ip", "member", "tenant", "staff", "visitor" (with the bot as a second, larger bucket)
}

func per(n int, d time.Duration, by string) limit {
	return limit{redis.Limit{Events: n, Per: d}, by}
}

// maxForm bounds the body of every route but the upload.
const maxForm = 256 << 10

// guard is the way into every handler: who is it, may they, how often, and is the request well formed.
func (s *server) guard(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		req := c.Request()
		seenIn(req.Context()).route = r.path
		if !r.upload {
			req.Body = http.MaxBytesReader(c.Response(), req.Body, maxForm)
		}
		if r.who == website || r.who == visitor {
			return s.guardSite(c, r)
		}
		switch r.who {
		case anyone:
		case staff, inCase:
			if err := s.identifyStaff(c); err != nil {
				return s.signInFirst(c, "/staff/signin", err)
			}
		default:
			if err := s.identify(c, domain.Role(r.who)); err != nil {
				return s.signInFirst(c, "/signin", err)
			}
		}
		if r.who != anyone {
			c.Response().Header().Set("Cache-Control", "no-store")
		}
		if err := s.limited(c, r, domain.ID{}); err != nil {
			return err
		}
		if r.who == inCase {
			if err := s.enterCase(c, r); err != nil {
				return err
			}
		}
		if err := s.oneTenant(c, r); err != nil {
			return err
		}
		return r.handle(s, c)
	}
}

// identify puts the account of the session into the request, as the database has it now: a changed role counts at once.
func (s *server) identify(c echo.Context, need domain.Role) error {
	ctx := c.Request().Context()
	account, err := s.sessionAccount(ctx)
	if err != nil {
		return err
	}
	who := account.Identity()
	seenIn(ctx).identity = who
	c.Set("account", account)
	c.SetRequest(c.Request().WithContext(domain.WithIdentity(ctx, who)))
	if !who.Role.Allows(need) {
		return domain.NewError(domain.Forbidden, "Your role does not allow this. Ask an owner of your account.")
	}
	return nil
}

var errSignedOut = domain.NewError(domain.Unauthenticated, "You are signed out. Sign in and try again.")

func (s *server) sessionAccount(ctx context.Context) (tenant.Account, error) {
	tenantID, err := domain.ParseID(s.sessions.GetString(ctx, "tenant"))
	if err != nil {
		return tenant.Account{}, errSignedOut
	}
	userID, err := domain.ParseID(s.sessions.GetString(ctx, "user"))
	if err != nil {
		return tenant.Account{}, errSignedOut
	}
	account, err := s.Tenants.Account(ctx, tenantID, userID)
	if domain.CodeOf(err) == domain.NotFound {
		return tenant.Account{}, errSignedOut
	}
	if err == nil && account.Epoch != s.sessions.GetInt(ctx, "epoch") {
		return tenant.Account{}, errSignedOut
	}
	return account, err
}

// accountOf is who the guard found.
func accountOf(c echo.Context) (tenant.Account, bool) {
	account, ok := c.Get("account").(tenant.Account)
	return account, ok
}

// tenantOf is the tenant of the session, or of the case, the only one a handler ever passes on.
func tenantOf(c echo.Context) domain.ID {
	who, _ := domain.IdentityFrom(c.Request().Context())
	return who.TenantID
}

// signInFirst sends a person to the sign-in page and tells a machine 401.
func (s *server) signInFirst(c echo.Context, to string, err error) error {
	req := c.Request()
	if domain.CodeOf(err) != domain.Unauthenticated || wantsJSON(req) {
		return err
	}
	if req.Method == http.MethodGet && req.URL.Path != "/" && to == "/signin" {
		to += "?next=" + url.QueryEscape(req.URL.RequestURI())
	}
	if req.Header.Get("HX-Request") != "" {
		c.Response().Header().Set("HX-Redirect", to)
		return c.NoContent(http.StatusUnauthorized)
	}
	if req.Method == http.MethodGet && strings.Contains(req.Header.Get("Accept"), "text/html") {
		return c.Redirect(http.StatusSeeOther, to)
	}
	return err
}

// oneTenant refuses a request that names a tenant other than that of the session or the bot. Nothing reads these names; whoever sends one
// believes that something does.
func (s *server) oneTenant(c echo.Context, r route) error {
	named := []string{c.Request().Header.Get("X-Tenant-Id"), c.QueryParam("tenant_id")}
	if !r.upload && c.Request().Method == http.MethodPost && strings.HasPrefix(c.Request().Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if err := c.Request().ParseForm(); err != nil {
			return &domain.Error{Code: domain.BadRequest, Message: "The form cannot be read.", Err: err}
		}
		named = append(named, c.Request().PostForm["tenant_id"]...)
	}
	for _, name := range named {
		if name != "" && name != tenantOf(c).String() {
			return errOtherTenant
		}
	}
	return nil
}

// limited counts the request by the limit of its route; visitor is whoever asks it on a website.
func (s *server) limited(c echo.Context, r route, visitor domain.ID) error {
	if r.limit.Events == 0 {
		return nil
	}
	account, _ := accountOf(c)
	id := visitor.String()
	switch r.limit.by {
	case "ip":
		id = placeOf(c)
	case "member":
		id = account.User.ID.String()
	case "tenant":
		id = account.Tenant.ID.String()
	case "staff":
		id = staffOf(c).ID.String()
	}
	return s.count(c, r.method+" "+r.path+":"+r.limit.by+":"+id, r.limit.Limit)
}

// placeOf is where a request comes from, as that is counted: the address, of IPv6 its network, as each caller has all addresses of one.
func placeOf(c echo.Context) string {
	address, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return c.RealIP()
	}
	if address = address.Unmap(); address.Is4() {
		return address.String()
	}
	network, _ := address.Prefix(64) // fails beyond 128
	return network.String()
}

func (s *server) count(c echo.Context, key string, l redis.Limit) error {
	wait := s.Limiter.Allow(c.Request().Context(), key, l)
	if wait == 0 {
		return nil
	}
	return tooOften(wait)
}

func tooOften(wait time.Duration) error {
	return &domain.Error{Code: domain.RateLimited, RetryAfter: wait,
		Message: "That was too often. Try again in " + inWords(wait) + "."}
}

// render writes a page from a buffer, so that a template that fails half way sends no half page.
func render(c echo.Context, status int, page templ.Component) error {
	var buf bytes.Buffer
	if err := page.Render(c.Request().Context(), &buf); err != nil {
		return err
	}
	return c.HTMLBlob(status, buf.Bytes())
}

// newSessions makes the sessions of members, or with staff those of staff, which end sooner. They have one store and two
// cookies: neither opens a page of the other, whichever cookie a token is sent in, as each holds other things.
func newSessions(d Deps, staff bool) *scs.SessionManager {
	m := scs.New()
	m.Store = d.Sessions
	m.HashTokenInStore = true
	m.IdleTimeout = 12 * time.Hour
	m.Lifetime = 7 * 24 * time.Hour
	m.Cookie.Name = "bitb_session"
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.HttpOnly = true
	if staff {
		m.IdleTimeout = 30 * time.Minute
		m.Lifetime = 12 * time.Hour
		m.Cookie.Name = "bitb_staff"
		m.Cookie.SameSite = http.SameSiteStrictMode
	}
	if strings.HasPrefix(d.PublicURL, "https://") {
		m.Cookie.Name = "__Host-" + m.Cookie.Name
		m.Cookie.Secure = true
	}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		if r.Context().Err() != nil {
			return // nobody reads the answer any more
		}
		d.Log.WarnContext(r.Context(), "session store failed", "error", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "The database does not answer right now. Try again in a moment.", http.StatusServiceUnavailable)
	}
	return m
}

// besidePages reports whether a request runs beside the pages that a person looks at: an upload, the live rows, a list that
// loads itself again, a picture in a page.
func besidePages(r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/questions/") && refreshes(r) {
		return true
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/documents")
	return ok && (wantsJSON(r) || refreshes(r) || strings.Contains(path, "/pages/"))
}

// refreshes reports whether a page loads a part of itself again, without anybody having asked.
func refreshes(r *http.Request) bool { return r.Header.Get("X-Refresh") != "" }

// readSession loads the session and never writes it back. A request that takes long would write it as it was at its
// beginning, and bring back what was taken out of it in the meantime: a confirmation.
func (s *server) readSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		token := ""
		if cookie, err := r.Cookie(s.sessions.Cookie.Name); err == nil {
			token = cookie.Value
		}
		ctx, err := s.sessions.Load(r.Context(), token)
		if err != nil {
			s.sessions.ErrorFunc(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
