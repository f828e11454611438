package eval

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"bitb/domain/ingest/chunk"
	"bitb/domain/lexical"
)

// Setting is one way of cutting documents.
type Setting struct {
	Tokens  int // see chunk.Options
	Overlap int // 0: none
}

// Result is how well one setting does, with so many chunks found for each question: means over all questions.
type Result struct {
	Tokens     int     `json:"tokens"`
	Overlap    int     `json:"overlap"`
	Top        int     `json:"top"`
	Chunks     int     `json:"chunks"`
	MeanTokens float64 `json:"mean_tokens"`

	// SpanRecall is the share of the characters that answer a question which stand in the first Top chunks. IoU is these
	// characters over all that were fetched and those that were missed.
	SpanRecall float64 `json:"span_recall"`
	IoU        float64 `json:"iou"`

	// The same of the best chunks up to a number of tokens, the last one cut there: what large and small chunks can be
	// compared by.
	Budget         int     `json:"budget"`
	RecallAtBudget float64 `json:"recall_at_budget"`
	IoUAtBudget    float64 `json:"iou_at_budget"`
}

// Chunks cuts the documents by each setting, ranks all chunks for each question by their words as retrieval does, and returns a
// result for each setting and each number of chunks in tops.
func (set *Set) Chunks(ctx context.Context, settings []Setting, tops []int, budget int) ([]Result, error) {
	var results []Result
	for _, s := range settings {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x := set.index(s)
		row := Result{Tokens: s.Tokens, Overlap: s.Overlap, Chunks: len(x.pieces), MeanTokens: x.meanTokens(), Budget: budget}
		first := len(results)
		for _, top := range tops {
			row.Top = top
			results = append(results, row)
		}
		n := float64(len(set.questions))
		for _, q := range set.questions {
			found := x.search(q.text)
			atRecall, atIoU := q.score(upTo(found, budget))
			for i := range tops {
				r := &results[first+i]
				recall, iou := q.score(found[:min(tops[i], len(found))])
				r.SpanRecall += recall / n
				r.IoU += iou / n
				r.RecallAtBudget += atRecall / n
				r.IoUAtBudget += atIoU / n
			}
		}
	}
	return results, nil
}

// piece is a chunk, or the part of one that is fetched.
type piece struct {
	doc    int
	span   span
	tokens int
}

// upTo returns the first pieces that have so many tokens, the last one cut.
func upTo(pieces []piece, budget int) []piece {
	var out []piece
	for _, p := range pieces {
		if p.tokens >= budget {
			p.span.end = p.span.start + (p.span.end-p.span.start)*budget/p.tokens
			return append(out, p)
		}
		out = append(out, p)
		budget -= p.tokens
	}
	return out
}

// score returns span recall and IoU of what was fetched for a question.
func (q *question) score(fetched []piece) (recall, iou float64) {
	total := 0
	var own []span
	for _, p := range fetched {
		total += p.span.end - p.span.start
		if p.doc == q.doc {
			own = append(own, p.span)
		}
	}
	gold := length(q.gold) + q.lost
	got := shared(q.gold, merged(own))
	return float64(got) / float64(gold), float64(got) / float64(total+gold-got)
}

// index is the chunks of all documents, to be searched by words.
type index struct {
	languages []lexical.Lang
	pieces    []piece
	weights   []lexical.Weights
	having    map[int32][]int // term → chunks
	df        map[int32]int
}

// noTenant is whose words they are.
var noTenant [16]byte

func (set *Set) index(s Setting) *index {
	x := &index{languages: set.languages, having: map[int32][]int{}, df: map[int32]int{}}
	o := chunk.Options{Tokens: s.Tokens, Overlap: s.Overlap}
	if o.Overlap == 0 {
		o.Overlap = -1
	}
	var terms []lexical.Terms
	var all int64
	for i, d := range set.docs {
		chunks, _ := chunk.Split(d.read, o)
		for _, c := range chunks {
			x.pieces = append(x.pieces, piece{doc: i, span: span{c.Start, c.End}, tokens: c.Tokens})
			terms = append(terms, lexical.AnalyzeChunk(d.title, c.Heading, c.Text, d.lang))
			all += int64(terms[len(terms)-1].Len())
		}
	}
	mean := lexical.MeanLength(len(terms), all)
	for i := range terms {
		w := lexical.DocWeights(noTenant, terms[i], mean)
		x.weights = append(x.weights, w)
		for h := range w {
			x.having[h] = append(x.having[h], i)
			x.df[h]++
		}
	}
	return x
}

func (x *index) meanTokens() float64 {
	n := 0
	for _, p := range x.pieces {
		n += p.tokens
	}
	return float64(n) / float64(max(len(x.pieces), 1))
}

// search returns the chunks that have one of the question's rarest words, the best first, as the search in SQL does.
func (x *index) search(text string) []piece {
	q := lexical.ParseQuery(noTenant, text, x.languages).Weigh(len(x.pieces), x.df)
	hashes := slices.Sorted(maps.Keys(q.Weights)) // sums must not depend on the order of a map
	type hit struct {
		chunk int
		score float64
	}
	var hits []hit
	seen := map[int]bool{}
	for _, h := range q.Rarest {
		for _, i := range x.having[h] {
			if seen[i] {
				continue
			}
			seen[i] = true
			score := 0.0
			for _, h := range hashes {
				score += float64(q.Weights[h]) * float64(x.weights[i][h])
			}
			hits = append(hits, hit{i, score})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(b.score, a.score), a.chunk-b.chunk) })
	found := make([]piece, len(hits))
	for i, h := range hits {
		found[i] = x.pieces[h.chunk]
	}
	return found
}
