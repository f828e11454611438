package extract

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// sheetRow is a row of a sheet that has filled cells; they are in order of their columns, and rows in order of their numbers.
type sheetRow struct {
	num   int
	cells []sheetCell
}

// sheetCell is a filled cell.
type sheetCell struct {
	col    int32 // up to maxSheetColumn
	bold   bool
	number bool // a number or a date, not text
	text   string
}

// Bounds of a sheet, which are those of Excel and LibreOffice.
const (
	maxSheetRow    = 1 << 20
	maxSheetColumn = 1 << 14
)

const (
	maxSplits  = 6   // how often a part of a sheet is split further
	maxBeside  = 50  // parts beside each other; a sheet with more is no layout of tables
	maxCaption = 60  // runes of a row's only cell that may be a row of the table
	maxItem    = 80  // runes of a cell in a list
	looseCells = 1e5 // cells of a table that may all be empty
)

// sheetBlocks makes blocks of a sheet: what empty rows or columns part from the rest becomes a table of its own, a lone cell
// above one a paragraph.
func sheetBlocks(rows []sheetRow) []Block {
	g := &sheetLayout{}
	g.split(rows, 0)
	return g.blocks
}

// namedSheet puts the name of a sheet above its blocks, if it has any.
func namedSheet(name string, page int, blocks []Block) []Block {
	if len(blocks) == 0 {
		return nil
	}
	return setPage(append([]Block{{Kind: Heading, Level: 2, Text: name}}, blocks...), page)
}

// sheetRowsOf makes rows of a sheet of lines of cells, without the empty ones.
func sheetRowsOf(lines [][]string) []sheetRow {
	var rows []sheetRow
	for i, line := range lines {
		row := sheetRow{num: i}
		for k, text := range line {
			if isFilled(text) {
				row.cells = append(row.cells, sheetCell{col: int32(k), text: text, number: isNumber(text)})
			}
		}
		if len(row.cells) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

type sheetLayout struct {
	blocks []Block

	// of the last table, for one below it that goes on without a header
	columns []int32
	header  []string
	bold    bool
}

func (g *sheetLayout) split(rows []sheetRow, depth int) {
	if depth >= maxSplits {
		g.table(rows)
		return
	}
	start := 0
	for i := 1; i <= len(rows); i++ {
		if i < len(rows) && rows[i].num <= rows[i-1].num+1 {
			continue
		}
		band := rows[start:i]
		start = i
		parts := splitColumns(band)
		if len(parts) == 1 {
			g.table(band)
			continue
		}
		for _, part := range parts {
			g.split(part, depth+1)
		}
	}
}

// splitColumns cuts rows where empty columns part tables that can be read alone.
func splitColumns(rows []sheetRow) [][]sheetRow {
	group, groups := columnGroups(rows)
	if groups == 1 || groups > maxBeside {
		return [][]sheetRow{rows}
	}
	parts := make([][]sheetRow, groups)
	for _, row := range rows {
		for start, i := 0, 1; i <= len(row.cells); i++ {
			g := group[row.cells[start].col]
			if i == len(row.cells) || group[row.cells[i].col] != g {
				parts[g] = append(parts[g], sheetRow{row.num, row.cells[start:i]})
				start = i
			}
		}
	}
	out := parts[:1]
	from := 0 // the group that the last part begins with
	for g := 1; g < groups; g++ {
		last := len(out) - 1
		if standAlone(out[last], parts[g]) {
			out = append(out, parts[g])
			from = g
			continue
		}
		out[last] = joinGroups(rows, group, from, g)
	}
	return out
}

// columnGroups numbers the runs of filled columns.
func columnGroups(rows []sheetRow) (group map[int32]int, groups int) {
	columns := filledColumns(rows)
	group = make(map[int32]int, len(columns))
	for i, col := range columns {
		if i == 0 || col > columns[i-1]+1 {
			groups++
		}
		group[col] = groups - 1
	}
	return group, groups
}

func filledColumns(rows []sheetRow) []int32 {
	var seen [maxSheetColumn + 1]bool
	for _, row := range rows {
		for _, c := range row.cells {
			seen[c.col] = true
		}
	}
	var columns []int32
	for col, filled := range seen {
		if filled {
			columns = append(columns, int32(col))
		}
	}
	return columns
}

// joinGroups returns the rows again with the cells of some neighbouring groups.
func joinGroups(rows []sheetRow, group map[int32]int, from, to int) []sheetRow {
	var out []sheetRow
	for _, row := range rows {
		start, end := 0, len(row.cells)
		for start < end && group[row.cells[start].col] < from {
			start++
		}
		for end > start && group[row.cells[end-1].col] > to {
			end--
		}
		if end > start {
			out = append(out, sheetRow{row.num, row.cells[start:end]})
		}
	}
	return out
}

// standAlone reports whether two parts beside each other are tables of their own. A column of values and a block of numbers
// belong to the labels on their left, however wide the gap is.
func standAlone(left, right []sheetRow) bool {
	if shared := sharedRows(left, right); shared*2 < max(len(left), len(right)) {
		return true
	}
	if len(filledColumns(left)) == 1 || len(filledColumns(right)) == 1 {
		return false
	}
	return hasLabels(right) || !hasLabels(left)
}

func sharedRows(a, b []sheetRow) int {
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].num < b[j].num:
			i++
		case a[i].num > b[j].num:
			j++
		default:
			n++
			i++
			j++
		}
	}
	return n
}

