package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/redis"
	"bitb/handlers"
)

func TestUploadRefuses(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	for name, c := range map[string]struct {
		content []byte
		status  int
	}{
		"empty.txt":   {nil, http.StatusUnprocessableEntity},
		"picture.pdf": {[]byte("\x89PNG\r\n\x1a\n"), http.StatusUnsupportedMediaType},
		"large.txt":   {bytes.Repeat([]byte("a"), 25<<20+1), http.StatusRequestEntityTooLarge},
	} {
		r := m.upload(t, name, c.content)
		want(t, name, r, c.status)
		if e := decode[map[string]any](t, r.body); e["message"] == "" || e["code"] == "" {
			t.Errorf("%s: answered %s", name, r.body)
		}
	}
	for name, body := range map[string]string{
		"no form":  "hello",
		"cut form": "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhel",
		"no file":  "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nhello\r\n--x--\r\n",
		"nothing":  "--x--\r\n",
	} {
		r := m.do(t, m.request(t, http.MethodPost, "/documents", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=x", "Accept", "application/json"))
		want(t, name, r, http.StatusBadRequest)
	}
	if n := a.db.Count(t, "select (select count(*) from documents) + (select count(*) from document_files)"); n != 0 {
		t.Errorf("%d rows were left by uploads that were refused", n)
	}
}

// A file that is too large is refused by its stated length, before it has been sent.
func TestTooLargeIsSaidAtOnce(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	sent := &counter{left: 30 << 20}
	r := m.request(t, http.MethodPost, "/documents", sent, "Content-Type", "multipart/form-data; boundary=x", "Accept", "application/json", "Expect", "100-continue")
	r.ContentLength = sent.left
	m.Transport = &http.Transport{ExpectContinueTimeout: 10 * time.Second}
	want(t, "30 MB", m.do(t, r), http.StatusRequestEntityTooLarge)
	if sent.read > 1<<20 {
		t.Errorf("%d bytes were read first", sent.read)
	}
}

type counter struct{ left, read int64 }

func (c *counter) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), c.left)
	c.left, c.read = c.left-n, c.read+n
	return int(n), nil
}

func TestNamesAreText(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	for sent, shown := range map[string]string{
		`../../etc/passwd`: "passwd", `C:\temp\plan.txt`: "plan.txt", "<script>alert(1)</script>.txt": "script&gt;.txt",
		`"><img src=x onerror=alert(1)>.txt`: `&#34;&gt;&lt;img src=x onerror=alert(1)&gt;.txt`, "..": "Untitled",
		strings.Repeat("ä", 4000) + ".txt": strings.Repeat("ä", 251) + ".txt", "invoice\u202etxt.exe": "invoicetxt.exe",
	} {
		r := m.upload(t, sent, []byte("the content of "+sent))
		want(t, sent, r, http.StatusCreated)
		id := decode[map[string]any](t, r.body)["id"].(string)
		page := m.get(t, "/documents/"+id, "Accept", "text/html")
		want(t, sent, page, http.StatusOK)
		if !strings.Contains(page.body, shown) || strings.Contains(page.body, "<img src=x") || strings.Contains(page.body, "<script>alert") {
			t.Errorf("%.60q is not shown as %.60q", sent, shown)
		}
		file := m.get(t, "/documents/"+id+"/file")
		h := file.Header
		if file.body != "the content of "+sent || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Content-Type") != "application/octet-stream" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%.60q is downloaded as %v", sent, h)
		}
	}
}

func TestSameFileTwice(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "One"), a.owner(t, "Two")
	want(t, "first", m.upload(t, "prices.txt", []byte("Prices")), http.StatusCreated)
	r := m.upload(t, "prices (1).txt", []byte("Prices"))
	want(t, "again", r, http.StatusOK)
	if got := decode[map[string]any](t, r.body); got["duplicate"] != true || got["existing"] != "prices.txt" {
		t.Errorf("answered %s", r.body)
	}
	want(t, "another tenant", other.upload(t, "prices.txt", []byte("Prices")), http.StatusCreated)
}

