package ingest

import (
	"context"
	"math"
	"sync"
	"time"
)

// inBackground stands for the calls left of a document that answers already: all others go first, but for ever none need wait.
const (
	inBackground = math.MaxInt
	mostYield    = 2 * time.Second
)

// calls bounds how many calls of the embedder are under way. The document with the least left to embed goes first: a small
// one need not wait for a large one, and of two that began together one ends early and is stored while the other embeds,
// so that the embedder does not wait for the database.
type calls struct {
	lock    sync.Mutex
	free    int
	waiting []*waiter // in order of arrival
}

type waiter struct {
	left int
	turn chan struct{}
}

// acquire waits for its turn; left is how many calls the document has left. In the background, of which there is one call at a
// time, it waits for a moment in which a turn is free, and takes none: uploads keep all of theirs.
func (c *calls) acquire(ctx context.Context, left int) (release func(), err error) {
	if left != inBackground {
		return c.release, c.wait(ctx, left)
	}
	own, cancel := context.WithTimeout(ctx, mostYield)
	defer cancel()
	if c.wait(own, left) == nil {
		c.release()
	}
	return func() {}, ctx.Err()
}

func (c *calls) wait(ctx context.Context, left int) error {
	c.lock.Lock()
	if c.free > 0 {
		c.free--
		c.lock.Unlock()
		return nil
	}
	w := &waiter{left, make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.lock.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	for i := range c.waiting {
		if c.waiting[i] == w {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	c.pass() // it was its turn at the same moment
	return ctx.Err()
}

func (c *calls) release() {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.pass()
}

// pass gives a turn to whoever has the least left, or keeps it free.
func (c *calls) pass() {
	if len(c.waiting) == 0 {
		c.free++
		return
	}
	next := 0
	for i, w := range c.waiting {
		if w.left < c.waiting[next].left {
			next = i
		}
	}
	w := c.waiting[next]
	c.waiting = append(c.waiting[:next], c.waiting[next+1:]...)
	close(w.turn)
}
