package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"bitb/domain/postgres"
	"bitb/domain/secret"
	"bitb/domain/tenant"
)

// The purposes of keys, and the setting that each ring of them is from.
const (
	encryptionKeys = "encryption"
	sessionKeys    = "session"
	modelKeys      = "model"
	rerankKeys     = "rerank"
)

var keySettings = map[string]string{
	encryptionKeys: "BITB_ENCRYPTION_KEYS", sessionKeys: "BITB_SESSION_KEYS", modelKeys: "OPENAI_API_KEY", rerankKeys: "BITB_RERANK_KEY",
}

// keyrings are all keys that can be exchanged while the program runs.
type keyrings struct {
	encryption, session *secret.Sealer
	model, rerank       *secret.Ring
}

func (k keyrings) all() []*secret.Ring {
	return []*secret.Ring{k.encryption.Ring, k.session.Ring, k.model, k.rerank}
}

// keyrings makes the rings. They follow their settings when these are read anew; what a ring refuses changes nothing.
func (c Config) keyrings(o secret.Observer, log *slog.Logger) (keyrings, error) {
	var k keyrings
	var errs [4]error
	k.encryption, errs[0] = secret.NewSealer(encryptionKeys, string(c.EncryptionKeys))
	k.session, errs[1] = secret.NewSealer(sessionKeys, string(c.SessionKeys))
	k.model, errs[2] = secret.NewRing(modelKeys, string(c.OpenAIKey))
	k.rerank, errs[3] = secret.NewRing(rerankKeys, string(c.RerankKey))
	if err := errors.Join(errs[:]...); err != nil {
		return k, err // not to be had: the settings were checked
	}
	for _, ring := range k.all() {
		ring.Watch(o, log)
	}
	c.resolver.OnChange(keySettings[encryptionKeys], func(v string) error { return c.replace(k.encryption, v) })
	c.resolver.OnChange(keySettings[sessionKeys], func(v string) error { return c.replace(k.session, v) })
	c.resolver.OnChange(keySettings[modelKeys], k.model.Replace)
	c.resolver.OnChange(keySettings[rerankKeys], k.rerank.Replace)
	return k, nil
}

func (c Config) replace(s *secret.Sealer, keys string) error {
	if c.Production && (keys == "" || beginsPlain(keys)) {
		return errPlain
	}
	return s.Replace(keys)
}

// fresh is a setting as it was last read.
func (c Config) fresh(name string, first Secret) func() string {
	return func() string { return cmp.Or(c.resolver.Value(name), string(first)) }
}

var errPlain = errors.New("in production the first key must not be " + secret.Plain)

// beginsPlain reports whether keys, if anything is set, have what is sealed stay as it is. Nothing but commas is no key either.
func beginsPlain(keys string) bool {
	for key := range strings.SplitSeq(keys, ",") {
		if key = strings.TrimSpace(key); key != "" {
			return key == secret.Plain
		}
	}
	return keys != ""
}

// checkSecrets says what is wrong with secrets that are set.
func (c *Config) checkSecrets() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for purpose, keys := range map[string]Secret{encryptionKeys: c.EncryptionKeys, sessionKeys: c.SessionKeys} {
		if _, err := secret.NewSealer(purpose, string(keys)); err != nil {
			wrong("%s: %w", keySettings[purpose], err)
		} else if c.Production && beginsPlain(string(keys)) {
			wrong("%s: %w", keySettings[purpose], errPlain)
		}
	}
	for purpose, keys := range map[string]Secret{modelKeys: c.OpenAIKey, rerankKeys: c.RerankKey} {
		if _, err := secret.NewRing(purpose, string(keys)); err != nil {
			wrong("%s: %w", keySettings[purpose], err)
		}
	}
	if err := c.checkRefresh(); err != nil {
		errs = append(errs, err)
	}
	if c.Production {
		errs = append(errs, c.checkDefaults()...)
	}
	return errs
}

