package handlers_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain/questions"
)

// test runs the tenant's questions, as the queue would.
func (m *member) test(t *testing.T) {
	t.Helper()
	if _, err := m.app.questions.Follow(context.WithoutCancel(t.Context()), m.account.Tenant.ID, func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAddQuestions(t *testing.T) {
	m := newApp(t).owner(t, "Kayaks")
	id, _ := m.ready(t, "Prices.txt", "A kayak costs nineteen euros a day.")
	wrong := m.post(t, "/questions", url.Values{"question": {"How <b>much</b>?"}, "document": {"Gone.pdf"}, "page": {"2"}})
	want(t, "a document that is not there", wrong, http.StatusUnprocessableEntity)
	for _, kept := range []string{"How &lt;b&gt;much&lt;/b&gt;?", `value="Gone.pdf"`, `value="2"`, "No document is called “Gone.pdf”."} {
		if !strings.Contains(wrong.body, kept) {
			t.Errorf("the form lost %s", kept)
		}
	}
	want(t, "neither a document nor none", m.post(t, "/questions", url.Values{"question": {"Who?"}}), http.StatusUnprocessableEntity)
	want(t, "one question", m.post(t, "/questions", url.Values{"question": {"How much?"}, "document": {"prices"}}), http.StatusSeeOther)
	want(t, "one without a document", m.post(t, "/questions", url.Values{"question": {"Who?"}, "document": {"left over"}, "none": {"1"}}), http.StatusSeeOther)

	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "fragen.csv")
	_, _ = part.Write([]byte("Frage;Dokument\r\nF\xfcr wie lange?;Prices.txt\r\n=2+3;none\r\nWas fehlt?;Fehlt.pdf\r\n"))
	_ = form.WriteField("list", "")
	_ = form.Close()
	list := m.do(t, m.request(t, http.MethodPost, "/questions/list", &body, "Content-Type", form.FormDataContentType()))
	want(t, "a list with a wrong line", list, http.StatusUnprocessableEntity)
	if !strings.Contains(list.body, "2 of 3 lines were taken") || !strings.Contains(list.body, "Line 4") || !strings.Contains(list.body, "Was fehlt?,Fehlt.pdf") {
		t.Errorf("the list came back as %s", list.body)
	}
	for _, workbook := range []string{"PK\x03\x04\x14\x00", "\xd0\xcf\x11\xe0\xa1\xb1"} {
		body.Reset()
		form := multipart.NewWriter(&body)
		file, _ := form.CreateFormFile("file", "questions.xlsx")
		_, _ = file.Write([]byte(workbook + "xl/workbook.xml,\nquestion"))
		_ = form.Close()
		m.do(t, m.request(t, http.MethodPost, "/questions/list", &body, "Content-Type", form.FormDataContentType())).has(t, http.StatusUnprocessableEntity, "Save it as CSV")
	}
	want(t, "no list", m.post(t, "/questions/list", url.Values{"list": {" \n"}}), http.StatusUnprocessableEntity)
	want(t, "too long a list", m.post(t, "/questions/list", url.Values{"list": {strings.Repeat("x", questions.MaxListBytes+100<<10)}}, "Accept", "application/json"), http.StatusRequestEntityTooLarge)

	export := m.get(t, "/questions/export.csv")
	if got := export.Header.Get("Content-Disposition") + export.Header.Get("Content-Type"); got != `attachment; filename="test-questions.csv"text/csv; charset=utf-8` {
		t.Errorf("sent as %s", got)
	}
	if export.body != "\ufeffquestion,document,page,heading\r\nHow much?,Prices.txt,,\r\nWho?,none,,\r\nFür wie lange?,Prices.txt,,\r\n'=2+3,none,,\r\n" {
		t.Errorf("exported %q", export.body)
	}
	if template := m.get(t, "/questions/template.csv"); len(questions.Parse([]byte(template.body))) != 3 {
		t.Errorf("the template cannot be read: %s", template.body)
	}
	if page := m.get(t, "/documents/"+id.String()); page.StatusCode != http.StatusOK {
		t.Errorf("the document: %d", page.StatusCode)
	}
}

func TestQuestionOfAnAnswer(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "Kayaks"), a.owner(t, "Others")
	things, foreign := m.things(t), other.things(t)
	page := m.get(t, "/questions/new?retrieval="+things["retrieval"].String())
	if !strings.Contains(page.body, ">What does a bicycle cost a day?</textarea>") || !strings.Contains(page.body, `value="Prices Kayaks"`) {
		t.Errorf("the form has %s", page.body)
	}
	want(t, "another tenant's answer", m.get(t, "/questions/new?retrieval="+foreign["retrieval"].String()), http.StatusNotFound)
	want(t, "no id", m.get(t, "/questions/new?retrieval=x"), http.StatusBadRequest)
	explained := m.post(t, "/questions/"+things["question"].String()+"/explain", nil)
	want(t, "explain", explained, http.StatusSeeOther)
	want(t, "the trace", m.get(t, explained.Header.Get("Location")), http.StatusOK)
	want(t, "the trace, to others", other.get(t, explained.Header.Get("Location")), http.StatusNotFound)
	want(t, "delete", m.post(t, "/questions/"+things["question"].String()+"/delete", nil), http.StatusSeeOther)
	want(t, "delete again", m.post(t, "/questions/"+things["question"].String()+"/delete", nil, "Accept", "application/json"), http.StatusNotFound)
}

