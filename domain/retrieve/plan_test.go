package retrieve_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
)

// TestPlanOfALargeTenant reads the plans of the statements inside the definer functions, from the server's own messages.
func TestPlanOfALargeTenant(t *testing.T) {
	db := dbtest.New(t)
	v := newVocabulary(2000)
	large := fill(t, db.Super(t), v, 600)
	for range 10 {
		fill(t, db.Super(t), v, 20)
	}
	db.Exec(t, "analyze")
	for _, c := range []struct{ index, sql, table string }{
		{"lexemes_terms", "select count(*) from search.lexical((select array_agg(term) from (select term from search.term_stats order by chunks limit 3) s), '{1:1}/1000000000', 10)", "lexemes"},
		{"vocabulary_keys", "select count(*) from search.neighbours((select keys from search.vocabulary order by hash limit 1), 10)", "vocabulary"},
	} {
		plan := plansOf(t, db, large, c.sql)
		if !strings.Contains(plan, "Bitmap Index Scan on "+c.index) {
			t.Errorf("%s is not used:\n%s", c.index, plan)
		}
		_, inside, _ := strings.Cut(plan, "Bitmap Heap Scan on "+c.table) // the statement inside the function comes first
		inside, _, _ = strings.Cut(inside, "Query Text")
		for _, bad := range []string{"Seq Scan on " + c.table, c.table + "_pkey"} {
			if strings.Contains(inside, bad) {
				t.Errorf("%s:\n%s", bad, plan)
			}
		}
	}
}

