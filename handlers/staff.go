package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/tenant"
	"bitb/views"
)

// identifyStaff puts the staff member of the session into the request, as the database has them now: whoever was removed is out
// with their next request. A member's session holds no staff member.
func (s *server) identifyStaff(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := domain.ParseID(s.staffSessions.GetString(ctx, "staff"))
	if err != nil {
		return errSignedOut
	}
	member, err := s.Support.Member(ctx, id)
	if domain.CodeOf(err) == domain.NotFound || (err == nil && member.Epoch != s.staffSessions.GetInt(ctx, "epoch")) {
		return errSignedOut
	}
	if err != nil {
		return err
	}
	c.Set("staff", member)
	s.becomes(c, member.Identity())
	return nil
}

// enterCase writes into the tenant's audit log what is about to be looked at, and only then lets the request into the tenant.
func (s *server) enterCase(c echo.Context, r route) error {
	id, err := idParam(c, "case")
	if err != nil {
		return err
	}
	visit := visitOf(c)
	if strings.Contains(r.path, ":id") {
		if visit.ObjectID, err = idParam(c, "id"); err != nil {
			return err
		}
	}
	open, err := s.Support.Look(c.Request().Context(), staffOf(c), id, visit)
	if err != nil {
		return err
	}
	c.Set("case", open)
	s.becomes(c, open.Identity(staffOf(c)))
	return nil
}

// becomes makes the rest of the request run as who.
func (s *server) becomes(c echo.Context, who domain.Identity) {
	ctx := c.Request().Context()
	seenIn(ctx).identity = who
	c.SetRequest(c.Request().WithContext(domain.WithIdentity(ctx, who)))
}

// staffOf and caseOf are what the guard found.
func staffOf(c echo.Context) tenant.StaffMember {
	m, _ := c.Get("staff").(tenant.StaffMember)
	return m
}
func caseOf(c echo.Context) (tenant.Case, bool) { v, ok := c.Get("case").(tenant.Case); return v, ok }

func visitOf(c echo.Context) tenant.Visit {
	about := seenIn(c.Request().Context())
	return tenant.Visit{Route: about.route, RequestID: about.id}
}

// staffPage gathers what every page of a staff member shows around its content.
func (s *server) staffPage(c echo.Context) views.Page {
	ctx := c.Request().Context()
	shell := views.StaffShell{Member: staffOf(c)}
	if open, ok := caseOf(c); ok {
		shell.Case = &open
	}
	return views.Page{Staff: &shell, Path: c.Request().URL.Path,
		Flash: views.Flash{Text: s.staffSessions.PopString(ctx, "flash"), Bad: s.staffSessions.PopBool(ctx, "flash_bad")}}
}

func (s *server) staffSignInPage(c echo.Context) error {
	if s.identifyStaff(c) == nil {
		return c.Redirect(http.StatusSeeOther, "/staff")
	}
	return render(c, http.StatusOK, views.StaffSignIn(views.SignInForm{}))
}

func (s *server) staffSignIn(c echo.Context) error {
	ctx := c.Request().Context()
	form := views.SignInForm{Email: text(c.FormValue("email"))}
	worked, err := s.throttleSignIn(c, "staff", form.Email)
	var member tenant.StaffMember
	if err == nil {
		member, err = s.Support.SignIn(ctx, form.Email, c.FormValue("password"), c.FormValue("code"))
	}
	if e, ok := asError(err, domain.Unauthenticated, domain.RateLimited); ok {
		s.signInRefused(ctx, "staff", e)
		if wantsJSON(c.Request()) {
			return e
		}
		form.Err = e
		sayWhen(c, e)
		return render(c, statuses[e.Code], views.StaffSignIn(form))
	}
	if err != nil {
		return err
	}
	worked()
	if err := s.staffSessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew the session: %w", err)
	}
	s.staffSessions.Put(ctx, "staff", member.ID.String())
	s.staffSessions.Put(ctx, "epoch", member.Epoch)
	return c.Redirect(http.StatusSeeOther, "/staff")
}

func (s *server) staffSignOut(c echo.Context) error {
	ctx := c.Request().Context()
	if err := s.Support.SignOut(ctx, staffOf(c), visitOf(c)); err != nil {
		return err
	}
	if err := s.staffSessions.Destroy(ctx); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return c.Redirect(http.StatusSeeOther, "/staff/signin")
}

func (s *server) tenants(c echo.Context) error {
	ctx := c.Request().Context()
	list, err := s.Support.Tenants(ctx, search(c.QueryParam("q")), pageNumber(c.QueryParam("page")))
	if err != nil {
		return err
	}
	open, err := s.Support.OpenCases(ctx, staffOf(c))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.StaffTenants(s.staffPage(c), views.TenantsView{List: list, Open: open}))
}

func (s *server) staffTenant(c echo.Context) error {
	return s.staffTenantPage(c, http.StatusOK, views.CaseForm{Minutes: tenant.CaseMinutes[1]})
}

