package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// The goals of a recovery: what may be lost, and how long it may take.
const (
	GoalRPO = 5 * time.Minute
	GoalRTO = 30 * time.Minute
)

// Drill is a restore that was tried.
type Drill struct {
	ID         domain.ID `json:"id"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	OK         bool      `json:"ok"`
	Backup     Manifest  `json:"backup"`

	RPO time.Duration `json:"rpo"` // between the last change that came back and the begin of the drill: more is not lost
	RTO time.Duration `json:"rto"` // until the restored copy had passed its smoke test

	Fetched   time.Duration `json:"fetched"`   // of it: unpacked, and the log fetched
	Recovered time.Duration `json:"recovered"` // of it: PostgreSQL was up
	WALFiles  int           `json:"wal_files"`
	Bytes     int64         `json:"bytes"` // size of the restored database

	Rows     map[string]int64 `json:"rows"`
	Findings []string         `json:"findings"` // what is wrong; empty in a good one
	Notes    []string         `json:"notes"`
}

// Trial is what a drill needs from outside.
type Trial struct {
	// Smoke tries the product on the restored database, as the role that the server logs in as.
	Smoke func(ctx context.Context, databaseURL string) error
	ID    string // of the backup; "": the newest
}

// Drill restores a backup into a cluster of its own, checks it, throws it away and notes what it took. The error is for what kept
// it from being tried; what it found is in the Drill, and OK says whether all is well.
func (s *Service) Drill(ctx context.Context, t Trial) (d Drill, err error) {
	d = Drill{ID: domain.NewID(), StartedAt: time.Now().UTC(), Findings: []string{}}
	err = s.drill(ctx, t, &d)
	d.FinishedAt = time.Now().UTC()
	if err != nil {
		d.Findings = append(d.Findings, err.Error())
	}
	if d.RPO > GoalRPO && d.Backup.Kind == Base {
		d.Findings = append(d.Findings, fmt.Sprintf("%s of changes would have been lost; the goal is %s", d.RPO.Round(time.Second), GoalRPO))
	}
	if d.RTO > GoalRTO {
		d.Findings = append(d.Findings, fmt.Sprintf("it took %s; the goal is %s", d.RTO.Round(time.Second), GoalRTO))
	}
	d.OK = len(d.Findings) == 0
	if noted := s.noteDrill(context.WithoutCancel(ctx), d); noted != nil {
		s.Log.Warn("the drill could not be noted in the database", "error", noted)
	}
	return d, err
}

func (s *Service) drill(ctx context.Context, t Trial, d *Drill) (err error) {
	if d.Backup, err = s.furthest(ctx, t.ID); err != nil {
		return err
	}
	m := d.Backup
	c, err := newCluster(m.Major)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.remove()) }()
	if m.Kind == Base {
		err = s.drillBase(ctx, c, d)
	} else {
		err = s.drillDump(ctx, c, d)
	}
	if err != nil {
		return err
	}
	d.Recovered = time.Since(d.StartedAt)
	if err := s.inspect(ctx, c, d); err != nil {
		return err
	}
	if t.Smoke != nil {
		if err := t.Smoke(ctx, c.url("bitb_app", m.Database)); err != nil {
			return fmt.Errorf("the smoke test failed: %w", err)
		}
	}
	d.RTO = time.Since(d.StartedAt)
	return nil
}

// furthest is the backup that reaches the latest moment: a base with its log, as a rule. Or the one with an id.
func (s *Service) furthest(ctx context.Context, id string) (Manifest, error) {
	if id != "" {
		return s.Newest(ctx, time.Time{}, id, Base, Dump)
	}
	all, err := s.Reaches(ctx)
	if err != nil {
		return Manifest{}, err
	}
	var best Reach
	for _, r := range all {
		if r.Kind != Redis && !r.Until.Before(best.Until) {
			best = r
		}
	}
	if best.File == "" {
		return Manifest{}, fmt.Errorf("there is no backup in %s", s.Place)
	}
	return best.Manifest, nil
}

func (s *Service) drillBase(ctx context.Context, c *cluster, d *Drill) error {
	c.super = d.Backup.Superuser
	r, err := s.RestoreBase(ctx, d.Backup, time.Time{}, c.data())
	if err != nil {
		return err
	}
	d.Fetched, d.WALFiles = time.Since(d.StartedAt), r.WALFiles
	if r.Gap != "" {
		d.Findings = append(d.Findings, fmt.Sprintf("the WAL archive lacks %s, and recovery ends before it; make a base backup now", r.Gap))
	}
	if err := c.run(ctx, "pg_verifybackup", "--no-parse-wal", "--ignore="+walFolder, "--quiet", c.data()); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.url(c.super, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var newest *time.Time
	if err := conn.QueryRow(ctx, "select pg_last_xact_replay_timestamp()").Scan(&newest); err != nil {
		return err
	}
	if newest == nil { // nothing was committed after the base began
		newest = &d.Backup.StartedAt
	}
	d.RPO = max(0, d.StartedAt.Sub(*newest))
	// Of two roles that take turns (docs/runbooks/rotate-keys.md) it may be the one that is locked out. The copy is tried as this one.
	_, err = conn.Exec(ctx, "alter role bitb_app login")
	return err
}

// drillDump brings a dump back. What has changed since it was made is what would be lost: no dump by itself meets the goal.
func (s *Service) drillDump(ctx context.Context, c *cluster, d *Drill) error {
	if err := c.init(ctx); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := c.create(ctx, d.Backup.Database); err != nil {
		return err
	}
	if err := s.RestoreDump(ctx, d.Backup, c.url(c.super, d.Backup.Database)); err != nil {
		return err
	}
	d.RPO = d.StartedAt.Sub(d.Backup.StartedAt)
	d.Notes = append(d.Notes, "a dump loses what came after it; a managed database's own point-in-time recovery is what meets the goal of "+GoalRPO.String())
	return nil
}

// create makes a database. One is there from the beginning, and managed services use it.
func (c *cluster) create(ctx context.Context, database string) error {
	const first = "postgres"
	if database == first {
		return nil
	}
	conn, err := pgx.Connect(ctx, c.url(c.super, first))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{database}.Sanitize())
	return err
}

// inspect runs the catalog rules over the restored database and compares its rows to those of the backup and of the database
// as it is.
func (s *Service) inspect(ctx context.Context, c *cluster, d *Drill) error {
	config, err := pgx.ParseConfig(c.url(c.super, d.Backup.Database))
	if err != nil {
		return err
	}
	broken, err := postgres.Lint(ctx, config)
	if err != nil {
		return err
	}
	for _, rule := range broken {
		d.Findings = append(d.Findings, "a rule of isolation is broken: "+rule)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	schema, err := postgres.SchemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "select pg_database_size(current_database())").Scan(&d.Bytes); err != nil {
		return err
	}
	if schema < d.Backup.Schema {
		d.Findings = append(d.Findings, fmt.Sprintf("the schema is at version %d, and was at %d", schema, d.Backup.Schema))
	}
	if d.Rows, err = countRows(ctx, conn); err != nil {
		return err
	}
	live := s.liveRows(ctx, d)
	if d.Backup.Kind == Dump {
		live = d.Backup.Rows // a dump is as its manifest says, whatever happened since
	}
	d.Findings = append(d.Findings, compareRows(d.Backup.Rows, d.Rows, live)...)
	return nil
}

// liveRows counts in the database as it is, where it can be reached: in a real loss it cannot.
func (s *Service) liveRows(ctx context.Context, d *Drill) map[string]int64 {
	conn, err := s.connect(ctx)
	if err != nil {
		d.Notes = append(d.Notes, "the database itself was not reached to compare with")
		return nil
	}
	defer conn.Close(ctx)
	rows, err := countRows(ctx, conn)
	if err != nil {
		d.Notes = append(d.Notes, "the rows of the database itself were not counted: "+err.Error())
		return nil
	}
	return rows
}

// compareRows says which tables have another number of rows than they can have. A restored one lies between how the table was
// when the backup was made and how it is now; what comes and goes meanwhile may leave that by one in a hundred. Where nothing
// happens the two are the same, and so must the third be.
func compareRows(then, restored, now map[string]int64) (wrong []string) {
	for table, before := range then {
		got, there := restored[table]
		after, still := now[table]
		if now == nil {
			after, still = before, true
			if got > before {
				after = got // it grew since
			}
		}
		if !still {
			continue // a migration dropped it meanwhile
		}
		low, high := min(before, after), max(before, after)
		slack := high / 100
		switch {
		case !there:
			wrong = append(wrong, table+" is missing")
		case got < low-slack || got > high+slack || (got == 0 && low > 0):
			wrong = append(wrong, fmt.Sprintf("%s has %d rows; it had %d when the backup was made and has %d now", table, got, before, after))
		}
	}
	slices.Sort(wrong)
	return wrong
}
