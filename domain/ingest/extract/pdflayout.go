package extract

import (
	"bytes"
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pdfBlock is a block being put together from lines, with what decides later whether it is a heading.
type pdfBlock struct {
	Block
	text   pdfText
	size   float64
	bold   bool
	last   pdfLine
	x0     float64
	table  *pdfTable
	tagged bool // its kind is known
	fixed  bool // all of its letters are of one width, as those of code are
}

// layOut turns the lines of all pages into blocks in reading order.
func layOut(pages []pdfPage, outline pdfOutline) []Block {
	dropFixed(pages)
	for i := range pages {
		pages[i].tagged = pages[i].isTagged()
	}
	running := runningLines(pages)
	var blocks []pdfBlock
	for i := range pages {
		l := pageLayout{page: i + 1, frame: &pages[i].frame, first: len(blocks), blocks: blocks}
		head, body, foot := cutRunning(&pages[i], running)
		l.furniture(head)
		if pages[i].tagged {
			l.readTagged(body)
		} else {
			l.read(readingOrder(takeTables(body, trimmed(pages[i].frames, body))))
		}
		l.furniture(foot)
		blocks = l.blocks
	}
	continueTables(blocks)
	typed, scanned := partBlocks(blocks, pages)
	outline.mark(typed)
	markHeadings(typed)
	markSections(scanned)
	markHeadings(scanned)
	out := make([]Block, len(blocks))
	for i := range blocks {
		out[i] = blocks[i].finish()
	}
	return out
}

// pageLayout adds the blocks of one page.
type pageLayout struct {
	page   int
	frame  *pdfFrame
	first  int // of the page's blocks
	blocks []pdfBlock
	tables tableSearch
}

func (l *pageLayout) furniture(lines []pdfLine) {
	for i := range lines {
		l.begin(&lines[i], 0, Block{Kind: Paragraph, Furniture: true})
	}
}

// begin adds a block that begins with a line, from byte from of its text on.
func (l *pageLayout) begin(line *pdfLine, from int, b Block) {
	b.Page = l.page
	block := pdfBlock{Block: b, size: line.size, bold: line.bold, x0: line.x0}
	block.add(line, from, false, l.frame)
	l.blocks = append(l.blocks, block)
}

func (b *pdfBlock) add(line *pdfLine, from int, newLine bool, frame *pdfFrame) {
	if b.fixed = line.fixed && (b.fixed || len(b.Boxes) == 0); b.fixed && len(b.Boxes) > 0 {
		indented := *line
		indented.text = line.indent(b.x0) + line.text
		b.text.add(&indented, 0, true)
	} else {
		b.text.add(line, from, newLine)
	}
	b.Boxes = append(b.Boxes, frame.shown(line.box()))
	b.last = *line
}

// finish returns the block with its text and boxes.
func (b *pdfBlock) finish() Block {
	if b.Kind == Table {
		return b.Block
	}
	if b.fixed && b.Kind == Paragraph && len(b.Boxes) > 1 {
		b.Kind, b.text.links = Code, nil
	}
	text, points := b.text.marked()
	if b.Text += text; len(b.Text) > len(text) && len(points) > 0 { // a heading's number comes first
		points[0] += utf8.RuneCountInString(b.Text) - utf8.RuneCountInString(text)
	}
	for i := range b.Boxes {
		b.Boxes[i].Runes = points[i]
	}
	return b.Block
}

// read makes blocks of lines in reading order: tables where rows line up, and else paragraphs.
func (l *pageLayout) read(lines []pdfLine) {
	l.tables.rest = len(lines)
	for i := 0; i < len(lines); {
		if t := lines[i].table; t != nil {
			l.table(t)
			i++
			continue
		}
		if t, n := l.tables.find(lines[i:]); n > 0 {
			l.head(t)
			l.table(t)
			i += n
			continue
		}
		const near = 40 // lines that may tell how wide the column is
		line, row := firstRow(lines[i:])
		l.line(line, lines[max(i-near, 0):min(i+near, len(lines))])
		i += row
	}
}

func (l *pageLayout) table(t *pdfTable) {
	b := t.block(l.frame)
	b.Page = l.page
	l.blocks = append(l.blocks, pdfBlock{Block: b, last: t.line(), table: t})
}

// head makes the line before a table its header if the words of that line stand over the columns.
func (l *pageLayout) head(t *pdfTable) {
	last := len(l.blocks) - 1
	if last < l.first {
		return
	}
	b := &l.blocks[last]
	header := t.overhead(&b.last)
	if header == nil || b.Kind != Paragraph || b.Furniture {
		return
	}
	t.rows = append([]pdfRow{*header}, t.rows...)
	if len(b.Boxes) == 1 {
		l.blocks = l.blocks[:last]
		return
	}
	b.text.dropLast()
	b.Boxes = b.Boxes[:len(b.Boxes)-1]
}

// continueTables gives tables that go on at the top of the next page, but do not repeat their header there, that header.
func continueTables(blocks []pdfBlock) {
	var before *pdfBlock
	for i := range blocks {
		b := &blocks[i]
		switch {
		case b.Furniture:
			continue
		case b.Kind == Table && before != nil && before.Page+1 == b.Page && b.table.continues(before.table) && !b.table.rows[0].isBold():
			b.inherit(before.Header)
		}
		if before = nil; b.Kind == Table {
			before = b
		}
	}
}

// continues reports whether a table has the columns of another.
func (t *pdfTable) continues(before *pdfTable) bool {
	return slices.EqualFunc(t.columns, before.columns, func(a, b [2]float64) bool {
		return math.Abs(a[0]-b[0]) < 2*t.size || math.Abs(a[1]-b[1]) < 2*t.size
	})
}

func (b *pdfBlock) inherit(header []string) {
	if slices.Equal(b.Header, header) {
		return
	}
	b.Rows = append([][]string{b.Header}, b.Rows...)
	b.Header = slices.Clone(header)
	b.Boxes = append([]Box{{}}, b.Boxes...) // it stands on the page before
}

// sameRow reports whether two lines stand side by side.
func sameRow(a, b *pdfLine) bool {
	return a.turned == b.turned && a.table == nil && b.table == nil && math.Abs(a.base-b.base) < 0.4*min(a.size, b.size)
}

// besides reports whether b goes on where a ends, be a the small raised number of a footnote.
func besides(a, b *pdfLine) bool {
	if a.turned || b.turned || a.table != nil || b.table != nil || b.x0 < a.x1 {
		return false
	}
	up := a.base - b.base
	raised := len(a.text) <= 3 && a.size < 0.8*b.size && up > 0 && up < 0.6*b.size && b.x0-a.x1 < 3*b.size
	return raised || sameRow(a, b) || b.filledIn && inRow(a, b)
}

// firstRow makes one line of the first of lines and those that stand side by side with it but are no table, and returns how many
// they are.
func firstRow(lines []pdfLine) (line pdfLine, n int) {
	n = 1
	for n < len(lines) && besides(&lines[n-1], &lines[n]) {
		n++
	}
	return joinRow(lines[:n]), n
}

func joinRow(row []pdfLine) pdfLine {
	line := row[0]
	line.links, line.words = slices.Clip(line.links), slices.Clip(line.words) // others have them too
	for _, next := range row[1:] {
		for _, link := range next.links {
			line.links = append(line.links, pdfLink{link.start + len(line.text) + 1, link.end + len(line.text) + 1, link.address})
		}
		line.words = append(line.words, next.words...)
		line.text += " " + next.text
		if line.x1, line.broken = next.x1, next.broken; next.size > line.size {
			line.size, line.base = next.size, next.base
		}
		line.top, line.bottom = max(line.top, next.top), min(line.bottom, next.bottom)
	}
	return line
}

// line adds a line to the paragraph before it, or begins another.
func (l *pageLayout) line(line pdfLine, near []pdfLine) {
	marker, text := splitItem(line.text)
	last := len(l.blocks) - 1
	if marker == "" && last >= l.first && l.blocks[last].continues(&line) {
		left, right := columnAround(near, &l.blocks[last].last)
		l.blocks[last].append(&line, left, right, l.frame)
		return
	}
	if marker == "" {
		l.begin(&line, 0, Block{Kind: Paragraph})
		return
	}
	b := Block{Kind: ListItem, Level: 1}
	if hasLetters(marker) {
		b.Marker = marker
	}
	if last >= l.first && l.blocks[last].Kind == ListItem {
		b.Level = l.blocks[last].nested(&line)
	}
	l.begin(&line, len(line.text)-len(text), b)
}

// itemNumber is a letter or a number of a list item as splitMarker does not know them.
var itemNumber = regexp.MustCompile(`^(?:\([a-z]{1,4}\)|\([0-9]{1,3}\)|[a-z]\)|[ivx]{2,4}\)) +`)

// splitItem cuts what numbers a list item off a line.
func splitItem(line string) (marker, text string) {
	if marker, text = splitMarker(line); marker != "" {
		return marker, text
	}
	n := len(itemNumber.FindString(line))
	return strings.TrimSpace(line[:n]), line[n:]
}

// nested returns the level of a list item that follows b.
func (b *pdfBlock) nested(line *pdfLine) int {
	switch {
	case line.x0 > b.x0+0.7*line.size:
		return b.Level + 1
	case line.x0 < b.x0-0.7*line.size:
		return max(b.Level-1, 1)
	}
	return b.Level
}

// continues reports whether a line belongs to the paragraph b: next below, near, in the same type, and not indented.
func (b *pdfBlock) continues(line *pdfLine) bool {
	last := &b.last
	if b.Furniture || b.Kind == Table || last.turned != line.turned {
		return false
	}
	if line.turned {
		return true
	}
	ratio := line.size / last.size
	if b.jumps(line) {
		return ratio > 0.88 && ratio < 1.14
	}
	down := last.base - line.base
	overlap := min(last.x1, line.x1) - max(last.x0, line.x0)
	switch {
	case ratio < 0.88 || ratio > 1.14, down < 0.5*line.size || down > 1.75*line.size:
		return false
	case b.fixed && line.fixed:
		return true
	case overlap <= 0:
		return false
	case last.broken:
		return true
	case b.bold != line.bold && (len(b.Boxes) == 1 || line.bold):
		return false
	case b.Kind == ListItem:
		return line.x0 > b.x0-0.5*line.size
	}
	indented := !line.rightToLeft && line.x0 > last.x0+0.9*line.size && len(b.Boxes) > 1
	return !indented
}

// jumps reports whether a sentence that does not end with the column goes on at the top of the next one.
func (b *pdfBlock) jumps(line *pdfLine) bool {
	last := &b.last
	up, beside := line.base-last.base > line.size, line.x0 > last.x1-line.size
	if line.rightToLeft {
		beside = line.x1 < last.x0+line.size
	}
	first, _ := utf8.DecodeRuneInString(line.text)
	end, _ := utf8.DecodeLastRune(b.text.buf)
	return up && beside && b.bold == line.bold && (last.broken || unicode.IsLower(first) && (unicode.IsLetter(end) || end == ','))
}

// append adds a line, keeping the line end where the author made one: where the next word would still have fitted.
func (b *pdfBlock) append(line *pdfLine, left, right float64, frame *pdfFrame) {
	newLine := !line.rightToLeft && len(line.words) > 0 && line.base < b.last.base && room(&b.last, left, right) > line.words[0].x1-line.words[0].x0+0.8*line.size
	b.add(line, 0, newLine, frame)
}

// room returns how much more would have fitted on a line, which may be centred.
func room(l *pdfLine, left, right float64) float64 {
	after, before := right-l.x1, l.x0-left
	if before > 2*l.size && math.Abs(after-before) < 2*l.size {
		return after + before
	}
	return after
}

// columnAround returns where the lines near l, in the same type and aligned at their left ends or their middles, begin and end.
func columnAround(lines []pdfLine, l *pdfLine) (left, right float64) {
	left, right = l.x0, l.x1
	for i := range lines {
		o := &lines[i]
		near := !o.turned && o.table == nil && math.Abs(o.base-l.base) < 9*l.size && math.Abs(o.size-l.size) < 0.03*l.size
		if near && (math.Abs(o.x0-l.x0) < 3*l.size || math.Abs(o.x0+o.x1-l.x0-l.x1) < 2*l.size) {
			left, right = min(left, o.x0), max(right, o.x1)
		}
	}
	return left, right
}

// Headings

// partBlocks parts blocks of pages that are text from those of pages that were recognised: the type of those has a size of its own.
func partBlocks(blocks []pdfBlock, pages []pdfPage) (typed, scanned []*pdfBlock) {
	for i := range blocks {
		if b := &blocks[i]; pages[b.Page-1].recognition == recognized {
			scanned = append(scanned, b)
		} else {
			typed = append(typed, b)
		}
	}
	return typed, scanned
}

// markHeadings makes headings of short paragraphs in larger type than the body's, and of those that stand alone in bold. Where
// the file itself says which ones are headings, those are.
func markHeadings(blocks []*pdfBlock) {
	body := bodySize(blocks)
	told := 0
	for _, b := range blocks {
		if b.tagged && b.Kind == Heading {
			if len(b.text.buf) > maxTitleLine {
				b.Kind = Paragraph
			}
			told++
		}
	}
	var sizes []float64
	for _, b := range blocks {
		if !(b.tagged && told > 1) && b.isHeading(body) {
			b.makeHeading(0)
		}
		if b.Kind == Heading && b.Level == 0 && b.size > body*1.12 {
			sizes = append(sizes, b.size)
		}
	}
	sizes = distinctSizes(sizes)
	for _, b := range blocks {
		if b.Kind == Heading && b.Level == 0 {
			b.Level = min(len(sizes), 4) + 1
			for k, s := range sizes {
				if b.size > s*0.96 {
					b.Level = min(k+1, 4)
					break
				}
			}
		}
	}
}

// section is the number and the beginning of a section's heading.
var section = regexp.MustCompile(`^[0-9]{1,2}((?:\.[0-9]{1,2}){1,3})\.? \p{Lu}`)

// markSections makes headings of numbered lines that stand alone: recognition does not tell bold type from other.
func markSections(blocks []*pdfBlock) {
	for _, b := range blocks {
		if number := section.FindSubmatch(b.text.buf); number != nil && b.Kind == Paragraph && !b.Furniture && len(b.Boxes) == 1 &&
			len(b.text.buf) < 100 && !bytes.ContainsAny(b.text.buf[len(b.text.buf)-1:], ".,;:") {
			b.makeHeading(1 + bytes.Count(number[1], []byte(".")))
		}
	}
}

// maxTitleLine is the length of the longest heading, in bytes.
const maxTitleLine = 400

func (b *pdfBlock) isHeading(body float64) bool {
	if b.Kind != Paragraph && b.Kind != ListItem || b.Furniture || b.last.turned || b.size == 0 {
		return false
	}
	text := string(b.text.buf[:min(len(b.text.buf), 1000)])
	n := utf8.RuneCountInString(text)
	if n < 2 || n > 160 || len(b.Boxes) > 3 || !strings.ContainsFunc(text, unicode.IsLetter) {
		return false
	}
	if b.Kind == ListItem && (b.Marker == "" || !b.bold && b.size < body*1.12) {
		return false
	}
	return b.size > body*1.12 || b.bold && b.size > body*0.95 && n <= 100 && len(b.Boxes) <= 2 && !strings.ContainsAny(text[len(text)-1:], ".,;:")
}

// makeHeading makes a heading of a block. The number of a list item becomes the beginning of its text, to which the rest is added
// in the end.
func (b *pdfBlock) makeHeading(level int) {
	if b.Marker != "" {
		b.Text, b.Marker = b.Marker+" ", ""
	}
	b.Kind, b.Level = Heading, level
}

// bodySize returns the size that most characters have.
func bodySize(blocks []*pdfBlock) float64 {
	count := map[int]int{}
	for _, b := range blocks {
		if !b.Furniture && b.size > 0 {
			count[int(math.Round(b.size*2))] += len(b.text.buf)
		}
	}
	best, most := 20, 0
	for size, n := range count {
		if n > most || n == most && size < best {
			best, most = size, n
		}
	}
	return float64(best) / 2
}

// distinctSizes sorts sizes downwards and joins those that nearly agree.
func distinctSizes(sizes []float64) []float64 {
	slices.SortFunc(sizes, func(a, b float64) int { return cmp.Compare(b, a) })
	var out []float64
	for _, s := range sizes {
		if len(out) == 0 || s < out[len(out)-1]*0.96 {
			out = append(out, s)
		}
	}
	return out
}

// Code

// dropFixed forgets that lines are in type of one width where a good part of all text is: they are no code then.
func dropFixed(pages []pdfPage) {
	fixed, all := 0, 0
	for i := range pages {
		for k := range pages[i].lines {
			l := &pages[i].lines[k]
			if all += len(l.text); l.fixed {
				fixed += len(l.text)
			}
		}
	}
	if fixed*3 < all {
		return
	}
	for i := range pages {
		for k := range pages[i].lines {
			pages[i].lines[k].fixed = false
		}
	}
}

// indent returns the blanks between a place and the beginning of a line of code.
func (l *pdfLine) indent(from float64) string {
	const most = 60
	width := (l.x1 - l.x0) / float64(max(utf8.RuneCountInString(l.text), 1))
	if !(width > 0) {
		return ""
	}
	return strings.Repeat(" ", min(max(int(math.Round((l.x0-from)/width)), 0), most))
}
