package tenant

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Sessions keeps the session library's records in Postgres, so that losing Redis signs nobody out. Tokens arrive hashed.
// It has the methods of that library's store, with and without a context.
type Sessions struct{ db *postgres.DB }

// NewSessions returns the session store over db.
func NewSessions(db *postgres.DB) *Sessions { return &Sessions{db: db} }

// FindCtx returns the data of a session that has not expired.
func (s *Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select data from auth.sessions where token_hash = $1 and expires_at > now()", token).Scan(&data)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return nil, false, nil
	}
	return data, err == nil, err
}

// CommitCtx writes a session.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into auth.sessions (token_hash, data, expires_at) values ($1, $2, $3)
			on conflict (token_hash) do update set data = excluded.data, expires_at = excluded.expires_at`, token, data, expires)
		return err
	})
}

// DeleteCtx ends a session.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from auth.sessions where token_hash = $1", token)
		return err
	})
}

// DeleteExpired removes sessions nobody can use any more.
func (s *Sessions) DeleteExpired(ctx context.Context) error {
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from auth.sessions where expires_at < now()")
		return err
	})
}

// Find is FindCtx for the library's older interface.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx for the library's older interface.
func (s *Sessions) Commit(token string, data []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expires)
}

// Delete is DeleteCtx for the library's older interface.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
