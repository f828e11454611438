package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"bitb/domain/dbtest"
	"bitb/domain/secret"
)

// authority is Let's Encrypt's own test server, which asks whoever stands behind the two addresses whether a name is theirs.
type authority struct {
	*httptest.Server
	roots *x509.CertPool

	issued atomic.Int32
}

func newAuthority(t *testing.T, plain, secure string) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet := log.New(io.Discard, "", 0)
	name := freeAddress(t)
	dns, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{name}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	dns.SetDefaultDNSIPv4("127.0.0.1")
	dns.SetDefaultDNSIPv6("")
	go dns.Run()
	t.Cleanup(dns.Shutdown)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 90 * 24 * 3600}})
	front := wfe.New(quiet, store, va.New(quiet, port(t, plain), port(t, secure), false, name, store), issuer, []string{"pebble.letsencrypt.org"}, false, false, 0, 0)
	a := &authority{roots: x509.NewCertPool()}
	handler := front.Handler()
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/finalize-order/") {
			a.issued.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	root := issuer.GetRootCert(0)
	if root == nil || !a.roots.AppendCertsFromPEM(root.PEM()) {
		t.Fatal("the authority has no root")
	}
	return a
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Two processes share one certificate. One of them asks the authority, which asks the other one whether the name is theirs; a
// third that starts later asks nobody.
func TestCertificatesFromAnAuthority(t *testing.T) {
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) { testAuthority(t, challenge) })
	}
}

func testAuthority(t *testing.T, challenge string) {
	const host = "chat.example.com"
	plain, secure := freeAddress(t), freeAddress(t)
	a, scratch := newAuthority(t, plain, secure), dbtest.New(t)
	key := secret.NewKey()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "a page") })
	process := func() (*tls.Config, http.Handler) {
		c := Config{PublicURL: "https://" + host, ACMEEmail: "ops@example.com", ACMEDirectory: a.URL + wfe.DirectoryPath, EncryptionKeys: Secret(key), resolver: &secret.Resolver{}}
		s := &server{config: c, log: slog.New(slog.DiscardHandler), metrics: newMetrics(), db: scratch.DB, authority: a.Client()}
		var err error
		if s.keys, err = c.keyrings(nil, nil); err != nil {
			t.Fatal(err)
		}
		config, plain, err := s.certificates(page)
		if err != nil {
			t.Fatal(err)
		}
		return config, plain
	}
	asking, _ := process()
	answering, challenges := process()
	if challenge == "http-01" {
		answering = asking.Clone()
		answering.NextProtos = []string{"http/1.1"} // what does not know acme-tls/1
	}
	serveAt(t, plain, challenges, nil)
	serveAt(t, secure, page, answering)

	certificates := make(chan *tls.Certificate, 2)
	for _, config := range []*tls.Config{asking, answering} {
		go func() {
			certificate, err := config.GetCertificate(hello(host))
			if err != nil {
				t.Error(err)
			}
			certificates <- certificate
		}()
	}
	one, two := <-certificates, <-certificates
	if one == nil || two == nil || one.Leaf.SerialNumber.Cmp(two.Leaf.SerialNumber) != 0 {
		t.Fatalf("two processes have two certificates: %v and %v", one, two)
	}
	later, _ := process()
	for name, asked := range map[string]*tls.ClientHelloInfo{"later": hello(host), "without a name": hello("")} {
		if three, err := later.GetCertificate(asked); err != nil || three.Leaf.SerialNumber.Cmp(one.Leaf.SerialNumber) != 0 {
			t.Errorf("%s: %v %v", name, three, err)
		}
	}
	if _, err := later.GetCertificate(hello("other.example.com")); err == nil {
		t.Error("there is a certificate for another name")
	}
	if n := a.issued.Load(); n != 1 {
		t.Errorf("the authority was asked for %d certificates", n)
	}
	if n := scratch.Count(t, "select count(*) from auth.sealed where encode(data, 'escape') ~ 'KEY|CERT'"); n != 0 {
		t.Errorf("%d keys or certificates can be read in the database", n)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots, ServerName: host}}}
	if r, err := client.Get("https://" + secure + "/"); err != nil {
		t.Error(err)
	} else {
		r.Body.Close()
	}
	old := &tls.Config{RootCAs: a.roots, ServerName: host, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", secure, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func hello(host string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

func serveAt(t *testing.T, address string, handler http.Handler, config *tls.Config) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Second}
	go func() {
		if config == nil {
			_ = srv.Serve(l)
		} else {
			_ = srv.ServeTLS(l, "", "")
		}
	}()
	t.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
}

// The program with a certificate from files: served at once, and when the files change, without a restart. A half-written pair changes
// nothing. Beside it plain HTTP is sent on.
func TestCertificateFromFiles(t *testing.T) {
	files := newCertFiles(t)
	files.write(t, "first")
	public := freeAddress(t)
	settings := map[string]string{"DATABASE_URL": dbtest.New(t).URL, "BITB_TLS_CERT_FILE": files.cert, "BITB_TLS_KEY_FILE": files.key, "BITB_WORKERS": "0",
		"BITB_PUBLIC_URL": "https://chat.example.com"}
	settings["BITB_LISTEN"] = public
	p := bootAt(t, "serve", settings, "BITB_HTTP_LISTEN")
	shown := func() string {
		conn, err := tls.Dial("tcp", public, &tls.Config{RootCAs: files.roots, ServerName: "chat.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if name := shown(); name != "first" {
		t.Errorf("shows %s", name)
	}
	files.spoil(t)
	if name := shown(); name != "first" {
		t.Errorf("with a broken file it shows %s", name)
	}
	files.write(t, "second")
	if name := shown(); name != "second" {
		t.Errorf("after the change it shows %s", name)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: files.roots, ServerName: "chat.example.com"}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, public)
		}}}
	r, err := client.Get("https://chat.example.com/signin")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 200 || r.ProtoMajor != 2 || !strings.HasPrefix(r.Header.Get("Strict-Transport-Security"), "max-age=31536000") {
		t.Errorf("%s %s, HSTS %q", r.Proto, r.Status, r.Header.Get("Strict-Transport-Security"))
	}
	if r, _ := plainly(t, "GET", p.url+"/signin", "chat.example.com"); r.StatusCode != 308 || r.Header.Get("Location") != "https://chat.example.com/signin" {
		t.Errorf("plain HTTP: %d to %s", r.StatusCode, r.Header.Get("Location"))
	}
	metrics, body := plainly(t, "GET", p.metrics+"/metrics", "")
	if metrics.StatusCode != 200 || !strings.Contains(body, "bitb_certificate_expires_timestamp_seconds 2") && !strings.Contains(body, "bitb_certificate_expires_timestamp_seconds 1.") {
		t.Error("the metrics do not say when the certificate expires")
	}
}
