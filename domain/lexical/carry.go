package lexical

import (
	"cmp"
	"slices"
)

// What a word that was said before a question counts in it. Measured with conversations (TestEvalHistory): a third gains
// .07 nDCG@10 where a question depends on what came before, and costs less than .01 where somebody changed the subject
// altogether, half of what it costs without a bound on the words. From a half on it costs more than it gains, and all words
// at full weight, which is what appending the history does, rank by the wrong subject.
const (
	carriedWeight = 1.0 / 3
	carriedFade   = 0.5 // from question to question, backwards
	carriedWords  = 5   // that weigh most
)

// CarriedTurns is how many earlier questions words are carried over from.
const CarriedTurns = 3

// Carry adds words of what the same person asked before, the last question first: "and for students?" says too little by
// itself. Only the rarest of them come to count, and less than the question's own.
func (q Query) Carry(earlier []string) Query {
	seen := map[int32]bool{}
	for _, h := range q.Hashes() {
		seen[h] = true
	}
	q.words = slices.Clip(q.words)
	factor := carriedWeight
	for _, text := range earlier[:min(CarriedTurns, len(earlier))] {
		for _, w := range ParseQuery(q.tenant, text, q.langs).words {
			known := slices.ContainsFunc(w.terms, func(h int32) bool { return seen[h] })
			if w.small || known || len(q.words) >= maxWords {
				continue
			}
			for _, h := range w.terms {
				seen[h] = true
			}
			q.words = append(q.words, queryWord{text: w.text, terms: w.terms, stems: w.stems, carried: factor})
		}
		factor *= carriedFade
	}
	return q
}

// carriedOver returns the carried words that come to count.
func (q Query) carriedOver(n int, df map[int32]int) []Word {
	var words []Word
	for _, w := range q.words {
		if w.carried == 0 {
			continue
		}
		word := Word{Text: w.text, Carried: true}
		if word.add(w.terms, w.stems, df); word.Chunks > 0 {
			word.Weight = w.carried * idf(n, word.Chunks, false)
			words = append(words, word)
		}
	}
	slices.SortStableFunc(words, func(a, b Word) int { return cmp.Compare(b.Weight, a.Weight) })
	return words[:min(carriedWords, len(words))]
}
