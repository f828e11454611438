package tenant

import (
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"
)

// Whoever tries an address that has no account waits as long as one who has.
func TestNobodyCostsAsMuch(t *testing.T) {
	params, _, _, err := argon2id.DecodeHash(nobody)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hashParams, params); diff != "" {
		t.Error(diff)
	}
}