func TestThreshold(t *testing.T) {
	m := newApp(t).owner(t, "Kayaks")
	m.ready(t, "Prices.txt", "A kayak costs nineteen euros a day.")
	want(t, "before the first test", m.get(t, "/questions/threshold"), http.StatusOK)
	want(t, "a test of nothing", m.post(t, "/questions/run", nil, "Accept", "application/json"), http.StatusConflict)
	m.post(t, "/questions/list", url.Values{"list": {"What does a kayak cost a day?\tPrices.txt\nWhat does a cake cost?\tnone"}})
	m.test(t)
	for _, accept := range []string{"x", "-1", "101", "NaN", "1e9"} {
		want(t, "a share of "+accept, m.get(t, "/questions/threshold?accept="+accept), http.StatusUnprocessableEntity)
	}
	page := m.get(t, "/questions/threshold?accept=0,0")
	if !strings.Contains(page.body, "Rests on 1 question that your documents answer and 1 that they do not.") || !strings.Contains(page.body, "0\u00a0%") {
		t.Errorf("the calibrator shows %s", page.body)
	}
	for _, bad := range []string{"", "x", "1.01", "NaN"} {
		want(t, "the threshold "+bad, m.post(t, "/questions/threshold", url.Values{"threshold": {bad}}), http.StatusUnprocessableEntity)
	}
	want(t, "a threshold", m.post(t, "/questions/threshold", url.Values{"threshold": {"0.995"}}), http.StatusSeeOther)
	if progress := m.get(t, "/questions/progress", "X-Refresh", "true"); !strings.Contains(progress.body, "A test starts in a moment") || progress.Header.Get("HX-Refresh") != "" {
		t.Errorf("progress says %s", progress.body)
	}
	m.test(t)
	if progress := m.get(t, "/questions/progress", "X-Refresh", "true"); progress.Header.Get("HX-Refresh") != "true" {
		t.Error("the page does not load itself anew")
	}
	const notice = `data-s="new"`
	if page := m.get(t, "/documents"); !strings.Contains(page.body, notice) {
		t.Error("nothing tells of a test that went worse")
	}
	if page := m.get(t, "/questions"); !strings.Contains(page.body, "This test went worse than the one before") || !strings.Contains(page.body, "Threshold 0.995") {
		t.Errorf("the page shows %s", page.body)
	}
	if page := m.get(t, "/documents"); strings.Contains(page.body, notice) {
		t.Error("the notice stays after somebody looked")
	}
}

func TestSearchSettings(t *testing.T) {
	m := newApp(t).owner(t, "Kayaks")
	bad := m.post(t, "/settings/search", url.Values{"threshold": {"<2>"}, "limit": {"99"}, "search": {"guess"}})
	want(t, "wrong settings", bad, http.StatusUnprocessableEntity)
	for _, sentence := range []string{"A threshold is a number from 0 to 1.", "Give the model 1 to 8 chunks.", "Search by words, by vectors or by both.", `value="&lt;2&gt;"`} {
		if !strings.Contains(bad.body, sentence) {
			t.Errorf("the form does not say %s", sentence)
		}
	}
	want(t, "settings", m.post(t, "/settings/search", url.Values{"threshold": {"0,4"}, "limit": {"3"}, "search": {"words"}, "spelling": {"1"}}), http.StatusSeeOther)
	page := m.get(t, "/settings")
	if !strings.Contains(page.body, `value="0.4"`) || !strings.Contains(page.body, `<option value="words" selected>`) || strings.Count(page.body, `value="1" checked`) != 1 {
		t.Errorf("the settings show %s", page.body)
	}
	want(t, "as measured", m.post(t, "/settings/search/reset", nil), http.StatusSeeOther)
	if page := m.get(t, "/settings"); !strings.Contains(page.body, `<option value="both" selected>`) || strings.Count(page.body, `value="1" checked`) != 5 {
		t.Errorf("after the reset they show %s", page.body)
	}
}
