package retrieve_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitb/domain/llm"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
)

// The vectors of a model stand beside the words in the languages that it was found to know; one that nobody examined is taken to know English.
func TestForeign(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	f.add(t, tenant, "Prix.txt", "Le prix du canoë est de neuf euros par jour, et le gilet de sauvetage est compris dans le prix.")
	f.Exec(t, "update documents set embedding_model = 'meaning' where tenant_id = $1", tenant)
	f.Exec(t, "update chunk_embeddings set model = 'meaning', embedding = $2 where tenant_id = $1", tenant, postgres.VectorText([]float32{1, 0}))
	search := searchBy(f.Database, always("meaning", []float32{1, 0}))
	examine := func(t *testing.T, languages any) {
		f.Exec(t, "insert into meta.embedding_models (model, dims, languages) values ('meaning', 2, $1) on conflict (model) do update set languages = $1", languages)
	}
	for name, c := range map[string]struct {
		examined any // languages, or null
		question string
		foreign  []string
	}{
		"not examined":          {nil, "Quel est le prix du canoë ?", []string{"fr"}},
		"not examined, english": {nil, "What is the price of a canoë?", nil},
		"knows it":              {[]string{"en", "fr"}, "Quel est le prix du canoë ?", nil},
		"knows another":         {[]string{"de", "en"}, "Quel est le prix du canoë ?", []string{"fr"}},
		"knows nothing":         {[]string{}, "What is the price of a canoë?", []string{"en"}},
		"a language without a test, of a model of many": {[]string{"*", "en"}, "რა ღირს canoë?", nil},
		"a language without a test":                     {[]string{"en"}, "რა ღირს canoë?", []string{"*"}},
	} {
		t.Run(name, func(t *testing.T) {
			examine(t, c.examined)
			r, err := search.Retrieve(t.Context(), tenant, retrieve.Query{Text: c.question})
			if err != nil || len(r.Passages) == 0 {
				t.Fatal(r, err)
			}
			if diff := cmp.Diff(c.foreign, r.Foreign); diff != "" || r.Passages[0].Vector != 1 {
				t.Errorf("a cosine of %f; %s", r.Passages[0].Vector, diff)
			}
			f.keep(t, tenant, r)
			if kept, err := search.Get(t.Context(), tenant, r.ID); err != nil || !slices.Equal(kept.Foreign, c.foreign) {
				t.Errorf("kept %v, %v", kept.Foreign, err)
			}
			examine(t, []string{"*", "en", "fr"})
			_, changes, err := search.Since(t.Context(), tenant, r)
			if err != nil || (len(changes) == 1 && changes[0].Kind == retrieve.ChangedLanguages) != (c.foreign != nil) {
				t.Errorf("since it was found to know them: %+v, %v", changes, err)
			}
		})
	}
}

// Nothing is said of languages where they decide nothing: the built-in vectors stand behind words in all of them, and vectors alone have no
// words beside them.
func TestForeignToNothing(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	f.add(t, tenant, "Prix.txt", "Le prix du canoë est de neuf euros par jour, et le gilet de sauvetage est compris dans le prix.")
	const question = "Quel est le prix du canoë ?"
	if r := f.ask(t, tenant, question); r.Vectors != retrieve.VectorsExact || len(r.Foreign) > 0 {
		t.Errorf("the built-in model, searched %s, was not found to know %v", r.Vectors, r.Foreign)
	}
	f.Exec(t, "update documents set embedding_model = 'meaning' where tenant_id = $1", tenant)
	f.Exec(t, "update chunk_embeddings set model = 'meaning', embedding = $2 where tenant_id = $1", tenant, postgres.VectorText([]float32{1, 0}))
	byVectors := retrieve.Defaults("meaning", "")
	byVectors.Search = retrieve.VectorsOnly
	r, err := searchBy(f.Database, always("meaning", []float32{1, 0})).Retrieve(t.Context(), tenant, retrieve.Query{Text: question, Settings: &byVectors})
	if err != nil || len(r.Passages) == 0 || len(r.Foreign) > 0 {
		t.Errorf("%d passages by vectors alone, foreign to %v, %v", len(r.Passages), r.Foreign, err)
	}
}

// Where the present model does not answer, what the built-in one embedded before it is searched as if there was no other.
func TestBuiltInIsLeft(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	f.add(t, tenant, "Old.txt", "Refunds are paid within fourteen days.", "Canoeing lessons are for everybody.")
	f.add(t, tenant, "New.txt", "The boathouse is open from nine to five.")
	f.Exec(t, "update documents set embedding_model = 'meaning' where tenant_id = $1 and name = 'New.txt'", tenant)
	f.Exec(t, "update chunk_embeddings set model = 'meaning' where chunk_id in (select c.id from chunks c join documents d on d.id = c.document_id where d.name = 'New.txt')")
	r, err := searchBy(f.Database, embedder{present: "meaning", by: builtin.by}).Retrieve(t.Context(), tenant, retrieve.Query{Text: "refundable canoes"})
	if err != nil || r.VectorsLost == "" || r.Vectors != retrieve.VectorsExact || r.ByVector.Found != 2 || !slices.Equal(r.Models, []string{builtin.present}) {
		t.Errorf("searched %s by %v, found %+v, lost %q, %v", r.Vectors, r.Models, r.ByVector, r.VectorsLost, err)
	}
}

// What stands for languages that models are not examined in is the same to whoever examines and to whoever asks.
func TestOthers(t *testing.T) {
	if retrieve.Others != llm.OtherLanguages {
		t.Errorf("%q here, %q there", retrieve.Others, llm.OtherLanguages)
	}
}
