package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/llm"
)

// gate is an embedder that tells whose text came, and waits to be let through.
type gate struct {
	llm.Embedder
	came chan string
	pass chan struct{}
}

func newGate() *gate {
	return &gate{Embedder: llm.NewHashing(), came: make(chan string, 1000), pass: make(chan struct{})}
}

func (g *gate) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	g.came <- strings.Fields(texts[0])[1] // after the title
	select {
	case <-g.pass:
	case <-ctx.Done():
		return nil, llm.Usage{}, ctx.Err()
	}
	return g.Embedder.Embed(ctx, texts)
}

// next is the first word of the chunk that is embedded next.
func (g *gate) next(t *testing.T) string {
	t.Helper()
	select {
	case word := <-g.came:
		return word
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came to be embedded")
		return ""
	}
}

func note(word string, n int) []byte {
	return fmt.Appendf(nil, "%s number %d has little to say.", word, n)
}

// One tenant's many files delay another's single one by no more than one document, with as many workers as may be.
func TestTenantsTakeTurns(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			g := newGate()
			db, documents, many := line(t, g, func(c *ingest.Config) { c.Workers = workers })
			for i := range 12 {
				upload(t, documents, many, "note.md", note("many", i))
			}
			for range workers {
				g.next(t)
			}
			one := db.Tenant(t)
			id := upload(t, documents, one, "note.md", note("one", 0))
			g.pass <- struct{}{}
			if word := g.next(t); word != "one" {
				t.Errorf("with a worker free, %q was read before the single file", word)
			}
			close(g.pass)
			if d := ended(t, documents, one, id); d.Status != document.Ready {
				t.Errorf("ended as %s", d.Status)
			}
			dbtest.Eventually(t, 30*time.Second, "the many files to be read", func() bool {
				list, err := documents.Counts(t.Context(), many)
				return err == nil && list.ReadyN == 12
			})
			checkIndex(t, db, many)
		})
	}
}

