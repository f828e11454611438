// Package redis keeps what may be lost: cached embeddings and answers, rate-limit windows and hints that something
// changed. With Redis gone or frozen the cache misses, limits are counted in this process and hints stay in it; nothing
// fails and nobody waits longer than one short time-out. What must not be lost is in Postgres.
package redis

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// What goes wrong is told by the calls that it goes wrong in. The library's own lines are no JSON.
func init() { logging.Disable() }

const (
	callTimeout = 50 * time.Millisecond // a frozen Redis is worse than one that is down
	firstPause  = time.Second
	longPause   = 10 * time.Second
)

// Store is a connection to Redis with a twin in this process for the time Redis is away. It is safe for concurrent use.
type Store struct {
	client *goredis.Client
	log    *slog.Logger
	local  *window
	hub    hub

	mu       sync.Mutex
	pause    time.Duration
	closed   atomic.Int64 // unix nanoseconds until which Redis is not asked
	failures atomic.Int64
}

// Open reads the address and returns at once; Redis need not be there. An address that cannot be read is an error.
func Open(url string, log *slog.Logger) (*Store, error) {
	return OpenFresh(func() string { return url }, log)
}

// OpenFresh is Open with an address whose user and password may change: new connections take them as they are then.
func OpenFresh(url func() string, log *slog.Logger) (*Store, error) {
	options, err := goredis.ParseURL(url())
	if err != nil {
		return nil, errors.New("REDIS_URL cannot be read as a Redis address") // the cause would print the password
	}
	options.DialTimeout = 4 * callTimeout
	options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = callTimeout, callTimeout, callTimeout
	options.MaxRetries = -1
	options.ContextTimeoutEnabled = true
	user, password := options.Username, options.Password
	options.CredentialsProvider = func() (string, string) {
		if now, err := goredis.ParseURL(url()); err == nil {
			return now.Username, now.Password
		}
		return user, password
	}
	return &Store{client: goredis.NewClient(options), log: log, local: newWindow()}, nil
}

// Trace has every command be a step of the trace that it belongs to, without keys and values.
func (s *Store) Trace() error {
	return redisotel.InstrumentTracing(s.client, redisotel.WithDBStatement(false))
}

// Failures is how often Redis did not answer, since the start. While it is left alone it is not asked.
func (s *Store) Failures() int64 { return s.failures.Load() }

// Close ends all connections.
func (s *Store) Close() error { return s.client.Close() }

// Ping reports whether Redis answers now.
func (s *Store) Ping(ctx context.Context) error {
	return s.try(ctx, func(ctx context.Context) error { return s.client.Ping(ctx).Err() })
}

// Get returns a cached value; a miss, an expired value and a Redis that is away look the same.
func (s *Store) Get(ctx context.Context, key string) (value []byte, found bool) {
	err := s.try(ctx, func(ctx context.Context) (err error) {
		value, err = s.client.Get(ctx, key).Bytes()
		return err
	})
	return value, err == nil
}

// Set caches a value for ttl, if Redis is there.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) {
	_ = s.try(ctx, func(ctx context.Context) error { return s.client.Set(ctx, key, value, ttl).Err() })
}

// DeleteNaming removes every key with a word in it, such as a tenant's id. It looks through all keys.
func (s *Store) DeleteNaming(ctx context.Context, word string) error {
	for next := uint64(0); ; {
		err := s.try(ctx, func(ctx context.Context) (err error) {
			var keys []string
			if keys, next, err = s.client.Scan(ctx, next, "*"+word+"*", 1000).Result(); err != nil || len(keys) == 0 {
				return err
			}
			return s.client.Unlink(ctx, keys...).Err()
		})
		if err != nil || next == 0 {
			return err
		}
	}
}

var errAway = errors.New("redis is away")

// try asks Redis within the time-out. After a failure it is left alone for a while that grows from one to ten seconds, so
// that a frozen Redis costs one request its 50 ms and the next ones nothing.
func (s *Store) try(ctx context.Context, call func(context.Context) error) error {
	now := time.Now()
	if now.UnixNano() < s.closed.Load() {
		return errAway
	}
	timed, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	err := call(timed)
	switch {
	case err == nil || errors.Is(err, goredis.Nil) || isReply(err) && !locksOut(err):
		s.back()
	case ctx.Err() == nil:
		s.away(now, err)
	}
	return err
}

// isReply reports whether Redis itself said no, so that it is there.
func isReply(err error) bool {
	_, ok := errors.AsType[goredis.Error](err)
	return ok
}

// locksOut reports whether Redis takes neither our name nor our password: it is of no more use than one that is down.
func locksOut(err error) bool {
	said := err.Error()
	return strings.HasPrefix(said, "WRONGPASS ") || strings.HasPrefix(said, "NOAUTH ")
}

func (s *Store) away(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pause == 0 {
		s.log.Warn("redis does not answer; going on without it", "error", err)
	}
	s.failures.Add(1)
	s.pause = min(max(firstPause, 2*s.pause), longPause)
	s.closed.Store(now.Add(s.pause).UnixNano())
}

func (s *Store) back() {
	if s.closed.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pause > 0 {
		s.log.Info("redis answers again")
	}
	s.pause = 0
	s.closed.Store(0)
}

// hub carries hints within this process.
type hub struct {
	mu        sync.Mutex
	listeners map[string]map[chan struct{}]bool
}

func (h *hub) add(topic string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan struct{}, 1)
	if h.listeners == nil {
		h.listeners = map[string]map[chan struct{}]bool{}
	}
	if h.listeners[topic] == nil {
		h.listeners[topic] = map[chan struct{}]bool{}
	}
	h.listeners[topic][c] = true
	return c
}

func (h *hub) remove(topic string, c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners[topic], c)
	if len(h.listeners[topic]) == 0 {
		delete(h.listeners, topic)
	}
}

func (h *hub) wake(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.listeners[topic] {
		nudge(c)
	}
}

// nudge leaves one hint, however many there were.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Publish hints to all processes that topic changed. A hint may be lost or come twice: listeners look for themselves.
func (s *Store) Publish(ctx context.Context, topic string) {
	s.hub.wake(topic)
	_ = s.try(ctx, func(ctx context.Context) error { return s.client.Publish(ctx, topic, "").Err() })
}

// Listen returns a channel that gets a hint whenever topic may have changed, until ctx ends. While Redis is away only
// hints of this process arrive, so a listener looks now and then without one.
func (s *Store) Listen(ctx context.Context, topic string) <-chan struct{} {
	c := s.hub.add(topic)
	go func() {
		defer s.hub.remove(topic, c)
		sub := s.client.Subscribe(ctx, topic)
		defer func() { _ = sub.Close() }()
		messages := sub.Channel()
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-messages:
				if !open {
					<-ctx.Done()
					return
				}
				nudge(c)
			}
		}
	}()
	return c
}

// Facts is what Redis says of itself.
type Facts struct {
	Version   string
	Policy    string // what it does when it is full
	MaxMemory int64  // bytes; 0: no bound
}

// Facts asks Redis. Managed ones, which hide their settings, answer this too.
func (s *Store) Facts(ctx context.Context) (f Facts, err error) {
	var info string
	err = s.try(ctx, func(ctx context.Context) error {
		info, err = s.client.Info(ctx, "server", "memory").Result()
		return err
	})
	for line := range strings.Lines(info) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "redis_version":
			f.Version = value
		case "maxmemory_policy":
			f.Policy = value
		case "maxmemory":
			f.MaxMemory, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return f, err
}
