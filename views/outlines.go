package views

import (
	"strconv"
	"strings"
	"unicode"

	"bitb/domain/document"
)

// outline is a chunk's part of a page that is shown as a picture.
type outline struct {
	document.Place
	boxes []box
}

// box is a rectangle in ten-thousandths of the page, which is what the drawing over the picture counts in.
type box struct{ x, y, width, height int }

const pageSide = 10_000

// outlines are the parts of a page that chunks were cut from. A chunk without a line on the page has none.
func outlines(page document.Page, places []document.Place) []outline {
	var all []outline
	text := []rune(page.Text)
	for _, place := range places {
		p := outline{Place: place}
		for _, l := range page.Lines {
			if b, ok := boxOf(l, place, text, page.Start); ok {
				p.boxes = append(p.boxes, b)
			}
		}
		if len(p.boxes) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// boxOf is the part of a line that a chunk has. Within the line its ends are estimated: all letters are taken to be equally
// wide.
func boxOf(l document.Line, place document.Place, text []rune, start int) (box, bool) {
	from, to, length := max(l.Start, place.Start), min(l.End, place.End), l.End-l.Start
	x0, x1 := min(max(l.X0, 0), pageSide), min(max(l.X1, 0), pageSide)
	y0, y1 := min(max(l.Y0, 0), pageSide), min(max(l.Y1, 0), pageSide)
	if from >= to || x0 >= x1 || y0 >= y1 {
		return box{}, false
	}
	left, right := (x1-x0)*(from-l.Start)/length, (x1-x0)*(l.End-to)/length
	if rightToLeft(text, l.Start-start, l.End-start) {
		left, right = right, left
	}
	return box{x0 + left, y0, max(1, x1-x0-left-right), y1 - y0}, true
}

// rightToLeft reports whether the first letter from from to to is of a script that runs to the left.
func rightToLeft(text []rune, from, to int) bool {
	for _, r := range text[min(max(from, 0), len(text)):min(max(to, 0), len(text))] {
		if unicode.IsLetter(r) {
			return unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko)
		}
	}
	return false
}

// zooms are the widths of a page on the screen, as a class and in pixels of its picture, which has two for one of the screen's.
var zooms = []struct {
	class string
	width int
}{
	{"w-full max-w-[560px]", 1120},
	{"w-[840px]", 1680},
	{"w-[1120px]", 2240},
}

// PictureWidths are the widths that pictures of pages are asked for in.
func PictureWidths() []int {
	var widths []int
	for _, z := range zooms {
		widths = append(widths, z.width)
	}
	return widths
}

// MostZoom is the largest ChunksView.Zoom.
var MostZoom = len(zooms) - 1

func pictureAddress(v ChunksView) string {
	return address(documentAddress(v.Document.ID)+"/pages/"+strconv.Itoa(v.Source.Number),
		"v", strconv.Itoa(v.Document.Live), "w", strconv.Itoa(zooms[v.Zoom].width))
}

// nothingMarked reports whether a page has text, and nobody knows where.
func nothingMarked(page document.Page) bool {
	return len(page.Lines) == 0 && strings.TrimSpace(page.Text) != ""
}
