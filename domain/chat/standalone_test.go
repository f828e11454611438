package chat_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
	"bitb/domain/retrieve"
)

var talk = []chat.Message{
	{Author: chat.Person, Text: "Where is the museum?"}, {Author: chat.Answer, Text: "In the harbour [1]."},
	{Author: chat.Person, Text: "What does a ticket cost?"}, {Author: chat.Answer, Text: "It costs 12 euros [1]."},
}

func TestStandalone(t *testing.T) {
	const question = "and for students?"
	const whole = "What does a ticket to the museum cost for students?"
	for name, c := range map[string]struct {
		said  string
		fault llmtest.Fault
		by    string
	}{
		"rewritten":      {whole, llmtest.Fault{}, chat.ByModel},
		"an answer":      {"Students pay 9 euros.", llmtest.Fault{}, chat.ByTerms},
		"endless":        {whole + " ", llmtest.Endless(), chat.ByTerms},
		"too long":       {strings.Repeat("museum ", 100) + "?", llmtest.Fault{}, chat.ByTerms},
		"several lines":  {whole + "\n" + whole, llmtest.Fault{}, chat.ByTerms},
		"breaks off":     {whole, llmtest.HalfThenReset(), chat.ByTerms},
		"empty":          {whole, llmtest.Empty(), chat.ByTerms},
		"hangs":          {whole, llmtest.Hang(), chat.ByTerms},
		"hangs half way": {whole, llmtest.HalfThenHang(), chat.ByTerms},
		"is down":        {whole, llmtest.Status(500), chat.ByTerms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := llmtest.NewInMemory(t)
				srv.Chat.Rewrite(func(asked string) string {
					if asked != question {
						t.Errorf("asked to rewrite %q", asked)
					}
					return c.said
				})
				srv.FailAll(c.fault)
				model, err := llm.NewChat(llm.OpenAI{BaseURL: srv.URL, Key: srv.Key, Model: "scripted", HTTP: srv.Client()})
				if err != nil {
					t.Fatal(err)
				}
				s := chat.NewService(chat.Config{Log: slog.New(slog.DiscardHandler), Rewriter: model})
				began := time.Now()
				r := s.Standalone(t.Context(), talk, question)
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("a person waited %v", took)
				}
				switch {
				case r.By != c.by:
					t.Errorf("rewritten by %q: %+v", r.By, r)
				case r.By == chat.ByModel && (r.Text != whole || r.Model != "scripted" || r.Usage.In == 0 || r.Usage.Out == 0 || r.Context[0] != question):
					t.Errorf("%+v", r)
				case r.By == chat.ByTerms && (r.Text != question || r.Model != "" || r.Context[0] != talk[2].Text || r.Context[1] != talk[0].Text || len(r.Context) != 2):
					t.Errorf("%+v", r)
				}
				srv.WaitIdle(t, time.Second)
			})
		})
	}
}

// A first question costs no call, and without a model words are carried over.
func TestStandaloneWithoutHistoryOrModel(t *testing.T) {
	s := chat.NewService(chat.Config{Log: slog.New(slog.DiscardHandler)})
	if r := s.Standalone(t.Context(), nil, "Where?"); r.Text != "Where?" || r.By != "" || r.Context != nil {
		t.Errorf("first: %+v", r)
	}
	if r := s.Standalone(t.Context(), talk, "Where?"); r.Text != "Where?" || r.By != chat.ByTerms || len(r.Context) != 2 {
		t.Errorf("without a model: %+v", r)
	}
}

