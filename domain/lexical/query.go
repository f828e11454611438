package lexical

import (
	"cmp"
	"slices"
)

// Query is a question, word by word. A word has several terms where the documents are in several languages, because a
// question is too short for its own language to be told for sure.
type Query struct{ words []queryWord }

type queryWord struct {
	terms []int32 // hashes of what stands for the word
	small bool
}

// ParseQuery analyses a question to a tenant's documents in langs (its own if there are none). Which words are small is decided
// by the language that the question itself looks most like.
func ParseQuery(tenant [16]byte, text string, langs []Lang) Query {
	own := Guess(text)
	if len(langs) == 0 {
		langs = []Lang{own}
	} else if !slices.Contains(langs, own) {
		own = langs[0]
	}
	var q Query
	seen := map[int32]bool{}
	for _, tok := range tokens(text) {
		word := queryWord{small: tok.isSmall(own)}
		for _, lang := range langs {
			if h := Hash(tenant, tok.term(lang)); !seen[h] {
				seen[h] = true
				word.terms = append(word.terms, h)
			}
		}
		if len(word.terms) > 0 && len(q.words) < maxWords {
			q.words = append(q.words, word)
		}
	}
	return q
}

// maxWords bounds what a question of ten thousand characters costs.
const maxWords = 128

// Hashes returns all terms, whose document frequencies Weigh needs.
func (q Query) Hashes() []int32 {
	var hashes []int32
	for _, w := range q.words {
		hashes = append(hashes, w.terms...)
	}
	return hashes
}

// Weighed is a question ready to be searched for.
type Weighed struct {
	Weights Weights // of each term that some document has
	Rarest  []int32 // the terms that a candidate must have one of, rarest first

	// Possible is the score, BM25 and Near, of a document that had the three heaviest words of the question, found or not, very
	// often and beside each other. What a hit scores divided by it says how sure it is: more words would make long questions
	// look unsure. Telling questions that have no answer from others by it, the area under the curve is .90 to 1 on the sets it
	// was measured with.
	Possible float64

	Words int // of the question
	Found int // of these, words that some chunk has
}

const (
	smallWeight = 0.2 // of a small word, beside others
	sureWords   = 3

	// Candidates come from the heaviest word, and from further ones while all of them together stand in no more chunks
	// than this. A budget of a twentieth of a corpus ranks as well as scoring every chunk that has any of the words.
	candidateBudget = 5000

	// Chunks without any word, added to the tenant's own: among ten chunks a word that is in three is not yet common. It
	// gains up to .005 nDCG@10 there, and makes Possible mean the same for small and large tenants.
	priorChunks = 100
)

// Weigh weighs each word by its rarity among n chunks. df counts the chunks with a term; a term that it lacks is in none.
func (q Query) Weigh(n int, df map[int32]int) Weighed {
	var found []foundWord
	var weights []float64
	for _, w := range q.words {
		var f foundWord
		for _, h := range w.terms {
			if df[h] > 0 {
				f.chunks += df[h]
				f.terms = append(f.terms, h)
			}
		}
		f.weight = IDF(n+priorChunks, f.chunks)
		if w.small {
			f.weight *= smallWeight
		}
		weights = append(weights, f.weight)
		if f.chunks > 0 {
			found = append(found, f)
		}
	}
	slices.SortFunc(weights, func(a, b float64) int { return cmp.Compare(b, a) })
	slices.SortStableFunc(found, func(a, b foundWord) int { return cmp.Compare(b.weight, a.weight) })
	out := Weighed{Weights: Weights{}, Rarest: candidates(found), Words: len(q.words), Found: len(found)}
	for _, f := range found {
		for _, h := range f.terms {
			out.Weights[h] = float32(f.weight)
		}
	}
	for _, w := range weights[:min(sureWords, len(weights))] {
		out.Possible += w * (k1 + 1 + nearShare)
	}
	return out
}

// foundWord is a word of a question that some chunk has.
type foundWord struct {
	terms  []int32
	chunks int
	weight float64
}

// candidates returns the terms of the first words, which weigh most.
func candidates(words []foundWord) []int32 {
	var terms []int32
	chunks := 0
	for i, w := range words {
		if chunks += w.chunks; i > 0 && chunks > candidateBudget {
			break
		}
		terms = append(terms, w.terms...)
	}
	return terms
}
