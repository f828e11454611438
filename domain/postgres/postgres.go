// Package postgres is the only way to the database: a pool that nobody else holds, and three doors through which every
// transaction goes. InTenant (or Snapshot, to read) sees one tenant's rows and is what all features use; AsSystem sees the few
// tables that come before a tenant is known; AsSupport reads one tenant's rows and writes nothing. Within a support case InTenant is
// AsSupport, so that what serves members serves staff too and cannot write. Row-level security and grants make it so, not the code
// behind the doors. Statements stand in the packages that own the tables.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"bitb/domain"
)

const (
	acquireTimeout = 2 * time.Second // until a transaction has begun
	mostTries      = 3               // of a transaction that came to nothing through no fault of its own
)

// Config says how to connect.
type Config struct {
	URL string // logs in as bitb_app, or as a role that may become it

	// Fresh is the address as it is by now, nil where it never changes: new connections take its user and password.
	Fresh func() string

	// AllowPrivileged lets a superuser or an owner log in and become bitb_app at once. For development: such a session
	// could take its rights back, so in production Open refuses it.
	AllowPrivileged bool

	// Name is what the process calls itself in its connections; "": bitb. See Processes.
	Name string

	// Pooled says that a pooler in transaction mode stands between, such as PgBouncer: a connection is this process's for one
	// transaction at a time. Then nothing is set on it at its start, and no statement is prepared on it; see docs/supabase.md.
	Pooled bool

	MaxConns int32 // 0: four for each processor, ten at least

	// AsyncCommit has commits return before they are on disk. For what is thrown away in the end.
	AsyncCommit bool

	// Trace has every statement be a step of the trace that it belongs to, without the values of its parameters.
	Trace bool

	// Refused is told when the database refuses a statement for the role or the policy; nil: nobody is.
	Refused func(context.Context)

	// Configure changes how connections are made; nil: not at all. Tests break them with it.
	Configure func(*pgx.ConnConfig)
}

// DB is an open database.
type DB struct {
	pool    *pgxpool.Pool
	queue   *pgxpool.Pool
	pooled  bool
	pulse   *pulse
	refused func(context.Context)
}

// Open connects, checks that the role cannot look past row-level security, and returns the database. It fails when
// the server does not answer within ten seconds.
func Open(ctx context.Context, c Config) (*DB, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	become, err := appRole(ctx, c)
	if err != nil {
		return nil, err
	}
	maxConns := c.MaxConns
	if maxConns == 0 {
		maxConns = int32(max(10, 4*runtime.GOMAXPROCS(0)))
	}
	pool, err := newPool(ctx, c, become, maxConns, 15*time.Second)
	if err != nil {
		return nil, err
	}
	queue, err := newPool(ctx, c, become, 6, time.Minute)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &DB{pool: pool, queue: queue, pooled: c.Pooled, pulse: newPulse(pool.Config().ConnConfig, c), refused: c.Refused}, nil
}

// Close waits for running transactions and closes all connections.
func (db *DB) Close() {
	db.pulse.close()
	db.queue.Close()
	db.pool.Close()
}

// PoolStats is how the connections of a pool are used.
type PoolStats struct {
	Name             string // "pages" or "queue"
	Used, Idle, Most int
	Waits            int64         // for a connection, since the start
	Waited           time.Duration // in all of them
}

// Pools tells how connections are used.
func (db *DB) Pools() []PoolStats {
	stats := func(name string, p *pgxpool.Pool) PoolStats {
		s := p.Stat()
		return PoolStats{Name: name, Used: int(s.AcquiredConns()), Idle: int(s.IdleConns()), Most: int(s.MaxConns()),
			Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime()}
	}
	return []PoolStats{stats("pages", db.pool), stats("queue", db.queue)}
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := db.pulse.during(ctx)
	defer cancel()
	return spoken(ctx, db.pool.Ping(ctx))
}

// QueuePool is for the job queue, which brings its own statements and its own schema. Without a tenant set, row-level
// security shows it no tenant's rows.
func (db *DB) QueuePool() *pgxpool.Pool { return db.queue }

// Pooled reports whether a pooler in transaction mode stands between: nobody can be notified through it.
func (db *DB) Pooled() bool { return db.pooled }

// InTenant runs fn in a transaction that sees and writes the rows of one tenant. It commits when fn returns nil.
// No network call belongs into fn: a slow model must not hold a connection. fn may be called again, from the beginning, when its
// transaction came to nothing: by a deadlock, or as the connection broke before it was to be committed. Driver errors come back as
// domain errors. A staff member gets into the tenant of their case alone, until it ends, and as bitb_support: what writes fails as
// domain.Forbidden.
func (db *DB) InTenant(ctx context.Context, tenant domain.ID, fn func(pgx.Tx) error) error {
	return db.inTenant(ctx, tenant, pgx.TxOptions{}, fn)
}

