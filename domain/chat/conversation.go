package chat

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Asker is who asks: a visitor of a website, or a member in the playground. One of the ids is set.
type Asker struct {
	VisitorID domain.ID
	UserID    domain.ID
	Origin    string // the visitor's site
}

// tokenPrefix tells a visitor's token from every other secret, in logs of proxies and in searches for leaks.
const tokenPrefix = "bv_"

// NewVisitor makes an anonymous visitor of a bot and returns the token that is their only credential. It is kept hashed.
func (s *Service) NewVisitor(ctx context.Context, tenantID, botID domain.ID) (token string, err error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the process instead
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into visitors (tenant_id, id, bot_id, token_hash) values ($1, $2, $3, $4)",
			tenantID, domain.NewID(), botID, hashToken(token))
		return err
	})
	return token, err
}

// Visitor returns whose token it is. One of another bot is as good as none: domain.Unauthenticated.
func (s *Service) Visitor(ctx context.Context, tenantID, botID domain.ID, token string) (domain.ID, error) {
	refused := domain.NewError(domain.Unauthenticated, "This conversation has ended. Start a new one.")
	if !strings.HasPrefix(token, tokenPrefix) || len(token) != len(tokenPrefix)+43 {
		return domain.ID{}, refused
	}
	var id domain.ID
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select id from visitors where tenant_id = $1 and token_hash = $2 and bot_id = $3",
			tenantID, hashToken(token), botID).Scan(&id)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return id, refused
	}
	return id, err
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// NewConversation begins a conversation; the ones before stay in the transcript.
func (s *Service) NewConversation(ctx context.Context, tenantID, botID domain.ID, who Asker) (domain.ID, error) {
	var id domain.ID
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		id, err = insertConversation(ctx, tx, tenantID, botID, who)
		return err
	})
	return id, err
}

// Current returns the asker's last conversation with its messages, or a Conversation without an id when there is none.
func (s *Service) Current(ctx context.Context, tenantID, botID domain.ID, who Asker) (Conversation, error) {
	var c Conversation
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		id, err := currentConversation(ctx, tx, tenantID, botID, who)
		if err != nil || id == (domain.ID{}) {
			return err
		}
		c, err = openConversation(ctx, tx, tenantID, id, domain.ID{})
		return err
	})
	return c, err
}

// Conversation returns one conversation with its messages up to one of them, or to the end with a zero id.
func (s *Service) Conversation(ctx context.Context, tenantID, id, last domain.ID) (Conversation, error) {
	var c Conversation
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		c, err = openConversation(ctx, tx, tenantID, id, last)
		return err
	})
	return c, err
}

// Conversations returns a page of the tenant's conversations in which something was said, the last first.
func (s *Service) Conversations(ctx context.Context, tenantID domain.ID, f ConversationFilter) (ConversationList, error) {
	list := ConversationList{Filter: f}
	if f.Search != "" && domain.InCase(ctx) { // it would look behind the mask; FindAnswers does not
		return list, domain.NewError(domain.Forbidden, "Within a case, look for answers instead.")
	}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		const unfound = `exists (select from messages m where m.tenant_id = $1 and m.conversation_id = c.id and m.status = 'fallback')`
		const said = `c.tenant_id = $1 and exists (select from messages m where m.tenant_id = $1 and m.conversation_id = c.id)`
		const match = `($2 = '' or exists (select from messages m where m.tenant_id = $1 and m.conversation_id = c.id
				and strpos(lower(m.text), lower($2)) > 0))
			and case $3 when 'visitors' then c.visitor_id is not null when 'playground' then c.user_id is not null
				when 'unfound' then ` + unfound + ` else true end`
		err := tx.QueryRow(ctx, `select count(*), count(*) filter (where c.visitor_id is not null), count(*) filter (where c.user_id is not null),
				count(*) filter (where `+unfound+`), count(*) filter (where `+match+`)
			from conversations c where `+said, tenantID, f.Search, f.Kind).
			Scan(&list.All, &list.Visitors, &list.Tests, &list.Unfound, &list.Matching)
		if err != nil {
			return fmt.Errorf("count conversations: %w", err)
		}
		rows, err := tx.Query(ctx, "select "+conversationColumns+" from conversations c where "+said+" and "+match+
			" order by c.updated_at desc, c.id limit $4 offset $5",
			tenantID, f.Search, f.Kind, ConversationPageSize, (max(1, f.Page)-1)*ConversationPageSize)
		if err != nil {
			return fmt.Errorf("list conversations: %w", err)
		}
		list.Conversations, err = pgx.CollectRows(rows, scanConversation(ctx))
		return err
	})
	return list, err
}

