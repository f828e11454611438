package handlers

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/redis"
)

// Refusals that somebody gets who reaches for what is another tenant's. Row-level security makes another tenant's id look
// like one that never was, to us too, so that one of them means little. Many for one actor do not happen by themselves.
const (
	deniedID     = "unknown_id"   // nothing of the caller's tenant has this id: an old link, or somebody who guesses
	deniedTenant = "other_tenant" // the request names another tenant than the session's
	deniedSite   = "origin"       // a page that is not on the bot's list uses its widget
	deniedCase   = "case"         // staff without this case
)

// manyDenied is what one actor may be denied before it is suspicious. Redis counts, for all processes.
var manyDenied = redis.Limit{Events: 20, Per: 10 * time.Minute}

var (
	errOtherTenant = domain.NewError(domain.BadRequest, "The tenant is the one you are signed in to. Leave tenant_id out.")
	errOrigin      = domain.NewError(domain.Forbidden, "This site is not on the bot's list of allowed sites. Add it on the Bot page.")
)

// deniedAs tells which of the refusals an error is; "" for any other.
func deniedAs(about *seen, err error) string {
	code := domain.CodeOf(err)
	switch {
	case errors.Is(err, errOtherTenant):
		return deniedTenant
	case errors.Is(err, errOrigin):
		return deniedSite
	case errors.Is(err, domain.ErrCaseOver):
		return ""
	case strings.HasPrefix(about.route, "/staff/cases/:case") && (code == domain.NotFound || code == domain.Forbidden):
		return deniedCase
	case code == domain.NotFound && strings.Contains(about.route, "/:") && about.actor() != "":
		return deniedID
	}
	return ""
}

// watch counts what an error says of whoever made the request.
func (s *server) watch(c echo.Context, err error) {
	ctx := c.Request().Context()
	about := seenIn(ctx)
	kind := deniedAs(about, err)
	if kind == "" {
		return
	}
	s.Metrics.Denied(kind)
	actor := about.actor()
	if actor == "" {
		actor = "address:" + placeOf(c)
	}
	if s.Limiter.Allow(ctx, "denied:"+actor, manyDenied) > 0 {
		s.Metrics.Suspicious("denials")
		s.Log.WarnContext(ctx, "one actor is denied again and again", "kind", kind, "suspect", actor)
	}
}

// signInRefused counts a wrong password or code, or one that was not even looked at because there had been so many.
func (s *server) signInRefused(ctx context.Context, who string, err error) {
	throttled := domain.CodeOf(err) == domain.RateLimited
	s.Metrics.SignInRefused(who, throttled)
	s.Log.WarnContext(ctx, "sign-in refused", "who", who, "throttled", throttled)
}
