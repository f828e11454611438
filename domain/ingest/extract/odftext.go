package extract

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// odfPara is a paragraph being read.
type odfPara struct {
	runs    textRuns
	address string   // where what is being read leads
	style   odfStyle // of what is being read: the paragraph's, or that of the span within
	number  string   // of a heading, where the file has written it out
	plain   int      // bytes of text that is not bold
	boxes   []Block  // of the shapes in it
	notes   []Block
}

func (r *odfReader) paragraph(x *xmlReader, e xml.StartElement, item *odfItem, out *[]Block) error {
	style := r.style("paragraph", attrOf(e, "style-name"))
	p := &odfPara{style: style}
	if err := r.inline(x, p); err != nil {
		return err
	}
	p.style = style
	if text := p.runs.text(); strings.TrimSpace(text) != "" {
		r.place(e, p, item, text, out)
	} else if style.code {
		*out = append(*out, Block{Kind: Code})
	}
	*out = append(*out, p.boxes...)
	*out = append(*out, p.notes...)
	return nil
}

// place decides what a paragraph is, and adds it. A paragraph that follows the first of a list item goes on with that.
func (r *odfReader) place(e xml.StartElement, p *odfPara, item *odfItem, text string, out *[]Block) {
	if item != nil && item.length > 0 && item.length == len(*out) && e.Name.Local == "p" {
		(*out)[len(*out)-1].Text += "\n" + text
		return
	}
	b := r.block(e, p, item, text)
	*out = append(*out, b)
	if item != nil && b.Kind == ListItem {
		item.length = len(*out)
	}
}

func (r *odfReader) block(e xml.StartElement, p *odfPara, item *odfItem, text string) Block {
	label, listed := "", false
	switch {
	case item != nil && !item.begun:
		label, listed = r.label(item, p.style)
		item.begun = true
	case item == nil && e.Name.Local == "h" && attrOf(e, "is-list-header") != "true" && !p.style.unnumbered:
		label = r.chapters.next(&r.outline, odfLevelOf(e), attrOf(e, "start-value"))
	}
	if p.number != "" {
		label = p.number
	}
	switch {
	case e.Name.Local == "h":
		r.headings++
		if label != "" {
			text = label + " " + text
		}
		return Block{Kind: Heading, Level: odfLevelOf(e), Text: text}
	case p.style.title && r.format == ODT:
		r.headings++
		return Block{Kind: Heading, Level: 1, Text: text}
	case listed:
		return Block{Kind: ListItem, Level: item.list.level, Marker: label, Text: text}
	case p.style.code:
		return Block{Kind: Code, Text: text}
	case p.style.quote:
		return Block{Kind: Quote, Text: text}
	}
	r.noteBold(text, p.plain)
	return Block{Kind: Paragraph, Text: text}
}

func odfLevelOf(e xml.StartElement) int {
	n, err := strconv.Atoi(attrOf(e, "outline-level"))
	if err != nil {
		return 1
	}
	return min(max(n, 1), maxODFLevel)
}

// inline reads the content of a paragraph, or of anything within one, up to the end of the current element.
func (r *odfReader) inline(x *xmlReader, p *odfPara) error {
	return x.eachWith(p.writeRaw, func(e xml.StartElement) error {
		switch e.Name.Local {
		case "span":
			saved := p.style
			p.style = r.style("text", attrOf(e, "style-name")).over(saved)
			err := r.inline(x, p)
			p.style = saved
			return err
		case "a":
			p.address = attrOf(e, "href")
			err := r.inline(x, p)
			p.address = ""
			return err
		case "note":
			return r.note(x, p)
		case "number":
			s, err := x.content()
			p.number = strings.TrimSpace(s)
			return err
		case "s":
			p.blanks(e)
		case "tab":
			p.write("\t")
		case "line-break":
			p.write("\n")
		case "soft-page-break", "page-number":
		default:
			return r.inlineOther(x, e, p)
		}
		return x.skip()
	})
}

func (r *odfReader) inlineOther(x *xmlReader, e xml.StartElement, p *odfPara) error {
	if isODFAside(e.Name.Local) {
		return x.skip()
	}
	if !isDrawn(e) {
		return r.inline(x, p)
	}
	alt, err := r.shape(x, r.shapesOf(&p.boxes))
	if alt != "" {
		p.write(" " + alt + " ")
	}
	return err
}

// blanks writes several blanks, which matter in code only.
func (p *odfPara) blanks(e xml.StartElement) {
	n, err := strconv.Atoi(attrOf(e, "c"))
	if err != nil || !p.style.code {
		n = 1
	}
	p.write(strings.Repeat(" ", min(max(n, 1), 80)))
}

// writeRaw writes character data, in which any number of blanks and line ends is one blank.
func (p *odfPara) writeRaw(s string) {
	if strings.ContainsAny(s, "\n\t\r") || strings.Contains(s, "  ") {
		fields := strings.Join(strings.Fields(s), " ")
		if strings.ContainsAny(s[:1], " \n\t\r") {
			fields = " " + fields
		}
		if strings.ContainsAny(s[len(s)-1:], " \n\t\r") && fields != " " {
			fields += " "
		}
		s = fields
	}
	p.write(s)
}

func (p *odfPara) write(s string) {
	if p.style.hidden {
		return
	}
	if p.style.shift != nil {
		s = shift(s, p.style.shift)
	}
	if !p.style.bold && strings.TrimSpace(s) != "" {
		p.plain += len(s)
	}
	p.runs.add(s, p.address)
}
