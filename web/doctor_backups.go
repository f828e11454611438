package main

import (
	"context"
	"time"

	"bitb/domain/doctor"
)

// How old the last good ones may be: a day and two hours; a quarter of an hour for the archive; five weeks for a drill. The alerts
// BitbBackupOld, BitbArchiveBehind and BitbDrillOld have the same.
const (
	backupMost  = 26 * time.Hour
	archiveMost = 15 * time.Minute
	drillMost   = 35 * 24 * time.Hour
)

func (d *clinic) backupChecks() []doctor.Check {
	recent := func(what string, most time.Duration, do string, of func(doctor.Backups) doctor.Last) look {
		return d.onlyLive("what is on it can be made again.", d.withServer(func(s *server) look {
			return doctor.Recent(what, most, do, func(ctx context.Context) (doctor.Last, error) {
				b, err := doctor.LastBackups(ctx, s.db)
				return of(b), err
			})
		}))
	}
	base := recent("The last backup", backupMost, "Run `bitb backup base`, or `bitb backup dump` of a managed database, and daily by a schedule (docs/backups.md).",
		func(b doctor.Backups) doctor.Last { return b.Base })
	archive := recent("The archive of changes", archiveMost, "See what runs `bitb backup base --stream` or `bitb backup stream`, and its log (docs/backups.md).",
		func(b doctor.Backups) doctor.Last { return b.Archive })
	drill := recent("The last restore drill", drillMost, "Run `bitb drill`, and weekly by a schedule: a backup is as good as its restore (docs/backups.md).",
		func(b doctor.Backups) doctor.Last { return b.Drill })
	return group("Backups",
		doctor.Check{ID: "backups.base", Name: "Last backup", Run: base},
		doctor.Check{ID: "backups.wal", Name: "Archive of changes", Run: d.unlessDumped(archive)},
		doctor.Check{ID: "backups.drill", Name: "Last restore drill", Run: drill},
	)
}

// unlessDumped leaves the archive to whoever runs the database, where that cannot be read but by dumps.
func (d *clinic) unlessDumped(archive look) look {
	return func(ctx context.Context) doctor.Result {
		if d.server != nil && !d.laptop() {
			if b, err := doctor.LastBackups(ctx, d.server.db); err == nil && b.Dumped {
				return doctor.NA("The last backup is a dump: of a managed database its own service keeps the changes. See that its point-in-time recovery is on.")
			}
		}
		return archive(ctx)
	}
}
