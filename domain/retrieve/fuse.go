package retrieve

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"bitb/domain"
	"bitb/domain/lexical"
)

// hit is a chunk that a search found, by words, by its vector or both.
type hit struct {
	chunk       domain.ID
	bm25        float64 // 0: not found by words
	near        float64 // lexical.Near's score of it; 0 where its text was not looked at
	cosine      float64 // 0 where the chunk has no vector
	model       int     // that made the vector, among the tenant's
	lexicalRank int     // from 1; 0: not found by words
	vectorRank  int     // from 1; 0: not among the nearest vectors
	lexical     float64 // what its words score on a scale of 0 to 1
	fused       float64
}

// builtinShare is the most that a chunk can score which the built-in model alone finds: less than the default threshold.
const builtinShare = 0.2

// foreignShare is what vectors count for a question in a language that their model does not know: they order what words do not find, behind all
// else. With the share that the question itself tells, MiniLM's cost up to .035 nDCG@10 in seven languages of the Latin script and .07 in others;
// with a thirtieth of that they gained .001 in the mean and cost up to .003 (ADR 22).
const foreignShare = 1e-6

// others are the languages that models are not examined in; see llm.OtherLanguages.
const others = "*"

// toLookAt is how many of the best hits have their texts looked at for words that stand near each other. On the sets it was
// measured with, 30 or 50 change no figure by .0005.
const toLookAt = 20

// fuse scores and orders hits. It may be done again when more is known of them. possible is what the question's words could score;
// model made the vectors, and the question may be foreign to it.
func fuse(hits []hit, possible float64, model string, foreign bool) {
	var top hit // the best of each
	for i := range hits {
		if possible > 0 {
			hits[i].lexical = (hits[i].bm25 + hits[i].near) / possible
		}
		top.lexical, top.cosine = max(top.lexical, hits[i].lexical), max(top.cosine, hits[i].cosine)
	}
	if isBuiltin(model) || top.cosine <= 0 {
		looks(hits)
	} else {
		meaning(hits, top, foreign)
	}
	sortFused(hits)
	for i := range hits {
		hits[i].lexical, hits[i].fused = min(1, hits[i].lexical), min(1, hits[i].fused)
	}
}

func sortFused(hits []hit) {
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.fused, a.fused), bytes.Compare(a.chunk[:], b.chunk[:]))
	})
}

// fuseVectors scores and orders hits by their vectors alone.
func fuseVectors(hits []hit) {
	for i := range hits {
		hits[i].fused = min(1, max(0, hits[i].cosine))
	}
	sortFused(hits)
}

// looks orders hits by their words, and behind them what the built-in model alone found. It knows spellings and no meanings, and so do
// the words, better: with any share of its cosines some sets of questions were worse, and none much better (ADR 21).
func looks(hits []hit) {
	least := 1.0
	for _, h := range hits {
		if h.lexical > 0 {
			least = min(least, h.lexical)
		}
	}
	for i := range hits {
		h := &hits[i]
		if h.fused = h.lexical; h.lexical == 0 {
			h.fused = builtinShare * h.cosine * least
		}
	}
}

// meaning is the quadratic mean of both relative to the best of each, by a share that the question itself tells, scaled so that the best
// hit scores how sure it is. With the share the same for all questions, or with rank fusion, some set was always worse than by words
// or by vectors alone. The numbers here and in vectorShare were chosen with MiniLM on 47 public sets in 21 languages, most of which it hardly
// reads, and with multilingual E5 on five of them: see docs/retrieval.md.
func meaning(hits []hit, top hit, foreign bool) {
	far := top.cosine
	for _, h := range hits {
		if h.cosine != 0 {
			far = min(far, h.cosine)
		}
	}
	words, near := make([]float64, len(hits)), make([]float64, len(hits))
	for i, h := range hits {
		if top.lexical > 0 {
			words[i] = h.lexical / top.lexical
		}
		if h.cosine != 0 && top.cosine > far {
			near[i] = (h.cosine - far) / (top.cosine - far)
		}
	}
	stands := standsOut(hits, top.cosine)
	share := foreignShare
	if !foreign {
		share = vectorShare(hits, words, near, stands)
	}
	best := 0.0
	for i := range hits {
		hits[i].fused = math.Sqrt((1-share)*words[i]*words[i] + share*near[i]*near[i])
		best = max(best, hits[i].fused)
	}
	if best == 0 { // nothing tells the hits apart
		best = 1
	}
	sure := (min(1, top.lexical) + stands) / 2
	for i := range hits {
		hits[i].fused *= sure / best
	}
}

