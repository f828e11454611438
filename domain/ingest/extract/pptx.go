package extract

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// readPPTX reads a presentation (ECMA-376, Transitional and Strict). A damaged slide costs itself alone.
func readPPTX(data []byte, progress func(done, total int)) (*Document, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	r := &pptxReader{archive: a, layouts: map[string]*pptxLayout{}}
	doc := &Document{}
	a.side(a.part("docProps/core.xml", doc.readTitle))
	if isUntitled(doc.Title) {
		doc.Title = ""
	}
	parts := r.slideParts(a.main("ppt/presentation.xml"))
	if a.tooLarge != nil {
		return nil, a.tooLarge
	}
	doc.Pages = len(parts)
	if len(parts) > MaxPages {
		return nil, &Error{Reason: ReasonTooManyPages, Detail: "slides"}
	}
	progress(0, len(parts))
	for i, part := range parts {
		if err := r.slide(part, i+1, doc); err != nil {
			return nil, err
		}
		progress(i+1, len(parts))
	}
	return doc, r.conclude(doc)
}

// isUntitled knows the titles that PowerPoint gives to a presentation whose author gave none.
func isUntitled(title string) bool {
	title = strings.ToLower(strings.TrimSpace(title))
	for _, word := range []string{"powerpoint", "presentation", "präsentation", "présentation", "presentación", "presentazione", "apresentação",
		"presentatie", "standard", " de", " di", " do", "untitled", "slide 1", "-"} {
		title = strings.ReplaceAll(title, word, "")
	}
	return strings.TrimSpace(title) == ""
}

type pptxReader struct {
	*archive
	layouts map[string]*pptxLayout
	links   map[string]string // of the slide being read: relationship id → address or part
	layout  *pptxLayout       // of the slide being read

	broken, hidden, pictures pageList
}

var slideName = regexp.MustCompile(`^ppt/slides/slide(\d+)\.xml$`)

// slideParts returns the parts of the slides in their order, which is that of their numbers where none is given.
func (r *pptxReader) slideParts(main string) []string {
	byID, _, err := r.relations(main)
	r.side(err)
	var parts []string
	var list func(xml.StartElement) error
	err = r.part(main, func(x *xmlReader) error {
		list = func(e xml.StartElement) error {
			switch e.Name.Local {
			case "presentation", "sldIdLst":
				return x.each(list)
			case "sldId":
				parts = append(parts, byID[idOf(e, "id")])
			}
			return x.skip()
		}
		return x.each(list)
	})
	r.side(err)
	if len(parts) > 0 && err == nil {
		return parts
	}
	numbers := map[string]int{}
	for name := range r.files {
		if m := slideName.FindStringSubmatch(name); m != nil {
			numbers[name], _ = strconv.Atoi(m[1])
		}
	}
	return slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
		return cmp.Or(cmp.Compare(numbers[a], numbers[b]), cmp.Compare(a, b))
	})
}

// conclude says what a person should know, or why there is nothing to read.
func (r *pptxReader) conclude(doc *Document) error {
	switch {
	case len(doc.Blocks) > 0:
	case r.broken.n > 0:
		return &Error{Reason: ReasonCorrupt, Detail: fmt.Sprintf("%d of %d slides are damaged, the others empty", r.broken.n, doc.Pages)}
	case r.pictures.n > 0:
		return &Error{Reason: ReasonNoText, What: "slide", Detail: "slides hold pictures only"}
	}
	if r.broken.n > 0 {
		doc.Notes = append(doc.Notes, r.broken.sentence("Slide", "is", "are")+" damaged and could not be read.")
	}
	if r.pictures.n > 0 {
		doc.Notes = append(doc.Notes, r.pictures.sentence("Slide", "holds", "hold")+" only pictures, so there was no text to read.")
	}
	if r.hidden.n > 0 {
		doc.Notes = append(doc.Notes, r.hidden.sentence("Slide", "is hidden and was read too.", "are hidden and were read too."))
	}
	if r.damaged {
		doc.Notes = append(doc.Notes, damagedNote)
	}
	return nil
}

// pptxSlide is a slide being read.
type pptxSlide struct {
	title             string
	blocks, furniture []Block
	pictures          int
	hidden            bool
}

// slide reads a slide and its notes: the title first, then the shapes in their order.
func (r *pptxReader) slide(part string, number int, doc *Document) error {
	byID, byKind, err := r.relations(part)
	r.side(err)
	r.links, r.layout = byID, r.readLayout(byKind["slideLayout"])
	s := &pptxSlide{}
	err = r.part(part, func(x *xmlReader) error { return r.shapes(x, s) })
	if e := refusal(err); e != nil {
		e.Page = number
		return e
	}
	if err != nil || r.files[part] == nil {
		r.broken.add(number)
	} else if len(s.blocks) == 0 && s.title == "" && s.pictures > 0 {
		r.pictures.add(number)
	}
	if s.hidden {
		r.hidden.add(number)
	}
	doc.Blocks = append(doc.Blocks, slideBlocks(number, s.title, s.blocks, r.notes(byKind["notesSlide"]), s.furniture)...)
	return r.tooLarge
}

