package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const odfNamespaces = `xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" ` +
	`xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" ` +
	`xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0" ` +
	`xmlns:math="http://www.w3.org/1998/Math/MathML" xmlns:chart="urn:oasis:names:tc:opendocument:xmlns:chart:1.0"`

const testODFStyles = `<office:document-styles ` + odfNamespaces + `><office:styles>
<style:style style:name="Heading_20_1" style:family="paragraph"/><style:style style:name="Title" style:family="paragraph"/>
<style:style style:name="Quotations" style:family="paragraph"/><style:style style:name="Preformatted_20_Text" style:family="paragraph"/>
<style:style style:name="Strong" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>
<text:outline-style style:name="Outline"><text:outline-level-style text:level="1" style:num-format="1"/><text:outline-level-style text:level="2" style:num-format="a" style:num-suffix=")" text:display-levels="2"/></text:outline-style>
</office:styles><office:automatic-styles><style:style style:name="P9" style:family="paragraph" style:parent-style-name="Title"/></office:automatic-styles></office:document-styles>`

const testODFAutomatic = `<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Quotations"/><style:style style:name="P2" style:family="paragraph" style:parent-style-name="Preformatted_20_Text"/>
<style:style style:name="P3" style:family="paragraph" style:list-style-name=""/><style:style style:name="P4" style:family="paragraph"><style:paragraph-properties text:enable-numbering="false"/></style:style>
<style:style style:name="Up" style:family="text"><style:text-properties style:text-position="super 58%"/></style:style><style:style style:name="Down" style:family="text"><style:text-properties style:text-position="-33% 58%"/></style:style>
<style:style style:name="Hidden" style:family="text"><style:text-properties text:display="none"/></style:style><style:style style:name="ta2" style:family="table"><style:table-properties table:display="false"/></style:style>
<style:style style:name="dp2" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>
<text:list-style style:name="N"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="i" style:num-prefix="(" style:num-suffix=")" text:start-value="3"/></text:list-style>
<text:list-style style:name="B"><text:list-level-style-bullet text:level="1" text:bullet-char="•"/></text:list-style>`

// odfOf makes a file of a kind ("text", "spreadsheet", "presentation") of its body and of further parts.
func odfOf(t testing.TB, kind, body string, parts ...string) string {
	t.Helper()
	return zipOf(t, append([]string{
		"mimetype", "application/vnd.oasis.opendocument." + kind, "styles.xml", testODFStyles,
		"content.xml", `<office:document-content ` + odfNamespaces + `><office:automatic-styles>` + testODFAutomatic + `</office:automatic-styles><office:body><office:` + kind + `>` + body + `</office:` + kind + `></office:body></office:document-content>`,
	}, parts...)...)
}

func tp(style, text string) string {
	return `<text:p text:style-name="` + style + `">` + text + `</text:p>`
}

func th(level, attributes, text string) string {
	return `<text:h text:outline-level="` + level + `" ` + attributes + `>` + text + `</text:h>`
}

func tlist(attributes string, items ...string) string {
	s := `<text:list ` + attributes + `>`
	for _, item := range items {
		s += "<text:list-item>" + item + "</text:list-item>"
	}
	return s + "</text:list>"
}

// tr writes a row of cells, of which those that begin with "<" are written out.
func tr(cells ...string) string {
	s := "<table:table-row>"
	for _, c := range cells {
		if !strings.HasPrefix(c, "<") {
			c = "<table:table-cell>" + tp("", c) + "</table:table-cell>"
		}
		s += c
	}
	return s + "</table:table-row>"
}

