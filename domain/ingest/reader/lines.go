package reader

import (
	"slices"
	"strings"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
)

// Line is where a part of the canonical text stands on a page of a PDF: a line, or a row of a table.
type Line struct {
	Page           int
	Start, End     int // in code points
	X0, Y0, X1, Y1 int // in 1/10000 of the page's width and height, from the top left of the page as it is shown
}

// maxLines bounds the lines of one document; those of 3,000 pages of dense type are 200,000.
const maxLines = 1 << 20

// linesOf finds the lines of a document in its canonical text.
func linesOf(doc *extract.Document, text string, spans []extract.Span) []Line {
	var out []Line
	at, points := 0, 0 // the same place in bytes and in code points
	for i := range doc.Blocks {
		b := &doc.Blocks[i]
		if len(b.Boxes) == 0 {
			continue
		}
		for k, part := range partsOf(b, text[spans[i].Start:spans[i].End]) {
			start, end := trim(text, spans[i].Start+part.Start, spans[i].Start+part.End)
			x0, y0, x1, y1 := outward(b.Boxes[k])
			if start >= end || start < at || x0 >= x1 || y0 >= y1 || len(out) == maxLines {
				continue
			}
			points += utf8.RuneCountInString(text[at:start])
			length := utf8.RuneCountInString(text[start:end])
			out = append(out, Line{Page: b.Page, Start: points, End: points + length, X0: x0, Y0: y0, X1: x1, Y1: y1})
			at, points = end, points+length
		}
	}
	return out
}

// outward rounds a box to whole parts so that it covers at least what it did.
func outward(b extract.Box) (x0, y0, x1, y1 int) {
	const parts = 10000
	up := func(v float32) int { return min(int(v*parts+0.999), parts) }
	return int(b.X0 * parts), int(b.Y0 * parts), up(b.X1), up(b.Y1)
}

// trim leaves out the blanks around a part of a text.
func trim(text string, start, end int) (int, int) {
	part := strings.TrimRight(text[start:end], " \n")
	end = start + len(part)
	return end - len(strings.TrimLeft(part, " \n")), end
}

// partsOf returns which part of a block's Markdown stands in each of its boxes.
func partsOf(b *extract.Block, rendered string) []extract.Span {
	if b.Kind == extract.Table {
		return rowsOf(rendered, len(b.Boxes))
	}
	total := 0
	for _, box := range b.Boxes {
		total += box.Runes
	}
	n := utf8.RuneCountInString(b.Text)
	w := walker{rendered: rendered, text: b.Text}
	w.at = max(strings.Index(rendered, firstLine(b.Text)), 0)
	parts := make([]extract.Span, len(b.Boxes))
	sum := 0
	for i, box := range b.Boxes {
		parts[i].Start = w.at
		sum += box.Runes
		w.walkTo(sum * n / max(total, 1))
		parts[i].End = w.at
	}
	parts[len(parts)-1].End = len(rendered)
	return parts
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// walker walks through a text and through what it is rendered to, where lines may be indented.
type walker struct {
	rendered, text string
	at             int // byte of rendered
	walked         int // code points of text
}

func (w *walker) walkTo(points int) {
	for w.walked < points && w.text != "" && w.at < len(w.rendered) {
		r, n := utf8.DecodeRuneInString(w.text)
		w.text = w.text[n:]
		w.walked++
		if w.at += n; r == '\n' {
			for w.at < len(w.rendered) && !strings.HasPrefix(w.rendered[w.at:], firstLine(w.text)) {
				w.at++
			}
		}
	}
	w.at = min(w.at, len(w.rendered))
}

// rowsOf returns the lines of a table's Markdown that belong to its boxes: the header, and behind the rule the rows.
func rowsOf(rendered string, boxes int) []extract.Span {
	var rows []extract.Span
	start := 0
	for line := range strings.SplitAfterSeq(rendered, "\n") {
		rows = append(rows, extract.Span{Start: start, End: start + len(line)})
		start += len(line)
	}
	if len(rows) > 1 {
		rows = slices.Delete(rows, 1, 2)
	}
	for len(rows) < boxes {
		rows = append(rows, extract.Span{Start: len(rendered), End: len(rendered)})
	}
	return rows[:boxes]
}

// lineFields is how many numbers describe a line in a frame.
const lineFields = 7

// writeLines writes lines in frames of some hundreds, as plain numbers: a document has tens of thousands.
func (w *frameWriter) writeLines(lines []Line) {
	const batch = 500
	for part := range slices.Chunk(lines, batch) {
		numbers := make([]int, 0, len(part)*lineFields)
		for _, l := range part {
			numbers = append(numbers, l.Page, l.Start, l.End, l.X0, l.Y0, l.X1, l.Y1)
		}
		w.write(frame{Lines: numbers})
	}
}

// appendLines reads what writeLines wrote.
func appendLines(lines []Line, numbers []int) []Line {
	for n := range slices.Chunk(numbers, lineFields) {
		if len(n) == lineFields {
			lines = append(lines, Line{Page: n[0], Start: n[1], End: n[2], X0: n[3], Y0: n[4], X1: n[5], Y1: n[6]})
		}
	}
	return lines
}
