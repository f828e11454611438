package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/dbtest"
	"bitb/domain/doctor"
	"bitb/domain/ingest"
	"bitb/domain/llm/llmtest"
	"bitb/domain/secret"
	"bitb/domain/tenant"
)

// appLogin is the address of the database for a role that may what bitb_app may and no more, whatever the tests log in as.
func appLogin(t *testing.T, db *dbtest.Database) string {
	t.Helper()
	role := "bitb_test_" + strings.ReplaceAll(domain.NewID().String(), "-", "")
	db.Exec(t, "create role "+role+" login password 'geheimnis-eines-tests'")
	db.Exec(t, "grant bitb_app to "+role)
	t.Cleanup(func() { db.Exec(t, "drop role "+role) })
	u, err := url.Parse(db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "geheimnis-eines-tests")
	return u.String()
}

// On a laptop, beside the real program: nothing fails, and what a laptop cannot have is said to be so.
func TestDoctorOnALaptop(t *testing.T) {
	db := dbtest.New(t)
	settings := map[string]string{"DATABASE_URL": appLogin(t, db), "REDIS_URL": dbtest.RedisURL(t)}
	server := boot(t, "serve", settings)
	settings["BITB_LISTEN"], settings["BITB_METRICS_LISTEN"] = strings.TrimPrefix(server.url, "http://"), strings.TrimPrefix(server.metrics, "http://")
	getenv := func(name string) string { return settings[name] }
	signUp(t, server.url)

	var out bytes.Buffer
	if err := run(t.Context(), []string{"doctor", "--json"}, getenv, &out); err != nil {
		t.Errorf("ended with %v", err)
	}
	var report doctor.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	cannot := map[string]bool{}
	for _, l := range report.Lines {
		switch l.Status {
		case doctor.Failed:
			t.Errorf("%+v", l)
		case doctor.NotApplicable:
			cannot[l.ID] = true
			if l.Found == "" {
				t.Errorf("%s does not say why it is not applicable", l.ID)
			}
		}
	}
	for _, id := range []string{"settings.production", "settings.demo", "settings.manager", "database.encrypted", "https.redirect", "https.hsts", "https.tls", "https.certificate",
		"models.rerank", "logs.collected", "metrics.scraped", "alerts.rules", "alerts.delivered", "backups.base", "backups.wal", "backups.drill", "capacity.replicas",
		"capacity.disruption", "capacity.autoscaler"} {
		if !cannot[id] {
			t.Errorf("%s is not among what a laptop cannot have", id)
		}
		delete(cannot, id)
	}
	if len(cannot) > 0 || !report.OK || report.Passed < 15 {
		t.Errorf("not applicable too: %v; %d passed", cannot, report.Passed)
	}

	out.Reset()
	if err := run(t.Context(), []string{"doctor"}, getenv, &out); err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, says := range []string{"Tenants apart", "✓ Tried as a stranger", "– Certificate", "On a laptop: ", " passed, 19 not applicable"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("does not say %q:\n%s", says, &out)
		}
	}
	if strings.Contains(out.String(), "geheimnis") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("a secret or colour:\n%s", &out)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSpace(line))); n > paperWidth {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
}

// Nothing is there: the list says so of every line that needs it, and the program ends with 1.
func TestDoctorWithoutAnything(t *testing.T) {
	settings := map[string]string{"DATABASE_URL": "postgres://bitb_app:geheimnis-eines-tests@127.0.0.1:1/bitb", "REDIS_URL": "redis://127.0.0.1:1", "BITB_LISTEN": "127.0.0.1:1"}
	var out bytes.Buffer
	err := run(t.Context(), []string{"doctor"}, func(name string) string { return settings[name] }, &out)
	if !errors.Is(err, exitCode(1)) {
		t.Errorf("ended with %v", err)
	}
	for _, says := range []string{"✗ Row-level security", "Not looked at: ", "Nothing answers at http://127.0.0.1:1", "✓ Go and libraries"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("does not say %q:\n%s", says, &out)
		}
	}
	if strings.Contains(out.String(), "geheimnis") {
		t.Errorf("a secret:\n%s", &out)
	}
	out.Reset()
	settings["BITB_TRACE_DAYS"], settings["BITB_PUBLIC_URL"] = "0", "ftp://x"
	if err := run(t.Context(), []string{"doctor"}, func(name string) string { return settings[name] }, &out); !errors.Is(err, exitCode(1)) {
		t.Errorf("with wrong settings it ended with %v", err)
	}
	for _, says := range []string{"✗ Settings", "BITB_TRACE_DAYS must be 1 to 3650", "BITB_PUBLIC_URL must be like"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("does not say %q:\n%s", says, &out)
		}
	}
}

