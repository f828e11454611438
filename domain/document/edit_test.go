package document_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/llm"
	"bitb/domain/retrieve"
)

// desk is where somebody works on the chunks of a tenant's documents.
type desk struct {
	*testing.T
	docs       *document.Service
	db         *dbtest.Database
	tenant, by domain.ID
}

// All share a database, each with a tenant of its own.
func TestDesk(t *testing.T) {
	d := &desk{T: t, db: dbtest.New(t)}
	d.docs = document.NewService(d.db.DB, dbtest.NoQueue)
	for name, test := range map[string]func(*desk){
		"edit": testEdit, "undo": testUndo, "switch": testSwitch, "edits at once": testEditsAtOnce, "edit while read": testEditWhileRead,
		"resolve": testResolve, "decisions at once": testDecisionsAtOnce, "addition": testAddition, "places": testPlaces, "restore": testRestoreVersion,
		"cited while stored": testCiteWhileStored, "cancel when taken": testCancelWhenTaken, "upload key": testUploadKey,
		"look again": testLookAgain, "on again": testOnAgain, "store while deleted": testStoreWhileDeleted,
	} {
		t.Run(name, func(t *testing.T) {
			sub := *d
			sub.T = t
			test(&sub)
		})
	}
}

// with is the desk in a subtest, with a tenant and a document of its own. What searches count with is checked at the end.
func (d *desk) with(name string, do func(d *desk, id domain.ID, chunks []domain.ID)) {
	d.Run(name, func(t *testing.T) {
		sub := *d
		sub.T, sub.tenant, sub.by = t, d.db.Tenant(t), domain.NewID()
		d.db.Exec(t, "insert into users (tenant_id, id, email, name, role) values ($1, $2, 'anna@example.com', 'Anna', 'editor')", sub.tenant, sub.by)
		id, chunks := d.db.Document(t, sub.tenant, name, "The ferry sails at nine.", "A ticket costs twelve euros.", "Dogs travel free of charge.")
		do(&sub, id, chunks)
		d.db.CheckIndex(t, sub.tenant)
	})
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) wantCode(err error, want domain.Code) {
	d.Helper()
	if got := domain.CodeOf(err); got != want {
		d.Errorf("got %q, want %q: %v", got, want, err)
	}
}

func (d *desk) document(id domain.ID) document.Document {
	d.Helper()
	got, err := d.docs.Get(d.Context(), d.tenant, id)
	d.must(err)
	return got
}

func (d *desk) chunks(id domain.ID, only string) []document.Chunk {
	d.Helper()
	list, err := d.docs.Chunks(d.Context(), d.tenant, id, document.ChunkFilter{Only: only})
	d.must(err)
	return list.Chunks
}

func texts(chunks []document.Chunk) string {
	var all []string
	for _, c := range chunks {
		all = append(all, c.Text)
	}
	return strings.Join(all, " | ")
}

// found reports whether a search by words finds the chunk.
func (d *desk) found(id domain.ID, words string) bool {
	d.Helper()
	r, err := retrieve.NewService(retrieve.Config{DB: d.db.DB, Log: slog.New(slog.DiscardHandler), Embedder: llm.Cached(llm.NewHashing(), dbtest.NoCache{}, nil)}).Retrieve(d.Context(), d.tenant, retrieve.Query{Text: words})
	d.must(err)
	return slices.ContainsFunc(r.Passages, func(p retrieve.Passage) bool {
		return p.ChunkID == id && strings.Contains(strings.ToLower(p.Text), strings.ToLower(words))
	})
}

func (d *desk) reread(id domain.ID, became map[string]int, cut ...string) {
	d.Helper()
	d.db.Reread(d, d.tenant, id, became, cut...)
}

// next takes up what is next in line.
func (d *desk) next() document.Attempt {
	d.Helper()
	a, err := d.docs.Next(d.Context(), d.tenant, 1, func(pgx.Tx) error { return nil })
	d.must(err)
	return a
}

func (d *desk) complete(a document.Attempt, became map[string]int, cut ...string) error {
	d.Helper()
	return d.docs.Complete(d.Context(), a, d.db.Content(d, a, became, cut...), func(pgx.Tx) error { return nil })
}

