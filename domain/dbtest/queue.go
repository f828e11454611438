package dbtest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/lexical"
	"bitb/domain/llm"
)

// NoQueue is a line on which nobody works. It makes chunks findable with the built-in embedder.
var NoQueue noQueue

type noQueue struct{}

// Wake does nothing.
func (noQueue) Wake(context.Context, pgx.Tx, domain.ID, int) error { return nil }

// WakeAt does nothing.
func (noQueue) WakeAt(context.Context, pgx.Tx, domain.ID, time.Time) error { return nil }

// KeepUp does nothing.
func (noQueue) KeepUp(context.Context, pgx.Tx, domain.ID) error { return nil }

// Model is the built-in embedder's.
func (noQueue) Model() string { return llm.NewHashing().Model() }

// Changed does nothing.
func (noQueue) Changed(context.Context, pgx.Tx, domain.ID) error { return nil }

// FollowNow does nothing.
func (noQueue) FollowNow(context.Context, pgx.Tx, domain.ID) error { return nil }

// Pace knows nothing.
func (noQueue) Pace(context.Context) document.Pace { return document.Pace{} }

// Index makes a chunk findable.
func (noQueue) Index(ctx context.Context, tenantID domain.ID, title, language string, c document.Chunk) (document.NewChunk, error) {
	embedder := llm.NewHashing()
	vectors, _, err := embedder.Embed(ctx, []string{c.Text})
	if err != nil {
		return document.NewChunk{}, err
	}
	terms := lexical.AnalyzeChunk(title, c.Heading, c.Text, lexical.Lang(language))
	weights := lexical.DocWeights(tenantID, terms, lexical.MeanLength(0, 0))
	c.EmbeddingModel, c.Tokens = embedder.Model(), terms.Len()
	return document.NewChunk{Chunk: c, Terms: terms.Len(), Lexemes: weights.Terms(), Weights: weights.Sparse(), Vector: vectors[0],
		Words: Words(tenantID, title, c.Heading, c.Text, lexical.Lang(language))}, nil
}

// Words are those of a chunk.
func Words(tenantID domain.ID, title string, heading []string, text string, lang lexical.Lang) (words []document.Word) {
	for _, w := range lexical.NewReader(tenantID).Words(title, heading, text, lang) {
		words = append(words, document.Word(w))
	}
	return words
}
