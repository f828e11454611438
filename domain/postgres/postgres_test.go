package postgres_test

import (
	"testing"

	"bitb/domain/dbtest"
)

func TestOpens(t *testing.T) {
	db := dbtest.New(t)
	if n := db.Count(t, "select count(*) from tenants"); n != 0 {
		t.Fatal(n)
	}
}
