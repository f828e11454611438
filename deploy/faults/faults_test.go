// Package faults breaks the program on purpose: the plan F0 to F24, each against a fresh database, two real instances and people
// who ask and upload meanwhile. `make faults` runs it and prints what was expected and what was seen; `make faults ONLY=F5,F6`
// runs some. Without FAULTS in the environment nothing runs.
package faults

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is one line of the plan.
type fault struct {
	name, how, want string
	do              func(*run)
}

// run is one fault being tried, and what was seen.
type run struct {
	*testing.T
	*rig
	fault    fault
	lock     sync.Mutex
	notes    []string
	missed   []string
	verdict  string // "" : passed or missed
	total    totals
	drained  time.Duration
	failures map[string]int // causes of 500s
	took     time.Duration
	pace     float64
	full     bool
}

// note says what was seen.
func (r *run) note(format string, args ...any) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// miss says what was seen and is not what was expected.
func (r *run) miss(format string, args ...any) {
	r.Helper()
	text := fmt.Sprintf(format, args...)
	r.lock.Lock()
	defer r.lock.Unlock()
	r.missed = append(r.missed, text)
	r.Errorf("%s", text)
}

// want compares a time with the one of the plan. On a machine that does other things too, lateness is noted and is no miss, up
// to four times the limit.
func (r *run) within(what string, took, limit time.Duration) {
	r.Helper()
	switch {
	case took <= limit:
		r.note("%s %s", what, short(took))
	case took <= 4*limit && busy():
		r.note("%s %s (limit %s; the machine is busy)", what, short(took), short(limit))
	default:
		r.miss("%s %s, limit %s", what, short(took), short(limit))
	}
}

// busy reports whether more wants to run than there are processors.
func busy() bool { return loadAverage() > 1.5*float64(runtime.NumCPU()) }

func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

func TestFaults(t *testing.T) {
	if os.Getenv("FAULTS") == "" {
		t.Skip("run `make faults`")
	}
	only := strings.FieldsFunc(os.Getenv("ONLY"), func(r rune) bool { return r == ',' || r == ' ' })
	pace, err := strconv.ParseFloat(os.Getenv("FAULTS_LOAD"), 64)
	if err != nil {
		pace = min(1, float64(runtime.NumCPU())/loadAverage()) // what else runs here leaves so much
	}
	rig := newRig(t)
	began := time.Now()
	var runs []*run
	for _, f := range plan {
		r := &run{rig: rig, fault: f, failures: map[string]int{}, pace: pace, full: os.Getenv("FAULTS_FULL") != ""}
		if len(only) > 0 && !slices.Contains(only, f.name) {
			continue
		}
		runs = append(runs, r)
		from := time.Now()
		t.Run(f.name, func(t *testing.T) {
			r.T = t
			f.do(r)
		})
		r.took = time.Since(from)
		if r.T.Failed() && len(r.missed) == 0 {
			r.missed = append(r.missed, "could not be carried out; see the log")
		}
		fmt.Printf("%s\n", r.line())
	}
	text := table(runs, time.Since(began), pace)
	fmt.Print("\n" + text)
	if path := os.Getenv("FAULTS_OUT"); path != "" {
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func (r *run) line() string {
	verdict := r.verdict
	switch {
	case len(r.missed) > 0:
		verdict = "MISSED"
	case verdict == "":
		verdict = "as expected"
	}
	var seen []string
	for _, m := range r.missed {
		seen = append(seen, "**"+m+"**")
	}
	seen = append(seen, r.notes...)
	for what, n := range r.failures {
		seen = append(seen, fmt.Sprintf("%d× 500: `%s`", n, strings.NewReplacer("|", "/", "\n", " ", "`", "'").Replace(what)))
	}
	cell := func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", "\\|"), "\n", " ") }
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", r.fault.name, cell(r.fault.how), cell(r.fault.want), cell(strings.Join(seen, "; ")), verdict, short(r.took))
}

// table is the report, as Markdown.
func table(runs []*run, took time.Duration, pace float64) string {
	var b strings.Builder
	var sum totals
	missed := 0
	for _, r := range runs {
		sum.lost += r.total.lost
		sum.doubled += r.total.doubled
		sum.crossings += r.total.crossings
		sum.uploads += r.total.uploads
		sum.turns += r.total.turns
		if len(r.missed) > 0 {
			missed++
		}
	}
	fmt.Fprintf(&b, "Run on %s: %s. %.3g chats, %.3g uploads and 2 pages a second; load average at the end %.1f; %s in all.\n\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine(), 20*pace, 5*pace, loadAverage(), short(took))
	fmt.Fprintf(&b, "**lost %d, doubled %d, crossings %d**, of %d acknowledged uploads and %d acknowledged answers. %d of %d faults were not met as expected.\n\n",
		sum.lost, sum.doubled, sum.crossings, sum.uploads, sum.turns, missed, len(runs))
	b.WriteString("| | fault | expected | seen | verdict | took |\n|---|---|---|---|---|---|\n")
	for _, r := range runs {
		b.WriteString(r.line() + "\n")
	}
	return b.String()
}

func machine() string {
	model := "?"
	text, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(text), "model name\t: "); ok {
		model, _, _ = strings.Cut(rest, "\n")
	}
	memory, _ := os.ReadFile("/proc/meminfo")
	var kB int
	_, _ = fmt.Sscanf(string(memory), "MemTotal: %d", &kB)
	pg, _ := exec.Command("bash", "-c", "ls /usr/lib/postgresql | sort -n | tail -1").Output()
	return fmt.Sprintf("%d cores of %s, %d GiB, PostgreSQL %s, %s", runtime.NumCPU(), model, kB>>20, strings.TrimSpace(string(pg)), runtime.Version())
}