func TestListSelects(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	for i := range 25 {
		want(t, "upload", m.upload(t, fmt.Sprintf("plan %02d%%.txt", i), fmt.Appendf(nil, "%*d", i+1, i)), http.StatusCreated)
	}
	m.ready(t, "ready.md", "It is ready.")
	for query, names := range map[string]struct{ in, out string }{
		"?q=plan+07":                            {"plan 07%.txt", "plan 08%.txt"},
		"?q=%25":                                {"plan 24%.txt", "ready.md"},
		"?status=ready":                         {"ready.md", "plan 01%.txt"},
		"?status=busy&sort=name":                {"plan 01%.txt", "ready.md"},
		"?sort=name&dir=asc&page=2":             {"ready.md", "plan 01%.txt"},
		"?sort=size&dir=desc":                   {"plan 24%.txt", "plan 00%.txt"},
		"?sort=name;drop+table&status='or+1=1":  {"ready.md", "nothing"},
		"?q=%00%ff'\"\\":                        {"", "ready.md"},
		"?page=99999999999999999999":            {"", "nothing"},
		"?page=-1&dir=sideways&status=ready%00": {"ready.md", "nothing"},
	} {
		r := m.get(t, "/documents"+query, "Accept", "text/html", "HX-Request", "true")
		want(t, query, r, http.StatusOK)
		if !strings.Contains(r.body, names.in) || strings.Contains(r.body, names.out) {
			t.Errorf("%s: want %q and not %q in %.300s", query, names.in, names.out, r.body)
		}
	}
}

// What changes on a document reaches a page that is open.
func TestEvents(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	got, err := m.Do(m.request(t, http.MethodGet, "/documents/events", nil, "Accept", "text/event-stream").WithContext(ctx))
	if err != nil || got.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("%v %v", got, err)
	}
	defer got.Body.Close()
	id, _ := m.ready(t, "prices.txt", "A bicycle costs 19 euros a day.")
	seen, buf := "", make([]byte, 64<<10)
	for !strings.Contains(seen, `id="doc-`+id.String()) || !strings.Contains(seen, "event: counts") {
		n, err := got.Body.Read(buf)
		seen += string(buf[:n])
		if err != nil {
			t.Fatalf("%v after %s", err, seen)
		}
	}
}

// A stream that is open ends within five seconds of its member having no right to it any more.
func TestEventsEndWithTheSession(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	got, err := m.Do(m.request(t, http.MethodGet, "/documents/events", nil, "Accept", "text/event-stream").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	a.db.Exec(t, "update users set session_epoch = session_epoch + 1 where id = $1", m.account.User.ID)
	began := time.Now()
	if _, err := io.Copy(io.Discard, got.Body); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("ended after %s, %v", time.Since(began), err)
	}
}

