package postgres

import (
	"slices"
	"strconv"
)

// What the database can do with vectors. Package document writes them and package retrieve compares them: both go by this.

// MaxVectorDims is how many dimensions a vector may have: a row holds no more in line, and an approximate index takes no more.
const MaxVectorDims = 4000

// ApproximateFrom is the number of a tenant's chunks beyond which a search looks into an approximate index; up to as many it
// compares all: 20,000 of 1,536 dimensions take 26 ms.
const ApproximateFrom = 20_000

// Builtin begins the names of models whose vectors say what words look like and nothing of what they mean. They are compared
// for what the words found, so they join no approximate index.
const Builtin = "builtin-"

// vectorSizes are the dimensions that vectors are stored with: what usual models have, and the end.
var vectorSizes = []int{256, 384, 512, 768, 1024, 1536, 2048, 2560, 3072, MaxVectorDims}

// VectorSize is the number of dimensions that a vector of n is stored and searched with; 0 when n is more than MaxVectorDims.
func VectorSize(n int) int {
	at, _ := slices.BinarySearch(vectorSizes, n)
	if at == len(vectorSizes) {
		return 0
	}
	return vectorSizes[at]
}

// VectorText writes a vector as pgvector reads it, filled up with zeros to its VectorSize: inner products stay what they are.
func VectorText(v []float32) string {
	size := max(len(v), VectorSize(len(v)))
	b := append(make([]byte, 0, 10*len(v)+2*(size-len(v))+2), '[')
	for i := range size {
		if i > 0 {
			b = append(b, ',')
		}
		if i < len(v) && v[i] != 0 { // most are, in the built-in model's vector of a question
			b = strconv.AppendFloat(b, float64(v[i]), 'g', 5, 32) // a half-precision number has three to four digits
		} else {
			b = append(b, '0')
		}
	}
	return string(append(b, ']'))
}
