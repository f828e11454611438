package handlers_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
)

// chunk is a chunk as the database has it.
func (m *member) chunk(t *testing.T, id domain.ID) document.Chunk {
	t.Helper()
	c, err := m.app.documents.Chunk(t.Context(), m.account.Tenant.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shows fails for what a page lacks, and with a "-" before it for what it has.
func shows(t *testing.T, what string, r response, parts ...string) {
	t.Helper()
	for _, part := range parts {
		unwanted, not := strings.CutPrefix(part, "-")
		if not && strings.Contains(r.body, unwanted) {
			t.Errorf("%s shows %q", what, unwanted)
		}
		if !not && !strings.Contains(r.body, part) {
			t.Errorf("%s does not show %q: %.600s", what, part, r.body)
		}
	}
}

func leads(t *testing.T, what string, r response, to string) {
	t.Helper()
	want(t, what, r, http.StatusSeeOther)
	if got := r.Header.Get("Location"); got != to {
		t.Errorf("%s leads to %s, want %s", what, got, to)
	}
}

const (
	fare = "A ticket costs twelve euros."
	dogs = "Dogs travel free of charge."
)

var asHTMX = []string{"HX-Request", "true", "Accept", "*/*"}

func TestChunkIsEdited(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Ferry")
	id, chunks := m.ready(t, "ferry.txt", "The ferry sails at nine.", fare, dogs)
	at, inspector := "/chunks/"+chunks[1].String(), "/documents/"+id.String()
	place := inspector + "?chunk=" + chunks[1].String() + "#chunk-" + chunks[1].String()

	form := m.get(t, at+"/edit", "Accept", "text/html")
	want(t, "the form as a page", form, http.StatusOK)
	shows(t, "the form as a page", form, "<html", `name="was" value="`+fare+`"`, ">"+fare+"</textarea>", "Save chunk", dogs)
	part := m.get(t, at+"/edit", asHTMX...)
	shows(t, "the form as a part", part, "Save chunk", "-<html", "-"+dogs)
	leads(t, "the short address", m.get(t, at), place)
	shows(t, "what Cancel fetches", m.get(t, at, asHTMX...), fare, "autofocus", "-<textarea", "-<html")

	for _, c := range []struct {
		name, was, text string
		status          int
		say             string
	}{
		{"no text", fare, " \r\n", http.StatusUnprocessableEntity, "A chunk needs some text"},
		{"too long", fare, strings.Repeat("x", document.MaxChunkRunes+1), http.StatusUnprocessableEntity, "longer than 12,000"},
		{"changed meanwhile", "Something else.", "A ticket costs my price.", http.StatusConflict, "Somebody changed this chunk"},
	} {
		for kind, headers := range map[string][]string{"page": {"Accept", "text/html"}, "part": asHTMX} {
			r := m.post(t, at+"/text", url.Values{"was": {c.was}, "text": {c.text}}, headers...)
			want(t, c.name+" as a "+kind, r, c.status)
			shows(t, c.name+" as a "+kind, r, c.say, "<textarea", `name="was" value="`+fare+`"`, strings.TrimSpace(c.text))
		}
		want(t, c.name+" for a script", m.post(t, at+"/text", url.Values{"was": {c.was}, "text": {c.text}}, "Accept", "application/json"), c.status)
	}
	conflict := m.post(t, at+"/text", url.Values{"was": {"x"}, "text": {"A ticket costs my price."}}, asHTMX...)
	shows(t, "a conflict", conflict, "<ins>twelve euros</ins>", "Save mine in its place")

	r := m.post(t, at+"/text", url.Values{"was": {fare}, "text": {"A ticket costs <b>fourteen</b> euros."}}, asHTMX...)
	want(t, "save", r, http.StatusOK)
	shows(t, "the saved chunk", r, "<ins>&lt;b&gt;fourteen&lt;/b&gt;</ins>", "<del>twelve</del>", "Edited", "Owner", "undo the edit", `id="chunk-facts">3 chunks, 1 edited<`, "data-announce", "-<html")
	if events := m.ask(t, "What does a ticket cost?"); !strings.Contains(strings.Join(events["done"], ""), "fourteen") {
		t.Errorf("the answer after an edit: %v", events["done"])
	}
	shows(t, "the filter", m.get(t, inspector+"?only=edited", "Accept", "text/html"), "fourteen", `id="chunk-`+chunks[1].String(), `-id="chunk-`+chunks[0].String())

	leads(t, "undo", m.post(t, at+"/undo", nil, "Referer", a.URL+inspector+"?q=euros", "Accept", "text/html"), inspector+"?q=euros#chunk-"+chunks[1].String())
	shows(t, "the page after an undo", m.get(t, inspector, "Accept", "text/html"), "words again", fare)
	leads(t, "undo of nothing", m.post(t, at+"/undo", nil, "Accept", "text/html"), place)
	shows(t, "the page after that", m.get(t, inspector, "Accept", "text/html"), "no edit of this chunk to undo")
	want(t, "undo of nothing as a part", m.post(t, at+"/undo", nil, asHTMX...), http.StatusConflict)

	gone := m.post(t, "/chunks/"+domain.NewID().String()+"/text", url.Values{"was": {""}, "text": {"Mine."}}, "Accept", "text/html")
	want(t, "save into a chunk that is gone", gone, http.StatusNotFound)
	shows(t, "save into a chunk that is gone", gone, "Copy your words")
}

func TestChunkIsSwitched(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Ferry")
	id, chunks := m.ready(t, "ferry.txt", "The ferry sails at nine.", fare, dogs)
	at, inspector := "/chunks/"+chunks[2].String(), "/documents/"+id.String()

	off := m.post(t, at+"/off", nil, append([]string{"HX-Current-URL", a.URL + inspector + "?q=dogs&chunk=" + chunks[2].String()}, asHTMX...)...)
	want(t, "off", off, http.StatusOK)
	shows(t, "off", off, `aria-checked="false"`, "Switched off by", "<mark>Dogs</mark>", ` data-on`, `action="/chunks/`+chunks[2].String()+`/on"`, "left out of answers", "q=dogs")
	if !m.chunk(t, chunks[2]).Off {
		t.Error("it is on")
	}
	if events := m.ask(t, "Do dogs travel free of charge?"); strings.Contains(strings.Join(events["done"], ""), "Dogs travel") {
		t.Errorf("an answer from a chunk that is off: %v", events["done"])
	}
	shows(t, "the filter", m.get(t, inspector+"?only=off", "Accept", "text/html"), `id="chunk-`+chunks[2].String(), `-id="chunk-`+chunks[1].String(), `name="only" value="off"`)
	leads(t, "on", m.post(t, at+"/on", nil, "Accept", "text/html"), inspector+"?chunk="+chunks[2].String()+"#chunk-"+chunks[2].String())
	if m.chunk(t, chunks[2]).Off {
		t.Error("it is off")
	}
	if err := a.documents.SetOff(t.Context(), m.account.Tenant.ID, id, true); err != nil {
		t.Fatal(err)
	}
	shows(t, "a document that is off", m.get(t, inspector, "Accept", "text/html"), "This document is left out of answers", inspector+"/on")
	viewer := m.colleague(t, domain.Viewer)
	shows(t, "the same for a viewer", viewer.get(t, inspector, "Accept", "text/html"), "left out of answers", "-"+inspector+"/on", "-role=\"switch\"", "-/edit\"")
}

func TestConflictIsDecided(t *testing.T) {
	const mine, now = "Tickets are dear.", "A ticket costs twenty euros."
	a := newApp(t)
	m := a.owner(t, "Ferry")
	id, chunks := m.ready(t, "ferry.txt", fare, dogs)
	inspector := "/documents/" + id.String()
	for chunk, text := range map[domain.ID]string{chunks[0]: mine, chunks[1]: "No dogs."} {
		if _, err := a.documents.EditChunk(t.Context(), m.account.Tenant.ID, chunk, m.chunk(t, chunk).Text, text, m.account.User.ID); err != nil {
			t.Fatal(err)
		}
	}
	a.db.Reread(t, m.account.Tenant.ID, id, map[string]int{fare: -1}, now)
	open, err := a.documents.Conflicts(t.Context(), m.account.Tenant.ID, id)
	if err != nil || len(open) != 2 {
		t.Fatalf("%d conflicts, %v", len(open), err)
	}
	changed, lost := open[0], open[1]
	page := m.get(t, inspector, "Accept", "text/html")
	shows(t, "the inspector", page, "2 edits wait for a decision", "<ins>Tickets are dear</ins>", "<del>twelve</del>", "<ins>twenty</ins>", "Keep the edit", "Take the document’s words",
		"Passage gone", "<ins>No dogs</ins>", "Keep it as an addition", "Let it go", "Edit waits", "/chunks/"+changed.Now.ID.String()+"/edit?with=edit")
	shows(t, "the form with the edit's words", m.get(t, "/chunks/"+changed.Now.ID.String()+"/edit?with=edit", "Accept", "text/html"), ">"+mine+"</textarea>", `name="was" value="`+now+`"`)
	off := m.post(t, "/chunks/"+changed.Now.ID.String()+"/off", nil, asHTMX...)
	want(t, "switch what waits for a decision", off, http.StatusConflict)
	shows(t, "switch what waits for a decision", off, "Decide that first", `aria-checked="true"`)
	viewer := m.colleague(t, domain.Viewer)
	shows(t, "a viewer's inspector", viewer.get(t, inspector, "Accept", "text/html"), "2 edits wait", "-Keep the edit", "-Let it go")

	decide := func(e document.Edit, d string) response {
		return m.post(t, "/edits/"+e.ID.String(), url.Values{"decision": {d}}, "Accept", "text/html")
	}
	want(t, "no decision", decide(changed, ""), http.StatusUnprocessableEntity)
	leads(t, "keep", decide(changed, "keep"), inspector)
	leads(t, "keep again", decide(changed, "keep"), inspector)
	shows(t, "the inspector after that", m.get(t, inspector, "Accept", "text/html"), "decided already", "1 edit waits")
	leads(t, "let go", decide(lost, "document"), inspector)
	want(t, "let go again", decide(lost, "document"), http.StatusNotFound)
	shows(t, "the inspector at the end", m.get(t, inspector, "Accept", "text/html"), "<ins>Tickets are dear</ins>", "-waits", "-No dogs")
}

// A chunk of another tenant, or of another document, is none.
func TestChunkOfAnother(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "Ferry"), a.owner(t, "Elsewhere")
	id, _ := m.ready(t, "ferry.txt", fare)
	_, second := m.ready(t, "second.txt", dogs)
	_, foreign := other.ready(t, "foreign.txt", "Their secret.")
	for name, chunk := range map[string]domain.ID{"another document's": second[0], "another tenant's": foreign[0], "one that never was": domain.NewID()} {
		r := m.get(t, "/documents/"+id.String()+"?chunk="+chunk.String(), "Accept", "text/html")
		want(t, name, r, http.StatusOK)
		shows(t, name, r, "The chunk of this address is gone", fare, "-secret")
	}
	want(t, "no id", m.get(t, "/documents/"+id.String()+"?chunk=x", "Accept", "text/html"), http.StatusBadRequest)
	for _, action := range []string{"text", "undo", "off", "on"} {
		r := m.post(t, "/chunks/"+foreign[0].String()+"/"+action, url.Values{"was": {"Their secret."}, "text": {"Mine."}}, asHTMX...)
		want(t, action, r, http.StatusNotFound)
	}
	if c := other.chunk(t, foreign[0]); c.Text != "Their secret." || c.Off {
		t.Errorf("another tenant's chunk became %+v", c)
	}
}

func TestPagePicture(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Ferry")
	id, chunks := a.db.PDF(t, m.account.Tenant.ID, "ferry.pdf", []string{"The ferry sails at nine.", fare}, []string{dogs})
	plain, _ := m.ready(t, "plain.txt", "No pages.")
	inspector := "/documents/" + id.String()
	picture := inspector + "/pages/2"

	r := m.get(t, picture+"?v=1&w=1680")
	want(t, "a picture", r, http.StatusOK)
	h := r.Header
	if h.Get("Set-Cookie") != "" {
		t.Error("a picture, which may take long, writes the session")
	}
	if r.body != string(onePixel) || h.Get("Content-Type") != "image/png" || h.Get("Cache-Control") != "private, max-age=86400, immutable" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("answered with %v", h)
	}
	want(t, "the same again", m.get(t, picture+"?v=1&w=1680", "If-None-Match", h.Get("ETag")), http.StatusNotModified)
	want(t, "another width", m.get(t, picture+"?v=1&w=1120", "If-None-Match", h.Get("ETag")), http.StatusOK)
	if got := m.get(t, picture).Header.Values("Cache-Control"); !strings.Contains(strings.Join(got, ";"), "private, no-cache") {
		t.Errorf("without a version it is kept as %v", got)
	}
	for _, bad := range []string{"/pages/3", "/pages/0", "/pages/-1", "/pages/x", "/pages/99999999999999999999", "/pages/1?v=2", "/pages/1?v=x", "/pages/1?w=1", "/pages/1?w=99999", "/pages/1?w=x"} {
		want(t, bad, m.get(t, inspector+bad, "Accept", "application/json"), http.StatusNotFound)
	}
	want(t, "of a text", m.get(t, "/documents/"+plain.String()+"/pages/1", "Accept", "application/json"), http.StatusNotFound)

	page := m.get(t, inspector+"?chunk="+chunks[2].String(), "Accept", "text/html")
	shows(t, "the inspector", page, `src="`+picture+`?v=1&amp;w=1120"`, `data-select="`+chunks[2].String()+`" data-on`, `<rect x="500" y="0" width="9000" height="10000"`, "-"+chunks[0].String()+`" aria-label="Chunk 1"><rect`)
	shows(t, "the inspector with the text", m.get(t, inspector+"?as=text&chunk="+chunks[2].String(), "Accept", "text/html"), `<mark data-on>`+dogs, "-<img", "-<rect x=")
	shows(t, "the inspector, larger", m.get(t, inspector+"?zoom=2&source=1", "Accept", "text/html"), `/pages/1?v=1&amp;w=2240"`)
	for _, nonsense := range []string{"zoom=-9", "zoom=99999999999999999999", "zoom=x&as=x&only=x&page=x&source=-1", "source=999999", "page=999999"} {
		r := m.get(t, inspector+"?"+nonsense, "Accept", "text/html")
		want(t, nonsense, r, http.StatusOK)
		shows(t, nonsense, r, `id="chunk-`+chunks[0].String())
	}

	failing := func(context.Context, int, int) error {
		return errors.New("pdfium: a password, and more that nobody should see")
	}
	a.rendering.Store(&failing)
	failed := m.get(t, picture+"?v=1&w=2240", "Accept", "application/json")
	want(t, "a page that cannot be drawn", failed, http.StatusServiceUnavailable)
	shows(t, "a page that cannot be drawn", failed, "Look at its text instead", "-pdfium")
	if failed.Header.Get("ETag") != "" || !strings.Contains(strings.Join(failed.Header.Values("Cache-Control"), ";"), "no-store") {
		t.Errorf("a failure is kept: %v", failed.Header)
	}
}