func testEdit(d *desk) {
	d.with("other words", func(d *desk, id domain.ID, chunks []domain.ID) {
		const was, now = "A ticket costs twelve euros.", "A ticket costs fourteen euros.\nChildren pay half."
		c, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, "  "+strings.ReplaceAll(now, "\n", "\r\n")+"\x00 ", d.by)
		d.must(err)
		if c.Text != now || c.Edit == nil || c.Edit.Original != was || c.Edit.Quote != was || c.Edit.By != "Anna" || c.Edit.State != document.Applied || !c.Undoable() {
			d.Errorf("became %+v with %+v", c, c.Edit)
		}
		if !d.found(c.ID, "fourteen") || d.found(c.ID, "twelve") {
			d.Error("it is not found by its new words alone")
		}
		if got := d.document(id); got.Edited != 1 || got.OffChunks != 0 || got.Conflicts != 0 {
			d.Errorf("the document counts %+v", got)
		}
		if got := texts(d.chunks(id, "edited")); got != now {
			d.Errorf("edited: %s", got)
		}
	})
	d.with("its own words again", func(d *desk, id domain.ID, chunks []domain.ID) {
		const was = "A ticket costs twelve euros."
		_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, "Tickets are dear.", d.by)
		d.must(err)
		c, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], "Tickets are dear.", was, d.by)
		d.must(err)
		if c.Text != was || c.Edit != nil {
			d.Errorf("became %q with %+v", c.Text, c.Edit)
		}
		_, err = d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, was+"\n", d.by)
		d.must(err)
		if n := d.db.Count(d, "select count(*) from chunk_edits where document_id = $1", id); n != 0 {
			d.Errorf("%d edits are kept of nothing", n)
		}
	})
	d.with("what is refused", func(d *desk, id domain.ID, chunks []domain.ID) {
		const was = "A ticket costs twelve euros."
		for _, bad := range []string{"", " \r\n\x00", strings.Repeat("ä", document.MaxChunkRunes+1)} {
			_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, bad, d.by)
			d.wantCode(err, domain.Invalid)
		}
		_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], "What it said before that.", "Mine.", d.by)
		d.wantCode(err, domain.Conflict)
		_, err = d.docs.EditChunk(d.Context(), d.tenant, domain.NewID(), was, "", d.by)
		d.wantCode(err, domain.NotFound)
		_, err = d.docs.EditChunk(d.Context(), d.db.Tenant(d), chunks[1], was, "Mine.", d.by)
		d.wantCode(err, domain.NotFound)
		if got := texts(d.chunks(id, "")); !strings.Contains(got, was) {
			d.Errorf("reads %s", got)
		}
	})
}

func testUndo(d *desk) {
	d.with("a switch stays", func(d *desk, id domain.ID, chunks []domain.ID) {
		const was = "A ticket costs twelve euros."
		_, err := d.docs.UndoEdit(d.Context(), d.tenant, chunks[1], d.by)
		d.wantCode(err, domain.Conflict)
		_, err = d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, "Tickets are dear.", d.by)
		d.must(err)
		_, err = d.docs.SetChunkOff(d.Context(), d.tenant, chunks[1], true, d.by)
		d.must(err)
		c, err := d.docs.UndoEdit(d.Context(), d.tenant, chunks[1], d.by)
		d.must(err)
		if c.Text != was || !c.Off || c.Edit == nil || c.Edit.Text != nil {
			d.Errorf("became %+v with %+v", c, c.Edit)
		}
		c, err = d.docs.SetChunkOff(d.Context(), d.tenant, chunks[1], false, d.by)
		d.must(err)
		if c.Off || c.Edit != nil || !d.found(c.ID, "twelve") {
			d.Errorf("became %+v with %+v", c, c.Edit)
		}
	})
	d.with("not past a decision", func(d *desk, id domain.ID, chunks []domain.ID) {
		const was = "A ticket costs twelve euros."
		_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, "Tickets are dear.", d.by)
		d.must(err)
		d.reread(id, map[string]int{was: -1}, "A ticket costs twenty euros.")
		_, err = d.docs.UndoEdit(d.Context(), d.tenant, d.chunks(id, "")[0].ID, d.by)
		d.wantCode(err, domain.Conflict)
		if got := texts(d.chunks(id, "")); got != "A ticket costs twenty euros." {
			d.Errorf("reads %s", got)
		}
	})
}

