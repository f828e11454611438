package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Keys seal what leaves the machine. The first one seals; all that are whole open, so that a new key can stand before an old one.
// The public half of a key is enough to make backups: then a machine that was broken into cannot read the old ones.
type Keys struct {
	seal *age.X25519Recipient
	open []age.Identity
	held []string // the public halves of those that open
}

// ParseKeys reads keys, newest first, separated by commas or line ends: AGE-SECRET-KEY-1… or, to seal only, age1….
func ParseKeys(text string) (Keys, error) {
	var k Keys
	for i, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		one = strings.TrimSpace(one)
		var public *age.X25519Recipient
		if identity, err := age.ParseX25519Identity(one); err == nil {
			public = identity.Recipient()
			k.open, k.held = append(k.open, identity), append(k.held, public.String())
		} else if public, err = age.ParseX25519Recipient(one); err != nil {
			return k, fmt.Errorf("key %d is none; `bitb backup key` makes one", i+1) // the cause would print it
		}
		if k.seal == nil {
			k.seal = public
		}
	}
	if k.seal == nil {
		return k, errors.New("no backup key is set; `bitb backup key` makes one")
	}
	return k, nil
}

// NewKey makes a key: the whole one, and its public half.
func NewKey() (secret, public string, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	return identity.String(), identity.Recipient().String(), nil
}

// sealedSuffix ends the name of everything that is stored, and says how to read it without us: age -d | zstd -d.
const sealedSuffix = ".zst.age"

// sealed is what is known of an object after it has been stored.
type sealed struct {
	Bytes  int64  // as stored
	SHA256 string // of what is stored
	Plain  int64  // before compression
	For    string // the public half of the key
}

// put stores what fill writes, compressed and sealed. The object is there whole or not at all.
func (s *Service) put(ctx context.Context, name string, fill func(io.Writer) error) (sealed, error) {
	pr, pw := io.Pipe()
	stored := &meter{w: pw, sum: sha256.New()}
	plain := &meter{}
	to := s.keys.Load().seal
	go func() { pw.CloseWithError(sealInto(to, stored, plain, fill)) }()
	err := s.store.Put(ctx, name, pr, -1)
	pr.CloseWithError(errors.New("the store took no more")) // lets fill end when Put gave up
	if err != nil {
		return sealed{}, fmt.Errorf("store %s: %w", name, err)
	}
	return sealed{Bytes: stored.n, SHA256: hex.EncodeToString(stored.sum.Sum(nil)), Plain: plain.n, For: to.String()}, nil
}

func sealInto(to *age.X25519Recipient, stored io.Writer, plain *meter, fill func(io.Writer) error) error {
	encrypted, err := age.Encrypt(stored, to)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	compressed, err := zstd.NewWriter(encrypted)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	plain.w = compressed
	if err := fill(plain); err != nil {
		_ = compressed.Close() // ends its goroutines; what it still writes is part of nothing
		return err
	}
	return errors.Join(compressed.Close(), encrypted.Close())
}

// putBytes is put for what is small enough to hold, of which a store knows the size beforehand.
func (s *Service) putBytes(ctx context.Context, name string, content []byte) (int64, error) {
	var b bytes.Buffer
	if err := sealInto(s.keys.Load().seal, &b, &meter{}, func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
		return 0, err
	}
	size := int64(b.Len())
	if err := s.store.Put(ctx, name, &b, size); err != nil {
		return 0, fmt.Errorf("store %s: %w", name, err)
	}
	return size, nil
}

// get opens an object. What is read through it is authentic piece by piece; want, unless "", is what all of it must hash to,
// which the returned function checks after the last byte.
func (s *Service) get(ctx context.Context, name, want string) (content io.ReadCloser, whole func() error, err error) {
	stored, err := s.store.Get(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.New()
	opened, err := s.openSealed(io.TeeReader(stored, sum))
	if err != nil {
		stored.Close()
		return nil, nil, fmt.Errorf("open %s: %w", name, err)
	}
	whole = func() error {
		if _, err := io.Copy(io.Discard, opened); err != nil {
			return fmt.Errorf("%s is damaged: %w", name, err)
		}
		if _, err := io.Copy(sum, stored); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); want != "" && got != want {
			return fmt.Errorf("%s is not what was written: its SHA-256 is %s, and was %s", name, got, want)
		}
		return nil
	}
	return closer{opened, func() error { opened.Close(); return stored.Close() }}, whole, nil
}

func (s *Service) openSealed(r io.Reader) (io.ReadCloser, error) {
	keys := s.keys.Load()
	if len(keys.open) == 0 {
		return nil, errors.New("only the public half of a key is set (BITB_BACKUP_KEYS); opening a backup needs the whole key")
	}
	decrypted, err := age.Decrypt(r, keys.open...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, errors.New("none of the keys in BITB_BACKUP_KEYS opens it")
	}
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(decrypted)
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// mayOpen says beforehand whether a key is there for what was sealed with another's public half.
func (k Keys) mayOpen(public string) error {
	if slices.Contains(k.held, public) {
		return nil
	}
	if len(k.held) == 0 {
		return errors.New("BITB_BACKUP_KEYS holds no whole key, only a public half; opening a backup needs AGE-SECRET-KEY-1…")
	}
	return fmt.Errorf("this backup was sealed with the key whose public half is %s; BITB_BACKUP_KEYS has %s", public, strings.Join(k.held, ", "))
}

// meter counts and hashes what goes through.
type meter struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	if m.sum != nil {
		m.sum.Write(p[:n])
	}
	return n, err
}

type closer struct {
	io.Reader
	close func() error
}

func (c closer) Close() error { return c.close() }