// Count is the number of conversations in which something was said.
func (s *Service) Count(ctx context.Context, tenantID domain.ID) (int, error) {
	var n int
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select count(*) from conversations c where c.tenant_id = $1
			and exists (select from messages m where m.tenant_id = $1 and m.conversation_id = c.id)`, tenantID).Scan(&n)
	})
	return n, err
}

// ByRetrieval returns the answer that a retrieval was made for, and its conversation.
func (s *Service) ByRetrieval(ctx context.Context, tenantID, retrievalID domain.ID) (answer Message, conversation domain.ID, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+messageColumns+" from messages m where m.tenant_id = $1 and m.retrieval_id = $2 and m.author = 'bot'",
			tenantID, retrievalID)
		if err != nil {
			return err
		}
		if answer, err = pgx.CollectExactlyOneRow(rows, scanMessage(ctx)); err != nil {
			return err
		}
		one := []Message{answer}
		if err := attachCitations(ctx, tx, tenantID, one); err != nil {
			return err
		}
		answer = one[0]
		return tx.QueryRow(ctx, "select conversation_id from messages where tenant_id = $1 and id = $2", tenantID, answer.ID).Scan(&conversation)
	})
	return answer, conversation, err
}

const conversationColumns = `
	c.id, c.bot_id, c.origin, c.created_at, c.updated_at,
	(select b.name from bots b where b.tenant_id = c.tenant_id and b.id = c.bot_id),
	coalesce((select u.name from users u where u.tenant_id = c.tenant_id and u.id = c.user_id), ''),
	coalesce((select m.text from messages m where m.tenant_id = $1 and m.conversation_id = c.id and m.author = 'person'
		order by m.created_at, m.id limit 1), ''),
	(select count(*) from messages m where m.tenant_id = $1 and m.conversation_id = c.id and m.author = 'person'),
	(select count(*) from messages m where m.tenant_id = $1 and m.conversation_id = c.id and m.status = 'fallback')`

// scanConversation, scanMessage and findAnswers alone read what people wrote, so that no page can forget to mask it.
func scanConversation(ctx context.Context) pgx.RowToFunc[Conversation] {
	return func(row pgx.CollectableRow) (Conversation, error) {
		var c Conversation
		err := row.Scan(&c.ID, &c.BotID, &c.Origin, &c.CreatedAt, &c.UpdatedAt, &c.BotName, &c.Member, &c.First, &c.Questions, &c.Unfound)
		c.First = domain.ForReader(ctx, c.First)
		return c, err
	}
}

func insertConversation(ctx context.Context, tx pgx.Tx, tenantID, botID domain.ID, who Asker) (domain.ID, error) {
	id := domain.NewID()
	_, err := tx.Exec(ctx, "insert into conversations (tenant_id, id, bot_id, visitor_id, user_id, origin) values ($1, $2, $3, $4, $5, $6)",
		tenantID, id, botID, orNull(who.VisitorID), orNull(who.UserID), who.Origin)
	if err != nil {
		return id, fmt.Errorf("insert a conversation: %w", err)
	}
	return id, nil
}

func currentConversation(ctx context.Context, tx pgx.Tx, tenantID, botID domain.ID, who Asker) (domain.ID, error) {
	var id domain.ID
	err := tx.QueryRow(ctx, `select id from conversations
		where tenant_id = $1 and bot_id = $2 and (visitor_id = $3 or user_id = $4) order by created_at desc, id desc limit 1`,
		tenantID, botID, orNull(who.VisitorID), orNull(who.UserID)).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.ID{}, nil
	}
	return id, err
}

// openConversation reads a conversation up to one of its messages, or to the end with a zero id.
func openConversation(ctx context.Context, tx pgx.Tx, tenantID, id, last domain.ID) (Conversation, error) {
	rows, err := tx.Query(ctx, "select "+conversationColumns+" from conversations c where c.tenant_id = $1 and c.id = $2", tenantID, id)
	if err != nil {
		return Conversation{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanConversation(ctx))
	if err != nil {
		return c, err
	}
	c.Messages, err = listMessages(ctx, tx, tenantID, id, last)
	if c.Earlier = len(c.Messages) > maxMessages; c.Earlier {
		c.Messages = c.Messages[1:]
	}
	return c, err
}

const messageColumns = `m.id, m.reply_to, m.author, m.text, m.status, m.model, m.tokens_in, m.tokens_out, m.retrieval_id, m.timings, m.created_at`

func scanMessage(ctx context.Context) pgx.RowToFunc[Message] {
	return func(row pgx.CollectableRow) (Message, error) {
		var m Message
		var replyTo, retrieval *domain.ID
		err := row.Scan(&m.ID, &replyTo, &m.Author, &m.Text, &m.Outcome, &m.Model, &m.TokensIn, &m.TokensOut, &retrieval, &m.Timings, &m.CreatedAt)
		m.ReplyTo, m.RetrievalID, m.Text = orZero(replyTo), orZero(retrieval), domain.ForReader(ctx, m.Text)
		return m, err
	}
}

// maxMessages bounds what a page and a prompt read of one conversation: the last ones.
const maxMessages = 200

// listMessages reads them up to one of them, or to the end with a zero id, and one more than a page shows.
func listMessages(ctx context.Context, tx pgx.Tx, tenantID, conversation, last domain.ID) ([]Message, error) {
	rows, err := tx.Query(ctx, "select "+messageColumns+` from messages m where m.tenant_id = $1 and m.conversation_id = $2
			and ($3::uuid is null or (m.created_at, m.id) <= (select l.created_at, l.id from messages l where l.tenant_id = $1 and l.id = $3))
		order by m.created_at desc, m.id desc limit $4`, tenantID, conversation, orNull(last), maxMessages+1)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	messages, err := pgx.CollectRows(rows, scanMessage(ctx))
	if err != nil {
		return nil, err
	}
	slices.Reverse(messages)
	return messages, attachCitations(ctx, tx, tenantID, messages)
}

func attachCitations(ctx context.Context, tx pgx.Tx, tenantID domain.ID, messages []Message) error {
	at := map[domain.ID]*Message{}
	ids := make([]domain.ID, len(messages))
	for i := range messages {
		ids[i] = messages[i].ID
		at[ids[i]] = &messages[i]
	}
	rows, err := tx.Query(ctx, `select message_id, number, chunk_id, document_id, document_name, heading, page, text
		from citations where tenant_id = $1 and message_id = any($2) order by message_id, number`, tenantID, ids)
	if err != nil {
		return fmt.Errorf("list citations: %w", err)
	}
	var id domain.ID
	var c Citation
	var chunk, document *domain.ID
	_, err = pgx.ForEachRow(rows, []any{&id, &c.Number, &chunk, &document, &c.DocumentName, &c.Heading, &c.Page, &c.Text}, func() error {
		c.ChunkID, c.DocumentID = orZero(chunk), orZero(document)
		at[id].Citations = append(at[id].Citations, c)
		c.Heading = nil // the next scan must not write into what was kept
		return nil
	})
	return err
}

func orNull(id domain.ID) *domain.ID {
	if id == (domain.ID{}) {
		return nil
	}
	return &id
}

func orZero(id *domain.ID) domain.ID {
	if id == nil {
		return domain.ID{}
	}
	return *id
}
