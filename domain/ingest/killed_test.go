package ingest_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
)

// Processes that work on the line are killed with SIGKILL again and again, at no particular moment. Every document ends
// ready, with its chunks once, soon after there is a process that lives.
func TestKilled(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	tenantID := db.Tenant(t)
	idle, err := ingest.NewService(ingest.Config{DB: db.DB, Log: slog.New(slog.DiscardHandler), Workers: 0})
	if err != nil {
		t.Fatal(err)
	}
	documents := document.NewService(db.DB, idle)
	if err := idle.Use(documents); err != nil {
		t.Fatal(err)
	}
	var ids []domain.ID
	for i := range 24 {
		ids = append(ids, upload(t, documents, tenantID, fmt.Sprintf("handbook-%d.md", i), handbook(60+i)))
	}
	for range 20 {
		worker := worker(t, db.URL)
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // the moment is what is tested
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = worker.Wait()
	}
	worker(t, db.URL)
	for _, id := range ids {
		if d := ended(t, documents, tenantID, id); d.Status != document.Ready {
			t.Errorf("ended as %s, %+v", d.Status, d.Failure)
		}
	}
	checkIndex(t, db, tenantID)
	if n := db.Count(t, "select count(*) from documents where attempt > 1"); n == 0 {
		t.Error("no document was being read when its process was killed: this tested nothing")
	} else {
		t.Logf("%d documents were interrupted", n)
	}
	err = db.InTenant(t.Context(), tenantID, func(tx pgx.Tx) error {
		var doubled int
		err := tx.QueryRow(t.Context(), "select count(*) - count(distinct (document_id, ordinal)) from chunks where tenant_id = $1", tenantID).Scan(&doubled)
		if doubled != 0 {
			t.Errorf("%d chunks are there twice", doubled)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
