package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"bitb/domain"
)

// Follower does what is to be done when the documents of a tenant have changed, or how they are searched.
type Follower interface {
	// Follows reports, within the transaction of the change, whether there will be anything to do.
	Follows(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (bool, error)
	// Follow does it, for one tenant at a time only once. When nothing is left it calls end within the transaction that found
	// so, and a change that commits later begins anew. after says when to call it again instead; 0 with a nil error: it ended.
	Follow(ctx context.Context, tenantID domain.ID, end func(pgx.Tx) error) (after time.Duration, err error)
}

// FollowedBy says who follows changes, before Start.
func (s *Service) FollowedBy(f Follower) { s.follower = f }

// follow is a tenant whose changes are followed.
type follow struct {
	TenantID domain.ID `json:"tenant_id" river:"unique"`
}

const followKind = "follow_changes" // and the name of its queue: documents are not to wait for it

// Kind is River's name for the job.
func (follow) Kind() string { return followKind }

// Changed has the follower look at the tenant after the commit, if it wants to.
func (s *Service) Changed(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	if s.follower == nil {
		return nil
	}
	if wants, err := s.follower.Follows(ctx, tx, tenantID); err != nil || !wants {
		return err
	}
	_, err := s.insertFollow(ctx, tx, tenantID)
	return err
}

// FollowNow has the follower look at the tenant right after the commit, even when it was to wait.
func (s *Service) FollowNow(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	waiting, err := s.insertFollow(ctx, tx, tenantID)
	if err != nil || waiting == 0 {
		return err
	}
	if _, err := s.client.JobRetryTx(ctx, tx, waiting); err != nil {
		return fmt.Errorf("bring a test forward: %w", err)
	}
	return nil
}

// insertFollow returns the job that is there already, 0 when there is none.
func (s *Service) insertFollow(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (there int64, err error) {
	done, err := s.client.InsertTx(ctx, tx, follow{TenantID: tenantID},
		&river.InsertOpts{Queue: followKind, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}})
	if err != nil {
		return 0, fmt.Errorf("queue a look at what changed: %w", err)
	}
	if done.UniqueSkippedAsDuplicate {
		return done.Job.ID, nil
	}
	return 0, nil
}

// following works on the queue of changes.
type following struct {
	river.WorkerDefaults[follow]
	*Service
}

// Work calls the follower.
func (f *following) Work(ctx context.Context, j *river.Job[follow]) error {
	if f.follower == nil {
		return nil
	}
	ctx = domain.WithIdentity(ctx, domain.Identity{TenantID: j.Args.TenantID})
	after, err := f.follower.Follow(ctx, j.Args.TenantID, func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, j)
		return err
	})
	if err == nil && after > 0 {
		return river.JobSnooze(after)
	}
	return err
}
