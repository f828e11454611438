package chat_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/dbtest"
)

// talks is a tenant with questions a minute apart, the last one at its clock.
type talks struct {
	*chat.Service
	db                        *dbtest.Database
	tenant, bot, conversation domain.ID
	last                      time.Time
}

func newTalks(t *testing.T, questions ...string) *talks {
	t.Helper()
	k := &talks{db: dbtest.New(t), tenant: domain.NewID(), bot: domain.NewID(), conversation: domain.NewID(), last: time.Date(2026, 3, 11, 14, 0, 0, 0, time.UTC)}
	k.Service = chat.NewService(chat.Config{DB: k.db.DB})
	visitor := domain.NewID()
	k.db.Exec(t, "insert into tenants (id, name) values ($1, 'T')", k.tenant)
	k.db.Exec(t, "insert into bots (tenant_id, id, key, name, greeting, fallback) values ($1, $2, $2, 'B', 'G', 'F')", k.tenant, k.bot)
	k.db.Exec(t, "insert into visitors (tenant_id, id, bot_id, token_hash) values ($1, $2, $3, 'x')", k.tenant, visitor, k.bot)
	k.db.Exec(t, "insert into conversations (tenant_id, id, bot_id, visitor_id, origin) values ($1, $2, $3, $4, 'https://a.example')", k.tenant, k.conversation, k.bot, visitor)
	k.db.Exec(t, `insert into messages (tenant_id, id, conversation_id, author, text, status, created_at)
		select $1, md5('q' || n)::uuid, $2, 'person', q, 'complete', $3::timestamptz - make_interval(mins => cardinality($4::text[]) - n::int)
		from unnest($4::text[]) with ordinality as asked (q, n)`, k.tenant, k.conversation, k.last, questions)
	k.db.Exec(t, `insert into messages (tenant_id, id, conversation_id, author, reply_to, text, status, retrieval_id, created_at)
		select tenant_id, md5(id || 'a')::uuid, conversation_id, 'bot', id, 'Answer to: ' || text, 'complete', md5(id || 'r')::uuid, created_at + interval '1 second' from messages`)
	return k
}

// inCase is a context as a staff member's request within a case has it.
func (k *talks) inCase(t *testing.T) context.Context {
	return domain.WithIdentity(t.Context(), domain.Identity{TenantID: k.tenant, StaffID: domain.NewID(), CaseID: domain.NewID(), Until: time.Now().Add(time.Hour)})
}

