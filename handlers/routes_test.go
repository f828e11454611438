package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bitb/domain"
	"bitb/domain/questions"
	"bitb/handlers"
)

// Echo answers to the table's lines and to nothing else.
func TestRoutesAreTheTable(t *testing.T) {
	var table, served []string
	for _, r := range handlers.Table() {
		table = append(table, r.Method+" "+r.Path)
		if r.Who == "" {
			t.Errorf("%s %s does not say who may call it", r.Method, r.Path)
		}
		if r.Who != "anyone" && r.Method != http.MethodOptions && !r.Limited {
			t.Errorf("%s %s has no limit", r.Method, r.Path)
		}
	}
	for _, r := range handlers.EchoRoutes() {
		served = append(served, r.Method+" "+r.Path)
	}
	slices.Sort(table)
	slices.Sort(served)
	if !slices.Equal(table, served) {
		t.Errorf("the table has %v\nEcho has %v", table, served)
	}
}

// below is the strongest role that a line's permission does not allow; "" where every member may.
var below = map[string]domain.Role{"editor": domain.Viewer, "admin": domain.Editor, "owner": domain.Admin}

// Every line is tried as nobody, with too small a role, with another tenant's ids in the path, with another tenant named in
// query, header and body, with malformed ids, and from another site. Nothing of the other tenant may change.
func TestRoutesRefuse(t *testing.T) {
	a := newApp(t)
	victim, intruder := a.owner(t, "Victim"), a.owner(t, "Intruder")
	ids := victim.things(t)
	own := intruder.things(t)
	roles := map[domain.Role]*member{}
	for _, role := range []domain.Role{domain.Viewer, domain.Editor, domain.Admin} {
		roles[role] = intruder.colleague(t, role)
	}
	before := a.fingerprint(t, victim)
	for _, r := range handlers.Table() {
		if r.Who == "website" || r.Who == "visitor" || r.Path == "/static/*" {
			continue // TestWidgetRefuses
		}
		if r.Who == "staff" || r.Who == "case" {
			continue // TestStaffRoutesRefuse
		}
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			address := func(of map[string]domain.ID) string { return fill(r.Path, of) }
			if r.Who != "anyone" {
				want(t, "nobody", a.nobody(t).send(t, r, address(own)), http.StatusUnauthorized)
			}
			if role := below[r.Who]; role != "" {
				want(t, string(role), roles[role].send(t, r, address(own)), http.StatusForbidden)
			}
			if strings.Contains(r.Path, ":id") {
				random := map[string]domain.ID{}
				for name := range ids {
					random[name] = domain.NewID()
				}
				foreign, missing := intruder.send(t, r, address(ids)), intruder.send(t, r, address(random))
				want(t, "another tenant's id", foreign, http.StatusNotFound)
				if strip(foreign.body) != strip(missing.body) || missing.StatusCode != foreign.StatusCode {
					t.Errorf("another tenant's id is answered otherwise than one that does not exist:\n%s\n%s", foreign.body, missing.body)
				}
				for _, bad := range []string{"x", "null", "%00", strings.ToUpper(own["document"].String()), "{" + own["document"].String() + "}",
					"urn:uuid:" + own["document"].String(), own["document"].String() + "0", "'%20or%201=1--", strings.Repeat("a", 5000)} {
					got := intruder.send(t, r, strings.Replace(r.Path, ":id", bad, 1))
					want(t, "the id "+bad[:min(20, len(bad))], got, http.StatusBadRequest)
				}
			}
			if r.Who != "anyone" {
				other := victim.account.Tenant.ID.String()
				want(t, "another tenant in the query", intruder.send(t, r, address(own)+"?tenant_id="+other), http.StatusBadRequest)
				want(t, "another tenant in a header", intruder.send(t, r, address(own), "X-Tenant-Id", other), http.StatusBadRequest)
				if r.Method == http.MethodPost && !r.Upload {
					got := intruder.post(t, address(own), url.Values{"tenant_id": {other}}, "Accept", "application/json")
					want(t, "another tenant in the body", got, http.StatusBadRequest)
				}
			}
			if r.Method == http.MethodPost {
				want(t, "another site", victim.send(t, r, address(ids), "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
				want(t, "another origin", victim.send(t, r, address(ids), "Origin", "https://evil.example"), http.StatusForbidden)
				want(t, "origin null", victim.send(t, r, address(ids), "Origin", "null"), http.StatusForbidden)
			}
		})
	}
	if after := a.fingerprint(t, victim); after != before {
		t.Error("something of the other tenant changed")
	}
}