func TestODT(t *testing.T) {
	n := `text:style-name="N"`
	tests := []struct {
		name, body string
		want       []string
	}{
		{"headings", tp("Title", "Bikes") + th("1", "", "Hire") + th("2", "", "Prices") + th("2", `text:style-name="P3"`, "No number") + th("2", `text:start-value="4"`, "Rules") + th("1", "", "Repair") + th("2", "", "Tubes") + th("3", "", "Deep") + tp("P9", "Style of a page header"),
			[]string{"heading1: Bikes", "heading1: 1 Hire", "heading2: 1.a) Prices", "heading2: No number", "heading2: 1.d) Rules", "heading1: 2 Repair", "heading2: 2.a) Tubes", "heading3: Deep", "paragraph: Style of a page header"}},
		{"lists", tlist(n, tp("", "a")+tlist("", tp("", "b"), tp("", "c"))+tp("", "after"), tp("", "d")+tp("", "more")) + tp("", "between") + tlist(n+` text:continue-numbering="true"`, tp("", "e")) + tlist(n, tp("", "f"), tp("P4", "not one")) + tlist(`text:style-name="B"`, tp("", "g")),
			[]string{"list_item1: 1. a", "list_item2: (iii) b", "list_item2: (iv) c", "paragraph: after", "list_item1: 2. d\nmore", "paragraph: between", "list_item1: 3. e", "list_item1: 1. f", "paragraph: not one", "list_item1: g"}},
		{"lists that name each other", tlist(n+` xml:id="x"`, tp("", "a")) + tlist(n, tp("", "b")) + tlist(n+` text:continue-list="x"`, tp("", "c")) + `<text:list ` + n + `><text:list-header>` + tp("", "head") + `</text:list-header><text:list-item text:start-value="9"><text:h text:outline-level="2">Nine</text:h></text:list-item></text:list>`,
			[]string{"list_item1: 1. a", "list_item1: 1. b", "list_item1: 2. c", "paragraph: head", "heading2: 9. Nine"}},
		{"blanks and breaks", tp("", "a\n   b<text:s text:c=\"3\"/>c<text:tab/>d<text:line-break/>e<text:soft-page-break/>f"), []string{"paragraph: a b c d\nef"}},
		{"raised and lowered", tp("", `10<text:span text:style-name="Up">6</text:span>, H<text:span text:style-name="Down">2</text:span>O, 1<text:span text:style-name="Up">st</text:span>`), []string{"paragraph: 10⁶, H₂O, 1st"}},
		{"links", tp("", `<text:a xlink:href="https://a.example/">our <text:span text:style-name="Strong">good</text:span></text:a><text:a xlink:href="https://a.example/"> page</text:a>, <text:a xlink:href="#x">here</text:a>`), []string{"paragraph: [our good page](https://a.example/), here"}},
		{"footnotes", tp("", `Worn<text:note><text:note-citation>*</text:note-citation><text:note-body>`+tp("", "At 20 degrees.")+`</text:note-body></text:note>.`), []string{"paragraph: Worn[1].", "paragraph: [1] At 20 degrees."}},
		{"quotes and code", tp("P1", "wise") + tp("P2", "if a {") + tp("P2", "") + tp("P2", `<text:s text:c="2"/>b()`) + tp("P2", "}"), []string{"quote: wise", "code: if a {\n\n  b()\n}"}},
		{"what is no text", `<text:tracked-changes><text:changed-region><text:deletion>` + tp("", "no") + `</text:deletion></text:changed-region></text:tracked-changes>` +
			tp("", `a<office:annotation>`+tp("", "no")+`</office:annotation>b<text:span text:style-name="Hidden">no</text:span><text:ruby><text:ruby-base>c</text:ruby-base><text:ruby-text>no</text:ruby-text></text:ruby>`) + `<text:section text:display="none">` + tp("", "no") + `</text:section><text:section>` + tp("", "d") + `</text:section>`,
			[]string{"paragraph: abc", "paragraph: d"}},
		{"contents", `<text:table-of-content><text:table-of-content-source><text:index-title-template>no</text:index-title-template></text:table-of-content-source><text:index-body>` + tp("", "Hire<text:tab/>3") + `</text:index-body></text:table-of-content>` + th("3", "", "Text"),
			[]string{"furniture: Hire 3", "heading3: Text"}},
		{"table", `<table:table><table:table-header-rows>` + tr("A", `<table:table-cell table:number-columns-spanned="2">`+tp("", "B")+`</table:table-cell>`, `<table:covered-table-cell/>`) + `</table:table-header-rows>` +
			tr(`<table:table-cell table:number-rows-spanned="2">`+tp("", "x")+tp("", "y")+`</table:table-cell>`, "1", "2") + tr(`<table:covered-table-cell/>`, `<table:table-cell table:number-columns-repeated="2">`+tp("", "3")+`</table:table-cell>`) + `</table:table>`,
			[]string{"table: A|B|B / x y|1|2 / x y|3|3"}},
		{"frame of a table", `<table:table>` + tr("Note") + tr("Well") + `</table:table>`, []string{"paragraph: Note", "paragraph: Well"}},
		{"nested table", `<table:table>` + tr("A", "B") + tr("C", `<table:table-cell><table:table>`+tr("1", "2")+`</table:table></table:table-cell>`) + `</table:table>`, []string{"table: A|B / C|1 2"}},
		{"shapes", tp("", `a<draw:frame><draw:text-box>`+tp("", "Box")+`</draw:text-box></draw:frame><draw:frame><draw:image/><svg:title>x.png</svg:title><svg:desc>The quay</svg:desc></draw:frame>`) + `<draw:frame><draw:image/><svg:title>Map</svg:title></draw:frame>`,
			[]string{"paragraph: a The quay", "paragraph: Box", "paragraph: Map"}},
		{"formula and chart", tp("", `So <draw:frame><draw:object xlink:href="./Object 1"/><draw:image/></draw:frame>`) + tp("", `<draw:frame><draw:object xlink:href="./Object 2"/></draw:frame>`), []string{"paragraph: So a over b", "paragraph: Rides", "table: |North / May|4"}},
	}
	for _, tt := range tests {
		in := odfOf(t, "text", tt.body, "Object 1/content.xml", `<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mfrac><mi>a</mi><mi>b</mi></mfrac><annotation encoding="StarMath 5.0">a over
b</annotation></semantics></math>`, "Object 2/content.xml", `<office:document-content `+odfNamespaces+`><office:body><office:chart><chart:chart><chart:title>`+tp("", "Rides")+`</chart:title><table:table>`+
			tr("<table:table-cell/>", "North")+tr("May", "4")+`</table:table></chart:chart></office:chart></office:body></office:document-content>`)
		testReader(t, "a.odt", []readTest{{tt.name, in, tt.want}})
	}
	testReader(t, "a.odt", []readTest{
		{"bold instead of headings", odfOf(t, "text", tp("", `<text:span text:style-name="Strong">Opening hours</text:span>`)+tp("", "Daily")), []string{"heading2: Opening hours", "paragraph: Daily"}},
	})
}

