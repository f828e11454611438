package extract

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// readXLSX reads an Excel workbook (ECMA-376, Transitional and Strict), sheet by sheet. It is an own reader and not
// github.com/xuri/excelize, as that passes over damage in silence, and loads a sheet of two million cells as objects of 1.5 GB
// to say which cells are merged.
func readXLSX(data []byte, progress func(done, total int)) (*Document, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	r := &xlsxReader{archive: a, cells: maxCells, text: maxText}
	doc := &Document{}
	sheets, err := r.readParts(doc)
	if err != nil {
		return nil, err
	}
	doc.Pages = len(sheets)
	for i, s := range sheets {
		progress(i, len(sheets))
		rows, err := r.sheet(s.part)
		switch e := refusal(err); {
		case e != nil:
			return nil, &Error{Reason: e.Reason, Page: i + 1, Detail: e.Detail}
		case err != nil && len(rows) == 0:
			r.lost = append(r.lost, s.name)
		case err != nil:
			r.cut = append(r.cut, s.name)
		}
		drawn, err := r.drawn(s.part)
		if e := refusal(err); e != nil {
			return nil, &Error{Reason: e.Reason, Page: i + 1, Detail: e.Detail}
		}
		doc.Blocks = append(doc.Blocks, namedSheet(s.name, i+1, append(sheetBlocks(rows), drawn...))...)
	}
	progress(len(sheets), len(sheets))
	if len(doc.Blocks) == 0 && len(r.lost) > 0 {
		return nil, fmt.Errorf("%d damaged sheets and no other text", len(r.lost))
	}
	doc.Notes = r.notes()
	return doc, nil
}

type xlsxReader struct {
	*archive
	shared   []string // texts that cells refer to
	styles   []xlsxStyle
	date1904 bool
	lost     []string // names of sheets that could not be read
	cut      []string // and of those read in part
	hidden   []string // and of those not shown
	unstored int      // formulas without a result
	cells    int      // that may still come
	text     int      // bytes of it that may still come
}

// xlsxSheet is a sheet of the workbook; a diagram can be one too.
type xlsxSheet struct{ name, part string }

// xlsxStyle is what a cell's style says about how it is shown.
type xlsxStyle struct {
	format *numFormat // nil for General
	bold   bool
}

// readParts reads what the sheets refer to, and lists them.
func (r *xlsxReader) readParts(doc *Document) ([]xlsxSheet, error) {
	_, roots, err := r.relations("")
	if err != nil {
		r.damaged = true
	}
	main := roots["officeDocument"]
	if r.files[main] == nil {
		main = "xl/workbook.xml"
	}
	if r.files[main] == nil {
		return nil, errors.New("no workbook part")
	}
	byID, byKind, err := r.relations(main)
	if err != nil {
		return nil, err
	}
	sheets, err := r.workbook(main, byID)
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		name string
		read func(*xmlReader) error
	}{
		{"docProps/core.xml", doc.readTitle},
		{byKind["styles"], r.readStyles},
		{byKind["sharedStrings"], r.readShared},
	} {
		if err := r.aside(r.part(p.name, p.read)); err != nil {
			return nil, err
		}
	}
	return sheets, nil
}

func (r *xlsxReader) workbook(main string, targets map[string]string) (sheets []xlsxSheet, err error) {
	err = r.part(main, func(x *xmlReader) error {
		return x.each(func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				switch e.Name.Local {
				case "workbookPr":
					r.date1904 = isTrue(attrOf(e, "date1904"))
				case "sheets":
					return x.each(func(e xml.StartElement) error {
						name := cleanText(attrOf(e, "name"))
						sheets = append(sheets, xlsxSheet{name, targets[idOf(e, "id")]})
						if state := attrOf(e, "state"); state == "hidden" || state == "veryHidden" {
							r.hidden = append(r.hidden, name)
						}
						if len(sheets) > MaxPages {
							return &Error{Reason: ReasonTooManyPages, Detail: "more sheets than the limit"}
						}
						return x.skip()
					})
				}
				return x.skip()
			})
		})
	})
	return sheets, err
}

