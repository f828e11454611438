package llm

import (
	"sync"
	"time"
)

const (
	breakerWindow = 20               // attempts that are looked back on
	breakerPause  = 15 * time.Second // until one attempt may probe
)

// breaker stops calling a server of which half of the last 20 attempts failed, so that a person is answered from the
// passages at once instead of after a timeout. After a pause one attempt probes, and decides. The zero value is closed.
type breaker struct {
	mu        sync.Mutex
	failed    [breakerWindow]bool
	n, sum    int // attempts so far, failures in the window
	openUntil time.Time
	probing   bool
}

func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openUntil.IsZero() {
		return true
	}
	if b.probing || time.Now().Before(b.openUntil) {
		return false
	}
	b.probing = true
	return true
}

func (b *breaker) record(outcome string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	probe := b.probing
	b.probing = false
	if outcome == OutcomeCancelled {
		return // says nothing of the server
	}
	failed := outcome == OutcomeTimeout || outcome == OutcomeBroken || outcome == OutcomeUnavailable || outcome == OutcomeLimited
	switch {
	case b.openUntil.IsZero():
		b.count(failed)
	case !failed:
		b.failed, b.n, b.sum, b.openUntil = [breakerWindow]bool{}, 0, 0, time.Time{}
	case probe:
		b.openUntil = time.Now().Add(breakerPause)
	}
}

func (b *breaker) count(failed bool) {
	slot := &b.failed[b.n%breakerWindow]
	if *slot {
		b.sum--
	}
	if failed {
		b.sum++
	}
	*slot = failed
	b.n++
	if b.n >= breakerWindow && failed && b.sum*2 >= breakerWindow {
		b.openUntil = time.Now().Add(breakerPause)
	}
}
