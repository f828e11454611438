package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bitb/domain/backup"
)

// factTime is what a scrape waits for the database at most.
const factTime = 2 * time.Second

// facts are what is looked up when somebody asks for the metrics. What cannot be found out is left out, and counted.
type facts struct {
	server *server
	failed *prometheus.CounterVec
}

var (
	queueOldest  = fact("bitb_queue_oldest_seconds", "For how long the document has waited that has waited longest, over all tenants.")
	queueWaiting = fact("bitb_queue_waiting", "Documents that wait to be read, over all tenants.")
	fallback     = fact("bitb_limiter_fallback", "1 while Redis is away, so that each process counts limits for itself.")
	redisFails   = fact("bitb_redis_failures_total", "How often Redis did not answer.")
	connections  = fact("bitb_db_connections", "Connections to the database.", "pool", "state")
	connMost     = fact("bitb_db_connections_max", "Connections that the pool may have.", "pool")
	connWaits    = fact("bitb_db_waits_total", "How often somebody waited for a connection.", "pool")
	connWaited   = fact("bitb_db_waited_seconds_total", "For how long they waited in all.", "pool")
	budget       = fact("bitb_budget_usd", "What calls of models may cost in a day; 0 for no budget.")
	lastBackup   = fact("bitb_backup_last_success_timestamp_seconds", "When a backup last went well; 0 for never.", "kind")
	lastDrill    = fact("bitb_drill_last_success_timestamp_seconds", "When a restore was last tried and went well; 0 for never.")
)

// backupKinds are shown before there is one, so that a rule sees their lack.
var backupKinds = []backup.Kind{backup.Base, backup.WAL, backup.Dump, backup.Redis}

func fact(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// measure adds to the metrics what the parts of the server know.
func (s *server) measure() error {
	prices, err := parsePrices(s.config.ModelPrices)
	if err != nil {
		return err
	}
	s.metrics.prices, s.metrics.limiter = prices, s.redis
	for _, model := range []string{s.config.ChatModel, s.config.EmbeddingModel, s.config.RerankModel} {
		if _, known := prices[model]; known || model == builtinModel || model == "" {
			continue
		}
		s.log.Warn("no price is known of this model, so its calls count as free; set BITB_MODEL_PRICES", "model", model)
	}
	s.metrics.uses(s.models.Answer, s.models.Embedding)
	return s.metrics.registry.Register(newFacts(s))
}

func newFacts(s *server) *facts {
	f := &facts{server: s, failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bitb_fact_failures_total",
		Help: "Facts that could not be found out when the metrics were asked for."}, []string{"fact"})}
	f.failed.WithLabelValues("queue")
	f.failed.WithLabelValues("backups")
	return f
}

// refused is told by postgres.
func (s *server) refused(ctx context.Context) {
	s.metrics.Denied("policy")
	s.log.WarnContext(ctx, "the database refused a statement by its policy or its grants")
}

func (f *facts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueOldest, queueWaiting, fallback, redisFails, connections, connMost, connWaits, connWaited, budget, lastBackup, lastDrill} {
		out <- d
	}
	f.failed.Describe(out)
}

func (f *facts) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), factTime)
	defer cancel()
	s := f.server
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(budget, s.config.DailyBudget)
	away := 0.0
	if s.redis.Ping(ctx) != nil {
		away = 1
	}
	gauge(fallback, away)
	counter(redisFails, float64(s.redis.Failures()))
	for _, p := range s.db.Pools() {
		gauge(connections, float64(p.Used), p.Name, "used")
		gauge(connections, float64(p.Idle), p.Name, "idle")
		gauge(connMost, float64(p.Most), p.Name)
		counter(connWaits, float64(p.Waits), p.Name)
		counter(connWaited, p.Waited.Seconds(), p.Name)
	}
	f.queue(ctx, gauge)
	f.backups(ctx, gauge)
	f.failed.Collect(out)
}

func (f *facts) queue(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	waiting, err := f.server.queue.Waiting(ctx)
	if err != nil {
		f.failed.WithLabelValues("queue").Inc()
		return
	}
	gauge(queueWaiting, float64(waiting.Documents))
	gauge(queueOldest, waiting.Longest.Seconds())
}

func (f *facts) backups(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	last, err := backup.Last(ctx, f.server.db)
	if err != nil {
		f.failed.WithLabelValues("backups").Inc()
		return
	}
	stamps := map[backup.Kind]float64{}
	stamp := func(e *backup.Event) float64 {
		if e == nil {
			return 0
		}
		stamps[e.Kind] = float64(e.FinishedAt.Unix())
		return stamps[e.Kind]
	}
	stamp(last.Backup)
	stamp(last.WAL)
	stamp(last.Redis)
	for _, kind := range backupKinds {
		gauge(lastBackup, stamps[kind], string(kind))
	}
	gauge(lastDrill, stamp(last.Drill))
}
