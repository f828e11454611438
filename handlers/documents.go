package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/views"
)

func (s *server) documents(c echo.Context) error {
	list, err := s.Documents.List(c.Request().Context(), tenantOf(c), documentFilter(c))
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	if c.Request().Header.Get("HX-Request") != "" {
		c.Response().Header().Set("Vary", "HX-Request")
		return render(c, http.StatusOK, views.DocumentResults(page, list))
	}
	return render(c, http.StatusOK, views.Documents(page, list))
}

func (s *server) retryDocument(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	err = s.Documents.Retry(c.Request().Context(), tenantOf(c), id)
	if e, ok := asError(err, domain.Conflict); ok && !wantsJSON(c.Request()) {
		return s.notDone(c, back(c), e)
	}
	if err != nil {
		return err
	}
	return s.done(c, back(c), "The document is in line again.")
}

func (s *server) deleteDocument(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	name, err := s.Documents.Delete(c.Request().Context(), tenantOf(c), id)
	if err != nil {
		return err
	}
	return s.done(c, "/documents", "“"+name+"” was deleted. The bot no longer answers from it.")
}

// back is the page of this server that a form came from.
func back(c echo.Context) string {
	u, err := url.Parse(c.Request().Referer())
	if err != nil || !strings.HasPrefix(u.Path, "/documents") {
		return "/documents"
	}
	return localPath(u.RequestURI())
}

// documentEvents streams the rows of documents that change, and the counts around them.
func (s *server) documentEvents(c echo.Context) error {
	account, _ := accountOf(c)
	page := views.Page{Account: account, Path: "/documents"}
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)() // the browser connects again, to a server that goes on
	stream := s.openStream(c, ctx)
	defer stream.close()
	hints := s.Hints.Listen(stream.ctx, document.Topic(account.Tenant.ID))
	// Nothing is known at first: what changed between the page and this stream is sent once more rather than never.
	var known map[domain.ID]int64
	for {
		now, err := s.Documents.Changes(stream.ctx, account.Tenant.ID)
		switch {
		case err != nil: // the next look may find the database again
		case !s.identifiedStill(c):
			return nil
		default:
			if err := s.sendChanges(stream, page, known, now); err != nil {
				return nil // the reader went away
			}
			known = now
		}
		if !stream.wait(hints) {
			return nil
		}
	}
}

func (s *server) sendChanges(stream *stream, page views.Page, known, now map[domain.ID]int64) error {
	var changed []domain.ID
	for id, version := range now {
		if known[id] != version {
			changed = append(changed, id)
		}
	}
	if len(changed) == 0 && len(known) == len(now) {
		return stream.ping()
	}
	documents, err := s.Documents.Some(stream.ctx, page.Account.Tenant.ID, changed)
	if err != nil {
		return nil
	}
	for _, d := range documents {
		if err := stream.html("message", views.DocumentRow(page, d)); err != nil {
			return err
		}
	}
	counts, err := s.Documents.Counts(stream.ctx, page.Account.Tenant.ID)
	if err != nil {
		return nil
	}
	return stream.html("counts", views.DocumentCounts(counts))
}

// identifiedStill ends a stream soon after the session does.
func (s *server) identifiedStill(c echo.Context) bool {
	account, _ := accountOf(c)
	now, err := s.Tenants.Account(context.WithoutCancel(c.Request().Context()), account.Tenant.ID, account.User.ID)
	return err == nil && now.Epoch == account.Epoch
}
