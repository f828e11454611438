package dbtest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Every statement that a test runs in one tenant's transaction must name that tenant itself, for each table it touches. The policies
// would do for isolation; but a database that is spread over several machines by tenant sends a statement to the right one by its
// own conditions, and the planner finds the right index by them. See docs/scaling.md.

// statements are those that a database was sent in tenants' transactions.
type statements struct {
	lock sync.Mutex
	off  bool
	in   map[*pgx.Conn]door
	seen []string
}

type door int

const (
	noDoor door = iota
	tenantDoor
	systemDoor
)

// checked are the statements that were explained already, whichever test ran them first.
var checked sync.Map

func (s *statements) note(conn *pgx.Conn, sql string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	lower := strings.ToLower(sql)
	switch {
	case strings.Contains(lower, "role bitb_system"):
		s.in[conn] = systemDoor
	case strings.HasPrefix(lower, "commit"), strings.HasPrefix(lower, "rollback"):
		s.in[conn] = noDoor
	case strings.Contains(lower, "app.tenant_id"):
		if s.in[conn] != systemDoor {
			s.in[conn] = tenantDoor
		}
	case s.in[conn] == tenantDoor && !s.off:
		if _, known := checked.LoadOrStore(sql, true); !known {
			s.seen = append(s.seen, sql)
		}
	}
}

// TraceQueryStart notes a statement.
func (s *statements) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.note(conn, data.SQL)
	return ctx
}

// TraceQueryEnd has nothing to note.
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart has nothing to note yet.
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery notes a statement of a batch.
func (s *statements) TraceBatchQuery(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.note(conn, data.SQL)
}

// TraceBatchEnd has nothing to note.
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// check fails the test for each statement that does not name its tenant.
func (s *statements) check(t testing.TB, superURL string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if len(s.seen) == 0 {
		return
	}
	conn := connect(t, superURL) // no policy adds a condition for a superuser: the statement's own are left
	defer conn.Close(context.Background())
	tables := tenantTables(t, conn)
	for _, sql := range s.seen {
		if why := unnamed(conn, sql, tables); why != "" {
			t.Errorf("%s, in:\n%s", why, sql)
		}
	}
}

func tenantTables(t testing.TB, conn *pgx.Conn) map[string]bool {
	rows, _ := conn.Query(context.Background(), `select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
		where a.attname = 'tenant_id' and a.attnotnull and c.relkind in ('r', 'p')`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]bool{}
	for _, name := range names {
		tables[name] = true
	}
	return tables
}

// step is one of a plan, as EXPLAIN writes it.
type step struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Cond     string `json:"Index Cond"`
	Recheck  string `json:"Recheck Cond"`
	Filter   string `json:"Filter"`
	Plans    []step `json:"Plans"`
}

var (
	// By the tenant itself, or by that of another table of the statement, which is looked at too.
	namesTenant = regexp.MustCompile(`\btenant_id\)? = (\$\d|'|\w+\.tenant_id\b)`)
	isTenant    = regexp.MustCompile(`\bid = (\$\d|\w+\.tenant_id\b)`) // the table tenants is the tenants
	insertsInto = regexp.MustCompile(`(?is)insert\s+into\s+([a-z_.]+)(?:\s+as\s+\w+)?\s*\(([^)]*)\)`)
)

// unnamed says which table a statement touches without naming the tenant; "" when there is none, or nothing to explain.
func unnamed(conn *pgx.Conn, sql string, tables map[string]bool) string {
	for _, m := range insertsInto.FindAllStringSubmatch(sql, -1) {
		name := m[1][strings.LastIndex(m[1], ".")+1:]
		if tables[name] && !strings.Contains(m[2], "tenant_id") {
			return "a row for " + name + " without its tenant"
		}
	}
	plan, err := explain(conn, sql)
	if err != nil {
		return err.Error()
	}
	return plan.unnamed(tables)
}

func (s step) unnamed(tables map[string]bool) string {
	conditions := s.Cond + " " + s.Recheck + " " + s.Filter
	named := namesTenant.MatchString(conditions) || s.Relation == "tenants" && isTenant.MatchString(conditions)
	if tables[s.Relation] && s.Type != "ModifyTable" && !named {
		return fmt.Sprintf("%s of %s without its tenant (%s)", s.Type, s.Relation, strings.TrimSpace(conditions))
	}
	for _, p := range s.Plans {
		if why := p.unnamed(tables); why != "" {
			return why
		}
	}
	return ""
}

// explain plans a statement for any parameters. What cannot be prepared is no query.
func explain(conn *pgx.Conn, sql string) (plan step, err error) {
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "set plan_cache_mode = force_generic_plan; prepare asked as "+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return plan, nil
	}
	defer func() { _, _ = conn.Exec(ctx, "deallocate asked", pgx.QueryExecModeSimpleProtocol) }()
	var parameters int
	if err := conn.QueryRow(ctx, "select cardinality(parameter_types) from pg_prepared_statements where name = 'asked'").Scan(&parameters); err != nil {
		return plan, err
	}
	run := "explain (format json) execute asked"
	if parameters > 0 {
		run += "(" + strings.TrimSuffix(strings.Repeat("null,", parameters), ",") + ")"
	}
	var out []byte
	if err := conn.QueryRow(ctx, run, pgx.QueryExecModeSimpleProtocol).Scan(&out); err != nil {
		return plan, fmt.Errorf("explain: %w", err)
	}
	var explained []struct{ Plan step }
	if err := json.Unmarshal(out, &explained); err != nil || len(explained) != 1 {
		return plan, fmt.Errorf("read the plan: %w", err)
	}
	return explained[0].Plan, nil
}
