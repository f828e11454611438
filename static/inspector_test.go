package static_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/llm"
)

// inspector is a dashboard with a PDF of two pages in front.
type inspector struct {
	*dashboard
	address string
	chunks  []domain.ID
}

func newInspector(t *testing.T) *inspector {
	t.Helper()
	p := &inspector{dashboard: newDashboard(t)}
	var id domain.ID
	id, p.chunks = p.db.PDF(t, p.account.Tenant.ID, "ferry.pdf",
		[]string{"The ferry sails at nine in the morning.", "A ticket for the ferry costs twelve euros."}, []string{"Dogs travel free of charge on the ferry."})
	p.address = p.url + "/documents/" + id.String()
	p.open(p.address)
	return p
}

func (p *inspector) open(address string) {
	p.Helper()
	p.do(chromedp.Navigate(address))
	p.until(`document.readyState === "complete" && document.querySelector("html.js #source[data-shown], html.js #ask")`)
}

// press clicks the element of a selector.
func (p *inspector) press(selector string) {
	p.Helper()
	p.tab.press(fmt.Sprintf(`document.querySelector('%s')`, selector))
}

// of is the selector of a part of the n-th chunk's article, from 1.
func (p *inspector) of(n int, part string) string {
	return strings.TrimSpace(fmt.Sprintf("#chunk-%s %s", p.chunks[n-1], part))
}

func (p *inspector) passage(n int) string {
	return fmt.Sprintf(`.passage[data-select="%s"]`, p.chunks[n-1])
}

// shown waits until the text of an element has a part.
func (p *inspector) shown(selector, part string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.querySelector('%s')?.innerText.includes(%q)`, selector, part))
}

func (p *inspector) has(selector string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.querySelector('%s')`, selector))
}

// focused waits for the focus.
func (p *inspector) focused(selector string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.activeElement?.matches('%s')`, selector))
}

// A chunk and its passage are selected together, whichever of them is clicked.
func TestInspectorSelects(t *testing.T) {
	p := newInspector(t)
	p.until(`document.querySelector("[data-picture] img")?.naturalWidth > 0 && document.querySelectorAll(".passage").length === 2`)
	p.check(`(([a, b]) => Math.abs(a.width - b.width) < 1 && Math.abs(a.height - b.height) < 1 && a.height > a.width)(["img", ".passages"].map(s => document.querySelector("[data-picture] " + s).getBoundingClientRect()))`)

	p.press(p.passage(2) + " rect")
	p.has(p.of(2, "") + `[data-on]`)
	p.has(p.passage(2) + `[data-on]`)
	p.focused(p.of(2, "a[data-select]"))
	p.check(fmt.Sprintf(`new URLSearchParams(location.search).get("chunk") === "%s" && document.querySelectorAll("article[data-on]").length === 1`, p.chunks[1]))

	p.press(p.of(3, "a[data-select]"))
	p.has(`#source[aria-label="Page 2"]`)
	p.has(p.passage(3) + `[data-on]`)
	p.has(p.of(3, "") + `[data-on]`)
	p.check(`document.querySelectorAll("article[data-on]").length === 1`)

	p.press(`#source-zoom-in`)
	p.until(`document.querySelector("[data-picture] img")?.getBoundingClientRect().width === 840`)
	p.press(`#source-as-Text`)
	p.shown(`#source mark[data-on]`, "Dogs travel free")
	p.do(chromedp.Focus(`#chunk-q`))
	p.write("ticket")
	p.until(`document.querySelectorAll("#chunks article").length === 1`)
	p.check(`(q => q.get("q") === "ticket" && q.get("as") === "text" && q.get("zoom") === "1")(new URLSearchParams(location.search))`)
	p.press(`#source-as-Page`)
	p.has(p.passage(3) + `[data-on]`)
	p.check(`new URLSearchParams(location.search).get("q") === "ticket"`)

	p.open(p.address + "?source=1")
	p.do(chromedp.Focus(p.passage(1)))
	p.keys(kb.Enter)
	p.focused(p.of(1, "a[data-select]"))

	p.broken.Store(true)
	p.open(p.address + "?zoom=2")
	p.shown(`[data-instead]`, "There is no picture of this page")
	p.shown(`[data-instead]`, "The ferry sails at nine")
	p.check(`document.querySelector("[data-picture]").hidden`)
}

