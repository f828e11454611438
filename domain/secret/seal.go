package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Plain stands in the place of a key where nothing is sealed: as the only one where no key is set, and as an older one while what
// was stored before there were keys is still to be read.
const Plain = "plain"

// Sealer encrypts what is stored, with the first key of its ring, and opens what any of them sealed. What is sealed names its key and
// opens only where it was sealed for: moved to another row, it is refused.
type Sealer struct{ *Ring }

// NewSealer makes a sealer from keys of 32 bytes in base64, with commas between them, the newest first. "" is Plain.
func NewSealer(purpose, text string) (*Sealer, error) {
	s := &Sealer{newRing(purpose, parseKey)}
	return s, s.Replace(text)
}

// Replace exchanges all keys. Where one of them is no key, they stay as they were.
func (s *Sealer) Replace(text string) error {
	if strings.Trim(text, ", \n") == "" {
		text = Plain
	}
	return s.Ring.Replace(text)
}

// NewKey is a fresh key as a Sealer takes it.
func NewKey() string {
	raw := make([]byte, keyBytes)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	return base64.StdEncoding.EncodeToString(raw)
}

const keyBytes = 32

var errKey = errors.New("a key must be 32 random bytes in base64, as `bitb keys new` prints them")

func parseKey(text string) (key, error) {
	if text == Plain {
		return key{text: Plain, fingerprint: Plain}, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != keyBytes || !looksRandom(raw) {
		return key{}, errKey
	}
	return key{text: text, fingerprint: Fingerprint(text), raw: raw}, nil
}

// looksRandom refuses what somebody typed: of 32 random bytes fewer than 20 are different once in 10^10 times, and in one of them at
// least the highest bit is set.
func looksRandom(raw []byte) bool {
	different, high := map[byte]bool{}, false
	for _, b := range raw {
		different[b] = true
		high = high || b >= 0x80
	}
	return len(different) >= 20 && high
}

// ErrUnknownKey says that something was sealed with a key that is not set, or was not sealed at all though it has to be.
var ErrUnknownKey = errors.New("it is sealed with a key that is not set, or not sealed at all")

var errDamaged = errors.New("what was sealed was changed, or belongs elsewhere")

// Before the ciphertext: a mark, the key's fingerprint, the nonce.
var mark = []byte("\x00bs1")

const headBytes = 4 + fingerprintBytes

// Seal encrypts a text. about says what it is and whose, such as "staff totp" and an id.
func (s *Sealer) Seal(text []byte, about string) []byte {
	k := (*s.keys.Load())[0]
	s.used(k.fingerprint, true)
	if k.raw == nil {
		return text
	}
	id, _ := hex.DecodeString(k.fingerprint)
	head := append(bytes.Clone(mark), id...)
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	return k.aead(about).Seal(append(head, nonce...), nonce, text, []byte(about))
}

// Open decrypts what was sealed about the same. current is false where an older key sealed it: then it is to be sealed anew.
func (s *Sealer) Open(sealed []byte, about string) (text []byte, current bool, err error) {
	fingerprint := SealedWith(sealed)
	for i, k := range *s.keys.Load() {
		if k.fingerprint != fingerprint {
			continue
		}
		if k.raw == nil {
			s.used(Plain, true)
			return sealed, i == 0, nil
		}
		rest := sealed[headBytes:]
		if len(rest) < 12 {
			return nil, false, errDamaged
		}
		text, err = k.aead(about).Open(nil, rest[:12], rest[12:], []byte(about))
		if err != nil {
			s.used(fingerprint, false)
			return nil, false, errDamaged
		}
		s.used(fingerprint, true)
		return text, i == 0, nil
	}
	s.used("unknown", false) // not by the name it gives: somebody could make up any number of them
	return nil, false, ErrUnknownKey
}

// SealedWith is the fingerprint of the key that something was sealed with.
func SealedWith(sealed []byte) string {
	if len(sealed) < headBytes || !bytes.HasPrefix(sealed, mark) {
		return Plain
	}
	return hex.EncodeToString(sealed[len(mark):headBytes])
}

// Names are a text as each key would have it, the newest first: what is looked up by such a name can be made by nobody without a key.
func (s *Sealer) Names(text string) []string {
	var names []string
	for _, k := range *s.keys.Load() {
		if k.raw == nil {
			names = append(names, text)
			continue
		}
		mac := hmac.New(sha256.New, k.derive("name"))
		mac.Write([]byte(text))
		names = append(names, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	}
	return names
}

// aead has a key for each thing that is sealed, so that a random nonce is never used up, however often a thing is sealed anew.
func (k key) aead(about string) cipher.AEAD {
	block, err := aes.NewCipher(k.derive("seal " + about))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

func (k key) derive(what string) []byte {
	derived, err := hkdf.Key(sha256.New, k.raw, nil, "bitb "+what, keyBytes)
	if err != nil {
		panic(err) // 32 bytes are not too many
	}
	return derived
}
