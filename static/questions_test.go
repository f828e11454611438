package static_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"
)

// A list with a wrong line, its correction, a test that the page waits for, and a threshold from it.
func TestQuestions(t *testing.T) {
	d := newDashboard(t)
	tenantID := d.account.Tenant.ID
	d.db.Document(t, tenantID, "Prices.txt", "A kayak is rented by the day for nineteen euros.")
	d.db.Document(t, tenantID, "Vests.txt", "Life vests come in four sizes, from infants to adults.")
	d.do(chromedp.Navigate(d.url + "/questions"))
	d.press(button(`document.querySelector("#main")`, "Add questions"))
	d.until(`document.querySelector("#list")`)
	d.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#list").focus()`))
	d.write("question;document\nWhat does a kayak cost for a day?;Prices.txt\nWhich sizes do life vests have?;Vests.pdf\nWho composed the opera Carmen?;none\n")
	d.press(button(`document.querySelector("#list-form")`, "Add list"))
	d.until(`document.querySelector("[role=alert]")?.innerText.includes("Line 3")`)
	d.check(`document.querySelector("#list").value.trim() === "Which sizes do life vests have?,Vests.pdf"`)
	d.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#list").value = "Which sizes do life vests have?,Vests.txt"`))
	d.press(button(`document.querySelector("#list-form")`, "Add list"))
	d.until(`location.pathname === "/questions" && document.querySelectorAll("#questions tbody tr").length === 3`)
	d.check(`document.querySelector("#question-progress .status")`)

	if _, err := d.questions.Follow(t.Context(), tenantID, func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	d.until(`document.querySelector(".ledger")?.innerText.includes("1.00") && !document.querySelector("#question-progress .status")`)
	d.check(`document.querySelectorAll("svg.chart .point").length === 1`)

	d.do(chromedp.Navigate(d.url + "/questions/threshold"))
	d.until(`document.querySelector("html.js #calibrated .ledger")`)
	d.do(chromedp.Evaluate[chromedp.Void](`window.sameVisit = true`))
	before := eval[string](d.tab, `document.querySelector("#calibrated dd").innerText`)
	d.do(chromedp.Evaluate[chromedp.Void](`(s => { s.value = "50"; s.dispatchEvent(new Event("input", {bubbles: true})) })(document.querySelector("[data-mirror]"))`))
	d.until(`document.querySelector("#calibrated dd").innerText === "0"`)
	d.check(`document.querySelector("#accept").value === "50" && window.sameVisit`)
	d.do(chromedp.Evaluate[chromedp.Void](`(f => { f.value = "much"; f.dispatchEvent(new Event("input", {bubbles: true})) })(document.querySelector("#accept"))`))
	d.until(`document.querySelector("#accept-problem").innerText.includes("A share is a number")`)
	d.do(chromedp.Evaluate[chromedp.Void](`(f => { f.value = "0"; f.dispatchEvent(new Event("input", {bubbles: true})) })(document.querySelector("#accept"))`))
	d.until(`document.querySelector("#calibrated dd").innerText !== "0" && !document.querySelector("#accept-problem").innerText`)
	if before == "0" {
		t.Error("5 % of wrong answers were accepted from the start, so that nothing was shown")
	}
	d.press(`document.querySelector('#calibrated form[method="post"] button')`)
	d.until(`location.pathname === "/questions" && document.querySelector(".toast")?.innerText.includes("The threshold is")`)
	d.check(`document.querySelector("#question-progress .status")`)
}
