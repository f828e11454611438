package ingest_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/lexical"
	"bitb/domain/llm"
	"bitb/domain/retrieve"
)

// Tests of a tenant whose chunks an earlier release analysed, and of this one that takes over.

// age stores the document's chunks as an earlier analysis had them, that found the one word "earlier" in each, with all figures.
func age(t *testing.T, db *dbtest.Database, tenantID, documentID domain.ID) {
	t.Helper()
	h := lexical.Hash(tenantID, "earlier")
	weights := lexical.Weights{h: 1}
	for _, table := range []string{"search.lexemes", "search.hidden_lexemes"} {
		db.Exec(t, "update "+table+` set terms = $3::text::integer[], weights = $4::text::sparsevec, words = $3::text::integer[]
			where tenant_id = $1 and chunk_id in (select id from chunks where document_id = $2)`, tenantID, documentID, weights.Terms(), weights.Sparse())
	}
	db.Exec(t, "update chunks set terms = 1 where document_id = $1", documentID)
	db.Exec(t, "update documents set analysis = 0 where id = $1", documentID)
	db.Exec(t, "delete from search.term_stats where tenant_id = $1", tenantID)
	db.Exec(t, "insert into search.term_stats select $1, term, count(*) from search.lexemes, unnest(terms) term where tenant_id = $1 group by term", tenantID)
	db.Exec(t, "insert into search.vocabulary values ($1, $2, 'earlier', $3, 0, 0) on conflict do nothing", tenantID, h, lexical.Keys(tenantID, "earlier"))
	db.Exec(t, `update search.vocabulary v set chunks = (select count(*) from search.lexemes where tenant_id = $1 and v.hash = any(words)), held =
		(select count(*) from (select words from search.lexemes where tenant_id = $1 union all select words from search.hidden_lexemes where tenant_id = $1) l where v.hash = any(words))
		where tenant_id = $1`, tenantID)
	db.Exec(t, "delete from search.vocabulary where held = 0 and tenant_id = $1", tenantID)
	db.Exec(t, "update corpora set terms = (select coalesce(sum(terms), 0) from chunks where tenant_id = $1 and indexed) where tenant_id = $1", tenantID)
	db.CheckIndex(t, tenantID)
}

// state is what a search of the tenant finds by words, and what it counts with, but for weights: they follow the mean length of their day.
func state(t *testing.T, db *dbtest.Database, tenantID domain.ID) (all []string) {
	t.Helper()
	for _, sql := range []string{
		"select format('chunk %s %s %s %s %s', id, terms, indexed, revision, text) from chunks where tenant_id = $1 order by 1",
		"select format('found %s %s %s', chunk_id, terms, words) from search.lexemes where tenant_id = $1 order by 1",
		"select format('hidden %s %s %s', chunk_id, terms, words) from search.hidden_lexemes where tenant_id = $1 order by 1",
		"select format('term %s %s', term, chunks) from search.term_stats where tenant_id = $1 and chunks <> 0 order by 1",
		"select format('word %s %s %s %s %s', hash, word, keys, chunks, held) from search.vocabulary where tenant_id = $1 order by 1",
		"select format('all %s %s', chunks, terms) from corpora where tenant_id = $1",
		"select format('document %s %s %s', id, analysis, updated_at) from documents where tenant_id = $1 order by 1",
		"select format('earlier words of %s', chunk_id) from chunk_revisions where tenant_id = $1 order by 1",
	} {
		rows, _ := db.Super(t).Query(t.Context(), sql, tenantID)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines...)
	}
	return all
}

func allAnalysed(t *testing.T, db *dbtest.Database, tenantID domain.ID) {
	t.Helper()
	dbtest.Eventually(t, 40*time.Second, "all documents to be analysed anew", func() bool {
		return db.Count(t, "select count(*) from documents where tenant_id = $1 and analysis < $2", tenantID, lexical.Version) == 0
	})
	db.CheckIndex(t, tenantID)
}

func indexVersion(t *testing.T, db *dbtest.Database, tenantID domain.ID) int {
	t.Helper()
	return db.Count(t, "select index_version from corpora where tenant_id = $1", tenantID)
}

