package eval

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bitb/domain"
)

// shelf is a library and an asker whose answers are written down: for each question the documents, and the score of the first.
type shelf struct {
	answers map[string][]string // question → ids, in the order of their passages
	further map[string][]string // when more is looked for
	scores  map[string]float64
	ids     map[string]domain.ID // of documents
	made    map[domain.ID]string
	erased  []string
	fail    string // the question whose search fails
	heard   []string
}

func (s *shelf) Make(_ context.Context, name string) (domain.ID, error) {
	id := domain.NewID()
	s.made[id] = name
	return id, nil
}

func (s *shelf) Store(_ context.Context, _ domain.ID, entries []Entry, _ func(int)) ([]domain.ID, error) {
	ids := make([]domain.ID, len(entries))
	for i, e := range entries {
		if !e.Blank() {
			ids[i] = domain.NewID()
			s.ids[e.ID] = ids[i]
		}
	}
	return ids, nil
}

func (s *shelf) Erase(ctx context.Context, id domain.ID) error {
	s.erased = append(s.erased, s.made[id])
	return ctx.Err()
}

func (s *shelf) Ask(_ context.Context, tenantID domain.ID, history []Turn, question string) ([]Passage, func(int) ([]Passage, error), error) {
	if len(history) > 0 {
		question = history[0].Text + " / " + question
	}
	s.heard = append(s.heard, s.made[tenantID]+": "+question)
	if question == s.fail {
		return nil, nil, errors.New("no answer")
	}
	passages := func(ids []string) (found []Passage) {
		for _, id := range ids {
			found = append(found, Passage{DocumentID: s.ids[id], Score: s.scores[question]})
		}
		return found
	}
	return passages(s.answers[question]), func(int) ([]Passage, error) { return passages(s.further[question]), nil }, nil
}

func newShelf() *shelf {
	return &shelf{answers: map[string][]string{}, further: map[string][]string{}, scores: map[string]float64{}, ids: map[string]domain.ID{}, made: map[domain.ID]string{}}
}

func quiet(string, int, int) {}

const (
	threeDocuments = `{"_id": "a", "title": "A", "text": "x"}
{"_id": "b", "text": "x"}

{"_id": "c", "text": "x"}
`
	head = "query-id\tcorpus-id\tscore\n"
)

