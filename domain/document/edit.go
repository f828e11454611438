package document

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// What a person does to a chunk is kept as an Edit, anchored to the passage that the chunk was made from; the chunk itself
// is only what it looks like in the present cut. Every change raises documents.edit_revision, so that a reading under way,
// which does not know of it, starts anew instead of overwriting it.

const editColumns = `
	e.id, e.document_id, e.quote, e.start_offset, e.original, e.text, e.off, e.state, e.heading, e.page, e.updated_at,
	(select u.name from users u where u.tenant_id = e.tenant_id and u.id = e.edited_by)`

// nullEdit is an edit from a row that may have none.
type nullEdit struct {
	id, document          *domain.ID
	quote, original, text *string
	start, page           *int
	off                   *bool
	state                 *EditState
	heading               []string
	at                    *time.Time
	by                    *string
}

func (e *nullEdit) fields() []any {
	return []any{&e.id, &e.document, &e.quote, &e.start, &e.original, &e.text, &e.off, &e.state, &e.heading, &e.page, &e.at, &e.by}
}

func (e *nullEdit) edit() *Edit {
	out := &Edit{ID: *e.id, DocumentID: *e.document, Quote: *e.quote, Start: *e.start, Original: *e.original, Text: e.text, Off: *e.off,
		State: *e.state, Heading: e.heading, Page: *e.page, UpdatedAt: *e.at}
	if e.by != nil {
		out.By = *e.by
	}
	return out
}

// edits returns all edits of a document, in the order of their passages.
func edits(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) ([]Edit, error) {
	rows, err := tx.Query(ctx, "select "+editColumns+" from chunk_edits e where e.tenant_id = $1 and e.document_id = $2 order by e.start_offset, e.id", tenantID, documentID)
	if err != nil {
		return nil, fmt.Errorf("read edits: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Edit, error) {
		var e nullEdit
		if err := row.Scan(e.fields()...); err != nil {
			return Edit{}, err
		}
		return *e.edit(), nil
	})
	if err != nil {
		return nil, fmt.Errorf("read edits: %w", err)
	}
	return found, nil
}

// EditChunk gives a chunk other words, embeds them, and keeps what they were. was is the text that the person had before
// them: a chunk that reads differently by now is domain.Conflict. Its own words again undo the edit.
func (s *Service) EditChunk(ctx context.Context, tenantID, id domain.ID, was, text string, by domain.ID) (Chunk, error) {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), "\x00", ""))
	return s.rewrite(ctx, tenantID, id, by, func(c Chunk) (string, bool, error) {
		switch n := utf8.RuneCountInString(text); {
		case n == 0:
			return "", false, domain.InvalidField("text", "A chunk needs some text. Switch it off instead to leave it out.")
		case n > MaxChunkRunes:
			return "", false, domain.InvalidField("text", "This is longer than 12,000 characters. Shorten it.")
		case !sameText(c.Text, was):
			return "", false, errMeanwhile
		}
		return text, c.Off, nil
	})
}

var errMeanwhile = domain.NewError(domain.Conflict, "Somebody changed this chunk in the meantime. Look at it again before you save yours.")

// sameText compares what a form sends back with what it was given: browsers send line ends as CR LF.
func sameText(a, b string) bool {
	return strings.TrimSpace(strings.ReplaceAll(a, "\r\n", "\n")) == strings.TrimSpace(strings.ReplaceAll(b, "\r\n", "\n"))
}

// UndoEdit gives a chunk its own words back. Whether it is switched on or off stays.
func (s *Service) UndoEdit(ctx context.Context, tenantID, id, by domain.ID) (Chunk, error) {
	return s.rewrite(ctx, tenantID, id, by, func(c Chunk) (string, bool, error) {
		if !c.Undoable() {
			return "", false, domain.NewError(domain.Conflict, "There is no edit of this chunk to undo.")
		}
		return c.Edit.Original, c.Off, nil
	})
}

// RemoveAddition deletes a chunk that somebody added by hand, and returns its document. Another chunk is domain.Conflict: it
// can only be switched off.
func (s *Service) RemoveAddition(ctx context.Context, tenantID, id domain.ID) (documentID domain.ID, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		c, err := lockChunk(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		if c.Edit == nil || c.Edit.Quote != "" {
			return domain.NewError(domain.Conflict, "This chunk is part of the document. Switch it off to leave it out.")
		}
		documentID = c.DocumentID
		if err := switchChunk(ctx, tx, tenantID, c, true); err != nil {
			return err
		}
		if err := removeWords(ctx, tx, tenantID, []domain.ID{id}); err != nil {
			return err
		}
		var batch pgx.Batch
		batch.Queue("delete from chunks where tenant_id = $1 and id = $2", tenantID, id)
		batch.Queue("delete from chunk_edits where tenant_id = $1 and id = $2", tenantID, c.Edit.ID)
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return fmt.Errorf("remove an addition: %w", err)
		}
		if err := raiseRevision(ctx, tx, tenantID, documentID, -1, -c.Tokens); err != nil {
			return err
		}
		return s.keepUp(ctx, tx, tenantID)
	})
	return documentID, err
}

