package extract

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pdfTable is a table and where its columns stand.
type pdfTable struct {
	rows        []pdfRow
	columns     [][2]float64
	top, bottom float64
	size        float64 // of the type
	tag         *pdfTag
	spans       int // lines of cells that span rows
}

// pdfRow is a row of a table.
type pdfRow struct {
	cells [][]*pdfLine // for each column
	lines []*pdfLine   // that stand in the row and in no other
	spans bool         // into another row
}

func newRow(columns int) pdfRow { return pdfRow{cells: make([][]*pdfLine, columns)} }

func (r *pdfRow) add(column int, l *pdfLine) {
	r.cells[column] = append(r.cells[column], l)
	r.lines = append(r.lines, l)
}

// isBold reports whether a row is in bold, as that of a header may be.
func (r *pdfRow) isBold() bool {
	return len(r.lines) > 0 && !slices.ContainsFunc(r.lines, func(l *pdfLine) bool { return !l.bold })
}

// filled returns how many cells have text.
func (r *pdfRow) filled() int {
	n := 0
	for _, cell := range r.cells {
		if len(cell) > 0 {
			n++
		}
	}
	return n
}

// line returns a line that stands for the table in the flow of the page.
func (t *pdfTable) line() pdfLine {
	first, last := t.columns[0], t.columns[len(t.columns)-1]
	return pdfLine{table: t, x0: min(first[0], last[0]), x1: max(first[1], last[1]), base: t.bottom, top: t.top, bottom: t.bottom, size: t.size, tag: t.tag}
}

// block returns the table as a block whose first row is the header, with a box for each row.
func (t *pdfTable) block(frame *pdfFrame) Block {
	b := Block{Kind: Table}
	t.orderColumns()
	for i, row := range t.rows {
		var cells []string
		for _, lines := range row.cells {
			cells = append(cells, cellText(lines))
		}
		if i == 0 {
			b.Header = cells
		} else {
			b.Rows = append(b.Rows, cells)
		}
		box := frame.around(row.lines)
		for _, cell := range cells {
			box.Runes += utf8.RuneCountInString(cell)
		}
		b.Boxes = append(b.Boxes, box)
	}
	return b
}

// around returns the shares of the page that lines cover.
func (f *pdfFrame) around(lines []*pdfLine) Box {
	if len(lines) == 0 {
		return Box{}
	}
	all := lines[0].box()
	for _, l := range lines[1:] {
		all = all.join(l.box())
	}
	return f.shown(all)
}

// cellText joins the lines of a cell from top to bottom.
func cellText(lines []*pdfLine) string {
	slices.SortStableFunc(lines, func(a, b *pdfLine) int {
		switch {
		case math.Abs(a.base-b.base) > 0.4*min(a.size, b.size):
			return cmp.Compare(b.base, a.base)
		case a.rightToLeft && b.rightToLeft:
			return cmp.Compare(b.x1, a.x1)
		}
		return cmp.Compare(a.x0, b.x0)
	})
	var t pdfText
	for _, l := range lines {
		t.add(l, 0, false)
	}
	text, _ := t.marked()
	return text
}

// orderColumns puts the columns of a table in right-to-left script into the order in which they are read.
func (t *pdfTable) orderColumns() {
	lines, turned := 0, 0
	for _, row := range t.rows {
		for _, l := range row.lines {
			if strings.ContainsFunc(l.text, unicode.IsLetter) {
				if lines++; l.rightToLeft {
					turned++
				}
			}
		}
	}
	if turned*2 <= lines {
		return
	}
	slices.Reverse(t.columns)
	for _, row := range t.rows {
		slices.Reverse(row.cells)
	}
}

// dropEmpty drops rows and columns without text.
func (t *pdfTable) dropEmpty() {
	t.rows = slices.DeleteFunc(t.rows, func(r pdfRow) bool { return r.filled() == 0 })
	for c := len(t.columns) - 1; c >= 0; c-- {
		if slices.ContainsFunc(t.rows, func(r pdfRow) bool { return len(r.cells[c]) > 0 }) {
			continue
		}
		t.columns = slices.Delete(t.columns, c, c+1)
		for i := range t.rows {
			t.rows[i].cells = slices.Delete(t.rows[i].cells, c, c+1)
		}
	}
}

// Of a table that ruling lines draw: what has more text in a cell on average lays out a page.
const maxCellRunes = 400

