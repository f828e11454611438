package handlers

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/tenant"
	"bitb/views"
)

// What a person does to a chunk is answered with its article where htmx puts that in place, and else with the way back to
// where it stands.

// chunk opens a chunk where it stands: a short address that a citation can be shared with.
func (s *server) chunk(c echo.Context) error {
	chunk, err := s.chunkParam(c)
	if err != nil {
		return err
	}
	if fragment(c) {
		return s.chunkAnswer(c, http.StatusOK, views.ChunkResult{Chunk: chunk, Focus: true})
	}
	return c.Redirect(http.StatusSeeOther, views.ChunkAddress(chunk.DocumentID, chunk.ID))
}

// editChunk shows a chunk as a form in its place. With an edit that waits for a decision it can begin with that one's words.
func (s *server) editChunk(c echo.Context) error {
	chunk, err := s.chunkParam(c)
	if err != nil {
		return err
	}
	form := views.ChunkForm{Chunk: chunk, Text: chunk.Text}
	if e := chunk.Edit; c.QueryParam("with") == "edit" && e != nil && e.Text != nil {
		form.Text = *e.Text
	}
	return s.chunkForm(c, http.StatusOK, form)
}

func (s *server) saveChunk(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	account, _ := accountOf(c)
	typed := c.FormValue("text")
	chunk, err := s.Documents.EditChunk(c.Request().Context(), account.Tenant.ID, id, c.FormValue("was"), typed, account.User.ID)
	if e, ok := asError(err, domain.Invalid, domain.Conflict, domain.Unavailable, domain.RateLimited); ok && !wantsJSON(c.Request()) {
		form := views.ChunkForm{Text: text(typed), Err: e}
		if form.Chunk, err = s.chunkParam(c); err == nil {
			return s.chunkForm(c, statuses[e.Code], form)
		}
	}
	if domain.CodeOf(err) == domain.NotFound {
		return domain.NewError(domain.NotFound, "This chunk is gone: its document was read again, or deleted. Copy your words, open the document anew, and put them into the chunk that has its place.")
	}
	if err != nil {
		return err
	}
	return s.chunkDone(c, views.ChunkResult{Chunk: chunk, Said: fmt.Sprintf("Chunk %d was saved.", chunk.Ordinal), Focus: true})
}

func (s *server) undoChunk(c echo.Context) error {
	return s.onChunk(c, func(a tenant.Account, id domain.ID) (views.ChunkResult, error) {
		chunk, err := s.Documents.UndoEdit(c.Request().Context(), a.Tenant.ID, id, a.User.ID)
		said := fmt.Sprintf("Chunk %d has the document’s words again.", chunk.Ordinal)
		return views.ChunkResult{Chunk: chunk, Said: said, Toast: said + " Edit it to bring yours back.", Focus: true}, err
	})
}

// deleteChunk removes a chunk that was added by hand.
func (s *server) deleteChunk(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	documentID, err := s.Documents.RemoveAddition(c.Request().Context(), tenantOf(c), id)
	to := "/documents/" + documentID.String()
	if err != nil { // it is still there
		to = back(c)
	}
	return s.ended(c, to, "What was added by hand was deleted.", err)
}

func (s *server) chunkOff(c echo.Context) error { return s.switchChunk(c, true) }
func (s *server) chunkOn(c echo.Context) error  { return s.switchChunk(c, false) }

func (s *server) switchChunk(c echo.Context, off bool) error {
	return s.onChunk(c, func(a tenant.Account, id domain.ID) (views.ChunkResult, error) {
		chunk, err := s.Documents.SetChunkOff(c.Request().Context(), a.Tenant.ID, id, off, a.User.ID)
		said := fmt.Sprintf("Chunk %d is used in answers.", chunk.Ordinal)
		if off {
			said = fmt.Sprintf("Chunk %d is left out of answers.", chunk.Ordinal)
		}
		return views.ChunkResult{Chunk: chunk, Said: said}, err
	})
}

