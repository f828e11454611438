package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// MakeScratch makes a tenant without members or bots, to measure with. Whoever makes it erases it; see EraseScratch.
func (s *Service) MakeScratch(ctx context.Context, name string) (domain.ID, error) {
	name = strings.TrimSpace(name)
	if sentence := checkName("the name of the tenant", name, 120); sentence != "" {
		return domain.ID{}, domain.InvalidField("company", sentence)
	}
	id := domain.NewID()
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if err := postgres.SetTenant(ctx, tx, id); err != nil {
			return err
		}
		if err := insertTenant(ctx, tx, Tenant{ID: id, Name: name}); err != nil {
			return err
		}
		return toBeErased(ctx, tx, id)
	})
	return id, err
}

// toBeErased puts a new tenant on the list of those that go when nobody erases them. A tenant chooses its name, so the name cannot say it.
func toBeErased(ctx context.Context, tx pgx.Tx, id domain.ID) error {
	_, err := tx.Exec(ctx, "insert into auth.scratch_tenants (tenant_id) values ($1)", id)
	return err
}

// LeftAfter is when a tenant that is on the list of those to be erased was left behind by a process that was killed: nothing that
// is measured takes a day.
const LeftAfter = 24 * time.Hour

// SmokeHost is where the owners of throw-away tenants have their addresses: the smoke test signs up like anybody, and nobody else can
// have an address there (RFC 2606). Such a tenant is on the list of those to be erased from its first moment, and in no list of staff.
const SmokeHost = "smoke.bitb.invalid"

// smokeLeftAfter is when a smoke test must have been killed: none takes this long.
const smokeLeftAfter = 15 * time.Minute

func fromSmoke(email string) bool { return strings.HasSuffix(email, "@"+SmokeHost) }

// EraseScratch erases the tenants that are on the list of those to be erased for longer than a time, and returns how many: who was
// to erase them was killed.
func (s *Service) EraseScratch(ctx context.Context, age time.Duration) (n int, err error) {
	return s.eraseListed(ctx, "made_at < now() - $1::interval", age)
}

// eraseSmoke erases what earlier smoke tests left behind. Only their tenants on the list have members.
func (s *Service) eraseSmoke(ctx context.Context) error {
	_, err := s.eraseListed(ctx, "made_at < now() - $1::interval and exists (select from auth.logins l where l.tenant_id = t.tenant_id)", smokeLeftAfter)
	return err
}

func (s *Service) eraseListed(ctx context.Context, which string, age time.Duration) (n int, err error) {
	var left []domain.ID
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select tenant_id from auth.scratch_tenants t where "+which, age)
		if err != nil {
			return err
		}
		left, err = pgx.CollectRows(rows, pgx.RowTo[domain.ID])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find scratch tenants: %w", err)
	}
	for _, id := range left {
		// Another process may have erased it just now. One that cannot be erased keeps none of the others.
		if one := s.Erase(ctx, id); one != nil && domain.CodeOf(one) != domain.NotFound {
			err = errors.Join(err, fmt.Errorf("%s: %w", id, one))
			continue
		}
		n++
	}
	return n, err
}

// AfterErasing has do called with each tenant that was erased, for what is kept of tenants outside the database.
func (s *Service) AfterErasing(do func(ctx context.Context, tenantID domain.ID)) { s.afterErasing = do }

// Erase removes a tenant with everything that belongs to it, for good.
func (s *Service) Erase(ctx context.Context, tenantID domain.ID) error {
	if err := s.db.AsSystem(ctx, func(tx pgx.Tx) error { return erase(ctx, tx, tenantID) }); err != nil {
		return fmt.Errorf("erase a tenant: %w", err)
	}
	if s.afterErasing != nil {
		s.afterErasing(context.WithoutCancel(ctx), tenantID)
	}
	return nil
}

func erase(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	if err := postgres.SetTenant(ctx, tx, tenantID); err != nil {
		return err
	}
	// Of a hundred thousand chunks each goes with its part of the index, one by one.
	if _, err := tx.Exec(ctx, "select set_config('statement_timeout', '30min', true), set_config('lock_timeout', '60s', true)"); err != nil {
		return err
	}
	// A row may lose two of the things it points to, one after the other; only in the end does it have to be right.
	if _, err := tx.Exec(ctx, "set constraints all deferred"); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, "delete from tenants where id = $1", tenantID)
	if err == nil && tag.RowsAffected() == 0 {
		return domain.NewError(domain.NotFound, "There is no such tenant.")
	}
	return err
}

// Delete ends an organisation for good when its owner asks for it with their password and its name. From the commit on its bot is
// silent and nobody is signed in or can be; then all of it goes, which takes a while where there is much. Should the process die
// over it, EraseScratch does the rest. Wrong fields, "password" and "name", come back as domain.Invalid.
func (s *Service) Delete(ctx context.Context, a Account, password, name string) error {
	wrong := fields{}
	if strings.TrimSpace(name) != a.Tenant.Name {
		wrong.add("name", "This is not the name. Type it as it stands above.")
	}
	if _, err := s.SignIn(ctx, a.User.Email, password); errors.Is(err, ErrSignIn) {
		wrong.add("password", "This is not your password.")
	} else if err != nil {
		return err
	}
	if err := wrong.err(); err != nil {
		return err
	}
	// The sessions first: should the second step fail, members sign in again and nothing is lost.
	err := s.db.InTenant(ctx, a.Tenant.ID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update users set session_epoch = session_epoch + 1 where tenant_id = $1", a.Tenant.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the sessions of an organisation: %w", err)
	}
	if err := s.db.AsSystem(ctx, func(tx pgx.Tx) error { return lockOut(ctx, tx, a.Tenant.ID) }); err != nil {
		return fmt.Errorf("lock an organisation out: %w", err)
	}
	if err := s.Erase(context.WithoutCancel(ctx), a.Tenant.ID); domain.CodeOf(err) != domain.NotFound {
		return err
	}
	return nil // somebody else erased it just now
}

// lockOut lets nobody in any more and puts the tenant on the list of those to be erased, due at once.
func lockOut(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	for _, sql := range []string{
		"delete from auth.logins where tenant_id = $1",
		"delete from auth.bot_keys where tenant_id = $1",
		"insert into auth.scratch_tenants (tenant_id, made_at) values ($1, '-infinity') on conflict do nothing",
	} {
		if _, err := tx.Exec(ctx, sql, tenantID); err != nil {
			return err
		}
	}
	return nil
}
