package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bitb/domain"
	"bitb/domain/llm/llmtest"
)

// shift is added to package time: BITB_FAULT_CLOCK is "before,at,after", seconds that the clock is wrong by until the moment at,
// and from then on.
const shift = `package time

import "syscall"

var faultClock = func() (c [3]int64) {
	text, _ := syscall.Getenv("BITB_FAULT_CLOCK")
	i, sign := 0, int64(1)
	for _, r := range text {
		switch {
		case r == ',':
			c[i] *= sign
			i, sign = i+1, 1
		case r == '-':
			sign = -1
		default:
			c[i] = 10*c[i] + int64(r-'0')
		}
	}
	c[i] *= sign
	return c
}()

func faultShift(sec int64) int64 {
	if sec < faultClock[1] {
		return faultClock[0]
	}
	return faultClock[2]
}
`

// buildWrong builds the program with a clock that can be wrong. A Go program asks the kernel by itself, so that no library put
// before it (libfaketime) could lie to it.
func (r *run) buildWrong() string {
	r.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	must(r, err)
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	must(r, err)
	const now = "sec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(text), now) {
		r.Fatal("time.Now is not as it was")
	}
	changed := strings.ReplaceAll(string(text), now, now+"\tsec += faultShift(sec)\n")
	must(r, os.WriteFile(filepath.Join(r.dir, "time.go"), []byte(changed), 0o644))
	must(r, os.WriteFile(filepath.Join(r.dir, "shift.go"), []byte(shift), 0o644))
	overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(source, "time.go"): filepath.Join(r.dir, "time.go"), filepath.Join(source, "zz_shift.go"): filepath.Join(r.dir, "shift.go")}})
	must(r, os.WriteFile(filepath.Join(r.dir, "overlay.json"), overlay, 0o644))
	wrong := filepath.Join(r.dir, "bitb-wrong-clock")
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(r.dir, "overlay.json"), "-o", wrong, "bitb/web").CombinedOutput()
	if err != nil {
		r.Fatalf("build: %v\n%s", err, out)
	}
	return wrong
}

func clockWrong(r *run) {
	wrong := r.buildWrong()
	for _, c := range []struct {
		name  string
		clock string
	}{{"an hour ahead", "3600,0,3600"}, {"an hour behind", "-3600,0,-3600"}, {"set back", fmt.Sprintf("0,%d,-600", time.Now().Unix()+25)}} {
		func() {
			w := r.newWorld()
			w.settle(2, 40)
			defer w.models.heal()
			a := w.apps[1]
			a.end(syscall.SIGTERM, 40*time.Second)
			if c.name == "set back" {
				c.clock = fmt.Sprintf("0,%d,-600", time.Now().Unix()+6)
			}
			a.env = append(a.env, "BITB_FAULT_CLOCK="+c.clock)
			must(w, w.begin(a, wrong, "serve"))
			if !w.ready(a, 20*time.Second) {
				w.Fatal("the instance with the wrong clock is not ready")
			}
			l := w.startLoad()
			time.Sleep(12 * time.Second)
			l.check(0)
			w.note("%s: %s", c.name, l.sum(func(*act) bool { return true }))
			if n := w.count("select count(*) from messages m join messages q on q.tenant_id = m.tenant_id and q.id = m.reply_to where m.created_at < q.created_at"); n > 0 {
				w.miss("%s: %d answers are older than their questions", c.name, n)
			}
			w.limits(c.name)
			w.scheduled(c.name)
		}()
	}
}

// limits: both instances together let a visitor ask as often as one does.
func (w *world) limits(name string) {
	w.Helper()
	t, allowed := w.tenants[0], 0
	v := t.visitors[39]
	from := time.Now()
	for i := range 40 {
		got, err := w.ask(w.Context(), w.apps[i%2], t, v, domain.NewID(), "What is the storage code of the depot?")
		if statusOf(err) == http.StatusTooManyRequests {
			continue
		}
		if err != nil {
			w.miss("%s: %v %s", name, err, got.Status)
		}
		allowed++
	}
	if most := 31 + int(time.Since(from)/(2*time.Second)); allowed < 20 || allowed > most {
		w.miss("%s: %d of 40 questions in %s were let through, want 30 in a minute", name, allowed, short(time.Since(from)))
	}
}

// scheduled: what waits for its time is taken up soon after, by whichever instance, and once.
func (w *world) scheduled(name string) {
	w.Helper()
	w.models.embed.FailAll(llmtest.Status(503))
	l := &load{world: w, stop: func() {}}
	for i := range 6 {
		l.carryOut(l.keep(&act{kind: uploading, tenant: w.tenants[i%2], app: w.apps[i%2], text: fmt.Sprintf("timed-%d.md", i), content: handbook(2, domain.NewID().String())}))
	}
	time.Sleep(5 * time.Second)
	w.models.heal()
	w.everythingEnds(time.Minute)
	w.within(name+": what was scheduled ran after", w.drained, 30*time.Second)
	l.check(0)
}
