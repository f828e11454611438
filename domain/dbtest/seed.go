package dbtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/lexical"
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
	return d.store(t, tenantID, document.Upload{Name: name, Format: "text", Content: []byte(name + strings.Join(texts, "\n"))}, nil, texts...)
}

// PDF stores a document of pages with one chunk for each of their lines, which stand below each other over the whole page.
func (d *Database) PDF(t testing.TB, tenantID domain.ID, name string, pages ...[]string) (id domain.ID, chunks []domain.ID) {
	t.Helper()
	all := slices.Concat(pages...)
	return d.store(t, tenantID, document.Upload{Name: name, Format: "pdf", Content: []byte(name + strings.Join(all, "\n"))}, pages, all...)
}

func (d *Database) store(t testing.TB, tenantID domain.ID, up document.Upload, pages [][]string, texts ...string) (id domain.ID, chunks []domain.ID) {
	t.Helper()
	ctx, documents := t.Context(), document.NewService(d.DB, NoQueue)
	stored, err := documents.Store(ctx, tenantID, up)
	if err != nil {
		t.Fatal(err)
	}
	a := d.next(t, tenantID, stored.ID)
	content := d.Content(t, a, nil, texts...)
	content.Format = up.Format
	if pages != nil {
		paginate(&content, pages)
	}
	if err := documents.Complete(ctx, a, content, func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, k := range content.Chunks {
		chunks = append(chunks, k.ID)
	}
	return stored.ID, chunks
}

// next takes a document up that stands in line, whatever stands before it.
func (d *Database) next(t testing.TB, tenantID, id domain.ID) document.Attempt {
	t.Helper()
	d.Exec(t, "update documents set queued_at = '2000-01-01' where tenant_id = $1 and id = $2", tenantID, id)
	a, err := document.NewService(d.DB, NoQueue).Next(t.Context(), tenantID, 1, func(pgx.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func paginate(content *document.Content, pages [][]string) {
	content.Pages, content.Text = len(pages), nil
	at := 0
	for n, lines := range pages {
		page := document.Page{Number: n + 1, Text: strings.Join(lines, "\n") + "\n", Start: content.Chunks[at].Start}
		for i := range lines {
			k := &content.Chunks[at]
			k.PageFrom, k.PageTo = n+1, n+1
			page.Lines = append(page.Lines, document.Line{Start: k.Start, End: k.End, X0: 500, Y0: 10_000 * i / len(lines), X1: 9500, Y1: 10_000 * (i + 1) / len(lines)})
			at++
		}
		content.Text = append(content.Text, page)
	}
}

// Reread reads a document anew, as if its text were cut into texts now. What became of an edit is told by the text that it
// was made to: the number of the chunk, from 1, that has its passage, negative where that reads differently, 0 where it is gone.
func (d *Database) Reread(t testing.TB, tenantID, id domain.ID, became map[string]int, texts ...string) {
	t.Helper()
	if err := document.NewService(d.DB, NoQueue).ReadAgain(t.Context(), tenantID, id); err != nil {
		t.Fatal(err)
	}
	d.finish(t, tenantID, id, became, texts...)
}

// Finish ends the reading of a document that stands in line, as if its text were cut into texts. No edit is found again.
func (d *Database) Finish(t testing.TB, tenantID, id domain.ID, texts ...string) {
	t.Helper()
	d.finish(t, tenantID, id, nil, texts...)
}

func (d *Database) finish(t testing.TB, tenantID, id domain.ID, became map[string]int, texts ...string) {
	t.Helper()
	a := d.next(t, tenantID, id)
	err := document.NewService(d.DB, NoQueue).Complete(t.Context(), a, d.Content(t, a, became, texts...), func(pgx.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// Content is what a reading finds in a text that is cut into texts; see Reread.
func (d *Database) Content(t testing.TB, a document.Attempt, became map[string]int, texts ...string) document.Content {
	t.Helper()
	whole := strings.Join(texts, "\n")
	content := document.Content{Format: "text", Title: a.Name, Language: "en", Model: llm.NewHashing().Model(), Analysis: lexical.Version, Text: []document.Page{{Text: whole}}}
	chunks := make([]document.NewChunk, len(texts))
	start := 0
	for i, text := range texts {
		chunks[i].Chunk = document.Chunk{Text: text, Start: start, End: start + len([]rune(text))}
		start = chunks[i].End + 1
	}
	for _, e := range a.Edits {
		at := became[e.Original]
		switch {
		case e.Quote == "":
			chunks = append(chunks, document.NewChunk{Chunk: document.Chunk{Text: *e.Text, Off: e.Off, Start: start, End: start}, EditID: e.ID})
		case at == 0:
			e.State = document.Lost
		case at < 0:
			e.State, chunks[-at-1].EditID = document.Changed, e.ID
		default:
			k := &chunks[at-1]
			e.State, e.Quote, e.Start, e.Original, k.EditID, k.Off = document.Applied, k.Text, k.Start, k.Text, e.ID, e.Off
			if e.Text != nil {
				k.Text = *e.Text
			}
		}
		content.Edits = append(content.Edits, e)
	}
	for i := range chunks {
		c := chunks[i].Chunk
		c.ID, c.DocumentID, c.Ordinal = domain.NewID(), a.DocumentID, i+1
		k, err := NoQueue.Index(t.Context(), a.TenantID, a.Name, "en", c)
		if err != nil {
			t.Fatal(err)
		}
		k.EditID = chunks[i].EditID
		content.Chunks = append(content.Chunks, k)
	}
	return content
}
