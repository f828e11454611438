package ingest_test

import (
	"testing"

	"bitb/domain/dbtest"
	"bitb/domain/ingest"
)

// What was learnt first stays.
func TestDimensions(t *testing.T) {
	d := ingest.Models{DB: dbtest.New(t).DB}
	for i, said := range []int{384, 383, 384} {
		if kept, err := d.Keep(t.Context(), "minilm", said); err != nil || kept != 384 {
			t.Errorf("said %d for the %dth time: kept %d, %v", said, i+1, kept, err)
		}
	}
	if kept, err := d.Keep(t.Context(), "another", 768); err != nil || kept != 768 {
		t.Errorf("another model: kept %d, %v", kept, err)
	}
}
