package extract

import (
	"bytes"
	"encoding/binary"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"
)

// pdfPage is the text of a page as lines, in the order in which the file draws them.
type pdfPage struct {
	lines   []pdfLine
	size    int // bytes of text
	frame   pdfFrame
	frames  []pdfGrid // that may hold tables
	objects int       // things drawn, text among them
	picture bool      // a picture that may hold text which is not among the lines
	recognition
	broken bool
	tagged bool // the tags of its lines are to be followed
}

// pdfLine is text on one baseline without a wide gap: a line of prose, or a cell of a table. Positions are in points,
// y upwards, turned so that the page's main direction of writing runs to the right.
type pdfLine struct {
	text        string
	x0, x1      float64
	base        float64 // of the baseline
	size        float64 // of the font
	bold, fixed bool    // the letters are heavy, or all of one width
	broken      bool    // the last word goes on in the next line, its hyphen is removed
	rightToLeft bool
	turned      bool // written in another direction than the page
	filledIn    bool // into a form
	first, end  int  // index of the first and of the last character drawn
	typical     int  // index of one in the longest word: no footnote's number
	top, bottom float64
	words       []pdfWord
	links       []pdfLink
	tag         *pdfTag
	order       int       // of the tag, or of the last one before
	table       *pdfTable // that the line stands for
}

type pdfWord struct {
	text   string
	x0, x1 float64
}

// pdfLink says that a part of a text is a link.
type pdfLink struct {
	start, end int // bytes
	address    string
}

// appendLink adds a link, or makes the last one longer when this is more of it.
func appendLink(links []pdfLink, link pdfLink) []pdfLink {
	if last := len(links) - 1; last >= 0 && links[last].address == link.address && links[last].end+1 >= link.start {
		links[last].end = link.end
		return links
	}
	return append(links, link)
}

func (p *pdfPage) bytes() int {
	n := 0
	for i := range p.lines {
		n += len(p.lines[i].text)
	}
	return n
}

// pdfBox is a part of a page in points, y upwards.
type pdfBox struct{ x0, x1, y0, y1 float64 }

// boxBetween returns the box of two opposite corners.
func boxBetween(x0, y0, x1, y1 float64) pdfBox {
	return pdfBox{min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)}
}

func (l *pdfLine) box() pdfBox { return pdfBox{l.x0, l.x1, l.bottom, l.top} }

func (b pdfBox) join(o pdfBox) pdfBox {
	return pdfBox{min(b.x0, o.x0), max(b.x1, o.x1), min(b.y0, o.y0), max(b.y1, o.y1)}
}

// turned returns a box as seen by someone who has turned the page by that many quarters.
func (b pdfBox) turned(quarters int) pdfBox {
	switch quarters {
	case 1:
		return pdfBox{-b.y1, -b.y0, b.x0, b.x1}
	case 2:
		return pdfBox{-b.x1, -b.x0, -b.y1, -b.y0}
	case 3:
		return pdfBox{b.y0, b.y1, -b.x1, -b.x0}
	}
	return b
}

// pdfFrame is the part of a page that is shown, and how.
type pdfFrame struct {
	box      pdfBox
	rotation int // quarters clockwise
	turn     int // quarters by which the positions of lines are turned
}

// shown returns the shares of the page that a box covers which is turned as lines are.
func (f *pdfFrame) shown(b pdfBox) Box {
	b = b.turned((4 - f.turn) % 4)
	width, height := f.box.x1-f.box.x0, f.box.y1-f.box.y0
	if !(width > 0 && height > 0) {
		return Box{}
	}
	x0, x1 := (b.x0-f.box.x0)/width, (b.x1-f.box.x0)/width
	y0, y1 := (f.box.y1-b.y1)/height, (f.box.y1-b.y0)/height
	switch f.rotation {
	case 1:
		x0, x1, y0, y1 = 1-y1, 1-y0, x0, x1
	case 2:
		x0, x1, y0, y1 = 1-x1, 1-x0, 1-y1, 1-y0
	case 3:
		x0, x1, y0, y1 = y0, y1, 1-x1, 1-x0
	}
	share := func(v float64) float32 { return float32(min(max(v, 0), 1)) }
	return Box{X0: share(x0), Y0: share(y0), X1: share(x1), Y1: share(y1)}
}

// pdfChar is a character as PDFium hands it out, in the page's own direction.
type pdfChar struct {
	r    rune
	turn uint8 // quarters, or askew
	link int16 // number of the link it is in, from 1
	tag  *pdfTag
	box  pdfBox
}

