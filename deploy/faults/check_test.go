package faults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
	"bitb/domain/postgres"
)

// totals are summed over all faults: what `make faults` is for.
type totals struct{ lost, doubled, crossings, uploads, turns int }

func (r *run) add(t totals) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.total.lost += t.lost
	r.total.doubled += t.doubled
	r.total.crossings += t.crossings
	r.total.uploads += t.uploads
	r.total.turns += t.turns
}

// check holds the final state against what was acknowledged: the invariants I1 to I5 of the plan.
func (l *load) check(grace time.Duration) {
	l.Helper()
	l.finish()
	l.everythingEnds(time.Minute)
	conn := l.super()
	defer conn.Close(context.Background())
	l.checkUploads(conn)
	l.checkTurns(conn)
	l.world.checkState(conn)
	l.checkBudget(grace)
}

// everythingEnds waits until no document is on its way any more (I1: nothing stuck).
func (w *world) everythingEnds(limit time.Duration) {
	w.Helper()
	const busy = "select count(*) from documents where status in ('queued', 'reading', 'embedding')"
	from := time.Now()
	if !w.until(limit, 100*time.Millisecond, func() bool { return w.count(busy) == 0 }) {
		w.miss("%d documents are stuck after %s", w.count(busy), short(limit))
	}
	w.drained = time.Since(from)
}

// checkUploads: every acknowledged upload is there, once, ready, with the chunks that its bytes make (I1, I2).
func (l *load) checkUploads(conn *pgx.Conn) {
	l.Helper()
	texts := l.chunks(conn)
	n, lost, wrong := 0, 0, 0
	for _, a := range l.acts() {
		if a.kind != uploading || !a.acked {
			continue
		}
		n++
		var status, code string
		err := conn.QueryRow(context.Background(), "select status, failure_code from documents where tenant_id = $1 and id = $2", a.tenant.id, a.id).Scan(&status, &code)
		switch {
		case err != nil:
			lost++
		case status != "ready":
			l.miss("%s ended as %s %s", a.text, status, code)
		case !slices.Equal(texts[a.id], cut(a.text, a.content)):
			wrong++
		}
	}
	l.add(totals{uploads: n, lost: lost})
	if lost > 0 {
		l.miss("%d of %d acknowledged uploads are lost", lost, n)
	}
	if wrong > 0 {
		l.miss("%d documents have other chunks than their bytes make", wrong)
	}
}

func (l *load) chunks(conn *pgx.Conn) map[domain.ID][]string {
	rows, err := conn.Query(context.Background(), "select document_id, text from chunks order by document_id, ordinal")
	must(l, err)
	texts := map[domain.ID][]string{}
	var id domain.ID
	var text string
	_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error { texts[id] = append(texts[id], text); return nil })
	must(l, err)
	return texts
}

// cut makes the chunks of a file here, to compare.
func cut(name string, content []byte) (texts []string) {
	doc, err := extract.Extract(context.Background(), content, name, nil)
	if err != nil {
		return []string{err.Error()}
	}
	chunks, _ := chunk.Split(doc, chunk.Options{})
	for _, c := range chunks {
		texts = append(texts, c.Text)
	}
	return texts
}

// checkTurns: every acknowledged answer is kept once, in the words that were sent (I3), and holds no other tenant's word (I4).
func (l *load) checkTurns(conn *pgx.Conn) {
	l.Helper()
	n, lost, doubled, crossed, unlike := 0, 0, 0, 0, 0
	for _, a := range l.acts() {
		if a.foreign != "" {
			crossed++
		}
		if a.kind != chatting || !a.acked {
			continue
		}
		n++
		var asked, answered int
		var text *string
		err := conn.QueryRow(context.Background(), `select (select count(*) from messages where tenant_id = $1 and id = $2 and author = 'person'),
			(select count(*) from messages where tenant_id = $1 and reply_to = $2), (select min(text) from messages where tenant_id = $1 and reply_to = $2)`,
			a.tenant.id, a.id).Scan(&asked, &answered, &text)
		must(l, err)
		switch {
		case asked == 0 || answered == 0:
			lost++
		case asked > 1 || answered > 1:
			doubled++
		case *text != a.answer.Text:
			unlike++
		}
	}
	l.add(totals{turns: n, lost: lost, doubled: doubled, crossings: crossed})
	if lost+doubled+crossed+unlike > 0 {
		l.miss("of %d acknowledged answers %d are lost, %d doubled, %d kept in other words, %d show another tenant's word", n, lost, doubled, unlike, crossed)
	}
}

