package extract

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strconv"
)

// frame reads a graphic frame: a table, a chart or a diagram; of anything else what is said in its place.
func (r *pptxReader) frame(x *xmlReader, s *pptxSlide) error {
	var shape pptxShape
	before := len(s.blocks)
	var read func(xml.StartElement) error
	read = func(e xml.StartElement) error {
		switch e.Name.Local {
		case "cNvPr":
			shape.alt = cmp.Or(shape.alt, altText(attrOf(e, "descr")))
			shape.hidden = shape.hidden || isTrue(attrOf(e, "hidden"))
		case "tbl":
			return r.table(x, &s.blocks)
		case "chart":
			s.blocks = append(s.blocks, r.chart(r.links[idOf(e, "id")])...)
		case "relIds":
			s.blocks = append(s.blocks, r.diagram(r.links[idOf(e, "dm")])...)
		case "extLst":
		default:
			return x.each(read)
		}
		return x.skip()
	}
	err := x.each(read)
	if shape.hidden {
		s.blocks = s.blocks[:before]
	} else if len(s.blocks) == before {
		s.pictures++
		s.addText(shape.alt)
	}
	return err
}

// table reads a table. One with a single column frames its content and becomes that.
func (r *pptxReader) table(x *xmlReader, out *[]Block) error {
	g := newGrid(&r.spent)
	var framed []Block
	columns := 0
	err := x.each(func(e xml.StartElement) error {
		if e.Name.Local != "tr" {
			return x.skip()
		}
		var row []gridCell
		err := x.each(func(e xml.StartElement) error {
			if e.Name.Local != "tc" {
				return x.skip()
			}
			cell, blocks, err := r.cell(x, e)
			row = append(row, cell)
			if columns <= 1 && !cell.covered {
				framed = append(framed, blocks...)
			}
			return err
		})
		if err != nil {
			return err
		}
		columns = max(columns, len(row))
		return g.add(row)
	})
	if columns <= 1 {
		*out = append(*out, framed...)
	} else {
		*out = append(*out, g.blocks()...)
	}
	return err
}

func (r *pptxReader) cell(x *xmlReader, e xml.StartElement) (gridCell, []Block, error) {
	cell := gridCell{covered: isTrue(attrOf(e, "hMerge")) || isTrue(attrOf(e, "vMerge"))}
	cell.across, _ = strconv.Atoi(attrOf(e, "gridSpan"))
	cell.down, _ = strconv.Atoi(attrOf(e, "rowSpan"))
	var blocks []Block
	err := x.each(func(e xml.StartElement) error {
		if e.Name.Local != "txBody" {
			return x.skip()
		}
		body, err := readTextBody(x, r.links)
		blocks = body.blocks()
		return err
	})
	cell.text = joinBlocks(blocks)
	return cell, blocks, err
}

// diagram reads the text of a diagram ("SmartArt") as a list that is nested as its shapes are.
func (r *pptxReader) diagram(part string) []Block {
	d := &pptxDiagram{texts: map[string]string{}, below: map[string][]pptxBond{}}
	r.side(r.part(part, d.read))
	for _, bonds := range d.below {
		slices.SortStableFunc(bonds, func(a, b pptxBond) int { return cmp.Compare(a.order, b.order) })
	}
	d.list(d.root, 1, 0)
	for _, id := range d.ids {
		d.list(id, 1, 0) // what hangs on nothing
	}
	return d.blocks
}

type pptxDiagram struct {
	ids    []string
	texts  map[string]string // by the id of a point
	root   string
	below  map[string][]pptxBond
	blocks []Block
}

// pptxBond ties a point to one above it.
type pptxBond struct {
	to    string
	order int
}

func (d *pptxDiagram) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		switch kind := attrOf(e, "type"); {
		case e.Name.Local == "pt" && kind == "doc":
			d.root = attrOf(e, "modelId")
		case e.Name.Local == "pt" && (kind == "" || kind == "node" || kind == "asst"):
			return d.point(x, attrOf(e, "modelId"))
		case e.Name.Local == "cxn" && (kind == "" || kind == "parOf"):
			order, _ := strconv.Atoi(attrOf(e, "srcOrd"))
			from := attrOf(e, "srcId")
			d.below[from] = append(d.below[from], pptxBond{attrOf(e, "destId"), order})
		case e.Name.Local == "dataModel", e.Name.Local == "ptLst", e.Name.Local == "cxnLst":
			return d.read(x)
		}
		return x.skip()
	})
}

func (d *pptxDiagram) point(x *xmlReader, id string) error {
	return x.each(func(e xml.StartElement) error {
		if e.Name.Local != "t" {
			return x.skip()
		}
		body, err := readTextBody(x, nil)
		d.ids = append(d.ids, id)
		d.texts[id] = joinBlocks(body.blocks())
		return err
	})
}

// list writes a point and those below it, each once.
func (d *pptxDiagram) list(id string, level, depth int) {
	if text := d.texts[id]; text != "" {
		d.blocks = append(d.blocks, Block{Kind: ListItem, Level: level, Text: text})
		level++
	}
	delete(d.texts, id)
	bonds := d.below[id]
	delete(d.below, id)
	for _, b := range bonds {
		if depth < maxDepth {
			d.list(b.to, level, depth+1)
		}
	}
}
