package retrieve

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"bitb/domain"
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

// builtinShare is what a cosine of the built-in model is worth beside the best BM25 score. On the sets it was measured
// with, 0.1 to 0.3 gains a little on each; from 0.5 on it costs; equal rank fusion costs much.
const builtinShare = 0.2

// meaningShare is the part of a real embedding model in a convex combination of normalised scores. Bruch, Gai and Ingber,
// "An analysis of fusion functions for hybrid retrieval" (TOIS 2023), find it better than rank fusion on all their sets,
// with 0.8 where nothing is known of the model, the cosine scaled from its least possible value, -1, to the best one found.
const meaningShare = 0.8

// toLookAt is how many of the best hits have their texts looked at for words that stand near each other. On the sets it was
// measured with, 30 or 50 change no figure by .0005.
const toLookAt = 20

// fuse scores and orders hits. It may be done again when more is known of them. possible is what the question's words could score;
// model made the vectors.
func fuse(hits []hit, possible float64, model string) {
	var top hit // the best of each
	for i := range hits {
		if possible > 0 {
			hits[i].lexical = (hits[i].bm25 + hits[i].near) / possible
		}
		top.lexical, top.cosine = max(top.lexical, hits[i].lexical), max(top.cosine, hits[i].cosine)
	}
	score := meaning
	if strings.HasPrefix(model, builtin) || top.cosine == 0 {
		score = looks
		rankCosines(hits)
	}
	for i := range hits {
		hits[i].fused = score(hits[i], top)
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

// looks adds to BM25 what the built-in model says, in proportion to the best BM25 score, so that the order does not
// depend on how sure that is.
func looks(h, top hit) float64 {
	return h.lexical + builtinShare*h.cosine*cmp.Or(top.lexical, 1)
}

// meaning combines both relative to the best of each, and multiplies by the surer one, so that the best of a poor lot does
// not look good.
func meaning(h, top hit) float64 {
	near := (h.cosine + 1) / (top.cosine + 1)
	words := 0.0
	if top.lexical > 0 {
		words = h.lexical / top.lexical
	}
	return (meaningShare*near + (1-meaningShare)*words) * max(min(top.lexical, 1), top.cosine)
}

// rankCosines ranks the built-in vectors, which are compared with the hits alone.
func rankCosines(hits []hit) {
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(b.cosine, a.cosine) })
	for i := range hits {
		if hits[i].cosine > 0 {
			hits[i].vectorRank = i + 1
		}
	}
}
