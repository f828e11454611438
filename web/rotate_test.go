package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
	"bitb/domain/secret"
)

// All keys and the database's password are exchanged under a running server, as docs/runbooks/rotate-keys.md does it: nobody is signed
// out, no answer fails, and bitb keys tells when the old ones are needed no more.
func TestSecretsAreExchangedWhileServing(t *testing.T) {
	db, model := dbtest.New(t), llmtest.New(t)
	model.Chat.Reply("It costs 19 euros [1].")
	dir := t.TempDir()
	set := func(name string, values ...string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file+".new", []byte(strings.Join(values, ",")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
		return "file:" + file
	}
	address, role, password := db.Login(t)
	oldSession, newSession, oldKey, newKey := secret.NewKey(), secret.NewKey(), secret.NewKey(), secret.NewKey()
	settings := map[string]string{"DATABASE_URL": set("database", address), "BITB_SESSION_KEYS": set("session", oldSession), "BITB_ENCRYPTION_KEYS": set("encryption", oldKey),
		"OPENAI_API_KEY": set("model", model.Key), "OPENAI_BASE_URL": model.URL, "BITB_CHAT_MODEL": "scripted", "BITB_EMBEDDING_MODEL": builtinModel,
		"BITB_SECRET_REFRESH": "1s", "BITB_LOG_LEVEL": "ERROR"}
	command := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		settings["REDIS_URL"] = dbtest.RedisURL(t)
		if err := run(t.Context(), args, func(name string) string { return settings[name] }, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	command("staff", "add", "ada@support.example")
	p := boot(t, "serve", settings)
	c := signUp(t, p.url)
	uploadText(t, c, p.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	signedIn := func() bool {
		r, err := c.Get(p.url + "/documents")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	}
	used := func(purpose, key string) bool {
		_, body := plainly(t, "GET", p.metrics+"/metrics", "")
		return strings.Contains(body, fmt.Sprintf("{key=%q,purpose=%q}", secret.Fingerprint(key), purpose))
	}
	for _, keys := range [][]string{{oldSession, newSession}, {newSession, oldSession}} {
		set("session", keys...)
		dbtest.Eventually(t, 15*time.Second, "the first key to be used", func() bool {
			if !signedIn() {
				t.Fatalf("signed out with %d keys", len(keys))
			}
			return used(sessionKeys, keys[0])
		})
	}
	set("encryption", newKey, oldKey)
	if out := command("keys", "reseal"); out != "1 sealed anew.\n" {
		t.Errorf("reseal: %s", out)
	}
	// The model's key is gone before the new one is the only one: the refused one is counted, the other one answers.
	gone := "a-key-that-is-gone"
	set("model", gone, model.Key)
	asked := 0
	var last time.Time
	dbtest.Eventually(t, 15*time.Second, "the new model key to be tried", func() bool {
		if time.Since(last) < 500*time.Millisecond {
			return false
		}
		last, asked = time.Now(), asked+1 // another question each time: answers are cached
		if answer := askThis(t, c, p.url, fmt.Sprintf("What does a bicycle cost a day %d?", asked)); !strings.Contains(answer, "event: done") || strings.Contains(answer, "event: error") {
			t.Fatalf("answered %s", answer)
		}
		return used(modelKeys, gone)
	})
	// The database's password: new connections take the new one.
	db.Exec(t, fmt.Sprintf("alter role %s password 'n%s'", role, password))
	set("database", strings.Replace(address, ":"+password+"@", ":n"+password+"@", 1))
	db.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role)
	dbtest.Eventually(t, 15*time.Second, "connections with the new password", signedIn)

	if err := p.stop(); err != nil { // writes down what was used last
		t.Fatal(err)
	}
	list := command("keys", "list")
	for _, want := range []string{
		`session\s+` + secret.Fingerprint(newSession) + `\s+file:\S+\s.*in use`, `session\s+` + secret.Fingerprint(oldSession) + `\s.*\s0\s+needed no more`,
		`encryption\s+` + secret.Fingerprint(newKey) + `\s.*\s1\s+in use`, `encryption\s+` + secret.Fingerprint(oldKey) + `\s.*\s0\s`, `model\s+` + secret.Fingerprint(model.Key)} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("nothing like %s in\n%s", want, list)
		}
	}
	set("session", newSession)
	set("encryption", newKey)
	if list := command("keys", "list"); !regexp.MustCompile(`session\s+` + secret.Fingerprint(oldSession) + `\s+not set here\s.*used within the hour`).MatchString(list) {
		t.Errorf("after the last step:\n%s", list)
	}
}
