package main

import (
	"context"
	"time"

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
		doctor.Check{ID: "backups.wal", Name: "Archive of changes", Run: recent("What the archive holds of the changes since", walMost, "See PostgreSQL's archive_command and its log (docs/backups.md).", func(b backups) doctor.Last { return b.wal })},
		doctor.Check{ID: "backups.drill", Name: "Last restore drill", Run: recent("The last drill", drillMost, "Run `bitb drill`, and weekly by a schedule: a backup is as good as its restore (docs/backups.md).", func(b backups) doctor.Last { return b.drill })},
	)
}

type backups struct{ base, wal, drill doctor.Last }

func (s *server) lastBackups(context.Context) (backups, error) { return backups{}, nil }
