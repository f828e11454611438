package ingest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/ingest/reader"
	"bitb/domain/llm"
	"bitb/domain/postgres"
	"bitb/domain/redis"
)

// The tests here fail the n-th call at a boundary of the ingestion, for n = 1 until none is left to fail. After each the
// document is ready once, or failed with a reason, and nothing else is left of it.

// soundEnd waits for the document to end and checks that nothing is lost, doubled or left over.
func soundEnd(t *testing.T, db *dbtest.Database, documents *document.Service, tenantID, id domain.ID, what string) document.Document {
	t.Helper()
	d := ended(t, documents, tenantID, id)
	if d.Status == document.Failed && (d.Failure.Code == "" || d.Failure.Title == "" || d.Failure.Message == "") {
		t.Errorf("%s: failed without a reason", what)
	}
	for left, sql := range map[string]string{
		"documents but one": "select count(*) - 1 from documents where tenant_id = $1",
		"originals but one": "select count(*) - 1 from document_files where tenant_id = $1",
		"pages of a failed document": `select count(*) from document_pages p join documents d on d.tenant_id = p.tenant_id and d.id = p.document_id
			where p.tenant_id = $1 and d.status <> 'ready'`,
		"chunks twice":        "select count(*) - count(distinct (document_id, ordinal)) from chunks where tenant_id = $1",
		"documents left busy": "select count(*) from documents where tenant_id = $1 and job_id <> 0",
	} {
		if n := db.Count(t, sql, tenantID); n != 0 {
			t.Errorf("%s: %d %s", what, n, left)
		}
	}
	checkIndex(t, db, tenantID)
	return d
}

// sqlFaults breaks the connection at the n-th statement of a tenant's own work: before it is sent, or after it has been
// carried out and before the answer is read, which is the case that matters for a commit.
type sqlFaults struct {
	left  atomic.Int64 // statements until the fault; 0 and less: none
	after bool
}

// faultyConn loses the answer to what was just sent, on order.
type faultyConn struct {
	net.Conn
	lose atomic.Bool
}

func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.lose.Load() {
		_ = c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (f *sqlFaults) TraceQueryStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if _, ours := domain.IdentityFrom(ctx); !ours || f.left.Add(-1) != 0 {
		return ctx
	}
	if c, ok := conn.PgConn().Conn().(*faultyConn); ok && f.after {
		c.lose.Store(true)
	} else {
		_ = conn.PgConn().Conn().Close()
	}
	return ctx
}

func (f *sqlFaults) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (f *sqlFaults) configure(c *pgx.ConnConfig) {
	c.Tracer = f
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &faultyConn{Conn: conn}, err
	}
}

func TestSQLFaults(t *testing.T) {
	const streams = 3 // side by side: most of the time is waiting for the next try
	for _, after := range []bool{false, true} {
		for first := range int64(streams) {
			t.Run(fmt.Sprintf("after %v, from %d", after, first+1), func(t *testing.T) {
				t.Parallel()
				sqlFaultsFrom(t, after, first+1, streams)
			})
		}
	}
}

// sqlFaultsFrom fails every step-th statement from the first one on, until none is left.
func sqlFaultsFrom(t *testing.T, after bool, first, step int64) {
	scratch, f := dbtest.New(t), &sqlFaults{after: after}
	db, err := postgres.Open(t.Context(), postgres.Config{URL: scratch.URL, AllowPrivileged: true, MaxConns: 10, Configure: f.configure})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	queue, documents, err := start(db, llm.NewHashing())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Stop(context.Background()) })
	unharmed := document.NewService(scratch.DB, queue) // to look on with
	n := first
	for ; ; n += step {
		tenantID := scratch.Tenant(t)
		ctx := domain.WithIdentity(t.Context(), domain.Identity{TenantID: tenantID})
		f.left.Store(n)
		up := document.Upload{Name: "handbook.md", Format: "markdown", Content: handbook(2)}
		stored, err := documents.Store(ctx, tenantID, up)
		if err != nil { // the person tries again
			stored, err = documents.Store(ctx, tenantID, up)
		}
		if err != nil {
			t.Fatalf("statement %d: %v", n, err)
		}
		d := soundEnd(t, scratch, unharmed, tenantID, stored.ID, fmt.Sprintf("statement %d", n))
		if d.Status != document.Ready || d.Chunks == 0 {
			t.Errorf("statement %d: ended as %s with %d chunks, %+v", n, d.Status, d.Chunks, d.Failure)
		}
		if f.left.Load() > 0 {
			break
		}
	}
	if n < 20 {
		t.Errorf("only %d statements were failed", n-1)
	}
	t.Logf("of %d statements, one in %d failed", n-1, step)
}

// cutter passes bytes on to Redis and cuts the connection at the n-th piece that a client sends.
type cutter struct {
	net.Listener
	left atomic.Int64
}

func newCutter(t *testing.T, address string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	c := &cutter{Listener: listener}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go c.pass(client, address)
		}
	}()
	return c
}

