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
	rows := tableRows(n)
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
	grid := g.lines()
	if len(grid) == 0 {
		return
	}
	if isHeaderRow(rows[0]) || len(grid) > 1 {
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
			if !isHidden(c) {
				w.layout(c, w.enter(c, z))
			}
		case atom.Td, atom.Th, atom.Caption:
			if !isHidden(c) {
				w.block(c, w.enter(c, z), Block{Kind: Paragraph})
			}
		}
	}
}

// tableRows returns the rows of n itself, not those of tables within its cells.
func tableRows(n *html.Node) [][]*html.Node {
	var rows [][]*html.Node
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.DataAtom {
		case atom.Thead, atom.Tbody, atom.Tfoot:
			rows = append(rows, tableRows(c)...)
		case atom.Tr:
			var cells []*html.Node
			for d := c.FirstChild; d != nil; d = d.NextSibling {
				if (d.DataAtom == atom.Td || d.DataAtom == atom.Th) && !isHidden(d) {
					cells = append(cells, d)
				}
			}
			if len(cells) > 0 && !isHidden(c) {
				rows = append(rows, cells)
			}
		}
	}
	return rows
}

// isLayout reports whether a table holds a page rather than data: tables, headings or lists in its cells, or a single
// row or column.
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
	return find(n, func(d *html.Node) bool {
		switch d.DataAtom {
		case atom.Table, atom.H1, atom.H2, atom.H3, atom.H4, atom.Form, atom.Pre, atom.Blockquote:
			return true
		}
		return false
	}) != nil
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
	inner := &htmlWalker{whole: w.whole, open: Block{Kind: Paragraph}}
	inner.walk(cell, zone{furniture: z.furniture})
	inner.flush()
	var parts []string
	for _, b := range inner.blocks {
		parts = append(parts, strings.TrimSpace(b.Text))
	}
	return strings.Join(parts, " ")
}

func span(cell *html.Node, key string) int {
	n, err := strconv.Atoi(strings.TrimSpace(attr(cell, key)))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, 1000)
}
