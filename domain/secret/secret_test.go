package secret_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitb/domain/secret"
)

// shelf is a manager that a test fills.
type shelf map[string]string

func (s shelf) Read(_ context.Context, name string) (string, error) {
	if value, ok := s[name]; ok {
		return value, nil
	}
	return "", errors.New("away")
}

func TestResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := shelf{"a/b": " from-a-manager\n", "object": `{"new": "n", "old": "o", "number": 1}`, "empty": " \n"}
	r := &secret.Resolver{Managers: map[string]secret.Manager{"test": s, "vault": shelf{"kv/x": `{"f": "v"}`}}}
	for text, want := range map[string]string{
		"sk-itself": "sk-itself", "postgres://u:p@h/d": "postgres://u:p@h/d", "redis://h,x": "redis://h,x", "": "",
		"file:" + file: "from-a-file", "file://" + file: "from-a-file", "test://a/b": "from-a-manager",
		"test://object#new, test://object#old": "n,o", "vault://kv/x#f": "v",
	} {
		if got, err := r.Resolve(t.Context(), "NAME", text); err != nil || got != want || r.Value("NAME") != want {
			t.Errorf("%s is %q, %v", text, got, err)
		}
		if place := r.Place("NAME"); place != text && place != "environment" {
			t.Errorf("%s comes from %q", text, place)
		}
	}
	for _, text := range []string{"file:/nowhere", "test://gone", "test://empty", "test://object#none", "test://object#number", "test://a/b#field",
		"vault://kv/x", "test://a/b,sk-a-secret"} {
		_, err := r.Resolve(t.Context(), "NAME", text)
		if err == nil || !strings.HasPrefix(err.Error(), "NAME: ") || strings.Contains(err.Error(), "from-a-manager") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// While a manager is away, and while it has what is no key, the last good value stays, and that is logged without a value.
func TestRefresh(t *testing.T) {
	s := shelf{"keys": "first", "other": "constant"}
	r := &secret.Resolver{Managers: map[string]secret.Manager{"test": s}}
	for name, text := range map[string]string{"KEYS": "test://keys", "OTHER": "test://other", "SET": "itself"} {
		if _, err := r.Resolve(t.Context(), name, text); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	r.OnChange("KEYS", func(value string) error {
		if value == "bad-key" {
			return errors.New("that is no key")
		}
		told = append(told, value)
		return nil
	})
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	for _, step := range []struct {
		set, want, says string
	}{
		{"first", "first", ""}, {"second", "second", "a secret changed"}, {"", "second", "stays in use"}, {"bad-key", "second", "no key"}, {"third", "third", "a secret changed"},
	} {
		if s["keys"] = step.set; step.set == "" {
			delete(s, "keys")
		}
		logged.Reset()
		r.Refresh(t.Context(), log)
		if r.Value("KEYS") != step.want || !strings.Contains(logged.String(), step.says) || (step.says == "") != (logged.Len() == 0) {
			t.Errorf("after %q: %q, logged %q", step.set, r.Value("KEYS"), logged.String())
		}
		if strings.Contains(logged.String(), "bad-key") || strings.Contains(logged.String(), "second") {
			t.Errorf("a value is logged: %s", logged.String())
		}
	}
	if strings.Join(told, " ") != "second third" {
		t.Errorf("told of %v", told)
	}
}
