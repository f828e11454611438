package questions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"bitb/domain"
	"bitb/domain/retrieve"
)

const (
	atOnce       = 2 // questions searched for at once: visitors' come first
	progressStep = 500 * time.Millisecond
)

// Run has all questions searched for now. One that is under way already is what they get.
func (s *Service) Run(ctx context.Context, tenantID domain.ID, why Reason) error {
	return s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, tenantID); err != nil {
			return err
		}
		if has, err := s.Follows(ctx, tx, tenantID); err != nil {
			return err
		} else if !has {
			return domain.NewError(domain.Conflict, "There are no test questions yet.")
		}
		_, err := tx.Exec(ctx, `insert into test_runs (tenant_id, id, reason, state) values ($1, $2, $3, 'waiting')
			on conflict (tenant_id) where state <> 'done' do nothing`, tenantID, domain.NewID(), why)
		if err != nil {
			return fmt.Errorf("ask for a run: %w", err)
		}
		return s.Queue.FollowNow(ctx, tx, tenantID)
	})
}

// Follows reports whether the tenant has test questions.
func (s *Service) Follows(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (has bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select from test_questions where tenant_id = $1)", tenantID).Scan(&has)
	return has, err
}

// Follow runs the questions when somebody asked for it, or when something that they depend on has changed and been quiet for a
// while.
func (s *Service) Follow(ctx context.Context, tenantID domain.ID, end func(pgx.Tx) error) (after time.Duration, err error) {
	for {
		r, wait, err := s.next(ctx, tenantID, end)
		if err != nil || r == nil {
			return wait, err
		}
		if err := s.perform(ctx, r); err != nil {
			return 0, err
		}
	}
}

// run is a run under way.
type run struct {
	Run
	tenant    domain.ID
	began     time.Time
	questions []Question
	results   []Result
	done      atomic.Int64
	without   atomic.Int64
}

// next decides what is to be done, and marks a run as running. Whoever changes what it decides by holds the lock too, so nothing
// is missed: a change is either seen here, or queues another look.
func (s *Service) next(ctx context.Context, tenantID domain.ID, end func(pgx.Tx) error) (r *run, wait time.Duration, err error) {
	err = s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, tenantID); err != nil {
			return err
		}
		now := &run{tenant: tenantID, began: time.Now()}
		if now.Searched, err = s.Searcher.State(ctx, tx, tenantID); err != nil {
			return err
		}
		if now.questions, err = list(ctx, tx, tenantID); err != nil {
			return err
		}
		var changedAt time.Time
		if now.Reason, changedAt, err = due(ctx, tx, tenantID, now.Searched); err != nil {
			return err
		}
		asked, err := openRun(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		switch {
		case len(now.questions) == 0 || asked == nil && now.Reason == "":
			if _, err := tx.Exec(ctx, "delete from test_runs where tenant_id = $1 and state <> 'done'", tenantID); err != nil {
				return err
			}
			return end(tx)
		case asked != nil:
			now.ID, now.Reason = asked.ID, asked.Reason
		default:
			if wait = time.Until(changedAt.Add(s.Quiet)); wait > 0 {
				return nil
			}
			now.ID = domain.NewID()
		}
		r, wait = now, 0
		return r.start(ctx, tx)
	})
	return r, wait, err
}

// due says why a run should start by itself, and since when; "": it should not.
func due(ctx context.Context, tx pgx.Tx, tenantID domain.ID, now retrieve.State) (why Reason, since time.Time, err error) {
	last, err := lastRun(ctx, tx, tenantID, false)
	if err != nil {
		return "", since, err
	}
	var untested *time.Time
	err = tx.QueryRow(ctx, `select max(created_at) from test_questions q where tenant_id = $1
		and not exists (select from test_results r where r.tenant_id = $1 and r.question_id = q.id and r.run_id = $2)`, tenantID, last.ID).Scan(&untested)
	if err != nil {
		return "", since, fmt.Errorf("look for untested questions: %w", err)
	}
	since = now.ChangedAt
	switch {
	case last.ID != domain.ID{} && last.Searched.IndexVersion != now.IndexVersion:
		why = ByDocuments
	case last.ID != domain.ID{} && !last.Searched.Same(now):
		why = BySettings
	case untested != nil:
		why, since = ByQuestions, *untested
	}
	if untested != nil && untested.After(since) {
		since = *untested
	}
	if last.ID == (domain.ID{}) {
		since = time.Time{} // whoever adds the first questions waits to see what comes of it
	}
	return why, since, nil
}

