package retrieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// builtin begins the names of models whose vectors say what words look like and nothing of what they mean.
const builtin = "builtin-"

// exactTo is the number of a tenant's chunks up to which all its vectors are compared: 20,000 of 1,536 dimensions take 26
// ms. The planner cannot choose, because under the policy it takes every tenant for an average one.
var exactTo = 20_000

// indexed are the dimensions with an index of their own in the migrations; others are compared exactly, whatever it takes.
var indexed = []int{384, 768, 1024, 1536, 3072}

// planOf picks by the tenant's own size. A chunk that only the built-in vectors find can never pass the threshold, as their
// share of the score is too small: they are compared for what the words found, and that is all.
func (s *search) planOf(model string) VectorPlan {
	switch {
	case s.out.Chunks == 0 || s.vectors[model] == nil:
		return VectorsOff
	case strings.HasPrefix(model, builtin) && s.out.Settings.Search != VectorsOnly:
		return VectorsOfHits
	case s.out.Chunks > exactTo && slices.Contains(indexed, dimensions(s.vectors[model])):
		return VectorsHNSW
	}
	return VectorsExact
}

// dimensions counts those of a vector as vectorText writes it.
func dimensions(text *string) int { return strings.Count(*text, ",") + 1 }

// exactSQL cannot use an approximate index, whose expression has the dimensions in it. Vectors of other dimensions were
// made when the model was set up otherwise.
const exactSQL = `
	select chunk_id, -(embedding <#> $3::halfvec) from chunk_embeddings
	where tenant_id = $1 and model = $2 and vector_dims(embedding) = vector_dims($3::halfvec)
	order by embedding <#> $3::halfvec, chunk_id limit $4`

// hnswSettings make the planner use the index, which it would never do by itself, and make the index go on until it has
// enough of this tenant's: without iterative scans it returns next to nothing for a small one. They end with the
// transaction.
const hnswSettings = `select set_config('enable_sort', 'off', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
	set_config('hnsw.ef_search', '200', true)`

// hnswSQL reads the index of these dimensions, and compares one by one what the index was not given yet. The index's order
// is relaxed, so the result is sorted again.
func hnswSQL(dimensions int) string {
	return fmt.Sprintf(`
		with near as materialized (
			select chunk_id, embedding::halfvec(%[1]d) <#> $3::halfvec(%[1]d) as distance from chunk_embeddings
			where tenant_id = $1 and model = $2 and near and vector_dims(embedding) = %[1]d
			order by embedding::halfvec(%[1]d) <#> $3::halfvec(%[1]d) limit $4),
		far as materialized (
			select chunk_id, embedding <#> $3::halfvec as distance from chunk_embeddings
			where tenant_id = $1 and model = $2 and not near and vector_dims(embedding) = %[1]d
			order by embedding <#> $3::halfvec limit $4)
		select chunk_id, -distance from (select * from near union all select * from far) found
		order by distance + 0, chunk_id limit $4`, dimensions)
}

// usable reports whether v can be compared: a vector of zeros is as near to everything, NaN and what half precision cannot
// hold are refused by pgvector.
func usable(v []float32) bool {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return squares > 0 && squares < 1e8 // false for NaN too
}

// vectorText writes a vector as pgvector reads it.
func vectorText(v []float32) *string {
	b := append(make([]byte, 0, 12*len(v)), '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', 6, 32)
	}
	s := string(append(b, ']'))
	return &s
}
