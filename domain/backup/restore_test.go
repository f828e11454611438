package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"bitb"
	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
)

// Tests of this package share one cluster, which the first that needs it makes: migrated, with a tenant's rows.
var shared struct {
	sync.Once
	*cluster
	err error
}

const sourceDatabase = "bitb"

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// source is a running cluster with the product's schema in it.
func source(t *testing.T) *cluster {
	t.Helper()
	major := serverMajor(t)
	shared.Do(func() { shared.err = makeSource(major) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// serverMajor is the newest PostgreSQL whose server is installed here with pgvector.
func serverMajor(t *testing.T) (newest int) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, path := range found {
		major, _ := strconv.Atoi(strings.Split(path, "/")[4])
		if exists(fmt.Sprintf("/usr/share/postgresql/%d/extension/vector.control", major)) {
			newest = max(newest, major)
		}
	}
	if newest == 0 {
		t.Skip("no PostgreSQL server with pgvector is installed on this machine")
	}
	return newest
}

func makeSource(major int) error {
	ctx := context.Background()
	c, err := newCluster(major)
	if err != nil {
		return err
	}
	shared.cluster = c
	if err := c.init(ctx); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := execute(ctx, c.url(c.super, "postgres"), "create database "+sourceDatabase); err != nil {
		return err
	}
	files, err := fs.Sub(bitb.Migrations, "migrations")
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, c.url(c.super, sourceDatabase), files); err != nil {
		return err
	}
	return execute(ctx, c.url(c.super, sourceDatabase), fill)
}

// fill makes three tenants with rows in tables of several kinds: bytes, arrays, vectors.
const fill = `
insert into tenants (id, name) select md5(n::text)::uuid, 'T' || n from generate_series(1, 3) n;
insert into corpora (tenant_id) select id from tenants;
insert into documents (tenant_id, id, name, format, size_bytes, sha256) select id, md5(id || d::text)::uuid, 'Ünïcode ' || d, 'text', 1, md5(d::text)::bytea from tenants, generate_series(1, 20) d;
insert into document_files (tenant_id, document_id, content) select tenant_id, id, sha256(id::text::bytea) from documents;
insert into chunks (tenant_id, id, document_id, ordinal, text, tokens, start_offset, end_offset) select tenant_id, md5(id || 'c')::uuid, id, 1, repeat('words ', 50), 1, 0, 1 from documents;
insert into chunk_embeddings (tenant_id, chunk_id, model, embedding) select tenant_id, id, 'm', '[1,0.5]' from chunks;
insert into search.lexemes (tenant_id, chunk_id, terms, weights) select tenant_id, id, '{1,2}', '{1:1,2:0.5}/1000000000' from chunks;
`

func execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func mustExec(t *testing.T, url, sql string) {
	t.Helper()
	if err := execute(t.Context(), url, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// everything is each of the product's tables with its rows in one hash.
func everything(t *testing.T, url string) map[string]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), ownTables+" and n.nspname <> 'meta' order by 1")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 20 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	all := map[string]string{}
	for _, table := range tables {
		var n int
		var sum string
		err := conn.QueryRow(t.Context(), "select count(*), coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from "+table+" t").Scan(&n, &sum)
		if err != nil {
			t.Fatal(err)
		}
		all[table] = fmt.Sprintf("%d rows %s", n, sum)
	}
	return all
}

// began starts a restored data directory and stops it when the test ends.
func began(t *testing.T, s *Service, m Manifest, to time.Time) *cluster {
	t.Helper()
	c, err := newCluster(m.Major)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.remove(); err != nil {
			t.Error(err)
		}
	})
	c.super = m.Superuser
	if _, err := s.RestoreBase(t.Context(), m, to, c.data()); err != nil {
		t.Fatal(err)
	}
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// brokenStore takes nothing.
type brokenStore struct{ store }

func (brokenStore) Put(context.Context, string, io.Reader, int64) error {
	return errors.New("the store is away")
}

