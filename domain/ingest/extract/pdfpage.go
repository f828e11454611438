package extract

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/responses"
)

// pdfPage is the text of a page as lines, in the order in which the file draws them.
type pdfPage struct {
	lines   []pdfLine
	objects int // things drawn, text among them
	broken  bool
}

// pdfLine is text on one baseline without a wide gap: a line of prose, or a cell of a table. Positions are in points,
// y upwards, turned so that the page's main direction of writing runs to the right.
type pdfLine struct {
	text        string
	x0, x1      float64
	base        float64 // of the baseline
	size        float64 // of the font
	bold        bool
	broken      bool // the last word goes on in the next line, its hyphen is removed
	rightToLeft bool
	turned      bool // written in another direction than the page
	first, end  int  // index of the first and of the last character drawn
	top, bottom float64
	words       []pdfWord
}

type pdfWord struct {
	text   string
	x0, x1 float64
}

func (p *pdfPage) size() int {
	n := 0
	for i := range p.lines {
		n += len(p.lines[i].text)
	}
	return n
}

// page reads page i, counted from 0.
func (r *pdfReader) page(i int) (page pdfPage, err error) {
	loaded, err := r.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: r.doc, Index: i})
	if err != nil {
		return page, err
	}
	ref := requests.Page{ByReference: &loaded.Page}
	defer func() { _, _ = r.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: loaded.Page}) }()
	if objects, err := r.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: ref}); err == nil {
		page.objects = objects.Count
	}
	chars, err := r.GetPageTextStructured(&requests.GetPageTextStructured{Page: ref, Mode: requests.GetPageTextStructuredModeChars})
	if err != nil || len(chars.Chars) == 0 {
		return page, err
	}
	page.lines = splitLines(chars.Chars)
	return page, r.fonts(ref, page.lines)
}

// fonts asks for the font of the first character of each line.
func (r *pdfReader) fonts(page requests.Page, lines []pdfLine) error {
	text, err := r.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: page})
	if err != nil {
		return err
	}
	defer func() { _, _ = r.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: text.TextPage}) }()
	for i := range lines {
		r.font(text.TextPage, &lines[i])
	}
	return nil
}

// boldNames are words in the names of bold fonts; cmbx and sfbx are those of TeX.
var boldNames = regexp.MustCompile(`bold|black|heavy|-medi|demi|cmbx|sfbx`)

func (r *pdfReader) font(text references.FPDF_TEXTPAGE, l *pdfLine) {
	if size, err := r.FPDFText_GetFontSize(&requests.FPDFText_GetFontSize{TextPage: text, Index: l.first}); err == nil {
		scale := 1.0
		if m, err := r.FPDFText_GetMatrix(&requests.FPDFText_GetMatrix{TextPage: text, Index: l.first}); err == nil {
			scale = math.Hypot(float64(m.Matrix.C), float64(m.Matrix.D))
		}
		if s := size.FontSize * scale; s > 1 && s < 500 {
			l.size = s
		}
	}
	l.bold = r.isBold(text, l.first) && r.isBold(text, l.end)
}

func (r *pdfReader) isBold(text references.FPDF_TEXTPAGE, char int) bool {
	info, err := r.FPDFText_GetFontInfo(&requests.FPDFText_GetFontInfo{TextPage: text, Index: char})
	const forceBold = 1 << 18 // ISO 32000-2, table 121
	return err == nil && (info.Flags&forceBold != 0 || boldNames.MatchString(strings.ToLower(info.FontName)))
}

// splitLines cuts the characters of a page, which PDFium delivers in drawing order with blanks and line ends added, into
// lines.
func splitLines(chars []*responses.GetPageTextStructuredChar) []pdfLine {
	turn := mainTurn(chars)
	var lines []pdfLine
	b := lineBuilder{base: mainDirection(chars)}
	for i, c := range chars {
		r := []rune(c.Text)
		if len(r) == 0 {
			continue
		}
		switch r[0] {
		case '\r', '\n':
			lines = b.flush(lines, false)
			continue
		case 0x02, 0xfffe: // a hyphen at the end of a line
			lines = b.flush(lines, true)
			continue
		}
		if strings.ContainsRune("\uf06e\uf071\uf076\uf0a7\uf0a8\uf0b7\uf0d8\uf0fc\uf0fe", r[0]) {
			c.Text, r[0] = "•", '•' // bullets of Symbol and Wingdings, which have no code of their own
		}
		box := turned(c.PointPosition, turn)
		own := quarter(c.Angle)
		if b.breaksBefore(r[0], box, own != turn) {
			lines = b.flush(lines, false)
		}
		b.add(i, c.Text, r[0], box, own != turn)
	}
	return b.flush(lines, false)
}

// quarter rounds an angle to a number of quarter turns.
func quarter(angle float64) int { return (int(math.Round(angle/(math.Pi/2)))%4 + 4) % 4 }

func mainTurn(chars []*responses.GetPageTextStructuredChar) int {
	var count [4]int
	for _, c := range chars {
		if strings.TrimSpace(c.Text) != "" {
			count[quarter(c.Angle)]++
		}
	}
	turn := 0
	for i, n := range count {
		if n > count[turn] {
			turn = i
		}
	}
	return turn
}

