package handlers_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/tenant"
	"bitb/handlers"
)

// helper is a staff member with a browser.
type helper struct {
	*member
	staff  tenant.StaffMember
	signIn tenant.Credentials
}

// staffClock is what one-time codes count from: each new code is a step later, so that none is used twice.
func (a *app) nextStep() time.Time { return time.Unix(a.clock.Add(30), 0) }

func (h *helper) code() string { return codeFor(h.signIn.Secret, h.app.nextStep()) }

// codeFor is RFC 6238 written once more, as an authenticator app would have it.
func codeFor(secret string, at time.Time) string {
	key, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, uint64(at.Unix()/30))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// helper signs a new staff member in through the form.
func (a *app) helper(t *testing.T) *helper {
	t.Helper()
	h := &helper{member: a.nobody(t)}
	var err error
	if h.staff, h.signIn, err = a.support.Add(t.Context(), domain.NewID().String()[24:]+"@support.example", "Ada"); err != nil {
		t.Fatal(err)
	}
	r := h.post(t, "/staff/signin", url.Values{"email": {h.staff.Email}, "password": {h.signIn.Password}, "code": {h.code()}})
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/staff" {
		t.Fatalf("sign-in: %d %s", r.StatusCode, r.body)
	}
	return h
}

// open opens a case through the form and returns its address.
func (h *helper) open(t *testing.T, m *member) string {
	t.Helper()
	r := h.post(t, "/staff/tenants/"+m.account.Tenant.ID.String()+"/cases",
		url.Values{"reason": {"The answer about prices"}, "minutes": {"30"}, "code": {h.code()}})
	if r.StatusCode != http.StatusSeeOther {
		t.Fatalf("open a case: %d %s", r.StatusCode, r.body)
	}
	return r.Header.Get("Location")
}

