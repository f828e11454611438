package retrieve

import (
	"cmp"
	"slices"
	"testing"

	"bitb/domain"
)

func TestFuse(t *testing.T) {
	chunk := func(n byte) domain.ID { return domain.ID{n} }
	order := func(hits []hit, possible float64, model string, foreign bool) (names string) {
		fuse(hits, possible, model, foreign)
		for _, h := range hits {
			names += string('a' + rune(h.chunk[0]))
			if h.fused < 0 || h.fused > 1 || h.lexical < 0 || h.lexical > 1 {
				t.Errorf("%s: scores %f %f", model, h.lexical, h.fused)
			}
		}
		return names
	}
	for name, c := range map[string]struct {
		model   string
		hits    []hit
		want    string
		foreign string // the order where the model does not know the language; "": the same
	}{
		"built in: looks never beat words":     {builtin + "x", []hit{{chunk: chunk(0), bm25: 9}, {chunk: chunk(1), bm25: 8.9, cosine: 1}, {chunk: chunk(2), cosine: 1}, {chunk: chunk(3), bm25: .1}}, "abdc", ""},
		"built in: looks alone":                {builtin + "x", []hit{{chunk: chunk(0), cosine: .1}, {chunk: chunk(1), cosine: .5}}, "ba", ""},
		"meaning beats words":                  {"model", []hit{{chunk: chunk(0), bm25: 9, cosine: .1}, {chunk: chunk(1), bm25: 2, cosine: .8}}, "ba", "ab"},
		"words decide between like meanings":   {"model", []hit{{chunk: chunk(0), bm25: 1, cosine: .5}, {chunk: chunk(1), bm25: 9, cosine: .5}}, "ba", ""},
		"vectors that disagree with the words": {"model", []hit{{chunk: chunk(0), bm25: 9, cosine: .1}, {chunk: chunk(1), bm25: 3, cosine: .4}, {chunk: chunk(2), bm25: 2, cosine: .3}, {chunk: chunk(3), bm25: 1, cosine: .2}}, "abcd", ""},
		"vectors that agree, and are sharper":  {"model", []hit{{chunk: chunk(0), bm25: 9, cosine: .5}, {chunk: chunk(1), bm25: 8.9, cosine: .9}, {chunk: chunk(2), bm25: 2, cosine: .1}, {chunk: chunk(3), bm25: 1, cosine: .1}}, "bacd", "abcd"},
		"no vectors":                           {"", []hit{{chunk: chunk(0), bm25: 1}, {chunk: chunk(1), bm25: 30}}, "ba", ""},
		"ties by id":                           {"", []hit{{chunk: chunk(1), bm25: 1}, {chunk: chunk(0), bm25: 1}}, "ab", ""},
		"no known word":                        {"model", []hit{{chunk: chunk(0), cosine: .4}}, "a", ""},
	} {
		foreign := order(slices.Clone(c.hits), 20, c.model, true)
		if got := order(c.hits, 20, c.model, false); got != c.want || foreign != cmp.Or(c.foreign, c.want) {
			t.Errorf("%s: %s, and %s in a foreign language", name, got, foreign)
		}
	}
	if order(nil, 0, "model", false) != "" {
		t.Error("nothing found, something fused")
	}
}

// A question about something else has hits as well, and the best of them is still the best: what tells is how sure it is.
func TestFuseSure(t *testing.T) {
	sure := func(bm25, cosine, others float64) float64 {
		hits := []hit{{bm25: bm25, cosine: cosine}}
		for i := range 100 {
			hits = append(hits, hit{chunk: domain.ID{byte(i + 1)}, bm25: .1, cosine: others})
		}
		fuse(hits, 20, "model", false)
		return hits[0].fused
	}
	for name, c := range map[string][2]float64{ // surer first
		"by its words":                   {sure(19, .6, .2), sure(9, .6, .2)},
		"by its cosine":                  {sure(9, .8, .2), sure(9, .4, .2)},
		"to a model that finds all like": {sure(9, .6, .2), sure(9, .8, .75)},
	} {
		if c[0] < c[1]+.05 {
			t.Errorf("%s: %f, not more than %f", name, c[0], c[1])
		}
	}
}
