package extract

import (
	"encoding/xml"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// damagedNote is said when parts beside the text are damaged.
const damagedNote = "Some of it is damaged. Headings, numbers of lists, links or footnotes may be missing."

// readDOCX reads a Word document (ECMA-376, Transitional and Strict).
func readDOCX(data []byte) (*Document, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	doc := &Document{}
	r := newDOCXReader(a)
	r.side(a.part("docProps/core.xml", doc.readTitle))
	if doc.Blocks, err = r.text(); err != nil {
		return nil, err
	}
	if r.damaged {
		doc.Notes = append(doc.Notes, damagedNote)
	}
	return doc, nil
}

func newDOCXReader(a *archive) *docxReader {
	return &docxReader{archive: a, notes: map[string]string{}, headlines: newHeadlines()}
}

// text reads the main part with what it refers to.
func (r *docxReader) text() ([]Block, error) {
	main := r.readParts()
	if r.files[main] == nil {
		return nil, fmt.Errorf("no main document part")
	}
	if r.tooLarge != nil {
		return nil, r.tooLarge
	}
	var blocks []Block
	if err := r.part(main, func(x *xmlReader) error { return r.flow(x, &blocks) }); err != nil {
		return nil, err
	}
	if r.tooLarge != nil {
		return nil, r.tooLarge
	}
	r.promoteBold(blocks)
	return joinCode(blocks), nil
}

// readTitle reads the title in a part that describes the document.
func (d *Document) readTitle(x *xmlReader) error {
	return x.each(func(e xml.StartElement) (err error) {
		if e.Name.Local != "title" {
			return d.readTitle(x)
		}
		d.Title, err = x.content()
		return err
	})
}

type docxReader struct {
	*archive
	headlines
	links     map[string]string // relationship id → address
	styles    docxStyles
	numbering docxNumbering
	notes     map[string]string // "footnote 2" → text
	noted     int               // notes referred to so far
	pending   []string          // notes to print after the block being read
	within    bool              // another document
}

// readParts finds the main part, and reads what it refers to.
func (r *docxReader) readParts() string {
	main := r.main("word/document.xml")
	byID, byKind, err := r.relations(main)
	r.side(err)
	r.links = byID
	r.side(r.part(byKind["styles"], r.readStyles))
	r.side(r.part(byKind["numbering"], r.readNumbering))
	for _, kind := range []string{"footnote", "endnote"} {
		r.side(r.part(byKind[kind+"s"], func(x *xmlReader) error { return r.readNotes(x, kind) }))
	}
	return main
}

func (r *docxReader) readNotes(x *xmlReader, kind string) error {
	return x.each(func(xml.StartElement) error {
		return x.each(func(e xml.StartElement) error {
			if e.Name.Local != kind || attrOf(e, "type") != "" { // separators have a type
				return x.skip()
			}
			var blocks []Block
			if err := r.flow(x, &blocks); err != nil {
				return err
			}
			r.notes[kind+" "+attrOf(e, "id")] = joinBlocks(blocks)
			return nil
		})
	})
}

// flow reads paragraphs and tables up to the end of the current element. Containers (content controls, insertions,
// alternatives) are looked through; deleted and moved-away text is not read.
func (r *docxReader) flow(x *xmlReader, out *[]Block) error {
	return x.each(func(e xml.StartElement) error { return r.element(x, e, out) })
}

func (r *docxReader) element(x *xmlReader, e xml.StartElement, out *[]Block) error {
	switch e.Name.Local {
	case "p":
		return r.paragraph(x, out)
	case "tbl":
		return r.table(x, out)
	case "altChunk":
		*out = append(*out, r.embedded(r.links[idOf(e, "id")])...)
		return x.skip()
	case "del", "moveFrom", "sectPr", "Fallback", "sdtPr", "tblPr":
		return x.skip()
	}
	return r.flow(x, out)
}

// embedded reads a page, or one saved as a letter (MHT), that programs put whole into a document instead of translating it. Word
// shows it as a part of the text.
func (r *docxReader) embedded(part string) []Block {
	if r.files[part] == nil {
		return nil
	}
	data, err := r.read(part)
	r.side(err)
	var blocks []Block
	switch strings.ToLower(path.Ext(part)) {
	case ".html", ".htm", ".xhtml":
		blocks, err = readContent(decode(data, true))
	case ".mht", ".mhtml":
		blocks = new(mailReader).message(data, 0).blocks
	case ".docx", ".docm":
		blocks, err = r.embeddedDOCX(data)
	}
	r.side(err)
	return blocks
}

// embeddedDOCX reads a document within this one, whose parts count as this one's.
func (r *docxReader) embeddedDOCX(data []byte) ([]Block, error) {
	if r.within {
		return nil, nil
	}
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	a.left, a.spent = r.left, r.spent
	inner := newDOCXReader(a)
	inner.within, inner.noted = true, r.noted
	blocks, err := inner.text()
	r.left, r.spent, r.noted = a.left, a.spent, inner.noted
	return blocks, err
}

// docxPara is a paragraph being read.
type docxPara struct {
	text    []byte
	style   string
	num     docxNum
	outline int // level + 1, 0 for none
	plain   int // bytes of text that is not bold
	boxes   []Block
	docxRun
	fields []docxField
}

// docxRun says how the text of the run being read is set.
type docxRun struct {
	hidden, isBold bool
	shift          map[rune]rune   // above or below the line
	symbols        map[byte]string // of a font of signs
}

// docxField is a field being read: an instruction, which is no text, and then its result, which is.
type docxField struct {
	instruction string
	result      bool
	from        int    // where the result begins
	chosen      string // in a form
}

func (r *docxReader) paragraph(x *xmlReader, out *[]Block) error {
	p := &docxPara{}
	if err := r.inline(x, p); err != nil {
		return err
	}
	if text := string(p.text); strings.TrimSpace(text) != "" {
		*out = append(*out, r.block(p, text))
	}
	*out = append(*out, p.boxes...)
	for _, note := range r.pending {
		*out = append(*out, Block{Kind: Paragraph, Text: note})
	}
	r.pending = nil
	return nil
}

func (r *docxReader) block(p *docxPara, text string) Block {
	style := r.styles.get(p.style)
	num := p.num
	if num.id == "" {
		num = style.num
	}
	label, listed := r.numbering.next(num)
	return r.paragraphBlock(wordPara{text: text, plain: p.plain, style: style, outline: p.outline, label: label, listed: listed, level: num.level})
}

// inline reads the content of a paragraph, or of anything within one, up to the end of the current element.
func (r *docxReader) inline(x *xmlReader, p *docxPara) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "pPr":
			return r.paragraphProperties(x, p)
		case "r":
			p.docxRun = docxRun{isBold: r.styles.get(p.style).bold}
			err := r.inline(x, p)
			p.docxRun = docxRun{}
			return err
		case "rPr":
			return runProperties(x, p)
		case "hyperlink":
			return r.hyperlink(x, p, r.links[attrOf(e, "id")])
		case "footnoteReference", "endnoteReference":
			r.note(p, strings.TrimSuffix(e.Name.Local, "Reference")+" "+attrOf(e, "id"))
			return x.skip()
		case "oMath":
			s, err := readOfficeMath(x)
			p.write(s)
			return err
		case "txbxContent":
			var boxes []Block
			err := r.flow(x, &boxes)
			p.boxes = append(p.boxes, boxes...)
			return err
		case "docPr":
			p.write(" " + altText(attrOf(e, "descr")) + " ")
			return x.skip()
		case "textpath": // WordArt of the old kind
			p.write(" " + attrOf(e, "string") + " ")
			return x.skip()
		case "del", "moveFrom", "Fallback", "rt", "sdtPr":
			return x.skip()
		}
		return r.inlineText(x, e, p)
	})
}

