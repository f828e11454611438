package document

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/postgres"
)

// The line of a tenant is its documents with the status queued, in the order of queued_at. What works on it (ingest) takes
// the next one that is due. Whoever adds to the line, and whoever finds it empty, holds its lock until the commit, so that no
// wake-up is lost in between.

// lanes is how many documents of a tenant are read at once at most.
const lanes = 4

// wake makes sure that somebody works on what waits in the tenant's line.
func (s *Service) wake(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	if err := lockLine(ctx, tx, tenantID); err != nil {
		return err
	}
	var waiting, read int
	err := tx.QueryRow(ctx, `select
		(select count(*) from (select from documents where tenant_id = $1 and status = 'queued' and due_at <= clock_timestamp() limit $2) w),
		(select count(*) from documents where tenant_id = $1 and status in ('reading', 'embedding'))`, tenantID, lanes).Scan(&waiting, &read)
	if err != nil {
		return fmt.Errorf("look at the line: %w", err)
	}
	if waiting == 0 {
		return nil
	}
	return s.ingest.Wake(ctx, tx, tenantID, min(waiting+read, lanes))
}

func lockLine(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('line of ' || $1::text, 0))", tenantID); err != nil {
		return fmt.Errorf("lock the line: %w", err)
	}
	return nil
}

// inLineAgain puts a document at the end of the line for a fresh reading. What reads it now is superseded by the attempt.
const inLineAgain = ` status = 'queued', attempt = attempt + 1, progress_done = 0, progress_total = 0, tries = 0, interruptions = 0,
	queued_at = clock_timestamp(), due_at = clock_timestamp(), waits_for = '', waits_since = null, job_id = 0,
	failure_code = '', failure_title = '', failure_message = '', failure_page = 0, updated_at = now()`

// lockDocument takes the document's row for the rest of the transaction and returns its status. Nobody changes the keys of the
// row, so the lock leaves alone an answer that is kept meanwhile and cites the document.
func lockDocument(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) (Status, error) {
	var status Status
	err := tx.QueryRow(ctx, "select status from documents where tenant_id = $1 and id = $2 for no key update", tenantID, id).Scan(&status)
	return status, err
}

// Retry puts a failed document in line again. One that is busy or ready stays as it is: domain.Conflict.
func (s *Service) Retry(ctx context.Context, tenantID, id domain.ID) error {
	return s.queueOne(ctx, tenantID, id, func(was Status) error {
		if was != Failed {
			return domain.NewError(domain.Conflict, "This document has not failed, so there is nothing to retry.")
		}
		return nil
	})
}

// ReadAgain puts a document in line to be read and cut anew, as the settings are now. Its chunks answer until then, and what
// people did to them is kept. One that is in line already stays where it is: domain.Conflict.
func (s *Service) ReadAgain(ctx context.Context, tenantID, id domain.ID) error {
	return s.queueOne(ctx, tenantID, id, func(was Status) error {
		if was.Busy() {
			return domain.NewError(domain.Conflict, "This document is being read already.")
		}
		return nil
	})
}

func (s *Service) queueOne(ctx context.Context, tenantID, id domain.ID, check func(Status) error) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		status, err := lockDocument(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		if err := check(status); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update documents set "+inLineAgain+" where tenant_id = $1 and id = $2", tenantID, id); err != nil {
			return fmt.Errorf("queue a document again: %w", err)
		}
		return s.wake(ctx, tx, tenantID)
	})
}

// RetryFailed puts every failed document in line again that another try can help, and returns how many. One that a person
// stopped stays stopped.
func (s *Service) RetryFailed(ctx context.Context, tenantID domain.ID) (n int, err error) {
	return s.queueMany(ctx, tenantID, "d.status = 'failed' and d.failure_code <> all($2)", notRetried)
}

// ReadOutdated puts every document in line that is cut otherwise than the tenant's settings say, and returns how many.
func (s *Service) ReadOutdated(ctx context.Context, tenantID domain.ID) (n int, err error) {
	return s.queueMany(ctx, tenantID, outdated)
}

