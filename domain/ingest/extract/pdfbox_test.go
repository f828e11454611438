package extract

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// lineHolding returns the box of the line of a document that holds the beginning of a text, and that line's own text.
func lineHolding(t *testing.T, doc *Document, text string) (page int, box Box, line string) {
	t.Helper()
	for _, b := range doc.Blocks {
		at := strings.Index(b.Text, text)
		if at < 0 {
			continue
		}
		points, start := []rune(b.Text), len([]rune(b.Text[:at]))
		for _, box := range b.Boxes {
			if start < box.Runes {
				return b.Page, box, string(points[:box.Runes])
			}
			points, start = points[box.Runes:], start-box.Runes
		}
	}
	t.Fatalf("not found: %q", text)
	return 0, Box{}, ""
}

// where asks PDFium for the characters of a text on a page, and returns the shares of the page that they cover.
func where(t *testing.T, path string, page int, text string) Box {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openPDF(data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r := &pdfReader{sandbox: s}
	ref := r.call("FPDF_LoadPage", r.document, uint64(page-1))
	r.readChars(r.call("FPDFText_LoadPage", ref))
	var seen []rune
	var boxes []pdfBox
	for _, c := range r.chars {
		if c.r > ' ' {
			seen, boxes = append(seen, c.r), append(boxes, c.box)
		}
	}
	wanted := []rune(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text))
	for i := range seen {
		if len(seen)-i >= len(wanted) && slices.Equal(seen[i:i+len(wanted)], wanted) {
			all := boxes[i]
			for _, b := range boxes[i : i+len(wanted)] {
				all = all.join(b)
			}
			f := r.frame(ref)
			return f.shown(all)
		}
	}
	t.Fatalf("PDFium does not find %q", text)
	return Box{}
}

func near(a, b Box) bool {
	const share = 0.01
	far := func(a, b float32) bool { return math.Abs(float64(a-b)) > share }
	return !far(a.X0, b.X0) && !far(a.X1, b.X1) && !far(a.Y0, b.Y0) && !far(a.Y1, b.Y1)
}