// A chunk is edited and another one switched off where they stand, and the next answer shows it.
func TestInspectorEdits(t *testing.T) {
	p := newInspector(t)
	const field = "textarea"
	p.do(chromedp.Evaluate[chromedp.Void](`window.sameVisit = true`))

	p.do(chromedp.Focus(p.of(2, `[aria-label="Edit chunk 2"]`)))
	p.keys(kb.Enter)
	p.focused(p.of(2, field))
	p.keys(kb.End)
	p.write(" Children pay half, and this is said in many more words than before.")
	p.shown(p.of(2, "[data-tokens]"), "About 28 of 320 tokens")
	p.keys(kb.Escape)
	p.focused(p.of(2, `[aria-label="Edit chunk 2"]`))
	p.check(`!document.querySelector("#chunks").innerText.includes("Children")`)

	p.keys(kb.Enter)
	p.focused(p.of(2, field))
	p.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`))
	p.write(" ")
	p.keys(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	p.shown(p.of(2, ".wrong"), "A chunk needs some text")
	p.focused(p.of(2, field))
	p.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`))
	p.write("A ticket for the ferry costs fourteen euros.")
	p.keys(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	p.shown(p.of(2, ".pill"), "Edited")
	p.shown(p.of(2, "ins"), "fourteen")
	p.shown(`#chunk-facts`, "3 chunks, 1 edited")
	p.shown(`#only-edited`, "1")
	p.until(`document.getElementById("announce").textContent.includes("Chunk 2 was saved")`)
	p.focused(p.of(2, `[aria-label="Edit chunk 2"]`))

	p.press(p.of(3, ".switch"))
	p.has(p.of(3, `.switch[aria-checked="false"]`))
	p.focused(p.of(3, ".switch"))
	p.shown(`#chunk-facts`, "3 chunks, 1 off, 1 edited")
	p.press(`#only-off`)
	p.until(`document.querySelectorAll("#chunks article").length === 1 && document.querySelector("#chunks article[data-off]")`)
	p.check(`window.sameVisit === true`)

	p.ask("What does a ticket for the ferry cost?", "fourteen euros", "twelve")
	p.ask("Do dogs travel free of charge?", "", "Dogs travel free")

	p.open(p.address)
	p.press(p.of(2, "details summary"))
	p.shown(p.of(2, "details del"), "twelve")
	p.press(p.of(2, `[aria-label="Undo the edit of chunk 2"]`))
	p.shown(`#toasts`, "has the document’s words again")
	p.until(`!document.querySelector("ins")`)
	p.db.CheckIndex(t, p.account.Tenant.ID)
}

// ask puts a question in the playground. The answer has a part, or "" for none in particular, and not the other.
func (p *inspector) ask(question, part, without string) {
	p.Helper()
	p.open(p.url + "/playground")
	p.do(chromedp.Focus(`#ask textarea`))
	p.write(question)
	p.keys(kb.Enter)
	p.until(`document.querySelector("[data-turn]:last-of-type [data-answer]")?.innerText && !document.querySelector("[data-live], [aria-busy=true]")`)
	answer := eval[string](p.tab, `[...document.querySelectorAll("[data-answer]")].at(-1).innerText`)
	if !strings.Contains(answer, part) || strings.Contains(answer, without) {
		p.Errorf("%s is answered with %q", question, answer)
	}
}

// What two people write at once is shown to the second, and nothing that was typed is lost without a word.
func TestInspectorKeepsWhatWasTyped(t *testing.T) {
	p := newInspector(t)
	var dialogs atomic.Int64
	if err := chromedp.Listen(p.ctx, func(ev any) {
		if _, ok := ev.(*cdppage.EventJavascriptDialogOpening); ok {
			dialogs.Add(1)
			go func() {
				_, _ = chromedp.Call(p.ctx, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: false})
			}()
		}
	}); err != nil {
		t.Fatal(err)
	}
	p.press(p.of(2, `[aria-label="Edit chunk 2"]`))
	p.focused(p.of(2, "textarea"))
	p.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`))
	p.write("My price.")

	p.press(`#only-edited`)
	dbtest.Eventually(t, 20*time.Second, "the browser to ask", func() bool { return dialogs.Load() == 1 })
	p.press(p.passage(1) + " rect") // selecting takes nothing away
	p.has(p.of(1, "") + `[data-on]`)
	p.check(fmt.Sprintf(`document.querySelector('%s').value === "My price."`, p.of(2, "textarea")))

	_, err := p.documents.EditChunk(t.Context(), p.account.Tenant.ID, p.chunks[1], "A ticket for the ferry costs twelve euros.", "Their price.", p.account.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.press(p.of(2, "form button"))
	p.shown(p.of(2, ""), "Somebody changed this chunk")
	p.shown(p.of(2, "ins"), "Their")
	p.check(fmt.Sprintf(`document.querySelector('%s').value === "My price." && !document.querySelector("#toasts .toast")`, p.of(2, "textarea")))
	p.press(p.of(2, "form button"))
	p.shown(p.of(2, ".lines"), "My price.")
	p.has(p.of(2, "ins"))
	if c, err := p.documents.Chunk(t.Context(), p.account.Tenant.ID, p.chunks[1]); err != nil || c.Text != "My price." {
		t.Errorf("it reads %q, %v", c.Text, err)
	}
}

// The estimate in the browser is the server's.
func TestEstimateTokens(t *testing.T) {
	p := newTab(t)
	p.do(chromedp.Navigate("about:blank"), chromedp.Evaluate[chromedp.Void](module(t, "Inspector", "src/inspector.ts")))
	for _, text := range []string{"", "a", "Four words of English.", "Übergrößenträger", "票价是二十欧元。", "تُعاد القوارب", "🙂🙂", "  blanks around  "} {
		if got, want := eval[int](p, fmt.Sprintf(`Inspector.estimateTokens(%q)`, text)), llm.EstimateTokens(strings.TrimSpace(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