// Uploads that come while documents end neither wait for each other in a circle nor leave one behind.
func TestManyUploadsAtOnce(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, llm.NewHashing(), func(c *ingest.Config) { c.Workers = 4 })
	var group sync.WaitGroup
	for g := range 6 {
		group.Go(func() {
			for i := range 15 {
				up := document.Upload{Name: "note.md", Format: "markdown", Content: note("note", 100*g+i)}
				if _, err := documents.Store(t.Context(), tenantID, up); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	dbtest.Eventually(t, 40*time.Second, "all to be ready", func() bool {
		list, err := documents.Counts(t.Context(), tenantID)
		return err == nil && list.ReadyN == 90
	})
	if n := db.Count(t, "select count(*) from documents where attempt > 1"); n > 0 {
		t.Errorf("%d documents took more than one try", n)
	}
}

// A tenant that is alone uses all workers, and knows its place in the line.
func TestPlaceInLine(t *testing.T) {
	t.Parallel()
	g := newGate()
	_, documents, tenantID := line(t, g)
	var ids []domain.ID
	for i := range 5 {
		ids = append(ids, upload(t, documents, tenantID, "note.md", note("note", i)))
	}
	g.next(t)
	g.next(t)
	for i, id := range ids {
		d, err := documents.Get(t.Context(), tenantID, id)
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 && d.Status != document.Embedding || i >= 2 && (d.Status != document.Queued || d.QueuePlace != i-1) {
			t.Errorf("document %d is %s at place %d", i, d.Status, d.QueuePlace)
		}
	}
	g.pass <- struct{}{}
	g.next(t) // the third is read now, and the time that the first took tells how long the others wait
	d, err := documents.Get(t.Context(), tenantID, ids[4])
	if err != nil || d.QueuePlace != 2 || d.Wait <= 0 || d.Wait > time.Minute {
		t.Errorf("place %d, about %s to wait: %v", d.QueuePlace, d.Wait, err)
	}
	close(g.pass)
	for _, id := range ids {
		ended(t, documents, tenantID, id)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	g := newGate()
	db, documents, tenantID := line(t, g)
	id := upload(t, documents, tenantID, "note.md", note("note", 0))
	g.next(t)
	if kept, err := documents.Cancel(t.Context(), tenantID, id); err != nil || kept != 0 {
		t.Fatalf("kept %d: %v", kept, err)
	}
	d := ended(t, documents, tenantID, id)
	if d.Status != document.Failed || d.Failure.Code != document.Cancelled || !d.Retryable() {
		t.Errorf("ended as %s, %+v", d.Status, d.Failure)
	}
	if _, err := documents.Cancel(t.Context(), tenantID, id); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("cancelled twice: %v", err)
	}
	// its worker is free again, and what it was doing is dropped
	if err := documents.Retry(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	g.next(t)
	close(g.pass)
	if d := ended(t, documents, tenantID, id); d.Status != document.Ready {
		t.Errorf("after a retry: %s", d.Status)
	}
	checkIndex(t, db, tenantID)
}

func TestRetryAllFailed(t *testing.T) {
	t.Parallel()
	broken := &failing{Embedder: llm.NewHashing(), err: llm.ErrVectors}
	broken.left.Store(1 << 40)
	_, documents, tenantID := line(t, broken)
	var ids []domain.ID
	for i := range 3 {
		ids = append(ids, upload(t, documents, tenantID, "note.md", note("note", i)))
	}
	bad := upload(t, documents, tenantID, "bad.pdf", []byte("%PDF-1.7\nnothing"))
	for _, id := range append(ids, bad) {
		if d := ended(t, documents, tenantID, id); d.Status != document.Failed {
			t.Fatalf("ended as %s", d.Status)
		}
	}
	broken.left.Store(0)
	if n, err := documents.RetryFailed(t.Context(), tenantID); err != nil || n != 3 {
		t.Fatalf("%d are tried again, want the 3 that it can help: %v", n, err)
	}
	for _, id := range ids {
		if d := ended(t, documents, tenantID, id); d.Status != document.Ready {
			t.Errorf("ended as %s", d.Status)
		}
	}
}

// words returns the text of all chunks that can be found.
func words(t *testing.T, db *dbtest.Database, tenantID domain.ID) string {
	t.Helper()
	var all string
	err := db.Super(t).QueryRow(t.Context(), "select coalesce(string_agg(text, ' ' order by ordinal), '') from chunks where tenant_id = $1 and indexed", tenantID).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A new version replaces the old one in one step, and the old one answers until then, also when the new one fails.
func TestNewVersion(t *testing.T) {
	t.Parallel()
	g := newGate()
	db, documents, tenantID := line(t, g)
	id := upload(t, documents, tenantID, "prices.md", []byte("old prices"))
	g.next(t)
	g.pass <- struct{}{}
	ended(t, documents, tenantID, id)
	version := func(name, text string) document.Stored {
		t.Helper()
		stored, err := documents.StoreVersion(t.Context(), tenantID, id, document.Upload{Name: name, Format: "markdown", Content: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return stored
	}
	if !version("prices.md", "old prices").Duplicate {
		t.Error("the same bytes became a version")
	}
	version("prices 2027.md", "new prices")
	g.next(t)
	d, err := documents.Get(t.Context(), tenantID, id)
	if err != nil || d.Name != "prices.md" || d.Version != 2 || d.Live != 1 || !d.Stays() || words(t, db, tenantID) != "old prices" {
		t.Fatalf("while version 2 is read: %+v, %q, %v", d, words(t, db, tenantID), err)
	}
	g.pass <- struct{}{}
	if d = ended(t, documents, tenantID, id); d.Name != "prices 2027.md" || d.Live != 2 || words(t, db, tenantID) != "new prices" {
		t.Fatalf("after version 2: %+v, %q", d, words(t, db, tenantID))
	}
	checkIndex(t, db, tenantID)

	version("prices 2028.pdf", "%PDF-1.7\nnothing")
	if d = ended(t, documents, tenantID, id); d.Status != document.Failed || d.Live != 2 || words(t, db, tenantID) != "new prices" {
		t.Fatalf("after a bad version 3: %+v, %q", d, words(t, db, tenantID))
	}
	if kept, err := documents.Cancel(t.Context(), tenantID, id); err != nil || kept != 2 {
		t.Fatalf("kept %d: %v", kept, err)
	}
	if d, _ = documents.Get(t.Context(), tenantID, id); d.Status != document.Ready || d.Version != 2 || d.Failure != nil {
		t.Errorf("after giving version 3 up: %+v", d)
	}

	close(g.pass)
	if err := documents.RestoreVersion(t.Context(), tenantID, id, 1, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	if d = ended(t, documents, tenantID, id); d.Version != 3 || d.Name != "prices.md" || words(t, db, tenantID) != "old prices" {
		t.Errorf("after going back: %+v, %q", d, words(t, db, tenantID))
	}
	versions, err := documents.Versions(t.Context(), tenantID, id)
	if err != nil || len(versions) != 3 || versions[0].Number != 3 || versions[1].Name != "prices 2027.md" {
		t.Errorf("versions %+v, %v", versions, err)
	}
	checkIndex(t, db, tenantID)
	upload(t, documents, tenantID, "other.md", []byte("other prices"))
	_, err = documents.StoreVersion(t.Context(), tenantID, id, document.Upload{Name: "x.md", Format: "markdown", Content: []byte("other prices")})
	if domain.CodeOf(err) != domain.Conflict {
		t.Errorf("another document's file became a version: %v", err)
	}
}

// Documents that were cut otherwise than the settings say are read again on request.
func TestCutAnew(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, llm.NewHashing())
	id := upload(t, documents, tenantID, "handbook.md", handbook(6))
	before := ended(t, documents, tenantID, id)
	if err := documents.SetCutting(t.Context(), tenantID, document.Cutting{Tokens: 128, Overlap: 16}); err != nil {
		t.Fatal(err)
	}
	if _, outdated, err := documents.Cutting(t.Context(), tenantID); err != nil || outdated != 1 {
		t.Fatalf("%d outdated, %v", outdated, err)
	}
	if n, err := documents.ReadOutdated(t.Context(), tenantID); err != nil || n != 1 {
		t.Fatalf("%d read again, %v", n, err)
	}
	after := ended(t, documents, tenantID, id)
	if after.Chunks <= before.Chunks || after.Cutting.Tokens != 128 || after.Version != 1 {
		t.Errorf("%d chunks were %d, %+v", after.Chunks, before.Chunks, after)
	}
	for _, c := range []document.Cutting{{Tokens: 127}, {Tokens: 1025}, {Tokens: 400, Overlap: 101}, {Tokens: 400, Overlap: -1}} {
		if err := documents.SetCutting(t.Context(), tenantID, c); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	checkIndex(t, db, tenantID)
}

// A model that sends rubbish is not an outage, and nothing of it is stored.
func TestUnusableVectors(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([][]float32) [][]float32{
		"short batch":      func(v [][]float32) [][]float32 { return v[:len(v)-1] },
		"unlike dimension": func(v [][]float32) [][]float32 { v[0] = v[0][:10]; return v },
		"not a number":     func(v [][]float32) [][]float32 { v[0][3] = float32(nan()); return v },
		"zeros":            func(v [][]float32) [][]float32 { clear(v[0]); return v },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, documents, tenantID := line(t, &changing{llm.NewHashing(), change})
			d := ended(t, documents, tenantID, upload(t, documents, tenantID, "handbook.md", handbook(2)))
			if d.Status != document.Failed || d.Failure.Code != "embedding" || !strings.Contains(d.Failure.Message, "cannot be used") {
				t.Errorf("ended as %s, %+v", d.Status, d.Failure)
			}
			if n := db.Count(t, "select count(*) from chunks") + db.Count(t, "select count(*) from chunk_embeddings"); n != 0 {
				t.Errorf("%d rows were stored", n)
			}
		})
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

type changing struct {
	llm.Embedder
	change func([][]float32) [][]float32
}

func (c *changing) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	vectors, usage, err := c.Embedder.Embed(ctx, texts)
	return c.change(vectors), usage, err
}

// While the model is silent a document says what it waits for, others wait with it without being read, and when it
// answers all are ready.
func TestOutageIsWaitedFor(t *testing.T) {
	t.Parallel()
	embedder := &failing{Embedder: llm.NewHashing(), err: &domain.Error{Code: domain.Unavailable, Message: "The model cannot be reached."}}
	embedder.left.Store(1 << 40)
	db, documents, tenantID := line(t, embedder, func(c *ingest.Config) {
		c.Patience, c.RetryAfter = time.Hour, func(int) time.Duration { return 200 * time.Millisecond }
	})
	var ids []domain.ID
	for i := range 6 {
		ids = append(ids, upload(t, documents, tenantID, "note.md", note("note", i)))
	}
	dbtest.Eventually(t, 20*time.Second, "all to wait for the model", func() bool {
		waiting := 0
		for _, id := range ids {
			d, err := documents.Get(t.Context(), tenantID, id)
			if err != nil || d.Status == document.Failed {
				t.Fatalf("%+v, %v", d, err)
			}
			if d.Status == document.Queued && d.WaitsFor == "The model cannot be reached." && !d.DueAt.IsZero() {
				waiting++
			}
		}
		return waiting == len(ids)
	})
	embedder.left.Store(0)
	for _, id := range ids {
		if d := ended(t, documents, tenantID, id); d.Status != document.Ready {
			t.Errorf("ended as %s %+v", d.Status, d.Failure)
		}
	}
	checkIndex(t, db, tenantID)
}

// What is put in line has the time of the database, to the microsecond that of the upload's transaction, whatever the clock here says.
func TestDatedByTheDatabase(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	idle, err := ingest.NewService(ingest.Config{DB: db.DB, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	documents := document.NewService(db.DB, idle)
	if err := idle.Use(documents); err != nil {
		t.Fatal(err)
	}
	upload(t, documents, db.Tenant(t), "handbook.md", handbook(1))
	if n := db.Count(t, "select count(*) from river.river_job j join documents d on j.created_at = d.created_at and j.scheduled_at = d.created_at"); n == 0 {
		t.Error("the turns are dated by the process")
	}
}

// A line that cannot be started holds no connection: the database could not be closed.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	if _, _, err := start(db.DB, llm.NewHashing(), func(c *ingest.Config) { c.Workers = 0 }); err == nil {
		t.Fatal("a line without workers was started")
	}
	if n := db.QueuePool().Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are held", n)
	}
}
