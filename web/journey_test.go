package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bitb/domain/dbtest"
	"bitb/domain/ingest/reader"
)

// The test binary is also the reader's child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == reader.Argument {
		os.Exit(reader.ChildMain())
	}
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	code := m.Run()
	if ctx, err := chromium(); err == nil {
		_ = chromedp.Cancel(ctx)
	}
	os.Exit(code)
}

// program is the real program, booted as its main would.
type program struct {
	url, metrics string
	stop         func() error
}

func boot(t testing.TB, command string, settings map[string]string) *program {
	t.Helper()
	return bootAt(t, command, settings, "BITB_LISTEN")
}

// bootAt has the program's plain HTTP on the address of another setting.
func bootAt(t testing.TB, command string, settings map[string]string, plain string) *program {
	t.Helper()
	p := &program{url: "http://" + freeAddress(t), metrics: "http://" + freeAddress(t)}
	values := map[string]string{
		"REDIS_URL": dbtest.RedisURL(t), "BITB_METRICS_LISTEN": strings.TrimPrefix(p.metrics, "http://"), "BITB_LOG_LEVEL": "WARN",
	}
	for name, value := range settings {
		values[name] = value
	}
	values[plain] = strings.TrimPrefix(p.url, "http://")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{command}, func(name string) string { return values[name] }, io.Discard)
	}()
	p.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("the program ended with %v", err)
		}
	})
	dbtest.Eventually(t, 15*time.Second, "the program to be ready", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the program ended: %v", err)
		default:
		}
		r, err := http.Get(p.metrics + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return p
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var chromium = sync.OnceValues(func() (context.Context, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
				chromedp.Flag("disable-component-update", true))
			allocator, _ := chromedp.NewExecAllocator(context.Background(), opts...)
			ctx, _ := chromedp.NewContext(allocator)
			return ctx, chromedp.Do(ctx)
		}
	}
	return nil, errors.New("chromium is not installed")
})

// person is somebody in front of a browser with a profile of their own.
type person struct {
	*testing.T
	ctx context.Context
}

func newPerson(t *testing.T) *person {
	t.Helper()
	parent, err := chromium()
	if err != nil {
		t.Skipf("not tried in a browser: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(stop)
	return &person{t, ctx}
}

func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatalf("%v\n%s", err, p.shows())
	}
}

func (p *person) open(url string) { p.Helper(); p.do(chromedp.Navigate(url)) }

// sees is what a JavaScript expression says of the page; $ and $$ look into the widget.
func sees[T any](p *person, expression string) T {
	p.Helper()
	const inside = `const root = document.querySelector("bitb-widget")?.shadowRoot, $ = s => root?.querySelector(s), $$ = s => [...(root?.querySelectorAll(s) ?? [])];`
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](`(() => { `+inside+` return `+expression+` })()`))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return value
}

func (p *person) shows() string {
	text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText + "\n" + (document.querySelector("bitb-widget")?.shadowRoot?.querySelector(".panel")?.innerText ?? "")`))
	return text
}

// until waits for something to be true of the page.
func (p *person) until(condition string) {
	p.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		value, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`(() => { const root = document.querySelector("bitb-widget")?.shadowRoot, $ = s => root?.querySelector(s), $$ = s => [...(root?.querySelectorAll(s) ?? [])]; return !!(`+condition+`) })()`))
		if err == nil && value {
			return
		}
	}
	p.Fatalf("never became true: %s\n%s", condition, p.shows())
}

func (p *person) fill(fields ...string) {
	p.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		p.do(chromedp.SetValue(`[name="`+fields[i]+`"]`, fields[i+1]))
	}
}

func (p *person) click(selector string) { p.Helper(); p.do(chromedp.Click(selector)) }

func (p *person) types(text string) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.Fatal(err)
	}
}

func (p *person) signUp(url, company, email string) {
	p.Helper()
	p.open(url + "/signup")
	p.fill("company", company, "name", "Owner", "email", email, "password", "vier wörter ohne sinn")
	p.click(`form [type="submit"], form button:not([type])`)
	p.until(`location.pathname === "/documents"`)
}

// customerPage is another origin that embeds the bot.
func customerPage(t *testing.T, script, bot string) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><title>Customer</title><h1>Our shop</h1><script src="%s/widget.js" data-bot="%s" async></script>`, html.EscapeString(script), bot)
	}))
	t.Cleanup(site.Close)
	return site.URL
}

func (p *person) asksTheWidget(question string) {
	p.Helper()
	p.until(`$(".launch")?.getBoundingClientRect().height > 0 || $("textarea")?.getBoundingClientRect().height > 0`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector(".launch").click()`))
	p.until(`$("textarea")?.getBoundingClientRect().height > 0`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector("textarea").focus()`))
	p.types(question)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until(`$(".a") && !$(".a.live") && !$(".send.running")`)
}

