package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// traces is the address that spans are sent to; "": nowhere. The variables are OpenTelemetry's own, and so are those that the
// library reads by itself: headers, certificate, time-out, sampler, attributes of the resource
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
func (c *Config) traces() string {
	switch {
	case c.TracesOff:
		return ""
	case c.TracesEndpoint != "":
		return c.TracesEndpoint
	case c.OTLPEndpoint != "":
		return strings.TrimRight(c.OTLPEndpoint, "/") + "/v1/traces"
	}
	return ""
}

func (c *Config) checkTelemetry() []error {
	var errs []error
	if u, err := url.Parse(c.traces()); err != nil || c.traces() != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT must be like http://collector:4318"))
	}
	if c.traces() != "" && c.OTLPProtocol != "http/protobuf" {
		errs = append(errs, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL can be http/protobuf alone; its port is usually 4318"))
	}
	if c.DailyBudget < 0 {
		errs = append(errs, errors.New("BITB_DAILY_BUDGET_USD must not be below 0"))
	}
	if _, err := parsePrices(c.ModelPrices); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// tracing sends spans to a collector. nil sends nothing.
type tracing struct {
	provider *sdktrace.TracerProvider
	trusted  []netip.Prefix
}

func newTracing(ctx context.Context, c Config, log *slog.Logger) (*tracing, error) {
	if c.traces() == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.traces()))
	if err != nil {
		return nil, fmt.Errorf("set up the traces: %w", err)
	}
	// What the environment says of the resource comes last, so that it counts.
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "bitb"), attribute.String("service.version", version())),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("set up the traces: %w", err)
	}
	t := &tracing{trusted: c.proxies()}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(discreet{exporter}, sdktrace.WithBatchTimeout(time.Second)), sdktrace.WithResource(about))
	otel.SetTracerProvider(t.provider)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces not sent", "error", err) }))
	return t, nil
}

// around makes each request a trace, or a part of the one that a trusted proxy began. A browser's own is linked, no more:
// anybody can make one up. What is asked every few seconds is left out.
func (t *tracing) around(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return otelhttp.NewHandler(next, "request", otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithPublicEndpointFn(func(r *http.Request) bool { return !within(t.trusted, r.RemoteAddr) }),
		otelhttp.WithFilter(func(r *http.Request) bool {
			return r.URL.Path != "/healthz" && r.URL.Path != "/readyz" && !strings.HasPrefix(r.URL.Path, "/static/")
		}))
}

// stop sends what is left.
func (t *tracing) stop() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// discreet leaves out of spans what a library puts into them and nobody may read there: the words of an error, which may quote a
// document, the address that was typed, and who called from where.
type discreet struct{ sdktrace.SpanExporter }

func (e discreet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	left := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		left[i] = discreetSpan{span}
	}
	return e.SpanExporter.ExportSpans(ctx, left)
}

type discreetSpan struct{ sdktrace.ReadOnlySpan }

var unspoken = map[attribute.Key]bool{"url.path": true, "url.query": true, "url.full": true, "user_agent.original": true, "client.address": true,
	"network.peer.address": true, "network.peer.port": true}

func (s discreetSpan) Attributes() []attribute.KeyValue {
	var left []attribute.KeyValue
	for _, kv := range s.ReadOnlySpan.Attributes() {
		if !unspoken[kv.Key] {
			left = append(left, kv)
		}
	}
	return left
}

func (s discreetSpan) Events() []sdktrace.Event { return nil }

func (s discreetSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	if s.InstrumentationScope().Name != "bitb" { // ours is the code of an error
		status.Description = ""
	}
	return status
}

func within(ranges []netip.Prefix, remote string) bool {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, r := range ranges {
		if r.Contains(from.Addr().Unmap()) {
			return true
		}
	}
	return false
}
