package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
)

// measured is a line of `bitb eval --set … --json`.
type measured struct {
	Set       string    `json:"set"`
	Search    string    `json:"search"`
	NDCG10    float64   `json:"ndcg10"`
	Recall5   float64   `json:"recall5"`
	Recall100 float64   `json:"recall100"`
	MRR10     float64   `json:"mrr10"`
	Success1  float64   `json:"success1"`
	P50       float64   `json:"p50_ms"`
	P95       float64   `json:"p95_ms"`
	AUC       *float64  `json:"refusal_auc"`
	Refused   *float64  `json:"refused_at_5"`
	LastTurn  *measured `json:"last_turn"`
}

// onlyDatabase are the settings of a measurement: it needs no Redis.
func onlyDatabase(db *dbtest.Database) func(string) string {
	return func(name string) string { return map[string]string{"DATABASE_URL": db.URL}[name] }
}

// The figures follow from the sets: three of the four questions of shops find their document first, each in its own tenant though two
// read alike, and the fourth never does; no score of an answer is as low as those of what nobody answers.
func TestEvalSets(t *testing.T) {
	db := dbtest.New(t)
	customer := db.Tenant(t)
	db.Document(t, customer, "Refunds", "When a cancelled booking is refunded")
	sets := filepath.Join("..", "domain", "eval", "testdata")
	var out strings.Builder
	if err := run(t.Context(), []string{"eval", "--set", filepath.Join(sets, "shops"), filepath.Join(sets, "talk"), "--json"}, onlyDatabase(db), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%s", out.String())
	}
	var shops, talk measured
	for i, m := range []*measured{&shops, &talk} {
		if err := json.Unmarshal([]byte(lines[i]), m); err != nil {
			t.Fatal(err)
		}
	}
	for name, figure := range map[string]float64{"ndcg10": shops.NDCG10, "recall5": shops.Recall5, "recall100": shops.Recall100, "mrr10": shops.MRR10, "success1": shops.Success1} {
		if figure != .75 {
			t.Errorf("%s is %v", name, figure)
		}
	}
	if shops.Set != "shops" || shops.P50 <= 0 || shops.P95 < shops.P50 || shops.AUC == nil || *shops.AUC != 1 || shops.Refused == nil || *shops.Refused != 1 || shops.LastTurn != nil {
		t.Errorf("%s", lines[0])
	}
	if talk.Set != "talk" || talk.AUC != nil || talk.Success1 != 1 || talk.LastTurn == nil || talk.LastTurn.Success1 != .5 {
		t.Errorf("%s", lines[1])
	}
	if n := db.Count(t, "select count(*) from tenants"); n != 1 {
		t.Errorf("%d tenants are left, the customer among them", n)
	}
	db.CheckIndex(t, customer)
}

const examined = "select count(*) from meta.embedding_models where languages is not null"

// A model behind a server is measured like the built-in one.
func TestEvalSetsByAModel(t *testing.T) {
	db, model := dbtest.New(t), llmtest.New(t)
	settings := map[string]string{"DATABASE_URL": db.URL, "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key, "BITB_CHAT_MODEL": builtinModel,
		"BITB_EMBEDDING_MODEL": "scripted"}
	var out strings.Builder
	set := filepath.Join("..", "domain", "eval", "testdata", "shops")
	if err := run(t.Context(), []string{"eval", "--set", set, "--search", "vectors,words", "--json"}, func(name string) string { return settings[name] }, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || len(model.Embed.Requests()) == 0 {
		t.Fatalf("%s after %d requests", out.String(), len(model.Embed.Requests()))
	}
	if n := db.Count(t, examined); n != 1 {
		t.Errorf("%d models were examined before anything was measured", n)
	}
	for i, by := range []string{"vectors", "words"} {
		var shops measured
		if err := json.Unmarshal([]byte(lines[i]), &shops); err != nil || shops.NDCG10 == 0 || shops.Search != by {
			t.Errorf("%s: %v", lines[i], err)
		}
	}
}

// A person who has seen enough leaves nothing behind, and what a killed process left goes with the next measurement.
func TestEvalLeavesNothing(t *testing.T) {
	db := dbtest.New(t)
	dir := t.TempDir()
	var corpus strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&corpus, `{"_id": "%d", "text": "Bicycle %d is rented by the day."}`+"\n", i, i)
	}
	for name, content := range map[string]string{
		"corpus.jsonl": corpus.String(), "queries.jsonl": `{"_id": "1", "text": "bicycle"}`, "qrels.tsv": "1\t1\t1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := db.Tenant(t)
	db.Exec(t, "insert into auth.scratch_tenants (tenant_id, made_at) values ($1, now() - interval '2 days')", left)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"eval", "--set", dir}, onlyDatabase(db), io.Discard) }()
	dbtest.Eventually(t, 20*time.Second, "documents", func() bool { return db.Count(t, "select count(*) from documents") > 0 })
	if n := db.Count(t, "select count(*) from tenants where id = $1", left); n != 0 {
		t.Error("the tenant of a killed process is still there")
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "stopped before it was measured") {
		t.Errorf("%v", err)
	}
	if n := db.Count(t, "select (select count(*) from tenants) + (select count(*) from documents) + (select count(*) from river.river_job)"); n != 0 {
		t.Errorf("%d rows were left", n)
	}
}

func TestEvalSetsFails(t *testing.T) {
	nowhere := func(string) string { return "" }
	shops := filepath.Join("..", "domain", "eval", "testdata", "shops")
	for _, tt := range []struct {
		args, want string
		getenv     func(string) string
	}{
		{"--set /nowhere", "corpus.jsonl cannot be read", nowhere},
		{"--set " + shops, "DATABASE_URL is not set", nowhere},
		{"--set " + shops + " --chunks " + shops, "eval needs a set", nowhere},
		{"--set " + shops + " --bogus", "bitb help lists the options", nowhere},
		{"--set " + shops, "reach the database", func(name string) string {
			return map[string]string{"DATABASE_URL": "postgres://bitb_app@127.0.0.1:1/bitb"}[name]
		}},
	} {
		var out strings.Builder
		err := run(t.Context(), append([]string{"eval"}, strings.Fields(tt.args)...), tt.getenv, &out)
		if err == nil || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", tt.args, err, out.String())
		}
	}
}
