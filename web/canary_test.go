package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bitb/domain/dbtest"
	"bitb/domain/secret"
)

// canaries puts something that is found nowhere else into every secret there is, and has the models refuse their keys and send them back.
func canaries(t *testing.T, db *dbtest.Database) (settings map[string]string, hidden []string) {
	t.Helper()
	spiteful := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error": {"message": "Incorrect API key provided: %s.", "code": "invalid_api_key"}}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}))
	t.Cleanup(spiteful.Close)
	settings = production(t, db)
	for name := range (Config{}).secrets() {
		if settings[name] == "" {
			settings[name] = secret.NewKey()
		}
	}
	delete(settings, "SUPABASE_SERVICE_ROLE_KEY") // goes with a project; see TestOnSupabase
	_, _, password := db.Login(t)
	file := filepath.Join(t.TempDir(), "key")
	fromFile, second := secret.NewKey(), secret.NewKey()
	if err := os.WriteFile(file, []byte(fromFile+","+second), 0o600); err != nil {
		t.Fatal(err)
	}
	hidden = append(hidden, fromFile, second, password)
	settings["OPENAI_API_KEY"], settings["OPENAI_API_KEY_FILE"], settings["OPENAI_BASE_URL"] = "", file, spiteful.URL+"/v1"
	settings["BITB_RERANK_URL"], settings["BITB_RERANK_MODEL"], settings["BITB_EMBEDDING_MODEL"] = spiteful.URL+"/rerank", "m", builtinModel
	cache := strings.NewReplacer("/", "a", "+", "b", "=", "c").Replace(second[:20]) // an address takes these for its own
	settings["REDIS_URL"] = "redis://user:" + cache + "@" + strings.TrimPrefix(dbtest.RedisURL(t), "redis://")
	settings["BITB_MIGRATE_DATABASE_URL"] = "postgres://owner:" + password + "@127.0.0.1:1/bitb"
	hidden = append(hidden, cache)
	for name := range (Config{}).secrets() {
		if v := settings[name]; v != "" && !strings.Contains(v, "://") {
			hidden = append(hidden, v)
		}
	}
	login := regexp.MustCompile(`:([^:@]+)@`).FindStringSubmatch(settings["DATABASE_URL"])[1]
	return settings, append(hidden, login)
}

