package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/views"
)

// page gathers what every page of a member shows around its content.
func (s *server) page(c echo.Context) (views.Page, error) {
	ctx := c.Request().Context()
	if who, _ := domain.IdentityFrom(ctx); who.StaffID != (domain.ID{}) {
		return s.staffPage(c), nil
	}
	account, _ := accountOf(c)
	list, err := s.Documents.Counts(ctx, account.Tenant.ID)
	if err != nil {
		return views.Page{}, err
	}
	conversations, err := s.Chat.Count(ctx, account.Tenant.ID)
	if err != nil {
		return views.Page{}, err
	}
	worse, err := s.Questions.Notice(ctx, account.Tenant.ID)
	if err != nil {
		return views.Page{}, err
	}
	page := views.Page{Account: account, Path: c.Request().URL.Path, Documents: list.All, Conversations: conversations, Worse: worse}
	if account.User.Role.Allows(domain.Admin) {
		if page.LookingIn, err = s.Support.LookingIn(ctx, account.Tenant.ID); err != nil {
			return views.Page{}, err
		}
	}
	if !refreshes(c.Request()) {
		page.Flash = views.Flash{Text: s.sessions.PopString(ctx, "flash"), Bad: s.sessions.PopBool(ctx, "flash_bad"), Undo: s.sessions.PopString(ctx, "flash_undo")}
	}
	return page, nil
}

// done answers a form that worked: the next page confirms it.
func (s *server) done(c echo.Context, to, sentence string) error {
	return s.goOn(c, to, views.Flash{Text: sentence})
}

// notDone answers a form that did not, where there is no field to show it at.
func (s *server) notDone(c echo.Context, to string, err *domain.Error) error {
	return s.goOn(c, to, views.Flash{Text: err.Message, Bad: true})
}

func (s *server) goOn(c echo.Context, to string, f views.Flash) error {
	ctx, sessions := c.Request().Context(), s.sessions
	if staffPath(c.Request().URL.Path) {
		sessions = s.staffSessions
	}
	sessions.Put(ctx, "flash", f.Text)
	sessions.Put(ctx, "flash_bad", f.Bad)
	sessions.Put(ctx, "flash_undo", f.Undo)
	return c.Redirect(http.StatusSeeOther, to)
}

// text makes what a person typed fit for the database, which takes neither NUL nor broken UTF-8.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// search is text for a search field: its end cut off where nobody types on.
func search(s string) string {
	s = strings.TrimSpace(text(s))
	if r := []rune(s); len(r) > 200 {
		return string(r[:200])
	}
	return s
}

// pageNumber reads a page of a list, from 1; what is no number is the first page.
func pageNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 1
	}
	return min(n, 1_000_000)
}

// idParam reads an id of the path. One that is malformed is the caller's mistake, not an object that is missing.
func idParam(c echo.Context, name string) (domain.ID, error) { return domain.ParseID(c.Param(name)) }

// inWords is a wait as a person says it.
func inWords(d time.Duration) string {
	switch n := seconds(d); {
	case n <= 1:
		return "a second"
	case n < 90:
		return strconv.Itoa(n) + " seconds"
	case n < 90*60:
		return strconv.Itoa((n+59)/60) + " minutes"
	default:
		return strconv.Itoa((n+3599)/3600) + " hours"
	}
}

func documentFilter(c echo.Context) document.Filter {
	f := document.Filter{
		Search: search(c.QueryParam("q")), Page: pageNumber(c.QueryParam("page")),
		Sort: document.Sort(c.QueryParam("sort")), Desc: c.QueryParam("dir") == "desc",
	}
	switch status := c.QueryParam("status"); status {
	case "ready", "busy", "failed":
		f.Status = status
	}
	switch f.Sort {
	case document.ByName, document.BySize, document.ByChunks:
	case document.ByUpdated:
		f.Desc = c.QueryParam("dir") != "asc"
	default:
		f.Sort, f.Desc = document.ByUpdated, true
	}
	return f
}

func conversationFilter(c echo.Context) chat.ConversationFilter {
	f := chat.ConversationFilter{Search: search(c.QueryParam("q")), Page: pageNumber(c.QueryParam("page"))}
	switch kind := c.QueryParam("kind"); kind {
	case "visitors", "playground", "unfound":
		f.Kind = kind
	}
	return f
}
