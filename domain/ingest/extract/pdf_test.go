package extract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHandbook(t *testing.T) {
	var seen []string
	data, err := os.ReadFile("testdata/harbour-handbook.pdf")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Extract(t.Context(), data, "x", func(done, total int) { seen = append(seen, fmt.Sprintf("%d/%d", done, total)) })
	if err != nil {
		t.Fatal(err)
	}
	sound(t, doc)
	golden(t, doc, "testdata/harbour-handbook.md")
	if doc.Title != "Harbour Loop Bikes: rider handbook" || doc.Format != PDF || doc.Pages != 10 {
		t.Errorf("%q %s %d", doc.Title, doc.Format, doc.Pages)
	}
	if len(seen) != 11 || seen[0] != "0/10" || seen[10] != "10/10" {
		t.Errorf("progress %v", seen)
	}
	text, spans := doc.Render()
	starts := doc.PageStarts(text, spans)
	for i, want := range []string{"# Rider handbook", "## 1 Renting", "## 2 Prices", "## 3 Stations", "## 4 Our", "## 5 Batt", "## 6 Riding", "## 7 Break", "## 8 Groups", "## 9 Terms"} {
		if !strings.HasPrefix(text[starts[i]:], want) {
			t.Errorf("page %d begins with %.30q", i+1, text[starts[i]:])
		}
	}
	for _, b := range doc.Blocks {
		if strings.Contains(b.Text, fmt.Sprintf("page %d of 10", b.Page)) != b.Furniture {
			t.Errorf("running foot: %+v", b)
		}
	}
}