const outdated = `d.status = 'ready' and (d.cut_tokens, d.cut_overlap) is distinct from
	(select (c.chunk_tokens, c.chunk_overlap) from corpora c where c.tenant_id = d.tenant_id)`

func (s *Service) queueMany(ctx context.Context, tenantID domain.ID, which string, args ...any) (n int, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "update documents d set "+inLineAgain+" where d.tenant_id = $1 and "+which, append([]any{tenantID}, args...)...)
		if err != nil {
			return fmt.Errorf("queue documents again: %w", err)
		}
		if n = int(tag.RowsAffected()); n == 0 {
			return nil
		}
		return s.wake(ctx, tx, tenantID)
	})
	return n, err
}

// Cancel stops the reading of a document, or gives up one that failed. Where an older reading answers, that one stays and a
// version that was uploaded since is dropped: kept is its number. A document that never answered stays, marked as cancelled,
// and can be retried: kept is 0. One that is ready is domain.Conflict.
func (s *Service) Cancel(ctx context.Context, tenantID, id domain.ID) (kept int, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		status, err := lockDocument(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "select live_version from documents where tenant_id = $1 and id = $2", tenantID, id).Scan(&kept); err != nil {
			return err
		}
		switch {
		case kept > 0 && status != Ready:
			return backToLive(ctx, tx, tenantID, id)
		case status.Busy():
			f := Failure{Code: Cancelled, Title: "Cancelled", Message: "It was stopped before it was ready. Your file is here; retry to read it."}
			if err := failDocument(ctx, tx, tenantID, id, f); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "update documents set attempt = attempt + 1 where tenant_id = $1 and id = $2", tenantID, id)
			return err
		}
		return domain.NewError(domain.Conflict, "This document is not being read, so there is nothing to cancel.")
	})
	return kept, err
}

func backToLive(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) error {
	if err := refuseTaken(ctx, tx, tenantID, id); err != nil {
		return err
	}
	if err := dropUnanswered(ctx, tx, tenantID, id); err != nil {
		return err
	}
	for _, sql := range []string{
		`update documents d set ` + inLineAgain + `, sha256 = f.sha256, version = d.live_version from document_files f
			where d.tenant_id = $1 and d.id = $2 and f.tenant_id = $1 and f.document_id = $2 and f.version = d.live_version`,
		`update documents set status = 'ready' where tenant_id = $1 and id = $2`,
	} {
		if _, err := tx.Exec(ctx, sql, tenantID, id); err != nil {
			return fmt.Errorf("go back to the version that answers: %w", err)
		}
	}
	return nil
}

// refuseTaken says whose the bytes of the version that answers are by now: they may have been uploaded once more as a document
// of their own while a newer version was under way.
func refuseTaken(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) error {
	var other string
	err := tx.QueryRow(ctx, `select o.name from documents d
		join document_files f on f.tenant_id = $1 and f.document_id = d.id and f.version = d.live_version
		join documents o on o.tenant_id = $1 and o.sha256 = f.sha256 and o.id <> d.id
		where d.tenant_id = $1 and d.id = $2`, tenantID, id).Scan(&other)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look whose the bytes are: %w", err)
	}
	return domain.NewError(domain.Conflict, "The file of the version that answers is also a document of its own, “"+other+"”. Delete one of the two.")
}

// Cutting returns how the tenant's documents are to be cut, and how many are cut otherwise.
func (s *Service) Cutting(ctx context.Context, tenantID domain.ID) (c Cutting, outdatedN int, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if c, err = cutting(ctx, tx, tenantID); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select count(*) from documents d where d.tenant_id = $1 and "+outdated, tenantID).Scan(&outdatedN)
	})
	return c, outdatedN, err
}

