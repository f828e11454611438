package chunk

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
)

// cutter cuts blocks into pieces.
type cutter struct {
	text            string
	target, overlap int
	count           *counter
	ruler           *ruler
	places          []place // of anchors, in order of their start
	edges           []int   // where they begin and end, in order
	pieces          []piece
}

// cut makes the pieces of all blocks but furniture.
func (c *cutter) cut(blocks []extract.Block, spans []extract.Span) {
	c.edges = edgesOf(c.places)
	top := topLevel(blocks)
	var path headingPath
	var before *extract.Block
	gap := false
	for i := range blocks {
		b := &blocks[i]
		if b.Furniture {
			gap = true
			continue
		}
		if b.Kind == extract.Heading {
			path.enter(b.Level, b.Text)
		}
		first := len(c.pieces)
		c.block(b, spans[i])
		c.carve(first)
		for k := first; k < len(c.pieces); k++ {
			p := &c.pieces[k]
			p.page, p.heading = b.Page, path.names
			p.inside, p.last = k > first, k == len(c.pieces)-1
		}
		if first == len(c.pieces) {
			continue
		}
		head, last := &c.pieces[first], &c.pieces[len(c.pieces)-1]
		head.gap, gap = gap, false
		head.seam = seamBlock
		if b.Kind == extract.ListItem && b.Level > 1 {
			head.seam = seamPart
		}
		if b.Kind == extract.Heading {
			head.section = b.Level <= top
			last.glued = true
		}
		last.glued = last.glued || strings.HasSuffix(b.Text, ":") || strings.HasSuffix(b.Text, "：")
		if before != nil && runsOn(before, b) {
			c.pieces[first-1].glued = true
		}
		before = b
	}
}

// runsOn reports whether a paragraph goes on on the next page in the middle of a sentence.
func runsOn(a, b *extract.Block) bool {
	if a.Kind != extract.Paragraph || b.Kind != extract.Paragraph || b.Page != a.Page+1 {
		return false
	}
	end, _ := utf8.DecodeLastRuneInString(a.Text)
	start, _ := utf8.DecodeRuneInString(b.Text)
	return unicode.IsLower(start) && (unicode.IsLetter(end) || unicode.IsDigit(end) || end == ',')
}

// topLevel returns the level of the headings that part a document: the highest one that it has two of, as a single one is
// its title.
func topLevel(blocks []extract.Block) int {
	var count [7]int
	for i := range blocks {
		if b := &blocks[i]; b.Kind == extract.Heading && !b.Furniture {
			count[min(max(b.Level, 1), 6)]++
		}
	}
	for level, n := range count {
		if n >= 2 {
			return level
		}
	}
	return 1
}

// headingPath is the headings above a place. names is never changed once handed out.
type headingPath struct {
	names  []string
	levels []int
}

// maxHeading bounds what every chunk below a heading repeats: some files call a whole page a heading.
const maxHeading = 200 // code points

func (h *headingPath) enter(level int, name string) {
	if utf8.RuneCountInString(name) > maxHeading {
		name = string([]rune(name)[:maxHeading]) + "…"
	}
	n := 0
	for n < len(h.levels) && h.levels[n] < level {
		n++
	}
	h.levels = append(h.levels[:n:n], level)
	h.names = append(h.names[:n:n], name)
}

// block makes the pieces of one block.
func (c *cutter) block(b *extract.Block, s extract.Span) {
	switch b.Kind {
	case extract.Heading:
		first := len(c.pieces)
		c.fit(c.piece(s))
		for i := first; i < len(c.pieces); i++ {
			c.pieces[i].level, c.pieces[i].glued = max(b.Level, 1), true
		}
		return
	case extract.Table, extract.Code:
		if p := c.piece(s); p.tokens <= c.target && len(c.edgesIn(s)) == 0 {
			c.pieces = append(c.pieces, p)
		} else if b.Kind == extract.Table {
			c.table(s)
		} else {
			c.code(s)
		}
		return
	case extract.ListItem:
		if p := c.piece(s); p.tokens <= c.target {
			p.prose = true
			c.pieces = append(c.pieces, p)
			return
		}
	}
	eachSentence(c.text[s.Start:s.End], func(start, end int) {
		p := c.piece(extract.Span{Start: s.Start + start, End: s.Start + end})
		p.prose = true
		if blanks := c.text[len(strings.TrimRightFunc(c.text[:p.start], unicode.IsSpace)):p.start]; strings.Contains(blanks, "\n") {
			p.seam = seamLine
		}
		c.fit(p)
	})
}

// piece counts the tokens of a span, but no further than it takes to know that they are too many.
func (c *cutter) piece(s extract.Span) piece {
	p := piece{start: s.Start, end: s.End, tokens: s.End - s.Start}
	if p.tokens <= c.target*64 {
		p.tokens = c.count.tokens(c.text[s.Start:s.End])
	}
	return p
}