// Two pages are drawn at once, and who goes away makes room for the next.
func TestPicturesWaitTheirTurn(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Ferry")
	id, _ := a.db.PDF(t, m.account.Tenant.ID, "ferry.pdf", []string{fare})
	picture := "/documents/" + id.String() + "/pages/1"
	var drawing, most atomic.Int64
	held := func(ctx context.Context, _, _ int) error {
		n := drawing.Add(1)
		defer drawing.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-ctx.Done()
		return ctx.Err()
	}
	a.rendering.Store(&held)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 4)
	for range 4 {
		go func() {
			r, err := m.Do(m.request(t, http.MethodGet, picture, nil).WithContext(ctx))
			if err == nil {
				_ = r.Body.Close()
			}
			ended <- err
		}()
	}
	dbtest.Eventually(t, 10*time.Second, "two pages to be drawn", func() bool { return drawing.Load() == 2 })
	leave()
	for range 4 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a client that went away got %v", err)
		}
	}
	dbtest.Eventually(t, 10*time.Second, "nothing to be drawn", func() bool { return drawing.Load() == 0 })
	a.rendering.Store(nil)
	want(t, "the next", m.get(t, picture), http.StatusOK)
	if most.Load() != 2 {
		t.Errorf("%d pages were drawn at once", most.Load())
	}
}

