package document_test

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
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
