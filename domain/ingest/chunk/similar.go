package chunk

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
)

const (
	similar       = 0.6  // share of words in common from which a passage counts as a quote that was changed
	maxQuoteWords = 4096 // of a quote that is looked for by its words
	maxPairPlaces = 16   // places of a pair of words that are looked at
	maxHits       = 4096 // of all pairs of a quote
	maxWindows    = 3    // places that are compared with a quote word by word
)

// changed finds what stands in the place of quotes that the text has not any more, best matches first.
func (l *locator) changed() []bool {
	changed := make([]bool, len(l.anchors))
	var t *wordText
	var all []candidate
	for i := range l.anchors {
		if l.found[i] != nil {
			continue
		}
		if t == nil {
			t = newWordText(l.text, l.blocks, l.spans)
		}
		all = append(all, t.candidates(i, l.anchors[i].Quote, l.expected(i))...)
	}
	slices.SortStableFunc(all, byScore)
	for _, c := range all {
		if l.found[c.anchor] == nil && !l.occupied(c.span) {
			changed[c.anchor] = l.take(c.anchor, c.span)
		}
	}
	return changed
}

// occupied reports whether a passage shares more with an anchored one than neighbours do.
func (l *locator) occupied(s extract.Span) bool {
	return slices.ContainsFunc(l.found, func(f *extract.Span) bool {
		return f != nil && 2*(min(f.End, s.End)-max(f.Start, s.Start)) > min(f.End-f.Start, s.End-s.Start)
	})
}

// wordText is a text as words, to be searched by pairs of them.
type wordText struct {
	text  string
	words []word
	units []extract.Span // sentences, rows and lines, which a passage begins and ends with
	pairs []uint64       // hash of two words that follow each other, and the number of the first, in order
}

type word struct {
	hash       uint32
	start, end int32
	unit       int32
}

func newWordText(text string, blocks []extract.Block, spans []extract.Span) *wordText {
	t := &wordText{text: text}
	for i := range blocks {
		if blocks[i].Furniture {
			continue
		}
		for _, u := range units(text, blocks[i].Kind, spans[i]) {
			eachWord(text[u.Start:u.End], func(hash uint32, start, end int) {
				t.words = append(t.words, word{hash, int32(u.Start + start), int32(u.Start + end), int32(len(t.units))})
			})
			start, end := trim(text, u.Start, u.End)
			t.units = append(t.units, extract.Span{Start: start, End: end})
		}
	}
	t.pairs = make([]uint64, max(len(t.words)-1, 0))
	for i := range t.pairs {
		t.pairs[i] = pairOf(t.words[i].hash, t.words[i+1].hash) | uint64(i)
	}
	slices.Sort(t.pairs)
	return t
}

func pairOf(a, b uint32) uint64 { return uint64(a*2654435761^b) << 32 }

// units returns what a passage of a block begins and ends with.
func units(text string, kind extract.Kind, s extract.Span) (out []extract.Span) {
	switch kind {
	case extract.Heading:
		return []extract.Span{s}
	case extract.Table, extract.Code:
		out = lines(text, s)
		own := 2 // lines that are one with the first of the content
		if kind == extract.Code {
			own = 1
			if n := len(out); n > 2 { // the closing fence
				out[n-2].End = s.End
				out = out[:n-1]
			}
		}
		own = min(own, len(out)-1)
		out[own].Start = s.Start
		return out[own:]
	}
	eachSentence(text[s.Start:s.End], func(start, end int) {
		out = append(out, extract.Span{Start: s.Start + start, End: s.Start + end})
	})
	return out
}

// eachWord finds the words of a text: runs of letters and digits, or single letters of scripts without blanks.
func eachWord(text string, yield func(hash uint32, start, end int)) {
	const offset, prime = 2166136261, 16777619
	hash, start := uint32(offset), -1
	for i, r := range text {
		single := r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
		if start >= 0 && (single || !isWordRune(r)) {
			yield(hash, start, i)
			hash, start = offset, -1
		}
		if !isWordRune(r) {
			continue
		}
		if start < 0 {
			start = i
		}
		hash = (hash ^ uint32(unicode.ToLower(r))) * prime
		if single {
			yield(hash, start, i+utf8.RuneLen(r))
			hash, start = offset, -1
		}
	}
	if start >= 0 {
		yield(hash, start, len(text))
	}
}