func caseID(t *testing.T, address string) domain.ID {
	t.Helper()
	id, err := domain.ParseID(strings.TrimPrefix(address, "/staff/cases/"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Every line of staff is tried as nobody, as a member, with another's case, with a case that is over, with another tenant's ids,
// with malformed ids and from another site. TestRoutesRefuse does so for the lines of members.
func TestStaffRoutesRefuse(t *testing.T) {
	a := newApp(t)
	victim, looked := a.owner(t, "Victim"), a.owner(t, "Looked into")
	foreign, own := victim.things(t), looked.things(t)
	h, other := a.helper(t), a.helper(t)
	mine, others := h.open(t, looked), other.open(t, victim)
	closed, expired := h.open(t, looked), h.open(t, looked)
	if r := h.post(t, closed+"/close", nil); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("leave: %d %s", r.StatusCode, r.body)
	}
	a.db.Exec(t, "update cases set opened_at = opened_at - interval '30 minutes', expires_at = now() where id = $1", caseID(t, expired))
	before := a.fingerprint(t, victim) + a.fingerprint(t, looked)
	fill := func(r handlers.Route, at string, ids map[string]domain.ID) string {
		path := strings.Replace(r.Path, "/staff/cases/:case", at, 1)
		path = strings.Replace(path, ":tenant", looked.account.Tenant.ID.String(), 1)
		for _, object := range []string{"conversation", "retrieval"} {
			path = strings.Replace(path, object+"s/:id", object+"s/"+ids[object].String(), 1)
		}
		return path
	}
	random := map[string]domain.ID{"conversation": domain.NewID(), "retrieval": domain.NewID()}
	for _, r := range handlers.Table() {
		if r.Who != "staff" && r.Who != "case" {
			if r.Who != "anyone" && r.Who != "website" && r.Who != "visitor" {
				want(t, "staff at "+r.Method+" "+r.Path, h.send(t, r, routeOf(r.Path, own)), http.StatusUnauthorized)
			}
			continue
		}
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			address := fill(r, mine, own)
			want(t, "nobody", a.nobody(t).send(t, r, address), http.StatusUnauthorized)
			want(t, "an owner", looked.send(t, r, address), http.StatusUnauthorized)
			if r.Method == http.MethodPost {
				want(t, "another site", h.send(t, r, address, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
				want(t, "another origin", h.send(t, r, address, "Origin", "https://evil.example"), http.StatusForbidden)
			}
			want(t, "another tenant in the query", h.send(t, r, address+"?tenant_id="+victim.account.Tenant.ID.String()), http.StatusBadRequest)
			want(t, "another tenant in a header", h.send(t, r, address, "X-Tenant-Id", victim.account.Tenant.ID.String()), http.StatusBadRequest)
			for _, param := range []string{":case", ":tenant", ":id"} {
				if !strings.Contains(r.Path, param) {
					continue
				}
				for _, bad := range []string{"x", "%00", strings.ToUpper(own["document"].String()), "'%20or%201=1--"} {
					broken := fill(handlers.Route{Path: strings.Replace(r.Path, param, bad, 1)}, mine, own)
					want(t, param+" "+bad, h.send(t, r, broken), http.StatusBadRequest)
				}
			}
			if strings.Contains(r.Path, ":tenant") {
				lost := strings.Replace(address, looked.account.Tenant.ID.String(), domain.NewID().String(), 1)
				got := h.post(t, lost, url.Values{"reason": {"The answer about prices"}, "minutes": {"30"}, "code": {"000000"}}, "Accept", "application/json")
				if r.Method == http.MethodGet {
					got = h.get(t, lost)
				}
				want(t, "a tenant that is not there", got, http.StatusNotFound)
			}
			if !strings.Contains(r.Path, ":case") {
				return
			}
			strangers, none := h.send(t, r, fill(r, others, foreign)), h.send(t, r, fill(r, "/staff/cases/"+domain.NewID().String(), foreign))
			want(t, "another's case", strangers, http.StatusNotFound)
			if strip(strangers.body) != strip(none.body) {
				t.Errorf("another's case is answered otherwise than none:\n%s\n%s", strangers.body, none.body)
			}
			if r.Who != "case" {
				return
			}
			want(t, "a closed case", h.send(t, r, fill(r, closed, own)), http.StatusForbidden)
			want(t, "an expired case", h.send(t, r, fill(r, expired, own)), http.StatusForbidden)
			want(t, "its own", h.send(t, r, address), http.StatusOK)
			if strings.Contains(r.Path, ":id") {
				theirs, missing := h.send(t, r, fill(r, mine, foreign)), h.send(t, r, fill(r, mine, random))
				want(t, "another tenant's id", theirs, http.StatusNotFound)
				if strip(theirs.body) != strip(missing.body) {
					t.Errorf("another tenant's id is answered otherwise than one that does not exist:\n%s\n%s", theirs.body, missing.body)
				}
			}
		})
	}
	if after := a.fingerprint(t, victim) + a.fingerprint(t, looked); after != before {
		t.Error("something of a tenant changed")
	}
}

// routeOf fills in the ids of a line of members.
func routeOf(path string, ids map[string]domain.ID) string { return fill(path, ids) }

// Staff see the readiness check, and may have it made again.
func TestReadinessPage(t *testing.T) {
	a := newApp(t)
	h := a.helper(t)
	page := h.get(t, "/staff/readiness")
	want(t, "the page", page, http.StatusOK)
	for _, text := range []string{"1 passed, 1 failed", "What to do", "The server logs in as &lt;b&gt;.", "Let it log in as bitb_app.", "15.20."} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if n := a.doctor.again.Load(); n != 0 {
		t.Errorf("made again %d times by looking", n)
	}
	want(t, "run again", h.post(t, "/staff/readiness", nil), http.StatusSeeOther)
	if n := a.doctor.again.Load(); n != 1 {
		t.Errorf("made again %d times", n)
	}
}

func TestStaffSignInPage(t *testing.T) {
	a := newApp(t)
	h := a.helper(t)
	if r := h.get(t, "/staff"); r.StatusCode != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %s", r.StatusCode, r.Header.Get("Cache-Control"))
	}
	if r := h.get(t, "/staff/signin"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("signed in already: %d", r.StatusCode)
	}
	var left time.Duration
	var seconds float64
	if err := a.db.Super(t).QueryRow(t.Context(), "select extract(epoch from expires_at - now())::float8 from auth.sessions order by expires_at desc limit 1").Scan(&seconds); err != nil {
		t.Fatal(err)
	}
	if left = time.Duration(seconds * float64(time.Second)); left > 30*time.Minute || left < 29*time.Minute {
		t.Errorf("the session lasts %s without a request", left)
	}
	stranger := a.nobody(t)
	if r := stranger.get(t, "/staff", "Accept", "text/html"); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/staff/signin" {
		t.Errorf("nobody is sent to %s, %d", r.Header.Get("Location"), r.StatusCode)
	}
	used := h.code()
	form := url.Values{"email": {h.staff.Email}, "password": {h.signIn.Password}, "code": {used}}
	if r := stranger.post(t, "/staff/signin", form); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	again := a.nobody(t)
	if r := again.post(t, "/staff/signin", form); r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.body, "do not belong together") || strings.Contains(r.body, h.signIn.Password) {
		t.Errorf("a used code: %d", r.StatusCode)
	}
	for range 5 {
		again.post(t, "/staff/signin", url.Values{"email": {h.staff.Email}, "password": {"wrong"}, "code": {"1"}})
	}
	if r := again.post(t, "/staff/signin", form); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("after six tries: %d", r.StatusCode)
	}
}