func (c *cutter) pass(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(client, server) }()
	buf := make([]byte, 4096)
	for {
		n, err := client.Read(buf)
		if err != nil || c.left.Add(-1) == 0 {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestRedisFaults(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbtest.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	c := newCutter(t, u.Host)
	u.Host = c.Addr().String()
	store, err := redis.Open(u.String(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	db, documents, _ := line(t, llm.NewHashing(), func(c *ingest.Config) { c.Hints = store })
	n := int64(1)
	for ; n < 200; n++ {
		c.left.Store(n)
		tenantID := db.Tenant(t)
		id := upload(t, documents, tenantID, "handbook.md", handbook(2))
		if d := soundEnd(t, db, documents, tenantID, id, fmt.Sprintf("message %d", n)); d.Status != document.Ready {
			t.Errorf("message %d: ended as %s", n, d.Status)
		}
		if c.left.Load() > 0 {
			break
		}
	}
	if n < 2 {
		t.Error("Redis was not asked at all")
	}
}

func TestEmbeddingFaults(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"silence": &domain.Error{Code: domain.Unavailable, Message: "It cannot be reached."}, "rubbish": llm.ErrVectors, "unknown": errors.New("reset by peer"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulty := &nth{Embedder: llm.NewHashing(), err: err}
			db, documents, _ := line(t, faulty)
			n := int64(1)
			for ; ; n++ {
				faulty.left.Store(n)
				tenantID := db.Tenant(t)
				id := upload(t, documents, tenantID, "handbook.md", handbook(140)) // three calls
				d := soundEnd(t, db, documents, tenantID, id, fmt.Sprintf("call %d", n))
				if d.Status != document.Ready {
					t.Errorf("call %d: ended as %s, %+v", n, d.Status, d.Failure)
				}
				if faulty.left.Load() > 0 {
					break
				}
			}
			if n < 3 {
				t.Errorf("only %d calls were failed", n-1)
			}
		})
	}
}

// nth fails its n-th call.
type nth struct {
	llm.Embedder
	left atomic.Int64
	err  error
}

func (f *nth) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	if f.left.Add(-1) == 0 {
		return nil, llm.Usage{}, f.err
	}
	return f.Embedder.Embed(ctx, texts)
}

// dieOnOrder makes this child die after so many frames, once, if its name says so: its environment is not ours to choose.
// It leaves an empty file behind, which is all that a child may write. said waits until all that was written has been
// passed on, or the child is dead.
func dieOnOrder() (said func()) {
	var frames int
	var signal syscall.Signal
	if _, err := fmt.Sscanf(filepath.Base(os.Args[0]), "dies-after-%d-by-%d", &frames, &signal); err != nil {
		return func() {}
	}
	mark, err := os.OpenFile(os.Args[0]+".died", os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return func() {} // it died before
	}
	_ = mark.Close()
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	out := os.Stdout
	os.Stdout = w
	done := make(chan struct{})
	go func() {
		lines := bufio.NewReader(r)
		for range frames {
			line, err := lines.ReadString('\n')
			_, _ = out.WriteString(line)
			if err != nil { // there is no such frame
				_ = os.Remove(os.Args[0] + ".died")
				close(done)
				return
			}
		}
		_ = syscall.Kill(os.Getpid(), signal)
	}()
	return func() { _ = w.Close(); <-done }
}

func TestChildFaults(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			child := &reader.Child{}
			db, documents, _ := line(t, llm.NewHashing(), func(c *ingest.Config) { c.Reader = child })
			n := 0
			for ; n < 100; n++ {
				child.Executable = filepath.Join(t.TempDir(), fmt.Sprintf("dies-after-%d-by-%d", n, signal))
				if err := os.Symlink(self, child.Executable); err != nil {
					t.Fatal(err)
				}
				tenantID := db.Tenant(t)
				id := upload(t, documents, tenantID, "handbook.md", handbook(2))
				d := soundEnd(t, db, documents, tenantID, id, fmt.Sprintf("frame %d", n))
				if signal == syscall.SIGKILL && d.Status != document.Ready { // which may come from outside, so it is tried again
					t.Errorf("frame %d: ended as %s, %+v", n, d.Status, d.Failure)
				}
				if _, err := os.Stat(child.Executable + ".died"); err != nil {
					break
				}
			}
			if n < 3 {
				t.Errorf("the child died only %d times", n)
			}
		})
	}
}

// lostFetch loses the answer to the queue's first hand-out of a job.
type lostFetch struct{ armed atomic.Bool }

func (f *lostFetch) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "JobGetAvailable") && f.armed.CompareAndSwap(true, false) {
		conn.PgConn().Conn().(*faultyConn).lose.Store(true)
	}
	return ctx
}

func (f *lostFetch) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A job that the queue handed out and that never arrived is not left with a process that does not know of it.
func TestJobThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	scratch, f := dbtest.New(t), &lostFetch{}
	db, err := postgres.Open(t.Context(), postgres.Config{URL: scratch.URL, AllowPrivileged: true, MaxConns: 10, Configure: func(c *pgx.ConnConfig) {
		(&sqlFaults{}).configure(c)
		c.Tracer = f
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	queue, documents, err := start(db, llm.NewHashing())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Stop(context.Background()) })
	lost := false
	for n := 0; n < 20 && !lost; n++ { // what is lost first may be a hand-out of nothing
		f.armed.Store(true)
		tenantID := scratch.Tenant(t)
		id := upload(t, documents, tenantID, "handbook.md", handbook(1))
		dbtest.Eventually(t, 20*time.Second, "the document to be read, or its job to be lost", func() bool {
			lost = scratch.Count(t, "select count(*) from river.river_job where state = 'running' and attempted_at < now() - interval '1 second'") > 0
			return lost || scratch.Count(t, "select count(*) from documents where id = $1 and status = 'ready'", id) == 1
		})
	}
	if !lost {
		t.Fatal("no hand-out of a job was lost")
	}
	scratch.Exec(t, "update river.river_job set attempted_at = attempted_at - interval '1 minute' where state = 'running'")
	dbtest.Eventually(t, 20*time.Second, "the documents to be read", func() bool {
		return scratch.Count(t, "select count(*) from documents where status <> 'ready'") == 0
	})
}
