package chunk

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bitb/domain/ingest/extract"
)

// anchorsOf anchors some chunks, as a person would who worked on them.
func anchorsOf(doc *extract.Document, chunks []Chunk, some func(i int) bool) []Anchor {
	points := []rune(doc.Markdown())
	var anchors []Anchor
	for i, c := range chunks {
		if some(i) {
			anchors = append(anchors, Anchor{ID: fmt.Sprint("a", i), Quote: string(points[c.Start:c.End]), Start: c.Start})
		}
	}
	return anchors
}

// checkAnchors says what holds whatever happened: every anchor is in one chunk or lost, and nothing else touches its passage.
func checkAnchors(t fataler, doc *extract.Document, o Options) (found map[string]Chunk, lost []string) {
	t.Helper()
	chunks, lost := check(t, doc, o)
	found = map[string]Chunk{}
	for _, c := range chunks {
		if _, twice := found[c.Anchor]; twice {
			t.Fatalf("anchor %s has two chunks", c.Anchor)
		}
		if c.Anchor != "" {
			found[c.Anchor] = c
		}
	}
	for _, a := range o.Anchors {
		if _, ok := found[a.ID]; ok == slices.Contains(lost, a.ID) {
			t.Fatalf("anchor %s: found %v, lost %v", a.ID, ok, lost)
		}
	}
	for _, c := range chunks {
		for id, f := range found {
			if c.Anchor == "" && c.Start < f.End && f.Start < c.End {
				t.Fatalf("chunk %d–%d overlaps anchor %s at %d–%d", c.Start, c.End, id, f.Start, f.End)
			}
			if c.Anchor != "" && c.Anchor != id && c.Start == f.Start && c.End == f.End {
				t.Fatalf("%s and %s are one passage", c.Anchor, id)
			}
		}
	}
	return found, lost
}