func cutting(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (c Cutting, err error) {
	err = tx.QueryRow(ctx, "select chunk_tokens, chunk_overlap from corpora where tenant_id = $1", tenantID).Scan(&c.Tokens, &c.Overlap)
	return c, err
}

// SetCutting changes how documents are cut from now on; what is there stays as it is until it is read again.
func (s *Service) SetCutting(ctx context.Context, tenantID domain.ID, c Cutting) error {
	fields := map[string]string{}
	if c.Tokens < MinChunkTokens || c.Tokens > MaxChunkTokens {
		fields["tokens"] = fmt.Sprintf("Choose from %d to %d tokens.", MinChunkTokens, MaxChunkTokens)
	} else if c.Overlap < 0 || c.Overlap > c.Tokens/MaxOverlapShare {
		fields["overlap"] = fmt.Sprintf("Choose from 0 to %d tokens, a quarter of a chunk.", c.Tokens/MaxOverlapShare)
	}
	if len(fields) > 0 {
		return &domain.Error{Code: domain.Invalid, Message: "These sizes do not fit.", Fields: fields}
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update corpora set chunk_tokens = $2, chunk_overlap = $3 where tenant_id = $1", tenantID, c.Tokens, c.Overlap)
		return err
	})
}

// Changes returns id → a number that changes with every change of the document, for those that changed in the last
// minute or are still busy. Under the zero id is how many are embedded with an earlier model, while there are any.
func (s *Service) Changes(ctx context.Context, tenantID domain.ID) (map[domain.ID]int64, error) {
	changes := map[domain.ID]int64{}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id, (extract(epoch from updated_at) * 1000000)::bigint + progress_done from documents
			where tenant_id = $1 and (updated_at > now() - interval '1 minute' or status in ('queued', 'reading', 'embedding'))
			order by updated_at desc limit 200`, tenantID)
		if err != nil {
			return err
		}
		var id domain.ID
		var change int64
		if _, err = pgx.ForEachRow(rows, []any{&id, &change}, func() error { changes[id] = change; return nil }); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, "select count(*) from documents d where "+hasOther, tenantID, s.ingest.Model()).Scan(&change)
		if change > 0 {
			changes[domain.ID{}] = change
		}
		return err
	})
	return changes, err
}

// estimate fills in how long the documents that wait will wait.
func (s *Service) estimate(ctx context.Context, documents []Document) {
	pace := sync.OnceValue(func() Pace { return s.ingest.Pace(ctx) })
	for i := range documents {
		d := &documents[i]
		if d.Status != Queued || d.WaitsFor != "" || d.QueuePlace == 0 {
			continue
		}
		if p := pace(); p.Each > 0 {
			d.Wait = time.Duration(d.QueuePlace) * time.Duration(max(1, p.Tenants)) * p.Each / time.Duration(max(1, p.Workers))
		}
	}
}

// Waiting is how the lines of several tenants are.
type Waiting struct {
	Documents int
	Longest   time.Duration // that one of them has waited
}

// Waiting looks at the lines of tenants, one after the other under its policy, all in one round trip.
func (s *Service) Waiting(ctx context.Context, tenants []domain.ID) (w Waiting, err error) {
	var batch pgx.Batch
	for _, id := range tenants {
		batch.Queue(postgres.SetTenantSQL, id.String()).Exec(func(pgconn.CommandTag) error { return nil })
		batch.Queue(`select count(*), coalesce(extract(epoch from clock_timestamp() - min(least(queued_at, waits_since)))::float8, 0)
			from documents where tenant_id = $1 and status = 'queued'`, id).QueryRow(func(row pgx.Row) error {
			var n int
			var seconds float64
			err := row.Scan(&n, &seconds)
			w.Documents, w.Longest = w.Documents+n, max(w.Longest, time.Duration(seconds*float64(time.Second)))
			return err
		})
	}
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &batch).Close() })
	return w, err
}

// ErrNothing says that no document of the tenant is due.
var ErrNothing = errors.New("nothing is in line")

// Next takes up the tenant's next document that is due for the queue's job, and returns what it takes to read it. When
// nothing is due, idle ends the job in the same transaction, and the error is ErrNothing.
func (s *Service) Next(ctx context.Context, tenantID domain.ID, jobID int64, idle func(pgx.Tx) error) (a Attempt, err error) {
	found := false
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := putBackInterrupted(ctx, tx, tenantID, jobID); err != nil {
			return err
		}
		if a, found, err = takeUp(ctx, tx, tenantID, jobID); found || err != nil {
			return err
		}
		// Perhaps one came just now, whose wake-up found this job still running.
		if err := lockLine(ctx, tx, tenantID); err != nil {
			return err
		}
		if a, found, err = takeUp(ctx, tx, tenantID, jobID); found || err != nil {
			return err
		}
		if err := s.wakeLater(ctx, tx, tenantID); err != nil {
			return err
		}
		return idle(tx)
	})
	if err == nil && !found {
		err = ErrNothing
	}
	return a, err
}

// wakeLater has somebody look again at what waits and could not be taken up: it is not due yet, or somebody is just changing
// it, as when a large document is switched off.
func (s *Service) wakeLater(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	var at *time.Time
	err := tx.QueryRow(ctx, `select greatest(min(due_at), clock_timestamp() + interval '1 second') from documents
		where tenant_id = $1 and status = 'queued' having count(*) > 0`, tenantID).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil || at == nil {
		return err
	}
	return s.ingest.WakeAt(ctx, tx, tenantID, *at)
}

// mostInterruptions is how often the process that read a document may die before the document is given up. A process dies
// for many reasons; this one is only suspected.
const mostInterruptions = 25

// putBackInterrupted puts what this job was reading when its process died back in line, behind the others: it may be what
// the process died of.
func putBackInterrupted(ctx context.Context, tx pgx.Tx, tenantID domain.ID, jobID int64) error {
	_, err := tx.Exec(ctx, `
		update documents set status = 'queued', attempt = attempt + 1, interruptions = interruptions + 1, job_id = 0,
			queued_at = clock_timestamp(), due_at = clock_timestamp(), progress_done = 0, progress_total = 0, updated_at = now()
		where tenant_id = $1 and job_id = $2 and status in ('reading', 'embedding')`, tenantID, jobID)
	if err != nil {
		return fmt.Errorf("put an interrupted document back: %w", err)
	}
	_, err = tx.Exec(ctx, `
		update documents set status = 'failed', failure_code = $2, failure_title = $3, failure_message = $4, updated_at = now()
		where tenant_id = $1 and status = 'queued' and interruptions >= $5`, tenantID, GaveUp.Code, GaveUp.Title, GaveUp.Message, mostInterruptions)
	if err != nil {
		return fmt.Errorf("give up an interrupted document: %w", err)
	}
	return nil
}

// GaveUp is the failure of a document that something else than the file or a model kept from being read.
var GaveUp = Failure{Code: "internal", Title: "Reading stopped",
	Message: "Something on our side failed again and again. Your file is fine; try again later."}

func takeUp(ctx context.Context, tx pgx.Tx, tenantID domain.ID, jobID int64) (a Attempt, found bool, err error) {
	a.TenantID = tenantID
	var waited *time.Duration // by the clock of the database, which began to count
	err = tx.QueryRow(ctx, `
		with next as materialized ( -- a sub-select might be run more than once, and take one each time
			select id from documents where tenant_id = $1 and status = 'queued' and due_at <= clock_timestamp()
			order by queued_at, id limit 1 for no key update skip locked)
		update documents d set status = 'reading', attempt = d.attempt + 1, job_id = $2, progress_done = 0, progress_total = 0, updated_at = now()
		from next where d.tenant_id = $1 and d.id = next.id
		returning d.id, d.attempt, d.version, d.tries, clock_timestamp() - d.waits_since, d.edit_revision`, tenantID, jobID).
		Scan(&a.DocumentID, &a.Number, &a.Version, &a.Tries, &waited, &a.revision)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("take up a document: %w", err)
	}
	if waited != nil {
		a.WaitsSince = time.Now().Add(-*waited)
	}
	// A reading that comes long after the upload, as when a document is cut anew, is no part of it.
	err = tx.QueryRow(ctx, `select name, content, object, case when created_at > now() - interval '1 day' then traceparent else '' end
		from document_files where tenant_id = $1 and document_id = $2 and version = $3`,
		tenantID, a.DocumentID, a.Version).Scan(&a.Name, &a.Content, &a.object, &a.Trace)
	if err != nil {
		return a, false, fmt.Errorf("read the original: %w", err)
	}
	if a.Cutting, err = cutting(ctx, tx, tenantID); err != nil {
		return a, false, fmt.Errorf("read how to cut: %w", err)
	}
	a.Edits, err = edits(ctx, tx, tenantID, a.DocumentID)
	return a, err == nil, err
}

// soon is a wait that is not worth a timer, whose clock ticks every few seconds.
const soon = 100 * time.Millisecond

// Postpone puts a document back in line, to be taken up after a wait. counts says whether this was a failed try of its own; why, which may
// be empty, tells the person what it waits for. also runs in the same transaction.
func (s *Service) Postpone(ctx context.Context, a Attempt, wait time.Duration, why string, counts bool, also func(pgx.Tx) error) error {
	if wait < soon {
		wait = 0
	}
	return s.current(ctx, a, func(tx pgx.Tx) error {
		var due time.Time // by the clock of the database, as the queue goes by it too
		err := tx.QueryRow(ctx, `
			update documents set status = 'queued', job_id = 0, due_at = clock_timestamp() + $3::interval, queued_at = clock_timestamp() + $3::interval,
				tries = tries + $4, waits_for = $5, waits_since = case when $5 <> '' then coalesce(waits_since, now()) end,
				progress_done = 0, progress_total = 0, updated_at = now()
			where tenant_id = $1 and id = $2 returning due_at`, a.TenantID, a.DocumentID, wait, btoi(counts), why).Scan(&due)
		if err != nil {
			return fmt.Errorf("postpone a document: %w", err)
		}
		if err := lockLine(ctx, tx, a.TenantID); err != nil {
			return err
		}
		if wait > 0 {
			if err := s.ingest.WakeAt(ctx, tx, a.TenantID, due); err != nil {
				return err
			}
		}
		return s.leave(ctx, tx, a.TenantID, also)
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Release puts a document back to where it was in line: its process is stopping.
func (s *Service) Release(ctx context.Context, a Attempt) error {
	return s.current(ctx, a, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update documents set status = 'queued', attempt = attempt + 1, job_id = 0, progress_done = 0,
			progress_total = 0, updated_at = now() where tenant_id = $1 and id = $2`, a.TenantID, a.DocumentID)
		return err
	})
}

// Leave ends a job whose document is not wanted any more. also ends it, in the transaction that wakes what waits.
func (s *Service) Leave(ctx context.Context, tenantID domain.ID, also func(pgx.Tx) error) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error { return s.leave(ctx, tx, tenantID, also) })
}

// leave ends the job before it wakes the line: a job that still runs would be taken for one that will look again. It takes
// the line's lock first, as whoever queues a turn does: they wait for each other's turns too.
func (s *Service) leave(ctx context.Context, tx pgx.Tx, tenantID domain.ID, also func(pgx.Tx) error) error {
	if err := lockLine(ctx, tx, tenantID); err != nil {
		return err
	}
	if err := also(tx); err != nil {
		return err
	}
	return s.wake(ctx, tx, tenantID)
}

// Abandoned puts back what a job was reading that the queue gave up.
func (s *Service) Abandoned(ctx context.Context, tenantID domain.ID, jobID int64) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := putBackInterrupted(ctx, tx, tenantID, jobID); err != nil {
			return err
		}
		return s.wake(ctx, tx, tenantID)
	})
}
