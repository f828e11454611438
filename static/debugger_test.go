package static_test

import (
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// An answer is taken apart: from the playground to its page, a chunk followed, a document asked about, settings tried.
func TestDebugger(t *testing.T) {
	p := &inspector{dashboard: newDashboard(t)}
	tenant := p.account.Tenant.ID
	p.db.Document(t, tenant, "prices.txt", "A bicycle costs 19 euros a day.", "A cargo bicycle costs 45 euros a day, and a deposit.", "Helmets are free of charge.")
	p.db.Document(t, tenant, "hours.txt", "The harbour station opens at nine in the morning.")
	p.open(p.url + "/playground")
	p.do(chromedp.Focus("#question"))

	p.Log("a question that is too long is refused in words, and given back")
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#question").value = "long ".repeat(401)`))
	p.keys(kb.Enter)
	p.until(`document.querySelector("[data-turn]:not([aria-busy]) [data-problem-text]")?.innerText.includes("this one has 2,004")`)
	p.check(`document.querySelector("#question").value.length === 2004`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#question").value = ""`))

	p.write("What does a bicycle cost a day?")
	p.keys(kb.Enter)
	p.until(`document.querySelector("[data-turn]:not([aria-busy]) [data-foot] [hx-get]") && document.querySelector("#passages li")`)
	p.check(`document.querySelectorAll("#passages li").length > 0 && !document.querySelector("#passages #pipeline")`)

	p.Log("beside the conversation, and on a page of its own")
	p.press(`[data-foot] [hx-get]`)
	p.until(`document.querySelector("#evidence #answer-meta section") && location.pathname === "/playground"`)
	p.press(`[data-foot] a.more:not([hx-get])`)
	p.until(`document.querySelector("html.js #pipeline .cell")`)
	address := eval[string](p.tab, `location.pathname`)
	p.check(`(() => { // the hundredth has its place in one line
		const rank = document.querySelector("#pipeline [data-rank]"), line = rank.offsetHeight, place = rank.textContent
		rank.textContent = "100"
		const same = rank.offsetHeight === line
		rank.textContent = place
		return same })()`)

	p.Log("following a chunk by keyboard")
	p.do(chromedp.Evaluate[chromedp.Void](`window.sameVisit = true`))
	p.do(chromedp.Focus(`#pipeline ol:last-of-type .cell`))
	p.until(`document.querySelectorAll("#pipeline path[data-hot]").length > 0`)
	p.keys(kb.Enter)
	p.until(`document.querySelectorAll("#pipeline .cell[data-on]").length > 1 && document.querySelector("#candidates .candidate[data-on]")`)
	p.check(`window.sameVisit && new URLSearchParams(location.search).get("follow") === document.activeElement.dataset.chunk`)
	p.check(`document.querySelector("#pipeline path[data-on]").getBoundingClientRect().width > 0`)
	p.check(`document.querySelector("#pipeline p:has([data-following])").innerText.trim() === "Following " + document.activeElement.querySelector("[data-name]").textContent`)
	p.do(chromedp.Reload())
	p.until(`document.querySelector("html.js #pipeline .cell[data-on]")`)
	p.do(chromedp.Focus(`#pipeline ol:last-of-type .cell`))
	p.keys(kb.Enter)
	p.check(`document.querySelector("#pipeline p:has([data-following])").innerText.trim() === "Following " + document.activeElement.querySelector("[data-name]").textContent`)
	p.press(`#prompt summary`)
	p.until(`document.querySelector("#prompt details[open] pre")?.innerText.includes("You answer questions")`)

	p.Log("why not this one")
	p.do(chromedp.Navigate(p.url + address + "/why"))
	p.until(`document.querySelector("html.js #picker-q")`)
	p.do(chromedp.Focus(`#picker-q`))
	p.write("hours")
	p.until(`document.querySelectorAll("#picker-list li").length === 1`)
	p.press(`#picker-list li a`)
	p.until(`document.querySelector("html.js #verdict")?.innerText.match(/not found|Lost/)`)
	p.do(chromedp.Focus(`#picker-cq`))
	p.write("harbour")
	p.until(`document.querySelector("#picker-list li mark")?.innerText === "harbour"`)

	p.Log("what if")
	p.do(chromedp.Navigate(p.url + address + "/try"))
	p.until(`document.querySelector("html.js #try-form")`)
	p.do(chromedp.Focus(`[data-slider]`))
	p.keys(kb.End)
	p.check(`document.querySelector("#threshold").value === "1"`)
	p.do(chromedp.Focus(`#try-run`))
	p.keys(kb.Enter)
	p.until(`document.querySelector("#tried .flow")?.innerText.includes("drops out")`)
	p.check(`document.activeElement.id === "try-run" && location.pathname === ` + quoted(address+"/try"))
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#threshold").value = "9"; document.querySelector("#try-form").noValidate = true`))
	p.keys(kb.Enter)
	p.until(`document.querySelector("#threshold-wrong")?.innerText.includes("from 0 to 1")`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#threshold").value = "0.5"`))
	p.do(chromedp.Focus(`#try-run`))
	p.keys(kb.Enter)
	p.has(`#save-settings summary`)
	p.press(`#save-settings summary`)
	p.press(`#save-settings form button`)
	p.until(`location.pathname === ` + quoted(address+"/now") + ` && document.querySelector("#changes")?.innerText.includes("Threshold")`)

	p.Log("on a phone nothing runs over the page")
	p.do(chromedp.EmulateViewport(390, 844))
	for _, page := range []string{"", "/why", "/try", "/now"} {
		p.do(chromedp.Navigate(p.url + address + page))
		p.until(`document.querySelector("html.js .tabs-line")`)
		p.check(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
	}
}

func quoted(path string) string { return `"` + (&url.URL{Path: path}).String() + `"` }
