package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
)

// Tests of a tenant whose documents an earlier model embedded (the built-in one, as dbtest stores them), and of the model that
// takes over. It answers from a scripted server.

type tenants []domain.ID

func (t tenants) Each(_ context.Context, do func(domain.ID) error) error {
	for _, id := range t {
		if err := do(id); err != nil {
			return err
		}
	}
	return nil
}

func embedder(t *testing.T, srv *llmtest.Server, model string) llm.Embedder {
	t.Helper()
	e, err := llm.NewEmbedder(llm.OpenAI{BaseURL: srv.URL, Key: srv.Key, Model: model})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// takeOver works with another model on the documents of the tenants.
func takeOver(t *testing.T, db *postgres.DB, e ingest.Embedder, ids ...domain.ID) *document.Service {
	t.Helper()
	queue, documents, err := start(db, e, func(c *ingest.Config) { c.Tenants = tenants(ids) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := queue.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return documents
}

// seedDocuments stores so many documents of three chunks each, one with a chunk off and one off as a whole.
func seedDocuments(t *testing.T, db *dbtest.Database, tenantID domain.ID, n int) []domain.ID {
	t.Helper()
	documents := document.NewService(db.DB, dbtest.NoQueue)
	var ids []domain.ID
	for i := range n {
		id, chunks := db.Document(t, tenantID, fmt.Sprintf("d%d.txt", i), fmt.Sprintf("Bicycle %d is red", i), fmt.Sprintf("Canoe %d is green", i), fmt.Sprintf("Tent %d is blue", i))
		ids = append(ids, id)
		var err error
		switch i {
		case 0:
			_, err = documents.SetChunkOff(t.Context(), tenantID, chunks[1], true, domain.ID{})
		case 1:
			err = documents.SetOff(t.Context(), tenantID, id, true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// allEmbedded waits until every vector of the tenant is of the model, and checks that none is lost or doubled.
func allEmbedded(t *testing.T, db *dbtest.Database, documents *document.Service, tenantID domain.ID, model string) {
	t.Helper()
	dbtest.Eventually(t, 40*time.Second, "all documents to be embedded anew", func() bool {
		has, err := documents.HasOutdated(t.Context(), tenantID, model)
		return err == nil && !has
	})
	for what, sql := range map[string]string{
		"chunks without exactly one vector": `select count(*) from chunks c where tenant_id = $1 and 1 <>
			(select count(*) from (select model, chunk_id from chunk_embeddings union all select model, chunk_id from hidden_embeddings) e where e.chunk_id = c.id)`,
		"vectors of another model": `select count(*) from (select * from chunk_embeddings union all select * from hidden_embeddings) e where tenant_id = $1 and model <> '` + model + "'",
	} {
		if n := db.Count(t, sql, tenantID); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	db.CheckIndex(t, tenantID)
}

func TestReembedded(t *testing.T) {
	t.Parallel()
	db, srv := dbtest.New(t), llmtest.New(t)
	srv.Embed.Dims = 100
	tenantID, other := db.Tenant(t), db.Tenant(t)
	seedDocuments(t, db, tenantID, 12)
	seedDocuments(t, db, other, 2)
	was := db.Count(t, "select index_version from corpora where tenant_id = $1", tenantID)
	documents := takeOver(t, db.DB, embedder(t, srv, "new-model"), tenantID)
	allEmbedded(t, db, documents, tenantID, "new-model")
	if is := db.Count(t, "select index_version from corpora where tenant_id = $1", tenantID); is != was+12 {
		t.Errorf("the index went from version %d to %d: answers kept from before would stay", was, is)
	}
	if n := db.Count(t, "select count(*) from (select * from chunk_embeddings union all select * from hidden_embeddings) e where tenant_id = $1 and starts_with(model, 'builtin')", other); n != 6 {
		t.Errorf("%d of 6 vectors of another tenant are as they were", n)
	}
	counts, err := documents.Counts(t.Context(), tenantID)
	if err != nil || counts.Embedding != (document.Embedded{Model: "new-model", Of: 12}) {
		t.Errorf("counted as %+v, %v", counts.Embedding, err)
	}
	vectorsFit(t, db, tenantID, 100)
}

// What the index of a large tenant lacks is found at the start, as nobody may have changed anything since a migration, and the
// index of a model that was left behind goes.
func TestIndexCatchesUp(t *testing.T) {
	t.Parallel()
	db, srv := dbtest.New(t), llmtest.New(t)
	tenantID := db.Tenant(t)
	seedDocuments(t, db, tenantID, 2)
	db.Exec(t, "update documents set embedding_model = 'new-model'")
	db.Exec(t, "update chunk_embeddings set model = 'new-model'")
	db.Exec(t, "update corpora set chunks = $1", postgres.ApproximateFrom+1)
	db.Exec(t, "select search.make_near($1, 'old-model', 384)", tenantID)
	takeOver(t, db.DB, embedder(t, srv, "new-model"), tenantID)
	dbtest.Eventually(t, 40*time.Second, "the index to have all, alone", func() bool {
		return db.Count(t, "select count(*) from chunk_embeddings where not near") == 0 &&
			db.Count(t, "select count(*) from pg_class where starts_with(relname, 'near_') and relkind = 'r'") == 1
	})
}

// vectorsFit checks that every vector is the one that the server makes of what its chunk says now.
func vectorsFit(t *testing.T, db *dbtest.Database, tenantID domain.ID, dims int) {
	t.Helper()
	conn := db.Super(t)
	rows, err := conn.Query(t.Context(), `select c.id, coalesce(nullif(d.title, ''), d.name) || e'\n\n' || c.text
		from chunks c join documents d on d.id = c.document_id where c.tenant_id = $1`, tenantID)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[domain.ID]string{}
	var id domain.ID
	var text string
	if _, err := pgx.ForEachRow(rows, []any{&id, &text}, func() error { texts[id] = text; return nil }); err != nil {
		t.Fatal(err)
	}
	for id, text := range texts {
		var cosine float64
		err := conn.QueryRow(t.Context(), `select -(embedding <#> $2::halfvec) from
			(select * from chunk_embeddings union all select * from hidden_embeddings) e where chunk_id = $1`,
			id, postgres.VectorText(llmtest.Vector(text, dims))).Scan(&cosine)
		if err != nil || cosine < 0.999 {
			t.Errorf("the vector of %q is of other words: %f, %v", text, cosine, err)
		}
	}
}

// Whoever asks while the documents are embedded anew finds every one of them at every moment: by the model of its vectors, or, when
// the server has the earlier model no more, by its words.
func TestAskedWhileReembedded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		models map[string]int
		search retrieve.Settings
	}{
		"both models": {map[string]int{"old-model": 300, "new-model": 100}, retrieve.Settings{Search: retrieve.VectorsOnly, Limit: 8}},
		"one gone":    {map[string]int{"new-model": 100}, retrieve.Settings{Search: retrieve.Both, Limit: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, before, srv := dbtest.New(t), llmtest.New(t), llmtest.New(t)
			before.Embed.Dims, srv.Embed.Models = 300, c.models
			tenantID := db.Tenant(t)
			const n = 16
			for i := range n {
				db.Document(t, tenantID, fmt.Sprintf("d%d.txt", i), fmt.Sprintf("canoe number%d green", i))
			}
			allEmbedded(t, db, takeOver(t, db.DB, embedder(t, before, "old-model"), tenantID), tenantID, "old-model")
			e := embedder(t, srv, "new-model")
			search := retrieve.NewService(retrieve.Config{DB: db.DB, Log: slog.New(slog.DiscardHandler),
				Embedder: llm.Cached(e, dbtest.NoCache{}, nil).WithFormer(llm.OpenAI{BaseURL: srv.URL, Key: srv.Key})})
			documents := takeOver(t, db.DB, &slow{e}, tenantID)
			mixed := 0
			for asked := 0; ; asked++ {
				has, err := documents.HasOutdated(t.Context(), tenantID, "new-model")
				if err != nil {
					t.Fatal(err)
				}
				i := asked % n
				r, err := search.Retrieve(t.Context(), tenantID, retrieve.Query{Text: fmt.Sprintf("canoe number%d green", i), Settings: &c.search})
				if err != nil {
					t.Fatal(err)
				}
				at := slices.IndexFunc(r.Passages, func(p retrieve.Passage) bool { return p.DocumentName == fmt.Sprintf("d%d.txt", i) })
				switch {
				case at < 0:
					t.Fatalf("question %d by %v: document %d is not found", asked, r.Models, i)
				case c.search.Search == retrieve.VectorsOnly && at > 1: // by each model one is the best
					t.Fatalf("question %d by %v: document %d is only number %d", asked, r.Models, i, at+1)
				case c.search.Search == retrieve.Both && r.Passages[at].LexicalRank != 1:
					t.Fatalf("question %d by %v: document %d is only number %d by words", asked, r.Models, i, r.Passages[at].LexicalRank)
				}
				if len(r.Models) == 2 {
					mixed++
				}
				if !has {
					break
				}
			}
			allEmbedded(t, db, documents, tenantID, "new-model")
			if want := name == "both models"; (mixed > 0) != want {
				t.Errorf("%d questions were asked by two models: this tested something else", mixed)
			}
		})
	}
}

// meanwhile lets a test do something while a document is embedded.
type meanwhile struct {
	llm.Embedder
	once   sync.Once
	during func()
}

func (g *meanwhile) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	g.once.Do(g.during)
	return g.Embedder.Embed(ctx, texts)
}

// What a person does to a document that is just embedded is not undone by the vectors of what it was.
func TestReembeddedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *dbtest.Database, *document.Service, domain.ID, domain.ID) error{
		"edited": func(t *testing.T, _ *dbtest.Database, documents *document.Service, tenantID, id domain.ID) error {
			list, err := documents.Chunks(t.Context(), tenantID, id, document.ChunkFilter{})
			if err == nil {
				_, err = documents.EditChunk(t.Context(), tenantID, list.Chunks[0].ID, list.Chunks[0].Text, "Bicycles are for rent", domain.ID{})
			}
			return err
		},
		"switched off": func(t *testing.T, _ *dbtest.Database, documents *document.Service, tenantID, id domain.ID) error {
			return documents.SetOff(t.Context(), tenantID, id, true)
		},
		"deleted": func(t *testing.T, _ *dbtest.Database, documents *document.Service, tenantID, id domain.ID) error {
			_, err := documents.Delete(t.Context(), tenantID, id)
			return err
		},
		"read again": func(t *testing.T, db *dbtest.Database, _ *document.Service, tenantID, id domain.ID) error {
			db.Reread(t, tenantID, id, nil, "Something else", "altogether")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, srv := dbtest.New(t), llmtest.New(t)
			srv.Embed.Dims = 100
			tenantID := db.Tenant(t)
			id, _ := db.Document(t, tenantID, "d.txt", "Bicycles are red", "Canoes are green")
			aside := document.NewService(db.DB, dbtest.NoQueue)
			var changed error
			e := &meanwhile{Embedder: embedder(t, srv, "new-model"), during: func() { changed = change(t, db, aside, tenantID, id) }}
			documents := takeOver(t, db.DB, e, tenantID)
			dbtest.Eventually(t, 20*time.Second, "the document to be embedded", func() bool { return len(srv.Embed.Requests()) > 0 })
			allEmbedded(t, db, documents, tenantID, "new-model")
			if changed != nil {
				t.Fatal(changed)
			}
			vectorsFit(t, db, tenantID, 100)
			for what, sql := range map[string]string{
				"edited":       "select count(*) from chunks c join chunk_embeddings e on e.chunk_id = c.id where c.text = 'Bicycles are for rent'",
				"switched off": "select count(*) / 2 from hidden_embeddings",
				"deleted":      "select 1 - count(*) from chunks",
				"read again":   "select count(*) from chunks where text = 'Something else'",
			} {
				if n := db.Count(t, sql); what == name && n != 1 {
					t.Errorf("what was done is not there: %d", n)
				}
			}
		})
	}
}

// renamed is another model as far as documents know.
type renamed struct{ llm.Embedder }

func (renamed) Model() string { return "renamed" }

// Processes that embed anew are killed with SIGKILL at no particular moment: what they did stays, and the rest follows.
func TestReembeddingKilled(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	tenantID := db.Tenant(t)
	seedDocuments(t, db, tenantID, 24)
	another := func() *exec.Cmd { return worker(t, db.URL, "INGEST_TEST_REEMBED="+tenantID.String()) }
	done := func() int { return db.Count(t, "select count(*) from documents where embedding_model = 'renamed'") }
	for range 5 {
		was, killed := done(), another()
		dbtest.Eventually(t, 20*time.Second, "a document to be embedded", func() bool { return done() > was })
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // the moment is what is tested
		if err := killed.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = killed.Wait()
		db.CheckIndex(t, tenantID)
	}
	if n := done(); n == 24 {
		t.Error("all was done before the last was killed: this tested nothing")
	}
	another()
	documents := document.NewService(db.DB, dbtest.NoQueue)
	allEmbedded(t, db, documents, tenantID, "renamed")
}

// An outage delays and loses nothing, and a text that the model refuses keeps its old vectors and holds up no other.
func TestReembeddingWaits(t *testing.T) {
	t.Parallel()
	db, srv := dbtest.New(t), llmtest.New(t)
	tenantID := db.Tenant(t)
	seedDocuments(t, db, tenantID, 3)
	id, _ := db.Document(t, tenantID, "refused.txt", "unspeakable")
	e := &choosy{Embedder: embedder(t, srv, "new-model")}
	e.down.Store(3)
	documents := takeOver(t, db.DB, e, tenantID)
	dbtest.Eventually(t, 30*time.Second, "all but one to be embedded", func() bool {
		counts, err := documents.Counts(t.Context(), tenantID)
		return err == nil && counts.Embedding.Outdated == 1 && e.refused.Load() > 0
	})
	db.CheckIndex(t, tenantID)
	if n := db.Count(t, "select count(*) from chunk_embeddings e join chunks c on c.id = e.chunk_id where c.document_id = $1 and starts_with(e.model, 'builtin')", id); n != 1 {
		t.Errorf("the refused text has %d old vectors", n)
	}
	dbtest.Eventually(t, 10*time.Second, "the job to wait", func() bool {
		return db.Count(t, "select count(*) from river.river_job where kind = 'reembed' and state = 'scheduled' and scheduled_at > now() + interval '30 seconds'") == 1
	})
}

// choosy does not answer at first, and never takes one text.
type choosy struct {
	llm.Embedder
	down    atomic.Int64
	refused atomic.Int64
}

func (c *choosy) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	if c.down.Add(-1) >= 0 {
		return nil, llm.Usage{}, errors.New("connection refused")
	}
	if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "unspeakable") }) {
		c.refused.Add(1)
		return nil, llm.Usage{}, domain.NewError(domain.Invalid, "no")
	}
	return c.Embedder.Embed(ctx, texts)
}

