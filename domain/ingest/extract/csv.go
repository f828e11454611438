package extract

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxFields is how many columns a table can have that anybody made for reading.
const maxFields = 2000

// readCSV reads separated values as one table.
func readCSV(data []byte) (*Document, error) {
	text := unixLines(decode(data, false))
	comma, fields := sniffDelimiter(text)
	if fields > maxFields {
		return readText(data)
	}
	if strings.HasPrefix(text, "sep=") {
		_, text, _ = strings.Cut(text, "\n")
	}
	r := newCSVReader(strings.NewReader(text), comma)
	var rows [][]string
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return readText(data) // quotes that no rule explains: the lines are still worth reading
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, &Error{Reason: ReasonEmpty, Detail: "no records"}
	}
	lines, rows := cutTitle(rows)
	table := Block{Kind: Table, Rows: rows}
	if hasHeader(rows) {
		table.Header, table.Rows = rows[0], rows[1:]
	}
	if len(lines) == 0 {
		return &Document{Blocks: []Block{table}}, nil
	}
	return &Document{Blocks: []Block{{Kind: Paragraph, Text: strings.Join(lines, "\n")}, table}}, nil
}

// cutTitle cuts off what stands above a table, as programs write it: rows that fill at most half as many fields as most do.
func cutTitle(rows [][]string) (lines []string, table [][]string) {
	const most = 20
	filled := func(row []string) []string {
		return slices.DeleteFunc(slices.Clone(row), func(cell string) bool { return !isFilled(cell) })
	}
	widths := make([]float64, len(rows))
	for i, row := range rows {
		widths[i] = float64(len(filled(row)))
	}
	usual := int(median(widths))
	for i, row := range rows[:min(most, max(len(rows)-1, 0))] {
		cells := filled(row)
		if len(cells)*2 > usual {
			return lines, rows[i:]
		}
		if len(cells) > 0 {
			lines = append(lines, strings.Join(cells, " "))
		}
	}
	return nil, rows
}

func newCSVReader(r io.Reader, comma rune) *csv.Reader {
	cr := csv.NewReader(r)
	cr.Comma = comma
	cr.LazyQuotes = true
	cr.FieldsPerRecord = -1
	return cr
}

// sniffDelimiter finds the separator that cuts the first lines into the same number of fields most often, and that
// number. It counts outside quotes only. Where two do equally well, it is the one that is rarer within fields; a tab hardly
// ever stands in one.
func sniffDelimiter(text string) (comma rune, fields int) {
	if rest, ok := strings.CutPrefix(text, "sep="); ok && len(rest) > 1 && (rest[1] == '\r' || rest[1] == '\n') {
		return rune(rest[0]), 1 // Excel's own declaration
	}
	comma, fields = ',', 1
	best, tabbed := 0, 0 // tabbed is the number of lines with the same number of tabs
	for _, c := range "\t;,|" {
		n, lines := commonCount(text, c)
		if c == '\t' {
			tabbed = lines
		} else if tabbed > 0 && lines <= tabbed {
			continue
		}
		if score := lines * min(n, 8); n > 0 && score > best {
			comma, fields, best = c, n+1, score
		}
	}
	return comma, fields
}

// commonCount returns how often c stands in a line of text most commonly, and in how many of the first 50 lines.
func commonCount(text string, c rune) (count, lines int) {
	seen := map[int]int{}
	n, quoted, total := 0, false, 0
	for _, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == c && !quoted:
			n++
		case r == '\n' && !quoted:
			seen[n]++
			n = 0
			total++
		}
		if total == 50 {
			break
		}
	}
	if n > 0 {
		seen[n]++
	}
	for k, v := range seen {
		if k > 0 && (v > lines || v == lines && k > count) {
			count, lines = k, v
		}
	}
	return count, lines
}

// hasHeader reports whether the first record names the columns: it is filled, and holds no number but years above what
// are none.
func hasHeader(rows [][]string) bool {
	if len(rows) < 2 {
		return false
	}
	filled := 0
	for i, cell := range rows[0] {
		if isFilled(cell) {
			filled++
		}
		if isNumber(cell) && (!isYear(cell) || i == 0 || i < len(rows[1]) && isYear(rows[1][i])) {
			return false
		}
	}
	return filled*2 > len(rows[0])
}

// isNumber reports whether a cell shows a number, an amount, a share, a date or a time in figures.
func isNumber(cell string) bool {
	if _, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(cell), ",", "."), 64); err == nil {
		return true
	}
	return strings.ContainsAny(cell, "0123456789") && strings.Trim(cell, "0123456789.,:/%+- \u00a0\u202f'()€$£¥") == ""
}

func isYear(cell string) bool {
	n, err := strconv.Atoi(strings.TrimSpace(cell))
	return err == nil && n >= 1900 && n < 2100
}
