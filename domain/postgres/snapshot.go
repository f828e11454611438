package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bitb/domain"
)

// Reader is what a transaction that only reads is read with.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

const (
	beginSnapshotSQL   = "begin isolation level repeatable read read only"
	snapshotOfSQL      = "select set_config('app.tenant_id', $1, true), set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)"
	endSnapshotTimeout = 5 * time.Second
)

// SnapshotFrom is Snapshot for what has to be quick: its first statements travel with its beginning, and nobody waits for its
// end, which makes two round trips fewer. What they call, and fn, may be called again as InTenant's is.
func (db *DB) SnapshotFrom(ctx context.Context, tenant domain.ID, first *pgx.Batch, fn func(Reader) error) error {
	if who, _ := domain.IdentityFrom(ctx); who.StaffID != (domain.ID{}) {
		return db.Snapshot(ctx, tenant, func(tx pgx.Tx) error {
			var batch pgx.Batch
			queueAgain(&batch, first)
			if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
				return err
			}
			return fn(tx)
		})
	}
	ctx, cancel := db.pulse.during(ctx)
	defer cancel()
	for began := time.Now(); ; sleep(ctx, 50*time.Millisecond) {
		broken, err := db.snapshotFrom(ctx, tenant, first, fn)
		if !broken || time.Since(began) > acquireTimeout || ctx.Err() != nil {
			return spoken(ctx, err)
		}
	}
}

// snapshotFrom tries it once. broken says that it came to nothing as the connection was lost, or there was none.
func (db *DB) snapshotFrom(ctx context.Context, tenant domain.ID, first *pgx.Batch, fn func(Reader) error) (broken bool, err error) {
	acquire, cancel := context.WithTimeout(ctx, acquireTimeout)
	conn, err := db.pool.Acquire(acquire)
	cancel()
	if err != nil {
		return unreachable(err), fmt.Errorf("acquire a connection: %w", err)
	}
	defer func() { go endSnapshot(conn) }()
	wire := conn.Conn().PgConn().Conn()
	defer endWith(ctx, wire)()
	var batch pgx.Batch
	batch.Queue(beginSnapshotSQL)
	batch.Queue(snapshotOfSQL, tenant.String())
	queueAgain(&batch, first)
	if err = conn.SendBatch(ctx, &batch).Close(); err != nil {
		err = fmt.Errorf("begin: %w", err)
	} else {
		err = fn(conn)
	}
	return err != nil && conn.Conn().IsClosed(), err
}

// queueAgain queues what was queued already: a statement remembers the connection that it was sent over.
func queueAgain(batch, from *pgx.Batch) {
	for _, q := range from.QueuedQueries {
		batch.QueuedQueries = append(batch.QueuedQueries, &pgx.QueuedQuery{SQL: q.SQL, Arguments: q.Arguments, Fn: q.Fn})
	}
}

// endSnapshot ends what only read, so that it does not matter how, and gives the connection back. The pool closes one that is not
// as it should be.
func endSnapshot(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), endSnapshotTimeout)
	defer cancel()
	defer conn.Release()
	_, _ = conn.Exec(ctx, "rollback")
}