// readShared reads the table of texts. They are cleaned here, once, as many cells can refer to one of them.
func (r *xlsxReader) readShared(x *xmlReader) error {
	return x.each(func(xml.StartElement) error {
		return x.each(func(xml.StartElement) error {
			s, err := richText(x)
			r.shared = append(r.shared, cleanText(s))
			return err
		})
	})
}

// richText returns the text of the current element: of its runs, without the reading aids of East Asian texts.
func richText(x *xmlReader) (string, error) {
	text := ""
	err := x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "t":
			s, err := x.content()
			text += s
			return err
		case "r":
			s, err := richText(x)
			text += s
			return err
		}
		return x.skip()
	})
	return unescapeCell(text), err
}

var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// unescapeCell resolves what XML cannot hold, as in _x000D_.
func unescapeCell(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(m string) string {
		code, err := strconv.ParseUint(m[2:6], 16, 16)
		if err != nil {
			return m
		}
		return string(rune(code))
	})
}

// readStyles reads the formats of numbers and which fonts are bold.
func (r *xlsxReader) readStyles(x *xmlReader) error {
	formats := map[int]*numFormat{}
	for id, code := range builtinFormats {
		formats[id] = parseFormat(code)
	}
	var bold []bool
	return x.each(func(xml.StartElement) error {
		return x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "numFmts":
				return x.each(func(e xml.StartElement) error {
					if id, err := strconv.Atoi(attrOf(e, "numFmtId")); err == nil {
						formats[id] = parseFormat(attrOf(e, "formatCode"))
					}
					return x.skip()
				})
			case "fonts":
				return x.each(func(xml.StartElement) error {
					bold = append(bold, false)
					return x.each(func(e xml.StartElement) error {
						if e.Name.Local == "b" {
							bold[len(bold)-1] = isOn(e)
						}
						return x.skip()
					})
				})
			case "cellXfs":
				return x.each(func(e xml.StartElement) error {
					var s xlsxStyle
					if id, err := strconv.Atoi(attrOf(e, "numFmtId")); err == nil {
						s.format = formats[id]
					}
					if id, err := strconv.Atoi(attrOf(e, "fontId")); err == nil && id >= 0 && id < len(bold) {
						s.bold = bold[id]
					}
					r.styles = append(r.styles, s)
					return x.skip()
				})
			}
			return x.skip()
		})
	})
}

func (r *xlsxReader) notes() []string {
	var notes []string
	if len(r.lost) > 0 {
		notes = append(notes, sheetsNamed(r.lost, "is damaged and could not be read.", "are damaged and could not be read."))
	}
	if len(r.cut) > 0 {
		notes = append(notes, sheetsNamed(r.cut, "is damaged. Only its first part was read.", "are damaged. Only the first parts of them were read."))
	}
	if len(r.hidden) > 0 {
		notes = append(notes, sheetsNamed(r.hidden, "is hidden and was read too.", "are hidden and were read too."))
	}
	if r.damaged {
		notes = append(notes, "Some of it is damaged. Cells may be missing, or dates shown as numbers.")
	}
	if r.unstored > 0 {
		notes = append(notes, counted(r.unstored, "formula has no stored result.", "formulas have no stored results.")+
			" Open the workbook in a spreadsheet program, save it and upload it again.")
	}
	return notes
}

// sheetsNamed begins a sentence with the names of sheets, of at most five.
func sheetsNamed(names []string, one, many string) string {
	if len(names) == 1 {
		return "Sheet “" + names[0] + "” " + one
	}
	if more := len(names) - 5; more > 0 {
		names = append(slices.Clone(names[:5]), thousands(more)+" more")
		return "Sheets “" + strings.Join(names[:5], "”, “") + "” and " + names[5] + " " + many
	}
	last := len(names) - 1
	return "Sheets “" + strings.Join(names[:last], "”, “") + "” and “" + names[last] + "” " + many
}
