package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/llm"
)

// When another embedding model is set up, the documents that an earlier one embedded are embedded anew in the background, and
// answer from their old vectors until then. A job is a turn of one tenant, which goes from document to document; a document
// is swapped in one transaction, so a turn that dies is taken up at the document where it was.

const (
	reembedKind = "reembed"
	anewTurn    = 30 * time.Second // then the other tenants have theirs
	anewLater   = time.Minute      // until a tenant whose documents are all busy is looked at again
	refusedFor  = time.Hour        // until a document is tried again whose text the model refuses
	lookEvery   = time.Hour        // how often all tenants are looked at, besides the start
)

// reembed embeds a tenant's documents anew. Its queue belongs to the model: while processes with the old and the new setting run
// side by side, only the new ones work on what the new ones began.
type reembed struct {
	TenantID domain.ID `json:"tenant_id" river:"unique"`
}

// Kind is River's name for the job.
func (reembed) Kind() string { return reembedKind }

func (s *Service) reembedQueue() string {
	sum := sha256.Sum256([]byte(s.Embedder.Model()))
	return reembedKind + "_" + hex.EncodeToString(sum[:8])
}

// lookOver finds the tenants with documents of another model or an older analysis, and those whose vectors an index lacks, until ctx ends.
func (s *Service) lookOver(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := s.Tenants.Each(ctx, func(id domain.ID) error {
			return errors.Join(s.reembedIfOutdated(ctx, id), s.reanalyseIfOlder(ctx, id), s.documents.KeepVectors(ctx, id))
		})
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "not every tenant's index was looked over", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) reembedIfOutdated(ctx context.Context, tenantID domain.ID) error {
	has, err := s.documents.HasOutdated(ctx, tenantID, s.Embedder.Model())
	if err != nil || !has {
		return err
	}
	return s.anew(ctx, reembed{TenantID: tenantID}, s.reembedQueue())
}

// anew queues a job that does a tenant's documents anew, unless one of them is on the queue already.
func (s *Service) anew(ctx context.Context, job river.JobArgs, queue string) error {
	_, err := s.client.Insert(ctx, job, &river.InsertOpts{Queue: queue, UniqueOpts: river.UniqueOpts{ByArgs: true, ByQueue: true, ByState: unfinished}})
	if err != nil {
		return fmt.Errorf("queue a %s: %w", job.Kind(), err)
	}
	return nil
}

// reembedder takes turns at re-embedding.
type reembedder struct {
	river.WorkerDefaults[reembed]
	*Service
}

// Work embeds documents until all are, or the turn is over, or the model does not answer: that is waited for as long as it takes.
func (r *reembedder) Work(ctx context.Context, j *river.Job[reembed]) error {
	ctx = domain.WithIdentity(ctx, domain.Identity{TenantID: j.Args.TenantID})
	model, refused := r.Embedder.Model(), 0
	for began := time.Now(); time.Since(began) < anewTurn; {
		o, err := r.documents.NextOutdated(ctx, j.Args.TenantID, model)
		switch {
		case errors.Is(err, document.ErrNothing):
			return nil
		case errors.Is(err, document.ErrLater):
			return river.JobSnooze(anewLater)
		case err != nil:
			return err
		}
		err = r.embedAnew(ctx, o, model)
		var silent *silentError
		switch {
		case err == nil:
			refused = 0
			r.Metrics.Reembedded(len(o.Chunks))
			r.Hints.Publish(ctx, document.Topic(o.TenantID))
		case errors.Is(err, document.ErrSuperseded): // it comes up again as it is now
		case errors.As(err, &silent):
			r.Log.WarnContext(ctx, "re-embedding waits", "document_id", o.DocumentID, "error", err)
			return river.JobSnooze(max(silent.after, r.RetryAfter(mostTries-1)))
		case !refusal(err):
			return err
		default:
			r.Log.WarnContext(ctx, "document keeps its earlier vectors", "document_id", o.DocumentID, "error", err)
			if err := r.documents.LeaveOutdated(ctx, o, refusedFor); err != nil {
				return err
			}
			if refused++; refused == mostTries || errors.Is(err, errTooLarge) { // it is the model
				return river.JobSnooze(refusedFor)
			}
		}
	}
	return river.JobSnooze(0)
}

// refusal reports whether the model will never make usable vectors of the text.
func refusal(err error) bool {
	e, ok := errors.AsType[*domain.Error](err)
	return errors.Is(err, llm.ErrVectors) || errors.Is(err, errTooLarge) || ok && e.Code == domain.Invalid
}

// embedAnew makes the vectors of a document, one call after the other, and swaps them.
func (r *reembedder) embedAnew(ctx context.Context, o document.Outdated, model string) error {
	if until, message := r.outage.now(); !until.IsZero() {
		return &silentError{err: errors.New("the embedding service did not answer just now"), after: time.Until(until), known: true, message: message}
	}
	chunks := make([]document.NewChunk, len(o.Chunks))
	for i, c := range o.Chunks {
		chunks[i].Chunk = c
	}
	for from := 0; from < len(chunks); from += embedBatch {
		if err := r.embed(ctx, o.Title, chunks[from:min(from+embedBatch, len(chunks))], inBackground); err != nil {
			return err
		}
	}
	vectors := make([][]float32, len(chunks))
	for i, c := range chunks {
		vectors[i] = c.Vector
	}
	return r.documents.ReplaceVectors(ctx, o, model, vectors)
}
