package main

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/llm"
	"bitb/domain/redis"
	"bitb/handlers"
)

// metrics counts what the other packages tell. No label holds a tenant: there may be a hundred thousand of them.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	models    *prometheus.HistogramVec
	first     *prometheus.HistogramVec
	tokens    *prometheus.CounterVec
	caches    *prometheus.CounterVec
	answers   *prometheus.CounterVec
	firstByte prometheus.Histogram
	documents *prometheus.CounterVec
	stages    *prometheus.HistogramVec
	chunks    prometheus.Counter
	anew      prometheus.Counter
	retrieval prometheus.Histogram

	cost, denied, suspicious, signIns, throttled, keyUses, keyRefused *prometheus.CounterVec
	panics                                                            prometheus.Counter

	keysLock sync.Mutex
	keys     map[string]bool // that are told apart

	prices  map[string]price
	limiter handlers.Limiter // nil: failures of one tenant are not added up
}

func newMetrics() *metrics {
	quick := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	slow := []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  histogram("bitb_http_request_seconds", "Requests by route, method and status.", quick, "route", "method", "status"),
		models:    histogram("bitb_model_call_seconds", "Calls of models, retries included.", slow, "kind", "model", "outcome"),
		first:     histogram("bitb_model_first_token_seconds", "From the call to the first token of an answer.", slow, "model"),
		tokens:    counter("bitb_model_tokens_total", "Tokens by kind of call and direction.", "kind", "model", "direction"),
		caches:    counter("bitb_cache_lookups_total", "Look-ups of cached query embeddings and answers.", "cache", "result"),
		answers:   counter("bitb_answers_total", "Answers by how they ended.", "outcome", "cached"),
		documents: counter("bitb_documents_total", "Documents that reached an end, with the reason of a failure.", "outcome", "reason"),
		stages:    histogram("bitb_ingest_stage_seconds", "Stages of a document on its way.", slow, "stage"),
		firstByte: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bitb_answer_first_byte_seconds",
			Help: "From the question to the first byte of its answer.", Buckets: slow}),
		chunks: prometheus.NewCounter(prometheus.CounterOpts{Name: "bitb_chunks_stored_total", Help: "Chunks that were stored."}),
		anew: prometheus.NewCounter(prometheus.CounterOpts{Name: "bitb_reembedded_documents_total",
			Help: "Documents whose vectors were made anew with another embedding model."}),
		retrieval: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bitb_retrieval_seconds",
			Help: "Searches for passages, without the embedding of the question.", Buckets: quick}),
		cost:       counter("bitb_cost_usd_total", "What calls of models cost, by the prices that are set; nothing for a model without one.", "model"),
		denied:     counter("bitb_cross_tenant_denials_total", "Requests that reached for what is not the caller's tenant's, or may have.", "kind"),
		suspicious: counter("bitb_suspicious_total", "Events beyond what one actor or tenant causes by itself in ten minutes.", "what"),
		signIns:    counter("bitb_sign_in_failures_total", "Wrong passwords and codes.", "who"),
		throttled:  counter("bitb_sign_in_throttled_total", "Sign-ins that were refused unseen, after too many.", "who"),
		keyUses:    counter("bitb_key_uses_total", "Uses of secret keys.", "key", "purpose"),
		keyRefused: counter("bitb_key_refused_total", "Keys that were not accepted, of ours or presented to us.", "key", "purpose"),
		panics:     prometheus.NewCounter(prometheus.CounterOpts{Name: "bitb_panics_total", Help: "Requests that ended in a panic."}),
		keys:       map[string]bool{},
		prices:     knownPrices,
	}
	m.registry.MustRegister(m.requests, m.models, m.first, m.tokens, m.caches, m.answers, m.firstByte, m.documents, m.stages,
		m.chunks, m.anew, m.retrieval, m.cost, m.denied, m.suspicious, m.signIns, m.throttled, m.keyUses, m.keyRefused, m.panics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	m.begin()
	return m
}

// begin shows at 0 what counts rare events: a counter that appears with its first event has no increase that a rule could see.
func (m *metrics) begin() {
	for _, kind := range []string{"unknown_id", "other_tenant", "origin", "case", "policy"} {
		m.denied.WithLabelValues(kind)
	}
	for _, what := range []string{"denials", "failed_documents"} {
		m.suspicious.WithLabelValues(what)
	}
	for _, who := range []string{"member", "staff"} {
		m.signIns.WithLabelValues(who)
		m.throttled.WithLabelValues(who)
	}
	for _, purpose := range []string{"bot", "visitor"} {
		m.keyRefused.WithLabelValues("unknown", purpose)
	}
	for _, outcome := range []chat.Outcome{chat.Complete, chat.Fallback, chat.Quoted, chat.Interrupted} {
		m.answers.WithLabelValues(string(outcome), "false")
	}
	m.documents.WithLabelValues("ready", "")
	for _, reason := range []string{"empty", "encrypted", "corrupt", "too_large", "no_text", "timeout", "memory", "embedding", "internal"} {
		m.documents.WithLabelValues("failed", reason)
	}
}