// Of the state: nothing is doubled, nothing is left over, and the index says what is there (I2).
var doubledRows = map[string]string{
	"chunks twice":               "select count(*) - count(distinct (document_id, ordinal)) from chunks",
	"documents with two answers": "select count(*) from (select 1 from chunks group by document_id having count(distinct reading) > 1) d",
	"files twice":                "select count(*) - count(distinct (tenant_id, document_id, version)) from document_files",
	"the same file twice":        "select count(*) - count(distinct (tenant_id, sha256)) from documents",
	"answers twice":              "select count(*) - count(distinct (tenant_id, reply_to)) from messages where author = 'bot'",
}

var leftOver = map[string]string{
	"chunks without a document":          "select count(*) from chunks c where not exists (select from documents d where d.tenant_id = c.tenant_id and d.id = c.document_id)",
	"files without a document":           "select count(*) from document_files f where not exists (select from documents d where d.tenant_id = f.tenant_id and d.id = f.document_id)",
	"documents without a file":           "select count(*) from documents d where not exists (select from document_files f where f.tenant_id = d.tenant_id and f.document_id = d.id)",
	"vectors without a chunk":            "select count(*) from chunk_embeddings e where not exists (select from chunks c where c.tenant_id = e.tenant_id and c.id = e.chunk_id)",
	"chunks without a vector or terms":   "select count(*) from chunks c where indexed and not (exists (select from chunk_embeddings e where e.tenant_id = c.tenant_id and e.chunk_id = c.id) and exists (select from search.lexemes l where l.tenant_id = c.tenant_id and l.chunk_id = c.id))",
	"vectors of wrong size or no number": fmt.Sprintf("select count(*) from chunk_embeddings where vector_dims(embedding) <> %d or embedding::text like '%%NaN%%'", vectorDims),
	"chunks of a document not ready":     "select count(*) from chunks c join documents d on d.tenant_id = c.tenant_id and d.id = c.document_id where d.live_version = 0",
	"failures without a reason":          "select count(*) from documents where status = 'failed' and (failure_code = '' or failure_title = '' or failure_message = '')",
	"chunks counted wrongly":             "select count(*) from corpora k where k.chunks <> (select count(*) from chunks c where c.tenant_id = k.tenant_id and c.indexed)",
	"answers to nothing":                 "select count(*) from messages m where author = 'bot' and not exists (select from messages q where q.tenant_id = m.tenant_id and q.id = m.reply_to)",
	"citations of another tenant":        "select count(*) from citations c join chunks k on k.id = c.chunk_id where k.tenant_id <> c.tenant_id",
}

