package views

import (
	"slices"
	"strings"
	"testing"

	"bitb/domain/document"
)

func TestOutlines(t *testing.T) {
	text := "One line.\nAnother one.\nشكرا جزيلا"
	page := document.Page{Number: 2, Start: 100, Text: text, Lines: []document.Line{
		{Start: 100, End: 110, X0: 1000, Y0: 1000, X1: 3000, Y1: 1200},
		{Start: 110, End: 122, X0: 1000, Y0: 1300, X1: 3400, Y1: 1500},
		{Start: 123, End: 133, X0: 5000, Y0: 1600, X1: 9000, Y1: 1800},
	}}
	for _, c := range []struct {
		name       string
		start, end int
		want       []box
	}{
		{"whole lines", 100, 122, []box{{1000, 1000, 2000, 200}, {1000, 1300, 2400, 200}}},
		{"from within a line", 105, 110, []box{{2000, 1000, 1000, 200}}},
		{"to within a line", 110, 116, []box{{1000, 1300, 1200, 200}}},
		{"script that runs to the left begins at the right", 123, 128, []box{{7000, 1600, 2000, 200}}},
		{"from the page before to the page after", 0, 999, []box{{1000, 1000, 2000, 200}, {1000, 1300, 2400, 200}, {5000, 1600, 4000, 200}}},
		{"elsewhere", 133, 200, nil},
	} {
		got := outlines(page, []document.Place{{Ordinal: 7, Start: c.start, End: c.end}})
		if len(c.want) == 0 && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Ordinal != 7 || !slices.Equal(got[0].boxes, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Lines are what a reader made of a hostile file: nothing is drawn outside the page, and nothing of no size.
func TestOutlinesOfNonsense(t *testing.T) {
	const most = 1 << 31
	page := document.Page{Text: strings.Repeat("x", 10), Lines: []document.Line{
		{Start: 0, End: 10, X0: -most, Y0: -most, X1: most, Y1: most}, {Start: 0, End: 10, X0: 500, Y0: 100, X1: 400, Y1: 200},
		{Start: 10, End: 0, X1: 100, Y1: 100}, {Start: 0, End: 0, X1: 100, Y1: 100}, {Start: -most, End: most, X1: 100, Y1: 100},
		{Start: 0, End: most, X0: 9999, X1: 10_000, Y1: 1}, {Start: 0, End: 10, X0: 20_000, Y0: 20_000, X1: 30_000, Y1: 30_000},
	}}
	for _, p := range outlines(page, []document.Place{{Start: 3, End: 7}, {Start: 9, End: 3}, {Start: -most, End: most}}) {
		for _, b := range p.boxes {
			if b.x < 0 || b.y < 0 || b.width < 1 || b.height < 1 || b.x+b.width > pageSide+1 || b.y+b.height > pageSide {
				t.Errorf("a box at %+v", b)
			}
		}
	}
}
