package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v3"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/llm/llmtest"
)

const rulesFile = "../deploy/monitoring/rules/bitb.yml"

// fault is something that goes wrong in the running program, and what must be alerted about.
type fault struct {
	alerts []string
	hurt   func(step int) // once before each of the scrapes while it lasts
	once   bool           // one scrape says it all
	heal   func()
	clears time.Duration // after the end, when a rule looks far back; 0: 20 minutes
}

// Each alert fires within two minutes of its fault, and clears when that is over: the fault is caused in the running program,
// whose /metrics are read before, during and after. Time alone is made up: a scrape stands for what follows it.
func TestAlerts(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed; make test brings it")
	}
	var tried []timeline
	var lock sync.Mutex
	t.Run("faults", func(t *testing.T) {
		for name, faults := range map[string]func(*testing.T) []timeline{"requests": requestFaults, "answers": answerFaults, "models": modelFaults,
			"queue": queueFaults, "slow": slowFaults, "certificate": certificateFaults} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				lines := faults(t)
				lock.Lock()
				defer lock.Unlock()
				tried = append(tried, lines...)
			})
		}
	})
	left := rules(t)
	if os.Getenv("BITB_ALERTS") == "" {
		delete(left, "BitbModelSlow")
	}
	for _, line := range tried {
		delete(left, line.alert)
	}
	if len(left) > 0 {
		t.Errorf("nothing causes these alerts: %v", slices.Sorted(maps.Keys(left)))
	}
	promtool(t, tried)
}

// requestFaults are those around requests, in one program.
func requestFaults(t *testing.T) []timeline {
	db := dbtest.New(t)
	database, cache := newSwitch(t, db.URL), newSwitch(t, dbtest.RedisURL(t))
	r := newRig(t, map[string]string{"DATABASE_URL": database.url, "REDIS_URL": cache.url, "BITB_TRUSTED_PROXIES": "127.0.0.1/32"})
	c := r.customer(t)
	backups := func(base, wal, drill time.Duration) {
		db.Exec(t, "delete from meta.backups")
		db.Exec(t, "delete from meta.drills")
		for kind, ago := range map[string]time.Duration{"base": base, "wal": wal} {
			db.Exec(t, "insert into meta.backups (id, kind, started_at, finished_at, place, ok) values (gen_random_uuid(), $1, now(), now() - $2::interval, '', true)", kind, ago)
		}
		db.Exec(t, "insert into meta.drills (id, started_at, finished_at, ok) values (gen_random_uuid(), now(), now() - $1::interval, true)", drill)
	}
	well := func() { backups(time.Hour, time.Minute, 24*time.Hour) }
	well()
	nothing := func() {}
	return r.try(t,
		fault{alerts: []string{"BitbBackupOld"}, once: true, hurt: func(int) { backups(27*time.Hour, time.Minute, time.Hour) }, heal: well},
		fault{alerts: []string{"BitbArchiveBehind"}, once: true, hurt: func(int) { backups(time.Hour, time.Hour, time.Hour) }, heal: well},
		fault{alerts: []string{"BitbDrillOld"}, once: true, hurt: func(int) { backups(time.Hour, time.Minute, 36*24*time.Hour) }, heal: well},
		fault{alerts: []string{"BitbDenials"}, heal: nothing, hurt: func(int) {
			for range 8 {
				get(t, c, r.url+"/documents/"+domain.NewID().String(), "", http.StatusNotFound)
			}
		}},
		fault{alerts: []string{"BitbKeyMisuse"}, heal: nothing, hurt: func(int) {
			for range 8 {
				get(t, c, r.url+"/widget/v1/bots/"+domain.NewID().String(), "https://shop.example", http.StatusNotFound)
			}
		}},
		fault{alerts: []string{"BitbSignInGuessing"}, heal: nothing, hurt: func(int) {
			for range 8 {
				r.guess(t)
			}
		}},
		fault{alerts: []string{"BitbPolicyRefused"}, heal: nothing, hurt: func(int) {
			err := r.db.InTenant(t.Context(), domain.NewID(), func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "insert into visitors (tenant_id, id, bot_id, token_hash) values ($1, $1, $1, 'x')", domain.NewID())
				return err
			})
			if err == nil {
				t.Error("a row of another tenant was inserted")
			}
		}},
		fault{alerts: []string{"BitbPanics"}, heal: nothing, hurt: func(int) { upload(t, c, r.url, "panic.md", "x", http.StatusInternalServerError) }},
		fault{alerts: []string{"BitbDocumentsFail", "BitbDocumentsFailOfOneTenant"}, heal: nothing, hurt: func(step int) {
			for n := range 3 {
				upload(t, c, r.url, "broken.pdf", fmt.Sprintf("%%PDF-1.7 %d %d", step, n), http.StatusSeeOther)
			}
			dbtest.Eventually(t, 30*time.Second, "the documents to fail", func() bool {
				return db.Count(t, "select count(*) from documents where status = 'failed'") == 3*(step+1)
			})
		}},
		r.poolFault(t),
		fault{alerts: []string{"BitbLimiterFallback"}, once: true, hurt: func(int) { cache.off.Store(true); cache.cut() }, heal: func() {
			cache.off.Store(false)
			dbtest.Eventually(t, 15*time.Second, "redis to be back", func() bool { return r.redis.Ping(t.Context()) == nil })
		}},
		fault{alerts: []string{"BitbErrors"}, heal: func() {
			database.off.Store(false)
			dbtest.Eventually(t, 15*time.Second, "the database to be back", func() bool { return r.db.Ping(t.Context()) == nil })
		}, hurt: func(int) {
			database.off.Store(true)
			database.cut()
			for range 4 {
				get(t, c, r.url+"/documents", "", http.StatusServiceUnavailable)
			}
		}},
		fault{alerts: []string{"BitbDown"}, once: true, hurt: func(int) { _ = r.stop() }, heal: func() { r.again(t) }},
	)
}

