package extract

import (
	"encoding/xml"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxMerged bounds the merged cells and links of a sheet, and how often they are looked at.
const maxMerged = 1 << 20

// sheetReader reads one sheet.
type sheetReader struct {
	*xlsxReader
	num    int // of the row being read
	rows   []sheetRow
	merges []cellRange
	links  []sheetLink
}

// cellRange is a rectangle of cells, counted from 1.
type cellRange struct{ row, col, lastRow, lastCol int }

// sheetLink is a link that a cell has, by the id of its address.
type sheetLink struct {
	row, col int
	id       string
}

// sheet returns the filled cells of a sheet as they are shown. With an error it returns those before the damage.
func (r *xlsxReader) sheet(part string) ([]sheetRow, error) {
	if r.files[part] == nil {
		return nil, errors.New("no such part")
	}
	s := &sheetReader{xlsxReader: r}
	err := r.part(part, func(x *xmlReader) error {
		return x.each(func(e xml.StartElement) error {
			if e.Name.Local != "worksheet" { // a diagram, or macros of the old kind
				return x.skip()
			}
			return x.each(func(e xml.StartElement) error { return s.element(x, e) })
		})
	})
	s.sort()
	if len(s.links) > 0 {
		addresses, _, linkErr := r.relations(part)
		err = errors.Join(err, linkErr)
		for _, l := range s.links {
			err = errors.Join(err, s.link(l, addresses[l.id]))
		}
	}
	return s.rows, errors.Join(err, s.merge())
}

func (s *sheetReader) element(x *xmlReader, e xml.StartElement) error {
	switch e.Name.Local {
	case "sheetData":
		return x.each(func(e xml.StartElement) error { return s.row(x, e) })
	case "mergeCells":
		return x.each(func(e xml.StartElement) error {
			if m, ok := parseRange(attrOf(e, "ref")); ok && len(s.merges) < maxMerged {
				s.merges = append(s.merges, m)
			}
			return x.skip()
		})
	case "hyperlinks":
		return x.each(func(e xml.StartElement) error {
			if m, ok := parseRange(attrOf(e, "ref")); ok && len(s.links) < maxMerged {
				s.links = append(s.links, sheetLink{m.row, m.col, idOf(e, "id")})
			}
			return x.skip()
		})
	}
	return x.skip()
}

func (s *sheetReader) row(x *xmlReader, e xml.StartElement) error {
	s.num++
	if n, err := strconv.Atoi(attrOf(e, "r")); err == nil && n >= 1 && n <= maxSheetRow {
		s.num = n
	}
	var cells []sheetCell
	col := 0
	err := x.each(func(e xml.StartElement) error {
		col++
		if at := parseColumn(attrOf(e, "r")); at > 0 {
			col = at
		}
		cell, err := s.cell(x, e)
		if err != nil || cell.text == "" { // empty ones are only formatted
			return err
		}
		cell.col = int32(min(col, maxSheetColumn))
		cells = append(cells, cell)
		return s.spend(1, len(cell.text))
	})
	if len(cells) > 0 {
		s.rows = append(s.rows, sheetRow{s.num, slices.Clip(cells)})
	}
	return err
}

// spend counts cells and text against the limits of the workbook.
func (r *xlsxReader) spend(cells, text int) error {
	r.cells -= cells
	r.text -= text
	if r.cells < 0 || r.text < 0 {
		return &Error{Reason: ReasonTooLarge, Detail: "more cells or text than the limit"}
	}
	return nil
}

var hyperlinkFormula = regexp.MustCompile(`(?i)^(?:_xlfn\.)?HYPERLINK\("([^"]+)"`)

// cell returns a cell as it is shown, without its column.
func (s *sheetReader) cell(x *xmlReader, e xml.StartElement) (cell sheetCell, err error) {
	kind := attrOf(e, "t")
	var style xlsxStyle
	if n, err := strconv.Atoi(attrOf(e, "s")); err == nil && n >= 0 && n < len(s.styles) {
		style = s.styles[n]
	}
	value, formula, stored := "", "", false
	err = x.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "v":
			value, err = x.content()
			stored = value != "" || kind == "str"
		case "f":
			formula, err = x.content()
			stored = stored || formula == ""
		case "is":
			value, err = richText(x)
		default:
			err = x.skip()
		}
		return err
	})
	if formula != "" && !stored {
		s.unstored++
	}
	cell.bold = style.bold
	cell.text, cell.number = s.show(kind, value, style.format)
	if m := hyperlinkFormula.FindStringSubmatch(formula); m != nil {
		cell.text = link(cell.text, m[1])
	}
	return cell, err
}

