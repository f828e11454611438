package backup

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func day(n int) time.Time { return time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func TestKeep(t *testing.T) {
	var all []Manifest
	for n := range 60 { // day 59 is Wednesday the 29th of April
		all = append(all, Manifest{Kind: Base, StartedAt: day(n)}, Manifest{Kind: Base, StartedAt: day(n).Add(12 * time.Hour)})
	}
	all = append(all, Manifest{Kind: Dump, StartedAt: day(-300)})
	var days []string
	for _, m := range (Keep{Daily: 3, Weekly: 3}).of(all, Base) {
		days = append(days, m.StartedAt.Format("01-02 15h"))
	}
	// Two days whole; a third; three weeks, of which the first is among the days.
	want := []string{"04-29 15h", "04-29 03h", "04-28 15h", "04-28 03h", "04-27 15h", "04-26 15h", "04-19 15h"}
	if diff := cmp.Diff(want, days); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
	if got := (Keep{Daily: 1}).of(all, Dump); len(got) != 1 {
		t.Errorf("the last one of a kind does not stay: %v", got)
	}
	if got := (Keep{Daily: 1}).of(nil, Dump); len(got) != 0 {
		t.Errorf("of nothing %v stay", got)
	}
}

func TestSegmentNames(t *testing.T) {
	const size = 16 << 20
	if got := segmentFile(3, 0x1_FF00_0000, size); got != "0000000300000001000000FF" {
		t.Errorf("segmentFile gave %s", got)
	}
}

// The way through the log: along one timeline, over to those that grew out of it, and up to what is missing.
func TestLogPath(t *testing.T) {
	const size, mb = 16 << 20, 1 << 20
	files := func(names ...string) (f []walFile) {
		for _, n := range names {
			f = append(f, walFile{file: n})
		}
		return f
	}
	seg := func(timeline int32, n uint64) string { return segmentFile(timeline, n*size, size) }
	end := branch{2, 1<<64 - 1}
	left := branch{1, 5*size + 3*mb} // in the middle of the fifth
	for name, c := range map[string]struct {
		files    []walFile
		way      []branch
		segments int
		last     string
		gap      string
	}{
		"nothing yet":           {nil, []branch{end}, 0, "", ""},
		"one timeline":          {files(seg(2, 2), seg(2, 3), seg(2, 4)), []branch{end}, 2, seg(2, 4), ""},
		"a hole":                {files(seg(2, 3), seg(2, 5)), []branch{end}, 1, seg(2, 3), seg(2, 4)},
		"a hole at the begin":   {files(seg(2, 4)), []branch{end}, 0, "", seg(2, 3)},
		"to another timeline":   {files(seg(1, 3), seg(1, 4), seg(1, 5), seg(1, 6), seg(2, 5), seg(2, 6)), []branch{left, end}, 4, seg(2, 6), ""},
		"its begin is missing":  {files(seg(1, 3), seg(1, 4), seg(1, 5), seg(2, 6)), []branch{left, end}, 2, seg(1, 4), seg(2, 5)},
		"not up to the branch":  {files(seg(1, 3), seg(2, 5)), []branch{left, end}, 1, seg(1, 3), seg(1, 4)},
		"the branch is the end": {files(seg(1, 3), seg(1, 4), seg(1, 5)), []branch{left, end}, 2, seg(1, 4), ""},
	} {
		p := logPath{files: c.files}
		p.walk(size, 3, c.way)
		if p.segments != c.segments || p.last.file != c.last || p.gap != c.gap {
			t.Errorf("%s: %d segments to %q, gap %q; want %d to %q, gap %q", name, p.segments, p.last.file, p.gap, c.segments, c.last, c.gap)
		}
	}
	timeline, history, err := parseHistory("00000003.history", "1\t0/5000000\tno recovery target specified\n\n2\t0/9000000\tbefore 2026\n")
	if err != nil || timeline != 3 || len(history) != 2 || history[1] != (branch{2, 0x9000000}) {
		t.Errorf("read timeline %d, %v, %v", timeline, history, err)
	}
	if got := branchesAfter(history, 1, 0x6000000); got != nil { // written after the branch: on another way
		t.Errorf("a base of an abandoned end leads to %v", got)
	}
	if got := branchesAfter(history, 2, 0x6000000); len(got) != 1 {
		t.Errorf("a base of timeline 2 leads over %v", got)
	}
}

// A segment is stored once; its parts give way to fuller ones, in whatever order they come; another one of its name is refused.
func TestArchiveOnce(t *testing.T) {
	secret, _ := newKey(t)
	s := newService(t, secret)
	const file = "000000010000000000000005"
	put := func(content string, partial bool) error {
		_, err := s.putWAL(t.Context(), "7", file, []byte(content), partial)
		return err
	}
	holds := func(want string) {
		t.Helper()
		files, err := s.listWAL(t.Context(), "7")
		if err != nil || len(files) != 1 {
			t.Fatalf("the archive has %v, %v", files, err)
		}
		if got, err := s.readWAL(t.Context(), files[0]); string(got) != want || err != nil {
			t.Errorf("the archive has %q, %v", got, err)
		}
	}
	for _, step := range []struct {
		content string
		partial bool
		holds   string
	}{{"ab", true, "ab"}, {"abc", true, "abc"}, {"ab", true, "abc"}, {"abcd", false, "abcd"}, {"abcd", false, "abcd"}, {"abc", true, "abcd"}} {
		if err := put(step.content, step.partial); err != nil {
			t.Fatal(err)
		}
		holds(step.holds)
	}
	if err := put("wxyz", false); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("another segment of the same name: %v", err)
	}
	holds("abcd")
	if objects, _ := s.store.List(t.Context(), "wal/"); len(objects) != 1 {
		t.Errorf("parts were left: %v", objects)
	}
}

