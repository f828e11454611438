package secret

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Store keeps what all processes of a deployment share and nobody else may read, such as certificates: sealed, in the database.
type Store struct {
	db     *postgres.DB
	sealer *Sealer
}

// NewStore returns the store over db.
func NewStore(db *postgres.DB, sealer *Sealer) *Store { return &Store{db: db, sealer: sealer} }

const sealedName = "sealed "

// Get returns what is kept under a name, and whether there is anything.
func (s *Store) Get(ctx context.Context, name string) (data []byte, found bool, err error) {
	var sealed []byte
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select data from auth.sealed where name = $1 and data is not null", name).Scan(&sealed)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	data, current, err := s.sealer.Open(sealed, sealedName+name)
	if err == nil && !current {
		err = s.Put(ctx, name, data)
	}
	return data, err == nil, err
}

// Put keeps data under a name, and ends a lease of it.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	sealed := s.sealer.Seal(data, sealedName+name)
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into auth.sealed (name, data) values ($1, $2)
			on conflict (name) do update set data = excluded.data, lease_until = null, updated_at = now()`, name, sealed)
		return err
	})
}

// Delete forgets what is kept under a name.
func (s *Store) Delete(ctx context.Context, name string) error {
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from auth.sealed where name = $1", name)
		return err
	})
}

// Lease reports whether the caller is the one who may make what is not there yet: for so long nobody else is told so.
func (s *Store) Lease(ctx context.Context, name string, d time.Duration) (mine bool, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `insert into auth.sealed as s (name, lease_until) values ($1, now() + make_interval(secs => $2))
			on conflict (name) do update set lease_until = excluded.lease_until
			where s.data is null and (s.lease_until is null or s.lease_until < now())`, name, d.Seconds())
		mine = err == nil && tag.RowsAffected() == 1
		return err
	})
	return mine, err
}

// Reseal seals anew what an older key sealed.
func (s *Store) Reseal(ctx context.Context) error {
	var names []string
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select name from auth.sealed where data is not null")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	for _, name := range names {
		if err != nil {
			break
		}
		_, _, err = s.Get(ctx, name)
	}
	return err
}
