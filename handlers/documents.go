package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
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
	if fragment(c) {
		return render(c, http.StatusOK, views.DocumentPart(page, list))
	}
	return render(c, http.StatusOK, views.Documents(page, list))
}

// act does something to the document of the address, and goes back to the page that the form stood on.
func (s *server) act(c echo.Context, do func(ctx context.Context, tenantID, id domain.ID) (sentence string, err error)) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	sentence, err := do(c.Request().Context(), tenantOf(c), id)
	return s.ended(c, back(c), sentence, err)
}

// ended goes on to a page that confirms what was done, or says what kept it from being done; other errors are for fail.
func (s *server) ended(c echo.Context, to, sentence string, err error) error {
	if e, ok := asError(err, domain.Conflict); ok && !wantsJSON(c.Request()) {
		return s.notDone(c, to, e)
	}
	if err != nil {
		return err
	}
	return s.done(c, to, sentence)
}

func (s *server) retryDocument(c echo.Context) error {
	return s.act(c, func(ctx context.Context, tenantID, id domain.ID) (string, error) {
		return "The document is in line again.", s.Documents.Retry(ctx, tenantID, id)
	})
}

func (s *server) readDocument(c echo.Context) error {
	return s.act(c, func(ctx context.Context, tenantID, id domain.ID) (string, error) {
		return "The document is in line to be read again. What was edited by hand is kept.", s.Documents.ReadAgain(ctx, tenantID, id)
	})
}

func (s *server) cancelDocument(c echo.Context) error {
	return s.act(c, func(ctx context.Context, tenantID, id domain.ID) (string, error) {
		kept, err := s.Documents.Cancel(ctx, tenantID, id)
		if kept > 0 {
			return fmt.Sprintf("Version %d of the document stays as it was.", kept), err
		}
		return "The document was stopped. Its file is here; retry to read it.", err
	})
}

func (s *server) leaveOutDocument(c echo.Context) error {
	return s.setOff(c, true, "“%s” is left out of answers.", "/on")
}

func (s *server) useDocument(c echo.Context) error {
	return s.setOff(c, false, "“%s” is used in answers.", "/off")
}

// setOff asks nobody first, so the confirmation takes it back.
func (s *server) setOff(c echo.Context, off bool, sentence, undo string) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	if err := s.Documents.SetOff(c.Request().Context(), tenantOf(c), d.ID, off); err != nil {
		return err
	}
	return s.goOn(c, back(c), views.Flash{Text: fmt.Sprintf(sentence, d.Name), Undo: "/documents/" + d.ID.String() + undo})
}

// retryFailed puts all in line again that failed and that another try can help.
func (s *server) retryFailed(c echo.Context) error {
	n, err := s.Documents.RetryFailed(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	return s.done(c, back(c), inLineAgain(n, "No document can be helped by another try."))
}

func (s *server) readOutdated(c echo.Context) error {
	n, err := s.Documents.ReadOutdated(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	return s.done(c, "/settings#chunks", inLineAgain(n, "All documents are cut as the settings say."))
}

func inLineAgain(n int, none string) string {
	switch n {
	case 0:
		return none
	case 1:
		return "1 document is in line again."
	}
	return fmt.Sprintf("%d documents are in line again.", n)
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
	rows := liveRows{page: page, sent: map[string][sha256.Size]byte{}}
	for {
		now, err := s.Documents.Changes(stream.ctx, account.Tenant.ID)
		switch {
		case err != nil: // the next look may find the database again
		case !s.identifiedStill(c):
			return nil
		default:
			if err := s.sendChanges(stream, &rows, now); err != nil {
				return nil // the reader went away
			}
		}
		if !stream.wait(hints) {
			return nil
		}
	}
}

// liveRows is what a page that is open was sent. Nothing is known at first: what changed between the page and the stream is
// sent once more rather than never.
type liveRows struct {
	page   views.Page
	known  map[domain.ID]int64
	sent   map[string][sha256.Size]byte // what was sent last, by the id of the row; "" are the counts
	looked time.Time                    // at all rows that move
}

// sendChanges sends the rows that read differently now. A document that changed is looked at now, and the others every few
// seconds: what waits moves up, and estimates grow old, while nothing of the document itself changes.
func (s *server) sendChanges(stream *stream, rows *liveRows, now map[domain.ID]int64) error {
	all := time.Since(rows.looked) >= lookAgain
	var look []domain.ID
	moved := len(rows.known) != len(now)
	for id, version := range now {
		changed := rows.known[id] != version
		moved = moved || changed
		if all || changed {
			look = append(look, id)
		}
	}
	if !moved && len(look) == 0 {
		return stream.ping()
	}
	documents, err := s.Documents.Some(stream.ctx, rows.page.Account.Tenant.ID, look)
	if err != nil {
		return nil
	}
	for _, d := range documents {
		if err := rows.send(stream, "message", d.ID.String(), views.DocumentRow(rows.page, d)); err != nil {
			return err
		}
	}
	if rows.known = now; all {
		rows.looked = time.Now()
	}
	if !moved {
		return stream.ping()
	}
	counts, err := s.Documents.Counts(stream.ctx, rows.page.Account.Tenant.ID)
	if err != nil {
		return nil
	}
	return rows.send(stream, "counts", "", views.DocumentCounts(rows.page, counts))
}

// send sends what reads otherwise than it was sent last.
func (r *liveRows) send(stream *stream, event, id string, part templ.Component) error {
	var html bytes.Buffer
	if err := part.Render(stream.ctx, &html); err != nil {
		return err
	}
	sum := sha256.Sum256(html.Bytes())
	if r.sent[id] == sum {
		return stream.ping()
	}
	r.sent[id] = sum
	return stream.event(event, html.Bytes())
}

// identifiedStill ends a stream soon after the session does.
func (s *server) identifiedStill(c echo.Context) bool {
	account, _ := accountOf(c)
	now, err := s.Tenants.Account(context.WithoutCancel(c.Request().Context()), account.Tenant.ID, account.User.ID)
	return err == nil && now.Epoch == account.Epoch
}