// rewrite gives a chunk the text that choose returns for it, and switches it as choose says. The model is called before the
// transaction, which makes sure that the chunk is still the one that was looked at.
func (s *Service) rewrite(ctx context.Context, tenantID, id, by domain.ID, choose func(Chunk) (text string, off bool, err error)) (Chunk, error) {
	var c Chunk
	var title, language string
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		if c, err = getChunk(ctx, tx, tenantID, id); err != nil {
			return err
		}
		title, language, err = subject(ctx, tx, tenantID, c.DocumentID)
		return err
	})
	if err != nil {
		return c, err
	}
	fresh := c
	if fresh.Text, fresh.Off, err = choose(c); err != nil {
		return c, err
	}
	if decided := c.Edit == nil || c.Edit.State == Applied; decided && fresh.Off == c.Off && sameText(fresh.Text, c.Text) {
		return c, nil
	}
	indexed, err := s.ingest.Index(ctx, tenantID, title, language, fresh)
	if err != nil {
		return c, err
	}
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		now, err := lockChunk(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		text, off, err := choose(now)
		if err != nil {
			return err
		}
		if now.Text != c.Text || text != fresh.Text {
			return errMeanwhile
		}
		if err := replaceIndexed(ctx, tx, tenantID, indexed); err != nil {
			return err
		}
		if err := noteEdit(ctx, tx, tenantID, now, &indexed.Text, off, by); err != nil {
			return err
		}
		if err := switchChunk(ctx, tx, tenantID, now, off); err != nil {
			return err
		}
		if c, err = getChunk(ctx, tx, tenantID, id); err != nil {
			return err
		}
		return s.keepUp(ctx, tx, tenantID)
	})
	return c, err
}

// subject returns what the words of a document's chunks are weighed with: its title and its language.
func subject(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) (title, language string, err error) {
	err = tx.QueryRow(ctx, "select coalesce(nullif(title, ''), name), language from documents where tenant_id = $1 and id = $2", tenantID, documentID).
		Scan(&title, &language)
	return title, language, err
}

// raiseRevision tells readings under way that the edits of a document changed, and counts the chunks and tokens that came with it.
func raiseRevision(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID, chunks, tokens int) error {
	_, err := tx.Exec(ctx, `update documents set edit_revision = edit_revision + 1, chunk_count = chunk_count + $3, token_count = token_count + $4,
		updated_at = now() where tenant_id = $1 and id = $2`, tenantID, documentID, chunks, tokens)
	if err != nil {
		return fmt.Errorf("raise the revision of the edits: %w", err)
	}
	return nil
}

// lockChunk takes the row of the chunk's document for the rest of the transaction, as every writer of chunks does, and
// returns the chunk.
func lockChunk(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) (Chunk, error) {
	c, err := getChunk(ctx, tx, tenantID, id)
	if err != nil {
		return c, err
	}
	if _, err := lockDocument(ctx, tx, tenantID, c.DocumentID); err != nil {
		return c, err
	}
	return getChunk(ctx, tx, tenantID, id) // it may have changed, or gone, while we waited
}

// noteEdit keeps what a person made of a chunk: its text, or as it is with nil, and whether it is off. A chunk that is as
// the document has it needs no edit.
func noteEdit(ctx context.Context, tx pgx.Tx, tenantID domain.ID, c Chunk, text *string, off bool, by domain.ID) error {
	e := Edit{ID: domain.NewID(), Original: c.Text}
	if c.Edit != nil {
		e = *c.Edit
	}
	if e.State == Changed { // the document's new words stand in the chunk: the decision is about them
		e.Original = c.Text
	}
	if text != nil {
		e.Text = text
		if addition := c.Edit != nil && e.Quote == ""; !addition && sameText(*text, e.Original) {
			e.Text = nil
		}
	}
	e.Off = off
	if err := raiseRevision(ctx, tx, tenantID, c.DocumentID, 0, 0); err != nil {
		return err
	}
	if e.Text == nil && !e.Off {
		_, err := tx.Exec(ctx, "delete from chunk_edits where tenant_id = $1 and id = $2", tenantID, e.ID)
		return err
	}
	if c.Edit == nil || e.State == Changed {
		quote, err := passage(ctx, tx, tenantID, c)
		if err != nil {
			return err
		}
		e.Quote = quote
	}
	_, err := tx.Exec(ctx, `
		insert into chunk_edits (tenant_id, id, document_id, quote, start_offset, original, text, off, heading, page, edited_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11, '00000000-0000-0000-0000-000000000000'::uuid))
		on conflict (tenant_id, id) do update set quote = $4, start_offset = $5, original = $6, text = $7, off = $8, heading = $9, page = $10,
			edited_by = excluded.edited_by, state = 'applied', updated_at = now()`,
		tenantID, e.ID, c.DocumentID, e.Quote, c.Start, e.Original, e.Text, e.Off, append([]string{}, c.Heading...), c.PageFrom, by)
	if err != nil {
		return fmt.Errorf("keep an edit: %w", err)
	}
	_, err = tx.Exec(ctx, "update chunks set edit_id = $3 where tenant_id = $1 and id = $2", tenantID, c.ID, e.ID)
	return err
}

