package ingest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitb/domain/document"
	"bitb/domain/ingest/reader"
)

// Offsets are in code points, whatever the script, and a page may be empty.
func TestPagesOf(t *testing.T) {
	read := &reader.Result{Text: "größe 一二三\nمرحبا end", Pages: 5, PageStarts: []int{0, 6, 10, 10, 16},
		Lines: []reader.Line{{Page: 2, Start: 6, End: 9, X0: 1, Y0: 2, X1: 3, Y1: 4}, {Page: 9}}}
	got := pagesOf(read)
	want := []document.Page{
		{Number: 1, Start: 0, Text: "größe "},
		{Number: 2, Start: 6, Text: "一二三\n", Lines: []document.Line{{Start: 6, End: 9, X0: 1, Y0: 2, X1: 3, Y1: 4}}},
		{Number: 3, Start: 10, Text: ""}, {Number: 4, Start: 10, Text: "مرحبا "}, {Number: 5, Start: 16, Text: "end"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		start, end int
		want       string
	}{{0, 5, "größe"}, {6, 9, "一二三"}, {16, 19, "end"}, {16, 99, "end"}, {19, 19, ""}} {
		if got := read.Between(c.start, c.end); got != c.want {
			t.Errorf("from %d to %d: %q, want %q", c.start, c.end, got, c.want)
		}
	}
}
