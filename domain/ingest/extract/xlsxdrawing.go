package extract

import (
	"encoding/xml"
	"errors"
)

// drawn returns the texts of the boxes and shapes that lie on a sheet. Its charts are left out: they show what the cells say.
func (r *xlsxReader) drawn(sheet string) ([]Block, error) {
	_, parts, err := r.relations(sheet)
	part := parts["drawing"]
	if err != nil || r.files[part] == nil {
		return nil, r.aside(err)
	}
	links, _, err := r.relations(part)
	if err := r.aside(err); err != nil {
		return nil, err
	}
	d := &xlsxDrawing{links: links}
	err = r.aside(r.part(part, func(x *xmlReader) error { return x.each(func(e xml.StartElement) error { return d.element(x, e) }) }))
	size := 0
	for _, b := range d.blocks {
		size += len(b.Text)
	}
	return d.blocks, errors.Join(err, r.spend(0, size))
}

// aside takes note of damage beside the cells, and returns only what is a reason to refuse the file.
func (r *xlsxReader) aside(err error) error {
	if e := refusal(err); e != nil {
		return e
	}
	r.damaged = r.damaged || err != nil
	return nil
}

// xlsxDrawing is what lies on a sheet.
type xlsxDrawing struct {
	links  map[string]string
	blocks []Block
	hidden bool // the shape being read
}

func (d *xlsxDrawing) element(x *xmlReader, e xml.StartElement) error {
	switch e.Name.Local {
	case "sp", "cxnSp":
		d.hidden = false
	case "cNvPr":
		d.hidden = isTrue(attrOf(e, "hidden"))
	case "txBody":
		body, err := readTextBody(x, d.links)
		if !d.hidden {
			d.blocks = append(d.blocks, body.blocks()...)
		}
		return err
	case "Fallback", "extLst": // the same again, for older programs
		return x.skip()
	}
	return x.each(func(e xml.StartElement) error { return d.element(x, e) })
}
