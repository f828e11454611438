package faults

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

func databaseCrash(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	l := w.startLoad()
	time.Sleep(4 * time.Second)
	var up time.Duration
	w.during(func() {
		for range 3 {
			w.rig.pg.server.end(syscall.SIGQUIT, 20*time.Second) // what pg_ctl -m immediate sends
			from := time.Now()
			must(w, w.rig.pg.start())
			up = max(up, time.Since(from))
			time.Sleep(3 * time.Second)
		}
	})
	time.Sleep(8 * time.Second)
	l.check(5 * time.Second)
	w.note("up again after %s", short(up))
	w.note("pages: %s", l.sum(func(a *act) bool { return a.kind == looking && l.touched(a, 0) }))
	w.note("chats: %s", l.sum(func(a *act) bool { return a.kind == chatting && l.touched(a, 0) }))
	w.note("uploads: %s", l.sum(func(a *act) bool { return a.kind == uploading && l.touched(a, 0) }))
	w.politely(l)
	w.within("healthy after", l.recovery(), 5*time.Second)
}

// politely: what failed said 503 and when to come again, and not 500.
func (w *world) politely(l *load) {
	w.Helper()
	for _, a := range l.acts() {
		switch d := ""; {
		case a.err == nil:
		default:
			if d = describe(a.err); d == "500" || d == "503 without Retry-After" {
				w.miss("a %s was told %s", a.kind, d)
				return
			}
		}
	}
}

func databaseFrozen(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	pids := []int{w.apps[0].Process.Pid, w.apps[1].Process.Pid}
	l := w.startLoad()
	time.Sleep(4 * time.Second)
	var red time.Duration
	w.during(func() {
		from := time.Now()
		w.rig.pg.signalAll(syscall.SIGSTOP)
		w.until(20*time.Second, 50*time.Millisecond, func() bool { return status(w.apps[0].url+"/readyz", 4*time.Second) == http.StatusServiceUnavailable })
		red = time.Since(from)
		for time.Since(from) < 30*time.Second {
			if got := status(w.apps[1].url+"/healthz", time.Second); got != http.StatusOK {
				w.miss("/healthz says %d", got)
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
		w.rig.pg.signalAll(syscall.SIGCONT)
	})
	w.within("/readyz red after", red, 5*time.Second)
	from := time.Now()
	w.until(30*time.Second, 50*time.Millisecond, func() bool { return status(w.apps[0].url+"/readyz", 4*time.Second) == http.StatusOK })
	w.within("green again after", time.Since(from), 5*time.Second)
	time.Sleep(6 * time.Second)
	l.check(5 * time.Second)
	begun := func(a *act) bool { return a.kind == chatting && a.err != nil && describe(a.err) == errorEvent }
	failed := l.sum(func(a *act) bool { return a.kind == chatting && a.err != nil && !begun(a) })
	w.note("chats meanwhile: %s", l.sum(func(a *act) bool { return a.kind == chatting && l.touched(a, 0) }))
	w.within("the slowest refusal of a question", failed.slowest, 3*time.Second)
	if late := l.sum(begun); late.n > 0 { // past a 503: for eight seconds the server tries to keep what it has said
		w.within("an answer that had begun ended after", late.slowest, 10*time.Second)
	}
	w.within("healthy after", l.recovery(), 5*time.Second)
	w.politely(l)
	if w.apps[0].gone() || w.apps[1].gone() || w.apps[0].Process.Pid != pids[0] {
		w.miss("an instance ended")
	}
	w.exhausted()
}

// exhausted keeps all connections waiting for a lock.
func (w *world) exhausted() {
	w.Helper()
	l := w.startLoad()
	l.files = 0
	time.Sleep(2 * time.Second)
	w.during(func() {
		ctx := context.Background()
		conn := w.super()
		defer conn.Close(ctx)
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{})
		must(w, err)
		_, err = tx.Exec(ctx, "lock table messages in access exclusive mode")
		must(w, err)
		time.Sleep(10 * time.Second)
		must(w, tx.Rollback(ctx))
	})
	time.Sleep(4 * time.Second)
	l.check(5 * time.Second)
	failed := l.sum(func(a *act) bool { return a.kind == chatting && a.err != nil })
	w.note("with the pool exhausted: chats %s", l.sum(func(a *act) bool { return a.kind == chatting && l.touched(a, 0) }))
	w.within("the slowest refusal then", failed.slowest, 5*time.Second)
	w.within("healthy after", l.recovery(), 5*time.Second)
	w.politely(l)
}

// anomalies loses one message after the other at each boundary, in three worlds side by side: most of the time is waiting for the
// next try.
func anomalies(r *run) {
	const worlds = 3
	var group sync.WaitGroup
	var points, longest atomic.Int64
	for k := range int64(worlds) {
		w := r.newWorldOf(1)
		w.settle(1, 40)
		group.Go(func() {
			for _, at := range []struct {
				name  string
				proxy *proxy
			}{{"database", w.pg}, {"Redis", w.redis}, {"model", w.model}} {
				for _, after := range []bool{false, true} {
					n := k + 1
					for ; ; n += worlds {
						fired := at.proxy.fired.Load()
						at.proxy.arm(n, after)
						from := time.Now()
						if !w.once(at.name, n, after) {
							return
						}
						at.proxy.left.Store(0)
						if at.proxy.fired.Load() == fired || n > 400 {
							break
						}
						points.Add(1)
						longest.Store(max(longest.Load(), int64(time.Since(from))))
					}
					if k == 0 {
						w.note("%s, %s: up to the %dth", at.name, map[bool]string{false: "lost", true: "answer lost"}[after], n-1)
					}
				}
			}
			conn := w.super()
			defer conn.Close(context.Background())
			w.checkState(conn)
		})
	}
	group.Wait()
	w := points.Load()
	r.note("%d points; the longest way to the end %s", w, short(time.Duration(longest.Load())))
	if w < 300 {
		r.miss("only %d points", w)
	}
}

// once uploads a file and asks a question, and sees both end well.
func (w *world) once(boundary string, n int64, after bool) bool {
	w.Helper()
	t, a := w.tenants[0], w.apps[0]
	l := &load{world: w}
	var up *act
	for range 2 {
		up = l.keep(&act{kind: uploading, tenant: t, app: a, text: "one.md", content: handbook(2, domain.NewID().String())})
		taken := w.until(30*time.Second, 50*time.Millisecond, func() bool { l.carryOut(up); return up.acked })
		state := ""
		if !taken || !w.until(60*time.Second, 20*time.Millisecond, func() bool {
			w.row([]any{&state}, "select status || ' ' || failure_code from documents where id = $1", up.id)
			return state == "ready " || state[:6] == "failed"
		}) || state != "ready " {
			w.miss("%s message %d (after: %v): the file is %s, %v", boundary, n, after, state, up.err)
			return false
		}
	}
	q := &act{kind: chatting, tenant: t, visitor: t.visitors[n%40], app: a, id: domain.NewID(), text: "What is the storage code of the depot? " + up.id.String()}
	if !w.until(30*time.Second, 50*time.Millisecond, func() bool { l.carryOut(q); return q.acked }) {
		w.miss("%s message %d (after: %v): no answer, %v", boundary, n, after, q.err)
		return false
	}
	if n := w.count("select count(*) from messages where reply_to = $1 and text = $2", q.id, q.answer.Text); n != 1 {
		w.miss("%s message %d (after: %v): the answer is kept %d times", boundary, n, after, n)
	}
	l.keep(q)
	conn := w.super()
	defer conn.Close(context.Background())
	l.checkUploads(conn)
	l.checkTurns(conn)
	return true
}