// hasLabels reports whether the first column says in words what the rows below the first are about.
func hasLabels(rows []sheetRow) bool {
	first := filledColumns(rows)[0]
	words := 0
	for _, row := range rows[1:] {
		if c := row.cells[0]; c.col == first && !c.number {
			words++
		}
	}
	return words*2 > len(rows)-1
}

// table makes a table of rows, and paragraphs of lone cells above it and long ones below.
func (g *sheetLayout) table(rows []sheetRow) {
	for len(rows) > 0 && len(rows[0].cells) == 1 && len(filledColumns(rows[:min(len(rows), 20)])) > 1 {
		g.paragraph(rows[0].cells[0].text)
		rows = rows[1:]
	}
	end := len(rows)
	for end > 1 && len(rows[end-1].cells) == 1 && utf8.RuneCountInString(rows[end-1].cells[0].text) > maxCaption {
		end--
	}
	if end > 0 {
		g.lay(rows[:end])
	}
	for _, row := range rows[end:] {
		g.paragraph(row.cells[0].text)
	}
}

func (g *sheetLayout) paragraph(text string) {
	g.blocks = append(g.blocks, Block{Kind: Paragraph, Text: text})
}

// lay lays the cells out as a table. What is too sparse for one, or too wide, becomes its lines.
func (g *sheetLayout) lay(rows []sheetRow) {
	columns := filledColumns(rows)
	filled := 0
	for _, row := range rows {
		filled += len(row.cells)
	}
	if size := len(rows) * len(columns); len(columns) > maxFields || size > looseCells && size > 4*filled {
		g.paragraph(joinCells(rows))
		return
	}
	if len(columns) == 1 && !isList(rows) {
		g.lines(rows)
		return
	}
	index := make(map[int32]int, len(columns))
	for i, col := range columns {
		index[col] = i
	}
	grid := make([][]string, len(rows))
	for i, row := range rows {
		grid[i] = make([]string, len(columns))
		for _, c := range row.cells {
			grid[i][index[c.col]] = c.text
		}
	}
	table := Block{Kind: Table, Rows: grid}
	named, bold := namesColumns(rows, grid)
	if len(g.header) > 0 && slices.Equal(columns, g.columns) && (!named || g.bold && !bold) {
		table.Header = slices.Clone(g.header)
	} else {
		if named {
			table.Header, table.Rows = grid[0], grid[1:]
		}
		g.columns, g.header, g.bold = columns, table.Header, bold
	}
	g.blocks = append(g.blocks, table)
}

// namesColumns reports whether the first row is a header, by years over other numbers or as in a CSV file; bold type leaves no doubt.
func namesColumns(rows []sheetRow, grid [][]string) (named, bold bool) {
	if len(rows) < 2 || len(rows[0].cells)*2 <= len(grid[0]) {
		return false, false
	}
	plain := func(c sheetCell) bool { return !c.bold }
	if !slices.ContainsFunc(rows[0].cells, plain) && slices.ContainsFunc(rows[1].cells, plain) {
		return true, true
	}
	numbers, years := 0, 0
	for _, c := range rows[0].cells {
		if c.number {
			numbers++
			if isYear(c.text) {
				years++
			}
		}
	}
	if numbers > 0 {
		below := slices.ContainsFunc(rows[1].cells, func(c sheetCell) bool { return c.number && !isYear(c.text) })
		return years == numbers && years > 1 && below, false
	}
	return hasHeader(grid), false
}

// isList reports whether a column is a list of short things under a name, rather than the lines of a text.
func isList(rows []sheetRow) bool {
	return len(rows) > 5 && !slices.ContainsFunc(rows, func(r sheetRow) bool { return utf8.RuneCountInString(r.cells[0].text) > maxItem })
}

// lines makes paragraphs of a column of text; short lines that follow each other stay together.
func (g *sheetLayout) lines(rows []sheetRow) {
	var open []string
	flush := func() {
		if len(open) > 0 {
			g.paragraph(strings.Join(open, "\n"))
		}
		open = nil
	}
	for _, row := range rows {
		text := row.cells[0].text
		if utf8.RuneCountInString(text) > maxItem {
			flush()
			g.paragraph(text)
			continue
		}
		open = append(open, text)
	}
	flush()
}

func joinCells(rows []sheetRow) string {
	var b strings.Builder
	for _, row := range rows {
		for i, c := range row.cells {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(strings.ReplaceAll(c.text, "\n", " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
