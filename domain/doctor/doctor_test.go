package doctor

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// A check that hangs or breaks fails, and the others go on; no secret gets into the report; the lines keep their order.
func TestRun(t *testing.T) {
	checks := []Check{
		{Group: "A", ID: "a", Name: "Fine", Run: func(context.Context) Result { return Pass("Fine.") }},
		{Group: "A", ID: "b", Name: "Hangs", Limit: 20 * time.Millisecond, Run: func(context.Context) Result { select {} }},
		{Group: "B", ID: "c", Name: "Breaks", Run: func(context.Context) Result { panic("nil map") }},
		{Group: "B", ID: "d", Name: "Tells", Run: func(context.Context) Result {
			return Fail("postgres://app:geheimnis@db is away").Doing("Look at geheimnis.")
		}},
		{Group: "B", ID: "e", Name: "Not here", Run: Unless("Only elsewhere.", nil)},
	}
	r := Run(t.Context(), checks, []string{"geheimnis", "", "db"})
	if r.OK || r.Passed != 1 || r.Failed != 3 || r.NotApplicable != 1 {
		t.Errorf("%+v", r)
	}
	for i, says := range []string{"Fine.", "No answer within 20ms.", "The check broke: nil map.", "postgres://app:[secret]@db is away", "Only elsewhere."} {
		if r.Lines[i].Found != says || r.Lines[i].ID != checks[i].ID {
			t.Errorf("line %d is %+v", i, r.Lines[i])
		}
	}
	if r.Lines[3].Do != "Look at [secret]." {
		t.Errorf("a secret: %s", r.Lines[3].Do)
	}
	if g := r.Groups(); len(g) != 2 || g[0].Name != "A" || len(g[0].Lines) != 2 || len(g[1].Lines) != 3 {
		t.Errorf("%+v", g)
	}
	if well := Run(t.Context(), []Check{checks[0], checks[4]}, nil); !well.OK {
		t.Errorf("what is not applicable is held against it: %+v", well)
	}
}

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		version, floor string
		want           bool
	}{
		{"v5.9.2", "5.9.2", true}, {"v5.12.0", "5.9.2", true}, {"v5.9.1", "5.9.2", false}, {"v4.99.0", "5.9.2", false}, {"go1.26.6", "1.26.6", true},
		{"go1.26.5", "1.26.6", false}, {"go1.27", "1.26.6", true}, {"go1.27rc1", "1.26.6", true}, {"0.8", "0.8.2", false}, {"", "7.0", false}, {"(devel)", "1.0", false},
		{"7.0.15", "7.0", true}, {"15.14 (Debian 15.14-0)", "15.14", true},
	} {
		if got := AtLeast(c.version, c.floor); got != c.want {
			t.Errorf("%q at least %q: %t", c.version, c.floor, got)
		}
	}
}

func TestLibraries(t *testing.T) {
	built := func(goVersion string, deps ...*debug.Module) func() (*debug.BuildInfo, bool) {
		return func() (*debug.BuildInfo, bool) { return &debug.BuildInfo{GoVersion: goVersion, Deps: deps}, true }
	}
	pgx, old := &debug.Module{Path: "github.com/jackc/pgx/v5", Version: "v5.12.0"}, &debug.Module{Path: "github.com/jackc/pgx/v5", Version: "v5.9.1"}
	for _, c := range []struct {
		name string
		read func() (*debug.BuildInfo, bool)
		want Status
		says string
	}{
		{"new", built("go1.26.8", pgx), Passed, "go1.26.8"},
		{"the other branch of Go", built("go1.25.13", pgx), Passed, ""},
		{"an old Go", built("go1.26.5", pgx), Failed, "go1.26.5"},
		{"an older Go", built("go1.25.12", pgx), Failed, "go1.25.12"},
		{"an old library", built("go1.26.8", old), Failed, "pgx/v5 v5.9.1"},
		{"replaced by an old one", built("go1.26.8", &debug.Module{Path: pgx.Path, Version: "v5.12.0", Replace: old}), Failed, "v5.9.1"},
		{"one that must not be there", built("go1.26.8", &debug.Module{Path: "github.com/mholt/archiver/v3", Version: "v3.5.1"}), Failed, "archiver"},
		{"nothing known", func() (*debug.BuildInfo, bool) { return nil, false }, Failed, "does not say"},
	} {
		ends(t, c.name, Libraries(c.read)(t.Context()), c.want, c.says)
	}
}

func TestRedis(t *testing.T) {
	facts := func(f RedisFacts, err error) func(context.Context) (RedisFacts, error) {
		return func(context.Context) (RedisFacts, error) { return f, err }
	}
	away := errors.New("connection refused")
	good := RedisFacts{Version: "7.0.15", Policy: "allkeys-lru", MaxMemory: 128 << 20}
	for _, c := range []struct {
		name string
		run  looking
		want Status
		says string
	}{
		{"away", Redis(func(context.Context) error { return away }), Failed, "connection refused"},
		{"there", Redis(func(context.Context) error { return nil }), Passed, ""},
		{"version", RedisVersion(facts(good, nil)), Passed, "7.0.15"},
		{"an old version", RedisVersion(facts(RedisFacts{Version: "6.2.20"}, nil)), Failed, "6.2.20"},
		{"no version", RedisVersion(facts(RedisFacts{}, away)), Failed, "refused"},
		{"memory", RedisMemory(facts(good, nil), false), Passed, "above 128 MB"},
		{"refuses when full", RedisMemory(facts(RedisFacts{Policy: "noeviction", MaxMemory: 1}, nil), true), Failed, "noeviction"},
		{"drops what expires alone", RedisMemory(facts(RedisFacts{Policy: "volatile-lru", MaxMemory: 1}, nil), false), Failed, "volatile-lru"},
		{"no bound", RedisMemory(facts(RedisFacts{Policy: "allkeys-lru"}, nil), false), Failed, "maxmemory"},
		{"memory unknown", RedisMemory(facts(RedisFacts{}, away), false), Failed, "refused"},
	} {
		ends(t, c.name, c.run(t.Context()), c.want, c.says)
	}
}

func TestDisk(t *testing.T) {
	if r := Disk(t.TempDir() + "/not/made/yet")(t.Context()); r.Status == NotApplicable || !strings.Contains(r.Found, " free at /") {
		t.Errorf("%+v", r)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 seconds", time.Second: "1 second", 90 * time.Second: "1 minute", 3 * time.Hour: "3 hours", 75 * time.Hour: "3 days"} {
		if got := age(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}
