package questions

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/retrieve"
)

// Filter picks questions of a list.
type Filter struct {
	Show string // "", "missed", "refused" or "worse"
	Page int    // from 1
}

// Item is a question with how it went last, and the time before.
type Item struct {
	Question
	Now, Before *Result // nil: not tested
	Worse       bool
}

// Overview is all that the page of test questions shows.
type Overview struct {
	Filter                      Filter
	All, Missed, Refused, Worse int
	Items                       []Item // of the page
	Matching                    int

	Last, Before *Run // nil: none
	Runs         []Run
	Compared     Comparison // of Last to Before
	Open         *Run       // that waits or runs; nil: none
	Due          Reason     // why one starts by itself soon; "": none does
	Threshold    float64    // of the tenant, now
}

// Pages is the number of pages of the list, one at least.
func (o Overview) Pages() int { return max(1, (o.Matching+PageSize-1)/PageSize) }

// Overview returns the tenant's questions as the last run left them.
func (s *Service) Overview(ctx context.Context, tenantID domain.ID, f Filter) (Overview, error) {
	var o Overview
	err := s.DB.Snapshot(ctx, tenantID, func(tx pgx.Tx) error {
		o = Overview{Filter: f}
		all, err := list(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		now, before, err := s.readRuns(ctx, tx, tenantID, &o)
		if err != nil {
			return err
		}
		o.fill(all, now, before)
		return nil
	})
	return o, err
}

// readRuns fills in the runs, and returns the results of the last one and of the one before.
func (s *Service) readRuns(ctx context.Context, tx pgx.Tx, tenantID domain.ID, o *Overview) (now, before []Result, err error) {
	state, err := s.Searcher.State(ctx, tx, tenantID)
	if err != nil {
		return nil, nil, err
	}
	o.Threshold = state.Settings.Threshold
	if o.Due, _, err = due(ctx, tx, tenantID, state); err != nil {
		return nil, nil, err
	}
	if o.Open, err = openRun(ctx, tx, tenantID); err != nil {
		return nil, nil, err
	}
	rows, err := tx.Query(ctx, "select "+runColumns+" from test_runs where tenant_id = $1 and state = 'done' order by ended_at desc limit $2", tenantID, RunsKept)
	if err != nil {
		return nil, nil, err
	}
	if o.Runs, err = pgx.CollectRows(rows, scanRun); err != nil {
		return nil, nil, fmt.Errorf("list the runs: %w", err)
	}
	if len(o.Runs) == 0 {
		return nil, nil, nil
	}
	o.Last = &o.Runs[0]
	if i := slices.IndexFunc(o.Runs[1:], func(r Run) bool { return r.Without == 0 }); i >= 0 {
		o.Before = &o.Runs[i+1]
	}
	if now, err = results(ctx, tx, tenantID, o.Last.ID); err != nil || o.Before == nil {
		return now, nil, err
	}
	before, err = results(ctx, tx, tenantID, o.Before.ID)
	return now, before, err
}

// fill counts the questions and leaves those of the filter's page.
func (o *Overview) fill(all []Question, now, before []Result) {
	if o.Before != nil {
		o.Compared = compare(before, o.Before.Searched.Settings.Threshold, now, o.Last.Searched.Settings.Threshold)
	}
	byQuestion := func(results []Result) map[domain.ID]*Result {
		m := map[domain.ID]*Result{}
		for i := range results {
			m[results[i].QuestionID] = &results[i]
		}
		return m
	}
	is, was := byQuestion(now), byQuestion(before)
	var matching []Item
	o.All = len(all)
	for _, q := range all {
		item := Item{Question: q, Now: is[q.ID], Before: was[q.ID], Worse: o.Compared.Worse[q.ID]}
		missed, refused := false, false
		if item.Now != nil {
			t := o.Last.Searched.Settings.Threshold
			missed, refused = !item.Now.Right(t), item.Now.Refused(t)
		}
		o.Missed, o.Refused, o.Worse = o.Missed+count(missed), o.Refused+count(refused), o.Worse+count(item.Worse)
		if map[string]bool{"missed": missed, "refused": refused, "worse": item.Worse, "": true}[o.Filter.Show] {
			matching = append(matching, item)
		}
	}
	o.Matching = len(matching)
	o.Filter.Page = min(max(1, o.Filter.Page), o.Pages())
	from := (o.Filter.Page - 1) * PageSize
	o.Items = matching[from:min(from+PageSize, len(matching))]
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Progress returns the run that waits or runs, nil for none, and whether one starts by itself soon.
func (s *Service) Progress(ctx context.Context, tenantID domain.ID) (open *Run, why Reason, err error) {
	err = s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if open, err = openRun(ctx, tx, tenantID); err != nil || open != nil {
			return err
		}
		state, err := s.Searcher.State(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		why, _, err = due(ctx, tx, tenantID, state)
		return err
	})
	return open, why, err
}

// Notice is how many questions got worse in the last run, 0 when none did or somebody has looked.
func (s *Service) Notice(ctx context.Context, tenantID domain.ID) (n int, err error) {
	err = s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select coalesce((select case when looked_at is null then worse else 0 end from test_runs
			where tenant_id = $1 and state = 'done' order by ended_at desc limit 1), 0)`, tenantID).Scan(&n)
	})
	return n, err
}

// Looked takes the notice away.
func (s *Service) Looked(ctx context.Context, tenantID domain.ID) error {
	return s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update test_runs set looked_at = now() where tenant_id = $1 and state = 'done' and worse > 0 and looked_at is null", tenantID)
		return err
	})
}

// Calibration weighs the results of the last run, with the settings of now. ok is false before the first run.
func (s *Service) Calibration(ctx context.Context, tenantID domain.ID) (c Calibration, now retrieve.Settings, ok bool, err error) {
	err = s.DB.Snapshot(ctx, tenantID, func(tx pgx.Tx) error {
		state, err := s.Searcher.State(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		now = state.Settings
		last, err := lastRun(ctx, tx, tenantID, true)
		if err != nil || last.ID == (domain.ID{}) {
			return err
		}
		found, err := results(ctx, tx, tenantID, last.ID)
		c, ok = Calibrate(found), len(found) > 0
		return err
	})
	return c, now, ok, err
}
