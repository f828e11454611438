package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bitb/domain/chat"
	"bitb/domain/llm"
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

	certificate prometheus.Gauge
	*operations
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
			Help: "Searches for passages, with the embedding of the question and the re-ranking.", Buckets: quick}),
	}
	m.operations = newOperations(m.registry)
	m.certificate = prometheus.NewGauge(prometheus.GaugeOpts{Name: "bitb_certificate_expires_timestamp_seconds", Help: "When the server's own certificate expires; 0: it has none."})
	m.registry.MustRegister(m.certificate)
	m.registry.MustRegister(m.requests, m.models, m.first, m.tokens, m.caches, m.answers, m.firstByte, m.documents, m.stages,
		m.chunks, m.anew, m.retrieval, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin shows at 0 what a rule looks at: a counter that appears with its first event has no increase.
func (m *metrics) begin() {
	for _, outcome := range []chat.Outcome{chat.Complete, chat.Fallback, chat.Quoted, chat.Interrupted} {
		m.answers.WithLabelValues(string(outcome), "false")
	}
	m.documents.WithLabelValues("ready", "")
	for _, reason := range []string{"empty", "encrypted", "corrupt", "too_large", "no_text", "timeout", "memory", "embedding", "internal"} {
		m.documents.WithLabelValues("failed", reason)
	}
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
	m.spent(c)
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

// Ended is told by ingest. reason is "" for a document that is ready.
func (m *metrics) Ended(ctx context.Context, reason string, chunks int) {
	outcome := "ready"
	if reason != "" {
		outcome = "failed"
		m.failed(ctx)
	}
	m.documents.WithLabelValues(outcome, reason).Inc()
	m.chunks.Add(float64(chunks))
}

// Reembedded is told by ingest.
func (m *metrics) Reembedded(chunks int) {
	m.anew.Inc()
	m.chunks.Add(float64(chunks))
}
