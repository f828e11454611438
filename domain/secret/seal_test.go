package secret_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"bitb/domain/secret"
)

func sealer(t *testing.T, keys ...string) *secret.Sealer {
	t.Helper()
	s, err := secret.NewSealer("test", strings.Join(keys, ","))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A rotation as docs/runbooks/rotate-keys.md has it: what was sealed stays readable at each step, by processes that are a step apart.
func TestRotation(t *testing.T) {
	older, newer := secret.NewKey(), secret.NewKey()
	steps := []*secret.Sealer{
		sealer(t, secret.Plain), sealer(t, secret.Plain, older), sealer(t, older, secret.Plain), // from no key to the first
		sealer(t, older), sealer(t, older, newer), sealer(t, newer, older), sealer(t, newer),
	}
	for i, s := range steps {
		sealed := s.Seal([]byte("a secret"), "row 1")
		for _, other := range steps[max(0, i-1):min(len(steps), i+2)] {
			if text, _, err := other.Open(sealed, "row 1"); err != nil || string(text) != "a secret" {
				t.Errorf("step %d: %v cannot open what %v sealed: %v", i, other.Fingerprints(), s.Fingerprints(), err)
			}
			if !slices.Contains(other.Names("a token"), s.Names("a token")[0]) {
				t.Errorf("step %d: %v does not find what %v named", i, other.Fingerprints(), s.Fingerprints())
			}
		}
	}
	_, current, err := steps[5].Open(steps[3].Seal([]byte("x"), "row 1"), "row 1")
	if err != nil || current {
		t.Errorf("what an older key sealed counts as current: %v %v", current, err)
	}
}

func TestSealedOpensNowhereElse(t *testing.T) {
	s := sealer(t, secret.NewKey())
	sealed := s.Seal([]byte("a secret"), "row 1")
	if bytes.Contains(sealed, []byte("secret")) || bytes.Equal(sealed, s.Seal([]byte("a secret"), "row 1")) {
		t.Error("the text can be seen")
	}
	for name, open := range map[string]func() ([]byte, bool, error){
		"in another row":    func() ([]byte, bool, error) { return s.Open(sealed, "row 2") },
		"with another key":  func() ([]byte, bool, error) { return sealer(t, secret.NewKey()).Open(sealed, "row 1") },
		"without a key":     func() ([]byte, bool, error) { return sealer(t).Open(sealed, "row 1") },
		"cut off":           func() ([]byte, bool, error) { return s.Open(sealed[:12], "row 1") },
		"not sealed at all": func() ([]byte, bool, error) { return s.Open([]byte("a secret"), "row 1") },
		"nothing":           func() ([]byte, bool, error) { return s.Open(nil, "row 1") },
		"with a bit changed": func() ([]byte, bool, error) {
			return s.Open(append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "row 1")
		},
	} {
		if text, _, err := open(); err == nil || text != nil {
			t.Errorf("%s it opens: %q", name, text)
		}
	}
}

func TestKeysAreChecked(t *testing.T) {
	good := secret.NewKey()
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, wrong := range []string{"short", encode("sixteen bytes !!"), encode(strings.Repeat("\xff", 32)), encode("a sentence of 32 letters, typed."),
		good + "," + good, good + ",x", "0123456789abcdef0123456789abcdef"} {
		_, err := secret.NewSealer("test", wrong)
		if err == nil || strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	s := sealer(t, good)
	if err := s.Replace("nonsense"); err == nil || !slices.Equal(s.All(), []string{good}) {
		t.Errorf("after a replacement that was refused: %d keys, %v", len(s.All()), err)
	}
	if _, _, err := s.Open([]byte("\x00bs1 and no more"), "x"); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("sealed with an unknown key: %v", err)
	}
	if f := secret.Fingerprint(good); len(f) != 12 || strings.Contains(good, f) {
		t.Errorf("fingerprint %s", f)
	}
}