// The main job, as somebody does it: sign up, upload a PDF and a DOCX, watch them become ready, look at the chunks, ask, follow
// a citation to its passage, allow a site, and ask there through the widget. Another tenant sees none of it.
func TestJourney(t *testing.T) {
	db := dbtest.New(t)
	server := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL})
	owner := newPerson(t)
	owner.signUp(server.url, "Harbour Loop Bikes", "owner@harbourloop.example")

	owner.Log("uploading")
	var files []string
	for _, name := range []string{"harbour-handbook.pdf", "warranty.docx"} {
		file, err := filepath.Abs(filepath.Join("..", "domain", "ingest", "extract", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	owner.do(chromedp.SetUploadFiles(`input[type="file"]`, files))
	owner.until(`document.querySelectorAll('tr[id^="doc-"]').length === 2`)
	owner.do(chromedp.Evaluate[chromedp.Void](`window.sameVisit = true`))
	owner.until(`[...document.querySelectorAll('tr[id^="doc-"]')].filter(r => r.querySelector('[data-s="ready"]')).length === 2`)
	if !sees[bool](owner, `window.sameVisit === true`) {
		t.Error("the rows became ready only with a reload")
	}

	owner.Log("inspecting")
	handbook := sees[string](owner, `[...document.querySelectorAll('tr[id^="doc-"] a')].find(a => a.textContent.includes("harbour-handbook")).href`)
	owner.open(handbook)
	owner.until(`document.querySelectorAll('[id^="chunk-"]').length > 10 && document.body.innerText.includes("p. 3") && document.body.innerText.includes("tokens")`)

	owner.Log("asking")
	owner.open(server.url + "/playground")
	owner.do(chromedp.Focus(`textarea`))
	owner.types("What does an electric bicycle cost for one week?")
	owner.do(chromedp.KeyEvent(kb.Enter))
	owner.until(`document.body.innerText.includes("149.00") && document.querySelector("a.cite[href]") && document.body.innerText.includes("builtin-extractive-v1")`)
	owner.until(`document.querySelectorAll("[data-chunk]").length > 0`)
	owner.click(`main a.cite[href]`)
	owner.until(`location.pathname.startsWith("/documents/") && new URLSearchParams(location.search).get("chunk") && document.querySelector("mark")?.textContent.length > 0`)
	owner.until(`document.body.innerText.includes("149.00")`)

	owner.Log("allowing a site and asking there")
	owner.open(server.url + "/bot")
	key := sees[string](owner, `document.body.innerText.match(/data-bot="([0-9a-f-]{36})"/)[1]`)
	site := customerPage(t, server.url, key)
	visitor := newPerson(t)
	visitor.open(site)
	visitor.until(`performance.getEntriesByType("resource").some(r => r.name.includes("/widget/v1/"))`)
	if sees[bool](visitor, `!!$(".launch")`) {
		t.Error("the widget shows up on a site that is not allowed")
	}
	owner.fill("origin", site)
	owner.do(chromedp.Submit(`[name="origin"]`))
	owner.until(`document.body.innerText.includes("` + strings.TrimPrefix(site, "http://") + `")`)
	visitor.open(site)
	visitor.asksTheWidget("When does a battery count as worn?")
	visitor.until(`$(".a").innerText.includes("70 percent") && $$(".a a, .a button").length > 0`)
	visitor.open(site) // a reload
	visitor.until(`$(".a")?.innerText.includes("70 percent")`)

	owner.Log("another tenant")
	stranger := newPerson(t)
	stranger.signUp(server.url, "Elsewhere", "owner@elsewhere.example")
	if n := sees[int](stranger, `document.querySelectorAll('tr[id^="doc-"]').length`); n != 0 {
		t.Errorf("a stranger sees %d documents", n)
	}
	stranger.open(handbook)
	stranger.until(`document.body.innerText.includes("no such document")`)
	stranger.open(server.url + "/bot")
	foreign := sees[string](stranger, `document.body.innerText.match(/data-bot="([0-9a-f-]{36})"/)[1]`)
	other := customerPage(t, server.url, foreign)
	stranger.fill("origin", other)
	stranger.do(chromedp.Submit(`[name="origin"]`))
	stranger.until(`document.body.innerText.includes("` + strings.TrimPrefix(other, "http://") + `")`)
	visitor.open(other)
	visitor.asksTheWidget("What does an electric bicycle cost for one week?")
	visitor.until(`$(".a").innerText.includes("rather not guess")`)

	owner.Log("deleting")
	owner.open(server.url + "/documents")
	owner.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("tr")].find(r => r.textContent.includes("harbour-handbook")).querySelector("[data-delete]").click()`))
	owner.click(`#delete-dialog button[data-danger]`)
	owner.until(`document.querySelectorAll('tr[id^="doc-"]').length === 1 && document.body.innerText.includes("was deleted")`)
	visitor.open(site)
	visitor.asksTheWidget("What does an electric bicycle cost for one week?")
	visitor.until(`!$$(".a").at(-1).innerText.includes("149.00")`)
}
