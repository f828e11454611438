package extract

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outline writes blocks in a line each, for tests of structure.
func outline(doc *Document) []string {
	var out []string
	for _, b := range doc.Blocks {
		s := string(b.Kind)
		if b.Kind == Heading || b.Kind == ListItem {
			s += string('0' + rune(b.Level))
		}
		if b.Furniture {
			s = "furniture"
		}
		s += ": "
		if b.Marker != "" {
			s += b.Marker + " "
		}
		s += b.Text
		if b.Kind == Table {
			s += strings.Join(b.Header, "|")
			for _, row := range b.Rows {
				s += " / " + strings.Join(row, "|")
			}
		}
		out = append(out, s)
	}
	return out
}

type readTest struct {
	name, in string
	want     []string
}

func testReader(t *testing.T, file string, tests []readTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, tt.in, file)
			sound(t, doc)
			if diff := cmp.Diff(tt.want, outline(doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestText(t *testing.T) {
	testReader(t, "a.txt", []readTest{
		{"paragraphs", "one\ntwo\n\n \nthree\r\n", []string{"paragraph: one\ntwo", "paragraph: three"}},
		{"page break", "one\ftwo", []string{"paragraph: one\ntwo"}},
		{"page break between lines", "one\n\ftwo", []string{"paragraph: one", "paragraph: two"}},
		{"underlined", "Prices\n======\nText\n\nLate fees\n-------\n", []string{"heading1: Prices", "paragraph: Text", "heading2: Late fees"}},
		{"underlined after underlined", "Prices\n======\nBikes\n-----\nText", []string{"heading1: Prices", "heading2: Bikes", "paragraph: Text"}},
		{"capitals", "OPENING HOURS\n\nDaily.\n\nA NOTE THAT ENDS.\n", []string{"heading2: OPENING HOURS", "paragraph: Daily.", "paragraph: A NOTE THAT ENDS."}},
		{"list", "Bring:\n- a card,\n  your own\n- 1 lock\n2) time\n", []string{"paragraph: Bring:", "list_item1: a card,\nyour own", "list_item1: 1 lock", "list_item1: 2) time"}},
		{"lists in a list", "- a\n  - b\n    - c\n  - d\na) e\n\tf", []string{"list_item1: a", "list_item2: b", "list_item3: c", "list_item2: d", "list_item1: a) e\nf"}},
		{"numbered headings", "1. Opening hours\n\nDaily.\n\n2. Prices\n\n18 euros\n\n3. Last", []string{"heading2: 1. Opening hours", "paragraph: Daily.", "heading2: 2. Prices", "paragraph: 18 euros", "list_item1: 3. Last"}},
		{"a list with empty lines", "1. a card\n\n2. a lock\n\nThat is all.", []string{"list_item1: 1. a card", "list_item1: 2. a lock", "paragraph: That is all."}},
		{"a line across", "one\n\n-----\n\ntwo\n\n* * *", []string{"paragraph: one", "paragraph: two"}},
		{"a year is no marker", "Founded in\n1998. It grew.", []string{"paragraph: Founded in\n1998. It grew."}},
		{"nul and bytes of an old encoding", "ka\x00yak, 4 \xd7 2 seats", []string{"paragraph: kayak, 4 × 2 seats"}},
	})
}

func TestMarkdown(t *testing.T) {
	testReader(t, "a.md", []readTest{
		{"headings", "Title\n=====\n\n## Two *words* `code`\n", []string{"heading1: Title", "heading2: Two words code"}},
		{"soft and hard breaks", "one\ntwo  \nthree<br>four", []string{"paragraph: one two\nthree\nfour"}},
		{"lists", "1. first\n   - inner\n2. second\n\n   more\n", []string{"list_item1: 1. first", "list_item2: inner", "list_item1: 2. second\nmore"}},
		{"tasks", "- [x] done\n- [ ] open\n", []string{"list_item1: [x] done", "list_item1: [ ] open"}},
		{"table", "| A | B |\n|---|---|\n| 1 | a \\| b |\n", []string{"table: A|B / 1|a | b"}},
		{"code", "```go\nif a < b {\n\n\tx()\n}\n```\n", []string{"code: if a < b {\n\n\tx()\n}"}},
		{"quote", "> wise\n> words\n", []string{"quote: wise words"}},
		{"links", "[web](https://a.example/x \"t\") [page](b.html) <https://c.example> [mail](mailto:d@e.example) [js](javascript:alert(1)) ![plan](p.png)",
			[]string{"paragraph: [web](https://a.example/x) page https://c.example [mail](mailto:d@e.example) js plan"}},
		{"entities", "Loop &amp; Bikes \\* &copy;", []string{"paragraph: Loop & Bikes * ©"}},
		{"what looks like a tag", "run <command> or <b>stop</b> <!-- not -->", []string{"paragraph: run <command> or stop"}},
		{"html", "<div><h2>Hours</h2><script>x()</script>\n<p>Daily</p></div>\n", []string{"heading2: Hours", "paragraph: Daily"}},
		{"details", "## More\n\n<details><summary>Why?</summary>\n\nSo.\n</details>\n", []string{"heading2: More", "heading3: Why?", "paragraph: So."}},
		{"definitions", "Deposit\n: 50 euros\n\nHow long?\n: A day\n: or two\n", []string{"list_item1: Deposit: 50 euros", "list_item1: How long? A day", "list_item1: or two"}},
		{"attributes of a heading", "## Prices {#prices .big}\n", []string{"heading2: Prices"}},
		{"struck", "now ~~20~~ 18, H~2~O", []string{"paragraph: now ~~20~~ 18, H2O"}},
		{"old line ends", "# a\r\rb\r", []string{"heading1: a", "paragraph: b"}},
		{"front matter in TOML", "+++\ntitle = 'Prices'\n+++\nText\n", []string{"code: title = 'Prices'", "paragraph: Text"}},
		{"footnote", "Text[^a].\n\n[^a]: The note.\n", []string{"paragraph: Text[1].", "paragraph: [1] The note."}},
		{"front matter", "---\ntitle: \"Prices\"\ndraft: no\n---\nText\n", []string{"code: title: \"Prices\"\ndraft: no", "paragraph: Text"}},
		{"rules", "one\n\n---\n\ntwo\n", []string{"paragraph: one", "paragraph: two"}},
	})
	if doc := extractString(t, "# "+strings.Repeat("long ", 200), "a.md"); doc.Blocks[0].Kind != Paragraph {
		t.Errorf("a heading of %d bytes", len(doc.Blocks[0].Text))
	}
	if doc := extractString(t, "---\ntitle: Prices\n---\nText\n", "a.md"); doc.Title != "Prices" {
		t.Errorf("title %q", doc.Title)
	}
}

func TestCSV(t *testing.T) {
	testReader(t, "a.csv", []readTest{
		{"commas", "bike,price\ncity,4\n\"cargo, large\",9\n", []string{"table: bike|price / city|4 / cargo, large|9"}},
		{"semicolons", "bike;price\ncity;4,00\ncargo;9,00\n", []string{"table: bike|price / city|4,00 / cargo|9,00"}},
		{"tabs", "bike\tprice\ncity\t4\n", []string{"table: bike|price / city|4"}},
		{"tabs and many commas", "name\tplace\nBo, Ana, Dr.\tQuay, 3\nX, Y, Z\tA, B\n", []string{"table: name|place / Bo, Ana, Dr.|Quay, 3 / X, Y, Z|A, B"}},
		{"tabs and quotes", "a\tb\n\"x; \"\"y\"\"\tz\nw\"\t1\n", []string{"table: a|b / x; \"y\" z w|1"}},
		{"semicolons and decimal commas", "x;1,5\ny;2,5\n", []string{"table: | / x|1,5 / y|2,5"}},
		{"bars", "bike|price\ncity|4\n", []string{"table: bike|price / city|4"}},
		{"declared", "sep=;\nbike;price\ncity;4\n", []string{"table: bike|price / city|4"}},
		{"no header", "1,2\n3,4\n", []string{"table: | / 1|2 / 3|4"}},
		{"ragged", "a,b,c\nd\ne,f,g\n", []string{"table: a|b|c / d|| / e|f|g"}},
		{"line end in a field", "a,b\n\"x\ny\",z\n", []string{"table: a|b / x y|z"}},
		{"stray quote", "a,b\n6\" wheel,z\n", []string{"table: a|b / 6\" wheel|z"}},
		{"lines of an old Mac", "bike,price\rcity,4\rcargo,9\r", []string{"table: bike|price / city|4 / cargo|9"}},
		{"title above", "Prices for May,,\nFrom: 2024-05-01\n\nbike,hour,day\ncity,4,18\ncargo,9,42\nall,,60\n", []string{"paragraph: Prices for May\nFrom: 2024-05-01", "table: bike|hour|day / city|4|18 / cargo|9|42 / all||60"}},
		{"account above", "Account:;DE12\nOwner:;Loop Bikes\n\nday;to;for;sum;left\n1;a;b;2;3\n2;c;d;4;5\n3;e;f;6;7\n", []string{"paragraph: Account: DE12\nOwner: Loop Bikes", "table: day|to|for|sum|left / 1|a|b|2|3 / 2|c|d|4|5 / 3|e|f|6|7"}},
		{"hardly filled", "a,,,\n,b,,\n,,c,\n", []string{"table: ||| / a||| / |b|| / ||c|"}},
		{"one column", "bike\ncity\ncargo\n", []string{"table: bike / city / cargo"}},
		{"too wide for a table", strings.Repeat("a,", maxFields+1), []string{"paragraph: " + strings.Repeat("a,", maxFields+1)}},
	})
}

// fuzz runs a reader on anything and checks what it returns.
func fuzz(f *testing.F, read func([]byte) (*Document, error)) {
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := read(data)
		if err != nil {
			return
		}
		if doc.finish() == nil {
			sound(t, doc)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("OPENING HOURS\n\n- daily\n1. x\n\f\xff\x00"))
	fuzz(f, readText)
}

func FuzzMarkdown(f *testing.F) {
	f.Add([]byte("---\na: b\n---\n# x\n- [y](https://z)\n\n|a|b|\n|-|-|\n|1|2|\n\n<p>x[^1]\n\n[^1]: y"))
	fuzz(f, readMarkdown)
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("sep=;\na;\"b\nc\"\n1;2"))
	f.Add(bytes.Repeat([]byte("\xe9,\x00\n"), 3))
	fuzz(f, readCSV)
}
