package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bitb/domain/dbtest"
	"bitb/domain/secret"
)

// production are the settings of a server in production behind a proxy on this machine.
func production(t *testing.T, db *dbtest.Database) map[string]string {
	t.Helper()
	address, _, _ := db.Login(t)
	return map[string]string{"DATABASE_URL": address, "BITB_PRODUCTION": "true", "BITB_PUBLIC_URL": "https://chat.example.com", "BITB_WORKERS": "0",
		"BITB_TRUSTED_PROXIES": "127.0.0.1/32", "BITB_ENCRYPTION_KEYS": secret.NewKey(), "BITB_SESSION_KEYS": secret.NewKey()}
}

// answered is what came back, its body apart.
type answered struct {
	StatusCode int
	Header     http.Header
}

func (a answered) Cookies() []*http.Cookie { return (&http.Response{Header: a.Header}).Cookies() }

// plainly makes a request as it is written, follows nothing, and returns the answer with its body.
func plainly(t *testing.T, method, address, host string, headers ...string) (answered, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader("email=a%40example.com&password=geheim"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{resp.StatusCode, resp.Header}, string(body)
}

// In production no page, no cookie and no answer goes out over plain HTTP, whatever is asked for; probes by address still work.
func TestPlainHTTPIsRefused(t *testing.T) {
	p := boot(t, "serve", production(t, dbtest.New(t)))
	const host, https = "chat.example.com", "X-Forwarded-Proto"
	for _, tt := range []struct {
		method, path, host string
		headers            []string
		status             int
		location           string
	}{
		{"GET", "/signin", host, nil, 308, "https://chat.example.com/signin"},
		{"GET", "/signin?next=%2Fdocuments", host, []string{https, "http"}, 308, "https://chat.example.com/signin?next=%2Fdocuments"},
		{"HEAD", "/static/app.css", host, nil, 308, "https://chat.example.com/static/app.css"},
		{"GET", "/widget/v1/bots/0198c5f2-0000-7000-8000-000000000000", host, []string{"Origin", "https://shop.example"}, 308,
			"https://chat.example.com/widget/v1/bots/0198c5f2-0000-7000-8000-000000000000"},
		{"POST", "/widget/v1/bots/0198c5f2-0000-7000-8000-000000000000/visitors", host, []string{"Origin", "https://shop.example"}, 403, ""},
		{"OPTIONS", "/widget/v1/bots/0198c5f2-0000-7000-8000-000000000000", host, []string{"Origin", "https://shop.example"}, 403, ""},
		{"POST", "/signin", host, nil, 403, ""},
		{"GET", "//evil.example/", host, nil, 308, "https://chat.example.com//evil.example/"},
		{"GET", "/signin", host, []string{https, "https, http"}, 308, "https://chat.example.com/signin"},
		{"GET", "/signin", host, []string{https, "http", https, "https"}, 308, "https://chat.example.com/signin"},
		{"GET", "/signin", host, []string{https, "https"}, 200, ""},
		{"GET", "/signin", host + ":443", []string{https, "https"}, 200, ""},
		{"GET", "/signin", "evil.example", []string{https, "https"}, 421, ""},
		{"GET", "/signin", "evil.example", nil, 421, ""},
		{"GET", "/signin", "127.0.0.1", []string{https, "https", "X-Forwarded-Host", host}, 421, ""},
		{"GET", "/healthz", "127.0.0.1:8080", nil, 200, ""},
		{"GET", "/readyz", "10.1.2.3", nil, 200, ""},
	} {
		r, body := plainly(t, tt.method, p.url+tt.path, tt.host, tt.headers...)
		name := strings.Join(append([]string{tt.method, tt.path, tt.host}, tt.headers...), " ")
		if r.StatusCode != tt.status || r.Header.Get("Location") != tt.location {
			t.Errorf("%s: %d to %q, want %d to %q", name, r.StatusCode, r.Header.Get("Location"), tt.status, tt.location)
		}
		secure := slices.Contains(tt.headers, "https") && tt.status == 200
		if hsts := r.Header.Get("Strict-Transport-Security"); (hsts == "max-age=31536000; includeSubDomains") != secure || (hsts != "") != secure {
			t.Errorf("%s: HSTS %q", name, hsts)
		}
		if !secure && (len(r.Cookies()) > 0 || r.Header.Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("%s: sends %v", name, r.Header)
		}
		if tt.status == 308 && strings.Contains(body, "<form") {
			t.Errorf("%s: a page comes along: %s", name, body)
		}
	}
	r, _ := plainly(t, "POST", p.url+"/signup", host, https, "https")
	for _, cookie := range r.Cookies() {
		if !cookie.Secure || !strings.HasPrefix(cookie.Name, "__Host-") {
			t.Errorf("the cookie %s", cookie)
		}
	}
}

// Only the proxies that are named are believed, and only by the connection's own address.
func TestWhoIsBelievedToHaveHTTPS(t *testing.T) {
	c := Config{Production: true, TrustedProxy: []string{"10.0.0.0/8", " fd00::/8"}}
	secured := c.secured()
	for _, tt := range []struct {
		peer, proto string
		want        bool
	}{
		{"10.1.2.3:5000", "https", true}, {"10.1.2.3:5000", "HTTPS", true}, {"[fd00::1]:5000", "https", true}, {"[::ffff:10.1.2.3]:5000", "https", true},
		{"10.1.2.3:5000", "https, https", true}, {"10.1.2.3:5000", "http, https", false}, {"10.1.2.3:5000", "", false}, {"10.1.2.3:5000", "wss", false},
		{"192.0.2.1:5000", "https", false}, {"[2001:db8::1]:5000", "https", false}, {"127.0.0.1:5000", "https", false}, {"@", "https", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header.Set("X-Forwarded-For", "10.1.2.3")
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if got := secured(r); got != tt.want {
			t.Errorf("%s says %q: %v", tt.peer, tt.proto, got)
		}
		if r.TLS = new(tls.ConnectionState); !secured(r) {
			t.Errorf("%s with TLS is not believed", tt.peer)
		}
	}
	if (&Config{TrustedProxy: c.TrustedProxy}).secured() != nil {
		t.Error("plain HTTP is refused outside production")
	}
}
