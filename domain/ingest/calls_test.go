package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bitb/domain/dbtest"
)

func (c *calls) queued() int {
	c.lock.Lock()
	defer c.lock.Unlock()
	return len(c.waiting)
}

// The document with the least left is next, whoever came first; one that gives up leaves its turn to the others.
func TestCalls(t *testing.T) {
	c := &calls{free: 1}
	if err := c.wait(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	turns, gone := make(chan int), make(chan error)
	leaving, leave := context.WithCancel(t.Context())
	go func() { gone <- c.wait(leaving, 1) }()
	for i, left := range []int{7, 3, 5} {
		go func() {
			if err := c.wait(t.Context(), left); err != nil {
				t.Error(err)
			}
			turns <- left
		}()
		dbtest.Eventually(t, 10*time.Second, "it to wait", func() bool { return c.queued() == i+2 })
	}
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, want := range []int{3, 5, 7} {
		c.release()
		if got := <-turns; got != want {
			t.Errorf("the one with %d left came before the one with %d", got, want)
		}
	}
	c.release()
	if c.free != 1 || c.queued() != 0 {
		t.Errorf("%d free, %d waiting at the end", c.free, c.queued())
	}
}

// What is embedded in the background lets uploads go first, for a while, and takes no turn of theirs.
func TestCallsInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &calls{free: 1}
		for _, busy := range []bool{false, true} {
			if busy {
				release, err := c.acquire(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				defer release()
			}
			free, began := c.free, time.Now()
			release, err := c.acquire(t.Context(), inBackground)
			if waited := time.Since(began); err != nil || (waited == mostYield) != busy || c.free != free {
				t.Errorf("busy %v: waited %s and left %d of %d free, %v", busy, waited, c.free, free, err)
			}
			release()
			if c.free != free || c.queued() != 0 {
				t.Errorf("busy %v: %d free, %d waiting afterwards", busy, c.free, c.queued())
			}
		}
	})
}