// checkState looks at the whole database, the logs and the isolation.
func (w *world) checkState(conn *pgx.Conn) {
	w.Helper()
	ctx := context.Background()
	for what, sql := range doubledRows {
		if n := number(ctx, conn, sql); n != 0 {
			w.add(totals{doubled: n})
			w.miss("%d %s", n, what)
		}
	}
	for what, sql := range leftOver {
		if n := number(ctx, conn, sql); n != 0 {
			w.miss("%d %s", n, what)
		}
	}
	config, err := pgx.ParseConfig(w.rig.pg.url("postgres", w.database))
	must(w, err)
	if found, err := postgres.Lint(ctx, config); err != nil || len(found) > 0 {
		w.add(totals{crossings: len(found)})
		w.miss("isolation: %v %v", found, err)
	}
	for _, t := range w.tenants { // what is kept for a tenant holds its own words alone
		for _, other := range w.tenants {
			if t != other {
				var n int
				must(w, conn.QueryRow(ctx, `select (select count(*) from chunks where tenant_id = $1 and text like $2) + (select count(*) from messages where tenant_id = $1 and text like $2)
					+ (select count(*) from citations where tenant_id = $1 and text like $2)`, t.id, "%"+other.canary+"%").Scan(&n))
				if n > 0 {
					w.add(totals{crossings: n})
					w.miss("%d rows of a tenant hold another's word", n)
				}
			}
		}
	}
	w.checkLogs()
}

func number(ctx context.Context, conn *pgx.Conn, sql string) (n int) {
	if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		panic(fmt.Sprintf("%s: %v", sql, err))
	}
	return n
}

func (w *world) checkLogs() {
	w.Helper()
	for _, a := range w.apps {
		text, err := os.ReadFile(a.logPath)
		must(w, err)
		for line := range bytes.Lines(text) {
			if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) || bytes.Contains(line, []byte("panic in a handler")) {
				w.miss("an instance panicked: %.200s", line)
			}
			if bytes.Contains(line, []byte(w.models.chat.Key)) {
				w.miss("a key is in the log")
			}
			if bytes.Contains(line, []byte("request failed")) {
				w.lock.Lock()
				w.failures[cause(string(line))]++
				w.lock.Unlock()
			}
		}
	}
}

// cause is the error of a log line.
func cause(line string) string {
	_, text, _ := strings.Cut(line, `"error":"`)
	return text[:min(len(text), 160)]
}

// checkBudget: requests that the fault did not touch had no error, and nobody was signed out (I5).
func (l *load) checkBudget(grace time.Duration) {
	l.Helper()
	untouched := l.sum(func(a *act) bool { return !l.touched(a, grace) })
	if untouched.failed > 0 {
		l.miss("untouched by the fault: %s", untouched)
	}
	for _, a := range l.acts() {
		if a.signedOut {
			l.miss("a member was signed out")
			return
		}
	}
}

// leaks compares what the instances hold with what they held, which goes back to it soon after the load.
func (w *world) leaks(before map[*app][2]int) {
	w.Helper()
	for a, was := range before {
		if a.gone() {
			continue
		}
		var goroutines, files int
		back := func(now, was int) bool { return now <= was+max(was/20, 12) }
		if !w.until(40*time.Second, 500*time.Millisecond, func() bool {
			visiting.CloseIdleConnections()
			for _, t := range w.tenants {
				t.member.CloseIdleConnections()
			}
			goroutines, files = a.held()
			return goroutines > 0 && back(goroutines, was[0]) && back(files, was[1])
		}) {
			w.miss("an instance holds %d goroutines and %d files, before it were %d and %d", goroutines, files, was[0], was[1])
		}
	}
}

// settled has the instances open what they keep open for good: connections to the databases, as many as they may.
func (w *world) settled() {
	w.Helper()
	l := &load{world: w, stop: func() {}}
	for i := range 120 {
		t := w.tenants[i%len(w.tenants)]
		l.running.Go(func() {
			l.carryOut(l.keep(&act{kind: chatting, tenant: t, visitor: t.visitors[i/4%len(t.visitors)], app: w.apps[i%2], id: domain.NewID(), text: fmt.Sprintf("What is the storage code of the depot, to begin with %d?", i)}))
		})
	}
	l.running.Wait()
	visiting.CloseIdleConnections()
	time.Sleep(time.Second)
}

func (w *world) holdings() map[*app][2]int {
	held := map[*app][2]int{}
	for _, a := range w.apps {
		g, f := a.held()
		held[a] = [2]int{g, f}
	}
	return held
}
