package document_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/originals"
	"bitb/domain/originals/originalstest"
	"bitb/domain/postgres"
)

// Originals that are kept outside the database come and go with their documents, and nothing is left of what failed.
func TestOriginalsOutside(t *testing.T) {
	db, storage := dbtest.New(t), originalstest.New(t)
	tenant := db.Tenant(t)
	docs := document.NewService(db.DB, dbtest.NoQueue)
	docs.KeepOriginalsIn(originals.NewSupabase(storage.URL, func() string { return storage.Key }))
	up := document.Upload{Name: "prices.txt", Format: "text", Content: []byte("19 euros")}
	left := func(want int, when string) {
		t.Helper()
		if names := storage.Names(); len(names) != want {
			t.Errorf("%s: %d originals are kept, want %d: %v", when, len(names), want, names)
		}
	}

	if err := docs.SweepOriginals(t.Context(), time.Now()); err != nil {
		t.Errorf("before anything is kept: %v", err)
	}
	storage.Down(true)
	if _, err := docs.Store(t.Context(), tenant, up); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("without storage: %v", err)
	}
	if n := db.Count(t, "select count(*) from documents"); n != 0 {
		t.Errorf("%d documents without an original", n)
	}
	storage.Down(false)
	stored, err := docs.Store(t.Context(), tenant, up)
	if err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "select count(*) from document_files where content is null and object is not null"); n != 1 || storage.Public() {
		t.Errorf("%d rows without bytes; public: %v", n, storage.Public())
	}
	if again, err := docs.Store(t.Context(), tenant, up); err != nil || !again.Duplicate {
		t.Errorf("the same once more: %+v, %v", again, err)
	}
	left(1, "after a duplicate")
	if _, content, err := docs.Original(t.Context(), tenant, stored.ID, 0); err != nil || !bytes.Equal(content, up.Content) {
		t.Errorf("read back %q, %v", content, err)
	}
	attempt, err := docs.Next(t.Context(), tenant, 1, func(pgx.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if content, err := docs.OriginalOf(t.Context(), attempt); err != nil || !bytes.Equal(content, up.Content) {
		t.Errorf("to be read: %q, %v", content, err)
	}

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := docs.Store(gone, tenant, document.Upload{Name: "late.txt", Format: "text", Content: []byte("late")}); err == nil {
		t.Error("stored for somebody who left")
	}
	storage.Down(true)
	if _, err := docs.Delete(t.Context(), tenant, stored.ID); err != nil {
		t.Errorf("a document cannot be deleted while the storage is down: %v", err)
	}
	storage.Down(false)
	left(1, "after deleting without storage")
	sweep := func() {
		if err := docs.SweepOriginals(t.Context(), time.Now()); err != nil {
			t.Error(err)
		}
	}
	sweep()
	left(1, "after a sweep at once, when it might be an upload's")
	storage.Age(2 * time.Hour)
	kept, err := docs.Store(t.Context(), tenant, up)
	if err != nil {
		t.Fatal(err)
	}
	storage.Age(2 * time.Hour)
	sweep()
	left(1, "after a sweep")
	if _, content, err := docs.Original(t.Context(), tenant, kept.ID, 0); err != nil || !bytes.Equal(content, up.Content) {
		t.Errorf("the sweep took what is wanted: %q, %v", content, err)
	}
	if _, err := docs.Delete(t.Context(), tenant, kept.ID); err != nil {
		t.Error(err)
	}
	left(0, "after deleting")
}

// lostAnswers loses, once it is told to, the answer to a commit that was carried out.
type lostAnswers struct{ lose atomic.Bool }

// deaf is a connection whose answers may be lost.
type deaf struct {
	net.Conn
	lost atomic.Bool
}

func (d *deaf) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if d.lost.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (l *lostAnswers) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if q.SQL == "commit" && l.lose.CompareAndSwap(true, false) {
		conn.PgConn().Conn().(*deaf).lost.Store(true)
	}
	return ctx
}

func (l *lostAnswers) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (l *lostAnswers) configure(c *pgx.ConnConfig) {
	c.Tracer = l
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &deaf{Conn: conn}, err
	}
}

// The database took an upload, and the answer to that is lost: whoever uploads again is told that it is there, so its original must be.
func TestOriginalOutlivesALostAnswer(t *testing.T) {
	scratch, storage, answers := dbtest.New(t), originalstest.New(t), &lostAnswers{}
	tenant := scratch.Tenant(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: scratch.URL, AllowPrivileged: true, MaxConns: 2, Configure: answers.configure})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	docs := document.NewService(db, dbtest.NoQueue)
	docs.KeepOriginalsIn(originals.NewSupabase(storage.URL, func() string { return storage.Key }))
	up := document.Upload{Name: "prices.txt", Format: "text", Content: []byte("19 euros")}
	answers.lose.Store(true)
	if _, err := docs.Store(t.Context(), tenant, up); err == nil || answers.lose.Load() {
		t.Fatalf("no answer was lost: %v", err)
	}
	again, err := docs.Store(t.Context(), tenant, up)
	if err != nil || !again.Duplicate {
		t.Fatalf("uploaded again: %+v, %v", again, err)
	}
	if _, content, err := docs.Original(t.Context(), tenant, again.ID, 0); err != nil || !bytes.Equal(content, up.Content) {
		t.Errorf("read back %q, %v", content, err)
	}
	if err := docs.EraseOriginals(t.Context(), tenant); err != nil {
		t.Error(err)
	}
	if n := len(storage.Names()); n != 1 {
		t.Errorf("%d originals are kept of a tenant that is there", n)
	}
	scratch.Exec(t, "delete from tenants where id = $1", tenant)
	if err := docs.EraseOriginals(t.Context(), tenant); err != nil {
		t.Error(err)
	}
	if names := storage.Names(); len(names) != 0 {
		t.Errorf("left of an erased tenant: %v", names)
	}
}
