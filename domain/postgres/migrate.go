package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// QueueSchema holds the job queue's tables, apart from the tenants'.
const QueueSchema = "river"

//go:embed bootstrap.sql
var bootstrapSQL string

//go:embed rls_lint.sql
var lintSQL string

// lockTimeout is how long a migration waits for a table that others use. While it waits, whoever comes after it waits too, so
// it gives up rather than hold the product up; it can be run again.
const lockTimeout = "2s"

// Migrate brings the database at url to the newest schema and checks its isolation. url must log in as a role that may
// create roles and extensions, and must reach the server itself, not a pooler that hands connections round. Two at once are
// safe: the second waits and finds nothing to do. files holds the numbered SQL; a migration that fails leaves nothing behind.
func Migrate(ctx context.Context, url string, files fs.FS) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return errors.New("the database address for migrations cannot be read")
	}
	alone, err := bootstrap(ctx, config.ConnConfig)
	if err != nil {
		return err
	}
	defer alone.Close(ctx)
	config.MaxConns = 4
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, pathOfVectors+"; set lock_timeout = '"+lockTimeout+"'; set role bitb_owner")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer pool.Close()
	if err := migrateQueue(ctx, pool); err != nil {
		return err
	}
	if err := migrateTables(ctx, pool, files); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, findVectors); err != nil {
		return fmt.Errorf("let functions find the vector extension: %w", err)
	}
	found, err := Lint(ctx, config.ConnConfig)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("the schema breaks rules of isolation: %s", strings.Join(found, "; "))
	}
	return nil
}

// pathOfVectors lets a connection find the vector extension.
const pathOfVectors = `
	select set_config('search_path', concat_ws(', ', 'public', quote_ident(nullif(n.nspname, 'public'))), false)
	from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'`

// findVectors adds the schema of the vector extension, where that is not public, to the fixed path of functions. Only whoever owns the
// database can put anything there.
const findVectors = `
	do $$
	declare
	  f regprocedure;
	  s text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector');
	begin
	  for f in select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
	    where s <> 'public' and n.nspname = 'search' and 'search_path=pg_catalog, public, pg_temp' = any(p.proconfig)
	  loop
	    execute format('alter function %s set search_path = pg_catalog, public, %I, pg_temp', f, s);
	  end loop;
	end $$`

// lock waits until no other migration runs, and keeps others waiting until the connection is closed.
func lock(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtext('bitb migrate'))"); err != nil {
		conn.Close(ctx)
		return nil, fmt.Errorf("wait for another migration: %w", err)
	}
	if _, err := conn.Exec(ctx, "set lock_timeout = '"+lockTimeout+"'"); err != nil {
		conn.Close(ctx)
		return nil, fmt.Errorf("bound the wait for a lock: %w", err)
	}
	return conn, nil
}

// Prepare makes roles, schemas and the vector extension in an empty database, and nothing else: a dump brings the tables. It names
// the extension's types by the schema that they were in; "": where the migrations put them.
func Prepare(ctx context.Context, url, vectors string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("the database address cannot be read")
	}
	if vectors != "" {
		if err := putVectors(ctx, config, vectors); err != nil {
			return err
		}
	}
	conn, err := bootstrap(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func putVectors(ctx context.Context, config *pgx.ConnConfig, schema string) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Close(ctx)
	name := pgx.Identifier{schema}.Sanitize()
	if _, err := conn.Exec(ctx, "create schema if not exists "+name+"; create extension if not exists vector with schema "+name); err != nil {
		return fmt.Errorf("put the vector extension into schema %s: %w", schema, err)
	}
	return nil
}

// bootstrap makes what the migrations stand on, and returns the connection that keeps others waiting.
func bootstrap(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	alone, err := lock(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := alone.Exec(ctx, bootstrapSQL); err != nil {
		alone.Close(ctx)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == insufficientPrivilege {
			err = fmt.Errorf("%w: %s may not; BITB_MIGRATE_DATABASE_URL is for a role that may create roles and extensions", err, config.User)
		}
		return nil, fmt.Errorf("make roles, schemas and the vector extension: %w", err)
	}
	return alone, nil
}

// SchemaVersion is the number of the newest migration that ran; 0 where none did. It needs a role that may read schema meta.
func SchemaVersion(ctx context.Context, conn *pgx.Conn) (version int64, err error) {
	err = conn.QueryRow(ctx, "select coalesce(max(version_id), 0) from meta.goose_db_version where is_applied").Scan(&version)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == undefinedTable || e.Code == undefinedSchema) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}

