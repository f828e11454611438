package views

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/doctor"
	"bitb/domain/document"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
)

func aCase() tenant.Case {
	return tenant.Case{ID: nth(900), TenantID: nth(1), TenantName: "Harbour Canoe Rental", StaffName: "Ada Lind", Reason: "Ticket 4471: the answer about the warranty was wrong",
		OpenedAt: now.Add(-18 * time.Minute), ExpiresAt: now.Add(42 * time.Minute), Left: 42 * time.Minute}
}

// helper is a page of a staff member, within a case or not.
func helper(path string, c *tenant.Case) Page {
	return Page{Staff: &StaffShell{Member: tenant.StaffMember{ID: nth(901), Name: "Ada Lind", Email: "ada@bitb.example"}, Case: c}, Path: path, Now: now}
}

// within renders as a request within a case does.
func within(c tenant.Case, page templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return page.Render(domain.WithIdentity(ctx, c.Identity(tenant.StaffMember{ID: nth(901)})), w)
	})
}

func staffExamples(add func(string, string, bool, templ.Component)) {
	tenants := tenant.TenantList{Page: 1, Matching: 340, Tenants: []tenant.Health{
		{TenantID: nth(1), Name: "Harbour Canoe Rental", Documents: 42, Failed: 2, Answers: 1204, Errors: 61, Unanswered: 80, LastActive: now.Add(-4 * time.Minute)},
		{TenantID: nth(2), Name: strings.TrimSuffix(german, ".pdf"), Documents: 1302, Answers: 12, Unanswered: 7, LastActive: now.Add(-40 * time.Hour)},
		{TenantID: nth(3), Name: "بيت القوارب للتأجير والصيانة", Documents: 3, Answers: 31, LastActive: now.Add(-90 * 24 * time.Hour)},
		{TenantID: nth(4), Name: "Just signed up"},
	}}
	evilHealth := tenant.Health{TenantID: nth(1), Name: hostile, Documents: 1, Failed: 1, Answers: 1, Errors: 1, Unanswered: 1, LastActive: now}
	c, evil := aCase(), aCase()
	evil.TenantName, evil.Reason, evil.StaffName, evil.Left = hostile+german, hostile+arabic, hostile, 20*time.Second
	wrong := &domain.Error{Code: domain.Invalid, Message: "Some fields need another look.", Fields: map[string]string{
		"reason": "Say why in at least 10 characters. The tenant reads it.", "code": "This code is wrong, or it was used already. Wait for the next one.", "minutes": hostile}}

	ready := doctor.Report{At: now.Add(-40 * time.Second), TookMS: 412, Passed: 3, Failed: 2, NotApplicable: 1, Lines: []doctor.Line{
		{Group: "Settings and secrets", Name: "Settings", Status: doctor.Passed, Found: "All are there and in order; so are the secrets that they need."},
		{Group: "Settings and secrets", Name: "Secrets from a manager", Status: doctor.Failed, Found: "In the environment itself: DATABASE_URL, OPENAI_API_KEY.",
			Do: "Whoever lists processes or pods reads them there. Name a file that a secret manager fills, or a secret in it (docs/secrets.md)."},
		{Group: "Database", Name: "Version", Status: doctor.Passed, Found: "PostgreSQL 15.20, pgvector 0.8.6.", TookMS: 4},
		{Group: "Database", Name: "Role", Status: doctor.Passed, Found: "The server logs in as bitb_app: no superuser, no BYPASSRLS, owns nothing, cannot truncate.", TookMS: 12},
		{Group: "Address and HTTPS", Name: "Certificate", Status: doctor.Failed, Found: "The certificate ends in 3 days.", Do: "It should have been renewed by itself. See the log of what gets it (docs/https.md).", TookMS: 131},
		{Group: "Capacity", Name: "Budget for disruption", Status: doctor.NotApplicable, Found: "Only Kubernetes has one, and this is not Kubernetes."},
	}}
	wellness := doctor.Report{At: now, Passed: 1, Lines: ready.Lines[:1]}
	evilReport := doctor.Report{At: now, Failed: 1, Lines: []doctor.Line{{Group: hostile, Name: hostile, Status: doctor.Status(hostile), Found: hostile + german, Do: hostile}}}
	add("Readiness", "full", true, Readiness(helper("/staff/readiness", nil), ready))
	add("Readiness", "well", true, Readiness(helper("/staff/readiness", nil), wellness))
	add("Readiness", "hostile", true, Readiness(helper("/staff/readiness", nil), evilReport))

	add("StaffSignIn", "empty", true, StaffSignIn(SignInForm{}))
	add("StaffSignIn", "full", true, StaffSignIn(SignInForm{Email: "ada@bitb.example", Err: tenant.ErrStaffSignIn}))
	add("StaffSignIn", "hostile", true, StaffSignIn(SignInForm{Email: hostile, Err: domain.NewError(domain.RateLimited, hostile)}))
	p := helper("/staff", nil)
	confirmed := p
	confirmed.Flash = Flash{Text: "You left Harbour Canoe Rental. The case is closed."}
	add("StaffTenants", "full", true, StaffTenants(confirmed, TenantsView{List: tenants, Open: []tenant.Case{c}}))
	add("StaffTenants", "empty", true, StaffTenants(p, TenantsView{}))
	add("StaffTenants", "none", true, StaffTenants(p, TenantsView{List: tenant.TenantList{Search: "kayak"}}))
	add("StaffTenants", "hostile", true, StaffTenants(p, TenantsView{List: tenant.TenantList{Search: hostile, Matching: 1, Tenants: []tenant.Health{evilHealth}}, Open: []tenant.Case{evil}}))
	p = helper("/staff/tenants/"+nth(1).String(), nil)
	add("StaffTenant", "full", true, StaffTenant(p, TenantView{Tenant: tenants.Tenants[0], Form: CaseForm{Minutes: 30}}))
	add("StaffTenant", "open", true, StaffTenant(p, TenantView{Tenant: tenants.Tenants[1], Open: &c, Form: CaseForm{Minutes: 61, Err: wrong}}))
	add("StaffTenant", "hostile", true, StaffTenant(p, TenantView{Tenant: evilHealth, Open: &evil, Form: CaseForm{Reason: "</textarea>" + hostile, Err: wrong}}))
	caseExamples(add, c, evil)
	auditExamples(add, c, evil)
}

