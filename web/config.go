package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"bitb/domain/postgres"
	"bitb/domain/secret"
	"bitb/domain/secret/manager"
)

// Secret is a setting that is never printed.
type Secret string

func (s Secret) String() string       { return redacted(s) }
func (s Secret) GoString() string     { return redacted(s) }
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted(s)) }

// MarshalText keeps it out of JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted(s)), nil }

func redacted(s Secret) string {
	if s == "" {
		return ""
	}
	return "redacted"
}

// Config is every setting there is. This file alone reads the environment. A Secret may be a reference to a file or a secret manager,
// and beside each Secret NAME, NAME_FILE names a file that holds it.
type Config struct {
	DatabaseURL Secret `env:"DATABASE_URL"`
	MigrateURL  Secret `env:"BITB_MIGRATE_DATABASE_URL"` // "": DatabaseURL
	RedisURL    Secret `env:"REDIS_URL"`
	Pooled      bool   `env:"BITB_DATABASE_POOLED"` // DATABASE_URL is a pooler's, in transaction mode

	SupabaseURL string `env:"SUPABASE_URL"` // of a project whose storage keeps originals; "": the database does
	SupabaseKey Secret `env:"SUPABASE_SERVICE_ROLE_KEY"`

	OpenAIKey      Secret `env:"OPENAI_API_KEY"`
	OpenAIBaseURL  string `env:"OPENAI_BASE_URL"`
	ChatModel      string `env:"BITB_CHAT_MODEL"`      // "": gpt-4.1-mini with a key or a base URL, else "builtin"
	EmbeddingModel string `env:"BITB_EMBEDDING_MODEL"` // "": text-embedding-3-small likewise

	RerankURL   string `env:"BITB_RERANK_URL"`   // the endpoint's whole address; "": found passages are not re-ranked
	RerankModel string `env:"BITB_RERANK_MODEL"` // set together with it
	RerankKey   Secret `env:"BITB_RERANK_KEY"`

	EncryptionKeys Secret        `env:"BITB_ENCRYPTION_KEYS"` // of what is stored, with commas between them, the newest first
	SessionKeys    Secret        `env:"BITB_SESSION_KEYS"`
	SecretRefresh  time.Duration `env:"BITB_SECRET_REFRESH" envDefault:"5m"` // how often files and secret managers are read again

	ACMEEmail     string `env:"BITB_ACME_EMAIL"`     // set: the server gets certificates for PublicURL's host itself
	ACMEDirectory string `env:"BITB_ACME_DIRECTORY"` // "": Let's Encrypt
	TLSCert       string `env:"BITB_TLS_CERT_FILE"`
	TLSKey        string `env:"BITB_TLS_KEY_FILE"`
	HTTPListen    string `env:"BITB_HTTP_LISTEN"` // beside a certificate of its own; "": :80, "off": none

	Listen        string     `env:"BITB_LISTEN" envDefault:"127.0.0.1:8080"`
	MetricsListen string     `env:"BITB_METRICS_LISTEN" envDefault:"127.0.0.1:9464"` // "off": none
	PublicURL     string     `env:"BITB_PUBLIC_URL"`                                 // "": http:// and Listen
	TrustedProxy  []string   `env:"BITB_TRUSTED_PROXIES"`                            // address ranges, comma-separated
	Production    bool       `env:"BITB_PRODUCTION"`
	LogLevel      slog.Level `env:"BITB_LOG_LEVEL" envDefault:"INFO"`
	TraceDays     int        `env:"BITB_TRACE_DAYS" envDefault:"30"` // that an answer can be explained
	Workers       int        `env:"BITB_WORKERS" envDefault:"2"`     // documents read at once by this process; 0: none

	OTLPEndpoint   string  `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`        // of a collector; "": traces are sent nowhere
	TracesEndpoint string  `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"` // the whole address, instead
	OTLPProtocol   string  `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf"`
	TracesOff      bool    `env:"OTEL_SDK_DISABLED"`
	DailyBudget    float64 `env:"BITB_DAILY_BUDGET_USD"` // of model calls, for the alert; 0: none
	ModelPrices    string  `env:"BITB_MODEL_PRICES"`     // see prices.go

	SignUp            string `env:"BITB_SIGN_UP" envDefault:"open"` // or "invited": see invite.go
	BackupTo          string `env:"BITB_BACKUP_TO"`                 // a directory, or s3://bucket/prefix
	BackupKeys        Secret `env:"BITB_BACKUP_KEYS"`               // newest first, separated by commas
	BackupDatabaseURL Secret `env:"BITB_BACKUP_DATABASE_URL"`       // "": MigrateURL
	BackupS3Endpoint  string `env:"BITB_BACKUP_S3_ENDPOINT"`        // "": AWS
	BackupS3Region    string `env:"BITB_BACKUP_S3_REGION"`
	BackupS3Access    Secret `env:"BITB_BACKUP_S3_ACCESS_KEY"` // "": as AWS's tools find it
	BackupS3Secret    Secret `env:"BITB_BACKUP_S3_SECRET_KEY"`
	BackupDaily       int    `env:"BITB_BACKUP_KEEP_DAILY" envDefault:"7"`
	BackupWeekly      int    `env:"BITB_BACKUP_KEEP_WEEKLY" envDefault:"4"`

	// Of the readiness check, beside those above.
	PrometheusURL   string `env:"BITB_PROMETHEUS_URL"`    // that watches this deployment
	LogCollectorURL string `env:"BITB_LOG_COLLECTOR_URL"` // whose 200 says that what carries the logs away is well
	CacheDir        string `env:"BITB_CACHE_DIR"`
	KubernetesHost  string `env:"KUBERNETES_SERVICE_HOST"` // set in every pod
	KubernetesPort  string `env:"KUBERNETES_SERVICE_PORT"`

	DemoListen string `env:"BITB_DEMO_LISTEN" envDefault:"127.0.0.1:8090"` // of the demo customer's site

	Drain time.Duration `env:"BITB_DRAIN" envDefault:"0s"` // how long a stop leaves /readyz at 503 before nothing new is served

	command  string            // that these settings are for
	unread   bool              // some could not be read, so what is missing is not known
	places   map[string]string // where each secret comes from
	resolver *secret.Resolver  // and as they are by now
}

