package views

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bitb/domain/document"
)

func TestWordsForFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{number(0), "0"}, {number(999), "999"}, {number(1000), "1,000"}, {number(-1234567), "-1,234,567"},
		{count(1, "page", "pages"), "1 page"}, {count(0, "page", "pages"), "0 pages"}, {count(1184, "page", "pages"), "1,184 pages"},
		{languageNames([]string{"fr"}), "French"}, {languageNames([]string{"de", "zh"}), "German or Chinese"}, {languageNames([]string{"*"}), "its language"},
		{ordinal(1), "1st"}, {ordinal(12), "12th"}, {ordinal(22), "22nd"}, {ordinal(113), "113th"}, {ordinal(1003), "1,003rd"},
		{size(840), "840 B"}, {size(11_800), "12 KB"}, {size(4_310_000), "4.1 MB"}, {size(25 << 20), "25.0 MB"},
		{millis(0.4), "0.4 ms"}, {millis(1083.2), "1,083 ms"}, {millis(0), "0 ms"},
		{roughly(0), "a few seconds"}, {roughly(38 * time.Second), "40 s"}, {roughly(54 * time.Second), "50 s"}, {roughly(55 * time.Second), "1 min"},
		{roughly(3*time.Minute + 40*time.Second), "4 min"}, {roughly(59 * time.Minute), "1 h"}, {roughly(150 * time.Minute), "3 h"},
		{share(0.5), "50.00%"}, {share(7), "100.00%"}, {share(-3), "0.00%"},
		{scoreAt(.2466, .25), "0.247"}, {scoreAt(.24999, .25), "0.25"}, {scoreAt(.184, .185), "0.18"}, {scoreAt(.25, .25), "0.25"}, {scoreAt(.246, -1), "0.25"},
		{initials("Head of Service"), "HS"}, {initials("ärztin"), "Ä"}, {initials("  "), "?"}, {initials("قسم الخدمة"), "قا"},
		{excerpt("# A\n\n## B\nFirst  line.\nSecond."), "First line. Second."}, {excerpt("# Alone"), "Alone"}, {excerpt(strings.Repeat("ä", 321)), strings.Repeat("ä", 320) + "…"},
		{pageSpan(3, 3), "p. 3"}, {pageSpan(3, 5), "p. 3–5"}, {pageSpan(3, 0), "p. 3"},
		{address("/x", "a", "1 &", "b", "", "c", "ü"), "/x?a=1+%26&c=%C3%BC"}, {address("/x", "a", ""), "/x"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestAgo(t *testing.T) {
	for _, c := range []struct {
		before time.Duration
		want   string
	}{
		{-time.Minute, "now"}, {59 * time.Second, "now"}, {time.Minute, "1 min"}, {59 * time.Minute, "59 min"}, {23 * time.Hour, "23 h"},
		{25 * time.Hour, "yesterday"}, {50 * time.Hour, "9 Mar"}, {100 * 24 * time.Hour, "1 Dec"}, {400 * 24 * time.Hour, "4 Feb 2025"},
	} {
		if got := ago(now, now.Add(-c.before)); got != c.want {
			t.Errorf("%v before: got %q, want %q", c.before, got, c.want)
		}
	}
}

// TestStates holds the words for where a document is to what the list is meant to say.
func TestStates(t *testing.T) {
	type doc = document.Document
	for _, c := range []struct{ got, want string }{
		{queuePlace(doc{QueuePlace: 1}), "Next in the queue"}, {queuePlace(doc{QueuePlace: 3, Wait: 4 * time.Minute}), "3rd in the queue, about 4 min"},
		{queuePlace(doc{QueuePlace: 2, Wait: time.Second}), "2nd in the queue, a few seconds"},
		{failurePage(doc{Format: "pdf", Failure: &document.Failure{Message: "It is damaged.", Page: 12}}), "(page 12)"},
		{failurePage(doc{Format: "pptx", Failure: &document.Failure{Message: "It is damaged.", Page: 12}}), "(slide 12)"},
		{failurePage(doc{Format: "pdf", Failure: &document.Failure{Message: "It is damaged, on page 12. Save it again.", Page: 12}}), ""},
		{stageFact(doc{Status: document.Reading, Format: "pdf", Done: 96, Total: 148}), "Page 96 of 148"},
		{stageFact(doc{Status: document.Reading, Format: "odp", Done: 3, Total: 20}), "Slide 3 of 20"},
		{stageFact(doc{Status: document.Reading, Format: "xlsx", Done: 2, Total: 5}), "Sheet 2 of 5"},
		{stageFact(doc{Status: document.Embedding, Format: "pptx", Done: 310, Total: 1486}), "310 of 1,486 chunks"},
		{retryAt(now, doc{DueAt: now.Add(40 * time.Second)}), "Tried again in 40 s."}, {retryAt(now, doc{DueAt: now.Add(-time.Hour)}), "Tried again now."},
		{staysFact(doc{Status: document.Reading, Version: 3, Live: 2}), ". Version 2 still answers."},
		{staysFact(doc{Status: document.Failed, Version: 2, Live: 2}), ". The last reading still answers."},
		{staysFact(doc{Status: document.Reading, Version: 2, Live: 1, Off: true}), ""}, {staysFact(doc{Status: document.Reading, Version: 1}), ""},
		{staysFact(doc{Status: document.Ready, Version: 2, Live: 2}), ""},
		{cancelWord(doc{Version: 1}), "Cancel"}, {cancelWord(doc{Version: 3, Live: 2}), "Cancel, keep version 2"}, {cancelWord(doc{Version: 2, Live: 2}), "Cancel, keep the last reading"},
		{handFact(doc{Edited: 2, OffChunks: 1}), "2 chunks edited by hand, 1 chunk off"}, {handFact(doc{OffChunks: 2}), "2 chunks off"}, {handFact(doc{}), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// marked writes pieces with brackets around the marked ones.
func marked(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.marked {
			b.WriteString("[" + p.text + "]")
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

func TestMatches(t *testing.T) {
	for _, c := range []struct{ name, text, search, want string }{
		{"nothing searched", "A boat", " ", "A boat"},
		{"words in any case", "A boat, the BOAT house", "boat", "A [boat], the [BOAT] house"},
		{"several words", "late boats", "boat late", "[late] [boat]s"},
		{"the longer word wins", "boathouse", "boat boathouse", "[boathouse]"},
		{"a phrase", "late boat, boat late", `"boat late"`, "late boat, [boat late]"},
		{"a lone quotation mark is a word", `5" pipe`, `"`, `5["] pipe`},
		{"other scripts", "ÜBER die Brücke", "über", "[ÜBER] die Brücke"},
		{"folded letters of another length", "ſtraße STRASSE", "s", "[ſ]traße [S]TRA[S][S]E"},
		{"broken bytes", "a\xffb", "b", "a\xff[b]"},
		{"signs", "<b>", "<b", "[<b]>"},
	} {
		if got := marked(matches(c.text, c.search)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSourceLines(t *testing.T) {
	const text = "# Über\nTür auf.\n| a |"
	for _, c := range []struct {
		name       string
		start, end int
		want       []string
	}{
		{"nothing", 0, 0, []string{"head:Über", ":Tür auf.", "row:| a |"}},
		{"within a line", 7, 10, []string{"head:Über", ":[Tür] auf.", "row:| a |"}},
		{"over lines", 4, 18, []string{"head:Üb[er]", ":[Tür auf.]", "row:[| ]a |"}},
		{"from the heading's sign", 0, 3, []string{"head:[Ü]ber", ":Tür auf.", "row:| a |"}},
		{"outside", -9, 99, []string{"head:[Über]", ":[Tür auf.]", "row:[| a |]"}},
	} {
		var got []string
		for _, l := range sourceLines(text, c.start, c.end) {
			got = append(got, l.kind+":"+marked(l.pieces))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestExcerptAround(t *testing.T) {
	text := strings.Repeat("Zehn Äpfel\n", 10_000)
	page := document.Page{Start: 500, Text: text}
	for _, at := range []int{0, 500, 60_000, 110_499, 999_999} {
		part, _, _ := excerptAround(page, at)
		runes := []rune(text)
		from, length := part.Start-page.Start, len([]rune(part.Text))
		if length > 2*mostShown || string(runes[from:from+length]) != part.Text {
			t.Fatalf("at %d: %d code points from %d are not those of the text", at, length, from)
		}
		if at >= 500 && at < 110_500 && (at < part.Start || at >= part.Start+length) {
			t.Errorf("at %d: shows %d to %d", at, part.Start, part.Start+length)
		}
		if !strings.HasPrefix(part.Text, "Zehn") {
			t.Errorf("at %d: begins within a line: %q", at, part.Text[:12])
		}
	}
	short, before, after := excerptAround(document.Page{Text: "x"}, 7)
	if short.Text != "x" || before || after {
		t.Error("a short text was cut")
	}
}

func TestTextPart(t *testing.T) {
	text := strings.Repeat("ä", 2*mostShown+5)
	var whole strings.Builder
	for at := 1; at <= 3; at++ {
		part, shown, parts := textPart(document.Page{Text: text}, at)
		if shown != at || parts != 3 || part.Start != (at-1)*mostShown {
			t.Fatalf("part %d: shown %d of %d from %d", at, shown, parts, part.Start)
		}
		whole.WriteString(part.Text)
	}
	if whole.String() != text {
		t.Error("the parts are not the text")
	}
	if _, shown, parts := textPart(document.Page{}, 9); shown != 1 || parts != 1 {
		t.Errorf("an empty text has part %d of %d", shown, parts)
	}
}

// TestSortedBy follows the links in the heads of the list's columns.
func TestSortedBy(t *testing.T) {
	for _, c := range []struct {
		name string
		from document.Filter
		by   document.Sort
		want string
	}{
		{"names begin at A", document.Filter{}, document.ByName, "/documents?sort=name&dir=asc"},
		{"figures begin with the most", document.Filter{}, document.BySize, "/documents?sort=size&dir=desc"},
		{"the default is turned", document.Filter{}, document.ByUpdated, "/documents?sort=updated&dir=asc"},
		{"a second click turns", document.Filter{Sort: document.ByName}, document.ByName, "/documents?sort=name&dir=desc"},
		{"a third turns back", document.Filter{Sort: document.ByName, Desc: true}, document.ByName, "/documents?sort=name&dir=asc"},
		{"search and status stay, the page does not", document.Filter{Search: "a&b", Status: "failed", Page: 3}, document.ByChunks, "/documents?q=a%26b&status=failed&sort=chunks&dir=desc"},
	} {
		if got := documentsAddress(sortedBy(c.from, c.by)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAsset(t *testing.T) {
	files := fstest.MapFS{"app.css": {Data: []byte("a")}, "icons/x.svg": {Data: []byte("b")}}
	defer func(old map[string]string) { assetHashes = old }(assetHashes)
	if err := UseAssets(files); err != nil {
		t.Fatal(err)
	}
	first := Asset("app.css")
	if !strings.HasPrefix(first, "/static/app.css?v=") || !strings.HasPrefix(Asset("icons/x.svg"), "/static/icons/x.svg?v=") {
		t.Errorf("addresses without a hash: %s", first)
	}
	files["app.css"] = &fstest.MapFile{Data: []byte("changed")}
	if err := UseAssets(files); err != nil || Asset("app.css") == first {
		t.Error("the address did not change with the content", err)
	}
	if got := Asset("missing.js"); got != "/static/missing.js" {
		t.Errorf("a missing file is at %s", got)
	}
}