func caseExamples(add func(string, string, bool, templ.Component), c, evil tenant.Case) {
	at := caseAddress(c.ID)
	in := func(component, variant string, page templ.Component) { add(component, variant, true, within(c, page)) }
	answer := anAnswer()
	unfound := chat.Message{ID: nth(603), Author: chat.Answer, Outcome: chat.Fallback, RetrievalID: nth(501), Text: "I could not find this in our documents, so I would rather not guess."}
	ask := func(n int, text string) chat.Message {
		return chat.Message{ID: nth(n), Author: chat.Person, Text: text, CreatedAt: now.Add(-time.Duration(n) * time.Minute)}
	}
	found := []chat.FoundAnswer{
		{ConversationID: nth(700), Origin: "https://www.canoe.example", Question: ask(600, "How long may I keep a rented canoe? Write to m•••@e••••.com or call +49 ••• ••12."), Answer: answer},
		{ConversationID: nth(701), Origin: "https://www.canoe.example", Question: ask(602, "Wie lange dauert die Lieferung eines Ersatz-Doppelpaddels für Wanderkajaks, und wer bezahlt die Verpackungsverordnungskosten?"), Answer: unfound},
		{ConversationID: nth(702), Question: ask(604, "متى يجب إعادة القارب؟"), Answer: chat.Message{}},
	}
	evilFound := []chat.FoundAnswer{{ConversationID: nth(700), Origin: hostile, Question: ask(600, hostile), Answer: chat.Message{ID: nth(601), Text: hostile, Outcome: chat.Interrupted, RetrievalID: nth(500)}}}
	p := helper(at, &c)
	in("CaseAnswers", "full", CaseAnswers(p, CaseAnswersView{Found: chat.FoundAnswers{Answers: found}, First: true, Next: "2026-03-11T14:00:00Z_" + nth(600).String()}))
	in("CaseAnswers", "found", CaseAnswers(p, CaseAnswersView{Search: "canoe", From: "2026-03-01", To: "2026-03-11", Found: chat.FoundAnswers{Answers: found[:1]}}))
	in("CaseAnswers", "none", CaseAnswers(p, CaseAnswersView{Search: "kayak", From: "x", BadTime: true}))
	in("CaseAnswers", "further", CaseAnswers(p, CaseAnswersView{Search: "kayak", Next: "x"}))
	in("CaseAnswers", "empty", CaseAnswers(p, CaseAnswersView{First: true}))
	in("CaseAnswers", "hostile", CaseAnswers(helper(at, &evil), CaseAnswersView{Search: hostile, From: hostile, To: hostile, Next: hostile, Found: chat.FoundAnswers{Answers: evilFound}}))
	p.Path = at + "/conversations/" + nth(700).String()
	in("CaseConversation", "full", CaseConversation(p, aConversation(5, "How long may I keep a rented canoe?", "متى يجب إعادة القارب؟")))
	in("CaseConversation", "empty", CaseConversation(p, chat.Conversation{}))
	in("CaseConversation", "hostile", CaseConversation(helper(p.Path, &evil), *hostileConversations().Open))
	p.Path = at + "/failures"
	list := someList()
	failed := document.List{All: 42, FailedN: 2, Matching: 2}
	for _, d := range list.Documents {
		if d.Failure != nil {
			failed.Documents = append(failed.Documents, d)
		}
	}
	in("CaseFailures", "full", CaseFailures(p, failed))
	in("CaseFailures", "empty", CaseFailures(p, document.List{All: 42}))
	bad := hostileDocument()
	bad.Failure = &document.Failure{Code: hostile, Title: hostile, Message: hostile, Page: 3}
	in("CaseFailures", "hostile", CaseFailures(helper(p.Path, &evil), document.List{All: 1, Matching: 1, Documents: []document.Document{bad}}))
	p.Path = at + "/retrievals"
	in("CaseRetrievals", "full", CaseRetrievals(p, retrieve.RecentList{Page: 1, All: 180, Searches: []retrieve.Past{
		{ID: nth(500), Question: found[0].Question.Text, CreatedAt: now}, {ID: nth(501), Question: found[1].Question.Text, CreatedAt: now}, {ID: nth(502), Question: found[2].Question.Text, CreatedAt: now}}}))
	in("CaseRetrievals", "empty", CaseRetrievals(p, retrieve.RecentList{}))
	in("CaseRetrievals", "hostile", CaseRetrievals(helper(p.Path, &evil), retrieve.RecentList{All: 1, Searches: []retrieve.Past{{ID: nth(500), Question: hostile}}}))
	r := someRetrieval()
	p.Path += "/" + r.ID.String()
	look := staffLook()
	look.Base = p.Path
	in("RetrievalPage", "case", RetrievalPage(p, DebuggerView{Explained: look, Prompt: somePrompt(), Defaults: look.Retrieval.Settings}))
	in("WhyPage", "case", WhyPage(p, WhyView{Explained: look, Documents: list}))
	in("NowPage", "case", NowPage(p, NowView{Explained: look, Now: look.Retrieval}))
	add("ErrorPage", "case", true, within(c, ErrorPage(ErrorView{Staff: true, Page: &p, Status: 404})))
	out := helper(at, nil)
	add("ErrorPage", "case-over", true, ErrorPage(ErrorView{Staff: true, Page: &out, Status: 403, Message: domain.ErrCaseOver.Message}))
}

