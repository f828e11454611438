package lexical

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestReader(t *testing.T) {
	for name, c := range map[string]struct {
		lang              Lang
		title, text, want string
	}{
		"as written":   {English, "Refund Policies", "Refunds, REFUNDS and refunds", "and policies refund refunds"},
		"no codes":     {English, "", "ERR-4012 covid19 v2.3.1 of 14 x86-64", "covid err"},
		"accents":      {Spanish, "", "información", "información"},
		"other script": {English, "", "Всё أمريكا आँख Λόγος", "λογοσ все امريكا आंख"},
		"no spaces":    {English, "", "退款政策 サーバー", ""},
		"too long":     {English, "", strings.Repeat("a", 25) + " " + strings.Repeat("b", 24), strings.Repeat("b", 24)},
	} {
		var words []string
		for _, e := range NewReader([16]byte{}).Words(c.title, nil, c.text, c.lang) {
			words = append(words, e.Text)
		}
		slices.Sort(words)
		if diff := cmp.Diff(c.want, strings.Join(words, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestKeysMeet makes one edit in a word: the two have a key in common, and one is taken for the other.
func TestKeysMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]rune(rapid.SampledFrom([]string{"abcñéł", "ржш", "בגד", "सदि", "قبى"}).Draw(t, "script")))
		word := rapid.SliceOfN(letter, 3, mostLetters).Draw(t, "word")
		at := rapid.IntRange(0, len(word)-1).Draw(t, "at")
		typed := slices.Clone(word)
		switch rapid.IntRange(0, 3).Draw(t, "edit") {
		case 0:
			typed = slices.Delete(typed, at, at+1)
		case 1:
			typed = slices.Insert(typed, at, letter.Draw(t, "letter"))
		case 2:
			typed[at] = letter.Draw(t, "letter")
		default:
			next := min(at+1, len(typed)-1)
			typed[at], typed[next] = typed[next], typed[at]
		}
		a, b := foldWord(string(word)), foldWord(string(typed))
		if likeness([]rune(b), []rune(a)) == 0 {
			t.Fatalf("%s is not like %s", b, a)
		}
		keys := Keys([16]byte{1}, string(word))
		if !slices.ContainsFunc(Keys([16]byte{1}, string(typed)), func(key int32) bool { return slices.Contains(keys, key) }) {
			t.Fatalf("%s and %s have no key in common", a, b)
		}
	})
}

func TestLikeness(t *testing.T) {
	like := func(typed, word string) float64 { return likeness([]rune(typed), []rune(word)) }
	for _, far := range []string{"ref", "refunded", "erfnud", "dnufer", "reef", ""} {
		if like(far, "refund") != 0 {
			t.Errorf("%s is two edits away", far)
		}
	}
	best := []string{"refund", "refnud", "refumd", "befund"}
	for i := range best[1:] {
		if like(best[i], "refund") <= like(best[i+1], "refund") {
			t.Errorf("%s is not likelier than %s", best[i], best[i+1])
		}
	}
}

// spell asks for a text in a tenant that has words, each in so many chunks of a hundred.
func spell(text string, words map[string]int) Weighed {
	var tenant [16]byte
	df := map[int32]int{}
	var vocabulary []Neighbour
	for word, n := range words {
		df[Hash(tenant, English.stem(word))] += n
		vocabulary = append(vocabulary, Neighbour{word, n})
	}
	q := ParseQuery(tenant, text, []Lang{English})
	q.Spell(df, vocabulary)
	return q.Weigh(100, df)
}

func TestSpell(t *testing.T) {
	vocabulary := map[string]int{"refund": 10, "refunds": 5, "policy": 20, "police": 1, "bank": 90, "bark": 5, "that": 90, "zebra": 1}
	w := spell("refnud polcy zebras quagga", vocabulary)
	var got []string
	for _, word := range w.Words {
		got = append(got, word.Text+":"+strings.Join(word.Spelled, ","))
	}
	if diff := cmp.Diff([]string{"refnud:refund", "polcy:policy", "zebras:", "quagga:"}, got); diff != "" {
		t.Error(diff)
	}
	if w.Found != 1 {
		t.Errorf("%d words are found as they are", w.Found)
	}
	right := spell("refund policy zebras quagga", vocabulary)
	for _, word := range []string{"refund", "polici"} {
		h := Hash([16]byte{}, word)
		if got, full := w.Weights[h], right.Weights[h]; got <= full/2 || got >= full {
			t.Errorf("%s weighs %f of %f", word, got, full)
		}
	}
	if diff := cmp.Diff([]string{"bank", "bark"}, spell("bak", vocabulary).Words[0].Spelled); diff != "" {
		t.Errorf("the frequent one first: %s", diff)
	}
	if w := spell("thta", vocabulary).Words[0]; w.Spelled != nil || w.Weight > 0 {
		t.Errorf("taken for a small word: %+v", w)
	}
	if w := spell("refund", map[string]int{"refunt": 50}); w.Words[0].Spelled[0] != "refunt" || w.Possible <= spell("refunt", map[string]int{"refunt": 50}).Possible {
		t.Errorf("a misspelled word is as sure as another: %+v", w)
	}
}

// A question whose words are known looks nothing up.
func TestUnknown(t *testing.T) {
	var tenant [16]byte
	q := ParseQuery(tenant, "What about refunds, ERR-4012 and 退款政策?", []Lang{English})
	df := map[int32]int{}
	for _, word := range []string{"what", "about", "refund", "and", "err"} {
		df[Hash(tenant, word)] = 1
	}
	if keys := q.Unknown(df); keys != nil {
		t.Errorf("%d keys", len(keys))
	}
	delete(df, Hash(tenant, "refund"))
	if diff := cmp.Diff(Keys(tenant, "refunds"), q.Unknown(df)); diff != "" {
		t.Error(diff)
	}
	if keys := ParseQuery(tenant, manyWords(500), []Lang{English}).Unknown(df); len(keys) > maxKeys+mostLetters+1 {
		t.Errorf("%d keys of a long question", len(keys))
	}
}

func manyWords(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("word" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " ")
	}
	return b.String()
}