// table makes a piece of each row; the header and its rule belong to the first one, and are repeated before any other that a
// chunk begins with, unless they would fill most of it.
func (c *cutter) table(s extract.Span) {
	rows := lines(c.text, s)
	head := ""
	if len(rows) > 2 {
		if h := c.text[rows[0].Start:rows[1].End]; len(h) < c.target*16 && c.count.tokens(h)*4 <= c.target*3 {
			head = h
		}
	}
	for i, row := range rows {
		p := c.piece(row)
		p.head, p.glued = head, head != "" && i < 2
		c.fit(p)
	}
}

// code makes a piece of each line, between fences that are repeated unless they are absurdly long.
func (c *cutter) code(s extract.Span) {
	rows := lines(c.text, s)
	open, end := c.text[rows[0].Start:rows[0].End], c.text[rows[len(rows)-1].Start:s.End]
	if len(open) > 32 {
		open, end = "", ""
	}
	blank := false
	for i, row := range rows {
		p := c.piece(row)
		p.glued = i == 0 || i == len(rows)-2
		if p.head = open; open != "" {
			p.tail = "\n" + end
		}
		line := c.text[row.Start:row.End]
		if blank {
			p.seam = seamPart
		} else if line == strings.TrimLeft(line, " \t)]}") {
			p.seam = seamLine
		}
		blank = strings.TrimSpace(line) == ""
		c.fit(p)
	}
}

// lines returns the lines of a span, each with its line end.
func lines(text string, s extract.Span) []extract.Span {
	var out []extract.Span
	for at := s.Start; at < s.End; {
		end := s.End
		if n := strings.IndexByte(text[at:s.End], '\n'); n >= 0 {
			end = at + n + 1
		}
		out = append(out, extract.Span{Start: at, End: end})
		at = end
	}
	return out
}

// edgesIn returns where anchored passages begin and end within a span.
func (c *cutter) edgesIn(s extract.Span) []int {
	from, _ := slices.BinarySearch(c.edges, s.Start+1)
	to, _ := slices.BinarySearch(c.edges, s.End)
	return c.edges[from:max(from, to)]
}

// carve cuts the pieces from first on where anchored passages begin and end.
func (c *cutter) carve(first int) {
	if first == len(c.pieces) || len(c.edgesIn(extract.Span{Start: c.pieces[first].start, End: c.pieces[len(c.pieces)-1].end})) == 0 {
		return
	}
	whole := slices.Clone(c.pieces[first:])
	c.pieces = c.pieces[:first]
	for _, p := range whole {
		for _, at := range c.edgesIn(extract.Span{Start: p.start, End: p.end}) {
			part := p
			part.end, p.start = at, at
			part.tokens = c.count.tokens(c.text[part.start:part.end])
			p.tokens, p.seam = c.count.tokens(c.text[p.start:p.end]), seamNone
			c.pieces = append(c.pieces, part)
		}
		c.pieces = append(c.pieces, p)
	}
}

// fit adds a piece, cut by length if it is larger than a chunk.
func (c *cutter) fit(p piece) {
	if p.tokens <= c.target {
		c.pieces = append(c.pieces, p)
		return
	}
	size := c.target * 4 // bytes that have about as many tokens as a chunk
	for at := p.start; at < p.end; {
		part := p
		part.start, part.end = at, p.end
		if size < p.end-at {
			part.end = c.cutPoint(at, at+size)
		}
		part.tokens = c.count.tokens(c.text[at:part.end])
		for part.tokens > c.target && part.end-at > utf8.UTFMax {
			size = max((part.end-at)*c.target/part.tokens*9/10, utf8.UTFMax)
			part.end = c.cutPoint(at, at+size)
			part.tokens = c.count.tokens(c.text[at:part.end])
		}
		at, p.seam = part.end, seamNone
		part.glued = p.glued && at == p.end
		c.pieces = append(c.pieces, part)
	}
}

// cutPoint returns the best place to cut at or somewhat before end: after a line, after a blank, or else between characters.
func (c *cutter) cutPoint(at, end int) int {
	from := at + (end-at)*2/3
	for _, mark := range []string{"\n", "; ", ", ", "、", "，", "；", "، ", " "} {
		if i := strings.LastIndex(c.text[from:end], mark); i >= 0 {
			return from + i + len(mark)
		}
	}
	for end > at+1 && !utf8.RuneStart(c.text[end]) {
		end--
	}
	for marks := 0; marks < 8; marks++ { // that belong to the last letter
		r, n := utf8.DecodeRuneInString(c.text[end:])
		if !unicode.Is(unicode.Mn, r) {
			break
		}
		end += n
	}
	return end
}
