package tenant

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"bitb/domain"
)

// Lengths of a password in characters. Fifteen for a password that stands alone: NIST SP 800-63B-4, 3.1.1.2.
const (
	MinPasswordRunes = 15
	MaxPasswordRunes = 256
)

// OWASP's smallest recommended argon2id setting: 19 MiB, two passes, one thread; about 50 ms.
var hashParams = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Two at once, so that a burst of sign-ins takes neither all processors nor 19 MiB for each request.
var hashSlots = make(chan struct{}, 2)

// nobody is compared against where there is no such account, so that both answers take the same time. It is the hash of some
// text, written down because making it would cost every process 30 ms and 19 MiB at its start, each reader of a document too.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$jL6K5sP0EtIKgqZTon0dOw$c4jtWlKvZXD9ohnePUTJeTwFrbLGQ7ntLRovXHxw/MM"

func hashPassword(ctx context.Context, password string) (string, error) {
	if err := takeHashSlot(ctx); err != nil {
		return "", err
	}
	defer func() { <-hashSlots }()
	hash, err := argon2id.CreateHash(password, hashParams)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

func passwordMatches(ctx context.Context, password, hash string) (bool, error) {
	if err := takeHashSlot(ctx); err != nil {
		return false, err
	}
	defer func() { <-hashSlots }()
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return ok, nil
}

func takeHashSlot(ctx context.Context) error {
	select {
	case hashSlots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkPassword returns a sentence when the password is too easy to guess, "" when it will do.
func checkPassword(password, email, name string) string {
	n := utf8.RuneCountInString(password)
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	switch {
	case !utf8.ValidString(password):
		return "This password has characters that cannot be read."
	case n < MinPasswordRunes:
		return fmt.Sprintf("Use at least %d characters. Four or five words in a row do it.", MinPasswordRunes)
	case n > MaxPasswordRunes:
		return domain.TooLong(n, MaxPasswordRunes)
	case repeats(lower) || walks(lower):
		return "This password is easy to guess. Use four or five words that do not belong together."
	case lower == strings.ToLower(email) || lower == strings.ToLower(name) || (len(local) > 5 && strings.Trim(strings.ReplaceAll(lower, local, ""), "0123456789!._-") == ""):
		return "This password is made from your name or address. Use other words."
	}
	return ""
}

// repeats reports whether s is one piece of up to eight bytes over and over, as in "passwordpassword".
func repeats(s string) bool {
	for size := 1; size <= 8 && size*2 <= len(s); size++ {
		if strings.HasPrefix(strings.Repeat(s[:size], len(s)/size+1), s) {
			return true
		}
	}
	return false
}

// walks reports whether s is a run along the alphabet, the digits or the keyboard, as in "qwertyuiopasdfgh".
func walks(s string) bool {
	const rows = "abcdefghijklmnopqrstuvwxyz 01234567890123456789 1234567890qwertyuiopasdfghjklzxcvbnm qwertzuiopasdfghjklyxcvbnm"
	return strings.Contains(rows, s) || strings.Contains(rows, strings.TrimRight(s, "0123456789!"))
}

func checkEmail(email string) string {
	local, host, ok := strings.Cut(email, "@")
	if !ok || local == "" || !strings.Contains(host, ".") || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") ||
		len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>\"(),;:\\") || strings.Contains(host, "@") || !printable(email) {
		return "Enter an e-mail address, such as name@example.com."
	}
	return ""
}

func checkName(label, value string, most int) string {
	n := utf8.RuneCountInString(value)
	switch {
	case n == 0:
		return "Enter " + label + "."
	case n > most:
		return domain.TooLong(n, most)
	case !printable(value):
		return "Use letters, digits and punctuation only."
	}
	return ""
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// fields gathers sentences per form field.
type fields map[string]string

func (f fields) add(field, sentence string) {
	if sentence != "" {
		f[field] = sentence
	}
}

func (f fields) err() error {
	if len(f) == 0 {
		return nil
	}
	return &domain.Error{Code: domain.Invalid, Message: "Some fields need another look.", Fields: f}
}