// The box of a line is where PDFium says that its characters are.
func TestBoxesOfHandbook(t *testing.T) {
	const path = "testdata/harbour-handbook.pdf"
	doc := extractFile(t, path)
	for _, text := range []string{"You can rent on the web", "An identity card, a passport", "Prices and deposits", "Students and apprentices pay", "Helmets are not required",
		"The swing bridge opens"} {
		page, box, line := lineHolding(t, doc, text)
		if !strings.HasPrefix(line, text) {
			t.Errorf("%q is not where the line %q begins", text, line)
		}
		if want := where(t, path, page, line); !near(box, want) {
			t.Errorf("%q: box %v, PDFium says %v", line, box, want)
		}
	}
	rows := 0
	for _, b := range doc.Blocks {
		if b.Kind != Table {
			continue
		}
		for i, row := range append([][]string{b.Header}, b.Rows...) {
			if rows++; len(strings.Join(row, "")) > 60 {
				continue // of several lines, which PDFium does not deliver cell by cell
			}
			if want := where(t, path, b.Page, strings.Join(row, "")); !near(b.Boxes[i], want) {
				t.Errorf("row %q: box %v, PDFium says %v", row, b.Boxes[i], want)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows", rows)
	}
}

// pdfPage of makes a PDF of one page with attributes of its own.
func pdfWith(attributes, content string) string {
	return strings.Replace(pdfOf(content), "/MediaBox[0 0 600 800]", attributes, 1)
}

func TestBoxes(t *testing.T) {
	text := draw(60, 700, "F1", 10, "Turned") + draw(60, 688, "F1", 10, "about.")
	upright := "BT /F1 10 Tf 0 1 -1 0 500 60 Tm (Turned) Tj ET\nBT /F1 10 Tf 0 1 -1 0 512 60 Tm (about.) Tj ET\n"
	columns := draw(60, 700, "F1", 10, "left one") + draw(60, 688, "F1", 10, "left two") + draw(320, 700, "F1", 10, "right one") + draw(320, 688, "F1", 10, "right two")
	tests := []struct {
		name, attributes, content, text string
		want                            Box
	}{
		{"as it is", "/MediaBox[0 0 600 800]", text, "Turned", Box{60. / 600, 93. / 800, 92. / 600, 100. / 800, 7}},
		{"second line", "/MediaBox[0 0 600 800]", text, "about.", Box{60. / 600, 105. / 800, 88. / 600, 112. / 800, 6}},
		{"turned right", "/MediaBox[0 0 600 800]/Rotate 90", upright, "Turned", Box{60. / 800, 493. / 600, 92. / 800, 500. / 600, 7}},
		{"second line of a page turned right", "/MediaBox[0 0 600 800]/Rotate 90", upright, "about.", Box{60. / 800, 505. / 600, 88. / 800, 512. / 600, 6}},
		{"turned so that its text lies on its side", "/MediaBox[0 0 600 800]/Rotate 90", draw(60, 700, "F1", 10, "Turned"), "Turned", Box{700. / 800, 60. / 600, 707. / 800, 92. / 600, 6}},
		{"upside down", "/MediaBox[0 0 600 800]/Rotate 180", text, "Turned", Box{508. / 600, 700. / 800, 540. / 600, 707. / 800, 7}},
		{"turned left", "/MediaBox[0 0 600 800]/Rotate 270", draw(60, 700, "F1", 10, "Turned"), "Turned", Box{93. / 800, 508. / 600, 100. / 800, 540. / 600, 6}},
		{"cropped", "/MediaBox[0 0 600 800]/CropBox[50 600 250 800]", text, "Turned", Box{10. / 200, 93. / 200, 42. / 200, 100. / 200, 7}},
		{"cropped and turned", "/MediaBox[0 0 600 800]/CropBox[50 600 250 800]/Rotate 90", draw(60, 700, "F1", 10, "Turned"), "Turned", Box{100. / 200, 10. / 200, 107. / 200, 42. / 200, 6}},
		{"second column", "/MediaBox[0 0 600 800]", columns, "right two", Box{320. / 600, 105. / 800, 360. / 600, 112. / 800, 9}},
		{"written upwards", "/MediaBox[0 0 600 800]", "BT /F1 10 Tf 0 1 -1 0 107 60 Tm (Turned) Tj ET", "Turned", Box{100. / 600, 708. / 800, 107. / 600, 740. / 800, 6}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, pdfWith(tt.attributes, tt.content), "a.pdf")
			_, box, _ := lineHolding(t, doc, tt.text)
			if !near(box, tt.want) || box.Runes != tt.want.Runes {
				t.Errorf("got %v, want %v", box, tt.want)
			}
		})
	}
}

