package static_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestConversation(t *testing.T) {
	s := newServer(always(shipping))
	p, url := opened(t, s, page{})
	p.check(`$("h2").textContent === "What can we help you find?" && $$(".sug button").length === 2`)
	p.check(`root.activeElement === $("textarea")`)
	if s.count("POST /visitors") != 0 {
		t.Error("a visitor was made before anything was asked")
	}

	p.ask("What does shipping cost?")
	p.answered()
	p.check(`$(".q p").textContent === "What does shipping cost?"`)
	p.check(`$(".a strong").textContent === "4.50" && $$(".a li").length === 2`)
	p.check(`$$(".a button.cite").map(b => b.textContent).join() === "1,2,1"`)
	p.check(`$$(".src button").length === 2 && $(".src").innerText.includes("p. 4")`)
	p.check(`$(".by").textContent.includes("built-in")`)
	p.check(`$("[aria-live=polite]").textContent.includes("4.50, and nothing from 60 on. It takes two working days. Standard: two days Express: the next morning, before 10 Returns are free") && $("[aria-live=polite]").textContent.endsWith("2 sources.")`)
	p.check(`$$(".sug button").map(b => b.textContent).join() === "Can I return an engraved pen?"`)

	p.click(".a button.cite")
	p.until(`!$(".passage").hidden`)
	p.check(`$(".passage").innerText.includes("Shipping and returns 2026") && $(".passage").innerText.includes("Page 4 · Shipping › Prices")`)
	p.check(`$(".passage blockquote").textContent.startsWith("Shipping inside the country costs 4.50.") && $(".passage td").textContent === "1"`)
	p.keys(kb.Escape)
	p.until(`$(".passage").hidden && root.activeElement === $(".a button.cite")`)
	p.click(".src li:last-child button")
	p.until(`!$(".passage").hidden`)
	p.check(`$(".passage .where").textContent === "" && $(".passage").innerText.includes("A parcel takes two working days.")`)
	p.click(".passage .quiet")
	p.until(`$(".passage").hidden`)

	before := eval[string](p, `$(".a").innerHTML`)
	p.do(chromedp.Navigate(url))
	p.until(`$$(".a button.cite").length === 3 && !$(".panel").hidden`)
	if after := eval[string](p, `$(".a").innerHTML`); after != before {
		t.Errorf("the stored answer is drawn differently:\n%s\nstreamed:\n%s", after, before)
	}
	p.check(`document.activeElement === document.body`) // a panel that was open must not take the focus from the page
	p.check(`Object.keys(window).every(k => !/bitb/i.test(k))`)

	p.keys(kb.Tab)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector("textarea").focus()`))
	p.keys(kb.Escape)
	p.until(`$(".panel").hidden && root.activeElement === $(".launch")`)
	p.do(chromedp.Navigate(url))
	p.until(`$(".launch")`)
	p.check(`$(".panel").hidden`)
}

func TestStartOver(t *testing.T) {
	s := newServer(always(shipping))
	p, url := opened(t, s, page{})
	p.check(`$("[aria-label='Start over']").hidden`)
	p.ask("What does shipping cost?")
	p.answered()
	p.click("[aria-label='Start over']")
	p.until(`$("h2") && !$(".turn")`)
	p.do(chromedp.Navigate(url))
	p.until(`$("h2") && $(".note")`)
	p.check(`!$(".turn")`)
	p.click(".note .act")
	p.until(`$$(".turn").length === 1 && !$("h2")`)
	if s.count("POST /conversations") != 0 {
		t.Error("what can still be undone was sent to the server")
	}
	p.click("[aria-label='Start over']")
	p.click(".sug button:last-child")
	p.answered()
	p.check(`$$(".turn").length === 1 && $(".q p").textContent === "Can I return an engraved pen?"`)
	if n := s.count("POST /conversations"); n != 1 {
		t.Errorf("%d conversations were begun, not 1", n)
	}
}

func TestKeyboardAndLimits(t *testing.T) {
	release := make(chan struct{})
	proceed := sync.OnceFunc(func() { close(release) })
	defer proceed()
	s := newServer(func(_ string, _ int, w *wire) (message, refusal) {
		w.stage("searching")
		<-release
		return shipping, refusal{}
	})
	p, _ := opened(t, s, page{Before: `addEventListener("keydown", e => (window.heard = (window.heard || "") + e.key))`})
	p.keys("a")
	p.keys(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift))
	p.keys("b")
	p.check(`$("textarea").value === "a\nb" && !$(".turn")`)
	p.check(`!window.heard`) // the page's own shortcuts stay quiet while somebody types

	set := func(n int) {
		p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(t => { t.value = "😀".repeat(%d); t.dispatchEvent(new Event("input")) })(document.querySelector("bitb-widget").shadowRoot.querySelector("textarea"))`, n)))
	}
	set(1799)
	p.check(`$(".count").hidden`)
	set(1900)
	p.check(`$(".count").textContent === "1,900 of 2,000 characters" && !$(".send").disabled`)
	set(2001)
	p.check(`$(".count.over") && $(".send").disabled && $("textarea").ariaInvalid === "true"`)
	p.check(`root.getElementById($("textarea").getAttribute("aria-describedby")).textContent.endsWith("Shorten the question to send it.")`)
	p.keys(kb.Enter)
	p.check(`!$(".turn")`)

	set(0)
	p.ask("one")
	p.until(`$(".busy") && $(".send.running") && $(".send").ariaLabel === "Stop"`)
	p.ask("two")
	p.check(`$$(".turn").length === 1`)
	p.check(`$("textarea").value === "two"`) // kept for later, not lost and not sent
	proceed()
	p.answered()
	p.keys(kb.Enter)
	p.until(`$$(".turn").length === 2`)
	p.answered()
	for id, n := range s.asked {
		if n != 1 {
			t.Errorf("question %s was sent %d times", id, n)
		}
	}
}

