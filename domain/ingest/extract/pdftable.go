package extract

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// pdfTable is a table and where its columns stand.
type pdfTable struct {
	Block
	columns [][2]float64
	top     float64 // baseline of the first row
	size    float64
}

// findTable looks for a table at the head of lines, which are in reading order, and returns it with the number of lines it
// takes, or 0. A PDF knows no tables: rows whose cells stand side by side, three or more of them under each other, in
// columns that white space parts from top to bottom, are taken for one.
func findTable(lines []pdfLine) (pdfTable, int) {
	if len(lines) < 6 || !sameRow(&lines[0], &lines[1]) || isMarker(lines[0].text) {
		return pdfTable{}, 0
	}
	for n := tableExtent(lines); n >= 6; n = lastRow(lines[:n]) {
		rows := visualRows(lines[:n])
		columns := columnsOf(rows)
		if len(columns) < 2 || !fits(rows, columns) {
			continue
		}
		if !isTable(rows, columns) {
			break
		}
		grid := fillGrid(rows, columns)
		block := Block{Kind: Table, Header: grid[0], Rows: grid[1:]}
		return pdfTable{block, columns, rows[0][0].base, rows[0][0].size}, n
	}
	return pdfTable{}, 0
}

// lastRow returns where the last row of lines begins.
func lastRow(lines []pdfLine) int {
	n := len(lines) - 1
	for n > 0 && sameRow(&lines[n-1], &lines[len(lines)-1]) {
		n--
	}
	return n
}

// overhead puts the words of a line close above the table into its columns, or returns nil when they do not stand over them,
// parted as columns are.
func (t *pdfTable) overhead(l *pdfLine) []string {
	if gap := l.base - t.top; gap < 0.5*t.size || gap > 3*t.size || l.turned || l.rightToLeft ||
		l.size > 1.1*t.size || len(l.words) < 2 {
		return nil
	}
	header := make([]string, len(t.columns))
	used, last := 0, -1
	for _, phrase := range phrases(l) {
		at := columnAt(t.columns, phrase.x0)
		if mid := columnAt(t.columns, (phrase.x0+phrase.x1)/2); header[at] != "" || at == last {
			at = mid // centred over its column
		}
		if at <= last {
			return nil
		}
		header[at], last = phrase.text, at
		used++
	}
	if used*2 <= len(t.columns) || utf8.RuneCountInString(l.text) > 30*len(t.columns) {
		return nil
	}
	return header
}

// phrases joins the words of a line that only blanks part.
func phrases(l *pdfLine) []pdfWord {
	var out []pdfWord
	for _, w := range l.words {
		if last := len(out) - 1; last >= 0 && w.x0-out[last].x1 < 0.7*l.size {
			out[last].text, out[last].x1 = out[last].text+" "+w.text, w.x1
		} else {
			out = append(out, w)
		}
	}
	return out
}

func isMarker(s string) bool {
	marker, _ := splitMarker(s + " x")
	return marker == strings.TrimSpace(s) && marker != ""
}

// maxTableLines bounds how far ahead the end of a table is looked for.
const maxTableLines = 1000

// tableExtent returns how many lines from the first on may belong to a table: they go on downwards without a large gap, and
// what stands alone in its row keeps within a column.
func tableExtent(lines []pdfLine) int {
	end, single := 0, 0
	var columns [][2]float64
	for i := 0; i < len(lines) && i < maxTableLines; {
		n := 1
		for i+n < len(lines) && sameRow(&lines[i], &lines[i+n]) {
			n++
		}
		gap := 0.0
		if i > 0 {
			gap = lines[i-1].base - lines[i].base
		}
		if gap < -4*lines[i].size || gap > 4*lines[i].size {
			break
		}
		if n > 1 {
			single, end, columns = 0, i+n, nil
			i += n
			continue
		}
		if columns == nil {
			columns = columnsOf(visualRows(lines[:end]))
		}
		if single++; single > 6 || !withinColumn(columns, &lines[i]) {
			break
		}
		if end == i && lines[i].x0 > lines[0].x1 && gap < 1.6*lines[i].size {
			end = i + 1 // a cell of the last row goes on
		}
		i++
	}
	return end
}

// withinColumn reports whether a line lies over one column only.
func withinColumn(columns [][2]float64, l *pdfLine) bool {
	n := 0
	for _, c := range columns {
		if l.x0 < c[1] && l.x1 > c[0] {
			n++
		}
	}
	return n == 1
}

