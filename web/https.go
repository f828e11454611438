package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/sync/errgroup"

	"bitb/domain/secret"
)

// ownTLS reports whether this process ends TLS itself.
func (c *Config) ownTLS() bool { return c.ACMEEmail != "" || c.TLSCert != "" }

// httpsOnly reports whether plain HTTP is refused.
func (c *Config) httpsOnly() bool { return c.Production || c.ownTLS() }

// checkHTTPS says what is wrong with the settings of HTTPS.
func (c *Config) checkHTTPS() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if (c.TLSCert == "") != (c.TLSKey == "") {
		wrong("BITB_TLS_CERT_FILE and BITB_TLS_KEY_FILE must be set together")
	}
	if c.TLSCert != "" && c.ACMEEmail != "" {
		wrong("BITB_TLS_CERT_FILE and BITB_ACME_EMAIL are two ways to a certificate; set one of them")
	}
	u, err := url.Parse(c.PublicURL)
	if c.ownTLS() && (err != nil || u.Scheme != "https") {
		wrong("BITB_PUBLIC_URL must begin with https:// where the server has a certificate of its own")
	} else if c.ACMEEmail != "" && (net.ParseIP(u.Hostname()) != nil || !strings.Contains(u.Hostname(), ".")) {
		wrong("BITB_PUBLIC_URL must have a name in the DNS for BITB_ACME_EMAIL to get a certificate for it")
	}
	if c.ACMEEmail != "" && !strings.Contains(c.ACMEEmail, "@") {
		wrong("BITB_ACME_EMAIL must be the e-mail address that the certificate authority writes to")
	}
	if u, err := url.Parse(c.ACMEDirectory); err != nil || (c.ACMEDirectory != "" && (u.Scheme != "https" || u.Host == "")) {
		wrong("BITB_ACME_DIRECTORY must be the address of a certificate authority's directory, like %s", acme.LetsEncryptURL)
	}
	for _, proxy := range c.proxies() {
		if c.Production && proxy.Bits() == 0 {
			wrong("BITB_TRUSTED_PROXIES: %s would believe everybody; name the proxy's own addresses", proxy)
		}
	}
	return errs
}

// checkServing says what a server in production cannot do without.
func (c *Config) checkServing() error {
	if c.ownTLS() || len(c.TrustedProxy) > 0 {
		return nil
	}
	return errors.New("plain HTTP is refused in production, and nothing says how HTTPS is made. Set BITB_TRUSTED_PROXIES to the addresses of the proxy " +
		"that ends TLS, or BITB_ACME_EMAIL for certificates of the server's own, or BITB_TLS_CERT_FILE and BITB_TLS_KEY_FILE (docs/https.md)")
}

// host is the name that people reach the server by.
func (c *Config) host() string {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return "" // not to be had: the settings were checked
	}
	return u.Hostname()
}

// proxies are the ranges of addresses that are believed; the settings were checked.
func (c *Config) proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range c.TrustedProxy {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
			all = append(all, prefix)
		}
	}
	return all
}

// secured tells whether a request came over HTTPS: to us, or to a trusted proxy that says so. Where several proxies say something, all
// must say https: what a visitor put there himself stands first.
func (c *Config) secured() func(*http.Request) bool {
	if !c.httpsOnly() {
		return nil
	}
	trusted := c.proxies()
	return func(r *http.Request) bool {
		if r.TLS != nil {
			return true
		}
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return false
		}
		said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
		for _, proto := range said {
			if !strings.EqualFold(strings.TrimSpace(proto), "https") {
				return false
			}
		}
		for _, prefix := range trusted {
			if prefix.Contains(peer.Addr().Unmap()) {
				return true
			}
		}
		return false
	}
}

// listen serves the public interface as the settings say: over HTTPS of its own with a second address for plain HTTP, which answers
// the certificate authority and sends everybody else on; or over plain HTTP, behind a proxy.
func (s *server) listen(ctx context.Context, group *errgroup.Group, handler http.Handler) error {
	c := s.config
	if !c.ownTLS() {
		return serve(s.drain.over, group, c.Listen, handler, "BITB_LISTEN")
	}
	certificates, plain, err := s.certificates(handler)
	if err != nil {
		return err
	}
	if c.ACMEEmail != "" {
		group.Go(func() error { s.firstCertificate(ctx, certificates); return nil })
	}
	if address := cmp.Or(c.HTTPListen, ":80"); address != "off" {
		if err := serve(s.drain.over, group, address, plain, "BITB_HTTP_LISTEN"); err != nil {
			return err
		}
	}
	return serve(s.drain.over, group, c.Listen, handler, "BITB_LISTEN", func(srv *http.Server) {
		srv.TLSConfig = certificates
		srv.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // every scanner's broken handshake
	})
}