func auditExamples(add func(string, string, bool, templ.Component), c, evil tenant.Case) {
	p := somebody(domain.Owner, "/settings/audit")
	over := aCase()
	over.ID, over.Left, over.OpenedAt, over.ClosedAt = nth(902), 0, now.Add(-90*time.Minute), now.Add(-time.Hour)
	over.Reason = "Die Frage nach der " + german
	entry := func(action, route string, object domain.ID) tenant.AuditEntry {
		return tenant.AuditEntry{At: now, Actor: "Ada Lind", CaseID: c.ID, Action: action, Route: route, ObjectID: object, RequestID: nth(903).String()}
	}
	log := tenant.Audit{Page: 1, All: 130, Cases: []tenant.Case{c, over}, Entries: []tenant.AuditEntry{
		entry("case.viewed", "/staff/cases/:case/retrievals/:id", nth(500)), entry("case.viewed", "/staff/cases/:case/conversations/:id", nth(700)),
		entry("case.viewed", "/staff/cases/:case", domain.ID{}), entry("case.opened", "", domain.ID{}), entry("case.closed", "", domain.ID{}), entry("case.viewed", "/staff/cases/:case/failures", domain.ID{})}}
	add("AuditLog", "full", true, AuditLog(p, log))
	add("AuditLog", "empty", true, AuditLog(p, tenant.Audit{}))
	watched := p
	watched.LookingIn = []tenant.Case{c}
	add("AuditLog", "watched", true, AuditLog(watched, log))
	e := entry(hostile, hostile, nth(1))
	e.Actor, e.RequestID = hostile, hostile
	bad := hostilePage(p.Path)
	bad.LookingIn = []tenant.Case{evil}
	add("AuditLog", "hostile", true, AuditLog(bad, tenant.Audit{Page: 1, All: 1, Cases: []tenant.Case{evil}, Entries: []tenant.AuditEntry{e}}))
	documents := somebody(domain.Owner, "/documents")
	documents.LookingIn = []tenant.Case{c}
	add("Documents", "watched", true, Documents(documents, someList()))
}

// Each page that can be looked at within a case has a sentence of its own in the log.
func TestDeedsHaveSentences(t *testing.T) {
	for _, route := range []string{"", "/conversations/:id", "/failures", "/retrievals", "/retrievals/:id", "/retrievals/:id/why", "/retrievals/:id/now"} {
		if what, _ := deed(tenant.AuditEntry{Action: "case.viewed", Route: "/staff/cases/:case" + route}); strings.Contains(what, ":case") {
			t.Errorf("%s: %s", route, what)
		}
	}
}

// A page within a case says so, and leads to nothing but pages of support: a member's page would ask staff to sign in.
func TestCaseKeepsToItself(t *testing.T) {
	for _, e := range examples() {
		if !strings.HasPrefix(e.component, "Case") && e.variant != "case" {
			continue
		}
		var out bytes.Buffer
		if err := e.html.Render(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"read-only", "Leave now", "left</span>", "Reason: “"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s/%s does not say %q", e.component, e.variant, want)
			}
		}
		root, err := html.Parse(&out)
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			for _, key := range []string{"href", "action", "hx-get", "hx-post"} {
				to := attr(n, key)
				if to != "" && n.Data != "link" && !strings.HasPrefix(to, "/staff") && !strings.HasPrefix(to, "#") {
					t.Errorf("%s/%s: <%s %s=%q> leads to members' pages", e.component, e.variant, n.Data, key, to)
				}
			}
		}
	}
}