func TestTrouble(t *testing.T) {
	times := map[string]int{}
	s := newServer(func(q string, _ int, w *wire) (message, refusal) {
		times[q]++
		switch {
		case q == "too often" && times[q] == 1:
			return message{}, refusal{status: 429, Code: "rate_limited", Message: "You have asked a lot. Try again in 2 seconds.", RetryAfter: 2}
		case q == "broken" && times[q] == 1:
			w.words("Half of an ")
			w.event("error", refusal{Code: "model", Message: "The model does not answer at the moment. Try again soon."})
			return message{}, refusal{}
		case q == "cut" && times[q] == 1:
			w.words("Half of an ")
			w.store(message{Status: "interrupted", Text: "Half of an"})
			panic(http.ErrAbortHandler)
		case q == "moved" && times[q] == 1:
			return message{}, refusal{status: 409, Code: "conflict", Message: "Another message has this id already. Send the question with a new one."}
		case q == "unknown":
			return message{Status: "fallback", Text: "I could not find this in our documents."}, refusal{}
		case q == "slow":
			w.words("It begins and ")
			<-w.r.Context().Done()
			return message{}, refusal{}
		case q == "empty":
			return message{Status: "complete"}, refusal{}
		}
		w.words(shipping.Text)
		return shipping, refusal{}
	})
	p, _ := opened(t, s, page{})
	const newest = ":nth-last-child(1 of .turn) "
	last := func(selector string) string { return `$("` + newest + selector + `")` }

	p.ask("too often")
	p.until(last(".act") + `?.disabled && ` + last(".note") + `.innerText.includes("Try again in 2 seconds.") && ` + last(".act") + `.textContent.startsWith("Retry in ")`)
	p.until(`!` + last(".act") + `.disabled`)
	p.click(newest + ".act")
	p.answered()
	p.check(`$$(".turn").length === 1 && ` + last(".src"))

	p.ask("broken")
	p.until(last(".note") + `?.innerText.includes("The model does not answer at the moment.")`)
	p.click(newest + ".act")
	p.answered()
	p.check(last(".src") + ` && $$(".turn").length === 2`)
	if times := s.sent("broken"); len(times) != 1 || times[0] != 2 {
		t.Errorf("the retry is not the same message again: %v", times)
	}

	p.ask("cut")
	p.until(last(".note") + `?.innerText.includes("cut off")`)
	p.check(last(".a") + `.textContent === "Half of an"`)
	p.click(newest + ".act")
	p.answered()
	p.check(last(".src"))
	if times := s.sent("cut"); len(times) != 2 {
		t.Errorf("a message that has its half answer for good was asked again: %v", times)
	}

	p.ask("moved")
	p.until(last(".note"))
	taken, _, _ := strings.Cut(eval[string](p, `sessionStorage.getItem("bitb:`+bot+`:sent")`), "\n")
	p.click(newest + ".act")
	p.answered()
	p.check(last(".src"))
	if s.asked[taken] != 0 || len(s.sent("moved")) != 1 {
		t.Errorf("the id that was taken, %s, was sent again", taken)
	}

	p.ask("unknown")
	p.until(last(".a.none"))
	p.click(newest + ".quiet")
	p.until(`$("textarea").value === "unknown" && root.activeElement === $("textarea")`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector("textarea").value = ""`))

	p.ask("slow")
	p.until(last(".a") + `.textContent === "It begins and"`)
	p.click(".send")
	p.until(last(".note") + `?.innerText.includes("Stopped")`)
	p.check(last(".a") + `.textContent === "It begins and"`)

	p.ask("empty")
	p.until(last(".note") + `?.innerText.includes("did not write")`)

	p.offline(true)
	p.ask("from a tunnel")
	p.until(last(".note") + `?.innerText.includes("offline")`)
	p.offline(false)
	p.click(newest + ".act")
	p.until(last(".src"))
}

// A question that was on its way when the page went is shown again with what became of it.
func TestReloadInTheMiddle(t *testing.T) {
	release := make(chan struct{})
	proceed := sync.OnceFunc(func() { close(release) })
	defer proceed()
	s := newServer(func(q string, _ int, w *wire) (message, refusal) {
		w.words("The first half ")
		if q == "answered later" {
			<-release
			w.store(shipping)
		}
		return message{}, refusal{}
	})
	p, url := opened(t, s, page{})
	p.ask("answered later")
	p.until(`$(".a").textContent === "The first half"`)
	p.do(chromedp.Navigate(url))
	p.until(`$(".busy") && $(".q p")?.textContent === "answered later"`)
	proceed()
	p.until(`$(".src")`)

	p.do(chromedp.Evaluate[chromedp.Void](`sessionStorage.setItem("bitb:`+bot+`:sent", "0190a5b0-0000-7000-8000-00000000000f\nnever arrived")`), chromedp.Navigate(url))
	p.until(`$$(".turn").length === 2 && $$(".q p")[1].textContent === "never arrived" && $(".note").innerText.includes("not sent")`)
}

// A proxy that holds the stream back: the answer comes by polling, and the silent stream is given up.
func TestBufferingProxy(t *testing.T) {
	hold := make(chan struct{})
	s := newServer(func(_ string, _ int, w *wire) (message, refusal) {
		w.store(shipping)
		<-hold
		return message{}, refusal{}
	})
	defer close(hold) // before the server is closed, which waits for it
	p, _ := opened(t, s, page{Before: `{ const slow = setTimeout; window.setTimeout = (f, ms, ...a) => slow(f, ms / 40, ...a) }`})
	p.ask("What does shipping cost?")
	p.until(`$(".src")`)
	if s.count("POST /messages") != 1 {
		t.Error("the question was sent again")
	}
}

// What was said before cannot be fetched: that is said and heard, and whoever tries again stays in the chat.
func TestNoHistory(t *testing.T) {
	s := newServer(always(shipping))
	p, url := opened(t, s, page{})
	p.ask("What does shipping cost?")
	p.answered()
	p.keys(kb.Escape)
	p.do(chromedp.Navigate(url))
	p.until(`$(".launch")`)
	p.offline(true)
	p.click(".launch")
	p.until(`$(".note")?.innerText.includes("could not be loaded") && $("[aria-live=polite]").textContent.includes("could not be loaded")`)
	p.offline(false)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector(".note .act").focus()`))
	p.keys(kb.Enter)
	p.until(`$(".turn") && root.activeElement === $("textarea")`)
}