// candidates returns the passages that are most like a quote, near where it should be if there are many.
func (t *wordText) candidates(anchor int, quote string, near int) []candidate {
	var q []uint32
	eachWord(quote, func(hash uint32, _, _ int) { q = append(q, hash) })
	if len(q) < 2 || len(q) > maxQuoteWords {
		return nil
	}
	forward := newAligner(q)
	slices.Reverse(q)
	backward := newAligner(q)
	slices.Reverse(q)
	at, _ := slices.BinarySearchFunc(t.words, near, func(w word, near int) int { return int(w.start) - near })
	var out []candidate
	for _, w := range t.windows(q, at) {
		if s, score := t.align(w, forward, backward); score >= similar {
			out = append(out, candidate{anchor: anchor, span: s, score: score})
		}
	}
	return out
}

// hit is a pair of words of a quote in a text.
type hit struct {
	at, of int // number of the first word in the text, and in the quote
	weight float64
}

// hits returns where pairs of words of a quote stand, the rare ones.
func (t *wordText) hits(q []uint32, near int) []hit {
	type entry struct{ of, from, to int }
	var entries []entry
	seen := map[uint64]bool{}
	for of := range len(q) - 1 {
		pair := pairOf(q[of], q[of+1])
		from, _ := slices.BinarySearch(t.pairs, pair)
		to, _ := slices.BinarySearch(t.pairs, pair+1<<32)
		if to > from && !seen[pair] {
			entries = append(entries, entry{of, from, to})
		}
		seen[pair] = true
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.to-a.from, b.to-b.from) })
	var hits []hit
	for _, e := range entries {
		weight := 1 / float64(e.to-e.from)
		if e.to-e.from > maxPairPlaces {
			middle, _ := slices.BinarySearch(t.pairs[e.from:e.to], t.pairs[e.from]>>32<<32|uint64(near))
			e.from = min(max(e.from+middle-maxPairPlaces/2, e.from), e.to-maxPairPlaces)
			e.to = e.from + maxPairPlaces
		}
		if len(hits)+e.to-e.from > maxHits {
			break
		}
		for _, p := range t.pairs[e.from:e.to] {
			hits = append(hits, hit{int(uint32(p)), e.of, weight})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return a.at - b.at })
	return hits
}

// window is a run of words [from, to).
type window struct{ from, to int }

// windows returns the runs of words that have most of a quote's rare pairs.
func (t *wordText) windows(q []uint32, near int) []window {
	n := len(q)
	hits := t.hits(q, near)
	var out []window
	for len(hits) > 0 && len(out) < maxWindows {
		from, to := densest(hits, n+n/2+8, near)
		first, last := hits[from], hits[to-1]
		out = append(out, window{max(first.at-first.of-n/4-8, 0), min(last.at+n-last.of+n/4+8, len(t.words))})
		hits = slices.Delete(hits, from, to)
	}
	return out
}

// densest returns the hits within so many words that weigh most; of equal ones, those nearest to a word.
func densest(hits []hit, length, near int) (from, to int) {
	best, weight, start := 0.0, 0.0, 0
	for end := range hits {
		weight += hits[end].weight
		for hits[end].at-hits[start].at > length {
			weight -= hits[start].weight
			start++
		}
		closer := max(hits[start].at-near, near-hits[start].at) < max(hits[from].at-near, near-hits[from].at)
		if weight > best+1e-9 || closer && weight > best-1e-9 {
			best, from, to = weight, start, end+1
		}
	}
	return from, to
}

