package extract

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"strings"
	"testing"
)

const (
	testStyles = `<w:styles ` + wordNamespace + `>
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Klausel"><w:name w:val="Clause"/><w:basedOn w:val="berschrift2"/></w:style>
<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="2"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Code"><w:name w:val="HTML Preformatted"/></w:style>
<w:style w:type="paragraph" w:styleId="loop"><w:name w:val="x"/><w:basedOn w:val="loop"/></w:style>
</w:styles>`
	testNumbering = `<w:numbering ` + wordNamespace + `>
<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:start w:val="4"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="9"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num><w:num w:numId="3"><w:abstractNumId w:val="9"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
</w:numbering>`
	testNotes = `<w:footnotes ` + wordNamespace + `><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>
<w:footnote w:id="2"><w:p><w:r><w:t>At 20 degrees.</w:t></w:r></w:p></w:footnote></w:footnotes>`
)

// para writes a paragraph with properties.
func para(properties, text string) string {
	return "<w:p><w:pPr>" + properties + "</w:pPr><w:r><w:t>" + text + "</w:t></w:r></w:p>"
}

func item(list, level, text string) string {
	return para(`<w:numPr><w:ilvl w:val="`+level+`"/><w:numId w:val="`+list+`"/></w:numPr>`, text)
}

func cell(properties, text string) string {
	return "<w:tc><w:tcPr>" + properties + "</w:tcPr>" + para("", text) + "</w:tc>"
}

func TestDOCX(t *testing.T) {
	style := func(id string) string { return `<w:pStyle w:val="` + id + `"/>` }
	tests := []struct {
		name, body string
		want       []string
	}{
		{"headings", para(style("berschrift1"), "One") + para(style("Klausel"), "Numbered") + para(`<w:outlineLvl w:val="2"/>`, "Three") + para(style("loop"), "Text"),
			[]string{"heading1: One", "heading2: IV.1 Numbered", "heading3: Three", "paragraph: Text"}},
		{"lists", item("1", "0", "a") + item("1", "1", "b") + item("1", "1", "c") + item("1", "0", "d") + item("1", "1", "e") + item("4", "0", "f") + item("3", "0", "g") + item("99", "0", "h"),
			[]string{"list_item1: 1. a", "list_item2: a) b", "list_item2: b) c", "list_item1: 2. d", "list_item2: a) e", "list_item1: 1. f", "list_item1: g", "paragraph: h"}},
		{"table", "<w:tbl><w:tr>" + cell("", "A") + cell("", "B") + cell("", "C") + "</w:tr><w:tr>" + cell(`<w:vMerge w:val="restart"/>`, "x") + cell(`<w:gridSpan w:val="2"/>`, "y") +
			"</w:tr><w:tr>" + cell(`<w:vMerge/>`, "") + cell("", "1") + cell("", "2") + "</w:tr></w:tbl>", []string{"table: A|B|C / x|y| / x|1|2"}},
		{"frame", "<w:tbl><w:tr>" + cell("", "Note") + "</w:tr></w:tbl>", []string{"paragraph: Note"}},
		{"runs", `<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r><w:ins><w:r><w:t>d</w:t></w:r></w:ins><w:del><w:r><w:delText>e</w:delText></w:r></w:del><w:r><w:rPr><w:vanish/></w:rPr><w:t>f</w:t></w:r><w:r><w:t>x</w:t><w:noBreakHyphen/><w:t>y</w:t></w:r></w:p>`,
			[]string{"paragraph: a b\ncdx-y"}},
		{"links", `<w:p><w:hyperlink r:id="web"><w:r><w:t>partners</w:t></w:r></w:hyperlink><w:r><w:fldChar w:fldCharType="begin"/><w:instrText> HYPERLINK "https://b.example" </w:instrText><w:fldChar w:fldCharType="separate"/><w:t> field</w:t><w:fldChar w:fldCharType="end"/></w:r><w:r><w:fldChar w:fldCharType="begin"/><w:instrText>PAGE</w:instrText><w:fldChar w:fldCharType="end"/><w:t>.</w:t></w:r></w:p>`,
			[]string{"paragraph: [partners](https://harbourloop.example/a%28b%29) [field](https://b.example)."}},
		{"footnote", `<w:p><w:r><w:t>Worn</w:t><w:footnoteReference w:id="2"/><w:t>.</w:t></w:r></w:p>`, []string{"paragraph: Worn[1].", "paragraph: [1] At 20 degrees."}},
		{"text box", `<w:p><w:r><w:t>Text</w:t><mc:AlternateContent xmlns:mc="x"><mc:Choice><w:drawing><w:txbxContent><w:p><w:r><w:t>Box</w:t></w:r></w:p></w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>Box</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>`,
			[]string{"paragraph: Text", "paragraph: Box"}},
		{"content control", `<w:sdt><w:sdtPr><w:alias w:val="no"/></w:sdtPr><w:sdtContent>` + para("", "Text") + `</w:sdtContent></w:sdt>`, []string{"paragraph: Text"}},
		{"code", para(style("Code"), "if a {") + para(style("Code"), "}") + para("", "Then") + para(style("Code"), "b"), []string{"code: if a {\n}", "paragraph: Then", "code: b"}},
		{"entities are not resolved", "<w:p><w:r><w:t>a &lol; &amp; b</w:t></w:r></w:p>", []string{"paragraph: a &lol; & b"}},
	}
	for _, tt := range tests {
		in := docxOf(t, tt.body, "styles.xml", testStyles, "numbering.xml", testNumbering, "footnotes.xml", testNotes)
		testReader(t, "a.docx", []readTest{{tt.name, in, tt.want}})
	}
	bold := `<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Opening hours</w:t></w:r></w:p>` + para("", "Daily")
	testReader(t, "a.docx", []readTest{
		{"pages put in whole", docxOf(t, para("", "Before")+`<w:altChunk r:id="a.html"/><w:altChunk r:id="b.mht"/>`, "a.html", "<h2>Hours</h2><p>Daily",
			"b.mht", "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Closed in May"),
			[]string{"paragraph: Before", "heading2: Hours", "paragraph: Daily", "paragraph: Closed in May"}},
		{"a page put into a cell", docxOf(t, "<w:tbl><w:tr>"+cell("", "Hours")+`<w:tc><w:altChunk r:id="a.html"/><w:p/></w:tc></w:tr><w:tr>`+cell("", "x")+cell("", "y")+"</w:tr></w:tbl>",
			"a.html", "<p>Daily"), []string{"table: Hours|Daily / x|y"}},
		{"bold instead of headings", docxOf(t, bold), []string{"heading2: Opening hours", "paragraph: Daily"}},
	})
}

