package retrieve

import (
	"context"
	"math"
	"slices"
	"strings"

	"bitb/domain/postgres"
)

const builtin = postgres.Builtin

// exactTo is the number of a tenant's chunks up to which all its vectors are compared. The planner cannot choose, because
// under the policy it takes every tenant for an average one.
var exactTo = postgres.ApproximateFrom

func isBuiltin(model string) bool { return strings.HasPrefix(model, builtin) }

// planOf picks the way through a model's vectors, by the tenant's own size. To words the built-in ones add nothing: they are looked at
// where words find few, and those of documents that another model has not come to yet are compared for what words found, and that is all.
func (s *search) planOf(model string) VectorPlan {
	besideWords := isBuiltin(model) && s.out.Settings.Search == Both
	switch {
	case s.out.Chunks == 0 || s.out.Settings.Search == WordsOnly:
		return VectorsOff
	case besideWords && model == s.leading():
		return VectorsIfFew
	case besideWords || s.vectors[model] == nil:
		return VectorsOff
	case s.out.Chunks > exactTo:
		return VectorsHNSW
	}
	return VectorsExact
}

// contextShare is what the question before counts in a vector beside the question itself; the one before that counts half.
// Measured on conversations (MTRAG) with a small model of meaning, beside carried words: nDCG@10 .926 to .935. More costs
// too much where somebody changed the subject.
const contextShare = 0.25

// vectorBy embeds the question. Where it may mean little by itself, a model that knows meanings has it lean towards the last
// two before it, which were embedded already when they were asked. The built-in vectors gain nothing by that.
func (s *search) vectorBy(ctx context.Context, model string) ([]float32, error) {
	vector, err := s.embedder.EmbedQuery(ctx, s.tenant, model, s.query.Text)
	if err != nil || s.query.By != Carried || isBuiltin(model) {
		return vector, err
	}
	vector = slices.Clone(vector)
	share := float32(contextShare)
	for _, text := range s.query.Context[:min(2, len(s.query.Context))] {
		before, err := s.embedder.EmbedQuery(ctx, s.tenant, model, text)
		if err != nil || len(before) != len(vector) {
			break // the question's own will do
		}
		for d := range vector {
			vector[d] += share * before[d]
		}
		share /= 2
	}
	return toUnitLength(vector), nil
}

func toUnitLength(v []float32) []float32 {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if squares > 0 {
		scale := 1 / math.Sqrt(squares)
		for d := range v {
			v[d] = float32(float64(v[d]) * scale)
		}
	}
	return v
}

// exactSQL compares all. Vectors of other dimensions were made when the model was set up otherwise. The sign is turned outside, or
// each distance would be worked out twice.
const exactSQL = `
	select chunk_id, -distance from (
		select chunk_id, embedding <#> $3::halfvec as distance from chunk_embeddings
		where tenant_id = $1 and model = $2 and vector_dims(embedding) = vector_dims($3::halfvec)
		order by distance, chunk_id limit $4) nearest`

// hnswSettings make the planner use the index, which under the policy it would not by itself, and make the index go on when
// what was deleted leaves it with too little. Of the nearest twenty among 100,000 it finds .969 to .994 with 400 for ef_search, as
// the index was built by chance, and .997 with 800, which takes a tenth longer. They end with the transaction.
const hnswSettings = `select set_config('enable_sort', 'off', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
	set_config('hnsw.ef_search', '800', true)`

// hnswSQL asks the tenant's own index, and compares one by one what that was not given yet. The index's order is relaxed, so the
// result is sorted again.
const hnswSQL = `
	with near as materialized (select chunk_id, distance from search.nearest($2, $3::halfvec, $4)),
	far as materialized (
		select chunk_id, embedding <#> $3::halfvec as distance from chunk_embeddings
		where tenant_id = $1 and model = $2 and not near and vector_dims(embedding) = vector_dims($3::halfvec)
		order by distance limit $4)
	select chunk_id, -distance from (select * from near union all select * from far) found
	order by distance, chunk_id limit $4`

// usable reports whether v can be compared: a vector of zeros is as near to everything, NaN and what half precision cannot
// hold are refused by pgvector, and of too many dimensions none is stored.
func usable(v []float32) bool {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return len(v) <= postgres.MaxVectorDims && squares > 0 && squares < 1e8 // false for NaN too
}

func vectorText(v []float32) *string {
	text := postgres.VectorText(v)
	return &text
}
