package extract

import (
	"slices"
	"strings"
)

const (
	// maxColumns bounds what merged cells can make of a small table.
	maxColumns = 200
	// maxRepeat is how long a text may be that is repeated for every row and column its cell covers.
	maxRepeat = 500
	// maxGrid bounds the tables of one file: bytes of text, and cellCost for each cell, which may be empty.
	maxGrid  = 2 * maxText
	cellCost = 16
)

// gridCell is a cell as a file has it.
type gridCell struct {
	text         string
	across, down int  // how many columns and rows it covers, where that is more than 1
	covered      bool // a place that an earlier cell covers, in formats that write these too
}

// grid lays out the rows of a table. What a merged cell says is repeated for each row that it covers, and for each column
// unless most rows are merged, as in a form; so every cell can be read by itself.
type grid struct {
	rows   [][]string
	held   map[int]heldCell // what reaches down into the next row, by column
	wide   []widePlace
	merged int // rows with cells that are merged over columns, beside others
	titles int // rows at the top that are one cell
	spent  *int
	gaps   bool // rows without text are kept
}

// heldCell is what reaches down: text in its first column, and in the others what may be repeated there.
type heldCell struct {
	text, wide string
	rows       int
}

// widePlace is a place that a cell merged over columns covers.
type widePlace struct {
	row, column int
	text        string
}

func newGrid(spent *int) *grid { return &grid{held: map[int]heldCell{}, spent: spent} }

// add lays out a row. One without text is dropped, unless gaps are kept, and so is one without a cell of its own.
func (g *grid) add(cells []gridCell) error {
	var line []string
	own, across, skip, wide := 0, 1, 0, len(g.wide)
	for _, c := range cells {
		if len(line) >= maxFields {
			break
		}
		switch {
		case c.covered && skip > 0:
			skip--
		case c.covered:
			line = g.take(line)
		default:
			line = g.takeAll(line)
			line = g.place(c, line)
			own, across, skip = own+1, max(across, c.across), c.across-1
		}
	}
	line = g.takeAll(line)
	if own == 0 && len(line) > 0 || !g.gaps && !slices.ContainsFunc(line, isFilled) {
		g.wide = g.wide[:wide]
		return nil
	}
	if own == 1 && len(line) > 1 && g.titles == len(g.rows) {
		g.titles++
	}
	if own > 1 && across > 1 {
		g.merged++
	}
	g.rows = append(g.rows, line)
	if *g.spent += rowSize(line) + cellCost*len(line); *g.spent > maxGrid {
		return &Error{Reason: ReasonTooLarge, Detail: "tables of more cells than the limit"}
	}
	return nil
}

// place puts a cell at the end of a row, and notes what it covers.
func (g *grid) place(c gridCell, line []string) []string {
	repeated := c.text
	if len(repeated) > maxRepeat {
		repeated = ""
	}
	if c.down > 1 {
		g.held[len(line)] = heldCell{text: repeated, rows: c.down - 1}
	}
	line = append(line, c.text)
	for range min(c.across-1, maxColumns-len(line)) {
		if c.down > 1 {
			g.held[len(line)] = heldCell{wide: repeated, rows: c.down - 1}
		}
		line = g.cover(line, repeated)
	}
	return line
}

func (g *grid) cover(line []string, text string) []string {
	if text != "" {
		g.wide = append(g.wide, widePlace{len(g.rows), len(line), text})
	}
	return append(line, "")
}

// take fills the next place of a row with what reaches down to it from the rows above.
func (g *grid) take(line []string) []string {
	h := g.held[len(line)]
	if h.rows <= 1 {
		delete(g.held, len(line))
	} else {
		h.rows--
		g.held[len(line)] = h
	}
	if h.wide != "" {
		return g.cover(line, h.wide)
	}
	return append(line, h.text)
}

func (g *grid) takeAll(line []string) []string {
	for g.held[len(line)].rows > 0 {
		line = g.take(line)
	}
	return line
}

// lines returns the rows, without the columns in which no cell begins.
func (g *grid) lines() [][]string {
	var used []bool
	for _, row := range g.rows {
		used = append(used, make([]bool, max(len(row)-len(used), 0))...)
		for i, cell := range row {
			used[i] = used[i] || isFilled(cell)
		}
	}
	if g.merged*2 <= len(g.rows) {
		g.spread()
	}
	g.joinHeader()
	if !slices.Contains(used, false) {
		return g.rows
	}
	for i, row := range g.rows {
		kept := row[:0]
		for k, cell := range row {
			if used[k] {
				kept = append(kept, cell)
			}
		}
		g.rows[i] = kept
	}
	return g.rows
}

// joinHeader makes one row of a header of two: groups, which are merged over columns, and the names in each of them.
func (g *grid) joinHeader() {
	if len(g.rows) < g.titles+3 {
		return
	}
	groups := map[int]string{}
	for _, place := range g.wide {
		if place.row == g.titles {
			groups[place.column] = place.text
			if _, ok := groups[place.column-1]; !ok {
				groups[place.column-1] = place.text
			}
		}
	}
	if len(groups) == 0 {
		return
	}
	above, below := g.rows[g.titles], g.rows[g.titles+1]
	joined := slices.Clone(above)
	for i := range max(len(above), len(below)) {
		if i == len(joined) {
			joined = append(joined, "")
		}
		name := ""
		if i < len(below) {
			name = below[i]
		}
		switch group, ok := groups[i]; {
		case ok && (!isFilled(name) || isNumber(name) && !isYear(name)):
			return // there are no names
		case ok && name != group:
			joined[i] = group + " – " + name
		case isFilled(joined[i]) && isFilled(name) && name != joined[i]:
			return // it is a row of its own
		case !isFilled(joined[i]):
			joined[i] = name
		}
	}
	g.rows[g.titles+1] = joined
	g.rows = slices.Delete(g.rows, g.titles, g.titles+1)
}

// spread repeats merged cells in the columns they cover, unless they are alone in their row.
func (g *grid) spread() {
	row, alone := -1, false
	for _, place := range g.wide {
		line := g.rows[place.row]
		if place.row != row {
			filled := 0
			for _, cell := range line {
				if isFilled(cell) {
					filled++
				}
			}
			row, alone = place.row, filled < 2
		}
		if !alone {
			line[place.column] = place.text
		}
	}
}

// blocks makes a table of the rows. Those at its top that are one cell are its title.
func (g *grid) blocks() []Block {
	var blocks []Block
	rows := g.lines()
	for _, row := range rows[:g.titles] {
		blocks = append(blocks, Block{Kind: Paragraph, Text: strings.Join(row, "")})
	}
	return append(blocks, tableOf(rows[g.titles:])...)
}

// tableOf makes a table whose first row names the columns, unless it is the only one.
func tableOf(rows [][]string) []Block {
	switch len(rows) {
	case 0:
		return nil
	case 1:
		return []Block{{Kind: Table, Rows: rows}}
	}
	return []Block{{Kind: Table, Header: rows[0], Rows: rows[1:]}}
}

func isFilled(cell string) bool { return strings.TrimSpace(cell) != "" }