func TestVersionIsRestored(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Ferry")
	id, _ := m.ready(t, "first.txt", fare)
	_, err := a.documents.StoreVersion(t.Context(), m.account.Tenant.ID, id, document.Upload{Name: "second.txt", Format: "text", Content: []byte("two"), By: m.account.User.ID})
	if err != nil {
		t.Fatal(err)
	}
	details := "/documents/" + id.String() + "/details"
	page := m.get(t, "/documents/"+id.String(), "Accept", "text/html")
	shows(t, "while the second is read", page, "Version 2 is being read. Version 1 answers until it is ready.", fare, "/documents/"+id.String()+"/cancel", "data-watch")
	shows(t, "the details then", m.get(t, details, "Accept", "text/html"), "Answers now", "Being read", "second.txt", "-Go back")
	want(t, "back to what answers", m.post(t, "/documents/"+id.String()+"/versions/1/restore", nil, "Accept", "application/json"), http.StatusConflict)
	leads(t, "the same in a browser", m.post(t, "/documents/"+id.String()+"/versions/1/restore", nil, "Accept", "text/html"), details)
	shows(t, "the details after that", m.get(t, details, "Accept", "text/html"), "This version answers already")

	a.db.Finish(t, m.account.Tenant.ID, id, "The ferry sails at ten.")
	shows(t, "the details with two versions", m.get(t, details, "Accept", "text/html"), "Go back to this version", "file?version=1", "file?version=2", "Chunks of about 320 tokens")
	leads(t, "back to the first", m.post(t, "/documents/"+id.String()+"/versions/1/restore", nil, "Accept", "text/html"), details)
	shows(t, "the details after that", m.get(t, details, "Accept", "text/html"), "in line to be read again", "3 versions", "Being read")
	for _, n := range []string{"99999999999", "9", "0", "x", "-1"} {
		want(t, "version "+n, m.post(t, "/documents/"+id.String()+"/versions/"+n+"/restore", nil, "Accept", "application/json"), http.StatusNotFound)
	}
	a.db.Exec(t, `update documents set status = 'failed', failure_code = 'embedding', failure_title = 'Embedding stopped', failure_message = 'It did not answer.' where id = $1`, id)
	shows(t, "after the third failed", m.get(t, "/documents/"+id.String(), "Accept", "text/html"), "Version 3 could not be read. Version 2 goes on answering.", "Embedding stopped. It did not answer.", "Keep version 2", "The ferry sails at ten.")
}