// certificates returns what TLS needs, and what is served on the address for plain HTTP.
func (s *server) certificates(handler http.Handler) (*tls.Config, http.Handler, error) {
	c := s.config
	if c.TLSCert != "" {
		pair := &certFiles{cert: c.TLSCert, key: c.TLSKey, log: s.log}
		if err := pair.load(); err != nil {
			return nil, nil, fmt.Errorf("BITB_TLS_CERT_FILE and BITB_TLS_KEY_FILE: %w", err)
		}
		get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.current(), nil }
		return &tls.Config{GetCertificate: s.noting(get), MinVersion: tls.VersionTLS12}, handler, nil
	}
	host := c.host()
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Email: c.ACMEEmail, Cache: &certCache{secret.NewStore(s.db, s.keys.encryption)},
		HostPolicy: func(_ context.Context, name string) error {
			if bare, _, err := net.SplitHostPort(name); err == nil {
				name = bare
			}
			if name != host {
				return fmt.Errorf("there is no certificate for %q here", name)
			}
			return nil
		},
		Client: &acme.Client{DirectoryURL: cmp.Or(c.ACMEDirectory, acme.LetsEncryptURL), UserAgent: "bitb", HTTPClient: s.authority},
	}
	config := m.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = s.noting(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" { // a probe by address
			named := *hello
			named.ServerName = host
			hello = &named
		}
		return m.GetCertificate(hello)
	})
	return config, m.HTTPHandler(handler), nil
}

// firstCertificate asks for the certificate before anybody waits for it.
func (s *server) firstCertificate(ctx context.Context, config *tls.Config) {
	host := s.config.host()
	for ctx.Err() == nil {
		_, err := config.GetCertificate(&tls.ClientHelloInfo{ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
		if err == nil {
			return
		}
		s.log.Error("there is no certificate yet; the next try is in a minute", "host", host, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}

// noting tells the metrics when the certificate in use expires.
func (s *server) noting(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := get(hello)
		if err == nil && certificate.Leaf != nil {
			s.metrics.certificate.Set(float64(certificate.Leaf.NotAfter.Unix()))
		}
		return certificate, err
	}
}

// certFiles are a certificate and its key, read again when a file has changed: whoever renews them need not tell.
type certFiles struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	stamps [2]string
	pair   *tls.Certificate
}

func (f *certFiles) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read(f.stamp())
}

func (f *certFiles) read(stamps [2]string) error {
	f.stamps = stamps // a pair that is not good is not tried again before it changes
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return err
	}
	f.pair = &pair
	return nil
}

// current is the newest pair that fits together.
func (f *certFiles) current() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stamps := f.stamp(); stamps != f.stamps {
		if err := f.read(stamps); err != nil {
			f.log.Warn("the certificate's files changed and cannot be used; the one before stays in use", "error", err)
		} else {
			f.log.Info("the certificate's files changed", "expires", f.pair.Leaf.NotAfter)
		}
	}
	return f.pair
}

// stamp changes when a file does.
func (f *certFiles) stamp() (stamps [2]string) {
	for i, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = fmt.Sprint(info.ModTime().UnixNano(), info.Size())
		}
	}
	return stamps
}

// certCache shares certificates, the account and the answers to challenges among all processes, sealed in the database. Only one of
// them asks for a certificate that is not there: authorities allow a few a week.
type certCache struct{ store *secret.Store }

const (
	certName  = "acme "
	certLease = time.Minute
	certWait  = 10 * time.Second
)

// Get implements autocert.Cache.
func (c *certCache) Get(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, certWait)
	defer cancel()
	for {
		data, found, err := c.store.Get(ctx, certName+name)
		switch {
		case err != nil:
			return nil, err
		case found:
			return data, nil
		case strings.Contains(strings.TrimSuffix(name, "+rsa"), "+"): // an account or a challenge
			return nil, autocert.ErrCacheMiss
		}
		if mine, err := c.store.Lease(ctx, certName+name, certLease); err != nil {
			return nil, err
		} else if mine {
			return nil, autocert.ErrCacheMiss
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("another process is getting the certificate")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Put implements autocert.Cache.
func (c *certCache) Put(ctx context.Context, name string, data []byte) error {
	return c.store.Put(ctx, certName+name, bytes.Clone(data))
}

// Delete implements autocert.Cache.
func (c *certCache) Delete(ctx context.Context, name string) error {
	return c.store.Delete(ctx, certName+name)
}
