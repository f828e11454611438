package handlers

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// overHTTPS lets through what came over HTTPS and to our own name. Whoever came over plain HTTP is sent on where that is safe, and
// refused where something was sent already: no page, no cookie and no answer goes out in clear. Probes come by address and are let through.
func (s *server) overHTTPS(next http.Handler) (http.Handler, error) {
	if s.Secured == nil {
		return next, nil
	}
	public, err := url.Parse(s.PublicURL)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz" || r.URL.Path == "/readyz":
			next.ServeHTTP(w, r)
		case !strings.EqualFold(hostname(r.Host), public.Hostname()):
			http.Error(w, "There is no such site here.", http.StatusMisdirectedRequest)
		case s.Secured(r):
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			http.Redirect(w, r, s.PublicURL+r.URL.RequestURI(), http.StatusPermanentRedirect)
		default:
			http.Error(w, "This was sent without encryption, so it was not read. Use "+s.PublicURL, http.StatusForbidden)
		}
	}), nil
}

// hostname is a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
