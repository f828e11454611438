package eval

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Figures is how well a set's questions are answered: means over the questions that have a judgement, as trec_eval has them.
type Figures struct {
	NDCG10    float64 `json:"ndcg10"` // the gain is the judgement
	Recall5   float64 `json:"recall5"`
	Recall20  float64 `json:"recall20"`
	Recall100 float64 `json:"recall100"`
	MRR10     float64 `json:"mrr10"`
	Success1  float64 `json:"success1"`

	P50 float64 `json:"p50_ms"` // of one search, with the embedding of its question
	P95 float64 `json:"p95_ms"`

	// Where there are unanswerable questions: how well the score of the best passage tells them from the others (0.5: not at
	// all, 1: wholly), and which share of them is refused by the bar that refuses a twentieth of the others.
	AUC       *float64 `json:"refusal_auc"`
	RefusedAt *float64 `json:"refused_at_5"`
}

// Judge is how well one question is answered by what was found for it, the best first. gains says which of it answers, and how
// well; nothing else is known, so the times stay zero.
func Judge(found []string, gains map[string]int) Figures {
	f := Figures{NDCG10: ndcg(found, gains, 10), Recall5: recall(found, gains, 5), Recall20: recall(found, gains, 20), Recall100: recall(found, gains, 100)}
	for i, id := range found[:min(10, len(found))] {
		if gains[id] > 0 {
			f.MRR10 = 1 / float64(i+1)
			break
		}
	}
	if len(found) > 0 && gains[found[0]] > 0 {
		f.Success1 = 1
	}
	return f
}

// Mean is the mean of what Judge returned; zero of nothing.
func Mean(judged []Figures) Figures {
	var m Figures
	for _, f := range judged {
		m.NDCG10, m.Recall5, m.Recall20, m.Recall100 = m.NDCG10+f.NDCG10, m.Recall5+f.Recall5, m.Recall20+f.Recall20, m.Recall100+f.Recall100
		m.MRR10, m.Success1 = m.MRR10+f.MRR10, m.Success1+f.Success1
	}
	for _, x := range []*float64{&m.NDCG10, &m.Recall5, &m.Recall20, &m.Recall100, &m.MRR10, &m.Success1} {
		*x /= max(1, float64(len(judged)))
	}
	return m
}

// tally sums up answers.
type tally struct {
	judged       []Figures
	took         []time.Duration
	answerable   []float64 // the best score of each question
	unanswerable []float64
}

// found is what was found for a question.
type found struct {
	ids  []string // of the documents, the best first
	best float64  // score of the best passage, 0 when there is none
	took time.Duration
}

// append adds documents that are not there yet.
func (f *found) append(ids []string) {
	for _, id := range ids {
		if !slices.Contains(f.ids, id) {
			f.ids = append(f.ids, id)
		}
	}
}

// add counts what was found for a question that some document answers.
func (t *tally) add(q Question, f found) {
	t.took = append(t.took, f.took)
	t.answerable = append(t.answerable, f.best)
	t.judged = append(t.judged, Judge(f.ids, q.gains))
}

func (t *tally) figures() Figures {
	f := Mean(t.judged)
	f.P50, f.P95 = quantile(t.took, .5), quantile(t.took, .95)
	if len(t.unanswerable) > 0 {
		auc, refused := refusal(t.answerable, t.unanswerable)
		f.AUC, f.RefusedAt = &auc, &refused
	}
	return f
}

func ndcg(found []string, gains map[string]int, k int) float64 {
	ideal := make([]int, 0, len(gains))
	for _, gain := range gains {
		ideal = append(ideal, gain)
	}
	slices.SortFunc(ideal, func(a, b int) int { return cmp.Compare(b, a) })
	got := make([]int, min(k, len(found)))
	for i := range got {
		got[i] = gains[found[i]]
	}
	return dcg(got) / dcg(ideal[:min(k, len(ideal))])
}

func dcg(gains []int) float64 {
	sum := 0.0
	for i, gain := range gains {
		sum += float64(gain) / math.Log2(float64(i+2))
	}
	return sum
}

func recall(found []string, gains map[string]int, k int) float64 {
	n := 0
	for _, id := range found[:min(k, len(found))] {
		if gains[id] > 0 {
			n++
		}
	}
	return float64(n) / float64(len(gains))
}

// quantile is the nearest rank, in milliseconds.
func quantile(took []time.Duration, share float64) float64 {
	slices.Sort(took)
	at := max(0, int(math.Ceil(share*float64(len(took))))-1)
	return float64(took[at].Microseconds()) / 1000
}

// refusal returns the area under the curve, ties counted half, and the share of the unanswerable under the score that a
// twentieth of the answerable do not reach.
func refusal(answerable, unanswerable []float64) (auc, refused float64) {
	slices.Sort(answerable)
	slices.Sort(unanswerable)
	below, equal := 0, 0 // of the unanswerable, under a score and up to it
	for _, score := range answerable {
		for below < len(unanswerable) && unanswerable[below] < score {
			below++
		}
		for equal = max(equal, below); equal < len(unanswerable) && unanswerable[equal] <= score; equal++ {
		}
		auc += float64(below+equal) / 2
	}
	bar := answerable[len(answerable)/20]
	at, _ := slices.BinarySearch(unanswerable, bar)
	n := float64(len(unanswerable))
	return auc / (n * float64(len(answerable))), float64(at) / n
}
