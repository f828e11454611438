package faults

import (
	"syscall"
	"time"
)

// outage is how long an outage of minutes lasts here; FAULTS_FULL=1 has it last as long as the plan says.
func (r *run) outage(full, quick time.Duration) time.Duration {
	if r.full {
		return full
	}
	return quick
}

func redisKilled(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	l := w.startLoad()
	time.Sleep(8 * time.Second)
	w.during(func() {
		w.rig.redis.end(syscall.SIGKILL, 5*time.Second)
		time.Sleep(w.outage(5*time.Minute, 30*time.Second))
	})
	w.rig.startRedis(w)
	time.Sleep(10 * time.Second)
	l.check(0)
	w.compare(l, 1.5, 0)
	if !w.logged("redis answers again") {
		w.miss("Redis is not used again 10 s after it is back")
	}
}

func redisFrozen(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	l := w.startLoad()
	time.Sleep(8 * time.Second)
	w.during(func() {
		_ = w.rig.redis.Process.Signal(syscall.SIGSTOP)
		time.Sleep(20 * time.Second)
		_ = w.rig.redis.Process.Signal(syscall.SIGCONT)
	})
	time.Sleep(5 * time.Second)
	l.check(0)
	w.compare(l, 1, 100*time.Millisecond)
}

// compare sets the times during the fault against those before it; no request may have failed.
func (w *world) compare(l *load, times float64, more time.Duration) {
	w.Helper()
	all := l.sum(func(*act) bool { return true })
	if 1000*all.failed > all.n {
		w.miss("all: %s", all)
	} else {
		w.note("all: %s", all)
	}
	for _, k := range []kind{chatting, uploading, looking} {
		before := l.sum(func(a *act) bool { return a.kind == k && !l.touched(a, 0) }).p95()
		meanwhile := l.sum(func(a *act) bool { return a.kind == k && l.touched(a, 0) }).p95()
		w.within("p95 of a "+string(k)+" before "+short(before)+", then", meanwhile, time.Duration(float64(before)*times)+more)
	}
}
