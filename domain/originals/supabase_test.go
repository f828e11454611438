package originals_test

import (
	"testing"

	"bitb/domain"
	"bitb/domain/originals"
	"bitb/domain/originals/originalstest"
)

// A tenant that goes may have more originals than one request names.
func TestDeleteMany(t *testing.T) {
	storage := originalstest.New(t)
	s := originals.NewSupabase(storage.URL, func() string { return storage.Key })
	tenant := domain.NewID()
	many := make([]domain.ID, 1001)
	for i := range many {
		many[i] = domain.NewID()
	}
	for _, id := range []domain.ID{many[0], many[1000], domain.NewID()} {
		if err := s.Put(t.Context(), tenant, id, []byte("an original")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), tenant, many...); err != nil {
		t.Error(err)
	}
	if names := storage.Names(); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}
