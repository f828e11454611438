package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
		err = s.reseal(ctx, name, sealed, data)
	}
	return data, err == nil, err
}

// reseal seals data anew where it is still as it was read: another process may have put something newer there, or deleted it.
func (s *Store) reseal(ctx context.Context, name string, was, data []byte) error {
	sealed := s.sealer.Seal(data, sealedName+name)
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update auth.sealed set data = $3, updated_at = now() where name = $1 and data = $2", name, was, sealed)
		return err
	})
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

// Reseal seals anew what an older key sealed, and returns how many.
func (s *Store) Reseal(ctx context.Context) (n int, err error) {
	all, err := s.all(ctx)
	for name, sealed := range all {
		data, current, openErr := s.sealer.Open(sealed, sealedName+name)
		if openErr == nil && !current {
			openErr = s.reseal(ctx, name, sealed, data)
			n++
		}
		if openErr != nil {
			err = errors.Join(err, fmt.Errorf("open %s: %w", name, openErr))
		}
	}
	return n, err
}

// SealedWith counts what is kept by the fingerprint of the key that sealed it.
func (s *Store) SealedWith(ctx context.Context) (map[string]int, error) {
	all, err := s.all(ctx)
	counts := map[string]int{}
	for _, sealed := range all {
		counts[SealedWith(sealed)]++
	}
	return counts, err
}

// all are a few: certificates of one name.
func (s *Store) all(ctx context.Context) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select name, data from auth.sealed where data is not null")
		if err != nil {
			return err
		}
		var name string
		var data []byte
		_, err = pgx.ForEachRow(rows, []any{&name, &data}, func() error {
			all[name] = bytes.Clone(data)
			return nil
		})
		return err
	})
	return all, err
}
