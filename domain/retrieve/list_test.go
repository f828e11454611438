package retrieve_test

import (
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/retrieve"
)

// A staff member sees neither an address in a question nor the words that it was made of.
func TestTracesAreMaskedInCase(t *testing.T) {
	db := dbtest.New(t)
	s := retrieve.NewService(retrieve.Config{DB: db.DB})
	tenant, id := domain.NewID(), domain.NewID()
	db.Exec(t, "insert into tenants (id, name) values ($1, 'T')", tenant)
	db.Exec(t, `insert into retrievals (tenant_id, id, question, index_version, trace) values ($1, $2, 'Boats? SL-40? maria@example.com', 1,
		'{"searched": "Boats for SL-40 maria@example.com oat@example.com", "context": ["Canoes for tom@example.org?"], "words": [{"text": "boats"}, {"text": "maria", "spelled": ["marina"]}, {"text": "example"}, {"text": "tom", "carried": true}, {"text": "oat"}, {"text": "sl40"}]}')`, tenant, id)
	ctx := domain.WithIdentity(t.Context(), domain.Identity{TenantID: tenant, StaffID: domain.NewID(), CaseID: domain.NewID(), Until: time.Now().Add(time.Hour)})
	got, err := s.Get(ctx, tenant, id)
	if err != nil || got.Question != "Boats? SL-40? m•••@e••••.com" || got.Searched != "Boats for SL-40 m•••@e••••.com o•••@e••••.com" || len(got.Words) != 6 || got.Context[0] != "Canoes for t•••@e••••.org?" || got.Words[3].Text != "•••" ||
		got.Words[0].Text != "boats" || got.Words[1].Text != "•••" || got.Words[1].Spelled != nil || got.Words[2].Text != "•••" ||
		got.Words[4].Text != "•••" || got.Words[5].Text != "sl40" { // "oat" stands in "Boats" as well
		t.Errorf("%+v, %v", got, err)
	}
	list, err := s.Recent(ctx, tenant, 1)
	if err != nil || list.All != 1 || len(list.Searches) != 1 || list.Searches[0].ID != id || list.Searches[0].Question != "Boats? SL-40? m•••@e••••.com" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err = s.Recent(t.Context(), tenant, 1); err != nil || list.Searches[0].Question != "Boats? SL-40? maria@example.com" {
		t.Errorf("%+v, %v", list, err)
	}
}