func TestForgottenVisitor(t *testing.T) {
	s := newServer(always(shipping))
	p, url := opened(t, s, page{})
	p.ask("What does shipping cost?")
	p.answered()
	s.mu.Lock()
	s.tokens, s.messages = 7, nil // as after a deletion of old visitors
	s.mu.Unlock()
	p.do(chromedp.Navigate(url))
	p.until(`$("h2")`)
	p.ask("And returns?")
	p.answered()
	p.check(`$(".src") && $$(".turn").length === 1`)
}

// A site that is taken off the list, or a bot that is deleted, while somebody chats: the network is not to blame.
func TestGoneMeanwhile(t *testing.T) {
	s := newServer(always(shipping))
	p, _ := opened(t, s, page{})
	p.ask("What does shipping cost?")
	p.answered()
	set := func(allowed string, gone bool) (before string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		before, s.allowed, s.gone = s.allowed, allowed, gone
		return before
	}
	own := set("https://elsewhere.test", false)
	p.ask("And returns?")
	p.until(`$(".note")?.innerText.includes("no longer available on this page")`)
	set(own, true)
	p.click(".note .act")
	p.until(`$(".busy")`)
	p.until(`$(".note")?.innerText.includes("no longer available on this page")`)
	set(own, false)
	p.click(".note .act")
	p.answered()
	p.check(`$$(".turn").length === 2 && !$(".note")`)
}

