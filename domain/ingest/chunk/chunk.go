// Package chunk cuts a document into the pieces that are embedded, searched and cited.
//
// A chunk keeps to the document's structure: it never runs across a top-level heading, it takes paragraphs, list items, code
// and tables whole where they fit, sentences whole where they do not, and repeats a table's header over every part
// of the table. It knows its path of headings, its pages, and where it stands in the document's canonical text
// (extract.Document.Markdown), so that it can be shown in its place.
//
// What is done with a chunk (indexing, embedding, editing) is the caller's.
package chunk

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
)

// Options say how large chunks are, in tokens of OpenAI's cl100k_base encoding, which its embedding models count in.
// The zero value means the defaults.
type Options struct {
	Tokens  int `json:"tokens"`  // to aim at: 128–1024, by default DefaultTokens
	Overlap int `json:"overlap"` // of the end of a chunk repeated at the start of the next one in the same section; negative: none

	// Anchors are passages that a person edited or switched off. Each becomes a chunk of its own wherever it is found.
	Anchors []Anchor `json:"anchors,omitempty"`
}

// Anchor finds a passage again in a text that may have changed.
type Anchor struct {
	ID    string `json:"id"`
	Quote string `json:"quote"` // the passage as it stood in the canonical text
	Start int    `json:"start"` // where it stood, in code points: the nearest of equal passages is taken
}

// The defaults were measured with BM25 on the 276 questions of chunking_evaluation's three texts. Of the spans that answer a
// question, 1,600 tokens of the best chunks hold .92 at 128 tokens a chunk, .945 from 200 to 320, .93 at 400, .92 at 512
// and .81 at 800; five chunks of 320 hold .96. An overlap makes no difference there, as sentences are whole without one;
// a small one keeps "it" near what it stands for.
const (
	DefaultTokens  = 320
	DefaultOverlap = 32
)

// Bounds of Options.Tokens.
const (
	minTokens = 64
	maxTokens = 1024
)

// Max is the most tokens a chunk can have, whatever the document and the options are; embedding models take 8,191.
const Max = 2 * maxTokens

func (o Options) withDefaults() Options {
	if o.Tokens == 0 {
		o.Tokens = DefaultTokens
	}
	if o.Overlap == 0 {
		o.Overlap = DefaultOverlap
	}
	o.Tokens = min(max(o.Tokens, minTokens), maxTokens)
	o.Overlap = min(max(o.Overlap, 0), o.Tokens/4)
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
	Anchor   string   `json:"anchor,omitempty"`  // the ID of the anchor whose passage it is
	Changed  bool     `json:"changed,omitempty"` // the passage reads differently now
}

// Split cuts a document. Every character of the canonical text that is not blank, page furniture or a table's rule is in at
// least one chunk, and chunks are in order of their Start.
func Split(doc *extract.Document, o Options) []Chunk {
	o = o.withDefaults()
	text, spans := doc.Render()
	c := &cutter{text: text, target: o.Tokens, overlap: o.Overlap, count: newCounter()}
	c.cut(doc.Blocks, spans)
	var chunks []Chunk
	points := pointCounter{text: text}
	for _, section := range sections(c.pieces) {
		for _, r := range c.pack(section) {
			chunks = append(chunks, c.chunk(section[r.from:r.to], section[r.overlap:r.to], &points))
		}
	}
	return chunks
}

// piece is a part of the text that is not cut further.
type piece struct {
	start, end int // bytes
	tokens     int
	page       int
	heading    []string
	block      int    // number of the block it is of
	gap        bool   // furniture stands between it and the piece before
	level      int    // of a heading, else 0
	section    bool   // begins a top-level section
	glued      bool   // belongs to the piece after it
	head, tail string // what to add when a chunk begins, or ends, within its block
	inside     bool   // not the first piece of its block
	last       bool   // of its block
	prose      bool   // may be repeated as overlap
}

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

// span says which pieces of a section a chunk has: [from, to), and before them, as overlap, [overlap, from).
type span struct{ overlap, from, to int }

// pack distributes the pieces of a section over chunks.
func (c *cutter) pack(section []piece) []span {
	var out []span
	for from := 0; from < len(section); {
		overlap, budget := from, c.target
		if len(out) > 0 {
			var spent int
			overlap, spent = c.overlapBefore(section, out[len(out)-1].from, from)
			budget = max(budget-spent, c.target/2)
		}
		to := c.end(section, from, budget)
		out = append(out, span{overlap, from, to})
		from = to
	}
	return out
}

// end returns where the chunk that begins with section[from] ends.
func (c *cutter) end(section []piece, from, budget int) int {
	tokens := section[from].frame(c)
	to := from
	for to < len(section) {
		n := section[to].tokens
		if to > from && tokens+n > budget {
			break
		}
		// a new heading ends a chunk that is already well filled
		if p := &section[to]; to > from && p.level > 0 && tokens*2 >= c.target && hasText(section[from:to]) {
			return to
		}
		tokens += n
		to++
	}
	if to == len(section) {
		return to
	}
	return c.bestCut(section, from, to)
}

// bestCut moves a cut back to the start of a block, if one lies in the last 40 percent, and never leaves a heading, or the
// sentence that introduces a list, at the end of a chunk.
func (c *cutter) bestCut(section []piece, from, to int) int {
	full := sum(section[from:to])
	for cut := to; cut > from && sum(section[from:cut])*10 >= full*6; cut-- {
		if !section[cut].inside && !section[cut-1].glued {
			return cut
		}
	}
	for cut := to; cut > from; cut-- {
		if !section[cut-1].glued {
			return cut
		}
	}
	return to
}

func sum(pieces []piece) int {
	n := 0
	for i := range pieces {
		n += pieces[i].tokens
	}
	return n
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

// frame returns the tokens of what is added when a chunk begins with p.
func (p *piece) frame(c *cutter) int {
	if !p.inside || p.head == "" {
		return 0
	}
	return c.count.tokens(p.head)
}

// chunk puts a chunk together; own is what it does not share with the chunk before.
func (c *cutter) chunk(own, all []piece, points *pointCounter) Chunk {
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
	if !last.last {
		b.WriteString(last.tail)
	}
	text := strings.TrimSpace(b.String())
	start, end := trim(c.text, all[0].start, last.end)
	tokens := all[0].tokens
	if len(all) > 1 || len(text) != all[0].end-all[0].start {
		tokens = c.count.tokens(text)
	}
	return Chunk{
		Text: text, Heading: commonPath(own), PageFrom: all[0].page, PageTo: last.page, Tokens: tokens,
		Start: points.at(start), End: points.at(end),
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

// pointCounter turns offsets in bytes into offsets in code points, for offsets that mostly grow.
type pointCounter struct {
	text         string
	byte, points int
}

func (p *pointCounter) at(offset int) int {
	if offset >= p.byte {
		p.points += utf8.RuneCountInString(p.text[p.byte:offset])
	} else {
		p.points -= utf8.RuneCountInString(p.text[offset:p.byte])
	}
	p.byte = offset
	return p.points
}