// Each check that goes by the settings, with something wrong and without.
func TestDoctorOfSettings(t *testing.T) {
	live := func(change func(*clinic)) *clinic {
		d := &clinic{config: Config{Production: true, PublicURL: "https://chat.example.com", DatabaseURL: "postgres://bitb_app:kX2vQ9mmR4tzL7@db.example/bitb",
			RedisURL: "rediss://:pZ8wN3hhV6sjD1@cache.example", MetricsListen: "127.0.0.1:1", EncryptionKeys: "b3BlbiBzZXNhbWUgZm9yIGEgdGVzdA", SessionKeys: "YW5vdGhlciBvbmUgZm9yIGEgdGVzdA", TrustedProxy: []string{"10.0.0.0/8"}, places: map[string]string{"DATABASE_URL": "vault", "REDIS_URL": "files"}}}
		change(d)
		return d
	}
	well := live(func(*clinic) {})
	database := func(address Secret) *clinic { return live(func(d *clinic) { d.config.DatabaseURL = address }) }
	needs := func(d *clinic) doctor.Result {
		return d.needs("BITB_PROMETHEUS_URL", d.config.PrometheusURL, "nobody watches it.", "Start it.", func(context.Context) doctor.Result { return doctor.Pass("There.") })(t.Context())
	}
	ctx := t.Context()
	for _, c := range []struct {
		name string
		got  doctor.Result
		want doctor.Status
		says string
	}{
		{"what serving needs", well.settings(ctx), doctor.Passed, "in order"},
		{"no session keys", live(func(d *clinic) { d.config.SessionKeys = "" }).settings(ctx), doctor.Failed, "BITB_SESSION_KEYS is not set"},
		{"production", well.production(ctx), doctor.Passed, "refused"},
		{"forgotten", live(func(d *clinic) { d.config.Production = false }).production(ctx), doctor.Failed, "BITB_PRODUCTION is off, and https://chat.example.com"},
		{"secrets", well.defaults(ctx), doctor.Passed, ""},
		{"short", database("postgres://bitb_app:short@db.example/bitb").defaults(ctx), doctor.Failed, "the password in DATABASE_URL can be guessed"},
		{"known", database("postgres://bitb_app:changeme12345@db.example/bitb").defaults(ctx), doctor.Failed, "can be guessed"},
		{"its name", database("postgres://bitb_application:bitb_application@db.example/bitb").defaults(ctx), doctor.Failed, "can be guessed"},
		{"none", database("postgres://bitb_app@db.example/bitb").defaults(ctx), doctor.Failed, "DATABASE_URL has no password"},
		{"a certificate instead", database("postgres://bitb_app@db.example/bitb?sslcert=/run/c.pem").defaults(ctx), doctor.Passed, ""},
		{"on this machine", database("postgres://bitb_app@localhost/bitb").defaults(ctx), doctor.Passed, ""},
		{"a guessable key", live(func(d *clinic) { d.config.RerankKey = "secret" }).defaults(ctx), doctor.Failed, "BITB_RERANK_KEY can be guessed"},
		{"managed", well.manager(ctx), doctor.Passed, "1 from files, 1 from vault"},
		{"not managed", live(func(d *clinic) { d.config.places["REDIS_URL"] = "environment" }).manager(ctx), doctor.Failed, "In the environment itself: REDIS_URL."},
		{"logs", well.logs(ctx), doctor.Passed, "JSON"},
		{"too much in the logs", live(func(d *clinic) { d.config.LogLevel = slog.LevelDebug }).logs(ctx), doctor.Failed, "DEBUG"},
		{"too little", live(func(d *clinic) { d.config.LogLevel = slog.LevelError }).logs(ctx), doctor.Failed, "ERROR"},
		{"no metrics", live(func(d *clinic) { d.config.MetricsListen = "off" }).metrics(doctor.Prometheus{})(ctx), doctor.Failed, "BITB_METRICS_LISTEN is off"},
		{"not named", needs(well), doctor.Failed, "BITB_PROMETHEUS_URL is not set"},
		{"named", needs(live(func(d *clinic) { d.config.PrometheusURL = "http://p:9090" })), doctor.Passed, "There."},
		{"on a laptop", needs(live(func(d *clinic) { d.config.Production, d.config.PublicURL = false, "http://localhost:8080" })), doctor.NotApplicable, "nobody watches it"},
	} {
		if c.got.Status != c.want || !strings.Contains(c.got.Found, c.says) || c.want == doctor.Failed && c.got.Do == "" {
			t.Errorf("%s: %+v, want %s with %q", c.name, c.got, c.want, c.says)
		}
	}
	if found := well.manager(ctx).Found; found != "1 from files, 1 from vault." {
		t.Errorf("secrets that were not set come from somewhere: %s", found)
	}
	plain := live(func(d *clinic) { d.config.PublicURL = "http://chat.example.com" })
	for _, check := range plain.siteChecks()[1:] {
		if r := check.Run(ctx); r.Status != doctor.Failed || !strings.Contains(r.Found, "can be read on its way") {
			t.Errorf("%s over plain HTTP: %+v", check.ID, r)
		}
	}
}

