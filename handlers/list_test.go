package handlers_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/document"
)

func no(pgx.Tx) error { return nil }

// failed uploads a document and has its reading fail.
func (m *member) failed(t *testing.T, name, code string) domain.ID {
	t.Helper()
	id := m.queued(t, name)
	if err := m.app.documents.Fail(t.Context(), m.takeUp(t, id), document.Failure{Code: code, Title: "It " + code, Message: "Because."}, no); err != nil {
		t.Fatal(err)
	}
	return id
}

func (m *member) queued(t *testing.T, name string) domain.ID {
	t.Helper()
	r := m.upload(t, name, []byte("the content of "+name))
	want(t, name, r, http.StatusCreated)
	id, err := domain.ParseID(decode[uploadAnswer](t, r.body).ID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// takeUp begins to read the next document in line, which must be this one.
func (m *member) takeUp(t *testing.T, id domain.ID) document.Attempt {
	t.Helper()
	attempt, err := m.app.documents.Next(t.Context(), m.account.Tenant.ID, 1, no)
	if err != nil || attempt.DocumentID != id {
		t.Fatalf("next in line is %v, %v", attempt.DocumentID, err)
	}
	return attempt
}

func (m *member) document(t *testing.T, id domain.ID) document.Document {
	t.Helper()
	d, err := m.app.documents.Get(t.Context(), m.account.Tenant.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// press sends the form of a button on the list, and returns the confirmation of the page that it leads to.
func (m *member) press(t *testing.T, path string) string {
	t.Helper()
	r := m.post(t, path, nil, "Accept", "text/html", "Referer", m.app.URL+"/documents?status=failed")
	want(t, path, r, http.StatusSeeOther)
	if to := r.Header.Get("Location"); to != "/documents?status=failed" {
		t.Errorf("%s leads to %q", path, to)
	}
	return toastOf(m.get(t, "/documents", "Accept", "text/html").body)
}

func says(t *testing.T, what, toast, sentence string) {
	t.Helper()
	if !strings.Contains(toast, sentence) {
		t.Errorf("%s: does not say %q: %s", what, sentence, toast)
	}
}

func TestRetryAllFailed(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "One"), a.owner(t, "Two")
	first, second := m.failed(t, "a.txt", "timeout"), m.failed(t, "b.txt", "embedding")
	hopeless, foreign := m.failed(t, "c.txt", "encrypted"), other.failed(t, "d.txt", "timeout")
	page := m.get(t, "/documents", "Accept", "text/html")
	if !strings.Contains(page.body, "Retry all failed (2)") || strings.Contains(m.colleague(t, domain.Viewer).get(t, "/documents").body, "Retry all failed") {
		t.Error("the button is not there, or is for a viewer too")
	}
	says(t, "retry", m.press(t, "/documents/retry"), "2 documents are in line again.")
	for id, status := range map[domain.ID]document.Status{first: document.Queued, second: document.Queued, hopeless: document.Failed} {
		if d := m.document(t, id); d.Status != status {
			t.Errorf("%s is %s, want %s", d.Name, d.Status, status)
		}
	}
	if d := other.document(t, foreign); d.Status != document.Failed {
		t.Errorf("another tenant's document is %s", d.Status)
	}
	says(t, "again", m.press(t, "/documents/retry"), "No document can be helped by another try.")
}

func TestCancel(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	fresh := m.queued(t, "fresh.txt")
	attempt := m.takeUp(t, fresh)
	says(t, "one that never answered", m.press(t, "/documents/"+fresh.String()+"/cancel"), "The document was stopped.")
	if err := a.documents.Progress(t.Context(), attempt, document.Reading, 1, 2); err == nil {
		t.Error("the reading goes on")
	}
	row := rowOf(t, m, fresh)
	if !strings.Contains(row, `data-s="stop"`) || strings.Contains(row, `data-s="fail"`) || !strings.Contains(row, "Retry now") {
		t.Errorf("it is shown as %s", row)
	}
	if page := m.get(t, "/documents/"+fresh.String(), "Accept", "text/html").body; !strings.Contains(page, `data-s="stop"`) || strings.Contains(page, `data-s="fail"`) {
		t.Error("its own page shows it otherwise than the list does")
	}
	says(t, "twice", m.press(t, "/documents/"+fresh.String()+"/cancel"), "nothing to cancel")
	want(t, "twice, for a script", m.post(t, "/documents/"+fresh.String()+"/cancel", nil, "Accept", "application/json"), http.StatusConflict)

	live, _ := m.ready(t, "prices.txt", "A bicycle costs 19 euros a day.")
	want(t, "a version", m.sendFiles(t, "/documents/"+live.String()+"/versions", []string{"p.txt", "21 euros"}), http.StatusSeeOther)
	if row := rowOf(t, m, live); !strings.Contains(row, "Version 1 still answers.") || !strings.Contains(row, "Cancel, keep version 1") {
		t.Errorf("it is shown as %s", row)
	}
	says(t, "a version under way", m.press(t, "/documents/"+live.String()+"/cancel"), "Version 1 of the document stays as it was.")
	if d := m.document(t, live); d.Status != document.Ready || d.Version != 1 {
		t.Errorf("the document is %+v", d)
	}
}

// rowOf is a document's row in the list.
func rowOf(t *testing.T, m *member, id domain.ID) string {
	t.Helper()
	_, row, found := strings.Cut(m.get(t, "/documents", "Accept", "text/html").body, `<tr id="doc-`+id.String())
	row, _, _ = strings.Cut(row, "</tr>")
	if !found {
		t.Fatal("the document has no row")
	}
	return row
}

func TestReadAgain(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	id, _ := m.ready(t, "prices.txt", "A bicycle costs 19 euros a day.")
	says(t, "ready", m.press(t, "/documents/"+id.String()+"/read"), "in line to be read again")
	if row := rowOf(t, m, id); !strings.Contains(row, "Next in the queue") || !strings.Contains(row, "The last reading still answers.") {
		t.Errorf("it is shown as %s", row)
	}
	says(t, "twice", m.press(t, "/documents/"+id.String()+"/read"), "being read already")
}

// Leaving a document out asks nobody, so the confirmation has a button that takes it back.
func TestLeaveOut(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	id, _ := m.ready(t, "prices.txt", "A bicycle costs 19 euros a day.")
	at := "/documents/" + id.String()
	toast := m.press(t, at+"/off")
	says(t, "off", toast, "“prices.txt” is left out of answers.")
	says(t, "off", toast, `action="`+at+`/on"`)
	if row := rowOf(t, m, id); !m.document(t, id).Off || !strings.Contains(row, "Use in answers") {
		t.Errorf("it is shown as %s", row)
	}
	if got := m.ask(t, "What does a bicycle cost a day?"); strings.Contains(strings.Join(got["done"], ""), "19 euros") {
		t.Error("it still answers")
	}
	says(t, "on", m.press(t, at+"/on"), "“prices.txt” is used in answers.")
	if m.document(t, id).Off {
		t.Error("it is still left out")
	}
	want(t, "off, and then something else at once", m.post(t, at+"/off", nil), http.StatusSeeOther)
	if plain := m.press(t, at+"/retry"); strings.Contains(plain, "Undo") {
		t.Error("what cannot be undone has the button of what could")
	}
}

// A row is sent again when it reads otherwise, though nothing of its document changed: it moved up in the line.
func TestRowsMoveUp(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	first, second := m.queued(t, "a.txt"), m.queued(t, "b.txt")
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	got, err := m.Do(m.request(t, http.MethodGet, "/documents/events", nil, "Accept", "text/event-stream").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	seen, buf := "", make([]byte, 64<<10)
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			n, err := got.Body.Read(buf)
			if seen += string(buf[:n]); err != nil {
				t.Fatalf("no %s: %v", what, err)
			}
		}
	}
	until("first look", func() bool {
		return strings.Contains(seen, "2nd in the queue") && strings.Contains(seen, "event: counts")
	})
	seen = ""
	m.takeUp(t, first)
	until("row that moved up", func() bool {
		_, row, _ := strings.Cut(seen, `id="doc-`+second.String())
		row, _, _ = strings.Cut(row, "</tr>")
		return strings.Contains(row, "Next in the queue")
	})
}

func TestCuttingSettings(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	m.ready(t, "prices.txt", "A bicycle costs 19 euros a day.")
	a.db.Exec(t, "update documents set cut_tokens = 320, cut_overlap = 32")
	save := func(tokens, overlap string) response {
		return m.post(t, "/settings/chunks", url.Values{"tokens": {tokens}, "overlap": {overlap}}, "Accept", "text/html")
	}
	for _, c := range []struct{ tokens, overlap, wrong string }{
		{"127", "10", "Choose from 128 to 1024 tokens."},
		{"1025", "10", "Choose from 128 to 1024 tokens."},
		{"<b>many</b>", "10", "Choose from 128 to 1024 tokens."},
		{"", "10", "Choose from 128 to 1024 tokens."},
		{"200", "51", "Choose from 0 to 50 tokens"},
		{"200", "-1", "Choose from 0 to 50 tokens"},
		{"200", "few", "Choose from 0 to 50 tokens"},
	} {
		r := save(c.tokens, c.overlap)
		want(t, c.tokens+" "+c.overlap, r, http.StatusUnprocessableEntity)
		if !strings.Contains(r.body, c.wrong) || c.tokens == "200" && !strings.Contains(r.body, `value="`+c.overlap+`"`) || strings.Contains(r.body, "<b>many") {
			t.Errorf("%s, %s: does not say %q or loses what was typed", c.tokens, c.overlap, c.wrong)
		}
	}
	if c, _, err := a.documents.Cutting(t.Context(), m.account.Tenant.ID); err != nil || c != (document.Cutting{Tokens: 320, Overlap: 32}) {
		t.Errorf("cut is %+v, %v", c, err)
	}
	want(t, "good", save(" 200 ", "50"), http.StatusSeeOther)
	page := m.get(t, "/settings", "Accept", "text/html").body
	if !strings.Contains(page, "about 200 tokens from now on") || !strings.Contains(page, "1 document is cut otherwise.") || !strings.Contains(page, `value="200"`) {
		t.Error("the page does not show what was saved")
	}
	viewer := m.colleague(t, domain.Editor).get(t, "/settings", "Accept", "text/html").body
	if !strings.Contains(viewer, "200 tokens") || strings.Contains(viewer, `action="/settings/chunks"`) || strings.Contains(viewer, `action="/documents/read-outdated"`) {
		t.Error("an editor sees no facts, or a form")
	}
	r := m.post(t, "/documents/read-outdated", nil, "Accept", "text/html")
	want(t, "read again", r, http.StatusSeeOther)
	says(t, "read again", toastOf(m.get(t, r.Header.Get("Location"), "Accept", "text/html").body), "1 document is in line again.")
}