func testSwitch(d *desk) {
	d.with("a chunk", func(d *desk, id domain.ID, chunks []domain.ID) {
		for range 2 { // the second time changes nothing
			c, err := d.docs.SetChunkOff(d.Context(), d.tenant, chunks[2], true, d.by)
			d.must(err)
			if !c.Off || c.Edit == nil || c.Edit.By != "Anna" || c.Undoable() || d.found(c.ID, "dogs") {
				d.Errorf("off: %+v with %+v", c, c.Edit)
			}
		}
		if got := d.document(id); got.OffChunks != 1 || got.Edited != 0 || texts(d.chunks(id, "off")) != "Dogs travel free of charge." || len(d.chunks(id, "edited")) != 0 {
			d.Errorf("the document counts %+v", got)
		}
		_, err := d.docs.SetChunkOff(d.Context(), d.tenant, chunks[2], false, d.by)
		d.must(err)
		if !d.found(chunks[2], "dogs") {
			d.Error("it is not found again")
		}
		_, err = d.docs.SetChunkOff(d.Context(), d.db.Tenant(d), chunks[2], true, d.by)
		d.wantCode(err, domain.NotFound)
	})
	d.with("a document, over its chunks", func(d *desk, id domain.ID, chunks []domain.ID) {
		_, err := d.docs.SetChunkOff(d.Context(), d.tenant, chunks[0], true, d.by)
		d.must(err)
		d.must(d.docs.SetOff(d.Context(), d.tenant, id, true))
		c, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], "A ticket costs twelve euros.", "A ticket costs ninety euros.", d.by)
		d.must(err)
		if d.found(chunks[0], "ferry") || d.found(chunks[1], "ninety") || d.found(chunks[2], "dogs") || c.Off {
			d.Error("a document that is off is found")
		}
		d.db.CheckIndex(d, d.tenant)
		d.must(d.docs.SetOff(d.Context(), d.tenant, id, false))
		if d.found(chunks[0], "ferry") || !d.found(chunks[1], "ninety") || !d.found(chunks[2], "dogs") {
			d.Error("its chunks did not keep their own switches")
		}
	})
}

// Of two people who edit the same words at once, one is told.
func testEditsAtOnce(d *desk) {
	d.with("the same chunk", func(d *desk, id domain.ID, chunks []domain.ID) {
		errs := make([]error, 8)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() {
				_, errs[i] = d.docs.EditChunk(d.Context(), d.tenant, chunks[1], "A ticket costs twelve euros.", "Ticket number "+string(rune('A'+i))+".", d.by)
			})
		}
		group.Wait()
		saved := 0
		for _, err := range errs {
			if err == nil {
				saved++
			} else {
				d.wantCode(err, domain.Conflict)
			}
		}
		if saved != 1 {
			d.Errorf("%d were saved", saved)
		}
	})
	d.with("edits and switches of all chunks", func(d *desk, id domain.ID, chunks []domain.ID) {
		var group sync.WaitGroup
		for i, chunk := range d.chunks(id, "") {
			group.Go(func() {
				_, err := d.docs.EditChunk(d.Context(), d.tenant, chunk.ID, chunk.Text, chunk.Text+" Really.", d.by)
				d.wantCode(err, "")
			})
			group.Go(func() {
				_, err := d.docs.SetChunkOff(d.Context(), d.tenant, chunk.ID, i > 0, d.by)
				d.wantCode(err, "")
			})
		}
		group.Wait()
		if got := d.document(id); got.Edited != 3 || got.OffChunks != 2 {
			d.Errorf("the document counts %d edited, %d off", got.Edited, got.OffChunks)
		}
	})
}

// A reading that began before an edit is not stored over it.
func testEditWhileRead(d *desk) {
	d.with("superseded", func(d *desk, id domain.ID, chunks []domain.ID) {
		const was, now = "A ticket costs twelve euros.", "Tickets are dear."
		d.must(d.docs.ReadAgain(d.Context(), d.tenant, id))
		a := d.next()
		_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, now, d.by)
		d.must(err)
		if err := d.complete(a, nil, was); !errors.Is(err, document.ErrEdited) {
			d.Fatalf("completed with %v", err)
		}
		d.must(d.docs.Postpone(d.Context(), a, 0, "", false, func(pgx.Tx) error { return nil }))
		d.must(d.complete(d.next(), map[string]int{was: 2}, "The ferry sails at ten.", was))
		if got := texts(d.chunks(id, "")); got != "The ferry sails at ten. | "+now {
			d.Errorf("reads %s", got)
		}
	})
}

