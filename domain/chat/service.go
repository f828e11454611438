package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
)

// Retriever finds passages; see retrieve.Service.
type Retriever interface {
	Retrieve(ctx context.Context, tenantID domain.ID, q retrieve.Query) (retrieve.Retrieval, error)
	Get(ctx context.Context, tenantID, id domain.ID) (retrieve.Retrieval, error)
	Settings(ctx context.Context, tenantID domain.ID) (retrieve.Settings, error)
}

// Config is what a Service is made of. Model answers; Quoter stands in when it cannot. Rewriter puts follow-up questions so
// that they can be searched for; nil carries words over instead. It is not Model itself, so that one which is too slow for
// this is given up on without a word of its own being lost.
type Config struct {
	DB       *postgres.DB
	Log      *slog.Logger
	Retrieve Retriever
	Model    llm.Chat
	Quoter   llm.Chat
	Rewriter llm.Chat
	Cache    llm.Cache
	Metrics  Metrics
}

// Metrics counts how answers end and how long they take.
type Metrics interface {
	Answered(outcome Outcome, cached bool, firstByte, total time.Duration)
	Retrieved(took time.Duration)
	CacheLookup(cache string, hit bool)
}

// Service answers questions and keeps conversations.
type Service struct {
	Config
	db *postgres.DB
}

// NewService returns the service.
func NewService(c Config) *Service { return &Service{Config: c, db: c.DB} }

// Question is one question to a bot.
type Question struct {
	ID       domain.ID // made by the client: asking again with the same id gives the same answer
	TenantID domain.ID
	Bot      Bot
	Asker    Asker
	Text     string
}

// Events tells how an answer comes about, from one goroutine. Each may be nil.
type Events struct {
	Stage     func(stage string) // "searching", "writing"
	Retrieved func(retrieve.Retrieval)
	Delta     func(text string) error // an error stops the model
}

func (e Events) stage(name string) {
	if e.Stage != nil {
		e.Stage(name)
	}
}

func (e Events) delta(text string) error {
	if e.Delta == nil || text == "" {
		return nil
	}
	return e.Delta(text)
}

// Ask answers a question and keeps both. The answer is complete when Ask returns, whatever went wrong on the way: a model
// that is down is stood in for by quotes, one that breaks off leaves its beginning. An error means that the question was
// refused or nothing could be kept. When ctx ends early, what was said until then is kept as interrupted.
func (s *Service) Ask(ctx context.Context, q Question, events Events) (Message, error) {
	began := time.Now()
	q.Text = strings.TrimSpace(q.Text)
	if err := CheckQuestion(q.Text); err != nil {
		return Message{}, err
	}
	turn := &turn{Service: s, question: q, events: events, clock: clock{began: began}}
	answered, err := turn.keepQuestion(ctx)
	if err != nil || answered != nil {
		return orEmpty(answered), err
	}
	events.stage("searching")
	if err := turn.search(ctx); err != nil {
		return Message{}, err
	}
	turn.answer(ctx)
	if err := turn.keepSaid(context.WithoutCancel(ctx)); err != nil {
		return Message{}, err
	}
	s.Metrics.Answered(turn.message.Outcome, turn.cached, turn.clock.firstByte, time.Since(began))
	return turn.message, nil
}

// A question is refused soon when the database is too busy to keep it; what was said already is worth a longer try.
const (
	askWithin  = 2 * time.Second
	keepWithin = 8 * time.Second
	keepAgain  = 250 * time.Millisecond
)

// CheckQuestion says what keeps a question from being asked: Invalid, with the field "question".
func CheckQuestion(text string) error {
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return domain.InvalidField("question", "Write a question first.")
	case n > MaxQuestionRunes:
		return domain.InvalidField("question", fmt.Sprintf("A question can have 2,000 characters; this one has %s. Ask for less at once.", domain.Thousands(n)))
	}
	return nil
}

func orEmpty(m *Message) Message {
	if m == nil {
		return Message{}
	}
	return *m
}

// turn is one question on its way to an answer.
type turn struct {
	*Service
	question     Question
	events       Events
	conversation domain.ID
	history      []Message
	rewriting    Rewriting
	retrieval    retrieve.Retrieval
	given        []retrieve.Passage // to the model, numbered from 1
	message      Message
	cached       bool
	clock        clock
}

// clock notes how long each stage takes.
type clock struct {
	began     time.Time
	firstByte time.Duration
	timings   []Timing
}

func (c *clock) note(stage string, from time.Time) {
	c.timings = append(c.timings, Timing{Stage: stage, Start: millis(from.Sub(c.began)), Millis: millis(time.Since(from))})
}

