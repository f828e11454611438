package main

import (
	"context"
	"fmt"
	"time"

	"bitb/domain/backup"
	"bitb/domain/doctor"
)

// How old the last good ones may be: a day and two hours; a quarter of an hour for the archive;
// five weeks for a drill. The alerts BitbBackupOld, BitbArchiveBehind and BitbDrillOld have the same.
const (
	backupMost = 26 * time.Hour
	walMost    = 15 * time.Minute
	drillMost  = 35 * 24 * time.Hour
)

func (d *clinic) backupChecks() []doctor.Check {
	recent := func(what string, most time.Duration, do string, of func(backups) doctor.Last) look {
		return d.onlyLive("what is on it can be made again.", d.withServer(func(s *server) look {
			return doctor.Recent(what, most, do, func(ctx context.Context) (doctor.Last, error) {
				b, err := s.lastBackups(ctx)
				return of(b), err
			})
		}))
	}
	return group("Backups",
		doctor.Check{ID: "backups.base", Name: "Last backup", Run: recent("The last backup", backupMost, "Run `bitb backup`, and daily by a schedule (docs/backups.md).", func(b backups) doctor.Last { return b.base })},
		doctor.Check{ID: "backups.wal", Name: "Archive of changes", Run: d.unlessDumps(recent("The archive of changes", walMost, "Run `bitb backup stream`, or see PostgreSQL's archive_command and its log (docs/runbooks/backup-failed.md).", func(b backups) doctor.Last { return b.wal }))},
		doctor.Check{ID: "backups.drill", Name: "Last restore drill", Run: recent("The last drill", drillMost, "Run `bitb drill`, and weekly by a schedule: a backup is as good as its restore (docs/backups.md).", func(b backups) doctor.Last { return b.drill })},
	)
}

// unlessDumps leaves a check of the archive out where the database is a managed one, whose archive is not ours.
func (d *clinic) unlessDumps(run look) look {
	return d.withServer(func(s *server) look {
		return func(ctx context.Context) doctor.Result {
			if st, err := backup.Last(ctx, s.db); err == nil && st.WAL == nil && st.Backup != nil && st.Backup.Kind == backup.Dump {
				return doctor.NA("dumps are made: what comes after one is kept by the database service's own point-in-time recovery")
			}
			return run(ctx)
		}
	})
}

type backups struct{ base, wal, drill doctor.Last }

func (s *server) lastBackups(ctx context.Context) (backups, error) {
	st, err := backup.Last(ctx, s.db)
	last := func(e *backup.Event, detail string) doctor.Last {
		if e == nil {
			return doctor.Last{}
		}
		return doctor.Last{At: e.FinishedAt, OK: true, Detail: detail}
	}
	var b backups
	if st.Backup != nil {
		b.base = last(st.Backup, fmt.Sprintf("a %s of %s", st.Backup.Kind, size(st.Backup.Bytes)))
	}
	b.wal = last(st.WAL, "")
	if st.Drill != nil {
		b.drill = last(st.Drill, fmt.Sprintf("%s, lost %s, took %s", size(st.Drill.Bytes), st.Drill.RPO.Round(time.Second), st.Drill.RTO.Round(time.Second)))
	}
	return b, err
}
