package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/lexical"
)

// After a release that turns texts into other terms, documents are analysed anew in the background, as they are embedded anew after
// a change of the model: by turns of a tenant, document by document. Most releases change what few texts yield, so only the chunks that are
// analysed otherwise are written.

const reanalyseKind = "reanalyse"

// reanalyse analyses a tenant's documents anew. Its queue belongs to the analysis, for the reasons of reembed's.
type reanalyse struct {
	TenantID domain.ID `json:"tenant_id" river:"unique"`
}

// Kind is River's name for the job.
func (reanalyse) Kind() string { return reanalyseKind }

func reanalyseQueue() string { return fmt.Sprintf("%s_%d", reanalyseKind, lexical.Version) }

func (s *Service) reanalyseIfOlder(ctx context.Context, tenantID domain.ID) error {
	has, err := s.documents.HasOlder(ctx, tenantID, lexical.Version)
	if err != nil || !has {
		return err
	}
	return s.anew(ctx, reanalyse{TenantID: tenantID}, reanalyseQueue())
}

// reanalyser takes turns at analysing anew.
type reanalyser struct {
	river.WorkerDefaults[reanalyse]
	*Service
}

// Work analyses documents until all are, or the turn is over.
func (r *reanalyser) Work(ctx context.Context, j *river.Job[reanalyse]) error {
	ctx = domain.WithIdentity(ctx, domain.Identity{TenantID: j.Args.TenantID})
	for began := time.Now(); time.Since(began) < anewTurn; {
		o, stored, err := r.documents.NextOlder(ctx, j.Args.TenantID, lexical.Version)
		switch {
		case errors.Is(err, document.ErrNothing):
			return nil
		case errors.Is(err, document.ErrLater):
			return river.JobSnooze(anewLater)
		case err != nil:
			return err
		}
		if err := r.analyseAnew(ctx, o, stored); err != nil && !errors.Is(err, document.ErrSuperseded) { // it comes up again as it is now
			return err
		}
	}
	return river.JobSnooze(0)
}

func (r *reanalyser) analyseAnew(ctx context.Context, o document.Outdated, stored []document.NewChunk) error {
	chunks, terms, err := r.documents.Corpus(ctx, o.TenantID)
	if err != nil {
		return err
	}
	mean, reader := lexical.MeanLength(chunks, terms), lexical.NewReader(o.TenantID)
	var otherwise []document.NewChunk
	words := map[int32]document.Word{}
	for _, was := range stored {
		if err := ctx.Err(); err != nil {
			return err
		}
		is := was
		found := weigh(&is, o.TenantID, reader, o.Title, lexical.Lang(o.Language), mean)
		for _, w := range is.Words {
			words[w.Hash] = w
		}
		if !sameWords(was, is) || !found.Fit(o.TenantID, was.Weights) {
			otherwise = append(otherwise, is)
		}
	}
	return r.documents.ReplaceWords(ctx, o, lexical.Version, otherwise, slices.Collect(maps.Values(words)))
}

func sameWords(was, is document.NewChunk) bool {
	return was.Terms == is.Terms && was.Lexemes == is.Lexemes &&
		slices.EqualFunc(was.Words, is.Words, func(a, b document.Word) bool { return a.Hash == b.Hash })
}