// Every way in which an edit can meet a text that has changed, with both decisions.
func testResolve(all *desk) {
	const was, mine, now = "A ticket costs twelve euros.", "Tickets are dear.", "A ticket costs twenty euros."
	for _, c := range []struct {
		name      string
		edited    bool // else only switched off
		off, gone bool
		decision  document.Decision
		reads     string // the chunks afterwards
		offN      int
		edits     int // that are kept
	}{
		{"changed, kept", true, false, false, document.KeepEdit, mine, 0, 1},
		{"changed, given up", true, false, false, document.TakeDocument, now, 0, 0},
		{"changed and off, kept", true, true, false, document.KeepEdit, mine, 1, 1},
		{"changed and off, given up", true, true, false, document.TakeDocument, now, 0, 0},
		{"off over new words, kept", false, true, false, document.KeepEdit, now, 1, 1},
		{"off over new words, given up", false, true, false, document.TakeDocument, now, 0, 0},
		{"gone, kept", true, false, true, document.KeepEdit, now + " | " + mine, 0, 1},
		{"gone, given up", true, false, true, document.TakeDocument, now, 0, 0},
		{"gone and off, kept", true, true, true, document.KeepEdit, now + " | " + mine, 1, 1},
		{"off and gone, kept", false, true, true, document.KeepEdit, now, 0, 0},
		{"off and gone, given up", false, true, true, document.TakeDocument, now, 0, 0},
	} {
		all.with(c.name, func(d *desk, id domain.ID, chunks []domain.ID) {
			if c.edited {
				_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, mine, d.by)
				d.must(err)
			}
			if c.off {
				_, err := d.docs.SetChunkOff(d.Context(), d.tenant, chunks[1], true, d.by)
				d.must(err)
			}
			d.reread(id, map[string]int{was: map[bool]int{false: -1, true: 0}[c.gone]}, now)
			open, err := d.docs.Conflicts(d.Context(), d.tenant, id)
			d.must(err)
			if got := d.document(id); len(open) != 1 || got.Conflicts != 1 || got.Edited != 0 || got.OffChunks != 0 || (open[0].Now == nil) != c.gone {
				d.Fatalf("%d conflicts, the document counts %+v", len(open), got)
			}
			if got := texts(d.chunks(id, "")); got != now {
				d.Errorf("before the decision it reads %s", got)
			}
			d.wantCode(d.docs.Resolve(d.Context(), d.db.Tenant(d), open[0].ID, c.decision, d.by), domain.NotFound)
			d.wantCode(d.docs.Resolve(d.Context(), d.tenant, open[0].ID, "perhaps", d.by), domain.Invalid)
			d.must(d.docs.Resolve(d.Context(), d.tenant, open[0].ID, c.decision, d.by))
			got := d.document(id)
			if reads := texts(d.chunks(id, "")); reads != c.reads || got.OffChunks != c.offN || got.Conflicts != 0 {
				d.Errorf("reads %s, the document counts %+v", reads, got)
			}
			if n := d.db.Count(d, "select count(*) from chunk_edits where document_id = $1", id); n != c.edits {
				d.Errorf("%d edits are kept", n)
			}
			err = d.docs.Resolve(d.Context(), d.tenant, open[0].ID, c.decision, d.by)
			d.wantCode(err, map[int]domain.Code{0: domain.NotFound, 1: domain.Conflict}[c.edits])
			d.db.CheckIndex(d, d.tenant)
			d.reread(id, map[string]int{now: 1}, now) // and the next reading keeps it so
			if reads := texts(d.chunks(id, "")); reads != c.reads {
				d.Errorf("read once more: %s", reads)
			}
		})
	}
}

// One decision is taken, whoever is second.
func testDecisionsAtOnce(d *desk) {
	const was, mine, now = "A ticket costs twelve euros.", "Tickets are dear.", "A ticket costs twenty euros."
	d.with("keep and take", func(d *desk, id domain.ID, chunks []domain.ID) {
		_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, mine, d.by)
		d.must(err)
		for _, gone := range []bool{false, true} {
			d.reread(id, map[string]int{was: map[bool]int{false: -1, true: 0}[gone], now: 0}, now)
			open, err := d.docs.Conflicts(d.Context(), d.tenant, id)
			d.must(err)
			var group sync.WaitGroup
			var lock sync.Mutex
			done := 0
			for _, decision := range []document.Decision{document.KeepEdit, document.TakeDocument, document.KeepEdit} {
				group.Go(func() {
					err := d.docs.Resolve(context.WithoutCancel(d.Context()), d.tenant, open[0].ID, decision, d.by)
					lock.Lock()
					defer lock.Unlock()
					if err == nil {
						done++
					} else if code := domain.CodeOf(err); code != domain.Conflict && code != domain.NotFound {
						d.Errorf("%s: %v", decision, err)
					}
				})
			}
			group.Wait()
			if done != 1 {
				d.Errorf("%d decisions were taken", done)
			}
			d.db.CheckIndex(d, d.tenant)
			if gone {
				break
			}
			if got := d.chunks(id, ""); got[0].Edit == nil { // the document's words were taken: edit again for the second round
				_, err := d.docs.EditChunk(d.Context(), d.tenant, got[0].ID, now, mine, d.by)
				d.must(err)
			}
		}
	})
}

