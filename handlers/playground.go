package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/retrieve"
	"bitb/views"
)

func (s *server) playground(c echo.Context) error {
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	bot, err := s.Chat.Bot(ctx, tenantID)
	if err != nil {
		return err
	}
	v := views.PlaygroundView{Suggestions: bot.Suggestions, Model: s.Models.Answer}
	if v.Conversation, err = s.Chat.Current(ctx, tenantID, bot.ID, memberOf(c)); err != nil {
		return err
	}
	if v.Retrieval, err = s.lastRetrieval(ctx, tenantID, v.Conversation.Messages); err != nil {
		return err
	}
	list, err := s.Documents.Counts(ctx, tenantID)
	if err != nil {
		return err
	}
	v.Ready = list.ReadyN
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Playground(page, v))
}

func memberOf(c echo.Context) chat.Asker {
	account, _ := accountOf(c)
	return chat.Asker{UserID: account.User.ID}
}

// lastRetrieval is what the last answer was made from; nil when there is none.
func (s *server) lastRetrieval(ctx context.Context, tenantID domain.ID, messages []chat.Message) (*retrieve.Retrieval, error) {
	for i := len(messages) - 1; i >= 0; i-- {
		if id := messages[i].RetrievalID; id != (domain.ID{}) {
			r, err := s.Retrieve.Get(ctx, tenantID, id)
			if domain.CodeOf(err) == domain.NotFound {
				return nil, nil
			}
			return &r, err
		}
	}
	return nil, nil
}

func (s *server) playgroundStartOver(c echo.Context) error {
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	bot, err := s.Chat.Bot(ctx, tenantID)
	if err != nil {
		return err
	}
	if _, err := s.Chat.NewConversation(ctx, tenantID, bot.ID, memberOf(c)); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/playground")
}

// playgroundSource is a cited passage as a member sees it: it opens the chunk.
type playgroundSource struct {
	N       int    `json:"n"`
	Title   string `json:"title"`
	Page    int    `json:"page,omitempty"`
	Heading string `json:"heading,omitempty"`
	Text    string `json:"text"`
	URL     string `json:"url,omitempty"` // "" when the chunk is gone
}

type playgroundAnswer struct {
	ID      domain.ID          `json:"id"`
	Text    string             `json:"text"`
	Status  chat.Outcome       `json:"status"`
	Model   string             `json:"model"`
	Sources []playgroundSource `json:"sources"`
	HTML    string             `json:"html"` // how long it took and what it used
}

func (s *server) playgroundAsk(c echo.Context) error {
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	id := domain.NewID()
	if sent := c.FormValue("id"); sent != "" {
		var err error
		if id, err = domain.ParseID(sent); err != nil {
			return err
		}
	}
	bot, err := s.Chat.Bot(ctx, tenantID)
	if err != nil {
		return err
	}
	question := chat.Question{ID: id, TenantID: tenantID, Bot: bot, Asker: memberOf(c), Text: text(c.FormValue("question"))}
	var out *stream
	events := chat.Events{Retrieved: func(r retrieve.Retrieval) { _ = out.html("retrieval", views.RetrievalPanel(r)) }}
	return s.streamAnswerTo(c, &out, question, events, func(answer chat.Message) error {
		var html strings.Builder
		if err := views.AnswerMeta(answer).Render(ctx, &html); err != nil {
			return fmt.Errorf("render the figures of an answer: %w", err)
		}
		done := playgroundAnswer{ID: answer.ID, Text: answer.Text, Status: answer.Outcome, Model: answer.Model, HTML: html.String(), Sources: []playgroundSource{}}
		for _, cited := range answer.Citations {
			source := playgroundSource{N: cited.Number, Title: cited.DocumentName, Page: cited.Page, Heading: strings.Join(cited.Heading, " › "), Text: cited.Text}
			if cited.ChunkID != (domain.ID{}) {
				source.URL = "/chunks/" + cited.ChunkID.String()
			}
			done.Sources = append(done.Sources, source)
		}
		return out.send("done", done)
	})
}

// streamAnswer answers a question as events: status, delta, and done or error.
func (s *server) streamAnswer(c echo.Context, q chat.Question, events chat.Events, done func(*stream, chat.Message) error) error {
	var out *stream
	return s.streamAnswerTo(c, &out, q, events, func(answer chat.Message) error { return done(out, answer) })
}

// streamAnswerTo opens the stream at the first event, so that a question that is refused still gets its status. Answers
// may finish while the server stops; only the connection's end stops the model.
func (s *server) streamAnswerTo(c echo.Context, out **stream, q chat.Question, events chat.Events, done func(chat.Message) error) error {
	open := func() *stream {
		if *out == nil {
			*out = s.openStream(c, c.Request().Context())
		}
		return *out
	}
	events.Stage = func(stage string) { _ = open().send("status", map[string]string{"stage": stage}) }
	events.Delta = func(delta string) error { return open().send("delta", map[string]string{"text": delta}) }
	answer, err := s.Chat.Ask(c.Request().Context(), q, events)
	if err != nil && *out == nil {
		return err
	}
	stream := open()
	defer stream.close()
	if err != nil {
		return stream.send("error", errorBody(s.problem(c.Request().Context(), err)))
	}
	return done(answer)
}