// pdfReader reads the pages of one file.
type pdfReader struct {
	*sandbox
	chars []pdfChar
	found []pdfRule
	fonts map[uint64]pdfFont // of the page, by address
}

// page reads page i, counted from 0.
func (r *pdfReader) page(i int) (page pdfPage, err error) {
	defer func() { err = r.err }() // of the calls that close the page, too
	var links []pdfArea
	printed := math.MaxInt // characters, before what was filled in
	ref := r.loadPage(i, func(ref uint64, filledIn bool) {
		if links = r.links(ref); !filledIn {
			return
		}
		if text := r.call("FPDFText_LoadPage", ref); text != 0 {
			printed = r.count("FPDFText_CountChars", text)
			r.call("FPDFText_ClosePage", text)
		}
	})
	if ref == 0 {
		return pdfPage{broken: true}, nil
	}
	defer r.call("FPDF_ClosePage", ref)
	page.objects = r.count("FPDFPage_CountObjects", ref)
	page.frame = r.frame(ref)
	text := r.call("FPDFText_LoadPage", ref)
	if text == 0 {
		return pdfPage{broken: true}, nil
	}
	defer r.call("FPDFText_ClosePage", text)
	r.readChars(text)
	if slices.ContainsFunc(r.chars, func(c pdfChar) bool { return isRightToLeft(c.r) }) {
		r.widen(text)
	}
	markLinks(r.chars, links)
	markVertical(r.chars)
	r.markTags(ref, text, page.objects)
	page.frame.turn = mainTurn(r.chars)
	rules := turnRules(r.rules(ref, page.objects), page.frame.turn)
	page.lines = splitLines(r.chars, links, rules, page.frame.turn)
	for i := range page.lines {
		page.lines[i].filledIn = page.lines[i].first >= printed
	}
	r.typeset(text, page.lines, page.frame.turn)
	page.picture = r.isPicture(ref, &page)
	page.size = page.bytes()
	grids, frames := gridsOf(rules)
	page.lines, page.frames = takeTables(page.lines, grids), frames
	return page, nil
}

func (r *pdfReader) frame(page uint64) pdfFrame {
	var edges [4]float64 // left, top, right, bottom
	if r.is("FPDF_GetPageBoundingBox", page, r.scratch) {
		r.floats(r.scratch, edges[:])
	}
	return pdfFrame{box: boxBetween(edges[0], edges[1], edges[2], edges[3]), rotation: int(r.call("FPDFPage_GetRotation", page)) & 3}
}

// readChars reads the characters of a page, which PDFium delivers in drawing order with blanks and line ends added.
func (r *pdfReader) readChars(text uint64) {
	n := r.count("FPDFText_CountChars", text)
	r.chars = slices.Grow(r.chars[:0], n)[:n]
	unicodeOf, boxOf, angleOf := r.exports.Fn("FPDFText_GetUnicode"), r.exports.Fn("FPDFText_GetCharBox"), r.exports.Fn("FPDFText_GetCharAngle")
	const size = 4 * 8 // of a box: left, right, bottom, top
	turn, newWord := uint8(0), true
	for from := 0; from < n && r.err == nil; from += scratchSize / size {
		part := r.chars[from:min(from+scratchSize/size, n)]
		for i := range part {
			at, index := r.scratch+uint64(i)*size, uint64(from+i)
			r.invoke(boxOf, text, index, at, at+8, at+16, at+24)
			c := rune(uint32(r.invoke(unicodeOf, text, index)))
			blank := c <= ' ' || c == 0xa0
			if newWord && !blank { // the letters of a word stand in one direction
				turn = quarter(float64(api.DecodeF32(r.invoke(angleOf, text, index))))
			}
			newWord = blank
			part[i] = pdfChar{r: c, turn: turn}
		}
		boxes := r.bytes(r.scratch, len(part)*size)
		for i := range part {
			b := boxes[i*size:]
			float := func(k int) float64 {
				v := math.Float64frombits(binary.LittleEndian.Uint64(b[8*k:]))
				if !(math.Abs(v) < maxCoordinate) {
					return 0
				}
				return v
			}
			part[i].box = boxBetween(float(0), float(2), float(1), float(3))
		}
	}
	joinSurrogates(r.chars)
}