// database is how a command beside the server goes to it.
func (c Config) database(name string, conns int32) postgres.Config {
	return postgres.Config{URL: string(c.DatabaseURL), AllowPrivileged: !c.Production, Pooled: c.Pooled, Name: name, MaxConns: conns}
}

// processName is what the process calls itself in the database's list of connections.
func (c Config) processName() string {
	role := c.command
	switch {
	case role == "doctor":
		return "bitb " + role
	case role == "work":
	case c.Workers > 0:
		role = "serve+work"
	default:
		role = "serve"
	}
	machine, _ := os.Hostname() // without a name the number will do
	return fmt.Sprintf("bitb %s %.40s:%d", role, machine, os.Getpid())
}

// loadFor misses no setting that a command does without: a database is migrated before anybody has an address to serve from.
func loadFor(command string, getenv func(string) string) (Config, error) {
	switch command {
	case "migrate":
		return loadMigrateConfig(getenv)
	case "staff", "invite", "keys":
		return loadConfigWithoutRedis(getenv)
	}
	return loadConfig(getenv)
}

// loadConfig reads the settings and reports all that is wrong with them at once.
func loadConfig(getenv func(string) string) (Config, error) {
	c, err := loadConfigWithoutRedis(getenv)
	if c.RedisURL == "" && !c.unread {
		err = errors.Join(err, errors.New("REDIS_URL is not set, and there are no local services; run `make services` or set it"))
	}
	return c, err
}

