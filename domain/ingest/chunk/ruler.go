package chunk

import (
	"sort"
	"unicode/utf8"
)

// ruler turns offsets in bytes of a text into offsets in code points, and back.
type ruler struct {
	text  string
	marks []int // code points before each step
}

const step = 512 // bytes

func newRuler(text string) *ruler {
	r := &ruler{text: text, marks: make([]int, 0, len(text)/step+1)}
	points := 0
	for at := 0; at <= len(text); at += step {
		r.marks = append(r.marks, points)
		points += countPoints(text[at:min(at+step, len(text))])
	}
	return r
}

// countPoints counts the code points that begin in s.
func countPoints(s string) int {
	n := 0
	for i := range len(s) {
		if utf8.RuneStart(s[i]) {
			n++
		}
	}
	return n
}

// points returns how many code points begin before an offset.
func (r *ruler) points(offset int) int {
	mark := offset / step
	return r.marks[mark] + countPoints(r.text[mark*step:offset])
}

// offset returns where a code point begins: the end of the text if it has fewer.
func (r *ruler) offset(point int) int {
	if point <= 0 {
		return 0
	}
	mark := max(sort.SearchInts(r.marks, point+1)-1, 0)
	point -= r.marks[mark]
	for at := mark * step; at < len(r.text); at++ {
		if !utf8.RuneStart(r.text[at]) {
			continue
		}
		if point == 0 {
			return at
		}
		point--
	}
	return len(r.text)
}
