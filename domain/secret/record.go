package secret

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain/postgres"
)

// Record writes down which key was used when, by all processes together, so that one that is used no more is seen, and one that nobody
// here knows.
type Record struct {
	db    *postgres.DB
	rings []*Ring
}

// NewRecord returns the record of the uses of keys of these rings.
func NewRecord(db *postgres.DB, rings ...*Ring) *Record { return &Record{db: db, rings: rings} }

// Run writes uses down every ten seconds until ctx ends, and what is left then.
func (r *Record) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := r.Write(ctx); err != nil && ctx.Err() == nil {
				log.Warn("uses of keys were not written down; the next try adds them", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = r.Write(last)
			return
		}
	}
}

// Write adds the uses counted since the last time.
func (r *Record) Write(ctx context.Context) error {
	var errs []error
	for _, ring := range r.rings {
		uses := ring.take()
		if len(uses) == 0 {
			continue
		}
		err := r.db.AsSystem(ctx, func(tx pgx.Tx) error { return addUses(ctx, tx, ring.purpose, uses) })
		if err != nil {
			ring.back(uses)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// addUses goes through the keys in one order, so that two processes do not wait for each other.
func addUses(ctx context.Context, tx pgx.Tx, purpose string, uses map[string]*use) error {
	var fingerprints []string
	for f := range uses {
		fingerprints = append(fingerprints, f)
	}
	slices.Sort(fingerprints)
	for _, f := range fingerprints {
		u := uses[f]
		_, err := tx.Exec(ctx, `insert into auth.keys as k (purpose, fingerprint, uses, first_used_at, last_used_at, refused, last_refused_at)
			values ($1, $2, $3, $4, $4, $5, $6)
			on conflict (purpose, fingerprint) do update set uses = k.uses + excluded.uses, refused = k.refused + excluded.refused,
				first_used_at = coalesce(k.first_used_at, excluded.first_used_at),
				last_used_at = greatest(k.last_used_at, excluded.last_used_at), last_refused_at = greatest(k.last_refused_at, excluded.last_refused_at)`,
			purpose, f, u.count, timeOrNull(u.last), u.refused, timeOrNull(u.lastNo))
		if err != nil {
			return err
		}
	}
	return nil
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// KeyUse is how a key was used. Position is its place in the ring from 1, 0 where the ring does not hold it.
type KeyUse struct {
	Purpose, Fingerprint     string
	Position                 int
	Uses, Refused            int64
	First, Last, LastRefused *time.Time
}

// List is every key that is set or was ever used, ring by ring, those that are set first.
func (r *Record) List(ctx context.Context) ([]KeyUse, error) {
	var known []KeyUse
	err := r.db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select purpose, fingerprint, uses, refused, first_used_at, last_used_at, last_refused_at from auth.keys order by purpose, first_used_at, fingerprint")
		if err != nil {
			return err
		}
		known, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (KeyUse, error) {
			var k KeyUse
			return k, row.Scan(&k.Purpose, &k.Fingerprint, &k.Uses, &k.Refused, &k.First, &k.Last, &k.LastRefused)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []KeyUse
	for _, ring := range r.rings {
		all = append(all, ring.among(known)...)
	}
	return all, nil
}

// among puts the uses of this ring's keys in their order, and behind them those of keys that it does not hold.
func (r *Ring) among(known []KeyUse) []KeyUse {
	set := r.Fingerprints()
	all := make([]KeyUse, len(set))
	for i, f := range set {
		all[i] = KeyUse{Purpose: r.purpose, Fingerprint: f, Position: i + 1}
	}
	for _, k := range known {
		if k.Purpose != r.purpose {
			continue
		}
		if i := slices.Index(set, k.Fingerprint); i >= 0 {
			k.Position = i + 1
			all[i] = k
		} else {
			all = append(all, k)
		}
	}
	return all
}
