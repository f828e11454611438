package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/rivertype"

	"bitb/domain"
)

// lease shows the other processes that this one lives: an advisory lock, which PostgreSQL lets go the moment the connection ends,
// also by kill -9. Whoever can take the lock of a running job's process knows that it is dead, and puts the job back in line. It is
// held by a transaction that stays open, because a pooler in transaction mode leaves a connection with a process for no longer; one
// that only locks holds no rows and no snapshot. https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
type lease struct {
	*Service
	conn *pgxpool.Conn
}

func newLease(s *Service) *lease { return &lease{Service: s} }

func (l *lease) hold(ctx context.Context) error {
	conn, err := l.DB.QueuePool().Acquire(ctx)
	if err != nil {
		return fmt.Errorf("hold a connection for the queue: %w", err)
	}
	l.conn = conn
	for _, sql := range []string{"begin", "select pg_advisory_xact_lock(hashtextextended('" + l.id + "', 0))"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			l.release()
			return fmt.Errorf("show that this process lives: %w", err)
		}
	}
	return nil
}

// keep looks for the jobs of dead processes and for documents that nothing works on, until ctx ends.
func (l *lease) keep(ctx context.Context) {
	tick := time.NewTicker(rescueEvery)
	defer tick.Stop()
	for {
		if err := l.rescue(ctx); err != nil && ctx.Err() == nil {
			l.Log.WarnContext(ctx, "jobs of dead processes not looked for", "error", err)
			l.renew(ctx)
		}
		select {
		case <-ctx.Done():
			l.release()
			return
		case <-tick.C:
		}
	}
}

// renew takes a new connection when the old one broke, as in a restart of the database.
func (l *lease) renew(ctx context.Context) {
	if l.held(ctx) == nil {
		return
	}
	l.release()
	if err := l.hold(ctx); err != nil && ctx.Err() == nil {
		l.Log.WarnContext(ctx, "queue lease not renewed", "error", err)
	}
}

// held reports whether the lock is, and keeps its transaction from being taken for a forgotten one.
func (l *lease) held(ctx context.Context) error {
	if l.conn == nil {
		return errors.New("no connection")
	}
	return l.conn.Ping(ctx)
}

func (l *lease) release() {
	if l.conn != nil {
		// Closing rather than returning it: the pool must not hand out a connection that holds the lock.
		conn := l.conn.Hijack()
		l.conn = nil
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}
}

func (l *lease) rescue(ctx context.Context) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	pool := l.DB.QueuePool()
	tag, err := pool.Exec(ctx, `
		with running as materialized (
			select id, attempted_by[array_upper(attempted_by, 1)] as worker from river.river_job
			where state = 'running' and kind in ($1, $3, $4, $5, $6) and attempted_by[array_upper(attempted_by, 1)] <> $2)
		update river.river_job j set state = 'available', scheduled_at = now()
		from running r
		where j.id = r.id and j.state = 'running' and pg_try_advisory_xact_lock(hashtextextended(r.worker, 0))`, jobKind, l.id, upkeepKind, reembedKind, followKind, reanalyseKind)
	if err != nil {
		return fmt.Errorf("take over jobs: %w", err)
	}
	if n := tag.RowsAffected(); n > 0 {
		l.Log.InfoContext(ctx, "took over jobs of a process that died", "jobs", n)
	}
	if err := l.putBackMissing(ctx, pool); err != nil {
		return err
	}
	return l.putBackAbandoned(ctx, pool)
}

// putBackMissing puts the jobs back in line that the queue gave to this process and that never arrived, or whose end was never
// written down: the connection broke before the answer came. Nobody else would, as this process lives.
func (l *lease) putBackMissing(ctx context.Context, pool *pgxpool.Pool) error {
	tag, err := pool.Exec(ctx, `update river.river_job set state = 'available', scheduled_at = now()
		where state = 'running' and attempted_by[array_upper(attempted_by, 1)] = $1 and attempted_at < now() - $2::interval and id <> all($3)`,
		l.id, missingAfter, l.working.list())
	if err != nil {
		return fmt.Errorf("look for jobs that did not arrive: %w", err)
	}
	if n := tag.RowsAffected(); n > 0 {
		l.Log.InfoContext(ctx, "took up jobs that did not arrive", "jobs", n)
	}
	return nil
}

// working knows the jobs that this process works on.
type working struct {
	lock sync.Mutex
	jobs map[int64]bool
}

func (w *working) on(ctx context.Context, job *rivertype.JobRow, do func(context.Context) error) error {
	w.note(job.ID, true)
	defer w.note(job.ID, false)
	return do(ctx)
}

func (w *working) note(id int64, now bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.jobs == nil {
		w.jobs = map[int64]bool{}
	}
	if now {
		w.jobs[id] = true
	} else {
		delete(w.jobs, id)
	}
}

func (w *working) list() []int64 {
	w.lock.Lock()
	defer w.lock.Unlock()
	return append([]int64{}, slices.Collect(maps.Keys(w.jobs))...)
}

// putBackAbandoned finds turns that were given up, as when the database was gone for long, and puts the documents that they
// were reading back in line.
func (l *lease) putBackAbandoned(ctx context.Context, pool *pgxpool.Pool) error {
	rows, err := pool.Query(ctx, `select (args->>'tenant_id')::uuid, id from river.river_job
		where kind = $1 and state in ('discarded', 'cancelled') and finalized_at > now() - interval '10 minutes'`, jobKind)
	if err != nil {
		return fmt.Errorf("look for abandoned documents: %w", err)
	}
	type abandoned struct {
		TenantID domain.ID
		JobID    int64
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[abandoned])
	if err != nil {
		return fmt.Errorf("look for abandoned documents: %w", err)
	}
	for _, a := range found {
		if err := l.documents.Abandoned(ctx, a.TenantID, a.JobID); err != nil {
			return err
		}
	}
	return nil
}
