package retrieve

import (
	"testing"

	"bitb/domain"
)

func TestFuse(t *testing.T) {
	chunk := func(n byte) domain.ID { return domain.ID{n} }
	order := func(hits []hit, possible float64, model string) (names string) {
		fuse(hits, possible, model)
		for _, h := range hits {
			names += string('a' + rune(h.chunk[0]))
			if h.fused < 0 || h.fused > 1 || h.lexical < 0 || h.lexical > 1 {
				t.Errorf("%s: scores %f %f", model, h.lexical, h.fused)
			}
		}
		return names
	}
	for name, c := range map[string]struct {
		model string
		hits  []hit
		want  string
	}{
		"built in: looks decide between like scores": {builtin + "x", []hit{{chunk: chunk(0), bm25: 9, cosine: .1}, {chunk: chunk(1), bm25: 8.9, cosine: .5}}, "ba"},
		"built in: looks never beat words":           {builtin + "x", []hit{{chunk: chunk(0), bm25: 9}, {chunk: chunk(1), bm25: 1, cosine: 1}}, "ab"},
		"built in: looks alone":                      {builtin + "x", []hit{{chunk: chunk(0), cosine: .1}, {chunk: chunk(1), cosine: .5}}, "ba"},
		"meaning beats words":                        {"model", []hit{{chunk: chunk(0), bm25: 9, cosine: .1}, {chunk: chunk(1), bm25: 2, cosine: .8}}, "ba"},
		"words decide between like meanings":         {"model", []hit{{chunk: chunk(0), bm25: 1, cosine: .5}, {chunk: chunk(1), bm25: 9, cosine: .5}}, "ba"},
		"no vectors":                                 {"", []hit{{chunk: chunk(0), bm25: 1}, {chunk: chunk(1), bm25: 30}}, "ba"},
		"ties by id":                                 {"", []hit{{chunk: chunk(1), bm25: 1}, {chunk: chunk(0), bm25: 1}}, "ab"},
		"no known word":                              {"model", []hit{{chunk: chunk(0), cosine: .4}}, "a"},
	} {
		if got := order(c.hits, 20, c.model); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if order(nil, 0, "model") != "" {
		t.Error("nothing found, something fused")
	}
}