// A token of one kind in the other's cookie opens nothing.
func TestSessionsDoNotMix(t *testing.T) {
	a := newApp(t)
	h, m := a.helper(t), a.owner(t, "Company")
	cookie := func(m *member) string {
		at, _ := url.Parse(a.URL)
		return m.Jar.Cookies(at)[0].Value
	}
	nobody := a.nobody(t)
	for path, cookie := range map[string]string{"/staff": "bitb_staff=" + cookie(m), "/documents": "bitb_session=" + cookie(h.member)} {
		if r := nobody.get(t, path, "Cookie", cookie, "Accept", "application/json"); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s opened with the other's token: %d", path, r.StatusCode)
		}
	}
}

func TestStaffEnd(t *testing.T) {
	a := newApp(t)
	h, m := a.helper(t), a.owner(t, "Company")
	at := h.open(t, m)
	second := &helper{member: a.nobody(t), staff: h.staff, signIn: h.signIn}
	if r := second.post(t, "/staff/signin", url.Values{"email": {h.staff.Email}, "password": {h.signIn.Password}, "code": {h.code()}}); r.StatusCode != http.StatusSeeOther {
		t.Fatal(r.body)
	}
	if r := second.post(t, "/staff/signout", nil); r.StatusCode != http.StatusSeeOther {
		t.Errorf("sign-out: %d", r.StatusCode)
	}
	want(t, "after signing out elsewhere", h.get(t, at, "Accept", "application/json"), http.StatusUnauthorized)
	if n := a.db.Count(t, "select count(*) from cases where closed_at is null"); n != 0 {
		t.Errorf("%d cases stay open", n)
	}
	third := a.helper(t)
	if err := a.support.Remove(t.Context(), third.staff.Email); err != nil {
		t.Fatal(err)
	}
	want(t, "after being removed", third.get(t, "/staff", "Accept", "application/json"), http.StatusUnauthorized)
}