// What an earlier analysis stored becomes what an upload stores now, without a model, and is found.
func TestReanalysed(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	tenantID, other := db.Tenant(t), db.Tenant(t)
	for _, id := range seedDocuments(t, db, other, 2) {
		age(t, db, other, id)
	}
	ids := seedDocuments(t, db, tenantID, 6)
	db.Exec(t, "update documents set analysis = $2 where tenant_id = $1", tenantID, lexical.Version) // switching a chunk off made it forgotten
	fresh, aged := state(t, db, tenantID), state(t, db, other)
	for _, id := range ids[:4] { // all that is off is in them
		age(t, db, tenantID, id)
	}
	weights := lexical.Weights{lexical.Hash(tenantID, "earlier"): 1}.Sparse()
	db.Exec(t, "update documents set analysis = 0 where id = any($1)", ids[4:])
	db.Exec(t, "update search.lexemes set weights = $2::text::sparsevec where chunk_id = (select min(id::text)::uuid from chunks where document_id = $1)", ids[4], weights)
	db.Exec(t, "update search.vocabulary set keys = '{1}' where tenant_id = $1 and word = 'bicycle'", tenantID)
	before := indexVersion(t, db, tenantID)

	// No word of the question is in another document, or in the document's vector.
	search := retrieve.NewService(retrieve.Config{DB: db.DB, Log: slog.New(slog.DiscardHandler), Embedder: llm.Cached(llm.NewHashing(), dbtest.NoCache{}, nil)})
	rank := func() int {
		r, err := search.Retrieve(t.Context(), tenantID, retrieve.Query{Text: "Canoe 2"})
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(r.Passages, func(p retrieve.Passage) bool { return p.DocumentName == "d2.txt" })
		if at < 0 {
			return 0
		}
		return r.Passages[at].LexicalRank
	}
	if n := rank(); n != 0 {
		t.Fatalf("number %d by words before", n)
	}
	takeOver(t, db.DB, llm.NewHashing(), tenantID)
	allAnalysed(t, db, tenantID)
	if n := rank(); n != 1 {
		t.Errorf("number %d by words", n)
	}
	if diff := cmp.Diff(fresh, state(t, db, tenantID)); diff != "" {
		t.Errorf("not as a new upload:\n%s", diff)
	}
	if n := db.Count(t, "select count(*) from search.lexemes where weights = $1::text::sparsevec and tenant_id = $2", weights, tenantID); n != 0 {
		t.Errorf("%d chunks have their earlier weights", n)
	}
	if after := indexVersion(t, db, tenantID); after <= before {
		t.Errorf("the index went from version %d to %d: answers kept from before would stay", before, after)
	}
	if diff := cmp.Diff(aged, state(t, db, other)); diff != "" {
		t.Errorf("another tenant:\n%s", diff)
	}
}

// Most releases change nothing of most documents: these are looked at, and the index stays as it is, though chunks are longer or
// shorter on average than when they were stored.
func TestReanalysedAsItWas(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	tenantID := db.Tenant(t)
	ids := seedDocuments(t, db, tenantID, 4)
	db.Exec(t, "update documents set analysis = $1", lexical.Version)
	fresh := state(t, db, tenantID)
	const rows = `select sum(hashtext(ctid::text || xmin::text)) from (select ctid, xmin from search.lexemes union all select ctid, xmin from search.hidden_lexemes
		union all select ctid, xmin from search.vocabulary union all select ctid, xmin from search.term_stats union all select ctid, xmin from corpora) r`
	db.Exec(t, "update documents set analysis = 0 where id = any($1)", ids[:3])
	db.Exec(t, "update documents set analysis = $2 where id = $1", ids[3], lexical.Version+1)
	was, version := db.Count(t, rows), indexVersion(t, db, tenantID)
	takeOver(t, db.DB, llm.NewHashing(), tenantID)
	allAnalysed(t, db, tenantID)
	if is := indexVersion(t, db, tenantID); is != version || db.Count(t, rows) != was {
		t.Errorf("the index was written to; version %d, then %d", version, is)
	}
	if n := db.Count(t, "select analysis from documents where id = $1", ids[3]); n != lexical.Version+1 {
		t.Errorf("what a newer release analysed is of version %d now", n)
	}
	db.Exec(t, "update documents set analysis = $2 where id = $1", ids[3], lexical.Version)
	if diff := cmp.Diff(fresh, state(t, db, tenantID)); diff != "" {
		t.Error(diff)
	}
}

