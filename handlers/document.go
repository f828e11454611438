package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/views"
)

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
