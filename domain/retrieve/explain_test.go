package retrieve_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/retrieve"
)

// shelf is a tenant with documents for each way to get lost.
type shelf struct {
	*fixture
	*testing.T
	tenant domain.ID
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{fixture: newFixture(t), T: t}
	s.tenant = s.fixture.tenant(t)
	return s
}

func (s *shelf) put(name string, texts ...string) domain.ID {
	s.Helper()
	return s.add(s.T, s.tenant, name, texts...)
}

func (s *shelf) explain(q retrieve.Query, doc domain.ID) retrieve.Explanation {
	s.Helper()
	e, err := s.search.Explain(s.Context(), s.tenant, q, doc, domain.ID{})
	if err != nil {
		s.Fatal(err)
	}
	return e
}

// step returns a stage of an explanation.
func step(e retrieve.Explanation, stage string) retrieve.Step {
	for _, s := range e.Steps {
		if s.Stage == stage {
			return s
		}
	}
	return retrieve.Step{}
}

func (s *shelf) chunkOf(doc domain.ID) (id domain.ID) {
	s.Helper()
	if err := s.Super(s.T).QueryRow(s.Context(), "select id from chunks where document_id = $1 order by ordinal limit 1", doc).Scan(&id); err != nil {
		s.Fatal(err)
	}
	return id
}

func TestExplain(t *testing.T) {
	s := newShelf(t)
	const question = "How long does a refund of the deposit take?"
	refund := "The refund of a deposit takes fourteen days, counted from the return of the canoe to the jetty, and is paid the way the deposit was paid."
	used := s.put("Refunds", refund)
	twin := s.put("Refunds, copy", refund+" Thank you.")
	weak := s.put("Weather", "How windy it may get.")
	wordless := s.put("Menu", "Soup, salad and bread.")
	off := s.put("Old refunds", "A refund takes ninety days.")
	if err := s.documents.SetOff(t.Context(), s.tenant, off, true); err != nil {
		t.Fatal(err)
	}
	usual := retrieve.Defaults(builtin.present, "")
	one, vectors := usual, usual
	one.Limit, one.Duplicates = 1, false
	vectors.Search = retrieve.VectorsOnly
	for name, c := range map[string]struct {
		doc      domain.ID
		settings *retrieve.Settings
		at       time.Time
		lost     string
		reason   retrieve.Reason
	}{
		"used":               {used, nil, time.Time{}, "", ""},
		"says the same":      {twin, nil, time.Time{}, "duplicate", ""},
		"enough better ones": {twin, &one, time.Time{}, "limit", ""},
		"small words alone":  {weak, nil, time.Time{}, "threshold", ""},
		"no word":            {wordless, nil, time.Time{}, "words", retrieve.ReasonNoWord},
		"left out":           {off, nil, time.Time{}, "index", retrieve.ReasonDocumentOff},
		"came later":         {used, nil, time.Now().Add(-time.Hour), "", retrieve.ReasonLater},
		"vectors only":       {used, &vectors, time.Time{}, "", ""},
	} {
		e := s.explain(retrieve.Query{Text: question, Settings: c.settings, At: c.at}, c.doc)
		if e.Lost != c.lost && !(name == "no word" && e.Lost == "threshold") {
			t.Errorf("%s: lost at %q: %+v", name, e.Lost, e.Steps)
		}
		if c.reason != "" && step(e, "index").Reason != c.reason && step(e, "words").Reason != c.reason {
			t.Errorf("%s: %+v", name, e.Steps)
		}
		if e.Passage.DocumentID != c.doc || e.Passage.Text == "" {
			t.Errorf("%s: follows %+v", name, e.Passage)
		}
	}
	e := s.explain(retrieve.Query{Text: question}, twin)
	if got := step(e, "duplicate").Other; got != s.chunkOf(used) {
		t.Errorf("a duplicate of %v", got)
	}
	if w := step(e, "words"); w.State != retrieve.Passed || w.Rank != 2 || w.Value <= 0 {
		t.Errorf("by words %+v", w)
	}
	has := map[string]bool{}
	for _, w := range e.Words {
		has[w.Text] = w.Has
		if w.Has && w.Score <= 0 {
			t.Errorf("%s adds %f", w.Text, w.Score)
		}
	}
	if !has["refund"] || !has["deposit"] || has["long"] {
		t.Errorf("it has %v", has)
	}
	if _, err := s.search.Explain(t.Context(), s.tenant, retrieve.Query{Text: question}, domain.NewID(), domain.ID{}); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a document that is not there: %v", err)
	}
	stranger := s.fixture.tenant(t)
	if _, err := s.search.Explain(t.Context(), stranger, retrieve.Query{Text: question}, used, s.chunkOf(used)); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another tenant's document: %v", err)
	}
	gone, err := s.search.Explain(t.Context(), s.tenant, retrieve.Query{Text: question}, used, domain.NewID())
	if err != nil || gone.Lost != "index" || step(gone, "index").Reason != retrieve.ReasonGone {
		t.Errorf("a chunk that is gone: %+v, %v", gone.Steps, err)
	}
}

