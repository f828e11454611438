package postgres_test

import (
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"bitb"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
)

// with are the product's migrations and one more.
func with(t *testing.T, sql string) fstest.MapFS {
	t.Helper()
	ours, err := fs.Glob(bitb.Migrations, "migrations/*.sql")
	if err != nil || len(ours) == 0 {
		t.Fatalf("%d migrations: %v", len(ours), err)
	}
	files := fstest.MapFS{"99999_next.sql": {Data: []byte("-- +goose Up\n" + sql + "\n-- +goose Down\nselect 1;\n")}}
	for _, name := range ours {
		content, err := fs.ReadFile(bitb.Migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(name, "migrations/")] = &fstest.MapFile{Data: content}
	}
	return files
}

const applied = "select count(*) from meta.goose_db_version where version_id = 99999"

// Of migrators at once one works, and the others find nothing to do: the migration below cannot be run twice.
func TestMigratorsAtOnce(t *testing.T) {
	db := dbtest.New(t)
	files := with(t, "create table meta.once (n int); select pg_sleep(0.2); insert into meta.once values (1);")
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if err := postgres.Migrate(t.Context(), db.OwnerURL, files); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if rows, times := db.Count(t, "select count(*) from meta.once"), db.Count(t, applied); rows != 1 || times != 1 {
		t.Errorf("%d rows and %d applications", rows, times)
	}
}

// A migration that fails halfway leaves the schema as it was, and the server that is running does not notice.
func TestMigrationFailsHalfway(t *testing.T) {
	db := dbtest.New(t)
	err := postgres.Migrate(t.Context(), db.OwnerURL, with(t, "alter table tenants add column halfway text; select 1/0;"))
	if err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Fatalf("migrated: %v", err)
	}
	if n := db.Count(t, "select count(*) from information_schema.columns where column_name = 'halfway'"); n != 0 {
		t.Error("half of it is there")
	}
	if err := postgres.Migrate(t.Context(), db.OwnerURL, with(t, "alter table tenants add column halfway text;")); err != nil {
		t.Errorf("the corrected one: %v", err)
	}
}

// A migration that cannot get its lock gives up before those who queue behind it notice.
func TestMigrationDoesNotWaitForLocks(t *testing.T) {
	db := dbtest.New(t)
	tx, err := db.Super(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "lock table tenants in row exclusive mode"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		ended <- postgres.Migrate(t.Context(), db.OwnerURL, with(t, "alter table tenants add column more text;"))
	}()
	dbtest.Eventually(t, 5*time.Second, "the migration to wait", func() bool {
		return db.Count(t, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") > 0
	})
	if n := db.Count(t, "select count(*) from tenants"); n != 0 { // waits behind it, and is let go on
		t.Errorf("%d tenants", n)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "lock timeout") || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