// A model of too many dimensions fails an upload at once, with a sentence, and leaves the vectors that are there.
func TestTooManyDimensions(t *testing.T) {
	t.Parallel()
	db, srv := dbtest.New(t), llmtest.New(t)
	srv.Embed.Dims = postgres.MaxVectorDims + 1
	tenantID := db.Tenant(t)
	seedDocuments(t, db, tenantID, 3)
	documents := takeOver(t, db.DB, embedder(t, srv, "huge-model"), tenantID)
	d := ended(t, documents, tenantID, upload(t, documents, tenantID, "handbook.md", handbook(1)))
	const want = "The embedding model huge-model makes vectors of 4001 dimensions, and 4000 can be stored. Another model has to be set up. Your file is fine."
	if d.Status != document.Failed || d.Failure.Message != want {
		t.Errorf("ended as %s, %+v", d.Status, d.Failure)
	}
	dbtest.Eventually(t, 20*time.Second, "the re-embedding to give up for now", func() bool {
		return db.Count(t, "select count(*) from river.river_job where kind = 'reembed' and state = 'scheduled'") == 1
	})
	if n := len(srv.Embed.Requests()); n > 4 { // the upload and the re-embedding may learn its dimensions at once, and each asks twice
		t.Errorf("the model was asked %d times", n)
	}
	if n := db.Count(t, "select count(*) from chunk_embeddings where starts_with(model, 'builtin')"); n != 5 {
		t.Errorf("%d of 5 old vectors are there", n)
	}
}

// The largest model that can be stored goes all the way.
func TestLargestModel(t *testing.T) {
	t.Parallel()
	srv := llmtest.New(t)
	srv.Embed.Dims = postgres.MaxVectorDims
	db, documents, tenantID := line(t, embedder(t, srv, "large-model"))
	d := ended(t, documents, tenantID, upload(t, documents, tenantID, "handbook.md", handbook(2)))
	if d.Status != document.Ready || d.EmbeddingModel != "large-model" {
		t.Fatalf("ended as %s, %+v", d.Status, d.Failure)
	}
	checkIndex(t, db, tenantID)
}
