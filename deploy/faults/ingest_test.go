package faults

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"bitb/domain"
	"bitb/domain/ingest/reader"
	"bitb/domain/llm/llmtest"
)

func killed(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	l := w.startLoad()
	time.Sleep(2 * time.Second)
	var slowest time.Duration
	interrupted := 0
	w.during(func() {
		for i := range 20 {
			a := w.apps[i%2]
			time.Sleep(time.Duration(200+rand.IntN(600)) * time.Millisecond)
			interrupted += w.count("select count(*) from documents where status in ('reading', 'embedding')")
			a.end(syscall.SIGKILL, 5*time.Second)
			slowest = max(slowest, w.restart(a))
		}
	})
	l.check(3 * time.Second)
	w.note("%d documents were on their way at a kill", interrupted)
	w.within("all ready after", w.drained, 4*time.Minute)
	w.within("an instance ready after", slowest, 3*time.Second)
	w.note("chats: %s", l.sum(func(a *act) bool { return a.kind == chatting }))
}

// parsers lists the running parsers of an instance. What was started and has not become one yet is none: stopped then, it holds up its
// starter, which waits for it in the kernel.
func (a *app) parsers() (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", a.Process.Pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			args, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if err == nil && bytes.Contains(args, []byte(reader.Argument)) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func parserKilled(r *run) {
	w := r.newWorld("BITB_WORKERS=1")
	w.settle(1, 1)
	w.apps[1].end(syscall.SIGTERM, 40*time.Second) // so that the parsers are all of one
	w.apps = w.apps[:1]
	a, t := w.apps[0], w.tenants[0]
	pid := a.Process.Pid
	for _, c := range []struct {
		name  string
		harm  func(pid int) error
		most  int // times that harm is done
		ready bool
	}{
		{"killed once", func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }, 1, true},
		{"killed always", func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }, 100, false},
		{"stopped", func(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }, 100, false},
		{"refused memory", limitMemory, 100, false},
	} {
		up, err := w.sendFile(a, t, c.name+".md", handbook(1500, c.name), "")
		must(w, err)
		from, harmed, state := time.Now(), map[int]bool{}, ""
		ended := w.until(2*time.Minute, time.Millisecond, func() bool {
			for _, pid := range a.parsers() {
				if !harmed[pid] && len(harmed) < c.most && c.harm(pid) == nil {
					harmed[pid] = true
				}
			}
			if time.Since(from) > 100*time.Millisecond {
				w.row([]any{&state}, "select status || ' ' || failure_code from documents where id = $1", up.ID)
			}
			return strings.HasPrefix(state, "ready") || strings.HasPrefix(state, "failed")
		})
		w.within(fmt.Sprintf("%s (%d times): %s after", c.name, len(harmed), state), time.Since(from), 2*time.Minute)
		if !ended || strings.HasPrefix(state, "ready") != c.ready || len(harmed) == 0 || len(harmed) > 3 || a.gone() || a.Process.Pid != pid {
			w.miss("%s: %q after %d parsers, the server gone: %v", c.name, state, len(harmed), a.gone())
		}
	}
	l := &load{world: w, stop: func() {}}
	l.check(0)
}

func embedderAway(r *run) {
	w := r.newWorld()
	w.settle(4, 4)
	defer w.models.heal()
	w.models.embed.FailAll(llmtest.Status(503))
	l := &load{world: w, stop: func() {}}
	from, outage := time.Now(), w.outage(10*time.Minute, 45*time.Second)
	for i := range 100 {
		l.carryOut(l.keep(&act{kind: uploading, tenant: w.tenants[i%4], app: w.apps[i%2], text: fmt.Sprintf("outage-%d.md", i), content: handbook(2, domain.NewID().String())}))
	}
	right := 0
	for i := range 20 {
		a := l.keep(&act{kind: chatting, tenant: w.tenants[i%4], visitor: w.tenants[i%4].visitors[i/8], app: w.apps[i%2], id: domain.NewID(), text: fmt.Sprintf("What is the storage code of the depot, by words %d?", i)})
		if l.carryOut(a); strings.Contains(a.answer.Text, a.tenant.canary) {
			right++
		}
	}
	w.note("by words alone %d of 20 answers are right", right)
	if right < 20 {
		w.miss("a question is not answered by words")
	}
	if n := w.count("select count(*) from documents where status = 'failed'"); n > 0 {
		w.miss("%d documents failed", n)
	}
	time.Sleep(time.Until(from.Add(outage)))
	w.models.heal()
	w.everythingEnds(5 * time.Minute)
	w.note("away for %s; 100 of 100 ready %s after", short(outage), short(w.drained))
	l.check(0)
}

