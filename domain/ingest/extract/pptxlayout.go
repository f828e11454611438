package extract

import "encoding/xml"

// pptxLayout is the bullets that a layout, or the master above it, gives to what stands in its placeholders.
type pptxLayout struct {
	places []pptxShape
	body   listStyle // of a master
	master *pptxLayout
}

// readLayout returns the layout, or the master, in a part.
func (r *pptxReader) readLayout(part string) *pptxLayout {
	if l, ok := r.layouts[part]; ok || r.files[part] == nil {
		return l
	}
	l := &pptxLayout{}
	r.layouts[part] = l
	r.side(r.part(part, l.read))
	_, byKind, err := r.relations(part)
	r.side(err)
	l.master = r.readLayout(byKind["slideMaster"])
	return l
}

func (l *pptxLayout) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "sp":
			s, err := readShape(x, nil)
			if s.body.paras = nil; s.placed {
				l.places = append(l.places, s)
			}
			return err
		case "bodyStyle":
			return l.body.read(x)
		case "pic", "graphicFrame", "extLst", "timing", "titleStyle", "otherStyle":
			return x.skip()
		}
		return l.read(x)
	})
}

// bulleted is how body text looks where no master says it.
var bulleted = func() (s listStyle) {
	for i := range s {
		s[i].kind = charBullet
	}
	return s
}()

// inherited returns the styles that the text of a placeholder takes from its layout and its master, the nearest first.
func (r *pptxReader) inherited(s *pptxShape) []*listStyle {
	if !s.placed || s.isTitle() {
		return nil
	}
	if r.layout == nil || r.layout.master == nil {
		return []*listStyle{&bulleted}
	}
	var styles []*listStyle
	for _, p := range r.layout.places {
		if p.index == s.index && (s.index != "" || p.kind == s.kind) {
			styles = append(styles, &p.body.styles)
			break
		}
	}
	for _, p := range r.layout.master.places {
		if p.kind == "body" {
			styles = append(styles, &p.body.styles)
			break
		}
	}
	return append(styles, &r.layout.master.body)
}

func (s *pptxShape) isTitle() bool { return s.kind == "title" || s.kind == "ctrTitle" }
