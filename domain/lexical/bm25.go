package lexical

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The parameters of BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009). Measured beside what
// Near adds, 1.4 for k1 is better than 1.2 on most sets and worse on none; weights that were stored with another fit well enough.
const (
	k1 = 1.4
	b  = 0.75
)

// Dimensions is the length of the sparse vectors that Hash numbers, which is as long as pgvector allows.
const Dimensions = 1_000_000_000

// Hash numbers a term for one tenant, 0 to Dimensions-1: 64 bits of FNV-1a, mixed and scaled. The tenant is part of it, so
// that the index entry of a word lists the chunks of one tenant: no tenant pays for another's size, and no number says
// anything about another tenant's words. Two terms of one tenant seldom meet (twenty pairs among 200,000 terms), and
// then cost a little precision.
func Hash(tenant [16]byte, term string) int32 {
	h := uint64(14695981039346656037)
	for _, c := range tenant {
		h = (h ^ uint64(c)) * 1099511628211
	}
	for i := range len(term) {
		h = (h ^ uint64(term[i])) * 1099511628211
	}
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return int32((h >> 32) * Dimensions >> 32)
}

// Weights is a sparse vector: Hash of a term → weight.
type Weights map[int32]float32

// DocWeights returns the part of BM25 that a document knows: tf·(k1+1)/(tf + k1·(1-b+b·len/avg)), 0 to k1+1, and the bonus of words
// in titles. avg is the mean number of terms of the tenant's chunks, from MeanLength.
func DocWeights(tenant [16]byte, terms Terms, avg float64) Weights {
	norm := float32(k1 * (1 - b + b*float64(terms.Len())/max(avg, 1)))
	weights, above := terms.frequencies(tenant)
	for hash, tf := range weights {
		weights[hash] = weight(tf, norm, above[hash])
	}
	return weights
}

func weight(tf, norm, bonus float32) float32 { return tf*(k1+1)/(tf+norm) + bonus }

// frequencies are how often each term counts, and the bonus of those in titles.
func (t Terms) frequencies(tenant [16]byte) (tf, bonus Weights) {
	tf, bonus = make(Weights, len(t.Text)), make(Weights, len(t.Above))
	for _, term := range t.Text {
		tf[Hash(tenant, term)]++
	}
	for _, term := range t.Above {
		hash := Hash(tenant, term)
		tf[hash] += titleWeight
		bonus[hash] = titleBonus
	}
	return tf, bonus
}

// Fit reports whether weights that were stored, as PostgreSQL writes them, are those of the terms for some mean length: which one it
// was is not kept, and a mean that drifted is no reason to write them again.
func (t Terms) Fit(tenant [16]byte, sparse string) bool {
	stored, err := ParseSparse(sparse)
	tf, bonus := t.frequencies(tenant)
	if err != nil || len(stored) != min(maxNonZero, len(tf)) {
		return false
	}
	var least, norm float32 // by a term that stands there least often, which tells the norm best
	for hash, w := range stored {
		if n := tf[hash]; least == 0 || n < least {
			least, norm = n, n*(k1+1)/(w-bonus[hash])-n
		}
	}
	for hash, w := range stored {
		if off := math.Abs(float64(weight(tf[hash], norm, bonus[hash]) - w)); tf[hash] == 0 || norm < 0 || !(off < float64(w)/1000) {
			return false
		}
	}
	return true
}

// MeanLength is the mean number of terms of a tenant's chunks, terms in all, before it has many: a tenant's first
// document must not set the measure for all that follow. Weights are not written again when the mean drifts: off by half,
// it costs less than .01 nDCG@10.
func MeanLength(chunks int, terms int64) float64 {
	const chunksBefore, lengthBefore = 20, 180
	return (float64(terms) + chunksBefore*lengthBefore) / (float64(chunks) + chunksBefore)
}

// IDF is Lucene's: ln(1 + (n-df+0.5)/(df+0.5)), above 0 always. n counts the chunks, df those with the term.
func IDF(n, df int) float64 {
	df = min(df, n)
	return math.Log(1 + (float64(n-df)+0.5)/(float64(df)+0.5))
}

// Terms returns the hashes in order, as a PostgreSQL array of integers.
func (w Weights) Terms() string {
	return array(slices.Sorted(maps.Keys(w)))
}

func array(hashes []int32) string {
	out := append(make([]byte, 0, 11*len(hashes)+2), '{')
	for i, hash := range hashes {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(hash), 10)
	}
	return string(append(out, '}'))
}

// maxNonZero is how many elements other than zero pgvector takes in a sparse vector.
const maxNonZero = 16_000

// Sparse returns the vector as pgvector writes a sparsevec: {index:value,…}/dimensions, the index from 1.
func (w Weights) Sparse() string {
	hashes := slices.Sorted(maps.Keys(w))
	hashes = hashes[:min(maxNonZero, len(hashes))]
	out := make([]byte, 0, 20*len(hashes)+20)
	out = append(out, '{')
	for i, hash := range hashes {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(hash)+1, 10)
		out = append(out, ':')
		out = strconv.AppendFloat(out, float64(w[hash]), 'g', 5, 32)
	}
	return string(append(out, "}/1000000000"...))
}

// ParseSparse reads what Sparse wrote, and how PostgreSQL writes it.
func ParseSparse(sparse string) (Weights, error) {
	entries, _, _ := strings.Cut(strings.TrimPrefix(sparse, "{"), "}")
	w := Weights{}
	for entry := range strings.SplitSeq(entries, ",") {
		if entry == "" {
			continue
		}
		index, value, _ := strings.Cut(entry, ":")
		i, err := strconv.ParseInt(index, 10, 32)
		if err != nil {
			return nil, err
		}
		x, err := strconv.ParseFloat(value, 32)
		if err != nil {
			return nil, err
		}
		w[int32(i-1)] = float32(x)
	}
	return w, nil
}

// Dot is the BM25 score of a document for a query: the inner product of their weights.
func (w Weights) Dot(v Weights) float64 {
	if len(v) < len(w) {
		w, v = v, w
	}
	var sum float64
	for hash, x := range w {
		sum += float64(x) * float64(v[hash])
	}
	return sum
}
