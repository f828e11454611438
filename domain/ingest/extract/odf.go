package extract

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"path"
	"strings"
)

// readODF reads a text, a workbook or a presentation in the OpenDocument format (ISO/IEC 26300).
func readODF(format Format, data []byte) (*Document, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	if a.files["content.xml"] == nil {
		return nil, errors.New("no content.xml")
	}
	doc := &Document{}
	r := &odfReader{archive: a, format: format, odfStyles: newODFStyles(), headlines: newHeadlines()}
	a.side(a.part("meta.xml", doc.readTitle))
	a.side(a.part("styles.xml", r.readStyles))
	if a.tooLarge != nil {
		return nil, a.tooLarge
	}
	if err := a.part("content.xml", func(x *xmlReader) error { return r.body(x, &doc.Blocks) }); err != nil {
		return nil, err
	}
	doc.Pages = r.page
	doc.Blocks = joinCode(doc.Blocks)
	if format == ODT {
		r.promoteBold(doc.Blocks)
	}
	noun := map[Format]string{ODS: "Sheet", ODP: "Slide"}[format]
	if r.hidden.n > 0 {
		doc.Notes = append(doc.Notes, r.hidden.sentence(noun, "is hidden and was read too.", "are hidden and were read too."))
	}
	if a.damaged {
		doc.Notes = append(doc.Notes, damagedNote)
	}
	return doc, a.tooLarge
}

type odfReader struct {
	*archive
	*odfStyles
	headlines
	format  Format
	page    int // slides or sheets read so far
	hidden  pageList
	noted   int     // notes referred to so far
	shapes  []Block // what floats above the cells of a sheet
	objects int     // objects within one another that are being read
	numbers *textNumbers
}

// body finds the styles and the text in the main part.
func (r *odfReader) body(x *xmlReader, out *[]Block) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "automatic-styles":
			return r.odfStyles.read(x)
		case "document-content", "body":
			return r.body(x, out)
		case "text", "drawing":
			return r.flow(x, out)
		case "presentation", "spreadsheet":
			return x.each(func(e xml.StartElement) error { return r.pageOrSheet(x, e, out) })
		case "chart":
			return r.chart(x, out)
		}
		return x.skip()
	})
}

func (r *odfReader) pageOrSheet(x *xmlReader, e xml.StartElement, out *[]Block) error {
	switch {
	case e.Name.Local == "page" && r.objects == 0:
		return r.slide(x, e, out)
	case e.Name.Local != "table" || strings.HasPrefix(attrOf(e, "name"), "'file:"): // what is kept of another file
		return x.skip()
	case r.objects > 0:
		return r.table(x, out)
	}
	return r.sheet(x, e, out)
}

// flow reads paragraphs, lists, tables and shapes up to the end of the current element, looking through containers.
func (r *odfReader) flow(x *xmlReader, out *[]Block) error {
	return x.eachWith(nil, func(e xml.StartElement) error { return r.element(x, e, nil, out) })
}

// element reads an element of the flow; item is the list item it stands in, if any.
func (r *odfReader) element(x *xmlReader, e xml.StartElement, item *odfItem, out *[]Block) error {
	switch name := e.Name.Local; name {
	case "p", "h":
		return r.paragraph(x, e, item, out)
	case "list":
		return r.list(x, e, item, out)
	case "table":
		return r.table(x, out)
	case "section":
		if attrOf(e, "display") == "none" {
			return x.skip()
		}
	case "table-of-content", "illustration-index", "table-index", "object-index", "alphabetical-index", "user-index":
		from := len(*out)
		err := r.flow(x, out)
		for i := from; i < len(*out); i++ {
			b := &(*out)[i]
			b.Furniture, b.Kind, b.Level, b.Marker = true, Paragraph, 0, ""
		}
		return err
	default:
		if isODFAside(name) {
			return x.skip()
		}
		if isDrawn(e) {
			into := r.shapesOf(out)
			alt, err := r.shape(x, into)
			if alt != "" {
				*into = append(*into, Block{Kind: Paragraph, Text: alt})
			}
			return err
		}
	}
	return x.eachWith(nil, func(e xml.StartElement) error { return r.element(x, e, item, out) })
}

// isODFAside knows the elements whose text is no part of the document's.
func isODFAside(name string) bool {
	switch name {
	case "tracked-changes", "annotation", "forms", "notes", "sequence-decls", "variable-decls", "user-field-decls", "dde-connection-decls",
		"ruby-text", "number", "hidden-text", "scripts", "event-listeners", "animations", "par":
		return true
	}
	return strings.HasSuffix(name, "-source") // the pattern of an index
}

// isDrawn reports whether an element is in the namespace of drawings: a frame, a shape or what they hold.
func isDrawn(e xml.StartElement) bool { return strings.Contains(e.Name.Space, ":drawing:") }

// shapesOf returns where the shapes in a text go: over a sheet, they float above its cells.
func (r *odfReader) shapesOf(text *[]Block) *[]Block {
	if r.format == ODS {
		return &r.shapes
	}
	return text
}

