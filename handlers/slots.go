package handlers

import (
	"context"
	"slices"
	"sync"

	"bitb/domain"
)

// slots bound how much of something happens at once, and leave room for others: a tenant gets one more only while more are free than it
// has. So it never has more than half of them, and the last one is for a tenant that has none.
type slots struct {
	mu    sync.Mutex
	free  int
	taken map[domain.ID]int
	line  []*waiter
}

type waiter struct {
	tenant domain.ID
	turn   chan struct{} // closed when it has a slot
}

func newSlots(n int) *slots { return &slots{free: n, taken: map[domain.ID]int{}} }

// take waits for a slot, in the order of those who may have one. leave gives it back.
func (s *slots) take(ctx context.Context, tenant domain.ID) (leave func(), err error) {
	w := &waiter{tenant, make(chan struct{})}
	s.mu.Lock()
	s.line = append(s.line, w)
	s.handOut()
	s.mu.Unlock()
	select {
	case <-w.turn:
		return func() { s.giveBack(tenant) }, nil
	case <-ctx.Done():
		s.giveUp(w)
		return nil, ctx.Err()
	}
}

// handOut is called with mu held.
func (s *slots) handOut() {
	s.line = slices.DeleteFunc(s.line, func(w *waiter) bool {
		if s.free <= s.taken[w.tenant] {
			return false
		}
		s.free--
		s.taken[w.tenant]++
		close(w.turn)
		return true
	})
}

func (s *slots) giveBack(tenant domain.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.taken[tenant]--; s.taken[tenant] == 0 {
		delete(s.taken, tenant)
	}
	s.handOut()
}

// giveUp leaves the line, or gives back what was handed out in this very moment.
func (s *slots) giveUp(w *waiter) {
	s.mu.Lock()
	i := slices.Index(s.line, w)
	if i >= 0 {
		s.line = slices.Delete(s.line, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 {
		s.giveBack(w.tenant)
	}
}
