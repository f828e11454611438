package postgres_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain/dbtest"
	"bitb/domain/postgres"
)

func TestVectorSizes(t *testing.T) {
	for n := 1; n <= postgres.MaxVectorDims; n++ {
		size := postgres.VectorSize(n)
		if size < n || postgres.VectorSize(size) != size {
			t.Fatalf("%d dimensions are stored as %d", n, size)
		}
	}
	if n := postgres.VectorSize(postgres.MaxVectorDims + 1); n != 0 {
		t.Errorf("too many dimensions are stored as %d", n)
	}
}

// The largest vector stays in its row beside the longest name of a model that is to be expected, on and off, and the zeros that
// fill up a vector change no comparison.
func TestLargestVector(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	tenant := db.Tenant(t)
	_, chunks := db.Document(t, tenant, "a.txt", "one", "two")
	random := rand.New(rand.NewPCG(1, 2))
	unit := func(dims int) []float32 {
		v, sum := make([]float32, dims), 0.0
		for i := range v {
			v[i] = float32(random.NormFloat64())
			sum += float64(v[i]) * float64(v[i])
		}
		for i := range v {
			v[i] /= float32(math.Sqrt(sum))
		}
		return v
	}
	for _, dims := range []int{postgres.MaxVectorDims, 3073, 1000, 3} {
		a, b := unit(dims), unit(dims)
		var want float64
		for i := range a {
			want += float64(a[i]) * float64(b[i])
		}
		err := db.InTenant(t.Context(), tenant, func(tx pgx.Tx) error {
			model := strings.Repeat("m", 80)
			for _, table := range []string{"chunk_embeddings", "hidden_embeddings"} {
				if _, err := tx.Exec(t.Context(), "delete from "+table); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), "insert into "+table+" (tenant_id, chunk_id, model, embedding, near) select $1, id, $3, $4::halfvec, true from unnest($2::uuid[]) id",
					tenant, chunks, model, postgres.VectorText(a))
				if err != nil {
					return err
				}
			}
			var got float64
			if err := tx.QueryRow(t.Context(), "select -(embedding <#> $1::halfvec) from chunk_embeddings limit 1", postgres.VectorText(b)).Scan(&got); err != nil {
				return err
			}
			if math.Abs(got-want) > 0.002 {
				t.Errorf("%d dimensions: inner product %f, want %f", dims, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%d dimensions: %v", dims, err)
		}
	}
}