func TestPlacesOfSecrets(t *testing.T) {
	values := map[string]string{"DATABASE_URL": "postgres://a:b@c/d", "REDIS_URL_FILE": "/run/secrets/redis", "OPENAI_API_KEY": "awssm://bitb#key", "BITB_RERANK_KEY": "file:/run/k"}
	got := places(func(name string) string { return values[name] })
	for name, want := range map[string]string{"DATABASE_URL": "environment", "REDIS_URL": "files", "OPENAI_API_KEY": "awssm", "BITB_RERANK_KEY": "files", "BITB_MIGRATE_DATABASE_URL": ""} {
		if got[name] != want {
			t.Errorf("%s comes from %q, want %q", name, got[name], want)
		}
	}
}

// The demo customer, whose password is in the code, is found, and is gone once somebody deletes it.
func TestDoctorFindsTheDemo(t *testing.T) {
	db := dbtest.New(t)
	s := &server{tenants: tenant.NewService(db.DB, chat.FirstBot)}
	if r := noDemo(s)(t.Context()); r.Status != doctor.Passed {
		t.Errorf("%+v", r)
	}
	demo, err := s.tenants.SignUp(t.Context(), tenant.SignUp{Company: demoCompany, Name: "Demo owner", Email: demoEmail, Password: demoPassword})
	if err != nil {
		t.Fatal(err)
	}
	if r := noDemo(s)(t.Context()); r.Status != doctor.Failed || r.Do == "" {
		t.Errorf("%+v", r)
	}
	if err := s.tenants.Delete(t.Context(), demo, demoPassword, demoCompany); err != nil {
		t.Fatal(err)
	}
	if r := noDemo(s)(t.Context()); r.Status != doctor.Passed {
		t.Errorf("%+v", r)
	}
}

