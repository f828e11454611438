package extract

import (
	"cmp"
	"math"
	"slices"
)

// pdfGrid is a table that ruling lines draw.
type pdfGrid struct {
	across, down []pdfRule
	xs, ys       []float64 // edges of columns from left to right, and of rows from top to bottom
}

// minCell is the least width and height of a cell, in points.
const minCell = 5

// takeTables takes the text of tables that ruling lines draw out of a page's lines, and leaves a line that stands for each
// table where its first line was.
func takeTables(lines []pdfLine, grids []pdfGrid) []pdfLine {
	if len(grids) == 0 {
		return lines
	}
	inside := make([][]pdfLine, len(grids))
	of := make([]int, len(lines)) // number of the grid from 1
	for i := range lines {
		if g := slices.IndexFunc(grids, func(g pdfGrid) bool { return g.holds(&lines[i], 0) }); g >= 0 {
			of[i] = g + 1
			inside[g] = append(inside[g], lines[i])
		}
	}
	tables := make([]*pdfTable, len(grids))
	for g := range grids {
		tables[g] = grids[g].table(inside[g])
	}
	var out []pdfLine
	placed := make([]bool, len(grids))
	for i, l := range lines {
		switch g := of[i] - 1; {
		case g < 0 || tables[g] == nil:
			out = append(out, l)
		case !placed[g]:
			placed[g] = true
			out = append(out, tables[g].line())
		}
	}
	return out
}

// gridsOf finds the tables that ruling lines draw, cell for cell, and the frames that may hold one: lines across the page, with
// or without a border around them.
func gridsOf(rules []pdfRule) (grids, frames []pdfGrid) {
	var alone []pdfRule
	for _, g := range touching(rules) {
		switch {
		case len(g.down) == 0:
			alone = append(alone, g.across...)
		case len(g.across) < 2:
		default:
			if g.measure(); len(g.xs) > 2 && len(g.ys) > 2 {
				grids = append(grids, g)
			} else if len(g.ys) > 3 {
				frames = append(frames, g)
			}
		}
	}
	return grids, append(frames, ladders(alone)...)
}

// touching puts rules that touch each other together.
func touching(rules []pdfRule) []pdfGrid {
	parent := make([]int, len(rules))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for i := range rules {
		for k := range rules {
			if !rules[i].down && rules[k].down && touch(&rules[i], &rules[k]) {
				parent[root(i)] = root(k)
			}
		}
	}
	var out []pdfGrid
	groups := map[int]int{} // places in out, by root
	for i, r := range rules {
		at, known := groups[root(i)]
		if !known {
			at = len(out)
			groups[root(i)] = at
			out = append(out, pdfGrid{})
		}
		if g := &out[at]; r.down {
			g.down = append(g.down, r)
		} else {
			g.across = append(g.across, r)
		}
	}
	return out
}

func touch(across, down *pdfRule) bool {
	return down.at >= across.from-ruleSlack && down.at <= across.to+ruleSlack && across.at >= down.from-ruleSlack && across.at <= down.to+ruleSlack
}

// measure finds the edges of columns and rows: where rules run along a good part of the grid, or where several of them end.
func (g *pdfGrid) measure() {
	const alongColumn, alongRow = 0.3, 0.15 // as cells may span
	left, right := ruleExtent(g.across)
	bottom, top := ruleExtent(g.down)
	if len(g.across) > 1 {
		bottom, top = math.Inf(1), math.Inf(-1)
		for _, r := range g.across {
			bottom, top = min(bottom, r.at), max(top, r.at)
		}
	}
	for _, y := range sharedEnds(g.down) {
		bottom, top = min(bottom, y), max(top, y)
	}
	g.xs = append(rulePositions(g.down, bottom, top, alongColumn), left, right)
	g.ys = append(rulePositions(g.across, left, right, alongRow), bottom, top)
	g.xs, g.ys = cellEdges(g.xs), cellEdges(g.ys)
	slices.Reverse(g.ys)
}

// ruleExtent returns from where to where rules run.
func ruleExtent(rules []pdfRule) (from, to float64) {
	from, to = math.Inf(1), math.Inf(-1)
	for _, r := range rules {
		from, to = min(from, r.from), max(to, r.to)
	}
	return from, to
}

// sharedEnds returns where at least two rules end.
func sharedEnds(rules []pdfRule) []float64 {
	var ends, out []float64
	for _, r := range rules {
		ends = append(ends, r.from, r.to)
	}
	slices.Sort(ends)
	for i := 1; i < len(ends); i++ {
		if ends[i]-ends[i-1] <= ruleSlack {
			out = append(out, ends[i])
		}
	}
	return out
}

