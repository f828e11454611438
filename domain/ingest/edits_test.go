package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/llm"
)

var sentences = []string{
	"%s of model %d are lent for %d days at most, and brought back to the harbour by %d in the evening. ",
	"%s of model %d weigh some %d kilograms with all their straps, so nobody under %d years of age carries one alone. ",
	"%s of model %d need fresh batteries every %d weeks; the warehouse hands out %d of them on Mondays. ",
}

// rental is a handbook in which each section says something of its own.
func rental(section func(i int) string) []byte {
	var b strings.Builder
	for i, subject := range []string{"Bicycles", "Canoes", "Helmets", "Locks", "Tents", "Trailers"} {
		fmt.Fprintf(&b, "# %s\n\n", subject)
		if own := section(i); own != "" {
			b.WriteString(own + "\n\n")
			continue
		}
		for j := range 9 {
			fmt.Fprintf(&b, sentences[i%3], subject, j, i+j+2, 5+i%3)
		}
		b.WriteString("\n\n")
	}
	return []byte(b.String())
}

func untouched(int) string { return "" }

// find returns the chunk that holds a text.
func find(t *testing.T, documents *document.Service, tenantID, id domain.ID, text string) document.Chunk {
	t.Helper()
	list, err := documents.Chunks(t.Context(), tenantID, id, document.ChunkFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Chunks {
		if strings.Contains(c.Text, text) {
			return c
		}
	}
	t.Fatalf("no chunk holds %q", text)
	return document.Chunk{}
}

// An edit and a switch survive any settings, exactly, and the rest of the text is cut around them.
func TestEditsSurviveSettings(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, llm.NewHashing())
	id := upload(t, documents, tenantID, "rental.md", rental(untouched))
	ended(t, documents, tenantID, id)
	edited, off := find(t, documents, tenantID, id, "Canoes of model 3"), find(t, documents, tenantID, id, "Locks of model 3")
	const mine = "Canoes go out with two people and a dry bag."
	if _, err := documents.EditChunk(t.Context(), tenantID, edited.ID, edited.Text, mine, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	if _, err := documents.SetChunkOff(t.Context(), tenantID, off.ID, true, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	checkIndex(t, db, tenantID)
	for _, cutting := range []document.Cutting{{Tokens: 128, Overlap: 32}, {Tokens: 1024, Overlap: 0}, {Tokens: 200, Overlap: 50}, {Tokens: 320, Overlap: 32}} {
		if err := documents.SetCutting(t.Context(), tenantID, cutting); err != nil {
			t.Fatal(err)
		}
		if err := documents.ReadAgain(t.Context(), tenantID, id); err != nil {
			t.Fatal(err)
		}
		d := ended(t, documents, tenantID, id)
		if d.Status != document.Ready || d.Cutting != cutting || d.Edited != 1 || d.OffChunks != 1 || d.Conflicts != 0 {
			t.Errorf("%+v: ended as %+v", cutting, d)
		}
		c := find(t, documents, tenantID, id, mine)
		if c.Text != mine || c.Edit == nil || c.Edit.Original != edited.Text || c.Start != edited.Start || c.End != edited.End {
			t.Errorf("%+v: the edit is now %+v, %+v", cutting, c, c.Edit)
		}
		found := words(t, db, tenantID)
		if strings.Contains(found, "Canoes of model") || strings.Contains(found, "Locks of model") || !strings.Contains(found, mine) {
			t.Errorf("%+v: found is %.300s", cutting, found)
		}
		for j := range 9 {
			for _, subject := range []string{"Bicycles", "Helmets", "Tents", "Trailers"} {
				if text := fmt.Sprintf("%s of model %d ", subject, j); !strings.Contains(found, text) {
					t.Errorf("%+v: %q is lost", cutting, text)
				}
			}
		}
		checkIndex(t, db, tenantID)
	}
	c := find(t, documents, tenantID, id, mine)
	if c, err := documents.UndoEdit(t.Context(), tenantID, c.ID, domain.ID{}); err != nil || c.Text != edited.Text || c.Edit != nil {
		t.Errorf("after undoing: %+v, %v", c, err)
	}
	checkIndex(t, db, tenantID)
}

// In a new version an edit stays where its passage stays, and is put up for a decision where it does not.
func TestEditsMeetANewVersion(t *testing.T) {
	t.Parallel()
	for _, decision := range []document.Decision{document.KeepEdit, document.TakeDocument} {
		t.Run(string(decision), func(t *testing.T) {
			db, documents, tenantID := line(t, llm.NewHashing())
			id := upload(t, documents, tenantID, "rental.md", rental(untouched))
			ended(t, documents, tenantID, id)
			for _, subject := range []string{"Bicycles", "Canoes", "Tents"} {
				c := find(t, documents, tenantID, id, subject+" of model 3")
				if _, err := documents.EditChunk(t.Context(), tenantID, c.ID, c.Text, "Our own words about "+subject, domain.ID{}); err != nil {
					t.Fatal(err)
				}
			}
			next := strings.Replace(string(rental(func(i int) string {
				return map[int]string{4: "We no longer lend any of these; ask at the shop next door."}[i]
			})), "Canoes of model 3 weigh some 6 kilograms", "Canoes of model 3 weigh some 2 kilograms", 1)
			_, err := documents.StoreVersion(t.Context(), tenantID, id, document.Upload{Name: "rental.md", Format: "markdown", Content: []byte("Preface of the new edition.\n\n" + next)})
			if err != nil {
				t.Fatal(err)
			}
			if d := ended(t, documents, tenantID, id); d.Conflicts != 2 || d.Edited != 1 || d.Live != 2 {
				t.Fatalf("ended as %+v, %+v", d, d.Failure)
			}
			found := words(t, db, tenantID)
			for text, want := range map[string]bool{"words about Bicycles": true, "Bicycles of": false, "some 2 kilograms": true, "words about Canoes": false, "words about Tents": false} {
				if strings.Contains(found, text) != want {
					t.Errorf("before the decision, %q is found: %v", text, !want)
				}
			}
			open, err := documents.Conflicts(t.Context(), tenantID, id)
			if err != nil || len(open) != 2 || open[0].State != document.Changed || open[1].State != document.Lost ||
				open[0].Now == nil || !strings.Contains(open[0].Now.Text, "some 2 kilograms") || *open[1].Text != "Our own words about Tents" {
				t.Fatalf("conflicts %+v, %v", open, err)
			}
			checkIndex(t, db, tenantID)
			for _, e := range open {
				if err := documents.Resolve(t.Context(), tenantID, e.ID, decision, domain.ID{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := documents.Resolve(t.Context(), tenantID, open[0].ID, decision, domain.ID{}); err == nil {
				t.Error("decided twice")
			}
			checkIndex(t, db, tenantID)
			keeps := decision == document.KeepEdit
			for _, when := range []string{"at once", "after another reading"} {
				found := words(t, db, tenantID)
				for text, want := range map[string]bool{"words about Canoes": keeps, "words about Tents": keeps, "some 2 kilograms": !keeps, "words about Bicycles": true} {
					if strings.Contains(found, text) != want {
						t.Errorf("%s, %q is found: %v", when, text, !want)
					}
				}
				if err := documents.ReadAgain(t.Context(), tenantID, id); err != nil {
					t.Fatal(err)
				}
				if d := ended(t, documents, tenantID, id); d.Conflicts != 0 {
					t.Errorf("%s: %d conflicts", when, d.Conflicts)
				}
				checkIndex(t, db, tenantID)
			}
		})
	}
}

// An edit that is saved while the document is read again is not overwritten.
func TestEditDuringReading(t *testing.T) {
	t.Parallel()
	g := newGate()
	db, documents, tenantID := line(t, g)
	id := upload(t, documents, tenantID, "note.md", note("note", 0))
	g.next(t)
	g.pass <- struct{}{}
	ended(t, documents, tenantID, id)
	c := find(t, documents, tenantID, id, "note")
	if err := documents.ReadAgain(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	g.next(t)
	if _, err := documents.SetChunkOff(t.Context(), tenantID, c.ID, true, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	close(g.pass)
	if d := ended(t, documents, tenantID, id); d.Status != document.Ready || d.OffChunks != 1 || words(t, db, tenantID) != "" {
		t.Errorf("ended as %+v, %q is found", d, words(t, db, tenantID))
	}
	checkIndex(t, db, tenantID)
}

// What is off is not found, whatever is read again meanwhile, and is found again when it is on.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, llm.NewHashing())
	id := upload(t, documents, tenantID, "rental.md", rental(untouched))
	ended(t, documents, tenantID, id)
	all := words(t, db, tenantID)
	if err := documents.SetOff(t.Context(), tenantID, id, true); err != nil {
		t.Fatal(err)
	}
	checkIndex(t, db, tenantID)
	if err := documents.ReadAgain(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	if d := ended(t, documents, tenantID, id); !d.Off || words(t, db, tenantID) != "" {
		t.Errorf("off %v, and found is %.100q", d.Off, words(t, db, tenantID))
	}
	checkIndex(t, db, tenantID)
	c := find(t, documents, tenantID, id, "Canoes of model 3")
	if _, err := documents.SetChunkOff(t.Context(), tenantID, c.ID, true, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	if err := documents.SetOff(t.Context(), tenantID, id, false); err != nil {
		t.Fatal(err)
	}
	if found := words(t, db, tenantID); strings.Contains(found, "Canoes of model") || !strings.Contains(found, "Tents of model") {
		t.Errorf("with the document on and a chunk off, found is %.300q", found)
	}
	checkIndex(t, db, tenantID)
	if _, err := documents.SetChunkOff(t.Context(), tenantID, c.ID, false, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	if words(t, db, tenantID) != all {
		t.Error("switched on again, other words are found than at first")
	}
	checkIndex(t, db, tenantID)
}
