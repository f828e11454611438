package extract

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// docxCell is a cell being read.
type docxCell struct {
	blocks []Block
	span   int
	merge  string // "restart", "continue" or ""
}

// table reads a table.
func (r *docxReader) table(x *xmlReader, out *[]Block) error {
	rows, err := r.tableRows(x)
	if err == nil {
		*out = append(*out, tableBlocks(rows)...)
	}
	return err
}

// tableBlocks makes a table of cells. One with a single column frames its content rather than tabulating it, and becomes that
// content.
func tableBlocks(rows [][]docxCell) []Block {
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	if columns == 1 {
		var content []Block
		for _, row := range rows {
			content = append(content, row[0].blocks...)
		}
		return content
	}
	return tableOf(docxGrid(rows))
}

func (r *docxReader) tableRows(x *xmlReader) (rows [][]docxCell, err error) {
	var row, table func(xml.StartElement) error
	row = func(e xml.StartElement) error {
		switch e.Name.Local {
		case "tc":
			cell, err := r.cell(x)
			last := len(rows) - 1
			rows[last] = append(rows[last], cell)
			return err
		case "sdt", "sdtContent", "customXml":
			return x.each(row)
		}
		return x.skip()
	}
	table = func(e xml.StartElement) error {
		switch e.Name.Local {
		case "tr":
			rows = append(rows, nil)
			err := x.each(row)
			if last := len(rows) - 1; len(rows[last]) == 0 {
				rows = rows[:last]
			}
			return err
		case "sdt", "sdtContent", "customXml":
			return x.each(table)
		}
		return x.skip()
	}
	err = x.each(table)
	return rows, err
}

func (r *docxReader) cell(x *xmlReader) (docxCell, error) {
	cell := docxCell{span: 1}
	err := x.each(func(e xml.StartElement) error {
		if e.Name.Local == "tcPr" {
			return cell.properties(x)
		}
		return r.element(x, e, &cell.blocks)
	})
	return cell, err
}

func (c *docxCell) properties(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "gridSpan":
			if n, err := strconv.Atoi(attrOf(e, "val")); err == nil {
				c.span = min(max(n, 1), maxColumns)
			}
		case "vMerge":
			c.merge = "continue"
			if attrOf(e, "val") == "restart" {
				c.merge = "restart"
			}
		}
		return x.skip()
	})
}

// docxGrid lays the cells out. A cell merged downwards is repeated in each row, so that every row can be read alone.
func docxGrid(rows [][]docxCell) [][]string {
	var grid [][]string
	merged := map[int]string{}
	for _, row := range rows {
		var line []string
		for _, cell := range row {
			if len(line) >= maxColumns {
				break
			}
			text := strings.ReplaceAll(joinBlocks(cell.blocks), "\n", " ")
			switch cell.merge {
			case "restart":
				merged[len(line)] = text
			case "continue":
				text = merged[len(line)]
			default:
				delete(merged, len(line))
			}
			line = append(line, text)
			for range min(cell.span-1, maxColumns-len(line)) {
				line = append(line, "")
			}
		}
		grid = append(grid, line)
	}
	return grid
}
