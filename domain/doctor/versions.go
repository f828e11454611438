package doctor

import (
	"context"
	"runtime/debug"
	"strconv"
	"strings"
)

// AtLeast compares versions such as v1.2.3, 15.14 or go1.26.6. What cannot be read is older than anything.
func AtLeast(version, floor string) bool {
	v, f := numbers(version), numbers(floor)
	for i := range f {
		switch {
		case i >= len(v) || v[i] < f[i]:
			return false
		case v[i] > f[i]:
			return true
		}
	}
	return len(v) > 0
}

// numbers are those of a version, up to what is no number: a pre-release counts as the release.
func numbers(version string) (all []int) {
	version = strings.TrimPrefix(strings.TrimPrefix(version, "go"), "v")
	for part := range strings.SplitSeq(version, ".") {
		digits := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if digits < 0 {
			digits = len(part)
		}
		n, err := strconv.Atoi(part[:digits])
		if err != nil {
			return all
		}
		if all = append(all, n); digits < len(part) {
			return all
		}
	}
	return all
}

// floors are the oldest releases of libraries without a hole that is known; "" is none that will do.
var floors = map[string]string{
	"github.com/jackc/pgx/v5":      "5.9.2",
	"golang.org/x/net":             "0.55.0",
	"github.com/yuin/goldmark":     "1.7.17",
	"github.com/xuri/excelize/v2":  "2.11.0",
	"github.com/redis/go-redis/v9": "9.7.3",
	"github.com/labstack/echo/v4":  "4.9.0",
	"github.com/gorilla/csrf":      "1.7.3",
	"github.com/justinas/nosurf":   "1.2.0",
	"github.com/mholt/archiver":    "",
	"github.com/mholt/archiver/v3": "",
	"github.com/mholt/archiver/v4": "",
}

// Libraries wants what the binary was built with at or above the floors.
func Libraries(read func() (*debug.BuildInfo, bool)) func(context.Context) Result {
	return func(context.Context) Result {
		info, ok := read()
		if !ok {
			return Fail("The binary does not say what it was built with.").Doing("Build it as a module: `make build`, or the image.")
		}
		var old []string
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			if floor, named := floors[m.Path]; named && (floor == "" || !AtLeast(m.Version, floor)) {
				old = append(old, m.Path+" "+m.Version)
			}
		}
		// 1.25 got the same repairs in its own release.
		if !AtLeast(info.GoVersion, "1.26.6") && !(AtLeast(info.GoVersion, "1.25.13") && !AtLeast(info.GoVersion, "1.26")) {
			old = append(old, info.GoVersion)
		}
		return All(old, info.GoVersion+" and "+plural(len(info.Deps), "library", "libraries")+", none of them known for a hole.",
			"These have holes that are known. Update them, or take a newer release of BITB.")
	}
}

const redisFloor = "7.0"

// RedisFacts is what Redis says of itself.
type RedisFacts struct {
	Version   string
	Policy    string // what it does when it is full
	MaxMemory int64  // 0: no bound
}

// RedisVersion wants a release that the product is tested with.
func RedisVersion(look func(context.Context) (RedisFacts, error)) func(context.Context) Result {
	return func(ctx context.Context) Result {
		f, err := look(ctx)
		if err != nil {
			return redisAway(err)
		}
		if !AtLeast(f.Version, redisFloor) {
			return Fail("Redis is %s.", f.Version).Doing("Install %s or later; losing what it holds loses nothing.", redisFloor)
		}
		return Pass("Redis %s.", f.Version)
	}
}

// RedisMemory wants Redis to drop old entries when it is full, instead of refusing new ones or taking the machine's memory.
func RedisMemory(look func(context.Context) (RedisFacts, error), laptop bool) func(context.Context) Result {
	return func(ctx context.Context) Result {
		f, err := look(ctx)
		switch {
		case err != nil:
			return redisAway(err)
		case f.MaxMemory == 0 && !laptop:
			return Fail("Redis may take all memory: it has no maxmemory.").Doing("Set maxmemory, and maxmemory-policy allkeys-lru.")
		case !strings.HasPrefix(f.Policy, "allkeys-"):
			return Fail("When Redis is full it does %s.", f.Policy).Doing("Set maxmemory-policy allkeys-lru: all that BITB keeps there may be lost, and entries without an expiry must be able to go.")
		}
		return Pass("Drops what was not used for long (%s) above %d MB.", f.Policy, f.MaxMemory>>20)
	}
}

func redisAway(err error) Result {
	return Fail("Redis does not answer: %v.", err).Doing("See that it runs and that REDIS_URL is right. Until then everything works, slower, and limits are counted by each process for itself.")
}

// Redis wants an answer.
func Redis(ping func(context.Context) error) func(context.Context) Result {
	return func(ctx context.Context) Result {
		if err := ping(ctx); err != nil {
			return redisAway(err)
		}
		return Pass("Answers.")
	}
}