// uses tells which models there are, so that what they cost is shown from the beginning.
func (m *metrics) uses(models ...string) {
	for _, model := range models {
		m.cost.WithLabelValues(model)
	}
}

func buildInfo() prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "bitb_build_info", Help: "Which build runs; always 1."}, []string{"version", "revision"})
	info.WithLabelValues(version(), revision()).Set(1)
	return info
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Request is told by handlers.
func (m *metrics) Request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

// ModelCall is told by llm.
func (m *metrics) ModelCall(c llm.Call) {
	m.models.WithLabelValues(c.Kind, c.Model, c.Outcome).Observe(c.Duration.Seconds())
	if c.FirstToken > 0 {
		m.first.WithLabelValues(c.Model).Observe(c.FirstToken.Seconds())
	}
	m.tokens.WithLabelValues(c.Kind, c.Model, "in").Add(float64(c.Usage.In))
	m.tokens.WithLabelValues(c.Kind, c.Model, "out").Add(float64(c.Usage.Out))
	m.cost.WithLabelValues(c.Model).Add(m.prices[c.Model].of(c.Usage))
}

// CacheLookup is told by llm and chat.
func (m *metrics) CacheLookup(cache string, hit bool) {
	result := "miss"
	if hit {
		result = "hit"
	}
	m.caches.WithLabelValues(cache, result).Inc()
}

// Answered is told by chat.
func (m *metrics) Answered(outcome chat.Outcome, cached bool, firstByte, _ time.Duration) {
	m.answers.WithLabelValues(string(outcome), strconv.FormatBool(cached)).Inc()
	if firstByte > 0 {
		m.firstByte.Observe(firstByte.Seconds())
	}
}

// Retrieved is told by chat.
func (m *metrics) Retrieved(took time.Duration) { m.retrieval.Observe(took.Seconds()) }

// Stage is told by ingest.
func (m *metrics) Stage(stage string, took time.Duration) {
	m.stages.WithLabelValues(stage).Observe(took.Seconds())
}

// manyFailed is how many documents of one tenant may fail before it is more than a bad file.
var manyFailed = redis.Limit{Events: 5, Per: 10 * time.Minute}

// Ended is told by ingest. reason is "" for a document that is ready.
func (m *metrics) Ended(ctx context.Context, reason string, chunks int) {
	outcome := "ready"
	if reason != "" {
		outcome = "failed"
		who, _ := domain.IdentityFrom(ctx)
		if m.limiter != nil && m.limiter.Allow(ctx, "failed:"+who.TenantID.String(), manyFailed) > 0 {
			m.Suspicious("failed_documents")
		}
	}
	m.documents.WithLabelValues(outcome, reason).Inc()
	m.chunks.Add(float64(chunks))
}

// Panicked, SignInRefused, Denied and Suspicious are told by handlers.
func (m *metrics) Panicked() { m.panics.Inc() }

func (m *metrics) SignInRefused(who string, throttled bool) {
	if throttled {
		m.throttled.WithLabelValues(who).Inc()
	} else {
		m.signIns.WithLabelValues(who).Inc()
	}
}

func (m *metrics) Denied(kind string)     { m.denied.WithLabelValues(kind).Inc() }
func (m *metrics) Suspicious(what string) { m.suspicious.WithLabelValues(what).Inc() }

// mostKeys bounds how many keys are told apart: whoever presents wrong ones can make up any number.
const mostKeys = 200

// KeyUsed is told by whoever checks keys. key is a name or a fingerprint, never a key.
func (m *metrics) KeyUsed(purpose, key string, accepted bool) {
	m.keysLock.Lock()
	if m.keys[key] = m.keys[key] || len(m.keys) < mostKeys; !m.keys[key] {
		delete(m.keys, key)
		key = "other"
	}
	m.keysLock.Unlock()
	if accepted {
		m.keyUses.WithLabelValues(key, purpose).Inc()
	} else {
		m.keyRefused.WithLabelValues(key, purpose).Inc()
	}
}

// Reembedded is told by ingest.
func (m *metrics) Reembedded(chunks int) {
	m.anew.Inc()
	m.chunks.Add(float64(chunks))
}