func (k *talks) find(t *testing.T, ctx context.Context, f chat.AnswerFilter) (found []string, next chat.Place) {
	t.Helper()
	page, err := k.FindAnswers(ctx, k.tenant, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range page.Answers {
		found = append(found, a.Question.Text)
	}
	return found, page.Next
}

func TestFindAnswers(t *testing.T) {
	k := newTalks(t, "How much is a boat?", "And a canoe for two?", "Is the CANOE red?")
	all, err := k.FindAnswers(t.Context(), k.tenant, chat.AnswerFilter{})
	if err != nil || len(all.Answers) != 3 || !all.Next.At.IsZero() {
		t.Fatalf("%+v, %v", all, err)
	}
	newest := all.Answers[0]
	for name, c := range map[string]struct {
		filter chat.AnswerFilter
		want   []string
	}{
		"a word":              {chat.AnswerFilter{Words: "canoe"}, []string{"Is the CANOE red?", "And a canoe for two?"}},
		"all words":           {chat.AnswerFilter{Words: " TWO canoe "}, []string{"And a canoe for two?"}},
		"a word of an answer": {chat.AnswerFilter{Words: "answer boat"}, []string{"How much is a boat?"}},
		"no word":             {chat.AnswerFilter{Words: "kayak"}, nil},
		"a wildcard":          {chat.AnswerFilter{Words: "%"}, nil},
		"a conversation":      {chat.AnswerFilter{ID: k.conversation}, []string{"Is the CANOE red?", "And a canoe for two?", "How much is a boat?"}},
		"a question":          {chat.AnswerFilter{ID: newest.Question.ID}, []string{"Is the CANOE red?"}},
		"an answer":           {chat.AnswerFilter{ID: newest.Answer.ID}, []string{"Is the CANOE red?"}},
		"a retrieval":         {chat.AnswerFilter{ID: newest.Answer.RetrievalID}, []string{"Is the CANOE red?"}},
		"something else":      {chat.AnswerFilter{ID: domain.NewID()}, nil},
		"from":                {chat.AnswerFilter{From: k.last}, []string{"Is the CANOE red?"}},
		"to":                  {chat.AnswerFilter{To: k.last}, []string{"And a canoe for two?", "How much is a boat?"}},
		"words and time":      {chat.AnswerFilter{Words: "canoe", To: k.last}, []string{"And a canoe for two?"}},
	} {
		if found, _ := k.find(t, t.Context(), c.filter); !slices.Equal(found, c.want) {
			t.Errorf("%s: %q, want %q", name, found, c.want)
		}
	}
}

func TestFindAnswersGoesFurther(t *testing.T) {
	var questions []string
	for n := range 60 {
		questions = append(questions, fmt.Sprintf("question %d", n))
	}
	k := newTalks(t, questions...)
	var found []string
	var place chat.Place
	for pages := 1; ; pages++ {
		page, next := k.find(t, t.Context(), chat.AnswerFilter{After: place})
		found, place = append(found, page...), next
		if place.At.IsZero() {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	slices.Reverse(found)
	if !slices.Equal(found, questions) {
		t.Errorf("found %d: %q", len(found), found)
	}
}

// Within a case, addresses and numbers are hidden wherever people's words are read, and cannot be searched for either: who may
// search for "mar" and then "mari" would read them letter by letter.
func TestWordsAreMaskedInCase(t *testing.T) {
	k := newTalks(t, "I am maria@example.com, call 0171 1234512 about order 4711", "nothing private")
	const masked = "I am m•••@e••••.com, call ••• ••12 about order 4711"
	ctx := k.inCase(t)
	for words, want := range map[string]int{"order 4711": 1, "maria": 0, "mari": 0, "order maria": 0, "@example": 0, "1234": 0, "nothing": 1, "m•••@e••••.com": 1, "••12": 1, "m•••@f": 0} {
		if found, _ := k.find(t, ctx, chat.AnswerFilter{Words: words}); len(found) != want {
			t.Errorf("%q finds %q", words, found)
		}
	}
	found, err := k.FindAnswers(ctx, k.tenant, chat.AnswerFilter{Words: "order"})
	if err != nil || len(found.Answers) != 1 || found.Answers[0].Question.Text != masked || found.Answers[0].Answer.Text != "Answer to: "+masked {
		t.Errorf("%+v, %v", found, err)
	}
	c, err := k.Conversation(ctx, k.tenant, k.conversation, domain.ID{})
	if err != nil || c.First != masked || c.Messages[0].Text != masked || c.Messages[1].Text != "Answer to: "+masked {
		t.Errorf("%+v, %v", c, err)
	}
	list, err := k.Conversations(ctx, k.tenant, chat.ConversationFilter{})
	if err != nil || len(list.Conversations) != 1 || list.Conversations[0].First != masked {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := k.Conversations(ctx, k.tenant, chat.ConversationFilter{Search: "mari"}); domain.CodeOf(err) != domain.Forbidden {
		t.Errorf("the list looks behind the mask: %v", err)
	}
	answer, _, err := k.ByRetrieval(ctx, k.tenant, c.Messages[1].RetrievalID)
	if err != nil || answer.Text != "Answer to: "+masked {
		t.Errorf("%+v, %v", answer, err)
	}
	if bot, err := k.Bot(ctx, k.tenant); err != nil || bot.Key != (domain.ID{}) || bot.Name != "B" {
		t.Errorf("%+v, %v", bot, err)
	}
	if c, err = k.Conversation(t.Context(), k.tenant, k.conversation, domain.ID{}); err != nil || c.First == masked {
		t.Errorf("the tenant's own people read %q, %v", c.First, err)
	}
}

// Of a long conversation the end is shown, and what was said before from its first message on.
func TestConversationIsReadBackwards(t *testing.T) {
	questions := make([]string, 130)
	for i := range questions {
		questions[i] = fmt.Sprintf("Question %d?", i+1)
	}
	k := newTalks(t, questions...)
	end, err := k.Conversation(t.Context(), k.tenant, k.conversation, domain.ID{})
	if err != nil || len(end.Messages) != 200 || !end.Earlier || end.Messages[0].Text != "Question 31?" || end.Messages[199].Text != "Answer to: Question 130?" {
		t.Fatalf("%d messages, %v", len(end.Messages), err)
	}
	before, err := k.Conversation(t.Context(), k.tenant, k.conversation, end.Messages[0].ID)
	if err != nil || len(before.Messages) != 61 || before.Earlier || before.Messages[0].Text != "Question 1?" || before.Messages[60].ID != end.Messages[0].ID {
		t.Errorf("%d messages, %v", len(before.Messages), err)
	}
	if c, err := k.Conversation(t.Context(), k.tenant, k.conversation, domain.NewID()); err != nil || len(c.Messages) != 0 || c.Earlier {
		t.Errorf("up to a message that is not there: %d, %v", len(c.Messages), err)
	}
}
