package ingest_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/ingest/reader"
	"bitb/domain/llm"
	"bitb/domain/postgres"
)

// The test binary is also the reader's child, and a process that works on the line until it is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == reader.Argument {
		said := dieOnOrder()
		status := reader.ChildMain()
		said()
		os.Exit(status)
	}
	if url := os.Getenv("INGEST_TEST_WORK"); url != "" {
		work(url)
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // most of what is tested here waits
	os.Exit(m.Run())
}

// work reads documents from the line until the process ends.
func work(url string) {
	db, err := postgres.Open(context.Background(), postgres.Config{URL: url, AllowPrivileged: true})
	if err != nil {
		panic(err)
	}
	var embedder llm.Embedder = llm.NewHashing()
	var whose tenants
	if id, err := domain.ParseID(os.Getenv("INGEST_TEST_REEMBED")); err == nil {
		embedder, whose = renamed{&slow{embedder}}, tenants{id}
	}
	queue, _, err := start(db, embedder, func(c *ingest.Config) { c.Tenants = whose })
	if err != nil {
		panic(err)
	}
	fmt.Println("working")
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test
	_ = queue.Stop(context.Background())
	os.Exit(0)
}

type quiet struct{}

func (quiet) Publish(context.Context, string)                   {}
func (quiet) Stage(string, time.Duration)                       {}
func (quiet) Ended(context.Context, string, int)                {}
func (quiet) Reembedded(int)                                    {}
func (quiet) Each(context.Context, func(domain.ID) error) error { return nil }
func (quiet) RetryAfter(int) time.Duration                      { return 0 }

func start(db *postgres.DB, embedder ingest.Embedder, change ...func(*ingest.Config)) (*ingest.Service, *document.Service, error) {
	config := ingest.Config{DB: db, Log: slog.New(slog.DiscardHandler), Reader: &reader.Child{}, Embedder: embedder,
		Hints: quiet{}, Metrics: quiet{}, Tenants: quiet{}, Workers: 2, RetryAfter: quiet{}.RetryAfter, Patience: 20 * time.Second}
	for _, c := range change {
		c(&config)
	}
	queue, err := ingest.NewService(config)
	if err != nil {
		return nil, nil, err
	}
	documents := document.NewService(db, queue)
	if err := queue.Use(documents); err != nil {
		return nil, nil, err
	}
	return queue, documents, queue.Start(context.Background())
}

// line is a working line over a scratch database.
func line(t *testing.T, embedder ingest.Embedder, change ...func(*ingest.Config)) (*dbtest.Database, *document.Service, domain.ID) {
	t.Helper()
	db := dbtest.New(t)
	queue, documents, err := start(db.DB, embedder, change...)
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
	return db, documents, db.Tenant(t)
}

// handbook is Markdown that becomes about one chunk for each of its sections.
func handbook(sections int) []byte {
	var b strings.Builder
	for i := range sections {
		fmt.Fprintf(&b, "# Section %d\n\n", i)
		for j := range 12 {
			fmt.Fprintf(&b, "Bicycle %d-%d is rented by the day and costs %d euros, which includes a helmet and a lock. ", i, j, i+j)
		}
		b.WriteString("\n\n")
	}
	return []byte(b.String())
}

func upload(t *testing.T, documents *document.Service, tenantID domain.ID, name string, content []byte) domain.ID {
	t.Helper()
	stored, err := documents.Store(t.Context(), tenantID, document.Upload{Name: name, Format: "markdown", Content: content})
	if err != nil {
		t.Fatal(err)
	}
	return stored.ID
}

// ended waits until the document is ready or failed.
func ended(t *testing.T, documents *document.Service, tenantID, id domain.ID) document.Document {
	t.Helper()
	var d document.Document
	dbtest.Eventually(t, 40*time.Second, "the document to end", func() bool {
		var err error
		if d, err = documents.Get(t.Context(), tenantID, id); err != nil {
			t.Fatal(err)
		}
		return !d.Status.Busy()
	})
	return d
}

func TestUploadToReady(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, llm.NewHashing())
	id := upload(t, documents, tenantID, "handbook.md", handbook(5))
	d := ended(t, documents, tenantID, id)
	if d.Status != document.Ready || d.Chunks < 5 || d.EmbeddingModel == "" || d.Failure != nil {
		t.Fatalf("ended as %+v, %+v", d, d.Failure)
	}
	list, err := documents.Chunks(t.Context(), tenantID, id, document.ChunkFilter{})
	if err != nil || len(list.Chunks) != d.Chunks {
		t.Fatalf("%d chunks, %v", len(list.Chunks), err)
	}
	for i, c := range list.Chunks {
		if c.Ordinal != i+1 || c.Tokens == 0 || len(c.Heading) == 0 || c.EmbeddingModel == "" {
			t.Errorf("chunk %+v", c)
		}
	}
	checkIndex(t, db, tenantID)
	if _, err := documents.Delete(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	checkIndex(t, db, tenantID)
	for _, table := range []string{"documents", "document_files", "document_pages", "chunks", "chunk_embeddings", "search.lexemes"} {
		if n := db.Count(t, "select count(*) from "+table); n != 0 {
			t.Errorf("%s: %d rows are left of a deleted document", table, n)
		}
	}
}

