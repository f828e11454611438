// Package backup makes backups of the database and brings them back: whole copies of one's own PostgreSQL with the log of all
// changes since (to any second), dumps of a managed one, snapshots of Redis. All of it is compressed and sealed before it leaves
// the machine, and lies in a directory or a bucket. A drill restores the newest backup into a cluster of its own, checks it
// and measures what would have been lost and how long it took. See docs/backups.md and docs/adr/0016.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Kind is what a backup is.
type Kind string

// The kinds. A WAL archive is no backup by itself: it goes on from a base.
const (
	Base  Kind = "base"  // the data directory of one's own PostgreSQL
	Dump  Kind = "dump"  // the product's schemas as pg_dump writes them, for a managed PostgreSQL
	Redis Kind = "redis" // a snapshot of Redis, of which nothing is missed
	WAL   Kind = "wal"   // the log of changes
)

// Config says what is backed up, to where.
type Config struct {
	Place string // a directory, or s3://bucket/prefix
	S3    S3
	Keys  string // see ParseKeys; UseKeys exchanges them
	Log   *slog.Logger

	// Addresses as they are by now: whoever runs for long asks for them each time. nil: none.
	SourceURL func() string // the database, as a role that sees all rows: see docs/backups.md; not needed to restore
	RedisURL  func() string // for a snapshot of it

	// Notes is the database in which backups and drills are noted, nil while it does not answer. It may come back while this runs, so it
	// is asked each time.
	Notes func(context.Context) *postgres.DB
}

// Service makes, keeps and restores backups.
type Service struct {
	store     store
	keys      *atomic.Pointer[Keys]
	partAfter time.Duration
	Config
}

// NewService checks the place and the keys; it reaches neither store nor database yet.
func NewService(c Config) (*Service, error) {
	s := &Service{keys: &atomic.Pointer[Keys]{}, partAfter: partAfter}
	if err := s.UseKeys(c.Keys); err != nil {
		return nil, fmt.Errorf("BITB_BACKUP_KEYS: %w", err)
	}
	place, err := openStore(c.Place, c.S3)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, address := range []*func() string{&c.SourceURL, &c.RedisURL} {
		if *address == nil {
			*address = func() string { return "" }
		}
	}
	if c.Notes == nil {
		c.Notes = func(context.Context) *postgres.DB { return nil }
	}
	c.Keys = "" // they are in keys, which nothing prints
	s.store, s.Config = place, c
	return s, nil
}

// UseKeys has what begins from now on be sealed and opened with other keys. What is none changes nothing.
func (s *Service) UseKeys(text string) error {
	keys, err := ParseKeys(text)
	if err == nil {
		s.keys.Store(&keys)
	}
	return err
}

// Manifest says what a backup is. It is stored last: what has none is no backup. It lies beside it in the clear, and holds
// names of tables and counts, but nothing of what is in them.
type Manifest struct {
	ID         domain.ID `json:"id"`
	Kind       Kind      `json:"kind"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"` // a base can be restored to any second from here on that the log reaches

	File      string `json:"file"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`
	Plain     int64  `json:"plain_bytes"` // before compression
	SealedFor string `json:"sealed_for"`  // the public half of the key

	Source
	// Of a base: where it lies in the log.
	System   string `json:"system,omitempty"` // the cluster's own number: the log of no other one follows it
	Timeline int32  `json:"timeline,omitempty"`
	StartLSN string `json:"start_lsn,omitempty"`
	EndLSN   string `json:"end_lsn,omitempty"`
	Segment  int64  `json:"segment_bytes,omitempty"`
}

// Source is the database a backup was made of.
type Source struct {
	Postgres      string           `json:"postgres,omitempty"` // its version
	Major         int              `json:"major,omitempty"`
	Schema        int64            `json:"schema,omitempty"` // the newest migration
	Database      string           `json:"database,omitempty"`
	DatabaseBytes int64            `json:"database_bytes,omitempty"`
	Superuser     string           `json:"superuser,omitempty"` // the name of the cluster's first role
	Vectors       string           `json:"vectors,omitempty"`   // the schema that pgvector is in, by which a dump names its types
	Rows          map[string]int64 `json:"rows,omitempty"`      // by table; of a dump exact, of a base as they were when it began
}

const manifestName = "manifest.json"

func (m Manifest) dir() string { return path.Dir(m.File) }

// ErrBusy means that another process makes a backup at this moment.
var ErrBusy = domain.NewError(domain.Conflict, "Another backup is being made right now.")

// Take makes one backup. Two at once cannot be: the second returns ErrBusy.
func (s *Service) Take(ctx context.Context, kind Kind) (Manifest, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return Manifest{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := lock(ctx, conn); err != nil {
		return Manifest{}, err
	}
	return s.take(ctx, conn, kind)
}

func lock(ctx context.Context, conn *pgx.Conn) error {
	var mine bool
	if err := conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended('bitb backup', 0))").Scan(&mine); err != nil {
		return fmt.Errorf("see whether another backup is being made: %w", err)
	}
	if !mine {
		return ErrBusy
	}
	return nil
}