// rulePositions returns where rules run that together cover a share of what lies between from and to.
func rulePositions(rules []pdfRule, from, to, share float64) []float64 {
	sorted := slices.Clone(rules)
	slices.SortFunc(sorted, func(a, b pdfRule) int { return cmp.Compare(a.at, b.at) })
	var out []float64
	for i := 0; i < len(sorted); {
		first, covered := i, 0.0
		for ; i < len(sorted) && sorted[i].at-sorted[first].at <= ruleSlack; i++ {
			covered += max(min(sorted[i].to, to)-max(sorted[i].from, from), 0)
		}
		if covered >= share*(to-from) {
			out = append(out, sorted[first].at)
		}
	}
	return out
}

// cellEdges sorts positions and drops those that are too near to the one before.
func cellEdges(at []float64) []float64 {
	slices.Sort(at)
	out := at[:0]
	for _, v := range at {
		if len(out) == 0 || v-out[len(out)-1] >= minCell {
			out = append(out, v)
		}
	}
	return out
}

// ladders are lines across the page of equal length, three or more of them below each other.
func ladders(across []pdfRule) []pdfGrid {
	var groups []pdfGrid
	for _, r := range across {
		if r.to-r.from < 20*minCell {
			continue
		}
		g := slices.IndexFunc(groups, func(g pdfGrid) bool {
			return math.Abs(g.across[0].from-r.from) < ruleSlack && math.Abs(g.across[0].to-r.to) < ruleSlack
		})
		if g < 0 {
			groups = append(groups, pdfGrid{})
			g = len(groups) - 1
		}
		groups[g].across = append(groups[g].across, r)
	}
	for i := range groups {
		groups[i].measure()
	}
	return slices.DeleteFunc(groups, func(g pdfGrid) bool { return len(g.ys) < 3 })
}

// headRoom is how far above its first line across a table may begin, in points: two lines of text.
const headRoom = 40

// trimmed returns the frames around what stands in columns: above and below, lines across the page may part text that does not.
func trimmed(frames []pdfGrid, lines []pdfLine) []pdfGrid {
	var out []pdfGrid
	for _, g := range frames {
		var inside []pdfLine
		for i := range lines {
			if g.holds(&lines[i], headRoom) { // the header may stand above the first line
				inside = append(inside, lines[i])
			}
		}
		if len(inside) < 4 || g.isUnderline(inside) {
			continue
		}
		columns := riverColumns(inside)
		rows := visualRows(inside)
		for len(rows) > 0 && !inColumns(rows[0], columns) {
			rows = rows[1:]
		}
		for len(rows) > 0 && crosses(rows[len(rows)-1], columns) {
			rows = rows[:len(rows)-1]
		}
		if len(rows) < 2 || isProse(rows, columns) || trailing(rows, columns)*3 > len(rows) {
			continue
		}
		first, last := rows[0][0], rows[len(rows)-1][0]
		g.ys = slices.DeleteFunc(g.ys, func(y float64) bool { return y > first.top || y < last.bottom })
		g.ys = append(append([]float64{first.top + 1}, g.ys...), last.bottom-1)
		out = append(out, g)
	}
	return out
}

// isUnderline reports whether text runs out of a frame: its lines are not of a table, but below words of equal length.
func (g *pdfGrid) isUnderline(lines []pdfLine) bool {
	left, right := g.xs[0], g.xs[len(g.xs)-1]
	return slices.ContainsFunc(lines, func(l pdfLine) bool { return l.x0 < left-l.size || l.x1 > right+l.size })
}

// inColumns reports whether a row has text in several columns and none across them.
func inColumns(row []*pdfLine, columns [][2]float64) bool {
	return countPhrases(row) > 1 && !crosses(row, columns)
}

func crosses(row []*pdfLine, columns [][2]float64) bool {
	return slices.ContainsFunc(row, func(l *pdfLine) bool {
		return slices.ContainsFunc(phrases(l), func(part pdfLine) bool { return !withinColumn(columns, &part) })
	})
}

// holds reports whether the middle of a line lies in the grid, or up to some points above it.
func (g *pdfGrid) holds(l *pdfLine, above float64) bool {
	x, y := (l.x0+l.x1)/2, middle(l)
	return !l.turned && l.table == nil && x > g.xs[0] && x < g.xs[len(g.xs)-1] && y < g.ys[0]+above && y > g.ys[len(g.ys)-1]
}

// middle is the height in which a line's letters stand.
func middle(l *pdfLine) float64 { return l.base + 0.25*l.size }

// table makes a table of the lines in the grid, or returns nil when they are none.
func (g *pdfGrid) table(lines []pdfLine) *pdfTable {
	if len(lines) < 3 {
		return nil
	}
	t := &pdfTable{top: g.ys[0], bottom: g.ys[len(g.ys)-1], size: medianSize(lines), tag: lines[0].tag}
	if len(g.xs) == 2 {
		g.byRows(t, lines)
	} else {
		g.byCells(t, lines)
	}
	t.dropEmpty()
	if !t.isTable() {
		return nil
	}
	return t
}

