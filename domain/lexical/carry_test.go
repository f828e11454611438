package lexical

import (
	"slices"
	"strings"
	"testing"
)

// Words of earlier questions count less than the question's own, the rarest of the last question most, and only a few.
func TestCarry(t *testing.T) {
	tenant := [16]byte{1}
	df := map[int32]int{}
	for _, word := range []string{"student", "ticket", "price", "museum", "alpha", "bravo", "charli", "delta", "echo", "foxtrot"} {
		df[Hash(tenant, word)] = 3
	}
	df[Hash(tenant, "price")] = 40
	weigh := func(text string, earlier ...string) Weighed {
		return ParseQuery(tenant, text, []Lang{English}).Carry(earlier).Weigh(50, df)
	}
	weight := func(w Weighed, term string) float64 { return float64(w.Weights[Hash(tenant, term)]) }

	alone, w := weigh("and for students?"), weigh("and for students?", "What is the price of a ticket?", "Where is the museum?")
	if weight(w, "student") != weight(alone, "student") {
		t.Error("the question's own word weighs something else")
	}
	if own, last, before := weight(w, "student"), weight(w, "ticket"), weight(w, "museum"); !(own/2 > last && last > before && before > 0 && last > weight(w, "price")) {
		t.Errorf("own %.2f, of the last question %.2f, of the one before %.2f", own, last, before)
	}
	if weight(w, "what") != 0 || weight(w, "where") != 0 {
		t.Error("small words are carried")
	}
	if w.Possible <= alone.Possible || w.Possible > 2*alone.Possible {
		t.Errorf("what can be scored went from %.2f to %.2f", alone.Possible, w.Possible)
	}
	if !slices.ContainsFunc(w.Words, func(w Word) bool { return w.Carried && w.Text == "museum" }) {
		t.Errorf("the words do not tell what was carried: %+v", w.Words)
	}

	same := weigh("student ticket museum", "a student ticket", "the museum", "unknowable")
	if got, want := same.Possible, weigh("student ticket museum").Possible; got != want || len(same.Words) != 3 {
		t.Errorf("words that are known or in no chunk are carried: %.2f instead of %.2f, %d words", got, want, len(same.Words))
	}
	many := weigh("students", "alpha bravo charlie delta echo foxtrot museum ticket", strings.Repeat("long ", 10_000))
	if len(many.Words) != 1+carriedWords || len(ParseQuery(tenant, "students", nil).Carry([]string{strings.Repeat("a b c d1 ", 999)}).words) > maxWords {
		t.Errorf("%d words", len(many.Words))
	}
	if far := weigh("students", "", "", "", "museum"); len(far.Words) != 1 {
		t.Error("a word from long ago is carried")
	}
	first := ParseQuery(tenant, "students", nil)
	first.Carry([]string{"ticket"})
	if len(first.words) != 1 {
		t.Error("the question itself was changed")
	}
}
