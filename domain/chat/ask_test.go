package chat_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
	"bitb/domain/retrieve"
)

// desk is a bot with a scripted model and a few documents.
type desk struct {
	*chat.Service
	db     *dbtest.Database
	model  *llmtest.Server
	tenant domain.ID
	bot    chat.Bot
	who    chat.Asker
	doc    domain.ID
}

// memory is a cache that loses nothing.
type memory struct{ values sync.Map }

func (m *memory) Get(_ context.Context, key string) ([]byte, bool) {
	v, ok := m.values.Load(key)
	if !ok {
		return nil, false
	}
	return v.([]byte), true
}

func (m *memory) Set(_ context.Context, key string, value []byte, _ time.Duration) {
	m.values.Store(key, value)
}

type uncounted struct{}

func (uncounted) Answered(chat.Outcome, bool, time.Duration, time.Duration) {}
func (uncounted) Retrieved(time.Duration)                                   {}
func (uncounted) CacheLookup(string, bool)                                  {}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{db: dbtest.New(t), model: llmtest.New(t)}
	open := llm.OpenAI{BaseURL: d.model.URL, Key: d.model.Key, Model: "scripted", Limits: llm.Limits{Retry: time.Nanosecond, FirstToken: time.Second, Idle: time.Second}}
	model, err := llm.NewChat(open)
	if err != nil {
		t.Fatal(err)
	}
	cache := &memory{}
	d.Service = chat.NewService(chat.Config{DB: d.db.DB, Log: slog.New(slog.DiscardHandler), Model: model,
		Retrieve: retrieve.NewService(retrieve.Config{DB: d.db.DB, Log: slog.New(slog.DiscardHandler), Embedder: llm.Cached(llm.NewHashing(), cache, nil)}),
		Quoter:   llm.Extractive{}, Cache: cache, Metrics: uncounted{}})
	d.tenant = d.db.Tenant(t)
	err = d.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "select set_config('app.tenant_id', $1, true)", d.tenant.String())
		if err == nil {
			err = chat.FirstBot(t.Context(), tx, d.tenant, "Harbour Loop")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.bot, err = d.Bot(t.Context(), d.tenant); err != nil {
		t.Fatal(err)
	}
	token, err := d.NewVisitor(t.Context(), d.tenant, d.bot.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d.who.VisitorID, err = d.Visitor(t.Context(), d.tenant, d.bot.ID, token); err != nil {
		t.Fatal(err)
	}
	d.who.Origin = "https://www.example.com"
	d.doc, _ = d.db.Document(t, d.tenant, "Prices.md", "A bicycle costs 19 euros a day.", "Helmets for bicycles are free of charge.")
	return d
}

func (d *desk) ask(t *testing.T, text string) (answer chat.Message, streamed string) {
	t.Helper()
	q := chat.Question{ID: domain.NewID(), TenantID: d.tenant, Bot: d.bot, Asker: d.who, Text: text}
	answer, err := d.Ask(t.Context(), q, chat.Events{Delta: func(s string) error { streamed += s; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return answer, streamed
}

func (d *desk) startOver(t *testing.T) {
	t.Helper()
	if _, err := d.NewConversation(t.Context(), d.tenant, d.bot.ID, d.who); err != nil {
		t.Fatal(err)
	}
}

const question = "What does a bicycle cost a day?"

// Only numbers of passages that the model was given become citations, in the stream and in what is kept.
func TestCitationsAreOfRetrievedPassages(t *testing.T) {
	d := newDesk(t)
	d.model.Chat.Reply("It costs 19 euros [1], or 7 [9] [0].")
	answer, streamed := d.ask(t, question)
	if want := "It costs 19 euros [1], or 7."; answer.Text != want || strings.TrimSpace(streamed) != want {
		t.Errorf("answered %q, streamed %q", answer.Text, streamed)
	}
	kept, err := d.Current(t.Context(), d.tenant, d.bot.ID, d.who)
	if err != nil || len(kept.Messages) != 2 {
		t.Fatalf("%d messages, %v", len(kept.Messages), err)
	}
	cited := kept.Messages[1].Citations
	if len(cited) != 1 || cited[0].Number != 1 || !strings.Contains(cited[0].Text, "19 euros") || cited[0].DocumentName != "Prices.md" || cited[0].ChunkID == (domain.ID{}) {
		t.Errorf("cited %+v", cited)
	}
	if kept.Messages[1].TokensIn == 0 || kept.Messages[1].Model != "scripted" || len(kept.Messages[1].Timings) < 3 {
		t.Errorf("kept %+v", kept.Messages[1])
	}
	prompt := d.model.Chat.Last().Prompt()
	if !strings.Contains(prompt, "A bicycle costs 19 euros a day.") || !strings.Contains(prompt, question) {
		t.Errorf("asked %s", prompt)
	}
}

// What the model was given can be seen afterwards, without being stored; of a deleted document nothing can.
func TestPromptIsRebuilt(t *testing.T) {
	d := newDesk(t)
	d.model.Chat.Reply("It costs 19 euros [1].")
	d.ask(t, question)
	d.model.Chat.Reply("They are free [1].")
	answer, _ := d.ask(t, "Are helmets for bicycles free of charge?")
	given := d.model.Chat.Last().Prompt()
	parts, err := d.Prompt(t.Context(), d.tenant, answer.RetrievalID)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 4 || parts[0].Role != "system" || parts[1].Text != question {
		t.Fatalf("%d parts: %+v", len(parts), parts)
	}
	for _, p := range parts {
		if !strings.Contains(given, p.Text) || p.Tokens == 0 {
			t.Errorf("the model was not given %q", p.Text)
		}
	}
	// More is said afterwards than a page of a conversation shows.
	d.db.Exec(t, `insert into messages (tenant_id, id, conversation_id, author, text, status, created_at)
		select tenant_id, gen_random_uuid(), conversation_id, 'person', 'Later ' || n, 'complete', created_at + make_interval(secs => n)
		from messages, generate_series(1, 210) n where id = $1`, answer.ID)
	if later, err := d.Prompt(t.Context(), d.tenant, answer.RetrievalID); err != nil || !slices.Equal(later, parts) {
		t.Errorf("later %+v, %v", later, err)
	}
	d.db.Exec(t, "delete from documents")
	parts, err = d.Prompt(t.Context(), d.tenant, answer.RetrievalID)
	if last := parts[len(parts)-1].Text; err != nil || strings.Contains(last, "19 euros") || !strings.Contains(last, `<passage number="1" from="Prices.md">`+"\n(deleted since)") {
		t.Errorf("%+v, %v", parts, err)
	}
	if _, err := d.Prompt(t.Context(), domain.NewID(), answer.RetrievalID); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another tenant's: %v", err)
	}
}

// Whatever the model does, there is an answer and it is kept.
func TestModelFails(t *testing.T) {
	for name, c := range map[string]struct {
		fault   llmtest.Fault
		outcome chat.Outcome
		text    string
	}{
		"down":         {llmtest.Status(500), chat.Quoted, "19 euros"},
		"wrong key":    {llmtest.Status(401), chat.Quoted, "19 euros"},
		"too often":    {llmtest.RateLimited(time.Minute), chat.Quoted, "19 euros"},
		"silent":       {llmtest.Hang(), chat.Quoted, "19 euros"},
		"breaks off":   {llmtest.HalfThenReset(), chat.Interrupted, ""},
		"goes quiet":   {llmtest.HalfThenHang(), chat.Interrupted, ""},
		"says nothing": {llmtest.Empty(), chat.Quoted, "19 euros"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.model.FailAll(c.fault)
			answer, streamed := d.ask(t, question)
			if answer.Outcome != c.outcome || !strings.Contains(answer.Text, c.text) || answer.Text == "" || strings.TrimSpace(streamed) != answer.Text {
				t.Errorf("answered %+v, streamed %q", answer, streamed)
			}
			if c.outcome == chat.Quoted && len(answer.Citations) == 0 {
				t.Error("quoted without a citation")
			}
			if n := d.db.Count(t, "select count(*) from messages where author = 'bot' and status = $1", c.outcome); n != 1 {
				t.Errorf("%d answers are kept", n)
			}
		})
	}
}

func TestNothingFits(t *testing.T) {
	d := newDesk(t)
	answer, _ := d.ask(t, "Who won the chess championship of 1972?")
	if answer.Outcome != chat.Fallback || answer.Text != d.bot.Fallback || len(d.model.Chat.Requests()) != 0 {
		t.Errorf("answered %+v after %d requests", answer, len(d.model.Chat.Requests()))
	}
	if parts, err := d.Prompt(t.Context(), d.tenant, answer.RetrievalID); err != nil || len(parts) != 0 {
		t.Errorf("a model that was not called was given %+v, %v", parts, err)
	}
	d.startOver(t)
	d.model.Chat.Reply(d.bot.Fallback)
	if answer, _ := d.ask(t, question); answer.Outcome != chat.Fallback || len(answer.Citations) != 0 {
		t.Errorf("the model said that nothing fits, and the answer is %+v", answer)
	}
}

// The same first question is answered from the cache until the documents or the bot change, and never for another tenant.
func TestCache(t *testing.T) {
	d := newDesk(t)
	d.model.Chat.ReplyFunc(func(llmtest.ChatRequest) string { return "It costs 19 euros [1]." })
	calls := func() int { return len(d.model.Chat.Requests()) }
	first, _ := d.ask(t, question)
	d.startOver(t)
	second, _ := d.ask(t, "  What does a bicycle  cost a day? ")
	if calls() != 1 || second.Text != first.Text || len(second.Citations) != 1 || second.Model != "scripted" || first.Cached() || !second.Cached() {
		t.Errorf("%d calls; answered %+v", calls(), second)
	}
	if _, _ = d.ask(t, question); calls() != 2 {
		t.Errorf("%d calls: within a conversation an answer depends on what was said", calls())
	}
	d.startOver(t)
	d.db.Document(t, d.tenant, "More.md", "An electric bicycle costs 34 euros a day.")
	if _, _ = d.ask(t, question); calls() != 3 {
		t.Errorf("%d calls after a new document", calls())
	}
	d.startOver(t)
	if _, err := document.NewService(d.db.DB, dbtest.NoQueue).Delete(t.Context(), d.tenant, d.doc); err != nil {
		t.Fatal(err)
	}
	answer, _ := d.ask(t, question)
	for _, c := range answer.Citations {
		if c.DocumentName == "Prices.md" {
			t.Error("a deleted document is cited")
		}
	}
	kept, err := d.Conversations(t.Context(), d.tenant, chat.ConversationFilter{Search: "19 EUROS"})
	if err != nil || len(kept.Conversations) == 0 {
		t.Errorf("%d conversations are found, %v", len(kept.Conversations), err)
	}
}

// An answer is kept at once while the chunks that it cites are being removed: waiting for one with another in hand, it and the
// removal would wait for each other.
func TestAnswerWhileChunksGo(t *testing.T) {
	d := newDesk(t)
	d.model.Chat.Reply("It costs 19 euros [1], helmets nothing [2].")
	undo := errors.New("undo")
	err := d.db.InTenant(t.Context(), d.tenant, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "delete from chunks where tenant_id = $1", d.tenant); err != nil {
			return err
		}
		answer, _ := d.ask(t, question)
		if len(answer.Citations) == 0 {
			t.Error("nothing is cited")
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	if n := d.db.Count(t, "select count(*) from citations where tenant_id = $1 and document_id = $2 and chunk_id is null", d.tenant, d.doc); n == 0 {
		t.Error("the citation is not kept")
	}
}

// What a visitor sends is answered once; what somebody else has said is not for them to answer.
func TestSameMessageTwice(t *testing.T) {
	d := newDesk(t)
	d.model.Chat.ReplyFunc(func(llmtest.ChatRequest) string { return "It costs 19 euros [1]." })
	q := chat.Question{ID: domain.NewID(), TenantID: d.tenant, Bot: d.bot, Asker: d.who, Text: question}
	var group sync.WaitGroup
	ids := make([]domain.ID, 6)
	for i := range ids {
		group.Go(func() {
			answer, err := d.Ask(t.Context(), q, chat.Events{})
			if err != nil {
				t.Error(err)
			}
			ids[i] = answer.ID
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("answered as %s and %s", ids[0], id)
		}
	}
	if n := d.db.Count(t, "select count(*) from messages where author = 'bot'"); n != 1 {
		t.Errorf("%d answers are kept", n)
	}
	token, err := d.NewVisitor(t.Context(), d.tenant, d.bot.ID)
	if err != nil {
		t.Fatal(err)
	}
	if q.Asker.VisitorID, err = d.Visitor(t.Context(), d.tenant, d.bot.ID, token); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Ask(t.Context(), q, chat.Events{}); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("another visitor with the same id: %v", err)
	}
}

// Somebody who goes away leaves an answer that says it was interrupted.
func TestAskerGoesAway(t *testing.T) {
	d := newDesk(t)
	d.model.FailAll(llmtest.HalfThenHang())
	ctx, leave := context.WithCancel(t.Context())
	q := chat.Question{ID: domain.NewID(), TenantID: d.tenant, Bot: d.bot, Asker: d.who, Text: question}
	answer, err := d.Ask(ctx, q, chat.Events{Delta: func(string) error { leave(); return nil }})
	if err != nil || answer.Outcome != chat.Interrupted || answer.Text == "" {
		t.Errorf("kept %+v, %v", answer, err)
	}
	d.model.WaitIdle(t, 2*time.Second)
}

// An answer that was read already is kept although the database is away when it ends, once.
func TestKeptWhenTheDatabaseIsBack(t *testing.T) {
	d := newDesk(t)
	d.db.Exec(t, `create sequence public.refusals; grant usage on sequence public.refusals to bitb_app;
		create function public.refuse() returns trigger language plpgsql as $$ begin
			if nextval('public.refusals') < 3 then raise exception using errcode = '57P03'; end if; return new; end $$;
		create trigger away before insert on messages for each row when (new.author = 'bot') execute function public.refuse()`)
	answer, streamed := d.ask(t, question)
	if n := d.db.Count(t, "select count(*) from messages where id = $1 and text = $2", answer.ID, streamed); n != 1 || streamed == "" {
		t.Errorf("%q is kept %d times", streamed, n)
	}
}
