package views

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitb/domain/document"
)

// drawn writes lines down for a comparison: a table's head between equals signs, its cells between bars.
func drawn(lines []line) []string {
	row := func(cells []cell) string {
		var texts []string
		for _, c := range cells {
			texts = append(texts, marked(c))
		}
		return strings.Join(texts, "|")
	}
	var out []string
	for _, l := range lines {
		if l.kind != "table" {
			out = append(out, l.kind+":"+marked(l.pieces))
			continue
		}
		out = append(out, "="+row(l.head)+"=")
		for _, r := range l.rows {
			out = append(out, row(r))
		}
	}
	return out
}

func TestTables(t *testing.T) {
	for _, c := range []struct {
		name, text, search string
		want               []string
	}{
		{"between lines", "Prices\n\n| A | B |\n| --- | --- |\n| 1 | 2 |\n\nEnd", "", []string{":Prices", ":", "=A|B=", "1|2", ":", ":End"}},
		{"marks in cells", "| Boat | Hire |\n| --- | --- |\n| a boat | 2 |", "boat", []string{"=[Boat]|Hire=", "a [boat]|2"}},
		{"escaped bars", `| A\|B | C |` + "\n| --- | --- |\n" + `| \| | x\\|y |`, "", []string{"=A|B|C=", `||x\|y`}},
		{"a mark from an escaped bar on", "| A |\n| --- |\n" + `| x\|y |`, "|", []string{"=A=", "x[|]y"}},
		{"no closing bars, alignment", "|A|B\n|:-|-:|\n|1|2", "", []string{"=A|B=", "1|2"}},
		{"line ends of Windows", "| A |\r\n| --- |\r\n| 1 |\r", "", []string{"=A=", "1"}},
		{"rows of other widths", "| A | B |\n| --- | --- |\n| 1 |\n| 1 | 2 | 3 |\n|", "", []string{"=A|B=", "1", "1|2|3", ""}},
		{"an empty head", "|  |  |\n| --- | --- |\n| 1 |  |", "", []string{"==", "1|"}},
		{"a head alone", "| A |\n| --- |", "", []string{"=A="}},
		{"a link is text", "| [A](https://example.com) |\n| --- |", "", []string{"=[A](https://example.com)="}},
		{"tags are text", "| <script>x</script> |\n| --- |\n| <td onclick=x> |", "", []string{"=<script>x</script>=", "<td onclick=x>"}},
		{"from right to left", "| المحطة | السعر |\n| --- | --- |\n| الميناء | ١٢ |", "ميناء", []string{"=المحطة|السعر=", "ال[ميناء]|١٢"}},
		{"broken bytes", "| a\xff |\n| --- |\n| \xfe |", "", []string{"=a\xff=", "\xfe"}},
		{"a lone row", "x\n| A | B |\ny", "", []string{":x", "row:| A | B |", ":y"}},
		{"a lone rule", "| --- |", "", []string{"row:| --- |"}},
		{"rows without a rule", "x\n| A | B |\n| 1 | 2 |", "", []string{":x", "row:| A | B |", "row:| 1 | 2 |"}},
		{"a row before the head", "x\n| 0 |\n| A |\n| --- |\n| 1 |", "", []string{":x", "row:| 0 |", "=A=", "1"}},
		{"the later rows of a table", "| 1 | 2 |\n| 3 | 4 |\nx", "", []string{"==", "1|2", "3|4", ":x"}},
		{"later rows of other widths", "| 1 | 2 |\n| 3 |", "", []string{"row:| 1 | 2 |", "row:| 3 |"}},
		{"bars alone", "|\n||\n|", "", []string{"row:|", "row:||", "row:|"}},
		{"a rule that is none", "| A |\n| -- x |\n| :: |", "", []string{"row:| A |", "row:| -- x |", "row:| :: |"}},
	} {
		if diff := cmp.Diff(c.want, drawn(chunkLines(c.text, c.search, nil))); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestTableSelection(t *testing.T) {
	const text = "Über\n| Tür | B |\n| --- | --- |\n| ä1 | b1 |\n| ä2 | b2 |"
	start := len([]rune(text[:strings.Index(text, "| ä1")]))
	for _, c := range []struct {
		name       string
		start, end int
		want       []string
	}{
		{"a row", start, start + 11, []string{":Über", "=Tür|B=", "[ä1]|[b1]", "ä2|b2"}},
		{"from within a cell", start + 3, start + 16, []string{":Über", "=Tür|B=", "ä[1]|[b1]", "[ä2]|b2"}},
		{"the rule alone", start - 14, start - 1, []string{":Über", "=Tür|B=", "ä1|b1", "ä2|b2"}},
		{"all", -1, 999, []string{":[Über]", "=[Tür]|[B]=", "[ä1]|[b1]", "[ä2]|[b2]"}},
	} {
		if diff := cmp.Diff(c.want, drawn(sourceLines(text, c.start, c.end))); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestTableDiff(t *testing.T) {
	const head = "\n| A | B |\n| --- | --- |\n"
	lines := linesWith(head+"| one boat | 2 |", head+"| one ship | 3 |")
	var changed []string
	for _, row := range lines[0].rows {
		for _, c := range row {
			for _, p := range c {
				if p.changed {
					changed = append(changed, p.text)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"ship", "3"}, changed); diff != "" {
		t.Error(diff)
	}
}

// TestLongTable shows a table that is as long as a sheet a part at a time, and every row of it once.
func TestLongTable(t *testing.T) {
	var text strings.Builder
	text.WriteString(strings.Repeat("| H ", 200) + "|\n" + strings.Repeat("| --- ", 200) + "|")
	for i := range 2000 {
		text.WriteString("\n|" + strings.Repeat(fmt.Sprintf(" %d |", i), 200))
	}
	page := document.Page{Text: text.String()}
	rows := 0
	for at, parts := 1, 1; at <= parts; at++ {
		var part document.Page
		part, _, parts = textPart(page, at)
		shown := 0
		for _, l := range sourceLines(part.Text, 0, 0) {
			if l.kind == "row" {
				t.Fatalf("part %d: a row outside a table: %.80q", at, marked(l.pieces))
			}
			shown += len(l.rows)
		}
		if rows += shown; shown*200 > mostShown {
			t.Fatalf("part %d has %d rows", at, shown)
		}
	}
	if rows != 2000 {
		t.Errorf("got %d rows", rows)
	}
}

func TestTableIsText(t *testing.T) {
	var out strings.Builder
	lines := chunkLines("| <b>A |  |\n| --- | --- |\n| \"x' onclick=y | "+strings.Repeat("long ", 9)+"|", "", nil)
	if err := textLines(lines, false).Render(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{`<th scope="col" data-w="word">&lt;b&gt;A</th><td></td>`, `<td data-w="word">&#34;x&#39; onclick=y</td>`, `<td data-w="sentence">long`} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "style") {
		t.Error("the content policy forbids style attributes")
	}
}

// TestLongSheet steps through the parts of one sheet, and stays on it.
func TestLongSheet(t *testing.T) {
	var out strings.Builder
	v := TextView{At: 2, Pages: 3, Part: 2, Page: document.Page{Number: 2, Text: strings.Repeat("| a | b |\n", mostShown/4)}}
	if err := textPage(v).Render(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/text?page=3", "/text?page=2&amp;part=3", `type="hidden" name="page" value="2"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %s", want)
		}
	}
	if rows := strings.Count(out.String(), "<tr>"); rows > mostShown/9 {
		t.Errorf("one part has %d rows", rows)
	}
}