func (s *server) staffTenantPage(c echo.Context, status int, form views.CaseForm) error {
	id, err := idParam(c, "tenant")
	if err != nil {
		return err
	}
	v := views.TenantView{Form: form}
	if v.Tenant, err = s.Support.Tenant(c.Request().Context(), id); err != nil {
		return err
	}
	open, err := s.Support.OpenCases(c.Request().Context(), staffOf(c))
	if err != nil {
		return err
	}
	for i := range open {
		if open[i].TenantID == id {
			v.Open = &open[i]
		}
	}
	return render(c, status, views.StaffTenant(s.staffPage(c), v))
}

func (s *server) openCase(c echo.Context) error {
	id, err := idParam(c, "tenant")
	if err != nil {
		return err
	}
	form := tenant.CaseForm{Reason: text(c.FormValue("reason")), Minutes: wholeNumber(c.FormValue("minutes")), Code: c.FormValue("code")}
	open, err := s.Support.OpenCase(c.Request().Context(), staffOf(c), id, form, visitOf(c))
	if e, ok := asError(err, domain.Invalid, domain.RateLimited); ok {
		if e.Code == domain.RateLimited || e.Fields["code"] != "" {
			s.signInRefused(c.Request().Context(), "staff", e)
		}
		if wantsJSON(c.Request()) {
			return e
		}
		return s.staffTenantPage(c, statuses[e.Code], views.CaseForm{Reason: form.Reason, Minutes: form.Minutes, Err: e})
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/staff/cases/"+open.ID.String())
}

func (s *server) closeCase(c echo.Context) error {
	id, err := idParam(c, "case")
	if err != nil {
		return err
	}
	closed, err := s.Support.CloseCase(c.Request().Context(), staffOf(c), id, visitOf(c))
	if err != nil {
		return err
	}
	return s.done(c, "/staff", "You left "+closed.TenantName+". The case is closed.")
}

// caseAnswers finds answers by an id, by words or by time.
func (s *server) caseAnswers(c echo.Context) error {
	v := views.CaseAnswersView{Search: search(c.QueryParam("q")), From: c.QueryParam("from"), To: c.QueryParam("to")}
	f := chat.AnswerFilter{After: placeParam(c.QueryParam("after"))}
	if id, err := domain.ParseID(strings.ToLower(v.Search)); err == nil {
		f.ID = id
	} else {
		f.Words = v.Search
	}
	var bad [2]bool
	f.From, bad[0] = dayParam(v.From)
	f.To, bad[1] = dayParam(v.To)
	if !f.To.IsZero() && len(v.To) == len(time.DateOnly) {
		f.To = f.To.AddDate(0, 0, 1) // the day itself counts
	}
	v.BadTime = bad[0] || bad[1]
	if !v.BadTime {
		var err error
		if v.Found, err = s.Chat.FindAnswers(c.Request().Context(), tenantOf(c), f); err != nil {
			return err
		}
	}
	if !v.Found.Next.At.IsZero() {
		v.Next = v.Found.Next.At.UTC().Format(time.RFC3339Nano) + "_" + v.Found.Next.ID.String()
	}
	v.First = f.After.At.IsZero()
	return render(c, http.StatusOK, views.CaseAnswers(s.staffPage(c), v))
}

// dayParam reads a day or a minute as a browser's field sends it; "" is none.
func dayParam(s string) (t time.Time, bad bool) {
	if s == "" {
		return t, false
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return t, false
		}
	}
	return t, true
}

func placeParam(s string) chat.Place {
	at, id, _ := strings.Cut(s, "_")
	when, err := time.Parse(time.RFC3339Nano, at)
	last, idErr := domain.ParseID(id)
	if err != nil || idErr != nil {
		return chat.Place{}
	}
	return chat.Place{At: when, ID: last}
}

func (s *server) caseConversation(c echo.Context) error {
	open, err := s.conversationHere(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.CaseConversation(s.staffPage(c), open))
}

func (s *server) caseFailures(c echo.Context) error {
	list, err := s.Documents.List(c.Request().Context(), tenantOf(c), document.Filter{Status: "failed", Desc: true, Sort: document.ByUpdated,
		Page: pageNumber(c.QueryParam("page"))})
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.CaseFailures(s.staffPage(c), list))
}

func (s *server) caseRetrievals(c echo.Context) error {
	list, err := s.Retrieve.Recent(c.Request().Context(), tenantOf(c), pageNumber(c.QueryParam("page")))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.CaseRetrievals(s.staffPage(c), list))
}

// audit shows members who of the support staff looked into their account, why and at what.
func (s *server) audit(c echo.Context) error {
	log, err := s.Support.Audit(c.Request().Context(), tenantOf(c), pageNumber(c.QueryParam("page")))
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.AuditLog(page, log))
}