// A server that is busy says so, and is asked again.
func TestBusyAtFirst(t *testing.T) {
	s := newServer(always(shipping))
	s.busy = 2
	opened(t, s, page{Before: `{ const slow = setTimeout; window.setTimeout = (f, ms, ...a) => slow(f, ms / 40, ...a) }`})
}

func TestStaysAway(t *testing.T) {
	for _, c := range []struct {
		name, bot, warning string
		gone, foreign      bool
	}{
		{name: "origin", foreign: true, warning: "is not on this bot's list of allowed sites"},
		{name: "unknown bot", gone: true, warning: "there is no bot with the id " + bot},
		{name: "bad bot", bot: "<img>", warning: "is not a bot's id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newTab(t)
			s := newServer(nil)
			s.gone = c.gone
			url := site(t, s, page{Bot: c.bot})
			if c.foreign {
				s.allowed = "https://elsewhere.test"
			}
			console := chromedp.Console(p.ctx)
			p.do(chromedp.Navigate(url))
			for m, err := range console {
				if err != nil {
					t.Fatal(err)
				}
				if m.Type == chromedp.ConsoleWarning && strings.HasPrefix(m.Text, "BITB: ") {
					if !strings.Contains(m.Text, c.warning) {
						t.Errorf("warning: %s", m.Text)
					}
					break
				}
			}
			p.check(`!document.querySelector("bitb-widget")`)
		})
	}
}

func TestStrictPolicy(t *testing.T) {
	s := newServer(always(shipping))
	p, _ := opened(t, s, page{
		csp: `default-src 'none'; script-src ORIGIN 'nonce-n'; connect-src ORIGIN; style-src 'self'; img-src data:; frame-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'`,
		// The replaced fetch makes the widget take a clean one from an empty frame, which has to be allowed as well.
		Before: `window.violations = []; addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
			window.fetch = () => Promise.reject(new Error("no"))`,
	})
	p.ask("What does shipping cost?")
	p.answered()
	p.check(`$(".src") && getComputedStyle($(".head")).backgroundColor === "rgb(154, 59, 18)"`)
	if broken := eval[[]string](p, `violations`); len(broken) > 0 {
		t.Errorf("the page's policy was broken: %v", broken)
	}
}

func TestHostilePage(t *testing.T) {
	s := newServer(always(shipping))
	p, url := opened(t, s, page{
		css: `body *, bitb-widget, bitb-widget * { display: none !important; visibility: hidden !important; opacity: 0 !important; transform: scale(0) !important; pointer-events: none !important }
			html > * { color: red !important; font: 40px cursive !important }`,
		Before: `
			window.fetch = () => Promise.reject(new Error("no"));
			JSON.parse = () => ({}); JSON.stringify = () => "{}";
			Object.prototype.page = "<img src=x onerror=alert(1)>"; Object.prototype.method = "DELETE"; Object.prototype.headers = {"X-Evil": "1"};
			Object.prototype.sources = 7; Object.prototype.text = 7; Object.prototype.slotAssignment = "none"; Object.prototype.toJSON = () => "no";
			Object.prototype.status = "fallback"; Object.prototype.stream = false; Object.prototype.body = "x"; Object.prototype.hidden = true;
			Array.prototype.extra = () => "enumerable"; Array.prototype.toJSON = () => "[]"; String.prototype.toJSON = () => "no";
			window.Promise = class {}; window.Map = undefined; window.BITB = "taken";`,
	})
	p.ask("What does \"shipping\" cost?")
	p.answered()
	p.check(`$(".src") && $$(".a button.cite").length === 3 && getComputedStyle($(".a")).fontSize === "14px"`)
	p.do(chromedp.Navigate(url))
	p.until(`$$(".a button.cite").length === 3`)
	p.check(`$(".q p").textContent === 'What does "shipping" cost?' && window.BITB === "taken"`)
}

