package questions

import (
	"cmp"
	"slices"

	"bitb/domain"
	"bitb/domain/eval"
	"bitb/domain/retrieve"
)

// None is Result.Expected where no passage of the expected document would reach the model under any threshold.
const None = -1.0

// Result is how one question was found in a run. What reached the model follows from the threshold: it takes passages away from
// below and changes nothing above, so one search tells for every threshold.
type Result struct {
	QuestionID   domain.ID
	Unanswerable bool
	Rank         int     // of the expected document's best passage among all candidates; 0: not found
	DocumentRank int     // of the document among the documents found
	Best         float64 // score of the best passage
	Expected     float64 // of the best one of the expected document that nothing but a threshold keeps from the model; None
}

// Refused reports whether nothing reaches the model.
func (r Result) Refused(threshold float64) bool { return r.Best < threshold || r.Best == 0 }

// Reached reports whether the expected document does.
func (r Result) Reached(threshold float64) bool {
	return !r.Unanswerable && r.Expected != None && r.Expected >= threshold
}

// Right reports whether it ended as it should.
func (r Result) Right(threshold float64) bool {
	if r.Unanswerable {
		return r.Refused(threshold)
	}
	return r.Reached(threshold)
}

// newResult reads it off a search without a threshold.
func newResult(q Question, found retrieve.Retrieval) Result {
	r := Result{QuestionID: q.ID, Unanswerable: q.Unanswerable, Expected: None}
	documents := map[domain.ID]bool{}
	for i, p := range slices.Concat(found.Passages, found.Others) {
		if i < len(found.Passages) {
			r.Best = max(r.Best, p.Score)
		}
		counts := q.expects(p)
		if counts && r.Rank == 0 {
			r.Rank, r.DocumentRank = i+1, len(documents)+1
		}
		documents[p.DocumentID] = true
		// A duplicate or a neighbour stands in another passage, which reaches the model with what it says.
		reaches := p.Lost == retrieve.Kept || p.Lost == retrieve.Joined || p.Lost == retrieve.LostDuplicate
		if counts && reaches && i < len(found.Passages) {
			r.Expected = max(r.Expected, p.Score)
		}
	}
	return r
}

// expects reports whether a passage is of what answers the question.
func (q Question) expects(p retrieve.Passage) bool {
	if q.Unanswerable || q.DocumentID == (domain.ID{}) || p.DocumentID != q.DocumentID {
		return false
	}
	if q.Page > 0 && p.PageFrom > 0 && (q.Page < p.PageFrom || q.Page > p.PageTo) {
		return false
	}
	return q.Heading == "" || slices.ContainsFunc(p.Heading, func(h string) bool { return sameName(h, q.Heading) })
}

// Figures is how well a run went.
type Figures struct {
	Answerable, Unanswerable int // questions

	NDCG10, Recall5, MRR10, Success1 float64 // over the answerable ones, by the place of the expected document
	Answered                         float64 // share of them whose document reached the model
	Refused                          float64 // share of the unanswerable ones for which nothing did
}

// figuresOf sums up results at a threshold.
func figuresOf(results []Result, threshold float64) Figures {
	var f Figures
	var judged []eval.Figures
	answered, refused := 0, 0
	for _, r := range results {
		if r.Unanswerable {
			f.Unanswerable++
			if r.Refused(threshold) {
				refused++
			}
			continue
		}
		f.Answerable++
		if r.Reached(threshold) {
			answered++
		}
		judged = append(judged, r.judge())
	}
	m := eval.Mean(judged)
	f.NDCG10, f.Recall5, f.MRR10, f.Success1 = m.NDCG10, m.Recall5, m.MRR10, m.Success1
	f.Answered, f.Refused = share(answered, f.Answerable), share(refused, f.Unanswerable)
	return f
}

func (r Result) judge() eval.Figures {
	const expected = "expected"
	found := make([]string, r.DocumentRank)
	if r.DocumentRank > 0 {
		found[r.DocumentRank-1] = expected
	}
	return eval.Judge(found, map[string]int{expected: 1})
}

func share(n, of int) float64 { return float64(n) / float64(max(1, of)) }

// Comparison is two runs side by side, over the questions that both have.
type Comparison struct {
	Before, After Figures
	Worse         map[domain.ID]bool // questions that are answered worse
	lost          int                // of them, those whose document reached the model and does not now
}

// compare sets results against those of the run before.
func compare(before []Result, threshold float64, after []Result, thresholdNow float64) Comparison {
	was := map[domain.ID]Result{}
	for _, r := range before {
		was[r.QuestionID] = r
	}
	c := Comparison{Worse: map[domain.ID]bool{}}
	var one, two []Result
	for _, now := range after {
		then, both := was[now.QuestionID]
		if !both {
			continue
		}
		one, two = append(one, then), append(two, now)
		lost := then.Right(threshold) && !now.Right(thresholdNow)
		if lost && !now.Unanswerable {
			c.lost++
		}
		if lost || fell(then.DocumentRank, now.DocumentRank) {
			c.Worse[now.QuestionID] = true
		}
	}
	c.Before, c.After = figuresOf(one, threshold), figuresOf(two, thresholdNow)
	return c
}

// fell compares places, of which 0 is none.
func fell(before, now int) bool { return before > 0 && (now == 0 || now > before) }

// notice is how much nDCG may fall before it is worth one.
const notice = 0.01

// noticed is how many questions are answered worse, 0 when that is not worth a notice.
func (c Comparison) noticed() int {
	if c.lost == 0 && c.Before.NDCG10-c.After.NDCG10 <= notice {
		return 0
	}
	return cmp.Or(len(c.Worse), 1)
}
