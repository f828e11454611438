package eval

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// mapping finds passages of a document's file in the canonical text that was read from it. The two differ in marks (emphasis,
// escapes, line ends) and in how accents are written, hardly ever in letters and digits, so these alone are compared.
type mapping struct {
	raw       []rune // the file
	canonical []rune
	before    []int  // of each code point of the file: bytes of letters that stand before it
	letters   string // of the canonical text
	places    []int  // of each byte of letters: its code point in the canonical text
}

func newMapping(raw, canonical string) *mapping {
	m := &mapping{raw: []rune(raw), canonical: []rune(canonical)}
	n := 0
	for _, r := range m.raw {
		m.before = append(m.before, n)
		n += len(lettersOf(r))
	}
	m.before = append(m.before, n)
	var b strings.Builder
	for i, r := range m.canonical {
		letters := lettersOf(r)
		b.WriteString(letters)
		for range len(letters) {
			m.places = append(m.places, i)
		}
	}
	m.letters = b.String()
	return m
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// lettersOf returns what is compared of a character: its letters without accents, nothing of a mark.
func lettersOf(r rune) string {
	switch {
	case !isLetter(r):
		return ""
	case r < utf8.RuneSelf:
		return string(r)
	}
	return strings.Map(func(r rune) rune {
		if isLetter(r) {
			return r
		}
		return -1
	}, norm.NFD.String(string(r)))
}

// find returns where a passage stands that begins at a code point of the file: of several equal ones the one that is nearest to
// the same share of the text. Where something in its middle reads differently, its two ends are looked for.
func (m *mapping) find(excerpt string, start int) (span, bool) {
	var b strings.Builder
	for _, r := range excerpt {
		b.WriteString(lettersOf(r))
	}
	letters := b.String()
	if letters == "" {
		return span{}, false
	}
	expected := 0
	if total := m.before[len(m.raw)]; total > 0 {
		expected = m.before[start] * len(m.letters) / total
	}
	if at := nearest(m.letters, letters, expected); at >= 0 {
		return m.widen(excerpt, span{m.places[at], m.places[at+len(letters)-1] + 1}), true
	}
	const end = 24 // bytes
	if len(letters) < 2*end {
		return span{}, false
	}
	head, tail := strings.ToValidUTF8(letters[:end], ""), strings.ToValidUTF8(letters[len(letters)-end:], "")
	from := nearest(m.letters, head, expected)
	to := nearest(m.letters, tail, expected+len(letters)-end)
	if length := to + len(tail) - from; from < 0 || to < from || length < len(letters)/2 || length > 2*len(letters) {
		return span{}, false
	}
	return m.widen(excerpt, span{m.places[from], m.places[to+len(tail)-1] + 1}), true
}

// nearest returns the place of part in s that is nearest to an offset, -1 if there is none.
func nearest(s, part string, offset int) int {
	best := -1
	for at := 0; ; {
		i := strings.Index(s[at:], part)
		if i < 0 {
			return best
		}
		i += at
		if best < 0 || abs(i-offset) < abs(best-offset) {
			best = i
		} else if i > offset {
			return best
		}
		at = i + 1
	}
}

func abs(n int) int { return max(n, -n) }

// widen takes in the marks that a passage begins and ends with.
func (m *mapping) widen(excerpt string, s span) span {
	excerpt = strings.TrimSpace(excerpt)
	isMark := func(i int) bool {
		return i >= 0 && i < len(m.canonical) && !isLetter(m.canonical[i]) && !unicode.IsSpace(m.canonical[i])
	}
	first := strings.IndexFunc(excerpt, isLetter)
	for n := utf8.RuneCountInString(excerpt[:first]); n > 0 && isMark(s.start-1); n-- {
		s.start--
	}
	last := strings.LastIndexFunc(excerpt, isLetter)
	for n := utf8.RuneCountInString(excerpt[last:]) - 1; n > 0 && isMark(s.end); n-- {
		s.end++
	}
	return s
}

// merged returns spans in order, with those that touch made one.
func merged(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// shared returns how many code points two lists of merged spans have in common.
func shared(a, b []span) int {
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		n += max(min(a[i].end, b[j].end)-max(a[i].start, b[j].start), 0)
		if a[i].end < b[j].end {
			i++
		} else {
			j++
		}
	}
	return n
}

func length(spans []span) int {
	n := 0
	for _, s := range spans {
		n += s.end - s.start
	}
	return n
}
