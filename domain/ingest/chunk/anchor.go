package chunk

import (
	"cmp"
	"index/suffixarray"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
)

// place is where an anchored passage stands now.
type place struct {
	anchor     int // its number
	start, end int // bytes; with the blanks around it that go with it, as edge has it
	changed    bool
}

// locate finds the anchors in a text, and says which are not there.
func locate(c *cutter, blocks []extract.Block, spans []extract.Span, anchors []Anchor) (places []place, lost []string) {
	l := &locator{cutter: c, blocks: blocks, spans: spans, anchors: anchors, taken: map[extract.Span]bool{}}
	l.found = make([]*extract.Span, len(anchors))
	for i := range anchors {
		l.quotes = append(l.quotes, string(fold(anchors[i].Quote, nil)))
		l.byStart = append(l.byStart, i)
	}
	slices.SortStableFunc(l.byStart, func(a, b int) int { return cmp.Compare(anchors[a].Start, anchors[b].Start) })
	l.unmoved()
	l.moved()
	changed := l.changed()
	for i, s := range l.found {
		if s == nil {
			lost = append(lost, anchors[i].ID)
			continue
		}
		places = append(places, place{i, edge(c.text, s.Start), edge(c.text, s.End), changed[i]})
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	return places, lost
}

// edge returns where to cut for a passage that begins or ends at an offset: a line's indentation goes with the line, other
// blanks with what is before them.
func edge(text string, at int) int {
	start := len(strings.TrimRightFunc(text[:at], unicode.IsSpace))
	end := len(text) - len(strings.TrimLeftFunc(text[at:], unicode.IsSpace))
	if n := strings.LastIndexByte(text[start:end], '\n'); n >= 0 {
		return start + n + 1
	}
	if start == 0 {
		return 0
	}
	return end
}

func edgesOf(places []place) []int {
	var edges []int
	for _, p := range places {
		edges = append(edges, p.start, p.end)
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// locator finds anchors: first those that have not moved, then those that have, then what has taken their place.
type locator struct {
	*cutter
	blocks  []extract.Block
	spans   []extract.Span
	anchors []Anchor
	quotes  []string        // folded
	found   []*extract.Span // of each anchor, in bytes of the text; nil: not yet
	taken   map[extract.Span]bool
	byStart []int // numbers of the anchors in order of their Start
}

// take gives a place to an anchor, if it can be a chunk and is not another's.
func (l *locator) take(i int, s extract.Span) bool {
	if l.taken[s] || !l.inContent(s.Start) || !l.inContent(s.End-1) || l.tooLarge(s) {
		return false
	}
	l.found[i], l.taken[s] = &s, true
	return true
}

// blockAt returns the last block that begins at an offset or before it, -1 if there is none.
func (l *locator) blockAt(at int) int {
	i, exact := slices.BinarySearchFunc(l.spans, at, func(s extract.Span, at int) int { return s.Start - at })
	if !exact {
		i--
	}
	return i
}

// inContent reports whether an offset is in a block that chunks are made of.
func (l *locator) inContent(at int) bool {
	i := l.blockAt(at)
	return i >= 0 && at < l.spans[i].End && !l.blocks[i].Furniture
}

// tooLarge reports whether a passage has more tokens than a chunk can have.
func (l *locator) tooLarge(s extract.Span) bool {
	const most = Max - 64 // the rest is for fences
	if s.End-s.Start <= most {
		return false
	}
	tokens := 0
	for i := max(l.blockAt(s.Start), 0); i < len(l.spans) && l.spans[i].Start < s.End && tokens <= most; i++ {
		if from, to := max(s.Start, l.spans[i].Start), min(s.End, l.spans[i].End); from < to && !l.blocks[i].Furniture {
			tokens += l.count.tokens(l.text[from:to]) + 1 // the blank line
		}
	}
	return tokens > most
}

// unmoved takes the anchors whose quote stands where it stood. When a document is only cut otherwise that is all of them.
func (l *locator) unmoved() {
	for i, a := range l.anchors {
		s := extract.Span{Start: l.ruler.offset(a.Start)}
		var ok bool
		if s.End, ok = matches(l.text, s.Start, l.quotes[i]); ok && l.standsAlone(s) {
			l.take(i, s)
		}
	}
}

// matches reports whether a folded quote stands at an offset of a text, and where it ends there.
func matches(text string, at int, quote string) (end int, ok bool) {
	if quote == "" {
		return at, false
	}
	for i := 0; i < len(quote); i++ {
		if at == len(text) {
			return at, false
		}
		if quote[i] != ' ' {
			if text[at] != quote[i] {
				return at, false
			}
			at++
			continue
		}
		rest := strings.TrimLeftFunc(text[at:], unicode.IsSpace)
		if len(rest) == len(text)-at {
			return at, false
		}
		at = len(text) - len(rest)
	}
	return at, true
}

// maxPlaces is how many equal passages are looked at.
const maxPlaces = 1000

// moved takes the anchors whose quote stands elsewhere: first those for which there is one place only, as these tell how far
// the text around them has moved; then the others, in order of how near they are to where they should be.
func (l *locator) moved() {
	var index *textIndex
	var open []candidate
	places := map[int][]extract.Span{}
	for i, quote := range l.quotes {
		if l.found[i] != nil || quote == "" {
			continue
		}
		if index == nil {
			index = newTextIndex(l.text)
		}
		was := l.ruler.offset(l.anchors[i].Start)
		places[i] = slices.DeleteFunc(index.find(quote), func(s extract.Span) bool { return s.Start != was && !l.standsAlone(s) })
		if len(places[i]) == 1 {
			l.take(i, places[i][0])
		} else if len(places[i]) > 1 {
			open = append(open, candidate{anchor: i})
		}
	}
	for k := range open {
		c := &open[k]
		c.at = l.expected(c.anchor)
		c.span = nearest(places[c.anchor], c.at, func(extract.Span) bool { return true })
		c.score = -math.Abs(float64(c.span.Start - c.at))
	}
	slices.SortStableFunc(open, byScore)
	for _, c := range open {
		nearest(places[c.anchor], c.at, func(s extract.Span) bool { return l.take(c.anchor, s) })
	}
}

// candidate is a place that an anchor may be given.
type candidate struct {
	anchor int
	at     int // where it should be
	span   extract.Span
	score  float64
}

func byScore(a, b candidate) int { return cmp.Compare(b.score, a.score) }

// nearest returns the span nearest to an offset that is accepted, an empty one if none is.
func nearest(spans []extract.Span, at int, accept func(extract.Span) bool) extract.Span {
	right, _ := slices.BinarySearchFunc(spans, at, func(s extract.Span, at int) int { return s.Start - at })
	left := right - 1
	for left >= 0 || right < len(spans) {
		if right == len(spans) || left >= 0 && at-spans[left].Start <= spans[right].Start-at {
			if accept(spans[left]) {
				return spans[left]
			}
			left--
			continue
		}
		if accept(spans[right]) {
			return spans[right]
		}
		right++
	}
	return extract.Span{}
}

// expected returns where an anchor should be, in bytes: where it was, moved as far as the nearest anchor that was found.
func (l *locator) expected(anchor int) int {
	start := l.anchors[anchor].Start
	near, shift := -1, 0
	at, _ := slices.BinarySearchFunc(l.byStart, start, func(i, start int) int { return l.anchors[i].Start - start })
	try := func(k int) bool {
		if k < 0 || k >= len(l.byStart) || l.found[l.byStart[k]] == nil {
			return false
		}
		i := l.byStart[k]
		distance := max(l.anchors[i].Start-start, start-l.anchors[i].Start)
		if near < 0 || distance < near {
			near, shift = distance, l.ruler.points(l.found[i].Start)-l.anchors[i].Start
		}
		return true
	}
	for k := at - 1; k >= 0 && !try(k); k-- {
	}
	for k := at; k < len(l.byStart) && !try(k); k++ {
	}
	return l.ruler.offset(start + shift)
}

// standsAlone reports whether a passage is not part of a longer word, or so long that it does not matter.
func (l *locator) standsAlone(s extract.Span) bool {
	if s.End-s.Start >= 32 {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(l.text[:s.Start])
	first, _ := utf8.DecodeRuneInString(l.text[s.Start:])
	last, _ := utf8.DecodeLastRuneInString(l.text[:s.End])
	after, _ := utf8.DecodeRuneInString(l.text[s.End:])
	return !(isWordRune(before) && isWordRune(first)) && !(isWordRune(last) && isWordRune(after))
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// textIndex finds passages in a text, whatever white space is between their words.
type textIndex struct {
	array *suffixarray.Index
	drift []drift
}

// drift says that from an offset of the folded text on, the text itself is shift bytes further.
type drift struct{ from, shift int }

func newTextIndex(text string) *textIndex {
	x := &textIndex{}
	x.array = suffixarray.New(fold(text, &x.drift))
	return x
}

// find returns the places of a folded quote in order.
func (x *textIndex) find(quote string) []extract.Span {
	at := x.array.Lookup([]byte(quote), maxPlaces)
	slices.Sort(at)
	spans := make([]extract.Span, len(at))
	for i, n := range at {
		spans[i] = extract.Span{Start: x.unfold(n), End: x.unfold(n+len(quote)-1) + 1}
	}
	return spans
}

func (x *textIndex) unfold(at int) int {
	i, _ := slices.BinarySearchFunc(x.drift, at+1, func(d drift, at int) int { return d.from - at })
	if i == 0 {
		return at
	}
	return at + x.drift[i-1].shift
}

// fold makes one blank of each run of white space, and drops it at both ends when the way back is not asked for.
func fold(text string, way *[]drift) []byte {
	if way == nil {
		text = strings.TrimSpace(text)
	}
	out := make([]byte, 0, len(text))
	for at := 0; at < len(text); {
		if c := text[at]; c > ' ' && c < utf8.RuneSelf {
			out = append(out, c)
			at++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[at:])
		if !unicode.IsSpace(r) {
			out = append(out, text[at:at+n]...)
			at += n
			continue
		}
		end := len(text) - len(strings.TrimLeftFunc(text[at:], unicode.IsSpace))
		out = append(out, ' ')
		if way != nil && end-at != 1 {
			*way = append(*way, drift{len(out), end - len(out)})
		}
		at = end
	}
	return out
}
