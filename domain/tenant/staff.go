package tenant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
	"bitb/domain/secret"
)

// Support is what staff do: they sign in, see how tenants fare, and open cases to look into one. It shows members who looked at
// what.
type Support struct {
	db   *postgres.DB
	keys *secret.Sealer   // of the secrets of one-time codes
	now  func() time.Time // what one-time codes count from; all else counts from the database's clock
}

// NewSupport returns the service over db. now is time.Now but in tests.
func NewSupport(db *postgres.DB, keys *secret.Sealer, now func() time.Time) *Support {
	return &Support{db: db, keys: keys, now: now}
}

// StaffMember works for BITB and belongs to no tenant.
type StaffMember struct {
	ID        domain.ID
	Email     string
	Name      string
	Epoch     int // a session made under another number is over
	CreatedAt time.Time
}

// Identity is the staff member as the request context carries it, outside of a case.
func (m StaffMember) Identity() domain.Identity { return domain.Identity{StaffID: m.ID} }

// Credentials are what a new staff member signs in with. They are shown once and kept nowhere in clear but the secret, which
// the server has to know.
type Credentials struct {
	Password string
	Secret   string // base32, for typing
	URI      string // otpauth://, for scanning
}

// Add makes a staff member with a password and a secret of its own. Wrong fields come back as domain.Invalid.
func (s *Support) Add(ctx context.Context, email, name string) (StaffMember, Credentials, error) {
	m := StaffMember{ID: domain.NewID(), Email: normalEmail(email), Name: strings.TrimSpace(name), Epoch: 1}
	if m.Name == "" {
		m.Name, _, _ = strings.Cut(m.Email, "@")
	}
	wrong := fields{}
	wrong.add("email", checkEmail(m.Email))
	wrong.add("name", checkName("a name", m.Name, 120))
	if err := wrong.err(); err != nil {
		return m, Credentials{}, err
	}
	code := make([]byte, codeSecretBytes)
	_, _ = rand.Read(code) // never fails: crypto/rand ends the process instead
	c := Credentials{Password: newPassword(), Secret: secretText(code), URI: secretURI(m.Email, code)}
	hash, err := hashPassword(ctx, c.Password)
	if err != nil {
		return m, Credentials{}, err
	}
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `insert into auth.staff (id, email, name, password_hash, totp_secret) values ($1, $2, $3, $4, $5) returning created_at`,
			m.ID, m.Email, m.Name, hash, s.keys.Seal(code, totpOf(m.ID))).Scan(&m.CreatedAt)
	})
	if postgres.IsUnique(err, "staff_email_key") {
		return m, Credentials{}, domain.InvalidField("email", "There is a staff member with this address already. Remove them first to give them a new password and secret.")
	}
	return m, c, err
}

// newPassword is 130 random bits in groups that can be typed.
func newPassword() string {
	text := strings.ToLower(rand.Text()) // 26 characters of base32
	return text[:6] + "-" + text[6:13] + "-" + text[13:19] + "-" + text[19:]
}

// Members are all staff, by address.
func (s *Support) Members(ctx context.Context) (members []StaffMember, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+staffColumns+" from auth.staff order by email")
		if err != nil {
			return err
		}
		members, err = pgx.CollectRows(rows, scanStaff)
		return err
	})
	return members, err
}

// Remove takes a staff member out: their sessions are over with their next request, and their open cases are closed at once.
func (s *Support) Remove(ctx context.Context, email string) error {
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		var m StaffMember
		if err := tx.QueryRow(ctx, "select id, name from auth.staff where email = $1 for update", normalEmail(email)).Scan(&m.ID, &m.Name); err != nil {
			return err
		}
		if err := closeCases(ctx, tx, m, Visit{}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "delete from auth.staff where id = $1", m.ID)
		return err
	})
	if domain.CodeOf(err) == domain.NotFound {
		return domain.NewError(domain.NotFound, "There is no staff member with this address.")
	}
	return err
}

const staffColumns = "id, email, name, session_epoch, created_at"

func scanStaff(row pgx.CollectableRow) (StaffMember, error) {
	var m StaffMember
	err := row.Scan(&m.ID, &m.Email, &m.Name, &m.Epoch, &m.CreatedAt)
	return m, err
}

// Member returns a staff member as they are now.
func (s *Support) Member(ctx context.Context, id domain.ID) (m StaffMember, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+staffColumns+" from auth.staff where id = $1", id)
		if err != nil {
			return err
		}
		m, err = pgx.CollectExactlyOneRow(rows, scanStaff)
		return err
	})
	return m, err
}

// ErrStaffSignIn is the one answer to a wrong address, a wrong password and a wrong code.
var ErrStaffSignIn = domain.NewError(domain.Unauthenticated, "This address, password and code do not belong together. A code works once: wait for the next one.")