func embedderWrong(r *run) {
	w := r.newWorld()
	w.settle(1, 1)
	defer w.models.heal()
	for _, c := range []struct {
		name  string
		fault llmtest.Fault
	}{{"wrong dimensions", llmtest.WrongDims()}, {"NaN", llmtest.NaN()}, {"zeros", llmtest.Zero()}, {"one too few", llmtest.ShortBatch()}, {"an index twice", llmtest.Duplicate()}} {
		w.models.embed.FailAll(c.fault)
		asked := len(w.models.embed.Embed.Requests())
		l := &load{world: w, stop: func() {}}
		up := l.keep(&act{kind: uploading, tenant: w.tenants[0], app: w.apps[0], text: c.name + ".md", content: handbook(3, c.name)})
		l.carryOut(up)
		if !w.until(30*time.Second, 20*time.Millisecond, func() bool { return len(w.models.embed.Embed.Requests()) > asked }) {
			w.miss("%s: the model is not asked", c.name)
		}
		time.Sleep(500 * time.Millisecond)
		n := w.count("select (select count(*) from chunks where document_id = $1) + (select count(*) from documents where id = $1 and status = 'ready')", up.id)
		w.note("%s: %d rows", c.name, n)
		if n != 0 {
			w.miss("%s: %d rows are written", c.name, n)
		}
		w.models.heal()
		l.check(0)
	}
}

// poisoned makes a file that is not what it seems.
func poisoned(t *run, n int) (name string, content []byte) {
	dir := filepath.Join("..", "..", "domain", "ingest", "extract", "testdata")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return b
	}
	random := rand.New(rand.NewPCG(uint64(n), 1))
	mark := fmt.Sprintf("\n%% poison %d", n)
	switch n % 8 {
	case 0: // bytes changed at random
		b := bytes.Clone(read("harbour-handbook.pdf"))
		for range 60 {
			b[random.IntN(len(b))] = byte(random.IntN(256))
		}
		return fmt.Sprintf("poison-%d.pdf", n), b
	case 1:
		b := bytes.Clone(read("warranty.docx"))
		for range 20 {
			b[random.IntN(len(b))] = byte(random.IntN(256))
		}
		return fmt.Sprintf("poison-%d.docx", n), b
	case 2: // broken off
		b := read("harbour-handbook.pdf")
		return fmt.Sprintf("poison-%d.pdf", n), append(bytes.Clone(b[:100+random.IntN(len(b)-200)]), mark...)
	case 3:
		return fmt.Sprintf("poison-%d.pdf", n), append(bytes.Clone(read("encrypted.pdf")), mark...)
	case 4: // a document that unpacks to 400 MB
		return fmt.Sprintf("poison-%d.docx", n), bomb(mark)
	case 5: // no page, or ten thousand
		return fmt.Sprintf("poison-%d.pdf", n), pages(map[bool]int{true: 0, false: 10_000}[n%16 == 5], mark)
	case 6: // a hundred thousand elements, each within the other
		return fmt.Sprintf("poison-%d.html", n), []byte("<!doctype html><body>" + strings.Repeat("<div><table><tr><td>", 25_000) + mark)
	}
	b := make([]byte, 20_000) // nothing at all, with the beginning of something
	for i := range b {
		b[i] = byte(random.IntN(256))
	}
	return fmt.Sprintf("poison-%d.pdf", n), append([]byte("%PDF-1.7\n"), b...)
}

var zeros = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, _ := z.Create("[Content_Types].xml")
	_, _ = f.Write([]byte(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`))
	f, _ = z.Create("_rels/.rels")
	_, _ = f.Write([]byte(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`))
	f, _ = z.Create("word/document.xml")
	_, _ = f.Write([]byte(`<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>`))
	block := bytes.Repeat([]byte("a"), 1<<20)
	for range 400 {
		_, _ = f.Write(block)
	}
	_ = z.Close()
	return b.Bytes()
})

func bomb(mark string) []byte { return append(bytes.Clone(zeros()), mark...) }

