package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// A server that hangs answers nobody, and no time-out of its own helps: people would wait with their connections for as long as
// it hangs. So one connection asks it all the time, and when nothing comes back all that wait are told at once, a slow statement
// on a server that lives is left alone, and until it answers again nobody waits at all.
const (
	beatEvery    = 400 * time.Millisecond
	silentAfter  = 2 * time.Second
	silentPooled = 10 * time.Second // a pooler may have it wait for its turn behind others
)

var errSilent = errors.New("the database has not answered for some seconds, not even to say so")

// pulse knows whether the server answers.
type pulse struct {
	config *pgx.ConnConfig
	renew  func(*pgx.ConnConfig)
	after  time.Duration // so long it may be silent
	stop   context.CancelFunc
	ended  chan struct{}

	lock  sync.Mutex
	alive context.Context // ends when the server falls silent; another one begins when it answers
	fail  context.CancelCauseFunc
}

func newPulse(config *pgx.ConnConfig, c Config) *pulse {
	ctx, stop := context.WithCancel(context.Background())
	p := &pulse{config: config.Copy(), renew: c.renew, after: silentAfter, stop: stop, ended: make(chan struct{})}
	p.config.Tracer = nil // two lines a second would tell nobody anything
	if c.Pooled {
		p.after = silentPooled
	}
	p.answered()
	go p.watch(ctx)
	return p
}

func (p *pulse) close() {
	p.stop()
	<-p.ended
}

// during returns a context that also ends when the server falls silent, with errSilent as its cause.
func (p *pulse) during(ctx context.Context) (context.Context, context.CancelFunc) {
	p.lock.Lock()
	alive := p.alive
	p.lock.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(alive, func() { cancel(errSilent) })
	return ctx, func() { stop(); cancel(nil) }
}

func (p *pulse) watch(ctx context.Context) {
	defer close(p.ended)
	var conn *pgx.Conn
	var silent time.Time // since when
	defer func() { hangUp(conn) }()
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		if conn, err = p.beat(ctx, conn); err == nil {
			silent = time.Time{}
			p.answered()
		} else if silent.IsZero() {
			silent = began
		}
		if !silent.IsZero() && time.Since(silent) >= p.after {
			p.lock.Lock()
			p.fail(errSilent)
			p.lock.Unlock()
		}
		wait := beatEvery
		if err != nil {
			wait = beatEvery / 4
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// beat asks over the connection, or over a new one where it is nil, and returns the one to ask over next.
func (p *pulse) beat(ctx context.Context, conn *pgx.Conn) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.after/2)
	defer cancel()
	var err error
	if conn == nil {
		p.renew(p.config)
		if conn, err = pgx.ConnectConfig(ctx, p.config); err != nil {
			return nil, err
		}
	}
	if err = conn.Ping(ctx); err != nil {
		hangUp(conn)
		return nil, err
	}
	return conn, nil
}

func (p *pulse) answered() {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.alive == nil || p.alive.Err() != nil {
		p.alive, p.fail = context.WithCancelCause(context.Background())
	}
}

func hangUp(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = conn.Close(ctx)
}
