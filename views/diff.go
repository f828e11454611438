package views

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is a range of bytes of a text.
type span struct{ from, to int }

// mostCompared bounds the table that two texts are compared by. Two chunks of a thousand words fit in.
const mostCompared = 1 << 20

// diffWords compares two texts by their words and returns what stands only in the old one, and what only in the new one.
// Blanks do not count. Texts that are both very long and very different are taken to have nothing in common between the
// words they begin and end with.
func diffWords(was, now string) (removed, added []span) {
	a, b := words(was), words(now)
	pairs := common(a, b)
	pairs = slack(a, pairs, len(b))
	inA, inB := make([]bool, len(a)), make([]bool, len(b))
	for _, p := range pairs {
		inA[p[0]], inB[p[1]] = true, true
	}
	return others(a, inA), others(b, inB)
}

// word is a word of a text, or signs that stand together.
type word struct {
	text string
	at   span
	sign bool // it has no letter and no digit
}

// words cuts a text at blanks and between words and signs. Scripts without blanks are cut at every letter.
func words(text string) []word {
	var out []word
	for i := 0; i < len(text); {
		end := wordEnd(text, i)
		r, _ := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsSpace(r) {
			out = append(out, word{text[i:end], span{i, end}, !inWord(r)})
		}
		i = end
	}
	return out
}

// wordEnd is where what begins at from ends. A hyphen or a point between two letters or digits is part of their word: "NT-240", "1.8".
func wordEnd(text string, from int) int {
	first, width := utf8.DecodeRuneInString(text[from:])
	end := from + width
	if unicode.In(first, unbroken...) {
		for end < len(text) { // a letter keeps its marks
			r, width := utf8.DecodeRuneInString(text[end:])
			if !unicode.IsMark(r) {
				break
			}
			end += width
		}
		return end
	}
	for end < len(text) {
		r, width := utf8.DecodeRuneInString(text[end:])
		switch next, _ := utf8.DecodeRuneInString(text[end+width:]); {
		case unicode.IsSpace(first) != unicode.IsSpace(r), unicode.In(r, unbroken...):
			return end
		case inWord(first) && !inWord(r) && !(strings.ContainsRune("-'’.,:/_@", r) && inWord(next) && !unicode.In(next, unbroken...)):
			return end
		case !inWord(first) && inWord(r):
			return end
		}
		end += width
	}
	return end
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// unbroken are the scripts that put no blanks between words.
var unbroken = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// common pairs the words of a longest common subsequence, in order.
func common(a, b []word) (pairs [][2]int) {
	start := 0
	for start < min(len(a), len(b)) && a[start].text == b[start].text {
		pairs = append(pairs, [2]int{start, start})
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1].text == b[endB-1].text {
		endA, endB = endA-1, endB-1
	}
	pairs = append(pairs, longest(a[start:endA], b[start:endB], start)...)
	for i := range len(a) - endA {
		pairs = append(pairs, [2]int{endA + i, endB + i})
	}
	return pairs
}

func longest(a, b []word, offset int) (pairs [][2]int) {
	if len(a)*len(b) > mostCompared {
		return nil
	}
	width := len(b) + 1
	length := make([]uint16, (len(a)+1)*width) // [i][j]: of the longest one of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].text == b[j].text {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].text == b[j].text:
			pairs = append(pairs, [2]int{offset + i, offset + j})
			i, j = i+1, j+1
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// slack lets go of pairs that are signs alone between two changes: a comma that both have by chance tells nobody anything.
func slack(a []word, pairs [][2]int, lengthB int) [][2]int {
	var kept [][2]int
	before := [2]int{-1, -1}
	for i := 0; i < len(pairs); {
		end, signs := i, true
		for end < len(pairs) && (end == i || pairs[end] == [2]int{pairs[end-1][0] + 1, pairs[end-1][1] + 1}) {
			signs = signs && a[pairs[end][0]].sign
			end++
		}
		edge := pairs[i] == [2]int{before[0] + 1, before[1] + 1} || end == len(pairs) && pairs[end-1] == [2]int{len(a) - 1, lengthB - 1}
		if !signs || edge {
			kept = append(kept, pairs[i:end]...)
		}
		before, i = pairs[end-1], end
	}
	return kept
}

// others are the stretches of words that are not in.
func others(all []word, in []bool) (out []span) {
	for i, w := range all {
		switch {
		case in[i]:
		case i > 0 && !in[i-1]:
			out[len(out)-1].to = w.at.to
		default:
			out = append(out, w.at)
		}
	}
	return out
}
