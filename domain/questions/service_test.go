package questions_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/llm"
	"bitb/domain/questions"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
)

// bench is the service over a scratch database, with a queue that works.
type bench struct {
	t testing.TB
	*questions.Service
	db        *dbtest.Database
	search    *retrieve.Service
	documents *document.Service
	tenant    domain.ID
	embedder  *embedder
}

// embedder is the built-in one, until it is told to fail.
type embedder struct {
	llm.Embedder
	silent bool
}

func (e *embedder) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	if e.silent {
		return nil, llm.Usage{}, fmt.Errorf("connection refused")
	}
	return e.Embedder.Embed(ctx, texts)
}

type quiet struct{}

func (quiet) Publish(context.Context, string)                    {}
func (quiet) Stage(string, time.Duration)                        {}
func (quiet) ModelCall(llm.Call)                                 {}
func (quiet) Reembedded(int)                                     {}
func (quiet) Ended(context.Context, string, int)                 {}
func (quiet) CacheLookup(string, bool)                           {}
func (quiet) Get(context.Context, string) ([]byte, bool)         { return nil, false }
func (quiet) Set(context.Context, string, []byte, time.Duration) {}

// newBench starts runs after a moment without a change.
func newBench(t testing.TB, moment time.Duration) *bench {
	t.Helper()
	b := &bench{t: t, db: dbtest.New(t), embedder: &embedder{Embedder: llm.NewHashing()}}
	log := slog.New(slog.DiscardHandler)
	queue, err := ingest.NewService(ingest.Config{DB: b.db.DB, Log: log, Embedder: b.embedder, Tenants: tenant.NewService(b.db.DB, nil), Hints: quiet{}, Metrics: quiet{}, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.documents = document.NewService(b.db.DB, queue)
	b.search = retrieve.NewService(retrieve.Config{DB: b.db.DB, Log: log, Embedder: llm.Cached(b.embedder, quiet{}, quiet{}), Changed: queue.Changed})
	b.Service = questions.NewService(questions.Config{DB: b.db.DB, Log: log, Searcher: b.search, Queue: queue, Quiet: moment})
	queue.FollowedBy(b.Service)
	if err := queue.Use(b.documents); err != nil {
		t.Fatal(err)
	}
	if err := queue.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := queue.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	b.tenant = b.db.Tenant(t)
	return b
}

func (b *bench) add(tenantID domain.ID, pairs ...string) {
	b.t.Helper()
	var lines []questions.Line
	for i := 0; i < len(pairs); i += 2 {
		lines = append(lines, questions.NewLine(pairs[i], pairs[i+1], "", ""))
	}
	added, err := b.Add(b.t.Context(), tenantID, domain.ID{}, lines)
	if err != nil || len(added.Wrong) > 0 {
		b.t.Fatalf("%+v, %v", added, err)
	}
}

func (b *bench) overview(tenantID domain.ID) questions.Overview {
	b.t.Helper()
	o, err := b.Overview(b.t.Context(), tenantID, questions.Filter{})
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

// tested waits until so many runs are done and nothing is left to do.
func (b *bench) tested(tenantID domain.ID, runs int) questions.Overview {
	b.t.Helper()
	dbtest.Eventually(b.t, time.Minute, fmt.Sprintf("%d runs", runs), func() bool {
		open, why, err := b.Progress(b.t.Context(), tenantID)
		if err != nil {
			b.t.Fatal(err)
		}
		done := b.db.Count(b.t, "select count(*) from test_runs where tenant_id = $1 and state = 'done'", tenantID)
		return done >= runs && open == nil && why == ""
	})
	o := b.overview(tenantID)
	if len(o.Runs) != runs {
		b.t.Fatalf("%d runs, not %d: %+v", len(o.Runs), runs, o.Runs)
	}
	return o
}

const (
	kayaks = "A kayak is rented by the day for nineteen euros."
	vests  = "Life vests come in four sizes, from infants to adults."
	dogs   = "Dogs may come along in an open canoe when they can swim."
)

func TestRunsByItself(t *testing.T) {
	t.Parallel()
	b := newBench(t, 50*time.Millisecond)
	other := b.db.Tenant(t)
	for _, tenantID := range []domain.ID{b.tenant, other} {
		b.db.Document(t, tenantID, "Prices.txt", kayaks)
		b.db.Document(t, tenantID, "Dogs.txt", dogs)
	}
	vest, chunks := b.db.Document(t, b.tenant, "Vests.txt", vests)
	b.add(other, "May dogs come along in a canoe?", "Dogs.txt")
	b.tested(other, 1)
	b.add(b.tenant, "What does a kayak cost for a day?", "Prices", "Which sizes do life vests have?", "Vests.txt", "Who composed the opera Carmen?", "none")
	first := b.tested(b.tenant, 1)
	if f := first.Last.Figures; f.Answerable != 2 || f.Unanswerable != 1 || f.NDCG10 != 1 || f.Answered != 1 || first.Last.Reason != questions.ByQuestions {
		t.Fatalf("the first run: %+v", first.Last)
	}

	// A document changes: a run of its own, worse, and told so until somebody looks.
	if err := b.documents.SetOff(t.Context(), b.tenant, vest, true); err != nil {
		t.Fatal(err)
	}
	o := b.tested(b.tenant, 2)
	if o.Last.Reason != questions.ByDocuments || o.Last.Worse != 1 || o.Worse != 1 || o.Last.Searched.IndexVersion <= first.Last.Searched.IndexVersion {
		t.Errorf("after a document was left out: %+v", o.Last)
	}
	for _, i := range o.Items {
		if lost := i.Text == "Which sizes do life vests have?"; i.Worse != lost || lost && (i.Now.Rank != 0 || i.Before.Rank != 1) {
			t.Errorf("%s: %+v, before %+v", i.Text, i.Now, i.Before)
		}
	}
	if n, err := b.Notice(t.Context(), b.tenant); n != 1 || err != nil {
		t.Errorf("notice of %d, %v", n, err)
	}
	if err := b.Looked(t.Context(), b.tenant); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Notice(t.Context(), b.tenant); n != 0 || err != nil {
		t.Errorf("after somebody looked, notice of %d, %v", n, err)
	}

	// It is taken in again: better, and no notice.
	if err := b.documents.SetOff(t.Context(), b.tenant, vest, false); err != nil {
		t.Fatal(err)
	}
	if o := b.tested(b.tenant, 3); o.Last.Worse != 0 || o.Last.Figures.NDCG10 != 1 {
		t.Errorf("after it was taken in again: %+v", o.Last)
	}
	if _, err := b.documents.SetChunkOff(t.Context(), b.tenant, chunks[0], true, domain.ID{}); err != nil {
		t.Fatal(err)
	}
	b.tested(b.tenant, 4)

	// Settings change what reaches the model, and the rank of nothing.
	settings, err := b.search.Settings(t.Context(), b.tenant)
	if err != nil {
		t.Fatal(err)
	}
	settings.Threshold = 1
	for range 2 { // the second changes nothing
		if err := b.search.SaveSettings(t.Context(), b.tenant, settings); err != nil {
			t.Fatal(err)
		}
	}
	if o := b.tested(b.tenant, 5); o.Last.Reason != questions.BySettings || o.Last.Worse == 0 || o.Last.Figures.NDCG10 != .5 || o.Last.Figures.Answered != 0 {
		t.Errorf("after the threshold rose: %+v", o.Last)
	}
	if o := b.overview(other); len(o.Runs) != 1 || o.Last.Worse != 0 {
		t.Errorf("the other tenant has %d runs", len(o.Runs))
	}
}

func TestDeletedDocument(t *testing.T) {
	t.Parallel()
	b := newBench(t, 50*time.Millisecond)
	id, _ := b.db.Document(t, b.tenant, "Prices.txt", kayaks)
	b.db.Document(t, b.tenant, "Dogs.txt", dogs)
	b.add(b.tenant, "What does a kayak cost for a day?", id.String())
	b.tested(b.tenant, 1)
	if _, err := b.documents.Delete(t.Context(), b.tenant, id); err != nil {
		t.Fatal(err)
	}
	o := b.tested(b.tenant, 2)
	if i := o.Items[0]; !i.Deleted() || i.Document != "Prices.txt" || o.Last.Worse != 1 {
		t.Errorf("after its document was deleted: %+v, %+v", i, o.Last)
	}
	again, _ := b.db.Document(t, b.tenant, "Prices.txt", kayaks)
	b.db.Exec(t, "update corpora set changed_at = now() where tenant_id = $1", b.tenant)
	if err := b.Run(t.Context(), b.tenant, questions.ByHand); err != nil {
		t.Fatal(err)
	}
	if o := b.tested(b.tenant, 3); o.Items[0].DocumentID != again || o.Last.Figures.NDCG10 != 1 || o.Last.Reason != questions.ByHand {
		t.Errorf("after one of its name came: %+v, %+v", o.Items[0], o.Last)
	}
}

// What a model's outage does to a run is not blamed on what changed before it, and a run after it is compared to one before it.
func TestModelSilent(t *testing.T) {
	t.Parallel()
	b := newBench(t, 50*time.Millisecond)
	b.db.Document(t, b.tenant, "Prices.txt", kayaks)
	settings, err := b.search.Settings(t.Context(), b.tenant)
	if err != nil {
		t.Fatal(err)
	}
	settings.Search = retrieve.VectorsOnly // without its vector nothing is found
	if err := b.search.SaveSettings(t.Context(), b.tenant, settings); err != nil {
		t.Fatal(err)
	}
	b.add(b.tenant, "What does a kayak cost for a day?", "Prices.txt")
	first := b.tested(b.tenant, 1)
	b.embedder.silent = true
	if err := b.Run(t.Context(), b.tenant, questions.ByHand); err != nil {
		t.Fatal(err)
	}
	if o := b.tested(b.tenant, 2); o.Last.Without != 1 || o.Last.Worse != 0 || o.Last.Figures.NDCG10 != 0 {
		t.Errorf("without a model: %+v", o.Last)
	}
	b.embedder.silent = false
	if err := b.Run(t.Context(), b.tenant, questions.ByHand); err != nil {
		t.Fatal(err)
	}
	if o := b.tested(b.tenant, 3); o.Before == nil || o.Before.ID != first.Last.ID {
		t.Errorf("compared to %+v", o.Before)
	}
}

// Many changes in a row are one run, and a run that a process left behind is made by the next.
func TestWaitsForQuiet(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1500*time.Millisecond)
	id, _ := b.db.Document(t, b.tenant, "Prices.txt", kayaks)
	b.add(b.tenant, "What does a kayak cost for a day?", "Prices.txt")
	b.tested(b.tenant, 1)
	for i := range 6 {
		if err := b.documents.SetOff(t.Context(), b.tenant, id, i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	if o := b.overview(b.tenant); o.Due != questions.ByDocuments || len(o.Runs) != 1 {
		t.Errorf("due %q with %d runs", o.Due, len(o.Runs))
	}
	b.tested(b.tenant, 2)
	b.db.Exec(t, "insert into test_runs (tenant_id, id, reason, state, done) values ($1, $2, 'documents', 'running', 7)", b.tenant, domain.NewID())
	if err := b.Run(t.Context(), b.tenant, questions.ByHand); err != nil {
		t.Fatal(err)
	}
	if o := b.tested(b.tenant, 3); o.Last.Reason != questions.ByDocuments || o.Last.Done != 1 {
		t.Errorf("the run that was left behind: %+v", o.Last)
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	tenantID, other := db.Tenant(t), db.Tenant(t)
	search := retrieve.NewService(retrieve.Config{DB: db.DB, Log: slog.New(slog.DiscardHandler), Embedder: llm.Cached(llm.NewHashing(), quiet{}, quiet{})})
	s := questions.NewService(questions.Config{DB: db.DB, Searcher: search, Queue: dbtest.NoQueue})
	id, _ := db.Document(t, tenantID, "Prices.txt", kayaks)
	foreign, _ := db.Document(t, other, "Secret.txt", dogs)
	list := "question,document\nHow much?,Prices.txt\nHow much?,none\nWho?,\nWhat?,Secret.txt\nWhy?," + foreign.String() + "\nNothing named\n"
	added, err := s.Add(t.Context(), tenantID, domain.ID{}, questions.Parse([]byte(list)))
	if err != nil || added.New != 2 || len(added.Wrong) != 3 {
		t.Fatalf("%+v, %v", added, err)
	}
	for i, line := range []int{5, 6, 7} {
		if w := added.Wrong[i]; w.Number != line || w.Message == "" {
			t.Errorf("line %d: %+v", line, w)
		}
	}
	if again, err := s.Add(t.Context(), tenantID, domain.ID{}, questions.Parse([]byte(questions.Rejoin(added.Wrong)))); err != nil || len(again.Wrong) != 3 || again.Wrong[0].Text != "What?" {
		t.Errorf("the wrong lines again: %+v, %v", again, err)
	}
	all, err := s.All(t.Context(), tenantID)
	if err != nil || len(all) != 2 || !all[0].Unanswerable {
		t.Fatalf("the last line of a question counts: %+v, %v", all, err)
	}
	if changed, err := s.Add(t.Context(), tenantID, domain.ID{}, questions.Parse([]byte("How much?,Prices.txt,,\nWho?,none,,"))); err != nil || changed.Changed != 1 || changed.Same != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	if all, _ = s.All(t.Context(), tenantID); all[1].DocumentID != id {
		t.Errorf("%+v", all)
	}
	if err := s.Delete(t.Context(), other, all[0].ID); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another tenant deleted it: %v", err)
	}
	var many []questions.Line
	for i := range questions.MaxQuestions {
		many = append(many, questions.NewLine(fmt.Sprintf("Question %d?", i), "none", "", ""))
	}
	if full, err := s.Add(t.Context(), tenantID, domain.ID{}, many); err != nil || full.New != questions.MaxQuestions-2 || len(full.Wrong) != 2 {
		t.Errorf("%d new, %d wrong, %v", full.New, len(full.Wrong), err)
	}
	retrieval, err := s.Explain(t.Context(), tenantID, all[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := search.Get(t.Context(), tenantID, retrieval); err != nil || kept.Question != "How much?" {
		t.Errorf("the trace: %q, %v", kept.Question, err)
	}
}

// BenchmarkRun is what a run takes for each question, of a tenant of 2,000 chunks.
func BenchmarkRun(bm *testing.B) {
	const documents, chunks = 20, 100
	b := newBench(bm, time.Millisecond)
	var pairs []string
	for d := range documents {
		name := fmt.Sprintf("List %d.txt", d)
		texts := make([]string, chunks)
		for i := range texts {
			texts[i] = fmt.Sprintf("Boat %d-%d is rented by the day for %d euros, with a paddle of size %d, a vest of kind %d and a key of box %d.", d, i, 20+i, i%7, i%11, d*chunks+i)
			pairs = append(pairs, fmt.Sprintf("What does boat %d-%d cost for a day, with the key of box %d?", d, i, d*chunks+i), name)
		}
		b.db.Document(bm, b.tenant, name, texts...)
	}
	b.add(b.tenant, pairs...)
	o := b.tested(b.tenant, 1)
	var took time.Duration
	runs := 0
	for bm.Loop() {
		runs++
		if err := b.Run(bm.Context(), b.tenant, questions.ByHand); err != nil {
			bm.Fatal(err)
		}
		took += b.tested(b.tenant, runs+1).Last.Took
	}
	bm.ReportMetric(float64(took.Milliseconds())/float64(runs*o.All), "ms/question")
}
