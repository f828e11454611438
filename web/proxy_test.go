package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy spreads requests over processes as a load balancer does: by turns, over connections that it keeps open, to those whose
// /readyz said yes when it last asked. It tries nothing twice.
type proxy struct {
	*httptest.Server
	mu       sync.Mutex
	backends []*backend
	turn     int
	failed   func(what string, err error)
}

type backend struct {
	*process
	forward *httputil.ReverseProxy
	ready   atomic.Bool
}

const askReady = 100 * time.Millisecond

func newProxy(t *testing.T, failed func(what string, err error)) *proxy {
	p := &proxy{failed: failed}
	p.Server = httptest.NewServer(p)
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	asking.Go(func() {
		for tick := time.NewTicker(askReady); ctx.Err() == nil; <-tick.C {
			for _, b := range p.all() {
				b.ready.Store(isReady(ctx, b.url))
			}
		}
	})
	t.Cleanup(func() { cancel(); asking.Wait(); p.CloseClientConnections(); p.Close() })
	return p
}

// isReady asks over a connection of its own, so that it finds out when nobody listens any more.
func isReady(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
	if err != nil {
		return false
	}
	req.Close = true
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	return r.StatusCode == http.StatusOK
}

func (p *proxy) all() []*backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.backends)
}

// use sends requests to these processes as well.
func (p *proxy) use(processes ...*process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range processes {
		to, err := url.Parse(one.url)
		if err != nil {
			panic(err) // an address that the test made
		}
		b := &backend{process: one}
		b.forward = &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(to)
				r.Out.Host = r.In.Host
				r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] // whom the load plays
			},
			Transport: &http.Transport{MaxIdleConnsPerHost: 64}, FlushInterval: -1,
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				if r.Context().Err() == nil {
					p.failed("proxy: "+r.Method+" "+r.URL.Path, err)
				}
				w.WriteHeader(http.StatusBadGateway)
			},
		}
		p.backends = append(p.backends, b)
	}
}

// drop sends these processes nothing more; what they are answering goes on.
func (p *proxy) drop(processes ...*process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backends = slices.DeleteFunc(p.backends, func(b *backend) bool { return slices.Contains(processes, b.process) })
}

// knows reports whether all of these are known to be ready.
func (p *proxy) knows(processes ...*process) bool {
	n := 0
	for _, b := range p.all() {
		if slices.Contains(processes, b.process) && b.ready.Load() {
			n++
		}
	}
	return n == len(processes)
}

func (p *proxy) choose() *backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.backends {
		p.turn++
		if b := p.backends[p.turn%len(p.backends)]; b.ready.Load() {
			return b
		}
	}
	return nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := p.choose()
	if b == nil {
		p.failed("proxy: "+r.Method+" "+r.URL.Path, http.ErrServerClosed)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	// Go's transport by itself asks again where a kept connection turns out to be closed. That counts as a failure here.
	connections := 0
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }}
	b.forward.ServeHTTP(w, r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if connections > 1 {
		p.failed("proxy: "+r.Method+" "+r.URL.Path, errTwice)
	}
}
