package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
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

var errTooLarge = domain.NewError(domain.TooLarge, "This file is larger than 25 MB. Split it, or save a smaller copy.")

// maxUpload leaves room for the multipart frame around one file of the largest size.
const maxUpload = document.MaxFileBytes + 64<<10

// uploaded is what the upload answers to a script, for one file.
type uploaded struct {
	ID        domain.ID `json:"id"`
	Name      string    `json:"name"`
	Duplicate bool      `json:"duplicate"`
	Existing  string    `json:"existing,omitempty"`
	Message   string    `json:"message"`
}

// upload takes files in the field "file". A script sends one a request and reads JSON; the plain form may send several.
// What is too large is refused by its stated length, before it is read.
func (s *server) upload(c echo.Context) error {
	req := c.Request()
	single := wantsJSON(req)
	if single && req.ContentLength > maxUpload {
		c.Response().Header().Set("Connection", "close")
		return errTooLarge
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-req.Context().Done():
		return req.Context().Err()
	}
	parts, err := req.MultipartReader()
	if err != nil {
		return &domain.Error{Code: domain.BadRequest, Message: "Send the file as a form with the field \"file\".", Err: err}
	}
	var results []uploaded
	var failed *domain.Error
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n > 100 {
			return &domain.Error{Code: domain.BadRequest, Message: "The upload broke off before it was complete. Nothing of it was kept.", Err: err}
		}
		if part.FormName() != "file" {
			return domain.NewError(domain.BadRequest, "The upload has a field that is not a file.")
		}
		one, err := s.storePart(c, part)
		if e, ok := errors.AsType[*domain.Error](err); ok && !single && e.Code != domain.Unavailable {
			failed = &domain.Error{Code: e.Code, Message: document.CleanName(part.FileName()) + ": " + e.Message}
			continue
		}
		if err != nil {
			return err
		}
		results = append(results, one)
		if single {
			break
		}
	}
	return s.uploadDone(c, results, failed)
}

func (s *server) storePart(c echo.Context, part *multipart.Part) (uploaded, error) {
	account, _ := accountOf(c)
	var content bytes.Buffer
	n, err := content.ReadFrom(io.LimitReader(part, document.MaxFileBytes+1))
	switch {
	case err != nil:
		return uploaded{}, &domain.Error{Code: domain.BadRequest, Message: "The upload broke off before it was complete. Nothing of it was kept.", Err: err}
	case n > document.MaxFileBytes:
		c.Response().Header().Set("Connection", "close")
		return uploaded{}, errTooLarge
	case n == 0:
		return uploaded{}, domain.NewError(domain.Invalid, "This file is empty. Check it and upload it again.")
	}
	format, err := s.Sniff(content.Bytes(), part.FileName())
	if err != nil {
		return uploaded{}, err
	}
	stored, err := s.Documents.Store(c.Request().Context(), account.Tenant.ID,
		document.Upload{Name: part.FileName(), Format: format, Content: content.Bytes(), By: account.User.ID})
	if err != nil {
		return uploaded{}, err
	}
	one := uploaded{ID: stored.ID, Name: document.CleanName(part.FileName()), Message: "Uploaded. It answers when it is ready."}
	if stored.Duplicate {
		one.Duplicate, one.Existing = true, stored.Name
		one.Message = fmt.Sprintf("You have this file already, as “%s”. It was not stored again.", stored.Name)
	}
	return one, nil
}

func (s *server) uploadDone(c echo.Context, results []uploaded, failed *domain.Error) error {
	if wantsJSON(c.Request()) {
		if len(results) == 0 {
			return domain.NewError(domain.BadRequest, "There is no file in this upload.")
		}
		status := http.StatusCreated
		if results[0].Duplicate {
			status = http.StatusOK
		}
		return c.JSON(status, results[0])
	}
	switch {
	case failed != nil:
		return s.notDone(c, "/documents", failed)
	case len(results) == 0:
		return s.notDone(c, "/documents", domain.NewError(domain.BadRequest, "Choose a file first."))
	case len(results) == 1:
		return s.done(c, "/documents", results[0].Message)
	}
	return s.done(c, "/documents", fmt.Sprintf("%d files were uploaded. They answer when they are ready.", len(results)))
}

