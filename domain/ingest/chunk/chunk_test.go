package chunk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
	"github.com/google/go-cmp/cmp"
	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"
)

// prose returns n numbered sentences of about eleven tokens.
func prose(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Sentence %d says how the bicycle is locked. ", i)
	}
	return strings.TrimSpace(b.String())
}

func paragraph(text string) extract.Block {
	return extract.Block{Kind: extract.Paragraph, Text: text}
}

func heading(level int, text string) extract.Block {
	return extract.Block{Kind: extract.Heading, Level: level, Text: text}
}

func split(o Options, blocks ...extract.Block) []Chunk {
	chunks, _ := Split(&extract.Document{Blocks: blocks}, o)
	return chunks
}

// starts returns the first line of each chunk.
func starts(chunks []Chunk) []string {
	var out []string
	for _, c := range chunks {
		line, _, _ := strings.Cut(c.Text, "\n")
		out = append(out, line)
	}
	return out
}

func TestSections(t *testing.T) {
	tests := []struct {
		name   string
		blocks []extract.Block
		want   []string // first lines
		paths  []string
	}{
		{"small sections below a heading share a chunk", []extract.Block{heading(1, "Handbook"), heading(2, "Renting"), paragraph("a"), heading(3, "Age"), paragraph("b"), heading(2, "Prices"), paragraph("c")},
			[]string{"# Handbook", "## Prices"}, []string{"Handbook/Renting", "Handbook/Prices"}},
		{"large sections do not", []extract.Block{heading(1, "One"), paragraph(prose(16)), heading(2, "Two"), paragraph(prose(16)), heading(1, "Three"), paragraph("x")},
			[]string{"# One", "## Two", "# Three"}, []string{"One", "One/Two", "Three"}},
		{"headings without text stay with what follows", []extract.Block{heading(1, "Part"), heading(1, "Chapter"), paragraph("x"), heading(1, "End")},
			[]string{"# Part", "# End"}, []string{"Chapter", "End"}},
		{"no headings", []extract.Block{paragraph("x"), paragraph("y")}, []string{"x"}, []string{""}},
		{"levels that are left out", []extract.Block{heading(3, "A"), paragraph("x"), heading(5, "B"), paragraph("y"), heading(3, "C"), paragraph("z")},
			[]string{"### A", "### C"}, []string{"A", "C"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chunks := split(Options{}, tt.blocks...)
			var paths []string
			for _, c := range chunks {
				paths = append(paths, strings.Join(c.Heading, "/"))
			}
			if diff := cmp.Diff(tt.want, starts(chunks)); diff != "" {
				t.Errorf("chunks: %s", diff)
			}
			if diff := cmp.Diff(tt.paths, paths); diff != "" {
				t.Errorf("paths: %s", diff)
			}
		})
	}
}

func TestSentencesStayWhole(t *testing.T) {
	text := prose(40) + " We met Dr. Smith of No. 4 e.g. at J. K. Harbour, vgl. S. 3. It rained."
	for i, c := range split(Options{Tokens: 128}, paragraph(text)) {
		if !strings.HasSuffix(c.Text, ".") || !strings.HasPrefix(c.Text, "Sentence") && !strings.HasPrefix(c.Text, "We met") && !strings.HasPrefix(c.Text, "It") {
			t.Errorf("chunk %d: %q", i, c.Text)
		}
	}
}

