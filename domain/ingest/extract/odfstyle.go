package extract

import (
	"cmp"
	"encoding/xml"
	"strconv"
	"strings"
)

// odfStyles is what the styles of a document say about structure.
type odfStyles struct {
	styles   map[string]odfStyle    // by family and name
	lists    map[string]*odfLevels  // list styles by name
	outline  odfLevels              // of the headings
	chapters odfCounter             // the headings, if they are numbered
	counters map[string]*odfCounter // of lists, by style and by id
}

func newODFStyles() *odfStyles {
	return &odfStyles{styles: map[string]odfStyle{}, lists: map[string]*odfLevels{}, counters: map[string]*odfCounter{}}
}

// odfStyle is a style with what it inherits.
type odfStyle struct {
	parent, list       string // names of styles
	title, quote, code bool
	bold, regular      bool          // regular turns bold off
	shift              map[rune]rune // raised, lowered or neither
	level              bool          // turns shift off
	hidden             bool
	unlisted           bool // a paragraph that is no item of the list it stands in
	unnumbered         bool // a heading outside the numbering
}

// read reads the styles within the current element, which may be the root of the part.
func (s *odfStyles) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		name := attrOf(e, "name")
		switch e.Name.Local {
		case "style":
			style := odfStyle{parent: attrOf(e, "parent-style-name"), list: attrOf(e, "list-style-name"), unnumbered: hasEmpty(e, "list-style-name")}
			style.setName(name)
			err := style.read(x)
			s.styles[attrOf(e, "family")+" "+name] = style
			return err
		case "list-style":
			s.lists[name] = &odfLevels{}
			return s.lists[name].read(x)
		case "outline-style":
			s.lists[name] = &s.outline
			return s.outline.read(x)
		}
		return x.skip()
	})
}

// readStyles reads the part that holds the named styles. Its automatic ones are those of page headers, whose names are used
// again in the text.
func (s *odfStyles) readStyles(x *xmlReader) error {
	return x.each(func(xml.StartElement) error {
		return x.each(func(e xml.StartElement) error {
			if e.Name.Local == "styles" {
				return s.read(x)
			}
			return x.skip()
		})
	})
}

// hasEmpty reports whether an attribute is there and empty.
func hasEmpty(e xml.StartElement, local string) bool {
	for _, a := range e.Attr {
		if a.Name.Local == local {
			return a.Value == ""
		}
	}
	return false
}

// setName knows the built-in styles, whose names are English in every language.
func (s *odfStyle) setName(name string) {
	switch strings.ReplaceAll(name, "_20_", " ") {
	case "Title":
		s.title = true
	case "Quotations", "Quote", "Intense Quote":
		s.quote = true
	case "Preformatted Text", "HTML Preformatted", "Source Code":
		s.code = true
	}
}

func (s *odfStyle) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		for _, a := range e.Attr {
			switch a.Name.Local + "=" + a.Value {
			case "display=none", "display=false", "visibility=hidden":
				s.hidden = true
			case "enable-numbering=false":
				s.unlisted = true
			}
			switch a.Name.Local {
			case "font-weight":
				n, _ := strconv.Atoi(a.Value)
				s.bold = a.Value == "bold" || n >= 600
				s.regular = !s.bold
			case "text-position":
				s.setPosition(a.Value)
			}
		}
		return x.skip()
	})
}

// setPosition reads a position such as "super 58%" or "-33% 58%".
func (s *odfStyle) setPosition(value string) {
	first, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	n, _ := strconv.ParseFloat(strings.TrimSuffix(first, "%"), 64)
	switch {
	case first == "super" || n > 0:
		s.shift = raised
	case first == "sub" || n < 0:
		s.shift = lowered
	default:
		s.level = true
	}
}

// style returns a style with what it inherits.
func (s *odfStyles) style(family, name string) odfStyle {
	style := s.styles[family+" "+name]
	for base, hops := style.parent, 0; base != "" && hops < 20; hops++ {
		b := s.styles[family+" "+base]
		base = b.parent
		style = style.over(b)
	}
	return style
}

// over returns what holds for text of a style that stands in text of another, or for a style that is based on another.
func (s odfStyle) over(b odfStyle) odfStyle {
	s.title, s.quote, s.code = s.title || b.title, s.quote || b.quote, s.code || b.code
	s.hidden, s.unlisted, s.unnumbered = s.hidden || b.hidden, s.unlisted || b.unlisted, s.unnumbered || b.unnumbered
	s.list = cmp.Or(s.list, b.list)
	if !s.bold && !s.regular {
		s.bold, s.regular = b.bold, b.regular
	}
	if s.shift == nil && !s.level {
		s.shift, s.level = b.shift, b.level
	}
	return s
}