func migrateQueue(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: QueueSchema})
	if err != nil {
		return fmt.Errorf("read the queue's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	_, err = pool.Exec(ctx, `
		grant select, insert, update, delete on all tables in schema river to bitb_app;
		grant usage on all sequences in schema river to bitb_app`)
	if err != nil {
		return fmt.Errorf("grant the queue's tables: %w", err)
	}
	return nil
}

func migrateTables(ctx context.Context, pool *pgxpool.Pool, files fs.FS) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	store, err := database.NewStore(database.DialectPostgres, "meta.goose_db_version")
	if err != nil {
		return fmt.Errorf("name the migrations table: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db, files, goose.WithStore(store))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// reviewed are the findings of the lint that stand, each with its reason. Schema public has none.
var reviewed = []string{
	// What comes before a tenant is known is looked up across tenants, by bitb_system, which has no grant elsewhere.
	"R10 policy is not the one canonical expression auth.bot_keys.system",
	"R10 policy is not the one canonical expression auth.invitations.system",
	"R10 policy is not the one canonical expression auth.keys.system",
	"R10 policy is not the one canonical expression auth.logins.system",
	"R10 policy is not the one canonical expression auth.scratch_tenants.system",
	"R10 policy is not the one canonical expression auth.sealed.system",
	"R10 policy is not the one canonical expression auth.sessions.system",
	"R10 policy is not the one canonical expression auth.staff.system",
	"R10 policy is not the one canonical expression auth.staff_cases.system",
	"R10 policy is not the one canonical expression auth.tenants.system",
	"R14 always-true policy auth.bot_keys.system",
	"R14 always-true policy auth.invitations.system",
	"R14 always-true policy auth.keys.system",
	"R14 always-true policy auth.logins.system",
	"R14 always-true policy auth.scratch_tenants.system",
	"R14 always-true policy auth.sealed.system",
	"R14 always-true policy auth.sessions.system",
	"R14 always-true policy auth.staff.system",
	"R14 always-true policy auth.staff_cases.system",
	"R14 always-true policy auth.tenants.system",
	// A session is looked up before anybody is known, an invitation is to a tenant that is not there yet, staff belong to none, and neither
	// do the keys and certificates of the deployment.
	"R07 no tenant_id column auth.invitations",
	"R07 no tenant_id column auth.keys",
	"R07 no tenant_id column auth.sealed",
	"R07 no tenant_id column auth.sessions",
	"R07 no tenant_id column auth.staff",
	// The two definer functions, and the policies that let their owner read a table each. A function's first condition is the
	// tenant of the setting; package retrieve tests it. See docs/adr/0003.
	"R10 policy is not the one canonical expression search.lexemes.search",
	"R14 always-true policy search.lexemes.search",
	"R15 more than one permissive policy for one command (they OR together) search.lexemes cmd=r",
	"R22 SECURITY DEFINER function executable by app search.lexical(integer[],sparsevec,integer)",
	"R10 policy is not the one canonical expression search.vocabulary.search",
	"R14 always-true policy search.vocabulary.search",
	"R15 more than one permissive policy for one command (they OR together) search.vocabulary cmd=r",
	"R22 SECURITY DEFINER function executable by app search.neighbours(integer[],integer)",
	// Drops tables of the setting's tenant that are empty. Its owner can log in nowhere, and owns these tables alone. See docs/adr/0013.
	"R22 SECURITY DEFINER function executable by app search.tidy_near()",
	// One e-mail address signs in to one tenant. bitb_app cannot reach the table, so its uniqueness tells a tenant nothing.
	"R17 unique index without tenant_id (not a uuid pk): side channel auth.logins_pkey",
}

// Lint checks the catalog for defects of isolation and returns those that are not on the reviewed list.
func Lint(ctx context.Context, config *pgx.ConnConfig) ([]string, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, pathOfVectors); err != nil { // types are named as on the reviewed list
		return nil, fmt.Errorf("check the catalog: %w", err)
	}
	return lint(ctx, conn)
}

func lint(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}) ([]string, error) {
	rows, err := db.Query(ctx, lintSQL)
	if err != nil {
		return nil, fmt.Errorf("check the catalog: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var rule, object string
		err := row.Scan(&rule, &object)
		return rule + " " + object, err
	})
	if err != nil {
		return nil, fmt.Errorf("check the catalog: %w", err)
	}
	return slices.DeleteFunc(found, func(f string) bool { return slices.Contains(reviewed, f) }), nil
}
