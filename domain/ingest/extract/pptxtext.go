package extract

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// textBody is the text of a shape or a cell (DrawingML, ECMA-376 part 1, 21.1.2).
type textBody struct {
	styles listStyle
	paras  []textPara
}

type textPara struct {
	level  int // from 0
	bullet bullet
	runs   textRuns
}

// bullet is what stands before a paragraph. The zero value leaves that to the style.
type bullet struct {
	kind   bulletKind
	scheme string // of numbers, e.g. "arabicPeriod"
	start  int
}

type bulletKind byte

const (
	noBullet bulletKind = iota + 1
	charBullet
	numberBullet
)

// listStyle is the bullets of the levels.
type listStyle [9]bullet

func readTextBody(x *xmlReader, links map[string]string) (b textBody, err error) {
	err = x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "lstStyle":
			return b.styles.read(x)
		case "p":
			t := textReader{links: links}
			err := t.inline(x)
			b.paras = append(b.paras, t.para)
			return err
		}
		return x.skip()
	})
	return b, err
}

// read reads the styles of levels, which are called lvl1pPr and so on.
func (s *listStyle) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		level, isLevel := strings.CutPrefix(e.Name.Local, "lvl")
		if n, _ := strconv.Atoi(strings.TrimSuffix(level, "pPr")); isLevel && n >= 1 && n <= 9 {
			return s[n-1].read(x)
		}
		return x.skip()
	})
}

func (b *bullet) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "buNone":
			b.kind = noBullet
		case "buChar", "buBlip":
			b.kind = charBullet
		case "buAutoNum":
			b.kind, b.scheme, b.start = numberBullet, attrOf(e, "type"), 1
			if n, err := strconv.Atoi(attrOf(e, "startAt")); err == nil {
				b.start = n
			}
		}
		return x.skip()
	})
}

// textReader reads a paragraph.
type textReader struct {
	links   map[string]string
	para    textPara
	address string        // of the run being read
	shift   map[rune]rune // of the run being read
}

func (t *textReader) inline(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "pPr":
			t.para.level, _ = strconv.Atoi(attrOf(e, "lvl"))
			t.para.level = min(max(t.para.level, 0), 8)
			return t.para.bullet.read(x)
		case "r":
			t.address, t.shift = "", nil
			err := t.inline(x)
			t.address, t.shift = "", nil
			return err
		case "rPr":
			return t.properties(x, e)
		case "t":
			s, err := x.content()
			t.write(s)
			return err
		case "oMath":
			s, err := readOfficeMath(x)
			t.write(s)
			return err
		case "br":
			t.write("\n")
		case "fld":
			if attrOf(e, "type") != "slidenum" {
				return t.inline(x)
			}
		case "Fallback", "endParaRPr":
		default:
			return t.inline(x)
		}
		return x.skip()
	})
}

func (t *textReader) properties(x *xmlReader, e xml.StartElement) error {
	switch n, _ := strconv.Atoi(strings.TrimSuffix(attrOf(e, "baseline"), "%")); {
	case n > 0:
		t.shift = raised
	case n < 0:
		t.shift = lowered
	}
	return x.each(func(e xml.StartElement) error {
		if e.Name.Local == "hlinkClick" {
			t.address = t.links[idOf(e, "id")]
		}
		return x.skip()
	})
}

func (t *textReader) write(s string) {
	if t.shift != nil {
		s = shift(s, t.shift)
	}
	t.para.runs.add(s, t.address)
}

// blocks makes blocks of the paragraphs: those with a bullet or a number of their own or by a style, the nearest first, are
// list items.
func (b *textBody) blocks(styles ...*listStyle) []Block {
	var out []Block
	var numbers textNumbers
	for i := range b.paras {
		p := &b.paras[i]
		text := p.runs.text()
		if strings.TrimSpace(text) == "" {
			continue
		}
		bullet := p.bullet
		for _, style := range append([]*listStyle{&b.styles}, styles...) {
			if bullet.kind == 0 {
				bullet = style[p.level]
			}
		}
		block := Block{Kind: Paragraph, Text: text}
		if bullet.kind == charBullet || bullet.kind == numberBullet {
			block.Kind, block.Level = ListItem, p.level+1
		}
		if n, ok := numbers.next(p.level, bullet); ok {
			block.Marker = bullet.label(n)
		} else if marker, rest := splitMarker(text); block.Kind == ListItem && startsDigit(marker) { // typed
			block.Marker, block.Text = marker, rest
		}
		out = append(out, block)
	}
	return out
}

// textNumbers counts the numbered paragraphs of a text body. One of another kind on the same or a higher level ends a list.
type textNumbers struct {
	counts  [maxODFLevel + 1]int
	bullets [maxODFLevel + 1]bullet
}

// next returns the number of the next paragraph, if it has one.
func (n *textNumbers) next(level int, b bullet) (number int, ok bool) {
	for i := level + 1; i < len(n.counts); i++ {
		n.counts[i] = 0
	}
	if n.bullets[level] != b {
		n.counts[level] = 0
	}
	n.bullets[level] = b
	n.counts[level]++
	return b.start + n.counts[level] - 1, b.kind == numberBullet
}

// label writes a number as a scheme such as "alphaLcParenR" says.
func (b bullet) label(n int) string {
	format, rest := "", b.scheme
	for _, f := range [][2]string{{"alphaLc", "lowerLetter"}, {"alphaUc", "upperLetter"}, {"romanLc", "lowerRoman"}, {"romanUc", "upperRoman"}, {"arabic", ""}} {
		if after, ok := strings.CutPrefix(b.scheme, f[0]); ok {
			format, rest = f[1], after
		}
	}
	label := formatNumber(format, n)
	switch rest {
	case "ParenBoth":
		return "(" + label + ")"
	case "ParenR":
		return label + ")"
	case "Plain":
		return label
	}
	return label + "."
}