// include notes the stages of something that began at from.
func (c *clock) include(from time.Time, stages []retrieve.Timing) {
	for _, s := range stages {
		c.timings = append(c.timings, Timing{Stage: s.Stage, Start: millis(from.Sub(c.began)) + s.Start, Millis: s.Millis})
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// keepQuestion stores the question in the asker's conversation. When the same question was answered before, it returns
// that answer; the same id for other words, or for somebody else's message, is refused.
func (t *turn) keepQuestion(ctx context.Context) (answered *Message, err error) {
	q := t.question
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	err = t.db.InTenant(ctx, q.TenantID, func(tx pgx.Tx) error {
		// One asker's questions one after the other: two first ones at once would begin two conversations.
		asker := q.Asker.VisitorID.String() + q.Asker.UserID.String()
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1, 0))", asker); err != nil {
			return fmt.Errorf("wait for the asker's other question: %w", err)
		}
		id, err := currentConversation(ctx, tx, q.TenantID, q.Bot.ID, q.Asker)
		if err == nil && id == (domain.ID{}) {
			id, err = insertConversation(ctx, tx, q.TenantID, q.Bot.ID, q.Asker)
		}
		if err != nil {
			return err
		}
		t.conversation = id
		tag, err := tx.Exec(ctx, `insert into messages (tenant_id, id, conversation_id, author, text, status) values ($1, $2, $3, 'person', $4, 'complete')
			on conflict (tenant_id, id) do nothing`, q.TenantID, q.ID, id, q.Text)
		if err != nil {
			return fmt.Errorf("insert a question: %w", err)
		}
		messages, err := listMessages(ctx, tx, q.TenantID, id, domain.ID{})
		if err != nil {
			return err
		}
		at := slices.IndexFunc(messages, func(m Message) bool { return m.ID == q.ID })
		if at < 0 || messages[at].Text != q.Text {
			return domain.NewError(domain.Conflict, "Another message has this id already. Send the question with a new one.")
		}
		t.history = messages[:at]
		if tag.RowsAffected() == 0 { // it came before; where it is still being answered, or its answer was lost, it is answered again
			answered = answerTo(q.ID, messages)
			return nil
		}
		_, err = tx.Exec(ctx, "update conversations set updated_at = now() where tenant_id = $1 and id = $2", q.TenantID, id)
		return err
	})
	return answered, err
}

// answerTo is nil where there is none.
func answerTo(question domain.ID, messages []Message) *Message {
	for i := range messages {
		if messages[i].ReplyTo == question {
			return &messages[i]
		}
	}
	return nil
}

// rewrite makes of the question what is searched for, unless the tenant searches each question by itself.
func (t *turn) rewrite(ctx context.Context) error {
	t.rewriting = Rewriting{Text: t.question.Text}
	if len(t.history) == 0 {
		return nil
	}
	settings, err := t.Retrieve.Settings(ctx, t.question.TenantID)
	if err != nil || !settings.FollowUps {
		return err
	}
	from := time.Now()
	t.rewriting = t.Standalone(ctx, t.history, t.question.Text)
	if t.Rewriter != nil && t.rewriting.By != "" {
		t.clock.note("rewrite", from)
	}
	return nil
}

// search finds the passages, and leaves those that fit into a prompt.
func (t *turn) search(ctx context.Context) (err error) {
	if err := t.rewrite(ctx); err != nil {
		return fmt.Errorf("rewrite the question: %w", err)
	}
	from := time.Now()
	query := t.rewriting.Query(t.question.Text)
	query.BotID = t.question.Bot.ID
	t.retrieval, err = t.Retrieve.Retrieve(ctx, t.question.TenantID, query)
	t.clock.include(from, t.retrieval.Timings)
	t.Metrics.Retrieved(time.Since(from))
	if err != nil {
		return fmt.Errorf("retrieve: %w", err)
	}
	t.given = fit(&t.retrieval)
	if t.events.Retrieved != nil {
		t.events.Retrieved(t.retrieval)
	}
	return nil
}