// isTable tells a table that ruling lines draw from a frame around text, and from a layout.
func (t *pdfTable) isTable() bool {
	if len(t.columns) < 2 || len(t.rows) < 2 {
		return false
	}
	full, cells, runes, lines := 0, 0, 0, 0
	for i := range t.rows {
		lines += len(t.rows[i].lines)
		filled := t.rows[i].filled()
		if cells += filled; filled > 1 {
			full++
		}
		for _, l := range t.rows[i].lines {
			runes += utf8.RuneCountInString(l.text)
		}
	}
	return full > 0 && full*3 >= len(t.rows) && runes < cells*maxCellRunes && t.spans*2 <= lines // else boxes of a diagram
}

// Tables without ruling lines

// find looks for a table at the head of lines, which are in reading order, and returns it with the number of lines it
// takes, or 0. Rows whose cells stand side by side, three or more of them under each other, in columns that white space
// parts from top to bottom, are taken for one.
func (s *tableSearch) find(lines []pdfLine) (*pdfTable, int) {
	const tries = 3 // first rows may be headers that do not align
	if len(lines) < 3 || isMarker(lines[0].text) || s.looked > maxLooked || len(lines) > s.rest && s.failed >= tries {
		return nil, 0
	}
	if len(lines) <= s.rest {
		s.failed = 0
	}
	t, n := s.phrased(lines)
	if n == 0 && sameRow(&lines[0], &lines[1]) {
		t, n = s.aligned(lines)
	}
	return t, n
}

// tableSearch is the search for tables on a page. Where none was found after some lines, none is looked for up to where those
// ended that were looked at.
type tableSearch struct {
	looked int // lines
	failed int // times
	rest   int // how many lines are left behind those that were looked at
}

// maxLooked bounds how many lines are looked at for tables on one page.
const maxLooked = 100_000

// phrased looks for a table whose cells stand so near each other that they look like the words of one line.
func (s *tableSearch) phrased(lines []pdfLine) (*pdfTable, int) {
	if len(phrases(&lines[0])) < 2 && !sameRow(&lines[0], &lines[1]) {
		return nil, 0
	}
	n := s.extent(lines)
	if s.rest = len(lines) - n; n < 3 {
		return nil, 0
	}
	s.failed++
	columns := riverColumns(lines[:n])
	first := rowLength(lines[:n])
	if first == n || len(columns) < 2 || len(riverColumns(lines[first:n])) > len(columns) { // the first row does not align: it may be a header
		return nil, 0
	}
	rows := visualRows(splitAtColumns(lines[:n], columns))
	if crossing(rows, columns)*8 > len(rows) || !alignsAsTable(rows, columns) {
		return nil, 0
	}
	t := &pdfTable{rows: fillGrid(rows, columns), columns: columns, top: lines[0].base, bottom: lines[n-1].base, size: lines[0].size}
	if t.narrow() || !t.isPlausible() {
		return nil, 0
	}
	s.failed, s.rest = 0, len(lines)
	return t, n
}

// extent returns how many lines from the first on may belong to such a table: until one runs across its columns.
func (s *tableSearch) extent(lines []pdfLine) int {
	end, measured := 0, 0
	label := phrases(&lines[0])[0].x1
	var columns [][2]float64
	for i := 0; i < len(lines) && i < maxTableLines; {
		l := &lines[i]
		row := rowLength(lines[i:])
		if l.table != nil || l.turned || i > 0 && math.Abs(lines[i-1].base-l.base) > 3*l.size {
			break
		}
		if row > 1 || len(phrases(l)) > 1 {
			i += row
			end = i
			continue
		}
		if measured < end-end/4 {
			s.looked += end
			columns, measured = riverColumns(lines[:end]), end
		}
		if !withinColumn(columns, l) || i-end > 6 {
			break
		}
		if i == end && l.x0 > label && lines[i-1].base-l.base < 1.6*l.size {
			end = i + 1 // a cell of the last row goes on
		}
		i++
	}
	return end
}

// trailing returns how many rows have text in the first column alone, as lines of justified prose may.
func trailing(rows [][]*pdfLine, columns [][2]float64) int {
	n := 0
	for _, row := range rows {
		if !slices.ContainsFunc(row, func(l *pdfLine) bool { return columnAt(columns, l.x0) > 0 }) {
			n++
		}
	}
	return n
}

