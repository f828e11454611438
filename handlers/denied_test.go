package handlers_test

import (
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"bitb/domain"
)

// told keeps what metrics are told.
type told struct {
	noMetrics
	lock sync.Mutex
	n    map[string]int
}

func (m *told) count(what string) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.n[what]++
}

func (m *told) Denied(kind string)                  { m.count("denied " + kind) }
func (m *told) KeyUsed(purpose, _ string, ok bool)  { m.count("key " + purpose) }
func (m *told) SignInRefused(who string, late bool) { m.count("sign-in " + who) }

// since returns what was told since the last time.
func (m *told) since() map[string]int {
	m.lock.Lock()
	defer m.lock.Unlock()
	n := m.n
	m.n = map[string]int{}
	return n
}

// Whoever reaches for what is not theirs is counted, and nobody else: each way is of its own kind.
func TestDenialsAreCounted(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "Shop"), a.owner(t, "Rival")
	s := a.helper(t)
	id := domain.NewID().String()
	widget := "/widget/v1/bots/" + m.bot.Key.String()
	a.told.since()
	for name, c := range map[string]struct {
		do     func()
		status int
		want   map[string]int
	}{
		"own page":     {do: func() { m.get(t, "/documents") }},
		"no such page": {do: func() { m.get(t, "/nowhere/"+id) }},
		"no id":        {do: func() { m.get(t, "/documents/7") }},
		"signed out":   {do: func() { a.nobody(t).get(t, "/documents/"+id) }},
		"unknown id":   {do: func() { m.get(t, "/documents/"+id) }, want: map[string]int{"denied unknown_id": 1}},
		"another's id": {do: func() { m.get(t, "/conversations/"+other.conversationID(t)) }, want: map[string]int{"denied unknown_id": 1}},
		"other tenant": {do: func() { m.get(t, "/documents?tenant_id="+other.account.Tenant.ID.String()) },
			want: map[string]int{"denied other_tenant": 1}},
		"own tenant":  {do: func() { m.get(t, "/documents?tenant_id="+m.account.Tenant.ID.String()) }},
		"other site":  {do: func() { m.get(t, widget, "Origin", "https://elsewhere.example") }, want: map[string]int{"denied origin": 1}},
		"no such bot": {do: func() { m.get(t, "/widget/v1/bots/"+id, "Origin", a.URL) }, want: map[string]int{"key bot": 1}},
		"no visitor":  {do: func() { m.get(t, widget+"/messages", "Origin", a.URL) }, want: map[string]int{"key visitor": 1}},
		"no case":     {do: func() { s.get(t, "/staff/cases/"+id) }, want: map[string]int{"denied case": 1}},
		"password": {do: func() { a.nobody(t).post(t, "/signin", url.Values{"email": {id + "@example.com"}, "password": {"x"}}) },
			want: map[string]int{"sign-in member": 1}},
		"deletion": {do: func() { m.post(t, "/settings/delete", url.Values{"name": {"Shop"}, "password": {"x"}}) },
			want: map[string]int{"sign-in member": 1}},
	} {
		c.do()
		if got := a.told.since(); !maps.Equal(got, c.want) {
			t.Errorf("%s: counted %v, want %v", name, got, c.want)
		}
	}
}

// conversationID is that of a conversation of the member's tenant.
func (m *member) conversationID(t *testing.T) string {
	t.Helper()
	r := m.post(t, "/playground/messages", url.Values{"question": {"Is anybody there?"}})
	if r.StatusCode != http.StatusOK {
		t.Fatalf("asked: %d", r.StatusCode)
	}
	var id domain.ID
	err := m.app.db.Super(t).QueryRow(t.Context(), "select id from conversations where tenant_id = $1", m.account.Tenant.ID).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}
