package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain/postgres"
)

// Backups is when the last good ones were made, and when one was last restored well.
type Backups struct {
	Base, Archive, Drill Last
	Dumped               bool // the last one is a dump, so changes since are for the managed database's own service to keep
}

// LastBackups reads what `bitb backup` and `bitb drill` note. Where they were never there, nothing is.
func LastBackups(ctx context.Context, db *postgres.DB) (b Backups, err error) {
	err = db.AsSystem(ctx, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, "select to_regclass('meta.backups') is not null and to_regclass('meta.drills') is not null").Scan(&there); err != nil || !there {
			return err
		}
		rows, err := tx.Query(ctx, "select distinct on (kind) kind, finished_at, bytes from meta.backups where ok and kind in ('base', 'dump', 'wal') order by kind, finished_at desc")
		if err != nil {
			return err
		}
		var kind string
		var at time.Time
		var bytes int64
		_, err = pgx.ForEachRow(rows, []any{&kind, &at, &bytes}, func() error {
			last := Last{At: at, OK: true, Detail: inBytes(uint64(max(bytes, 0)))}
			switch {
			case kind == "wal":
				b.Archive = Last{At: at, OK: true}
			case at.After(b.Base.At):
				b.Base, b.Dumped = last, kind == "dump"
			}
			return nil
		})
		if err != nil {
			return err
		}
		var rpo, rto float64
		err = tx.QueryRow(ctx, "select finished_at, coalesce(rpo_seconds, 0), coalesce(rto_seconds, 0) from meta.drills where ok order by finished_at desc limit 1").Scan(&at, &rpo, &rto)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		b.Drill = Last{At: at, OK: true, Detail: fmt.Sprintf("lost %s, back in %s", age(time.Duration(rpo*float64(time.Second))), age(time.Duration(rto*float64(time.Second))))}
		return err
	})
	return b, err
}