// answer fills message, from the cache, the model, the quotes or the fallback. It never fails: each way down is an answer.
func (t *turn) answer(ctx context.Context) {
	t.message = Message{ID: domain.NewID(), ReplyTo: t.question.ID, Author: Answer, RetrievalID: t.retrieval.ID,
		TokensIn: t.rewriting.Usage.In, TokensOut: t.rewriting.Usage.Out}
	if len(t.given) == 0 {
		t.fallback()
		return
	}
	if t.fromCache(ctx) {
		return
	}
	t.events.stage("writing")
	err := t.stream(ctx, t.Model, t.given)
	switch {
	case err == nil:
		t.intoCache(ctx)
	case errors.Is(err, llm.ErrNothingFits):
		t.fallback()
	case t.message.Text != "" || ctx.Err() != nil:
		t.message.Outcome = Interrupted
		t.Log.WarnContext(ctx, "answer broke off", "model", t.Model.Model(), "error", err)
	default:
		t.Log.WarnContext(ctx, "model did not answer; quoting instead", "model", t.Model.Model(), "error", err)
		if err := t.stream(ctx, t.Quoter, t.given); err != nil {
			t.fallback()
			return
		}
		t.message.Outcome = Quoted
	}
}

func (t *turn) fallback() {
	t.message.Text, t.message.Outcome, t.message.Citations = t.question.Bot.Fallback, Fallback, nil
	if t.message.Model == "" {
		t.message.Model = t.Model.Model()
	}
	_ = t.emit(t.message.Text) // a reader that went away finds it in the transcript
}

func (t *turn) emit(delta string) error {
	if t.clock.firstByte == 0 {
		t.clock.firstByte = time.Since(t.clock.began)
	}
	return t.events.delta(delta)
}

// keepSaid keeps the answer, and tries again while the database is away: whoever asked has read it already.
func (t *turn) keepSaid(ctx context.Context) error {
	for began := time.Now(); ; time.Sleep(keepAgain) {
		err := t.keepAnswer(ctx)
		if domain.CodeOf(err) != domain.Unavailable || time.Since(began) > keepWithin {
			return err
		}
	}
}

// keepAnswer stores the answer with its citations and the trace of its search. Should another request have answered the same question first, its
// answer stands.
func (t *turn) keepAnswer(ctx context.Context) error {
	q := t.question
	t.message.Timings = t.clock.timings
	return t.db.InTenant(ctx, q.TenantID, func(tx pgx.Tx) error {
		m := &t.message
		// The database's clock, as with the question: an instance whose own is wrong must not put the answer before it.
		err := tx.QueryRow(ctx, `insert into messages (tenant_id, id, conversation_id, author, reply_to, text, status, model,
				tokens_in, tokens_out, retrieval_id, timings, created_at)
			values ($1, $2, $3, 'bot', $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp())
			on conflict (tenant_id, reply_to) do nothing returning created_at`,
			q.TenantID, m.ID, t.conversation, q.ID, m.Text, m.Outcome, m.Model, m.TokensIn, m.TokensOut, orNull(m.RetrievalID), m.Timings).Scan(&m.CreatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return t.readAnswer(ctx, tx)
		}
		if err != nil {
			return fmt.Errorf("insert an answer: %w", err)
		}
		if err := retrieve.Keep(ctx, tx, q.TenantID, t.retrieval); err != nil {
			return err
		}
		for _, c := range m.Citations {
			if err := insertCitation(ctx, tx, q.TenantID, m.ID, c); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "update conversations set updated_at = now() where tenant_id = $1 and id = $2", q.TenantID, t.conversation)
		return err
	})
}

func (t *turn) readAnswer(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, "select "+messageColumns+" from messages m where m.tenant_id = $1 and m.reply_to = $2", t.question.TenantID, t.question.ID)
	if err != nil {
		return err
	}
	stored, err := pgx.CollectRows(rows, scanMessage(ctx))
	if err != nil || len(stored) == 0 {
		return err
	}
	if err := attachCitations(ctx, tx, t.question.TenantID, stored); err != nil {
		return err
	}
	t.message = stored[0]
	return nil
}

// insertCitation points at the chunk and the document if they are still there: a document may be deleted while the model
// writes, and its words stay readable. A chunk that is being removed just now is not waited for: its removal may be waiting
// for another chunk of the same answer.
func insertCitation(ctx context.Context, tx pgx.Tx, tenantID, messageID domain.ID, c Citation) error {
	_, err := tx.Exec(ctx, `insert into citations (tenant_id, message_id, number, chunk_id, document_id, document_name, heading, page, text)
		values ($1, $2, $3,
			(select id from chunks where tenant_id = $1 and id = $4 for key share skip locked),
			(select id from documents where tenant_id = $1 and id = $5 for key share), $6, $7, $8, $9)`,
		tenantID, messageID, c.Number, c.ChunkID, c.DocumentID, c.DocumentName, append([]string{}, c.Heading...), c.Page, c.Text)
	if err != nil {
		return fmt.Errorf("insert a citation: %w", err)
	}
	return nil
}
