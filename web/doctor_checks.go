package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"bitb"
	"bitb/domain"
	"bitb/domain/doctor"
	"bitb/domain/ingest"
	"bitb/domain/llm"
	"bitb/domain/tenant"
	"bitb/handlers"
)

// look is what a check does.
type look = func(context.Context) doctor.Result

// checks is the list. docs/go-live.md refers to its lines by their names, and scripts by their ids.
func (d *clinic) checks() []doctor.Check {
	return slices.Concat(d.settingsChecks(), d.databaseChecks(), d.siteChecks(), d.redisChecks(), d.workChecks(), d.monitoringChecks(),
		d.backupChecks(), d.capacityChecks(), d.machineChecks())
}

func group(name string, checks ...doctor.Check) []doctor.Check {
	for i := range checks {
		checks[i].Group = name
	}
	return checks
}

// laptop: nobody but whoever sits at this machine reaches the server, so it needs no more than it has.
func (d *clinic) laptop() bool { return !d.config.Production && local(d.config.PublicURL) }

// onlyLive leaves a check out on a laptop, and says why.
func (d *clinic) onlyLive(why string, do look) look {
	if d.laptop() {
		return doctor.Unless("On a laptop: "+why, do)
	}
	return do
}

// withServer makes a check that needs the product put together.
func (d *clinic) withServer(make func(*server) look) look {
	if d.server != nil {
		return make(d.server)
	}
	why := errors.Join(d.configErr, d.openErr)
	return func(context.Context) doctor.Result {
		return doctor.Fail("Not looked at: %v.", why).Doing("Repair that first.")
	}
}

func (d *clinic) settingsChecks() []doctor.Check {
	return group("Settings and secrets",
		doctor.Check{ID: "settings.valid", Name: "Settings", Run: d.settings},
		doctor.Check{ID: "settings.production", Name: "Production mode", Run: d.onlyLive("production mode would refuse to serve without HTTPS.", d.production)},
		doctor.Check{ID: "settings.defaults", Name: "No default secrets", Run: d.defaults},
		doctor.Check{ID: "settings.demo", Name: "No demo customer", Run: d.onlyLive("`make run` makes the demo customer; its password is in the code.", d.withServer(noDemo))},
		doctor.Check{ID: "settings.keys", Name: "Keys in use", Run: d.withServer(keysInOrder)},
		doctor.Check{ID: "settings.manager", Name: "Secrets from a manager", Run: d.onlyLive("its few secrets are files below .local.", d.manager)},
	)
}

func (d *clinic) settings(context.Context) doctor.Result {
	if err := errors.Join(d.configErr, d.config.checkFor("serve")); err != nil {
		return doctor.All(strings.Split(err.Error(), "\n"), "", "README.md lists the settings and what they may be.")
	}
	return doctor.Pass("All are there and in order; so are the secrets that they need.")
}

func (d *clinic) production(context.Context) doctor.Result {
	if !d.config.Production {
		return doctor.Fail("BITB_PRODUCTION is off, and %s is not this machine alone.", d.config.PublicURL).
			Doing("Set BITB_PRODUCTION=true: it refuses privileged database roles, plain HTTP and the demo.")
	}
	return doctor.Pass("On: privileged database roles, plain HTTP and the demo are refused.")
}

// defaults looks for secrets that somebody could guess, and for doors without one.
func (d *clinic) defaults(context.Context) doctor.Result {
	var wrong []string
	for name, address := range map[string]Secret{"DATABASE_URL": d.config.DatabaseURL, "REDIS_URL": d.config.RedisURL} {
		u, err := url.Parse(string(address))
		if err != nil || address == "" {
			continue // said by the line above
		}
		password, _ := u.User.Password()
		switch {
		case password == "" && !local(string(address)) && !u.Query().Has("sslcert"):
			wrong = append(wrong, name+" has no password")
		case password != "" && guessable(password, u.User.Username()):
			wrong = append(wrong, "the password in "+name+" can be guessed")
		}
	}
	for name, value := range d.config.secrets() {
		if !strings.Contains(value, "://") && value != "" && guessable(value, "") {
			wrong = append(wrong, name+" can be guessed")
		}
	}
	return doctor.All(wrong, "None of the secrets can be guessed.", "Make a new one (`openssl rand -base64 32`) and put it into the secret manager (docs/secrets.md).")
}