// Whatever is sent to a line, it answers, and never with a fault of ours.
func TestRoutesTakeNonsense(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	ids := m.things(t)
	const form, script, files = "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"
	for name, c := range map[string]struct{ kind, body string }{
		"nothing": {form, ""}, "no form": {form, "%zz=%"}, "10,000 fields": {form, strings.Repeat("a=b&", 10_000)}, "too much": {form, "a=" + strings.Repeat("x", 300<<10)},
		"null": {script, "null"}, "a list": {script, "[]"}, "a number": {script, `{"id":1,"question":{}}`}, "deep": {script, strings.Repeat(`{"a":`, 40_000)},
		"no parts": {files, "--x--\r\n"}, "cut off": {files, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello"},
		"no boundary": {"multipart/form-data", "hello"}, "no kind": {"", "hello"}, "bytes": {form, "name=\x00\xff&email=\x00&company=\xff&question=\x00&origin=\x00&text=\x00&tokens=9e99&threshold=NaN"},
	} {
		for _, r := range handlers.Table() {
			if r.Method != http.MethodPost || r.Path == "/signout" || strings.HasPrefix(r.Path, "/staff") {
				continue
			}
			address := strings.Replace(fill(r.Path, ids), ":bot", m.bot.Key.String(), 1)
			got := m.do(t, m.request(t, r.Method, address, strings.NewReader(c.body), "Content-Type", c.kind, "Accept", "application/json", "Origin", a.URL))
			if got.StatusCode >= http.StatusInternalServerError {
				t.Errorf("%s to %s: %d %.200s", name, r.Path, got.StatusCode, got.body)
			}
		}
	}
	if logs := a.logged(); strings.Contains(logs, "panic") {
		t.Error("something panicked")
	}
	want(t, "afterwards", m.get(t, "/documents"), http.StatusOK)
}

// things makes one of everything that an address can name.
func (m *member) things(t *testing.T) map[string]domain.ID {
	t.Helper()
	first := "A bicycle costs 19 euros a day. " + m.account.Tenant.Name
	document, chunks := m.ready(t, "Prices "+m.account.Tenant.Name, first)
	m.ask(t, "What does a bicycle cost a day?")
	current, err := m.app.chat.Current(t.Context(), m.account.Tenant.ID, m.bot.ID, chatMember(m))
	if err != nil || len(current.Messages) != 2 {
		t.Fatalf("%d messages, %v", len(current.Messages), err)
	}
	edited, err := m.app.documents.EditChunk(t.Context(), m.account.Tenant.ID, chunks[0], first, first+" Helmets are free.", m.account.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.app.questions.Add(t.Context(), m.account.Tenant.ID, m.account.User.ID, []questions.Line{questions.NewLine(first, document.String(), "", "")}); err != nil {
		t.Fatal(err)
	}
	tested, err := m.app.questions.All(t.Context(), m.account.Tenant.ID)
	if err != nil || len(tested) != 1 {
		t.Fatalf("%d test questions, %v", len(tested), err)
	}
	return map[string]domain.ID{"question": tested[0].ID, "document": document, "chunk": chunks[0], "conversation": current.ID, "retrieval": current.Messages[1].RetrievalID, "edit": edited.Edit.ID}
}

func fill(path string, ids map[string]domain.ID) string {
	for prefix, name := range map[string]string{"/documents/": "document", "/chunks/": "chunk", "/conversations/": "conversation", "/retrievals/": "retrieval", "/edits/": "edit", "/questions/": "question"} {
		if strings.HasPrefix(path, prefix) {
			path = strings.Replace(path, ":n", "1", 1)
			return strings.Replace(path, ":id", ids[name].String(), 1)
		}
	}
	return path
}

// send calls a line with a body that is well formed but empty, as a script does.
func (m *member) send(t *testing.T, r handlers.Route, address string, headers ...string) response {
	t.Helper()
	headers = append([]string{"Accept", "application/json"}, headers...)
	if r.Method == http.MethodPost {
		return m.post(t, address, url.Values{}, headers...)
	}
	return m.do(t, m.request(t, r.Method, address, nil, headers...))
}

func want(t *testing.T, who string, got response, status int) {
	t.Helper()
	if got.StatusCode != status {
		t.Errorf("%s: %d, want %d: %.200s", who, got.StatusCode, status, got.body)
	}
}

// strip takes out what differs between any two answers.
func strip(body string) string {
	lines := strings.Split(body, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "request") }), "\n")
}

// fingerprint is a hash over all rows of a tenant.
func (a *app) fingerprint(t *testing.T, m *member) string {
	t.Helper()
	var sum string
	err := a.db.Super(t).QueryRow(t.Context(), `
		select md5(string_agg(h, '' order by h)) from (
			select md5(x::text) h from documents x where tenant_id = $1 union all select md5(x::text) from chunks x where tenant_id = $1
			union all select md5(x::text) from document_files x where tenant_id = $1 union all select md5(x::text) from chunk_edits x where tenant_id = $1 union all select md5(x::text) from bots x where tenant_id = $1
			union all select md5(x::text) from conversations x where tenant_id = $1 union all select md5(x::text) from messages x where tenant_id = $1
			union all select md5(x::text) from users x where tenant_id = $1 union all select md5(x::text) from tenants x where id = $1
			union all select md5(x::text) from test_questions x where tenant_id = $1 union all select md5(x::text) from test_runs x where tenant_id = $1
			union all select md5(x::text) from corpora x where tenant_id = $1 union all select md5(x::text) from retrievals x where tenant_id = $1 union all select md5(x::text) from citations x where tenant_id = $1) all_rows`,
		m.account.Tenant.ID).Scan(&sum)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