// joinSurrogates puts characters together that PDFium counts as two, as it does with the letters of formulas. What was the second
// half stays, as others count the same way, but as one that is not seen and cleaned away.
func joinSurrogates(chars []pdfChar) {
	for i := range len(chars) - 1 {
		if c := utf16.DecodeRune(chars[i].r, chars[i+1].r); c != utf8.RuneError {
			chars[i].r, chars[i+1].r = c, '\ufeff'
		}
	}
}

// widen gives characters the room that the font gives them instead of that of their ink: what stands in the order of the page,
// as right-to-left script does, is told apart by its gaps.
func (r *pdfReader) widen(text uint64) {
	boxOf := r.exports.Fn("FPDFText_GetLooseCharBox")
	var edges [4]float64 // left, top, right, bottom
	for i := range r.chars {
		if uint32(r.invoke(boxOf, text, uint64(i), r.scratch)) == 0 {
			continue
		}
		r.floats(r.scratch, edges[:])
		if x0, x1 := min(edges[0], edges[2]), max(edges[0], edges[2]); -maxCoordinate < x0 && x1 < maxCoordinate {
			r.chars[i].box.x0, r.chars[i].box.x1 = x0, x1
		}
	}
}

// markVertical turns characters of Chinese and Japanese that stand below each other: their lines run down the page.
func markVertical(chars []pdfChar) {
	const fewest = 8 // characters
	down := make([]int, 0, len(chars)/2)
	across, last := 0, -1
	for i := range chars {
		c := &chars[i]
		if c.r <= ' ' {
			continue
		}
		if last >= 0 && c.turn == 0 && isWide(c.r) && isWide(chars[last].r) {
			a, b := &chars[last].box, &c.box
			width := max(a.x1-a.x0, b.x1-b.x0)
			right, below := (b.x0+b.x1-a.x0-a.x1)/2, (a.y0+a.y1-b.y0-b.y1)/2
			switch {
			case math.Abs(right) < width/2 && below > width/3 && below < 2*width:
				down = append(down, last, i)
			case math.Abs(below) < width/2:
				across++
			}
		}
		last = i
	}
	if len(down) < 2*fewest || len(down)/2 < across/8 {
		return
	}
	for _, i := range down {
		chars[i].turn = 1
	}
}

// maxCoordinate is far beyond the largest page there is, of 14,400 points (ISO 32000-1, annex C).
const maxCoordinate = 1e6

// askew is the turn of what runs across the page at a slant, as a word printed over it does. A page that was put crooked on a
// scanner is not.
const (
	askew    = 4
	maxCrook = 0.35 // radians
)

// quarter rounds an angle to a number of quarter turns.
func quarter(angle float64) uint8 {
	if angle == 0 || !(math.Abs(angle) < 100) {
		return 0
	}
	quarters := math.Round(angle / (math.Pi / 2))
	if math.Abs(angle-quarters*math.Pi/2) > maxCrook {
		return askew
	}
	return uint8((int(quarters)%4 + 4) % 4)
}

// pdfFont is what a font looks like.
type pdfFont struct{ bold, fixed bool }

// Words in the names of bold fonts and of those for code; cmbx, sfbx, cmtt and sftt are those of TeX.
var (
	boldNames  = regexp.MustCompile(`bold|black|heavy|-medi|demi|cmbx|sfbx`)
	fixedNames = regexp.MustCompile(`courier|mono|consol|cmtt|sftt|menlo`)
)

// typeset asks for the size, the baseline and the weight of the type of each line.
func (r *pdfReader) typeset(text uint64, lines []pdfLine, turn int) {
	r.fonts = map[uint64]pdfFont{}
	for i := range lines {
		l := &lines[i]
		index := uint64(l.typical)
		size := api.DecodeF64(r.call("FPDFText_GetFontSize", text, index))
		var matrix [6]float64
		if r.is("FPDFText_GetMatrix", text, index, r.scratch) {
			r.floats(r.scratch, matrix[:])
			size *= math.Hypot(matrix[2], matrix[3])
		}
		if size > 1 && size < 500 {
			l.size = size
		}
		if !l.turned && int(r.chars[l.typical].turn) == turn && r.is("FPDFText_GetCharOrigin", text, index, r.scratch, r.scratch+8) {
			x, y := r.float64At(r.scratch), r.float64At(r.scratch+8)
			if base := (pdfBox{x, x, y, y}).turned(turn).y0; base > l.bottom-l.size && base < l.top {
				l.base = base
			}
		}
		first, last := r.font(text, l.first), r.font(text, l.end)
		l.bold, l.fixed = first.bold && last.bold, first.fixed && last.fixed
	}
}