func TestSentences(t *testing.T) {
	tests := []struct{ name, text string }{
		{"full stops", "It rains.|Take a coat!|Do you have one?|Yes."},
		{"abbreviations and initials", "Ask Dr. No today.|Then go to No. 4, e.g. by bike.|J. K. Harbour of the U.S. Navy met Ph.D. Smith at 9 a.m. Monday."},
		{"decimals and versions", "It costs 4.50 Euro.|Take v2.3.1 or 10.4.|Version 1.2 Beta is older."},
		{"German dates and abbreviations", "Am 3. Oktober ist zu.|Es gilt z. B. Abs. 2 Satz 1, d. h. bzw. Nr. 500.|Das war 1990.|Danach nicht."},
		{"addresses", "See https://example.org/search?Q=1&page=2 or mail a.B@example.org.|Then a!=b."},
		{"quotations and brackets", "He said “Stop.” |She did (at once.) |Then they left."},
		{"Chinese", "今天下雨。|你有伞吗？|有！|“走吧。”|好"},
		{"Japanese", "駅はどこですか。|「右です。」|ありがとう！"},
		{"Arabic", "أين المفتاح؟ |هو على الطاولة. |شكرا!"},
		{"Urdu", "کتاب کہاں ہے؟ |میز پر ہے۔ |شکریہ۔"},
		{"Hindi", "किताब कहाँ है? |मेज़ पर है। |धन्यवाद।"},
		{"Greek and Russian", "Πού είναι; Εκεί.|Где ключ?|На столе."},
		{"lines of a paragraph are no sentences", "one two\nthree four\nfive."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.ReplaceAll(tt.text, "|", "")
			if !strings.Contains(tt.name, "Chinese") && !strings.Contains(tt.name, "Japanese") {
				text = strings.ReplaceAll(strings.ReplaceAll(tt.text, " |", "|"), "|", " ")
			}
			var want, got []string
			for s := range strings.SplitSeq(tt.text, "|") {
				want = append(want, strings.TrimSpace(s))
			}
			eachSentence(text, func(start, end int) { got = append(got, strings.TrimSpace(text[start:end])) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A language without marks at the end of sentences is cut at its blanks.
func TestThaiIsCutAtBlanks(t *testing.T) {
	phrase := "จักรยานทุกคันมีกุญแจ"
	for i, c := range split(Options{Tokens: 128, Overlap: -1}, paragraph(strings.TrimSpace(strings.Repeat(phrase+" ", 60)))) {
		for part := range strings.SplitSeq(c.Text, " ") {
			if part != phrase {
				t.Errorf("chunk %d has %q", i, part)
			}
		}
	}
}

func TestOverlap(t *testing.T) {
	chunks := split(Options{Tokens: 128, Overlap: 32}, paragraph(prose(40)))
	for i := 1; i < len(chunks); i++ {
		if chunks[i].Start >= chunks[i-1].End || chunks[i-1].End-chunks[i].Start > 32*5 {
			t.Errorf("chunk %d begins at %d, the one before ends at %d", i, chunks[i].Start, chunks[i-1].End)
		}
	}
	for i, c := range split(Options{Tokens: 128, Overlap: -1}, paragraph(prose(40))) {
		if i > 0 && c.Start < i {
			t.Errorf("overlap where none was asked for")
		}
	}
	for i, c := range split(Options{Tokens: 128, Overlap: 16}, heading(1, "A"), paragraph(prose(8)), heading(1, "B"), paragraph(prose(8))) {
		if i > 0 && strings.Contains(c.Text, "# B") && !strings.HasPrefix(c.Text, "# B") {
			t.Errorf("overlap across a heading: %q", c.Text)
		}
	}
}

func TestOptionsAreBroughtWithinBounds(t *testing.T) {
	tests := []struct{ given, want Options }{
		{Options{}, Options{Tokens: DefaultTokens, Overlap: DefaultOverlap}},
		{Options{Tokens: 1}, Options{Tokens: MinTokens, Overlap: 32}},
		{Options{Tokens: -5, Overlap: -5}, Options{Tokens: MinTokens, Overlap: 0}},
		{Options{Tokens: 9999, Overlap: 9999}, Options{Tokens: MaxTokens, Overlap: 256}},
		{Options{Tokens: 200, Overlap: 40}, Options{Tokens: 200, Overlap: 40}},
	}
	for _, tt := range tests {
		if got := tt.given.withDefaults(); got.Tokens != tt.want.Tokens || got.Overlap != tt.want.Overlap {
			t.Errorf("%+v becomes %+v, want %+v", tt.given, got, tt.want)
		}
	}
}

// A heading is never alone, nor the last of a chunk: not even above a sentence that fills a chunk by itself.
func TestHeadingsStayWithTheirText(t *testing.T) {
	long := "This sentence " + strings.Repeat("goes on and ", 41) + "ends."
	for _, blocks := range [][]extract.Block{
		{heading(1, "Title"), heading(2, "On bicycles"), paragraph(long), heading(2, "On locks"), paragraph(long)},
		{paragraph(prose(7)), heading(2, "On bicycles"), heading(3, "With lamps"), paragraph(long), heading(3, "Without"), paragraph(long)},
	} {
		for i, c := range split(Options{Tokens: 128}, blocks...) {
			if lines := strings.Split(c.Text, "\n"); strings.HasPrefix(lines[len(lines)-1], "#") {
				t.Errorf("chunk %d: %q", i, c.Text)
			}
		}
	}
}

func TestLongHeadingsAreCutInThePath(t *testing.T) {
	c := split(Options{}, heading(1, strings.Repeat("漢", 5000)), paragraph(prose(40)))
	if last := c[len(c)-1]; utf8.RuneCountInString(last.Heading[0]) != maxHeading+1 {
		t.Errorf("%d code points", utf8.RuneCountInString(last.Heading[0]))
	}
}

// Slides have headings for titles, sheets are one table each: no chunk mixes two of them.
func TestSlidesAndSheets(t *testing.T) {
	var slides []extract.Block
	for page := 1; page <= 3; page++ {
		for _, b := range []extract.Block{heading(2, fmt.Sprint("Slide ", page)), {Kind: extract.ListItem, Level: 1, Text: "one"}, {Kind: extract.ListItem, Level: 1, Text: "two"}} {
			b.Page = page
			slides = append(slides, b)
		}
	}
	if diff := cmp.Diff([]string{"## Slide 1", "## Slide 2", "## Slide 3"}, starts(split(Options{}, slides...))); diff != "" {
		t.Error(diff)
	}
	var sheets []extract.Block
	for page, name := range []string{"Stations", "Prices"} {
		table := extract.Block{Kind: extract.Table, Page: page + 1, Header: []string{name, "Number"}}
		for i := range 60 {
			table.Rows = append(table.Rows, []string{fmt.Sprint(name, " ", i), fmt.Sprint(i)})
		}
		title := heading(2, name)
		title.Page = page + 1
		sheets = append(sheets, title, table)
	}
	rows := 0
	for i, c := range split(Options{Tokens: 128}, sheets...) {
		name := c.Heading[0]
		if c.PageFrom != c.PageTo || strings.Count(c.Text, "| "+name+" | Number |\n| --- | --- |\n") != 1 {
			t.Errorf("chunk %d: %q", i, c.Text)
		}
		rows += strings.Count(c.Text, "| "+name+" ") - 1
	}
	if rows != 120 {
		t.Errorf("%d rows", rows)
	}
}

func TestWideTableHeader(t *testing.T) {
	header := func(n int) extract.Block {
		table := extract.Block{Kind: extract.Table}
		for i := range n {
			table.Header = append(table.Header, fmt.Sprint("column", i))
		}
		for r := range 20 {
			table.Rows = append(table.Rows, slices.Repeat([]string{fmt.Sprint(r)}, n))
		}
		return table
	}
	for n, want := range map[int]bool{14: true, 40: false} { // of 128 tokens, two thirds, and more than all
		for i, c := range split(Options{Tokens: 128}, header(n)) {
			if got := strings.HasPrefix(c.Text, "| column0 |"); got != (want || i == 0) {
				t.Errorf("%d columns: chunk %d %.60q", n, i, c.Text)
			}
			if want && !strings.Contains(c.Text, "| 0") && strings.Count(c.Text, "\n") < 2 {
				t.Errorf("a header alone: %q", c.Text)
			}
		}
	}
}

func TestTableHeaderIsRepeated(t *testing.T) {
	table := extract.Block{Kind: extract.Table, Header: []string{"Station", "Docks"}}
	for i := range 200 {
		table.Rows = append(table.Rows, []string{fmt.Sprintf("Station %d", i), fmt.Sprint(i)})
	}
	chunks := split(Options{Tokens: 128}, paragraph("All stations:"), table)
	if len(chunks) < 5 {
		t.Fatalf("%d chunks", len(chunks))
	}
	seen := 0
	for i, c := range chunks {
		lines := strings.Split(c.Text, "\n")
		at := slices.Index(lines, "| Station | Docks |")
		if at < 0 || lines[at+1] != "| --- | --- |" || !strings.HasPrefix(lines[len(lines)-1], "| Station ") {
			t.Errorf("chunk %d: %q", i, c.Text)
		}
		if i == 0 != strings.HasPrefix(c.Text, "All stations:") {
			t.Errorf("the introduction was left alone: %q", c.Text)
		}
		seen += strings.Count(c.Text, "| Station ") - 1
	}
	if seen != 200 {
		t.Errorf("%d rows", seen)
	}
}

func TestCodeAndListItemsStayWhole(t *testing.T) {
	short := extract.Block{Kind: extract.Code, Text: "a\n\nb"}
	item := extract.Block{Kind: extract.ListItem, Level: 1, Text: prose(6)}
	for _, c := range split(Options{Tokens: 128}, paragraph(prose(8)), short, item, item, item) {
		if strings.Count(c.Text, "```")%2 != 0 || strings.Count(c.Text, "- Sentence 0") != strings.Count(c.Text, "Sentence 5") && strings.HasPrefix(c.Text, "- ") {
			t.Errorf("%q", c.Text)
		}
	}
	long := extract.Block{Kind: extract.Code, Text: strings.Repeat("x := lock(bicycle)\n", 100) + "end"}
	for i, c := range split(Options{Tokens: 128}, long) {
		if !strings.HasPrefix(c.Text, "```\n") || !strings.HasSuffix(c.Text, "\n```") {
			t.Errorf("chunk %d: %q", i, c.Text)
		}
	}
}

func TestCodeIsCutBetweenItsParts(t *testing.T) {
	function := func(n int) string {
		return fmt.Sprintf("func part%d() {\n%s}\n", n, strings.Repeat("\tlock(bicycle)\n", 18))
	}
	apart := extract.Block{Kind: extract.Code, Text: strings.TrimSpace(function(1) + "\n" + function(2) + "\n" + function(3))}
	close := extract.Block{Kind: extract.Code, Text: strings.TrimSpace(function(1) + function(2) + function(3))}
	for _, code := range []extract.Block{apart, close} {
		chunks := split(Options{Tokens: 128}, code)
		if len(chunks) != 3 {
			t.Errorf("%d chunks", len(chunks))
		}
		for _, c := range chunks {
			if !strings.HasPrefix(c.Text, "```\nfunc part") || !strings.HasSuffix(c.Text, "\n}\n```") {
				t.Errorf("%q", c.Text)
			}
		}
	}
}

// What is repeated in each chunk must not multiply a hostile file.
func TestLongFencesAreNotRepeated(t *testing.T) {
	code := extract.Block{Kind: extract.Code, Text: strings.Repeat("`", 2000) + "\n" + strings.Repeat("x := lock(bicycle)\n", 500) + "end"}
	total := 0
	for _, c := range split(Options{Tokens: 128}, code) {
		total += len(c.Text)
	}
	if total > 2*len(code.Text) {
		t.Errorf("%d bytes of %d", total, len(code.Text))
	}
}

func TestNestedItemsStayWithTheirParent(t *testing.T) {
	item := func(level int, text string) extract.Block {
		return extract.Block{Kind: extract.ListItem, Level: level, Text: text}
	}
	var blocks []extract.Block
	for i := range 9 {
		blocks = append(blocks, item(1, fmt.Sprintf("Station %d is open all year.", i)), item(2, "It has twenty docks and a pump."), item(2, "It has a roof and a lamp."))
	}
	chunks := split(Options{Tokens: 128}, blocks...)
	for i, c := range chunks {
		if !strings.HasPrefix(c.Text, "- Station") && i > 0 && !strings.Contains(chunks[i-1].Text, c.Text[:20]) {
			t.Errorf("chunk %d: %q", i, c.Text)
		}
	}
}

func TestIntroductionStaysWithItsList(t *testing.T) {
	item := extract.Block{Kind: extract.ListItem, Level: 1, Text: prose(4)}
	for _, c := range split(Options{Tokens: 128, Overlap: -1}, paragraph(prose(10)), paragraph("Bring these:"), item, item, item) {
		if strings.HasSuffix(c.Text, "Bring these:") {
			t.Errorf("%q", c.Text)
		}
	}
}

func TestPages(t *testing.T) {
	foot := extract.Block{Kind: extract.Paragraph, Text: "Page foot", Page: 1, Furniture: true}
	one, two := paragraph(prose(3)+" The sentence goes"), paragraph("on overleaf. It ends.")
	one.Page, two.Page = 1, 2
	chunks := split(Options{}, one, foot, two)
	if len(chunks) != 1 || chunks[0].PageFrom != 1 || chunks[0].PageTo != 2 || strings.Contains(chunks[0].Text, "foot") {
		t.Errorf("%+v", chunks)
	}
	one.Text = prose(9) + " The sentence goes"
	for i, c := range split(Options{Tokens: 128}, one, foot, two) {
		if strings.HasPrefix(c.Text, "on overleaf") {
			t.Errorf("chunk %d begins in a sentence", i)
		}
	}
}

func TestLineWithoutBlanks(t *testing.T) {
	for _, unit := range []string{"x", "漢", "é", "1,", "\u0301"} {
		text := strings.Repeat(unit, 30_000)
		chunks := split(Options{Tokens: 128, Overlap: -1}, paragraph(text))
		var b strings.Builder
		for _, c := range chunks {
			if c.Tokens > 128 {
				t.Errorf("%q: %d tokens", unit, c.Tokens)
			}
			b.WriteString(c.Text)
		}
		if b.String() != text {
			t.Errorf("%q: not all of the text", unit)
		}
	}
}

// Property: whatever the document, the chunks hold all its text in order, say truly where they stand, and keep the cap.
func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := &extract.Document{Blocks: rapid.SliceOfN(rapid.Custom(genBlock), 1, 30).Draw(t, "blocks")}
		o := Options{Tokens: rapid.IntRange(0, 300).Draw(t, "tokens"), Overlap: rapid.IntRange(-1, 100).Draw(t, "overlap")}
		check(t, doc, o)
	})
}

func genBlock(t *rapid.T) extract.Block {
	word := rapid.SampledFrom([]string{"bike ", "lock. ", "Harbour ", "e.g. ", "4.50 ", "日本。", "é", "\n", "x\u0301", "| ", "```", "🚲 ", strings.Repeat("long", 60)})
	text := func(label string, n int) string {
		return strings.TrimSpace("w" + strings.Join(rapid.SliceOfN(word, 1, n).Draw(t, label), ""))
	}
	line := func(label string) string { return strings.ReplaceAll(text(label, 8), "\n", " ") }
	b := extract.Block{
		Kind:      rapid.SampledFrom([]extract.Kind{extract.Heading, extract.Paragraph, extract.ListItem, extract.Table, extract.Code, extract.Quote}).Draw(t, "kind"),
		Level:     rapid.IntRange(1, 4).Draw(t, "level"),
		Furniture: rapid.IntRange(0, 9).Draw(t, "furniture") == 0,
	}
	switch b.Kind {
	case extract.Heading:
		b.Text = line("heading")
	case extract.Table:
		columns := rapid.IntRange(1, 4).Draw(t, "columns")
		row := rapid.Custom(func(t *rapid.T) []string {
			cells := make([]string, columns)
			for i := range cells {
				cells[i] = line("cell")
			}
			return cells
		})
		b.Header, b.Rows = row.Draw(t, "header"), rapid.SliceOfN(row, 0, 12).Draw(t, "rows")
	default:
		b.Text = text("text", 120)
	}
	return b
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func check(t fataler, doc *extract.Document, o Options) (chunks []Chunk, lost []string) {
	t.Helper()
	text, spans := doc.Render()
	points := []rune(text)
	chunks, lost = Split(doc, o)
	covered := make([]bool, len(points))
	last := 0
	for i, c := range chunks {
		if c.Start < last || c.End <= c.Start || c.End > len(points) {
			t.Fatalf("chunk %d at %d–%d after %d", i, c.Start, c.End, last)
		}
		if c.Tokens != newCounter().tokens(c.Text) || c.Tokens > o.withDefaults().Tokens*7/4+32 && c.Anchor == "" || c.Tokens > Max {
			t.Fatalf("chunk %d of %d tokens, counted %d", i, c.Tokens, newCounter().tokens(c.Text))
		}
		if !utf8.ValidString(c.Text) || strings.TrimSpace(c.Text) != c.Text {
			t.Fatalf("chunk %d: %q", i, c.Text)
		}
		last = c.Start
		for k := c.Start; k < c.End; k++ {
			covered[k] = true
		}
		if !standsIn(c.Text, string(points[c.Start:c.End])) {
			t.Fatalf("chunk %d is not what stands at %d–%d:\n%q\n%q", i, c.Start, c.End, c.Text, string(points[c.Start:c.End]))
		}
	}
	for i, b := range doc.Blocks {
		if b.Furniture {
			continue
		}
		from, to := utf8.RuneCountInString(text[:spans[i].Start]), utf8.RuneCountInString(text[:spans[i].End])
		for k := from; k < to; k++ {
			if !covered[k] && !unicode.IsSpace(points[k]) {
				t.Fatalf("%q of block %d (%s) is in no chunk", string(points[k:min(k+20, to)]), i, b.Kind)
			}
		}
	}
	return chunks, lost
}

// standsIn reports whether a chunk's text is the text of its place, but for furniture left out of it, a table's header or
// fences added.
func standsIn(chunk, place string) bool {
	if chunk == place {
		return true
	}
	lines := map[string]bool{}
	for line := range strings.Lines(place) {
		lines[strings.TrimSpace(line)] = true
	}
	own := 0
	for line := range strings.Lines(chunk) {
		line = strings.TrimSpace(line)
		if !lines[line] && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "```") && !strings.Contains(place, line) {
			return false
		}
		own++
	}
	return own > 0
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("# a\n\n| b |\n|---|\n| c |\n\n```\nd\n```\n> e"), 128, 10)
	f.Fuzz(func(t *testing.T, data []byte, tokens, overlap int) {
		doc, err := extract.Extract(context.Background(), data, "a.md", nil)
		if err != nil || doc.Format == extract.PDF {
			return
		}
		check(t, doc, Options{Tokens: tokens % 2048, Overlap: overlap % 2048})
	})
}

// Property: counting word by word, with a memory, is the same as counting at once.
func TestTokens(t *testing.T) {
	whole := codec.NewCl100kBase()
	counter := newCounter()
	part := rapid.SampledFrom([]string{" ", "  ", "\n", "\t", "\u00a0", "\u3000", "bike", "Bike's", "4711", ".", ",", "...", "é", "漢字", "слово", "🚲", "'ll", "x\u0301", "<|endoftext|>"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(part, 0, 60).Draw(t, "parts"), "")
		want, err := whole.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := counter.tokens(text); got != want {
			t.Fatalf("%d tokens, want %d: %q", got, want, text)
		}
	})
}

// BenchmarkSplit cuts texts whose words hardly come again, unlike those of a small file repeated.
func BenchmarkSplit(b *testing.B) {
	for _, name := range []string{"documents/files/handbook-872p.docx", "chunk-spans/wikitexts.md", "documents/files/langdocs-UDHR_first_article_all.txt"} {
		b.Run(filepath.Base(name), func(b *testing.B) {
			data, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "data", name))
			if err != nil {
				b.Skip(err)
			}
			doc, err := extract.Extract(b.Context(), data, name, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(doc.Markdown())))
			chunks := 0
			for b.Loop() {
				split, _ := Split(doc, Options{})
				chunks += len(split)
			}
			b.ReportMetric(float64(chunks)/b.Elapsed().Seconds(), "chunks/s")
		})
	}
}
