package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
	"bitb/domain/tenant"
)

// The tables of the approximate indexes are made as they are needed, so no fixture knows them.

// nearTables are those that are there, by tenant.
func nearTables(t *testing.T, db *dbtest.Database) map[domain.ID][]string {
	t.Helper()
	rows, err := db.Super(t).Query(t.Context(), `select (regexp_match(relname, 'near_([^_]+)'))[1]::uuid, 'search.' || relname from pg_class
		where relnamespace = 'search'::regnamespace and relkind = 'r' and starts_with(relname, 'near_') order by relname`)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[domain.ID][]string{}
	var id domain.ID
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { tables[id] = append(tables[id], name); return nil }); err != nil {
		t.Fatal(err)
	}
	return tables
}

// nearTenants are two with a vector each in an index of their own.
func nearTenants(t *testing.T, db *dbtest.Database) (a, b domain.ID) {
	t.Helper()
	a, b = seed(t, db)
	db.Exec(t, "update chunk_embeddings set near = true")
	if tables := nearTables(t, db); len(tables[a]) != 1 || len(tables[b]) != 1 || len(tables) != 2 {
		t.Fatalf("tables %v", tables)
	}
	return a, b
}

// Each is the tenant's alone, by name too, and nobody but the triggers writes to it.
func TestNearIsolated(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, b := nearTenants(t, db)
	tables := nearTables(t, db)
	config, err := pgx.ParseConfig(db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := postgres.Lint(t.Context(), config); err != nil || len(found) > 0 {
		t.Errorf("the lint finds %v, %v", found, err)
	}
	count := func(as, of domain.ID) (n int) {
		err := db.InTenant(t.Context(), as, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select count(*) from "+tables[of][0]).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if mine, other, none := count(a, a), count(a, b), count(domain.NewID(), b); mine != 1 || other != 0 || none != 0 {
		t.Errorf("%d rows of its own, %d of another tenant, %d for a third", mine, other, none)
	}
	for name, door := range map[string]func(context.Context, domain.ID, func(pgx.Tx) error) error{"app": db.InTenant, "support": db.AsSupport} {
		var nearest int
		var own bool
		err := door(t.Context(), a, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select count(*), coalesce(bool_and(chunk_id = md5($1 || 'chunks')::uuid), false) from search.nearest('m', '[1,0]', 10)",
				a.String()).Scan(&nearest, &own)
		})
		if err != nil || nearest != 1 || !own {
			t.Errorf("%s: %d nearest, its own: %t, %v", name, nearest, own, err)
		}
	}
	for _, sql := range []string{
		"delete from " + tables[a][0], "update " + tables[a][0] + " set chunk_id = chunk_id", "drop table " + tables[b][0],
		fmt.Sprintf("insert into %s values ('%s', '%s', '[1,0]')", tables[a][0], a, a),
		fmt.Sprintf("select search.make_near('%s', 'm', 3)", b),
	} {
		if err := db.InTenant(t.Context(), a, func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), sql); return err }); err == nil {
			t.Errorf("allowed: %s", sql)
		}
	}
	// The control: it is the policy that keeps them apart.
	db.Exec(t, "alter table "+tables[b][0]+" disable row level security")
	if n := count(a, b); n != 1 {
		t.Errorf("without the policy %d rows of another tenant: the test sees nothing", n)
	}
}

// What is near in chunk_embeddings is in the index, and nothing else is, whatever is done to it and whoever does it.
func TestNearFollows(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	tenantID := db.Tenant(t)
	_, chunks := db.Document(t, tenantID, "a.txt", "one", "two", "three", "four")
	other := db.Tenant(t)
	db.Document(t, other, "a.txt", "one")
	db.Exec(t, "update chunk_embeddings set model = 'm', embedding = '[1,0]'")
	for _, sql := range []string{
		"update chunk_embeddings set near = true",
		"update chunk_embeddings set near = false where chunk_id = $1",
		"update chunk_embeddings set near = true, embedding = '[1,2,3]' where chunk_id = $1",
		"update chunk_embeddings set embedding = '[0,1]' where chunk_id = $1",
		`update chunk_embeddings set model = 'Another, with "more" in its name — ' || repeat('m', 80) where chunk_id = $1`,
		"delete from chunk_embeddings where chunk_id = $1",
		"insert into chunk_embeddings (tenant_id, chunk_id, model, embedding, near) select tenant_id, id, 'm', '[0,1]', true from chunks where id = $1",
		"delete from chunks where id = $1",
		"delete from documents where id in (select document_id from chunks) and tenant_id <> $1",
	} {
		if strings.Contains(sql, "$1") {
			db.Exec(t, sql, chunks[0])
		} else {
			db.Exec(t, sql)
		}
		all := []string{"select null::uuid, null::uuid, null::text, null::text where false"}
		for _, tables := range nearTables(t, db) {
			for _, table := range tables {
				all = append(all, fmt.Sprintf("select tenant_id, chunk_id, embedding::text, '%s' from %[1]s", table))
			}
		}
		const want = "select tenant_id, chunk_id, embedding::text, search.near_table(tenant_id, model, vector_dims(embedding)) from chunk_embeddings where near"
		is := "(" + strings.Join(all, " union all ") + ")"
		if n := db.Count(t, "select count(*) from (("+is+" except "+want+") union all ("+want+" except "+is+")) differ"); n != 0 {
			t.Errorf("%d rows differ after: %s", n, sql)
		}
	}
	if n := db.Count(t, "select count(*) from chunk_embeddings"); n != 0 {
		t.Errorf("%d vectors are left: the last steps showed nothing", n)
	}
}

// A table goes when it is empty and nobody reads it, and with its tenant.
func TestNearGoes(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, b := nearTenants(t, db)
	tidy := func() {
		t.Helper()
		err := db.InTenant(t.Context(), a, func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), "select search.tidy_near()"); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	have := func(want ...domain.ID) {
		t.Helper()
		var ids []domain.ID
		for id := range nearTables(t, db) {
			ids = append(ids, id)
		}
		byText := func(x, y domain.ID) int { return strings.Compare(x.String(), y.String()) }
		slices.SortFunc(ids, byText)
		slices.SortFunc(want, byText)
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("tables wanted (-) and there (+):\n%s", diff)
		}
	}
	tidy()
	have(a, b)
	db.Exec(t, "update chunk_embeddings set near = false")
	err := db.InTenant(t.Context(), a, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select from "+nearTables(t, db)[a][0]); err != nil {
			return err
		}
		tidy()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	have(a, b)
	tidy()
	have(b)
	db.Exec(t, "update chunk_embeddings set near = true")
	have(a, b)
	if err := tenant.NewService(db.DB, nil).Erase(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	have(b)
}

// A vector that joins an index which is made just then, while its tenant is erased, leaves no table behind.
func TestNearMadeWhileErasing(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, _ := seed(t, db)
	erased := make(chan error, 1)
	err := db.InTenant(t.Context(), a, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "update chunk_embeddings set near = true where tenant_id = $1", a); err != nil {
			return err
		}
		go func() { erased <- tenant.NewService(db.DB, nil).Erase(t.Context(), a) }()
		dbtest.Eventually(t, 10*time.Second, "the erasing to meet the vector", func() bool {
			return db.Count(t, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-erased; err != nil {
		t.Fatal(err)
	}
	if tables := nearTables(t, db)[a]; len(tables) > 0 {
		t.Errorf("%v is left", tables)
	}
}
