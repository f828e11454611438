package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Observer is told of each use of a key, and of each time that one was refused.
type Observer interface {
	KeyUsed(purpose, fingerprint string, accepted bool)
}

// Ring holds the keys of one purpose that are valid at once, the one for new things first. It counts the use of each. It is safe for
// concurrent use, and its keys can be replaced at any time.
type Ring struct {
	purpose  string
	parse    func(text string) (key, error)
	observer Observer     // may be nil
	log      *slog.Logger // may be nil

	keys atomic.Pointer[[]key]
	mu   sync.Mutex
	uses map[string]*use // since they were last taken
	told map[string]time.Time
}

type key struct {
	text        string
	fingerprint string
	raw         []byte // of a Sealer: 32 bytes; nil: what it seals stays as it is
}

// use counts one key.
type use struct {
	count, refused int
	last, lastNo   time.Time
}

// NewRing makes a ring of keys that others gave out, with commas between them, the newest first. No text is no key.
func NewRing(purpose, text string) (*Ring, error) {
	r := newRing(purpose, func(text string) (key, error) { return key{text: text, fingerprint: Fingerprint(text)}, nil })
	return r, r.Replace(text)
}

func newRing(purpose string, parse func(string) (key, error)) *Ring {
	return &Ring{purpose: purpose, parse: parse, uses: map[string]*use{}, told: map[string]time.Time{}}
}

// Watch has uses told to an observer, and refusals logged.
func (r *Ring) Watch(o Observer, log *slog.Logger) *Ring {
	r.observer, r.log = o, log
	return r
}

// Purpose is what the keys are for.
func (r *Ring) Purpose() string { return r.purpose }

// Replace exchanges all keys. Where one of them is no key, they stay as they were.
func (r *Ring) Replace(text string) error {
	var keys []key
	for _, one := range strings.Split(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		k, err := r.parse(one)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(keys, func(other key) bool { return other.text == k.text }) {
			return errors.New("a key stands there twice")
		}
		keys = append(keys, k)
	}
	r.keys.Store(&keys)
	return nil
}

// All are the keys, the one for new things first.
func (r *Ring) All() []string {
	var texts []string
	for _, k := range *r.keys.Load() {
		texts = append(texts, k.text)
	}
	return texts
}

// Fingerprints tell the keys apart, in their order.
func (r *Ring) Fingerprints() []string {
	var all []string
	for _, k := range *r.keys.Load() {
		all = append(all, k.fingerprint)
	}
	return all
}

// Used counts that a key was used, and was accepted or refused by whom it was shown to.
func (r *Ring) Used(text string, accepted bool) { r.used(Fingerprint(text), accepted) }

func (r *Ring) used(fingerprint string, accepted bool) {
	now := time.Now()
	r.mu.Lock()
	u := r.uses[fingerprint]
	if u == nil {
		u = &use{}
		r.uses[fingerprint] = u
	}
	tell := false
	if accepted {
		u.count, u.last = u.count+1, now
	} else {
		u.refused, u.lastNo = u.refused+1, now
		if tell = now.Sub(r.told[fingerprint]) > time.Minute; tell {
			r.told[fingerprint] = now
		}
	}
	r.mu.Unlock()
	if r.observer != nil {
		r.observer.KeyUsed(r.purpose, fingerprint, accepted)
	}
	if tell && r.log != nil {
		r.log.Warn("a key was refused", "purpose", r.purpose, "key", fingerprint)
	}
}

// take returns the uses counted so far and begins anew.
func (r *Ring) take() map[string]*use {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.uses
	r.uses = map[string]*use{}
	return taken
}

// back counts uses again that could not be written down.
func (r *Ring) back(uses map[string]*use) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for fingerprint, u := range uses {
		if now := r.uses[fingerprint]; now != nil {
			u.count, u.refused = u.count+now.count, u.refused+now.refused
			u.last, u.lastNo = later(u.last, now.last), later(u.lastNo, now.lastNo)
		}
		r.uses[fingerprint] = u
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Fingerprint tells keys apart where they must not be shown: 48 bits, from which a key of usual length cannot be had.
func Fingerprint(text string) string {
	if text == Plain {
		return Plain
	}
	mac := hmac.New(sha256.New, []byte("bitb fingerprint of a key"))
	fmt.Fprint(mac, text)
	return hex.EncodeToString(mac.Sum(nil)[:fingerprintBytes])
}

const fingerprintBytes = 6
