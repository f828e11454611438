package extract

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/bidi"
)

// glyph is a character and where it stands on its line.
type glyph struct {
	index  int // on the page
	text   string
	r      rune
	x0, x1 float64
}

// direction of a glyph when a line is put back into the order in which it is read.
type direction byte

const (
	neutral direction = iota
	ltr
	rtl
	number
)

func directionOf(r rune) direction {
	p, _ := bidi.LookupRune(r)
	switch p.Class() {
	case bidi.L:
		return ltr
	case bidi.R, bidi.AL:
		return rtl
	case bidi.EN, bidi.AN:
		return number
	}
	return neutral
}

func isRightToLeft(r rune) bool { return r >= 0x590 && directionOf(r) == rtl }

// logicalOrder returns the text of glyphs that stand from left to right, some of them in right-to-left script, in the order
// in which they are read in a text of direction base: the bidirectional algorithm (Unicode UAX 9) run backwards, without its
// rarer cases. height is that of the line.
func logicalOrder(visual, all []glyph, height float64, base direction) string {
	line := withBlanks(visual, all, height)
	dirs := resolve(line, base)
	if base == rtl {
		reverseRuns(line, dirs, func(direction) bool { return true })
		reverseRuns(line, dirs, func(d direction) bool { return d != rtl })
	} else {
		reverseRuns(line, dirs, func(d direction) bool { return d != ltr })
		reverseRuns(line, dirs, func(d direction) bool { return d == number })
	}
	var b strings.Builder
	for i, g := range line {
		if i > 0 && line[i-1].r != ' ' && turnsBetween(directionOf(line[i-1].r), directionOf(g.r)) {
			b.WriteByte(' ') // a word in one script ends where one in the other begins
		}
		b.WriteString(g.text)
	}
	return b.String()
}

func turnsBetween(a, b direction) bool { return a == ltr && b == rtl || a == rtl && b == ltr }

// visualOrder sorts glyphs from left to right and keeps marks with their letters; blanks are left out. PDFium orders the
// letters within right-to-left words, but leaves the words as they stand on the page.
func visualOrder(glyphs []glyph) []glyph {
	var clusters []glyph
	for _, g := range glyphs {
		last := len(clusters) - 1
		switch {
		case g.r == ' ':
		case last >= 0 && isMark(g.r):
			clusters[last].text += g.text
		case last >= 0 && isLamAlef(clusters[last], g):
			clusters[last].text = "ل" + clusters[last].text // one glyph, whose two letters come out reversed
		default:
			clusters = append(clusters, g)
		}
	}
	slices.SortStableFunc(clusters, func(a, b glyph) int { return cmp.Compare(a.x0+a.x1, b.x0+b.x1) })
	return clusters
}

func withBlanks(visual, all []glyph, height float64) []glyph {
	var blanks []float64
	for _, g := range all {
		if g.r == ' ' && g.x1 > g.x0 { // one without width stands anywhere
			blanks = append(blanks, (g.x0+g.x1)/2)
		}
	}
	slices.Sort(blanks)
	line := make([]glyph, 0, len(visual)+len(blanks))
	for i, g := range visual {
		if i > 0 && blankBetween(blanks, visual[i-1], g, height) {
			line = append(line, glyph{text: " ", r: ' '})
		}
		line = append(line, g)
	}
	return line
}

func isLamAlef(a, b glyph) bool {
	return b.r == 'ل' && strings.ContainsRune("اأإآ", a.r) && a.x0 == b.x0 && a.x1 == b.x1
}

// blankBetween reports whether the file has a blank between two neighbours, or room for one.
func blankBetween(blanks []float64, a, b glyph, height float64) bool {
	at, _ := slices.BinarySearch(blanks, a.x1-0.5)
	if at < len(blanks) && blanks[at] <= b.x0+0.5 {
		return true
	}
	return b.x0-a.x1 > 0.25*height
}

// resolve gives every glyph a direction.
func resolve(line []glyph, base direction) []direction {
	dirs := make([]direction, len(line))
	for i, g := range line {
		dirs[i] = directionOf(g.r)
	}
	for i := range dirs { // separators within numbers, and numbers that belong to a word on their left
		if dirs[i] == neutral && i > 0 && i+1 < len(dirs) && dirs[i-1] == number && dirs[i+1] == number && line[i].r != ' ' {
			dirs[i] = number
		}
	}
	last := base
	for i := range dirs {
		switch {
		case dirs[i] == number && last == ltr:
			dirs[i] = ltr
		case dirs[i] != neutral:
			last = dirs[i]
		}
	}
	for i := 0; i < len(dirs); i++ { // neutrals take the direction of both sides, or the line's
		if dirs[i] != neutral {
			continue
		}
		end := i
		for end < len(dirs) && dirs[end] == neutral {
			end++
		}
		to := base
		if i > 0 && end < len(dirs) && dirs[i-1] == dirs[end] && dirs[end] != number {
			to = dirs[end]
		}
		for ; i < end; i++ {
			dirs[i] = to
		}
	}
	return dirs
}

// reverseRuns turns round every longest run of glyphs whose direction is in the set.
func reverseRuns(line []glyph, dirs []direction, in func(direction) bool) {
	for i := 0; i < len(line); i++ {
		end := i
		for end < len(line) && in(dirs[end]) {
			end++
		}
		if end > i {
			slices.Reverse(line[i:end])
			slices.Reverse(dirs[i:end])
			i = end
		}
	}
}