// crossing returns how many rows run across columns.
func crossing(rows [][]*pdfLine, columns [][2]float64) int {
	n := 0
	for _, row := range rows {
		if crosses(row, columns) {
			n++
		}
	}
	return n
}

// narrow reports whether the space between columns may be one between words.
func (t *pdfTable) narrow() bool {
	var gaps []float64
	for _, row := range t.rows {
		for i := 1; i < len(row.cells); i++ {
			if a, b := row.cells[i-1], row.cells[i]; len(a) > 0 && len(b) > 0 {
				gaps = append(gaps, b[0].x0-a[0].x1)
			}
		}
	}
	if len(gaps) == 0 {
		return true
	}
	wide := 1.1 * t.size
	if len(t.rows) > 4 {
		wide = 0.7 * t.size
	}
	return median(gaps) < wide
}

// aligned looks for a table at the head of lines each of which is a cell, or a line of one.
func (s *tableSearch) aligned(lines []pdfLine) (*pdfTable, int) {
	for n := tableExtent(lines); n >= 6; n = lastRow(lines[:n]) {
		s.looked += n
		rows := visualRows(lines[:n])
		columns := columnsOf(rows)
		if len(columns) < 2 || !fits(rows, columns) {
			continue
		}
		if !alignsAsTable(rows, columns) {
			break
		}
		last := rows[len(rows)-1][0]
		t := &pdfTable{rows: fillGrid(rows, columns), columns: columns, top: rows[0][0].base, bottom: last.base, size: rows[0][0].size}
		if !t.isPlausible() {
			break
		}
		return t, n
	}
	return nil, 0
}

