package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"

	"bitb/domain/ingest/extract"
)

// cutter cuts blocks into pieces.
type cutter struct {
	text            string
	target, overlap int
	count           *counter
	pieces          []piece
}

// cut makes the pieces of all blocks but furniture.
func (c *cutter) cut(blocks []extract.Block, spans []extract.Span) {
	top := topLevel(blocks)
	var path headingPath
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
		for k := first; k < len(c.pieces); k++ {
			p := &c.pieces[k]
			p.block, p.page, p.heading = i, b.Page, path.names
			p.inside, p.last = k > first, k == len(c.pieces)-1
		}
		if first == len(c.pieces) {
			continue
		}
		head, last := &c.pieces[first], &c.pieces[len(c.pieces)-1]
		head.gap, gap = gap, false
		if b.Kind == extract.Heading {
			head.section = b.Level <= top
			last.glued = true
		}
		last.glued = last.glued || strings.HasSuffix(b.Text, ":")
		if first > 0 && runsOn(&blocks[c.pieces[first-1].block], b) {
			c.pieces[first-1].glued = true
		}
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

func (h *headingPath) enter(level int, name string) {
	n := 0
	for n < len(h.levels) && h.levels[n] < level {
		n++
	}
	h.levels = append(h.levels[:n:n], level)
	h.names = append(h.names[:n:n], name)
}

// block makes the pieces of one block.
func (c *cutter) block(b *extract.Block, s extract.Span) {
	whole := piece{start: s.Start, end: s.End, tokens: c.tokensUpTo(s)}
	switch {
	case b.Kind == extract.Heading:
		first := len(c.pieces)
		c.fit(whole)
		for i := first; i < len(c.pieces); i++ {
			c.pieces[i].level, c.pieces[i].glued = max(b.Level, 1), true
		}
	case b.Kind == extract.Paragraph || b.Kind == extract.Quote:
		c.sentences(s, true)
	case whole.tokens <= c.target:
		whole.prose = b.Kind == extract.ListItem
		c.pieces = append(c.pieces, whole)
	case b.Kind == extract.Table:
		c.table(s)
	case b.Kind == extract.Code:
		c.code(s)
	default:
		c.sentences(s, true)
	}
}

// tokensUpTo counts the tokens of a span, but no further than it takes to know that they are too many.
func (c *cutter) tokensUpTo(s extract.Span) int {
	if s.End-s.Start > c.target*64 {
		return s.End - s.Start
	}
	return c.count.tokens(c.text[s.Start:s.End])
}

// table makes a piece of each row; the header and its rule belong to the first one, and are repeated before any other that a
// chunk begins with, unless they would fill half of it.
func (c *cutter) table(s extract.Span) {
	lines := c.lines(s)
	head := ""
	if len(lines) > 2 {
		if h := c.text[lines[0].Start:lines[1].End]; len(h) < c.target*16 && c.count.tokens(h)*2 <= c.target {
			head = h
		}
	}
	first := len(c.pieces)
	for i, line := range lines {
		c.fit(piece{start: line.Start, end: line.End, tokens: c.tokensUpTo(line), head: head, glued: i < 2 && len(lines) > 2})
	}
	if head == "" {
		for i := first; i < len(c.pieces); i++ {
			c.pieces[i].glued = false
		}
	}
}

// code makes a piece of each line, between fences that are repeated.
func (c *cutter) code(s extract.Span) {
	lines := c.lines(s)
	open, end := c.text[lines[0].Start:lines[0].End], c.text[lines[len(lines)-1].Start:s.End]
	for i, line := range lines {
		p := piece{start: line.Start, end: line.End, tokens: c.tokensUpTo(line), head: open, tail: "\n" + end, glued: i == 0 || i == len(lines)-2}
		c.fit(p)
	}
}

// lines returns the lines of a span, each with its line end.
func (c *cutter) lines(s extract.Span) []extract.Span {
	var out []extract.Span
	for at := s.Start; at < s.End; {
		end := s.End
		if n := strings.IndexByte(c.text[at:s.End], '\n'); n >= 0 {
			end = at + n + 1
		}
		out = append(out, extract.Span{Start: at, End: end})
		at = end
	}
	return out
}

// sentences makes a piece of each sentence (Unicode UAX 29).
func (c *cutter) sentences(s extract.Span, prose bool) {
	text := c.text[s.Start:s.End]
	// the algorithm ends a sentence at every line end, of which a paragraph has many
	it := sentences.FromString(strings.ReplaceAll(text, "\n", " "))
	start := 0
	for it.Next() {
		end := it.End()
		if end < len(text) && abbreviates(text[start:end]) {
			continue
		}
		span := extract.Span{Start: s.Start + start, End: s.Start + end}
		c.fit(piece{start: span.Start, end: span.End, tokens: c.tokensUpTo(span), prose: prose})
		start = end
	}
}

// abbreviations end with a full stop that ends no sentence.
var abbreviations = map[string]bool{}

func init() {
	for word := range strings.FieldsSeq(`dr mr mrs ms prof st vs etc e.g i.e cf fig figs no nos sec vol pp approx inc ltd co dept est ca
		z.b d.h u.a bzw ca nr str abs art usw vgl inkl zzgl ggf evtl max min mind tel bspw
		p.ex env av bd sig dott sr sra dra núm pág jan feb mar apr jun jul aug sep sept oct nov dec`) {
		abbreviations[word] = true
	}
}

// abbreviates reports whether what looks like the end of a sentence is an abbreviation or an initial.
func abbreviates(sentence string) bool {
	s, ok := strings.CutSuffix(strings.TrimRightFunc(sentence, unicode.IsSpace), ".")
	if !ok {
		return false
	}
	word := s[strings.LastIndexFunc(s, unicode.IsSpace)+1:]
	word = strings.TrimLeft(word, "([\"'“„«*_")
	r, n := utf8.DecodeRuneInString(word)
	return n > 0 && n == len(word) && unicode.IsUpper(r) || abbreviations[strings.ToLower(word)]
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
		at = part.end
		part.glued = p.glued && at == p.end
		c.pieces = append(c.pieces, part)
	}
}

// cutPoint returns the best place to cut at or somewhat before end: after a line, after a blank, or else between characters.
func (c *cutter) cutPoint(at, end int) int {
	from := at + (end-at)*2/3
	for _, mark := range []string{"\n", "; ", ", ", " ", "、", "，"} {
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