// loadConfigWithoutRedis does not miss its address.
func loadConfigWithoutRedis(getenv func(string) string) (Config, error) {
	return completeConfig(readConfig(getenv))
}

// loadMigrateConfig misses neither Redis nor the server's way to the database: the first migration makes the role that it names.
func loadMigrateConfig(getenv func(string) string) (Config, error) {
	c, errs := readConfig(getenv)
	c.DatabaseURL = cmp.Or(c.DatabaseURL, c.MigrateURL)
	return completeConfig(c, errs)
}

func completeConfig(c Config, errs []error) (Config, error) {
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	c.chooseModels()
	if !c.unread {
		errs = c.check()
	}
	return c, errors.Join(errs...)
}

// loadBackupConfig misses neither Redis nor a database: when everything is lost, there is none.
func loadBackupConfig(getenv func(string) string) (Config, error) {
	c, errs := readConfig(getenv)
	if !c.unread {
		errs = c.checkBackup()
	}
	return c, errors.Join(errs...)
}

func readConfig(getenv func(string) string) (c Config, errs []error) {
	c.resolver = &secret.Resolver{Managers: manager.All(getenv)}
	values, errs := environment(getenv, c.resolver)
	c.places = places(getenv)
	if err := env.ParseWithOptions(&c, env.Options{Environment: values}); err != nil {
		errs = append(errs, byVariable(err, values))
	}
	c.unread = len(errs) > 0
	if c.DatabaseURL == "" || c.RedisURL == "" {
		c.useServices()
	}
	if c.MigrateURL == "" {
		c.MigrateURL = c.DatabaseURL
	}
	if c.BackupDatabaseURL == "" {
		c.BackupDatabaseURL = c.MigrateURL
	}
	return c, errs
}

