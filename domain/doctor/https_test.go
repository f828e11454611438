package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// product answers as BITB does behind HTTPS, but for what a test changes.
type product struct {
	hsts   []string
	status int
	date   time.Time
	noID   bool
	days   int    // that the certificate is good for
	least  uint16 // version of TLS
}

func (p product) site(t *testing.T) Site {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Strict-Transport-Security"] = p.hsts
		w.Header().Set("Date", p.date.UTC().Format(http.TimeFormat))
		if !p.noID {
			w.Header().Set("X-Request-Id", "x")
		}
		w.WriteHeader(p.status)
	}))
	certificate, roots := certificateFor(t, p.days)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: p.least} //nolint:gosec // one of the faults
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return Site{URL: s.URL, Plain: "http://127.0.0.1:1", Roots: roots}
}

func certificateFor(t *testing.T, days int) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A test's own"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Duration(days)*24*time.Hour + time.Minute), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func good() product {
	return product{hsts: []string{"max-age=31536000; includeSubDomains"}, status: http.StatusOK, date: time.Now(), days: 80, least: tls.VersionTLS12}
}

func TestHTTPS(t *testing.T) {
	with := func(change func(*product)) Site {
		p := good()
		change(&p)
		return p.site(t)
	}
	well := good().site(t)
	gone := Site{URL: "https://127.0.0.1:1"}
	for _, c := range []struct {
		name string
		got  Result
		want Status
		says string
	}{
		{"ready", well.Answers(t.Context()), Passed, "ready"},
		{"not ready", with(func(p *product) { p.status = 503 }).Answers(t.Context()), Failed, "503"},
		{"something else", with(func(p *product) { p.noID = true }).Answers(t.Context()), Failed, "Something else answers"},
		{"nobody", gone.Answers(t.Context()), Failed, "Nothing answers at https://127.0.0.1:1"},
		{"hsts", well.HSTS(t.Context()), Passed, "365 days"},
		{"no hsts", with(func(p *product) { p.hsts = nil }).HSTS(t.Context()), Failed, "0 times"},
		{"hsts twice", with(func(p *product) { p.hsts = append(p.hsts, p.hsts[0]) }).HSTS(t.Context()), Failed, "2 times"},
		{"a short hsts", with(func(p *product) { p.hsts = []string{"max-age=3600; includeSubDomains"} }).HSTS(t.Context()), Failed, "max-age=3600"},
		{"hsts for one name", with(func(p *product) { p.hsts = []string{"max-age=31536000"} }).HSTS(t.Context()), Failed, "includeSubDomains"},
		{"hsts of nobody", gone.HSTS(t.Context()), Failed, "Nothing answers"},
		{"tls", well.TLS(t.Context()), Passed, "TLS 1.3"},
		{"old tls", with(func(p *product) { p.least = tls.VersionTLS10 }).TLS(t.Context()), Failed, "TLS 1.1 is still spoken"},
		{"no tls", gone.TLS(t.Context()), Failed, "No TLS"},
		{"certificate", well.Certificate(t.Context()), Passed, "80 days are left, from A test's own"},
		{"one that ends", with(func(p *product) { p.days = 3 }).Certificate(t.Context()), Failed, "ends in 3 days"},
		{"one that ended", with(func(p *product) { p.days = -1 }).Certificate(t.Context()), Failed, "expired"},
		{"one of a stranger", Site{URL: well.URL}.Certificate(t.Context()), Failed, "no certificate that browsers believe"},
		{"clock", well.Date(t.Context()), Passed, "127.0.0.1"},
		{"clock apart", with(func(p *product) { p.date = time.Now().Add(-time.Minute) }).Date(t.Context()), Failed, "apart"},
		{"clock of nobody", gone.Date(t.Context()), Failed, "Nothing answers"},
	} {
		ends(t, c.name, c.got, c.want, c.says)
	}
}

func TestRedirect(t *testing.T) {
	site := good().site(t)
	plain := func(status int, to string) Result {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to != "" {
				w.Header().Set("Location", to+r.URL.Path)
			}
			w.WriteHeader(status)
		}))
		defer s.Close()
		site.Plain = s.URL
		return site.Redirect(t.Context())
	}
	ends(t, "308", plain(308, site.URL), Passed, "308")
	ends(t, "301", plain(301, site.URL), Passed, "301")
	ends(t, "for this time", plain(302, site.URL), Failed, "for this time only")
	ends(t, "elsewhere", plain(308, "https://elsewhere.example"), Failed, "elsewhere.example")
	ends(t, "to plain HTTP", plain(308, "http://127.0.0.1"), Failed, "http://127.0.0.1")
	ends(t, "served", plain(200, ""), Failed, "answers 200 OK over plain HTTP")
	site.Plain = "http://127.0.0.1:1"
	ends(t, "closed", site.Redirect(t.Context()), Passed, "Nothing answers to plain HTTP")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // as behind a firewall that drops
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	site.Plain = "http://" + silent.Addr().String()
	ends(t, "silent", Check{Limit: time.Second, Run: site.Redirect}.run(t.Context()), Passed, "Nothing answers to plain HTTP")
}
