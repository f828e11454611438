package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"bitb/domain"
	"bitb/domain/chat"
)

func chatMember(m *member) chat.Asker { return chat.Asker{UserID: m.account.User.ID} }

const customerSite = "https://www.example.com"

// site is a browser on a customer's page.
func (m *member) site(t *testing.T, method, path, body string, headers ...string) response {
	t.Helper()
	headers = append([]string{"Origin", customerSite, "Content-Type", "application/json"}, headers...)
	return m.do(t, m.request(t, method, "/widget/v1/bots/"+m.bot.Key.String()+path, strings.NewReader(body), headers...))
}

func (m *member) visitor(t *testing.T) (bearer string) {
	t.Helper()
	r := m.site(t, http.MethodPost, "/visitors", "")
	want(t, "a new visitor", r, http.StatusCreated)
	return "Bearer " + decode[map[string]string](t, r.body)["token"]
}

func (m *member) question(t *testing.T, bearer string, id domain.ID, text string, headers ...string) response {
	t.Helper()
	return m.site(t, http.MethodPost, "/messages", path(`{"id":%q,"question":%q}`, id, text), append([]string{"Authorization", bearer}, headers...)...)
}

type reply struct {
	ID, Role, Text, Status, Model string
	ReplyTo                       string `json:"reply_to"`
	Sources                       []struct {
		N    int
		Text string
	}
}

func TestWidgetAnswers(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	if err := a.chat.AllowOrigin(t.Context(), m.account.Tenant.ID, m.bot.ID, customerSite); err != nil {
		t.Fatal(err)
	}
	m.ready(t, "Prices.md", "A bicycle costs 19 euros a day.", "Helmets are free of charge.")
	bearer, id := m.visitor(t), domain.NewID()

	r := m.question(t, bearer, id, "What does a bicycle cost a day?", "Accept", "text/event-stream")
	want(t, "a question", r, http.StatusOK)
	got := events(r.body)
	if len(got["done"]) != 1 || len(got["delta"]) == 0 {
		t.Fatalf("events %v", got)
	}
	answer := decode[reply](t, got["done"][0])
	if !strings.Contains(answer.Text, "19 euros a day") || !strings.Contains(answer.Text, "[1]") || len(answer.Sources) != 1 ||
		!strings.Contains(answer.Sources[0].Text, "19 euros") || answer.ReplyTo != id.String() {
		t.Errorf("answered %+v", answer)
	}

	again := decode[reply](t, m.question(t, bearer, id, "What does a bicycle cost a day?", "Accept", "application/json").body)
	if again.ID != answer.ID {
		t.Errorf("the same message again is answered by %s, was %s", again.ID, answer.ID)
	}
	want(t, "the same id for other words", m.question(t, bearer, id, "What else?"), http.StatusConflict)

	none := decode[reply](t, m.question(t, bearer, domain.NewID(), "Who won the chess championship of 1972?").body)
	if none.Status != "fallback" || none.Text != m.bot.Fallback || len(none.Sources) != 0 || none.Model != "" {
		t.Errorf("nothing fits, so no model was asked, and the answer is %+v", none)
	}

	history := decode[struct{ Messages []reply }](t, m.site(t, http.MethodGet, "/messages", "", "Authorization", bearer).body)
	if len(history.Messages) != 4 {
		t.Errorf("%d messages are kept, want 4", len(history.Messages))
	}
	want(t, "start over", m.site(t, http.MethodPost, "/conversations", "", "Authorization", bearer), http.StatusNoContent)
	history = decode[struct{ Messages []reply }](t, m.site(t, http.MethodGet, "/messages", "", "Authorization", bearer).body)
	if len(history.Messages) != 0 {
		t.Errorf("%d messages in a new conversation", len(history.Messages))
	}
}

