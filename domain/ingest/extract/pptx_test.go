package extract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const slideNamespace = `xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" ` +
	`xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" ` +
	`xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"`

// pptxOf makes a presentation of the trees of its slides, and of further parts below ppt/ that the slides refer to as "chart" for
// charts/chart.xml and so on.
func pptxOf(t testing.TB, slides []string, parts map[string]string) string {
	t.Helper()
	rels := `<Relationship Id="web" Type="http://example/hyperlink" Target="https://harbourloop.example/" TargetMode="External"/>`
	all := []string{"[Content_Types].xml", "presentationml"}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		base := name[strings.LastIndexByte(name, '/')+1 : len(name)-len(".xml")]
		rels += fmt.Sprintf(`<Relationship Id=%q Type="http://example/%s" Target="../%s"/>`, base, base, name)
		all = append(all, "ppt/"+name, parts[name])
	}
	list, ids := "", ""
	for i, tree := range slides {
		name := fmt.Sprintf("slide%d.xml", len(slides)-i) // their names say nothing about their order
		list += fmt.Sprintf(`<p:sldId id="%d" r:id="s%d"/>`, 256+i, i)
		ids += fmt.Sprintf(`<Relationship Id="s%d" Type="http://example/slide" Target="slides/%s"/>`, i, name)
		if !strings.Contains(tree, "<p:sld ") {
			tree = `<p:sld ` + slideNamespace + `><p:cSld><p:spTree>` + tree + `</p:spTree></p:cSld></p:sld>`
		}
		all = append(all, "ppt/slides/"+name, tree, "ppt/slides/_rels/"+name+".rels", `<Relationships>`+rels+`</Relationships>`)
	}
	return zipOf(t, append(all, "ppt/presentation.xml", `<p:presentation `+slideNamespace+`><p:sldIdLst>`+list+`</p:sldIdLst></p:presentation>`,
		"ppt/_rels/presentation.xml.rels", `<Relationships>`+ids+`</Relationships>`,
		"ppt/slideLayouts/_rels/slideLayout.xml.rels", `<Relationships><Relationship Id="m" Type="http://example/slideMaster" Target="../slideMasters/master.xml"/></Relationships>`)...)
}

// ph writes a shape for a kind of placeholder, or one of its own.
func ph(kind, paras string) string {
	place := ""
	if kind != "" {
		place = `<p:nvPr><p:ph type="` + kind + `"/></p:nvPr>`
	}
	return `<p:sp><p:nvSpPr>` + place + `</p:nvSpPr><p:txBody>` + paras + `</p:txBody></p:sp>`
}

// ap writes a paragraph with the attributes and the content of its properties.
func ap(attributes, properties, text string) string {
	return `<a:p><a:pPr ` + attributes + `>` + properties + `</a:pPr><a:r><a:t>` + text + `</a:t></a:r></a:p>`
}

func tc(attributes, text string) string {
	return `<a:tc ` + attributes + `><a:txBody><a:p><a:r><a:t>` + text + `</a:t></a:r></a:p></a:txBody></a:tc>`
}

func pic(descr string) string {
	return `<p:pic><p:nvPicPr><p:cNvPr name="Picture 3" descr="` + descr + `"/></p:nvPicPr></p:pic>`
}

func frameOf(content string) string {
	return `<p:graphicFrame><a:graphic><a:graphicData>` + content + `</a:graphicData></a:graphic></p:graphicFrame>`
}