func (c *Config) checkBackup() []error {
	var errs []error
	if c.BackupTo == "" {
		errs = append(errs, errors.New("BITB_BACKUP_TO is not set: a directory, or s3://bucket/prefix"))
	}
	if c.BackupKeys == "" {
		errs = append(errs, errors.New("BITB_BACKUP_KEYS is not set; `bitb backup key` makes a key"))
	}
	if c.BackupDaily < 1 || c.BackupWeekly < 0 {
		errs = append(errs, errors.New("BITB_BACKUP_KEEP_DAILY must be 1 or more, BITB_BACKUP_KEEP_WEEKLY 0 or more"))
	}
	if err := c.checkRefresh(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// publicURL is where people reach the server, for who needs no other setting.
func publicURL(getenv func(string) string) string {
	if address := getenv("BITB_PUBLIC_URL"); address != "" {
		return strings.TrimRight(address, "/")
	}
	return "http://" + cmp.Or(getenv("BITB_LISTEN"), defaultOf("Listen"))
}

// metricsListen is likewise, for the health check: every few seconds, it must not ask a secret manager or fail while one is away.
func metricsListen(getenv func(string) string) string {
	return cmp.Or(getenv("BITB_METRICS_LISTEN"), defaultOf("MetricsListen"))
}

// defaultOf is what a field of Config has where nothing is set.
func defaultOf(field string) string {
	f, _ := reflect.TypeFor[Config]().FieldByName(field)
	return f.Tag.Get("envDefault")
}

func (c *Config) chooseModels() {
	builtin := c.OpenAIKey == "" && c.OpenAIBaseURL == ""
	for _, m := range []struct {
		name  *string
		usual string
	}{{&c.ChatModel, "gpt-4.1-mini"}, {&c.EmbeddingModel, "text-embedding-3-small"}} {
		switch {
		case *m.name != "":
		case builtin:
			*m.name = builtinModel
		default:
			*m.name = m.usual
		}
	}
}

const builtinModel = "builtin"

func (c *Config) check() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.DatabaseURL == "" {
		wrong("DATABASE_URL is not set, and there are no local services; run `make services` or set it")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Path != "" {
		wrong("BITB_PUBLIC_URL must be like https://chat.example.com")
	} else if c.Production && u.Scheme != "https" {
		wrong("BITB_PUBLIC_URL must begin with https:// in production")
	}
	errs = append(errs, c.checkDatabase()...)
	if (c.ChatModel != builtinModel || c.EmbeddingModel != builtinModel) && c.OpenAIKey == "" && c.OpenAIBaseURL == "" {
		wrong("a model is chosen, but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set")
	}
	errs = append(errs, c.checkRerank()...)
	errs = append(errs, c.checkSecrets()...)
	errs = append(errs, c.checkHTTPS()...)
	errs = append(errs, c.checkTelemetry()...)
	errs = append(errs, c.checkDoctor()...)
	if c.SignUp != "open" && c.SignUp != "invited" {
		wrong("BITB_SIGN_UP must be open or invited")
	}
	errs = append(errs, c.checkSupabase()...)
	for _, proxy := range c.TrustedProxy {
		if _, err := netip.ParsePrefix(strings.TrimSpace(proxy)); err != nil {
			wrong("BITB_TRUSTED_PROXIES: %q is not an address range such as 10.0.0.0/8", proxy)
		}
	}
	if c.Workers < 0 || c.Workers > 64 {
		wrong("BITB_WORKERS must be 0 to 64")
	}
	if c.TraceDays < 1 || c.TraceDays > 3650 {
		wrong("BITB_TRACE_DAYS must be 1 to 3650")
	}
	if c.Drain < 0 || c.Drain > longestDrain {
		wrong("BITB_DRAIN must be 0s to 5m")
	}
	return errs
}

// checkDatabase says what is wrong with the database's address in production. PostgreSQL's libraries know other ways to name a machine than
// what stands behind the @; there nothing here would look.
func (c *Config) checkDatabase() []error {
	if !c.Production || c.DatabaseURL == "" {
		return nil
	}
	u, err := url.Parse(string(c.DatabaseURL))
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return []error{errors.New("DATABASE_URL must be like postgres://bitb_app:PASSWORD@db.example.com/bitb?sslmode=verify-full")}
	}
	query := u.Query()
	for _, host := range append(query["host"], query["hostaddr"]...) {
		if !strings.HasPrefix(host, "/") { // a socket of this machine
			return []error{errors.New("DATABASE_URL must name the database's machine behind the @, and not as host or hostaddr")}
		}
	}
	if mode := query.Get("sslmode"); (mode == "disable" || mode == "allow") && !local(string(c.DatabaseURL)) {
		return []error{errors.New("DATABASE_URL turns encryption off for a database on another machine")}
	}
	return nil
}

func (c *Config) checkRerank() []error {
	u, err := url.Parse(c.RerankURL)
	switch {
	case c.RerankURL == "" && (c.RerankModel != "" || c.RerankKey != ""):
		return []error{errors.New("BITB_RERANK_MODEL or BITB_RERANK_KEY is set, but not BITB_RERANK_URL")}
	case c.RerankURL == "":
		return nil
	case c.RerankModel == "":
		return []error{errors.New("BITB_RERANK_URL is set, but not BITB_RERANK_MODEL; an endpoint with one model takes any name")}
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil:
		return []error{errors.New("BITB_RERANK_URL must be an endpoint's whole address, like https://api.example.com/v2/rerank")}
	}
	return nil
}

func (c *Config) checkDoctor() (errs []error) {
	for name, address := range map[string]string{"BITB_PROMETHEUS_URL": c.PrometheusURL, "BITB_LOG_COLLECTOR_URL": c.LogCollectorURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil) {
			errs = append(errs, fmt.Errorf("%s must be like http://prometheus:9090", name))
		}
	}
	return errs
}