// onChunk does something to a chunk that needs no form. What is refused is said beside it.
func (s *server) onChunk(c echo.Context, do func(a tenant.Account, id domain.ID) (views.ChunkResult, error)) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	account, _ := accountOf(c)
	result, err := do(account, id)
	e, refused := asError(err, domain.Conflict)
	if !refused || wantsJSON(c.Request()) {
		if err != nil {
			return err
		}
		return s.chunkDone(c, result)
	}
	chunk, err := s.chunkParam(c)
	if err != nil {
		return err
	}
	if fragment(c) {
		return s.chunkAnswer(c, statuses[e.Code], views.ChunkResult{Chunk: chunk, Refused: e.Message})
	}
	return s.notDone(c, s.backToChunk(c, chunk), e)
}

// decideEdit ends a conflict between an edit and what the document says now.
func (s *server) decideEdit(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	account, _ := accountOf(c)
	decision := document.Decision(c.FormValue("decision"))
	e, err := s.Documents.Edit(c.Request().Context(), account.Tenant.ID, id)
	if err != nil {
		return err
	}
	err = s.Documents.Resolve(c.Request().Context(), account.Tenant.ID, id, decision, account.User.ID)
	to := "/documents/" + e.DocumentID.String()
	if decision == document.KeepEdit {
		return s.ended(c, to, "The edit is kept. It answers from now on.", err)
	}
	return s.ended(c, to, "The edit was let go. The document’s own words answer.", err)
}

func (s *server) chunkParam(c echo.Context) (document.Chunk, error) {
	id, err := idParam(c, "id")
	if err != nil {
		return document.Chunk{}, err
	}
	return s.Documents.Chunk(c.Request().Context(), tenantOf(c), id)
}

// fragment reports whether htmx asks, which takes a part of a page.
func fragment(c echo.Context) bool {
	c.Response().Header().Add("Vary", "HX-Request")
	return c.Request().Header.Get("HX-Request") != ""
}

func (s *server) chunkDone(c echo.Context, r views.ChunkResult) error {
	if fragment(c) {
		return s.chunkAnswer(c, http.StatusOK, r)
	}
	sentence := r.Toast
	if sentence == "" {
		sentence = r.Said
	}
	return s.done(c, s.backToChunk(c, r.Chunk), sentence)
}

// chunkAnswer renders a chunk's article as the page that asks for it shows chunks.
func (s *server) chunkAnswer(c echo.Context, status int, r views.ChunkResult) error {
	v, page, err := s.chunkFragment(c, r.Chunk)
	if err != nil {
		return err
	}
	return render(c, status, views.ChunkAnswer(page, v, r))
}

func (s *server) chunkForm(c echo.Context, status int, form views.ChunkForm) error {
	if fragment(c) {
		v, _, err := s.chunkFragment(c, form.Chunk)
		if err != nil {
			return err
		}
		v.Form = &form
		return render(c, status, views.ChunkEditor(v))
	}
	d, err := s.Documents.Get(c.Request().Context(), tenantOf(c), form.Chunk.DocumentID)
	if err != nil {
		return err
	}
	return s.renderInspector(c, status, d, url.Values{"chunk": {form.Chunk.ID.String()}}, &form)
}

// chunkFragment is the view that a single article is rendered with: as the address says that the browser shows.
func (s *server) chunkFragment(c echo.Context, chunk document.Chunk) (views.ChunksView, views.Page, error) {
	account, _ := accountOf(c)
	d, err := s.Documents.Get(c.Request().Context(), account.Tenant.ID, chunk.DocumentID)
	if err != nil {
		return views.ChunksView{}, views.Page{}, err
	}
	params := url.Values{}
	if shown, err := url.Parse(c.Request().Header.Get("HX-Current-URL")); err == nil {
		params = shown.Query()
	}
	v := s.inspectorOf(d, params)
	if params.Get("chunk") == chunk.ID.String() {
		v.Selected = &chunk
	}
	return v, views.Page{Account: account, Path: "/documents/" + d.ID.String()}, nil
}

// backToChunk is the page that a form came from, at the chunk, where that is the inspector of its document.
func (s *server) backToChunk(c echo.Context, chunk document.Chunk) string {
	u, err := url.Parse(c.Request().Referer())
	if err != nil || u.Path != "/documents/"+chunk.DocumentID.String() {
		return views.ChunkAddress(chunk.DocumentID, chunk.ID)
	}
	return localPath(u.RequestURI()) + "#chunk-" + chunk.ID.String()
}
