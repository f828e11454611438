// Package chunk cuts a document into the pieces that are embedded, searched and cited.
//
// A chunk keeps to the document's structure: it never runs across a top-level heading, it takes paragraphs, list items, code
// and tables whole where they fit, sentences whole where they do not, and repeats a table's header over every part
// of the table. It knows its path of headings, its pages, and where it stands in the document's canonical text
// (extract.Document.Markdown), so that it can be shown in its place.
//
// Passages that a person has worked on are anchored: they stay chunks of their own, see Anchor.
//
// What is done with a chunk (indexing, embedding, editing) is the caller's.
package chunk

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"bitb/domain/ingest/extract"
)

// Options say how large chunks are, in tokens of OpenAI's cl100k_base encoding, which its embedding models count in.
// The zero value means the defaults.
type Options struct {
	// Tokens is what to aim at, MinTokens to MaxTokens; 0 means DefaultTokens. What cannot be parted well is larger by up to
	// three quarters: a heading with the long sentence below it, a row with a wide table's header.
	Tokens int `json:"tokens"`

	// Overlap is how much of the end of a chunk is repeated at the start of the next one in the same section, at most:
	// whole sentences and list items that fit into it. 0 means DefaultOverlap, a negative number none. See MaxOverlap.
	Overlap int `json:"overlap"`

	// Anchors are passages that a person edited or switched off in an earlier reading of the document.
	Anchors []Anchor `json:"anchors,omitempty"`
}

// Anchor finds a passage again, in a text that was cut otherwise or has changed. The passage becomes a chunk of its own, whose
// Chunk.Anchor is the ID: the text around it is cut as usual, and no other chunk has any of it, unless that is anchored too.
//
// It is found if the text still has the quote, white space aside, wherever it stands now: of several such places the one that is
// nearest to where it should be, each for one anchor only. Otherwise the passage that has at least six tenths of its words
// in common with the quote, in order, takes its place: Chunk.Changed is then set, and what the person did to the old
// text must be decided anew. An anchor of which neither is there is lost.
type Anchor struct {
	ID    string `json:"id"`
	Quote string `json:"quote"` // the passage as it stood in the canonical text, between Chunk.Start and Chunk.End
	Start int    `json:"start"` // where it stood, in code points
}

// The defaults were measured with `bitb eval` on two sets, of 276 and 2,756 questions (docs/chunks.md). Of the spans that answer a
// question, 1,600 tokens of the best chunks hold .94 and .96 at 128 tokens a chunk, .965 to .975 and .965 from 192 to 400,
// .97 and .955 at 512, .91 and .895 at 1,024; five chunks of 320 hold .965 and .96. An overlap of 32 costs up to .003, as sentences
// are whole without one; it keeps "it" near what it stands for.
const (
	DefaultTokens  = 320
	DefaultOverlap = 32
)

// Bounds of Options.Tokens; what is beyond them is brought within.
const (
	MinTokens = 128
	MaxTokens = 1024
)

// Max is the most tokens a chunk can have, whatever the document and the options are; embedding models take 8,191.
const Max = 2 * MaxTokens

// MaxOverlap is the most that Options.Overlap can be for a size of chunks: a quarter.
func MaxOverlap(tokens int) int { return tokens / 4 }

func (o Options) withDefaults() Options {
	if o.Tokens == 0 {
		o.Tokens = DefaultTokens
	}
	if o.Overlap == 0 {
		o.Overlap = DefaultOverlap
	}
	o.Tokens = min(max(o.Tokens, MinTokens), MaxTokens)
	o.Overlap = min(max(o.Overlap, 0), MaxOverlap(o.Tokens))
	return o
}

// Chunk is a piece of a document.
type Chunk struct {
	Text     string   `json:"text"`              // Markdown; has what stands between Start and End, and a table's header before it
	Heading  []string `json:"heading,omitempty"` // the headings above all of it, outermost first
	PageFrom int      `json:"from,omitempty"`    // 0 when the format has no pages
	PageTo   int      `json:"to,omitempty"`
	Tokens   int      `json:"tokens"`
	Start    int      `json:"start"` // in code points of the canonical text
	End      int      `json:"end"`

	Anchor  string `json:"anchor,omitempty"`  // ID of the anchor that made it a chunk of its own
	Changed bool   `json:"changed,omitempty"` // it is not the anchor's quote, but what stands in its place
}