// places says of each secret that is set where it comes from: a file, a secret manager by its scheme, or the environment.
func places(getenv func(string) string) map[string]string {
	all := map[string]string{}
	for name := range (Config{}).secrets() {
		scheme, _, reference := strings.Cut(getenv(name), "://")
		switch {
		case getenv(name+"_FILE") != "" || strings.HasPrefix(getenv(name), "file:"):
			all[name] = "files"
		case reference && slices.Contains([]string{"awssm", "gcpsm", "azkv", "vault"}, scheme):
			all[name] = scheme
		case getenv(name) != "":
			all[name] = "environment"
		}
	}
	return all
}

func (c *Config) checkSupabase() []error {
	u, err := url.Parse(c.SupabaseURL)
	switch {
	case c.SupabaseURL == "" && c.SupabaseKey == "":
		return nil
	case c.SupabaseURL == "" || c.SupabaseKey == "":
		return []error{errors.New("SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY are set together or not at all")}
	case err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && (u.Scheme != "http" || c.Production)):
		return []error{errors.New("SUPABASE_URL must be a project's address, like https://abcdefgh.supabase.co")}
	}
	return nil
}

func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "" || u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

// checkFor says what a command cannot do without.
func (c *Config) checkFor(command string) error {
	if command == "work" && c.Workers == 0 && !c.unread {
		return errors.New("BITB_WORKERS is 0, and `bitb work` does nothing but read documents")
	}
	if !c.Production || c.unread {
		return nil
	}
	errs := c.checkKeys(command)
	if command == "serve" {
		errs = append(errs, c.checkServing())
	}
	return errors.Join(errs...)
}

// environment gathers the variables that Config names, and finds out what secrets stand for.
func environment(getenv func(string) string, secrets *secret.Resolver) (map[string]string, []error) {
	values := map[string]string{}
	var errs []error
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		name, ok := t.Field(i).Tag.Lookup("env")
		if !ok {
			continue
		}
		v := getenv(name)
		if t.Field(i).Type == reflect.TypeFor[Secret]() {
			if file := getenv(name + "_FILE"); file != "" {
				v = "file:" + file
			}
			var err error
			if v, err = secrets.Resolve(context.Background(), name, v); err != nil {
				errs = append(errs, err)
			}
		}
		if v != "" {
			values[name] = v
		}
	}
	return values, errs
}

// byVariable names the variables that cannot be parsed, where the library names fields.
func byVariable(err error, values map[string]string) error {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return err
	}
	var errs []error
	for _, one := range all.Errors {
		wrong, ok := errors.AsType[env.ParseError](one)
		field, known := reflect.TypeFor[Config]().FieldByName(wrong.Name)
		if !ok || !known {
			errs = append(errs, one)
			continue
		}
		name := field.Tag.Get("env")
		errs = append(errs, fmt.Errorf("%s must be %s, not %q", name, written[field.Type], values[name]))
	}
	return errors.Join(errs...)
}

// written says how a setting of a type is written.
var written = map[reflect.Type]string{
	reflect.TypeFor[bool]():          "true or false",
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[float64]():       "a number",
	reflect.TypeFor[time.Duration](): "a time such as 30s or 5m",
	reflect.TypeFor[slog.Level]():    "DEBUG, INFO, WARN or ERROR",
}

// useServices takes what is not set from the private services of this checkout, if there are any. Not in production.
func (c *Config) useServices() {
	if c.Production {
		return
	}
	f, err := os.Open(filepath.Join(".local", "services.env"))
	if err != nil {
		return
	}
	defer f.Close()
	values := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "="); ok {
			values[name] = strings.Trim(value, `'"`)
		}
	}
	if c.DatabaseURL == "" {
		c.DatabaseURL = Secret(values["DATABASE_URL"])
		if c.MigrateURL == "" {
			c.MigrateURL = Secret(values["BITB_MIGRATE_DATABASE_URL"])
		}
	}
	if c.RedisURL == "" {
		c.RedisURL = Secret(values["REDIS_URL"])
	}
}