func TestAnchor(t *testing.T) {
	long := heading(1, "Locks")
	table := extract.Block{Kind: extract.Table, Header: []string{"Dock", "Bikes"}, Rows: [][]string{{"North", "12"}, {"South", "7"}, {"Pier", "31"}}}
	item := extract.Block{Kind: extract.ListItem, Level: 1, Text: "Bring a helmet. Bring a lamp."}
	code := extract.Block{Kind: extract.Code, Text: "open()\n    lock(7)\nclose()"}
	blocks := []extract.Block{long, paragraph("A lock opens by code. The code is sent by mail. It is good for a day."), table, item, code}
	tests := []struct {
		name, quote string
		blocks      []extract.Block
		want        []string // texts of all chunks; the anchored one begins with "*", a changed one with "~"
	}{
		{"sentence", "The code is sent by mail.", blocks[:2],
			[]string{"# Locks\n\nA lock opens by code.", "*The code is sent by mail.", "It is good for a day."}},
		{"row of a table", "| South | 7 |", []extract.Block{table},
			[]string{"| Dock | Bikes |\n| --- | --- |\n| North | 12 |", "*| Dock | Bikes |\n| --- | --- |\n| South | 7 |", "| Dock | Bikes |\n| --- | --- |\n| Pier | 31 |"}},
		{"line of code keeps its indentation", "lock(7)", []extract.Block{code},
			[]string{"```\nopen()\n```", "*```\n    lock(7)\n```", "```\nclose()\n```"}},
		{"from one block into the next", "It is good for a day. - Bring a helmet.", []extract.Block{blocks[1], item},
			[]string{"A lock opens by code. The code is sent by mail.", "*It is good for a day.\n\n- Bring a helmet.", "Bring a lamp."}},
		{"white space does not count", "The  code is\nsent by\tmail.", blocks[1:2],
			[]string{"A lock opens by code.", "*The code is sent by mail.", "It is good for a day."}},
		{"changed", "The code is sent to you by post.", blocks[1:2],
			[]string{"A lock opens by code.", "~The code is sent by mail.", "It is good for a day."}},
		{"changed row", "| South | 9 bikes |", []extract.Block{table}, []string{"| Dock | Bikes |\n| --- | --- |\n| North | 12 |\n| South | 7 |\n| Pier | 31 |"}},
		{"part of a word", "cod", blocks[1:2], []string{"A lock opens by code. The code is sent by mail. It is good for a day."}},
		{"nothing", " \n", []extract.Block{item}, []string{"- Bring a helmet. Bring a lamp."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := &extract.Document{Blocks: tt.blocks}
			chunks, lost := Split(doc, Options{Anchors: []Anchor{{ID: "a", Quote: tt.quote}}})
			var got []string
			found := false
			for _, c := range chunks {
				mark := ""
				if c.Anchor == "a" {
					mark, found = map[bool]string{false: "*", true: "~"}[c.Changed], true
				}
				got = append(got, mark+c.Text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if found == slices.Contains(lost, "a") {
				t.Errorf("found %v, lost %v", found, lost)
			}
		})
	}
}

func TestAnchorAmongEqualPassages(t *testing.T) {
	same := "Ask at the desk if in doubt."
	var blocks []extract.Block
	names := []string{"Alpha", "Beta", "Gamma", "Delta", "Epsilon"}
	for _, name := range names {
		blocks = append(blocks, paragraph(name), paragraph(same))
	}
	doc := &extract.Document{Blocks: blocks}
	text := doc.Markdown()
	gamma := Anchor{ID: "gamma", Quote: "Gamma", Start: strings.Index(text, "Gamma")}
	below := Anchor{ID: "below", Quote: same, Start: gamma.Start + len("Gamma\n\n")}
	tests := []struct {
		name    string
		doc     *extract.Document
		anchors []Anchor
		want    map[string]string // ID → the word that stands before the passage
		lost    []string
	}{
		{"the one that was meant", doc, []Anchor{below}, map[string]string{"below": "Gamma"}, nil},
		{"moved along with what is near", &extract.Document{Blocks: append([]extract.Block{paragraph(prose(4))}, blocks...)}, []Anchor{below, gamma},
			map[string]string{"below": "Gamma", "gamma": "Beta"}, nil},
		{"each for one anchor", doc, []Anchor{below, {"twin", same, below.Start}, {"third", same, below.Start}},
			map[string]string{"below": "Gamma", "twin": "Beta", "third": "Delta"}, nil},
		{"and no more", doc, []Anchor{{"1", gamma.Quote, 0}, {"2", gamma.Quote, 0}}, map[string]string{"1": "Beta"}, []string{"2"}},
		{"not in what surrounds the content", &extract.Document{Blocks: []extract.Block{paragraph("x"), {Kind: extract.Paragraph, Text: same, Furniture: true}}},
			[]Anchor{below}, map[string]string{}, []string{"below"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, lost := checkAnchors(t, tt.doc, Options{Anchors: tt.anchors})
			points := []rune(tt.doc.Markdown())
			got := map[string]string{}
			for id, c := range found {
				for _, word := range strings.Fields(string(points[:c.Start])) {
					if slices.Contains(names, word) {
						got[id] = word
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.lost, lost); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Property: anchors of a reading are found in the next one of the same text, whatever the settings of both are.
func TestAnchorsSurviveOtherSettings(t *testing.T) {
	options := rapid.Custom(func(t *rapid.T) Options {
		return Options{Tokens: rapid.SampledFrom([]int{128, 160, 320, 1024}).Draw(t, "tokens"), Overlap: rapid.IntRange(-1, 80).Draw(t, "overlap")}
	})
	rapid.Check(t, func(t *rapid.T) {
		doc := &extract.Document{Blocks: rapid.SliceOfN(rapid.Custom(genBlock), 1, 30).Draw(t, "blocks")}
		a, b := options.Draw(t, "before"), options.Draw(t, "after")
		before, _ := Split(doc, a)
		b.Anchors = anchorsOf(doc, before, func(i int) bool { return rapid.Bool().Draw(t, "anchored") })
		found, lost := checkAnchors(t, doc, b)
		if len(lost) > 0 {
			t.Fatalf("lost %v", lost)
		}
		for i, was := range before {
			is, ok := found[fmt.Sprint("a", i)]
			if ok && (is.Changed || is.Start != was.Start || is.End != was.End) {
				t.Fatalf("anchor %d–%d is at %d–%d, changed %v", was.Start, was.End, is.Start, is.End, is.Changed)
			}
			if ok && a.Tokens == b.Tokens && is.Text != was.Text {
				t.Fatalf("anchor's text\n%q is now\n%q", was.Text, is.Text)
			}
		}
	})
}

// genWords makes a document in which no word comes twice, but for a few small ones.
func genWords(t *rapid.T) *extract.Document {
	n := 0
	sentence := rapid.Custom(func(t *rapid.T) string {
		var words []string
		for range rapid.IntRange(4, 14).Draw(t, "words") {
			n++
			words = append(words, rapid.SampledFrom([]string{"", "", "", "the ", "of "}).Draw(t, "small")+fmt.Sprintf("w%d", n))
		}
		return "W" + strings.Join(words, " ") + "."
	})
	text := func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(sentence, 1, 12).Draw(t, "sentences"), " ")
	}
	doc := &extract.Document{}
	for i := range rapid.IntRange(4, 16).Draw(t, "blocks") {
		b := extract.Block{Kind: rapid.SampledFrom([]extract.Kind{extract.Heading, extract.Paragraph, extract.Paragraph, extract.ListItem, extract.Table, extract.Code}).Draw(t, "kind"),
			Level: rapid.IntRange(1, 3).Draw(t, "level"), Page: i / 3}
		switch b.Kind {
		case extract.Heading:
			b.Text = sentence.Draw(t, "heading")
		case extract.Table:
			b.Header = []string{"Name", "Value"}
			for range rapid.IntRange(1, 12).Draw(t, "rows") {
				b.Rows = append(b.Rows, []string{sentence.Draw(t, "cell"), sentence.Draw(t, "cell")})
			}
		case extract.Code:
			b.Text = strings.ReplaceAll(text(t), ". ", ".\n")
		default:
			b.Text = text(t)
		}
		doc.Blocks = append(doc.Blocks, b)
	}
	return doc
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !isWordRune(r) })
}

// edited returns a document with a change to the text of each block, but for those that are none.
func edited(doc *extract.Document, change func(i int, text string) string) *extract.Document {
	out := &extract.Document{}
	for i, b := range doc.Blocks {
		b.Text = change(i, b.Text)
		rows := b.Rows
		b.Rows = nil
		for _, row := range rows {
			b.Rows = append(b.Rows, []string{change(i, row[0]), change(i, row[1])})
		}
		out.Blocks = append(out.Blocks, b)
	}
	return out
}

// Property: in a new version of the document an anchor is found where its text is the same, changed where it was edited, and
// lost where it is gone.
func TestAnchorsSurviveEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := rapid.Custom(genWords).Draw(t, "document")
		before, _ := Split(doc, Options{Tokens: rapid.SampledFrom([]int{128, 320}).Draw(t, "tokens"), Overlap: rapid.SampledFrom([]int{-1, 32}).Draw(t, "overlap")})
		anchors := anchorsOf(doc, before, func(int) bool { return true })
		a := anchors[rapid.IntRange(0, len(anchors)-1).Draw(t, "anchor")]
		words := slices.DeleteFunc(wordsOf(a.Quote), func(w string) bool { return w == "the" || w == "of" || w == "Name" || w == "Value" })
		o := Options{Tokens: rapid.SampledFrom([]int{128, 320, 512}).Draw(t, "later"), Anchors: []Anchor{a}}
		within := func(text string) bool {
			return slices.ContainsFunc(wordsOf(text), func(w string) bool { return slices.Contains(words, w) })
		}
		elsewhere := edited(doc, func(i int, text string) string {
			if text == "" || within(text) {
				return text
			}
			return strings.Repeat("New words go before. ", i%3) + text[len(text)/2:]
		})
		found, _ := checkAnchors(t, elsewhere, o)
		if got, ok := found[a.ID]; !ok || got.Changed {
			t.Fatalf("after edits elsewhere: %+v of\n%q", got, a.Quote)
		}
		if len(words) < 8 {
			return
		}
		word := regexp.MustCompile(`\b` + words[rapid.IntRange(0, len(words)-1).Draw(t, "word")] + `\b`)
		inside := edited(doc, func(_ int, text string) string { return word.ReplaceAllString(text, "Changed") })
		found, _ = checkAnchors(t, inside, o)
		got := found[a.ID]
		points := []rune(inside.Markdown())
		want := string(fold(word.ReplaceAllString(a.Quote, "Changed"), nil))
		if is := string(fold(string(points[got.Start:got.End]), nil)); !got.Changed || is != want {
			t.Fatalf("after an edit: changed %v\n%q, want\n%q", got.Changed, is, want)
		}
		gone := edited(doc, func(_ int, text string) string {
			if within(text) {
				return "It is gone now."
			}
			return text
		})
		if _, lost := checkAnchors(t, gone, o); len(lost) != 1 {
			t.Fatalf("after the passage went: %v", lost)
		}
	})
}

// Property: whatever the anchors are (any part of the text, parts of each other, other text), each has one chunk or is lost.
func TestAnyAnchors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := &extract.Document{Blocks: rapid.SliceOfN(rapid.Custom(genBlock), 1, 12).Draw(t, "blocks")}
		points := []rune(doc.Markdown())
		o := Options{Tokens: 128}
		for i := range rapid.IntRange(1, 8).Draw(t, "anchors") {
			from := rapid.IntRange(0, len(points)-1).Draw(t, "from")
			to := min(from+rapid.SampledFrom([]int{1, 3, 20, 200, 5000}).Draw(t, "length"), len(points))
			quote := string(points[from:to]) + rapid.SampledFrom([]string{"", "", "", " ", "x", " e.g. more"}).Draw(t, "more")
			o.Anchors = append(o.Anchors, Anchor{ID: fmt.Sprint("a", i), Quote: quote, Start: from + rapid.IntRange(-50, 50).Draw(t, "off")})
		}
		checkAnchors(t, doc, o)
	})
}

