package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

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
	return s.renderInspector(c, http.StatusOK, d, c.QueryParams(), nil)
}

// renderInspector shows a document taken apart, as the parameters say; form is a chunk of it that is being edited, or nil.
func (s *server) renderInspector(c echo.Context, status int, d document.Document, params url.Values, form *views.ChunkForm) error {
	v, err := s.inspector(c, d, params)
	if err != nil {
		return err
	}
	v.Form = form
	page, err := s.page(c)
	if err != nil {
		return err
	}
	page.Path = "/documents/" + d.ID.String()
	return render(c, status, views.DocumentChunks(page, v))
}

// inspector gathers what the inspector shows.
func (s *server) inspector(c echo.Context, d document.Document, params url.Values) (views.ChunksView, error) {
	v := s.inspectorOf(d, params)
	if !d.HasChunks() {
		return v, nil
	}
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	var err error
	if chosen := params.Get("chunk"); chosen != "" {
		v.Selected, err = s.selectedChunk(c, chosen, d.ID)
		if v.Gone = domain.CodeOf(err) == domain.NotFound; err != nil && !v.Gone {
			return v, err
		}
	}
	filter := v.Chunks.Filter
	if v.Selected != nil && params.Get("page") == "" && filter.Search == "" && filter.Only == "" {
		filter.Page = (v.Selected.Ordinal-1)/document.ChunkPageSize + 1
	}
	if v.Chunks, err = s.Documents.Chunks(ctx, tenantID, d.ID, filter); err != nil {
		return v, err
	}
	v.Source, err = s.Documents.PageText(ctx, tenantID, d.ID, sourcePage(params.Get("source"), v))
	if err != nil && domain.CodeOf(err) != domain.NotFound {
		return v, err
	}
	if v.Pictures && !v.AsText {
		if v.Places, err = s.Documents.Places(ctx, tenantID, d.ID, v.Source); err != nil {
			return v, err
		}
	}
	if d.Conflicts > 0 {
		v.Conflicts, err = s.Documents.Conflicts(ctx, tenantID, d.ID)
	}
	return v, err
}

// inspectorOf is what the parameters alone say of the inspector.
func (s *server) inspectorOf(d document.Document, params url.Values) views.ChunksView {
	v := views.ChunksView{Document: d, AsText: params.Get("as") == "text", Zoom: min(pageNumber(params.Get("zoom")), views.MostZoom)}
	if params.Get("zoom") == "" {
		v.Zoom = 0
	}
	v.Pictures = s.RenderPage != nil && hasPictures(d)
	v.Chunks.Filter = document.ChunkFilter{Search: search(params.Get("q")), Page: pageNumber(params.Get("page"))}
	if only := params.Get("only"); only == "edited" || only == "off" {
		v.Chunks.Filter.Only = only
	}
	return v
}

// hasPictures reports whether pages of the document can be shown as they were printed.
func hasPictures(d document.Document) bool { return d.HasChunks() && d.Format == "pdf" && d.Pages > 0 }

// sourcePage is the page of the original that is shown beside the chunks: the one asked for, else the selected chunk's,
// else that of the first chunk on the list.
func sourcePage(asked string, v views.ChunksView) int {
	switch {
	case v.Document.Pages == 0:
		return 0
	case asked != "":
		return min(pageNumber(asked), v.Document.Pages)
	case v.Selected != nil && v.Selected.PageFrom > 0:
		return v.Selected.PageFrom
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
	if err != nil {
		return nil, err
	}
	return &chunk, nil
}

const renderTimeout = 20 * time.Second

// pagePicture sends a picture of a page of the version that answers. With that version in its address it never changes.
func (s *server) pagePicture(c echo.Context) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	page, width, ok := pictureParams(c, d)
	if !ok || s.RenderPage == nil {
		return domain.NewError(domain.NotFound, "There is no picture of such a page.")
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "private, no-cache")
	if c.QueryParam("v") != "" {
		h.Set("Cache-Control", "private, max-age=86400, immutable")
	}
	h.Set("ETag", fmt.Sprintf(`"%d-%d-%d"`, d.Live, page, width))
	if strings.Contains(c.Request().Header.Get("If-None-Match"), h.Get("ETag")) {
		return c.NoContent(http.StatusNotModified)
	}
	picture, mediaType, err := s.renderPage(c.Request().Context(), tenantOf(c), d, page, width)
	if err != nil {
		h.Del("ETag")
		return err
	}
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	return c.Blob(http.StatusOK, mediaType, picture)
}

// pictureParams reads which page is wanted and how wide. Only the version that answers has pictures.
func pictureParams(c echo.Context, d document.Document) (page, width int, ok bool) {
	page, err := strconv.Atoi(c.Param("n"))
	if err != nil || page < 1 || page > d.Pages || !hasPictures(d) {
		return 0, 0, false
	}
	if version := c.QueryParam("v"); version != "" && version != strconv.Itoa(d.Live) {
		return 0, 0, false
	}
	widths := views.PictureWidths()
	width = widths[0]
	if wanted := c.QueryParam("w"); wanted != "" {
		width, err = strconv.Atoi(wanted)
	}
	return page, width, err == nil && slices.Contains(widths, width)
}

// renderPage waits for its turn, as each picture takes the memory of a whole file and of a process; a client that goes away
// gives its turn up.
func (s *server) renderPage(ctx context.Context, tenantID domain.ID, d document.Document, page, width int) (picture []byte, mediaType string, err error) {
	select {
	case s.renders <- struct{}{}:
		defer func() { <-s.renders }()
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	_, content, err := s.Documents.Original(ctx, tenantID, d.ID, d.Live)
	if err != nil {
		return nil, "", err
	}
	picture, mediaType, err = s.RenderPage(ctx, content, page, width)
	if _, known := errors.AsType[*domain.Error](err); err != nil && !known && !errors.Is(err, context.Canceled) {
		err = &domain.Error{Code: domain.Unavailable, Message: "This page cannot be shown as a picture. Look at its text instead.", Err: err}
	}
	return picture, mediaType, err
}

func (s *server) documentText(c echo.Context) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	// A text without pages is stored as one and shown in parts; the page knows how many there are.
	v := views.TextView{Document: d, Pages: max(1, d.Pages), At: pageNumber(c.QueryParam("page")), Part: pageNumber(c.QueryParam("part"))}
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
	v := views.DetailsView{Document: d}
	if v.Versions, err = s.Documents.Versions(c.Request().Context(), tenantOf(c), d.ID); err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.DocumentDetails(page, v))
}

// restoreVersion goes back to an older file, as a new version.
func (s *server) restoreVersion(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	number, err := versionParam(c.Param("n"))
	if err != nil {
		return err
	}
	account, _ := accountOf(c)
	err = s.Documents.RestoreVersion(c.Request().Context(), account.Tenant.ID, id, number, account.User.ID)
	return s.ended(c, "/documents/"+id.String()+"/details",
		fmt.Sprintf("Version %d is in line to be read again. What answers now goes on until it is ready.", number), err)
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
	n, err := strconv.ParseInt(text, 10, 32) // what the database counts with
	if err != nil || n < 1 {
		return 0, domain.NewError(domain.NotFound, "This document has no such version.")
	}
	return int(n), nil
}
