package static_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"bitb"
	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/llm"
	"bitb/domain/questions"
	"bitb/domain/redis"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
	"bitb/handlers"
	"bitb/views"
)

// dashboard is somebody signed in at the real server, over a scratch database. Nobody works on the line but the test.
type dashboard struct {
	*tab
	url       string
	db        *dbtest.Database
	account   tenant.Account
	documents *document.Service
	questions *questions.Service
	hints     *redis.Store
	broken    atomic.Bool // pages cannot be drawn
}

type noMetrics struct{}

func (noMetrics) Answered(chat.Outcome, bool, time.Duration, time.Duration) {}
func (noMetrics) Retrieved(time.Duration)                                   {}
func (noMetrics) CacheLookup(string, bool)                                  {}
func (noMetrics) ModelCall(llm.Call)                                        {}
func (noMetrics) Request(string, string, int, time.Duration)                {}
func (noMetrics) Panicked()                                                 {}
func (noMetrics) SignInRefused(string, bool)                                {}
func (noMetrics) Denied(string)                                             {}
func (noMetrics) Suspicious(string)                                         {}
func (noMetrics) KeyUsed(string, string, bool)                              {}

func newDashboard(t *testing.T) *dashboard {
	t.Helper()
	d := &dashboard{tab: newTab(t), db: dbtest.New(t)}
	log := slog.New(slog.DiscardHandler)
	var err error
	if d.hints, err = redis.Open(dbtest.RedisURL(t), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.hints.Close() })
	static, err := fs.Sub(bitb.Static, "static")
	if err != nil {
		t.Fatal(err)
	}
	search := retrieve.NewService(retrieve.Config{DB: d.db.DB, Log: log, Embedder: llm.Cached(llm.NewHashing(), d.hints, noMetrics{})})
	d.questions = questions.NewService(questions.Config{DB: d.db.DB, Log: log, Searcher: search, Queue: dbtest.NoQueue})
	tenants := tenant.NewService(d.db.DB, chat.FirstBot)
	d.documents = document.NewService(d.db.DB, dbtest.NoQueue)
	stop, end := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(nil)
	d.url = "http://" + server.Listener.Addr().String()
	server.Config.Handler, err = handlers.New(stop, handlers.Deps{
		Log: log, PublicURL: d.url, Static: static, Tenants: tenants, Sessions: tenant.NewSessions(d.db.DB, dbtest.Sealer(t, "session")), Support: tenant.NewSupport(d.db.DB, dbtest.Sealer(t, "encryption"), time.Now),
		Documents: d.documents, Retrieve: search, Questions: d.questions, Limiter: d.hints, Hints: d.hints, Cache: d.hints, Metrics: noMetrics{},
		Models: views.Models{Answer: "builtin", BuiltIn: true},
		Chat: chat.NewService(chat.Config{DB: d.db.DB, Log: log, Retrieve: search, Model: llm.Extractive{}, Quoter: llm.Extractive{},
			Cache: d.hints, Metrics: noMetrics{}}),
		Sniff: sniff, Unzip: unzip, RenderPage: d.draw, Ready: d.db.Ping, ClientIP: echo.ExtractIPDirect(),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() { end(); server.Close() })
	const email, password = "owner@harbourloop.example", "vier wörter ohne sinn"
	if d.account, err = tenants.SignUp(t.Context(), tenant.SignUp{Company: "Harbour Loop", Name: "Owner", Email: email, Password: password}); err != nil {
		t.Fatal(err)
	}
	d.do(chromedp.Navigate(d.url+"/signin"), chromedp.SetValue(`[name="email"]`, email), chromedp.SetValue(`[name="password"]`, password),
		chromedp.Submit(`[name="password"]`))
	d.until(`location.pathname === "/documents" && document.querySelector("html.js #upload")`)
	d.do(chromedp.Evaluate[chromedp.Void](`window.sameVisit = true`))
	return d
}

// draw makes a white page.
func (d *dashboard) draw(_ context.Context, _ []byte, _, width int) (picture []byte, mediaType string, err error) {
	if d.broken.Load() {
		return nil, "", errors.New("broken")
	}
	page := image.NewGray(image.Rect(0, 0, width, width*3/2))
	draw.Draw(page, page.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	var b bytes.Buffer
	err = png.Encode(&b, page)
	return b.Bytes(), "image/png", err
}

func sniff(content []byte, _ string) (string, error) {
	switch {
	case bytes.HasPrefix(content, []byte("PK")):
		return "zip", nil
	case bytes.HasPrefix(content, []byte("\x89PNG")):
		return "", &domain.Error{Code: domain.Unsupported, Message: "It is a picture.", Err: &handlers.Refusal{Is: "a picture (PNG)"}}
	}
	return "text", nil
}

func unzip(content []byte, each func(string, []byte, error) error) error {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			return err
		}
		one, err := io.ReadAll(r)
		if err := each(f.Name, one, err); err != nil {
			return err
		}
	}
	return nil
}