// The passages of a follow-up are those of its subject, with a model that rewrites and without.
func TestFollowUpFindsItsSubject(t *testing.T) {
	for _, rewriter := range []bool{true, false} {
		d := newDesk(t)
		d.db.Document(t, d.tenant, "Boats.md", "A rowing boat is rented for 40 euros a day.", "Boats are for swimmers.")
		d.db.Document(t, d.tenant, "Tandems.md", "A tandem, for a week.", "A boat costs 200 euros a week.")
		if rewriter {
			d.Rewriter = d.Model
			d.model.Chat.Rewrite(func(string) string { return "What does a boat cost a week?" })
		}
		d.model.Chat.Reply("It costs that [1].")
		d.ask(t, "What does a rowing boat cost a day?")
		answer, _ := d.ask(t, "And a week?")
		if len(answer.Citations) != 1 || !strings.Contains(answer.Citations[0].Text, "200 euros a week") {
			t.Errorf("rewriter %v: cited %+v", rewriter, answer.Citations)
		}
		requests := d.model.Chat.Requests()
		rewritings, tokens := 0, 0
		for _, r := range requests {
			if _, ok := r.FollowUp(); ok {
				rewritings++
				tokens = len(strings.Fields(r.Prompt()))
			}
		}
		if rewriter != (rewritings == 1) || len(requests) != 2+rewritings {
			t.Errorf("rewriter %v: %d of %d requests are rewritings", rewriter, rewritings, len(requests))
		}
		if last := len(strings.Fields(requests[len(requests)-1].Prompt())); answer.TokensIn != last+tokens {
			t.Errorf("rewriter %v: %d tokens are counted, of %d and %d", rewriter, answer.TokensIn, last, tokens)
		}
		noted := false
		for _, timing := range answer.Timings {
			noted = noted || timing.Stage == "rewrite"
		}
		if noted != rewriter {
			t.Errorf("rewriter %v: timings %+v", rewriter, answer.Timings)
		}
	}
}

// A tenant may have each question searched by itself.
func TestFollowUpsSwitchedOff(t *testing.T) {
	d := newDesk(t)
	d.Rewriter = d.Model
	search := d.Retrieve.(*retrieve.Service)
	settings := search.Defaults()
	settings.FollowUps = false
	if err := search.SaveSettings(t.Context(), d.tenant, settings); err != nil {
		t.Fatal(err)
	}
	d.model.Chat.Reply("It costs 19 euros [1].")
	d.ask(t, question)
	answer, _ := d.ask(t, "And a helmet?")
	kept, err := search.Get(t.Context(), d.tenant, answer.RetrievalID)
	if err != nil || kept.SearchedBy != "" || kept.Context != nil || kept.Searched != "And a helmet?" {
		t.Errorf("searched for %q with %q, %v", kept.Searched, kept.Context, err)
	}
	for _, r := range d.model.Chat.Requests() {
		if _, ok := r.FollowUp(); ok {
			t.Error("a question was rewritten")
		}
	}
}

// A question whose answer was lost, as its process died, is asked again with what was said before it and not after.
func TestFollowUpIsAskedAgain(t *testing.T) {
	d := newDesk(t)
	d.model.Chat.Reply("It costs 19 euros [1].")
	d.ask(t, question)
	again := chat.Question{ID: domain.NewID(), TenantID: d.tenant, Bot: d.bot, Asker: d.who, Text: "And a helmet?"}
	d.db.Exec(t, `insert into messages (tenant_id, id, conversation_id, author, text, status, created_at)
		select tenant_id, case n when 0 then $1 else gen_random_uuid() end, conversation_id, 'person', case n when 0 then $2 else 'Later' end, 'complete',
			created_at + make_interval(secs => 60 + n)
		from messages, generate_series(0, 1) n where author = 'bot'`, again.ID, again.Text)
	d.model.Chat.Reply("Nothing [1].")
	answer, err := d.Ask(t.Context(), again, chat.Events{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := d.Retrieve.Get(t.Context(), d.tenant, answer.RetrievalID)
	if err != nil || kept.SearchedBy != chat.ByTerms || !slices.Equal(kept.Context, []string{question}) {
		t.Errorf("searched with %q by %q, %v", kept.Context, kept.SearchedBy, err)
	}
	if asked := d.model.Chat.Last().Prompt(); !strings.Contains(asked, question) || strings.Contains(asked, "Later") {
		t.Errorf("asked %s", asked)
	}
}