// font returns the font of a character.
func (r *pdfReader) font(text uint64, char int) pdfFont {
	address := r.call("FPDFTextObj_GetFont", r.call("FPDFText_GetTextObject", text, uint64(char)))
	font, known := r.fonts[address]
	if address == 0 || known {
		return font
	}
	const fixedPitch, forceBold = 1 << 0, 1 << 18 // ISO 32000-2, table 121
	flags := max(int32(r.call("FPDFFont_GetFlags", address)), 0)
	name := strings.ToLower(string(r.blob("FPDFFont_GetBaseFontName", address)))
	font.bold = flags&forceBold != 0 || boldNames.MatchString(name)
	font.fixed = flags&fixedPitch != 0 || fixedNames.MatchString(name)
	r.fonts[address] = font
	return font
}

// splitLines cuts the characters of a page that is turned by some quarters to be read into lines.
func splitLines(chars []pdfChar, links []pdfArea, rules []pdfRule, turn int) []pdfLine {
	b := lineBuilder{chars: chars, links: links, rules: downRules(rules), turn: turn, base: mainDirection(chars)}
	for i := range chars {
		c := &chars[i]
		switch c.r {
		case 0:
			continue
		case '\r', '\n':
			b.flush(false)
			continue
		case 0x02, 0xfffe: // a hyphen at the end of a line
			b.flush(true)
			continue
		case 0xf06e, 0xf071, 0xf076, 0xf0a7, 0xf0a8, 0xf0b7, 0xf0d8, 0xf0fc, 0xf0fe:
			c.r = '•' // bullets of Symbol and Wingdings, which have no code of their own
		}
		c.box = c.box.turned(b.turn)
		if unicode.IsSpace(c.r) {
			c.r = ' '
			continue
		}
		if b.breaksBefore(c) {
			b.flush(false)
		}
		b.add(i)
	}
	b.flush(false)
	return b.lines
}

// mainTurn returns the direction in which most of a page is written.
func mainTurn(chars []pdfChar) int {
	var count [askew + 1]int
	for i := range chars {
		if chars[i].r > ' ' {
			count[chars[i].turn]++
		}
	}
	turn := 0
	for i, n := range count[:askew] {
		if n > count[turn] {
			turn = i
		}
	}
	return turn
}

// mainDirection returns the direction in which most letters of a page are read.
func mainDirection(chars []pdfChar) direction {
	left, right := 0, 0
	for i := range chars {
		switch r := chars[i].r; {
		case r < 0x590:
			if 'a' <= r|0x20 && r|0x20 <= 'z' || r >= 0xc0 {
				right++
			}
		case isRightToLeft(r):
			left++
		case directionOf(r) == ltr:
			right++
		}
	}
	if left > right {
		return rtl
	}
	return ltr
}

// lineBuilder collects the characters of a line.
type lineBuilder struct {
	chars []pdfChar
	links []pdfArea
	lines []pdfLine
	rules []pdfRule // down the page
	turn  int
	base  direction // of the page
	lineState
	text []byte
}

type lineState struct {
	box        pdfBox
	last       pdfBox // of the last visible character
	first, end int
	height     float64 // of the tallest character
	tag        *pdfTag
	rtl        bool
	turned     bool
	any        bool
}

// breaksBefore reports whether a character is too far from the last one to belong to the same line.
func (b *lineBuilder) breaksBefore(c *pdfChar) bool {
	if !b.any || isMark(c.r) {
		return false
	}
	turned := int(c.turn) != b.turn
	if turned != b.turned || c.tag != b.tag {
		return true
	}
	if turned {
		return false
	}
	box := &c.box
	height := max(b.height, box.y1-box.y0, 4)
	if box.y0 > b.box.y1+height/2 || box.y1 < b.box.y0-height/2 {
		return true
	}
	if b.rtl || isRightToLeft(c.r) {
		return false // such text jumps back and forth; flush cuts it
	}
	return max(box.x0-b.last.x1, b.last.x0-box.x1) > wideGap*height || parted(b.rules, b.last.x1, box.x0, (box.y0+box.y1)/2)
}

func isMark(r rune) bool { return r >= 0x300 && unicode.Is(unicode.Mn, r) }

// wideGap parts cells of a table from each other, in heights of a line. Blanks in justified text are narrower.
const wideGap = 1.5

