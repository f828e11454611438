package retrieve_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/lexical"
	"bitb/domain/retrieve"
)

func TestMisspelled(t *testing.T) {
	f := newFixture(t)
	tenant, other := f.tenant(t), f.tenant(t)
	f.add(t, tenant, "Terms.txt", "Our refund policy: what was paid is paid back within fourteen days.",
		"The life jacket must be worn at all times on the water.", "Canoes are returned to the dock before seven in the evening.")
	f.add(t, tenant, "Info.txt", "La información sobre el reembolso no está en la página, pero sí en los términos.")
	f.add(t, other, "Other.txt", "Nothing is said of money here.", "Bring towels and a raincoat.")
	for question, want := range map[string]string{
		"refnud polcy":         "Our refund",
		"Teh refudn, pollicy?": "Our refund",
		"jaket":                "The life",
		"REFUMD":               "Our refund",
		"informacion":          "La información",
		"infromación":          "La información",
	} {
		r := f.ask(t, tenant, question)
		if len(r.Passages) == 0 || !strings.HasPrefix(r.Passages[0].Text, want) || r.Passages[0].Lost != retrieve.Kept || r.Passages[0].LexicalRank != 1 {
			t.Errorf("%q: %+v", question, r.Passages)
		}
		if r := f.ask(t, other, question); r.ByWords.Found > 0 {
			t.Errorf("%q finds the words of another tenant", question)
		}
	}
}

// A word that no chunk has any more is not known.
func TestVocabularyFollowsTheChunks(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	one := f.add(t, tenant, "a", "The saffron is kept in the drawer.", "Saffron once more, and some pepper.")
	two := f.add(t, tenant, "b", "A drawer of pepper.")
	known := func(word string) bool {
		t.Helper()
		f.CheckIndex(t, tenant)
		return f.ask(t, tenant, word).ByWords.Found > 0
	}
	if !known("safron") || !known("peper") {
		t.Fatal("not found to begin with")
	}
	if err := f.documents.SetOff(t.Context(), tenant, one, true); err != nil {
		t.Fatal(err)
	}
	if known("safron") || !known("peper") {
		t.Error("a document that is off")
	}
	if err := f.documents.SetOff(t.Context(), tenant, one, false); err != nil {
		t.Fatal(err)
	}
	if !known("safron") {
		t.Error("a document that is on again")
	}
	if err := f.documents.SetOff(t.Context(), tenant, two, true); err != nil {
		t.Fatal(err)
	}
	for _, id := range []domain.ID{one, two} { // one that is found, one that is off
		if _, err := f.documents.Delete(t.Context(), tenant, id); err != nil {
			t.Fatal(err)
		}
		f.CheckIndex(t, tenant)
		if n := f.Count(t, "select count(*) from search.vocabulary where tenant_id = $1 and word = 'saffron'", tenant); n != 0 {
			t.Error("a word of a deleted document")
		}
	}
	if n := f.Count(t, "select count(*) from search.vocabulary where tenant_id = $1", tenant); n != 0 {
		t.Errorf("%d words of no document", n)
	}
}

// TestNeighboursFunction asks the definer function itself, with another tenant's keys.
func TestNeighboursFunction(t *testing.T) {
	f := newFixture(t)
	a, b := f.tenant(t), f.tenant(t)
	f.add(t, a, "a", "xylophone")
	f.add(t, b, "b", "xylophone")
	keys := lexical.Keys(a, "xilophone")
	count := func(tx pgx.Tx) (n int) {
		if err := tx.QueryRow(t.Context(), "select count(*) from search.neighbours($1, 10)", keys).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for name, c := range map[string]struct {
		tenant domain.ID
		want   int
	}{"its own": {a, 1}, "another's": {b, 0}} {
		err := f.InTenant(t.Context(), c.tenant, func(tx pgx.Tx) error {
			if got := count(tx); got != c.want {
				t.Errorf("%s: %d rows", name, got)
			}
			if _, err := tx.Exec(t.Context(), "select set_config('app.tenant_id', '', true)"); err != nil {
				return err
			}
			if got := count(tx); got != 0 {
				t.Errorf("no tenant: %d rows", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
