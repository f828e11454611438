package document_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
)

// An answer that cites a document is kept while a reading of that document is stored.
func testCiteWhileStored(d *desk) {
	d.with("", func(d *desk, id domain.ID, _ []domain.ID) {
		d.must(d.docs.ReadAgain(d.Context(), d.tenant, id))
		a := d.next()
		err := d.docs.Complete(d.Context(), a, d.db.Content(d, a, nil, "Anew."), func(pgx.Tx) error {
			return d.db.InTenant(d.Context(), d.tenant, func(tx pgx.Tx) error {
				_, err := tx.Exec(d.Context(), "select set_config('lock_timeout', '300ms', true)")
				if err == nil {
					_, err = tx.Exec(d.Context(), "select from documents where tenant_id = $1 and id = $2 for key share", d.tenant, id)
				}
				return err
			})
		})
		d.must(err)
	})
}

// The bytes of the version that answers may have become a document of their own while a newer version was under way.
func testCancelWhenTaken(d *desk) {
	d.with("one", func(d *desk, id domain.ID, _ []domain.ID) {
		_, bytes, err := d.docs.Original(d.Context(), d.tenant, id, 1)
		d.must(err)
		d.upload(id, "two")
		other, err := d.docs.Store(d.Context(), d.tenant, document.Upload{Name: "copy.txt", Format: "text", Content: bytes})
		d.must(err)
		_, err = d.docs.Cancel(d.Context(), d.tenant, id)
		d.wantCode(err, domain.Conflict)
		if err == nil || !strings.Contains(err.Error(), "copy.txt") {
			d.Errorf("it does not say which document has the bytes: %v", err)
		}
		_, err = d.docs.Delete(d.Context(), d.tenant, other.ID)
		d.must(err)
		kept, err := d.docs.Cancel(d.Context(), d.tenant, id)
		d.must(err)
		if kept != 1 || d.document(id).Status != document.Ready {
			d.Errorf("version %d stays, and the document is %s", kept, d.document(id).Status)
		}
	})
}

// later notes when somebody is to look at the line.
type later struct {
	document.Ingester
	at []time.Time
}

func (l *later) WakeAt(_ context.Context, _ pgx.Tx, _ domain.ID, at time.Time) error {
	l.at = append(l.at, at)
	return nil
}

// What could not be taken up is looked at again: it is not due yet, or somebody is changing it.
func testLookAgain(d *desk) {
	for name, c := range map[string]struct {
		due    time.Time
		locked bool
	}{
		"not due": {due: time.Date(2100, 1, 2, 0, 0, 0, 0, time.UTC)},
		"changed": {due: time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), locked: true},
	} {
		d.with(name, func(d *desk, id domain.ID, _ []domain.ID) {
			d.must(d.docs.ReadAgain(d.Context(), d.tenant, id))
			d.db.Exec(d, "update documents set due_at = $2 where id = $1", id, c.due)
			l := &later{Ingester: dbtest.NoQueue}
			began := time.Now()
			err := d.db.InTenant(d.Context(), d.tenant, func(tx pgx.Tx) error {
				if c.locked {
					if _, err := tx.Exec(d.Context(), "select from documents where tenant_id = $1 and id = $2 for update", d.tenant, id); err != nil {
						return err
					}
				}
				_, err := document.NewService(d.db.DB, l).Next(d.Context(), d.tenant, 1, func(pgx.Tx) error { return nil })
				return err
			})
			if !errors.Is(err, document.ErrNothing) || len(l.at) != 1 || l.at[0].Before(c.due) || l.at[0].Before(began) {
				d.Errorf("looked at again at %v: %v", l.at, err)
			}
		})
	}
}

// What is switched on again is not put into the approximate index there and then.
func testOnAgain(d *desk) {
	d.with("", func(d *desk, id domain.ID, _ []domain.ID) {
		for n := 1; n > 0; {
			var err error
			n, err = d.docs.IndexVectors(d.Context(), d.tenant)
			d.must(err)
		}
		d.must(d.docs.SetOff(d.Context(), d.tenant, id, true))
		d.must(d.docs.SetOff(d.Context(), d.tenant, id, false))
		if n := d.db.Count(d, "select count(*) from chunk_embeddings where tenant_id = $1 and not near", d.tenant); n != 3 {
			d.Errorf("%d of 3 vectors wait for the index", n)
		}
	})
}

// A file that is uploaded while the document with the same bytes is deleted is stored, or known; it is never "not there".
func testStoreWhileDeleted(d *desk) {
	d.with("", func(d *desk, _ domain.ID, _ []domain.ID) {
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() {
				for range 40 {
					stored, err := d.docs.Store(d.Context(), d.tenant, document.Upload{Name: "a", Format: "text", Content: []byte("a")})
					if err != nil {
						d.Error(err)
						return
					}
					if _, err := d.docs.Delete(d.Context(), d.tenant, stored.ID); err != nil && domain.CodeOf(err) != domain.NotFound {
						d.Error(err)
					}
				}
			})
		}
		group.Wait()
	})
}

// The same upload under the same key is the first one again, at once and later, for a day. Other bytes under it are refused.
func testUploadKey(d *desk) {
	d.tenant = d.db.Tenant(d)
	send := func(text, key string) (document.Stored, error) {
		return d.docs.Store(d.Context(), d.tenant, document.Upload{Name: text + ".txt", Format: "text", Content: []byte(text), Key: []byte(key)})
	}
	var group sync.WaitGroup
	stored := make([]document.Stored, 8)
	for i := range stored {
		group.Go(func() {
			var err error
			stored[i], err = send("keyed", "k")
			d.must(err)
		})
	}
	group.Wait()
	for _, s := range stored {
		if s != stored[0] || s.Duplicate {
			d.Errorf("stored as %+v and as %+v", stored[0], s)
		}
	}
	_, err := send("other", "k")
	d.wantCode(err, domain.Conflict)
	if s, err := send("keyed", "another"); err != nil || !s.Duplicate {
		d.Errorf("the same bytes under another key: %+v, %v", s, err)
	}
	d.db.Exec(d, "update document_files set created_at = created_at - interval '25 hours' where tenant_id = $1", d.tenant)
	if s, err := send("other", "k"); err != nil || s.Duplicate {
		d.Errorf("the key a day later: %+v, %v", s, err)
	}
}
