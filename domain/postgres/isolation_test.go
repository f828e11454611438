package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
	"bitb/domain/tenant"
)

// fixtures makes one row in each table with a tenant, as a superuser. A new table without a line here fails the test.
// $1 is the tenant; ids of rows are md5 of the tenant and the table's name.
var fixtures = []struct{ table, insert string }{
	{"public.tenants", "insert into tenants (id, name) values ($1, 'T')"},
	{"public.corpora", "insert into corpora (tenant_id) values ($1)"},
	{"public.users", "insert into users (tenant_id, id, email, name, role) values ($1, {users}, $1 || '@example.com', 'U', 'owner')"},
	{"public.bots", "insert into bots (tenant_id, id, key, name, greeting, fallback) values ($1, {bots}, {key}, 'B', 'G', 'F')"},
	{"public.documents", "insert into documents (tenant_id, id, name, format, size_bytes, sha256) values ($1, {documents}, 'D', 'text', 1, 'x')"},
	{"public.document_files", "insert into document_files (tenant_id, document_id, content) values ($1, {documents}, 'x')"},
	{"public.document_pages", "insert into document_pages (tenant_id, document_id, page, start_offset, text) values ($1, {documents}, 0, 0, 'x')"},
	{"public.chunks", "insert into chunks (tenant_id, id, document_id, ordinal, text, tokens, start_offset, end_offset) values ($1, {chunks}, {documents}, 1, 'x', 1, 0, 1)"},
	{"public.chunk_embeddings", "insert into chunk_embeddings (tenant_id, chunk_id, model, embedding) values ($1, {chunks}, 'm', '[1,0]')"},
	{"public.chunk_edits", "insert into chunk_edits (tenant_id, id, document_id, quote, start_offset, original, off) values ($1, {edits}, {documents}, 'x', 0, 'x', true)"},
	{"public.chunk_revisions", "insert into chunk_revisions (tenant_id, chunk_id, revision, document_id, version, ordinal, heading, page_from, page_to, text, tokens, replaced_by) values ($1, {chunks}, 1, {documents}, 1, 1, '{}', 0, 0, 'x', 1, 'edit')"},
	{"public.hidden_embeddings", "insert into hidden_embeddings (tenant_id, chunk_id, model, embedding) values ($1, {chunks}, 'm', '[1,0]')"},
	{"search.hidden_lexemes", "insert into search.hidden_lexemes (tenant_id, chunk_id, terms, weights) values ($1, {chunks}, '{1}', '{1:1}/1000000000')"},
	{"search.lexemes", "insert into search.lexemes (tenant_id, chunk_id, terms, weights) values ($1, {chunks}, '{1}', '{1:1}/1000000000')"},
	{"search.term_stats", "insert into search.term_stats (tenant_id, term, chunks) values ($1, 1, 1)"},
	{"search.vocabulary", "insert into search.vocabulary (tenant_id, hash, word, keys, chunks, held) values ($1, 1, 'x', '{1}', 1, 1)"},
	{"public.retrievals", "insert into retrievals (tenant_id, id, question, index_version, trace) values ($1, {retrievals}, 'q', 1, '{}')"},
	{"public.test_questions", "insert into test_questions (tenant_id, id, question, unanswerable, document_id, added_by) values ($1, {questions}, 'q', false, {documents}, {users})"},
	{"public.test_runs", "insert into test_runs (tenant_id, id, reason, state) values ($1, {runs}, 'hand', 'done')"},
	{"public.test_results", "insert into test_results (tenant_id, run_id, question_id, rank, document_rank, best) values ($1, {runs}, {questions}, 1, 1, 1)"},
	{"public.visitors", "insert into visitors (tenant_id, id, bot_id, token_hash) values ($1, {visitors}, {bots}, 'x')"},
	{"public.conversations", "insert into conversations (tenant_id, id, bot_id, visitor_id) values ($1, {conversations}, {bots}, {visitors})"},
	{"public.messages", "insert into messages (tenant_id, id, conversation_id, author, text, status) values ($1, {messages}, {conversations}, 'person', 'x', 'complete')"},
	{"public.cases", "insert into cases (tenant_id, id, staff_id, staff_name, reason, expires_at) values ($1, {cases}, {cases}, 'S', 'A good reason', now() + interval '1 hour')"},
	{"public.audit_log", "insert into audit_log (tenant_id, id, actor, actor_id, actor_name, action) values ($1, {audit}, 'staff', {cases}, 'S', 'case.opened')"},
	{"public.citations", "insert into citations (tenant_id, message_id, number, chunk_id, document_id, document_name, text) values ($1, {messages}, 1, {chunks}, {documents}, 'D', 'x')"},
}

