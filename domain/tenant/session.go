package tenant

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
	"bitb/domain/secret"
)

// Sessions keeps the session library's records in Postgres, so that losing Redis signs nobody out. Tokens arrive hashed. The session
// keys make a record's name from that hash and seal what is in it: who can read the table, or write into it, has no session. One that was
// ended stays for a while as a record without data: a request that loaded it before writes it once more when it is through, and must
// not bring it back.
// It has the methods of that library's store, with and without a context.
type Sessions struct {
	db   *postgres.DB
	keys *secret.Sealer
}

// NewSessions returns the session store over db.
func NewSessions(db *postgres.DB, keys *secret.Sealer) *Sessions {
	return &Sessions{db: db, keys: keys}
}

const sessionName = "session "

// FindCtx returns the data of a session that has not expired.
func (s *Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	var name string
	var sealed []byte
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select token_hash, data from auth.sessions where token_hash = any($1) and expires_at > now() and data <> ''
			order by array_position($1, token_hash) limit 1`, s.keys.Names(token)).Scan(&name, &sealed)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	data, _, err = s.keys.Open(sealed, sessionName+name)
	return data, err == nil, nil // what cannot be opened is no session; the keys count it
}

// CommitCtx writes a session, under the newest key and no other, unless it was ended.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	names := s.keys.Names(token)
	sealed := s.keys.Seal(data, sessionName+names[0])
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `with older as (delete from auth.sessions where token_hash = any($4) and data <> '')
			insert into auth.sessions as s (token_hash, data, expires_at)
			select $1, $2::bytea, $3::timestamptz where not exists (select from auth.sessions where token_hash = any($4) and data = '')
			on conflict (token_hash) do update set data = excluded.data, expires_at = excluded.expires_at where s.data <> ''`,
			names[0], sealed, expires, names[1:])
		return err
	})
}

// endedFor is longer than any request takes.
const endedFor = time.Hour

// DeleteCtx ends a session.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update auth.sessions set data = '', expires_at = now() + $2::interval where token_hash = any($1)", s.keys.Names(token), endedFor)
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

// SealedWith counts the sessions by the fingerprint of the key that sealed them.
func (s *Sessions) SealedWith(ctx context.Context) (map[string]int, error) {
	return countSealed(ctx, s.db, "select data from auth.sessions where expires_at > now() and data <> ''")
}

// countSealed counts the values of a statement's one column by the key that sealed them. Their heads are enough.
func countSealed(ctx context.Context, db *postgres.DB, sql string) (map[string]int, error) {
	counts := map[string]int{}
	err := db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select substr(v, 1, 16), count(*) from ("+sql+") as t (v) group by 1")
		if err != nil {
			return err
		}
		var head []byte
		var n int
		_, err = pgx.ForEachRow(rows, []any{&head, &n}, func() error {
			counts[secret.SealedWith(head)] += n
			return nil
		})
		return err
	})
	return counts, err
}
