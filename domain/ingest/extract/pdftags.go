package extract

import "slices"

// pdfTag is what a tagged PDF says about a part of a page: the paragraph, heading, list item or cell that it belongs to. Each of
// them has one.
type pdfTag struct {
	order      int // of the paragraph and so on, in the order of reading
	kind       Kind
	level      int
	label      bool // the number or bullet of a list item
	loose      bool // text that is in no paragraph
	table, row int  // of a cell; counted from 1 on the page
}

// Limits of the tree of tags of one page.
const (
	maxTags     = 20_000
	maxTagDepth = 60
)

// tagReader reads the tags of a page (ISO 32000-2, 14.8).
type tagReader struct {
	*pdfReader
	tags   []*pdfTag // by number of the marked content
	nodes  int
	orders int
	tables int
	rows   int
}

// inTag is where in the tree the tagReader is.
type inTag struct {
	tag   *pdfTag // of the paragraph, list item or cell
	list  int     // depth
	quote bool
	table int
	row   int
}

// readTags returns the tags of a page by the number of the content that they mark.
func (r *pdfReader) readTags(page uint64) []*pdfTag {
	tree := r.call("FPDF_StructTree_GetForPage", page)
	if tree == 0 {
		return nil
	}
	defer r.call("FPDF_StructTree_Close", tree)
	t := &tagReader{pdfReader: r}
	for i := range min(r.count("FPDF_StructTree_CountChildren", tree), maxTags) {
		t.element(r.call("FPDF_StructTree_GetChildAtIndex", tree, uint64(i)), inTag{}, 0)
	}
	return t.tags
}

// element reads an element and what is below it.
func (t *tagReader) element(element uint64, in inTag, depth int) {
	if t.nodes++; element == 0 || t.nodes > maxTags || depth > maxTagDepth || t.err != nil {
		return
	}
	in = t.enter(utf16Text(t.blob("FPDF_StructElement_GetType", element)), in)
	loose := in.tag // text that follows each other belongs together
	if loose != nil && !loose.loose {
		loose = nil
	}
	for i := range min(t.count("FPDF_StructElement_CountChildren", element), maxTags) {
		child := in
		if in.tag == nil || in.tag.loose {
			if loose == nil {
				loose = t.begin(in.kindOf(""))
				loose.loose = true
			}
			child.tag = loose
		}
		if mark := int32(t.call("FPDF_StructElement_GetChildMarkedContentID", element, uint64(i))); mark >= 0 {
			t.mark(int(mark), child.tag)
			continue
		}
		before := t.orders
		if t.element(t.call("FPDF_StructElement_GetChildAtIndex", element, uint64(i)), child, depth+1); t.orders > before {
			loose = nil // a paragraph stood between
		}
	}
}

func (t *tagReader) begin(kind Kind, level int) *pdfTag {
	t.orders++
	return &pdfTag{order: t.orders, kind: kind, level: level}
}

func (t *tagReader) mark(content int, tag *pdfTag) {
	if content >= maxTags {
		return
	}
	if content >= len(t.tags) {
		t.tags = append(t.tags, make([]*pdfTag, content+1-len(t.tags))...)
	}
	t.tags[content] = tag
}

// enter returns where one is within an element of a type.
func (t *tagReader) enter(kind string, in inTag) inTag {
	if in.tag != nil && in.tag.table > 0 {
		return in // all in a cell is of the cell
	}
	switch kind {
	case "Table":
		t.tables++
		in.table, in.tag = t.tables, nil
	case "TR":
		t.rows++
		in.row, in.tag = t.rows, nil
	case "TD", "TH":
		in.tag = t.begin(Table, 0)
		in.tag.table, in.tag.row = in.table, in.row
	case "L":
		in.list++
	case "LI":
		in.tag = t.begin(ListItem, max(in.list, 1))
	case "Lbl":
		if in.tag != nil && in.tag.kind == ListItem && !in.tag.label {
			label := *in.tag
			label.label = true
			in.tag = &label
		}
	case "BlockQuote":
		in.quote = true
	case "H", "H1", "H2", "H3", "H4", "H5", "H6", "P", "Caption", "Note", "TOCI", "BibEntry", "Title":
		if in.tag == nil || in.tag.kind != ListItem {
			in.tag = t.begin(in.kindOf(kind))
		}
	}
	return in
}

// kindOf returns what a paragraph or a heading of a type is, and its level.
func (in inTag) kindOf(kind string) (Kind, int) {
	switch {
	case len(kind) == 2 && kind[0] == 'H':
		return Heading, int(kind[1] - '0')
	case in.quote:
		return Quote, 0
	}
	return Paragraph, 0
}

// markTags gives the characters of a page their tags.
func (r *pdfReader) markTags(page, text uint64, objects int) {
	tags := r.readTags(page)
	if len(tags) == 0 {
		return
	}
	own := r.ownObjects(page, objects)
	objectOf := r.exports.Fn("FPDFText_GetTextObject")
	var last uint64
	var tag *pdfTag
	for i := range r.chars {
		if r.chars[i].r <= ' ' {
			continue
		}
		if object := r.invoke(objectOf, text, uint64(i)); object != last {
			last, tag = object, nil
			mark := int(int32(r.call("FPDFPageObj_GetMarkedContentID", object)))
			if _, found := slices.BinarySearch(own, object); object != 0 && mark >= 0 && mark < len(tags) && found {
				tag = tags[mark]
			}
		}
		r.chars[i].tag = tag
	}
}

// ownObjects returns the addresses of the things that a page draws itself: forms number their marked content on their own.
func (r *pdfReader) ownObjects(page uint64, objects int) []uint64 {
	own := make([]uint64, 0, objects)
	for i := range objects {
		own = append(own, r.call("FPDFPage_GetObject", page, uint64(i)))
	}
	slices.Sort(own)
	return own
}