// inlineText reads the elements of a run that stand for characters, and looks through all others.
func (r *docxReader) inlineText(x *xmlReader, e xml.StartElement, p *docxPara) error {
	switch e.Name.Local {
	case "t":
		s, err := x.content()
		p.write(p.spell(s))
		return err
	case "tab", "ptab":
		p.write("\t")
	case "br", "cr":
		if attrOf(e, "type") == "" || attrOf(e, "type") == "textWrapping" {
			p.write("\n")
		}
	case "noBreakHyphen":
		p.write("-")
	case "sym":
		if code, err := strconv.ParseUint(attrOf(e, "char"), 16, 16); err == nil {
			p.write(symbol(rune(code), symbolFont(attrOf(e, "font"))))
		}
	case "fldChar":
		p.fieldChar(attrOf(e, "fldCharType"))
		return x.each(func(e xml.StartElement) error { return p.formField(x, e) })
	case "instrText":
		s, err := x.content()
		if last := len(p.fields) - 1; last >= 0 {
			p.fields[last].instruction += s
		}
		return err
	default:
		return r.inline(x, p)
	}
	return x.skip()
}

func (p *docxPara) write(s string) {
	if p.hidden {
		return
	}
	for _, f := range p.fields {
		if !f.result {
			return
		}
	}
	if !p.isBold && strings.TrimSpace(s) != "" {
		p.plain += len(s)
	}
	p.text = append(p.text, s...)
}

// spell returns text as it is shown: with the signs that its font has for it, and above or below the line.
func (r *docxRun) spell(s string) string {
	if r.symbols != nil {
		var b strings.Builder
		for _, c := range s {
			b.WriteString(symbol(c, r.symbols))
		}
		s = b.String()
	}
	if r.shift != nil {
		s = shift(s, r.shift)
	}
	return s
}

