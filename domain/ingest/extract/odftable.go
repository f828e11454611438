package extract

import (
	"cmp"
	"encoding/xml"
	"strconv"
)

// odfRow is a row of a table, without the empty cells at its end.
type odfRow struct {
	cells  []gridCell
	blocks []Block // of all cells
	times  int     // how often it is repeated
}

// table reads a table. One with a single column frames its content and becomes that.
func (r *odfReader) table(x *xmlReader, out *[]Block) error {
	g := newGrid(&r.spent)
	var framed []Block
	columns := 0
	err := r.rows(x, func(row odfRow) error {
		if columns = max(columns, len(row.cells)); columns <= 1 {
			framed = append(framed, row.blocks...)
		}
		return g.addTimes(row)
	})
	if columns <= 1 {
		*out = append(*out, framed...)
		return err
	}
	*out = append(*out, g.blocks()...)
	return err
}

// maxTimes bounds how often a row is read that is the same many times over, as in a column filled to the end of a sheet.
const maxTimes = 1000

// addTimes lays out a row as often as it is repeated.
func (g *grid) addTimes(row odfRow) error {
	times := min(row.times, maxTimes)
	if len(row.cells) == 0 {
		times = 1
	}
	for range times {
		if err := g.add(row.cells); err != nil {
			return err
		}
	}
	return nil
}

// rows calls do for the rows up to the end of the current element.
func (r *odfReader) rows(x *xmlReader, do func(odfRow) error) error {
	return x.eachWith(nil, func(e xml.StartElement) error {
		switch e.Name.Local {
		case "table-row":
			row, err := r.row(x)
			if err != nil {
				return err
			}
			row.times = odfRepeat(e, "number-rows-repeated")
			return do(row)
		case "table-header-rows", "table-rows", "table-row-group":
			return r.rows(x, do)
		case "shapes":
			return r.flow(x, &r.shapes)
		}
		return x.skip()
	})
}

func odfRepeat(e xml.StartElement, name string) int {
	n, err := strconv.Atoi(attrOf(e, name))
	if err != nil {
		return 1
	}
	return max(n, 1)
}

func (r *odfReader) row(x *xmlReader) (row odfRow, err error) {
	empty := 0 // cells not added yet
	err = x.each(func(e xml.StartElement) error {
		covered := e.Name.Local == "covered-table-cell"
		if e.Name.Local != "table-cell" && !covered {
			return x.skip()
		}
		var blocks []Block
		end := r.newNumbers()
		err := r.flow(x, &blocks)
		end()
		if err != nil {
			return err
		}
		cell := gridCell{text: joinBlocks(blocks), covered: covered, across: odfRepeat(e, "number-columns-spanned"), down: odfRepeat(e, "number-rows-spanned")}
		if len(blocks) == 0 {
			cell.text = odfValue(e)
		}
		times := min(odfRepeat(e, "number-columns-repeated"), maxFields)
		if cell.text == "" && !covered && cell.across == 1 && cell.down == 1 {
			empty = min(empty+times, maxFields)
			return nil
		}
		row.cells = append(row.cells, make([]gridCell, min(empty, max(maxFields-len(row.cells), 0)))...)
		empty = 0
		for range min(times, max(maxFields-len(row.cells), 0)) {
			row.cells = append(row.cells, cell)
		}
		if !covered {
			row.blocks = append(row.blocks, blocks...)
		}
		return nil
	})
	return row, err
}

// odfValue returns the value of a cell that a program wrote without the text that shows it.
func odfValue(e xml.StartElement) string {
	return cmp.Or(attrOf(e, "string-value"), attrOf(e, "date-value"), attrOf(e, "time-value"), attrOf(e, "boolean-value"), attrOf(e, "value"))
}

// sheet reads a sheet of a workbook: its name, its tables, and what floats above them.
func (r *odfReader) sheet(x *xmlReader, e xml.StartElement, out *[]Block) error {
	r.page++
	if r.style("table", attrOf(e, "style-name")).hidden {
		r.hidden.add(r.page)
	}
	g := newGrid(&r.spent)
	g.gaps, r.shapes = true, nil
	if err := r.rows(x, g.addTimes); err != nil {
		return err
	}
	blocks := append(sheetBlocks(sheetRowsOf(g.lines())), r.shapes...)
	*out = append(*out, namedSheet(attrOf(e, "name"), r.page, blocks)...)
	return nil
}
