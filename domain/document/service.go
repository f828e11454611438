package document

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Queue puts a document in line for reading, within the transaction that stored it. ingest implements it.
type Queue interface {
	Enqueue(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) error
}

// Service stores and shows documents.
type Service struct {
	db    *postgres.DB
	queue Queue
}

// NewService returns the service over db.
func NewService(db *postgres.DB, queue Queue) *Service { return &Service{db: db, queue: queue} }

// Upload is a file that has been checked to be of a format that can be read.
type Upload struct {
	Name    string
	Format  string
	Content []byte
	By      domain.ID // the member; zero: nobody
}

// Stored tells what became of an upload.
type Stored struct {
	ID        domain.ID
	Name      string
	Duplicate bool // the tenant has this file already, as Name; nothing was stored
}

// Store keeps an upload and puts it in line, both or neither. The same bytes twice are one document.
func (s *Service) Store(ctx context.Context, tenantID domain.ID, up Upload) (Stored, error) {
	if len(up.Content) > MaxFileBytes {
		return Stored{}, domain.NewError(domain.TooLarge, "This file is larger than 25 MB. Split it, or save a smaller copy.")
	}
	sum := sha256.Sum256(up.Content)
	stored := Stored{ID: domain.NewID(), Name: CleanName(up.Name)}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			insert into documents (tenant_id, id, name, format, size_bytes, sha256, uploaded_by)
			values ($1, $2, $3, $4, $5, $6, nullif($7, '00000000-0000-0000-0000-000000000000'::uuid))
			on conflict (tenant_id, sha256) do nothing`,
			tenantID, stored.ID, stored.Name, up.Format, len(up.Content), sum[:], up.By)
		if err != nil {
			return fmt.Errorf("insert a document: %w", err)
		}
		if tag.RowsAffected() == 0 {
			stored.Duplicate = true
			return tx.QueryRow(ctx, "select id, name from documents where tenant_id = $1 and sha256 = $2", tenantID, sum[:]).
				Scan(&stored.ID, &stored.Name)
		}
		_, err = tx.Exec(ctx, "insert into document_files (tenant_id, document_id, content) values ($1, $2, $3)",
			tenantID, stored.ID, up.Content)
		if err != nil {
			return fmt.Errorf("insert the original: %w", err)
		}
		return s.queue.Enqueue(ctx, tx, tenantID, stored.ID)
	})
	return stored, err
}

// CleanName makes the name of an upload fit to show: the last part of a path, without control and direction characters,
// 255 characters at most. It is text for people and never a path.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0x200e || r == 0x200f {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if strings.Trim(name, "./") == "" {
		return "Untitled"
	}
	if utf8.RuneCountInString(name) <= MaxNameRunes {
		return name
	}
	ext := []rune(path.Ext(name))
	if len(ext) > 10 {
		ext = nil
	}
	return string([]rune(name)[:MaxNameRunes-len(ext)]) + string(ext)
}

const documentColumns = `
	d.id, d.name, d.format, d.size_bytes, d.status, d.progress_done, d.progress_total, d.pages, d.chunk_count, d.token_count,
	d.embedding_model, d.notes, d.failure_code, d.failure_title, d.failure_message, d.failure_page, d.created_at, d.updated_at,
	coalesce((select u.name from users u where u.tenant_id = d.tenant_id and u.id = d.uploaded_by), ''),
	(select count(distinct c.message_id) from citations c where c.tenant_id = d.tenant_id and c.document_id = d.id),
	case when d.status = 'queued' then
		(select count(*) from documents q where q.tenant_id = d.tenant_id and q.status = 'queued' and (q.updated_at, q.id) <= (d.updated_at, d.id))
	else 0 end`

func scanDocument(row pgx.CollectableRow) (Document, error) {
	var d Document
	var f Failure
	err := row.Scan(&d.ID, &d.Name, &d.Format, &d.SizeBytes, &d.Status, &d.Done, &d.Total, &d.Pages, &d.Chunks, &d.Tokens,
		&d.EmbeddingModel, &d.Notes, &f.Code, &f.Title, &f.Message, &f.Page, &d.CreatedAt, &d.UpdatedAt,
		&d.UploadedBy, &d.CitedIn, &d.QueuePlace)
	if d.Status == Failed {
		d.Failure = &f
	}
	return d, err
}

// List returns a page of the tenant's documents with the counts that the page shows around it.
func (s *Service) List(ctx context.Context, tenantID domain.ID, f Filter) (List, error) {
	list := List{Filter: f}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := countDocuments(ctx, tx, tenantID, &list); err != nil {
			return err
		}
		// Postgres orders ties as it likes from page to page, so the id breaks them.
		rows, err := tx.Query(ctx, `select `+documentColumns+` from documents d
			where d.tenant_id = $1 and `+matchesFilter+`
			order by `+orderOf(f)+`, d.id limit $4 offset $5`,
			tenantID, f.Search, f.Status, PageSize, (max(1, f.Page)-1)*PageSize)
		if err != nil {
			return fmt.Errorf("list documents: %w", err)
		}
		list.Documents, err = pgx.CollectRows(rows, scanDocument)
		return err
	})
	return list, err
}

// Counts returns the figures of the list without its documents.
func (s *Service) Counts(ctx context.Context, tenantID domain.ID) (List, error) {
	var list List
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error { return countDocuments(ctx, tx, tenantID, &list) })
	return list, err
}

const matchesFilter = `($2 = '' or strpos(lower(d.name), lower($2)) > 0)
	and ($3 = '' or d.status = $3 or ($3 = 'busy' and d.status in ('queued', 'reading', 'embedding')))`

// orderOf picks from fixed texts, so that no word of a request ever stands in a statement.
func orderOf(f Filter) string {
	column := map[Sort]string{ByName: "lower(d.name)", BySize: "d.size_bytes", ByChunks: "d.chunk_count"}[f.Sort]
	switch {
	case column == "" && f.Sort == ByUpdated && !f.Desc:
		return "d.updated_at"
	case column == "":
		return "d.updated_at desc"
	case f.Desc:
		return column + " desc"
	}
	return column
}

func countDocuments(ctx context.Context, tx pgx.Tx, tenantID domain.ID, list *List) error {
	err := tx.QueryRow(ctx, `
		select count(*), count(*) filter (where d.status = 'ready'), count(*) filter (where d.status = 'failed'),
			coalesce(sum(d.chunk_count), 0), coalesce(sum(d.pages), 0),
			count(*) filter (where `+matchesFilter+`)
		from documents d where d.tenant_id = $1`, tenantID, list.Filter.Search, list.Filter.Status).
		Scan(&list.All, &list.ReadyN, &list.FailedN, &list.TotalChunks, &list.TotalPages, &list.Matching)
	list.BusyN = list.All - list.ReadyN - list.FailedN
	if err != nil {
		return fmt.Errorf("count documents: %w", err)
	}
	return nil
}

// Get returns one document.
func (s *Service) Get(ctx context.Context, tenantID, id domain.ID) (Document, error) {
	var d Document
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		d, err = getDocument(ctx, tx, tenantID, id)
		return err
	})
	return d, err
}

func getDocument(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) (Document, error) {
	rows, err := tx.Query(ctx, "select "+documentColumns+" from documents d where d.tenant_id = $1 and d.id = $2", tenantID, id)
	if err != nil {
		return Document{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanDocument)
}

// Some returns those of the documents that still exist, in no order: for a page that follows their progress.
func (s *Service) Some(ctx context.Context, tenantID domain.ID, ids []domain.ID) ([]Document, error) {
	var documents []Document
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+documentColumns+" from documents d where d.tenant_id = $1 and d.id = any($2)", tenantID, ids)
		if err != nil {
			return err
		}
		documents, err = pgx.CollectRows(rows, scanDocument)
		return err
	})
	return documents, err
}

// Versions returns id → a number that changes with every change of the document, for those that changed in the last
// minute or are still busy.
func (s *Service) Versions(ctx context.Context, tenantID domain.ID) (map[domain.ID]int64, error) {
	versions := map[domain.ID]int64{}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id, (extract(epoch from updated_at) * 1000000)::bigint + progress_done from documents
			where tenant_id = $1 and (updated_at > now() - interval '1 minute' or status in ('queued', 'reading', 'embedding'))
			order by updated_at desc limit 200`, tenantID)
		if err != nil {
			return err
		}
		var id domain.ID
		var version int64
		_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error { versions[id] = version; return nil })
		return err
	})
	return versions, err
}

