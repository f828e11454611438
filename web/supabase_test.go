package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/backup"
	"bitb/domain/dbtest"
	"bitb/domain/originals/originalstest"
	"bitb/domain/postgres"
)

// Supabase's database: whoever owns it is no superuser, extensions are in a schema of their own, and the server reaches it through a
// pooler in transaction mode. Everything works as elsewhere, a killed process's jobs included.
func TestOnSupabase(t *testing.T) {
	db, storage := newSupabase(t), originalstest.New(t)
	if _, err := command(t, map[string]string{"BITB_MIGRATE_DATABASE_URL": db.owner}, "migrate"); err != nil { // nobody has a password yet
		t.Fatal(err)
	}
	if n := db.inside.Count(t, fmt.Sprintf("select count(*) from information_schema.role_table_grants where grantee = '%s'", db.anon)); n != 0 {
		t.Errorf("the browser's role got %d rights on tables", n)
	}
	db.settingsOfApp(t)
	settings := map[string]string{"SUPABASE_URL": storage.URL, "SUPABASE_SERVICE_ROLE_KEY": storage.Key, "BITB_MIGRATE_DATABASE_URL": db.owner, "DATABASE_URL": pooler(t, db.direct),
		"BITB_DATABASE_POOLED": "true", "REDIS_URL": dbtest.RedisURL(t)}
	db.commandsBeside(t, settings)
	server := boot(t, "serve", settings)
	c := signUp(t, server.url)
	uploadText(t, c, server.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.inside.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	if n := len(storage.Names()); n != 1 {
		t.Errorf("%d originals are in the storage", n)
	}
	for _, path := range []string{"/", "/documents", "/settings", "/widget.js", "/sign-in"} {
		r, err := c.Get(server.url + path)
		if err != nil {
			t.Fatal(err)
		}
		page, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if said := string(page) + fmt.Sprint(r.Header); strings.Contains(said, storage.Key) || strings.Contains(said, storage.URL) {
			t.Errorf("%s tells the browser of the storage", path)
		}
	}
	var asking sync.WaitGroup
	for range 12 { // over the four connections that the pooler has
		asking.Go(func() {
			if answer := ask(t, c, server.url); !strings.Contains(answer, "19 euros a day") {
				t.Errorf("answered %s", answer)
			}
		})
	}
	asking.Wait()
	if n := db.inside.Count(t, `select count(*) from pg_locks l join pg_database d on d.oid = l.database
		where l.locktype = 'advisory' and d.datname = current_database()`); n == 0 {
		t.Error("the process does not show that it lives")
	}
}

// supabase is a database that is set up as theirs.
type supabase struct {
	*dbtest.Database                  // another one of the same server
	inside           *dbtest.Database // as a superuser
	app              string           // the role that stands in for bitb_app
	anon             string           // the role of a browser that comes by PostgREST
	owner, direct    string           // as its owner; as app
}

func newSupabase(t *testing.T) *supabase {
	t.Helper()
	s := &supabase{Database: dbtest.New(t)}
	name := "bitb_test_" + strings.ReplaceAll(domain.NewID().String(), "-", "")
	owner, password := name+"_owner", domain.NewID().String()
	s.app, s.anon = name+"_app", name+"_anon"
	s.Exec(t, "create role "+s.anon)
	s.Exec(t, fmt.Sprintf("create role %s login createrole createdb bypassrls password '%s'", owner, password))
	s.Exec(t, fmt.Sprintf("create role %s login password '%s' in role bitb_app", s.app, password))
	s.Exec(t, fmt.Sprintf("create database %s owner %s template template0", name, owner))
	t.Cleanup(func() {
		s.Exec(t, "drop database "+name+" with (force)")
		s.Exec(t, "drop role "+owner)
		s.Exec(t, "drop role "+s.anon)
		s.Exec(t, "drop role "+s.app)
	})
	s.inside = &dbtest.Database{OwnerURL: addressOf(t, s.OwnerURL, name, nil)}
	for _, sql := range []string{"create schema extensions", "create extension vector with schema extensions", "grant usage on schema extensions to public",
		"grant usage on schema public to " + s.anon, fmt.Sprintf("alter default privileges for role %s in schema public grant all on tables to %s", owner, s.anon)} {
		s.inside.Exec(t, sql)
	}
	s.owner = addressOf(t, s.OwnerURL, name, url.UserPassword(owner, password))
	s.direct = addressOf(t, s.OwnerURL, name, url.UserPassword(s.app, password))
	return s
}

// settingsOfApp gives the role that stands in for bitb_app, whose password is not known here, what the migration gave bitb_app.
func (s *supabase) settingsOfApp(t *testing.T) {
	t.Helper()
	s.inside.Exec(t, fmt.Sprintf(`
		do $$
		declare setting text;
		begin
		  for setting in select unnest(setconfig) from pg_db_role_setting
		    where setrole = 'bitb_app'::regrole and setdatabase = (select oid from pg_database where datname = current_database())
		  loop
		    execute format('alter role %s in database %%I set %%s = %%s', current_database(), split_part(setting, '=', 1),
		      case when setting like 'search_path=%%' then split_part(setting, '=', 2) else quote_literal(split_part(setting, '=', 2)) end);
		  end loop;
		end $$`, s.app))
}

// commandsBeside go through the pooler too.
func (s *supabase) commandsBeside(t *testing.T, settings map[string]string) {
	t.Helper()
	aKey, _, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	with := maps.Clone(settings)
	maps.Copy(with, map[string]string{"REDIS_URL": "", "BITB_BACKUP_TO": t.TempDir(), "BITB_BACKUP_KEYS": aKey})
	for _, args := range [][]string{{"staff", "add", "ada@support.example"}, {"staff", "list"}, {"invite", "Harbour Loop Bikes"}, {"keys", "list"}, {"backup", "dump"}, {"drill"}} {
		if out, err := command(t, with, args...); err != nil || out == "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	if n := s.inside.Count(t, "select count(*) from meta.backups where ok"); n != 1 {
		t.Errorf("%d backups are noted", n)
	}
}

func addressOf(t *testing.T, address, database string, who *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	if who != nil {
		u.User = who
	}
	return u.String()
}

// pooler starts a PgBouncer of three connections in front of a database, and returns its address.
func pooler(t *testing.T, address string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Fatalf("PgBouncer is missing: run deploy/local/services.sh install tests: %v", err)
	}
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := to.User.Password()
	listen := freeAddress(t)
	port := listen[strings.LastIndex(listen, ":")+1:]
	dir := t.TempDir()
	config := fmt.Sprintf(`[databases]
%[1]s = host=%[2]s port=%[3]s dbname=%[1]s user=%[4]s password=%[5]s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[6]s
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
unix_socket_dir =
`, strings.TrimPrefix(to.Path, "/"), to.Hostname(), to.Port(), to.User.Username(), password, port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-q", file)
	asNobody(t, cmd, dir, file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	to.Host, to.User = listen, url.User(to.User.Username())
	through := to.String()
	dbtest.Eventually(t, 10*time.Second, "the pooler", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		db, err := postgres.Open(ctx, postgres.Config{URL: through, Pooled: true, MaxConns: 1})
		if err == nil {
			db.Close()
		}
		return err == nil
	})
	return through
}

// asNobody has a program run without rights where this one is root, as which PgBouncer does not start.
func asNobody(t *testing.T, cmd *exec.Cmd, own ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	for _, path := range own {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			_ = os.Chmod(dir, 0o755)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
