// Package dbtest gives a test a database of its own, migrated, and reached as the role that the server logs in as. The
// private services of `make services` serve it, or whatever BITB_TEST_DATABASE_URL and BITB_TEST_REDIS_URL name.
package dbtest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb"
	"bitb/domain"
	"bitb/domain/postgres"
	"bitb/domain/secret"
)

// Database is a scratch database.
type Database struct {
	*postgres.DB
	URL      string // as the server logs in
	OwnerURL string // as a superuser: for looking past row-level security, and for breaking things

	sent *statements
}

// New makes a scratch database from a migrated template and drops it when the test ends.
func New(t testing.TB) *Database {
	t.Helper()
	ctx := context.Background()
	super := setting(t, "BITB_TEST_DATABASE_URL", "BITB_MIGRATE_DATABASE_URL")
	name := "bitb_test_" + strings.ReplaceAll(domain.NewID().String(), "-", "")
	template := templateName(t)
	if err := ensureTemplate(ctx, super, template); err != nil {
		t.Fatalf("make the template database: %v", err)
	}
	admin(t, super, fmt.Sprintf("create database %s template %s strategy file_copy", name, template))
	t.Cleanup(func() { admin(t, super, "drop database if exists "+name+" with (force)") })
	d := &Database{URL: withName(t, appURL(t, super), name), OwnerURL: withName(t, super, name)}
	d.sent = &statements{in: map[*pgx.Conn]door{}}
	t.Cleanup(func() { d.sent.check(t, d.OwnerURL) })
	db, err := postgres.Open(ctx, postgres.Config{URL: d.URL, AllowPrivileged: true, MaxConns: 10,
		Configure: func(c *pgx.ConnConfig) { c.Tracer = d.sent }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	d.DB = db
	return d
}

// PoliciesAlone is for tests of the policies, whose statements name no tenant on purpose.
func (d *Database) PoliciesAlone() *Database {
	d.sent.lock.Lock()
	defer d.sent.lock.Unlock()
	d.sent.off = true
	return d
}

// RedisURL is the address of the test Redis. Tests share it: keys begin with a tenant's id, which is never used twice.
func RedisURL(t testing.TB) string { return setting(t, "BITB_TEST_REDIS_URL", "REDIS_URL") }

// Login is the address with a login of its own, which is bitb_app and no more: what production asks for. With the password it can be
// changed.
func (d *Database) Login(t testing.TB) (address, role, password string) {
	t.Helper()
	id := strings.ReplaceAll(domain.NewID().String(), "-", "")
	role, password = "bitb_login_"+id, "p"+id
	d.Exec(t, fmt.Sprintf("create role %s login password '%s' in role bitb_app", role, password))
	t.Cleanup(func() { admin(t, d.OwnerURL, "drop role if exists "+role) })
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String(), role, password
}

// Sealer seals with a key that this test alone has.
func Sealer(t testing.TB, purpose string) *secret.Sealer {
	t.Helper()
	s, err := secret.NewSealer(purpose, secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// NoCache is a cache that keeps nothing.
type NoCache struct{}

// Get finds nothing.
func (NoCache) Get(context.Context, string) ([]byte, bool) { return nil, false }

// Set does nothing.
func (NoCache) Set(context.Context, string, []byte, time.Duration) {}

// Exec runs SQL as a superuser.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn := connect(t, d.OwnerURL)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Super is a superuser's connection, which sees all rows. It is closed when the test ends.
func (d *Database) Super(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := connect(t, d.OwnerURL)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Count is the number a query returns, over all tenants.
func (d *Database) Count(t testing.TB, sql string, args ...any) int {
	t.Helper()
	conn := connect(t, d.OwnerURL)
	defer conn.Close(context.Background())
	var n int
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func connect(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Eventually waits until ok returns true, and fails the test after limit.
func Eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited %s for %s", limit, what)
		case <-tick.C:
		}
	}
}

// ensureTemplate migrates a database named after the migrations' content once; later runs find it there.
func ensureTemplate(ctx context.Context, super, name string) error {
	conn, err := pgx.Connect(ctx, super)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	// Test packages run side by side: the first one migrates, the others wait.
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtext('bitb test template'))"); err != nil {
		return err
	}
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&there); err != nil || there {
		return err
	}
	scratch := name + "_new"
	for _, sql := range []string{"drop database if exists " + scratch + " with (force)", "create database " + scratch} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	u, err := url.Parse(super)
	if err != nil {
		return err
	}
	u.Path = "/" + scratch
	if err := postgres.Migrate(ctx, u.String(), migrations()); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "alter database "+scratch+" rename to "+name)
	return err
}

func migrations() fs.FS {
	files, err := fs.Sub(bitb.Migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return files
}

// templateName changes with every file that shapes the schema.
var templateName = func() func(testing.TB) string {
	var once sync.Once
	var name string
	return func(t testing.TB) string {
		once.Do(func() {
			h := sha256.New()
			entries, _ := fs.ReadDir(migrations(), ".")
			for _, e := range entries {
				b, _ := fs.ReadFile(migrations(), e.Name())
				h.Write(b)
			}
			for _, f := range []string{"bootstrap.sql", "migrate.go"} {
				b, err := os.ReadFile(filepath.Join(root(), "domain", "postgres", f))
				if err != nil {
					t.Fatal(err)
				}
				h.Write(b)
			}
			name = "bitb_template_" + hex.EncodeToString(h.Sum(nil))[:16]
		})
		return name
	}
}()

// appURL logs in as bitb_app where its password is known, and else as the superuser, which postgres.Open makes bitb_app.
func appURL(t testing.TB, super string) string {
	app := services()["DATABASE_URL"]
	if os.Getenv("BITB_TEST_DATABASE_URL") != "" || app == "" {
		return super
	}
	return app
}

func setting(t testing.TB, name, service string) string {
	t.Helper()
	if v := os.Getenv(name); v != "" {
		return v
	}
	if v := services()[service]; v != "" {
		return v
	}
	t.Fatalf("no %s: run `make services` first, or set %s", service, name)
	return ""
}

// services reads what `make services` wrote down.
var services = sync.OnceValue(func() map[string]string {
	values := map[string]string{}
	f, err := os.Open(filepath.Join(root(), ".local", "services.env"))
	if err != nil {
		return values
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(strings.TrimPrefix(s.Text(), "export "), "="); ok {
			values[k] = strings.Trim(v, `'"`)
		}
	}
	return values
})

func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

func withName(t testing.TB, address, name string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func admin(t testing.TB, super, sql string) {
	t.Helper()
	conn := connect(t, super)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
}
