package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrid(t *testing.T) {
	cell := func(text string) gridCell { return gridCell{text: text} }
	across := func(text string, n int) gridCell { return gridCell{text: text, across: n} }
	square := gridCell{text: "S", across: 2, down: 2}
	covered := gridCell{covered: true}
	tests := []struct {
		name string
		rows [][]gridCell
		want [][]string
	}{
		{"a square is repeated in all its places", [][]gridCell{{cell("a"), cell("b"), cell("c")}, {square, cell("1")}, {cell("2")}, {cell("x"), cell("y"), cell("z")}},
			[][]string{{"a", "b", "c"}, {"S", "S", "1"}, {"S", "S", "2"}, {"x", "y", "z"}}},
		{"so it is where the file writes out what it covers", [][]gridCell{{cell("a"), cell("b"), cell("c")}, {square, covered, cell("1")}, {covered, covered, cell("2")}, {cell("x"), cell("y"), cell("z")}},
			[][]string{{"a", "b", "c"}, {"S", "S", "1"}, {"S", "S", "2"}, {"x", "y", "z"}}},
		{"a row that is covered whole is none", [][]gridCell{{square, {text: "1", down: 2}}, {covered, covered, covered}, {cell("x"), cell("y"), cell("z")}},
			[][]string{{"S", "S", "1"}, {"x", "y", "z"}}},
		{"a form, most of whose cells are merged, loses the columns that are none", [][]gridCell{{across("Name", 2), across("Town", 3)}, {across("Age", 3), across("Bike", 2)}, {across("Signed", 5)}},
			[][]string{{"Name", "Town", ""}, {"Age", "", "Bike"}, {"Signed", "", ""}}},
		{"a header of groups and names", [][]gridCell{{{text: "Town", down: 2}, across("May", 2), across("June", 2)}, {covered, cell("in"), cell("out"), cell("in"), cell("out")}, {cell("x"), cell("1"), cell("2"), cell("3"), cell("4")}},
			[][]string{{"Town", "May – in", "May – out", "June – in", "June – out"}, {"x", "1", "2", "3", "4"}}},
		{"a row without text is none", [][]gridCell{{cell(""), across("May", 2)}, {cell(""), across("", 2)}, {cell("Town"), cell("in"), cell("out")}, {cell("x"), cell("1"), cell("2")}},
			[][]string{{"Town", "May – in", "May – out"}, {"x", "1", "2"}}},
		{"no names below the groups", [][]gridCell{{cell(""), across("May", 2)}, {cell("x"), cell("1"), cell("2")}, {cell("y"), cell("3"), cell("4")}},
			[][]string{{"", "May", ""}, {"x", "1", "2"}, {"y", "3", "4"}}},
		{"a row of its own below the groups", [][]gridCell{{cell("Name"), across("Reach", 2)}, {cell("Ann"), cell("by post"), cell("by day")}, {cell("Bob"), cell("never"), cell("ever")}},
			[][]string{{"Name", "Reach", "Reach"}, {"Ann", "by post", "by day"}, {"Bob", "never", "ever"}}},
		{"a gap stays", [][]gridCell{{cell("a"), cell("b")}, nil, {cell("c"), cell("d")}}, [][]string{{"a", "b"}, nil, {"c", "d"}}},
		{"a cell over more columns than there can be", [][]gridCell{{across("a", 1<<30), cell("b")}}, [][]string{{"a", "b"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spent := 0
			g := newGrid(&spent)
			g.gaps = tt.name == "a gap stays"
			for _, row := range tt.rows {
				if err := g.add(row); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, g.lines()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestHasHeader(t *testing.T) {
	tests := []struct {
		first, second []string
		want          bool
	}{
		{[]string{"Bike", "Price"}, []string{"City", "4"}, true},
		{[]string{"Region", "2023", "2024"}, []string{"North", "4", "5"}, true},
		{[]string{"Founded", "1998"}, []string{"Moved", "2004"}, false},
		{[]string{"City", "1,234.50 €"}, []string{"Cargo", "9"}, false},
		{[]string{"2024-05-01", "open"}, []string{"2024-05-02", "closed"}, false},
		{[]string{"Bike", "", ""}, []string{"City", "4", "5"}, false},
	}
	for _, tt := range tests {
		if got := hasHeader([][]string{tt.first, tt.second}); got != tt.want {
			t.Errorf("%q above %q: %v", tt.first, tt.second, got)
		}
	}
}
