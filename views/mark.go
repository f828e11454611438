package views

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"bitb/domain/document"
)

// piece is a stretch of text that is marked as a whole or not at all.
type piece struct {
	text    string
	marked  bool
	changed bool // by a person: it stands in one of two texts only
}

// matches cuts text into pieces, marked where a word of the search, or the search in quotation marks as a whole, occurs in
// it. Case does not matter.
func matches(text, search string) []piece {
	needles := needles(search)
	if len(needles) == 0 {
		return []piece{{text: text}}
	}
	var pieces []piece
	from := 0
	for i := 0; i < len(text); {
		n := 0
		for _, needle := range needles {
			n = max(n, prefixFold(text[i:], needle))
		}
		if n == 0 {
			_, width := utf8.DecodeRuneInString(text[i:])
			i += width
			continue
		}
		if i > from {
			pieces = append(pieces, piece{text: text[from:i]})
		}
		pieces = append(pieces, piece{text: text[i : i+n], marked: true})
		i += n
		from = i
	}
	if from < len(text) {
		pieces = append(pieces, piece{text: text[from:]})
	}
	return pieces
}

// needles are the words of a search, or its phrase.
func needles(search string) []string {
	search = strings.TrimSpace(search)
	if phrase := strings.Trim(search, `"“”„`); len(phrase) < len(search) && phrase != "" {
		return []string{strings.TrimSpace(phrase)}
	}
	return strings.FieldsFunc(search, unicode.IsSpace)
}

// prefixFold is the length in bytes of the beginning of text that equals needle without regard to case, or 0. The two
// may differ in length: "ſ" folds to "s".
func prefixFold(text, needle string) int {
	at := 0
	for _, want := range needle {
		got, width := utf8.DecodeRuneInString(text[at:])
		if width == 0 || !sameFold(got, want) {
			return 0
		}
		at += width
	}
	return at
}

func sameFold(a, b rune) bool {
	if a == b || unicode.ToLower(a) == unicode.ToLower(b) {
		return true
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}

// line is one line of what the reader made of a page, or a table of several. kind is "head", "table", "row" for a row that
// belongs to no table, or "".
type line struct {
	kind   string
	pieces []piece
	head   []cell // of a table; none where all of them are empty
	rows   [][]cell
}

// cell is a cell of a table. An empty one has no pieces.
type cell []piece

// sourceLines cuts the Markdown of a page into lines for show, with the code points from start to end marked.
func sourceLines(text string, start, end int) []line {
	from, to := runeOffset(text, start), runeOffset(text, end)
	return cutLines(text, 0, func(part string, at int) []piece { return markRange(part, from-at, to-at) })
}

// chunkLines cuts the Markdown of a chunk into lines for show, with what a search matches marked, and what a person changed.
func chunkLines(text, search string, changed []span) []line {
	at := len(text) - len(strings.TrimLeft(text, "\n"))
	return cutLines(strings.Trim(text, "\n"), at, func(part string, at int) []piece { return changedPieces(part, search, at, changed) })
}

// changedPieces marks a line that begins at the byte at of a text of which the spans changed.
func changedPieces(text, search string, at int, changed []span) []piece {
	var pieces []piece
	put := func(from, to int, isChanged bool) {
		for _, p := range matches(text[from:to], search) {
			p.changed = isChanged
			pieces = append(pieces, p)
		}
	}
	done := 0
	for _, c := range changed {
		from, to := max(c.from-at, done), min(c.to-at, len(text))
		if from >= to {
			continue
		}
		if from > done {
			put(done, from, false)
		}
		put(from, to, true)
		done = to
	}
	if done < len(text) || len(pieces) == 0 {
		put(done, len(text), false)
	}
	return pieces
}

// mostShown is how much of a text one page shows, in code points: what has no pages may be as long as a book.
const mostShown = 20_000

// excerptAround is the part of a long text around a code point, counted in the whole document, and whether something
// stands before and after it. It begins and ends with whole lines where these are not long themselves.
func excerptAround(page document.Page, at int) (part document.Page, before, after bool) {
	runes := []rune(page.Text)
	if len(runes) <= mostShown {
		return page, false, false
	}
	from := min(max(0, at-page.Start-mostShown/4), len(runes)-mostShown/2)
	to := min(from+mostShown, len(runes))
	for n := 0; from > 0 && runes[from-1] != '\n' && n < mostShown/4; n++ {
		from--
	}
	for n := 0; to < len(runes) && runes[to] != '\n' && n < mostShown/4; n++ {
		to++
	}
	return document.Page{Number: page.Number, Start: page.Start + from, Text: string(runes[from:to])}, from > 0, to < len(runes)
}

// textPart is the at-th part of a long text, from 1, with how many parts there are. An at outside is brought inside.
func textPart(page document.Page, at int) (part document.Page, shown, parts int) {
	runes := []rune(page.Text)
	parts = max(1, (len(runes)+mostShown-1)/mostShown)
	shown = min(max(1, at), parts)
	from, to := lineStart(runes, (shown-1)*mostShown), lineStart(runes, shown*mostShown)
	return document.Page{Number: page.Number, Start: page.Start + from, Text: string(runes[from:to])}, shown, parts
}

// lineStart is where the line begins that holds the n-th code point; n itself where the line is long, or the text ends before.
func lineStart(runes []rune, n int) int {
	if n >= len(runes) {
		return len(runes)
	}
	for at := n; at > max(0, n-mostShown/4); at-- {
		if runes[at-1] == '\n' {
			return at
		}
	}
	return n
}

// markRange marks the bytes from start to end of text, which may lie outside it.
func markRange(text string, start, end int) []piece {
	from, to := min(max(0, start), len(text)), min(max(0, end), len(text))
	if to <= from {
		return []piece{{text: text}}
	}
	var pieces []piece
	for _, p := range []piece{{text: text[:from]}, {text: text[from:to], marked: true}, {text: text[to:]}} {
		if p.text != "" {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// runeOffset is where in text the n-th code point begins, in bytes, kept inside it.
func runeOffset(text string, n int) int {
	if n <= 0 {
		return 0
	}
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}