// bombOf makes a document whose text claims to unpack to one size and unpacks to another.
func bombOf(t *testing.T, claims, unpacks int) string {
	t.Helper()
	var packed bytes.Buffer
	fw, _ := flate.NewWriter(&packed, flate.BestSpeed)
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for ; unpacks > 0; unpacks -= len(blanks) {
		_, _ = fw.Write(blanks[:min(unpacks, len(blanks))])
	}
	_ = fw.Close()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	w, err := zw.CreateRaw(&zip.FileHeader{Name: "word/document.xml", Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(claims)})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(packed.Bytes())
	_ = zw.Close()
	return buf.String()
}

func TestDOCXRefused(t *testing.T) {
	tests := []struct {
		name, in string
		want     Reason
	}{
		{"no text", docxOf(t, "<w:p/>"), ReasonEmpty},
		{"broken", docxOf(t, "<w:p a=<"), ReasonCorrupt},
		{"nested too deep", docxOf(t, strings.Repeat("<w:ins>", 5000)), ReasonCorrupt},
		{"bomb", bombOf(t, maxUnzip+1, 10), ReasonTooLarge},
		{"bomb that lies", bombOf(t, 100, 2<<20), ReasonCorrupt},
		{"no document", zipOf(t, "word/document.xml.bak", "x", "[Content_Types].xml", "wordprocessingml"), ReasonCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := reasonFor(t, tt.in, "a.docx"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Damage beside the text costs structure and is said; it costs no text.
func TestDOCXDamagedParts(t *testing.T) {
	doc := extractString(t, docxOf(t, para(`<w:pStyle w:val="berschrift1"/>`, "Hours")+para("", "Daily"), "styles.xml", "<w:styles><w:style a=<"), "a.docx")
	if doc.Markdown() != "Hours\n\nDaily" || len(doc.Notes) != 1 || !strings.HasPrefix(doc.Notes[0], "Some of it is damaged.") {
		t.Errorf("%q %v", doc.Markdown(), doc.Notes)
	}
}

func TestWarranty(t *testing.T) {
	doc := extractFile(t, "testdata/warranty.docx")
	sound(t, doc)
	golden(t, doc, "testdata/warranty.md")
	if doc.Title != "Warranty for used bicycles" || doc.Format != DOCX || doc.Pages != 0 {
		t.Errorf("%q %s %d", doc.Title, doc.Format, doc.Pages)
	}
}

func FuzzDOCX(f *testing.F) {
	f.Add(`<w:p><w:pPr><w:numPr><w:ilvl w:val="8"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:fldChar w:fldCharType="end"/><w:t>x</w:t></w:r></w:p>`, testStyles, testNumbering)
	f.Add(`<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="-1"/><w:vMerge/></w:tcPr><w:tbl/></w:tc></w:tr></w:tbl>`, "", "")
	f.Fuzz(func(t *testing.T, body, styles, numbering string) {
		doc, err := readDOCX([]byte(docxOf(t, body, "styles.xml", styles, "numbering.xml", numbering, "footnotes.xml", testNotes)))
		if err == nil && doc.finish() == nil {
			sound(t, doc)
		}
	})
}