// start marks the run as running: the one that was asked for, or one that a process left behind when it died.
func (r *run) start(ctx context.Context, tx pgx.Tx) error {
	settings, err := json.Marshal(r.Searched.Settings)
	if err != nil {
		return fmt.Errorf("write the settings of a run: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into test_runs (tenant_id, id, reason, state, total, index_version, settings, model, reranker, started_at)
		values ($1, $2, $3, 'running', $4, $5, $6, $7, $8, clock_timestamp())
		on conflict (tenant_id, id) do update set state = 'running', done = 0, total = excluded.total, index_version = excluded.index_version,
			settings = excluded.settings, model = excluded.model, reranker = excluded.reranker, started_at = excluded.started_at`,
		r.tenant, r.ID, r.Reason, len(r.questions), r.Searched.IndexVersion, settings, r.Searched.Model, r.Searched.Reranker)
	if err != nil {
		return fmt.Errorf("begin a run: %w", err)
	}
	return nil
}

// perform searches for every question, and keeps what came of it in one transaction.
func (s *Service) perform(ctx context.Context, r *run) error {
	open := r.Searched.Settings
	open.Threshold = 0 // see Result
	r.results = make([]Result, len(r.questions))
	stop := s.tellProgress(ctx, r)
	group, searching := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, q := range r.questions {
		if searching.Err() != nil {
			break
		}
		group.Go(func() error {
			found, err := s.Searcher.Retrieve(searching, r.tenant, retrieve.Query{Text: q.Text, Settings: &open})
			if err != nil {
				return fmt.Errorf("search for a test question: %w", err)
			}
			if found.VectorsLost != "" || found.RerankLost != "" {
				r.without.Add(1)
			}
			r.results[i] = newResult(q, found)
			r.done.Add(1)
			return nil
		})
	}
	err := group.Wait()
	stop()
	if err != nil {
		return err
	}
	return s.DB.InTenant(ctx, r.tenant, func(tx pgx.Tx) error { return r.finish(ctx, tx) })
}

// tellProgress writes how many questions are done now and then, until it is stopped.
func (s *Service) tellProgress(ctx context.Context, r *run) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressStep)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				err := s.DB.InTenant(ctx, r.tenant, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "update test_runs set done = $3 where tenant_id = $1 and id = $2", r.tenant, r.ID, r.done.Load())
					return err
				})
				if err != nil && ctx.Err() == nil {
					s.Log.WarnContext(ctx, "progress of a test run not written", "error", err)
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// finish keeps the results and says whether they are worse than those before. A run for which a model did not answer says
// nothing of what changed, and none is compared with it.
func (r *run) finish(ctx context.Context, tx pgx.Tx) error {
	now, err := list(ctx, tx, r.tenant)
	if err != nil {
		return err
	}
	r.results = stillThere(r.results, now)
	before, err := lastRun(ctx, tx, r.tenant, true)
	if err != nil {
		return err
	}
	then, err := results(ctx, tx, r.tenant, before.ID)
	if err != nil {
		return err
	}
	if err := insertResults(ctx, tx, r.tenant, r.ID, r.results); err != nil {
		return err
	}
	threshold := r.Searched.Settings.Threshold
	f := figuresOf(r.results, threshold)
	if r.without.Load() == 0 {
		r.Worse = compare(then, before.Searched.Settings.Threshold, r.results, threshold).noticed()
	}
	_, err = tx.Exec(ctx, `update test_runs set state = 'done', done = $3, total = $3, answerable = $4, unanswerable = $5, ndcg10 = $6, recall5 = $7,
			mrr10 = $8, success1 = $9, answered = $10, refused = $11, without = $12, worse = $13, started_at = $14, ended_at = clock_timestamp()
		where tenant_id = $1 and id = $2`, r.tenant, r.ID, len(r.results), f.Answerable, f.Unanswerable, f.NDCG10, f.Recall5,
		f.MRR10, f.Success1, f.Answered, f.Refused, r.without.Load(), r.Worse, r.began)
	if err != nil {
		return fmt.Errorf("end a run: %w", err)
	}
	_, err = tx.Exec(ctx, `delete from test_runs where tenant_id = $1 and id in (
		select id from test_runs where tenant_id = $1 and state = 'done' order by ended_at desc offset $2)`, r.tenant, RunsKept)
	return err
}

const runColumns = `id, reason, state, done, total, index_version, settings, model, reranker, answerable, unanswerable, ndcg10, recall5, mrr10,
	success1, answered, refused, without, worse, looked_at is not null, coalesce(ended_at, created_at),
	coalesce(extract(epoch from ended_at - started_at), 0)::float8`

func scanRun(row pgx.CollectableRow) (Run, error) {
	var r Run
	var settings []byte
	var took float64
	f := &r.Figures
	err := row.Scan(&r.ID, &r.Reason, &r.State, &r.Done, &r.Total, &r.Searched.IndexVersion, &settings, &r.Searched.Model, &r.Searched.Reranker,
		&f.Answerable, &f.Unanswerable, &f.NDCG10, &f.Recall5, &f.MRR10, &f.Success1, &f.Answered, &f.Refused, &r.Without, &r.Worse, &r.Looked,
		&r.CreatedAt, &took)
	if err != nil {
		return r, err
	}
	r.Took = time.Duration(took * float64(time.Second))
	return r, json.Unmarshal(settings, &r.Searched.Settings)
}

// lastRun is the last one that is done, or of those for which all models answered, with the zero id where there is none.
func lastRun(ctx context.Context, tx pgx.Tx, tenantID domain.ID, whole bool) (Run, error) {
	which := "state = 'done'"
	if whole {
		which += " and without = 0"
	}
	r, err := oneRun(ctx, tx, tenantID, which+" order by ended_at desc limit 1")
	if r == nil {
		return Run{}, err
	}
	return *r, err
}

// openRun is the one that waits or runs, nil for none.
func openRun(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (*Run, error) {
	return oneRun(ctx, tx, tenantID, "state <> 'done'")
}

// oneRun takes its condition from this file.
func oneRun(ctx context.Context, tx pgx.Tx, tenantID domain.ID, which string) (*Run, error) {
	rows, err := tx.Query(ctx, "select "+runColumns+" from test_runs where tenant_id = $1 and "+which, tenantID)
	if err != nil {
		return nil, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRun)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a run: %w", err)
	}
	return &r, nil
}
