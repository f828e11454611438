package retrieve_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/lexical"
	"bitb/domain/llm"
	"bitb/domain/retrieve"
)

// fixture is a database with a document service whose uploads are not read by anybody.
type fixture struct {
	*dbtest.Database
	documents *document.Service
	search    *retrieve.Service
}

// embedder makes the vector of a question by functions, by model; the first model is the present one.
type embedder struct {
	present string
	by      map[string]func(text string) ([]float32, error)
}

func (e embedder) Model() string { return e.present }

func (e embedder) EmbedQuery(_ context.Context, _ domain.ID, model, text string) ([]float32, error) {
	if embed := e.by[model]; embed != nil {
		return embed(text)
	}
	return nil, errors.New("no such model")
}

// always makes an embedder of a model that has one vector for any question.
func always(model string, vector []float32) embedder {
	return embedder{model, map[string]func(string) ([]float32, error){model: func(string) ([]float32, error) { return vector, nil }}}
}

var builtin = embedder{llm.NewHashing().Model(), map[string]func(string) ([]float32, error){llm.NewHashing().Model(): func(text string) ([]float32, error) {
	vectors, _, err := llm.NewHashing().Embed(context.Background(), []string{text})
	return vectors[0], err
}}}

func searchBy(db *dbtest.Database, e embedder) *retrieve.Service {
	return retrieve.NewService(retrieve.Config{DB: db.DB, Log: slog.New(slog.DiscardHandler), Embedder: e})
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := dbtest.New(t)
	return &fixture{Database: db, documents: document.NewService(db.DB, dbtest.NoQueue), search: searchBy(db, builtin)}
}

func (f *fixture) tenant(t *testing.T) domain.ID {
	t.Helper()
	id := domain.NewID()
	f.Exec(t, "insert into tenants (id, name) values ($1, 'Tenant')", id)
	f.Exec(t, "insert into corpora (tenant_id) values ($1)", id)
	return id
}

// add stores a document the way ingestion does, a chunk for each text.
func (f *fixture) add(t *testing.T, tenant domain.ID, name string, texts ...string) domain.ID {
	t.Helper()
	stored, err := f.documents.Store(t.Context(), tenant, document.Upload{Name: name, Format: "text", Content: []byte(name + strings.Join(texts, "\n")), By: f.member(t, tenant)})
	if err != nil {
		t.Fatal(err)
	}
	f.read(t, tenant, name, texts...)
	return stored.ID
}