// SignIn returns the staff member of an e-mail address, its password and a code that was not used before, or ErrStaffSignIn. After
// five wrong codes it is domain.RateLimited; only who knows the password gets that far.
func (s *Support) SignIn(ctx context.Context, email, password, code string) (StaffMember, error) {
	var m StaffMember
	hash := nobody
	if normal := normalEmail(email); checkEmail(normal) == "" {
		err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "select "+staffColumns+", password_hash from auth.staff where email = $1", normal).
				Scan(&m.ID, &m.Email, &m.Name, &m.Epoch, &m.CreatedAt, &hash)
		})
		if err != nil && domain.CodeOf(err) != domain.NotFound {
			return m, err
		}
	}
	ok, err := passwordMatches(ctx, password, hash)
	if err != nil {
		return m, err
	}
	if ok && m.ID != (domain.ID{}) {
		ok, err = s.useCode(ctx, m.ID, code)
	}
	if err == nil && !ok {
		return StaffMember{}, ErrStaffSignIn
	}
	return m, err
}

// SignOut ends all sessions of a staff member and closes their cases.
func (s *Support) SignOut(ctx context.Context, m StaffMember, v Visit) error {
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if err := closeCases(ctx, tx, m, v); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update auth.staff set session_epoch = session_epoch + 1 where id = $1", m.ID)
		return err
	})
}

// How many wrong codes in a row are let through, and for how long nothing is tried after that. Each try has three chances in a
// million.
const (
	wrongCodes = 5
	codePause  = 15 * time.Minute
)

// useCode takes a code that was not taken before. The row is held meanwhile, so that a code cannot be taken twice and tries at
// once are counted one by one.
func (s *Support) useCode(ctx context.Context, id domain.ID, code string) (ok bool, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		var sealed []byte
		var last int64
		var wrong int
		var wait float64 // seconds
		err := tx.QueryRow(ctx, `select totp_secret, totp_step, wrong_codes,
				coalesce(extract(epoch from wrong_at + make_interval(secs => $2) - now()), 0)::float8
			from auth.staff where id = $1 for update`, id, codePause.Seconds()).Scan(&sealed, &last, &wrong, &wait)
		if err != nil {
			return err
		}
		if wait <= 0 {
			wrong = 0
		}
		if wrong >= wrongCodes {
			pause := time.Duration(wait * float64(time.Second))
			return &domain.Error{Code: domain.RateLimited, RetryAfter: pause,
				Message: fmt.Sprintf("Too many codes were wrong. Try again in %d minutes.", int(pause.Minutes())+1)}
		}
		secret, current, err := s.keys.Open(sealed, totpOf(id))
		if err != nil {
			return fmt.Errorf("open a staff member's secret: %w", err)
		}
		step := stepOf(secret, code, s.now(), last)
		if ok = step > 0; ok {
			if !current {
				sealed = s.keys.Seal(secret, totpOf(id))
			}
			_, err = tx.Exec(ctx, "update auth.staff set totp_step = $2, totp_secret = $3, wrong_codes = 0, wrong_at = null where id = $1", id, step, sealed)
		} else {
			_, err = tx.Exec(ctx, "update auth.staff set wrong_codes = $2, wrong_at = now() where id = $1", id, wrong+1)
		}
		return err
	})
	return ok, err
}

// totpOf is what a secret of one-time codes is sealed about, so that it opens in the row of its staff member alone.
func totpOf(id domain.ID) string { return "staff totp " + id.String() }

// Reseal seals the secrets of one-time codes anew that an older key sealed, and returns how many. A row that somebody holds is left
// for the next time. One that no key opens keeps none of the others.
func (s *Support) Reseal(ctx context.Context) (n int, err error) {
	var lost []error
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		n, lost = 0, nil
		rows, err := tx.Query(ctx, "select id, totp_secret from auth.staff order by id for update skip locked")
		if err != nil {
			return err
		}
		type row struct {
			ID     domain.ID
			Sealed []byte
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		if err != nil {
			return err
		}
		for _, r := range all {
			secret, current, err := s.keys.Open(r.Sealed, totpOf(r.ID))
			if err != nil {
				lost = append(lost, fmt.Errorf("open the secret of staff member %s: %w", r.ID, err))
			}
			if err != nil || current {
				continue
			}
			if _, err := tx.Exec(ctx, "update auth.staff set totp_secret = $2 where id = $1", r.ID, s.keys.Seal(secret, totpOf(r.ID))); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, errors.Join(append(lost, err)...)
}

// SealedWith counts the secrets of one-time codes by the fingerprint of the key that sealed them.
func (s *Support) SealedWith(ctx context.Context) (map[string]int, error) {
	return countSealed(ctx, s.db, "select totp_secret from auth.staff")
}