// A large passage of a table does without the header rather than be larger than any chunk.
func TestLargeAnchorInATable(t *testing.T) {
	table := extract.Block{Kind: extract.Table, Header: []string{strings.Repeat("wide ", 300), "Docks"}}
	for i := range 400 {
		table.Rows = append(table.Rows, []string{fmt.Sprint("Station ", i), fmt.Sprint(i)})
	}
	doc := &extract.Document{Blocks: []extract.Block{table}}
	text := doc.Markdown()
	quote := text[strings.Index(text, "| Station 1 |"):strings.Index(text, "| Station 230 |")]
	found, _ := checkAnchors(t, doc, Options{Tokens: 1024, Anchors: []Anchor{{ID: "a", Quote: quote}}})
	if c := found["a"]; !strings.HasPrefix(c.Text, "| Station 1 |") || c.Tokens < MaxTokens {
		t.Errorf("%d tokens, %.80q", c.Tokens, c.Text)
	}
}

func TestAnchorLargerThanAnyChunkIsLost(t *testing.T) {
	doc := &extract.Document{Blocks: []extract.Block{paragraph(prose(400))}}
	for sentences, lost := range map[int]bool{100: false, 300: true} {
		_, got := checkAnchors(t, doc, Options{Tokens: 128, Anchors: []Anchor{{ID: "a", Quote: prose(sentences)}}})
		if (len(got) == 1) != lost {
			t.Errorf("%d sentences: lost %v", sentences, got)
		}
	}
}
