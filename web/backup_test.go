package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/backup"
	"bitb/domain/dbtest"
)

// command runs the program with settings and returns what it prints.
func command(t *testing.T, settings map[string]string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, func(name string) string { return settings[name] }, &out)
	return out.String(), err
}

// needsPrograms skips a test where PostgreSQL's own programs are not.
func needsPrograms(t *testing.T) {
	t.Helper()
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) == 0 {
		t.Skip("no PostgreSQL server is installed on this machine")
	}
}

// A backup is made and listed, and the drill brings it back and asks the product a question in it.
func TestBackupAndDrill(t *testing.T) {
	needsPrograms(t)
	db := dbtest.New(t)
	tenant := db.Tenant(t)
	db.Document(t, tenant, "Prices", "A day ticket for the ferry costs twelve euros and forty cents.")
	key, err := command(t, nil, "backup", "key")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(key, "\n") != 1 {
		t.Errorf("what can go into a file has more than the key: %q", key)
	}
	settings := map[string]string{
		"DATABASE_URL": db.URL, "BITB_MIGRATE_DATABASE_URL": db.OwnerURL, "REDIS_URL": dbtest.RedisURL(t),
		"BITB_BACKUP_TO": t.TempDir(), "BITB_BACKUP_KEYS": key,
	}
	if out, err := command(t, settings, "backup", "list"); err != nil || !strings.Contains(out, "There is no backup") {
		t.Errorf("listed %q, %v", out, err)
	}
	there := settings["BITB_BACKUP_TO"]
	settings["BITB_BACKUP_TO"] = filepath.Join(there, "typo")
	for _, args := range [][]string{{"backup", "list"}, {"backup", "prune"}, {"restore", "--dump"}, {"restore", "--into", t.TempDir()}, {"drill"}} {
		if out, err := command(t, settings, args...); err == nil || !strings.HasPrefix(err.Error(), "The directory "+settings["BITB_BACKUP_TO"]+" does not exist.") || out != "" {
			t.Errorf("%v where no directory is: %q, %v", args, out, err)
		}
	}
	if _, err := command(t, settings, "backup", "list", "--json"); err == nil || !strings.Contains(err.Error(), string(domain.NotFound)+": The directory") {
		t.Errorf("a program is told %v", err)
	}
	settings["BITB_BACKUP_TO"] = there
	if out, err := command(t, settings, "backup", "dump"); err != nil || !strings.Contains(out, "sealed for age1") {
		t.Fatalf("made %q, %v", out, err)
	}
	if out, err := command(t, settings, "backup", "list"); err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, "dump") {
		t.Errorf("listed %q, %v", out, err)
	}
	if out, err := command(t, settings, "drill"); err != nil || !strings.Contains(out, "drill      passed") {
		t.Errorf("the drill says %q, %v", out, err)
	}
	settings["BITB_BACKUP_KEYS"], err = command(t, nil, "backup", "key")
	if out, wrong := command(t, settings, "drill"); err != nil || !errors.Is(wrong, exitCode(1)) || !strings.Contains(out, "WRONG      this backup was sealed with the key") || strings.Contains(out, "checked") {
		t.Errorf("a drill with another key says %q, %v", out, wrong)
	}
	settings["BITB_BACKUP_KEYS"] = key
	if _, err := command(t, settings, "restore", "--dump"); err == nil || !strings.Contains(err.Error(), "nothing is restored over what is there") {
		t.Errorf("restored over a database that is in use: %v", err)
	}
	if _, err := command(t, settings, "restore", "--into", t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no backup") {
		t.Errorf("restored a base that there is not: %v", err)
	}
	db.Exec(t, "update search.lexemes set terms = '{1}'") // a question finds nothing any more
	db.Exec(t, "delete from chunk_embeddings")
	settings["DATABASE_URL"] = "postgres://bitb_app@nowhere.invalid/bitb" // the copy is tried and no other database
	c, err := loadConfig(func(name string) string { return settings[name] })
	if err != nil {
		t.Fatal(err)
	}
	if err := (backupOptions{config: c}).smokeRestored(t.Context(), db.URL); err == nil || !strings.Contains(err.Error(), "is not found by its own words") {
		t.Errorf("a smoke test whose search finds nothing: %v", err)
	}
}

