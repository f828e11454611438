package extract

import (
	"strings"
	"testing"
)

func TestHTML(t *testing.T) {
	testReader(t, "a.html", []readTest{
		{"blocks", "<h1>Loop <i>Bikes</i></h1><p>One\n  <b>two</b></p>three<div>four</div>", []string{"heading1: Loop Bikes", "paragraph: One two", "paragraph: three", "paragraph: four"}},
		{"hidden", `<p>a<script>b</script><style>c</style><span hidden>d</span><i style="DISPLAY : none">e</i><template>f</template><noscript>g</noscript><svg><text>h</text></svg>`, []string{"paragraph: a"}},
		{"lists", "<ol start=3><li>a<ul><li><p>b</p></li></ul></li><li>c</li></ol><li>d", []string{"list_item1: 3. a", "list_item2: b", "list_item1: 4. c", "list_item1: d"}},
		{"table", "<table><caption>Prices</caption><tr><th>Bike<th>Hour<tr><td>City<td>4<tr><td>Cargo<td>9</table>", []string{"paragraph: Prices", "table: Bike|Hour / City|4 / Cargo|9"}},
		{"spans", "<table><tr><th>A<th>B<th>C<tr><td rowspan=2>x<td colspan=2>y<tr><td>1<td>2</table>", []string{"table: A|B|C / x|y|y / x|1|2"}},
		{"layout table", "<table><tr><td><h2>Menu</h2><td><table><tr><td>a<td>b<tr><td>1<td>2</table></table>", []string{"heading2: Menu", "table: a|b / 1|2"}},
		{"table within one that names its columns", "<table><tr><th>Tariff<th>Prices<tr><td>City<td>from <table><tr><td>hour<td>4<tr><td>day<td>18</table><tr><td>Code<td><pre>a b</pre></table>",
			[]string{"table: Tariff|Prices / City|from hour 4 day 18 / Code|a b"}},
		{"table of other elements", `<div role=table><div role=row><span role=columnheader>Bike</span><span role=columnheader>Hour</span></div></div>`, []string{"paragraph: Bike Hour"}},
		{"handle of a heading", `<h2>Prices<a class=headerlink href="#prices">¶</a></h2><p>See <a href="#x">#</a><a href="#y">below</a>`, []string{"heading2: Prices", "paragraph: See below"}},
		{"xhtml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head><body><p>Text</p></body></html>`, []string{"paragraph: Text"}},
		{"list in a cell", "<table><tr><td>a<td>b<tr><td>c<td><ul><li>d<li>e</ul></table>", []string{"table: a|b / c|d e"}},
		{"code", "<pre>if a {\n\n  b()\n}</pre>", []string{"code: if a {\n\n  b()\n}"}},
		{"quote", "<blockquote><p>wise</p></blockquote>", []string{"quote: wise"}},
		{"line break", "<p>Old Quay 3<br>Harbour", []string{"paragraph: Old Quay 3\nHarbour"}},
		{"links", `<p>See <a href="https://a.example/p q"> the page </a>, <a href="/b">here</a>, <a href="javascript:x()">this</a>, <a href="tel:+441632960417">call</a>`,
			[]string{"paragraph: See [the page](https://a.example/p%20q) , here, this, [call](tel:+441632960417)"}},
		{"picture", `<p>Map: <img src=a.png alt="the harbour loop"></p>`, []string{"paragraph: Map: the harbour loop"}},
		{"entities", "<p>a&nbsp;&lt;b&gt; &amp;amp;", []string{"paragraph: a <b> &amp;"}},
		{"menus come last", `<nav><a href=/>Home</a></nav><main><p>Text</p></main><footer><p>Old Quay 3</p><p><a href=/i>Imprint</a></p></footer>`,
			[]string{"paragraph: Text", "paragraph: Old Quay 3", "furniture: Home", "furniture: Imprint"}},
		{"links beside the content", `<div class="sidebar-menu"><ul><li><a href=/a>All bikes</a></ul>Open daily</div><p>Text`, []string{"paragraph: Open daily", "paragraph: Text", "furniture: All bikes"}},
		{"menu for wide and for narrow screens", `<nav><a href=/>Home</a></nav><p>Text</p><nav><a href=/>Home</a></nav>`, []string{"paragraph: Text", "furniture: Home"}},
		{"base address", `<base href="https://a.example/de/"><p>See <a href="../b.html">b</a>, <a href="/c">c</a>, <a href="#d">d</a>.</p><a href="e"><h3>Card</h3><p>18 euros</p></a>`,
			[]string{"paragraph: See [b](https://a.example/b.html), [c](https://a.example/c), d.", "heading3: Card", "paragraph: [18 euros](https://a.example/de/e)"}},
		{"headings by role", `<div role=heading aria-level=3>a</div><div role=heading>b</div>`, []string{"heading3: a", "heading2: b"}},
		{"details", `<h2>Questions</h2><details><summary>Why?</summary><p>So.</details><details><summary>How?</summary>Thus.</details><details><summary><h4>Who?</h4></summary>We.</details>`,
			[]string{"heading2: Questions", "heading3: Why?", "paragraph: So.", "heading3: How?", "paragraph: Thus.", "heading4: Who?", "paragraph: We."}},
		{"panels", `<button aria-expanded=false aria-controls=a1>When?</button><div id=a1 hidden>Daily.</div><div role=tabpanel hidden>Tab.</div><div class="faq-answer" style="display:none">Yes.</div><div class="expand-content" style="display:none">More.</div><div class="modal" id=m hidden>Sign in</div><dialog>Buy</dialog><a data-target="#m">x</a>`,
			[]string{"paragraph: When?", "paragraph: Daily.", "paragraph: Tab.", "paragraph: Yes.", "paragraph: More.", "paragraph: x"}},
		{"buttons", `<h3><button>Helmets</button></h3><p>3 euros</p><button>Book now</button>`, []string{"heading3: Helmets", "paragraph: 3 euros", "furniture: Book now"}},
		{"icons", `<p><span aria-hidden=true>★</span>Call <i class="material-icons">phone</i><span class=sr-only>us</span> or <a href=/a>write<span class="sr-only">, opens a form</span></a>`, []string{"paragraph: Call us or write"}},
		{"definitions", `<dl><dt>Deposit</dt><dd>50 euros</dd><dt>Cancel</dt><dt>Change</dt><dd><p>Free.</p><p>Later half.</p></dd><dt>How long?</dt><dd>A <a href="https://a.example/">day</a></dd><dt>Left</dt></dl><p>x`,
			[]string{"list_item1: Deposit: 50 euros", "list_item1: Cancel, Change: Free.", "paragraph: Later half.", "list_item1: How long? A [day](https://a.example/)", "list_item1: Left", "paragraph: x"}},
		{"kinds of numbers", `<ol type=a start=3><li>x<li value=7>y</ol><ol reversed><li>x<li>y</ol><ol type=I><li>z</ol><ol start=0><li>w</ol>`, []string{"list_item1: c. x", "list_item1: g. y", "list_item1: 2. x", "list_item1: 1. y", "list_item1: I. z", "list_item1: 0. w"}},
		{"headers in two rows", `<table><thead><tr><th rowspan=2>Day<th colspan=2>Time<tr><th>from<th>to</thead><tr><td>Mon<td>9<td>18<tr><td>Sat<td colspan=2>closed</table>`,
			[]string{"table: Day|Time – from|Time – to / Mon|9|18 / Sat|closed|closed"}},
		{"headers at the side", `<table><tr><th>Brand<td>Loop<tr><th>Weight<td>18 kg</table>`, []string{"table: | / Brand|Loop / Weight|18 kg"}},
		{"raised and struck", `<p>10 m<sup>2</sup>, 18<sup>99</sup>, 1<sup>st</sup>, <del>20</del> 18`, []string{"paragraph: 10 m², 18⁹⁹, 1st, ~~20~~ 18"}},
		{"raised with a sign", `10<sup>-6</sup> x<sup>&minus;12</sup><sup>+</sup>`, []string{"paragraph: 10⁻⁶ x⁻¹²+"}},
		{"formula", `<p>y = <math><mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mn>2</mn></mfrac><mo>,</mo><msqrt><msup><mi>x</mi><mn>2</mn></msup><mo>-</mo><mi>y</mi></msqrt><mo>,</mo><munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><msub><mi>x</mi><mi>k</mi></msub></math>`,
			[]string{"paragraph: y = (a+1)/2,√(x²-y),∑ᵢ₌₁ⁿx_k"}},
		{"a formula that is said twice", `<math><semantics><mfrac><mn>1</mn><mn>2</mn></mfrac><annotation encoding="application/x-tex">\frac{1}{2}</annotation></semantics></math>`, []string{"paragraph: 1/2"}},
		{"telephone in a foot", `<footer><a href="tel:1">Call us</a></footer>`, []string{"paragraph: [Call us](tel:1)"}},
		{"nothing but a menu", `<nav><a href=/>Home</a></nav>`, []string{"paragraph: Home"}},
	})
	if doc := extractString(t, "<title> Rider\n handbook </title><h1>x</h1>", "a.html"); doc.Title != "Rider handbook" {
		t.Errorf("title %q", doc.Title)
	}
	if got := reasonFor(t, "<html><script>x</script></html>", "a.html"); got != ReasonEmpty {
		t.Errorf("page without text: %s", got)
	}
}

// The parser refuses more than 512 open elements; the text is kept all the same.
func TestHTMLNested(t *testing.T) {
	deep := strings.Repeat("<div>", 200_000) + "<p>at the bottom</p>" + strings.Repeat("</div>", 200_000) + "<p>after</p>"
	testReader(t, "a.html", []readTest{{"divs", deep, []string{"paragraph: at the bottom", "paragraph: after"}}})
	sound(t, extractString(t, "<html>"+strings.Repeat("<table><tr><td>", 3000)+"x", "a.html"))
	sound(t, extractString(t, "<html>"+strings.Repeat("<b><p>", 3000)+"x", "a.html"))
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte("<html><table><tr><td rowspan=3 colspan=2>x<tr><th>y</table><ol start=-1><li>z<pre>\n</pre><a href='https://x/()'>b"))
	f.Add([]byte("<nav><a href=x>y</a></nav><main hidden>"))
	fuzz(f, readHTML)
}