// symbol returns a character in a font of signs, or in any other for nil. One that means nothing outside it is left out.
func symbol(c rune, symbols map[byte]string) string {
	switch {
	case symbols != nil && (c < 0x100 || c>>8 == 0xf0):
		return symbols[byte(c)]
	case c>>8 == 0xf0:
		return ""
	}
	return string(c)
}

// formField reads what is chosen in a field of a form: an entry of a list, or whether a box is ticked.
func (p *docxPara) formField(x *xmlReader, e xml.StartElement) error {
	last := len(p.fields) - 1
	if last < 0 {
		return x.skip()
	}
	f := &p.fields[last]
	switch e.Name.Local {
	case "ffData":
		return x.each(func(e xml.StartElement) error { return p.formField(x, e) })
	case "ddList":
		chosen, entries := 0, []string{}
		err := x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "default", "result":
				chosen, _ = strconv.Atoi(attrOf(e, "val"))
			case "listEntry":
				entries = append(entries, attrOf(e, "val"))
			}
			return x.skip()
		})
		if chosen >= 0 && chosen < len(entries) {
			f.chosen = entries[chosen]
		}
		return err
	case "checkBox":
		f.chosen = "☐"
		return x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "default", "checked":
				if f.chosen = "☐"; isOn(e) {
					f.chosen = "☒"
				}
			}
			return x.skip()
		})
	}
	return x.skip()
}

var hyperlinkField = regexp.MustCompile(`^\s*HYPERLINK\s+"([^"]+)"`)

func (p *docxPara) fieldChar(kind string) {
	last := len(p.fields) - 1
	switch {
	case kind == "begin":
		p.fields = append(p.fields, docxField{})
	case last < 0: // the field began in an earlier paragraph
	case kind == "separate":
		p.fields[last].result, p.fields[last].from = true, len(p.text)
	case kind == "end":
		f := p.fields[last]
		p.fields = p.fields[:last]
		if m := hyperlinkField.FindStringSubmatch(f.instruction); m != nil && f.result {
			p.relink(f.from, m[1])
		}
		if !f.result || len(p.text) == f.from {
			p.write(f.chosen)
		}
	}
}

// relink makes a link of what was written since from.
func (p *docxPara) relink(from int, address string) {
	p.text = append(p.text[:from], link(string(p.text[from:]), address)...)
}

func (r *docxReader) hyperlink(x *xmlReader, p *docxPara, address string) error {
	from := len(p.text)
	err := r.inline(x, p)
	if address != "" && len(p.text) > from {
		p.relink(from, address)
	}
	return err
}

func (r *docxReader) note(p *docxPara, key string) {
	text := r.notes[key]
	if text == "" {
		return
	}
	r.noted++
	p.write(fmt.Sprintf("[%d]", r.noted))
	r.pending = append(r.pending, fmt.Sprintf("[%d] %s", r.noted, text))
}

func (r *docxReader) paragraphProperties(x *xmlReader, p *docxPara) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "pStyle":
			p.style = attrOf(e, "val")
		case "outlineLvl":
			p.outline = outlineLevel(e)
		case "numPr":
			return readNumPr(x, &p.num)
		}
		return x.skip()
	})
}

// outlineLevel returns the level from 1; 9 in the file means body text.
func outlineLevel(e xml.StartElement) int {
	n, err := strconv.Atoi(attrOf(e, "val"))
	if err != nil || n < 0 || n > 8 {
		return 10
	}
	return n + 1
}

func runProperties(x *xmlReader, p *docxPara) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "vanish":
			p.hidden = isOn(e)
		case "b":
			p.isBold = isOn(e)
		case "vertAlign":
			p.shift = map[string]map[rune]rune{"superscript": raised, "subscript": lowered}[attrOf(e, "val")]
		case "rFonts":
			p.symbols = symbolFont(attrOf(e, "ascii"))
		}
		return x.skip()
	})
}

func isOn(e xml.StartElement) bool {
	switch attrOf(e, "val") {
	case "0", "false", "off":
		return false
	}
	return true
}

func joinBlocks(blocks []Block) string {
	var parts []string
	for _, b := range blocks {
		text := b.Text
		if b.Kind == ListItem && b.Marker != "" {
			text = b.Marker + " " + text
		}
		for _, row := range append([][]string{b.Header}, b.Rows...) {
			text += " " + strings.Join(row, " ")
		}
		parts = append(parts, strings.TrimSpace(text))
	}
	return strings.Join(parts, "\n")
}

// joinCode makes one block of lines of code that follow each other, as each is a paragraph.
func joinCode(blocks []Block) []Block {
	var out []Block
	var lines []string
	for i, b := range blocks {
		if b.Kind != Code {
			out = append(out, b)
			continue
		}
		lines = append(lines, b.Text)
		if i+1 == len(blocks) || blocks[i+1].Kind != Code {
			b.Text, lines = strings.Join(lines, "\n"), nil
			out = append(out, b)
		}
	}
	return out
}