// take makes a backup under the lock that conn holds.
func (s *Service) take(ctx context.Context, conn *pgx.Conn, kind Kind) (m Manifest, err error) {
	m = Manifest{ID: domain.NewID(), Kind: kind, StartedAt: time.Now().UTC()}
	folder := fmt.Sprintf("%s/%s-%s/", kind, m.StartedAt.Format("20060102T150405Z"), m.ID.String()[24:])
	s.note(ctx, m, nil)
	defer func() {
		if err != nil {
			s.note(ctx, m, err)
		}
	}()
	var stored sealed
	switch kind {
	case Base:
		m.File = folder + "data.tar" + sealedSuffix
		stored, err = s.takeBase(ctx, conn, &m)
	case Dump:
		m.File = folder + "database.dump" + sealedSuffix
		stored, err = s.takeDump(ctx, conn, &m)
	case Redis:
		m.File = folder + "redis.rdb" + sealedSuffix
		stored, err = s.put(ctx, m.File, s.dumpRedis(ctx))
	default:
		return m, fmt.Errorf("there is no kind of backup %q; there are base, dump and redis", kind)
	}
	if err != nil {
		return m, err
	}
	m.Bytes, m.SHA256, m.Plain, m.SealedFor, m.FinishedAt = stored.Bytes, stored.SHA256, stored.Plain, stored.For, time.Now().UTC()
	if err := s.putManifest(ctx, m); err != nil {
		return m, err
	}
	s.note(ctx, m, nil)
	return m, nil
}

func (s *Service) putManifest(ctx context.Context, m Manifest) error {
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return s.store.Put(ctx, m.dir()+"/"+manifestName, strings.NewReader(string(content)), int64(len(content)))
}

// List returns the backups there are, oldest first. A place that is not there is domain.NotFound: with its name written wrong, it would
// seem to be empty.
func (s *Service) List(ctx context.Context) ([]Manifest, error) {
	if err := s.store.There(); err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	var all []Manifest
	for _, kind := range []Kind{Base, Dump, Redis} {
		objects, err := s.store.List(ctx, string(kind)+"/")
		if err != nil {
			return nil, fmt.Errorf("list the backups: %w", err)
		}
		for _, o := range objects {
			if path.Base(o.Name) != manifestName {
				continue
			}
			m, err := s.readManifest(ctx, o.Name)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	return all, nil
}

func (s *Service) readManifest(ctx context.Context, name string) (m Manifest, err error) {
	r, err := s.store.Get(ctx, name)
	if err != nil {
		return m, fmt.Errorf("read %s: %w", name, err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, 4<<20))
	if err == nil {
		err = json.Unmarshal(content, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read %s: %w", name, err)
	}
	if path.Dir(name) != m.dir() { // a manifest that points elsewhere was put there by somebody
		return m, fmt.Errorf("%s speaks of %s", name, m.File)
	}
	return m, nil
}

// Choose returns what can be made of the database: a base where it hands one out, else a dump, with the reason.
func (s *Service) Choose(ctx context.Context) (Kind, string, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return "", "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var level string
	var senders int
	var may bool
	err = conn.QueryRow(ctx, `select current_setting('wal_level'), current_setting('max_wal_senders')::int,
		(select rolsuper or rolreplication from pg_roles where rolname = current_user)`).Scan(&level, &senders, &may)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("see what the database allows: %w", err)
	case level == "minimal" || senders == 0:
		return Dump, "wal_level is minimal or max_wal_senders is 0 (docs/backups.md has the lines that change it)", nil
	case !may:
		return Dump, "the role of BITB_BACKUP_DATABASE_URL has no REPLICATION", nil
	}
	return Base, "", nil
}

func (s *Service) connect(ctx context.Context) (*pgx.Conn, error) {
	address := s.SourceURL()
	config, err := pgx.ParseConfig(address)
	if err != nil || address == "" {
		return nil, errors.New("BITB_BACKUP_DATABASE_URL cannot be read as a PostgreSQL address") // the cause would print the password
	}
	config.ConnectTimeout = 10 * time.Second
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("reach the database to back up: %w", err)
	}
	// Counting takes what it takes, and the snapshot of a dump waits in a transaction until pg_dump is done.
	if _, err := conn.Exec(ctx, "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set idle_session_timeout = 0"); err != nil {
		conn.Close(ctx)
		return nil, fmt.Errorf("lift the limits of the connection: %w", err)
	}
	var sees bool
	err = conn.QueryRow(ctx, "select rolsuper or rolbypassrls from pg_roles where rolname = current_user").Scan(&sees)
	if err == nil && !sees {
		err = fmt.Errorf("the role %q sees no tenant's rows, so its backup would be empty; docs/backups.md has the role for backups", config.User)
	}
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// readSource looks at the database, in a transaction or not.
func readSource(ctx context.Context, conn *pgx.Conn) (src Source, err error) {
	err = conn.QueryRow(ctx, `select current_setting('server_version'), current_setting('server_version_num')::int / 10000, current_database(),
		pg_database_size(current_database()), (select rolname from pg_roles where oid = 10),
		coalesce((select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'), '')`).
		Scan(&src.Postgres, &src.Major, &src.Database, &src.DatabaseBytes, &src.Superuser, &src.Vectors)
	if err != nil {
		return src, fmt.Errorf("look at the database: %w", err)
	}
	if src.Schema, err = postgres.SchemaVersion(ctx, conn); err != nil {
		return src, err
	}
	src.Rows, err = countRows(ctx, conn)
	return src, err
}

// ownTables are the product's, in whatever schemas they lie.
const ownTables = `select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p') and not c.relispartition and c.relowner = to_regrole('bitb_owner')`

// countRows counts by table, without those that change by themselves all the time: the queue, sessions, these notes.
func countRows(ctx context.Context, conn *pgx.Conn) (map[string]int64, error) {
	rows, err := conn.Query(ctx, ownTables+` and n.nspname not in ('river', 'meta') and c.relname <> 'sessions' order by 1`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	counts := map[string]int64{}
	for _, table := range tables {
		var n int64
		if err := conn.QueryRow(ctx, "select count(*) from "+table).Scan(&n); err != nil {
			return nil, fmt.Errorf("count %s: %w", table, err)
		}
		counts[table] = n
	}
	return counts, nil
}
