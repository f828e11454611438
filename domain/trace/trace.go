// Package trace ties together what comes of one request, as far as the job that its upload becomes: every log line carries
// the ids, and where a collector is set up (web/telemetry.go) spans go to it. It is all that the product knows of
// OpenTelemetry. Attributes are ids, names of models and numbers, never words of a document or a question.
package trace

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"bitb/domain"
)

// Begin makes id the trace of a context that has none, so that log lines belong together where nothing is collected too.
func Begin(ctx context.Context, id domain.ID) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	var span trace.SpanID
	_, _ = rand.Read(span[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(id), SpanID: span}))
}

// IDs are the trace and the span of a context; "" for none.
func IDs(ctx context.Context) (traceID, spanID string) {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() {
		return "", ""
	}
	return at.TraceID().String(), at.SpanID().String()
}

// Carry is the trace of a context in a form that can be stored (https://www.w3.org/TR/trace-context/); "" for none.
func Carry(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// Resume goes on with a trace that was carried; "" and what cannot be read begin none.
func Resume(ctx context.Context, carried string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": carried})
}

// Start begins a step of the trace. end, called once, tells how it went: of an error only the code is kept.
func Start(ctx context.Context, name string, pairs ...string) (_ context.Context, end func(error)) {
	ctx, span := otel.Tracer("bitb").Start(ctx, name)
	Set(ctx, pairs...)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, string(domain.CodeOf(err)))
		}
		span.End()
	}
}

// Name renames the present step, as when the route of a request is known.
func Name(ctx context.Context, name string) { trace.SpanFromContext(ctx).SetName(name) }

// Set notes keys and values, by turns, of the present step.
func Set(ctx context.Context, pairs ...string) {
	span := trace.SpanFromContext(ctx)
	for i := 0; i+1 < len(pairs) && span.IsRecording(); i += 2 {
		if pairs[i+1] != "" {
			span.SetAttributes(attribute.String(pairs[i], pairs[i+1]))
		}
	}
}

// Count notes a number of the present step.
func Count(ctx context.Context, key string, n int) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.Int(key, n))
	}
}