// slideBlocks puts together what a slide says: its title first, then its content, its notes and what all slides repeat.
func slideBlocks(number int, title string, content []Block, notes string, furniture []Block) []Block {
	blocks := append([]Block{{Kind: Heading, Level: 2, Text: title}}, content...)
	if notes != "" {
		blocks = append(blocks, Block{Kind: Paragraph, Text: "Notes: " + notes})
	}
	blocks = slices.DeleteFunc(append(blocks, furniture...), func(b Block) bool { return b.size() == 0 })
	return setPage(blocks, number)
}

func setPage(blocks []Block, page int) []Block {
	for i := range blocks {
		blocks[i].Page = page
	}
	return blocks
}

// notes returns what the speaker notes of a slide say.
func (r *pptxReader) notes(part string) string {
	links, _, err := r.relations(part)
	r.side(err)
	var notes []Block
	r.side(r.part(part, func(x *xmlReader) error {
		return eachShape(x, links, func(s *pptxShape) {
			if s.kind == "body" || !s.placed {
				notes = append(notes, s.body.blocks()...)
			}
		})
	}))
	return joinBlocks(notes)
}

// shapes reads the shapes up to the end of the current element.
func (r *pptxReader) shapes(x *xmlReader, s *pptxSlide) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "sld":
			s.hidden = attrOf(e, "show") == "0" || attrOf(e, "show") == "false"
		case "sp":
			shape, err := readShape(x, r.links)
			r.shape(&shape, s)
			return err
		case "pic":
			shape, err := readShape(x, r.links)
			if !shape.hidden {
				s.pictures++
				s.addText(shape.link(shape.alt))
			}
			return err
		case "graphicFrame":
			return r.frame(x, s)
		case "AlternateContent":
			return r.alternate(x, s)
		case "extLst", "timing", "transition", "clrMapOvr", "custDataLst", "bg", "cxnSp", "contentPart":
			return x.skip()
		}
		return r.shapes(x, s)
	})
}

// alternate reads the first of several forms of the same content that says anything.
func (r *pptxReader) alternate(x *xmlReader, s *pptxSlide) error {
	before := len(s.blocks)
	return x.each(func(e xml.StartElement) error {
		if len(s.blocks) > before {
			return x.skip()
		}
		return r.shapes(x, s)
	})
}

func (s *pptxSlide) addText(text string) {
	if strings.TrimSpace(text) != "" {
		s.blocks = append(s.blocks, Block{Kind: Paragraph, Text: text})
	}
}

// shape takes what a shape says to where its placeholder puts it.
func (r *pptxReader) shape(shape *pptxShape, s *pptxSlide) {
	if shape.hidden {
		return
	}
	blocks := shape.body.blocks(r.inherited(shape)...)
	if len(blocks) == 0 {
		s.addText(shape.link(shape.alt))
		return
	}
	if len(blocks) == 1 && !strings.Contains(blocks[0].Text, "](") {
		blocks[0].Text = shape.link(blocks[0].Text)
	}
	switch shape.kind {
	case "title", "ctrTitle":
		if s.title == "" {
			s.title = joinBlocks(blocks)
			return
		}
	case "subTitle":
		for i := range blocks {
			blocks[i] = Block{Kind: Paragraph, Text: blocks[i].Text}
		}
	case "ftr", "dt", "hdr":
		s.furniture = append(s.furniture, Block{Kind: Paragraph, Text: joinBlocks(blocks), Furniture: true})
		return
	case "sldNum":
		return
	}
	s.blocks = append(s.blocks, blocks...)
}

// pptxShape is a shape, a picture or a frame.
type pptxShape struct {
	kind, index string // of the placeholder: what it is for, and what ties it to that of the layout
	placed      bool   // is a placeholder
	alt         string
	address     string // where a click on it leads
	hidden      bool
	body        textBody
}

func (s *pptxShape) link(text string) string {
	if s.address == "" {
		return text
	}
	return link(text, s.address)
}

func readShape(x *xmlReader, links map[string]string) (s pptxShape, err error) {
	var read func(e xml.StartElement) error
	read = func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "nvSpPr", "nvPicPr", "nvGraphicFramePr", "nvPr":
			return x.each(read)
		case "cNvPr":
			s.alt, s.hidden = altText(attrOf(e, "descr")), isTrue(attrOf(e, "hidden"))
			return x.each(read)
		case "hlinkClick":
			s.address = links[idOf(e, "id")]
		case "ph":
			s.placed, s.kind, s.index = true, attrOf(e, "type"), attrOf(e, "idx")
		case "txBody":
			s.body, err = readTextBody(x, links)
			return err
		}
		return x.skip()
	}
	err = x.each(read)
	return s, err
}

func isTrue(s string) bool { return s == "1" || s == "true" }

// eachShape calls do for every shape in a part, however deep in groups.
func eachShape(x *xmlReader, links map[string]string, do func(*pptxShape)) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "sp":
			s, err := readShape(x, links)
			do(&s)
			return err
		case "pic", "graphicFrame", "extLst", "timing":
			return x.skip()
		}
		return eachShape(x, links, do)
	})
}
