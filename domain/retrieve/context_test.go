package retrieve_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"bitb/domain/retrieve"
)

// What was asked before decides between passages that the question fits alike, and stands in the trace.
func TestContextIsCarried(t *testing.T) {
	f := newFixture(t)
	tenant := f.Tenant(t)
	f.add(t, tenant, "Prices", "Students pay nine euros at the harbour.")
	f.add(t, tenant, "Prices", "Students pay seven euros in the museum.")
	for before, want := range map[string]string{
		"What does the museum cost?":  "Students pay seven euros in the museum.",
		"What does the harbour cost?": "Students pay nine euros at the harbour.",
	} {
		q := retrieve.Query{Text: "and for students?", Asked: "and for students?", Context: []string{before, "x", "y", "long ago"}, By: retrieve.Carried}
		r, err := f.search.Retrieve(t.Context(), tenant, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Passages) == 0 || r.Passages[0].Text != want {
			t.Errorf("after %q: %+v", before, r.Passages)
		}
		f.keep(t, tenant, r)
		kept, err := f.search.Get(t.Context(), tenant, r.ID)
		if err != nil || kept.SearchedBy != retrieve.Carried || !slices.Equal(kept.Context, q.Context[:3]) || kept.Searched != q.Text {
			t.Errorf("kept %q, %q, %q, %v", kept.SearchedBy, kept.Context, kept.Searched, err)
		}
		if !slices.ContainsFunc(kept.Words, func(w retrieve.Word) bool { return w.Carried && w.Weight > 0 }) {
			t.Errorf("no word is told as carried: %+v", kept.Words)
		}
		now, changes, err := f.search.Since(t.Context(), tenant, kept)
		if err != nil || len(changes) > 0 || now.Passages[0].ChunkID != r.Passages[0].ChunkID {
			t.Errorf("searched once more: %+v, %v", changes, err)
		}
	}
}

// What if each question was searched by itself: the person's words are, whatever was made of them.
func TestWithoutFollowUps(t *testing.T) {
	f := newFixture(t)
	settings := f.search.Defaults()
	settings.FollowUps = false
	q := retrieve.Query{Text: "What do students pay?", Asked: "and they?", By: "some model", Context: []string{"and they?"}, Settings: &settings}
	r, err := f.search.Retrieve(t.Context(), f.Tenant(t), q)
	if err != nil || r.Searched != "and they?" || r.Question != "and they?" || r.SearchedBy != "" || r.Context != nil {
		t.Errorf("%q, %q, %q, %q, %v", r.Question, r.Searched, r.SearchedBy, r.Context, err)
	}
}

// A model of meaning leans towards the last two questions; one that cannot embed them is content with the question. The
// re-ranking model reads the last one too. Neither does when the question was rewritten.
func TestContextLeansTheVector(t *testing.T) {
	f := newFixture(t)
	tenant := f.Tenant(t)
	f.add(t, tenant, "Prices", "Students pay nine euros at the harbour.")
	var embedded []string
	var down error
	model := embedder{"meaning", map[string]func(string) ([]float32, error){"meaning": func(text string) ([]float32, error) {
		embedded = append(embedded, text)
		if text != "students" {
			return []float32{0, 1}, down
		}
		return []float32{1, 0}, nil
	}}}
	judge := &rankedBy{}
	search := retrieve.NewService(retrieve.Config{DB: f.DB, Log: slog.New(slog.DiscardHandler), Embedder: model, Reranker: judge})
	for name, c := range map[string]struct {
		by   string
		down error
		want []string
		asks string
	}{
		"carried":         {retrieve.Carried, nil, []string{"students", "before", "further"}, "before\nstudents"},
		"cannot embed it": {retrieve.Carried, errors.New("down"), []string{"students", "before"}, "before\nstudents"},
		"rewritten":       {"some model", nil, []string{"students"}, "students"},
	} {
		embedded, down = nil, c.down
		settings := search.Defaults()
		r, err := search.Retrieve(t.Context(), tenant, retrieve.Query{Text: "students", Context: []string{"before", "further", "long ago"}, By: c.by, Settings: &settings})
		if err != nil || len(r.Passages) != 1 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if !slices.Equal(embedded, c.want) || judge.question != c.asks {
			t.Errorf("%s: embedded %q, re-ranked %q", name, embedded, judge.question)
		}
	}
}

type rankedBy struct{ question string }

func (*rankedBy) Model() string { return "judge" }

func (r *rankedBy) Rerank(_ context.Context, question string, texts []string) ([]float64, error) {
	r.question = question
	return make([]float64, len(texts)), nil
}