// Snapshot runs fn in a read-only transaction that sees the rows of one tenant as they are at one moment, through all its
// statements: what is moved from one place to another meanwhile is in one of the two. A statement is planned once for each connection,
// whoever the tenant is: for small ones planning takes longer than searching, and no plan knows under the policy how large one is.
func (db *DB) Snapshot(ctx context.Context, tenant domain.ID, fn func(pgx.Tx) error) error {
	return db.inTenant(ctx, tenant, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

func (db *DB) inTenant(ctx context.Context, tenant domain.ID, opts pgx.TxOptions, fn func(pgx.Tx) error) error {
	if who, _ := domain.IdentityFrom(ctx); who.StaffID != (domain.ID{}) {
		if err := mayLook(who, tenant); err != nil {
			return err
		}
		return onlyReads(db.asSupport(ctx, tenant, opts, fn))
	}
	opts.BeginQuery = beginInTenant(opts, tenant)
	return db.in(ctx, opts, fn)
}

// beginInTenant begins a transaction and does what SetTenant does, in one round trip. An id is nothing but digits, letters and dashes.
func beginInTenant(opts pgx.TxOptions, tenant domain.ID) string {
	begin, more := "begin", ""
	if opts.IsoLevel == pgx.RepeatableRead {
		begin, more = "begin isolation level repeatable read read only", "; set local plan_cache_mode = force_generic_plan"
	}
	return begin + "; set local app.tenant_id = '" + tenant.String() + "'; set local enable_seqscan = off" + more
}

func mayLook(who domain.Identity, tenant domain.ID) error {
	switch {
	case !who.InCase() || who.TenantID != tenant:
		return domain.NewError(domain.Forbidden, "Open a case to look into this tenant.")
	case !time.Now().Before(who.Until):
		return domain.ErrCaseOver
	}
	return nil
}

// onlyReads says what it means when a statement that writes is refused within a case.
func onlyReads(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == readOnlyTransaction || e.Code == insufficientPrivilege) {
		return &domain.Error{Code: domain.Forbidden, Message: "Within a case you can look, and change nothing.", Err: err}
	}
	return err
}

// AsSystem runs fn in a transaction as bitb_system, which sees sign-ins, sessions and bot keys of all tenants and no document,
// chunk or conversation of any; with SetTenant, how a tenant's documents and answers fare. Within a case it only reads.
func (db *DB) AsSystem(ctx context.Context, fn func(pgx.Tx) error) error {
	var opts pgx.TxOptions
	inCase := domain.InCase(ctx)
	if inCase {
		opts.AccessMode = pgx.ReadOnly
	}
	err := db.in(ctx, opts, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local role bitb_system"); err != nil {
			return fmt.Errorf("become bitb_system: %w", err)
		}
		return fn(tx)
	})
	if inCase {
		return onlyReads(err)
	}
	return err
}

// AsSupport runs fn in a read-only transaction as bitb_support, which may select one tenant's rows and nothing else.
func (db *DB) AsSupport(ctx context.Context, tenant domain.ID, fn func(pgx.Tx) error) error {
	return db.asSupport(ctx, tenant, pgx.TxOptions{}, fn)
}

func (db *DB) asSupport(ctx context.Context, tenant domain.ID, opts pgx.TxOptions, fn func(pgx.Tx) error) error {
	opts.AccessMode = pgx.ReadOnly
	return db.in(ctx, opts, func(tx pgx.Tx) error {
		if err := SetTenant(ctx, tx, tenant); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "set local role bitb_support"); err != nil {
			return fmt.Errorf("become bitb_support: %w", err)
		}
		return fn(tx)
	})
}

// SetTenantSQL makes the rest of a transaction see the tenant $1. It also makes the planner go by the indexes, which begin with the
// tenant: a small table, or one in which the tenant has a large part, it would rather read whole, other tenants' rows and all.
const SetTenantSQL = "select set_config('app.tenant_id', $1, true), set_config('enable_seqscan', 'off', true)"

// SetTenant makes the rest of tx see one tenant. For AsSystem, where a sign-up has just made the tenant.
func SetTenant(ctx context.Context, tx pgx.Tx, tenant domain.ID) error {
	if _, err := tx.Exec(ctx, SetTenantSQL, tenant.String()); err != nil {
		return fmt.Errorf("set the tenant: %w", err)
	}
	return nil
}

// in carries out a transaction, and again where that cannot do anything twice. Only a commit whose answer is lost is not known to have
// come to nothing.
func (db *DB) in(ctx context.Context, opts pgx.TxOptions, fn func(pgx.Tx) error) error {
	ctx, cancel := db.pulse.during(ctx)
	defer cancel()
	for try := 1; ; try++ {
		again, err := db.once(ctx, opts, fn)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == insufficientPrivilege && db.refused != nil {
			db.refused(ctx)
		}
		if !again || try == mostTries || ctx.Err() != nil {
			return spoken(ctx, err)
		}
		sleep(ctx, time.Duration(try)*(5*time.Millisecond+rand.N(20*time.Millisecond)))
	}
}