// passage returns the document's own words that a chunk was made from.
func passage(ctx context.Context, tx pgx.Tx, tenantID domain.ID, c Chunk) (string, error) {
	var quote string
	err := tx.QueryRow(ctx, `
		select coalesce(string_agg(substr(text, greatest(1, $3 - start_offset + 1),
			least(length(text), $4 - start_offset) - greatest(0, $3 - start_offset)), '' order by page), '')
		from document_pages where tenant_id = $1 and document_id = $2 and start_offset < $4 and start_offset + length(text) > $3`,
		tenantID, c.DocumentID, c.Start, c.End).Scan(&quote)
	if err != nil {
		return "", fmt.Errorf("read a passage: %w", err)
	}
	return quote, nil
}

// SetChunkOff leaves a chunk out of answers, or takes it in again. It is no longer found from the commit on.
func (s *Service) SetChunkOff(ctx context.Context, tenantID, id domain.ID, off bool, by domain.ID) (Chunk, error) {
	var c Chunk
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var err error
		if c, err = lockChunk(ctx, tx, tenantID, id); err != nil || c.Off == off {
			return err
		}
		if c.Edit != nil && c.Edit.State == Changed && c.Edit.Text != nil {
			return domain.NewError(domain.Conflict, "An edit of this chunk waits for a decision. Decide that first.")
		}
		if err := noteEdit(ctx, tx, tenantID, c, nil, off, by); err != nil {
			return err
		}
		if err := switchChunk(ctx, tx, tenantID, c, off); err != nil {
			return err
		}
		if c, err = getChunk(ctx, tx, tenantID, id); err != nil {
			return err
		}
		return s.keepUp(ctx, tx, tenantID)
	})
	return c, err
}

func switchChunk(ctx context.Context, tx pgx.Tx, tenantID domain.ID, c Chunk, off bool) error {
	if c.Off == off {
		return nil
	}
	if _, err := tx.Exec(ctx, "update chunks set off = $3 where tenant_id = $1 and id = $2", tenantID, c.ID, off); err != nil {
		return fmt.Errorf("switch a chunk: %w", err)
	}
	return matchIndex(ctx, tx, tenantID, c.DocumentID)
}

// SetOff leaves a whole document out of answers, or takes it in again. Its chunks keep their own switches.
func (s *Service) SetOff(ctx context.Context, tenantID, id domain.ID, off bool) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := takeTime(ctx, tx); err != nil {
			return err
		}
		if _, err := lockDocument(ctx, tx, tenantID, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update documents set off = $3, updated_at = now() where tenant_id = $1 and id = $2 and off <> $3", tenantID, id, off); err != nil {
			return fmt.Errorf("switch a document: %w", err)
		}
		if err := matchIndex(ctx, tx, tenantID, id); err != nil {
			return err
		}
		return s.keepUp(ctx, tx, tenantID)
	})
}

// Conflicts returns the edits of a document that a newer reading could not apply, in the order of their passages.
func (s *Service) Conflicts(ctx context.Context, tenantID, documentID domain.ID) ([]Edit, error) {
	var open []Edit
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		open = nil
		all, err := edits(ctx, tx, tenantID, documentID)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.State == Applied {
				continue
			}
			if err := findPassage(ctx, tx, tenantID, &e); err != nil {
				return err
			}
			open = append(open, e)
		}
		return nil
	})
	return open, err
}

// findPassage fills in what stands where a changed passage stood. Where nothing does, it is lost.
func findPassage(ctx context.Context, tx pgx.Tx, tenantID domain.ID, e *Edit) error {
	if e.State != Changed {
		return nil
	}
	rows, err := tx.Query(ctx, "select "+chunkColumns+" from "+chunkTables+" where c.tenant_id = $1 and c.edit_id = $2 order by c.ordinal limit 1", tenantID, e.ID)
	if err != nil {
		return fmt.Errorf("find the chunk of an edit: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanChunk)
	if errors.Is(err, pgx.ErrNoRows) {
		e.State = Lost
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the chunk of an edit: %w", err)
	}
	e.Now = &c
	return nil
}

// Decision is what a person makes of a conflict.
type Decision string

// The decisions.
const (
	KeepEdit     Decision = "keep"     // the edit goes on: over the new passage, or, where that is gone, as an addition of its own
	TakeDocument Decision = "document" // the document's words answer, and the edit is forgotten
)

// Edit returns what a person did to a chunk.
func (s *Service) Edit(ctx context.Context, tenantID, id domain.ID) (e Edit, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		e, err = getEdit(ctx, tx, tenantID, id)
		return err
	})
	return e, err
}

