package retrieve_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
)

// node is a step of a plan as EXPLAIN writes it.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Cond     string  `json:"Index Cond"`
	Recheck  string  `json:"Recheck Cond"`
	Filter   string  `json:"Filter"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []node  `json:"Plans"`
}

func (n node) each(visit func(node)) {
	visit(n)
	for _, p := range n.Plans {
		p.each(visit)
	}
}

// planned opens the database so that the server tells the plan of every statement, those inside functions too.
func planned(t *testing.T, db *dbtest.Database) (as *postgres.DB, plans func() []node) {
	t.Helper()
	var lock sync.Mutex
	var seen []node
	as, err := postgres.Open(t.Context(), postgres.Config{URL: db.OwnerURL, AllowPrivileged: true, MaxConns: 2, Configure: func(c *pgx.ConnConfig) {
		for name, value := range map[string]string{
			"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
			"auto_explain.log_nested_statements": "on", "auto_explain.log_format": "json", "client_min_messages": "log",
		} {
			c.RuntimeParams[name] = value
		}
		c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			_, text, found := strings.Cut(n.Message, "plan:")
			var explained struct {
				Plan node
			}
			if found && json.Unmarshal([]byte(text), &explained) == nil {
				lock.Lock()
				seen = append(seen, explained.Plan)
				lock.Unlock()
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	return as, func() []node { lock.Lock(); defer lock.Unlock(); return seen }
}

// Every way of searching, and explaining one, goes by the tenant alone: no step of a plan reads a table without the tenant as
// its condition, and none so much as meets another tenant's row. The approximate index is the tenant's own.
func TestPlansStayWithTheTenant(t *testing.T) {
	db := dbtest.New(t)
	v := newVocabulary(2000)
	vectors := newTopics(384, 24)
	tenant := fill(t, db.Super(t), v, 600)
	vectors.embed(t, db.Super(t), tenant, true)
	for range 10 {
		vectors.embed(t, db.Super(t), fill(t, db.Super(t), v, 100), true)
	}
	db.Exec(t, "analyze")
	as, plans := planned(t, db)
	search := retrieve.NewService(retrieve.Config{DB: as, Log: slog.New(slog.DiscardHandler), Embedder: always("topics", vectors.pick())})
	question := retrieve.Query{Text: strings.Join(v.words[300:304], " ") + " " + v.words[500][1:]}
	ask := func(want retrieve.VectorPlan) {
		t.Helper()
		r, err := search.Retrieve(t.Context(), tenant, question)
		if err != nil || r.Vectors != want || len(r.Passages) == 0 || r.ByWords.Found == 0 {
			t.Fatalf("%d passages, searched %s: %v", len(r.Passages), r.Vectors, err)
		}
	}
	ask(retrieve.VectorsExact)
	restore := retrieve.SetExactTo(50)
	ask(retrieve.VectorsHNSW)
	restore()
	var document domain.ID
	if err := db.Super(t).QueryRow(t.Context(), "select id from documents where tenant_id = $1", tenant).Scan(&document); err != nil {
		t.Fatal(err)
	}
	if _, err := search.Explain(t.Context(), tenant, question, document, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	mine := "near_" + strings.ReplaceAll(tenant.String(), "-", "") + "_"
	own := map[string]int{"chunks": 0, "documents": 0, "lexemes": 0, "term_stats": 0, "chunk_embeddings": 0, "corpora": 0, "vocabulary": 0, mine: 0}
	for _, plan := range plans() {
		plan.each(func(n node) {
			table := n.Relation
			if strings.HasPrefix(table, mine) && n.Type == "Index Scan" && strings.HasSuffix(n.Index, "_hnsw") {
				table = mine
			}
			if _, ours := own[table]; !ours {
				if strings.HasPrefix(table, "near_") {
					t.Errorf("%s of %s by %q", n.Type, table, n.Index)
				}
				return
			}
			own[table]++
			if !strings.Contains(n.Cond+n.Recheck+n.Filter, "tenant_id") {
				t.Errorf("%s of %s without the tenant: %+v", n.Type, n.Relation, n)
			}
			if n.Removed > 0 && strings.Contains(n.Filter, "tenant_id") {
				t.Errorf("%s of %s meets %.0f rows that it may not see: %+v", n.Type, n.Relation, n.Removed, n)
			}
		})
	}
	for table, n := range own {
		if n == 0 {
			t.Errorf("no plan reads %s: the test sees nothing", table)
		}
	}
}
