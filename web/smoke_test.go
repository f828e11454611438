package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"bitb/domain"
	"bitb/domain/dbtest"
)

// The smoke test passes against the real program and leaves nothing, also when it fails half way or is broken off.
func TestSmoke(t *testing.T) {
	db := dbtest.New(t)
	server := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL})
	nothingLeft := func(t *testing.T) {
		t.Helper()
		if n := db.Count(t, "select (select count(*) from tenants) + (select count(*) from auth.logins) + (select count(*) from documents)"); n != 0 {
			t.Errorf("%d rows of the throw-away customer are left", n)
		}
	}
	t.Run("passes", func(t *testing.T) {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"smoke", "--json", "--url", server.url + "/"}, func(string) string { return "" }, &out); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
		var report smokeReport
		if err := json.Unmarshal(out.Bytes(), &report); err != nil || !report.OK || !report.Erased || len(report.Steps) != 10 {
			t.Errorf("%v: %s", err, &out)
		}
		nothingLeft(t)
	})
	t.Run("what was cached goes too", func(t *testing.T) {
		options, err := goredis.ParseURL(dbtest.RedisURL(t))
		if err != nil {
			t.Fatal(err)
		}
		client := goredis.NewClient(options)
		defer client.Close()
		var customer domain.ID
		naming := func() int {
			keys, err := client.Keys(t.Context(), "*"+customer.String()+"*").Result()
			if err != nil {
				t.Error(err)
			}
			return len(keys)
		}
		cached := 0
		report := smoke(t.Context(), server.url, func(s smokeStep) {
			if s.Name == "Ask there as a visitor" {
				if err := db.Super(t).QueryRow(t.Context(), "select id from tenants").Scan(&customer); err != nil {
					t.Error(err)
				}
				cached = naming()
			}
		})
		if left := naming(); !report.OK || cached == 0 || left != 0 {
			t.Errorf("of %d keys %d are left: %+v", cached, left, report)
		}
	})
	t.Run("for a person", func(t *testing.T) {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"smoke"}, func(name string) string { return map[string]string{"BITB_PUBLIC_URL": server.url}[name] }, &out); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
		for _, want := range []string{"Smoke test of " + server.url, "✓ Ask as a member", "1 cited, by builtin", "All 10 steps passed", "Nothing of it is left."} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("does not say %q:\n%s", want, &out)
			}
		}
		nothingLeft(t)
	})
	t.Run("broken off", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		report := smoke(ctx, server.url, func(s smokeStep) {
			if s.Name == "Upload a document" {
				interrupt()
			}
		})
		if report.OK || !report.Erased || len(report.Steps) != 5 {
			t.Errorf("%+v", report)
		}
		nothingLeft(t)
	})
	t.Run("sign-up answered, answer lost", func(t *testing.T) {
		broken := between(t, server.url, func(w http.ResponseWriter, r *http.Request, pass func()) {
			if r.URL.Path != "/signup" {
				pass()
				return
			}
			lost := httptest.NewRecorder()
			proxyTo(server.url).ServeHTTP(lost, r)
			panic(http.ErrAbortHandler)
		})
		report := smoke(t.Context(), broken, nil)
		if report.OK || !report.Erased || len(report.Steps) != 3 {
			t.Errorf("%+v", report)
		}
		nothingLeft(t)
	})
	t.Run("an answer is wrong", func(t *testing.T) {
		broken := between(t, server.url, func(w http.ResponseWriter, r *http.Request, pass func()) {
			if !strings.HasSuffix(r.URL.Path, "/visitors") {
				pass()
				return
			}
			w.Header().Set("X-Request-Id", "0192-id")
			http.Error(w, `{"message": "The disk is full."}`, http.StatusInsufficientStorage)
		})
		report := smoke(t.Context(), broken, nil)
		failed := report.Steps[len(report.Steps)-2]
		if report.OK || !report.Erased || failed.Name != "Ask there as a visitor" || failed.RequestID != "0192-id" || !strings.Contains(failed.Error, "The disk is full.") {
			t.Errorf("%+v", report)
		}
		nothingLeft(t)
	})
	t.Run("nobody there", func(t *testing.T) {
		report := smoke(t.Context(), "http://127.0.0.1:1", nil)
		if report.OK || !report.Erased || len(report.Steps) != 1 {
			t.Errorf("%+v", report)
		}
		if err := run(t.Context(), []string{"smoke", "--url", "http://127.0.0.1:1"}, func(string) string { return "" }, &bytes.Buffer{}); !errors.Is(err, exitCode(1)) {
			t.Errorf("ended with %v", err)
		}
	})
}

// Where sign-up is by invitation, `bitb invite` prints a link and nothing else, with which the smoke test gets in once.
func TestSmokeByInvitation(t *testing.T) {
	db := dbtest.New(t)
	settings := map[string]string{"DATABASE_URL": db.URL, "REDIS_URL": dbtest.RedisURL(t), "BITB_SIGN_UP": "invited"}
	server := boot(t, "serve", settings)
	settings["BITB_PUBLIC_URL"] = server.url
	getenv := func(name string) string { return settings[name] }
	var link, out bytes.Buffer
	if err := run(t.Context(), []string{"invite", "--days", "1", "smoke", "test"}, getenv, &link); err != nil {
		t.Fatal(err)
	}
	try := func(args ...string) error { return run(t.Context(), append([]string{"smoke"}, args...), getenv, &out) }
	if err := try(); !errors.Is(err, exitCode(1)) || !strings.Contains(out.String(), "Sign-up is by invitation here") || !strings.Contains(out.String(), "Nothing of it is left.") {
		t.Errorf("without an invitation: %v\n%s", err, &out)
	}
	if err := try("--invitation", strings.TrimSpace(link.String())); err != nil {
		t.Errorf("with one: %v\n%s", err, &out)
	}
	if err := try("--invitation", strings.TrimSpace(link.String())); !errors.Is(err, exitCode(1)) {
		t.Errorf("with a used one: %v", err)
	}
	for _, wrong := range [][]string{{"invite"}, {"invite", "--days", "0", "x"}, {"invite", "--for", "x"}, {"smoke", "--url", "chat.example.com"}, {"smoke", "--timeout", "0s"}} {
		if err := run(t.Context(), wrong, getenv, &out); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}

// Nothing reads documents: the smoke test says so in time and takes its document back.
func TestSmokeWithoutWorker(t *testing.T) {
	db := dbtest.New(t)
	server := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL, "BITB_WORKERS": "0"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	report := smoke(ctx, server.url, nil)
	failed := report.Steps[len(report.Steps)-2]
	if report.OK || !report.Erased || failed.Name != "Wait until it is ready" || !strings.Contains(failed.Error, "queued") {
		t.Errorf("%+v", report)
	}
	if n := db.Count(t, "select count(*) from tenants"); n != 0 {
		t.Errorf("%d tenants are left", n)
	}
}

// between is a server before another one, that answers some requests otherwise.
func between(t *testing.T, target string, answer func(w http.ResponseWriter, r *http.Request, pass func())) string {
	t.Helper()
	proxy := proxyTo(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func() { proxy.ServeHTTP(w, r) })
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func proxyTo(target string) http.Handler {
	u, err := url.Parse(target)
	if err != nil {
		panic(err) // the test's own
	}
	return httputil.NewSingleHostReverseProxy(u)
}