// What is pruned: old backups, what was cut off, and the log from before the oldest base; of a cluster without any base all of it.
func TestPruned(t *testing.T) {
	c := source(t)
	secret, _ := newKey(t)
	s := newService(t, secret)
	s.SourceURL = always(c.url(c.super, "postgres"))
	at := func(lsn string) func(*Manifest) {
		return func(m *Manifest) { m.System, m.StartLSN, m.Segment, m.Timeline = "7", lsn, 16<<20, 1 }
	}
	made(t, s, Base, day(0), "old", at("0/1000000"))
	older := made(t, s, Base, day(1), "older", at("0/3000000"))
	newest := made(t, s, Base, day(2), "newest", at("0/5000000"))
	dump := made(t, s, Dump, day(-100), "dump", nil)
	cut := errors.New("cut off")
	if _, err := s.put(t.Context(), "base/cut/data"+sealedSuffix, func(w io.Writer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.put(t.Context(), "base/failed/data"+sealedSuffix, func(io.Writer) error { return cut }); !errors.Is(err, cut) {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 4 {
		t.Errorf("what was cut off counts: %v, %v", all, err)
	}
	for _, file := range []string{"000000010000000000000002", "000000010000000000000003", "000000010000000000000005", "00000002.history"} {
		for _, system := range []string{"7", "8"} {
			if _, err := s.putWAL(t.Context(), system, file, []byte(file), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Prune(t.Context(), Keep{Daily: 2}); err != nil {
		t.Fatal(err)
	}
	objects, err := s.store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		if f, ok := parseWAL(o); ok {
			got = append(got, f.file)
		} else {
			got = append(got, o.Name)
		}
	}
	want := []string{older.File, older.dir() + "/manifest.json", newest.File, newest.dir() + "/manifest.json", dump.File, dump.dir() + "/manifest.json",
		"000000010000000000000003", "000000010000000000000005", "00000002.history"}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
}

// Of two that would make a backup at once, one does.
func TestOneAtATime(t *testing.T) {
	c := source(t)
	secret, _ := newKey(t)
	s := newService(t, secret)
	s.SourceURL = always(c.url(c.super, sourceDatabase))
	conn, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := lock(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(t.Context(), Dump); !errors.Is(err, ErrBusy) {
		t.Errorf("took a second one: %v", err)
	}
	if wait, err := s.takeIfDue(t.Context(), Dump, time.Hour, Keep{Daily: 1}); err != nil || wait != time.Minute {
		t.Errorf("the scheduler waits %s, %v", wait, err)
	}
	conn.Close(t.Context())
	for range 2 { // the second finds the first one's
		if wait, err := s.takeIfDue(t.Context(), Dump, time.Hour, Keep{Daily: 1}); err != nil || wait < 50*time.Minute {
			t.Fatalf("the scheduler waits %s, %v", wait, err)
		}
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("made %d, %v", len(all), err)
	}
}