// What a case shows: the tenant's questions with addresses hidden, and no key anywhere. The owner sees it at once.
func TestCaseShows(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	prices, _ := m.ready(t, "Prices", "A bicycle costs 19 euros a day.")
	m.ask(t, "What does a bicycle cost a day? Write to maria@example.com or +49 171 1234512")
	a.db.Exec(t, `insert into documents (tenant_id, id, name, format, size_bytes, sha256, status, failure_code, failure_title, failure_message, failure_page)
		values ($1, $2, 'Locked.pdf', 'pdf', 1, 'y', 'failed', 'encrypted', 'Could not open the file', 'It is protected.', 7)`, m.account.Tenant.ID, domain.NewID())
	before := m.get(t, "/documents")
	if strings.Contains(before.body, "is looking into your account") {
		t.Error("a visit is announced that is not there")
	}
	h := a.helper(t)
	if list := h.get(t, "/staff?q=harbour"); !strings.Contains(list.body, "Harbour Loop") || strings.Contains(list.body, "bicycle") || strings.Contains(list.body, "Prices") {
		t.Errorf("the list shows %s", list.body)
	}
	at := h.open(t, m)
	for _, page := range []string{"/documents", "/settings/audit", "/settings"} {
		if got := m.get(t, page); !strings.Contains(got.body, "is looking into your account until") || !strings.Contains(got.body, "The answer about prices") {
			t.Errorf("%s does not say that support looks in", page)
		}
	}
	if got := m.colleague(t, domain.Editor).get(t, "/documents"); strings.Contains(got.body, "is looking into your account") {
		t.Error("an editor sees the visit")
	}
	current, err := a.chat.Current(t.Context(), m.account.Tenant.ID, m.bot.ID, chatMember(m))
	if err != nil {
		t.Fatal(err)
	}
	question, answer := current.Messages[0], current.Messages[1]
	pages := []string{at, at + "?q=bicycle", at + "?q=" + question.ID.String(), at + "?q=" + answer.ID.String(), at + "?q=" + current.ID.String(),
		at + "?q=" + answer.RetrievalID.String(), at + "?from=2020-01-01&to=2100-01-01", at + "/conversations/" + current.ID.String(), at + "/retrievals",
		at + "/retrievals/" + answer.RetrievalID.String(), at + "/retrievals/" + answer.RetrievalID.String() + "/why",
		at + "/retrievals/" + answer.RetrievalID.String() + "/why?document=" + prices.String(), at + "/retrievals/" + answer.RetrievalID.String() + "/now"}
	for _, page := range pages {
		got := h.get(t, page)
		if got.StatusCode != http.StatusOK || !strings.Contains(got.body, "cost a day?") || !strings.Contains(got.body, "m•••@e••••.com") {
			t.Errorf("%s: %d, without the question", page, got.StatusCode)
		}
		for _, secret := range []string{"maria", "1234512", m.bot.Key.String()} {
			if strings.Contains(got.body, secret) {
				t.Errorf("%s shows %s", page, secret)
			}
		}
		if !strings.Contains(got.body, "read-only") || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is not said to be read-only, or may be kept", page)
		}
	}
	for _, search := range []string{"kayak", "maria", "bicycle maria@example.com", "1234512", domain.NewID().String()} {
		if got := h.get(t, at+"?q="+url.QueryEscape(search)); !strings.Contains(got.body, "No answer fits") {
			t.Errorf("%q is found", search)
		}
	}
	if got := h.get(t, at+"/failures"); !strings.Contains(got.body, "Locked.pdf") || !strings.Contains(got.body, "page 7") || !strings.Contains(got.body, "encrypted") {
		t.Errorf("the failure is not told: %s", got.body)
	}
	log := m.get(t, "/settings/audit")
	for _, told := range []string{"Opened a case", "Read a conversation", "/conversations/" + current.ID.String(), "/retrievals/" + answer.RetrievalID.String(), "documents that failed", "Ada"} {
		if !strings.Contains(log.body, told) {
			t.Errorf("the log does not tell %q", told)
		}
	}
	if n := a.db.Count(t, "select count(*) from audit_log where action = 'case.viewed' and request_id <> ''"); n != len(pages)+6 {
		t.Errorf("%d visits are in the log, of %d", n, len(pages)+6)
	}
	if r := h.post(t, at+"/close", nil); r.StatusCode != http.StatusSeeOther {
		t.Errorf("leave: %d", r.StatusCode)
	}
	if got := h.get(t, at); got.StatusCode != http.StatusForbidden || !strings.Contains(got.body, "This case has ended") || strings.Contains(got.body, "bicycle") {
		t.Errorf("after leaving: %d %s", got.StatusCode, got.body)
	}
	if got := m.get(t, "/documents"); strings.Contains(got.body, "is looking into your account") {
		t.Error("the visit is over and still announced")
	}
}

// Without a row in the audit log nothing is shown.
func TestNothingIsShownUnnoted(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Company")
	m.ready(t, "Prices", "A bicycle costs 19 euros a day.")
	m.ask(t, "What does a bicycle cost a day?")
	h := a.helper(t)
	at := h.open(t, m)
	a.db.Exec(t, "revoke insert on audit_log from bitb_system")
	for _, page := range []string{at, at + "/failures", at + "/retrievals"} {
		if got := h.get(t, page); got.StatusCode != http.StatusServiceUnavailable || strings.Contains(got.body, "bicycle") || !strings.Contains(got.body, "audit log") {
			t.Errorf("%s: %d %s", page, got.StatusCode, got.body)
		}
	}
}