func TestPPTX(t *testing.T) {
	num := func(scheme string) string { return `<a:buAutoNum type="` + scheme + `"/>` }
	row := func(cells ...string) string { return "<a:tr>" + strings.Join(cells, "") + "</a:tr>" }
	tests := []struct {
		name, slide string
		want        []string
	}{
		{"the title comes first", ph("body", ap("", "", "One")+ap(`lvl="1"`, "", "Two")+ap("", "<a:buNone/>", "Plain")) + ph("ctrTitle", ap("", "", "Bikes")) + ph("subTitle", ap("", "", "For hire")),
			[]string{"heading2: Bikes", "list_item1: One", "list_item2: Two", "paragraph: Plain", "paragraph: For hire"}},
		{"numbers", ph("", ap("", num("arabicPeriod"), "a")+ap(`lvl="1"`, num("alphaLcParenR"), "b")+ap(`lvl="1"`, num("alphaLcParenR"), "c")+ap("", num("arabicPeriod"), "d")+
			ap("", "", "e")+ap("", `<a:buAutoNum type="romanUcParenBoth" startAt="4"/>`, "f")+ap("", `<a:buChar char="•"/>`, "3. typed")),
			[]string{"list_item1: 1. a", "list_item2: a) b", "list_item2: b) c", "list_item1: 2. d", "paragraph: e", "list_item1: (IV) f", "list_item1: 3. typed"}},
		{"formula", ph("", `<a:p><a:r><a:t>At </a:t></a:r><mc:AlternateContent><mc:Choice Requires="a14"><a14:m xmlns:a14="a14"><m:oMath xmlns:m="m"><m:f><m:num><m:r><a:rPr/><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath></a14:m></mc:Choice></mc:AlternateContent></a:p>`),
			[]string{"paragraph: At 1/2"}},
		{"runs and links", ph("", `<a:p><a:r><a:t>See </a:t></a:r><a:r><a:rPr><a:hlinkClick r:id="web"/></a:rPr><a:t>our </a:t></a:r><a:r><a:rPr b="1"><a:hlinkClick r:id="web"/></a:rPr><a:t>page</a:t></a:r><a:br/><a:r><a:t>10</a:t></a:r><a:r><a:rPr baseline="30000"/><a:t>6</a:t></a:r><a:r><a:t>, 1</a:t></a:r><a:r><a:rPr baseline="30000"/><a:t>st</a:t></a:r><a:fld type="slidenum"><a:t>7</a:t></a:fld></a:p>`),
			[]string{"paragraph: See [our page](https://harbourloop.example/)\n10⁶, 1st"}},
		{"table", frameOf("<a:tbl>" + row(tc("", "Bike"), tc(`gridSpan="2"`, "Price"), tc(`hMerge="1"`, "")) + row(tc(`rowSpan="2"`, "City"), tc("", "4"), tc("", "9")) +
			row(tc(`vMerge="1"`, ""), tc("", "5"), tc("", "10")) + row(tc(`gridSpan="3"`, "Sold out"), tc(`hMerge="1"`, ""), tc(`hMerge="1"`, "")) + "</a:tbl>"),
			[]string{"table: Bike|Price|Price / City|4|9 / City|5|10 / Sold out||"}},
		{"table with a title", frameOf("<a:tbl>" + row(tc(`gridSpan="2"`, "Prices"), tc(`hMerge="1"`, "")) + row(tc("", "Bike"), tc("", "Hour")) + row(tc("", "City"), tc("", "4")) + "</a:tbl>"),
			[]string{"paragraph: Prices", "table: Bike|Hour / City|4"}},
		{"groups, hidden shapes and furniture", `<p:grpSp><p:grpSp>` + ph("", ap("", "", "deep")) + `</p:grpSp></p:grpSp><p:sp><p:nvSpPr><p:cNvPr hidden="1"/></p:nvSpPr><p:txBody>` + ap("", "", "no") + `</p:txBody></p:sp>` +
			ph("sldNum", ap("", "", "4")) + ph("ftr", ap("", "", "Loop Ltd")) + ph("", ap("", "", "last")), []string{"paragraph: deep", "paragraph: last", "furniture: Loop Ltd"}},
		{"what is said of pictures", ph("", ap("", "", "x")) + pic("The harbour at dusk") + pic("IMG_2.jpg") + pic("A dog\n\nDescription automatically generated"), []string{"paragraph: x", "paragraph: The harbour at dusk"}},
		{"alternatives", `<mc:AlternateContent><mc:Choice>` + ph("", ap("", "", "new")) + `</mc:Choice><mc:Fallback>` + ph("", ap("", "", "old")) + `</mc:Fallback></mc:AlternateContent><mc:AlternateContent><mc:Choice/><mc:Fallback>` + ph("", ap("", "", "only")) + `</mc:Fallback></mc:AlternateContent>`,
			[]string{"paragraph: new", "paragraph: only"}},
	}
	for _, tt := range tests {
		testReader(t, "a.pptx", []readTest{{tt.name, pptxOf(t, []string{tt.slide}, nil), tt.want}})
	}
}

