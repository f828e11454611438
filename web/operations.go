package main

import (
	"cmp"
	"context"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/redis"
	"bitb/handlers"
)

// operations counts what those who run the product are alerted about: cost, and what looks like misuse.
type operations struct {
	cost, denied, suspicious, signIns, throttled, keyUses, keyRefused *prometheus.CounterVec
	panics                                                            prometheus.Counter

	keysLock sync.Mutex
	keys     map[string]bool // that are told apart

	prices  map[string]price
	limiter handlers.Limiter // nil: failures of one tenant are not added up
}

func newOperations(registry *prometheus.Registry) *operations {
	factory := promauto.With(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	o := &operations{
		cost:       counter("bitb_cost_usd_total", "What calls of models cost, by the prices that are set; nothing for a model without one.", "model"),
		denied:     counter("bitb_cross_tenant_denials_total", "Requests that reached for what is not the caller's tenant's, or may have.", "kind"),
		suspicious: counter("bitb_suspicious_total", "Events beyond what one actor or tenant causes by itself in ten minutes.", "what"),
		signIns:    counter("bitb_sign_in_failures_total", "Wrong passwords and codes.", "who"),
		throttled:  counter("bitb_sign_in_throttled_total", "Sign-ins that were refused unseen, after too many.", "who"),
		keyUses:    counter("bitb_key_uses_total", "Uses of secret keys.", "key", "purpose"),
		keyRefused: counter("bitb_key_refused_total", "Keys that were not accepted, of ours or presented to us.", "key", "purpose"),
		panics:     factory.NewCounter(prometheus.CounterOpts{Name: "bitb_panics_total", Help: "Requests that ended in a panic."}),
		keys:       map[string]bool{},
		prices:     knownPrices,
	}
	factory.NewGaugeVec(prometheus.GaugeOpts{Name: "bitb_build_info", Help: "Which build runs; always 1."}, []string{"version", "revision"}).
		WithLabelValues(buildVersion(), version()).Set(1)
	o.begin()
	return o
}

// begin shows at 0 what a rule looks at: a counter that appears with its first event has no increase.
func (o *operations) begin() {
	for _, kind := range []string{"unknown_id", "other_tenant", "origin", "case", "policy"} {
		o.denied.WithLabelValues(kind)
	}
	for _, what := range []string{"denials", "failed_documents"} {
		o.suspicious.WithLabelValues(what)
	}
	for _, who := range []string{"member", "staff"} {
		o.signIns.WithLabelValues(who)
		o.throttled.WithLabelValues(who)
	}
	for _, purpose := range []string{"bot", "visitor"} {
		o.keyRefused.WithLabelValues("unknown", purpose)
	}
}

// uses tells which models there are, so that what they cost is shown from the beginning.
func (o *operations) uses(models ...string) {
	for _, model := range models {
		o.cost.WithLabelValues(model)
	}
}

func (o *operations) spent(c llm.Call) {
	o.cost.WithLabelValues(c.Model).Add(o.prices[c.Model].of(c.Usage))
}

// manyFailed is how many documents of one tenant may fail before it is more than a bad file. Redis counts, for all processes.
var manyFailed = redis.Limit{Events: 5, Per: 10 * time.Minute}

// failed counts a document of the tenant in ctx.
func (o *operations) failed(ctx context.Context) {
	who, _ := domain.IdentityFrom(ctx)
	if o.limiter != nil && o.limiter.Allow(ctx, "failed:"+who.TenantID.String(), manyFailed) > 0 {
		o.Suspicious("failed_documents")
	}
}

// Panicked, SignInRefused, Denied and Suspicious are told by handlers.
func (o *operations) Panicked() { o.panics.Inc() }

func (o *operations) SignInRefused(who string, throttled bool) {
	if throttled {
		o.throttled.WithLabelValues(who).Inc()
	} else {
		o.signIns.WithLabelValues(who).Inc()
	}
}

func (o *operations) Denied(kind string)     { o.denied.WithLabelValues(kind).Inc() }
func (o *operations) Suspicious(what string) { o.suspicious.WithLabelValues(what).Inc() }

// mostKeys bounds how many keys are told apart: whoever presents wrong ones can make up any number.
const mostKeys = 200

// KeyUsed is told by whoever checks keys. key is a name or a fingerprint, never a key.
func (o *operations) KeyUsed(purpose, key string, accepted bool) {
	o.keysLock.Lock()
	if o.keys[key] = o.keys[key] || len(o.keys) < mostKeys; !o.keys[key] {
		delete(o.keys, key)
		key = "other"
	}
	o.keysLock.Unlock()
	if accepted {
		o.keyUses.WithLabelValues(key, purpose).Inc()
	} else {
		o.keyRefused.WithLabelValues(key, purpose).Inc()
	}
}

// buildVersion is the version that the tool chain wrote down, beside the revision.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(strings.Trim(info.Main.Version, "()"), "devel")
	}
	return "unknown"
}