// vectorShare is what vectors count beside words, 0 to 1. The side that tells a few hits from the rest more sharply counts more. Where a model
// understands what it reads, its cosines go up with the score of the words, and the best stands out.
func vectorShare(hits []hit, words, near []float64, stands float64) float64 {
	byVector := 3.5 * math.Pow(sharpness(near, true), 4) * math.Pow(agreement(hits), 0.25) * math.Pow(stands, 1.5)
	byWords := math.Pow(sharpness(words, false), 5)
	if byVector+byWords == 0 {
		return 0.5
	}
	return byVector / (byVector + byWords)
}

// sharpness is how far the best scores are from the best one on average: 0 where all are alike, nearly 1 where one stands alone. It
// looks at a hundred, and with fromLast takes the last of these for 0: there is always something that is hardly near.
func sharpness(scores []float64, fromLast bool) float64 {
	sorted := slices.SortedFunc(slices.Values(scores), func(a, b float64) int { return cmp.Compare(b, a) })
	sorted = sorted[:min(most, len(sorted))]
	zero, sum := 0.0, 0.0
	if fromLast {
		zero = sorted[len(sorted)-1]
	}
	if sorted[0] <= zero {
		return 0
	}
	for _, score := range sorted {
		sum += (sorted[0] - score) / (sorted[0] - zero)
	}
	return sum / float64(len(sorted))
}

// agreement is how the cosines of what words found correlate with what words scored; 0 where they do not, or the other way round. Half way,
// where there is too little to tell by.
func agreement(hits []hit) float64 {
	var n, x, y, xx, yy, xy float64
	for _, h := range hits {
		if h.bm25 > 0 && h.cosine != 0 {
			n, x, y = n+1, x+h.lexical, y+h.cosine
			xx, yy, xy = xx+h.lexical*h.lexical, yy+h.cosine*h.cosine, xy+h.lexical*h.cosine
		}
	}
	spread := (n*xx - x*x) * (n*yy - y*y)
	if n < 4 || spread <= 1e-12 {
		return 0.5
	}
	return max(0, (n*xy-x*y)/math.Sqrt(spread))
}

// foreign returns the languages that a question may be in, one of these, if a model knows not all of them. One that was not examined is taken
// to know English; see llm.Languages.
func foreign(question string, documents []lexical.Lang, known []string) []string {
	if known == nil {
		known = []string{string(lexical.English)}
	}
	spoken := lexical.Spoken(question, documents)
	for i, language := range spoken {
		spoken[i] = cmp.Or(language, others)
	}
	if slices.ContainsFunc(spoken, func(l string) bool { return !slices.Contains(known, l) }) {
		return spoken
	}
	return nil
}

// standsOut is the best cosine on a scale from the mean of the nearest hundred to 1, since some models find any two texts alike
// to .8. Ten more of 0 are counted in, so that among few hits the cosine itself tells.
func standsOut(hits []hit, best float64) float64 {
	cosines := make([]float64, len(hits))
	for i, h := range hits {
		cosines[i] = h.cosine
	}
	slices.SortFunc(cosines, func(a, b float64) int { return cmp.Compare(b, a) })
	cosines = cosines[:min(most, len(cosines))]
	sum := 0.0
	for _, c := range cosines {
		sum += c
	}
	mean := sum / float64(len(cosines)+10)
	if mean >= 1 {
		return 1
	}
	return max(0, (best-mean)/(1-mean))
}

// rank gives what words found its places anew, as some have been raised for standing near each other.
func rank(hits []hit) {
	found := make([]*hit, 0, len(hits))
	for i := range hits {
		if hits[i].lexicalRank > 0 {
			found = append(found, &hits[i])
		}
	}
	slices.SortFunc(found, func(a, b *hit) int {
		return cmp.Or(cmp.Compare(b.lexical, a.lexical), cmp.Compare(a.lexicalRank, b.lexicalRank))
	})
	for i, h := range found {
		h.lexicalRank = i + 1
	}
}