func TestPDFNotes(t *testing.T) {
	for _, path := range []string{"testdata/mixed.pdf", "testdata/restricted.pdf"} {
		doc := extractFile(t, path)
		want := []string{"Page 2 holds only pictures, so there was no text to read. Text recognition is not installed on this server."}
		if diff := cmp.Diff(want, doc.Notes); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestPDFRefused(t *testing.T) {
	tests := []struct {
		name, file, content string
		want                Reason
	}{
		{"password", "testdata/encrypted.pdf", "", ReasonEncrypted},
		{"pictures", "testdata/scanned.pdf", "", ReasonNoText},
		{"cut off", "testdata/truncated.pdf", "", ReasonCorrupt},
		{"only a head", "", "%PDF-1.7\n", ReasonCorrupt},
		{"blank page", "", pdfOf(""), ReasonEmpty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file != "" {
				data, err := os.ReadFile(tt.file)
				if err != nil {
					t.Fatal(err)
				}
				tt.content = string(data)
			}
			if got := reasonFor(t, tt.content, "a.pdf"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPDFTooManyPages(t *testing.T) {
	kids := strings.Repeat("3 0 R ", MaxPages+1)
	in := "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[" + kids + "]/Count " + fmt.Sprint(MaxPages+1) +
		">>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n" + strings.Repeat("% filler\n", MaxPages*4) + "trailer<</Root 1 0 R>>\n"
	if got := reasonFor(t, in, "a.pdf"); got != ReasonTooManyPages {
		t.Errorf("got %s", got)
	}
}

func TestPDFCancelled(t *testing.T) {
	data, err := os.ReadFile("testdata/harbour-handbook.pdf")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Extract(ctx, data, "a.pdf", func(done, _ int) {
		if done == 3 {
			cancel()
		}
	})
	var e *Error
	if !errors.As(err, &e) || e.Reason != ReasonTimeout || e.Page != 4 {
		t.Errorf("got %v", err)
	}
}

// It ends at any moment, also while pages are being read.
func TestPDFDeadline(t *testing.T) {
	data, err := os.ReadFile("testdata/harbour-handbook.pdf")
	if err != nil {
		t.Fatal(err)
	}
	for after := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*2*time.Millisecond)
		_, err := Extract(ctx, data, "a.pdf", nil)
		cancel()
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Reason != ReasonTimeout) {
			t.Errorf("after %d ms: %v", 2*after, err)
		}
	}
}

// pdfOf makes a PDF of one page, whose content draws on a field of 600 by 800 points with Helvetica as /F1 and its bold as /F2.
func pdfOf(content string) string {
	return "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R/F2 6 0 R>>>>>>endobj\n" +
		"4 0 obj<</Length " + fmt.Sprint(len(content)) + ">>stream\n" + content + "\nendstream endobj\n" +
		"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n6 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>endobj\n" +
		"trailer<</Root 1 0 R>>\n"
}

// draw writes a text at a place in a size.
func draw(x, y int, font string, size int, text string) string {
	return fmt.Sprintf("BT /%s %d Tf %d %d Td (%s) Tj ET\n", font, size, x, y, text)
}

func TestPDFLayout(t *testing.T) {
	at := func(x, y int, s string) string { return draw(x, y, "F1", 10, s) }
	body := "The harbour loop is long and mostly flat and signed in both directions"
	columns := func(rows [][]string) string {
		out := ""
		for i, row := range rows {
			for k, s := range row {
				out += at(50+k*150, 700-i*14, s)
			}
		}
		return out
	}
	columnsAt := func(y, x int, cells ...string) string {
		out := ""
		for k, s := range cells {
			out += at(x+k*150, y, s)
		}
		return out
	}
	tests := []struct {
		name, content string
		want          []string
	}{
		{"paragraph", at(50, 700, body) + at(50, 688, body+" and") + at(50, 676, "end.") + at(50, 640, "Next."),
			[]string{"paragraph: " + body + " " + body + " and end.", "paragraph: Next."}},
		{"short lines stay", at(50, 700, "Old Quay 3") + at(50, 688, "Harbour") + at(50, 676, body),
			[]string{"paragraph: Old Quay 3\nHarbour\n" + body}},
		{"headings by size", draw(50, 740, "F2", 20, "Handbook") + draw(50, 710, "F1", 14, "Prices") + at(50, 690, body) + draw(50, 660, "F2", 10, "Deposit") + at(50, 648, body),
			[]string{"heading1: Handbook", "heading2: Prices", "paragraph: " + body, "heading3: Deposit", "paragraph: " + body}},
		{"broken word", at(50, 700, body+" and the exam-") + at(50, 688, "ple goes on. The old Rope-") + at(50, 676, "Lane too."),
			[]string{"paragraph: " + body + " and the example goes on. The old Rope-Lane too."}},
		{"list", at(50, 700, "\\267 first thing") + at(50, 688, "\\267 second") + at(70, 676, "1. inner") + at(50, 664, "\\267 third"),
			[]string{"list_item1: first thing", "list_item1: second", "list_item2: 1. inner", "list_item1: third"}},
		{"table", columns([][]string{{"Bike", "Hour", "Day"}, {"City", "4", "18"}, {"Cargo", "9", "42"}, {"Tandem", "8", "36"}}),
			[]string{"table: Bike|Hour|Day / City|4|18 / Cargo|9|42 / Tandem|8|36"}},
		{"cell of two lines", columns([][]string{{"Code", "Do"}, {"E1", "press it"}, {"E2", "wipe it and"}}) + at(200, 661, "switch off") + at(50, 640, "E3") + at(200, 640, "call"),
			[]string{"table: Code|Do / E1|press it / E2|wipe it and switch off / E3|call"}},
		{"cell beside two rows", columns([][]string{{"No", "Kind", "Hour", "Day"}}) + at(50, 679, "6") + columnsAt(686, 200, "City", "4", "18") + columnsAt(672, 200, "Cargo", "9", "42") + columnsAt(658, 200, "Tandem", "8", "36"),
			[]string{"table: No|Kind|Hour|Day / 6|City|4|18 / 6|Cargo|9|42 / |Tandem|8|36"}},
		{"sentence above a table", at(50, 714, "These are the prices of all our bicycles for an hour and for a day.") + columns([][]string{{"City", "4", "18"}, {"Cargo", "9", "42"}, {"Tandem", "8", "36"}}),
			[]string{"paragraph: These are the prices of all our bicycles for an hour and for a day.", "table: City|4|18 / Cargo|9|42 / Tandem|8|36"}},
		{"header close together", at(50, 714, "A long name of some bicycles") + at(189, 714, "Hour") + columnsAt(714, 350, "Day") + columns([][]string{{"City", "4", "18"}, {"Cargo", "9", "42"}, {"Tandem", "8", "36"}}),
			[]string{"table: A long name of some bicycles|Hour|Day / City|4|18 / Cargo|9|42 / Tandem|8|36"}},
		{"columns as drawn", at(50, 700, body[:40]) + at(50, 688, body[:38]) + at(320, 700, "On the right") + at(320, 688, "and on"),
			[]string{"paragraph: " + body[:40] + " " + strings.TrimSpace(body[:38]), "paragraph: On the right and on"}},
		{"turned", at(50, 700, body) + "BT /F1 9 Tf 0 1 -1 0 20 300 Tm (side note) Tj ET\n", []string{"paragraph: " + body, "paragraph: side note"}},
		{"printed over", at(50, 700, body) + "BT /F2 60 Tf 0.7 0.7 -0.7 0.7 100 400 Tm (DRAFT) Tj ET " + at(50, 688, "goes on."), []string{"paragraph: " + body + " goes on.", "paragraph: DRAFT"}},
		{"page turned as a whole", "BT /F1 10 Tf 0 1 -1 0 100 100 Tm (" + body + ") Tj ET BT /F1 10 Tf 0 1 -1 0 112 100 Tm (goes on.) Tj ET", []string{"paragraph: " + body + " goes on."}},
		{"form that draws with itself", at(50, 700, "ends") + "/F1 Do q Q ET ET", []string{"paragraph: ends"}},
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

// A page drawn in no order is read along its white space: columns one after the other, the title first.
func TestReadingOrder(t *testing.T) {
	line := func(text string, x, y float64) pdfLine {
		return pdfLine{text: text, x0: x, x1: x + 200, base: y, bottom: y - 2, top: y + 8, size: 10}
	}
	var lines []pdfLine
	want := []string{"title"}
	for _, column := range []float64{50, 300} {
		for i := range 8 {
			text := fmt.Sprintf("%v/%d", column, i)
			want = append(want, text)
			lines = append(lines, line(text, column, 600-float64(i)*12))
		}
	}
	lines = append(lines, pdfLine{text: "title", x0: 50, x1: 500, base: 700, bottom: 698, top: 708, size: 10})
	for i := range lines { // a shuffle that is the same each time
		k := (i*7 + 3) % len(lines)
		lines[i], lines[k] = lines[k], lines[i]
	}
	var got []string
	for _, l := range readingOrder(slices.Clone(lines)) {
		got = append(got, l.text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLogicalOrder(t *testing.T) {
	tests := []struct {
		name, visual, want string
		base               direction
	}{
		{"one word", "םולש", "שלום", rtl},
		{"words and a full stop", ".ימש הז", "זה שמי.", rtl},
		{"number", "ריחמ 4.50 הז", "זה 4.50 מחיר", rtl},
		{"two numbers", "18 4 הז", "זה 4 18", rtl},
		{"latin words", "הפ bike rental שי", "יש bike rental פה", rtl},
		{"word in a latin line", "the word םולש means", "the word שלום means", ltr},
		{"scripts that touch", "ןמPython", "Python מן", rtl},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var glyphs []glyph
			for i, r := range []rune(tt.visual) {
				glyphs = append(glyphs, glyph{i, string(r), r, float64(i * 6), float64(i*6 + 6)})
			}
			if got := logicalOrder(visualOrder(glyphs), glyphs, 8, tt.base); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPageList(t *testing.T) {
	tests := []struct {
		pages []int
		want  string
	}{
		{[]int{4}, "Page 4 is"},
		{[]int{3, 4, 5}, "Pages 3–5 are"},
		{[]int{1, 3, 4, 9}, "Pages 1, 3–4 and 9 are"},
		{[]int{1, 3, 5, 7, 9, 11, 13}, "7 pages are"},
	}
	for _, tt := range tests {
		pages := make([]pdfPage, 20)
		for _, n := range tt.pages {
			pages[n-1].broken = true
		}
		if got := pagesWhere(pages, func(p *pdfPage) bool { return p.broken }).sentence("Page", "is", "are"); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func FuzzPDF(f *testing.F) {
	f.Add([]byte(pdfOf(draw(50, 700, "F1", 10, "words"))))
	fuzz(f, func(data []byte) (*Document, error) {
		return readPDF(context.Background(), data, Options{Progress: func(int, int) {}})
	})
}

// PDFium counts a letter of a formula as two characters, and what else it says about them counts alike.
func TestPDFSurrogates(t *testing.T) {
	chars := []pdfChar{{r: 'a'}, {r: 0xd835}, {r: 0xdc5d}, {r: 0xd835}, {r: 'b'}, {r: 0xdc5d}}
	joinSurrogates(chars)
	var got []rune
	for _, c := range chars {
		got = append(got, c.r)
	}
	if want := []rune{'a', '𝑝', 0xfeff, 0xd835, 'b', 0xdc5d}; !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	joinSurrogates(nil)
}
