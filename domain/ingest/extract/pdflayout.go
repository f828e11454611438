package extract

import (
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
	size  float64
	bold  bool
	lines int
	last  pdfLine
	x0    float64
}

// layOut turns the lines of all pages into blocks in reading order.
func layOut(pages []pdfPage) []Block {
	running := runningLines(pages)
	var blocks []pdfBlock
	for i := range pages {
		l := pageLayout{page: i + 1, first: len(blocks), blocks: blocks}
		head, body, foot := cutRunning(pages[i].lines, running)
		l.furniture(head)
		l.read(readingOrder(body))
		l.furniture(foot)
		blocks = l.blocks
	}
	markHeadings(blocks)
	out := make([]Block, len(blocks))
	for i := range blocks {
		out[i] = blocks[i].Block
	}
	return out
}

// Running heads and page numbers

var digits = regexp.MustCompile(`\d+`)

// runningKey is equal for lines that repeat on several pages but for a number.
func runningKey(l pdfLine) string {
	return digits.ReplaceAllString(strings.ToLower(l.text), "#")
}

// runningLines finds the texts that stand at the top or bottom of at least three pages and of every fourth.
func runningLines(pages []pdfPage) map[string]bool {
	seen := map[string]int{}
	for i := range pages {
		keys := map[string]bool{}
		for _, line := range pages[i].lines {
			if len(line.text) < 150 && isEdge(pages[i].lines, line) {
				keys[runningKey(line)] = true
			}
		}
		for key := range keys {
			seen[key]++
		}
	}
	running := map[string]bool{}
	for key, n := range seen {
		if n >= 3 && n*4 >= len(pages) {
			running[key] = true
		}
	}
	return running
}

// cutRunning parts the running heads and feet of a page from its body.
func cutRunning(lines []pdfLine, running map[string]bool) (head, body, foot []pdfLine) {
	top, bottom := math.Inf(-1), math.Inf(1)
	for i := range lines {
		top, bottom = max(top, lines[i].base), min(bottom, lines[i].base)
	}
	for _, l := range lines {
		switch {
		case !running[runningKey(l)] || !isEdge(lines, l):
			body = append(body, l)
		case l.base > (top+bottom)/2:
			head = append(head, l)
		default:
			foot = append(foot, l)
		}
	}
	return head, body, foot
}

// isEdge reports whether at most one baseline lies above l, or below it.
func isEdge(lines []pdfLine, l pdfLine) bool {
	above, below := math.Inf(1), math.Inf(1)
	var ups, downs int
	for i := range lines {
		o := &lines[i]
		switch d := o.base - l.base; {
		case o.turned:
		case d > l.size/2 && math.Abs(d-above) > l.size/2:
			above = d
			ups++
		case d < -l.size/2 && math.Abs(d-below) > l.size/2:
			below = d
			downs++
		}
	}
	return !l.turned && (ups <= 1 || downs <= 1)
}

// Reading order

// readingOrder returns lines in the order of reading. The order in which a file draws its text is that order in nearly all
// files that a program wrote from flowing text, columns included; where it jumps back up again and again it is
// not, and the order is found by cutting the page along its white space (XY cut, Nagy and Seth 1984).
func readingOrder(lines []pdfLine) []pdfLine {
	var plain, turned []pdfLine
	for _, l := range lines {
		if l.turned {
			turned = append(turned, l)
		} else {
			plain = append(plain, l)
		}
	}
	if jumps := backJumps(plain); jumps > 3 && jumps*8 > len(plain) {
		plain = xyCut(plain, 0)
	}
	return append(plain, turned...)
}

// backJumps counts the lines drawn above their predecessor without standing in a column beside it.
func backJumps(lines []pdfLine) int {
	n := 0
	for i := 1; i < len(lines); i++ {
		a, b := &lines[i-1], &lines[i]
		up := b.base-a.base > a.size
		beside := b.x0 >= a.x1-a.size || a.rightToLeft && b.x1 <= a.x0+a.size
		if up && !beside {
			n++
		}
	}
	return n
}

// xyCut splits lines at the widest gap between them, down the page or across it, until none is wide enough.
func xyCut(lines []pdfLine, depth int) []pdfLine {
	if len(lines) < 2 || depth > 40 {
		return lines
	}
	size := medianSize(lines)
	across, width := widestGap(lines, func(l *pdfLine) (float64, float64) { return l.x0, l.x1 })
	down, height := widestGap(lines, func(l *pdfLine) (float64, float64) { return -l.top, -l.bottom })
	switch {
	case width > size && width > height*0.8:
		left, right := part(lines, func(l *pdfLine) bool { return l.x0 < across })
		if rightToLeft(lines) {
			left, right = right, left
		}
		return append(xyCut(left, depth+1), xyCut(right, depth+1)...)
	case height > 0:
		top, bottom := part(lines, func(l *pdfLine) bool { return -l.top < down })
		return append(xyCut(top, depth+1), xyCut(bottom, depth+1)...)
	}
	slices.SortStableFunc(lines, func(a, b pdfLine) int {
		if math.Abs(a.base-b.base) > size/2 {
			return sign(b.base - a.base)
		}
		return sign(a.x0 - b.x0)
	})
	return lines
}