func TestWidgetRefuses(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "One"), a.owner(t, "Two")
	for _, who := range []*member{m, other} {
		if err := a.chat.AllowOrigin(t.Context(), who.account.Tenant.ID, who.bot.ID, customerSite); err != nil {
			t.Fatal(err)
		}
	}
	bearer := m.visitor(t)
	for _, origin := range []string{"https://evil.example", "null", "http://www.example.com", "https://www.example.com.evil.example",
		"https://www.example.com:8443", "https://example.com", ""} {
		for _, line := range [][2]string{{http.MethodGet, ""}, {http.MethodPost, "/visitors"}, {http.MethodGet, "/messages"},
			{http.MethodPost, "/messages"}, {http.MethodPost, "/conversations"}, {http.MethodOptions, "/messages"}} {
			r := m.site(t, line[0], line[1], `{}`, "Origin", origin, "Authorization", bearer)
			want(t, line[0]+" "+line[1]+" from "+origin, r, http.StatusForbidden)
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("from %q: allowed to read it as %q", origin, got)
			}
		}
	}
	r := m.site(t, http.MethodGet, "", "")
	if r.Header.Get("Access-Control-Allow-Origin") != customerSite || r.Header.Get("Access-Control-Allow-Credentials") != "" ||
		!strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Origin") || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("headers of an allowed site: %v", r.Header)
	}
	for name, token := range map[string]string{"none": "", "of another bot": other.visitor(t), "made up": "Bearer bv_" + strings.Repeat("A", 43), "no visitor's": "Bearer x"} {
		want(t, "a token "+name, m.question(t, token, domain.NewID(), "Hello?"), http.StatusUnauthorized)
		want(t, "a token "+name, m.site(t, http.MethodGet, "/messages", "", "Authorization", token), http.StatusUnauthorized)
	}
	for name, r := range map[string]response{
		"the query": m.site(t, http.MethodGet, "?tenant_id="+other.account.Tenant.ID.String(), ""),
		"a header":  m.site(t, http.MethodGet, "/messages", "", "Authorization", bearer, "X-Tenant-Id", other.account.Tenant.ID.String()),
	} {
		want(t, "another tenant in "+name, r, http.StatusBadRequest)
	}
	unknown := *m
	unknown.bot.Key = domain.NewID()
	r = unknown.site(t, http.MethodGet, "", "")
	want(t, "an unknown bot", r, http.StatusNotFound)
	if r.Header.Get("Access-Control-Allow-Origin") != customerSite {
		t.Error("a page cannot read that its bot is unknown")
	}
	r = unknown.site(t, http.MethodOptions, "/messages", "")
	want(t, "may a page ask an unknown bot, to be told that it is", r, http.StatusNoContent)
	want(t, "an unknown bot", unknown.question(t, bearer, domain.NewID(), "Is there anybody?"), http.StatusNotFound)
	want(t, "a malformed bot", m.get(t, "/widget/v1/bots/xyz", "Origin", customerSite), http.StatusBadRequest)
	for body, status := range map[string]int{
		"": 400, "null": 400, "[]": 400, `{"id":1}`: 400, `{"id":"x","question":"y"}`: 400, `{"question":"y"}`: 400,
		path(`{"id":%q,"question":""}`, domain.NewID()):                               422,
		path(`{"id":%q,"question":%q}`, domain.NewID(), strings.Repeat("x", 10_000)):  422,
		path(`{"id":%q,"question":"y","tenant_id":"z"}`, domain.NewID()):              400,
		path(`{"id":%q,"question":%q}`, domain.NewID(), strings.Repeat("x", 100_000)): 413,
		strings.Repeat(`{"a":`, 10_000):                                               400,
	} {
		r := m.site(t, http.MethodPost, "/messages", body, "Authorization", bearer)
		want(t, path("the body %.60s", body), r, status)
		if e := decode[map[string]any](t, r.body); e["message"] == "" || e["code"] == "" {
			t.Errorf("%.60s: answered %s", body, r.body)
		}
	}
}

func TestWidgetLimits(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "One")
	if err := a.chat.AllowOrigin(t.Context(), m.account.Tenant.ID, m.bot.ID, customerSite); err != nil {
		t.Fatal(err)
	}
	bearer, refused := m.visitor(t), 0
	for range 40 {
		r := m.question(t, bearer, domain.NewID(), "Is there anybody?")
		if r.StatusCode == http.StatusTooManyRequests {
			refused++
			if r.Header.Get("Retry-After") == "" {
				t.Error("refused without saying until when")
			}
		}
	}
	if refused < 8 || refused > 10 {
		t.Errorf("%d of 40 questions in a row were refused, want about 10", refused)
	}
	want(t, "another visitor", m.question(t, m.visitor(t), domain.NewID(), "Is there anybody?"), http.StatusOK)
}