// checkIndex compares what searches count with to what is there.
func checkIndex(t *testing.T, db *dbtest.Database, tenantID domain.ID) {
	t.Helper()
	db.CheckIndex(t, tenantID)
	if n := db.Count(t, `select count(*) from chunks c join documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
		where c.tenant_id = $1 and d.status = 'ready' and c.reading <> d.attempt`, tenantID); n != 0 {
		t.Errorf("chunks of an older reading: %d", n)
	}
}

func TestSameFileAtOnce(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, llm.NewHashing())
	content := handbook(2)
	ids := make([]domain.ID, 50)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			stored, err := documents.Store(t.Context(), tenantID, document.Upload{Name: "handbook.md", Format: "markdown", Content: content})
			if err != nil {
				t.Error(err)
			}
			ids[i] = stored.ID
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("stored as %s and as %s", ids[0], id)
		}
	}
	ended(t, documents, tenantID, ids[0])
	if n := db.Count(t, "select count(*) from documents"); n != 1 {
		t.Errorf("%d documents", n)
	}
	checkIndex(t, db, tenantID)
}

func TestBadFileSaysWhy(t *testing.T) {
	t.Parallel()
	_, documents, tenantID := line(t, llm.NewHashing())
	id := upload(t, documents, tenantID, "broken.pdf", []byte("%PDF-1.7\nnothing of a PDF follows"))
	d := ended(t, documents, tenantID, id)
	if d.Status != document.Failed || d.Failure.Code != "corrupt" || d.Failure.Title == "" || d.Failure.Message == "" {
		t.Fatalf("ended as %+v %+v", d, d.Failure)
	}
	if err := documents.Retry(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	if d := ended(t, documents, tenantID, id); d.Status != document.Failed {
		t.Errorf("after a retry: %s", d.Status)
	}
}

// failing embeds after it has failed some times.
type failing struct {
	llm.Embedder
	left atomic.Int64
	err  error
}

func (f *failing) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	if f.left.Add(-1) >= 0 {
		return nil, llm.Usage{}, f.err
	}
	return f.Embedder.Embed(ctx, texts)
}

func TestEmbeddingOutage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failures int64
		err      error
		status   document.Status
	}{
		"short":        {3, errors.New("connection refused"), document.Ready},
		"asks to wait": {1, &domain.Error{Code: domain.RateLimited, Message: "slow down"}, document.Ready},
		"without end":  {100_000, errors.New("connection refused"), document.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			embedder := &failing{Embedder: llm.NewHashing(), err: c.err}
			embedder.left.Store(c.failures)
			db, documents, tenantID := line(t, embedder, func(c *ingest.Config) {
				if c.Patience = time.Hour; name == "without end" {
					c.Patience = 300 * time.Millisecond
				}
			})
			d := ended(t, documents, tenantID, upload(t, documents, tenantID, "handbook.md", handbook(2)))
			if d.Status != c.status {
				t.Fatalf("ended as %s %+v", d.Status, d.Failure)
			}
			if d.Status == document.Failed && (d.Failure.Code != "embedding" || !d.Failure.Retryable()) {
				t.Errorf("failed with %+v", d.Failure)
			}
			checkIndex(t, db, tenantID)
		})
	}
}

func TestDeletedWhileRead(t *testing.T) {
	t.Parallel()
	db, documents, tenantID := line(t, &slow{llm.NewHashing()})
	id := upload(t, documents, tenantID, "handbook.md", handbook(300))
	dbtest.Eventually(t, 20*time.Second, "the document to be taken up", func() bool {
		d, err := documents.Get(t.Context(), tenantID, id)
		return err == nil && d.Status == document.Embedding
	})
	if _, err := documents.Delete(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	dbtest.Eventually(t, 20*time.Second, "the job to end", func() bool {
		return db.Count(t, "select count(*) from river.river_job where state in ('available', 'running', 'retryable', 'scheduled')") == 0
	})
	if n := db.Count(t, "select count(*) from chunks"); n != 0 {
		t.Errorf("%d chunks of a deleted document", n)
	}
	checkIndex(t, db, tenantID)
}

// slow gives a test the time to do something in between.
type slow struct{ llm.Embedder }

func (s *slow) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-ctx.Done():
		return nil, llm.Usage{}, ctx.Err()
	}
	return s.Embedder.Embed(ctx, texts)
}

// worker is another process that works on the line, once it has begun.
func worker(t *testing.T, url string, settings ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), "INGEST_TEST_WORK="+url), settings...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "working\n" {
		t.Fatalf("the worker said %q, %v", line, err)
	}
	return cmd
}
