package views

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// marker cuts a stretch of a text into pieces. at is where in the text it begins, in bytes.
type marker func(part string, at int) []piece

// cutLines cuts Markdown that begins at the byte at of its text into lines and tables, with each stretch marked.
func cutLines(text string, at int, mark marker) []line {
	var lines []line
	raw := strings.Split(text, "\n")
	for i := 0; i < len(raw); {
		n := tableRows(raw[i:], i == 0)
		if n > 0 {
			lines = append(lines, table(raw[i:i+n], at, mark))
		} else {
			n = 1
			lines = append(lines, plainLine(raw[i], at, mark))
		}
		for _, r := range raw[i : i+n] {
			at += len(r) + 1
		}
		i += n
	}
	return lines
}

// plainLine is a heading, whose signs are not shown, or another line as it is.
func plainLine(raw string, at int, mark marker) line {
	switch {
	case strings.HasPrefix(raw, "#"):
		shown := strings.TrimLeft(strings.TrimLeft(raw, "#"), " ")
		return line{kind: "head", pieces: mark(shown, at+len(raw)-len(shown))}
	case isRow(raw):
		return line{kind: "row", pieces: mark(raw, at)}
	}
	return line{pieces: mark(raw, at)}
}

// tableRows counts the lines of the table that lines begin with, 0 if they begin with none. A table has a rule below its
// head. A text that was cut out of a longer one may begin with the later rows of a table, all of the same width.
func tableRows(lines []string, first bool) int {
	if len(lines) < 2 || !isRow(lines[0]) || !isRow(lines[1]) {
		return 0
	}
	headed := isRule(lines[1])
	if !headed && !first { // before the rows are counted: a run of broken ones is not gone through from each of them
		return 0
	}
	n := 2
	for n < len(lines) && isRow(lines[n]) {
		n++
	}
	if headed {
		return n
	}
	width := len(cellSpans(lines[0]))
	uneven := func(row string) bool { return len(cellSpans(row)) != width }
	if width < 2 || slices.ContainsFunc(lines[1:n], uneven) {
		return 0
	}
	return n
}

func isRow(line string) bool { return strings.HasPrefix(line, "|") }

// isRule reports whether a row is the line of dashes below a head.
func isRule(row string) bool {
	cells := cellSpans(row)
	return len(cells) > 0 && !slices.ContainsFunc(cells, func(c span) bool {
		dashes := strings.TrimSuffix(strings.TrimPrefix(row[c.from:c.to], ":"), ":")
		return dashes == "" || strings.Trim(dashes, "-") != ""
	})
}

// table makes the cells of rows that begin at the byte at of their text.
func table(rows []string, at int, mark marker) line {
	t := line{kind: "table"}
	headed := isRule(rows[1])
	for i, row := range rows {
		if i != 1 || !headed {
			t.rows = append(t.rows, cells(row, at, mark))
		}
		at += len(row) + 1
	}
	if headed {
		t.head, t.rows = t.rows[0], t.rows[1:]
	}
	if !slices.ContainsFunc(t.head, func(c cell) bool { return len(c) > 0 }) {
		t.head = nil
	}
	return t
}

func cells(row string, at int, mark marker) []cell {
	var out []cell
	for _, c := range cellSpans(row) {
		if c.from == c.to {
			out = append(out, nil)
			continue
		}
		out = append(out, unescaped(mark(row[c.from:c.to], at+c.from)))
	}
	return out
}

// cellSpans are where the cells of a row stand, without the blanks around them. A bar behind a backslash is part of its cell.
func cellSpans(row string) []span {
	var spans []span
	row = strings.TrimRight(row, " \t\r")
	from := 1
	for i := 1; i <= len(row); i++ {
		if i < len(row) && (row[i] != '|' || row[i-1] == '\\') || i == len(row) && from == i {
			continue
		}
		text := row[from:i]
		left := len(text) - len(strings.TrimLeft(text, " \t"))
		spans = append(spans, span{from + left, max(from+left, from+len(strings.TrimRight(text, " \t")))})
		from = i + 1
	}
	return spans
}

// unescaped takes away the backslashes that stand before bars, also where a mark begins between the two.
func unescaped(pieces []piece) []piece {
	var out []piece
	for i, p := range pieces {
		p.text = strings.ReplaceAll(p.text, `\|`, "|")
		if i+1 < len(pieces) && strings.HasPrefix(pieces[i+1].text, "|") {
			p.text = strings.TrimSuffix(p.text, `\`)
		}
		if p.text != "" {
			out = append(out, p)
		}
	}
	return out
}

// cellWidth tells words that stand in one line from such that may be broken, and a sentence, which gets room for it.
func cellWidth(c cell) string {
	n := 0
	for _, p := range c {
		n += utf8.RuneCountInString(p.text)
	}
	switch {
	case n < 16:
		return "word"
	case n < 32:
		return "words"
	}
	return "sentence"
}
