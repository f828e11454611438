package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/redis"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
	"bitb/views"
)

func (s *server) start(c echo.Context) error {
	if _, err := s.sessionAccount(c.Request().Context()); err == nil {
		return c.Redirect(http.StatusSeeOther, "/documents")
	}
	return c.Redirect(http.StatusSeeOther, "/signin")
}

func (s *server) signInPage(c echo.Context) error {
	if _, err := s.sessionAccount(c.Request().Context()); err == nil {
		return c.Redirect(http.StatusSeeOther, localPath(c.QueryParam("next")))
	}
	return render(c, http.StatusOK, views.SignIn(views.SignInForm{Next: c.QueryParam("next"), Deleted: c.QueryParam("deleted") != "", ByInvitation: s.Tenants.NeedsInvitation()}))
}

// Five wrong passwords in a quarter of an hour for one address from one place, and a hundred for one address from all places but those
// from where that account was signed in to lately: however many places an attacker has, nobody is locked out from where they usually are.
var (
	signInHere       = redis.Limit{Events: 5, Per: 15 * time.Minute}
	signInEverywhere = redis.Limit{Events: 100, Per: 15 * time.Minute}
)

const usualFor = 30 * 24 * time.Hour

// throttleSignIn counts a try to sign in with an e-mail address, or refuses it after too many. worked is called when it was the right one.
// Anything may come as an address, of any length: hashed, none makes a key that is long, or another's.
func (s *server) throttleSignIn(c echo.Context, who, email string) (worked func(), err error) {
	ctx := c.Request().Context()
	everywhere := "signin:" + who + ":" + hash([]byte(strings.ToLower(strings.TrimSpace(email))))
	here := everywhere + ":" + placeOf(c)
	usual := "usual:" + hash([]byte(here))
	if err = s.count(c, here, signInHere); err == nil {
		if _, known := s.Cache.Get(ctx, usual); !known {
			err = s.count(c, everywhere, signInEverywhere)
		}
	}
	return func() {
		s.Limiter.Forget(ctx, here)
		s.Limiter.Forget(ctx, everywhere)
		s.Cache.Set(ctx, usual, []byte{1}, usualFor)
	}, err
}

func (s *server) signIn(c echo.Context) error {
	ctx := c.Request().Context()
	form := views.SignInForm{Email: text(c.FormValue("email")), Next: c.FormValue("next"), ByInvitation: s.Tenants.NeedsInvitation()}
	worked, err := s.throttleSignIn(c, "member", form.Email)
	var account tenant.Account
	if err == nil {
		account, err = s.Tenants.SignIn(ctx, form.Email, c.FormValue("password"))
	}
	if e, ok := asError(err, domain.Unauthenticated, domain.RateLimited); ok {
		s.signInRefused(ctx, "member", e)
		if wantsJSON(c.Request()) {
			return e
		}
		form.Err = e
		sayWhen(c, e)
		return render(c, statuses[e.Code], views.SignIn(form))
	}
	if err != nil {
		return err
	}
	worked()
	if err := s.beginSession(c, account, account.Epoch); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, localPath(form.Next))
}

// beginSession gives the browser a new token, so that one it was made to hold before is worth nothing.
func (s *server) beginSession(c echo.Context, a tenant.Account, epoch int) error {
	ctx := c.Request().Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew the session: %w", err)
	}
	s.sessions.Put(ctx, "tenant", a.Tenant.ID.String())
	s.sessions.Put(ctx, "user", a.User.ID.String())
	s.sessions.Put(ctx, "epoch", epoch)
	return nil
}

func (s *server) signUpPage(c echo.Context) error {
	form := views.SignUpForm{Invitation: search(c.QueryParam("invitation"))}
	if s.Tenants.NeedsInvitation() {
		invited, err := s.Tenants.Invited(c.Request().Context(), form.Invitation)
		if err != nil {
			return err
		}
		form.NotInvited = !invited
	}
	return render(c, http.StatusOK, views.SignUp(form))
}

func (s *server) signUp(c echo.Context) error {
	form := views.SignUpForm{Company: text(c.FormValue("company")), Name: text(c.FormValue("name")), Email: text(c.FormValue("email")),
		Invitation: search(c.FormValue("invitation"))}
	account, err := s.Tenants.SignUp(c.Request().Context(), tenant.SignUp{
		Company: form.Company, Name: form.Name, Email: form.Email, Password: c.FormValue("password"), Invitation: form.Invitation})
	if e, ok := asError(err, domain.Invalid, domain.Forbidden); ok {
		if wantsJSON(c.Request()) {
			return e
		}
		form.Err, form.NotInvited = e, e.Code == domain.Forbidden
		return render(c, statuses[e.Code], views.SignUp(form))
	}
	if err != nil {
		return err
	}
	if err := s.beginSession(c, account, account.Epoch); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/documents")
}

func (s *server) signOut(c echo.Context) error {
	if err := s.sessions.Destroy(c.Request().Context()); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return c.Redirect(http.StatusSeeOther, "/signin")
}

func (s *server) settings(c echo.Context) error {
	return s.settingsPage(c, http.StatusOK, views.SettingsView{})
}