// Split cuts a document. Every character of the canonical text that is not blank, page furniture or a table's rule is in at
// least one chunk, and chunks are in order of their Start. lost are the IDs of the anchors that no chunk has.
func Split(doc *extract.Document, o Options) (chunks []Chunk, lost []string) {
	o = o.withDefaults()
	text, spans := doc.Render()
	c := &cutter{text: text, target: o.Tokens, overlap: o.Overlap, count: newCounter(), ruler: newRuler(text)}
	if len(o.Anchors) > 0 {
		c.places, lost = locate(c, doc.Blocks, spans, o.Anchors)
	}
	c.cut(doc.Blocks, spans)
	for _, p := range c.places {
		own := c.pieces[c.pieceAt(p.start):c.pieceAt(p.end)]
		k := c.chunk(own, own)
		if k.Tokens > Max { // with its table's header before it
			own[0].head = ""
			k = c.chunk(own, own)
		}
		k.Anchor, k.Changed = o.Anchors[p.anchor].ID, p.changed
		chunks = append(chunks, k)
	}
	for _, run := range c.unanchored() {
		for _, section := range sections(run) {
			for _, r := range c.pack(section) {
				chunks = append(chunks, c.chunk(section[r.from:r.to], section[r.overlap:r.to]))
			}
		}
	}
	slices.SortStableFunc(chunks, func(a, b Chunk) int { return cmp.Or(a.Start-b.Start, a.End-b.End) })
	return chunks, lost
}

// piece is a part of the text that is not cut further.
type piece struct {
	start, end int // bytes
	tokens     int
	page       int
	heading    []string
	gap        bool   // furniture stands between it and the piece before
	level      int    // of a heading, else 0
	section    bool   // begins a top-level section
	glued      bool   // belongs to the piece after it
	head, tail string // what to add when a chunk begins, or ends, within its block
	inside     bool   // not the first piece of its block
	last       bool   // of its block
	prose      bool   // may be repeated as overlap
	seam       seam   // before it
}

// seam says how well a text can be cut at a place.
type seam int

const (
	seamNone  seam = iota // within a line
	seamLine              // a line of code that is not indented
	seamPart              // a line of code after a blank one; a nested list item
	seamBlock             // a block
)

// sections splits pieces where top-level headings stand, so that no chunk runs across one. Headings that follow each other
// without text stay together.
func sections(pieces []piece) [][]piece {
	var out [][]piece
	start := 0
	for i := range pieces {
		if pieces[i].section && hasText(pieces[start:i]) {
			out = append(out, pieces[start:i])
			start = i
		}
	}
	if start < len(pieces) {
		out = append(out, pieces[start:])
	}
	return out
}

func hasText(pieces []piece) bool {
	return slices.ContainsFunc(pieces, func(p piece) bool { return p.level == 0 })
}

// pieceAt returns the first piece that begins at offset or after it.
func (c *cutter) pieceAt(offset int) int {
	i, _ := slices.BinarySearchFunc(c.pieces, offset, func(p piece, offset int) int { return p.start - offset })
	return i
}

// unanchored returns the runs of pieces that stand before, between and after the anchored passages.
func (c *cutter) unanchored() [][]piece {
	var runs [][]piece
	from := 0
	for _, p := range c.places {
		if to := c.pieceAt(p.start); to > from {
			runs = append(runs, c.pieces[from:to])
		}
		from = max(from, c.pieceAt(p.end))
	}
	return append(runs, c.pieces[from:])
}

// span says which pieces of a section a chunk has: [from, to), and before them, as overlap, [overlap, from).
type span struct{ overlap, from, to int }

// pack distributes the pieces of a section over chunks.
func (c *cutter) pack(section []piece) []span {
	var out []span
	for from := 0; from < len(section); {
		overlap, budget := from, c.target-c.frame(&section[from])
		if len(out) > 0 {
			var spent int
			overlap, spent = c.overlapBefore(section, out[len(out)-1].from, from)
			budget -= spent
		}
		to := c.end(section, from, max(budget, c.target/2))
		out = append(out, span{overlap, from, to})
		from = to
	}
	return out
}

