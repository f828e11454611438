package redis

import (
	"context"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Limit allows Events in every Per, in a burst or spread.
type Limit struct {
	Events int
	Per    time.Duration
}

// gcra is the generic cell rate algorithm (ITU-T I.371): it keeps one number a key, the time at which the bucket will be
// empty again. Redis's own clock counts, so that all processes agree. Returns milliseconds to wait, 0 for allowed.
var gcra = goredis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local per, gap = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = tat + gap - per - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', tat + gap), 'PX', math.ceil(tat + gap - now) + 1000)
return 0`)

// Allow counts one event of key against the limit. wait is 0 when the event may go on, and else how long until the next
// may. This process counts for itself too, so that it knows where it stands when Redis goes away, for a call or for long.
func (s *Store) Allow(ctx context.Context, key string, l Limit) (wait time.Duration) {
	if wait = s.local.allow(key, l, time.Now()); wait > 0 {
		return wait
	}
	var ms int64
	err := s.try(ctx, func(ctx context.Context) (err error) {
		ms, err = gcra.Run(ctx, s.client, []string{"limit:" + key}, l.Per.Milliseconds(), gapMillis(l)).Int64()
		return err
	})
	if err != nil {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// Forget empties the bucket of key, as after a sign-in that worked.
func (s *Store) Forget(ctx context.Context, key string) {
	s.local.forget(key)
	_ = s.try(ctx, func(ctx context.Context) error { return s.client.Del(ctx, "limit:"+key).Err() })
}

func gapMillis(l Limit) float64 { return float64(l.Per.Milliseconds()) / float64(l.Events) }

// maxKeys bounds the memory of the twin; beyond it, buckets that are empty again are dropped.
const maxKeys = 50_000

// window is the twin of the script in this process.
type window struct {
	mu    sync.Mutex
	empty map[string]time.Time
}

func newWindow() *window { return &window{empty: map[string]time.Time{}} }

func (w *window) allow(key string, l Limit, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	tat := w.empty[key]
	if tat.Before(now) {
		tat = now
	}
	next := tat.Add(l.Per / time.Duration(l.Events))
	if wait := next.Sub(now) - l.Per; wait > 0 {
		return wait
	}
	if len(w.empty) >= maxKeys {
		w.sweep(now)
	}
	w.empty[key] = next
	return 0
}

func (w *window) forget(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.empty, key)
}

// sweep forgets the buckets that are empty, and all of them if none is: a flood of new keys must not stop the server.
func (w *window) sweep(now time.Time) {
	for key, tat := range w.empty {
		if tat.Before(now) {
			delete(w.empty, key)
		}
	}
	if len(w.empty) >= maxKeys {
		clear(w.empty)
	}
}