// Of what no search finds, the place among all chunks is told, and the bar that it did not reach.
func TestExplainRanks(t *testing.T) {
	s := newShelf(t)
	var texts []string
	for i := range 150 {
		texts = append(texts, strings.Repeat("anchor ", 2+i%7)+fmt.Sprintf("number%d stands here", i))
	}
	s.put("Anchors", texts...)
	far := s.put("Far", "A single anchor among very many words that have nothing to do with it and make the passage long, on and on, with boats, oars, jetties, hours and prices.")
	e := s.explain(retrieve.Query{Text: "anchor anchors"}, far)
	w := step(e, "words")
	if e.Lost != "words" || w.State != retrieve.Fell || w.Rank < 101 || w.Rank > 151 || w.Most != 100 || w.Bar <= w.Value || w.Value <= 0 {
		t.Errorf("lost at %q: %+v", e.Lost, w)
	}
	if f := step(e, "fused"); f.State != retrieve.Skipped || f.Value <= 0 || f.Rank < 25 {
		t.Errorf("after that it would have had %+v", f)
	}
	if len(e.Retrieval.Others) == 0 || e.Retrieval.Others[0].Lost != retrieve.LostRank || e.Retrieval.Others[0].Text != "" {
		t.Errorf("%d others", len(e.Retrieval.Others))
	}
}