// Resolve ends a conflict. The edit is no conflict any more, or gone: domain.Conflict or domain.NotFound.
func (s *Service) Resolve(ctx context.Context, tenantID, editID domain.ID, d Decision, by domain.ID) error {
	e, err := s.Edit(ctx, tenantID, editID)
	switch {
	case err != nil:
		return err
	case d != KeepEdit && d != TakeDocument:
		err = domain.InvalidField("decision", "Choose whether to keep the edit or to take the document's words.")
	case e.State == Applied:
		err = errDecided
	case d == TakeDocument, e.State == Lost && e.Text == nil:
		err = s.forgetEdit(ctx, tenantID, e)
	case e.State == Lost:
		err = s.addChunk(ctx, tenantID, e, by)
	case e.Text == nil:
		_, err = s.SetChunkOff(ctx, tenantID, e.Now.ID, true, by)
	default:
		_, err = s.rewrite(ctx, tenantID, e.Now.ID, by, func(c Chunk) (string, bool, error) {
			if c.Edit == nil || c.Edit.ID != e.ID || c.Edit.State != Changed {
				return "", false, errDecided
			}
			return *e.Text, e.Off, nil
		})
	}
	return err
}

var errDecided = domain.NewError(domain.Conflict, "This edit has been decided already.")

func getEdit(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) (Edit, error) {
	var row nullEdit
	err := tx.QueryRow(ctx, "select "+editColumns+" from chunk_edits e where e.tenant_id = $1 and e.id = $2", tenantID, id).Scan(row.fields()...)
	if err != nil {
		return Edit{}, err
	}
	e := *row.edit()
	return e, findPassage(ctx, tx, tenantID, &e)
}

func (s *Service) forgetEdit(ctx context.Context, tenantID domain.ID, e Edit) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if _, err := lockDocument(ctx, tx, tenantID, e.DocumentID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "delete from chunk_edits where tenant_id = $1 and id = $2 and state <> 'applied'", tenantID, e.ID)
		if err != nil {
			return fmt.Errorf("forget an edit: %w", err)
		}
		if tag.RowsAffected() == 0 { // somebody kept it just now, and its words answer
			return errDecided
		}
		return raiseRevision(ctx, tx, tenantID, e.DocumentID, 0, 0)
	})
}

// addChunk puts the words of an edit whose passage is gone at the end of the document, as a chunk that stands nowhere in
// its text.
func (s *Service) addChunk(ctx context.Context, tenantID domain.ID, e Edit, by domain.ID) error {
	c := Chunk{ID: domain.NewID(), DocumentID: e.DocumentID, Text: *e.Text, Heading: e.Heading, Off: e.Off}
	var title, language string
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		title, language, err = subject(ctx, tx, tenantID, e.DocumentID)
		return err
	})
	if err != nil {
		return err
	}
	added, err := s.ingest.Index(ctx, tenantID, title, language, c)
	if err != nil {
		return err
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if _, err := lockDocument(ctx, tx, tenantID, e.DocumentID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update chunk_edits set quote = '', original = '', state = 'applied', updated_at = now(),
			edited_by = nullif($3, '00000000-0000-0000-0000-000000000000'::uuid) where tenant_id = $1 and id = $2 and state <> 'applied'`, tenantID, e.ID, by)
		if err != nil {
			return fmt.Errorf("keep an edit as an addition: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errDecided
		}
		if err := raiseRevision(ctx, tx, tenantID, e.DocumentID, 1, added.Tokens); err != nil {
			return err
		}
		var reading int
		err = tx.QueryRow(ctx, `select coalesce(max(reading), 0), coalesce(max(ordinal), 0) + 1, coalesce(max(end_offset), 0)
			from chunks where tenant_id = $1 and document_id = $2`, tenantID, e.DocumentID).Scan(&reading, &added.Ordinal, &added.Start)
		if err != nil {
			return fmt.Errorf("number an addition: %w", err)
		}
		added.End, added.EditID = added.Start, e.ID
		err = insertIndexed(ctx, tx, Attempt{TenantID: tenantID, DocumentID: e.DocumentID, Number: reading}, Content{Chunks: []NewChunk{added}, Model: added.EmbeddingModel})
		if err != nil {
			return err
		}
		return s.keepUp(ctx, tx, tenantID)
	})
}