func TestODS(t *testing.T) {
	empty := `<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>`
	rides := `<table:table table:name="Rides">` + tr("Rides in 2024", "<table:table-cell/>") + tr("Month", "North", "South") + tr("May", "4", "5") + empty + tr("June", "6", "7") +
		tr("<table:table-cell/>", `<table:table-cell office:value="12.5"/>`, `<table:table-cell table:number-columns-repeated="16000"/>`) + empty + `<table:shapes><draw:frame><draw:text-box>` + tp("", "Box") + `</draw:text-box></draw:frame></table:shapes></table:table>`
	filled := `<table:table table:name="Filled" table:style-name="ta2"><table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="2">` + tp("", "0") + `</table:table-cell></table:table-row></table:table>`
	doc := extractString(t, odfOf(t, "spreadsheet", `<table:content-validations>`+tp("", "no")+`</table:content-validations>`+rides+`<table:table table:name="Empty">`+empty+`</table:table>`+filled), "a.ods")
	sound(t, doc)
	last := doc.Blocks[len(doc.Blocks)-1]
	if last.Kind != Table || len(last.Rows) != maxTimes || last.Page != 3 {
		t.Errorf("%d rows on page %d", len(last.Rows), last.Page)
	}
	doc.Blocks = doc.Blocks[:len(doc.Blocks)-1]
	want := []string{"heading2: Rides", "paragraph: Rides in 2024", "table: Month|North|South / May|4|5", "table: Month|North|South / June|6|7 / |12.5|", "paragraph: Box", "heading2: Filled"}
	if diff := cmp.Diff(want, outline(doc)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if doc.Pages != 3 || doc.Blocks[0].Page != 1 || doc.Title != "" || !cmp.Equal(doc.Notes, []string{"Sheet 3 is hidden and was read too."}) {
		t.Errorf("%d pages, %q, %v", doc.Pages, doc.Title, doc.Notes)
	}
}

func TestODP(t *testing.T) {
	frame := func(class, content string) string {
		return `<draw:frame presentation:class="` + class + `"><draw:text-box>` + content + `</draw:text-box></draw:frame>`
	}
	numbered := func(text string) string {
		return tlist(`text:style-name="N"`, tlist("", tp("", text)))
	}
	page1 := `<draw:page>` + frame("outline", tlist("", tp("", "One")+tlist("", tp("", "Two")))) + frame("title", tp("", "Bikes")) + frame("page-number", tp("", "no")) + frame("footer", tp("", "Loop Ltd")) +
		`<draw:frame presentation:class="outline" presentation:placeholder="true"><draw:text-box>` + tp("", "no") + `</draw:text-box></draw:frame><presentation:notes>` + frame("header", tp("", "no")) + frame("notes", tp("", "Greet.")+tp("", "Begin.")) + `</presentation:notes></draw:page>`
	page2 := `<draw:page draw:style-name="dp2"><draw:g><draw:custom-shape>` + numbered("a") + tp("", "plain") + numbered("b") + `</draw:custom-shape></draw:g><draw:frame><table:table>` + tr("A", "B") + tr("1", "2") + `</table:table></draw:frame></draw:page>`
	in := odfOf(t, "presentation", `<presentation:footer-decl>no</presentation:footer-decl>`+page1+page2, "meta.xml", `<office:document-meta `+odfNamespaces+` xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><dc:title>All bikes</dc:title></office:meta></office:document-meta>`)
	testReader(t, "a.odp", []readTest{{"slides", in, []string{
		"heading2: Bikes", "list_item1: One", "list_item2: Two", "paragraph: Notes: Greet.\nBegin.", "furniture: Loop Ltd",
		"list_item2: (iii) a", "paragraph: plain", "list_item2: (iv) b", "table: A|B / 1|2",
	}}})
	doc := extractString(t, in, "a.odp")
	if doc.Pages != 2 || doc.Title != "All bikes" || doc.Blocks[5].Page != 2 || !cmp.Equal(doc.Notes, []string{"Slide 2 is hidden and was read too."}) {
		t.Errorf("%d pages, %q, %v", doc.Pages, doc.Title, doc.Notes)
	}
}

func TestODFRefused(t *testing.T) {
	wide := `<table:table-row table:number-rows-repeated="1000"><table:table-cell table:number-columns-repeated="2000"/><table:table-cell>` + tp("", "x") + `</table:table-cell></table:table-row>`
	tests := []struct {
		name, in string
		want     Reason
	}{
		{"no text", odfOf(t, "text", "<text:p/>"), ReasonEmpty},
		{"broken", odfOf(t, "text", "<text:p a=<"), ReasonCorrupt},
		{"nested too deep", odfOf(t, "text", strings.Repeat("<text:section>", 5000)), ReasonCorrupt},
		{"nested lists", odfOf(t, "text", strings.Repeat("<text:list><text:list-item>", 5000)), ReasonCorrupt},
		{"too many slides", odfOf(t, "presentation", strings.Repeat("<draw:page/>", 3001)), ReasonTooManyPages},
		{"no content", zipOf(t, "mimetype", "application/vnd.oasis.opendocument.text"), ReasonCorrupt},
		{"repeated text", odfOf(t, "spreadsheet", `<table:table>`+strings.Repeat(`<table:table-row table:number-rows-repeated="1000"><table:table-cell table:number-columns-repeated="2000">`+tp("", "spam")+`</table:table-cell></table:table-row>`, 9)+`</table:table>`), ReasonTooLarge},
		{"sparse cells", odfOf(t, "spreadsheet", `<table:table>`+strings.Repeat(strings.ReplaceAll(wide, "2000", "1999"), 9)+`</table:table>`), ReasonTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := reasonFor(t, tt.in, "a.odt"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Damage beside the text costs structure and is said; it costs no text.
func TestODFDamagedParts(t *testing.T) {
	doc := extractString(t, odfOf(t, "text", tp("", `a <draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>`), "meta.xml", "<office:document-meta a=<", "Object 1/content.xml", "<math><"), "a.odt")
	if doc.Markdown() != "a" || !cmp.Equal(doc.Notes, []string{damagedNote}) {
		t.Errorf("%q %v", doc.Markdown(), doc.Notes)
	}
}

func FuzzODF(f *testing.F) {
	f.Add(tlist(`text:style-name="N"`, tp("P2", `<text:s text:c="-1"/>x`)+th("99", `text:start-value="-3"`, "y")), "text")
	f.Add(`<table:table table:name="x">`+tr(`<table:table-cell table:number-columns-spanned="-1" table:number-rows-spanned="9">`+tp("", "x")+`</table:table-cell>`, `<table:covered-table-cell table:number-columns-repeated="99999999"/>`)+`</table:table>`, "spreadsheet")
	f.Add(`<draw:page><draw:frame presentation:class="title"><draw:object xlink:href="."/><draw:object><math:math/></draw:object></draw:frame><presentation:notes/></draw:page>`, "presentation")
	f.Fuzz(func(t *testing.T, body, kind string) {
		format := map[string]Format{"spreadsheet": ODS, "presentation": ODP}[kind]
		if format == "" {
			format, kind = ODT, "text"
		}
		doc, err := readODF(format, []byte(odfOf(t, kind, body)))
		if err == nil && doc.finish() == nil {
			sound(t, doc)
		}
	})
}