// A base and the log since bring back what was there at a moment, and at the end. A store that was away for a time, and an
// archiver that died without a word, cost nothing of it.
func TestBaseAndLog(t *testing.T) {
	c := source(t)
	db := ownDatabase(t, c, "log")
	place, bucket := bucket(t)
	secret, _ := newKey(t)
	s, err := NewService(Config{Place: place, S3: bucket, Keys: secret, SourceURL: always(db)})
	if err != nil {
		t.Fatal(err)
	}
	s.partAfter = 20 * time.Millisecond
	m, err := s.Take(t.Context(), Base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), db, "select pg_drop_replication_slot('"+slot+"')"); err != nil {
			t.Error(err)
		}
	})
	broken := *s
	broken.store = brokenStore{s.store}
	mustExec(t, db, "update documents set name = 'after the base'; insert into tenants (id, name) values (md5('new')::uuid, 'New')")
	if err := broken.stream(t.Context()); err == nil || !strings.Contains(err.Error(), "away") {
		t.Fatalf("the archiver ended with %v", err)
	}
	stop := streaming(t, s)
	mustExec(t, db, "select pg_switch_wal(); delete from documents where name = 'x'")
	before := everything(t, db)
	moment := one[time.Time](t, db, "select clock_timestamp()")
	mustExec(t, db, "create table kept as table citations; drop table citations cascade")
	end := one[string](t, db, "select pg_current_wal_flush_lsn()::text")
	dbtest.Eventually(t, 10*time.Second, "the log to be stored", func() bool {
		return one[bool](t, db, "select restart_lsn >= '"+end+"' from pg_replication_slots where slot_name = '"+slot+"'")
	})
	stop()

	second := began(t, s, m, moment)
	if diff := cmp.Diff(before, everything(t, second.url(m.Superuser, "log"))); diff != "" {
		t.Errorf("a moment before the table was dropped (-was +restored):\n%s", diff)
	}
	last := began(t, s, m, time.Time{})
	if !one[bool](t, last.url(m.Superuser, "log"), "select to_regclass('citations') is null and to_regclass('kept') is not null") {
		t.Error("the end of the log is not reached")
	}
	s.cutLog(t, m)
}

// cutLog damages the archive in turn: then nothing is restored, or the hole is named.
func (s *Service) cutLog(t *testing.T, m Manifest) {
	t.Helper()
	files, err := s.walSince(t.Context(), m)
	if err != nil || len(files) < 3 {
		t.Fatalf("the archive has %v, %v", files, err)
	}
	if err := s.store.Delete(t.Context(), files[1].Name); err != nil {
		t.Fatal(err)
	}
	reaches, err := s.Reaches(t.Context())
	if err != nil || len(reaches) != 1 || reaches[0].Gap != files[1].file {
		t.Errorf("a missing segment is not named: %+v, %v", reaches, err)
	}
	if err := s.store.Put(t.Context(), files[2].Name, strings.NewReader("damaged"), 7); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := s.RestoreBase(t.Context(), m, time.Time{}, dir); err == nil || exists(dir) {
		t.Errorf("restored with a damaged segment: %v", err)
	}
}

