package lexical

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Query is a question, word by word. A word has several terms where the documents are in several languages, because a
// question is too short for its own language to be told for sure.
type Query struct {
	tenant [16]byte
	langs  []Lang
	words  []queryWord
}

type queryWord struct {
	text    string   // as it was typed
	surface string   // in small letters; "" for what is not looked up in the vocabulary
	terms   []int32  // hashes of what stands for the word
	stems   []string // that the hashes are of
	small   bool
	times   int        // it is said
	spelled []spelling // what it is taken for when no chunk has it
	carried float64    // what it counts, as it is of an earlier question; 0: it is of this one
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
	q := Query{tenant: tenant, langs: langs}
	seen := map[int32]int{} // term → the first word that has it
	for _, tok := range tokens(text) {
		word := queryWord{text: cmp.Or(tok.word, tok.text), surface: tok.surface(own), small: tok.isSmall(own), times: 1}
		at := len(q.words)
		for _, lang := range langs {
			term := tok.term(lang)
			h := Hash(tenant, term)
			if first, said := seen[h]; said {
				at = first
				continue
			}
			seen[h] = len(q.words)
			word.terms, word.stems = append(word.terms, h), append(word.stems, term)
		}
		if len(word.terms) == 0 {
			q.words[at].times++
		} else if q.words = append(q.words, word); len(q.words) == maxWords {
			break
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

// Has reports whether the question itself has a word that is shown as text, whatever its capitals.
func (q Query) Has(text string) bool {
	return slices.ContainsFunc(q.words, func(w queryWord) bool { return w.carried == 0 && strings.EqualFold(w.text, text) })
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

	Words []Word // of the question, and those carried over
	Found int    // of these, words that some chunk has
}

// Word is one word of a question as it was searched for.
type Word struct {
	Text    string
	Small   bool     // it says little
	Terms   []int32  // of what some chunk has
	Chunks  int      // that have one of them, or a few less
	Weight  float64  // 0: in no chunk
	Spelled []string // words of the tenant's that it was taken for, as no chunk has it
	Carried bool     // it is of an earlier question

	stems []string // that Terms are of
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
	out := Weighed{Weights: Weights{}}
	var found []Word
	var possible []float64
	for _, w := range q.words {
		if w.carried > 0 {
			continue
		}
		word, could := w.weigh(n, df, out.Weights)
		out.Words = append(out.Words, word)
		possible = append(possible, could)
		if word.Chunks > 0 {
			found = append(found, word)
		}
		if word.Chunks > 0 && word.Spelled == nil {
			out.Found++
		}
	}
	for _, word := range q.carriedOver(n, df) {
		out.Weights.raise(word.Terms, word.Weight)
		out.Words, found, possible = append(out.Words, word), append(found, word), append(possible, word.Weight)
		out.Found++
	}
	slices.SortFunc(possible, func(a, b float64) int { return cmp.Compare(b, a) })
	slices.SortStableFunc(found, func(a, b Word) int { return cmp.Compare(b.Weight, a.Weight) })
	out.Rarest = candidates(found)
	for _, w := range possible[:min(sureWords, len(possible))] {
		out.Possible += w * (k1 + 1 + nearShare)
	}
	return out
}

// weigh puts the weights of the word's terms into weights: its rarity by the square root of how often it is said. Long questions come
// back to what they are about: nDCG@10 gains .047 on CISI and .055 on LISA, and .003 on the mean of 33 sets; with the number itself,
// half of that. possible is what the word would weigh if it was spelled right.
func (w queryWord) weigh(n int, df map[int32]int, weights Weights) (word Word, possible float64) {
	word = Word{Text: w.text, Small: w.small}
	word.add(w.terms, w.stems, df)
	often := math.Sqrt(float64(w.times))
	possible = often * idf(n, word.Chunks, w.small)
	if word.Chunks > 0 || len(w.spelled) == 0 {
		if word.Chunks > 0 {
			word.Weight = possible
			weights.raise(word.Terms, possible)
		}
		return word, possible
	}
	for _, s := range w.spelled {
		var other Word
		other.add(s.terms, s.stems, df)
		if other.Chunks == 0 {
			continue
		}
		meant := often * idf(n, other.Chunks, s.small)
		possible += s.sure * (meant - possible)
		weights.raise(other.Terms, meant*s.sure)
		word.add(s.terms, s.stems, df)
		word.Spelled = append(word.Spelled, s.word)
		word.Weight = max(word.Weight, meant*s.sure)
	}
	return word, possible
}

// add takes those of the terms that some chunk has.
func (w *Word) add(terms []int32, stems []string, df map[int32]int) {
	for i, h := range terms {
		if df[h] > 0 && !slices.Contains(w.Terms, h) {
			w.Chunks += df[h]
			w.Terms, w.stems = append(w.Terms, h), append(w.stems, stems[i])
		}
	}
}

func idf(n, chunks int, small bool) float64 {
	weight := IDF(n+priorChunks, chunks)
	if small {
		weight *= smallWeight
	}
	return weight
}

// raise gives terms a weight, unless they have a higher one.
func (w Weights) raise(terms []int32, weight float64) {
	for _, h := range terms {
		w[h] = max(w[h], float32(weight))
	}
}

// candidates returns the terms of the first words, which weigh most.
func candidates(words []Word) []int32 {
	var terms []int32
	chunks := 0
	for i, w := range words {
		if chunks += w.Chunks; i > 0 && chunks > candidateBudget {
			break
		}
		terms = append(terms, w.Terms...)
	}
	return terms
}