// Where a sign-in goes on to is a page of this server.
func TestSignInStaysHere(t *testing.T) {
	for next, want := range map[string]string{"/questions?page=2": "/questions?page=2", "": "/documents", "/": "/documents", "//evil.example": "/documents", "https://evil.example": "/documents",
		"javascript:alert(1)": "/documents", `/\evil.example`: "/documents", `\\evil.example`: "/documents", "/a\r\nSet-Cookie: x": "/documents", "/\t/evil.example": "/documents",
		"/signin?next=/signin": "/documents", "evil.example": "/documents"} {
		if got := handlers.LocalPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestPages(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour <b>Loop</b>")
	ids := m.things(t)
	for _, address := range []string{"/documents", "/documents/" + ids["document"].String(), "/documents/" + ids["document"].String() + "/text",
		"/documents/" + ids["document"].String() + "/details", "/documents/" + ids["document"].String() + "?q=bicycle&chunk=" + ids["chunk"].String(),
		"/playground", "/conversations", "/conversations/" + ids["conversation"].String(), "/retrievals/" + ids["retrieval"].String(), "/bot", "/bot/preview", "/settings"} {
		r := m.get(t, address, "Accept", "text/html")
		want(t, address, r, http.StatusOK)
		if strings.Contains(r.body, "<b>Loop</b>") {
			t.Errorf("%s shows a name as markup", address)
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", address, csp)
		}
	}
	for _, address := range []string{"/nothing", "/documents/" + domain.NewID().String()} {
		r := m.get(t, address, "Accept", "text/html")
		want(t, address, r, http.StatusNotFound)
		if !strings.Contains(r.body, "<html") {
			t.Errorf("%s is answered with %s", address, r.body)
		}
	}
}

func TestSignInIsThrottled(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	email := m.account.User.Email
	try := func(password string) response {
		return a.nobody(t).post(t, "/signin", url.Values{"email": {email}, "password": {password}, "next": {"//evil.example"}}, "Accept", "text/html")
	}
	for range 7 {
		if r := try(password); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/documents" {
			t.Fatalf("the right password: %d to %q", r.StatusCode, r.Header.Get("Location"))
		}
	}
	for i := range 5 {
		want(t, fmt.Sprintf("wrong password %d", i+1), try("wrong"), http.StatusUnauthorized)
	}
	r := try("wrong")
	want(t, "wrong password 6", r, http.StatusTooManyRequests)
	if r.Header.Get("Retry-After") == "" || !strings.Contains(r.body, email) {
		t.Errorf("refused with %v %.200s", r.Header, r.body)
	}
	other := a.owner(t, "Elsewhere")
	for range 6 { // an address that would be that of the other account with its place
		a.nobody(t).post(t, "/signin", url.Values{"email": {other.account.User.Email + ":127.0.0.1"}, "password": {"wrong"}})
	}
	want(t, "no address", a.nobody(t).post(t, "/signin", url.Values{"email": {strings.Repeat("x", 100_000)}, "password": {"wrong"}}), http.StatusUnauthorized)
	want(t, "another account", a.nobody(t).post(t, "/signin", url.Values{"email": {other.account.User.Email}, "password": {password}}), http.StatusSeeOther)
}

// Somebody who tries from everywhere keeps people out of an account, but not from where they usually sign in to it.
func TestSignInFromWhereOneUsuallyIs(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	elsewhere := a.nobody(t)
	elsewhere.Transport = &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext}
	try := func(who *member) response {
		return who.post(t, "/signin", url.Values{"email": {m.account.User.Email}, "password": {password}})
	}
	want(t, "from here", try(m), http.StatusSeeOther)
	attacker, err := redis.Open(dbtest.RedisURL(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer attacker.Close()
	key, limit := handlers.SignInEverywhere(m.account.User.Email)
	for range limit.Events {
		attacker.Allow(t.Context(), key, limit)
	}
	want(t, "from elsewhere, meanwhile", try(elsewhere), http.StatusTooManyRequests)
	want(t, "from here, meanwhile", try(m), http.StatusSeeOther)
	want(t, "from elsewhere, after that", try(elsewhere), http.StatusSeeOther)
}

// Whoever has an IPv6 network has all its addresses, and is counted once.
func TestPlaces(t *testing.T) {
	for address, want := range map[string]string{"203.0.113.9:1": "203.0.113.9", "[::ffff:203.0.113.9]:1": "203.0.113.9", "[2001:db8:1:2::1]:1": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff:ffff:ffff:ffff]:1": "2001:db8:1:2::/64", "[2001:db8:1:3::1]:1": "2001:db8:1:3::/64", "[fe80::1%eth0]:1": "fe80::/64", "@": ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = address
		e := echo.New()
		e.IPExtractor = echo.ExtractIPDirect()
		if got := handlers.PlaceOf(e.NewContext(r, httptest.NewRecorder())); got != want {
			t.Errorf("%s is counted as %q, want %q", address, got, want)
		}
	}
}

// So is whoever asks as a website, before anything is looked up.
func TestPlacesOfWebsites(t *testing.T) {
	a := newApp(t)
	r := httptest.NewRequest(http.MethodGet, "/widget/v1/bots/"+domain.NewID().String(), nil)
	r.RemoteAddr = "[2001:db8:1:2::1]:1"
	a.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
	if _, is := a.counted.limits.Load("widget:ip:2001:db8:1:2::/64"); !is {
		t.Error("the request is counted for one of the network's addresses")
	}
}

// A token from before the sign-in is worth nothing after it, one from before a sign-out nothing after that.
func TestSessionTokens(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	base, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookie := m.Jar.Cookies(base)[0]
	if n := a.db.Count(t, "select count(*) from auth.sessions where token_hash = $1", cookie.Value); n != 0 {
		t.Error("the token itself is in the database")
	}
	as := func(value string) response {
		return a.nobody(t).get(t, "/documents", "Cookie", cookie.Name+"="+value, "Accept", "application/json")
	}
	want(t, "signed in", as(cookie.Value), http.StatusOK)
	want(t, "a made-up token", as("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), http.StatusUnauthorized)
	want(t, "sign in again", m.post(t, "/signin", url.Values{"email": {m.account.User.Email}, "password": {password}}), http.StatusSeeOther)
	want(t, "the token from before", as(cookie.Value), http.StatusUnauthorized)
	cookie = m.Jar.Cookies(base)[0]
	second := a.nobody(t)
	want(t, "a second browser", second.post(t, "/signin", url.Values{"email": {m.account.User.Email}, "password": {password}}), http.StatusSeeOther)
	want(t, "change the password", m.post(t, "/settings/password", url.Values{"current": {password}, "password": {"ganz andere wörter hier"}}), http.StatusSeeOther)
	want(t, "the second browser after that", second.get(t, "/documents", "Accept", "application/json"), http.StatusUnauthorized)
	want(t, "the first after that", m.get(t, "/documents", "Accept", "application/json"), http.StatusOK)
	cookie = m.Jar.Cookies(base)[0]
	want(t, "sign out", m.post(t, "/signout", nil), http.StatusSeeOther)
	want(t, "the token after that", as(cookie.Value), http.StatusUnauthorized)
}

// Where sign-up is by invitation, the pages say so, the link opens the form, and the form takes the invitation along.
func TestSignUpByInvitation(t *testing.T) {
	a := newApp(t)
	a.tenants.ByInvitation()
	n := a.nobody(t)
	if page := n.get(t, "/signin"); strings.Contains(page.body, "/signup") {
		t.Error("the sign-in page leads to a sign-up that is closed")
	}
	for _, path := range []string{"/signup", "/signup?invitation=invite_x"} {
		if page := n.get(t, path); !strings.Contains(page.body, "Sign-up is by invitation") || strings.Contains(page.body, `name="password"`) {
			t.Errorf("%s shows a form", path)
		}
	}
	form := url.Values{"company": {"Harbour Loop"}, "name": {"Owner"}, "email": {"owner@example.com"}, "password": {password}}
	want(t, "without an invitation", n.post(t, "/signup", form), http.StatusForbidden)
	token, err := a.tenants.Invite(t.Context(), "Harbour Loop", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if page := n.get(t, "/signup?invitation="+token); !strings.Contains(page.body, `name="invitation" value="`+token+`"`) {
		t.Errorf("the form does not take the invitation along: %s", page.body)
	}
	form.Set("invitation", token)
	want(t, "with it", n.post(t, "/signup", form), http.StatusSeeOther)
	want(t, "again", a.nobody(t).post(t, "/signup", form, "Accept", "application/json"), http.StatusForbidden)
}

// An owner deletes the organisation on the page of settings; from then on nobody of it is signed in and its bot is not there.
func TestDeleteOrganisation(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "Harbour Loop"), a.owner(t, "Elsewhere")
	m.things(t)
	admin := m.colleague(t, domain.Admin)
	if page := admin.get(t, "/settings"); strings.Contains(page.body, "/settings/delete") {
		t.Error("an admin is shown how to delete the organisation")
	}
	wrong := m.post(t, "/settings/delete", url.Values{"name": {"Harbour"}, "password": {password}})
	want(t, "the wrong name", wrong, http.StatusUnprocessableEntity)
	if !strings.Contains(wrong.body, "This is not the name.") || !strings.Contains(wrong.body, "Type its name: Harbour Loop") {
		t.Errorf("the page does not say what is wrong: %s", wrong.body)
	}
	want(t, "the wrong password", m.post(t, "/settings/delete", url.Values{"name": {"Harbour Loop"}, "password": {"x"}}, "Accept", "application/json"), http.StatusUnprocessableEntity)
	gone := m.post(t, "/settings/delete", url.Values{"name": {"Harbour Loop"}, "password": {password}})
	want(t, "delete", gone, http.StatusSeeOther)
	if page := m.get(t, gone.Header.Get("Location")); !strings.Contains(page.body, "Your organisation was deleted") {
		t.Errorf("nothing confirms it: %s", page.body)
	}
	for who, someone := range map[string]*member{"the owner": m, "an admin": admin} {
		want(t, who, someone.get(t, "/documents", "Accept", "application/json"), http.StatusUnauthorized)
	}
	want(t, "its bot", m.site(t, http.MethodGet, "", ""), http.StatusNotFound)
	want(t, "another organisation", other.get(t, "/documents"), http.StatusOK)
	for _, table := range []string{"documents", "chunks", "messages", "citations", "users", "audit_log"} {
		if n := a.db.Count(t, "select count(*) from "+table+" where tenant_id = $1", m.account.Tenant.ID); n != 0 {
			t.Errorf("%d rows of %s are left", n, table)
		}
	}
}

// No log line holds what people wrote.
func TestLogsSayNothingOfContent(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	m.ready(t, "prices.txt", "A zebrawood bicycle costs 19 euros a day.")
	m.ask(t, "What does a zebrawood bicycle cost?")
	dbtest.Eventually(t, 5*time.Second, "the request to be logged", func() bool { return strings.Contains(a.logged(), "/playground/messages") })
	for _, secret := range []string{"zebrawood", password, "19 euros"} {
		if strings.Contains(a.logged(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(a.logged(), `"tenant_id":"`+m.account.Tenant.ID.String()) || !strings.Contains(a.logged(), `"request_id"`) {
		t.Error("the log names no tenant or no request")
	}
}
