package tenant

import (
	"context"
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
		_, err := tx.Exec(ctx, "insert into auth.scratch_tenants (tenant_id) values ($1)", id)
		return err
	})
	return id, err
}

// EraseScratch erases tenants that MakeScratch made longer ago than a time, and returns how many: their makers were killed.
func (s *Service) EraseScratch(ctx context.Context, age time.Duration) (n int, err error) {
	var left []domain.ID
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select tenant_id from auth.scratch_tenants where made_at < now() - $1::interval", age)
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
		// Another process may have erased it just now.
		if err := s.Erase(ctx, id); err != nil && domain.CodeOf(err) != domain.NotFound {
			return n, err
		}
		n++
	}
	return n, nil
}

// Erase removes a tenant with everything that belongs to it, for good. What is only cached is not found any more, as it is
// under the tenant's id.
func (s *Service) Erase(ctx context.Context, tenantID domain.ID) error {
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if err := postgres.SetTenant(ctx, tx, tenantID); err != nil {
			return err
		}
		// Of a hundred thousand chunks each goes with its part of the index, one by one.
		if _, err := tx.Exec(ctx, "select set_config('statement_timeout', '30min', true), set_config('lock_timeout', '60s', true)"); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "delete from tenants where id = $1", tenantID)
		if err == nil && tag.RowsAffected() == 0 {
			return domain.NewError(domain.NotFound, "There is no such tenant.")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("erase a tenant: %w", err)
	}
	return nil
}