func TestRightToLeft(t *testing.T) {
	arabic := message{Status: "complete", Text: "الشحن مجاني من 60.[1]\n\nShipping is free from 60 on.[1]", Sources: []source{{1, "دليل الشحن NT-240", 3, "", "الشحن مجاني"}}}
	s := newServer(always(arabic))
	p, _ := opened(t, s, page{Dir: "rtl"})
	p.ask("كم تكلفة الشحن؟")
	p.answered()
	p.check(`$(".panel").matches("[dir=rtl] *")`)
	p.check(`$$(".a > p").map(e => getComputedStyle(e).direction).join() === "rtl,ltr"`)
	p.check(`$(".q p").getBoundingClientRect().left < $(".log").getBoundingClientRect().left + 20`)               // the visitor's side
	p.check(`$(".head .icon:last-child").getBoundingClientRect().left < $(".mark").getBoundingClientRect().left`) // close at the left
	p.check(`$(".src .cite").getBoundingClientRect().left > $(".src .p").getBoundingClientRect().left`)           // number first
	p.check(`$(".panel").getBoundingClientRect().right <= innerWidth && $(".log").scrollWidth <= $(".log").clientWidth`)
}

func TestPhone(t *testing.T) {
	s := newServer(always(shipping))
	p := newTab(t)
	url := site(t, s, page{})
	p.do(chromedp.EmulateViewport(390, 740, chromedp.EmulateMobile, chromedp.EmulateTouch), chromedp.Navigate(url))
	p.click(".launch")
	p.until(`!$(".panel").hidden`)
	p.check(`(r => r.x === 0 && r.y === 0 && r.width === 390 && Math.round(r.height) === 740)($(".panel").getBoundingClientRect())`)
	p.check(`root.activeElement === $(".panel")`) // not the field: the keyboard would cover the greeting
	p.check(`getComputedStyle($("textarea")).fontSize === "16px"`)
	p.ask("What does shipping cost?")
	p.answered()
	p.check(`$(".log").scrollWidth <= $(".log").clientWidth`)
}

// Browsers on phones lay out what is fixed as large as a page that is too wide, whatever of it is in view.
func TestPageWiderThanThePhone(t *testing.T) {
	for _, dir := range []string{"ltr", "rtl"} {
		p := newTab(t)
		url := site(t, newServer(always(shipping)), page{Dir: dir, css: `h1 { width: 100px } .late h1 { width: 620px }`})
		p.do(chromedp.EmulateViewport(390, 740, chromedp.EmulateMobile, chromedp.EmulateTouch), chromedp.Navigate(url))
		p.until(`$(".launch")`)
		p.do(chromedp.Evaluate[chromedp.Void](`document.body.className = "late"`))
		inView := func(selector string) string {
			return `((r, v) => r.width && Math.round(r.left) >= v.offsetLeft && r.right <= v.offsetLeft + v.width + 1 && r.bottom <= v.offsetTop + v.height + 1)($("` + selector + `").getBoundingClientRect(), visualViewport)`
		}
		p.until(`innerWidth > 600 && ` + inView(".launch"))
		p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("bitb-widget").shadowRoot.querySelector(".launch").click()`))
		p.until(inView(".panel") + ` && ` + inView(".send") + ` && ` + inView("[aria-label='Close chat']"))
	}
}

func TestSize(t *testing.T) {
	js, err := os.ReadFile("widget.js")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	_, _ = z.Write(js)
	_ = z.Close()
	if packed.Len() > 15<<10 {
		t.Errorf("widget.js is %d bytes gzipped, more than 15 KB", packed.Len())
	}
	for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "postMessage"} {
		if bytes.Contains(js, []byte(word)) {
			t.Errorf("widget.js uses %s", word)
		}
	}
}
