package ingest

import (
	"context"
	"fmt"
	"time"
)

// Backlog is how the turns of all tenants stand in the queue. A turn waits for as long as workers are busy with others' turns, not for
// as long as its tenant's line is: one that waits long has nobody who takes it.
type Backlog struct {
	Waiting int           // turns that are due
	Oldest  time.Duration // since the one that waits longest was due
	Lost    int           // turns that were given up within a day
}

// Backlog looks at the queue.
func (s *Service) Backlog(ctx context.Context) (b Backlog, err error) {
	var oldest float64
	err = s.DB.QueuePool().QueryRow(ctx, `
		select count(*) filter (where state <> 'discarded'),
			coalesce(extract(epoch from now() - min(scheduled_at) filter (where state <> 'discarded')), 0)::float8,
			count(*) filter (where state = 'discarded')
		from river.river_job
		where state in ('available', 'retryable', 'scheduled') and scheduled_at <= now() or state = 'discarded' and finalized_at > now() - interval '1 day'`).
		Scan(&b.Waiting, &oldest, &b.Lost)
	if err != nil {
		return Backlog{}, fmt.Errorf("look at the queue: %w", err)
	}
	b.Oldest = time.Duration(oldest * float64(time.Second))
	return b, nil
}
