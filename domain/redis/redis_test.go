package redis_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/redis"
)

func open(t *testing.T, url string) *redis.Store {
	t.Helper()
	s, err := redis.Open(url, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// frozen accepts connections and never answers.
func frozen(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "redis://" + l.Addr().String()
}

func TestCache(t *testing.T) {
	s := open(t, dbtest.RedisURL(t))
	key := domain.NewID().String()
	if _, found := s.Get(t.Context(), key); found {
		t.Fatal("found a key that was never set")
	}
	s.Set(t.Context(), key, []byte("value"), time.Minute)
	if value, found := s.Get(t.Context(), key); !found || string(value) != "value" {
		t.Fatalf("got %q, %v", value, found)
	}
}

// What names a tenant goes, wherever in its key, and nothing else.
func TestDeleteNaming(t *testing.T) {
	s := open(t, dbtest.RedisURL(t))
	id, other := domain.NewID().String(), domain.NewID().String()
	keys := []string{"answer:" + id + ":x", "upload:" + id + ":y", "of " + id}
	for _, key := range append(keys, other) {
		s.Set(t.Context(), key, []byte("value"), time.Minute)
	}
	if err := s.DeleteNaming(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, found := s.Get(t.Context(), key); found {
			t.Errorf("%s is still there", key)
		}
	}
	if _, found := s.Get(t.Context(), other); !found {
		t.Error("another's is gone")
	}
	if err := open(t, "redis://127.0.0.1:1").DeleteNaming(t.Context(), id); err == nil {
		t.Error("deleted where nobody is")
	}
}

// A Redis that does not know the password is counted as one that is away, and the log says so.
func TestWrongPassword(t *testing.T) {
	u, err := url.Parse(dbtest.RedisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("nobody-here", "wrong")
	var out bytes.Buffer
	s, err := redis.Open(u.String(), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(t.Context()); err == nil || s.Failures() != 1 || !strings.Contains(out.String(), "redis does not answer") || !strings.Contains(out.String(), "WRONGPASS") {
		t.Errorf("%v, %d failures, logged %s", err, s.Failures(), &out)
	}
}

// The limit refuses alike with Redis, without Redis and with one that hangs.
func TestLimit(t *testing.T) {
	for name, url := range map[string]string{
		"redis": dbtest.RedisURL(t), "gone": "redis://127.0.0.1:1", "frozen": frozen(t),
	} {
		t.Run(name, func(t *testing.T) {
			s, key, allowed := open(t, url), domain.NewID().String(), 0
			limit := redis.Limit{Events: 10, Per: time.Hour}
			var wait time.Duration
			for range 15 {
				if wait = s.Allow(t.Context(), key, limit); wait == 0 {
					allowed++
				}
			}
			if allowed != 10 {
				t.Errorf("allowed %d of 15, want 10", allowed)
			}
			if wait < 5*time.Minute || wait > 6*time.Minute {
				t.Errorf("told to wait %s, want a tenth of an hour", wait)
			}
			if s.Allow(t.Context(), key+"other", limit) != 0 {
				t.Error("another key was refused")
			}
			s.Forget(t.Context(), key)
			if s.Allow(t.Context(), key, limit) != 0 {
				t.Error("a forgotten key was refused")
			}
		})
	}
}

// A Redis that hangs costs the first call its time-out, and the next ones nothing.
func TestFrozenCostsOnce(t *testing.T) {
	s := open(t, frozen(t))
	began := time.Now()
	for range 100 {
		s.Get(t.Context(), "key")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("100 reads took %s", took)
	}
}

func TestHints(t *testing.T) {
	topic := domain.NewID().String()
	for name, url := range map[string]string{"redis": dbtest.RedisURL(t), "gone": "redis://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			speaker := open(t, url)
			listener := speaker
			if name == "redis" {
				listener = open(t, url) // as in another process
			}
			hints := listener.Listen(ctx, topic)
			for {
				speaker.Publish(ctx, topic)
				select {
				case <-hints:
					return
				case <-ctx.Done():
					t.Fatal("no hint arrived")
				case <-time.After(10 * time.Millisecond): // not subscribed yet
				}
			}
		})
	}
}