// read reads the next document in line, as these texts.
func (f *fixture) read(t *testing.T, tenant domain.ID, name string, texts ...string) {
	t.Helper()
	ctx := t.Context()
	attempt, err := f.documents.Next(ctx, tenant, 1, func(pgx.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	chunks, terms, err := f.documents.Corpus(ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}
	lang := lexical.Guess(strings.Join(texts, "\n"))
	content := document.Content{Format: "text", Language: string(lang), Model: llm.NewHashing().Model()}
	vectors := embed(t, texts...)
	for i, text := range texts {
		words := lexical.AnalyzeChunk(name, nil, text, lang)
		weights := lexical.DocWeights(tenant, words, lexical.MeanLength(chunks, terms))
		content.Chunks = append(content.Chunks, document.NewChunk{
			Chunk: document.Chunk{ID: domain.NewID(), Ordinal: i + 1, Text: text, Heading: []string{"Part"}, Tokens: 1},
			Terms: words.Len(), Lexemes: weights.Terms(), Weights: weights.Sparse(), Vector: vectors[i],
			Words: dbtest.Words(tenant, name, []string{"Part"}, text, lang)})
	}
	if err := f.documents.Complete(ctx, attempt, content, func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) member(t *testing.T, tenant domain.ID) domain.ID {
	t.Helper()
	id := domain.NewID()
	f.Exec(t, "insert into users (tenant_id, id, email, name, role) values ($1, $2, $3, 'Member', 'owner')", tenant, id, id.String())
	return id
}

func embed(t testing.TB, texts ...string) [][]float32 {
	t.Helper()
	vectors, _, err := llm.NewHashing().Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	return vectors
}

func (f *fixture) ask(t *testing.T, tenant domain.ID, question string) retrieve.Retrieval {
	t.Helper()
	r, err := f.search.Retrieve(t.Context(), tenant, retrieve.Query{Text: question})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keep stores a trace, as whoever answers does.
func (f *fixture) keep(t *testing.T, tenant domain.ID, r retrieve.Retrieval) {
	t.Helper()
	if err := f.InTenant(t.Context(), tenant, func(tx pgx.Tx) error { return retrieve.Keep(t.Context(), tx, tenant, r) }); err != nil {
		t.Fatal(err)
	}
}

func TestRetrieve(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	manual := f.add(t, tenant, "Manual.txt",
		"Refunds are paid within fourteen days after a cancellation.",
		"The life jacket must be worn at all times on the water.",
		"Canoes are returned to the dock before seven in the evening.")
	f.add(t, tenant, "Preise.txt", "Die Versicherungen für ein Kanu kosten fünf Euro am Tag, und die Haftung ist nicht dabei.")

	r := f.ask(t, tenant, "When is the refund of a cancelled booking paid?")
	if len(r.Passages) == 0 || !strings.HasPrefix(r.Passages[0].Text, "Refunds") {
		t.Fatalf("%+v", r.Passages)
	}
	best := r.Passages[0]
	if best.Lost != retrieve.Kept || best.LexicalRank != 1 || best.VectorRank != 1 || best.DocumentID != manual || best.DocumentName != "Manual.txt" || best.Ordinal != 1 {
		t.Errorf("%+v", best)
	}
	for _, p := range r.Passages {
		for _, score := range []float64{p.Lexical, p.Vector, p.Fused} {
			if score < 0 || score > 1 {
				t.Errorf("a score of %f", score)
			}
		}
		if (p.Lost == retrieve.Kept) != (p.Score >= r.Settings.Threshold) {
			t.Errorf("lost at %q with %f", p.Lost, p.Score)
		}
	}
	if r.Vectors != retrieve.VectorsExact || r.Chunks != 4 || r.IndexVersion == 0 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{"de", "en"}, r.Languages); diff != "" {
		t.Error(diff)
	}
	if r := f.ask(t, tenant, "Versicherung?"); len(r.Passages) == 0 || r.Passages[0].DocumentName != "Preise.txt" || r.Passages[0].Lost != retrieve.Kept {
		t.Errorf("a German word among English documents: %+v", r.Passages)
	}

	f.keep(t, tenant, r)
	kept, err := f.search.Get(t.Context(), tenant, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	kept.CreatedAt = r.CreatedAt // the database keeps microseconds
	if diff := cmp.Diff(r, kept, cmpopts.EquateApprox(0, .0001), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(retrieve.Retrieval{})); diff != "" {
		t.Errorf("the trace differs: %s", diff)
	}
}

// A better place by words has a better score, also where words stand near each other.
func TestRanksFollowScores(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	const filler = " boat oar jacket lamp rope hook sail knot pier wind wave tide "
	f.add(t, tenant, "Prices.txt",
		"Deposit deposit"+filler+"canoe canoe"+filler+"refund refund",
		"The canoe deposit refund"+filler+filler+filler,
		"A canoe.", "A raft.", "A kayak.", "A barge.")
	r := f.ask(t, tenant, "canoe deposit refund")
	if len(r.Passages) < 3 {
		t.Fatalf("%+v", r.Passages)
	}
	byPlace := map[int]float64{}
	for _, p := range r.Passages {
		byPlace[p.LexicalRank] = p.Lexical
	}
	if byPlace[1] < byPlace[2] || byPlace[2] < byPlace[3] || byPlace[3] == 0 || r.ByWords.Last > byPlace[3] {
		t.Errorf("scores by place %v, the last with %f", byPlace, r.ByWords.Last)
	}
}

func TestWordsAlone(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	f.add(t, tenant, "a", "Refunds are paid within fourteen days.", "Something else.")
	nan := float32(math.NaN())
	for name, vector := range map[string][]float32{"no vector": nil, "a vector of nothing": make([]float32, 512), "no number": {nan, nan}, "too large": {1e30}} {
		r, err := searchBy(f.Database, always(builtin.present, vector)).Retrieve(t.Context(), tenant, retrieve.Query{Text: "refunds"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(r.Passages) != 1 || r.Passages[0].Lost != retrieve.Kept || r.Passages[0].VectorRank != 0 || r.Vectors != retrieve.VectorsOff || len(r.Models) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestVectorsThatCannotBeCompared(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	f.add(t, tenant, "a", "Refunds are paid within fourteen days.")
	for name, model := range map[string]string{"another model's": "another", "of other dimensions": builtin.present} {
		r, err := searchBy(f.Database, always(model, []float32{1, 0, 0})).Retrieve(t.Context(), tenant, retrieve.Query{Text: "refunds"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(r.Passages) != 1 || r.Passages[0].Vector != 0 || r.ByVector.Found != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestAwkwardQuestions(t *testing.T) {
	f := newFixture(t)
	tenant, empty := f.tenant(t), f.tenant(t)
	f.add(t, tenant, "a", "Refunds are paid within fourteen days to the customer.", "The opening hours are from nine to five.")
	for name, question := range map[string]string{
		"empty":        "",
		"spaces":       " \n\t ",
		"small words":  "what is the of and to",
		"signs":        "?!… ' \" \\ % $1 {} '); drop table chunks; --",
		"emoji":        "🎉🚣",
		"other script": "退款政策是什么？",
		"not text":     "refund\x00\xff\xfe",
		"ten thousand": strings.Repeat("refund ", 1400) + strings.Repeat("z", 200),
		"many words":   manyWords(2500),
	} {
		t.Run(name, func(t *testing.T) {
			r := f.ask(t, tenant, question)
			for _, p := range r.Passages {
				if p.Text == "" {
					t.Errorf("a passage without text: %+v", p)
				}
			}
			if name == "empty" || name == "emoji" || name == "other script" {
				for _, p := range r.Passages {
					if p.Lost == retrieve.Kept {
						t.Errorf("used with %f: %s", p.Fused, p.Text)
					}
				}
			}
			if r := f.ask(t, empty, question); len(r.Passages) != 0 {
				t.Errorf("%d passages of a tenant without documents", len(r.Passages))
			}
		})
	}
}

func manyWords(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "w%d ", i)
	}
	return b.String()
}

func TestTenantsAreApart(t *testing.T) {
	f := newFixture(t)
	a, b := f.tenant(t), f.tenant(t)
	f.add(t, a, "a", "The canary word of the first tenant is xylophone.")
	f.add(t, b, "b", "The canary word of the second tenant is bassoon.")
	for _, question := range []string{"xylophone", "The canary word of the first tenant is xylophone.", "canary word"} {
		for _, p := range f.ask(t, b, question).Passages {
			if strings.Contains(p.Text, "xylophone") {
				t.Errorf("%q finds another tenant's chunk", question)
			}
		}
	}
	r := f.ask(t, a, "xylophone")
	f.keep(t, a, r)
	if _, err := f.search.Get(t.Context(), b, r.ID); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another tenant's retrieval: %v", err)
	}
}

// TestLexicalFunction asks the definer function itself, with another tenant's terms.
func TestLexicalFunction(t *testing.T) {
	f := newFixture(t)
	a, b := f.tenant(t), f.tenant(t)
	f.add(t, a, "a", "xylophone")
	f.add(t, b, "b", "bassoon")
	term := lexical.Hash(a, "xylophon")
	count := func(tx pgx.Tx) (n int) {
		err := tx.QueryRow(t.Context(), "select count(*) from search.lexical($1, $2::sparsevec, 10)",
			[]int32{term}, lexical.Weights{term: 1}.Sparse()).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for name, c := range map[string]struct {
		tenant domain.ID
		want   int
	}{"its own": {a, 1}, "another's": {b, 0}} {
		err := f.InTenant(t.Context(), c.tenant, func(tx pgx.Tx) error {
			if got := count(tx); got != c.want {
				t.Errorf("%s: %d rows", name, got)
			}
			if _, err := tx.Exec(t.Context(), "select set_config('app.tenant_id', '', true)"); err != nil {
				return err
			}
			if got := count(tx); got != 0 {
				t.Errorf("no tenant: %d rows", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeletedDocumentVanishes(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant(t)
	id := f.add(t, tenant, "a.txt", "The secret ingredient is saffron.")
	f.add(t, tenant, "b.txt", "Salt and pepper.")
	before := f.ask(t, tenant, "saffron ingredient")
	if len(before.Passages) == 0 {
		t.Fatal("not found to begin with")
	}
	f.keep(t, tenant, before)
	if _, err := f.documents.Delete(t.Context(), tenant, id); err != nil {
		t.Fatal(err)
	}
	after := f.ask(t, tenant, "saffron ingredient")
	for _, p := range after.Passages {
		if strings.Contains(p.Text, "saffron") {
			t.Error("found after it was deleted")
		}
	}
	if after.IndexVersion <= before.IndexVersion || after.Chunks != 1 || after.Unknown() != 2 {
		t.Errorf("%+v", after)
	}
	kept, err := f.search.Get(t.Context(), tenant, before.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.Passages) == 0 || kept.Passages[0].Text != "" || math.Abs(kept.Passages[0].Fused-before.Passages[0].Fused) > .0001 {
		t.Errorf("%+v", kept.Passages)
	}
}
