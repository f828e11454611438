package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"

	"bitb/domain"
)

// The release before this one works on this one's schema, alone and beside this one, each with what the other wrote: that is what a
// rollout needs, and a rollback.
func TestPreviousOnThisSchema(t *testing.T) {
	if os.Getenv("BITB_PREVIOUS") == "" {
		t.Skip("make previous builds the release before this one and tries it")
	}
	present, previous := releases()
	f := newFleet(t)
	use := func(v release) {
		f.stop(f.running...)
		f.proxy.drop(f.running...)
		f.running = f.start(v, 1)
		f.proxy.use(f.running...)
		f.until(v.name+" to be ready", func() bool { return f.proxy.knows(f.running...) })
	}
	f.running = f.start(previous, 1)
	f.proxy.use(f.running...)
	f.until("the previous one to be ready", func() bool { return f.proxy.knows(f.running...) })
	f.open()
	f.worksFor("the first tenant on the previous one")
	use(present)
	f.worksFor("this one, on what the previous one wrote")
	use(previous)
	f.worksFor("the previous one, on what this one wrote")
	f.stop(f.running...)
}

// worksFor does what a member and a visitor do in a day.
func (f *fleet) worksFor(whom string) {
	f.Helper()
	must := func(method, path string, form url.Values) string {
		f.Helper()
		req, err := http.NewRequestWithContext(f.Context(), method, f.proxy.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			f.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept", "text/html")
		r, err := f.member.Do(req)
		if err != nil {
			f.Fatalf("%s: %s %s: %v", whom, method, path, err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode >= 400 || r.Header.Get("Location") == "/signin" && path != "/signout" {
			f.Fatalf("%s: %s %s: %s %v\n%.500s", whom, method, path, r.Status, err, body)
		}
		return string(body)
	}
	for _, path := range []string{"/documents", "/playground", "/conversations", "/questions", "/bot", "/settings", "/settings/audit"} {
		must(http.MethodGet, path, nil) // still signed in
	}
	must(http.MethodPost, "/signout", nil)
	jar, _ := cookiejar.New(nil)
	f.member.Jar = jar
	must(http.MethodPost, "/signin", url.Values{"email": {"owner@example.com"}, "password": {"vier wörter ohne sinn"}})

	before := f.db.Count(f.T, "select count(*) from documents")
	uploadText(f.T, f.member, f.proxy.URL, fmt.Sprintf("bells-%d.md", before), fmt.Sprintf("# Bells %d\n\nA bell for a tandem costs %d euros.\n", before, 30+before))
	f.until("the document to be ready", func() bool {
		return f.db.Count(f.T, "select count(*) from documents where status = 'ready'") == before+1
	})
	if answer := must(http.MethodPost, "/playground/messages", url.Values{"question": {"What does a bicycle cost a day? " + whom}}); !strings.Contains(answer, said) {
		f.Errorf("%s: the playground says %s", whom, answer)
	}
	if answer, err := f.asksWidget(whom); err != nil || !strings.Contains(answer, said) || !strings.Contains(answer, "event: done") {
		f.Errorf("%s: the widget says %s (%v)", whom, answer, err)
	}
}

// asksWidget is a new visitor with one question.
func (f *fleet) asksWidget(whom string) (string, error) {
	v := visitor{http: &http.Client{Transport: &http.Transport{}}, base: f.proxy.URL + "/widget/v1/bots/" + f.bot, origin: f.proxy.URL, address: "203.0.113.200"}
	if err := v.arrive(f.Context()); err != nil {
		return "", err
	}
	return v.ask(f.Context(), domain.NewID(), "What does a bicycle cost a day? "+whom)
}
