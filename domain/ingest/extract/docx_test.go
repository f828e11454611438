package extract

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
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
		{"above and below the line", `<w:p><w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>6</w:t></w:r><w:r><w:t> H</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="subscript"/></w:rPr><w:t>2</w:t></w:r><w:r><w:t>O, 1</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>st</w:t></w:r></w:p>`,
			[]string{"paragraph: 10⁶ H₂O, 1st"}},
		{"formula", `<w:p><w:r><w:t>x = </w:t></w:r>` + testFormula + `</w:p>`, []string{"paragraph: x = (−b±√(b²−4ac))/(2a), ∑ᵢ₌₁ⁿ i^(k+m) [p, q; 1, 2] lim_(n→∞) f"}},
		{"fonts of signs", `<w:p><w:r><w:sym w:font="Wingdings" w:char="F0FC"/><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Other" w:char="F061"/><w:sym w:font="Other" w:char="2192"/></w:r><w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>` + "\uf062" + `m</w:t></w:r></w:p>`,
			[]string{"paragraph: ✓α→βμ"}},
		{"form", `<w:p><w:r><w:t>Size: </w:t>` + formField(`<w:ddList><w:result w:val="1"/><w:listEntry w:val="S"/><w:listEntry w:val="M"/></w:ddList>`) + `<w:t> </w:t>` + formField(`<w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox>`) + `<w:t> lock</w:t></w:r></w:p>`,
			[]string{"paragraph: Size: M ☒ lock"}},
		{"letters drawn as a shape", `<w:p><w:r><w:pict><v:shape xmlns:v="v"><v:textpath string="Sale"/></v:shape></w:pict></w:r></w:p>`, []string{"paragraph: Sale"}},
		{"entities are not resolved", "<w:p><w:r><w:t>a &lol; &amp; b</w:t></w:r></w:p>", []string{"paragraph: a &lol; & b"}},
	}
	for _, tt := range tests {
		in := docxOf(t, tt.body, "styles.xml", testStyles, "numbering.xml", testNumbering, "footnotes.xml", testNotes)
		testReader(t, "a.docx", []readTest{{tt.name, in, tt.want}})
	}
	wide := `<?xml version="1.0" encoding="UTF-16"?><w:document ` + wordNamespace + `><w:body>` + para("", "Größe") + `</w:body></w:document>`
	testReader(t, "a.docx", []readTest{{"utf-16", zipOf(t, "[Content_Types].xml", "wordprocessingml", "word/document.xml", "\xff\xfe"+string(wideBytes(wide))), []string{"paragraph: Größe"}}})
	bold := `<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Opening hours</w:t></w:r></w:p>` + para("", "Daily")
	testReader(t, "a.docx", []readTest{
		{"pages put in whole", docxOf(t, para("", "Before")+`<w:altChunk r:id="a.html"/><w:altChunk r:id="b.mht"/>`, "a.html", "<h2>Hours</h2><p>Daily",
			"b.mht", "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Closed in May"),
			[]string{"paragraph: Before", "heading2: Hours", "paragraph: Daily", "paragraph: Closed in May"}},
		{"a document put in whole", docxOf(t, para("", "Before")+`<w:p><w:r><w:footnoteReference w:id="2"/></w:r></w:p><w:altChunk r:id="a.docx"/>`, "footnotes.xml", testNotes,
			"a.docx", docxOf(t, item("1", "0", "Within")+`<w:p><w:r><w:footnoteReference w:id="2"/></w:r></w:p><w:altChunk r:id="b.docx"/>`, "numbering.xml", testNumbering, "footnotes.xml", testNotes, "b.docx", docxOf(t, para("", "deeper")))),
			[]string{"paragraph: Before", "paragraph: [1]", "paragraph: [1] At 20 degrees.", "list_item1: 1. Within", "paragraph: [2]", "paragraph: [2] At 20 degrees."}},
		{"a page put into a cell", docxOf(t, "<w:tbl><w:tr>"+cell("", "Hours")+`<w:tc><w:altChunk r:id="a.html"/><w:p/></w:tc></w:tr><w:tr>`+cell("", "x")+cell("", "y")+"</w:tr></w:tbl>",
			"a.html", "<p>Daily"), []string{"table: Hours|Daily / x|y"}},
		{"bold instead of headings", docxOf(t, bold), []string{"heading2: Opening hours", "paragraph: Daily"}},
	})
}

const testFormula = `<m:oMath xmlns:m="m"><m:f><m:fPr><m:ctrlPr/></m:fPr><m:num><m:r><m:t>−b±</m:t></m:r><m:rad><m:deg/><m:e><m:sSup><m:e><m:r><m:t>b</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup><m:r><m:t>−4ac</m:t></m:r></m:e></m:rad></m:num><m:den><m:r><m:t>2a</m:t></m:r></m:den></m:f>` +
	`<m:r><m:t>, </m:t></m:r><m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub><m:r><m:t>i=1</m:t></m:r></m:sub><m:sup><m:r><m:t>n</m:t></m:r></m:sup><m:e><m:sSup><m:e><m:r><m:t>i</m:t></m:r></m:e><m:sup><m:r><m:t>k+m</m:t></m:r></m:sup></m:sSup></m:e></m:nary>` +
	`<m:r><m:t> </m:t></m:r><m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr><m:e><m:m><m:mr><m:e><m:r><m:t>p</m:t></m:r></m:e><m:e><m:r><m:t>q</m:t></m:r></m:e></m:mr><m:mr><m:e><m:r><m:t>1</m:t></m:r></m:e><m:e><m:r><m:t>2</m:t></m:r></m:e></m:mr></m:m></m:e></m:d>` +
	`<m:r><m:t> </m:t></m:r><m:func><m:fName><m:limLow><m:e><m:r><m:t>lim</m:t></m:r></m:e><m:lim><m:r><m:t>n→∞</m:t></m:r></m:lim></m:limLow></m:fName><m:e><m:r><m:t>f</m:t></m:r></m:e></m:func></m:oMath>`

func wideBytes(s string) (b []byte) {
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// formField writes a field of a form of the old kind.
func formField(data string) string {
	return `<w:fldChar w:fldCharType="begin"><w:ffData><w:name w:val="no"/>` + data + `</w:ffData></w:fldChar><w:instrText> FORM </w:instrText><w:fldChar w:fldCharType="end"/>`
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
	f.Add(`<w:p>`+testFormula+formField(`<w:ddList><w:result w:val="-1"/></w:ddList><w:checkBox/>`)+`<w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:sym w:font="Symbol" w:char="FFFF"/></w:r></w:p>`, "", "")
	f.Fuzz(func(t *testing.T, body, styles, numbering string) {
		doc, err := readDOCX([]byte(docxOf(t, body, "styles.xml", styles, "numbering.xml", numbering, "footnotes.xml", testNotes)))
		if err == nil && doc.finish() == nil {
			sound(t, doc)
		}
	})
}