// Bullets are mostly said by the layout or the master, not by the slide.
func TestPPTXInheritsBullets(t *testing.T) {
	body := `<p:sp><p:nvSpPr><p:nvPr><p:ph type="body" idx="3"/></p:nvPr></p:nvSpPr><p:txBody>%s</p:txBody></p:sp>`
	slide := fmt.Sprintf(body, ap("", "", "lead")+ap(`lvl="1"`, "", "point")+ap(`lvl="2"`, "", "step"))
	in := pptxOf(t, []string{slide}, map[string]string{
		"slideLayouts/slideLayout.xml": `<p:sldLayout ` + slideNamespace + `>` + fmt.Sprintf(body, `<a:lstStyle><a:lvl1pPr><a:buNone/></a:lvl1pPr></a:lstStyle>`) + `</p:sldLayout>`,
		"slideMasters/master.xml":      `<p:sldMaster ` + slideNamespace + `><p:txStyles><p:bodyStyle><a:lvl1pPr><a:buChar/></a:lvl1pPr><a:lvl2pPr><a:buChar/></a:lvl2pPr><a:lvl3pPr><a:buAutoNum type="arabicParenR"/></a:lvl3pPr></p:bodyStyle></p:txStyles></p:sldMaster>`,
	})
	testReader(t, "a.pptx", []readTest{{"layout before master", in, []string{"paragraph: lead", "list_item2: point", "list_item3: 1) step"}}})
}

const testChart = `<c:chartSpace ` + slideNamespace + `><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Rides</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart>
<c:ser><c:tx><c:strRef><c:f>A!$B$1</c:f><c:strCache><c:pt idx="0"><c:v>North</c:v></c:pt></c:strCache></c:strRef></c:tx>
<c:cat><c:numRef><c:numCache><c:formatCode>mmm\ yyyy</c:formatCode><c:pt idx="0"><c:v>45292</c:v></c:pt><c:pt idx="2"><c:v>45352</c:v></c:pt></c:numCache></c:numRef></c:cat>
<c:val><c:numRef><c:numCache><c:formatCode>0.0%</c:formatCode><c:pt idx="0"><c:v>0.41999999999999998</c:v></c:pt><c:pt idx="2"><c:v>0.5</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser>
<c:ser><c:tx><c:v>South</c:v></c:tx><c:cat><c:strLit><c:pt idx="0"><c:v>all</c:v></c:pt></c:strLit></c:cat><c:val><c:numLit><c:formatCode>General</c:formatCode><c:pt idx="0"><c:v>4.2999999999999998</c:v></c:pt><c:pt idx="9999999"><c:v>1</c:v></c:pt></c:numLit></c:val></c:ser>
</c:barChart><c:catAx><c:title><c:tx><c:rich><a:p><a:r><a:t>Month</a:t></a:r></a:p></c:rich></c:tx></c:title></c:catAx></c:plotArea></c:chart></c:chartSpace>`

