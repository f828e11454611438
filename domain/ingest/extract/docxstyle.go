package extract

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// docxStyle is what a paragraph style says about structure.
type docxStyle struct {
	name, basedOn     string
	outline           int // level + 1, 0 for none, 10 for body text
	num               docxNum
	bold, quote, code bool
}

func (r *docxReader) readStyles(x *xmlReader) error {
	r.styles = docxStyles{}
	return x.each(func(xml.StartElement) error {
		return x.each(func(e xml.StartElement) error {
			if e.Name.Local != "style" || attrOf(e, "type") != "paragraph" {
				return x.skip()
			}
			var s docxStyle
			err := s.read(x)
			r.styles[attrOf(e, "styleId")] = s
			return err
		})
	})
}

func (s *docxStyle) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "name":
			s.setName(strings.ToLower(attrOf(e, "val")))
		case "basedOn":
			s.basedOn = attrOf(e, "val")
		case "outlineLvl":
			s.outline = outlineLevel(e)
		case "numPr":
			return readNumPr(x, &s.num)
		case "b":
			s.bold = isOn(e)
		case "pPr", "rPr":
			return s.read(x)
		}
		return x.skip()
	})
}

// setName knows the built-in styles, whose names are English in every language's Word.
func (s *docxStyle) setName(name string) {
	s.name = name
	switch {
	case name == "title":
		s.outline = 1
	case strings.HasPrefix(name, "heading "):
		if n, err := strconv.Atoi(name[len("heading "):]); err == nil && s.outline == 0 {
			s.outline = n
		}
	case name == "quote", name == "intense quote", name == "quotations":
		s.quote = true
	case name == "html preformatted", name == "preformatted text", strings.Contains(name, "source code"):
		s.code = true
	}
}

// docxStyles are the styles of a document by their ids.
type docxStyles map[string]docxStyle

// get returns a style with what it inherits.
func (m docxStyles) get(id string) docxStyle {
	s, ok := m[id]
	if !ok {
		return docxStyle{}
	}
	for base, hops := s.basedOn, 0; base != "" && hops < 20; hops++ {
		b := m[base]
		if s.outline == 0 {
			s.outline = b.outline
		}
		if s.num.id == "" {
			s.num = b.num
		}
		s.quote, s.code = s.quote || b.quote, s.code || b.code
		base = b.basedOn
	}
	return s
}

// docxNum names a level of a list.
type docxNum struct {
	id    string
	level int
}

func readNumPr(x *xmlReader, num *docxNum) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "ilvl":
			num.level, _ = strconv.Atoi(attrOf(e, "val"))
			num.level = min(max(num.level, 0), 8)
		case "numId":
			num.id = attrOf(e, "val")
		}
		return x.skip()
	})
}

// docxNumbering counts the lists of a document (ECMA-376 part 1, 17.9).
type docxNumbering struct {
	abstract map[string][9]docxLevel // by abstract id
	nums     map[string]docxList     // by numId
	counts   map[string]*[9]int      // by list
}

func newDocxNumbering() docxNumbering {
	return docxNumbering{map[string][9]docxLevel{}, map[string]docxList{}, map[string]*[9]int{}}
}

type docxLevel struct {
	format, text string
	start        int
}

type docxList struct {
	abstract string
	own      bool // restarts its numbers, so it counts apart from the other lists of its kind
}

func (r *docxReader) readNumbering(x *xmlReader) error {
	n := newDocxNumbering()
	r.numbering = n
	return x.each(func(xml.StartElement) error {
		return x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "abstractNum":
				levels, err := readLevels(x)
				n.abstract[attrOf(e, "abstractNumId")] = levels
				return err
			case "num":
				list, err := readList(x)
				n.nums[attrOf(e, "numId")] = list
				return err
			}
			return x.skip()
		})
	})
}

func readLevels(x *xmlReader) (levels [9]docxLevel, err error) {
	err = x.each(func(e xml.StartElement) error {
		at, err := strconv.Atoi(attrOf(e, "ilvl"))
		if e.Name.Local != "lvl" || err != nil || at < 0 || at > 8 {
			return x.skip()
		}
		level := &levels[at]
		level.start = 1
		return x.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "start":
				level.start, _ = strconv.Atoi(attrOf(e, "val"))
			case "numFmt":
				level.format = attrOf(e, "val")
			case "lvlText":
				level.text = attrOf(e, "val")
			}
			return x.skip()
		})
	})
	return levels, err
}

func readList(x *xmlReader) (list docxList, err error) {
	err = x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "abstractNumId":
			list.abstract = attrOf(e, "val")
		case "lvlOverride":
			list.own = true
		}
		return x.skip()
	})
	return list, err
}

// next returns the label of the next item of a list, "" for a bullet, and whether there is such a list at all.
func (n *docxNumbering) next(num docxNum) (label string, listed bool) {
	list, ok := n.nums[num.id]
	if !ok {
		return "", false
	}
	levels := n.abstract[list.abstract]
	level := levels[num.level]
	if level.format == "" || level.format == "none" {
		return "", false
	}
	if level.format == "bullet" {
		return "", true
	}
	key := "abstract " + list.abstract
	if list.own {
		key = num.id
	}
	counts := n.counts[key]
	if counts == nil {
		counts = &[9]int{}
		n.counts[key] = counts
	}
	counts[num.level]++
	for i := num.level + 1; i < len(counts); i++ {
		counts[i] = 0
	}
	return level.label(levels, counts), true
}

// label fills the numbers of a level and those above it into a pattern such as "%1.%2".
func (l docxLevel) label(levels [9]docxLevel, counts *[9]int) string {
	s := l.text
	for i := range levels {
		place := "%" + strconv.Itoa(i+1)
		if strings.Contains(s, place) {
			s = strings.ReplaceAll(s, place, formatNumber(levels[i].format, levels[i].start+max(counts[i], 1)-1))
		}
	}
	return strings.TrimSpace(s)
}

// letterFormats are the formats of formatNumber by what HTML and OpenDocument call them; the others are digits.
var letterFormats = map[string]string{"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}

func formatNumber(format string, n int) string {
	switch format {
	case "lowerLetter", "upperLetter":
		if n < 1 || n > 26*20 {
			break
		}
		s := strings.Repeat(string(rune('a'+(n-1)%26)), (n-1)/26+1)
		if format == "upperLetter" {
			s = strings.ToUpper(s)
		}
		return s
	case "lowerRoman":
		return strings.ToLower(roman(n))
	case "upperRoman":
		return roman(n)
	case "decimalZero":
		return fmt.Sprintf("%02d", n)
	}
	return strconv.Itoa(n)
}

func roman(n int) string {
	if n < 1 || n > 3999 {
		return strconv.Itoa(n)
	}
	var b strings.Builder
	for i, value := range []int{1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1} {
		for ; n >= value; n -= value {
			b.WriteString([]string{"M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"}[i])
		}
	}
	return b.String()
}