// What happens to a document that is just analysed anew is not undone.
func TestReanalysedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*testing.T, *dbtest.Database, *document.Service, domain.ID, domain.ID) error
		want   error
	}{
		"edited": {func(t *testing.T, _ *dbtest.Database, documents *document.Service, tenantID, id domain.ID) error {
			list, err := documents.Chunks(t.Context(), tenantID, id, document.ChunkFilter{})
			if err == nil {
				_, err = documents.EditChunk(t.Context(), tenantID, list.Chunks[0].ID, list.Chunks[0].Text, "Bicycles are for rent", domain.ID{})
			}
			return err
		}, document.ErrSuperseded},
		"deleted": {func(t *testing.T, _ *dbtest.Database, documents *document.Service, tenantID, id domain.ID) error {
			_, err := documents.Delete(t.Context(), tenantID, id)
			return err
		}, document.ErrSuperseded},
		"read again": {func(t *testing.T, db *dbtest.Database, _ *document.Service, tenantID, id domain.ID) error {
			db.Reread(t, tenantID, id, nil, "Something else", "altogether")
			return nil
		}, document.ErrSuperseded},
		"analysed by a newer release": {func(t *testing.T, db *dbtest.Database, _ *document.Service, _, id domain.ID) error {
			db.Exec(t, "update documents set analysis = $2 where id = $1", id, lexical.Version+1)
			return nil
		}, document.ErrSuperseded},
		"switched off": {func(t *testing.T, _ *dbtest.Database, documents *document.Service, tenantID, id domain.ID) error {
			return documents.SetOff(t.Context(), tenantID, id, true)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := dbtest.New(t)
			documents, tenantID := document.NewService(db.DB, dbtest.NoQueue), db.Tenant(t)
			id, _ := db.Document(t, tenantID, "d.txt", "Bicycles are red", "Canoes are green")
			age(t, db, tenantID, id)
			o, chunks, err := documents.NextOlder(t.Context(), tenantID, lexical.Version)
			if err != nil || len(chunks) != 2 {
				t.Fatal(chunks, err)
			}
			if err := c.change(t, db, documents, tenantID, id); err != nil {
				t.Fatal(err)
			}
			changed := state(t, db, tenantID)
			for i, k := range chunks {
				chunks[i], err = dbtest.NoQueue.Index(t.Context(), tenantID, o.Title, o.Language, k.Chunk)
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := documents.ReplaceWords(t.Context(), o, lexical.Version, chunks, nil); !errors.Is(err, c.want) {
				t.Errorf("analysed with %v", err)
			}
			if diff := cmp.Diff(changed, state(t, db, tenantID)); (diff == "") != (c.want != nil) {
				t.Errorf("changed: %s", diff)
			}
			db.CheckIndex(t, tenantID)
			db.Exec(t, "update documents set analysis = 0")
			takeOver(t, db.DB, llm.NewHashing(), tenantID)
			allAnalysed(t, db, tenantID)
			if n := db.Count(t, "select count(*) from search.vocabulary where word = 'earlier'"); n != 0 {
				t.Error("the earlier words are there")
			}
		})
	}
}

// Another release may read documents and edit their chunks beside this one, and says nothing of its analysis: what it did is not taken
// for this one's. A document that is being read is left alone.
func TestAnalysisIsForgotten(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	documents, tenantID := document.NewService(db.DB, dbtest.NoQueue), db.Tenant(t)
	id, chunks := db.Document(t, tenantID, "d.txt", "Bicycles are red")
	older := func() bool {
		has, err := documents.HasOlder(t.Context(), tenantID, lexical.Version)
		if err != nil {
			t.Fatal(err)
		}
		return has
	}
	if older() {
		t.Error("what has just been read is older")
	}
	if _, err := documents.EditChunk(t.Context(), tenantID, chunks[0], "Bicycles are red", "Bicycles are blue", domain.ID{}); err != nil || !older() {
		t.Errorf("what was edited is not older, %v", err)
	}
	db.Reread(t, tenantID, id, map[string]int{"Bicycles are red": 1}, "Bicycles are red")
	if older() {
		t.Error("what has been read again is older")
	}
	db.Exec(t, "update documents set status = 'ready', live_version = version where id = $1", id)
	if !older() {
		t.Error("what another release has read is not older")
	}
	if err := documents.ReadAgain(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := documents.NextOlder(t.Context(), tenantID, lexical.Version); !errors.Is(err, document.ErrLater) {
		t.Errorf("what is in line to be read: %v", err)
	}
}