// byRows makes a row of each row of lines, because the grid has lines only around them, or below the header.
func (g *pdfGrid) byRows(t *pdfTable, lines []pdfLine) {
	if t.columns = riverColumns(lines); len(t.columns) < 2 {
		return
	}
	if len(g.ys)-1 > fewBands { // a line between any two rows
		for i := 1; i < len(g.ys); i++ {
			var band []pdfLine
			for k := range lines {
				if y := middle(&lines[k]); y < g.ys[i-1] && y >= g.ys[i] {
					band = append(band, lines[k])
				}
			}
			t.rows = append(t.rows, rowOf(splitAtColumns(band, t.columns), t.columns))
		}
		return
	}
	t.rows = fillGrid(visualRows(splitAtColumns(lines, t.columns)), t.columns)
}

// rowOf makes a row of lines, each of which stands in one column.
func rowOf(lines []pdfLine, columns [][2]float64) pdfRow {
	row := newRow(len(columns))
	for i := range lines {
		row.add(columnAt(columns, (lines[i].x0+lines[i].x1)/2), &lines[i])
	}
	return row
}

// byCells puts each line into the cell that it stands in.
func (g *pdfGrid) byCells(t *pdfTable, lines []pdfLine) {
	for i := 1; i < len(g.xs); i++ {
		t.columns = append(t.columns, [2]float64{g.xs[i-1], g.xs[i]})
	}
	t.rows = make([]pdfRow, len(g.ys)-1)
	for i := range t.rows {
		t.rows[i] = newRow(len(t.columns))
	}
	for i := range lines {
		l := &lines[i]
		column, first, last := g.cell((l.x0+l.x1)/2, middle(l))
		if last > first {
			t.spans++
			t.rows[first].spans, t.rows[last].spans = true, true
		}
		t.rows[first].lines = append(t.rows[first].lines, l)
		for r := first; r <= last; r++ { // a cell that spans rows is repeated in each, so that every row can be read alone
			t.rows[r].cells[column] = append(t.rows[r].cells[column], l)
		}
	}
	var rows []pdfRow
	for i, row := range t.rows {
		switch inner := groupRows(slices.Clone(row.lines)); {
		case row.spans:
			rows = append(rows, row)
		case len(t.rows) <= fewBands && inColumnsOf(inner, t.columns) >= 3:
			rows = append(rows, fillGrid(inner, t.columns)...)
		case i == 0:
			rows = append(rows, row)
		default:
			rows = append(rows, row.split()...)
		}
	}
	t.rows = rows
}

// fewBands is how many bands between lines across it a table has at most that does not draw them between all rows.
const fewBands = 3

// inColumnsOf returns how many rows have text in several columns.
func inColumnsOf(rows [][]*pdfLine, columns [][2]float64) int {
	n := 0
	for _, row := range rows {
		first, last := row[0], row[len(row)-1]
		if columnAt(columns, (first.x0+first.x1)/2) != columnAt(columns, (last.x0+last.x1)/2) {
			n++
		}
	}
	return n
}

// split parts a row in which three or more cells have as many lines, side by side: the rules leave out some rows.
func (r *pdfRow) split() []pdfRow {
	lines, several := 0, 0
	var first []*pdfLine // of the cells with several lines
	for _, cell := range r.cells {
		switch n := len(cell); {
		case n < 2:
		case lines == 0 || n == lines:
			lines = n
			several++
			first = append(first, cell...)
		default:
			return []pdfRow{*r}
		}
	}
	rows := groupRows(first)
	if several < 3 || len(rows) != lines {
		return []pdfRow{*r}
	}
	out := make([]pdfRow, lines)
	for i := range out {
		out[i] = newRow(len(r.cells))
	}
	for column, cell := range r.cells {
		for _, l := range cell {
			if len(cell) == 1 { // beside all of them
				for k := range out {
					out[k].cells[column] = cell
				}
				out[0].lines = append(out[0].lines, l)
				continue
			}
			at := slices.IndexFunc(rows, func(row []*pdfLine) bool { return math.Abs(row[0].base-l.base) < 0.5*l.size })
			out[max(at, 0)].add(column, l)
		}
	}
	return out
}

// cell returns the first column of the cell at a place, and the rows that it spans.
func (g *pdfGrid) cell(x, y float64) (column, first, last int) {
	for column+2 < len(g.xs) && g.xs[column+1] <= x {
		column++
	}
	for first+2 < len(g.ys) && g.ys[first+1] >= y {
		first++
	}
	last = first
	for column > 0 && !ruled(g.down, g.xs[column], y) {
		column--
	}
	for first > 0 && !ruled(g.across, g.ys[first], x) {
		first--
	}
	for last+2 < len(g.ys) && !ruled(g.across, g.ys[last+1], x) {
		last++
	}
	return column, first, last
}

// ruled reports whether one of the rules runs at a place and covers a point of it.
func ruled(rules []pdfRule, at, through float64) bool {
	return slices.ContainsFunc(rules, func(r pdfRule) bool {
		return math.Abs(r.at-at) < minCell && r.from-ruleSlack <= through && through <= r.to+ruleSlack
	})
}