func (b *lineBuilder) add(i int) {
	c := &b.chars[i]
	if !b.any {
		b.lineState = lineState{first: i, box: c.box, turned: int(c.turn) != b.turn, tag: c.tag, any: true}
	}
	b.box = b.box.join(c.box)
	b.last, b.end = c.box, i
	b.height = max(b.height, c.box.y1-c.box.y0)
	b.rtl = b.rtl || isRightToLeft(c.r)
}

// flush ends the line.
func (b *lineBuilder) flush(broken bool) {
	if !b.any {
		return
	}
	line := pdfLine{x0: b.box.x0, x1: b.box.x1, base: b.box.y0, first: b.first, end: b.end, typical: b.first, size: max(b.height, 4), broken: broken,
		rightToLeft: b.rtl, turned: b.turned, top: b.box.y1, bottom: b.box.y0, tag: b.tag}
	if b.rtl && !b.turned {
		b.appendRightToLeft(line)
	} else if b.write(&line); line.text != "" {
		b.lines = append(b.lines, line)
	}
	b.any = false
}

// write gives a line its text, cleaned, with its words and links.
func (b *lineBuilder) write(l *pdfLine) {
	b.text = b.text[:0]
	var ends []int // of the words in the text
	longest := 0.0
	for i := l.first; i <= l.end; {
		c := &b.chars[i]
		if c.r == ' ' || c.r == 0 {
			i++
			continue
		}
		glued := i > l.first && b.chars[i-1].r != ' ' && len(ends) > 0
		if !glued && len(b.text) > 0 {
			b.text = append(b.text, ' ')
		}
		start := len(b.text)
		box, next := b.piece(i, l.end)
		if box.x1-box.x0 > longest {
			longest, l.typical = box.x1-box.x0, i
		}
		switch {
		case len(b.text) == start:
			b.text = bytes.TrimSuffix(b.text, []byte(" "))
		case glued:
			word := &l.words[len(l.words)-1]
			word.x1, ends[len(ends)-1] = max(word.x1, box.x1), len(b.text)
		default:
			l.words, ends = append(l.words, pdfWord{x0: box.x0, x1: box.x1}), append(ends, len(b.text))
		}
		if c.link > 0 && len(b.text) > start {
			l.links = appendLink(l.links, pdfLink{start, len(b.text), b.links[c.link-1].address})
		}
		i = next
	}
	l.text = string(b.text)
	start := 0
	for i, end := range ends {
		l.words[i].text = l.text[start:end]
		start = end + 1
	}
}

// piece writes the characters from i to a blank, to the end of a link or to last, and returns where they stand and which is
// the next one.
func (b *lineBuilder) piece(i, last int) (box pdfBox, next int) {
	link, start := b.chars[i].link, len(b.text)
	box = b.chars[i].box
	for next = i; next <= last && b.chars[next].r != ' ' && b.chars[next].link == link; next++ {
		if c := &b.chars[next]; c.r != 0 {
			b.text = utf8.AppendRune(b.text, c.r)
			box = box.join(c.box)
		}
	}
	if raw := b.text[start:]; !isTidy(string(raw)) {
		b.text = append(b.text[:start], cleanText(string(raw))...)
	}
	return box, next
}

// appendRightToLeft appends the cells of a line in right-to-left script, the rightmost first.
func (b *lineBuilder) appendRightToLeft(line pdfLine) {
	var glyphs []glyph
	for i := line.first; i <= line.end; i++ {
		if c := &b.chars[i]; c.r != 0 && c.r != '\r' && c.r != '\n' {
			glyphs = append(glyphs, glyph{i, string(c.r), c.r, c.box.x0, c.box.x1})
		}
	}
	visual := visualOrder(glyphs)
	for end := len(visual); end > 0; {
		start := end - 1
		for start > 0 && visual[start].x0-visual[start-1].x1 < wideGap*line.size && !parted(b.rules, visual[start-1].x1, visual[start].x0, middle(&line)) {
			start--
		}
		cell := line
		cell.first, cell.end, cell.x0, cell.x1 = visual[end-1].index, visual[start].index, visual[start].x0, visual[end-1].x1
		cell.typical = visual[(start+end)/2].index
		cell.text = cleanText(logicalOrder(visual[start:end], glyphs, line.size, b.base))
		if link := b.chars[cell.first].link; link > 0 && link == b.chars[cell.end].link {
			cell.links = []pdfLink{{0, len(cell.text), b.links[link-1].address}}
		}
		if cell.text != "" {
			b.lines = append(b.lines, cell)
		}
		end = start
	}
}
