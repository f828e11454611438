package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bitb"
	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
)

type looking = func(context.Context) Result

// ends holds that a check ends so, and says something.
func ends(t *testing.T, what string, r Result, want Status, says string) {
	t.Helper()
	if r.Status != want || !strings.Contains(r.Found+" "+r.Do, says) {
		t.Errorf("%s: %+v, want %s with %q", what, r, want, says)
	}
	if r.Status == Failed && r.Do == "" {
		t.Errorf("%s: nothing is said of what to do: %s", what, r.Found)
	}
}

// Each check of the database passes on what `bitb migrate` makes, fails for a planted fault, names it, and passes when it is mended.
func TestDatabaseFaults(t *testing.T) {
	db := dbtest.New(t)
	db.PoliciesAlone()
	tenant := db.Tenant(t)
	db.Document(t, tenant, "prices.txt", "A bicycle costs 19 euros a day.")
	files, err := fs.Sub(bitb.Migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	other, role := harmless(t, db)
	behaviour := Behaviour(db.DB, func(context.Context) (domain.ID, error) { return tenant, nil })
	for _, f := range []struct {
		name        string
		check       looking
		plant, mend string
		says        string
	}{
		{"a table without policy", Catalog(db.DB), "alter table chunks no force row level security", "alter table chunks force row level security", "R05 RLS not FORCEd public.chunks"},
		{"a second policy", Catalog(db.DB), "create policy more on bots to bitb_app using (true)", "drop policy more on bots", "R14 always-true policy public.bots.more"},
		{"rows are seen", behaviour, "alter table documents disable row level security", "alter table documents enable row level security", "public.documents without a tenant, public.documents as another tenant"},
		{"a view past the policy", behaviour, "create view peek as select * from documents; grant select on peek to bitb_app", "drop view peek", "public.peek"},
		{"a counted id", IDs(db.DB), "create table notes (tenant_id uuid, id bigint generated always as identity)", "drop table notes", "public.notes.id is bigint"},
		{"a counted column", IDs(db.DB), "create table notes (tenant_id uuid, n serial)", "drop table notes", "public.notes.n is integer"},
		{"a migration is missing", Migrations(db.DB, files), "delete from meta.goose_db_version where version_id = 4", "insert into meta.goose_db_version (version_id, is_applied) values (4, true)", "00004_ingestion"},
		{"a migration of the queue is missing", Migrations(db.DB, files), "update river.river_migration set version = 99 where version = 6", "update river.river_migration set version = 6 where version = 99", "queue: "},
		{"may truncate", Role(other), "grant truncate on messages to session_role", "revoke truncate on messages from session_role", "may truncate public.messages"},
		{"owns a table", Role(other), "create table mine (id uuid); alter table mine owner to session_role", "drop table mine", "owns public.mine"},
		{"may become the owner", Role(other), "grant bitb_owner to session_role", "revoke bitb_owner from session_role", "may become bitb_owner"},
		{"may make tables", Role(other), "grant create on schema search to session_role", "revoke create on schema search from session_role", "may make tables in search"},
	} {
		t.Run(f.name, func(t *testing.T) {
			ends(t, "before", f.check(t.Context()), Passed, "")
			db.Exec(t, asRole(f.plant, role))
			ends(t, "planted", f.check(t.Context()), Failed, f.says)
			db.Exec(t, asRole(f.mend, role))
			ends(t, "mended", f.check(t.Context()), Passed, "")
		})
	}
	t.Run("nobody has signed up", func(t *testing.T) {
		ends(t, "behaviour", Behaviour(db.DB, func(context.Context) (domain.ID, error) { return domain.NewID(), nil })(t.Context()), NotApplicable, "no tenant yet")
	})
	t.Run("a newer version was here", func(t *testing.T) {
		older := fstest.MapFS{"00001_core.sql": {}}
		ends(t, "migrations", Migrations(db.DB, older)(t.Context()), Passed, "of a newer version")
	})
}

// asRole puts in the role that was made for the test.
func asRole(sql, role string) string { return strings.ReplaceAll(sql, "session_role", role) }

// harmless opens the database as a role of its own, which may nothing.
func harmless(t *testing.T, db *dbtest.Database) (opened *postgres.DB, role string) {
	t.Helper()
	role = "bitb_test_" + strings.ReplaceAll(domain.NewID().String(), "-", "")
	db.Exec(t, "create role "+role+" login noinherit password 'only for a test'")
	t.Cleanup(func() {
		db.Exec(t, "drop owned by "+role)
		db.Exec(t, "drop role "+role)
	})
	u, err := url.Parse(db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "only for a test")
	opened, err = postgres.Open(t.Context(), postgres.Config{URL: u.String(), AllowPrivileged: true, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened, role
}

// A superuser is named as one, and so is whoever the rows are open to.
func TestPrivilegedRole(t *testing.T) {
	db := dbtest.New(t)
	super, err := postgres.Open(t.Context(), postgres.Config{URL: db.OwnerURL, AllowPrivileged: true, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close()
	ends(t, "a superuser", Role(super)(t.Context()), Failed, "is a superuser")
}

// The database is away: each check says that it could not look, and what to do.
func TestDatabaseAway(t *testing.T) {
	db := dbtest.New(t)
	db.Close()
	for name, check := range map[string]looking{"catalog": Catalog(db.DB), "ids": IDs(db.DB), "role": Role(db.DB), "version": PostgresVersion(db.DB),
		"clock": Clock(db.DB), "processes": Processes(db.DB, true), "encryption": Encryption(db.DB, true), "migrations": Migrations(db.DB, fstest.MapFS{})} {
		ends(t, name, check(t.Context()), Failed, "")
	}
}

// Processes are seen by the names of their connections, and only those that serve or read.
func TestProcessesAreSeen(t *testing.T) {
	db := dbtest.New(t)
	for _, name := range []string{"bitb serve a:1", "bitb serve+work b:2", "bitb work c:3", "bitb doctor"} {
		other, err := postgres.Open(t.Context(), postgres.Config{URL: db.URL, AllowPrivileged: true, MaxConns: 1, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
	}
	r := Processes(db.DB, false)(t.Context())
	ends(t, "three", r, Passed, "2 processes serve and 2 read documents, on 1 machine")
}

func TestJudgements(t *testing.T) {
	one, two := postgres.Process{Name: "bitb serve+work a:1", Machine: "a"}, postgres.Process{Name: "bitb serve+work b:1", Machine: "b"}
	web := postgres.Process{Name: "bitb serve a:1"}
	for _, c := range []struct {
		name string
		got  Result
		want Status
		says string
	}{
		{"plain to another machine", judgeEncryption(false, false), Failed, "not encrypted"},
		{"plain on this machine", judgeEncryption(false, true), NotApplicable, "stays here"},
		{"encrypted", judgeEncryption(true, false), Passed, "is encrypted"},
		{"one process", judgeProcesses([]postgres.Process{one}, false), Failed, "while it restarts nobody is served"},
		{"one process on a laptop", judgeProcesses([]postgres.Process{one}, true), NotApplicable, "one machine"},
		{"two processes", judgeProcesses([]postgres.Process{one, two}, false), Passed, "on 2 machines"},
		{"nobody reads", judgeProcesses([]postgres.Process{web, web}, true), Failed, "0 read documents"},
		{"nobody serves", judgeProcesses(nil, true), Failed, "0 processes serve"},
		{"an old PostgreSQL", judgePostgres(postgres.Versions{Postgres: "15.13 (Debian)", Number: 150013, Vector: "0.8.2"}), Failed, "PostgreSQL is 15.13."},
		{"a very old one", judgePostgres(postgres.Versions{Postgres: "14.19", Number: 140019, Vector: "0.8.2"}), Failed, "14.19"},
		{"17.5", judgePostgres(postgres.Versions{Postgres: "17.5", Number: 170005, Vector: "0.8.2"}), Failed, "17.5"},
		{"a new one", judgePostgres(postgres.Versions{Postgres: "18.0", Number: 180000, Vector: "0.8.2"}), Passed, "18.0"},
		{"an old pgvector", judgePostgres(postgres.Versions{Postgres: "15.14", Number: 150014, Vector: "0.8.1"}), Failed, "pgvector is 0.8.1."},
		{"a clock that is ahead", judgeSkew("the database", 4*time.Second, 0), Failed, "4s apart"},
		{"a clock that is behind", judgeSkew("the database", -4*time.Second, time.Millisecond), Failed, "4s apart"},
		{"a good clock", judgeSkew("the database", -30*time.Millisecond, 10*time.Millisecond), Passed, "0.04 s"},
		{"a slow network", judgeSkew("the database", 2*time.Second, 3*time.Second), Passed, "5.00 s"},
		{"no room", judgeDisk("/tmp", 400<<20, 100<<30), Failed, "400 MB free"},
		{"a full disk", judgeDisk("/tmp", 4<<30, 100<<30), Failed, "4.0 GB free at /tmp (4 %)"},
		{"room", judgeDisk("/tmp", 40<<30, 100<<30), Passed, "40 %"},
	} {
		ends(t, c.name, c.got, c.want, c.says)
	}
}

func TestQueue(t *testing.T) {
	for _, c := range []struct {
		b    Backlog
		err  error
		want Status
		says string
	}{
		{Backlog{}, nil, Passed, "No document waits"},
		{Backlog{Waiting: 3, Oldest: 20 * time.Second}, nil, Passed, "3 lines wait, the oldest for 20 seconds"},
		{Backlog{Waiting: 1, Oldest: 16 * time.Minute}, nil, Failed, "1 line of documents waits, one for 16 minutes"},
		{Backlog{Lost: 2}, nil, Failed, "2 turns of the queue were given up"},
		{Backlog{}, errors.New("away"), Failed, "away"},
	} {
		ends(t, c.says, Queue(func(context.Context) (Backlog, error) { return c.b, c.err })(t.Context()), c.want, c.says)
	}
}

func TestRecent(t *testing.T) {
	for _, c := range []struct {
		last Last
		err  error
		want Status
		says string
	}{
		{Last{}, nil, Failed, "The last backup was never made"},
		{Last{At: time.Now().Add(-3 * time.Hour), OK: true, Detail: "2 GB"}, nil, Passed, "The last backup is 3 hours old (2 GB)."},
		{Last{At: time.Now().Add(-27 * time.Hour), OK: true}, nil, Failed, "is 27 hours old; 26 hours is the most"},
		{Last{At: time.Now().Add(-time.Hour)}, nil, Failed, "The last backup failed 60 minutes ago"},
		{Last{}, errors.New("no such table"), Failed, "no such table"},
	} {
		ends(t, c.says, Recent("The last backup", 26*time.Hour, "Run `bitb backup`.", func(context.Context) (Last, error) { return c.last, c.err })(t.Context()), c.want, c.says)
	}
}
