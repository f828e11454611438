package faults

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"bitb/domain"
)

// logged reports whether each instance has said so.
func (w *world) logged(text string) bool {
	for _, a := range w.apps {
		log, _ := os.ReadFile(a.logPath)
		if !bytes.Contains(log, []byte(text)) {
			return false
		}
	}
	return true
}

// terminated stops an instance while it speaks to fifty people: half of the answers end in time, half never would.
func terminated(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	a := w.apps[0]
	w.models.chat.Chat.Pace(200 * time.Millisecond) // an answer takes some four seconds
	defer w.models.chat.Chat.Pace(2 * time.Millisecond)
	l := &load{world: w}
	w.apps = w.apps[:1]
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			t := w.tenants[i%4]
			l.carryOut(l.keep(&act{kind: chatting, tenant: t, visitor: t.visitors[i/4], app: a, id: domain.NewID(), text: fmt.Sprintf("What is the storage code of the depot, asked %d times?", i)}))
		})
	}
	if !w.until(20*time.Second, 20*time.Millisecond, func() bool { return w.models.active.Load() >= 50 }) {
		w.miss("only %d streams", w.models.active.Load())
	}
	from := time.Now()
	_ = a.Process.Signal(syscall.SIGTERM)
	if !w.until(2*time.Second, 10*time.Millisecond, func() bool { return status(a.url+"/readyz", time.Second) != http.StatusOK }) {
		w.miss("/readyz is green during a stop")
	}
	w.note("not ready after %s", short(time.Since(from)))
	group.Wait()
	w.endsWell(a, from)
	w.note("of 50 answers of four seconds: %s", l.sum(func(*act) bool { return true }))
	for _, did := range l.acts() {
		if did.err != nil || did.answer.Status == "interrupted" {
			w.miss("an answer that had time was broken off: %v", did.err)
			break
		}
	}
	w.restart(a)
	w.endless(a)
	w.second(a)
	w.restart(a)
	l.stop = func() {}
	l.check(time.Hour)
}

func (w *world) endsWell(a *app, from time.Time) {
	w.Helper()
	select {
	case <-a.exited:
		w.within("ended after", time.Since(from), 30*time.Second)
		if code := a.ProcessState.ExitCode(); code != 0 {
			w.miss("it ended with status %d", code)
		}
	case <-time.After(45 * time.Second):
		w.miss("it has not ended after %s", short(time.Since(from)))
		a.end(syscall.SIGKILL, 5*time.Second)
	}
}

// endless: what would never end is broken off, and kept as far as it came.
func (w *world) endless(a *app) {
	w.Helper()
	release := w.models.chat.Chat.HoldAfter(4)
	defer release()
	l := &load{world: w}
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			t := w.tenants[i%4]
			l.carryOut(l.keep(&act{kind: chatting, tenant: t, visitor: t.visitors[14], app: a, id: domain.NewID(), text: fmt.Sprintf("What is the storage code of the depot, asked %d hundred times?", i)}))
		})
	}
	w.until(20*time.Second, 20*time.Millisecond, func() bool { return w.models.active.Load() >= 10 })
	time.Sleep(time.Second)
	from := time.Now()
	_ = a.Process.Signal(syscall.SIGTERM)
	group.Wait()
	w.endsWell(a, from)
	told, kept := 0, 0
	for _, did := range l.acts() {
		if did.acked && did.answer.Status == "interrupted" {
			told++
		}
		kept += w.count("select count(*) from messages where reply_to = $1 and status = 'interrupted' and text <> ''", did.id)
	}
	w.note("of 10 answers without end %d were kept in part, %d people were told", kept, told)
	if told < 10 || kept < 10 {
		w.miss("an answer without end is not kept in part, or its reader was not told: %s", l.sum(func(*act) bool { return true }))
	}
	w.restart(a)
}

// second: whoever cannot wait says so twice.
func (w *world) second(a *app) {
	w.Helper()
	release := w.models.chat.Chat.HoldAfter(4)
	defer release()
	t := w.tenants[0]
	go func() {
		_, _ = w.ask(context.Background(), a, t, t.visitors[13], domain.NewID(), "What is the storage code of the depot, for the last time?")
	}()
	w.until(20*time.Second, 20*time.Millisecond, func() bool { return w.models.active.Load() >= 1 })
	_ = a.Process.Signal(syscall.SIGTERM)
	time.Sleep(500 * time.Millisecond)
	from := time.Now()
	if !a.end(syscall.SIGTERM, 20*time.Second) {
		w.miss("a second SIGTERM does not end it")
		return
	}
	w.within("a second SIGTERM ends it after", time.Since(from), 2*time.Second)
}