// guessable: short, well known, or the name that stands beside it.
func guessable(secret, name string) bool {
	lower := strings.ToLower(secret)
	return len(secret) < 12 || lower == strings.ToLower(name) || slices.ContainsFunc([]string{"password", "changeme", "change-me", "secret", "postgres", "example", "123456"},
		func(known string) bool { return strings.Contains(lower, known) && len(secret) < len(known)+10 })
}

func noDemo(s *server) look {
	return func(ctx context.Context) doctor.Result {
		_, err := s.tenants.SignIn(ctx, demoEmail, demoPassword)
		switch {
		case err == nil:
			return doctor.Fail("The demo customer is here, and its password is in the code.").Doing("Sign in as %s and delete the organisation under Settings.", demoEmail)
		case errors.Is(err, tenant.ErrSignIn):
			return doctor.Pass("Not here.")
		}
		return doctor.Fail("It cannot be looked at: %v.", err)
	}
}

// keysInOrder finds keys that are used by somebody else, refused, or missing.
func keysInOrder(s *server) look {
	return func(ctx context.Context) doctor.Result {
		all, err := keyStates(ctx, s.config, s.db, s.keys)
		if err != nil {
			return doctor.Fail("They cannot be looked at: %v.", err)
		}
		var wrong []string
		for _, k := range all {
			if k.odd() {
				wrong = append(wrong, k.Purpose+" key "+k.Fingerprint+": "+k.verdict)
			}
		}
		return doctor.All(wrong, "Those that are used are set, and none was refused.", "`bitb keys list` shows them all; docs/runbooks/rotate-keys.md says what to do.")
	}
}

// manager wants every secret that is set to come from where it can be exchanged without a restart, and is read by few.
func (d *clinic) manager(context.Context) doctor.Result {
	var plain []string
	places := map[string]int{}
	for name, value := range d.config.secrets() {
		switch place := d.config.places[name]; {
		case value == "" || place == "": // or it stands in for another one
		case place == "environment":
			plain = append(plain, name)
		default:
			places[place]++
		}
	}
	slices.Sort(plain)
	if len(plain) > 0 {
		return doctor.Fail("In the environment itself: %s.", strings.Join(plain, ", ")).
			Doing("Whoever lists processes or pods reads them there. Name a file that a secret manager fills, or a secret in it (docs/secrets.md).")
	}
	var from []string
	for place, n := range places {
		from = append(from, fmt.Sprintf("%d from %s", n, place))
	}
	slices.Sort(from)
	return doctor.Pass("%s.", strings.Join(from, ", "))
}

// secrets are all secret settings by name.
func (c Config) secrets() map[string]string {
	all := map[string]string{}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if name, ok := v.Type().Field(i).Tag.Lookup("env"); ok && v.Type().Field(i).Type == reflect.TypeFor[Secret]() {
			all[name] = v.Field(i).String()
		}
	}
	return all
}

// secretTexts is what must be in no report: each secret, and the password within an address.
func (c Config) secretTexts() (all []string) {
	values := slices.Collect(maps.Values(c.secrets()))
	for name := range c.secrets() {
		values = append(values, c.resolver.Value(name)) // as it is by now
	}
	for _, value := range values {
		if u, err := url.Parse(value); err == nil {
			if password, ok := u.User.Password(); ok {
				all = append(all, password, url.QueryEscape(password), url.PathEscape(password))
			}
		}
		all = append(all, value)
		if keys := strings.Split(value, ","); len(keys) > 1 {
			all = append(all, slices.DeleteFunc(keys, func(key string) bool { return len(key) < 12 })...)
		}
	}
	return all
}

func (d *clinic) databaseChecks() []doctor.Check {
	return append(group("Database",
		doctor.Check{ID: "database.answers", Name: "Answers", Run: d.withServer(func(s *server) look {
			return func(ctx context.Context) doctor.Result {
				began := time.Now()
				if err := s.db.Ping(ctx); err != nil {
					return doctor.Fail("It does not answer: %v.", err).Doing("See that it runs and that DATABASE_URL leads to it.")
				}
				return doctor.Pass("Answers %s.", doctor.Speed(began))
			}
		})},
		doctor.Check{ID: "database.version", Name: "Version", Run: d.withServer(func(s *server) look { return doctor.PostgresVersion(s.db) })},
		doctor.Check{ID: "database.migrations", Name: "Migrations", Run: d.withServer(func(s *server) look { return doctor.Migrations(s.db, migrations()) })},
		doctor.Check{ID: "database.role", Name: "Role", Run: d.withServer(func(s *server) look { return doctor.Role(s.db) })},
		doctor.Check{ID: "database.encrypted", Name: "Encrypted connection", Run: d.withServer(func(s *server) look {
			return doctor.Encryption(s.db, local(string(d.config.DatabaseURL)))
		})},
	), group("Tenants apart",
		doctor.Check{ID: "isolation.catalog", Name: "Row-level security", Run: d.withServer(func(s *server) look { return doctor.Catalog(s.db) })},
		doctor.Check{ID: "isolation.tried", Name: "Tried as a stranger", Limit: 10 * time.Second, Run: d.withServer(func(s *server) look {
			return doctor.Behaviour(s.db, s.tenants.Oldest)
		})},
		doctor.Check{ID: "isolation.ids", Name: "Ids", Run: d.withServer(func(s *server) look { return doctor.IDs(s.db) })},
	)...)
}

