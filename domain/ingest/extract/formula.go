package extract

import (
	"encoding/xml"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// A formula is written in one line, as somebody would type it: (a+b)/2, x², √(y). Its characters one after the other would say
// something else: one half would be 12.

func fraction(top, bottom string) string { return enclosed(top) + "/" + enclosed(bottom) }

func power(base, exponent string) string {
	switch up := shift(exponent, raised); {
	case up != exponent || strings.Trim(exponent, "′″‴'°*") == "":
		return base + up
	default:
		return base + "^" + enclosed(exponent)
	}
}

func subscripted(base, index string) string {
	if down := shift(index, lowered); down != index || index == "" {
		return base + down
	}
	return base + "_" + enclosed(index)
}

func root(of, degree string) string {
	if degree == "2" {
		degree = ""
	}
	return power("", degree) + "√" + enclosed(of)
}

// enclosed puts what is more than a number, a name or something in brackets into brackets.
func enclosed(s string) string {
	noDigit := func(r rune) bool { return !unicode.IsDigit(r) && r != '.' && r != ',' }
	noLetter := func(r rune) bool { return !unicode.IsLetter(r) }
	if utf8.RuneCountInString(s) <= 1 || !strings.ContainsFunc(s, noDigit) || !strings.ContainsFunc(s, noLetter) || isBracketed(s) {
		return s
	}
	return "(" + s + ")"
}

func isBracketed(s string) bool {
	if !strings.HasPrefix(s, "(") {
		return false
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i == len(s)-1
			}
		}
	}
	return false
}

// readOfficeMath reads a formula of Office (ECMA-376 part 1, 22.1) up to the end of the current element.
func readOfficeMath(x *xmlReader) (string, error) {
	var b strings.Builder
	err := x.eachWith(nil, func(e xml.StartElement) error {
		s, err := officeMath(x, e.Name.Local)
		b.WriteString(s)
		return err
	})
	return b.String(), err
}

func officeMath(x *xmlReader, name string) (string, error) {
	switch name {
	case "t":
		return x.content()
	case "f", "rad", "sSup", "sSub", "sSubSup", "sPre", "nary", "d", "m", "eqArr", "func", "limLow", "limUpp":
		p, err := readMathParts(x)
		return p.write(name), err
	case "del", "moveFrom":
		return "", x.skip()
	}
	if strings.HasSuffix(name, "Pr") {
		return "", x.skip()
	}
	return readOfficeMath(x)
}

// mathParts are the parts of a fraction, of a sum and so on by their names, and what its properties say.
type mathParts struct{ parts, properties map[string][]string }

func readMathParts(x *xmlReader) (mathParts, error) {
	p := mathParts{map[string][]string{}, map[string][]string{}}
	err := x.eachWith(nil, func(e xml.StartElement) error {
		name := e.Name.Local
		switch {
		case name == "mr": // a row of a matrix
			row, err := readMathParts(x)
			p.parts[name] = append(p.parts[name], strings.Join(row.parts["e"], ", "))
			return err
		case strings.HasSuffix(name, "Pr"):
			return x.each(func(e xml.StartElement) error {
				p.properties[e.Name.Local] = append(p.properties[e.Name.Local], attrOf(e, "val"))
				return x.skip()
			})
		}
		s, err := readOfficeMath(x)
		p.parts[name] = append(p.parts[name], s)
		return err
	})
	return p, err
}

// property returns what a property says, which may be nothing, or what it is where it is not given.
func (p mathParts) property(name, usual string) string {
	if values := p.properties[name]; len(values) > 0 {
		return values[0]
	}
	return usual
}

func (p mathParts) write(kind string) string {
	part := func(name string) string { return strings.Join(p.parts[name], "") }
	switch kind {
	case "f":
		if p.property("type", "") == "noBar" {
			return part("num") + "¦" + part("den")
		}
		return fraction(part("num"), part("den"))
	case "rad":
		return root(part("e"), part("deg"))
	case "sPre":
		return power(subscripted("", part("sub")), part("sup")) + part("e")
	case "nary":
		return power(subscripted(p.property("chr", "∫"), part("sub")), part("sup")) + " " + part("e")
	case "d":
		return p.property("begChr", "(") + strings.Join(p.parts["e"], p.property("sepChr", "|")) + p.property("endChr", ")")
	case "m":
		return strings.Join(p.parts["mr"], "; ")
	case "eqArr":
		return strings.Join(p.parts["e"], "; ")
	case "func":
		return part("fName") + " " + part("e")
	case "limLow":
		return subscripted(part("e"), part("lim"))
	case "limUpp":
		return power(part("e"), part("lim"))
	}
	return power(subscripted(part("e"), part("sub")), part("sup"))
}

// mathML writes a formula of a page.
func mathML(n *html.Node) string {
	var kids []string
	for c := range n.ChildNodes() {
		if c.Type == html.ElementNode && c.Data != "annotation" && c.Data != "annotation-xml" {
			kids = append(kids, mathML(c))
		}
	}
	kid := func(i int) string {
		if i < len(kids) {
			return kids[i]
		}
		return ""
	}
	switch n.Data {
	case "mi", "mn", "mo", "mtext", "ms":
		return strings.TrimSpace(invisibleSigns.Replace(collapse(nodeText(n))))
	case "mfrac":
		return fraction(kid(0), kid(1))
	case "msup", "mover":
		return power(kid(0), kid(1))
	case "msub", "munder":
		return subscripted(kid(0), kid(1))
	case "msubsup", "munderover":
		return power(subscripted(kid(0), kid(1)), kid(2))
	case "msqrt":
		return root(strings.Join(kids, ""), "")
	case "mroot":
		return root(kid(0), kid(1))
	case "mtr":
		return strings.Join(kids, ", ")
	case "mtable":
		return strings.Join(kids, "; ")
	case "mphantom":
		return ""
	}
	return strings.Join(kids, "")
}

// invisibleSigns are those that say how a formula is meant and are not seen.
var invisibleSigns = strings.NewReplacer("\u2061", " ", "\u2062", "", "\u2063", "", "\u2064", "")
