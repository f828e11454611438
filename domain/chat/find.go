package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// AnswerFilter finds answers. Each part that is set must fit.
type AnswerFilter struct {
	ID       domain.ID // of a conversation, a question, an answer or a retrieval
	Words    string    // all of them, in the question or in its answer
	From, To time.Time // when it was asked; To is left out
	After    Place     // where the page before ended
}

// Place is where a page of answers ends.
type Place struct {
	At time.Time
	ID domain.ID
}

// FoundAnswer is a question with its answer, if there is one.
type FoundAnswer struct {
	ConversationID domain.ID
	Origin         string // the site it was asked on, "" in the playground
	Question       Message
	Answer         Message // zero: none was written
}

// FoundAnswers is one page of answers, the last first.
type FoundAnswers struct {
	Answers []FoundAnswer
	Next    Place // where the next page begins; zero: this is the last
}

// How many answers a page holds, how many are read for it at once, and how often.
const (
	foundPage  = 25
	foundBatch = 200
	foundReads = 25
)

// FindAnswers looks for answers by an id, by words, by time or by all of these. Where what people wrote is masked, words are
// looked for in what is shown: otherwise an address could be guessed letter by letter.
func (s *Service) FindAnswers(ctx context.Context, tenantID domain.ID, f AnswerFilter) (FoundAnswers, error) {
	var found FoundAnswers
	words := strings.Fields(strings.ToLower(f.Words))
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		f := f
		found = FoundAnswers{}
		for range foundReads {
			batch, err := findAnswers(ctx, tx, tenantID, f, words)
			if err != nil {
				return err
			}
			for i, a := range batch {
				if shows(a, words) {
					found.Answers = append(found.Answers, a)
				}
				f.After = Place{a.Question.CreatedAt, a.Question.ID}
				if len(found.Answers) == foundPage {
					if i+1 < len(batch) || len(batch) == foundBatch {
						found.Next = f.After
					}
					return nil
				}
			}
			if len(batch) < foundBatch {
				return nil
			}
		}
		found.Next = f.After // there may be more, further back
		return nil
	})
	return found, err
}

func shows(a FoundAnswer, words []string) bool {
	text := strings.ToLower(a.Question.Text + " " + a.Answer.Text)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func findAnswers(ctx context.Context, tx pgx.Tx, tenantID domain.ID, f AnswerFilter, words []string) ([]FoundAnswer, error) {
	rows, err := tx.Query(ctx, `
		select q.conversation_id, c.origin, q.id, q.text, q.created_at, a.id, a.text, a.status, a.retrieval_id
		from messages q
		join conversations c on c.tenant_id = q.tenant_id and c.id = q.conversation_id
		left join messages a on a.tenant_id = q.tenant_id and a.reply_to = q.id
		where q.tenant_id = $1 and q.author = 'person'
			and ($2::uuid is null or $2 in (q.conversation_id, q.id, a.id, a.retrieval_id))
			and ($3::timestamptz is null or q.created_at >= $3) and ($4::timestamptz is null or q.created_at < $4)
			and ($5::timestamptz is null or (q.created_at, q.id) < ($5, $6))
			and not exists (select from unnest($7::text[]) w where strpos(lower(q.text || ' ' || coalesce(a.text, '')), w) = 0)
		order by q.created_at desc, q.id desc limit $8`,
		tenantID, orNull(f.ID), orNever(f.From), orNever(f.To), orNever(f.After.At), f.After.ID, asStored(words), foundBatch)
	if err != nil {
		return nil, fmt.Errorf("find answers: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (FoundAnswer, error) {
		found := FoundAnswer{Question: Message{Author: Person}, Answer: Message{Author: Answer}}
		q, a := &found.Question, &found.Answer
		var id, retrieval *domain.ID
		var text, outcome *string
		err := row.Scan(&found.ConversationID, &found.Origin, &q.ID, &q.Text, &q.CreatedAt, &id, &text, &outcome, &retrieval)
		q.Text = domain.ForReader(ctx, q.Text)
		a.ID, a.RetrievalID = orZero(id), orZero(retrieval)
		if text != nil && outcome != nil {
			a.Text, a.Outcome = domain.ForReader(ctx, *text), Outcome(*outcome)
		}
		return found, err
	})
}

// asStored leaves out words with a part that is hidden: the database has them otherwise.
func asStored(words []string) []string {
	return slices.DeleteFunc(append([]string{}, words...), func(w string) bool { return strings.Contains(w, "•") })
}

func orNever(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
