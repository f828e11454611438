package faults

import (
	"context"
	"fmt"
	"time"

	"bitb/domain"
	"bitb/domain/llm/llmtest"
)

// asked is one question to a model that fails.
func (w *world) question(n int, words string) (answer, time.Duration, domain.ID, error) {
	t, id, from := w.tenants[n%len(w.tenants)], domain.NewID(), time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	got, err := w.ask(ctx, w.apps[0], t, t.visitors[n/len(w.tenants)%len(t.visitors)], id, fmt.Sprintf("What is the storage code of the depot, %s %d?", words, n))
	return got, time.Since(from), id, err
}

func modelRefuses(r *run) {
	for _, c := range []struct {
		name    string
		fault   llmtest.Fault
		retries int
	}{
		{"429", llmtest.RateLimited(time.Second), 2}, {"500", llmtest.Status(500), 2}, {"503", llmtest.Status(503), 2}, {"401", llmtest.Status(401), 0},
	} {
		func() {
			w := r.newWorld()
			w.settle(1, 4)
			defer w.models.heal()
			w.models.chat.FailAll(c.fault)
			before := len(w.models.chat.Chat.Requests())
			got, took, id, err := w.question(0, "refused")
			calls := len(w.models.chat.Chat.Requests()) - before
			w.within(c.name+": quoted after", took, 10*time.Second)
			if err != nil || got.Status != "quoted" || len(got.Sources) == 0 {
				w.miss("%s: answered as %q with %d sources, %v", c.name, got.Status, len(got.Sources), err)
			}
			if calls > 1+c.retries {
				w.miss("%s: asked %d times", c.name, calls)
			}
			if n := w.count("select tokens_in + tokens_out from messages where reply_to = $1 and model not like 'builtin%' union all select 0", id); n != 0 {
				w.miss("%s: %d tokens are counted", c.name, n)
			}
			for n := range 24 {
				_, _, _, _ = w.question(n+1, "refused")
			}
			before = len(w.models.chat.Chat.Requests())
			_, took, _, _ = w.question(30, "refused")
			if opened := len(w.models.chat.Chat.Requests()) == before; !opened && c.name != "401" {
				w.miss("%s: the breaker does not open", c.name)
			}
			w.note("then %s", short(took))
			l := &load{world: w, stop: func() {}}
			l.check(0)
		}()
	}
}

func modelMisbehaves(r *run) {
	w := r.newWorld()
	w.settle(4, 4)
	before := w.holdings()
	w.models.chat.Chat.Reply("The storage code of the depot is known [1]. It opens the storage at any hour of the day and the night.")
	defer w.models.chat.Chat.ReplyFunc(nil)
	for i, c := range []struct {
		name   string
		fault  llmtest.Fault
		status string
		limit  time.Duration
	}{
		{"no byte", llmtest.Hang(), "quoted", 15 * time.Second},
		{"pings only", llmtest.Pings(time.Second), "quoted", 15 * time.Second},
		{"a byte in 5 s", llmtest.Drip(5 * time.Second), "interrupted", 20 * time.Second},
		{"half, then silence", llmtest.HalfThenHang(), "interrupted", 20 * time.Second},
		{"half, then reset", llmtest.HalfThenReset(), "interrupted", time.Second},
		{"half, then rubbish", llmtest.HalfThenGarbage(), "interrupted", time.Second},
		{"no end mark", llmtest.NoDone(), "interrupted", time.Second},
		{"a token of 10 MB", llmtest.GiantToken(10 << 20), "interrupted", 5 * time.Second},
		{"no end", llmtest.Endless(), "interrupted", 120 * time.Second},
		{"an HTML page", llmtest.Body("<html>busy</html>"), "quoted", 2 * time.Second},
	} {
		w.models.chat.FailAll(c.fault)
		got, took, id, err := w.question(i, "misbehaving")
		from := time.Now()
		if !w.until(3*time.Second, 10*time.Millisecond, func() bool { return w.models.active.Load() == 0 }) {
			w.miss("%s: the model is still being listened to", c.name)
		}
		w.models.heal()
		if freed := time.Since(from); freed > time.Second {
			w.miss("%s: the model's connection closed after %s", c.name, short(freed))
		}
		w.within(c.name+": "+got.Status+" after", took, c.limit+time.Second)
		if err != nil || got.Status != c.status || got.Text == "" {
			w.miss("%s: answered as %q, %v", c.name, got.Status, err)
		}
		if n := w.count("select count(*) from messages where reply_to = $1 and status = $2 and text = $3", id, c.status, got.Text); n != 1 {
			w.miss("%s: kept %d times", c.name, n)
		}
	}
	w.leaks(before)
	l := &load{world: w, stop: func() {}}
	l.check(0)
}