// mainDirection returns the direction in which most letters of a page are read.
func mainDirection(chars []*responses.GetPageTextStructuredChar) direction {
	var count [number + 1]int
	for _, c := range chars {
		for _, r := range c.Text {
			count[directionOf(r)]++
		}
	}
	if count[rtl] > count[ltr] {
		return rtl
	}
	return ltr
}

type pdfBox struct{ x0, x1, y0, y1 float64 }

// turned returns a box as seen by someone who has turned the page by that many quarters.
func turned(p responses.CharPosition, quarters int) pdfBox {
	b := pdfBox{p.Left, p.Right, p.Bottom, p.Top}
	switch quarters {
	case 1:
		b = pdfBox{-p.Top, -p.Bottom, p.Left, p.Right}
	case 2:
		b = pdfBox{-p.Right, -p.Left, -p.Top, -p.Bottom}
	case 3:
		b = pdfBox{p.Bottom, p.Top, -p.Right, -p.Left}
	}
	return pdfBox{min(b.x0, b.x1), max(b.x0, b.x1), min(b.y0, b.y1), max(b.y0, b.y1)}
}

// lineBuilder collects the characters of a line.
type lineBuilder struct {
	base   direction // of the page
	text   strings.Builder
	box    pdfBox
	last   pdfBox // of the last visible character
	first  int
	end    int
	height float64   // of the tallest character
	feet   []float64 // lower edges of characters that stand on the baseline
	blank  bool      // since the last visible character
	rtl    bool
	turned bool
	any    bool
	glyphs []glyph
	words  []pdfWord
}

// breaksBefore reports whether a character is too far from the last one to belong to the same line.
func (b *lineBuilder) breaksBefore(r rune, box pdfBox, turned bool) bool {
	if !b.any || unicode.IsSpace(r) || unicode.Is(unicode.Mn, r) {
		return false
	}
	if turned != b.turned {
		return true
	}
	if turned {
		return false
	}
	height := max(b.height, box.y1-box.y0, 4)
	if box.y0 > b.box.y1+height/2 || box.y1 < b.box.y0-height/2 {
		return true
	}
	if b.rtl || isRightToLeft(r) {
		return false // such text jumps back and forth; flush cuts it
	}
	return max(box.x0-b.last.x1, b.last.x0-box.x1) > wideGap*height
}

// wideGap parts cells of a table from each other, in heights of a line. Blanks in justified text are narrower.
const wideGap = 1.5

func (b *lineBuilder) add(i int, text string, r rune, box pdfBox, turned bool) {
	if unicode.IsSpace(r) || r == 0 {
		b.blank = b.any
		b.glyphs = append(b.glyphs, glyph{i, " ", ' ', box.x0, box.x1})
		return
	}
	b.glyphs = append(b.glyphs, glyph{i, text, r, box.x0, box.x1})
	if !b.any {
		b.first, b.box, b.turned, b.any = i, box, turned, true
	}
	if b.blank {
		b.text.WriteByte(' ')
	}
	if b.blank || len(b.words) == 0 {
		b.words = append(b.words, pdfWord{x0: box.x0})
		b.blank = false
	}
	b.text.WriteString(text)
	word := &b.words[len(b.words)-1]
	word.text, word.x1 = word.text+text, max(word.x1, box.x1)
	b.box = pdfBox{min(b.box.x0, box.x0), max(b.box.x1, box.x1), min(b.box.y0, box.y0), max(b.box.y1, box.y1)}
	b.last, b.end = box, i
	b.height = max(b.height, box.y1-box.y0)
	b.rtl = b.rtl || isRightToLeft(r)
	if !strings.ContainsRune("gjpqyQ,;()[]{}|/_\"'`^*°-–—=~+", r) {
		b.feet = append(b.feet, box.y0)
	}
}

func (b *lineBuilder) flush(lines []pdfLine, broken bool) []pdfLine {
	if b.any {
		base := b.box.y0
		if len(b.feet) > 0 {
			slices.Sort(b.feet)
			base = b.feet[len(b.feet)/2]
		}
		line := pdfLine{text: b.text.String(), x0: b.box.x0, x1: b.box.x1, base: base, first: b.first, end: b.end, size: max(b.height, 4),
			broken: broken, rightToLeft: b.rtl, turned: b.turned, top: b.box.y1, bottom: b.box.y0, words: b.words}
		if b.rtl && !b.turned {
			lines = appendRightToLeft(lines, line, b.glyphs, b.base)
		} else {
			lines = append(lines, line)
		}
	}
	*b = lineBuilder{base: b.base}
	return lines
}

// appendRightToLeft appends the cells of a line in right-to-left script, the rightmost first.
func appendRightToLeft(lines []pdfLine, line pdfLine, glyphs []glyph, base direction) []pdfLine {
	visual := visualOrder(glyphs)
	for end := len(visual); end > 0; {
		start := end - 1
		for start > 0 && visual[start].x0-visual[start-1].x1 < wideGap*line.size {
			start--
		}
		cell := line
		cell.words = nil
		cell.first, cell.end, cell.x0, cell.x1 = visual[end-1].index, visual[start].index, visual[start].x0, visual[end-1].x1
		cell.text = strings.TrimSpace(logicalOrder(visual[start:end], glyphs, base))
		lines = append(lines, cell)
		end = start
	}
	return lines
}