// Models are asked something small; a wrong key fails, the right one passes.
func TestDoctorAsksModels(t *testing.T) {
	model := llmtest.New(t)
	model.Chat.Reply("Yes.")
	s := &server{config: Config{OpenAIBaseURL: model.URL, OpenAIKey: Secret(model.Key), ChatModel: "scripted", EmbeddingModel: "scripted"}, metrics: newMetrics()}
	broken := &server{config: s.config, metrics: s.metrics}
	for _, of := range []struct {
		s   *server
		key string
	}{{s, model.Key}, {broken, "wrong"}} {
		var err error
		if of.s.keys.model, err = secret.NewRing(modelKeys, of.key); err != nil {
			t.Fatal(err)
		}
	}
	broken.keys.rerank = broken.keys.model
	broken.config.OpenAIKey, broken.config.RerankURL, broken.config.RerankModel = "wrong", "http://127.0.0.1:1/rerank", "m"
	for _, one := range []*server{s, broken} {
		one.config.resolver = &secret.Resolver{}
		var err error
		if one.keys, err = one.config.keyrings(one.metrics, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	s.db = dbtest.New(t).DB
	for _, known := range []string{"was not found out yet", "It was found to know no language"} { // the scripted one
		if r := embeddingModel(s)(t.Context()); r.Status != doctor.Passed || !strings.Contains(r.Found, known) {
			t.Errorf("%+v", r)
		}
		_, model, err := s.newModels()
		if err == nil {
			err = ingest.Models{DB: s.db}.Examine(t.Context(), model)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, check := range map[string]func(*server) look{"answering": answeringModel, "embedding": embeddingModel} {
		if r := check(s)(t.Context()); r.Status != doctor.Passed || !strings.Contains(r.Found, "scripted") {
			t.Errorf("%s: %+v", name, r)
		}
		if r := check(broken)(t.Context()); r.Status != doctor.Failed || r.Do == "" {
			t.Errorf("%s with a wrong key: %+v", name, r)
		}
	}
	if r := rerankingModel(broken)(t.Context()); r.Status != doctor.Failed || r.Do == "" {
		t.Errorf("re-ranking: %+v", r)
	}
	if r := rerankingModel(s)(t.Context()); r.Status != doctor.NotApplicable {
		t.Errorf("no re-ranking: %+v", r)
	}
	builtIn := &server{config: Config{ChatModel: builtinModel, EmbeddingModel: builtinModel}, metrics: s.metrics}
	if r := answeringModel(builtIn)(t.Context()); r.Status != doctor.Passed || !strings.Contains(r.Found, "built in") {
		t.Errorf("built in: %+v", r)
	}
}

// A report is shown again for a while, and made anew when that is asked for.
func TestDoctorReportIsKept(t *testing.T) {
	d := &clinic{config: Config{PublicURL: "http://127.0.0.1:1", MetricsListen: "off", resolver: &secret.Resolver{}}, configErr: context.Canceled}
	first := d.Report(t.Context(), false)
	if second := d.Report(t.Context(), false); !second.At.Equal(first.At) {
		t.Error("made anew within a minute")
	}
	if again := d.Report(t.Context(), true); again.At.Equal(first.At) {
		t.Error("not made again")
	}
	d.last.At = time.Now().Add(-2 * sameFor)
	if later := d.Report(t.Context(), false); time.Since(later.At) > sameFor {
		t.Error("an old one is shown")
	}
}

// No report has a secret, as it was set or as it was read since.
func TestDoctorKnowsNewSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "database")
	write := func(password string) {
		if err := os.WriteFile(file, []byte("postgres://bitb_app:"+password+"@db.example/bitb"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Vn3kq8sTz0pL")
	c, _ := readConfig(func(name string) string { return map[string]string{"DATABASE_URL_FILE": file}[name] })
	write("w8Jq2mXc5RtY")
	c.resolver.Refresh(t.Context(), slog.New(slog.DiscardHandler))
	for _, password := range []string{"Vn3kq8sTz0pL", "w8Jq2mXc5RtY"} {
		if !slices.Contains(c.secretTexts(), password) {
			t.Errorf("%s would be shown", password)
		}
	}
}

// Live, the last backup, the archive and the last drill must be there and young; with dumps alone the archive is the service's.
func TestDoctorReadsBackups(t *testing.T) {
	db := dbtest.New(t)
	d := &clinic{config: Config{Production: true, PublicURL: "https://chat.example.com"}, server: &server{db: db.DB}}
	statuses := func() (all string) {
		for _, c := range d.backupChecks() {
			r := c.Run(t.Context())
			if all += string(r.Status) + " "; r.Status == doctor.Failed && r.Do == "" {
				t.Errorf("%s does not say what to do: %+v", c.ID, r)
			}
		}
		return strings.TrimSpace(all)
	}
	expect := func(when, want string) {
		t.Helper()
		if got := statuses(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	expect("never made", "failed failed failed")
	made := func(kind, age string, ok bool) {
		db.Exec(t, `insert into meta.backups (id, kind, started_at, finished_at, bytes, place, ok) values (gen_random_uuid(), $1, now() - $2::text::interval, now() - $2::text::interval, 1000000, 'x', $3)`, kind, age, ok)
	}
	made("base", "1 hour", false)
	expect("one that failed", "failed failed failed")
	made("base", "27 hours", true)
	made("wal", "16 minutes", true)
	db.Exec(t, "insert into meta.drills (id, started_at, finished_at, ok, rpo_seconds, rto_seconds) values (gen_random_uuid(), now(), now() - interval '36 days', true, 4, 90)")
	expect("old ones", "failed failed failed")
	made("base", "2 hours", true)
	made("wal", "1 minute", true)
	db.Exec(t, "insert into meta.drills (id, started_at, finished_at, ok, rpo_seconds, rto_seconds) values (gen_random_uuid(), now(), now() - interval '3 days', true, 4, 90)")
	expect("young ones", "passed passed passed")
	if r := d.backupChecks()[2].Run(t.Context()); !strings.Contains(r.Found, "lost 4s, took 1m30s") {
		t.Errorf("the drill: %+v", r)
	}
	db.Exec(t, "delete from meta.backups where kind <> 'dump'")
	made("dump", "1 hour", true)
	expect("a dump", "passed not_applicable passed")
}

// The readiness check asks Prometheus for the alerts that there are.
func TestDoctorKnowsTheAlerts(t *testing.T) {
	rules, err := filepath.Glob("../deploy/monitoring/rules/*.yml")
	if err != nil || len(rules) == 0 {
		t.Skip("there are no rules in this checkout")
	}
	var named []string
	for _, file := range rules {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*- alert: (\w+)`).FindAllStringSubmatch(string(content), -1) {
			named = append(named, m[1])
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(named)), slices.Sorted(slices.Values(alerts))); diff != "" {
		t.Errorf("alerts in the rules (-) and in the check (+):\n%s", diff)
	}
}
