package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bitb/domain"
)

// load is what people do meanwhile, and what the server acknowledged of it: the truth that the final state is held against.
type load struct {
	*world
	chats, files float64 // a second
	stop         context.CancelFunc
	running      sync.WaitGroup
	n            atomic.Int64

	lock sync.Mutex
	did  []*act
}

type kind string

const (
	chatting  kind = "chat"
	uploading kind = "upload"
	looking   kind = "page"
)

// act is one request of somebody.
type act struct {
	kind       kind
	tenant     *tenant
	visitor    *visitor
	app        *app
	id         domain.ID // of the question, or of the document once that is acknowledged
	text       string    // the question, or the name
	content    []byte
	begun      time.Time
	took       time.Duration
	err        error
	acked      bool
	answer     answer
	signedOut  bool
	foreign    string // another tenant's word in the answer
	afterFault bool   // acknowledged only when it was sent once more
}

// startLoad begins to ask, upload and look, at the rates of the plan times FAULTS_LOAD.
func (w *world) startLoad() *load {
	l := &load{world: w, chats: 20 * w.pace, files: 5 * w.pace}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.every(ctx, l.chats, l.chat)
	l.every(ctx, l.files, l.upload)
	l.every(ctx, 2, l.look)
	return l
}

func (l *load) every(ctx context.Context, rate float64, do func()) {
	if rate == 0 {
		return
	}
	l.running.Go(func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.running.Go(do)
			}
		}
	})
}

func (l *load) next() (n int, t *tenant, a *app) {
	n = int(l.n.Add(1))
	return n, l.tenants[n%len(l.tenants)], l.apps[(n/len(l.tenants))%len(l.apps)]
}

func (l *load) keep(a *act) *act {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.did = append(l.did, a)
	return a
}

func (l *load) acts() []*act {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.did)
}

func (l *load) chat() {
	n, t, a := l.next()
	v := t.visitors[n/len(l.tenants)%len(t.visitors)]
	q := "What is the storage code of the depot?"
	if n%2 == 0 {
		q = fmt.Sprintf("What is the storage code of the depot, asked %d times?", n)
	}
	l.carryOut(l.keep(&act{kind: chatting, tenant: t, visitor: v, app: a, id: domain.NewID(), text: q}))
}

func (l *load) upload() {
	n, t, a := l.next()
	l.carryOut(l.keep(&act{kind: uploading, tenant: t, app: a, text: fmt.Sprintf("load-%d.md", n), content: handbook(2, domain.NewID().String())}))
}

func (l *load) look() {
	_, t, a := l.next()
	l.carryOut(l.keep(&act{kind: looking, tenant: t, app: a}))
}

// handbook is Markdown that becomes about a chunk for each section, unlike any other by its mark.
func handbook(sections int, mark string) []byte {
	var b strings.Builder
	for i := range sections {
		fmt.Fprintf(&b, "# Section %d of %s\n\n", i, mark)
		for j := range 12 {
			fmt.Fprintf(&b, "Bicycle %d-%d is rented by the day and costs %d euros, which includes a helmet and a lock. ", i, j, i+j)
		}
		b.WriteString("\n\n")
	}
	return []byte(b.String())
}

// carryOut does it and notes what came of it.
func (l *load) carryOut(a *act) {
	a.begun = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	switch a.kind {
	case chatting:
		a.answer, a.err = l.ask(ctx, a.app, a.tenant, a.visitor, a.id, a.text)
		a.acked = a.err == nil
		for _, other := range l.tenants {
			if other != a.tenant && strings.Contains(a.answer.raw, other.canary) {
				a.foreign = other.canary
			}
		}
	case uploading:
		var up uploaded
		up, a.err = l.sendFile(a.app, a.tenant, a.text, a.content, "")
		if a.acked = a.err == nil; a.acked {
			a.id = up.ID
		}
	case looking:
		var resp *http.Response
		if resp, a.err = a.tenant.member.Get(a.app.url + "/documents"); a.err == nil {
			resp.Body.Close()
			if a.signedOut = resp.StatusCode == http.StatusSeeOther; resp.StatusCode != http.StatusOK {
				a.err = &badStatus{resp.StatusCode, resp.Header.Get("Retry-After"), ""}
			}
		}
		a.acked = a.err == nil
	}
	a.took = time.Since(a.begun)
}

// finish ends the load, waits for what is under way, and sends once more what was not acknowledged, as a client would: under
// the same id, with the same bytes.
func (l *load) finish() {
	l.Helper()
	l.stop()
	l.running.Wait()
	again := 0
	for _, a := range l.acts() {
		if a.acked || a.kind == looking {
			continue
		}
		again++
		once := *a
		done := l.until(60*time.Second, 200*time.Millisecond, func() bool {
			once.app = l.apps[0]
			if once.app.gone() {
				once.app = l.apps[1]
			}
			l.carryOut(&once)
			return once.acked
		})
		if !done {
			l.miss("a %s is refused for a minute after the fault: %v", a.kind, once.err)
			return
		}
		a.id, a.acked, a.afterFault, a.answer = once.id, true, true, once.answer
	}
	if again > 0 {
		l.note("%d sent once more and taken", again)
	}
}

// tally is how the requests of one kind went in a span of time.
type tally struct {
	n, failed int
	slowest   time.Duration // of the failed ones
	kinds     map[string]int
	took      []time.Duration
}

func (t tally) String() string {
	if t.failed == 0 {
		return fmt.Sprintf("%d, no error", t.n)
	}
	var parts []string
	for what, n := range t.kinds {
		parts = append(parts, fmt.Sprintf("%d× %s", n, what))
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d, %d failed (%s; slowest after %s)", t.n, t.failed, strings.Join(parts, ", "), short(t.slowest))
}

func (t tally) p95() time.Duration {
	if len(t.took) == 0 {
		return 0
	}
	slices.Sort(t.took)
	return t.took[len(t.took)*95/100]
}

func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// sum counts the requests for which match is true.
func (l *load) sum(match func(*act) bool) tally {
	t := tally{kinds: map[string]int{}}
	for _, a := range l.acts() {
		if !match(a) {
			continue
		}
		t.n++
		if a.err == nil {
			t.took = append(t.took, a.took)
			continue
		}
		t.failed++
		t.slowest = max(t.slowest, a.took)
		t.kinds[describe(a.err)]++
	}
	return t
}

// errorEvent is the end of an answer that had begun.
const errorEvent = "error event"

// describe puts an error into few words, the same for the same kind.
func describe(err error) string {
	bad, ok := errors.AsType[*badStatus](err)
	switch {
	case ok && bad.status == 0:
		return errorEvent
	case ok && bad.status == http.StatusServiceUnavailable && bad.retryAfter == "":
		return "503 without Retry-After"
	case ok:
		return fmt.Sprint(bad.status)
	case errors.Is(err, errCutOff):
		return "stream cut"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	}
	return "connection lost"
}

// touched reports whether a request ran at a moment of the fault, or within grace after it.
func (l *load) touched(a *act, grace time.Duration) bool {
	from, to := time.Unix(0, l.faultFrom.Load()), time.Unix(0, l.faultTo.Load())
	return a.begun.Add(a.took).After(from) && a.begun.Before(to.Add(grace))
}

// recovery is how long after the fault the last request that failed was begun.
func (l *load) recovery() (d time.Duration) {
	end := time.Unix(0, l.faultTo.Load())
	for _, a := range l.acts() {
		if a.err != nil && a.begun.After(end) {
			d = max(d, a.begun.Sub(end))
		}
	}
	return d
}
