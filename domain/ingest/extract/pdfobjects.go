package extract

import (
	"encoding/binary"
	"unicode"
)

// maxLinks bounds the parts of a page that are links, and maxObjects how many of the things drawn on it are looked at.
const (
	maxLinks   = 500
	maxObjects = 500
)

// maxAnnotations is how many notes, fields and links of a page are looked at.
const maxAnnotations = 2000

// loadPage loads page i, counted from 0, with what was filled into its form and typed over it as a part of its content; 0 means
// that it cannot be loaded. before, which may be nil, sees the page with its links, which are lost when that is done, and is told
// whether it will be.
func (s *sandbox) loadPage(i int, before func(page uint64, filledIn bool)) uint64 {
	page := s.call("FPDF_LoadPage", s.document, uint64(i))
	if page == 0 {
		return 0
	}
	filledIn := s.isFilledIn(page)
	if before != nil {
		before(page, filledIn)
	}
	const flattened = 1
	if !filledIn {
		return page
	}
	s.showFields(page)
	if s.call("FPDFPage_Flatten", page, 0) != flattened {
		return page
	}
	s.call("FPDF_ClosePage", page)
	return s.call("FPDF_LoadPage", s.document, uint64(i))
}

// showFields lets PDFium draw the page on nothing: where a program has filled in a form and left it to the reader to show that,
// this is when the fields get an appearance.
func (s *sandbox) showFields(page uint64) {
	const annotations = 0x01
	if bitmap := s.call("FPDFBitmap_CreateEx", 1, 1, bitmapGray, 0, 0); bitmap != 0 {
		s.call("FPDF_RenderPageBitmap", bitmap, page, 0, 0, 1, 1, 0, annotations)
		s.call("FPDFBitmap_Destroy", bitmap)
	}
}

// isFilledIn reports whether a page has fields of a form, text typed over it, or stamps.
func (s *sandbox) isFilledIn(page uint64) bool {
	const freeText, stamp, widget = 3, 13, 20
	for i := range min(s.count("FPDFPage_GetAnnotCount", page), maxAnnotations) {
		note := s.call("FPDFPage_GetAnnot", page, uint64(i))
		kind := s.call("FPDFAnnot_GetSubtype", note)
		s.call("FPDFPage_CloseAnnot", note)
		if kind == freeText || kind == stamp || kind == widget {
			return true
		}
	}
	return false
}

// pdfArea is a part of a page that is a link.
type pdfArea struct {
	box     pdfBox
	address string
}

// links returns the links of a page that a person could follow from anywhere.
func (r *pdfReader) links(page uint64) []pdfArea {
	var links []pdfArea
	position, found := r.scratch+scratchSize-16, r.scratch+scratchSize-8
	copy(r.bytes(position, 4), []byte{0, 0, 0, 0})
	for len(links) < maxLinks && r.is("FPDFLink_Enumerate", page, position, found) {
		next, ref := r.uint32At(position), uint64(r.uint32At(found))
		address := r.address(ref)
		if link("x", address) != "x" {
			for _, box := range r.areas(ref) {
				links = append(links, pdfArea{box, address})
			}
		}
		binary.LittleEndian.PutUint32(r.bytes(position, 4), next) // the scratch memory was used meanwhile
	}
	return links
}

// address returns where a link leads to outside of the file, or "".
func (r *pdfReader) address(link uint64) string {
	const uri = 3
	action := r.call("FPDFLink_GetAction", link)
	if action == 0 || r.call("FPDFAction_GetType", action) != uri {
		return ""
	}
	b := r.blob("FPDFAction_GetURIPath", r.document, action)
	return string(b[:max(len(b)-1, 0)])
}

// areas returns the parts of the page in which a link is: one for each of its lines, if the file says so.
func (r *pdfReader) areas(link uint64) []pdfBox {
	var out []pdfBox
	for i := range min(r.count("FPDFLink_CountQuadPoints", link), 20) {
		var p [8]float64
		if r.is("FPDFLink_GetQuadPoints", link, uint64(i), r.scratch) {
			r.floats(r.scratch, p[:])
			out = append(out, boxBetween(p[0], p[1], p[2], p[3]).join(boxBetween(p[4], p[5], p[6], p[7])))
		}
	}
	var p [4]float64 // left, top, right, bottom
	if out == nil && r.is("FPDFLink_GetAnnotRect", link, r.scratch) {
		r.floats(r.scratch, p[:])
		out = append(out, boxBetween(p[0], p[1], p[2], p[3]))
	}
	return out
}

// markLinks marks the characters that stand in links by the number of the link, from 1.
func markLinks(chars []pdfChar, links []pdfArea) {
	const most = 1 << 23 // characters times links: more take seconds
	if len(chars)*len(links) > most {
		return
	}
	for i := range chars {
		b := &chars[i].box
		x, y := (b.x0+b.x1)/2, (b.y0+b.y1)/2
		for k := range links {
			if a := &links[k].box; a.x0 <= x && x <= a.x1 && a.y0 <= y && y <= a.y1 {
				chars[i].link = int16(k + 1)
			}
		}
	}
}

// A page with fewer letters than fewLetters may be a scan on which a program has stamped its number or where it comes from.
const fewLetters = 100

// isPicture reports whether a page is a picture of a page: pictures cover half of it and it holds next to no text beside them,
// or it holds no text at all, but a picture or so many lines that they may be drawn letters.
func (r *pdfReader) isPicture(page uint64, p *pdfPage) bool {
	const drawing = 30 // things drawn
	if p.objects == 0 || p.letters() >= fewLetters {
		return false
	}
	covered := r.pictured(page, p)
	return covered >= 0.5 || len(p.lines) == 0 && (covered >= 0.02 || p.objects >= drawing)
}

func (p *pdfPage) letters() int {
	n := 0
	for i := range p.lines {
		for _, r := range p.lines[i].text {
			if isLetterOrDigit(r) {
				n++
			}
		}
	}
	return n
}

func isLetterOrDigit(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// pictured returns how much of a page pictures cover, as if they did not overlap.
func (r *pdfReader) pictured(page uint64, p *pdfPage) float64 {
	const image, form = 3, 5
	frame := p.frame.box
	covered := 0.0
	for i := range min(p.objects, maxObjects) {
		object := r.call("FPDFPage_GetObject", page, uint64(i))
		if kind := r.call("FPDFPageObj_GetType", object); kind != image && kind != form {
			continue
		}
		var edge [4]float64 // left, bottom, right, top
		if r.is("FPDFPageObj_GetBounds", object, r.scratch, r.scratch+4, r.scratch+8, r.scratch+12) {
			r.floats(r.scratch, edge[:])
			width := min(edge[2], frame.x1) - max(edge[0], frame.x0)
			height := min(edge[3], frame.y1) - max(edge[1], frame.y0)
			covered += max(width, 0) * max(height, 0)
		}
	}
	return covered / max((frame.x1-frame.x0)*(frame.y1-frame.y0), 1)
}