// show returns the value of a cell as it is shown.
func (s *sheetReader) show(kind, value string, format *numFormat) (text string, number bool) {
	switch kind {
	case "s":
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 || n >= len(s.shared) {
			return "", false
		}
		value = s.shared[n]
	case "str":
		value = cleanText(unescapeCell(value))
	case "inlineStr":
		value = cleanText(value)
	case "b":
		if isTrue(value) {
			return "TRUE", false
		}
		if value != "" {
			return "FALSE", false
		}
	case "e", "d":
		return strings.TrimSpace(value), kind == "d"
	default:
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return cleanText(value), false
		}
		if format == nil {
			return general(v), true
		}
		return cleanText(format.number(v, s.date1904)), true
	}
	if format != nil && value != "" {
		value = format.words(value)
	}
	return strings.TrimSpace(value), false
}

// sort puts rows and cells in order, which they are in unless somebody wrote the file by hand.
func (s *sheetReader) sort() {
	slices.SortStableFunc(s.rows, func(a, b sheetRow) int { return a.num - b.num })
	for i := range s.rows {
		s.rows[i].sort()
	}
}

// at returns the cell there, or nil.
func (s *sheetReader) at(row, col int) *sheetCell {
	i, ok := slices.BinarySearchFunc(s.rows, row, func(r sheetRow, n int) int { return r.num - n })
	if !ok {
		return nil
	}
	return s.rows[i].at(col)
}

func (r *sheetRow) at(col int) *sheetCell {
	i, ok := slices.BinarySearchFunc(r.cells, col, func(c sheetCell, n int) int { return int(c.col) - n })
	if !ok {
		return nil
	}
	return &r.cells[i]
}

func (s *sheetReader) link(l sheetLink, address string) error {
	cell := s.at(l.row, l.col)
	if cell == nil {
		return nil
	}
	before := len(cell.text)
	cell.text = link(cell.text, address)
	return s.spend(0, len(cell.text)-before)
}

// merge repeats a cell that is merged downwards in each of its rows that has other cells, so that every row can be read alone. One
// merged sideways stands once.
func (s *sheetReader) merge() error {
	slices.SortFunc(s.merges, func(a, b cellRange) int { return a.row - b.row })
	next, budget := 0, maxMerged
	var open []cellRange
	for i := range s.rows {
		row := &s.rows[i]
		for ; next < len(s.merges) && s.merges[next].row < row.num; next++ {
			if m := s.merges[next]; m.lastRow > m.row {
				open = append(open, m)
			}
		}
		if budget -= len(open); budget < 0 {
			return nil
		}
		open = slices.DeleteFunc(open, func(m cellRange) bool { return m.lastRow < row.num })
		if err := s.repeat(row, open); err != nil {
			return err
		}
	}
	return nil
}

// repeat puts the cells that are merged into a row there.
func (s *sheetReader) repeat(row *sheetRow, merges []cellRange) error {
	var cells []sheetCell
	for _, m := range merges {
		if from := s.at(m.row, m.col); from != nil && row.at(m.col) == nil {
			cells = append(cells, *from)
			if err := s.spend(1, len(from.text)); err != nil {
				return err
			}
		}
	}
	if len(cells) > 0 {
		row.cells = append(row.cells, cells...)
		row.sort()
	}
	return nil
}

func (r *sheetRow) sort() {
	slices.SortStableFunc(r.cells, func(a, b sheetCell) int { return int(a.col - b.col) })
	r.cells = slices.CompactFunc(r.cells, func(a, b sheetCell) bool { return a.col == b.col })
}

// parseRange reads "B2" and "B2:D4".
func parseRange(ref string) (r cellRange, ok bool) {
	first, last, more := strings.Cut(strings.ReplaceAll(ref, "$", ""), ":")
	r.row, r.col = parseCell(first)
	r.lastRow, r.lastCol = r.row, r.col
	if more {
		r.lastRow, r.lastCol = parseCell(last)
	}
	return r, r.row > 0 && r.col > 0 && r.lastRow >= r.row && r.lastCol >= r.col
}

func parseCell(ref string) (row, col int) {
	col = parseColumn(ref)
	row, err := strconv.Atoi(strings.TrimLeft(ref, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
	if err != nil || row > maxSheetRow {
		return 0, 0
	}
	return row, col
}

// parseColumn returns the number of the column that a cell's name begins with, or 0.
func parseColumn(ref string) int {
	n := 0
	for i := 0; i < len(ref); i++ {
		c := ref[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			break
		}
		if n = n*26 + int(c-'A') + 1; n > maxSheetColumn {
			return 0
		}
	}
	return n
}