func (s *server) settingsPage(c echo.Context, status int, v views.SettingsView) error {
	page, err := s.page(c)
	if err != nil {
		return err
	}
	if v.CompanyErr == nil {
		v.Company = page.Account.Tenant.Name
	}
	cutting, outdated, err := s.Documents.Cutting(c.Request().Context(), page.Account.Tenant.ID)
	if err != nil {
		return err
	}
	if v.Cutting.Err == nil {
		v.Cutting.Tokens, v.Cutting.Overlap = strconv.Itoa(cutting.Tokens), strconv.Itoa(cutting.Overlap)
	}
	v.Cutting.Outdated = outdated
	counts, err := s.Documents.Counts(c.Request().Context(), page.Account.Tenant.ID)
	if err != nil {
		return err
	}
	v.Models, v.Embedding = s.Models, counts.Embedding
	if v.Search.Err == nil {
		search, err := s.Retrieve.Settings(c.Request().Context(), page.Account.Tenant.ID)
		if err != nil {
			return err
		}
		v.Search = views.NewSearchForm(search)
	}
	v.Search.Measured = s.Retrieve.Defaults()
	return render(c, status, views.Settings(page, v))
}

func (s *server) renameTenant(c echo.Context) error {
	company := text(c.FormValue("company"))
	err := s.Tenants.Rename(c.Request().Context(), tenantOf(c), company)
	if e, ok := asError(err, domain.Invalid); ok {
		return s.settingsPage(c, http.StatusUnprocessableEntity, views.SettingsView{Company: company, CompanyErr: e})
	}
	if err != nil {
		return err
	}
	return s.done(c, "/settings", "The name was changed.")
}

func (s *server) saveCutting(c echo.Context) error {
	form := views.CuttingForm{Tokens: text(c.FormValue("tokens")), Overlap: text(c.FormValue("overlap"))}
	cutting := document.Cutting{Tokens: wholeNumber(form.Tokens), Overlap: wholeNumber(form.Overlap)}
	err := s.Documents.SetCutting(c.Request().Context(), tenantOf(c), cutting)
	if e, ok := asError(err, domain.Invalid); ok {
		if wantsJSON(c.Request()) {
			return e
		}
		form.Err = e
		return s.settingsPage(c, http.StatusUnprocessableEntity, views.SettingsView{Cutting: form})
	}
	if err != nil {
		return err
	}
	return s.done(c, "/settings#chunks", fmt.Sprintf("Documents are cut into chunks of about %d tokens from now on.", cutting.Tokens))
}

func (s *server) saveSearchForm(c echo.Context) error {
	form := searchForm(c)
	err := s.saveSearch(c.Request().Context(), tenantOf(c), settingsOf(form))
	if e, ok := asError(err, domain.Invalid); ok {
		if wantsJSON(c.Request()) {
			return e
		}
		form.Err = e
		return s.settingsPage(c, http.StatusUnprocessableEntity, views.SettingsView{Search: form})
	}
	if err != nil {
		return err
	}
	return s.done(c, "/settings#search-settings", "The search works like that from now on.")
}

// searchForm is what was typed of how the tenant searches.
func searchForm(c echo.Context) views.SearchForm {
	on := func(field string) bool { return c.FormValue(field) != "" }
	return views.SearchForm{Threshold: search(c.FormValue("threshold")), Limit: search(c.FormValue("limit")), Search: search(c.FormValue("search")),
		Spelling: on("spelling"), Rerank: on("rerank"), Duplicates: on("duplicates"), Neighbours: on("neighbours"), FollowUps: on("follow_ups")}
}

// settingsOf are the settings of a form, for the service to check.
func settingsOf(f views.SearchForm) retrieve.Settings {
	return retrieve.Settings{Threshold: decimal(f.Threshold), Limit: wholeNumber(f.Limit), Search: retrieve.Sides(f.Search), Spelling: f.Spelling,
		Rerank: f.Rerank, Duplicates: f.Duplicates, Neighbours: f.Neighbours, FollowUps: f.FollowUps}
}

func (s *server) resetSearch(c echo.Context) error {
	if err := s.saveSearch(c.Request().Context(), tenantOf(c), s.Retrieve.Defaults()); err != nil {
		return err
	}
	return s.done(c, "/settings#search-settings", "The search works as it was measured best.")
}

// wholeNumber reads a number that a person typed; what is none is outside all bounds.
func wholeNumber(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return -1
	}
	return n
}

func (s *server) changePassword(c echo.Context) error {
	account, _ := accountOf(c)
	epoch, err := s.Tenants.ChangePassword(c.Request().Context(), account, c.FormValue("current"), c.FormValue("password"))
	if e, ok := asError(err, domain.Invalid); ok {
		if e.Fields["current"] != "" {
			s.signInRefused(c.Request().Context(), "member", e)
		}
		return s.settingsPage(c, http.StatusUnprocessableEntity, views.SettingsView{PasswordErr: e})
	}
	if err != nil {
		return err
	}
	if err := s.beginSession(c, account, epoch); err != nil {
		return err
	}
	return s.done(c, "/settings", "Your password was changed. Everywhere else you are signed out.")
}

// deleteTenant ends the organisation of an owner, with everything in it.
func (s *server) deleteTenant(c echo.Context) error {
	ctx := c.Request().Context()
	account, _ := accountOf(c)
	err := s.Tenants.Delete(ctx, account, c.FormValue("password"), text(c.FormValue("name")))
	if e, ok := asError(err, domain.Invalid); ok {
		if e.Fields["password"] != "" {
			s.signInRefused(ctx, "member", e)
		}
		if wantsJSON(c.Request()) {
			return e
		}
		return s.settingsPage(c, http.StatusUnprocessableEntity, views.SettingsView{DeleteErr: e})
	}
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "organisation deleted by its owner")
	if err := s.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return c.Redirect(http.StatusSeeOther, "/signin?deleted=1")
}

// localPath lets a sign-in go on to an address of this server and to no other.
func localPath(next string) string {
	if len(next) < 2 || next[0] != '/' || next[1] == '/' || strings.ContainsAny(next, "\\\r\n\t\x00") || strings.HasPrefix(next, "/signin") {
		return "/documents"
	}
	return next
}