func (s *server) documentChunks(c echo.Context) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	v := views.ChunksView{Document: d}
	filter := document.ChunkFilter{Search: search(c.QueryParam("q")), Page: pageNumber(c.QueryParam("page"))}
	if chosen := c.QueryParam("chunk"); chosen != "" {
		if v.Selected, err = s.selectedChunk(c, chosen, d.ID); err != nil {
			return err
		}
		if c.QueryParam("page") == "" && filter.Search == "" {
			filter.Page = (v.Selected.Ordinal-1)/document.ChunkPageSize + 1
		}
	}
	if v.Chunks, err = s.Documents.Chunks(ctx, tenantID, d.ID, filter); err != nil {
		return err
	}
	number := sourcePage(c, d, v)
	if v.Source, err = s.Documents.PageText(ctx, tenantID, d.ID, number); err != nil && domain.CodeOf(err) != domain.NotFound {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.DocumentChunks(page, v))
}

// sourcePage is the page of the original that is shown beside the chunks: the one asked for, else the selected chunk's,
// else that of the first chunk on the list.
func sourcePage(c echo.Context, d document.Document, v views.ChunksView) int {
	switch {
	case d.Pages == 0:
		return 0
	case c.QueryParam("source") != "":
		return min(pageNumber(c.QueryParam("source")), d.Pages)
	case v.Selected != nil:
		return max(1, v.Selected.PageFrom)
	case len(v.Chunks.Chunks) > 0:
		return max(1, v.Chunks.Chunks[0].PageFrom)
	}
	return 1
}

func (s *server) selectedChunk(c echo.Context, chosen string, documentID domain.ID) (*document.Chunk, error) {
	id, err := domain.ParseID(chosen)
	if err != nil {
		return nil, err
	}
	chunk, err := s.Documents.Chunk(c.Request().Context(), tenantOf(c), id)
	if err == nil && chunk.DocumentID != documentID {
		err = domain.NewError(domain.NotFound, "This document has no such chunk.")
	}
	return &chunk, err
}

func (s *server) documentText(c echo.Context) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	// A text without pages is stored as one and shown in parts; the page knows how many there are.
	v := views.TextView{Document: d, Pages: max(1, d.Pages), At: pageNumber(c.QueryParam("page"))}
	number := 0
	if d.Pages > 0 {
		v.At = min(v.At, d.Pages)
		number = v.At
	}
	v.Page, err = s.Documents.PageText(c.Request().Context(), tenantOf(c), d.ID, number)
	if err != nil && domain.CodeOf(err) != domain.NotFound {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.DocumentText(page, v))
}

func (s *server) documentDetails(c echo.Context) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.DocumentDetails(page, d))
}

// documentFile sends the original as a download that no browser opens in place: it may be a page with scripts.
func (s *server) documentFile(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	number, err := versionParam(c.QueryParam("version"))
	if err != nil {
		return err
	}
	d, content, err := s.Documents.Original(c.Request().Context(), tenantOf(c), id, number)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Disposition", "attachment; filename=\""+asciiName(d.Name)+"\"; filename*=UTF-8''"+strings.ReplaceAll(url.QueryEscape(d.Name), "+", "%20"))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	return c.Blob(http.StatusOK, "application/octet-stream", content)
}

func asciiName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/' {
			return '_'
		}
		return r
	}, name)
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

// chunk opens a chunk where it stands: a short address that a citation can be shared with.
func (s *server) chunk(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	chunk, err := s.Documents.Chunk(c.Request().Context(), tenantOf(c), id)
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/documents/%s?chunk=%s#chunk-%s", chunk.DocumentID, id, id))
}

func (s *server) documentParam(c echo.Context) (document.Document, error) {
	id, err := idParam(c, "id")
	if err != nil {
		return document.Document{}, err
	}
	d, err := s.Documents.Get(c.Request().Context(), tenantOf(c), id)
	if domain.CodeOf(err) == domain.NotFound {
		return d, domain.NewError(domain.NotFound, "There is no such document. It may have been deleted.")
	}
	return d, err
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

// versionParam is the number of a version, 0 where none is named.
func versionParam(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, domain.NewError(domain.NotFound, "This document has no such version.")
	}
	return n, nil
}
