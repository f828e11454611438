package retrieve

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"bitb/domain/lexical"
)

// TestEvalTypos asks the questions of the public sets with one typo in each content word of four letters or more, in memory,
// and checks that they keep nine tenths of what they find when they are spelled right. BITB_EVAL=1 takes all sets.
func TestEvalTypos(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no question sets at", root)
	}
	seeds := 1
	if n, err := strconv.Atoi(os.Getenv("BITB_EVAL")); err == nil {
		seeds = n
	}
	t.Logf("%-20s %-8s %-8s %-8s %s", "nDCG@10", "clean", "typos", "kept", "refused")
	for _, c := range []struct {
		set   string
		large bool
	}{
		{"scifact", true}, {"feedbackqa-cdc-who", true}, {"stackfaq", true}, {"squad2", true},
		{"mtrag-un-wiki-fin", false}, {"xquad-es", false}, {"xquad-ar", false}, {"xquad-zh", false},
	} {
		if c.large && os.Getenv("BITB_EVAL") == "" {
			continue
		}
		set := loadSet(t, filepath.Join(root, c.set))
		var clean float64
		for id, relevant := range set.qrels {
			q := set.queries[id]
			clean += ndcg(set.tenants[q.Tenant].ask(q.Text).fused, relevant)
		}
		n := float64(len(set.qrels))
		for seed := range seeds {
			var typos, refused float64
			for id, relevant := range set.qrels {
				q := set.queries[id]
				x := set.tenants[q.Tenant]
				got := x.ask(misspell(q.Text, x.languages, uint64(seed)))
				typos += ndcg(got.fused, relevant)
				refused += got.refused
			}
			t.Logf("%-20s %-8.4f %-8.4f %-8.3f %.3f", c.set, clean/n, typos/n, typos/clean, refused/n)
			if typos < 0.9*clean {
				t.Errorf("%s: %.3f of nDCG@10 is kept", c.set, typos/clean)
			}
		}
	}
}

// evalWords is a tenant's vocabulary in memory.
type evalWords struct {
	chunks map[string]int
	having map[int32][]string // key → words
}

func (v evalWords) add(words []lexical.Entry) {
	for _, w := range words {
		if v.chunks[w.Text]++; v.chunks[w.Text] == 1 {
			for _, key := range lexical.Keys(evalTenant, w.Text) {
				v.having[key] = append(v.having[key], w.Text)
			}
		}
	}
}

func (v evalWords) similar(keys []int32) (found []lexical.Neighbour) {
	seen := map[string]bool{}
	for _, key := range keys {
		for _, w := range v.having[key] {
			if !seen[w] {
				seen[w] = true
				found = append(found, lexical.Neighbour{Word: w, Chunks: v.chunks[w]})
			}
		}
	}
	return found
}

// misspell makes one typo in each content word of four letters or more: in turn one letter is left out, doubled or put in,
// replaced by its neighbour on the keyboard, and swapped with the next. Where, depends on the word and the seed.
func misspell(text string, langs []lexical.Lang, seed uint64) string {
	small := map[string]bool{}
	for _, w := range lexical.ParseQuery(evalTenant, text, langs).Weigh(1, nil).Words {
		small[w.Text] = w.Small
	}
	kind := int(seed)
	var b strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
		if end < 0 {
			end = len(text)
		}
		word := []rune(text[:end])
		if len(word) >= 4 && !small[text[:end]] && !unicode.Is(unicode.Han, word[0]) {
			word = typo(word, kind, seed)
			kind++
		}
		b.WriteString(string(word))
		text = text[end:]
		next := strings.IndexFunc(text, unicode.IsLetter)
		if next < 0 {
			next = len(text)
		}
		b.WriteString(text[:next])
		text = text[next:]
	}
	return b.String()
}

func typo(word []rune, kind int, seed uint64) []rune {
	h := fnv.New64a()
	h.Write([]byte(string(word)))
	random := rand.New(rand.NewPCG(h.Sum64(), seed))
	word = slices.Clone(word)
	at := random.IntN(len(word))
	switch kind % 4 {
	case 0:
		return slices.Delete(word, at, at+1)
	case 1:
		if random.IntN(2) == 0 {
			return slices.Insert(word, at, word[at])
		}
		return slices.Insert(word, at, beside(word[at], random))
	case 2:
		word[at] = beside(word[at], random)
		return word
	}
	for range word {
		if at = at % (len(word) - 1); word[at] != word[at+1] {
			break
		}
		at++
	}
	word[at], word[at+1] = word[at+1], word[at]
	return word
}

// beside is a key next to the letter's.
func beside(letter rune, random *rand.Rand) rune {
	for _, row := range []string{"qwertyuiop", "asdfghjklñ", "zxcvbnm", "ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤرىةوزظ"} {
		keys := []rune(row)
		i := slices.Index(keys, unicode.ToLower(letter))
		if i < 0 {
			continue
		}
		j := i + 1 - 2*random.IntN(2)
		if j < 0 || j >= len(keys) {
			j = 2*i - j
		}
		if unicode.IsUpper(letter) {
			return unicode.ToUpper(keys[j])
		}
		return keys[j]
	}
	return letter + 1
}