func seed(t *testing.T, db *dbtest.Database) (a, b domain.ID) {
	t.Helper()
	a, b = domain.NewID(), domain.NewID()
	for _, tenant := range []domain.ID{a, b} {
		for _, f := range fixtures {
			db.Exec(t, forTenant(f.insert, tenant))
		}
	}
	return a, b
}

func forTenant(sql string, tenant domain.ID) string {
	id := fmt.Sprintf("'%s'", tenant)
	sql = strings.ReplaceAll(sql, "$1 ||", id+" ||")
	sql = strings.ReplaceAll(sql, "$1", id+"::uuid")
	for _, name := range []string{"users", "bots", "key", "documents", "chunks", "edits", "retrievals", "questions", "runs", "visitors", "conversations", "messages", "cases", "audit"} {
		sql = strings.ReplaceAll(sql, "{"+name+"}", fmt.Sprintf("md5('%s%s')::uuid", tenant, name))
	}
	return sql
}

// tenantTables are the tables of the catalog that the app can reach, whatever the fixtures say.
func tenantTables(t *testing.T, db *dbtest.Database) []string {
	t.Helper()
	rows, err := db.Super(t).Query(t.Context(), `select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p', 'v', 'm') and n.nspname in ('public', 'search', 'auth')
			and has_any_column_privilege('bitb_app', c.oid, 'select')
			and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func TestEveryTableHasAFixture(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	var known []string
	for _, f := range fixtures {
		known = append(known, f.table)
	}
	slices.Sort(known)
	if diff := cmp.Diff(tenantTables(t, db), known); diff != "" {
		t.Errorf("tables in the catalog (-) and in the fixtures (+):\n%s", diff)
	}
}

// Erasing a tenant leaves no row of it in any table of the catalog, whoever may reach that, and every row of the others.
func TestEraseLeavesNothing(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, b := seed(t, db)
	tables := erasable(t, db)
	for _, id := range []domain.ID{a, b} {
		db.Exec(t, forTenant("insert into auth.logins (email, tenant_id, user_id, password_hash) values ($1 || '@example.com', $1, {users}, 'x')", id))
		db.Exec(t, forTenant("insert into auth.bot_keys (key, tenant_id, bot_id) values ({key}, $1, {bots})", id))
		db.Exec(t, "insert into auth.scratch_tenants (tenant_id) values ($1)", id)
		db.Exec(t, "insert into auth.staff (id, email, name, password_hash, totp_secret) values ($1, $2, 'S', 'x', 'x')", id, id.String())
		db.Exec(t, forTenant("insert into auth.staff_cases (case_id, tenant_id, staff_id, expires_at) values ({cases}, $1, $1, now())", id))
	}
	rows := func(id domain.ID) map[string]int {
		counts := map[string]int{}
		for table, key := range tables {
			counts[table] = db.Count(t, fmt.Sprintf("select count(*) from %s where %s = $1", table, key), id)
		}
		return counts
	}
	before := rows(b)
	for table, n := range before {
		if n == 0 {
			t.Errorf("%s has no row to begin with, so that nothing is shown", table)
		}
	}
	tenants := tenant.NewService(db.DB, nil)
	if err := tenants.Erase(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for table, n := range rows(a) {
		if n != 0 {
			t.Errorf("%s: %d rows were left", table, n)
		}
	}
	if diff := cmp.Diff(before, rows(b)); diff != "" {
		t.Errorf("another tenant's rows:\n%s", diff)
	}
	if err := tenants.Erase(t.Context(), a); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("erased twice: %v", err)
	}
	// A row that loses two things within the erasing is checked after all of it (migration 00015), whatever the fixtures fill in.
	if n := db.Count(t, `select count(*) from pg_constraint where contype = 'f' and not condeferrable and conrelid in
		(select conrelid from pg_constraint where contype = 'f' and confdeltype in ('n', 'd') group by conrelid having count(*) > 1)`); n != 0 {
		t.Errorf("%d foreign keys of tables with two references that are set to null are checked half way through the erasing", n)
	}
}

// erasable are all tables with rows of tenants, with the column that says whose they are.
func erasable(t *testing.T, db *dbtest.Database) map[string]string {
	t.Helper()
	rows, err := db.Super(t).Query(t.Context(), `select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
		where c.relkind in ('r', 'p') and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{"tenants": "id"}
	for _, name := range names {
		tables[name] = "tenant_id"
	}
	return tables
}

func TestTenantsNeverMeet(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, b := seed(t, db)
	if leaks := leaks(t, db, a, b, ""); len(leaks) > 0 {
		t.Errorf("one tenant reached another's rows:\n%s", strings.Join(leaks, "\n"))
	}
}

// The control: with one policy dropped, the test above must see it. A test that cannot fail shows nothing.
func TestTenantsMeetWithoutPolicy(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, b := seed(t, db)
	for _, table := range tenantTables(t, db) {
		db.Exec(t, "alter table "+table+" no force row level security")
		db.Exec(t, "alter table "+table+" disable row level security")
		found := leaks(t, db, a, b, table)
		if len(found) == 0 {
			t.Errorf("row-level security of %s was off and nothing was found", table)
		}
		db.Exec(t, "alter table "+table+" enable row level security")
		db.Exec(t, "alter table "+table+" force row level security")
	}
}

// leaks tries everything the app role may do to another tenant's rows, and without a tenant, in one table or in all ("").
func leaks(t *testing.T, db *dbtest.Database, a, b domain.ID, only string) (found []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "set role bitb_app"); err != nil {
		t.Fatal(err)
	}
	for _, f := range fixtures {
		if only != "" && only != f.table {
			continue
		}
		key := "tenant_id"
		if f.table == "public.tenants" {
			key = "id"
		}
		report := func(format string, args ...any) { found = append(found, f.table+": "+fmt.Sprintf(format, args...)) }
		count := func(tenant, where string) (n int) {
			inTx(t, conn, tenant, func(tx pgx.Tx) {
				if err := tx.QueryRow(t.Context(), "select count(*) from "+f.table+" where "+where).Scan(&n); err != nil {
					t.Fatalf("%s: %v", f.table, err)
				}
			})
			return n
		}
		if n := count("", "true"); n != 0 {
			report("%d rows without a tenant", n)
		}
		if n := count(a.String(), "true"); n != 1 {
			report("%d rows of its own", n)
		}
		foreign := fmt.Sprintf("%s = '%s'", key, b)
		if n := count(a.String(), foreign); n != 0 {
			report("%d rows of another tenant", n)
		}
		for _, sql := range []string{
			"delete from " + f.table + " where " + foreign,
			"update " + f.table + " set " + key + " = " + key + " where " + foreign,
			fmt.Sprintf("update %s set %s = '%s' where %s = '%s'", f.table, key, b, key, a),
			forTenant(f.insert, b),
		} {
			if outcome := try(t, conn, a, sql); outcome != "" {
				report("%s: %s", strings.Fields(sql)[0], outcome)
			}
		}
	}
	return found
}