// What makes backups for long follows its secrets: the password of the database, and the keys that seal.
func TestBackupFollowsItsSecrets(t *testing.T) {
	needsPrograms(t)
	db := dbtest.New(t)
	dir := t.TempDir()
	set := func(name, value string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	source, err := url.Parse(db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	source.User = url.UserPassword(source.User.Username(), "no longer")
	before, _, _ := backup.NewKey()
	after, public, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{"BITB_PRODUCTION": "true", "BITB_BACKUP_TO": t.TempDir(), "BITB_SECRET_REFRESH": "1s",
		"BITB_BACKUP_DATABASE_URL_FILE": set("source", source.String()), "BITB_BACKUP_KEYS_FILE": set("keys", before)}
	b, c := openBackups(t, settings)
	if _, err := b.Take(t.Context(), backup.Dump); err == nil {
		t.Skip("this database asks for no password")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- backupOptions{Service: b, config: c}.goOn(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}()
	set("keys", after)
	set("source", db.OwnerURL)
	dbtest.Eventually(t, 30*time.Second, "a backup with the new secrets", func() bool {
		m, err := b.Take(t.Context(), backup.Dump)
		return err == nil && m.SealedFor == public
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// openBackups is what `bitb backup` begins with.
func openBackups(t *testing.T, settings map[string]string) (*backup.Service, Config) {
	t.Helper()
	c, err := loadBackupConfig(func(name string) string { return settings[name] })
	if err != nil {
		t.Fatal(err)
	}
	b, done, err := newBackups(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return b, c
}

// Backups that began while the database in which they are noted was away are noted when it is back.
func TestBackupsAreNotedLater(t *testing.T) {
	needsPrograms(t)
	db := dbtest.New(t)
	way := newSwitch(t, db.URL)
	way.off.Store(true)
	key, _, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{"DATABASE_URL": way.url, "BITB_BACKUP_DATABASE_URL": db.OwnerURL, "BITB_BACKUP_TO": t.TempDir(), "BITB_BACKUP_KEYS": key}
	b, _ := openBackups(t, settings)
	for noted, off := range []bool{true, false} {
		way.off.Store(off)
		if _, err := b.Take(t.Context(), backup.Dump); err != nil {
			t.Fatal(err)
		}
		if n := db.Count(t, "select count(*) from meta.backups where ok"); n != noted {
			t.Errorf("%d backups are noted, not %d", n, noted)
		}
	}
}

func TestBackupSettings(t *testing.T) {
	aKey, _, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		settings map[string]string
		args     []string
	}{
		"BITB_BACKUP_TO is not set":          {map[string]string{"BITB_BACKUP_KEYS": "x", "DATABASE_URL": "postgres://nowhere.invalid/x"}, []string{"backup", "list"}},
		"`bitb backup key` makes a key":      {map[string]string{"BITB_BACKUP_TO": "x"}, []string{"restore", "--into", "x"}},
		"key 1 is none":                      {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": "secret"}, []string{"backup", "list"}},
		"BITB_BACKUP_KEEP_DAILY must be 1":   {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": "x", "BITB_BACKUP_KEEP_DAILY": "0"}, []string{"drill"}},
		"BITB_BACKUP_S3_ENDPOINT must be":    {map[string]string{"BITB_BACKUP_TO": "s3://b", "BITB_BACKUP_KEYS": aKey, "BITB_BACKUP_S3_ENDPOINT": "ftp://x"}, []string{"backup", "list"}},
		"say where to":                       {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": aKey}, []string{"restore", "--to", "2026-03-01T12:00:00Z"}},
		"is not a time with a zone":          {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": aKey}, []string{"restore", "--into", "x", "--to", "2026-03-01 12:00"}},
		"there is no backup \"incremental\"": {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": aKey}, []string{"backup", "incremental"}},
		"BITB_SECRET_REFRESH must be":        {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": aKey, "BITB_SECRET_REFRESH": "0s"}, []string{"backup", "stream"}},
		"--every needs":                      {map[string]string{"BITB_BACKUP_TO": "x", "BITB_BACKUP_KEYS": aKey}, []string{"backup", "dump", "--every", "1s"}},
	} {
		c.settings["BITB_PRODUCTION"] = "true" // no services of this checkout
		if _, err := command(t, c.settings, c.args...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: %v, want %q", c.args, err, want)
		}
	}
	if entries, _ := os.ReadDir("x"); entries != nil {
		t.Error("something was made")
	}
}

func TestParseMoment(t *testing.T) {
	want := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	for _, s := range []string{"2026-03-01T12:00:00+01:00", "2026-03-01 11:00:00Z", "2026-03-01 11:00Z", "2026-03-01T11:00:00.000Z"} {
		if got, err := parseMoment(s); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s, %v", s, got, err)
		}
	}
}

// A server on a restored copy reaches nothing of the real one's: not its cache, its originals, its certificates or its traces.
func TestCopyIsAlone(t *testing.T) {
	c := Config{RedisURL: "redis://real", SupabaseURL: "https://real", SupabaseKey: "k", ACMEEmail: "a@example.com", TLSCert: "c", TLSKey: "k",
		OTLPEndpoint: "http://real", TracesEndpoint: "http://real/v1/traces"}.onACopy("postgres://copy", "127.0.0.1:9")
	if c.DatabaseURL != "postgres://copy" || c.RedisURL == "redis://real" || c.SupabaseURL != "" || c.SupabaseKey != "" || c.ownTLS() || c.traces() != "" {
		t.Errorf("the copy's settings are %+v", c)
	}
}