func TestPDFText(t *testing.T) {
	link := func(start, end int) pdfLink { return pdfLink{start, end, "https://a.example/long-way"} }
	tests := []struct {
		name   string
		lines  []pdfLine
		want   string
		points []int
	}{
		{"words", []pdfLine{{text: "one"}, {text: "two"}}, "one two", []int{4, 3}},
		{"broken word", []pdfLine{{text: "exam", broken: true}, {text: "ple"}}, "example", []int{4, 3}},
		{"word with a hyphen", []pdfLine{{text: "COVID", broken: true}, {text: "19"}}, "COVID-19", []int{6, 2}},
		{"no blanks in Japanese", []pdfLine{{text: "港の"}, {text: "ー自転車"}}, "港のー自転車", []int{2, 4}},
		{"link", []pdfLine{{text: "see here now", links: []pdfLink{link(4, 8)}}}, "see [here](https://a.example/long-way) now", []int{42}},
		{"link over lines", []pdfLine{{text: "see right", links: []pdfLink{link(4, 9)}}, {text: "here now", links: []pdfLink{link(0, 4)}}},
			"see [right here](https://a.example/long-way) now", []int{11, 37}},
		{"address over lines", []pdfLine{{text: "https://a.example/long", links: []pdfLink{link(0, 22)}}, {text: "-way", links: []pdfLink{link(0, 4)}}},
			"https://a.example/long-way", []int{22, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var text pdfText
			for i := range tt.lines {
				text.add(&tt.lines[i], 0, false)
			}
			got, points := text.marked()
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(tt.points, points); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// pdfPages makes a PDF of pages with a content each, and with more objects from number 100 on.
func pdfPages(catalog, page string, objects string, contents ...string) string {
	kids := ""
	for i := range contents {
		kids += fmt.Sprintf("%d 0 R ", 10+2*i)
	}
	out := "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R" + catalog + ">>endobj\n2 0 obj<</Type/Pages/Kids[" + kids + "]/Count " + fmt.Sprint(len(contents)) + ">>endobj\n" +
		"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n6 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>endobj\n" +
		"7 0 obj<</Type/Font/Subtype/Type1/BaseFont/Courier>>endobj\n" + objects
	for i, content := range contents {
		out += fmt.Sprintf("%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R/Resources<</Font<</F1 5 0 R/F2 6 0 R/F3 7 0 R>>>>%s>>endobj\n",
			10+2*i, 11+2*i, page)
		out += fmt.Sprintf("%d 0 obj<</Length %d>>stream\n%s\nendstream endobj\n", 11+2*i, len(content), content)
	}
	return out + "trailer<</Root 1 0 R>>\n"
}

// rules draws lines: each four numbers are a point and the point to draw to.
func rulesAt(points ...int) string {
	out := ""
	for p := range slices.Chunk(points, 4) {
		out += fmt.Sprintf("%d %d m %d %d l S\n", p[0], p[1], p[2], p[3])
	}
	return out
}

func TestPDFTables(t *testing.T) {
	at := func(x, y int, s string) string { return draw(x, y, "F1", 10, s) }
	grid := rulesAt(50, 700, 350, 700, 50, 670, 350, 670, 50, 640, 350, 640, 50, 610, 350, 610) + rulesAt(50, 700, 50, 610, 100, 700, 100, 610, 250, 700, 250, 610, 350, 700, 350, 610)
	tests := []struct {
		name, content string
		want          []string
	}{
		{"cells near each other and of several lines", grid + at(55, 680, "Bike") + at(102, 680, "What it carries") + at(252, 680, "Day") + at(55, 655, "City") +
			at(102, 658, "A rider and a bag that is") + at(102, 646, "not heavy") + at(252, 655, "18") + at(55, 625, "Cargo") + at(252, 625, "42"),
			[]string{"table: Bike|What it carries|Day / City|A rider and a bag that is not heavy|18 / Cargo||42"}},
		{"a cell over two rows stands in each", rulesAt(50, 700, 350, 700, 50, 670, 350, 670, 100, 640, 350, 640, 50, 610, 350, 610) +
			rulesAt(50, 700, 50, 610, 100, 700, 100, 610, 250, 700, 250, 610, 350, 700, 350, 610) +
			at(55, 680, "No") + at(110, 680, "Kind") + at(260, 680, "Day") + at(55, 645, "6") + at(110, 650, "City") + at(260, 650, "18") + at(110, 620, "Cargo") + at(260, 620, "42"),
			[]string{"table: No|Kind|Day / 6|City|18 / 6|Cargo|42"}},
		{"rows without lines between them", rulesAt(50, 700, 350, 700, 50, 670, 350, 670, 50, 590, 350, 590) + at(50, 680, "Model") + at(150, 680, "One") + at(250, 680, "Two") +
			at(50, 650, "small") + at(150, 650, "0.1") + at(250, 650, "0.2") + at(50, 636, "medium") + at(150, 636, "0.3") + at(250, 636, "0.4") + at(50, 622, "large") + at(150, 622, "0.5") + at(250, 622, "0.6"),
			[]string{"table: Model|One|Two / small|0.1|0.2 / medium|0.3|0.4 / large|0.5|0.6"}},
		{"a frame is no table", rulesAt(50, 700, 350, 700, 50, 600, 350, 600, 50, 700, 50, 600, 350, 700, 350, 600) + at(60, 680, "Take care of") + at(60, 668, "the lock.") + at(60, 656, "It is old."),
			[]string{"paragraph: Take care of the lock.\nIt is old."}},
		{"a list is no table", at(50, 700, "a\\)") + at(90, 700, "the frame") + at(50, 686, "b\\)") + at(90, 686, "the lock") + at(50, 672, "c\\)") + at(90, 672, "the bell") + at(50, 658, "d\\)") + at(90, 658, "the lamp"),
			[]string{"list_item1: a) the frame", "list_item1: b) the lock", "list_item1: c) the bell", "list_item1: d) the lamp"}},
		{"columns parted by a blank and a half", at(50, 688, "City") + at(100, 688, "4") + at(119, 688, "18") + at(50, 676, "Cargo") + at(100, 676, "9") + at(119, 676, "42") +
			at(50, 664, "Tandem") + at(100, 664, "8") + at(119, 664, "36") + at(50, 652, "Seat") + at(100, 652, "2") + at(119, 652, "5"),
			[]string{"table: City|4|18 / Cargo|9|42 / Tandem|8|36 / Seat|2|5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, pdfOf(tt.content), "a.pdf")
			sound(t, doc)
			if diff := cmp.Diff(tt.want, outline(doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A table that goes on on the next page has its header there too, but no box for it.
func TestPDFTableContinues(t *testing.T) {
	rows := func(names ...string) string {
		out := ""
		for i, name := range names {
			out += draw(50, 760-i*14, "F1", 10, name) + draw(200, 760-i*14, "F1", 10, fmt.Sprint(i)) + draw(350, 760-i*14, "F1", 10, "x")
		}
		return out
	}
	doc := extractString(t, pdfPages("", "", "", rows("Name", "a", "b", "c"), rows("d", "e", "f"), rows("Name", "g", "h")), "a.pdf")
	want := []string{"table: Name|0|x / a|1|x / b|2|x / c|3|x", "table: Name|0|x / d|0|x / e|1|x / f|2|x", "table: Name|0|x / g|1|x / h|2|x"}
	if diff := cmp.Diff(want, outline(doc)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := doc.Blocks[1].Boxes; len(got) != 4 || got[0] != (Box{}) || got[1].Y1 == 0 {
		t.Errorf("boxes %v", got)
	}
}

func TestPDFStructure(t *testing.T) {
	at := func(x, y int, s string) string { return draw(x, y, "F1", 10, s) }
	marked := func(tag string, id int, content string) string {
		return fmt.Sprintf("/%s<</MCID %d>>BDC\n%sEMC\n", tag, id, content)
	}
	tagged := marked("H1", 0, at(50, 700, "Rider guide")) + marked("P", 1, at(50, 680, "One paragraph")+at(50, 668, "of two lines.")) + marked("P", 2, at(50, 656, "Another.")) +
		marked("LBody", 3, at(60, 640, "first thing")) + marked("LBody", 4, at(80, 628, "inner thing")) +
		marked("TH", 5, at(50, 600, "Bike")) + marked("TH", 6, at(150, 600, "Day")) + marked("TD", 7, at(50, 588, "City")) + marked("TD", 8, at(150, 588, "18")) +
		"/Artifact BMC\n" + at(280, 20, "page 1") + "EMC\n"
	element := func(id int, kind, kids string) string {
		return fmt.Sprintf("%d 0 obj<</Type/StructElem/S/%s/P 100 0 R/Pg 10 0 R/K[%s]>>endobj\n", id, kind, kids)
	}
	tree := "100 0 obj<</Type/StructTreeRoot/K 101 0 R/ParentTree 102 0 R>>endobj\n" + element(101, "Document", "103 0 R 104 0 R 105 0 R 106 0 R 110 0 R") +
		"102 0 obj<</Nums[0[103 0 R 104 0 R 105 0 R 107 0 R 109 0 R 112 0 R 113 0 R 115 0 R 116 0 R]]>>endobj\n" +
		element(103, "H1", "0") + element(104, "P", "1") + element(105, "P", "2") + element(106, "L", "107 0 R") + element(107, "LI", "3 108 0 R") + element(108, "L", "109 0 R") +
		element(109, "LI", "4") + element(110, "Table", "111 0 R 114 0 R") + element(111, "TR", "112 0 R 113 0 R") + element(112, "TH", "5") + element(113, "TH", "6") +
		element(114, "TR", "115 0 R 116 0 R") + element(115, "TD", "7") + element(116, "TD", "8")
	for child, parent := range map[int]int{103: 101, 104: 101, 105: 101, 106: 101, 107: 106, 108: 107, 109: 108, 110: 101, 111: 110, 112: 111, 113: 111, 114: 110, 115: 114, 116: 114} {
		before, after, _ := strings.Cut(tree, fmt.Sprintf("\n%d 0 obj", child))
		tree = before + fmt.Sprintf("\n%d 0 obj", child) + strings.Replace(after, "/P 100 0 R", fmt.Sprintf("/P %d 0 R", parent), 1)
	}
	toc := "200 0 obj<</First 201 0 R/Last 201 0 R/Count 2>>endobj\n201 0 obj<</Title(1 Renting)/Parent 200 0 R/Dest[10 0 R/Fit]/First 202 0 R/Last 202 0 R>>endobj\n" +
		"202 0 obj<</Title(Deposit)/Parent 201 0 R/Dest[10 0 R/Fit]>>endobj\n"
	links := "300 0 obj<</Type/Annot/Subtype/Link/Rect[48 698 75 712]/A<</S/URI/URI(https://harbourloop.example/a?b=1)>>>>endobj\n" +
		"301 0 obj<</Type/Annot/Subtype/Link/Rect[48 686 75 698]/A<</S/JavaScript/JS(app.alert)>>>>endobj\n"
	body := "The harbour loop is long and mostly flat and signed in both directions"
	form := "400 0 obj<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Mira Vale)/Rect[100 640 250 660]/AP<</N 401 0 R>>>>endobj\n" +
		"401 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 150 20]/Resources<</Font<</F1 5 0 R>>>>/Length 45>>stream\nBT /F1 10 Tf 2 5 Td (Mira Vale) Tj ET         \nendstream endobj\n"
	tests := []struct {
		name, file string
		want       []string
	}{
		{"form filled in", pdfPages("/AcroForm<</Fields[400 0 R]>>", "/Annots[400 0 R 300 0 R]", form+links, at(50, 700, "Here is the form.")+at(50, 645, "Name:")),
			[]string{"paragraph: [Here](https://harbourloop.example/a?b=1) is the form.", "paragraph: Name: Mira Vale"}},
		{"fields in their places", pdfPages("/AcroForm<</Fields[400 0 R]>>", "/Annots[400 0 R]", form, at(50, 700, "Order form")+at(50, 648, "Name:")+at(50, 620, "Street:")+at(50, 590, "Town:")),
			[]string{"paragraph: Order form", "paragraph: Name: Mira Vale", "paragraph: Street:", "paragraph: Town:"}},
		{"field under its name", pdfPages("/AcroForm<</Fields[400 0 R]>>", "/Annots[400 0 R]", form, at(50, 700, "Order form")+at(100, 665, "Name of the rider")+at(100, 610, "Street")),
			[]string{"paragraph: Order form", "paragraph: Name of the rider", "paragraph: Mira Vale", "paragraph: Street"}},
		{"fields that a program has filled in", pdfPages("/AcroForm<</NeedAppearances true/DA(/F1 10 Tf 0 g)/DR<</Font<</F1 5 0 R>>>>/Fields[400 0 R]>>", "/Annots[400 0 R]",
			"400 0 obj<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Mira Vale)/Rect[100 640 250 660]>>endobj\n", at(50, 700, "Order form")+at(50, 645, "Name:")),
			[]string{"paragraph: Order form", "paragraph: Name: Mira Vale"}},
		{"tags", pdfPages("/MarkInfo<</Marked true>>/StructTreeRoot 100 0 R", "/StructParents 0", tree, tagged),
			[]string{"heading1: Rider guide", "paragraph: One paragraph of two lines.", "paragraph: Another.", "list_item1: first thing", "list_item2: inner thing",
				"table: Bike|Day / City|18", "furniture: page 1"}},
		{"table of contents", pdfPages("/Outlines 200 0 R", "", toc, at(50, 700, "1. Renting")+at(50, 670, body)+at(50, 640, "Deposit")+at(50, 610, body)),
			[]string{"heading1: 1. Renting", "paragraph: " + body, "heading2: Deposit", "paragraph: " + body}},
		{"links", pdfPages("", "/Annots[300 0 R 301 0 R]", links, at(50, 700, "Here are the prices of all our bicycles.")+at(50, 688, "There is nothing.")),
			[]string{"paragraph: [Here](https://harbourloop.example/a?b=1) are the prices of all our bicycles. There is nothing."}},
		{"code", pdfPages("", "", "", at(50, 700, body)+at(50, 688, body)+draw(50, 664, "F3", 10, "if open {")+draw(74, 652, "F3", 10, "ride\\(\\)")+draw(50, 640, "F3", 10, "}")),
			[]string{"paragraph: " + body + " " + body, "code: if open {\n    ride()\n}"}},
		{"sentence over columns", pdfPages("", "", "", at(50, 700, "The loop is flat and")+at(50, 688, "signed in both")+at(320, 700, "directions.")),
			[]string{"paragraph: The loop is flat and signed in both directions."}},
		{"columns drawn row by row", pdfPages("", "", "", zigzag()), []string{"paragraph: " + strings.TrimSpace(strings.Repeat("The left side goes on and on. ", 6)),
			"paragraph: " + strings.TrimSpace(strings.Repeat("The right side is another one. ", 6))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, tt.file, "a.pdf")
			sound(t, doc)
			if diff := cmp.Diff(tt.want, outline(doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// zigzag draws two columns of prose row by row.
func zigzag() string {
	out := ""
	for i := range 6 {
		out += draw(50, 700-i*12, "F1", 10, "The left side goes on and on.") + draw(320, 700-i*12, "F1", 10, "The right side is another one.")
	}
	return out
}

func TestRunningLines(t *testing.T) {
	at := func(y int, s string) string { return draw(50, y, "F1", 10, s) }
	body := func(i int) string { return at(400, fmt.Sprintf("Words of page %c only", 'a'+i)) }
	tests := []struct {
		name  string
		lines func(i int) string
		want  []string // furniture of page 2
	}{
		{"page numbers", func(i int) string { return body(i) + at(20, fmt.Sprint("Guide, page ", i+7)) }, []string{"Guide, page 8"}},
		{"numbered headings", func(i int) string { return at(780, fmt.Sprint("Exhibit 2.", i*3)) + body(i) }, nil},
		{"numbers at the foot", func(i int) string { return body(i) + at(20, fmt.Sprint("Section ", i*3)) }, []string{"Section 3"}},
		{"header of a table", func(i int) string {
			row := func(y int, cells ...string) (out string) {
				for k, c := range cells {
					out += draw(50+k*150, y, "F1", 10, c)
				}
				return out
			}
			return row(780, "Name", "Hour", "Day") + row(768, "City "+string(rune('a'+i)), "4", "18") + row(756, "Cargo", "9", "42") + row(744, "Seat", "1", "5") + body(i)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pages []string
			for i := range 4 {
				pages = append(pages, tt.lines(i))
			}
			var got []string
			for _, b := range extractString(t, pdfPages("", "", "", pages...), "a.pdf").Blocks {
				if b.Furniture && b.Page == 2 {
					got = append(got, b.Text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Characters below each other are read down their columns, which follow each other to the left.
func TestVerticalText(t *testing.T) {
	var chars []pdfChar
	for column, text := range []string{"吾輩は猫である。名", "前はまだ無い。"} {
		for i, r := range []rune(text) {
			x, y := float64(200-column*20), float64(700-i*14)
			chars = append(chars, pdfChar{r: r, box: pdfBox{x, x + 12, y, y + 12}})
		}
		chars = append(chars, pdfChar{r: '\r'}, pdfChar{r: '\n'})
	}
	markVertical(chars)
	p := pdfPage{frame: pdfFrame{box: pdfBox{0, 300, 0, 800}, turn: mainTurn(chars)}}
	p.lines = splitLines(chars, nil, nil, p.frame.turn)
	blocks := layOut([]pdfPage{p}, nil)
	if len(blocks) != 1 || blocks[0].Text != "吾輩は猫である。名前はまだ無い。" {
		t.Errorf("%+v", blocks)
	}
	if box, want := blocks[0].Boxes[0], (Box{200. / 300, 88. / 800, 212. / 300, 212. / 800, 9}); !near(box, want) {
		t.Errorf("first column at %v, want %v", box, want)
	}
}