// try runs a statement that must reach nothing: refused by the policy (42501), by a missing grant, or without a row.
func try(t *testing.T, conn *pgx.Conn, tenant domain.ID, sql string) (outcome string) {
	inTx(t, conn, tenant.String(), func(tx pgx.Tx) {
		tag, err := tx.Exec(t.Context(), sql)
		refused, isPg := errors.AsType[*pgconn.PgError](err)
		switch {
		case err == nil && tag.RowsAffected() > 0:
			outcome = fmt.Sprintf("%d rows", tag.RowsAffected())
		case err != nil && (!isPg || refused.Code != "42501"):
			outcome = err.Error()
		}
	})
	return outcome
}

func inTx(t *testing.T, conn *pgx.Conn, tenant string, fn func(pgx.Tx)) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if tenant != "" {
		if _, err := tx.Exec(t.Context(), "select set_config('app.tenant_id', $1, true)", tenant); err != nil {
			t.Fatal(err)
		}
	}
	fn(tx)
}

// The setting ends with its transaction, on the same connection, and leaves ” behind, which must mean nobody.
func TestTenantEndsWithTransaction(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, _ := seed(t, db)
	one, err := postgres.Open(t.Context(), postgres.Config{URL: db.URL, AllowPrivileged: true, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	for range 3 {
		var seen int
		count := func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select count(*) from documents").Scan(&seen)
		}
		if err := one.InTenant(t.Context(), a, count); err != nil || seen != 1 {
			t.Fatalf("in the tenant: %d rows, %v", seen, err)
		}
		err := one.AsSystem(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select count(*) from users").Scan(&seen)
		})
		if err != nil || seen != 0 {
			t.Fatalf("the tenant went on: %d rows, %v", seen, err)
		}
		err = one.AsSystem(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select count(name) from documents").Scan(&seen)
		})
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
			t.Fatalf("the system read documents: %d rows, %v", seen, err)
		}
		if err := one.InTenant(t.Context(), domain.NewID(), count); err != nil || seen != 0 {
			t.Fatalf("in a tenant without rows: %d rows, %v", seen, err)
		}
	}
}