// align finds the passage within a window that is most like a quote, and how much: twice the words in common, in order, over
// the words of both. It prefers whole sentences.
func (t *wordText) align(w window, forward, backward *aligner) (extract.Span, float64) {
	const torn = 0.1 // what it costs to begin or end within a sentence
	words := t.words[w.from:w.to]
	_, end := mostAlike(forward.common(words, false), forward.n, func(int) float64 { return 0 })
	_, length := mostAlike(backward.common(words[:end], true), forward.n, func(int) float64 { return 0 })
	start := w.from + end - length
	var best extract.Span
	bestScore, bestRank := 0.0, 0.0
	unit := t.words[start].unit
	for _, s := range []int{t.firstOf(unit), t.firstOf(unit + 1), start} {
		if s < w.from || s >= w.to {
			continue
		}
		penalty := 0.0
		if !t.beginsUnit(s) {
			penalty = torn
		}
		lengths := forward.common(t.words[s:w.to], false)
		rank, n := mostAlike(lengths, forward.n, func(n int) float64 {
			if t.beginsUnit(s + n) {
				return 0
			}
			return torn
		})
		if n > 0 && rank-penalty > bestRank+1e-9 {
			bestRank, bestScore = rank-penalty, alike(lengths[n], forward.n, n)
			best = t.span(s, s+n)
		}
	}
	return best, bestScore
}

// alike is 1 for the same words, 0 for none in common.
func alike(common, n, m int) float64 { return 2 * float64(common) / float64(n+m) }

// mostAlike returns how many words of a run are most like a quote of n words, given what each number has in common with it.
func mostAlike(common []int, n int, penalty func(int) float64) (rank float64, length int) {
	for m := 1; m < len(common); m++ {
		if r := alike(common[m], n, m) - penalty(m); r > rank+1e-9 {
			rank, length = r, m
		}
	}
	return rank, length
}

// beginsUnit reports whether a word is the first of a sentence, a row or a line, or the end of the text.
func (t *wordText) beginsUnit(i int) bool {
	return i <= 0 || i >= len(t.words) || t.words[i].unit != t.words[i-1].unit
}

// firstOf returns the first word of a unit, or of the next one that has any.
func (t *wordText) firstOf(unit int32) int {
	n, _ := slices.BinarySearchFunc(t.words, unit, func(w word, unit int32) int { return int(w.unit - unit) })
	return n
}

// span returns where words [from, to) stand, with the marks that go with them.
func (t *wordText) span(from, to int) extract.Span {
	first, last := t.words[from], t.words[to-1]
	s := extract.Span{Start: int(first.start), End: int(last.end)}
	if t.beginsUnit(from) {
		s.Start = t.units[first.unit].Start
	}
	if t.beginsUnit(to) {
		s.End = t.units[last.unit].End
		return s
	}
	rest := t.text[s.End:t.units[last.unit].End]
	marks := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || isWordRune(r) })
	s.End += max(marks, 0)
	return s
}

// aligner measures how many words of a quote stand in a run of words, in order: the longest common subsequence, for 64 words
// of the quote at a time (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004).
type aligner struct {
	n     int
	masks map[uint32][]uint64 // where in the quote a word stands
	state []uint64
}

func newAligner(q []uint32) *aligner {
	size := (len(q) + 63) / 64
	a := &aligner{n: len(q), masks: make(map[uint32][]uint64, len(q)), state: make([]uint64, size)}
	for i, hash := range q {
		if a.masks[hash] == nil {
			a.masks[hash] = make([]uint64, size)
		}
		a.masks[hash][i/64] |= 1 << (i % 64)
	}
	return a
}

// common returns, for each number of words, how many words these have in common with the quote.
func (a *aligner) common(words []word, backwards bool) []int {
	for i := range a.state {
		a.state[i] = ^uint64(0)
	}
	lengths := make([]int, len(words)+1)
	for i := range words {
		w := words[i]
		if backwards {
			w = words[len(words)-1-i]
		}
		lengths[i+1] = lengths[i]
		mask := a.masks[w.hash]
		if mask == nil {
			continue
		}
		var carry uint64
		ones := 0
		for k, v := range a.state {
			var sum uint64
			sum, carry = bits.Add64(v, v&mask[k], carry)
			a.state[k] = sum | v&^mask[k]
			ones += bits.OnesCount64(a.state[k])
		}
		lengths[i+1] = 64*len(a.state) - ones
	}
	return lengths
}