// streaming archives until the returned function is called.
func streaming(t *testing.T, s *Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Stream(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// A dump brings back every row into a database that has nothing, and goes into no other. It needs a role that sees all rows.
func TestDump(t *testing.T) {
	c := source(t)
	secret, _ := newKey(t)
	s := newService(t, secret)
	s.SourceURL = always(c.url("bitb_app", sourceDatabase))
	if _, err := s.Take(t.Context(), Dump); err == nil || !strings.Contains(err.Error(), "sees no tenant's rows") {
		t.Errorf("dumped as the role of the server: %v", err)
	}
	s.SourceURL = always(c.url(c.super, sourceDatabase))
	m, err := s.Take(t.Context(), Dump)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RestoreDump(t.Context(), m, s.SourceURL()); err == nil || !strings.Contains(err.Error(), "nothing is restored over") {
		t.Errorf("restored over what is there: %v", err)
	}
	mustExec(t, s.SourceURL(), "create database restored")
	restored := c.url(c.super, "restored")
	if err := s.RestoreDump(t.Context(), m, restored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(t, s.SourceURL()), everything(t, restored)); diff != "" {
		t.Errorf("-was +restored:\n%s", diff)
	}
	config, err := pgx.ParseConfig(restored)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := postgres.Lint(t.Context(), config); err != nil || len(found) > 0 {
		t.Errorf("rules of isolation: %v, %v", found, err)
	}
}

// A drill restores, checks and notes; what it finds wrong makes it fail. It leaves nothing behind.
func TestDrill(t *testing.T) {
	c := source(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: c.url("bitb_app", sourceDatabase), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := c.create(t.Context(), "postgres"); err != nil {
		t.Errorf("for a backup of a database of that name, as services have it: %v", err)
	}
	secret, _ := newKey(t)
	s := newService(t, secret)
	s.SourceURL, s.Notes = always(c.url(c.super, sourceDatabase)), func(context.Context) *postgres.DB { return db }
	if st, err := Last(t.Context(), db); err != nil || st != (Status{}) {
		t.Errorf("before anything: %+v, %v", st, err)
	}
	// What is set in the cluster itself goes before every file.
	mustExec(t, s.SourceURL(), "alter system set archive_mode = on")
	mustExec(t, s.SourceURL(), "alter system set archive_command = 'false'")
	t.Cleanup(func() {
		if err := execute(context.Background(), s.SourceURL(), "alter system reset all"); err != nil {
			t.Error(err)
		}
	})
	mustExec(t, s.SourceURL(), "alter role bitb_app nologin") // another one logs in for it; who is in stays in
	defer mustExec(t, s.SourceURL(), "alter role bitb_app login")
	m, err := s.Take(t.Context(), Base)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BITB_CANARY", "a key of this process")
	var dir string
	d, err := s.Drill(t.Context(), Trial{Smoke: func(ctx context.Context, url string) error {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return err
		}
		dir = config.Host
		if mode := one[string](t, url, "show archive_mode"); mode != "off" {
			t.Errorf("the copy archives: %s", mode)
		}
		super := strings.Replace(url, "user=bitb_app", "user="+m.Superuser, 1)
		if environment := environmentOf(t, super); !strings.Contains(environment, "PATH=") || strings.Contains(environment, "BITB_CANARY") {
			t.Errorf("what runs in the copy has the environment %s", environment)
		}
		// A container's /dev/shm is too small for an index that is made in parallel.
		return execute(ctx, url, "select count(*) from documents; select 1 / (current_setting('dynamic_shared_memory_type') = 'mmap')::int")
	}})
	if err != nil || !d.OK || d.Rows["public.documents"] != 60 || d.RTO <= 0 || d.RPO > time.Minute {
		t.Errorf("the drill: %+v, %v", d, err)
	}
	if dir == "" || exists(dir) {
		t.Errorf("the cluster at %q is still there", dir)
	}
	st, err := Last(t.Context(), db)
	if err != nil || st.Backup == nil || st.Backup.Bytes != m.Bytes || st.Drill == nil || st.Drill.RTO.Round(time.Millisecond) != d.RTO.Round(time.Millisecond) || st.WAL != nil {
		t.Errorf("noted %+v, %v", st, err)
	}
	failed, err := s.Drill(t.Context(), Trial{ID: domain.NewID().String()})
	if err == nil || failed.OK || len(failed.Findings) == 0 {
		t.Errorf("a drill of a backup that there is not: %+v, %v", failed, err)
	}
	if after, err := Last(t.Context(), db); err != nil || !after.Drill.FinishedAt.Equal(st.Drill.FinishedAt) {
		t.Errorf("a failed drill counts as good: %+v, %v", after, err)
	}
}

// environmentOf is that of the server at an address, as what runs in it has it.
func environmentOf(t *testing.T, url string) string {
	t.Helper()
	mustExec(t, url, "create table environment (variable text); copy environment from program 'env'")
	return one[string](t, url, "select string_agg(variable, e'\\n') from environment")
}

func TestCompareRows(t *testing.T) {
	count := func(n int64) map[string]int64 { return map[string]int64{"t": n} }
	for _, c := range []struct {
		then, restored, now int64
		fine                bool
	}{{5, 5, 5, true}, {5, 6, 7, true}, {7, 6, 5, true}, {5, 4, 5, false}, {5, 6, 5, false}, {0, 0, 9, true}, {1, 0, 1, false}, {1000, 1008, 1000, true}, {1000, 900, 1000, false}} {
		if wrong := compareRows(count(c.then), count(c.restored), count(c.now)); (len(wrong) == 0) != c.fine {
			t.Errorf("%+v: %v", c, wrong)
		}
	}
	if wrong := compareRows(count(1), map[string]int64{}, count(1)); len(wrong) != 1 {
		t.Errorf("a missing table: %v", wrong)
	}
	if wrong := compareRows(count(10), count(0), nil); len(wrong) != 1 {
		t.Errorf("an empty table, and no database to compare with: %v", wrong)
	}
}

// ownDatabase is a copy of the source for a test that changes it.
func ownDatabase(t *testing.T, c *cluster, name string) string {
	t.Helper()
	mustExec(t, c.url(c.super, "postgres"), "create database "+name+" template "+sourceDatabase)
	return c.url(c.super, name)
}

func one[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}