// poolFault takes all connections.
func (r *rig) poolFault(t *testing.T) fault {
	release := make(chan struct{})
	var holders sync.WaitGroup
	return fault{alerts: []string{"BitbDatabasePoolFull"}, once: true, heal: func() { close(release); holders.Wait() }, hurt: func(int) {
		pool := r.db.Pools()[0]
		for range pool.Most {
			holders.Go(func() {
				_ = r.db.InTenant(context.Background(), domain.NewID(), func(pgx.Tx) error { <-release; return nil })
			})
		}
		dbtest.Eventually(t, 5*time.Second, "all connections to be taken", func() bool { return r.db.Pools()[0].Used == pool.Most })
	}}
}

// answerFaults are those around questions.
func answerFaults(t *testing.T) []timeline {
	r, _, c := newAnswers(t)
	lost := r.customer(t)
	return r.try(t,
		fault{alerts: []string{"BitbUnanswered"}, heal: func() {}, clears: 70 * time.Minute, hurt: func(int) {
			for range 7 { // a customer without documents
				askThis(t, lost, r.url, "Who was the first on the moon, and when?")
			}
		}},
		fault{alerts: []string{"BitbBudgetNearlySpent"}, heal: func() {}, clears: 25 * time.Hour, hurt: func(step int) {
			askThis(t, c, r.url, fmt.Sprintf("What does a bicycle cost for %d days?", step+2))
		}},
	)
}

// modelFaults: the model server fails.
func modelFaults(t *testing.T) []timeline {
	r, model, c := newAnswers(t)
	return r.try(t, fault{alerts: []string{"BitbModelFails"}, heal: model.Heal, hurt: func(step int) {
		model.FailAll(llmtest.Status(http.StatusInternalServerError))
		for n := range 2 {
			askThis(t, c, r.url, fmt.Sprintf("What does a bicycle cost in week %d of %d?", step, n))
		}
	}})
}