func (c *Config) checkRefresh() error {
	if c.SecretRefresh < time.Second || c.SecretRefresh > 24*time.Hour {
		return errors.New("BITB_SECRET_REFRESH must be 1s to 24h, such as 5m")
	}
	return nil
}

// checkDefaults refuses secrets that everybody knows or can guess.
func (c *Config) checkDefaults() []error {
	var errs []error
	for name, value := range c.secrets() {
		lower := strings.ToLower(value)
		for _, placeholder := range []string{"changeme", "change-me", "change_me", "replace-me", "replaceme", "replace_me", "placeholder", "your-"} {
			if strings.Contains(lower, placeholder) {
				errs = append(errs, fmt.Errorf("%s still holds a placeholder", name))
				break
			}
		}
	}
	for name, address := range map[string]Secret{"DATABASE_URL": c.DatabaseURL, "REDIS_URL": c.RedisURL} {
		if weak(string(address)) && !local(string(address)) {
			errs = append(errs, fmt.Errorf("%s: its password is a usual one or has fewer than 12 characters", name))
		}
	}
	keys := map[string]bool{}
	for _, key := range strings.Split(string(c.EncryptionKeys)+","+string(c.SessionKeys), ",") {
		if key = strings.TrimSpace(key); key != "" && key != secret.Plain && keys[key] {
			errs = append(errs, errors.New("BITB_ENCRYPTION_KEYS and BITB_SESSION_KEYS must not share a key"))
		}
		keys[key] = true
	}
	return errs
}

// weak reports whether an address has a password that can be guessed. None at all may be right: certificates, or the machine's own
// network, stand in for it.
func weak(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return false
	}
	password, set := u.User.Password()
	return set && (len(password) < 12 || password == u.User.Username())
}

// checkKeys says which keys a command cannot do without in production.
func (c *Config) checkKeys(command string) []error {
	var errs []error
	need := func(keys Secret, purpose, what string) {
		if keys == "" {
			errs = append(errs, fmt.Errorf("%s is not set; %s in production. Make a key with `bitb keys new`", keySettings[purpose], what))
		}
	}
	if command == "serve" || command == "staff" || command == "keys" {
		need(c.EncryptionKeys, encryptionKeys, "secrets in the database are sealed")
	}
	if command == "serve" || command == "keys" {
		need(c.SessionKeys, sessionKeys, "sessions are sealed")
	}
	return errs
}

const keysUsage = `bitb keys new      print a new key for BITB_ENCRYPTION_KEYS or BITB_SESSION_KEYS
bitb keys list     show each key by its fingerprint: where it is set, how often and when it was used, what is still sealed with it
bitb keys reseal   seal with the first encryption key what older ones sealed, now; the server does it once an hour`

// newKey does what needs no settings, and reports whether that was all.
func newKey(args []string, stdout io.Writer) (done bool, err error) {
	if len(args) != 1 || (args[0] != "new" && args[0] != "list" && args[0] != "reseal") {
		return true, errors.New("say what to do:\n" + keysUsage)
	}
	if args[0] != "new" {
		return false, nil
	}
	_, err = fmt.Fprintln(stdout, secret.NewKey())
	return true, err
}

// keys is the command for keys and their exchange; see docs/runbooks/rotate-keys.md.
func keys(ctx context.Context, c Config, command string, stdout io.Writer) error {
	rings, err := c.keyrings(nil, nil)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, c.database("bitb keys", 1))
	if err != nil {
		return err
	}
	defer db.Close()
	if command == "reseal" {
		n, err := reseal(ctx, db, rings)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%d sealed anew.\n", n)
		return secret.NewRecord(db, rings.all()...).Write(ctx)
	}
	all, err := keyStates(ctx, c, db, rings)
	if err != nil {
		return err
	}
	return printKeys(all, stdout)
}

// keyState is all that is known of a key.
type keyState struct {
	secret.KeyUse
	place   string
	seals   int // -1: such keys seal nothing
	verdict string
}

