package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"bitb/domain/llm"
	"bitb/domain/retrieve"
)

// maxAnswerTokens bounds what a model may write.
const maxAnswerTokens = 1024

// stream has a model answer, drops citations of what it was not given, and fills message with what was said.
func (t *turn) stream(ctx context.Context, model llm.Chat, passages []retrieve.Passage) error {
	from := time.Now()
	filter := newCitationFilter(len(passages))
	var said strings.Builder
	var waited time.Duration
	say := func(text string) error {
		if text == "" {
			return nil // held back until it is clear whether it is a marker
		}
		said.WriteString(text)
		return t.emit(text)
	}
	req := request(t.question, t.history, passages)
	req.Question, req.Before = t.rewriting.toQuote()
	req.Question = t.retrieval.Corrected(req.Question) // whoever quotes compares words
	result, err := model.Stream(ctx, req, func(delta string) error {
		if waited == 0 {
			waited = time.Since(from)
			t.clock.note("wait", from)
		}
		return say(filter.Write(delta))
	})
	if rest := filter.Flush(); rest != "" {
		err = errors.Join(err, say(rest))
	}
	t.clock.note(writeStage, from.Add(waited))
	m := &t.message
	m.Model, m.Text, m.Outcome = model.Model(), strings.TrimSpace(said.String()), Complete
	m.TokensIn, m.TokensOut = m.TokensIn+result.Usage.In, m.TokensOut+result.Usage.Out
	m.Citations = citations(filter.Cited(), passages)
	if err == nil && saysFallback(m.Text, t.question.Bot.Fallback) {
		m.Outcome, m.Citations = Fallback, nil
	}
	return err
}

// saysFallback: a model that was told to say the fallback sentence says it more or less.
func saysFallback(text, fallback string) bool {
	plain := func(s string) string { return strings.ToLower(strings.Trim(strings.TrimSpace(s), ".\"“”'")) }
	return plain(text) == plain(fallback)
}

func citations(cited []int, passages []retrieve.Passage) []Citation {
	var found []Citation
	for _, n := range cited {
		p := passages[n-1]
		found = append(found, Citation{Number: n, ChunkID: p.ChunkID, DocumentID: p.DocumentID, DocumentName: p.DocumentName,
			Heading: p.Heading, Page: p.PageFrom, Text: p.Text})
	}
	return found
}
