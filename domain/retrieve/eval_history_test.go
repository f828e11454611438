package retrieve

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

type evalTurn struct{ Role, Text string }

type evalFollowUp struct {
	evalText
	History []evalTurn `json:"history"`
}

// asked is what the person asked before, the last first.
func (q evalFollowUp) asked() []string {
	var texts []string
	for _, turn := range slices.Backward(q.History) {
		if turn.Role == "user" {
			texts = append(texts, turn.Text)
		}
	}
	return texts
}

// TestEvalHistory asks the last questions of conversations with what was asked before and without it. Questions that are put
// behind another conversation show what it costs when somebody changes the subject.
func TestEvalHistory(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "mtrag-un-wiki-fin")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no conversations at", dir)
	}
	set := loadSet(t, dir)
	questions := readLines[evalFollowUp](t, filepath.Join(dir, "queries.jsonl"))
	unanswerable := readLines[evalFollowUp](t, filepath.Join(dir, "unanswerable.jsonl"))
	index := set.tenants[""]
	type figures struct{ ndcg, refused, auc float64 }
	measure := func(earlier func(i int, q evalFollowUp) []string) (f figures) {
		var good, bad []float64
		for i, q := range questions {
			got := index.ask(q.Text, earlier(i, q)...)
			f.ndcg += ndcg(got.fused, set.qrels[q.ID]) / float64(len(questions))
			f.refused += got.refused / float64(len(questions))
			good = append(good, got.sure)
		}
		for i, q := range unanswerable {
			bad = append(bad, index.ask(q.Text, earlier(i, q)...).sure)
		}
		f.auc = auc(good, bad)
		return f
	}
	alone := measure(func(int, evalFollowUp) []string { return nil })
	with := measure(func(_ int, q evalFollowUp) []string { return q.asked() })
	changed := measure(func(i int, _ evalFollowUp) []string { return questions[(i+len(questions)/2)%len(questions)].asked() })
	t.Logf("%-30s %-8s %-8s %s", "", "nDCG@10", "refused", "AUC")
	for name, f := range map[string]figures{"the question alone": alone, "with its history": with, "behind another conversation": changed} {
		t.Logf("%-30s %-8.4f %-8.3f %.3f", name, f.ndcg, f.refused, f.auc)
	}
	if with.ndcg < alone.ndcg+.05 {
		t.Errorf("history gains %.4f", with.ndcg-alone.ndcg)
	}
	if changed.ndcg < alone.ndcg-.015 {
		t.Errorf("a change of the subject costs %.4f", alone.ndcg-changed.ndcg)
	}
	if with.refused > alone.refused || with.auc < alone.auc {
		t.Errorf("with history, %.3f instead of %.3f are refused, AUC %.3f instead of %.3f", with.refused, alone.refused, with.auc, alone.auc)
	}
}

// auc is how often a question that has an answer scores more than one that has none.
func auc(good, bad []float64) float64 {
	var n float64
	for _, g := range good {
		for _, b := range bad {
			switch {
			case g > b:
				n++
			case g == b:
				n += .5
			}
		}
	}
	return n / float64(len(good)*len(bad))
}