func TestSince(t *testing.T) {
	s := newShelf(t)
	doc := s.put("Prices", "A canoe costs nine euros an hour.", "A kayak costs twelve euros an hour.")
	deleted := s.put("Old prices", "A canoe cost seven euros an hour in the past.")
	then := s.ask(t, s.tenant, "What does a canoe cost?")
	s.keep(t, s.tenant, then)
	kinds := func() (out []retrieve.ChangeKind, changes []retrieve.Change) {
		t.Helper()
		past, err := s.search.Get(t.Context(), s.tenant, then.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, changes, err = s.search.Since(t.Context(), s.tenant, past)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			out = append(out, c.Kind)
		}
		return out, changes
	}
	if got, _ := kinds(); len(got) != 0 {
		t.Errorf("nothing has changed, and yet %v", got)
	}
	edited := s.chunkOf(doc)
	if _, err := s.documents.EditChunk(t.Context(), s.tenant, edited, "A canoe costs nine euros an hour.", "A canoe costs eleven euros an hour.", s.member(t, s.tenant)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.documents.Delete(t.Context(), s.tenant, deleted); err != nil {
		t.Fatal(err)
	}
	s.put("News", "From May on a canoe costs eight euros.")
	settings := retrieve.Defaults(builtin.present, "")
	settings.Threshold = .4
	if err := s.search.SaveSettings(t.Context(), s.tenant, settings); err != nil {
		t.Fatal(err)
	}
	got, changes := kinds()
	want := map[retrieve.ChangeKind]int{retrieve.ChangedSetting: 1, retrieve.ChunkEdited: 1, retrieve.DocumentDeleted: 1, retrieve.DocumentAdded: 1}
	for _, k := range got {
		want[k]--
	}
	for k, n := range want {
		if n != 0 {
			t.Errorf("%s: %d too few; %+v", k, n, changes)
		}
	}
	for _, c := range changes {
		switch c.Kind {
		case retrieve.ChangedSetting:
			if c.Name != "threshold" || c.Before != "0.25" || c.After != "0.4" {
				t.Errorf("%+v", c)
			}
		case retrieve.ChunkEdited:
			if !strings.Contains(c.Before, "nine") || !strings.Contains(c.After, "eleven") || c.ChunkID != edited {
				t.Errorf("%+v", c)
			}
		}
	}
	past, err := s.search.Get(t.Context(), s.tenant, then.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range past.Passages {
		if p.ChunkID == edited && !strings.Contains(p.Text, "nine euros") {
			t.Errorf("it was not read as it was: %q", p.Text)
		}
		if p.DocumentID == deleted && p.Text != "" {
			t.Errorf("a deleted document is still read: %q", p.Text)
		}
	}
	if n := s.Count(t, "select count(*) from chunk_revisions where document_id = $1", deleted); n != 0 {
		t.Errorf("%d revisions of a deleted document", n)
	}
	if err := s.search.Forget(t.Context(), s.tenant, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.documents.ForgetRevisions(t.Context(), s.tenant, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := s.Count(t, "select (select count(*) from chunk_revisions) + (select count(*) from retrievals)"); n != 0 {
		t.Errorf("%d traces and revisions are left", n)
	}
}

// changed lists the kinds of what changed since a question was asked, each with its document.
func (s *shelf) changed(then retrieve.Retrieval) (now retrieve.Retrieval, kinds []string, changes []retrieve.Change) {
	s.Helper()
	past, err := s.search.Get(s.Context(), s.tenant, then.ID)
	if err != nil {
		s.Fatal(err)
	}
	now, changes, err = s.search.Since(s.Context(), s.tenant, past)
	if err != nil {
		s.Fatal(err)
	}
	for _, c := range changes {
		kinds = append(kinds, string(c.Kind)+" "+c.Name)
	}
	return now, kinds, changes
}

// What is found now and was not then has its reason too: an edit, a switch, another version.
func TestSinceTellsWhyItIsFoundNow(t *testing.T) {
	s := newShelf(t)
	words := retrieve.Defaults(builtin.present, "")
	words.Search = retrieve.WordsOnly // vectors would find everything a little
	if err := s.search.SaveSettings(t.Context(), s.tenant, words); err != nil {
		t.Fatal(err)
	}
	boats := s.put("Boats", "Our rowing boat is blue.")
	old, off := s.put("Rules", "Shoes are to be clean."), s.put("Deals", "On Mondays a canoe costs four euros.")
	s.put("Prices", "A canoe costs nine euros an hour.")
	if err := s.documents.SetOff(t.Context(), s.tenant, off, true); err != nil {
		t.Fatal(err)
	}
	then := s.ask(t, s.tenant, "What does a canoe cost?")
	s.keep(t, s.tenant, then)
	by := s.member(t, s.tenant)
	if _, err := s.documents.EditChunk(t.Context(), s.tenant, s.chunkOf(boats), "Our rowing boat is blue.", "A canoe with oars costs ten euros.", by); err != nil {
		t.Fatal(err)
	}
	if err := s.documents.SetOff(t.Context(), s.tenant, off, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.documents.StoreVersion(t.Context(), s.tenant, old, document.Upload{Name: "Rules", Format: "text", Content: []byte("second"), By: by}); err != nil {
		t.Fatal(err)
	}
	s.read(t, s.tenant, "Rules", "A canoe that is lost costs a thousand euros.")
	_, got, changes := s.changed(then)
	slices.Sort(got)
	if want := []string{"chunk_edited Boats", "document_version Rules", "switched_on Deals"}; !slices.Equal(got, want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
	for _, c := range changes {
		switch c.Kind {
		case retrieve.ChunkEdited:
			if !strings.Contains(c.Before, "rowing") || !strings.Contains(c.After, "oars") || c.At.IsZero() {
				t.Errorf("%+v", c)
			}
		case retrieve.DocumentVersion:
			if c.Before != "1" || c.After != "2" || c.At.IsZero() {
				t.Errorf("%+v", c)
			}
		}
	}
}

// What was switched off is missed among many as well: a search that stopped at its limit would have found it before that.
func TestSinceTellsOfASwitchAmongMany(t *testing.T) {
	s := newShelf(t)
	many := make([]string, 120)
	for i := range many {
		many[i] = fmt.Sprintf("Canoe number %d lies on the meadow behind the boat house.", i)
	}
	s.put("Inventory", many...)
	off, on := s.put("Deals", "On Mondays a canoe costs four euros."), s.put("Prices", "A canoe costs nine euros an hour.")
	by, settings := s.member(t, s.tenant), retrieve.Defaults(builtin.present, "")
	then := func() retrieve.Retrieval {
		t.Helper()
		r := s.ask(t, s.tenant, "What does a canoe cost?")
		s.keep(t, s.tenant, r)
		return r
	}
	if err := s.documents.SetOff(t.Context(), s.tenant, off, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.documents.SetChunkOff(t.Context(), s.tenant, s.chunkOf(on), true, by); err != nil {
		t.Fatal(err)
	}
	without := then()
	if !without.ByWords.Full() {
		t.Fatalf("%+v", without.ByWords)
	}
	if err := s.documents.SetOff(t.Context(), s.tenant, off, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.documents.SetChunkOff(t.Context(), s.tenant, s.chunkOf(on), false, by); err != nil {
		t.Fatal(err)
	}
	settings.Threshold = .3 // another setting is no reason to say less
	if err := s.search.SaveSettings(t.Context(), s.tenant, settings); err != nil {
		t.Fatal(err)
	}
	_, got, _ := s.changed(without)
	slices.Sort(got)
	if want := []string{"setting threshold", "switched_on Deals", "switched_on Prices"}; !slices.Equal(got, want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
	// One of the inventory that a search did not come to is not called new when its document changes elsewhere.
	with := then()
	if _, err := s.documents.EditChunk(t.Context(), s.tenant, s.chunkOf(s.put("Last", "A paddle.")), "A paddle.", "Two paddles.", by); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "update documents set updated_at = now() where name = 'Inventory'")
	if _, got, _ := s.changed(with); !slices.Equal(got, []string{"index "}) {
		t.Errorf("changed: %v", got)
	}
}

// An edit that was undone changed nothing. A document that was read again with the same words has other chunks, and both searches
// find the same.
func TestSinceTheSameWords(t *testing.T) {
	s := newShelf(t)
	const price = "A canoe costs nine euros an hour."
	doc := s.put("Prices", price, "A kayak costs twelve euros an hour.")
	then := s.ask(t, s.tenant, "What does a canoe cost?")
	s.keep(t, s.tenant, then)
	by := s.member(t, s.tenant)
	if _, err := s.documents.EditChunk(t.Context(), s.tenant, s.chunkOf(doc), price, "A canoe costs a lot.", by); err != nil {
		t.Fatal(err)
	}
	if _, err := s.documents.EditChunk(t.Context(), s.tenant, s.chunkOf(doc), "A canoe costs a lot.", price, by); err != nil {
		t.Fatal(err)
	}
	if _, got, _ := s.changed(then); !slices.Equal(got, []string{"index "}) {
		t.Errorf("after an edit was undone: %v", got)
	}
	if err := s.documents.ReadAgain(t.Context(), s.tenant, doc); err != nil {
		t.Fatal(err)
	}
	s.read(t, s.tenant, "Prices", price, "A kayak costs twelve euros an hour.")
	now, got, _ := s.changed(then)
	if !slices.Equal(got, []string{"chunk_cut Prices"}) {
		t.Errorf("after it was read again: %v", got)
	}
	past, err := s.search.Get(t.Context(), s.tenant, then.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, before := range map[string]retrieve.Retrieval{"by its words": retrieve.Renamed(past, now), "by its id": past} {
		for _, m := range retrieve.Moves(before, now) {
			if same := m.Before > 0 && m.Before == m.After; same != (name == "by its words") {
				t.Errorf("%s: %+v", name, m)
			}
		}
	}
}

// What has no room in the prompt is lost there, and a search tells so whoever asks.
func TestNoRoom(t *testing.T) {
	s := newShelf(t)
	s.search = retrieve.NewService(retrieve.Config{DB: s.DB, Log: slog.New(slog.DiscardHandler), Embedder: builtin, Fit: func(r *retrieve.Retrieval) {
		for i := range r.Passages {
			if i > 0 && r.Passages[i].Lost == retrieve.Kept {
				r.Passages[i].Lost = retrieve.LostBudget
			}
		}
	}})
	s.put("Prices", "A canoe costs nine euros an hour, and a canoe is returned by seven.")
	second := s.put("Deals", "A canoe costs four euros an hour on Mondays, if nobody else wants it.")
	if r := s.ask(t, s.tenant, "What does a canoe cost?"); len(r.Used()) != 1 || len(r.Passages) != 2 {
		t.Errorf("%d of %d are used", len(r.Used()), len(r.Passages))
	}
	e := s.explain(retrieve.Query{Text: "What does a canoe cost?"}, second)
	if e.Lost != "limit" || step(e, "limit").Reason != retrieve.ReasonNoRoom {
		t.Errorf("lost at %q: %+v", e.Lost, e.Steps)
	}
}

func TestSettings(t *testing.T) {
	s := newShelf(t)
	before, err := s.search.Settings(t.Context(), s.tenant)
	if err != nil || before != s.search.Defaults() {
		t.Errorf("%+v, %v", before, err)
	}
	changed := before
	changed.Threshold, changed.Neighbours = .5, false
	if err := s.search.SaveSettings(t.Context(), s.tenant, changed); err != nil {
		t.Fatal(err)
	}
	if after, err := s.search.Settings(t.Context(), s.tenant); err != nil || after != changed {
		t.Errorf("%+v, %v", after, err)
	}
	var kept string
	if err := s.Super(t).QueryRow(t.Context(), "select search_settings::text from corpora where tenant_id = $1", s.tenant).Scan(&kept); err != nil ||
		kept != `{"threshold": 0.5, "neighbours": false}` {
		t.Errorf("kept %s, %v", kept, err)
	}
	wrong := before
	wrong.Threshold, wrong.Limit, wrong.Search = 2, 99, "magic"
	if e, ok := errors.AsType[*domain.Error](s.search.SaveSettings(t.Context(), s.tenant, wrong)); !ok || e.Code != domain.Invalid || len(e.Fields) != 3 {
		t.Errorf("saved: %v", e)
	}
	if _, err := s.search.Retrieve(t.Context(), s.tenant, retrieve.Query{Text: "x", Settings: &wrong}); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("searched: %v", err)
	}
}
