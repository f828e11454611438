package handlers_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// What is longer than a field takes is refused with both lengths and comes back to be shortened. A browser would cut what is pasted at
// a maxlength and say nothing.
func TestTooLongIsSaid(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	bot := url.Values{"name": {"Bot"}, "greeting": {"Hello"}, "fallback": {"I do not know."}, "brand": {"#0e5a6e"}, "corner": {"left"}}
	signUp := url.Values{"company": {"Ferry"}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {password}}
	question := url.Values{"question": {"Who?"}, "none": {"1"}, "heading": {""}}
	toTenant := "/staff/tenants/" + m.account.Tenant.ID.String()
	for _, c := range []struct {
		by       *member
		page, to string
		form     url.Values
		field    string
		most     int
		says     string
	}{
		{m, "/questions/new", "/questions", question, "question", 2000, "A question can have 2,000 characters; this one has 2,001."},
		{m, "/questions/new", "/questions", question, "heading", 300, "A heading can have 300 characters; this one has 301."},
		{m, "/bot", "/bot", bot, "name", 60, "Use at most 60 characters; these are 61."},
		{m, "/bot", "/bot", bot, "greeting", 200, "Use at most 200 characters; these are 201."},
		{m, "/bot", "/bot", bot, "suggestions", 120, "Use at most 120 characters; these are 121."},
		{m, "/bot", "/bot", bot, "fallback", 400, "Use at most 400 characters; these are 401."},
		{m, "/settings", "/settings/tenant", url.Values{}, "company", 120, "Use at most 120 characters; these are 121."},
		{m, "/settings", "/settings/password", url.Values{"current": {password}}, "password", 256, "Use at most 256 characters; these are 257."},
		{a.nobody(t), "/signup", "/signup", signUp, "company", 120, "Use at most 120 characters; these are 121."},
		{a.nobody(t), "/signup", "/signup", signUp, "name", 120, "Use at most 120 characters; these are 121."},
		{a.nobody(t), "/signup", "/signup", signUp, "password", 256, "Use at most 256 characters; these are 257."},
		{a.helper(t).member, toTenant, toTenant + "/cases", url.Values{"minutes": {"30"}, "code": {"123456"}}, "reason", 500, "Use at most 500 characters; these are 501."},
	} {
		form := url.Values{}
		for field, value := range c.form {
			form[field] = value
		}
		text := strings.Repeat("x", c.most) + "y"
		form.Set(c.field, text)
		what := c.to + ": " + c.field
		control := regexp.MustCompile(`<(input|textarea) [^>]*id="` + c.field + `"[^>]*>`).FindString(c.by.get(t, c.page).body)
		if control == "" || strings.Contains(control, "maxlength") {
			t.Errorf("%s is asked for by %q", what, control)
		}
		r := c.by.post(t, c.to, form, "Accept", "text/html")
		want(t, what, r, http.StatusUnprocessableEntity)
		shows(t, what, r, c.says)
		if c.field != "password" {
			shows(t, what, r, text)
		}
	}
}
