package document_test

import (
	"slices"

	"bitb/domain"
	"bitb/domain/document"
)

// read is a reading of what is next in line that finds one chunk.
func (d *desk) read(text string) {
	d.Helper()
	d.must(d.complete(d.next(), nil, text))
}

func (d *desk) upload(id domain.ID, content string) {
	d.Helper()
	_, err := d.docs.StoreVersion(d.Context(), d.tenant, id, document.Upload{Name: content + ".txt", Format: "text", Content: []byte(content), By: d.by})
	d.must(err)
}

func (d *desk) versions(id domain.ID) (numbers []int) {
	d.Helper()
	all, err := d.docs.Versions(d.Context(), d.tenant, id)
	d.must(err)
	for _, v := range all {
		numbers = append(numbers, v.Number)
	}
	return numbers
}

func testRestoreVersion(d *desk) {
	d.with("one", func(d *desk, id domain.ID, _ []domain.ID) {
		d.upload(id, "two")
		d.read("two")
		d.upload(id, "three")
		d.upload(id, "three again") // nobody has seen "three"
		d.wantCode(d.docs.RestoreVersion(d.Context(), d.tenant, id, 2, d.by), domain.Conflict)
		for _, n := range []int{0, -1, 3, 9} {
			d.wantCode(d.docs.RestoreVersion(d.Context(), d.tenant, id, n, d.by), domain.NotFound)
		}
		d.wantCode(d.docs.RestoreVersion(d.Context(), d.db.Tenant(d), id, 1, d.by), domain.NotFound)
		if got := d.versions(id); !slices.Equal(got, []int{3, 2, 1}) {
			d.Fatalf("versions %v", got)
		}

		d.must(d.docs.RestoreVersion(d.Context(), d.tenant, id, 1, d.by))
		got, err := d.docs.Versions(d.Context(), d.tenant, id)
		d.must(err)
		if len(got) != 3 || got[0].Number != 3 || got[0].Name != "one" || got[0].UploadedBy != "Anna" {
			d.Errorf("the newest is %+v of %d", got[0], len(got))
		}
		if now := d.document(id); now.Version != 3 || now.Live != 2 || now.Name != "two.txt" || !now.Stays() {
			d.Errorf("the document is %+v", now)
		}
		d.read("one")
		if now := d.document(id); now.Live != 3 || now.Name != "one" {
			d.Errorf("the document is %+v", now)
		}
	})
	d.with("taken by another", func(d *desk, id domain.ID, _ []domain.ID) {
		d.upload(id, "mine")
		d.read("mine")
		d.upload(id, "mine, corrected")
		d.read("mine, corrected")
		_, err := d.docs.Store(d.Context(), d.tenant, document.Upload{Name: "theirs.txt", Format: "text", Content: []byte("mine")})
		d.must(err)
		d.wantCode(d.docs.RestoreVersion(d.Context(), d.tenant, id, 2, d.by), domain.Conflict)
	})
}
