package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"bitb/domain"
)

// What follows looks at the database from outside of any tenant, as the role that serves, and changes nothing.

// Lint checks the catalog for defects of isolation and returns those that are not on the reviewed list.
func (db *DB) Lint(ctx context.Context) (found []string, err error) {
	err = db.look(ctx, func(tx pgx.Tx) error {
		found, err = lint(ctx, tx)
		return err
	})
	return found, err
}

// look runs fn in a read-only transaction as bitb_app without a tenant.
func (db *DB) look(ctx context.Context, fn func(pgx.Tx) error) error {
	return db.in(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, fn)
}

// Probe is what a stranger saw.
type Probe struct {
	Tables []string // that were looked into
	Filled int      // of them with rows of the tenant that was asked about, so that something could have been seen
	Leaks  []string
}

// Probe looks into every table with a tenant, as the server does: without one, and as one that does not exist, nothing may be there;
// least of all a row of tenant.
func (db *DB) Probe(ctx context.Context, tenant domain.ID) (p Probe, err error) {
	err = db.look(ctx, func(tx pgx.Tx) error {
		if p.Tables, err = tenantTables(ctx, tx); err != nil {
			return err
		}
		// Rows are looked for by the index that begins with the tenant, which ends at once in a table of any size.
		if _, err := tx.Exec(ctx, "set local enable_seqscan = off"); err != nil {
			return err
		}
		for _, who := range []struct{ name, id string }{{"without a tenant", ""}, {"as another tenant", domain.NewID().String()}} {
			if _, err := tx.Exec(ctx, "select set_config('app.tenant_id', $1, true)", who.id); err != nil {
				return err
			}
			for _, table := range p.Tables {
				seen, err := anyRow(ctx, tx, table)
				if err != nil {
					return err
				}
				if seen {
					p.Leaks = append(p.Leaks, table+" "+who.name)
				}
			}
		}
		if _, err := tx.Exec(ctx, "select set_config('app.tenant_id', $1, true)", tenant.String()); err != nil {
			return err
		}
		for _, table := range p.Tables {
			seen, err := anyRow(ctx, tx, table)
			if err != nil {
				return err
			}
			if seen {
				p.Filled++
			}
		}
		return nil
	})
	return p, err
}

func anyRow(ctx context.Context, tx pgx.Tx, table string) (seen bool, err error) {
	if err := tx.QueryRow(ctx, "select exists (select from "+table+")").Scan(&seen); err != nil {
		return false, fmt.Errorf("look into %s: %w", table, err)
	}
	return seen, nil
}

// tenantTables are the tables and views that the server can read, but for those of extensions.
func tenantTables(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p', 'v', 'm') and n.nspname in ('public', 'search', 'auth')
			and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
			and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by 1`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// NotUUIDs lists the columns that name a row by something else than a UUID, which would let people count or guess. The queue's and the
// migrations' own tables have numbers and nothing of a tenant. All is how many columns name a row.
func (db *DB) NotUUIDs(ctx context.Context) (wrong []string, all int, err error) {
	err = db.look(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			select format('%I.%I.%I is %s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)), a.atttypid = 'uuid'::regtype
			from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
			where c.relkind in ('r', 'p') and n.nspname in ('public', 'search', 'auth') and a.attnum > 0 and not a.attisdropped
				and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
				and (a.attname = 'id' or a.attname like '%\_id' or a.attidentity <> '' or exists (select from pg_attrdef d
					where d.adrelid = c.oid and d.adnum = a.attnum and pg_get_expr(d.adbin, d.adrelid) like 'nextval(%'))
				and a.attname <> all($1)
			order by 1`, otherNames)
		if err != nil {
			return err
		}
		var one string
		var uuid bool
		_, err = pgx.ForEachRow(rows, []any{&one, &uuid}, func() error {
			if all++; !uuid {
				wrong = append(wrong, one)
			}
			return nil
		})
		return err
	})
	return wrong, all, err
}

// otherNames are ids of what is no row of ours: a request, and a job of the queue.
var otherNames = []string{"request_id", "job_id"}

// Excess is what the login role could do that the server does not need, beginning with its name.
func (db *DB) Excess(ctx context.Context) (role string, excess []string, err error) {
	err = db.look(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, excessSQL).Scan(&role, &excess)
	})
	return role, excess, err
}