// newAnswers is a program with a scripted model and a customer who has a document.
func newAnswers(t *testing.T) (*rig, *llmtest.Server, *http.Client) {
	t.Helper()
	db, model := dbtest.New(t), llmtest.New(t)
	r := newRig(t, map[string]string{"DATABASE_URL": db.URL, "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key, "BITB_CHAT_MODEL": "scripted",
		"BITB_EMBEDDING_MODEL": builtinModel, "BITB_DAILY_BUDGET_USD": "1", "BITB_MODEL_PRICES": "scripted=2000/2000"})
	c := r.customer(t)
	upload(t, c, r.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n", http.StatusSeeOther)
	dbtest.Eventually(t, 30*time.Second, "the document to be ready", func() bool {
		return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
	})
	return r, model, c
}

// queueFaults: while the embedding model is away, documents wait.
func queueFaults(t *testing.T) []timeline {
	db, model := dbtest.New(t), llmtest.New(t)
	r := newRig(t, map[string]string{"DATABASE_URL": db.URL, "OPENAI_BASE_URL": model.URL, "OPENAI_API_KEY": model.Key})
	c := r.customer(t)
	dbtest.Eventually(t, 30*time.Second, "the model to be examined", func() bool { return db.Count(t, examined) == 1 }) // or its calls fail instead
	return r.try(t, fault{alerts: []string{"BitbQueueOld"}, once: true, hurt: func(int) {
		model.FailNext(llmtest.Status(http.StatusBadGateway), llmtest.Status(http.StatusBadGateway), llmtest.Status(http.StatusBadGateway))
		upload(t, c, r.url, "prices.md", "# Prices\n\nA bicycle costs 19 euros a day.\n", http.StatusSeeOther)
		dbtest.Eventually(t, 30*time.Second, "the document to wait", func() bool {
			return db.Count(t, "select count(*) from documents where status = 'queued' and waits_since is not null") == 1
		})
		db.Exec(t, "update documents set waits_since = now() - interval '20 minutes'")
	}, heal: func() {
		model.Heal()
		dbtest.Eventually(t, 60*time.Second, "the document to be ready", func() bool {
			return db.Count(t, "select count(*) from documents where status = 'ready'") == 1
		})
	}})
}

// certificateFaults: nobody renews the certificate of a server that has one of its own.
func certificateFaults(t *testing.T) []timeline {
	files := newCertFiles(t)
	r := &rig{values: map[string]string{}}
	use := func(lasts time.Duration) {
		files.lasts = lasts
		files.write(t, "renewed")
		if r.running == nil {
			r = newRig(t, map[string]string{"DATABASE_URL": dbtest.New(t).URL, "BITB_TLS_CERT_FILE": files.cert, "BITB_TLS_KEY_FILE": files.key,
				"BITB_PUBLIC_URL": "https://chat.example.com", "BITB_HTTP_LISTEN": "off", "BITB_WORKERS": "0"})
		}
		conn, err := tls.Dial("tcp", r.values["BITB_LISTEN"], &tls.Config{RootCAs: files.roots, ServerName: "chat.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	use(60 * 24 * time.Hour)
	return r.try(t, fault{alerts: []string{"BitbCertificateEnds"}, once: true, hurt: func(int) { use(13 * 24 * time.Hour) },
		heal: func() { use(60 * 24 * time.Hour) }})
}

// slowFaults: a model that takes eleven seconds. `make alerts` waits for it.
func slowFaults(t *testing.T) []timeline {
	if os.Getenv("BITB_ALERTS") == "" {
		return nil
	}
	r, model, c := newAnswers(t)
	ask := func(of int) {
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() { askThis(t, c, r.url, fmt.Sprintf("What does a bicycle cost on day %d of %d?", n, of)) })
		}
		all.Wait()
	}
	ask(100) // a model that has answered quickly
	return r.try(t, fault{alerts: []string{"BitbModelSlow"}, hurt: func(step int) {
		if step > 1 {
			return
		}
		model.Chat.Reply("It costs 19 euros [1].")
		model.Chat.Pace(2500 * time.Millisecond)
		ask(step)
	}, heal: func() { model.Chat.Pace(0) }})
}

// rig is the program of a test, with the metrics as they were scraped.
type rig struct {
	*running
	values  map[string]string
	metrics string
}

func newRig(t *testing.T, settings map[string]string) *rig {
	t.Helper()
	r := &rig{metrics: freeAddress(t), values: map[string]string{"REDIS_URL": dbtest.RedisURL(t), "BITB_LISTEN": freeAddress(t), "BITB_LOG_LEVEL": "ERROR"}}
	r.values["BITB_METRICS_LISTEN"] = r.metrics
	maps.Copy(r.values, settings)
	r.again(t)
	return r
}

// again starts the program.
func (r *rig) again(t *testing.T) {
	r.running = runServer(t, r.values, io.Discard, func(s *server) {
		s.deps.Sniff = func(content []byte, name string) (string, error) {
			if name == "panic.md" {
				panic("caused by a test")
			}
			return sniff(content, name)
		}
	})
}

// customer signs somebody up.
func (r *rig) customer(t *testing.T) *http.Client {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.PostForm(r.url+"/signup", url.Values{"company": {"Shop"}, "name": {"Owner"}, "email": {domain.NewID().String() + "@example.com"},
		"password": {"vier wörter ohne sinn"}})
	if err != nil || resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-up: %v %v", resp, err)
	}
	resp.Body.Close()
	return c
}

// guess tries a password of somebody, from somewhere.
func (r *rig) guess(t *testing.T) {
	t.Helper()
	form := url.Values{"email": {domain.NewID().String() + "@example.com"}, "password": {"password"}}
	req, _ := http.NewRequest(http.MethodPost, r.url+"/signin", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.N(256), rand.N(256), rand.N(256)))
	expect(t, http.DefaultClient, req, http.StatusUnauthorized)
}