// keyStates are all keys that are set or were ever used.
func keyStates(ctx context.Context, c Config, db *postgres.DB, rings keyrings) ([]keyState, error) {
	uses, err := secret.NewRecord(db, rings.all()...).List(ctx)
	if err != nil {
		return nil, err
	}
	sealed, err := sealedWith(ctx, db, rings)
	if err != nil {
		return nil, err
	}
	var all []keyState
	for _, u := range uses {
		k := keyState{KeyUse: u, place: c.resolver.Place(keySettings[u.Purpose]), seals: -1}
		switch {
		case u.Fingerprint == secret.Plain:
			k.place = "no key"
		case u.Position == 0:
			k.place = "not set here"
		}
		if counts, ok := sealed[u.Purpose]; ok {
			k.seals = counts[u.Fingerprint]
		}
		k.verdict = verdict(u, k.seals)
		all = append(all, k)
	}
	return all, nil
}

func reseal(ctx context.Context, db *postgres.DB, rings keyrings) (int, error) {
	n, err := tenant.NewSupport(db, rings.encryption, time.Now).Reseal(ctx)
	m, storeErr := secret.NewStore(db, rings.encryption).Reseal(ctx)
	return n + m, errors.Join(err, storeErr)
}

// sealedWith counts what is sealed with each key, by purpose and fingerprint.
func sealedWith(ctx context.Context, db *postgres.DB, rings keyrings) (map[string]map[string]int, error) {
	sessions, err := tenant.NewSessions(db, rings.session).SealedWith(ctx)
	if err != nil {
		return nil, err
	}
	staff, err := tenant.NewSupport(db, rings.encryption, time.Now).SealedWith(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := secret.NewStore(db, rings.encryption).SealedWith(ctx)
	for fingerprint, n := range kept {
		staff[fingerprint] += n
	}
	return map[string]map[string]int{sessionKeys: sessions, encryptionKeys: staff}, err
}

func printKeys(all []keyState, stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PURPOSE\tKEY\tPLACE\tUSES\tFIRST USED\tLAST USED\tREFUSED\tSEALS\t")
	for _, k := range all {
		seals := "-"
		if k.seals >= 0 {
			seals = fmt.Sprint(k.seals)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%d\t%s\t%s\n", k.Purpose, k.Fingerprint, k.place, k.Uses, when(k.First), when(k.Last),
			k.Refused, seals, k.verdict)
	}
	return table.Flush()
}

func when(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// What somebody should think of a key.
const (
	keyRefused = "refused within a day"
	keyUnknown = "something was sealed with a key that is not set"
	keyMissing = "not set, and still seals something"
	keyForeign = "used within the hour, but not set here: which process has it?"
	keyGone    = "gone"
	keyUnused  = "not used yet"
	keyInUse   = "in use"
	keyNeeded  = "still needed"
	keyNoMore  = "needed no more"
)

func verdict(u secret.KeyUse, seals int) string {
	within := func(d time.Duration, t *time.Time) bool { return t != nil && time.Since(*t) < d }
	recent := func(t *time.Time) bool { return within(24*time.Hour, t) }
	switch {
	case u.Fingerprint == "unknown" && recent(u.LastRefused):
		return keyUnknown
	case u.Position > 0 && recent(u.LastRefused):
		return keyRefused
	case u.Position == 0 && seals > 0:
		return keyMissing
	case u.Position == 0 && u.Fingerprint != secret.Plain && within(time.Hour, u.Last):
		return keyForeign
	case u.Position == 0:
		return keyGone
	case u.Last == nil:
		return keyUnused
	case u.Position == 1:
		return keyInUse
	case seals > 0 || (seals < 0 && recent(u.Last)):
		return keyNeeded
	}
	return keyNoMore
}

// odd reports whether somebody should look at a key.
func (k keyState) odd() bool {
	return k.verdict == keyRefused || k.verdict == keyUnknown || k.verdict == keyMissing || k.verdict == keyForeign
}