// choose puts files, as name and content in turns, into a file chooser of the page.
func (d *dashboard) choose(chooser string, files ...string) {
	d.Helper()
	folder := d.TempDir()
	var paths []string
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(folder, files[i])
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			d.Fatal(err)
		}
		paths = append(paths, path)
	}
	d.do(chromedp.SetUploadFiles(chooser, paths))
}

// row is an expression for the row of the document with the name.
func row(name string) string {
	return `[...document.querySelectorAll('tr[id^="doc-"]')].find(r => r.querySelector(".name").textContent === "` + name + `")`
}

// button is an expression for the button or link within an element that reads like this and can be seen.
func button(within, words string) string {
	return `[...((` + within + `)?.querySelectorAll("button, a, summary") ?? [])].find(b => b.textContent.trim() === "` + words + `" && b.checkVisibility())`
}

func (d *dashboard) menu(name, words string) {
	d.Helper()
	d.press(row(name) + `?.querySelector("summary")`)
	d.press(button(row(name), words))
}

// shows waits until the row of a document has the status's shape and the words.
func (d *dashboard) shows(name, shape, words string) {
	d.Helper()
	d.until(`(r => r?.querySelector('[data-s="` + shape + `"]') && r.innerText.includes("` + words + `"))(` + row(name) + `)`)
}

// reads takes up the next document in line and hints at every change, as the workers do.
type reading struct {
	*dashboard
	document.Attempt
}

func (d *dashboard) reads() reading {
	d.Helper()
	a, err := d.documents.Next(d.Context(), d.account.Tenant.ID, 1, func(pgx.Tx) error { return nil })
	if err != nil {
		d.Fatal(err)
	}
	d.hint()
	return reading{d, a}
}

func (d *dashboard) hint() { d.hints.Publish(d.Context(), document.Topic(d.account.Tenant.ID)) }

func (r reading) gets(stage document.Status, done, total int) {
	r.Helper()
	if err := r.documents.Progress(r.dashboard.Context(), r.Attempt, stage, done, total); err != nil {
		r.Fatal(err)
	}
	r.hint()
}

func (r reading) ends(f *document.Failure) {
	r.Helper()
	done := func(pgx.Tx) error { return nil }
	var err error
	if f != nil {
		err = r.documents.Fail(r.dashboard.Context(), r.Attempt, *f, done)
	} else {
		chunk, _ := dbtest.NoQueue.Index(r.dashboard.Context(), r.account.Tenant.ID, r.Name, "en", document.Chunk{ID: domain.NewID(), Ordinal: 1, Text: string(r.Content), End: len(r.Content)})
		err = r.documents.Complete(r.dashboard.Context(), r.Attempt, document.Content{Format: "text", Title: r.Name, Language: "en", Model: chunk.EmbeddingModel,
			Text: []document.Page{{Text: string(r.Content)}}, Chunks: []document.NewChunk{chunk}}, done)
	}
	if err != nil {
		r.Fatal(err)
	}
	r.hint()
}

func zipOf(t *testing.T, files ...string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(files[i+1]))
	}
	_ = z.Close()
	return buf.String()
}

