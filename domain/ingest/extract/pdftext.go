package extract

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pdfText is text being put together from lines: it knows where each of them begins, and what is a link.
type pdfText struct {
	buf    []byte
	starts []int
	links  []pdfLink
	broken bool // the last word goes on in the next line
}

// add appends a line from byte from of its text on: after a line end, or else joined as words are in its language.
func (t *pdfText) add(l *pdfLine, from int, newLine bool) {
	text := l.text[from:]
	if len(t.starts) > 0 {
		t.buf = append(t.buf, t.glue(l, text, newLine)...)
	}
	start := len(t.buf)
	t.starts = append(t.starts, start)
	t.buf = append(t.buf, text...)
	t.broken = l.broken
	for _, link := range l.links {
		if link.end <= from {
			continue
		}
		link.start, link.end = start+max(link.start-from, 0), start+link.end-from
		t.links = appendLink(t.links, link)
	}
}

func (t *pdfText) glue(l *pdfLine, next string, newLine bool) string {
	before, _ := utf8.DecodeLastRune(t.buf)
	after, _ := utf8.DecodeRuneInString(next)
	switch {
	case t.isAddress(l):
		return ""
	case t.broken && unicode.IsLower(before) && unicode.IsLower(after):
		return "" // the hyphen came from the line break; elsewhere it belongs to the word, as in "COVID-19"
	case t.broken:
		return "-"
	case newLine:
		return "\n"
	case isWide(before) && isWide(after):
		return "" // no blanks between words of Chinese and Japanese
	}
	return " "
}

// isAddress reports whether a line goes on with an address that was broken at the end of the line before.
func (t *pdfText) isAddress(l *pdfLine) bool {
	last := len(t.links) - 1
	if last < 0 || len(l.links) == 0 || t.links[last].end != len(t.buf) || l.links[0].start > 0 || t.links[last].address != l.links[0].address {
		return false
	}
	return strings.Contains(l.links[0].address, string(t.buf[t.links[last].start:])+l.text[:l.links[0].end])
}

// isWide reports whether a character is Chinese or Japanese.
func isWide(r rune) bool {
	return r >= 0x2e80 && (r >= 0x3000 && r <= 0x30ff || r >= 0x31f0 && r <= 0x31ff || r >= 0xff00 && r <= 0xff60 || unicode.Is(unicode.Han, r))
}

// dropLast takes the last line away again.
func (t *pdfText) dropLast() {
	last := len(t.starts) - 1
	t.buf = bytes.TrimRight(t.buf[:t.starts[last]], " \n")
	t.starts, t.broken = t.starts[:last], false
	for len(t.links) > 0 && t.links[len(t.links)-1].end > len(t.buf) {
		t.links = t.links[:len(t.links)-1]
	}
}

// marked returns the text with its links written out, and how many code points of it belong to each line.
func (t *pdfText) marked() (string, []int) {
	var out strings.Builder
	starts := make([]int, 0, len(t.starts))
	at, line := 0, 0
	beginLines := func(end, shift int) { // those that begin before end in the plain text
		for ; line < len(t.starts) && t.starts[line] < end; line++ {
			starts = append(starts, out.Len()+t.starts[line]-at+shift)
		}
	}
	for _, l := range t.links {
		beginLines(l.start, 0)
		out.Write(t.buf[at:l.start])
		at = l.start
		plain := string(t.buf[l.start:l.end])
		text := link(plain, l.address)
		shift := 0
		if text != plain {
			shift = 1 // of the bracket
		}
		if line < len(t.starts) && t.starts[line] == l.start {
			starts = append(starts, out.Len())
			line++
		}
		beginLines(l.end, shift)
		out.WriteString(text)
		at = l.end
	}
	beginLines(len(t.buf)+1, 0)
	out.Write(t.buf[at:])
	text := out.String()
	points := make([]int, len(starts))
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		points[i] = utf8.RuneCountInString(text[min(start, len(text)):end])
	}
	return text, points
}
