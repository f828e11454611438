package ingest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitb/domain/dbtest"
	"bitb/domain/ingest"
	"bitb/domain/llm"
)

// What was learnt first stays.
func TestDimensions(t *testing.T) {
	d := ingest.Models{DB: dbtest.New(t).DB}
	for i, said := range []int{384, 383, 384} {
		if kept, err := d.Keep(t.Context(), "minilm", said); err != nil || kept != 384 {
			t.Errorf("said %d for the %dth time: kept %d, %v", said, i+1, kept, err)
		}
	}
	if kept, err := d.Keep(t.Context(), "another", 768); err != nil || kept != 768 {
		t.Errorf("another model: kept %d, %v", kept, err)
	}
}

// speller is a model that knows no language, after it did not answer.
type speller struct {
	llm.Embedder
	name  string
	down  error
	calls int
}

func (s *speller) Model() string { return s.name }

func (s *speller) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	if s.calls++; s.down != nil {
		return nil, llm.Usage{}, s.down
	}
	return s.Embedder.Embed(ctx, texts)
}

// A model is examined once, however many processes there are, and again where it did not answer; the built-in one is not.
func TestExamine(t *testing.T) {
	db := dbtest.New(t)
	models := ingest.Models{DB: db.DB}
	known := func() (languages []string) {
		t.Helper()
		if err := db.Super(t).QueryRow(t.Context(), "select coalesce((select languages from meta.embedding_models where model = 'minilm'), '{none}')").Scan(&languages); err != nil {
			t.Fatal(err)
		}
		return languages
	}
	if kept, err := models.Keep(t.Context(), "minilm", 384); err != nil || kept != 384 {
		t.Fatal(kept, err)
	}
	model := &speller{Embedder: llm.NewHashing(), name: "minilm", down: errors.New("down")}
	if err := models.Examine(t.Context(), model); !errors.Is(err, model.down) {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"none"}, known()); diff != "" {
		t.Error("examined without an answer:", diff)
	}
	model.down = nil
	if err := models.Examine(t.Context(), model); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{}, known()); diff != "" {
		t.Error(diff)
	}
	model.calls = 0
	if err := models.Examine(t.Context(), model); err != nil || model.calls > 0 {
		t.Errorf("examined once more: %d calls, %v", model.calls, err)
	}
	model.name = llm.NewHashing().Model()
	if err := models.Examine(t.Context(), model); err != nil || model.calls > 0 || db.Count(t, "select count(*) from meta.embedding_models") != 1 {
		t.Errorf("the built-in model: %d calls, %v", model.calls, err)
	}
}