// The figures are worked out by hand.
func TestFigures(t *testing.T) {
	set, err := LoadJudged(writeSet(t, map[string]string{
		"corpus.jsonl": threeDocuments,
		"queries.jsonl": `{"_id": "1", "text": "one"}
{"_id": "2", "text": "two"}
{"_id": "3", "text": "three"}
{"_id": "4", "text": "nobody judged this"}`,
		"qrels.tsv": head + "1\ta\t3\n1\tb\t1\n1\tc\t0\n2\tc\t1\n3\ta\t1\n3\tgone\t1\n",
		"unanswerable.jsonl": `{"_id": "n1", "text": "none", "why": "x"}
{"_id": "n2", "text": "nothing"}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf()
	s.answers = map[string][]string{"one": {"b", "b", "a", "b"}, "two": {"a"}, "none": {"a"}}
	s.further = map[string][]string{"two": {"b", "a", "c"}}
	s.scores = map[string]float64{"one": .5, "two": .4, "none": .4}
	all, err := set.Measure(t.Context(), s, quiet, s)
	if err != nil {
		t.Fatal(err)
	}
	got := all[0]
	// 1: b, a of {a: 3, b: 1}; 2: a, b, c of {c: 1}, c only when more is looked for; 3 finds nothing
	gain := func(rank float64) float64 { return 1 / math.Log2(rank+1) }
	auc := (2 + 1.5 + .5) / 6 // .5, .4 and 0 against .4 and 0
	refused := 0.             // the bar is 0, and nothing is under it
	want := Figures{
		NDCG10:  ((1+3*gain(2))/(3+gain(2)) + gain(3)) / 3,
		Recall5: 2. / 3, Recall20: 2. / 3, Recall100: 2. / 3,
		MRR10: (1 + 1./3) / 3, Success1: 1. / 3, AUC: &auc, RefusedAt: &refused,
	}
	got.P50, got.P95 = 0, 0
	if diff := cmp.Diff(want, got.Figures, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
		t.Error(diff)
	}
	if got.LastTurn != nil {
		t.Error("without a history there is no last turn")
	}
	if got.Documents != 3 || got.Questions != 3 || len(s.erased) != 1 {
		t.Errorf("%+v, erased %q", got, s.erased)
	}
}

// A bar that refuses a twentieth of the answerable questions: of forty, two.
func TestRefusal(t *testing.T) {
	var answerable []float64
	for i := range 40 {
		answerable = append(answerable, float64(i))
	}
	auc, refused := refusal(answerable, []float64{-1, 1, 1.5, 2, 100})
	if refused != 3./5 {
		t.Errorf("%v are refused", refused)
	}
	if want := (40 + 38.5 + 38 + 37.5) / 200; math.Abs(auc-want) > 1e-9 {
		t.Errorf("AUC %v, want %v", auc, want)
	}
	if p := quantile([]time.Duration{4e6, 1e6, 3e6, 2e6}, .5); p != 2 {
		t.Errorf("p50 %v ms", p)
	}
}

// A question is put to its own tenant, with its history and then without; what is not answered anywhere is put to the tenants in turn.
func TestTenantsAndHistory(t *testing.T) {
	dir := writeSet(t, map[string]string{
		"corpus.jsonl": `{"_id": "a", "text": "x", "tenant": "N"}
{"_id": "b", "text": "x", "tenant": "M"}
{"_id": "c", "title": " ", "text": "", "tenant": "M"}`,
		"queries.jsonl": `{"_id": "1", "text": "one", "tenant": "N", "history": [{"role": "user", "text": "before"}, {"role": "assistant", "text": "yes"}]}
{"_id": "2", "text": "two", "tenant": "M"}`,
		"qrels.tsv":          head + "1\ta\t1\r\n2\tb\t1\r\n",
		"unanswerable.jsonl": "{\"_id\": \"n1\", \"text\": \"none\"}\n{\"_id\": \"n2\", \"text\": \"nothing\", \"tenant\": \"N\"}\n",
	})
	set, err := LoadJudged(dir)
	if err != nil {
		t.Fatal(err)
	}
	set.Name = "set"
	s := newShelf()
	s.answers = map[string][]string{"before / one": {"a"}, "two": {"b"}}
	all, err := set.Measure(t.Context(), s, quiet, s)
	if err != nil {
		t.Fatal(err)
	}
	got := all[0]
	if got.NDCG10 != 1 || got.LastTurn == nil || got.LastTurn.NDCG10 != .5 {
		t.Errorf("%+v", got)
	}
	heard := strings.Join(s.heard, ", ")
	with := "set N: before / one, set M: two, set M: none, set N: nothing"
	if want := with + ", " + strings.ReplaceAll(with, "before / ", ""); heard != want {
		t.Errorf("heard %s", heard)
	}
	if len(s.erased) != 2 {
		t.Errorf("erased %q", s.erased)
	}

	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(b, &keys); err != nil {
		t.Fatal(err)
	}
	last, _ := keys["last_turn"].(map[string]any)
	for _, key := range strings.Fields("set ndcg10 recall5 recall20 recall100 mrr10 success1 p50_ms p95_ms refusal_auc refused_at_5") {
		if keys[key] == nil || last[key] == nil {
			t.Errorf("no %s in %s", key, b)
		}
	}
	if len(keys) != 12 || len(last) != 11 {
		t.Errorf("%s", b)
	}
}

// Whatever ends a measurement, its tenants go: also when the person has had enough of it.
func TestErasedWhateverHappens(t *testing.T) {
	set, err := LoadJudged(writeSet(t, map[string]string{"corpus.jsonl": threeDocuments, "queries.jsonl": `{"_id": "1", "text": "one"}`, "qrels.tsv": head + "1\ta\t1\n"}))
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf()
	s.fail = "one"
	if _, err := set.Measure(t.Context(), s, quiet, s); err == nil || err.Error() != "ask the question 1: no answer" || len(s.erased) != 1 {
		t.Errorf("%v, erased %q", err, s.erased)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := set.Measure(ctx, s, quiet, s); err == nil || err.Error() != "stopped before it was measured" || len(s.erased) != 2 {
		t.Errorf("%v, erased %q", err, s.erased)
	}
	s.fail, s.answers["one"] = "", []string{"of nobody"}
	if _, err := set.Measure(t.Context(), s, quiet, s); err == nil || err.Error() != "ask the question 1: a document of another tenant was found" {
		t.Errorf("%v", err)
	}
}

func TestBadJudgedSets(t *testing.T) {
	corpus, queries, qrels := `{"_id": "a", "text": "x"}`, `{"_id": "1", "text": "q"}`, head+"1\ta\t1\n"
	tests := []struct {
		name, corpus, queries, qrels, unanswerable, want string
	}{
		{"no corpus", "", queries, qrels, "", "corpus.jsonl is empty"},
		{"no JSON", corpus + "\n\n{", queries, qrels, "", "corpus.jsonl, line 3 cannot be read"},
		{"a list", "[1]", queries, qrels, "", "corpus.jsonl, line 1 cannot be read"},
		{"a document twice", corpus + "\n" + corpus, queries, qrels, "", `corpus.jsonl, line 2: a document needs an _id of its own, not "a"`},
		{"a document without id", `{"text": "x"}`, queries, qrels, "", `line 1: a document needs an _id`},
		{"a question without text", corpus, `{"_id": "1", "text": " "}`, qrels, "", "queries.jsonl, line 1: a question needs a text"},
		{"a question twice", corpus, queries + "\n" + queries, qrels, "", "queries.jsonl, line 2: a question needs an _id of its own"},
		{"another tenant", corpus, `{"_id": "1", "text": "q", "tenant": "N"}`, qrels, "", `queries.jsonl, line 1: no document belongs to the tenant "N"`},
		{"a stranger's turn", corpus, `{"_id": "1", "text": "q", "history": [{"role": "system", "text": "x"}]}`, qrels, "", `the role of a turn is "user" or "assistant", not "system"`},
		{"no judgement", corpus, queries, head + "1\ta\t0\n", "", "no question has a document that answers it"},
		{"an unknown question", corpus, queries, head + "2\ta\t1\n", "", `qrels.tsv, line 2: queries.jsonl has no question "2"`},
		{"no tabs", corpus, queries, head + "1 a 1\n", "", "qrels.tsv, line 2: a judgement is a question, a document and a number with tabs"},
		{"no number", corpus, queries, head + "1\ta\tyes\n", "", `qrels.tsv, line 2: a judgement is a whole number of at most 1000, not "yes"`},
		{"half a judgement", corpus, queries, head + "1\ta\t.5\n", "", "line 2: a judgement is a whole number"},
		{"unanswerable without text", corpus, queries, qrels, `{"_id": "n"}`, "unanswerable.jsonl, line 1: a question needs a text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"corpus.jsonl": tt.corpus, "queries.jsonl": tt.queries, "qrels.tsv": tt.qrels}
			if tt.unanswerable != "" {
				files["unanswerable.jsonl"] = tt.unanswerable
			}
			if _, err := LoadJudged(writeSet(t, files)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := LoadJudged(t.TempDir()); err == nil || !strings.Contains(err.Error(), "corpus.jsonl cannot be read") {
		t.Errorf("%v", err)
	}
}