// visualRows groups lines by baseline from top to bottom, each row from left to right.
func visualRows(lines []pdfLine) [][]pdfLine {
	sorted := slices.Clone(lines)
	slices.SortStableFunc(sorted, func(a, b pdfLine) int { return sign(b.base - a.base) })
	var rows [][]pdfLine
	for _, l := range sorted {
		if last := len(rows) - 1; last >= 0 && sameRow(&rows[last][0], &l) {
			rows[last] = append(rows[last], l)
		} else {
			rows = append(rows, []pdfLine{l})
		}
	}
	for _, row := range rows {
		slices.SortFunc(row, func(a, b pdfLine) int { return sign(a.x0 - b.x0) })
	}
	return rows
}

// columnsOf returns the stretches across the page that cells of rows with several cells cover.
func columnsOf(rows [][]pdfLine) [][2]float64 {
	var spans [][2]float64
	for _, row := range rows {
		if len(row) < 2 {
			continue
		}
		for _, cell := range row {
			spans = append(spans, [2]float64{cell.x0, cell.x1})
		}
	}
	slices.SortFunc(spans, func(a, b [2]float64) int { return sign(a[0] - b[0]) })
	var out [][2]float64
	for _, s := range spans {
		if last := len(out) - 1; last >= 0 && s[0] < out[last][1]+1 {
			out[last][1] = max(out[last][1], s[1])
		} else {
			out = append(out, s)
		}
	}
	return out
}

// fits reports whether no row has two cells in one column.
func fits(rows [][]pdfLine, columns [][2]float64) bool {
	for _, row := range rows {
		for i := 1; i < len(row); i++ {
			if columnAt(columns, row[i].x0) == columnAt(columns, row[i-1].x0) {
				return false
			}
		}
	}
	return true
}

// columnAt returns the column at x, or the nearest.
func columnAt(columns [][2]float64, x float64) int {
	best, distance := 0, math.Inf(1)
	for i, c := range columns {
		d := max(c[0]-x, x-c[1], 0)
		if d < distance {
			best, distance = i, d
		}
	}
	return best
}

// isTable tells a table from prose set in columns, whose lines fill the column, and from a few chance alignments.
func isTable(rows [][]pdfLine, columns [][2]float64) bool {
	full, cells, runes := 0, 0, 0
	for _, row := range rows {
		if len(row) < 2 {
			continue
		}
		full++
		for _, cell := range row {
			cells++
			runes += utf8.RuneCountInString(cell.text)
		}
	}
	if full < 3 {
		return false
	}
	return len(columns) > 2 || runes < cells*30
}

// fillGrid puts cells into columns and rows that go on into the rows they belong to.
func fillGrid(rows [][]pdfLine, columns [][2]float64) [][]string {
	leading := rowLeading(rows)
	var grid [][]string
	last := -1 // index of the row that began the last one of the grid
	for i, row := range rows {
		line := make([]string, len(columns))
		for _, cell := range row {
			at := columnAt(columns, cell.x0)
			line[at] = joinCell(line[at], cell.text)
		}
		switch {
		case i > 0 && isNear(rows[i-1], row) && !spansRows(rows, i-1):
			mergeInto(grid[len(grid)-1], line, spansRows(rows, i))
		case i > 0 && line[0] == "" && len(row) < len(rows[last]) && goesOn(rows[i-1], row, leading):
			mergeInto(grid[len(grid)-1], line, false)
		default:
			if i > 0 && spansRows(rows, i-1) {
				fillFrom(line, rows[i-1], columns)
			}
			last = i
			grid = append(grid, line)
		}
	}
	return grid
}

// isNear reports whether b is less than a line below a: a cell in the middle beside others of two lines.
func isNear(a, b []pdfLine) bool { return a[0].base-b[0].base < 0.85*b[0].size }

// spansRows reports whether row i stands between two full rows and belongs to both.
func spansRows(rows [][]pdfLine, i int) bool {
	if i == 0 || i+1 >= len(rows) || !isNear(rows[i-1], rows[i]) || !isNear(rows[i], rows[i+1]) {
		return false
	}
	return len(rows[i-1]) > 2 && len(rows[i-1]) == len(rows[i+1])
}

// goesOn reports whether b is as near to a as lines of one cell are, rather than rows.
func goesOn(a, b []pdfLine, leading float64) bool {
	gap := a[0].base - b[0].base
	return gap < 0.9*leading || gap < 1.3*b[0].size
}

func mergeInto(above, line []string, onlyEmpty bool) {
	for i, s := range line {
		if !onlyEmpty || above[i] == "" {
			above[i] = joinCell(above[i], s)
		}
	}
}

func fillFrom(line []string, row []pdfLine, columns [][2]float64) {
	for _, cell := range row {
		if at := columnAt(columns, cell.x0); line[at] == "" {
			line[at] = cell.text
		}
	}
}

func joinCell(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// rowLeading returns the usual distance between rows.
func rowLeading(rows [][]pdfLine) float64 {
	var gaps []float64
	for i := 1; i < len(rows); i++ {
		gaps = append(gaps, rows[i-1][0].base-rows[i][0].base)
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}
