package eval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bitb/domain"
)

// Library makes tenants to measure with and stores documents for them, by the product's own path.
type Library interface {
	Make(ctx context.Context, name string) (domain.ID, error)
	// Store returns the document that each entry became, zero where there was nothing to store. Entries of the same words are
	// one document. stored is told now and then how many are done.
	Store(ctx context.Context, tenantID domain.ID, entries []Entry, stored func(n int)) ([]domain.ID, error)
	Erase(ctx context.Context, tenantID domain.ID) error
}

// Asker searches as the product does for an answer. further searches for the same, but lists more passages than an answer has a use
// for.
type Asker interface {
	Ask(ctx context.Context, tenantID domain.ID, history []Turn, question string) (passages []Passage, further func(depth int) ([]Passage, error), err error)
}

// Passage is a piece of a document that was found.
type Passage struct {
	DocumentID domain.ID
	Score      float64
}

// Measured is what was measured on a set. With a history before its questions, LastTurn is what the questions by themselves find.
type Measured struct {
	Set    string `json:"set"`
	Search string `json:"search,omitempty"` // by what, where several ways are measured
	Figures
	LastTurn *LastTurn `json:"last_turn,omitempty"`

	Documents, Questions, Unanswerable int           `json:"-"`
	Loading                            time.Duration `json:"-"`
}

// LastTurn is figures of the same set.
type LastTurn struct {
	Set string `json:"set"`
	Figures
}

// eraseWithin is how long erasing may take when everything else is over.
const eraseWithin = 10 * time.Minute

// Measure loads the set into tenants that it makes, asks each asker its questions one after the other, and erases the tenants, however it
// ends. progress is told what is done, in words.
func (set *Judged) Measure(ctx context.Context, library Library, progress func(doing string, done, of int), askers ...Asker) (all []Measured, err error) {
	run := &run{Judged: set, progress: progress, tenants: map[string]*corpus{}}
	defer func() {
		if ctx.Err() != nil {
			err = errors.New("stopped before it was measured")
		}
		err = errors.Join(err, run.erase(ctx, library))
	}()
	began := time.Now()
	if err := run.load(ctx, library); err != nil {
		return nil, err
	}
	loading := time.Since(began)
	for _, run.asker = range askers {
		m := Measured{Set: set.Name, Documents: len(set.entries), Questions: len(set.questions), Unanswerable: len(set.unanswerable), Loading: loading}
		if m.Figures, err = run.ask(ctx, true); err != nil {
			return nil, err
		}
		if set.history {
			m.LastTurn = &LastTurn{Set: set.Name}
			if m.LastTurn.Figures, err = run.ask(ctx, false); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// run is one measuring of a set.
type run struct {
	*Judged
	asker    Asker
	progress func(doing string, done, of int)
	tenants  map[string]*corpus
}

// corpus is the documents of one tenant.
type corpus struct {
	id      domain.ID
	entries map[domain.ID][]string // document → what the set calls it
}

func (r *run) load(ctx context.Context, library Library) error {
	entries := map[string][]Entry{}
	for _, e := range r.entries {
		entries[e.Tenant] = append(entries[e.Tenant], e)
	}
	before := 0
	for _, name := range r.Tenants {
		id, err := library.Make(ctx, r.Name+" "+name)
		if err != nil {
			return fmt.Errorf("make a tenant: %w", err)
		}
		c := &corpus{id: id, entries: map[domain.ID][]string{}}
		r.tenants[name] = c
		documents, err := library.Store(ctx, id, entries[name], func(n int) { r.progress("stored", before+n, len(r.entries)) })
		if err != nil {
			return fmt.Errorf("store documents: %w", err)
		}
		for i, document := range documents {
			if document == (domain.ID{}) {
				continue
			}
			c.entries[document] = append(c.entries[document], entries[name][i].ID)
		}
		before += len(entries[name])
	}
	return nil
}

func (r *run) ask(ctx context.Context, history bool) (Figures, error) {
	var t tally
	all := len(r.questions) + len(r.unanswerable)
	for i, q := range slices.Concat(r.questions, r.unanswerable) {
		r.progress("asked", i, all)
		if !history {
			q.History = nil
		}
		f, err := r.search(ctx, q)
		if err != nil {
			return Figures{}, fmt.Errorf("ask the question %s: %w", shorten(q.ID), err)
		}
		if i < len(r.questions) {
			t.add(q, f)
		} else {
			t.unanswerable = append(t.unanswerable, f.best)
		}
	}
	r.progress("asked", all, all)
	return t.figures(), nil
}

// deep is how many passages are looked for so that they are of a hundred documents, if so many are found. What is looked for is
// appended to what an answer would find: the order of its best and its time are the product's.
const deep = 300

// search asks one question. A question that no document answers needs nothing from further down.
func (r *run) search(ctx context.Context, q Question) (found, error) {
	c := r.tenants[q.Tenant]
	began := time.Now()
	passages, further, err := r.asker.Ask(ctx, c.id, q.History, q.Text)
	f := found{took: time.Since(began)}
	if err != nil {
		return f, err
	}
	for _, p := range passages {
		f.best = max(f.best, p.Score)
	}
	if len(q.gains) > 0 {
		more, err := further(deep)
		if err != nil {
			return f, err
		}
		passages = append(passages, more...)
	}
	for _, p := range passages {
		ids, own := c.entries[p.DocumentID]
		if !own {
			return f, errors.New("a document of another tenant was found")
		}
		f.append(ids)
	}
	return f, nil
}

// erase runs to its end even when everything else is told to stop.
func (r *run) erase(ctx context.Context, library Library) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eraseWithin)
	defer cancel()
	var errs []error
	for _, name := range r.Tenants {
		if c := r.tenants[name]; c != nil {
			if err := library.Erase(ctx, c.id); err != nil {
				errs = append(errs, fmt.Errorf("the tenant of the measurement was not erased: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}