// once tries a transaction once. again says that it came to nothing and may do better next time.
func (db *DB) once(ctx context.Context, opts pgx.TxOptions, fn func(pgx.Tx) error) (again bool, err error) {
	conn, tx, err := db.begin(ctx, opts)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	defer endWith(ctx, conn.Conn().PgConn().Conn())()
	done := false
	defer func() {
		if !done { // fn failed, or panicked
			_ = tx.Rollback(ctx)
		}
	}()
	if err := fn(tx); err != nil {
		return undone(err) || conn.Conn().IsClosed() && ctx.Err() == nil, err
	}
	done = true
	err = tx.Commit(ctx)
	return undone(err), err
}

// endWith ends what hangs on a connection when the server has fallen silent: whoever uses it has a context of their own. stop may
// come too late, and the connection have been given back; then the next one who gets it finds it broken.
func endWith(ctx context.Context, wire net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), errSilent) {
			_ = wire.SetDeadline(time.Now())
		}
	})
}

// begin finds a connection that works: after a restart of the server those in the pool are dead, and for a moment there are no others.
func (db *DB) begin(ctx context.Context, opts pgx.TxOptions) (*pgxpool.Conn, pgx.Tx, error) {
	acquire, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	for {
		conn, err := db.pool.Acquire(acquire)
		if err == nil {
			var tx pgx.Tx
			if tx, err = conn.BeginTx(acquire, opts); err == nil {
				return conn, tx, nil
			}
			conn.Release()
		}
		if !unreachable(err) || acquire.Err() != nil {
			return nil, nil, err
		}
		sleep(acquire, 50*time.Millisecond)
		if acquire.Err() != nil {
			return nil, nil, err // which says more than that time is up
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// renew has a connection log in as whoever the address names by now.
func (c Config) renew(conn *pgx.ConnConfig) {
	if c.Fresh == nil {
		return
	}
	if now, err := pgx.ParseConfig(c.Fresh()); err == nil {
		conn.User, conn.Password = now.User, now.Password
	}
}

func newPool(ctx context.Context, c Config, become string, maxConns int32, statementTimeout time.Duration) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("DATABASE_URL cannot be read as a PostgreSQL address") // the cause would print the password
	}
	config.MaxConns, config.MinConns = maxConns, 1 // one at least, so that the process is seen
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	if c.Pooled {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	} else {
		setAtStart(config.ConnConfig.RuntimeParams, c, statementTimeout)
	}
	if become != "" {
		config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "set role "+pgx.Identifier{become}.Sanitize())
			return err
		}
	}
	if c.Trace {
		config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	if c.Configure != nil {
		c.Configure(config.ConnConfig)
	}
	config.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error { c.renew(conn); return nil }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	return pool, nil
}

// setAtStart is what Migrate sets for the role too, for where a pooler lets nothing be set. Before that, and for other roles, it is here.
func setAtStart(params map[string]string, c Config, statementTimeout time.Duration) {
	maps.Copy(params, map[string]string{
		"application_name":                    cmp.Or(c.Name, "bitb"),
		"jit":                                 "off", // its compilation costs more than any statement here
		"statement_timeout":                   fmt.Sprint(statementTimeout.Milliseconds()),
		"idle_in_transaction_session_timeout": "30000",
		"lock_timeout":                        "10000",
	})
	if c.AsyncCommit {
		params["synchronous_commit"] = "off"
	}
}

// appRole returns the role a connection has to take on, "" where the login role is harmless by itself.
func appRole(ctx context.Context, c Config) (string, error) {
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return "", errors.New("DATABASE_URL cannot be read as a PostgreSQL address")
	}
	if c.Pooled {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Close(ctx)
	var role string
	var privileged bool
	err = conn.QueryRow(ctx, `
		select current_user,
		       rolsuper or rolbypassrls or rolcreaterole
		         or pg_has_role(current_user, 'bitb_owner', 'member')
		         or exists (select from pg_class where relowner = r.oid and relkind in ('r', 'p'))
		from pg_roles r where rolname = current_user`).Scan(&role, &privileged)
	switch {
	case err != nil:
		return "", fmt.Errorf("read the database role: %w (is the database migrated?)", err)
	case !privileged:
		return "", nil
	case !c.AllowPrivileged || c.Pooled: // through a pooler, another's connection would be taken over with the role
		return "", fmt.Errorf("the database role %q can look past row-level security; log in as bitb_app", role)
	}
	return "bitb_app", nil
}
