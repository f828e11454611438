package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"bitb/domain"
)

// A stop goes through these times, which deploy/kubernetes and deploy/compose allow for (a test compares them): for
// BITB_DRAIN /readyz says no and everything is served as before, so that whoever sends requests here learns of it; then
// nothing new is accepted and what runs may go on for finishFor; answers that are still being written are then kept as
// they are, for which there is the time up to stopWithin. Documents stop being read at once and beside all of that.
const (
	longestDrain = 5 * time.Minute
	finishFor    = 20 * time.Second
	stopWithin   = 25 * time.Second
)

// drain tells the phases of a stop apart.
type drain struct {
	begun context.Context // ends when the stop begins: readiness off, connections closed as they are used
	over  context.Context // ends BITB_DRAIN later: nothing new, streams that have no end are told to end
}

// newDrain follows ctx.
func newDrain(ctx context.Context, lead time.Duration) drain {
	over, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(lead, end) })
	return drain{begun: ctx, over: over}
}

// gently closes a connection with the answer to a request that comes over it during a stop. A proxy that keeps connections
// open would otherwise send one into a connection that is just being closed. The server makes a GOAWAY of it in HTTP/2.
func (d drain) gently(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// ready says why the server should get no requests now.
func (s *server) ready(ctx context.Context) error {
	switch {
	case !s.started.Load():
		return domain.NewError(domain.Unavailable, "The server is starting.")
	case s.drain.begun.Err() != nil:
		return domain.NewError(domain.Unavailable, "The server is stopping.")
	}
	if err := s.db.Ping(ctx); err != nil {
		return &domain.Error{Code: domain.Unavailable, Message: "The database does not answer.", Err: err}
	}
	return nil
}

// inward is what the metrics address answers, which is also where a worker is probed: it has no other.
func (s *server) inward() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := s.ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// serve listens and answers until stop ends; then running requests may finish.
func serve(stop context.Context, group *errgroup.Group, address string, handler http.Handler, setting string, adjust ...func(*http.Server)) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s (%s): %w", address, setting, err)
	}
	requests, interrupt := context.WithCancel(context.WithoutCancel(stop))
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return requests },
	}
	for _, do := range adjust {
		do(srv)
	}
	group.Go(func() error {
		start := srv.Serve
		if srv.TLSConfig != nil {
			start = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
		}
		if err := start(newCrowd(listener)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-stop.Done()
		defer interrupt()
		defer time.AfterFunc(finishFor, interrupt).Stop()
		last, cancel := context.WithTimeout(context.WithoutCancel(stop), stopWithin)
		defer cancel()
		if err := srv.Shutdown(last); err != nil {
			return srv.Close()
		}
		return nil
	})
	return nil
}
