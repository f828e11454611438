package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// FirstBot writes the first bot of a new tenant within the sign-up's transaction. chat implements it: it owns the table.
type FirstBot func(ctx context.Context, tx pgx.Tx, tenantID domain.ID, company string) error

// Service signs people up and in.
type Service struct {
	db       *postgres.DB
	firstBot FirstBot
	invited  bool // nobody signs up without an invitation

	afterErasing func(ctx context.Context, tenantID domain.ID) // may be nil
}

// NewService returns the service over db.
func NewService(db *postgres.DB, firstBot FirstBot) *Service {
	return &Service{db: db, firstBot: firstBot}
}

// SignUp is the sign-up form.
type SignUp struct {
	Company, Name, Email, Password string
	Invitation                     string // where that is needed
}

// SignUp makes a tenant, its owner and its first bot, all or nothing. Wrong fields come back as domain.Invalid.
func (s *Service) SignUp(ctx context.Context, form SignUp) (Account, error) {
	form.Company, form.Name = strings.TrimSpace(form.Company), strings.TrimSpace(form.Name)
	form.Email = normalEmail(form.Email)
	wrong := fields{}
	wrong.add("company", checkName("the name of your company", form.Company, 120))
	wrong.add("name", checkName("your name", form.Name, 120))
	wrong.add("email", checkEmail(form.Email))
	wrong.add("password", checkPassword(form.Password, form.Email, form.Name))
	if err := wrong.err(); err != nil {
		return Account{}, err
	}
	if s.invited { // before the work that a password is; it is used up below
		invited, err := s.Invited(ctx, form.Invitation)
		if err == nil && !invited {
			err = ErrNotInvited
		}
		if err != nil {
			return Account{}, err
		}
	}
	smoke := fromSmoke(form.Email)
	if smoke {
		if err := s.eraseSmoke(ctx); err != nil {
			return Account{}, err
		}
	}
	hash, err := hashPassword(ctx, form.Password)
	if err != nil {
		return Account{}, err
	}
	a := Account{
		Tenant: Tenant{ID: domain.NewID(), Name: form.Company},
		User:   User{ID: domain.NewID(), Email: form.Email, Name: form.Name, Role: domain.Owner},
		Epoch:  1,
	}
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if err := postgres.SetTenant(ctx, tx, a.Tenant.ID); err != nil {
			return err
		}
		if s.invited {
			if err := useInvitation(ctx, tx, form.Invitation); err != nil {
				return err
			}
		}
		if err := insertAccount(ctx, tx, a, hash); err != nil {
			return err
		}
		if smoke {
			if err := toBeErased(ctx, tx, a.Tenant.ID); err != nil {
				return err
			}
		}
		return s.firstBot(ctx, tx, a.Tenant.ID, a.Tenant.Name)
	})
	if postgres.IsUnique(err, "logins_pkey") {
		return Account{}, domain.InvalidField("email", "There is an account with this address already. Sign in instead.")
	}
	return a, err
}

// ErrSignIn is the one answer to a wrong address and to a wrong password.
var ErrSignIn = domain.NewError(domain.Unauthenticated, "This address and password do not belong together. Check both and try again.")

// SignIn returns the account of an e-mail address and its password, or ErrSignIn.
func (s *Service) SignIn(ctx context.Context, email, password string) (Account, error) {
	var tenantID, userID domain.ID
	hash := nobody
	if normal := normalEmail(email); checkEmail(normal) == "" {
		err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "select tenant_id, user_id, password_hash from auth.logins where email = $1", normal).
				Scan(&tenantID, &userID, &hash)
		})
		if err != nil && domain.CodeOf(err) != domain.NotFound {
			return Account{}, err
		}
	}
	ok, err := passwordMatches(ctx, password, hash)
	if err != nil {
		return Account{}, err
	}
	if !ok || userID == (domain.ID{}) {
		return Account{}, ErrSignIn
	}
	return s.Account(ctx, tenantID, userID)
}