const testDiagram = `<dgm:dataModel ` + slideNamespace + `><dgm:ptLst><dgm:pt modelId="0" type="doc"/><dgm:pt modelId="9" type="pres"><dgm:t><a:p><a:r><a:t>no</a:t></a:r></a:p></dgm:t></dgm:pt>
<dgm:pt modelId="2"><dgm:t><a:p><a:r><a:t>Repair</a:t></a:r></a:p></dgm:t></dgm:pt><dgm:pt modelId="1"><dgm:t><a:p><a:r><a:t>Hire</a:t></a:r></a:p></dgm:t></dgm:pt>
<dgm:pt modelId="3"><dgm:t><a:p><a:r><a:t>by the hour</a:t></a:r></a:p></dgm:t></dgm:pt><dgm:pt modelId="4"><dgm:t><a:p><a:r><a:t>loose</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst>
<dgm:cxnLst><dgm:cxn srcId="0" destId="2" srcOrd="1"/><dgm:cxn srcId="0" destId="1" srcOrd="0"/><dgm:cxn srcId="1" destId="3" srcOrd="0"/><dgm:cxn srcId="3" destId="1" srcOrd="0"/></dgm:cxnLst></dgm:dataModel>`

func TestPPTXGraphics(t *testing.T) {
	notes := `<p:notes ` + slideNamespace + `>` + ph("sldImg", "") + ph("body", ap("", "", "Greet all.")+ap("", "", "Then begin.")) + ph("sldNum", ap("", "", "1")) + `</p:notes>`
	in := pptxOf(t, []string{frameOf(`<c:chart r:id="chart"/>`) + frameOf(`<dgm:relIds r:dm="data"/>`)}, map[string]string{
		"charts/chart.xml": testChart, "diagrams/data.xml": testDiagram, "notesSlides/notesSlide.xml": notes,
	})
	testReader(t, "a.pptx", []readTest{{"chart, diagram and notes", in, []string{
		"paragraph: Rides", "table: Month|North / 2024-01|42.0% / 2024-03|50.0%", "table: Month|South / all|4.3",
		"list_item1: Hire", "list_item2: by the hour", "list_item1: Repair", "list_item1: loose",
		"paragraph: Notes: Greet all.\nThen begin.",
	}}})
}

// Waterfalls, funnels and the like keep their values in another form.
func TestPPTXNewerChart(t *testing.T) {
	chart := `<cx:chartSpace xmlns:cx="http://schemas.microsoft.com/office/drawing/2014/chartex" ` + slideNamespace + `><cx:chartData><cx:data id="0"><cx:strDim type="cat"><cx:f>A1:A2</cx:f><cx:lvl ptCount="2"><cx:pt idx="0">Hire</cx:pt><cx:pt idx="1">Repair</cx:pt></cx:lvl><cx:lvl ptCount="2"><cx:pt idx="0">Town</cx:pt></cx:lvl></cx:strDim>
<cx:numDim type="val"><cx:lvl formatCode="General"><cx:pt idx="0">40</cx:pt><cx:pt idx="1">-12.5</cx:pt></cx:lvl></cx:numDim></cx:data></cx:chartData>
<cx:chart><cx:title><cx:tx><cx:txData><cx:v>Result</cx:v></cx:txData></cx:tx></cx:title><cx:plotArea><cx:plotAreaRegion><cx:series layoutId="waterfall"><cx:tx><cx:txData><cx:f>B1</cx:f><cx:v>2024</cx:v></cx:txData></cx:tx><cx:dataId val="0"/></cx:series></cx:plotAreaRegion></cx:plotArea></cx:chart></cx:chartSpace>`
	slide := `<mc:AlternateContent><mc:Choice Requires="cx1">` + frameOf(`<c:chart r:id="chart"/>`) + `</mc:Choice><mc:Fallback>` + ph("", ap("", "", "This chart is not available.")) + `</mc:Fallback></mc:AlternateContent>`
	testReader(t, "a.pptx", []readTest{{"waterfall", pptxOf(t, []string{slide}, map[string]string{"charts/chart.xml": chart}), []string{"paragraph: Result", "table: |2024 / Town – Hire|40 / Town – Repair|-12.5"}}})
}

