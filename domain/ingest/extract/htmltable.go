package extract

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// table reads a table of data as such, and one that only lays out a page as the flow of its cells.
func (w *htmlWalker) table(n *html.Node, z zone) {
	w.flush()
	rows := w.tableRows(n)
	if isLayout(n, rows) {
		w.layout(n, z)
		return
	}
	if caption := find(n, func(d *html.Node) bool { return d.DataAtom == atom.Caption }); caption != nil {
		w.block(caption, z, Block{Kind: Paragraph})
	}
	block := Block{Kind: Table, Furniture: z.furniture}
	g := newGrid(&w.spent)
	for _, row := range rows {
		cells := make([]gridCell, len(row))
		for i, cell := range row {
			cells[i] = gridCell{text: w.cellText(cell, z), across: span(cell, "colspan"), down: span(cell, "rowspan")}
		}
		if g.add(cells) != nil {
			break
		}
	}
	laid := len(g.rows)
	grid := g.lines()
	if len(grid) == 0 {
		return
	}
	if n := headerRows(rows) - (laid - len(grid)); n > 1 && n < len(grid) { // those that the grid has not joined
		block.Header, grid = joinHeaders(grid[:n]), grid[n:]
	}
	if block.Header == nil && (isHeaderRow(rows[0]) || len(grid) > 1 && !hasRowHeaders(rows)) {
		block.Header, grid = grid[0], grid[1:]
	}
	block.Rows = grid
	w.blocks = append(w.blocks, block)
}

// layout walks the cells of a table one after the other.
func (w *htmlWalker) layout(n *html.Node, z zone) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.DataAtom {
		case atom.Tbody, atom.Thead, atom.Tfoot, atom.Tr:
			if !w.isHidden(c) {
				w.layout(c, w.enter(c, z))
			}
		case atom.Td, atom.Th, atom.Caption:
			if !w.isHidden(c) {
				w.block(c, w.enter(c, z), Block{Kind: Paragraph})
			}
		}
	}
}

// tableRows returns the rows of n itself, not those of tables within its cells.
func (w *htmlWalker) tableRows(n *html.Node) [][]*html.Node {
	var rows [][]*html.Node
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.DataAtom {
		case atom.Thead, atom.Tbody, atom.Tfoot:
			rows = append(rows, w.tableRows(c)...)
		case atom.Tr:
			var cells []*html.Node
			for d := c.FirstChild; d != nil; d = d.NextSibling {
				if (d.DataAtom == atom.Td || d.DataAtom == atom.Th) && !w.isHidden(d) {
					cells = append(cells, d)
				}
			}
			if len(cells) > 0 && !w.isHidden(c) {
				rows = append(rows, cells)
			}
		}
	}
	return rows
}

// isLayout reports whether a table holds a page rather than data: tables or headings in its cells where it does not name its
// columns, or a single row or column.
func isLayout(n *html.Node, rows [][]*html.Node) bool {
	if role := attr(n, "role"); role == "presentation" || role == "none" {
		return true
	}
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	if columns < 2 || len(rows) < 2 {
		return true
	}
	named := len(rows[0]) > 1 && isHeaderRow(rows[0])
	return find(n, func(d *html.Node) bool {
		switch d.DataAtom {
		case atom.H1, atom.H2, atom.Form:
			return true
		case atom.Table, atom.H3, atom.H4, atom.Pre, atom.Blockquote:
			return !named
		}
		return false
	}) != nil
}

// headerRows counts the rows at the head of a table that name its columns together, as a row of groups and one of their members
// do; there are others below them.
func headerRows(rows [][]*html.Node) int {
	n := 0
	for n < len(rows) && n < 4 && len(rows[n]) > 1 && isHeaderRow(rows[n]) {
		n++
	}
	if n == len(rows) || n == 4 {
		return 1
	}
	return n
}

// joinHeaders puts the names of each column that stand in several rows into one.
func joinHeaders(grid [][]string) []string {
	var out []string
	for _, row := range grid {
		for i, name := range row {
			switch {
			case i == len(out):
				out = append(out, name)
			case out[i] == "":
				out[i] = name
			case name != "" && name != out[i]:
				out[i] += " " + name
			}
		}
	}
	return out
}

// hasRowHeaders reports whether each row begins with its own header, and none is a header for all: a list of properties.
func hasRowHeaders(rows [][]*html.Node) bool {
	for _, cells := range rows {
		if cells[0].DataAtom != atom.Th || isHeaderRow(cells) || cells[0].Parent.Parent.DataAtom == atom.Thead {
			return false
		}
	}
	return true
}

func isHeaderRow(cells []*html.Node) bool {
	for _, c := range cells {
		if c.DataAtom != atom.Th {
			return false
		}
	}
	return true
}

// cellText reads a cell with a walker of its own and joins what it finds.
func (w *htmlWalker) cellText(cell *html.Node, z zone) string {
	inner := &htmlWalker{whole: w.whole, open: Block{Kind: Paragraph}, base: w.base, panels: w.panels, spent: w.spent}
	inner.walk(cell, zone{furniture: z.furniture})
	inner.flush()
	w.spent = inner.spent
	return strings.ReplaceAll(joinBlocks(inner.blocks), "\n", " ")
}

func span(cell *html.Node, key string) int {
	n, err := strconv.Atoi(strings.TrimSpace(attr(cell, key)))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, 1000)
}