// A day with the list: a ZIP, a document on its way, one cancelled, two retried, one replaced, one left out and taken back. All
// of it on one visit: what is under way in the upload list is never lost.
func TestDocuments(t *testing.T) {
	d := newDashboard(t)

	d.Log("a ZIP, on the page of a tenant without documents")
	d.choose("#files", "manuals.zip", zipOf(t, "a.txt", "The harbour opens at nine.", "photo.png", "\x89PNG\r\n\x1a\n", "b.txt", "Boats are returned by seven."))
	d.until(`document.querySelector("#uploads").innerText.includes("2 documents are in line. 1 was left out.")`)
	d.check(`document.querySelector("#uploads [data-files]").innerText.includes("photo.png It is a picture (PNG).")`)
	d.shows("a.txt", "wait", "Next in the queue")
	d.shows("b.txt", "wait", "2nd in the queue")

	d.Log("from queued to ready")
	a := d.reads()
	d.shows("b.txt", "wait", "Next in the queue")
	a.gets(document.Reading, 1, 3)
	d.shows("a.txt", "busy", "Page 1 of 3")
	a.gets(document.Embedding, 2, 4)
	d.shows("a.txt", "busy", "2 of 4 chunks")
	a.ends(nil)
	d.shows("a.txt", "ready", "Ready")
	d.until(`document.querySelector("#count-ready").textContent === "1"`)

	d.Log("embedded anew in the background")
	d.db.Exec(t, "update documents set embedding_model = 'earlier' where chunk_count > 0")
	d.hint()
	d.until(`document.querySelector("#reembedding").innerText.includes("Re-embedding with builtin-hash-v1: 0 of 1 document.")`)
	d.db.Exec(t, "update documents set embedding_model = 'builtin-hash-v1' where chunk_count > 0")
	d.hint()
	d.until(`document.querySelector("#reembedding").innerText === ""`)

	d.Log("cancelling")
	b := d.reads()
	d.shows("b.txt", "busy", "Reading")
	d.press(row("b.txt") + `.querySelector("summary")`)
	b.gets(document.Reading, 1, 9) // a row that changes does not take the menu away
	d.shows("b.txt", "busy", "Page 1 of 9")
	d.press(button(row("b.txt"), "Cancel"))
	d.shows("b.txt", "stop", "Your file is here; retry to read it.")
	d.until(`document.querySelector("#toasts").innerText.includes("The document was stopped.")`)
	d.until(`document.activeElement === ` + row("b.txt") + `.querySelector("summary")`)

	d.Log("retrying all that failed")
	d.choose("#files", "c.txt", "Paddles stand in the rack.")
	d.shows("c.txt", "wait", "Next in the queue")
	d.reads().ends(&document.Failure{Code: "timeout", Title: "Reading stopped", Message: "Reading took too long."})
	d.shows("c.txt", "fail", "Reading took too long.")
	d.press(button(`document.querySelector("#document-filter")`, "Failed2"))
	d.until(`location.search.includes("status=failed") && document.querySelectorAll('tr[id^="doc-"]').length === 2`)
	d.press(button("document", "Retry all failed (1)")) // not the one that was stopped
	d.until(`document.querySelector("#toasts").innerText.includes("in line again.") && !document.querySelector("#retry-all button")`)
	d.until(`document.querySelectorAll('tr[id^="doc-"]').length === 1 && document.querySelector("#count-busy").textContent === "1"`)
	d.press(button(row("b.txt"), "Retry now"))
	d.until(`document.querySelectorAll('tr[id^="doc-"]').length === 0 && document.querySelector("#count-busy").textContent === "2"`)
	d.press(button(`document.querySelector("#documents")`, "Show all 3"))
	d.shows("b.txt", "wait", "in the queue")
	d.shows("c.txt", "wait", "in the queue")

	d.Log("a file whose name is known")
	d.choose("#files", "a.txt", "The harbour opens at ten.")
	d.until(`document.querySelector("#uploads").innerText.includes("You have a document of this name already.")`)
	d.press(button(`document.querySelector("#uploads")`, "Make it the new version"))
	d.shows("a.txt", "wait", "Version 1 still answers.")
	d.menu("a.txt", "Cancel, keep version 1")
	d.shows("a.txt", "ready", "Ready")

	d.Log("a new version by the menu")
	d.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#version-file").addEventListener("click", e => { window.chooser = true; e.preventDefault() })`))
	d.menu("a.txt", "Upload a new version")
	d.until(`window.chooser`)
	d.choose("#version-file", "summer.txt", "The harbour opens at eight.")
	d.shows("a.txt", "wait", "version 2")

	d.Log("leaving out, and back")
	d.menu("b.txt", "Leave out of answers")
	d.until(row("b.txt") + `?.innerText.includes("Left out of answers")`)
	d.press(button(`document.querySelector("#toasts")`, "Undo"))
	d.until(`!document.querySelector("#documents").innerText.includes("Left out of answers")`)
	d.check(`window.sameVisit`)
}

// Two uploads that end soon after each other: the second is not lost while the list is fetched for the first.
func TestListKeepsUp(t *testing.T) {
	d := newDashboard(t)
	d.choose("#files", "a.txt", "The harbour opens at nine.")
	d.shows("a.txt", "wait", "Next in the queue")
	d.do(chromedp.Evaluate[chromedp.Void](`{
		const { send, setRequestHeader } = XMLHttpRequest.prototype;
		XMLHttpRequest.prototype.setRequestHeader = function (name, value) { this.refresh ||= name === "X-Refresh"; setRequestHeader.call(this, name, value) };
		XMLHttpRequest.prototype.send = function (body) {
			const { onload } = this;
			if (this.refresh && !window.arrives) { window.arrives = () => onload.call(this); this.onload = () => (window.held = true) }
			send.call(this, body);
		};
	}`))
	d.choose("#files", "b.txt", "Boats are returned by seven.")
	d.until(`window.held`)
	d.choose("#files", "c.txt", "Paddles stand in the rack.")
	d.until(`document.querySelector("#uploads").innerText.includes("c.txt") && document.querySelector("#count-").textContent === "3"`)
	d.do(chromedp.Evaluate[chromedp.Void](`window.arrives()`))
	d.shows("b.txt", "wait", "in the queue")
	d.shows("c.txt", "wait", "in the queue")
}