// Original returns a document with the bytes that were uploaded.
func (s *Service) Original(ctx context.Context, tenantID, id domain.ID) (d Document, content []byte, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if d, err = getDocument(ctx, tx, tenantID, id); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select content from document_files where tenant_id = $1 and document_id = $2", tenantID, id).Scan(&content)
	})
	return d, content, err
}

// Retry puts a failed document in line again. One that is busy or ready stays as it is: domain.Conflict.
func (s *Service) Retry(ctx context.Context, tenantID, id domain.ID) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update documents set status = 'queued', progress_done = 0, progress_total = 0, updated_at = now(),
			failure_code = '', failure_title = '', failure_message = '', failure_page = 0
			where tenant_id = $1 and id = $2 and status = 'failed'`, tenantID, id)
		if err != nil {
			return fmt.Errorf("queue a document again: %w", err)
		}
		if tag.RowsAffected() == 1 {
			return s.queue.Enqueue(ctx, tx, tenantID, id)
		}
		if _, err := getDocument(ctx, tx, tenantID, id); err != nil {
			return err
		}
		return domain.NewError(domain.Conflict, "This document has not failed, so there is nothing to retry.")
	})
}

// Chunks returns a page of a document's chunks in reading order.
func (s *Service) Chunks(ctx context.Context, tenantID, id domain.ID, f ChunkFilter) (ChunkList, error) {
	list := ChunkList{Filter: f}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		const match = `c.tenant_id = $1 and c.document_id = $2
			and ($3 = '' or strpos(lower(c.text), lower($3)) > 0 or strpos(lower(array_to_string(c.heading, ' › ')), lower($3)) > 0)`
		err := tx.QueryRow(ctx, "select count(*) from chunks c where "+match, tenantID, id, f.Search).Scan(&list.Matching)
		if err != nil {
			return fmt.Errorf("count chunks: %w", err)
		}
		rows, err := tx.Query(ctx, "select "+chunkColumns+" from chunks c where "+match+" order by c.ordinal limit $4 offset $5",
			tenantID, id, f.Search, ChunkPageSize, (max(1, f.Page)-1)*ChunkPageSize)
		if err != nil {
			return fmt.Errorf("list chunks: %w", err)
		}
		list.Chunks, err = pgx.CollectRows(rows, scanChunk)
		return err
	})
	return list, err
}

// Chunk returns one chunk.
func (s *Service) Chunk(ctx context.Context, tenantID, id domain.ID) (Chunk, error) {
	var c Chunk
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+chunkColumns+" from chunks c where c.tenant_id = $1 and c.id = $2", tenantID, id)
		if err != nil {
			return err
		}
		c, err = pgx.CollectExactlyOneRow(rows, scanChunk)
		return err
	})
	return c, err
}

const chunkColumns = `
	c.id, c.document_id, c.ordinal, c.text, c.heading, c.page_from, c.page_to, c.tokens, length(c.text), c.start_offset, c.end_offset,
	coalesce((select max(e.model) from chunk_embeddings e where e.tenant_id = c.tenant_id and e.chunk_id = c.id), ''),
	(select count(*) from citations t where t.tenant_id = c.tenant_id and t.chunk_id = c.id)`

func scanChunk(row pgx.CollectableRow) (Chunk, error) {
	var c Chunk
	err := row.Scan(&c.ID, &c.DocumentID, &c.Ordinal, &c.Text, &c.Heading, &c.PageFrom, &c.PageTo, &c.Tokens, &c.Chars,
		&c.Start, &c.End, &c.EmbeddingModel, &c.CitedIn)
	return c, err
}

// PageText returns what was read from one page; number 0 where the format has no pages.
func (s *Service) PageText(ctx context.Context, tenantID, id domain.ID, number int) (Page, error) {
	p := Page{Number: number}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select start_offset, text from document_pages
			where tenant_id = $1 and document_id = $2 and page = $3`, tenantID, id, number).Scan(&p.Start, &p.Text)
	})
	return p, err
}
