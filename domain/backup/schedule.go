package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Keep says how many backups stay: of each of the last days on which there is one the newest, and so of weeks; and all of the last
// two days, so that one made in haste takes nothing away. The newest of a kind stays whatever its age.
type Keep struct{ Daily, Weekly int }

const keepAll = 48 * time.Hour

// Run makes a backup of a kind whenever the last one in the store is older than every, and prunes after each, until ctx ends.
// It may run in several processes: one of them makes each backup. What fails is tried again after a quarter of an hour at most.
func (s *Service) Run(ctx context.Context, kind Kind, every time.Duration, keep Keep) error {
	for {
		wait, err := s.takeIfDue(ctx, kind, every, keep)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			wait = min(every, 15*time.Minute)
			s.Log.Error("the backup failed", "kind", kind, "error", err, "again_in", wait.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// takeIfDue looks and makes under one lock, so that of two schedulers the second finds the first one's backup. It returns when to
// look again.
func (s *Service) takeIfDue(ctx context.Context, kind Kind, every time.Duration, keep Keep) (time.Duration, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := lock(ctx, conn); errors.Is(err, ErrBusy) {
		return min(every, time.Minute), nil
	} else if err != nil {
		return 0, err
	}
	last, err := s.Newest(ctx, time.Time{}, "", kind)
	if err == nil && time.Since(last.StartedAt) < every {
		return time.Until(last.StartedAt.Add(every)), nil
	}
	m, err := s.take(ctx, conn, kind)
	if err != nil {
		return 0, err
	}
	s.Log.Info("backup made", "kind", kind, "file", m.File, "bytes", m.Bytes, "seconds", m.FinishedAt.Sub(m.StartedAt).Seconds())
	if err := s.prune(ctx, conn, keep); err != nil {
		s.Log.Error("old backups were not removed", "error", err)
	}
	return time.Until(m.StartedAt.Add(every)), nil
}

// Prune removes what is older than keep says, and the log from before the oldest base. It waits for no other backup: ErrBusy.
func (s *Service) Prune(ctx context.Context, keep Keep) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := lock(ctx, conn); err != nil {
		return err
	}
	return s.prune(ctx, conn, keep)
}

// prune runs under the lock, so that what has no manifest was cut off and is nobody's work at this moment.
func (s *Service) prune(ctx context.Context, conn *pgx.Conn, keep Keep) error {
	all, err := s.List(ctx)
	if err != nil {
		return err
	}
	stays := map[string]bool{}
	for _, kind := range []Kind{Base, Dump, Redis} {
		for _, m := range keep.of(all, kind) {
			stays[m.dir()] = true
		}
	}
	var kept []Manifest
	for _, m := range all {
		if stays[m.dir()] {
			kept = append(kept, m)
			continue
		}
		// The manifest first: without it, nobody takes what is left for a backup.
		if err := errors.Join(s.store.Delete(ctx, m.dir()+"/"+manifestName), s.store.Delete(ctx, m.File)); err != nil {
			return fmt.Errorf("remove %s: %w", m.dir(), err)
		}
		s.Log.Info("old backup removed", "file", m.File)
	}
	if err := s.removeCutOff(ctx, stays); err != nil {
		return err
	}
	return s.pruneWAL(ctx, conn, kept)
}

// of returns those of a kind that stay.
func (k Keep) of(all []Manifest, kind Kind) (stay []Manifest) {
	ours := slices.DeleteFunc(slices.Clone(all), func(m Manifest) bool { return m.Kind != kind })
	slices.SortFunc(ours, func(a, b Manifest) int { return b.StartedAt.Compare(a.StartedAt) })
	days, weeks := map[string]bool{}, map[string]bool{}
	for _, m := range ours {
		day := m.StartedAt.UTC().Format(time.DateOnly)
		year, n := m.StartedAt.UTC().ISOWeek()
		week := fmt.Sprint(year, "-", n)
		firstOfDay, firstOfWeek := !days[day] && len(days) < k.Daily, !weeks[week] && len(weeks) < k.Weekly
		if firstOfDay || firstOfWeek || ours[0].StartedAt.Sub(m.StartedAt) < keepAll {
			stay = append(stay, m)
		}
		if firstOfDay {
			days[day] = true
		}
		if firstOfWeek {
			weeks[week] = true
		}
	}
	return stay
}

// removeCutOff removes what backups left that did not come to their manifest.
func (s *Service) removeCutOff(ctx context.Context, whole map[string]bool) error {
	for _, kind := range []Kind{Base, Dump, Redis} {
		objects, err := s.store.List(ctx, string(kind)+"/")
		if err != nil {
			return err
		}
		for _, o := range objects {
			if dir := o.Name[:strings.LastIndexByte(o.Name, '/')]; !whole[dir] {
				if err := s.store.Delete(ctx, o.Name); err != nil {
					return err
				}
			}
		}
	}
	// WAL is written without the lock: only what is certainly nobody's goes.
	return s.store.Tidy(ctx, time.Now().Add(-24*time.Hour))
}

// pruneWAL removes the log from before the oldest base of each cluster, and all of it of clusters that have no base left. The
// present cluster's stays as long as it has no base.
func (s *Service) pruneWAL(ctx context.Context, conn *pgx.Conn, kept []Manifest) error {
	oldest := map[string]string{}
	for _, m := range kept {
		if m.Kind != Base {
			continue
		}
		first, err := m.firstSegment()
		if err != nil {
			return err
		}
		if n := segmentNumber(first); oldest[m.System] == "" || n < oldest[m.System] {
			oldest[m.System] = n
		}
	}
	if len(oldest) == 0 {
		return nil
	}
	var present string
	err := conn.QueryRow(ctx, "select system_identifier::text from pg_control_system()").Scan(&present)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42501" {
		return nil // may not be known; then no log is thrown away
	} else if err != nil {
		return fmt.Errorf("identify the cluster: %w", err)
	}
	objects, err := s.store.List(ctx, "wal/")
	if err != nil {
		return err
	}
	for _, o := range objects {
		f, ok := parseWAL(o)
		system, _, _ := strings.Cut(strings.TrimPrefix(o.Name, "wal/"), "/")
		before, hasBase := oldest[system]
		if !ok || (!hasBase && system == present) || (hasBase && (!f.isSegment() || segmentNumber(f.file) >= before)) {
			continue
		}
		if err := s.store.Delete(ctx, o.Name); err != nil {
			return err
		}
	}
	return nil
}
