// Package chat owns bots, visitors, conversations, messages and citations: it answers a question from the tenant's
// passages, streams the answer and keeps what was said. Finding the passages is retrieve's, speaking to a model is llm's.
package chat

import (
	"slices"
	"time"

	"bitb/domain"
)

// Limits of what a person may send.
const (
	MaxQuestionRunes = 2000
)

// Bot is one chatbot of a tenant.
type Bot struct {
	ID          domain.ID
	Key         domain.ID // public; stands in the customer's page as data-bot
	Name        string
	Greeting    string
	Suggestions []string // questions offered on first open
	Fallback    string   // said when nothing in the documents answers
	Brand       string   // "#rrggbb"
	Corner      string   // "right" or "left"
	Origins     []string // allowed sites, e.g. "https://www.example.com"; exact
	UpdatedAt   time.Time
}

// Author is who wrote a message.
type Author string

// The authors.
const (
	Person Author = "person" // a visitor, or a member in the playground
	Answer Author = "bot"
)

// Outcome is how an answer ended.
type Outcome string

// The outcomes.
const (
	Complete    Outcome = "complete"
	Fallback    Outcome = "fallback"    // nothing fitted: the bot's fallback sentence
	Quoted      Outcome = "quoted"      // the model was down: the best passages, quoted
	Interrupted Outcome = "interrupted" // the model broke off, or the person stopped it
)

// Citation ties a number in an answer to the passage it stands for. The words are kept, the ids go when the chunk goes.
type Citation struct {
	Number       int
	ChunkID      domain.ID // zero when the chunk is gone
	DocumentID   domain.ID // zero when the document is gone
	DocumentName string
	Heading      []string
	Page         int // 0: no pages
	Text         string
}

// Timing is how long one stage of an answer took, from when it began.
type Timing struct {
	Stage  string  `json:"stage"` // "rewrite", those of retrieve.Timing, "wait", "write", "cached answer"
	Start  float64 `json:"start"` // ms after the question arrived
	Millis float64 `json:"ms"`
}

// Message is one turn of a conversation.
type Message struct {
	ID                  domain.ID
	ReplyTo             domain.ID // with Answer: the question's message
	Author              Author
	Text                string
	Outcome             Outcome
	Model               string // that was set to answer, "" for a person; see Writer
	TokensIn, TokensOut int
	RetrievalID         domain.ID // zero: none was made
	Citations           []Citation
	Timings             []Timing
	CreatedAt           time.Time
}

// Stages of an answer that tell who wrote it.
const (
	writeStage  = "write"
	cachedStage = "cached answer"
)

// Cached reports whether an answer was given before, to the same question, and no model was called this time.
func (m Message) Cached() bool { return m.went(cachedStage) }

// Writer is the model that wrote an answer, this time or before; "" where none was called, because nothing was found to give it.
func (m Message) Writer() string {
	if m.Outcome == Fallback && !m.went(writeStage) {
		return ""
	}
	return m.Model
}

func (m Message) went(stage string) bool {
	return slices.ContainsFunc(m.Timings, func(t Timing) bool { return t.Stage == stage })
}

// Conversation is what one visitor, or one member in the playground, and the bot said.
type Conversation struct {
	ID        domain.ID
	BotID     domain.ID
	BotName   string
	Origin    string // the site it was held on, "" in the playground
	Member    string // the member's name, with the playground
	First     string // the first question
	Questions int
	Unfound   int // answers that ended in the fallback
	CreatedAt time.Time
	UpdatedAt time.Time
	Messages  []Message // when opened, in order: the last ones up to where it was opened
	Earlier   bool      // there are messages before these
}

// Playground reports whether a member held it to test the bot.
func (c Conversation) Playground() bool { return c.Origin == "" }

// ConversationFilter selects the list of conversations.
type ConversationFilter struct {
	Search string // in what was said
	Kind   string // "", "visitors", "playground", "unfound"
	Page   int    // from 1
}

// ConversationPageSize is how many conversations a page of the list holds.
const ConversationPageSize = 25

// ConversationList is one page of conversations, the last first.
type ConversationList struct {
	Conversations                 []Conversation
	Filter                        ConversationFilter
	Matching                      int
	All, Visitors, Tests, Unfound int
}
