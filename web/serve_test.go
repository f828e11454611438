package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
	"bitb/domain/postgres"
	"bitb/domain/secret"
)

// Redis may never have been there: people sign in, documents become ready, questions are answered.
func TestWithoutRedis(t *testing.T) {
	db := dbtest.New(t)
	server := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL, "REDIS_URL": "redis://127.0.0.1:1", "BITB_LOG_LEVEL": "ERROR"})
	c := signUp(t, server.url)
	uploadText(t, c, server.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	if answer := ask(t, c, server.url); !strings.Contains(answer, "19 euros a day") {
		t.Errorf("answered %s", answer)
	}
	r, err := http.Get(server.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	for _, name := range []string{"bitb_http_request_seconds", "bitb_documents_total{outcome=\"ready\"", "bitb_ingest_stage_seconds", "bitb_retrieval_seconds",
		"bitb_model_call_seconds", "bitb_cache_lookups_total{cache=\"answer\",result=\"miss\"}", "bitb_answers_total"} {
		if !strings.Contains(string(body), name) {
			t.Errorf("the metrics have no %s", name)
		}
	}
	public, err := http.Get(server.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer public.Body.Close()
	if public.StatusCode != http.StatusNotFound {
		t.Errorf("the metrics are public: %d", public.StatusCode)
	}
}

// The embedding model is examined when it answers for the first time, before anybody uploads anything.
func TestModelIsExamined(t *testing.T) {
	t.Parallel()
	db, model := dbtest.New(t), llmtest.New(t)
	boot(t, "serve", map[string]string{"DATABASE_URL": db.URL, "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key, "BITB_CHAT_MODEL": builtinModel,
		"BITB_EMBEDDING_MODEL": "scripted"})
	dbtest.Eventually(t, 20*time.Second, "the examination", func() bool { return db.Count(t, examined) == 1 })
}

// A stop lets an answer that is being written go to its end, and ends without an error.
func TestStopLetsAnswersEnd(t *testing.T) {
	db, model := dbtest.New(t), llmtest.New(t)
	model.Chat.Reply("It costs 19 euros [1]. That is all there is to say.")
	release := model.Chat.HoldAfter(2)
	server := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL, "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key,
		"BITB_CHAT_MODEL": "scripted", "BITB_EMBEDDING_MODEL": builtinModel})
	c := signUp(t, server.url)
	uploadText(t, c, server.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	answered := make(chan string, 1)
	go func() { answered <- ask(t, c, server.url) }()
	dbtest.Eventually(t, 10*time.Second, "the model to be asked", func() bool { return len(model.Chat.Requests()) == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- server.stop() }()
	dbtest.Eventually(t, 10*time.Second, "new connections to be refused", func() bool {
		r, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(server.url + "/readyz")
		if err == nil {
			r.Body.Close()
		}
		return err != nil || r.StatusCode == http.StatusServiceUnavailable
	})
	release()
	if answer := <-answered; !strings.Contains(answer, "That is all there is to say.") || !strings.Contains(answer, "event: done") {
		t.Errorf("answered %s", answer)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if n := db.Count(t, "select count(*) from messages where author = 'bot' and status = 'complete'"); n != 1 {
		t.Errorf("%d answers are kept whole", n)
	}
}

// While a stop drains, the process says that it is not ready and serves all the same, and each connection that is used ends with
// its answer.
func TestDrain(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	server := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL, "BITB_DRAIN": "600ms", "BITB_WORKERS": "0"})
	kept := &http.Client{Transport: &http.Transport{}}
	if status, closing := visit(t, kept, server.url+"/signin"); status != http.StatusOK || closing {
		t.Errorf("before the stop: %d, closing %t", status, closing)
	}
	asks := func(p *program) error {
		return run(t.Context(), []string{"healthy"}, func(name string) string {
			if name != "BITB_METRICS_LISTEN" { // a secret manager would be asked every few seconds
				t.Errorf("the health check reads %s", name)
			}
			return strings.Replace(p.metrics, "http://127.0.0.1", "", 1)
		}, io.Discard)
	}
	if err := asks(server); err != nil {
		t.Error(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.stop() }()
	dbtest.Eventually(t, 500*time.Millisecond, "no new requests to be wanted", func() bool {
		status, _ := visit(t, kept, server.url+"/readyz")
		return status == http.StatusServiceUnavailable
	})
	for _, address := range []string{server.url + "/signin", server.url + "/healthz", server.metrics + "/healthz", server.metrics + "/metrics"} {
		if status, closing := visit(t, http.DefaultClient, address); status != http.StatusOK || (strings.HasPrefix(address, server.url) && !closing) {
			t.Errorf("%s while draining: %d, closing %t", address, status, closing)
		}
	}
	if err := asks(server); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("the metrics address says %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// A worker has no public address; it is probed where its metrics are, and reads what another process took.
func TestWorkerAlone(t *testing.T) {
	db := dbtest.New(t)
	web := boot(t, "serve", map[string]string{"DATABASE_URL": db.URL, "BITB_WORKERS": "0"})
	worker := boot(t, "work", map[string]string{"DATABASE_URL": db.URL})
	if status, _ := visit(t, http.DefaultClient, worker.metrics+"/healthz"); status != http.StatusOK {
		t.Errorf("the worker says %d", status)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(worker.url, "http://")); err == nil {
		conn.Close()
		t.Error("a worker has a public address")
	}
	uploadText(t, signUp(t, web.url), web.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
}

// visit returns the status, and whether the server closes the connection.
func visit(t *testing.T, c *http.Client, address string) (status int, closing bool) {
	t.Helper()
	r, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	return r.StatusCode, r.Close
}

func TestSettingsAreReportedAtOnce(t *testing.T) {
	values := map[string]string{"BITB_PUBLIC_URL": "ftp://x", "BITB_TRUSTED_PROXIES": "everywhere", "BITB_CHAT_MODEL": "gpt", "BITB_PRODUCTION": "true",
		"BITB_RERANK_URL": "https://api.example/rerank", "DATABASE_URL": "postgres://bitb_app:geheim@db.example/bitb?sslmode=disable"}
	_, err := loadConfig(func(name string) string { return values[name] })
	if err == nil {
		t.Fatal("nothing is wrong with these settings")
	}
	for _, name := range []string{"REDIS_URL", "BITB_PUBLIC_URL", "BITB_TRUSTED_PROXIES", "OPENAI_API_KEY", "BITB_RERANK_MODEL", "DATABASE_URL"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("nothing is said of %s in %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "geheim") {
		t.Errorf("a secret is printed: %v", err)
	}
}

// The first migration comes before there is anything else: it wants an administrator's address and no other setting.
func TestMigrateAlone(t *testing.T) {
	settings := map[string]string{"BITB_MIGRATE_DATABASE_URL": dbtest.New(t).OwnerURL}
	if err := run(t.Context(), []string{"migrate"}, func(name string) string { return settings[name] }, io.Discard); err != nil {
		t.Error(err)
	}
}

// Of a setting that cannot be read it is said which and why, and not that it is missing: nobody is to make a new key for that.
func TestUnreadableSettings(t *testing.T) {
	values := map[string]string{"BITB_PRODUCTION": "true", "BITB_ENCRYPTION_KEYS_FILE": "/nowhere/keys", "DATABASE_URL": "vault://secret/bitb", "BITB_BACKUP_KEYS_FILE": "/nowhere/keys",
		"BITB_WORKERS": "many", "BITB_DRAIN": "soon", "BITB_LOG_LEVEL": "LOUD", "BITB_DATABASE_POOLED": "perhaps", "BITB_DAILY_BUDGET_USD": "much"}
	for _, command := range []string{"serve", "migrate", "keys list", "backup list"} {
		err := run(t.Context(), strings.Fields(command), func(name string) string { return values[name] }, io.Discard)
		if err == nil {
			t.Fatalf("%s: nothing is wrong with these settings", command)
		}
		for _, says := range []string{"BITB_ENCRYPTION_KEYS: file:/nowhere/keys: ", "DATABASE_URL: vault://secret/bitb: the field is missing", `BITB_WORKERS must be a whole number, not "many"`,
			`BITB_DRAIN must be a time such as 30s or 5m, not "soon"`, `BITB_LOG_LEVEL must be DEBUG, INFO, WARN or ERROR, not "LOUD"`, `BITB_DATABASE_POOLED must be true or false`, "BITB_DAILY_BUDGET_USD must be a number"} {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s does not say %q: %v", command, says, err)
			}
		}
		if strings.Contains(err.Error(), "is not set") || strings.Contains(err.Error(), "makes a key") {
			t.Errorf("%s takes what cannot be read for missing: %v", command, err)
		}
	}
}

// One service may answer and re-rank by the same keys, also while one of them is exchanged; no list names a key twice.
func TestModelKeys(t *testing.T) {
	values := map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0", "OPENAI_API_KEY": "new,old",
		"BITB_RERANK_URL": "https://api.example/rerank", "BITB_RERANK_MODEL": "r"}
	for keys, wrong := range map[string]string{"old": "", "new,old": "", "same,same": "BITB_RERANK_KEY: a key stands there twice"} {
		values["BITB_RERANK_KEY"] = keys
		_, err := loadConfig(func(name string) string { return values[name] })
		if wrong == "" && err != nil || wrong != "" && (err == nil || err.Error() != wrong) {
			t.Errorf("%s: %v", keys, err)
		}
	}
}

// A worker that is to read nothing says so.
func TestWorksForSomething(t *testing.T) {
	settings := map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0", "BITB_WORKERS": "0"}
	if _, err := command(t, settings, "work"); err == nil || !strings.Contains(err.Error(), "BITB_WORKERS is 0") {
		t.Errorf("works with %v", err)
	}
}

// A server starts on no schema that lacks something of it, and takes no flags for settings.
func TestStartsOnItsSchemaAlone(t *testing.T) {
	db := dbtest.New(t)
	settings := map[string]string{"DATABASE_URL": db.URL, "REDIS_URL": dbtest.RedisURL(t)}
	if _, err := command(t, settings, "serve", "--port", "80"); err == nil || !strings.Contains(err.Error(), `"--port"`) {
		t.Errorf("with a flag: %v", err)
	}
	db.Exec(t, "delete from meta.goose_db_version where version_id = 17")
	if _, err := command(t, settings, "work"); err == nil || !strings.Contains(err.Error(), "00017_originals; run `bitb migrate` first") {
		t.Errorf("with a migration less: %v", err)
	}
	db.Exec(t, "drop schema meta cascade")
	if _, err := command(t, settings, "serve"); !postgres.NotMigrated(err) {
		t.Errorf("with none: %v", err)
	}
	address, _, _ := db.Login(t)
	if _, err := command(t, map[string]string{"BITB_MIGRATE_DATABASE_URL": address}, "migrate"); err == nil || !strings.Contains(err.Error(), "may create roles and extensions") {
		t.Errorf("migrated as a role that may not: %v", err)
	}
}

func TestRerankSettingsBelongTogether(t *testing.T) {
	for _, c := range []struct {
		url, model, key string
		good            bool
	}{
		{"", "", "", true}, {"https://api.example/v2/rerank", "m", "", true}, {"http://tei:8080/rerank", "m", "k", true},
		{"", "m", "", false}, {"", "", "k", false}, {"https://api.example/v2/rerank", "", "k", false},
		{"api.example/v2/rerank", "m", "", false}, {"https://me:geheim@api.example/rerank", "m", "", false},
	} {
		errs := (&Config{RerankURL: c.url, RerankModel: c.model, RerankKey: Secret(c.key)}).checkRerank()
		if (len(errs) == 0) != c.good || strings.Contains(fmt.Sprint(errs), "geheim") {
			t.Errorf("%+v: %v", c, errs)
		}
	}
}

func TestProductionRefusesPrivilegedRole(t *testing.T) {
	db := dbtest.New(t)
	values := map[string]string{"DATABASE_URL": db.OwnerURL, "REDIS_URL": dbtest.RedisURL(t), "BITB_PRODUCTION": "true", "BITB_PUBLIC_URL": "https://chat.example.com",
		"BITB_TRUSTED_PROXIES": "10.0.0.0/8", "BITB_ENCRYPTION_KEYS": secret.NewKey(), "BITB_SESSION_KEYS": secret.NewKey()}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := run(ctx, []string{"serve"}, func(name string) string { return values[name] }, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("served as a superuser: %v", err)
	}
}

func signUp(t testing.TB, server string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := c.PostForm(server+"/signup", url.Values{"company": {"Shop"}, "name": {"Owner"}, "email": {"owner@example.com"}, "password": {"vier wörter ohne sinn"}})
	if err != nil || r.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-up: %v %v", r, err)
	}
	r.Body.Close()
	return c
}

// uploadText sends a file with the plain form.
func uploadText(t testing.TB, c *http.Client, server, name, content string) {
	t.Helper()
	upload(t, c, server, name, content, http.StatusSeeOther)
}

func upload(t testing.TB, c *http.Client, server, name, content string, status int) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, content)
	_ = form.Close()
	r, err := c.Post(server+"/documents", form.FormDataContentType(), &body)
	if err != nil || r.StatusCode != status {
		t.Fatalf("upload: %v %v", r, err)
	}
	r.Body.Close()
}

func ask(t *testing.T, c *http.Client, server string) string {
	return askThis(t, c, server, "What does a bicycle cost a day?")
}

func askThis(t testing.TB, c *http.Client, server, question string) string {
	r, err := c.PostForm(server+"/playground/messages", url.Values{"question": {question}})
	if err != nil {
		t.Error(err)
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
