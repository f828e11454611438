package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Site is the address that people use, asked from outside as they do.
type Site struct {
	URL   string         // BITB_PUBLIC_URL
	Plain string         // the same without TLS: "" for port 80 of its host
	Roots *x509.CertPool // that its certificate must come from; nil: the system's
}

// client follows no redirect and keeps no connection, so that each check sees its own answer.
func (s Site) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reply is an answer without its body, which no check reads.
type reply struct {
	code   int
	status string // "200 OK"
	header http.Header
}

func (s Site) get(ctx context.Context, address string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return reply{}, err
	}
	res, err := s.client().Do(req)
	if err != nil {
		return reply{}, err
	}
	return reply{res.StatusCode, res.Status, res.Header}, res.Body.Close()
}

func (s Site) host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Answers wants the product to be ready at the address.
func (s Site) Answers(ctx context.Context) Result {
	res, err := s.get(ctx, s.URL+"/readyz")
	switch {
	case err != nil:
		return s.away(err)
	case res.header.Get("X-Request-Id") == "":
		return Fail("Something else answers at %s (%s).", s.URL, res.status).Doing("See where BITB_PUBLIC_URL and the proxy in front lead.")
	case res.code != http.StatusOK:
		return Fail("The server is not ready: %s.", res.status).Doing("Its log says why; most often the database does not answer.")
	}
	return Pass("Answers, and is ready.")
}

func (s Site) away(err error) Result {
	return Fail("Nothing answers at %s: %v.", s.URL, cause(err)).Doing("Start it with `bitb serve`, and see that the name leads here and the proxy to it.")
}

// Redirect wants plain HTTP to lead to HTTPS and nowhere else, or not to be there.
func (s Site) Redirect(ctx context.Context) Result {
	plain := s.Plain
	if plain == "" {
		plain = "http://" + bracketed(s.host())
	}
	if end, ok := ctx.Deadline(); ok { // a firewall that says nothing closes it as well as one that refuses
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	res, err := s.get(ctx, plain+"/signin")
	if err != nil {
		return Pass("Nothing answers to plain HTTP.")
	}
	to := res.header.Get("Location")
	switch {
	case res.code < 300 || res.code > 399:
		return Fail("%s answers %s over plain HTTP.", plain, res.status).Doing("Let the proxy redirect with 308, or let BITB serve HTTPS by itself (docs/https.md).")
	case !strings.HasPrefix(to, s.URL+"/"):
		return Fail("Plain HTTP leads to %q.", to).Doing("Let it lead to %s (docs/https.md).", s.URL)
	case res.code != http.StatusMovedPermanently && res.code != http.StatusPermanentRedirect:
		return Fail("Plain HTTP leads to HTTPS for this time only (%d).", res.code).Doing("Redirect with 308, which browsers remember.")
	}
	return Pass("Plain HTTP leads to HTTPS (%d).", res.code)
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

const hstsSeconds = 365 * 24 * 60 * 60

// HSTS wants browsers to be told to use HTTPS alone, for a year at least and for all names below.
func (s Site) HSTS(ctx context.Context) Result {
	res, err := s.get(ctx, s.URL+"/signin")
	if err != nil {
		return s.away(err)
	}
	header := res.header.Values("Strict-Transport-Security")
	const do = "The server sends it when BITB_PUBLIC_URL begins with https://. See that the proxy neither drops nor doubles it (docs/https.md)."
	if len(header) != 1 {
		return Fail("Strict-Transport-Security is sent %d times.", len(header)).Doing(do)
	}
	seconds, below := 0, false
	for part := range strings.SplitSeq(header[0], ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(name) {
		case "max-age":
			seconds, _ = strconv.Atoi(strings.Trim(value, `"`))
		case "includesubdomains":
			below = true
		}
	}
	if seconds < hstsSeconds || !below {
		return Fail("Strict-Transport-Security is %q.", header[0]).Doing("A year at least (max-age=31536000; includeSubDomains). " + do)
	}
	return Pass("Browsers are told to use HTTPS alone for %d days.", seconds/86_400)
}

// TLS wants a new version of TLS and no old one.
func (s Site) TLS(ctx context.Context) Result {
	state, err := s.shake(ctx, tls.VersionTLS12, tls.VersionTLS13)
	if err != nil {
		return Fail("No TLS 1.2 or 1.3: %v.", cause(err)).Doing("See the settings of what ends TLS (docs/https.md).")
	}
	if old, err := s.shake(ctx, tls.VersionTLS10, tls.VersionTLS11); err == nil {
		return Fail("%s is still spoken.", tls.VersionName(old.Version)).Doing("Allow TLS 1.2 and 1.3 alone where TLS ends (docs/https.md).")
	}
	return Pass("%s, and nothing older than TLS 1.2.", tls.VersionName(state.Version))
}

const fewDays = 14

// Certificate wants one that browsers believe, and that is not about to end.
func (s Site) Certificate(ctx context.Context) Result {
	state, err := s.shake(ctx, tls.VersionTLS12, tls.VersionTLS13)
	if err != nil {
		return Fail("There is no certificate that browsers believe: %v.", cause(err)).Doing("Get one for %s: by ACME, or from the proxy (docs/https.md).", s.host())
	}
	leaf := state.PeerCertificates[0]
	days := int(time.Until(leaf.NotAfter).Hours() / 24)
	if days < fewDays {
		return Fail("The certificate ends in %s.", plural(days, "day", "days")).Doing("It should have been renewed by itself. See the log of what gets it (docs/https.md).")
	}
	return Pass("%s left, from %s.", plural(days, "day is", "days are"), leaf.Issuer.CommonName)
}

func (s Site) shake(ctx context.Context, least, most uint16) (tls.ConnectionState, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: s.Roots, ServerName: u.Hostname(), MinVersion: least, MaxVersion: most}} //nolint:gosec // old versions must be refused
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// Date compares this machine's clock with the one at the address, which is to the second.
func (s Site) Date(ctx context.Context) Result {
	res, err := s.get(ctx, s.URL+"/healthz")
	if err != nil {
		return s.away(err)
	}
	theirs, err := http.ParseTime(res.header.Get("Date"))
	if err != nil {
		return NA("What answers at %s does not say what time it is.", s.URL)
	}
	return judgeSkew(s.host(), time.Since(theirs)-500*time.Millisecond, time.Second)
}

// cause leaves out the address and the method, which the sentence around it says already.
func cause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// Speed is what a call took, for a line.
func Speed(began time.Time) string { return fmt.Sprintf("in %d ms", time.Since(began).Milliseconds()) }