// migrations are those that the binary carries.
func migrations() fs.FS {
	files, err := fs.Sub(bitb.Migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return files
}

func (d *clinic) siteChecks() []doctor.Check {
	site := doctor.Site{URL: d.config.PublicURL}
	https := func(do look) look {
		if d.laptop() {
			return doctor.Unless("On a laptop: "+d.config.PublicURL+" is reached from this machine alone.", do)
		}
		if !strings.HasPrefix(site.URL, "https://") {
			return func(context.Context) doctor.Result {
				return doctor.Fail("People use %s: what they send can be read on its way.", site.URL).Doing("Let BITB_PUBLIC_URL begin with https:// (docs/https.md).")
			}
		}
		return do
	}
	return group("Address and HTTPS",
		doctor.Check{ID: "https.answers", Name: "Answers", Run: site.Answers},
		doctor.Check{ID: "https.redirect", Name: "Plain HTTP", Run: https(site.Redirect)},
		doctor.Check{ID: "https.hsts", Name: "HSTS", Run: https(site.HSTS)},
		doctor.Check{ID: "https.tls", Name: "TLS", Run: https(site.TLS)},
		doctor.Check{ID: "https.certificate", Name: "Certificate", Run: https(site.Certificate)},
	)
}

func (d *clinic) redisChecks() []doctor.Check {
	facts := func(s *server) func(context.Context) (doctor.RedisFacts, error) {
		return func(ctx context.Context) (doctor.RedisFacts, error) {
			f, err := s.redis.Facts(ctx)
			return doctor.RedisFacts(f), err
		}
	}
	return group("Redis",
		doctor.Check{ID: "redis.answers", Name: "Answers", Run: d.withServer(func(s *server) look { return doctor.Redis(s.redis.Ping) })},
		doctor.Check{ID: "redis.version", Name: "Version", Run: d.withServer(func(s *server) look { return doctor.RedisVersion(facts(s)) })},
		doctor.Check{ID: "redis.memory", Name: "When it is full", Run: d.withServer(func(s *server) look { return doctor.RedisMemory(facts(s), d.laptop()) })},
	)
}

func (d *clinic) workChecks() []doctor.Check {
	const slow = 20 * time.Second
	return group("Models and documents",
		doctor.Check{ID: "models.answer", Name: "Answering model", Limit: slow, Run: d.withServer(answeringModel)},
		doctor.Check{ID: "models.embedding", Name: "Embedding model", Limit: slow, Run: d.withServer(embeddingModel)},
		doctor.Check{ID: "models.rerank", Name: "Re-ranking model", Limit: slow, Run: d.withServer(rerankingModel)},
		doctor.Check{ID: "queue", Name: "Queue of documents", Run: d.withServer(func(s *server) look {
			return doctor.Queue(func(ctx context.Context) (doctor.Backlog, error) {
				b, err := s.queue.Backlog(ctx)
				return doctor.Backlog(b), err
			})
		})},
	)
}

const modelDo = "See that the service is up, and OPENAI_API_KEY, OPENAI_BASE_URL and the name of the model. Until then the bot quotes passages."

func answeringModel(s *server) look {
	return func(ctx context.Context) doctor.Result {
		model, _, err := s.newModels()
		if err != nil {
			return doctor.Fail("It cannot be set up: %v.", err).Doing(modelDo)
		}
		if s.config.ChatModel == builtinModel {
			return doctor.Pass("%s, built in.", model.Model())
		}
		began := time.Now()
		_, err = model.Stream(ctx, llm.Request{Messages: []llm.Message{{Role: "user", Content: "Answer with the word yes."}}, MaxTokens: 64}, func(string) error { return nil })
		if err != nil {
			return doctor.Fail("%s does not answer: %v.", model.Model(), err).Doing(modelDo)
		}
		return doctor.Pass("%s answers %s.", model.Model(), doctor.Speed(began))
	}
}

func embeddingModel(s *server) look {
	return func(ctx context.Context) doctor.Result {
		_, model, err := s.newModels()
		if err != nil {
			return doctor.Fail("It cannot be set up: %v.", err).Doing(modelDo)
		}
		if s.config.EmbeddingModel == builtinModel {
			return doctor.Pass("%s, built in.", model.Model())
		}
		began := time.Now()
		vectors, _, err := model.Embed(ctx, []string{"Is anybody there?"})
		if err != nil {
			return doctor.Fail("%s does not embed: %v.", model.Model(), err).Doing("See that the service is up, and OPENAI_API_KEY, OPENAI_BASE_URL and the name of the model. Until then new documents wait.")
		}
		found := fmt.Sprintf("%s embeds into %d dimensions %s.", model.Model(), len(vectors[0]), doctor.Speed(began))
		if s.db == nil {
			return doctor.Pass("%s", found)
		}
		switch languages, err := (ingest.Models{DB: s.db}).Languages(ctx, model.Model()); {
		case err != nil:
			return doctor.Fail("%s Which languages it knows is not to be had: %v.", found, err)
		case languages == nil:
			found += " Which languages it knows was not found out yet."
		case len(languages) == 0:
			found += " It was found to know no language: its vectors order nothing that words find."
		default:
			found += " It was found to know " + strings.Join(slices.DeleteFunc(languages, func(l string) bool { return l == llm.OtherLanguages }), ", ") + "."
		}
		return doctor.Pass("%s", found)
	}
}

func rerankingModel(s *server) look {
	return func(ctx context.Context) doctor.Result {
		if s.config.RerankURL == "" {
			return doctor.NA("BITB_RERANK_URL is not set: passages are not re-ranked.")
		}
		model, err := s.newReranker()
		if err != nil {
			return doctor.Fail("It cannot be set up: %v.", err)
		}
		began := time.Now()
		if _, err := model.Rerank(ctx, "What is the code?", []string{"The code is 4711.", "Something else."}); err != nil {
			return doctor.Fail("%s does not re-rank: %v.", model.Model(), err).Doing("See BITB_RERANK_URL, BITB_RERANK_MODEL and BITB_RERANK_KEY. Until then passages keep the order of the search.")
		}
		return doctor.Pass("%s re-ranks %s.", model.Model(), doctor.Speed(began))
	}
}

func (d *clinic) monitoringChecks() []doctor.Check {
	prometheus := doctor.Prometheus{Address: d.config.PrometheusURL}
	watched := func(do look) look {
		return d.needs("BITB_PROMETHEUS_URL", d.config.PrometheusURL, "nobody watches it.", "Start Prometheus with the files of deploy/monitoring and name its address (docs/monitoring.md).", do)
	}
	return group("Logs, metrics, alerts",
		doctor.Check{ID: "logs.form", Name: "Logs", Run: d.logs},
		doctor.Check{ID: "logs.collected", Name: "Logs collected", Run: d.needs("BITB_LOG_COLLECTOR_URL", d.config.LogCollectorURL, "logs go to standard error, which is read there.",
			"Run one of the collectors of deploy/monitoring and name its health address (docs/monitoring.md).", doctor.Collector(d.config.LogCollectorURL))},
		doctor.Check{ID: "metrics.served", Name: "Metrics", Run: d.metrics(prometheus)},
		doctor.Check{ID: "metrics.scraped", Name: "Prometheus reads them", Run: watched(prometheus.Targets)},
		doctor.Check{ID: "alerts.rules", Name: "Alerts", Run: watched(prometheus.Rules(alerts))},
		doctor.Check{ID: "alerts.delivered", Name: "Somebody is told", Run: watched(prometheus.Alertmanager)},
	)
}

// alerts are those of deploy/monitoring/rules; a test compares them.
var alerts = []string{"BitbDown", "BitbErrors", "BitbPanics", "BitbLimiterFallback", "BitbCertificateEnds", "BitbDatabasePoolFull", "BitbQueueOld", "BitbDocumentsFailOfOneTenant",
	"BitbDocumentsFail", "BitbModelFails", "BitbModelSlow", "BitbUnanswered", "BitbBudgetNearlySpent", "BitbDenials", "BitbPolicyRefused", "BitbSignInGuessing",
	"BitbKeyMisuse", "BitbBackupOld", "BitbArchiveBehind", "BitbDrillOld"}

// needs makes a check that goes by an address which a laptop need not have.
func (d *clinic) needs(setting, value, why, do string, check look) look {
	switch {
	case value != "":
		return check
	case d.laptop():
		return doctor.Unless("On a laptop: "+why+" ("+setting+" is not set.)", check)
	}
	return func(context.Context) doctor.Result { return doctor.Fail("%s is not set.", setting).Doing(do) }
}

// metrics looks at the process beside which the doctor runs; where none is, as in a job of its own, Prometheus tells.
func (d *clinic) metrics(p doctor.Prometheus) look {
	if d.config.MetricsListen == "off" {
		return d.onlyLive("BITB_METRICS_LISTEN is off.", func(context.Context) doctor.Result {
			return doctor.Fail("BITB_METRICS_LISTEN is off.").Doing("Leave it at its default, or name an address that Prometheus reaches and nobody else.")
		})
	}
	here := doctor.Metrics("http://"+reachable(d.config.MetricsListen)+"/metrics", d.config.PublicURL)
	return func(ctx context.Context) doctor.Result {
		r := here(ctx)
		if r.Status == doctor.Failed && p.Address != "" && d.config.KubernetesHost != "" {
			if others := p.Targets(ctx); others.Status == doctor.Passed {
				return others
			}
		}
		return r
	}
}

// reachable is an address to call where one to listen on says "all".
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// logs writes a line as the server would and reads it: an object, with its tenant, and without a secret.
func (d *clinic) logs(context.Context) doctor.Result {
	var out bytes.Buffer
	log := slog.New(handlers.LogHandler{Handler: slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})})
	who := domain.Identity{TenantID: domain.NewID()}
	log.InfoContext(domain.WithIdentity(context.Background(), who), "a line", "secret", Secret("must-not-be-seen"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["tenant_id"] != who.TenantID.String() || strings.Contains(out.String(), "must-not-be-seen") {
		return doctor.Fail("A line is not what a collector can read: %s", out.String()).Doing("This is a defect of BITB. Report it with the version.")
	}
	if d.config.LogLevel < slog.LevelInfo && !d.laptop() {
		return doctor.Fail("BITB_LOG_LEVEL is %s, which is for looking for faults.", d.config.LogLevel).Doing("Set INFO.")
	}
	if d.config.LogLevel > slog.LevelWarn && !d.laptop() {
		return doctor.Fail("BITB_LOG_LEVEL is %s: warnings are lost, and with them why something failed.", d.config.LogLevel).Doing("Set INFO.")
	}
	return doctor.Pass("JSON with tenant and request, from %s on.", d.config.LogLevel)
}

func (d *clinic) capacityChecks() []doctor.Check {
	const name = "Capacity"
	k, err := doctor.InKubernetes(d.config.KubernetesHost, d.config.KubernetesPort, "")
	only := func(do func(*doctor.Kubernetes) look) look {
		switch {
		case err != nil:
			return doctor.Unless("This pod has no account with Kubernetes. The job of deploy/kubernetes/doctor has one and looks.", nil)
		case k == nil:
			return doctor.Unless("Only Kubernetes has one, and this is not Kubernetes.", nil)
		}
		return do(k)
	}
	replicas := d.withServer(func(s *server) look { return doctor.Processes(s.db, d.laptop()) })
	switch {
	case k != nil:
		replicas = k.Replicas
	case err != nil:
		replicas = only(nil)
	case d.config.Pooled:
		replicas = doctor.Unless("A pooler stands before the database, so its connections do not tell one process from another.", nil)
	}
	return group(name,
		doctor.Check{ID: "capacity.replicas", Name: "Replicas", Run: replicas},
		doctor.Check{ID: "capacity.disruption", Name: "Budget for disruption", Run: only(func(k *doctor.Kubernetes) look { return k.Disruption })},
		doctor.Check{ID: "capacity.autoscaler", Name: "Autoscaler", Run: only(func(k *doctor.Kubernetes) look { return k.Autoscaler })},
	)
}

func (d *clinic) machineChecks() []doctor.Check {
	dir := d.config.CacheDir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "bitb")
	}
	return group("Machine",
		doctor.Check{ID: "build", Name: "Go and libraries", Run: doctor.Libraries(debug.ReadBuildInfo)},
		doctor.Check{ID: "clock.database", Name: "Clock, by the database", Run: d.withServer(func(s *server) look { return doctor.Clock(s.db) })},
		doctor.Check{ID: "clock.web", Name: "Clock, by the web", Run: doctor.Site{URL: d.config.PublicURL}.Date},
		doctor.Check{ID: "disk", Name: "Disk", Run: doctor.Disk(dir)},
	)
}