func get(t *testing.T, c *http.Client, address, origin string, status int) {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, address, nil)
	req.Header.Set("Origin", origin)
	expect(t, c, req, status)
}

func expect(t *testing.T, c *http.Client, req *http.Request, status int) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != status {
		t.Errorf("%s %s: %d instead of %d", req.Method, req.URL.Path, resp.StatusCode, status)
	}
}

// samples are the values of one scrape by series; nil: nobody answered.
type samples map[string]float64

func (r *rig) scrape(t *testing.T) samples {
	t.Helper()
	resp, err := http.Get("http://" + r.metrics + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	found := samples{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if strings.HasPrefix(line, "bitb_") && err == nil {
			found[line[:at]] = value
		}
	}
	return found
}

// timeline is how the metrics went by a fault.
type timeline struct {
	alert         string
	began         time.Time
	before, after samples
	during        []samples
	clears        time.Duration
}

// stepsOfFault are the scrapes while a fault lasts, half a minute apart: two minutes.
const stepsOfFault = 4

func (r *rig) try(t *testing.T, faults ...fault) []timeline {
	t.Helper()
	var lines []timeline
	for _, f := range faults {
		line := timeline{began: time.Now(), clears: max(f.clears, 20*time.Minute), before: r.scrape(t)}
		for step := range stepsOfFault {
			if step > 0 && f.once {
				line.during = append(line.during, line.during[0])
				continue
			}
			f.hurt(step)
			line.during = append(line.during, r.scrape(t))
		}
		f.heal()
		line.after = r.scrape(t)
		t.Logf("%s: %s", f.alerts[0], time.Since(line.began).Round(time.Millisecond))
		for _, line.alert = range f.alerts {
			lines = append(lines, line)
		}
	}
	return lines
}

// Prometheus asks four times a minute; a scrape of a fault stands for half a minute.
const (
	scrapeEvery = 15 * time.Second
	wellFor     = 10 * time.Minute
	holds       = 2
)

// promtool feeds the timelines to the rules, in Prometheus's own evaluation.
func promtool(t *testing.T, lines []timeline) {
	t.Helper()
	dir, all := t.TempDir(), rules(t)
	args := []string{"test", "rules"}
	for _, line := range lines {
		rule := all[line.alert]
		expr, _ := rule["expr"].(string)
		every := scrapeEvery
		if line.clears > 2*time.Hour {
			every = time.Minute
		}
		writeYAML(t, filepath.Join(dir, line.alert+".rule.yml"), map[string]any{"groups": []any{map[string]any{"name": line.alert, "rules": []any{rule}}}})
		test := filepath.Join(dir, line.alert+".yml")
		writeYAML(t, test, map[string]any{"rule_files": []string{line.alert + ".rule.yml"}, "evaluation_interval": every.String(), "tests": []any{line.unit(expr)}})
		args = append(args, test)
	}
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func writeYAML(t *testing.T, path string, v any) {
	t.Helper()
	content, err := yaml.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var metricName = regexp.MustCompile(`\bbitb_[a-z0-9_]+|\bup\b`)

// unit is the timeline as a unit test of promtool.
func (l timeline) unit(expr string) map[string]any {
	names := metricName.FindAllString(expr, -1)
	series := map[string]bool{}
	steps := append([]samples{l.before}, l.during...)
	steps = append(steps, l.after)
	for _, s := range steps {
		for name := range s {
			if metric, _, _ := strings.Cut(name, "{"); slices.Contains(names, metric) {
				series[name] = true
			}
		}
	}
	var input []map[string]string
	for _, name := range slices.Sorted(maps.Keys(series)) {
		input = append(input, map[string]string{"series": name, "values": l.values(func(s samples) (float64, bool) { v, ok := s[name]; return v, ok }, name)})
	}
	up := func(s samples) (float64, bool) {
		if s == nil {
			return 0, true
		}
		return 1, true
	}
	input = append(input, map[string]string{"series": `up{job="bitb",instance="web"}`, "values": l.values(up, "up")})
	over := wellFor + stepsOfFault*holds*scrapeEvery
	firing := func(at time.Duration, want int) map[string]any {
		return map[string]any{"eval_time": at.String(),
			"expr":        fmt.Sprintf(`(count(ALERTS{alertname="%s", alertstate="firing"}) or vector(0)) > bool 0`, l.alert),
			"exp_samples": []map[string]any{{"labels": "{}", "value": want}}}
	}
	return map[string]any{"name": l.alert, "interval": scrapeEvery.String(), "input_series": input, "promql_expr_test": []map[string]any{
		firing(wellFor-scrapeEvery, 0), firing(over-scrapeEvery, 1), firing(over+l.clears, 0)}}
}

// values writes what a series was, in the notation of promtool. Times are moved to where its clock begins.
func (l timeline) values(of func(samples) (float64, bool), name string) string {
	var out []string
	hold := func(s samples, scrapes int, since time.Duration) {
		v, ok := of(s)
		if strings.Contains(name, "timestamp_seconds") {
			v -= float64(l.began.Unix()) - since.Seconds()
		}
		if !ok {
			out = append(out, fmt.Sprintf("_x%d", scrapes))
			return
		}
		out = append(out, fmt.Sprintf("%s+0x%d", strconv.FormatFloat(v, 'f', -1, 64), scrapes-1))
	}
	hold(l.before, int(wellFor/scrapeEvery), wellFor)
	for _, s := range l.during {
		hold(s, holds, wellFor)
	}
	hold(l.after, int(l.clears/scrapeEvery)+1, wellFor+l.clears)
	return strings.Join(out, " ")
}

// rules are all rules by the name of their alert.
func rules(t *testing.T) map[string]map[string]any {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []map[string]any }
	}
	content, err := os.ReadFile(rulesFile)
	if err == nil {
		err = yaml.Unmarshal(content, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[fmt.Sprint(r["alert"])] = r
		}
	}
	return all
}

// switchboard passes bytes on until it is off.
type switchboard struct {
	url string
	off atomic.Bool
	mu  sync.Mutex
	all []net.Conn
}

func newSwitch(t *testing.T, address string) *switchboard {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u.Host = l.Addr().String()
	s := &switchboard{url: u.String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil || s.off.Load() {
				client.Close()
				continue
			}
			s.mu.Lock()
			s.all = append(s.all, client, server)
			s.mu.Unlock()
			go func() { _, _ = io.Copy(server, client); server.Close() }()
			go func() { _, _ = io.Copy(client, server); client.Close() }()
		}
	}()
	return s
}

// cut ends all connections.
func (s *switchboard) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.Close()
	}
	s.all = nil
}