// frame returns the tokens of what is added when a chunk begins with p.
func (c *cutter) frame(p *piece) int {
	if !p.inside || p.head == "" {
		return 0
	}
	return c.count.tokens(p.head)
}

// end returns where the chunk that begins with section[from] ends.
func (c *cutter) end(section []piece, from, budget int) int {
	tokens, to := section[from].tokens, from+1
	bound := section[from].glued // all of it belongs to what follows
	for to < len(section) {
		p := &section[to]
		n := p.tokens
		if !p.inside {
			n++ // the blank line
		}
		if tokens+n > budget && (!bound || tokens+n > budget+c.target*3/4) {
			break
		}
		// a new heading ends a chunk that is already well filled
		if p.level > 0 && tokens*2 >= c.target && !section[to-1].glued {
			return to
		}
		tokens += n
		bound = bound && p.glued
		to++
	}
	if to == len(section) {
		return to
	}
	return bestCut(section, from, to, tokens)
}

// bestCut moves a cut back to the best seam in the last 40 percent of the tokens, and never leaves a heading, or the sentence
// that introduces a list, at the end of a chunk.
func bestCut(section []piece, from, to, tokens int) int {
	best, left := -1, tokens
	for cut := to; cut > from && (best < 0 || left*10 >= tokens*6); cut-- {
		if !section[cut-1].glued && (best < 0 || section[cut].seam > section[best].seam) {
			best = cut
		}
		left -= section[cut-1].tokens
	}
	if best < 0 {
		return to
	}
	return best
}

// overlapBefore returns the pieces of running text before a cut that are to be repeated, and their tokens.
func (c *cutter) overlapBefore(section []piece, first, cut int) (from, tokens int) {
	from = cut
	if section[cut].level > 0 {
		return cut, 0 // another subject begins
	}
	for from > first+1 && section[from-1].prose && !section[from-1].glued {
		n := section[from-1].tokens
		if tokens+n > c.overlap {
			break
		}
		tokens += n
		from--
	}
	for from < cut && section[from-1].glued { // it is the end of a sentence
		tokens -= section[from].tokens
		from++
	}
	return from, tokens
}

// chunk puts a chunk together; own is what it does not share with the chunk before.
func (c *cutter) chunk(own, all []piece) Chunk {
	var b strings.Builder
	if all[0].inside {
		b.WriteString(all[0].head)
	}
	for i := range all {
		p := &all[i]
		if i > 0 {
			if p.gap {
				b.WriteString("\n\n")
			} else {
				b.WriteString(c.text[all[i-1].end:p.start])
			}
		}
		b.WriteString(c.text[p.start:p.end])
	}
	last := &all[len(all)-1]
	text := strings.TrimSpace(b.String())
	if !last.last {
		text += last.tail
	}
	start, end := trim(c.text, all[0].start, last.end)
	tokens := all[0].tokens
	if len(all) > 1 || len(text) != all[0].end-all[0].start {
		tokens = c.count.tokens(text)
	}
	return Chunk{
		Text: text, Heading: commonPath(own), PageFrom: all[0].page, PageTo: last.page, Tokens: tokens,
		Start: c.ruler.points(start), End: c.ruler.points(end),
	}
}

func trim(text string, start, end int) (int, int) {
	start += len(text[start:end]) - len(strings.TrimLeftFunc(text[start:end], unicode.IsSpace))
	return start, start + len(strings.TrimRightFunc(text[start:end], unicode.IsSpace))
}

// commonPath returns the headings that all text of the pieces stands under.
func commonPath(pieces []piece) []string {
	path := pieces[len(pieces)-1].heading
	for i := range pieces {
		if pieces[i].level > 0 {
			continue
		}
		n := 0
		for n < len(path) && n < len(pieces[i].heading) && path[n] == pieces[i].heading[n] {
			n++
		}
		path = path[:n]
	}
	return slices.Clone(path)
}
