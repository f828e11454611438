package trace_test

import (
	"testing"

	"bitb/domain"
	"bitb/domain/trace"
)

// Where nothing is collected, what belongs together has one trace all the same: from the request, through what is stored, to
// the job in another process.
func TestWithoutCollector(t *testing.T) {
	id := domain.NewID()
	ctx := trace.Begin(t.Context(), id)
	want, _ := trace.IDs(ctx)
	if want == "" || trace.Begin(ctx, domain.NewID()) != ctx {
		t.Errorf("the trace is %q, or began twice", want)
	}
	job, end := trace.Start(trace.Resume(t.Context(), trace.Carry(ctx)), "job", "key", "value")
	end(domain.NewError(domain.NotFound, "gone"))
	if got, span := trace.IDs(job); got != want || span == "" {
		t.Errorf("the job is in trace %q, span %q; want %q", got, span, want)
	}
}

// What is stored may be missing, old or spoilt: there is no trace then, and no error.
func TestResumeNothing(t *testing.T) {
	for _, carried := range []string{"", "00-0-0-00", "00-00000000000000000000000000000000-0000000000000000-01", "\x00"} {
		if id, span := trace.IDs(trace.Resume(t.Context(), carried)); id != "" || span != "" {
			t.Errorf("%q goes on with %s %s", carried, id, span)
		}
	}
}
