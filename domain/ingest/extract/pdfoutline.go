package extract

import (
	"strings"
	"unicode"
)

// pdfOutline is the table of contents that a PDF carries: for each page, counted from 0, the depth of its entries by their titles.
type pdfOutline map[int]map[string]int

const (
	maxBookmarks = 5000
	maxOutline   = 6 // depth
)

// outline reads the table of contents.
func (r *pdfReader) outline() pdfOutline {
	out := pdfOutline{}
	left := maxBookmarks
	r.bookmarks(out, 0, 1, &left)
	return out
}

// bookmarks reads the entries below one; left is how many more are read at all.
func (r *pdfReader) bookmarks(out pdfOutline, parent uint64, depth int, left *int) {
	for mark := r.call("FPDFBookmark_GetFirstChild", r.document, parent); mark != 0 && *left > 0 && r.err == nil; {
		*left--
		title := squeezed(utf16Text(r.blob("FPDFBookmark_GetTitle", mark)))
		if dest := r.call("FPDFBookmark_GetDest", r.document, mark); dest != 0 && title != "" {
			page := int(int32(r.call("FPDFDest_GetDestPageIndex", r.document, dest)))
			if out[page] == nil {
				out[page] = map[string]int{}
			}
			out[page][title] = depth
		}
		if depth < maxOutline {
			r.bookmarks(out, mark, depth+1, left)
		}
		mark = r.call("FPDFBookmark_GetNextSibling", r.document, mark)
	}
}

// squeezed returns the letters and digits of a title behind its number, which is written in many ways.
func squeezed(title string) string {
	title = strings.Map(func(r rune) rune {
		if !isLetterOrDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, title)
	return strings.TrimLeft(title, "0123456789")
}

// mark makes headings of what stands in the table of contents.
func (o pdfOutline) mark(blocks []*pdfBlock) {
	for _, b := range blocks {
		titles := o[b.Page-1]
		if titles == nil || b.Furniture || b.Kind == Table || len(b.text.buf) > maxTitleLine {
			continue
		}
		if depth := titles[squeezed(string(b.text.buf))]; depth > 0 {
			b.makeHeading(depth)
		}
	}
}
