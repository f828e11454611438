package dbtest

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/llm"
)

// Tenant makes a tenant without members.
func (d *Database) Tenant(t testing.TB) domain.ID {
	t.Helper()
	id := domain.NewID()
	d.Exec(t, "insert into tenants (id, name) values ($1, 'T')", id)
	d.Exec(t, "insert into corpora (tenant_id) values ($1)", id)
	return id
}

// Document stores a document with one chunk for each text, as if it had been read, with the built-in embedder's vectors.
func (d *Database) Document(t testing.TB, tenantID domain.ID, name string, texts ...string) (id domain.ID, chunks []domain.ID) {
	t.Helper()
	ctx, documents := t.Context(), document.NewService(d.DB, NoQueue)
	whole := strings.Join(texts, "\n")
	stored, err := documents.Store(ctx, tenantID, document.Upload{Name: name, Format: "text", Content: []byte(name + whole)})
	if err != nil {
		t.Fatal(err)
	}
	d.Exec(t, "update documents set queued_at = '2000-01-01' where tenant_id = $1 and id = $2", tenantID, stored.ID) // first in line
	attempt, err := documents.Next(ctx, tenantID, 1, func(pgx.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	content := document.Content{Format: "text", Title: name, Language: "en", Model: llm.NewHashing().Model(), Text: []document.Page{{Text: whole}}}
	start := 0
	for i, text := range texts {
		end := start + len([]rune(text))
		chunk, err := NoQueue.Index(ctx, tenantID, name, "en", document.Chunk{ID: domain.NewID(), Ordinal: i + 1, Text: text, Start: start, End: end})
		if err != nil {
			t.Fatal(err)
		}
		start = end + 1
		chunks = append(chunks, chunk.ID)
		content.Chunks = append(content.Chunks, chunk)
	}
	if err := documents.Complete(ctx, attempt, content, func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return stored.ID, chunks
}