// A secret appears in no log, page, answer, error, metric and no table, whatever goes wrong: the canary of SECURITY.md, 74.
func TestSecretsAppearNowhere(t *testing.T) {
	db := dbtest.New(t)
	settings, hidden := canaries(t, db)
	settings["BITB_LOG_LEVEL"], settings["BITB_WORKERS"] = "DEBUG", "1"
	p := startProcess(t, release{"the program", os.Args[0], true}, settings)
	dbtest.Eventually(t, time.Minute, "the process to be ready", func() bool {
		select {
		case err := <-p.ended:
			t.Fatalf("the program ended with %v:\n%s", err, p.said)
		default:
		}
		r, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	seen := &exposed{hidden: hidden}

	owner := &browser{t: t, at: p, seen: seen}
	owner.do("POST", "/signup", "company=Shop&name=Owner&email=owner%40example.com&password=vier+w%C3%B6rter+ohne+sinn")
	if owner.cookie == "" {
		t.Fatal("nobody is signed in")
	}
	owner.upload("prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n")
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	owner.do("POST", "/playground/messages", "question=What+does+a+bicycle+cost%3F")
	owner.crawl("/documents")
	owner.do("POST", "/bot", "name=&greeting=")
	nobody := &browser{t: t, at: p, seen: seen}
	for _, path := range []string{"/", "/signin", "/staff/signin", "/nowhere", "/widget.js", "/static/app.js", "/healthz", "/readyz", "/metrics", "/debug/pprof/", "/.env", "/.git/config",
		"/widget/v1/bots/0198c5f2-0000-7000-8000-000000000000"} {
		nobody.do("GET", path, "")
	}
	nobody.do("POST", "/signin", "email=owner%40example.com&password=wrong")
	_, metrics := plainly(t, "GET", p.metrics+"/metrics", "")
	seen.look(t, "the metrics", metrics)
	if !strings.Contains(metrics, "bitb_key_refused_total{key=") {
		t.Error("the metrics do not count refused keys")
	}
	if len(owner.visited) < 8 {
		t.Errorf("only %d pages were seen: %v", len(owner.visited), owner.visited)
	}
	if n := db.Count(t, "select count(*) from messages where author = 'bot'"); n != 1 {
		t.Errorf("%d answers", n)
	}
	p.stop(t)
	logged := p.said.String()
	seen.look(t, "the log", logged)
	if !strings.Contains(logged, "a key was refused") || !strings.Contains(logged, `"request"`) {
		t.Errorf("the log does not tell what happened: %s", logged)
	}
	lookIntoTables(t, db, seen)
}

// Where settings are wrong, or printed, no secret is shown.
func TestSettingsAreNeverPrinted(t *testing.T) {
	db := dbtest.New(t)
	settings, hidden := canaries(t, db)
	getenv := func(name string) string { return settings[name] }
	seen := &exposed{hidden: hidden}
	c, err := loadConfig(getenv)
	if err != nil {
		t.Fatal(err)
	}
	object, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("settings", "config", c, "key", c.OpenAIKey)
	for name, text := range map[string]string{"%v": fmt.Sprintf("%v %+v", c, &c), "%#v": fmt.Sprintf("%#v", c), "%s": fmt.Sprintf("%s %q", c.OpenAIKey, c.OpenAIKey), "JSON": string(object), "slog": logged.String()} {
		seen.look(t, "the settings as "+name, text)
	}
	for name := range c.secrets() {
		for _, broken := range []string{"%s\x7f", "postgres://u:%s@[::1", "redis://u:%s@h:port:port/x", "https://u:%s@h\n", "vault://%s", "file:/nowhere,%s", "http://%%zz%s"} {
			canary := "ThisIsACanary0123456789"
			one := &exposed{hidden: []string{canary}}
			c, err := loadConfig(func(asked string) string {
				if asked == name {
					return fmt.Sprintf(broken, canary)
				}
				return getenv(asked)
			})
			if err == nil && name == "BITB_MIGRATE_DATABASE_URL" {
				err = migrate(t.Context(), c)
			} else if err == nil && strings.HasSuffix(name, "_URL") {
				_, err = newServer(t.Context(), c, slog.New(slog.DiscardHandler))
			}
			if err != nil && !strings.HasPrefix(broken, "vault:") { // a reference is no secret
				one.look(t, fmt.Sprintf("the error about %s=%s", name, broken), err.Error())
			}
		}
	}
}

// exposed finds secrets where they must not be.
type exposed struct{ hidden []string }

func (e *exposed) look(t *testing.T, where, text string) {
	t.Helper()
	for _, h := range e.hidden {
		if at := strings.Index(text, h); at >= 0 {
			t.Errorf("a secret is shown in %s: …%s…", where, text[max(0, at-80):min(len(text), at+60)])
		}
	}
}

// lookIntoTables reads every table of every schema as text.
func lookIntoTables(t *testing.T, db *dbtest.Database, seen *exposed) {
	t.Helper()
	conn := db.Super(t)
	rows, err := conn.Query(t.Context(), "select format('%I.%I', table_schema, table_name) from information_schema.tables where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	for _, name := range tables {
		var all string
		if err := conn.QueryRow(t.Context(), "select coalesce(string_agg(x::text, ' '), '') from "+name+" x").Scan(&all); err != nil {
			t.Fatal(err)
		}
		seen.look(t, "the table "+name, all)
	}
}

// browser is somebody behind the proxy that ends TLS.
type browser struct {
	t       *testing.T
	at      *process
	seen    *exposed
	cookie  string
	visited []string
}

func (b *browser) do(method, path, body string) string {
	return b.send(method, path, "application/x-www-form-urlencoded", body)
}

func (b *browser) send(method, path, kind, body string) string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.at.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Host = "chat.example.com"
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Cookie", b.cookie)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		b.cookie = c.Name + "=" + c.Value
	}
	b.visited = append(b.visited, path)
	b.seen.look(b.t, method+" "+path, fmt.Sprint(resp.Header)+string(answer))
	return string(answer)
}

func (b *browser) upload(name, content string) {
	b.send("POST", "/documents", `multipart/form-data; boundary=b`, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\""+name+"\"\r\n\r\n"+content+"\r\n--b--\r\n")
}

var links = regexp.MustCompile(`(?:href|src|hx-get)="(/[^"#]*)`)

// crawl visits what can be reached by links, but for signing out.
func (b *browser) crawl(from string) {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0 && len(seen) < 80; queue = queue[1:] {
		for _, link := range links.FindAllStringSubmatch(b.do("GET", queue[0], ""), -1) {
			to := strings.ReplaceAll(link[1], "&amp;", "&")
			if !seen[to] && !strings.Contains(to, "signout") && !strings.HasPrefix(to, "/documents/events") {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
}