func TestPPTXSlides(t *testing.T) {
	slides := []string{
		ph("title", ap("", "", "First")),
		pic(""),
		`<p:sld ` + slideNamespace + ` show="0"><p:cSld><p:spTree>` + ph("title", ap("", "", "Third")) + `</p:spTree></p:cSld></p:sld>`,
		`<p:sld `,
	}
	var steps []int
	doc, err := readPPTX([]byte(pptxOf(t, slides, map[string]string{"x.xml": ""})), func(done, total int) { steps = append(steps, done*10+total) })
	if err != nil || doc.finish() != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{4, 14, 24, 34, 44}, steps); diff != "" {
		t.Errorf("progress: %s", diff)
	}
	if doc.Pages != 4 || doc.Title != "First" || doc.Blocks[0].Page != 1 || doc.Blocks[1].Page != 3 || len(doc.Blocks) != 2 {
		t.Errorf("%d pages, %q: %v", doc.Pages, doc.Title, doc.Blocks)
	}
	want := []string{"Slide 4 is damaged and could not be read.", "Slide 2 holds only pictures, so there was no text to read.", "Slide 3 is hidden and was read too."}
	if diff := cmp.Diff(want, doc.Notes); diff != "" {
		t.Error(diff)
	}
	for in, want := range map[string]Reason{
		pptxOf(t, slides[3:], nil):           ReasonCorrupt,
		pptxOf(t, slides[1:2], nil):          ReasonNoText,
		pptxOf(t, nil, nil):                  ReasonEmpty,
		pptxOf(t, make([]string, 3001), nil): ReasonTooManyPages,
		pptxOf(t, []string{frameOf("<a:tbl>" + strings.Repeat(`<a:tr>`+tc("", "x")+`<a:tc gridSpan="199"/></a:tr>`, 30_000) + "</a:tbl>")}, nil): ReasonTooLarge,
	} {
		if got := reasonFor(t, in, "a.pptx"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	// Nothing recognises pictures on slides, so nobody shall be told to install what does.
	_, err = Extract(t.Context(), []byte(pptxOf(t, slides[1:2], nil)), "a.pptx", nil)
	if message := asError(err).Message(); strings.Contains(message, "installed") {
		t.Error(message)
	}
}

// The list of slides is no text: without it they are read by their numbers.
func TestPPTXWithoutList(t *testing.T) {
	slide := func(title string) string {
		return `<p:sld ` + slideNamespace + `>` + ph("title", ap("", "", title)) + `</p:sld>`
	}
	in := zipOf(t, "[Content_Types].xml", "presentationml", "ppt/presentation.xml", "<p:presentation a=<", "ppt/slides/slide10.xml", slide("Ten"), "ppt/slides/slide2.xml", slide("Two"),
		"docProps/core.xml", `<cp:coreProperties><dc:title>PowerPoint Presentation</dc:title></cp:coreProperties>`)
	doc := extractString(t, in, "a.pptx")
	if doc.Markdown() != "## Two\n\n## Ten" || doc.Title != "Two" || len(doc.Notes) != 1 {
		t.Errorf("%q %q %v", doc.Markdown(), doc.Title, doc.Notes)
	}
}

func FuzzPPTX(f *testing.F) {
	f.Add(ph("title", ap(`lvl="99"`, `<a:buAutoNum type="alphaLcPeriod" startAt="-7"/>`, "x")), testChart, testDiagram)
	f.Add(frameOf("<a:tbl><a:tr>"+tc(`gridSpan="-1" rowSpan="99999999"`, "x")+tc(`vMerge="1"`, "")+"</a:tr><a:tr/></a:tbl>")+frameOf(`<c:chart r:id="chart"/><dgm:relIds r:dm="data"/>`), "<c:chartSpace>", "<dgm:dataModel>")
	f.Fuzz(func(t *testing.T, slide, chart, diagram string) {
		in := pptxOf(t, []string{slide, frameOf(`<c:chart r:id="chart"/><dgm:relIds r:dm="data"/>`)}, map[string]string{"charts/chart.xml": chart, "diagrams/data.xml": diagram})
		doc, err := readPPTX([]byte(in), func(int, int) {})
		if err == nil && doc.finish() == nil {
			sound(t, doc)
		}
	})
}
