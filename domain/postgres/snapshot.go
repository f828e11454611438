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
// end, which makes two round trips fewer.
func (db *DB) SnapshotFrom(ctx context.Context, tenant domain.ID, first *pgx.Batch, fn func(Reader) error) error {
	if who, _ := domain.IdentityFrom(ctx); who.StaffID != (domain.ID{}) {
		return db.Snapshot(ctx, tenant, func(tx pgx.Tx) error {
			if err := tx.SendBatch(ctx, first).Close(); err != nil {
				return err
			}
			return fn(tx)
		})
	}
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { go endSnapshot(conn) }()
	var batch pgx.Batch
	batch.Queue(beginSnapshotSQL)
	batch.Queue(snapshotOfSQL, tenant.String())
	batch.QueuedQueries = append(batch.QueuedQueries, first.QueuedQueries...)
	if err := conn.SendBatch(ctx, &batch).Close(); err != nil {
		return toDomain(fmt.Errorf("begin: %w", err))
	}
	return toDomain(fn(conn))
}

// endSnapshot ends what only read, so that it does not matter how, and gives the connection back. The pool closes one that is not
// as it should be.
func endSnapshot(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), endSnapshotTimeout)
	defer cancel()
	defer conn.Release()
	_, _ = conn.Exec(ctx, "rollback")
}