// Many tenants at once over few connections: each sees its own rows and no other's, whatever its neighbours on the connection did, failing included.
func TestManyTenantsFewConnections(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	ids := make([]domain.ID, 64)
	for i := range ids {
		ids[i] = domain.NewID()
	}
	db.Exec(t, "insert into tenants (id, name) select id, id::text from unnest($1::uuid[]) id", ids)
	db.Exec(t, "insert into corpora (tenant_id) select id from tenants")
	few, err := postgres.Open(t.Context(), postgres.Config{URL: db.URL, AllowPrivileged: true, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer few.Close()
	var all errgroup.Group
	all.SetLimit(16) // whoever waits for a connection longer than two seconds is refused
	failed := errors.New("given up")
	for i := range 2 * len(ids) * 50 {
		id := ids[i%len(ids)]
		all.Go(func() error {
			var seen []domain.ID
			err := few.InTenant(t.Context(), id, func(tx pgx.Tx) error {
				rows, err := tx.Query(t.Context(), "update corpora set chunks = chunks + 1 returning tenant_id")
				if err != nil {
					return err
				}
				if seen, err = pgx.CollectRows(rows, pgx.RowTo[domain.ID]); err == nil && i%3 == 0 {
					err = failed
				}
				return err
			})
			if err != nil && !errors.Is(err, failed) {
				return err
			}
			if !slices.Equal(seen, []domain.ID{id}) {
				return fmt.Errorf("%s wrote to %v", id, seen)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSupportOnlyReads(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, _ := seed(t, db)
	var n int
	err := db.AsSupport(t.Context(), a, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select count(*) from documents").Scan(&n)
	})
	if err != nil || n != 1 {
		t.Fatalf("support sees %d documents, %v", n, err)
	}
	conn := db.Super(t)
	for _, table := range tenantTables(t, db) {
		var writes bool
		err := conn.QueryRow(t.Context(), `select has_table_privilege('bitb_support', $1, 'delete, truncate')
			or has_any_column_privilege('bitb_support', $1, 'insert, update')`, table).Scan(&writes)
		if err != nil || writes {
			t.Errorf("%s: support may write: %v, %v", table, writes, err)
		}
	}
	for table, column := range map[string]string{"bots": "key", "visitors": "token_hash", "users": "email", "document_files": "content"} {
		err := db.AsSupport(t.Context(), a, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "select "+column+" from "+table)
			return err
		})
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
			t.Errorf("support read %s.%s: %v", table, column, err)
		}
	}
}

// Nobody that the server can become may change the audit log or take a row out, or say when it was written.
func TestAuditLogOnlyGrows(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	conn := db.Super(t)
	for _, role := range []string{"bitb_app", "bitb_system", "bitb_support", "bitb_search"} {
		var changes, dates bool
		err := conn.QueryRow(t.Context(), `select has_table_privilege($1, 'audit_log', 'delete, truncate, trigger')
			or has_any_column_privilege($1, 'audit_log', 'update'), has_column_privilege($1, 'audit_log', 'at', 'insert')`, role).Scan(&changes, &dates)
		if err != nil || changes || dates {
			t.Errorf("%s may change the log: %v, may say when: %v, %v", role, changes, dates, err)
		}
	}
	var others []string
	err := conn.QueryRow(t.Context(), `select coalesce(array_agg(r.rolname), '{}') from pg_roles r
		where pg_has_role('bitb_app', r.oid, 'member') and r.rolname not in ('bitb_app', 'bitb_system', 'bitb_support')`).Scan(&others)
	if err != nil || len(others) > 0 {
		t.Errorf("the server can become %v too, %v", others, err)
	}
}

// A staff member gets into the tenant of their case, while it lasts, and reads.
func TestInCase(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	a, b := seed(t, db)
	who := domain.Identity{TenantID: a, StaffID: domain.NewID(), CaseID: domain.NewID(), Until: time.Now().Add(time.Hour)}
	look := func(change func(*domain.Identity), tenant domain.ID, sql string) error {
		with := who
		change(&with)
		return db.InTenant(domain.WithIdentity(t.Context(), with), tenant, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
	}
	same := func(*domain.Identity) {}
	const read, write = "select text from messages", "update documents set name = 'x'"
	if err := look(same, a, read); err != nil {
		t.Errorf("within the case: %v", err)
	}
	for name, err := range map[string]error{
		"another tenant":           look(same, b, read),
		"no case":                  look(func(i *domain.Identity) { i.CaseID = domain.ID{} }, a, read),
		"an old case":              look(func(i *domain.Identity) { i.Until = time.Now() }, a, read),
		"writing":                  look(same, a, write),
		"writing as somebody else": look(same, a, "set local role none; "+write),
		"locking":                  look(same, a, "select from documents for update"),
	} {
		if domain.CodeOf(err) != domain.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := db.AsSystem(domain.WithIdentity(t.Context(), who), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "delete from auth.sessions")
		return err
	})
	if domain.CodeOf(err) != domain.Forbidden {
		t.Errorf("as the system: %v", err)
	}
}

func TestRefusesPrivilegedRole(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	if other, err := postgres.Open(t.Context(), postgres.Config{URL: db.OwnerURL}); err == nil {
		other.Close()
		t.Error("a superuser was let in")
	}
}

// The lint finds what is reviewed and nothing else; an entry nobody finds any more goes from the list.
func TestLint(t *testing.T) {
	db := dbtest.New(t).PoliciesAlone()
	rows, err := db.Super(t).Query(t.Context(), postgres.LintSQL)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var rule, object string
		err := row.Scan(&rule, &object)
		return rule + " " + object, err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	want := slices.Sorted(slices.Values(postgres.Reviewed))
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("reviewed (-) and found (+):\n%s", diff)
	}
	for _, f := range found {
		if strings.Contains(f, " public.") {
			t.Errorf("schema public has a finding: %s", f)
		}
	}
}