// An addition stands nowhere in the document: it can be edited and switched, and there is nothing to go back to.
func testAddition(d *desk) {
	const was, mine = "A ticket costs twelve euros.", "Tickets are dear."
	d.with("addition", func(d *desk, id domain.ID, chunks []domain.ID) {
		_, err := d.docs.EditChunk(d.Context(), d.tenant, chunks[1], was, mine, d.by)
		d.must(err)
		d.reread(id, nil, "Dogs travel free of charge.")
		open, err := d.docs.Conflicts(d.Context(), d.tenant, id)
		d.must(err)
		d.must(d.docs.Resolve(d.Context(), d.tenant, open[0].ID, document.KeepEdit, d.by))
		c := d.chunks(id, "edited")[0]
		if c.Ordinal != 2 || c.Start != c.End || c.PageFrom != 0 || c.Edit.Quote != "" || c.Undoable() || !d.found(c.ID, "dear") {
			d.Errorf("the addition is %+v with %+v", c, c.Edit)
		}
		if places, err := d.docs.Places(d.Context(), d.tenant, id, document.Page{Text: strings.Repeat("x", 1000)}); err != nil || len(places) != 1 {
			d.Errorf("%d places, %v", len(places), err)
		}
		_, err = d.docs.UndoEdit(d.Context(), d.tenant, c.ID, d.by)
		d.wantCode(err, domain.Conflict)
		c, err = d.docs.EditChunk(d.Context(), d.tenant, c.ID, mine, "Tickets are cheap.", d.by)
		d.must(err)
		c, err = d.docs.SetChunkOff(d.Context(), d.tenant, c.ID, true, d.by)
		d.must(err)
		if c.Text != "Tickets are cheap." || !c.Off || d.found(c.ID, "cheap") {
			d.Errorf("became %+v", c)
		}
		_, err = d.docs.SetChunkOff(d.Context(), d.tenant, c.ID, false, d.by)
		d.must(err)
		d.reread(id, nil, "Dogs travel free of charge.", "Cats too.")
		if got := texts(d.chunks(id, "")); got != "Dogs travel free of charge. | Cats too. | Tickets are cheap." {
			d.Errorf("after another reading: %s", got)
		}
		all := d.chunks(id, "")
		_, err = d.docs.RemoveAddition(d.Context(), d.tenant, all[0].ID)
		d.wantCode(err, domain.Conflict)
		_, err = d.docs.RemoveAddition(d.Context(), d.db.Tenant(d), all[2].ID)
		d.wantCode(err, domain.NotFound)
		if from, err := d.docs.RemoveAddition(d.Context(), d.tenant, all[2].ID); err != nil || from != id {
			d.Errorf("removed from %s, %v", from, err)
		}
		d.reread(id, nil, "Dogs travel free of charge.", "Cats too.")
		if got := texts(d.chunks(id, "")); got != "Dogs travel free of charge. | Cats too." {
			d.Errorf("after it was removed: %s", got)
		}
	})
}

func testPlaces(d *desk) {
	d.with("places", func(d *desk, id domain.ID, chunks []domain.ID) {
		_, err := d.docs.SetChunkOff(d.Context(), d.tenant, chunks[1], true, d.by)
		d.must(err)
		places, err := d.docs.Places(d.Context(), d.tenant, id, document.Page{Start: 30, Text: "ticket costs twelve euros.\nDogs"})
		d.must(err)
		want := []document.Place{{ChunkID: chunks[1], Ordinal: 2, Start: 25, End: 53, Off: true}, {ChunkID: chunks[2], Ordinal: 3, Start: 54, End: 81}}
		if !slices.Equal(places, want) {
			d.Errorf("got %+v, want %+v", places, want)
		}
		if none, err := d.docs.Places(d.Context(), d.db.Tenant(d), id, document.Page{Text: "The ferry"}); err != nil || len(none) != 0 {
			d.Errorf("another tenant sees %+v, %v", none, err)
		}
	})
}