// widestGap returns where the widest stretch that no line covers ends, and its width.
func widestGap(lines []pdfLine, extent func(*pdfLine) (float64, float64)) (at, width float64) {
	spans := make([][2]float64, len(lines))
	for i := range lines {
		spans[i][0], spans[i][1] = extent(&lines[i])
	}
	slices.SortFunc(spans, func(a, b [2]float64) int { return sign(a[0] - b[0]) })
	end := spans[0][1]
	for _, s := range spans[1:] {
		if s[0]-end > width {
			at, width = s[0], s[0]-end
		}
		end = max(end, s[1])
	}
	return at, width
}

func part(lines []pdfLine, first func(*pdfLine) bool) (a, b []pdfLine) {
	for i := range lines {
		if first(&lines[i]) {
			a = append(a, lines[i])
		} else {
			b = append(b, lines[i])
		}
	}
	return a, b
}

func rightToLeft(lines []pdfLine) bool {
	n := 0
	for i := range lines {
		if lines[i].rightToLeft {
			n++
		}
	}
	return n*2 > len(lines)
}

func medianSize(lines []pdfLine) float64 {
	sizes := make([]float64, len(lines))
	for i := range lines {
		sizes[i] = lines[i].size
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}

func sign(d float64) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// Paragraphs

// pageLayout adds the blocks of one page.
type pageLayout struct {
	page   int
	first  int // of the page's blocks
	blocks []pdfBlock
}

func (l *pageLayout) furniture(lines []pdfLine) {
	for _, line := range lines {
		l.add(pdfBlock{Block: Block{Kind: Paragraph, Text: line.text, Furniture: true}})
	}
}

func (l *pageLayout) add(b pdfBlock) {
	b.Page = l.page
	l.blocks = append(l.blocks, b)
}

// read makes blocks of lines in reading order: tables where rows line up, and else paragraphs.
func (l *pageLayout) read(lines []pdfLine) {
	for i := 0; i < len(lines); {
		if table, n := findTable(lines[i:]); n > 0 {
			l.head(&table)
			l.add(pdfBlock{Block: table.Block})
			i += n
			continue
		}
		row := 1
		for i+row < len(lines) && sameRow(&lines[i], &lines[i+row]) && lines[i+row].x0 >= lines[i+row-1].x1 {
			row++
		}
		l.line(joinRow(lines[i:i+row]), lines)
		i += row
	}
}

// head makes the line before a table its header if the words of that line stand over the columns.
func (l *pageLayout) head(t *pdfTable) {
	last := len(l.blocks) - 1
	if last < l.first {
		return
	}
	b := &l.blocks[last]
	if header := t.overhead(&b.last); header != nil && b.Kind == Paragraph && strings.HasSuffix(b.Text, b.last.text) {
		t.Header, t.Rows = header, append([][]string{t.Header}, t.Rows...)
		b.Text = strings.TrimSpace(strings.TrimSuffix(b.Text, b.last.text))
		b.lines--
	}
}

// sameRow reports whether two lines stand side by side.
func sameRow(a, b *pdfLine) bool {
	return a.turned == b.turned && math.Abs(a.base-b.base) < 0.4*min(a.size, b.size)
}

// joinRow makes one line of what stands side by side but is no table.
func joinRow(row []pdfLine) pdfLine {
	line := row[0]
	for _, next := range row[1:] {
		line.words = append(line.words, next.words...)
		line.text += " " + next.text
		line.x1, line.broken = next.x1, next.broken
		line.top, line.bottom = max(line.top, next.top), min(line.bottom, next.bottom)
	}
	return line
}

// line adds a line to the paragraph before it, or begins another.
func (l *pageLayout) line(line pdfLine, page []pdfLine) {
	marker, text := splitMarker(line.text)
	last := len(l.blocks) - 1
	if marker == "" && last >= l.first && l.blocks[last].continues(line) {
		left, right := columnAround(page, l.blocks[last].last)
		l.blocks[last].append(line, left, right)
		return
	}
	b := pdfBlock{Block: Block{Kind: Paragraph, Text: line.text}, size: line.size, bold: line.bold, lines: 1, last: line, x0: line.x0}
	if marker != "" {
		b.Kind, b.Text, b.Level = ListItem, text, 1
		if startsDigit(marker) {
			b.Marker = marker
		}
		if last >= l.first && l.blocks[last].Kind == ListItem {
			b.Level = l.blocks[last].nested(line)
		}
	}
	l.add(b)
}

// nested returns the level of a list item that follows b.
func (b *pdfBlock) nested(line pdfLine) int {
	switch {
	case line.x0 > b.x0+0.7*line.size:
		return b.Level + 1
	case line.x0 < b.x0-0.7*line.size:
		return max(b.Level-1, 1)
	}
	return b.Level
}

// continues reports whether a line belongs to the paragraph b: next below, near, in the same type, and not indented.
func (b *pdfBlock) continues(line pdfLine) bool {
	last := &b.last
	if b.Furniture || b.Kind == Table || last.turned != line.turned {
		return false
	}
	if line.turned {
		return true
	}
	ratio := line.size / last.size
	down := last.base - line.base
	overlap := min(last.x1, line.x1) - max(last.x0, line.x0)
	switch {
	case ratio < 0.88 || ratio > 1.14, down < 0.5*line.size || down > 1.75*line.size, overlap <= 0:
		return false
	case last.broken:
		return true
	case b.bold != line.bold && (b.lines == 1 || line.bold):
		return false
	case b.Kind == ListItem:
		return line.x0 > b.x0-0.5*line.size
	}
	indented := !line.rightToLeft && line.x0 > last.x0+0.9*line.size && b.lines > 1
	return !indented
}

// append adds a line, keeping the line end where the author made one: where the next word would still have fitted.
func (b *pdfBlock) append(line pdfLine, left, right float64) {
	word, _, _ := strings.Cut(line.text, " ")
	switch {
	case b.last.broken:
		b.Text = rejoin(b.Text, line.text)
	case !line.rightToLeft && len(line.words) > 0 && room(&b.last, left, right) > line.words[0].x1-line.words[0].x0+0.8*line.size:
		b.Text += "\n" + line.text
	case isWide(b.Text) && isWide(word):
		b.Text += line.text // no blanks between words of Chinese and Japanese
	default:
		b.Text += " " + line.text
	}
	b.lines++
	b.last = line
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
func columnAround(lines []pdfLine, l pdfLine) (left, right float64) {
	left, right = l.x0, l.x1
	for i := range lines {
		o := &lines[i]
		near := !o.turned && math.Abs(o.base-l.base) < 9*l.size && math.Abs(o.size-l.size) < 0.03*l.size
		if near && (math.Abs(o.x0-l.x0) < 3*l.size || math.Abs(o.x0+o.x1-l.x0-l.x1) < 2*l.size) {
			left, right = min(left, o.x0), max(right, o.x1)
		}
	}
	return left, right
}

// rejoin closes a word that was broken at a line end. Between small letters the hyphen came from the line break;
// otherwise it belongs to the word, as in "COVID-19".
func rejoin(text, next string) string {
	before, _ := utf8.DecodeLastRuneInString(text)
	after, _ := utf8.DecodeRuneInString(next)
	if unicode.IsLower(before) && unicode.IsLower(after) {
		return text + next
	}
	return text + "-" + next
}

// isWide reports whether s ends with a Chinese or Japanese character.
func isWide(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60
}

// Headings

// markHeadings makes headings of short paragraphs in larger type than the body's, and of those that stand alone in bold.
func markHeadings(blocks []pdfBlock) {
	body := bodySize(blocks)
	var sizes []float64
	for i := range blocks {
		if b := &blocks[i]; b.isHeading(body) {
			b.Kind = Heading
			if b.size > body*1.12 {
				sizes = append(sizes, b.size)
			}
		}
	}
	sizes = distinctSizes(sizes)
	for i := range blocks {
		if b := &blocks[i]; b.Kind == Heading {
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

func (b *pdfBlock) isHeading(body float64) bool {
	if b.Kind != Paragraph && b.Kind != ListItem || b.Furniture || b.last.turned || b.size == 0 {
		return false
	}
	n := utf8.RuneCountInString(b.Text)
	if n < 2 || n > 160 || b.lines > 3 || !strings.ContainsFunc(b.Text, unicode.IsLetter) {
		return false
	}
	if b.Kind == ListItem && (b.Marker == "" || !b.bold && b.size < body*1.12) {
		return false
	}
	heading := b.size > body*1.12 || b.bold && b.size > body*0.95 && n <= 100 && b.lines <= 2 && !strings.ContainsAny(b.Text[len(b.Text)-1:], ".,;:")
	if heading && b.Marker != "" {
		b.Text, b.Marker = b.Marker+" "+b.Text, ""
	}
	return heading
}

// bodySize returns the size that most characters have.
func bodySize(blocks []pdfBlock) float64 {
	count := map[int]int{}
	for i := range blocks {
		if b := &blocks[i]; !b.Furniture && b.size > 0 {
			count[int(math.Round(b.size*2))] += len(b.Text)
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
	slices.SortFunc(sizes, func(a, b float64) int { return sign(b - a) })
	var out []float64
	for _, s := range sizes {
		if len(out) == 0 || s < out[len(out)-1]*0.96 {
			out = append(out, s)
		}
	}
	return out
}