const excessSQL = `
	with me as (select * from pg_roles where rolname = session_user),
	ours as (select c.*, format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname in ('public', 'search', 'auth', 'river', 'meta') and c.relkind in ('r', 'p', 'v', 'm', 'S')),
	found(what) as (
		select 'bypasses row-level security' from me where rolbypassrls
		union all select 'may make roles' from me where rolcreaterole
		union all select 'may make databases' from me where rolcreatedb
		union all select 'may replicate' from me where rolreplication
		union all select 'owns ' || name from ours, me where relowner = me.oid
		union all select 'owns the database' from pg_database d, me where d.datname = current_database() and d.datdba = me.oid
		union all select 'may truncate ' || name from ours, me where relkind in ('r', 'p') and has_table_privilege(me.oid, ours.oid, 'truncate')
		union all select 'may make tables in ' || n.nspname from pg_namespace n, me
			where n.nspname in ('public', 'search', 'auth', 'river', 'meta') and has_schema_privilege(me.oid, n.oid, 'create')
		union all select 'may become ' || r.rolname from pg_roles r, me
			where r.oid <> me.oid and r.rolname not in ('bitb_app', 'bitb_support', 'bitb_system') and pg_has_role(me.oid, r.oid, 'member'))
	select session_user::text, case when (select rolsuper from me) then array['is a superuser'] -- and so may do all of it
		else coalesce((select array_agg(what order by what) from found), '{}') end`

// Versions are those of the server and of the vector extension, with whether the connection is encrypted.
type Versions struct {
	Postgres  string
	Number    int // 150014 is 15.14
	Vector    string
	Encrypted bool
	Bytes     int64 // of the database
}

// Versions asks the server.
func (db *DB) Versions(ctx context.Context) (v Versions, err error) {
	err = db.look(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select current_setting('server_version'), current_setting('server_version_num')::int,
			coalesce((select extversion from pg_extension where extname = 'vector'), ''),
			coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false), pg_database_size(current_database())`).
			Scan(&v.Postgres, &v.Number, &v.Vector, &v.Encrypted, &v.Bytes)
	})
	return v, err
}

// Skew is by how much this machine's clock is ahead of the database's, give or take.
func (db *DB) Skew(ctx context.Context) (ahead, give time.Duration, err error) {
	conn, err := db.pool.Acquire(ctx) // before the clock is looked at
	if err != nil {
		return 0, 0, toDomain(err)
	}
	defer conn.Release()
	var theirs time.Time
	began := time.Now()
	if err := conn.QueryRow(ctx, "select clock_timestamp()").Scan(&theirs); err != nil {
		return 0, 0, toDomain(err)
	}
	half := time.Since(began) / 2
	return began.Add(half).Sub(theirs), half, nil
}

// Process is a running BITB, as the database sees it by its connections.
type Process struct{ Name, Machine string }

// Processes lists them. They say their names in their connections; what only looks at the database says another.
func (db *DB) Processes(ctx context.Context) (list []Process, err error) {
	err = db.look(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select distinct application_name, coalesce(host(client_addr), '') from pg_stat_activity
			where datname = current_database() and usename = session_user and application_name ~ '^bitb (serve|serve\+work|work) ' order by 1, 2`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Process])
		return err
	})
	return list, err
}

// Pending lists the migrations of the binary and of the queue that have not run. Ahead counts those that ran and that this binary does
// not know: a newer one was here.
func (db *DB) Pending(ctx context.Context, files fs.FS) (pending []string, ahead int, err error) {
	var ran []int64
	err = db.look(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select version_id from meta.goose_db_version where is_applied and version_id > 0")
		if err != nil {
			return err
		}
		ran, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read which migrations ran: %w", err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, 0, err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("%s is no migration: %w", name, err)
		}
		if i := slices.Index(ran, n); i >= 0 {
			ran = slices.Delete(ran, i, i+1)
		} else {
			pending = append(pending, strings.TrimSuffix(name, ".sql"))
		}
	}
	queue, err := pendingOfQueue(ctx, db.queue)
	return append(pending, queue...), len(ran), err
}

func pendingOfQueue(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: QueueSchema})
	if err != nil {
		return nil, fmt.Errorf("read the queue's migrations: %w", err)
	}
	result, err := migrator.Validate(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("look at the queue's migrations: %w", err)
	}
	var pending []string
	for _, m := range result.Messages {
		pending = append(pending, "queue: "+m)
	}
	return pending, nil
}