// isPlausible tells a table that no rules draw from a list with its numbers, and from a label beside text.
func (t *pdfTable) isPlausible() bool {
	labels, markers := 0, 0
	for _, row := range t.rows {
		if len(row.cells[0]) > 0 {
			labels++
			if isMarker(row.cells[0][0].text) {
				markers++
			}
		}
	}
	return len(t.rows) > 2 && markers*2 <= labels && (len(t.columns) > 2 || labels*2 > len(t.rows))
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
func (t *pdfTable) overhead(l *pdfLine) *pdfRow {
	if gap := l.base - t.top; gap < 0.5*t.size || gap > 3*t.size || l.turned || l.rightToLeft ||
		l.size > 1.1*t.size || len(l.words) < 2 {
		return nil
	}
	header := newRow(len(t.columns))
	last := -1
	for _, phrase := range phrases(l) {
		at := columnAt(t.columns, phrase.x0)
		if mid := columnAt(t.columns, (phrase.x0+phrase.x1)/2); len(header.cells[at]) > 0 || at == last {
			at = mid // centred over its column
		}
		if at <= last {
			return nil
		}
		header.add(at, &phrase)
		last = at
	}
	if header.filled()*2 <= len(t.columns) || utf8.RuneCountInString(l.text) > 30*len(t.columns) {
		return nil
	}
	return &header
}

// phrases cuts a line where more than a blank parts its words.
func phrases(l *pdfLine) []pdfLine {
	var cuts []int
	for i := 1; i < len(l.words); i++ {
		if l.words[i].x0-l.words[i-1].x1 >= 0.7*l.size {
			cuts = append(cuts, i)
		}
	}
	return l.cut(cuts)
}

// countPhrases returns how many phrases the lines of a row have.
func countPhrases(row []*pdfLine) int {
	n := 0
	for _, l := range row {
		n += len(phrases(l))
	}
	return n
}

// cut returns the parts of a line that begin at its start and at the given words.
func (l *pdfLine) cut(words []int) []pdfLine {
	if len(words) == 0 {
		return []pdfLine{*l}
	}
	var out []pdfLine
	start, first := 0, 0 // byte, word
	for _, next := range append(words, len(l.words)) {
		part := *l
		part.words = l.words[first:next]
		part.x0, part.x1 = part.words[0].x0, part.words[0].x1
		end := start
		for i := range part.words {
			end += len(part.words[i].text) + 1
			part.x1 = max(part.x1, part.words[i].x1)
		}
		part.text = l.text[start : end-1]
		part.links = nil
		for _, link := range l.links {
			if link.start, link.end = max(link.start, start), min(link.end, end-1); link.start < link.end {
				part.links = append(part.links, pdfLink{link.start - start, link.end - start, link.address})
			}
		}
		part.broken = l.broken && next == len(l.words)
		out = append(out, part)
		start, first = end, next
	}
	return out
}

// splitAtColumns cuts lines that run across columns.
func splitAtColumns(lines []pdfLine, columns [][2]float64) []pdfLine {
	var out []pdfLine
	for i := range lines {
		l := &lines[i]
		var cuts []int
		for w := 1; w < len(l.words); w++ {
			a, b := &l.words[w-1], &l.words[w]
			if columnAt(columns, (a.x0+a.x1)/2) != columnAt(columns, (b.x0+b.x1)/2) && b.x0-a.x1 >= 0.35*l.size {
				cuts = append(cuts, w)
			}
		}
		out = append(out, l.cut(cuts)...)
	}
	return out
}

var lettered = regexp.MustCompile(`^\(?([A-Za-z]|[ivxIVX]{1,5}|[0-9]{1,3})[.)]$`)

// isMarker reports whether a text is the bullet or the number of a list item.
func isMarker(s string) bool {
	marker, _ := splitMarker(s + " x")
	return marker == strings.TrimSpace(s) && marker != "" || lettered.MatchString(s)
}

// maxTableLines bounds how far ahead the end of a table is looked for.
const maxTableLines = 600

// tableExtent returns how many lines from the first on may belong to a table: they go on downwards without a large gap, and
// what stands alone in its row keeps within a column.
func tableExtent(lines []pdfLine) int {
	end, single := 0, 0
	var columns [][2]float64
	for i := 0; i < len(lines) && i < maxTableLines && lines[i].table == nil; {
		n := rowLength(lines[i:])
		gap := 0.0
		if i > 0 {
			gap = lines[i-1].base - lines[i].base
		}
		if math.Abs(gap) > 4*lines[i].size {
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

// rowLength returns how many lines from the first on stand side by side with it.
func rowLength(lines []pdfLine) int {
	n := 1
	for n < len(lines) && sameRow(&lines[0], &lines[n]) {
		n++
	}
	return n
}

// visualRows groups lines by baseline from top to bottom, each row from left to right.
func visualRows(lines []pdfLine) [][]*pdfLine {
	all := make([]*pdfLine, len(lines))
	for i := range lines {
		all[i] = &lines[i]
	}
	return groupRows(all)
}

// groupRows is visualRows for lines in a slice of its own, which it sorts.
func groupRows(lines []*pdfLine) [][]*pdfLine {
	slices.SortStableFunc(lines, func(a, b *pdfLine) int { return cmp.Compare(b.base, a.base) })
	var rows [][]*pdfLine
	for _, l := range lines {
		if last := len(rows) - 1; last >= 0 && sameRow(rows[last][0], l) {
			rows[last] = append(rows[last], l)
		} else {
			rows = append(rows, []*pdfLine{l})
		}
	}
	for _, row := range rows {
		slices.SortStableFunc(row, func(a, b *pdfLine) int { return cmp.Compare(a.x0, b.x0) })
	}
	return rows
}

// columnsOf returns the stretches across the page that cells of rows with several cells cover.
func columnsOf(rows [][]*pdfLine) [][2]float64 {
	var spans [][2]float64
	for _, row := range rows {
		if len(row) < 2 {
			continue
		}
		for _, cell := range row {
			spans = append(spans, [2]float64{cell.x0, cell.x1})
		}
	}
	slices.SortFunc(spans, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
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

// riverColumns returns the stretches across the page that words cover, parted by white space that runs down through nearly all
// rows of lines.
func riverColumns(lines []pdfLine) [][2]float64 {
	size := medianSize(lines)
	left, right := math.Inf(1), math.Inf(-1)
	for i := range lines {
		left, right = min(left, lines[i].x0), max(right, lines[i].x1)
	}
	const most = 4000 // points across
	if !(right-left > 0 && right-left < most) {
		return nil
	}
	rows := visualRows(lines)
	steps := make([]int, int(right-left)+3) // in the number of rows that cover a point
	for _, row := range rows {
		until := 0
		for _, l := range row {
			words := l.words
			if len(words) == 0 {
				words = []pdfWord{{x0: l.x0, x1: l.x1}}
			}
			for _, w := range words {
				if from, to := max(int(w.x0-left), until), min(int(w.x1-left)+1, len(steps)-1); from < to {
					steps[from]++
					steps[to]--
					until = to
				}
			}
		}
	}
	few := len(rows) / 8 // rows that may run across: subtitles
	river := 0.9 * size
	if len(rows) > 4 { // chance makes none that long
		river = 0.55 * size
	}
	var out [][2]float64
	start, covered := -1, 0
	for x, step := range steps {
		switch covered += step; {
		case covered > few && start < 0:
			start = x
			continue
		case covered > few || start < 0:
			continue
		}
		stretch := [2]float64{left + float64(start), left + float64(x)}
		start = -1
		if last := len(out) - 1; last >= 0 && stretch[0]-out[last][1] < river {
			out[last][1] = stretch[1]
		} else {
			out = append(out, stretch)
		}
	}
	return out
}

// fits reports whether no row has two cells in one column.
func fits(rows [][]*pdfLine, columns [][2]float64) bool {
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

// alignsAsTable tells a table from prose set in columns, whose lines fill the column, and from a few chance alignments.
func alignsAsTable(rows [][]*pdfLine, columns [][2]float64) bool {
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
	return (len(columns) > 2 || runes < cells*30) && !isProse(rows, columns) && trailing(rows, columns)*3 <= len(rows)
}

// isProse reports whether most lines are text and fill their column, as those of prose in several columns do.
func isProse(rows [][]*pdfLine, columns [][2]float64) bool {
	lines, full, runes := 0, 0, 0
	for _, row := range rows {
		for _, l := range row {
			c := columns[columnAt(columns, (l.x0+l.x1)/2)]
			lines++
			runes += utf8.RuneCountInString(l.text)
			if l.x1-l.x0 > 0.85*(c[1]-c[0]) {
				full++
			}
		}
	}
	return full*5 > lines*3 && runes > lines*18
}

// fillGrid puts cells into columns and rows that go on into the rows they belong to.
func fillGrid(rows [][]*pdfLine, columns [][2]float64) []pdfRow {
	leading := rowLeading(rows)
	var grid []pdfRow
	last := -1 // index of the row that began the last one of the grid
	for i, row := range rows {
		line := newRow(len(columns))
		for _, cell := range row {
			line.add(columnAt(columns, cell.x0), cell)
		}
		switch {
		case i > 0 && isNear(rows[i-1], row) && !spansRows(rows, i-1),
			i > 0 && len(line.cells[0]) == 0 && len(row) < len(rows[last]) && goesOn(rows[i-1], row, leading):
			grid[len(grid)-1].merge(line)
		default:
			if i > 0 && spansRows(rows, i-1) {
				for _, cell := range rows[i-1] {
					if at := columnAt(columns, cell.x0); len(line.cells[at]) == 0 {
						line.cells[at] = append(line.cells[at], cell)
					}
				}
			}
			last = i
			grid = append(grid, line)
		}
	}
	return grid
}

// isNear reports whether b is less than a line below a: a cell in the middle beside others of two lines.
func isNear(a, b []*pdfLine) bool { return a[0].base-b[0].base < 0.85*b[0].size }

// spansRows reports whether row i stands between two full rows and belongs to both.
func spansRows(rows [][]*pdfLine, i int) bool {
	if i == 0 || i+1 >= len(rows) || !isNear(rows[i-1], rows[i]) || !isNear(rows[i], rows[i+1]) {
		return false
	}
	return len(rows[i-1]) > 2 && len(rows[i-1]) == len(rows[i+1])
}

// goesOn reports whether b is as near to a as lines of one cell are, rather than rows.
func goesOn(a, b []*pdfLine, leading float64) bool {
	gap := a[0].base - b[0].base
	return gap < 0.9*leading || gap < 1.3*b[0].size
}

// merge adds the cells of a row that goes on.
func (r *pdfRow) merge(more pdfRow) {
	for i, cell := range more.cells {
		r.cells[i] = append(r.cells[i], cell...)
	}
	r.lines = append(r.lines, more.lines...)
}

// rowLeading returns the usual distance between rows.
func rowLeading(rows [][]*pdfLine) float64 {
	var gaps []float64
	for i := 1; i < len(rows); i++ {
		gaps = append(gaps, rows[i-1][0].base-rows[i][0].base)
	}
	if len(gaps) == 0 {
		return 0
	}
	return median(gaps)
}