// plansOf runs a statement as the tenant and returns its plan, with the plans of the statements in the functions that it calls.
func plansOf(t *testing.T, db *dbtest.Database, tenant domain.ID, sql string) string {
	t.Helper()
	config, err := pgx.ParseConfig(db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	var plans strings.Builder
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { plans.WriteString(n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range []string{
		"load 'auto_explain'", "set auto_explain.log_min_duration = 0", "set auto_explain.log_nested_statements = on",
		"set auto_explain.log_analyze = on", "set client_min_messages = log", "set role bitb_app",
		"select set_config('app.tenant_id', '" + tenant.String() + "', false)", sql,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return plans.String()
}

// TestApproximateSearch compares the two ways through vectors of a real model's size: a tenant that takes the index must get
// nearly what comparing all vectors gives, whatever the others have. A scan gives up here after two hundred, as one in an index
// over all of many large tenants would.
func TestApproximateSearch(t *testing.T) {
	db := dbtest.New(t)
	v := newVocabulary(500)
	vectors := newTopics(384, 24)
	large, small := fill(t, db.Super(t), v, 400), fill(t, db.Super(t), v, 120)
	for _, tenant := range []domain.ID{large, small, fill(t, db.Super(t), v, 300)} {
		vectors.embed(t, db.Super(t), tenant, true)
	}
	hasty, err := postgres.Open(t.Context(), postgres.Config{URL: db.URL, AllowPrivileged: true, Configure: func(c *pgx.ConnConfig) {
		c.RuntimeParams["hnsw.max_scan_tuples"] = "200"
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer hasty.Close()
	// Some came so late that the index does not have them yet.
	db.Exec(t, "update chunk_embeddings set near = false where get_byte(uuid_send(chunk_id), 15) % 5 = 0")
	for name, tenant := range map[string]domain.ID{"large": large, "small": small} {
		if recall := recallOfIndex(t, hasty, tenant, vectors, 20); recall < 0.98 {
			t.Errorf("%s: recall %.3f", name, recall)
		}
	}
}

// recallOfIndex is the share of what comparing all vectors lists that the index lists too.
func recallOfIndex(t *testing.T, db *postgres.DB, tenant domain.ID, vectors *topics, questions int) float64 {
	t.Helper()
	found, wanted := 0, 0
	for range questions {
		search := searchBy(&dbtest.Database{DB: db}, always("topics", vectors.pick()))
		exact, err := search.Retrieve(t.Context(), tenant, retrieve.Query{Text: "qqq"})
		if err != nil {
			t.Fatal(err)
		}
		restore := retrieve.SetExactTo(50)
		near, err := search.Retrieve(t.Context(), tenant, retrieve.Query{Text: "qqq"})
		restore()
		if err != nil {
			t.Fatal(err)
		}
		if exact.Vectors != retrieve.VectorsExact || near.Vectors != retrieve.VectorsHNSW {
			t.Fatalf("searched %s and %s", exact.Vectors, near.Vectors)
		}
		if exact.ByVector.Found != 100 || near.ByVector.Found != 100 {
			t.Fatalf("%d rows exactly, %d by the index", exact.ByVector.Found, near.ByVector.Found)
		}
		for _, p := range exact.Passages {
			wanted++
			if slices.ContainsFunc(near.Passages, func(n retrieve.Passage) bool { return n.ChunkID == p.ChunkID }) {
				found++
			}
		}
	}
	return float64(found) / float64(wanted)
}

// TestDimensions searches vectors of the largest model, and of one with no index for just its dimensions.
func TestDimensions(t *testing.T) {
	db := dbtest.New(t)
	v := newVocabulary(500)
	tenant := fill(t, db.Super(t), v, 150)
	for _, dimensions := range []int{postgres.MaxVectorDims, 100} {
		vectors := newTopics(dimensions, 12)
		db.Exec(t, "delete from chunk_embeddings")
		vectors.embed(t, db.Super(t), tenant, true)
		if recall := recallOfIndex(t, db.DB, tenant, vectors, 5); recall < 0.98 {
			t.Errorf("%d dimensions: recall %.3f", dimensions, recall)
		}
	}
	r, err := searchBy(db, always("topics", newTopics(postgres.MaxVectorDims+1, 1).pick())).Retrieve(t.Context(), tenant, retrieve.Query{Text: v.words[0]})
	if err != nil || r.Vectors != retrieve.VectorsOff || r.ByWords.Found == 0 {
		t.Errorf("a question of too many dimensions: %s, %d found by words, %v", r.Vectors, r.ByWords.Found, err)
	}
}

// TestFewVectorsInTheIndex leaves a tenant with less than a page of vectors among others: all of them must come.
func TestFewVectorsInTheIndex(t *testing.T) {
	db := dbtest.New(t)
	v := newVocabulary(500)
	vectors := newTopics(384, 8)
	few, many := fill(t, db.Super(t), v, 30), fill(t, db.Super(t), v, 200)
	vectors.embed(t, db.Super(t), few, true)
	vectors.embed(t, db.Super(t), many, true)
	defer retrieve.SetExactTo(10)()
	r, err := searchBy(db, always("topics", vectors.pick())).Retrieve(t.Context(), few, retrieve.Query{Text: "qqq"})
	if err != nil {
		t.Fatal(err)
	}
	if r.ByVector.Found != 30 || r.Vectors != retrieve.VectorsExact {
		t.Errorf("%d of 30 vectors, %s", r.ByVector.Found, r.Vectors)
	}
}

// TestSettingsOfTheIndex: pgvector only warns of a value that it does not know, and falls back to stopping early.
func TestSettingsOfTheIndex(t *testing.T) {
	db := dbtest.New(t)
	var scan, sort string
	err := db.InTenant(t.Context(), domain.NewID(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), retrieve.HNSWSettings); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), "show hnsw.iterative_scan").Scan(&scan); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), "show enable_sort").Scan(&sort)
	})
	if err != nil || scan != "relaxed_order" || sort != "off" {
		t.Errorf("iterative_scan %q, enable_sort %q: %v", scan, sort, err)
	}
}

// topics makes unit vectors that lie around a few directions, as those of a real model do.
type topics struct {
	random  *rand.Rand
	centres [][]float64
}

func newTopics(dimensions, n int) *topics {
	v := &topics{random: rand.New(rand.NewPCG(3, 4))}
	for range n {
		centre := make([]float64, dimensions)
		for d := range centre {
			centre[d] = v.random.NormFloat64()
		}
		v.centres = append(v.centres, centre)
	}
	return v
}

func (v *topics) pick() []float32 {
	a, b := v.centres[v.random.IntN(len(v.centres))], v.centres[v.random.IntN(len(v.centres))]
	mix := v.random.Float64()
	vector := make([]float32, len(a))
	for d := range vector {
		vector[d] = float32(mix*a[d] + (1-mix)*b[d] + v.random.NormFloat64()*0.7)
	}
	return unit(vector)
}

// like is the vector of a question about what a vector stands for.
func (v *topics) like(vector []float32) []float32 {
	vector = slices.Clone(vector)
	noise := 0.7 / math.Sqrt(float64(len(vector)))
	for d := range vector {
		vector[d] += float32(v.random.NormFloat64() * noise)
	}
	return unit(vector)
}

func unit(vector []float32) []float32 {
	var squares float64
	for _, x := range vector {
		squares += float64(x) * float64(x)
	}
	for d := range vector {
		vector[d] /= float32(math.Sqrt(squares))
	}
	return vector
}

// embed gives each of the tenant's chunks a vector of model "topics"; near: in an approximate index of its own.
func (v *topics) embed(t testing.TB, conn *pgx.Conn, tenant domain.ID, near bool) {
	t.Helper()
	rows, _ := conn.Query(t.Context(), "select id from chunks where tenant_id = $1", tenant)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("update documents set embedding_model = 'topics' where tenant_id = $1", tenant)
	exec("alter table chunk_embeddings disable trigger near_comes") // one by one, vectors join an index slowly
	for some := range slices.Chunk(ids, 2000) {
		texts := make([]string, len(some))
		for i := range texts {
			texts[i] = postgres.VectorText(v.pick())
		}
		exec(`insert into chunk_embeddings (tenant_id, chunk_id, model, embedding, near)
			select $1, e.id, 'topics', e.v::halfvec, $4 from unnest($2::uuid[], $3::text[]) e (id, v)`, tenant, some, texts, near)
	}
	exec("alter table chunk_embeddings enable trigger near_comes")
	if near {
		v.index(t, conn, exec, tenant)
	}
}

// index copies the vectors to where the trigger would have.
func (v *topics) index(t testing.TB, conn *pgx.Conn, exec func(string, ...any), tenant domain.ID) {
	t.Helper()
	var table, definition string
	err := conn.QueryRow(t.Context(), "select t, pg_get_indexdef((t || '_hnsw')::regclass) from search.make_near($1, 'topics', $2) t",
		tenant, postgres.VectorSize(len(v.centres[0]))).Scan(&table, &definition)
	if err != nil {
		t.Fatal(err)
	}
	exec("drop index " + table + "_hnsw")
	exec("insert into "+table+" select tenant_id, chunk_id, embedding from chunk_embeddings where tenant_id = $1 and model = 'topics'", tenant)
	exec(definition)
}