// Each does something for every tenant, in the order of their ids, and stops at the first error.
func (s *Service) Each(ctx context.Context, do func(domain.ID) error) error {
	for last := (domain.ID{}); ; {
		ids, err := s.after(ctx, last)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := do(id); err != nil {
				return err
			}
		}
		last = ids[len(ids)-1]
	}
}

// Oldest returns the tenant that has been there longest and will stay; none: the zero id.
func (s *Service) Oldest(ctx context.Context) (id domain.ID, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select tenant_id from auth.tenants t where not exists (select from auth.scratch_tenants s where s.tenant_id = t.tenant_id)
			order by created_at, tenant_id limit 1`).Scan(&id)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return domain.ID{}, nil
	}
	return id, err
}

// after returns the next tenants, some at a time; none at the end.
func (s *Service) after(ctx context.Context, id domain.ID) (ids []domain.ID, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select tenant_id from auth.tenants where tenant_id > $1 order by tenant_id limit 500", id)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[domain.ID])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return ids, nil
}

// Account returns a member with their tenant, as they are now.
func (s *Service) Account(ctx context.Context, tenantID, userID domain.ID) (Account, error) {
	a := Account{Tenant: Tenant{ID: tenantID}, User: User{ID: userID}}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			select t.name, t.created_at, u.email, u.name, u.role, u.session_epoch
			from users u join tenants t on t.id = u.tenant_id
			where u.tenant_id = $1 and u.id = $2`, tenantID, userID).
			Scan(&a.Tenant.Name, &a.Tenant.CreatedAt, &a.User.Email, &a.User.Name, &a.User.Role, &a.Epoch)
	})
	return a, err
}

// Rename changes the tenant's name.
func (s *Service) Rename(ctx context.Context, tenantID domain.ID, name string) error {
	name = strings.TrimSpace(name)
	wrong := fields{}
	wrong.add("company", checkName("the name of your company", name, 120))
	if err := wrong.err(); err != nil {
		return err
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update tenants set name = $2 where id = $1", tenantID, name)
		return err
	})
}

// ChangePassword sets a new password and ends all sessions of the user but those that take on the returned epoch.
func (s *Service) ChangePassword(ctx context.Context, a Account, current, next string) (epoch int, err error) {
	if _, err := s.SignIn(ctx, a.User.Email, current); err != nil {
		if errors.Is(err, ErrSignIn) {
			return 0, domain.InvalidField("current", "This is not your current password.")
		}
		return 0, err
	}
	if sentence := checkPassword(next, a.User.Email, a.User.Name); sentence != "" {
		return 0, domain.InvalidField("password", sentence)
	}
	hash, err := hashPassword(ctx, next)
	if err != nil {
		return 0, err
	}
	// The epoch first: should the second step fail, sessions end and the old password still works.
	err = s.db.InTenant(ctx, a.Tenant.ID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "update users set session_epoch = session_epoch + 1 where tenant_id = $1 and id = $2 returning session_epoch",
			a.Tenant.ID, a.User.ID).Scan(&epoch)
	})
	if err != nil {
		return 0, fmt.Errorf("end the other sessions: %w", err)
	}
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update auth.logins set password_hash = $2 where email = $1", a.User.Email, hash)
		return err
	})
	return epoch, err
}

func insertTenant(ctx context.Context, tx pgx.Tx, t Tenant) error {
	if _, err := tx.Exec(ctx, "insert into tenants (id, name) values ($1, $2)", t.ID, t.Name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into corpora (tenant_id) values ($1)", t.ID)
	return err
}

func insertAccount(ctx context.Context, tx pgx.Tx, a Account, hash string) error {
	if err := insertTenant(ctx, tx, a.Tenant); err != nil {
		return err
	}
	statements := []struct {
		sql  string
		args []any
	}{
		{"insert into users (tenant_id, id, email, name, role) values ($1, $2, $3, $4, $5)",
			[]any{a.Tenant.ID, a.User.ID, a.User.Email, a.User.Name, a.User.Role}},
		{"insert into auth.logins (email, tenant_id, user_id, password_hash) values ($1, $2, $3, $4)",
			[]any{a.User.Email, a.Tenant.ID, a.User.ID, hash}},
	}
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}

func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
