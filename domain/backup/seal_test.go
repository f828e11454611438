package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bitb/domain"
)

// newService keeps its backups in a directory of the test.
func newService(t *testing.T, keys string) *Service {
	t.Helper()
	s, err := NewService(Config{Place: t.TempDir(), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// always is an address that stays.
func always(address string) func() string { return func() string { return address } }

func newKey(t *testing.T) (secret, public string) {
	t.Helper()
	secret, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return secret, public
}

// withKeys is the same place seen with other keys.
func (s *Service) withKeys(t *testing.T, keys string) *Service {
	t.Helper()
	other := *s
	other.keys = &atomic.Pointer[Keys]{}
	if err := other.UseKeys(keys); err != nil {
		t.Fatal(err)
	}
	return &other
}

// made stores a backup of a kind as if it had been made at a time.
func made(t *testing.T, s *Service, kind Kind, at time.Time, content string, change func(*Manifest)) Manifest {
	t.Helper()
	id := domain.NewID()
	m := Manifest{ID: id, Kind: kind, StartedAt: at, FinishedAt: at.Add(time.Minute), File: string(kind) + "/" + id.String() + "/data" + sealedSuffix}
	stored, err := s.put(t.Context(), m.File, func(w io.Writer) error { _, err := io.WriteString(w, content); return err })
	if err != nil {
		t.Fatal(err)
	}
	m.Bytes, m.SHA256, m.Plain, m.SealedFor = stored.Bytes, stored.SHA256, stored.Plain, stored.For
	if change != nil {
		change(&m)
	}
	if err := s.putManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return m
}

func content(ctx context.Context, s *Service, m Manifest) (string, error) {
	r, whole, err := s.get(ctx, m.File, m.SHA256)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, whole())
}

func TestKeysRotate(t *testing.T) {
	old, _ := newKey(t)
	fresh, freshPublic := newKey(t)
	s := newService(t, old)
	before := made(t, s, Dump, time.Now(), "before", nil)
	both := s.withKeys(t, fresh+","+old)
	after := made(t, both, Dump, time.Now(), "after", nil)
	for m, want := range map[*Manifest]string{&before: "before", &after: "after"} {
		if got, err := content(t.Context(), both, *m); got != want || err != nil {
			t.Errorf("read %q with both keys, %v", got, err)
		}
	}
	if after.SealedFor != freshPublic {
		t.Errorf("sealed for %s, which is not the newest key", after.SealedFor)
	}
	// A wrong key is named, before anything is fetched and when it is tried.
	if _, err := content(t.Context(), s, after); err == nil || !strings.Contains(err.Error(), "none of the keys in BITB_BACKUP_KEYS opens it") {
		t.Errorf("the old key opened a new backup: %v", err)
	}
	if err := s.keys.Load().mayOpen(after.SealedFor); err == nil || !strings.Contains(err.Error(), freshPublic) {
		t.Errorf("the wrong key is not named: %v", err)
	}
	// Who has only the public half can make backups and read none.
	maker := s.withKeys(t, freshPublic)
	sealed := made(t, maker, Dump, time.Now(), "sealed", nil)
	if _, err := content(t.Context(), maker, sealed); err == nil || !strings.Contains(err.Error(), "public half") {
		t.Errorf("read with the public half: %v", err)
	}
	if got, err := content(t.Context(), both, sealed); got != "sealed" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	secret, _ := newKey(t)
	for _, wrong := range []string{"", " , ", "nonsense", secret + "x", secret + ",nonsense"} {
		_, err := ParseKeys(wrong)
		if err == nil || strings.Contains(err.Error(), "nonsense") || strings.Contains(err.Error(), secret) {
			t.Errorf("ParseKeys: %v", err)
		}
	}
	s := newService(t, secret)
	if s.Config.Keys != "" {
		t.Error("the key stays in the settings")
	}
}

// Whatever byte is changed, and wherever the end is cut, it is noticed.
func TestDamageIsNoticed(t *testing.T) {
	secret, _ := newKey(t)
	s := newService(t, secret)
	random := make([]byte, 200<<10) // does not compress: some pieces of sealing
	rand.Read(random)
	m := made(t, s, Dump, time.Now(), string(random), nil)
	file := s.store.(dirStore).path(m.File)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{"empty": {}, "one byte longer": append(append([]byte{}, whole...), 0)}
	for _, at := range []int{1, 100, 70_000, len(whole) - 1} {
		changed := append([]byte{}, whole...)
		changed[at] ^= 1
		damage["a bit changed"] = changed
		damage["cut"] = whole[:at]
		for what, bytes := range damage {
			if err := os.WriteFile(file, bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := content(t.Context(), s, m); err == nil {
				t.Errorf("%s at %d: read %d bytes without an error", what, at, len(got))
			}
		}
	}
	// Sealed anew by somebody who knows the public half: genuine by itself, but not what was written.
	if _, err := s.put(t.Context(), m.File, func(w io.Writer) error { _, err := io.WriteString(w, "other"); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := content(t.Context(), s, m); err == nil || !strings.Contains(err.Error(), "not what was written") {
		t.Errorf("another content: %v", err)
	}
}

// A restore of what is damaged leaves nothing behind, and never touches what is there.
func TestRestoreRefuses(t *testing.T) {
	secret, _ := newKey(t)
	s := newService(t, secret)
	m := made(t, s, Base, time.Now(), "this is no archive", func(m *Manifest) { m.System, m.StartLSN, m.Segment, m.Timeline = "1", "0/2000000", 16<<20, 1 })
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	if _, err := s.RestoreBase(t.Context(), m, time.Time{}, dir); err == nil {
		t.Error("restored what is no archive")
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if err := os.MkdirAll(filepath.Join(dir, "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RestoreBase(t.Context(), m, time.Time{}, dir); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("restored over what is there: %v", err)
	}
	other, _ := newKey(t)
	if _, err := s.withKeys(t, other).RestoreBase(t.Context(), m, time.Time{}, filepath.Join(parent, "new")); err == nil || !strings.Contains(err.Error(), "was sealed with the key") {
		t.Errorf("restored with another key: %v", err)
	}
}
