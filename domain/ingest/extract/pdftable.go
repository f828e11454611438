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

// overhead puts the words of a line close above the table into its columns, or returns nil when they do not stand over them.
func (t *pdfTable) overhead(l *pdfLine) []string {
	if gap := l.base - t.top; gap < 0.5*t.size || gap > 3*t.size || l.turned || l.rightToLeft ||
		l.size > 1.1*t.size || len(l.words) < 2 {
		return nil
	}
	header := make([]string, len(t.columns))
	used, last := 0, -1
	for _, w := range l.words {
		at := columnAt(t.columns, (w.x0+w.x1)/2)
		if at < last {
			return nil
		}
		if at != last {
			used++
		}
		last = at
		header[at] = joinCell(header[at], w.text)
	}
	if used*2 <= len(t.columns) || utf8.RuneCountInString(l.text) > 30*len(t.columns) {
		return nil
	}
	return header
}

func isMarker(s string) bool {
	marker, _ := splitMarker(s + " x")
	return marker == strings.TrimSpace(s) && marker != ""
}

// tableExtent returns how many lines from the first on may belong to a table: they go on downwards without a large gap, and
// no more than two rows in a row have a single cell.
func tableExtent(lines []pdfLine) int {
	end, single := 0, 0
	for i := 0; i < len(lines); {
		n := 1
		for i+n < len(lines) && sameRow(&lines[i], &lines[i+n]) {
			n++
		}
		if i > 0 {
			gap := lines[i-1].base - lines[i].base
			if gap < -1.2*lines[i].size || gap > 4*lines[i].size {
				break
			}
		}
		if n > 1 {
			single, end = 0, i+n
		} else if single++; single > 2 {
			break
		} else if end == i && lines[i].x0 > lines[0].x1 && lines[i-1].base-lines[i].base < 1.6*lines[i].size {
			end = i + n // a cell of the last row goes on
		}
		i += n
	}
	return end
}

// visualRows groups lines by baseline, each from left to right.
func visualRows(lines []pdfLine) [][]pdfLine {
	var rows [][]pdfLine
	for _, l := range lines {
		if last := len(rows) - 1; last >= 0 && sameRow(&rows[last][0], &l) {
			rows[last] = append(rows[last], l)
		} else {
			rows = append(rows, []pdfLine{l})
		}
	}
	slices.SortStableFunc(rows, func(a, b []pdfLine) int { return sign(b[0].base - a[0].base) })
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

// fillGrid puts cells into columns. A row without a first cell, and with fewer cells than the row close above it, goes on
// with that row: its cells did not fit on one line.
func fillGrid(rows [][]pdfLine, columns [][2]float64) [][]string {
	var grid [][]string
	leading := rowLeading(rows)
	filled := 0
	for i, row := range rows {
		line := make([]string, len(columns))
		for _, cell := range row {
			at := columnAt(columns, cell.x0)
			line[at] = joinCell(line[at], cell.text)
		}
		if i > 0 && line[0] == "" && len(row) < filled && rows[i-1][0].base-row[0].base < leading*1.05 {
			above := grid[len(grid)-1]
			for k, s := range line {
				above[k] = joinCell(above[k], s)
			}
			continue
		}
		filled = len(row)
		grid = append(grid, line)
	}
	return grid
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