// pages makes a PDF of so many empty pages.
func pages(n int, mark string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4" + mark + "\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count " + strconv.Itoa(n) + "/Kids[")
	for i := range n {
		fmt.Fprintf(&b, "%d 0 R ", i+3)
	}
	b.WriteString("]>>endobj\n")
	for i := range n {
		fmt.Fprintf(&b, "%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n", i+3)
	}
	b.WriteString("trailer<</Root 1 0 R>>\n%%EOF\n")
	return b.Bytes()
}

// poison reads 200 good files among 200 harmless ones of another tenant, and then 200 more among 200 that are not.
func poison(r *run) {
	w := r.newWorld()
	w.settle(2, 1)
	l := &load{world: w, stop: func() {}}
	files := 200
	if busy() {
		files = 60
	}
	harmless, err := os.ReadFile(filepath.Join("..", "..", "domain", "ingest", "extract", "testdata", "harbour-handbook.pdf"))
	must(w, err)
	refused, batches := 0, 0
	// round takes as long as the good ones, among others, take to be ready.
	round := func(first int, other func(n int) (string, []byte)) time.Duration {
		from := time.Now()
		for i := range files {
			name, content := other(i)
			up, err := w.sendFile(w.apps[i%2], w.tenants[1], name, content, "")
			switch status := statusOf(err); {
			case status >= 400 && status < 500:
				refused++
			case err != nil:
				w.miss("%s: %v", name, err)
			case strings.Contains(up.body, `"batch":true`):
				batches++
			}
			l.carryOut(l.keep(&act{kind: uploading, tenant: w.tenants[0], app: w.apps[i%2], text: fmt.Sprintf("good-%d.md", first+i), content: handbook(4, domain.NewID().String())}))
		}
		w.until(10*time.Minute, 50*time.Millisecond, func() bool {
			return w.count("select count(*) from documents where name like 'good-%' and status = 'ready'") == first+files
		})
		return time.Since(from)
	}
	among := round(0, func(n int) (string, []byte) {
		return fmt.Sprintf("harmless-%d.pdf", n), append(bytes.Clone(harmless), fmt.Sprintf("\n%% %d", n)...)
	})
	w.everythingEnds(10 * time.Minute)
	amongPoison := round(files, func(n int) (string, []byte) { return poisoned(r, n) })
	w.everythingEnds(10 * time.Minute)
	failed, survived := w.count("select count(*) from documents where status = 'failed' and name like 'poison%'"), w.count("select count(*) from documents where status = 'ready' and name like 'poison%'")
	w.note("%d of each; the good ones among harmless ones %s, among poison %s; of the poison %d refused at once, %d taken apart as a ZIP, %d failed with a reason, %d readable after all; all ended %s later",
		files, short(among), short(amongPoison), refused, batches, failed, survived, short(w.drained))
	w.within("the good ones took", amongPoison, among*10/8+2*time.Second)
	if refused+batches+failed+survived != files {
		w.miss("%d poisonous files are neither refused nor ended", files-refused-batches-failed-survived)
	}
	l.check(0)
}

func repeated(r *run) {
	w := r.newWorld()
	w.settle(1, 1)
	t := w.tenants[0]
	for name, apps := range map[string][]*app{"one instance": w.apps[:1], "two instances": w.apps} {
		content, key := handbook(2, name), domain.NewID().String()
		answers, errs := make([]uploaded, 50), make([]error, 50)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() { answers[i], errs[i] = w.sendFile(apps[i%len(apps)], t, "same "+name+".md", content, key) })
		}
		group.Wait()
		bodies := map[string]int{}
		for i, a := range answers {
			bodies[fmt.Sprint(a.status, " ", a.body)]++
			if errs[i] != nil || a.ID != answers[0].ID {
				w.miss("%s: %v", name, errs[i])
			}
		}
		w.note("%s: 50 answers, %d different", name, len(bodies))
		if len(bodies) > 1 {
			w.miss("%s: the answers differ: %d kinds", name, len(bodies))
		}
		_, err := w.sendFile(apps[0], t, "same "+name+".md", handbook(3, name), key)
		if bad, ok := errors.AsType[*badStatus](err); !ok || bad.status != 409 && bad.status != 422 {
			w.miss("%s: other bytes under the same key: %v", name, err)
		}
	}
	if n := w.count("select count(*) from documents where name like 'same %'"); n != 2 {
		w.miss("%d documents of two files", n)
	}
	id := domain.NewID()
	texts, refused := map[string]int{}, map[string]int{}
	var lock sync.Mutex
	var group sync.WaitGroup
	for i := range 25 { // a visitor may ask 30 times a minute
		group.Go(func() {
			got, err := w.ask(context.Background(), w.apps[i%2], t, t.visitors[0], id, "What is the storage code of the depot?")
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				refused[describe(err)]++
				return
			}
			texts[got.ID.String()+got.Text]++
		})
	}
	group.Wait()
	w.note("a question 25 times at once: %d answers, refused %v", len(texts), refused)
	if len(refused) > 0 && !busy() {
		w.miss("a question at once with itself is refused")
	}
	if len(texts) != 1 {
		w.miss("a question 25 times at once has %d answers", len(texts))
	}
	l := &load{world: w, stop: func() {}}
	l.check(0)
}
