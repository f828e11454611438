package tenant

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Health is how a tenant fares, without a word of what it is about. Answers are those of the last seven days.
type Health struct {
	TenantID   domain.ID
	Name       string
	CreatedAt  time.Time
	Documents  int
	Failed     int // documents
	Answers    int
	Errors     int       // answers that broke off, or that the model did not give
	Unanswered int       // answers that found nothing fitting
	LastActive time.Time // a document changed or somebody wrote; zero: never
}

// TenantPageSize is how many tenants a page of the list holds. Health is read for a page alone.
const TenantPageSize = 50

// TenantList is one page of all tenants by name.
type TenantList struct {
	Tenants  []Health
	Search   string // in names, or an id
	Page     int    // from 1
	Matching int
}

// PageCount is the number of pages of the list, one at least.
func (l TenantList) PageCount() int { return max(1, (l.Matching+TenantPageSize-1)/TenantPageSize) }

// Tenants lists the tenants for staff.
func (s *Support) Tenants(ctx context.Context, search string, page int) (TenantList, error) {
	list := TenantList{Search: search, Page: max(1, page)}
	id, _ := domain.ParseID(search)
	const match = ` from auth.tenants t where ($1 = '' or strpos(lower(name), lower($1)) > 0 or tenant_id = $2)
		and not exists (select from auth.scratch_tenants s where s.tenant_id = t.tenant_id)` // made to measure, and nobody's
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select count(*)"+match, search, id).Scan(&list.Matching); err != nil {
			return fmt.Errorf("count tenants: %w", err)
		}
		rows, err := tx.Query(ctx, "select tenant_id, name, created_at"+match+" order by lower(name), tenant_id limit $3 offset $4",
			search, id, TenantPageSize, (list.Page-1)*TenantPageSize)
		if err != nil {
			return fmt.Errorf("list tenants: %w", err)
		}
		if list.Tenants, err = pgx.CollectRows(rows, scanTenant); err != nil {
			return err
		}
		return readHealth(ctx, tx, list.Tenants)
	})
	return list, err
}

// Tenant returns one tenant for staff.
func (s *Support) Tenant(ctx context.Context, id domain.ID) (Health, error) {
	var one []Health
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select tenant_id, name, created_at from auth.tenants where tenant_id = $1", id)
		if err != nil {
			return err
		}
		h, err := pgx.CollectExactlyOneRow(rows, scanTenant)
		if err != nil {
			return err
		}
		one = []Health{h}
		return readHealth(ctx, tx, one)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return Health{}, domain.NewError(domain.NotFound, "There is no such tenant.")
	}
	if err != nil {
		return Health{}, err
	}
	return one[0], nil
}

func scanTenant(row pgx.CollectableRow) (Health, error) {
	var h Health
	err := row.Scan(&h.TenantID, &h.Name, &h.CreatedAt)
	return h, err
}

const healthSQL = `
	select d.all_of_them, d.failed, m.answers, m.errors, m.unanswered,
		greatest(d.changed, (select max(created_at) from messages where tenant_id = $1))
	from
		(select count(*) as all_of_them, count(*) filter (where status = 'failed') as failed, max(updated_at) as changed
			from documents where tenant_id = $1) d,
		(select count(*) as answers, count(*) filter (where status in ('quoted', 'interrupted')) as errors,
				count(*) filter (where status = 'fallback') as unanswered
			from messages where tenant_id = $1 and author = 'bot' and created_at > now() - interval '7 days') m`

// readHealth looks at one tenant after the other under its policy, all in one round trip.
func readHealth(ctx context.Context, tx pgx.Tx, tenants []Health) error {
	var batch pgx.Batch
	for i := range tenants {
		h := &tenants[i]
		batch.Queue(postgres.SetTenantSQL, h.TenantID.String()).Exec(func(pgconn.CommandTag) error { return nil })
		batch.Queue(healthSQL, h.TenantID).QueryRow(func(row pgx.Row) error {
			var active *time.Time
			err := row.Scan(&h.Documents, &h.Failed, &h.Answers, &h.Errors, &h.Unanswered, &active)
			if active != nil {
				h.LastActive = *active
			}
			return err
		})
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("read how tenants fare: %w", err)
	}
	return nil
}