// shape reads what stands in a frame or a shape. Where that is nothing, it returns what is said in its place: a formula or a
// description.
func (r *odfReader) shape(x *xmlReader, out *[]Block) (alt string, err error) {
	var title, description, formula string
	before := len(*out)
	defer r.newNumbers()()
	err = x.eachWith(nil, func(e xml.StartElement) (err error) {
		switch isSVG := strings.Contains(e.Name.Space, ":svg"); {
		case e.Name.Local == "object":
			formula, err = r.object(x, e, out)
		case isSVG && e.Name.Local == "title":
			title, err = x.content()
		case isSVG && e.Name.Local == "desc":
			description, err = x.content()
		default:
			err = r.element(x, e, nil, out)
		}
		return err
	})
	if len(*out) > before {
		return "", err
	}
	return cmp.Or(formula, altText(description), altText(title)), err
}

// newNumbers begins a text of a presentation that is numbered by itself, and returns what ends it.
func (r *odfReader) newNumbers() (end func()) {
	saved := r.numbers
	if r.format == ODP {
		r.numbers = &textNumbers{}
	}
	return func() { r.numbers = saved }
}

// object reads an embedded chart, or returns an embedded formula. It may stand in the element or in a part.
func (r *odfReader) object(x *xmlReader, e xml.StartElement, out *[]Block) (formula string, err error) {
	if r.objects > 0 {
		return "", x.skip()
	}
	r.objects++
	defer func() { r.objects-- }()
	read := func(x *xmlReader) error {
		return x.each(func(e xml.StartElement) (err error) {
			if e.Name.Local == "math" {
				formula, err = readMath(x)
				return err
			}
			if e.Name.Local != "document-content" && e.Name.Local != "document" {
				return x.skip()
			}
			return r.body(x, out)
		})
	}
	if part := path.Join(attrOf(e, "href"), "content.xml"); attrOf(e, "href") != "" {
		saved := r.odfStyles
		r.odfStyles = newODFStyles() // an object has its own
		r.side(r.part(part, read))
		r.odfStyles = saved
	}
	return formula, x.eachWith(nil, func(e xml.StartElement) (err error) {
		if e.Name.Local == "math" {
			formula, err = readMath(x)
			return err
		}
		return x.skip()
	})
}

// readMath returns a formula as it was typed, where that is kept, or else the characters in it.
func readMath(x *xmlReader) (string, error) {
	var typed string
	var shown strings.Builder
	var read func(e xml.StartElement) error
	read = func(e xml.StartElement) (err error) {
		if e.Name.Local == "annotation" {
			typed, err = x.content()
			return err
		}
		return x.each(read)
	}
	err := x.eachWith(func(s string) { shown.WriteString(strings.TrimSpace(s)) }, read)
	return strings.Join(strings.Fields(cmp.Or(strings.TrimSpace(typed), shown.String())), " "), err
}

// chart reads the title of a chart and the table of its values. Over a sheet these are its cells.
func (r *odfReader) chart(x *xmlReader, out *[]Block) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "chart":
			return r.chart(x, out)
		case "title":
			return r.flow(x, out)
		case "table":
			if r.format != ODS {
				return r.table(x, out)
			}
		}
		return x.skip()
	})
}

// slide reads a page of a presentation: the title first, then the shapes in their order, then the notes.
func (r *odfReader) slide(x *xmlReader, e xml.StartElement, out *[]Block) error {
	if r.page++; r.page > MaxPages {
		return &Error{Reason: ReasonTooManyPages, Detail: "slides"}
	}
	if r.style("drawing-page", attrOf(e, "style-name")).hidden {
		r.hidden.add(r.page)
	}
	var title, blocks, notes, furniture []Block
	err := x.each(func(e xml.StartElement) error {
		switch class := attrOf(e, "class"); {
		case e.Name.Local == "notes":
			return r.speakerNotes(x, &notes)
		case attrOf(e, "placeholder") == "true", class == "page-number":
			return x.skip()
		case class == "title" && len(title) == 0:
			return r.flow(x, &title)
		case class == "footer", class == "header", class == "date-time":
			return r.flow(x, &furniture)
		}
		return r.element(x, e, nil, &blocks)
	})
	for i, b := range furniture {
		furniture[i] = Block{Kind: Paragraph, Text: b.Text, Furniture: true}
	}
	*out = append(*out, slideBlocks(r.page, joinBlocks(title), blocks, joinBlocks(notes), furniture)...)
	return err
}

func (r *odfReader) speakerNotes(x *xmlReader, out *[]Block) error {
	return x.each(func(e xml.StartElement) error {
		switch attrOf(e, "class") {
		case "notes", "":
			if attrOf(e, "placeholder") != "true" {
				return r.flow(x, out)
			}
		}
		return x.skip() // the picture of the slide, the head and the foot
	})
}

// note reads a footnote or an endnote, which is printed after the paragraph it belongs to.
func (r *odfReader) note(x *xmlReader, p *odfPara) error {
	var blocks []Block
	err := x.eachWith(nil, func(e xml.StartElement) error {
		if e.Name.Local != "note-body" {
			return x.skip()
		}
		return r.flow(x, &blocks)
	})
	if text := joinBlocks(blocks); text != "" {
		r.noted++
		p.write(fmt.Sprintf("[%d]", r.noted))
		p.notes = append(p.notes, Block{Kind: Paragraph, Text: fmt.Sprintf("[%d] %s", r.noted, text)})
	}
	return err
}
