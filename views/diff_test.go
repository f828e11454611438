package views

import (
	"strings"
	"testing"
	"time"
)

// bracketed shows a text with its spans in brackets.
func bracketed(text string, spans []span) string {
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.WriteString(text[at:s.from] + "[" + text[s.from:s.to] + "]")
		at = s.to
	}
	return b.String() + text[at:]
}

func TestDiffWords(t *testing.T) {
	for _, c := range []struct{ name, was, now, removed, added string }{
		{"nothing", "A boat.", "A boat.", "A boat.", "A boat."},
		{"a word", "It costs twelve euros.", "It costs fourteen euros.", "It costs [twelve] euros.", "It costs [fourteen] euros."},
		{"put in before a sign", "by the user.", "by the user with the key.", "by the user.", "by the user [with the key]."},
		{"at the beginning", "Boats.", "Old Boats.", "Boats.", "[Old] Boats."},
		{"at the end", "One.", "One. Two.", "One.", "One. [Two.]"},
		{"taken out", "One, two, three.", "One, three.", "One, [two,] three.", "One, three."},
		{"all", "One two", "three four", "[One two]", "[three four]"},
		{"from nothing", "", "One two", "", "[One two]"},
		{"to nothing", " One ", "", " [One] ", ""},
		{"blanks do not count", "One  two\nthree", "One two three", "One  two\nthree", "One two three"},
		{"over lines", "# A\none", "# B\n\none two", "# [A]\none", "# [B]\n\none [two]"},
		{"figures and hyphens stay whole", "1.8 bar, NT-240", "1.9 bar, NT-241", "[1.8] bar, [NT-240]", "[1.9] bar, [NT-241]"},
		{"a comma by chance", "Qualified people only, because of pressure.", "Qualified people; owners may, too.", "Qualified people [only, because of pressure].", "Qualified people[; owners may, too]."},
		{"Chinese, letter by letter", "票价十二欧元", "票价二十欧元", "票价[十]二欧元", "票价二[十]欧元"},
		{"Arabic", "تُعاد القوارب مساءً", "تُعاد القوارب صباحًا", "تُعاد القوارب [مساءً]", "تُعاد القوارب [صباحًا]"},
		{"marks stay with their letters", "é a", "è a", "[é] a", "[è] a"},
		{"broken bytes", "a \xff b", "a \xfe\xff b", "a [\xff] b", "a [\xfe\xff] b"},
		{"signs that look like markup", "<b>a</b>", "<i>a</i>", "<[b]>a</[b]>", "<[i]>a</[i]>"},
	} {
		removed, added := diffWords(c.was, c.now)
		if got := bracketed(c.was, removed); got != c.removed {
			t.Errorf("%s: removed %q, want %q", c.name, got, c.removed)
		}
		if got := bracketed(c.now, added); got != c.added {
			t.Errorf("%s: added %q, want %q", c.name, got, c.added)
		}
	}
}

// The longest texts that can be stored, without a word in common, are compared in no time.
func TestDiffWordsIsBounded(t *testing.T) {
	began := time.Now()
	for _, piece := range []string{"a b ", "a.", "票", "é", ". , "} {
		was, now := strings.Repeat(piece, 12_000/len([]rune(piece))), strings.Repeat("z "+piece, 12_000/(2+len([]rune(piece))))
		removed, added := diffWords(was, now)
		for text, spans := range map[string][]span{was: removed, now: added} {
			at := 0
			for _, s := range spans {
				if s.from < at || s.to <= s.from || s.to > len(text) {
					t.Fatalf("%q: the span %v after %d", piece, s, at)
				}
				at = s.to
			}
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
