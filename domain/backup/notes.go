package backup

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Event is a backup or a drill as it was noted.
type Event struct {
	Kind       Kind // "" for a drill
	StartedAt  time.Time
	FinishedAt time.Time
	Bytes      int64
	Place      string
	RPO, RTO   time.Duration // of a drill
}

// Status is the last good one of each; nil where there was none yet.
type Status struct {
	Backup *Event // a base or a dump
	WAL    *Event // when the log was last stored
	Drill  *Event
	Redis  *Event
}

// Last returns what was noted of the last good backups and the last good drill.
func Last(ctx context.Context, db *postgres.DB) (Status, error) {
	var st Status
	err := db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select distinct on (class) case kind when 'dump' then 'base' else kind end as class, kind, started_at, finished_at, bytes, place
			from meta.backups where ok order by class, finished_at desc`)
		if err != nil {
			return err
		}
		var class Kind
		var e Event
		_, err = pgx.ForEachRow(rows, []any{&class, &e.Kind, &e.StartedAt, &e.FinishedAt, &e.Bytes, &e.Place}, func() error {
			found := e
			*map[Kind]**Event{Base: &st.Backup, WAL: &st.WAL, Redis: &st.Redis}[class] = &found
			return nil
		})
		if err != nil {
			return err
		}
		var d Event
		var rpo, rto float64
		err = tx.QueryRow(ctx, "select started_at, finished_at, bytes, coalesce(rpo_seconds, 0), coalesce(rto_seconds, 0) from meta.drills where ok order by finished_at desc limit 1").
			Scan(&d.StartedAt, &d.FinishedAt, &d.Bytes, &rpo, &rto)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		d.RPO, d.RTO = seconds(rpo), seconds(rto)
		st.Drill = &d
		return err
	})
	return st, err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// note writes down how a backup stands: begun, done, or failed. A backup is not lost because that cannot be noted.
func (s *Service) note(ctx context.Context, m Manifest, failed error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	db := s.Notes(ctx)
	if db == nil {
		return
	}
	var finished *time.Time
	detail := m.File
	if failed != nil {
		now := time.Now()
		finished, detail = &now, failed.Error()
	} else if !m.FinishedAt.IsZero() {
		finished = &m.FinishedAt
	}
	err := db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into meta.backups (id, kind, started_at, finished_at, bytes, place, sha256, ok, detail) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			on conflict (id) do update set finished_at = excluded.finished_at, bytes = excluded.bytes, sha256 = excluded.sha256, ok = excluded.ok, detail = excluded.detail`,
			m.ID, m.Kind, m.StartedAt, finished, m.Bytes, s.Place, m.SHA256, failed == nil && finished != nil, detail)
		return err
	})
	if err != nil {
		s.Log.Warn("the backup could not be noted in the database", "backup", m.ID, "error", err)
	}
}

// noteWAL writes down that the log was stored up to now; a row a day.
func (s *Service) noteWAL(ctx context.Context, bytes int64, detail string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	db := s.Notes(ctx)
	if db == nil {
		return
	}
	now := time.Now().UTC()
	err := db.AsSystem(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update meta.backups set finished_at = $1, bytes = bytes + $2, detail = $3 where kind = 'wal' and ok and place = $4 and started_at = $5`,
			now, bytes, detail, s.Place, now.Truncate(24*time.Hour))
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		_, err = tx.Exec(ctx, "insert into meta.backups (id, kind, started_at, finished_at, bytes, place, sha256, ok, detail) values ($1, 'wal', $2, $3, $4, $5, '', true, $6)",
			domain.NewID(), now.Truncate(24*time.Hour), now, bytes, s.Place, detail)
		return err
	})
	if err != nil {
		s.Log.Warn("the stored WAL could not be noted in the database", "error", err)
	}
}

// noteGap writes down that the log has a hole, which the next base ends.
func (s *Service) noteGap(ctx context.Context, what string) {
	now := time.Now().UTC()
	s.note(ctx, Manifest{ID: domain.NewID(), Kind: WAL, StartedAt: now}, errors.New(what))
}

func (s *Service) noteDrill(ctx context.Context, d Drill) error {
	db := s.Notes(ctx)
	if db == nil {
		return nil
	}
	detail, err := json.Marshal(d)
	if err != nil {
		return err
	}
	var of *domain.ID
	if d.Backup.ID != (domain.ID{}) {
		of = &d.Backup.ID
	}
	return db.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into meta.drills (id, started_at, finished_at, ok, backup_id, rpo_seconds, rto_seconds, bytes, detail) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			d.ID, d.StartedAt, d.FinishedAt, d.OK, of, d.RPO.Seconds(), d.RTO.Seconds(), d.Bytes, detail)
		return err
	})
}
