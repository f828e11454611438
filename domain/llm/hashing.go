package llm

import (
	"context"
	"math"

	"bitb/domain/lexical"
)

// The built-in embedder hashes features (Weinberger et al., "Feature hashing for large scale multitask learning", 2009):
// the stems of a text and their runs of three to five letters. It knows no meaning, and word forms and misspellings the search by
// words knows better, so its vectors stand behind the words (ADR 21).
const (
	hashingModel = "builtin-hash-v1"
	hashingDims  = 512 // with 256, features that meet in a dimension cost some sets what fusion gains; 1024 gains nothing more
	gramWeight   = 0.3
)

type hashingEmbedder struct{}

// NewHashing returns the embedder that needs no server. It is deterministic, and fails only where its context has ended.
func NewHashing() Embedder { return hashingEmbedder{} }

func (hashingEmbedder) Model() string { return hashingModel }
func (hashingEmbedder) Dims() int     { return hashingDims }

func (hashingEmbedder) Embed(ctx context.Context, texts []string) ([][]float32, Usage, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, Usage{}, err
		}
		vectors[i] = hashText(text)
	}
	return vectors, Usage{}, nil
}

// hashText returns a vector of unit length, or of zeros for a text without a word.
func hashText(text string) []float32 {
	counts := map[uint64]float64{}
	for _, term := range lexical.Keywords(text, lexical.Guess(text)) {
		counts[hashFeature('w', term)]++
		letters := []rune("^" + term + "$")
		for size := 3; size <= 5; size++ {
			for i := 0; i+size <= len(letters); i++ {
				counts[hashFeature('g', string(letters[i:i+size]))] += gramWeight
			}
		}
	}
	// In integers, because the order of a map must not decide the last bit.
	var sums [hashingDims]int64
	for feature, n := range counts {
		if n > 1 {
			n = 1 + math.Log(n)
		}
		weight := int64(n * (1 << 20))
		if feature>>63 == 1 {
			weight = -weight
		}
		sums[feature%hashingDims] += weight
	}
	return toUnitLength(sums[:])
}

func toUnitLength(sums []int64) []float32 {
	var squares float64
	for _, x := range sums {
		squares += float64(x) * float64(x)
	}
	vector := make([]float32, len(sums))
	if squares == 0 {
		return vector
	}
	length := math.Sqrt(squares)
	for i, x := range sums {
		vector[i] = float32(float64(x) / length)
	}
	return vector
}

// hashFeature is FNV-1a with a last mixing, as its low bits alone are too much alike for like words.
func hashFeature(kind byte, s string) uint64 {
	h := (uint64(14695981039346656037) ^ uint64(kind) ^ 5<<20) * 1099511628211
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h = (h ^ h>>29) * 0xbf58476d1ce4e5b9
	return h ^ h>>32
}
