package document

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Ingester reads what waits in line and makes chunks findable. Package ingest implements it.
type Ingester interface {
	// Wake makes sure, within the transaction, that so many jobs work on the tenant's line or are about to.
	Wake(ctx context.Context, tx pgx.Tx, tenantID domain.ID, jobs int) error
	// WakeAt makes somebody look at the tenant's line at a time.
	WakeAt(ctx context.Context, tx pgx.Tx, tenantID domain.ID, at time.Time) error
	// KeepUp has IndexVectors called until nothing is left, some time after the commit.
	KeepUp(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error
	// Changed has the tenant's tests run some time after the commit, where there are any.
	Changed(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error
	// Index makes a chunk of a document of that title and language findable: its vector, terms and weights, and how many
	// tokens it has. It may call a model, so no transaction is open.
	Index(ctx context.Context, tenantID domain.ID, title, language string, c Chunk) (NewChunk, error)
	// Model names the embedding model that documents are to be embedded with.
	Model() string
	// Pace is how fast the line moves, for estimates; zero when nothing is known.
	Pace(ctx context.Context) Pace
}

// Pace is how fast documents were read lately.
type Pace struct {
	Each    time.Duration // on average
	Tenants int           // that take turns
	Workers int           // at work
}

// Service stores and shows documents.
type Service struct {
	db        *postgres.DB
	ingest    Ingester
	originals Originals // nil: in the database
}

// NewService returns the service over db.
func NewService(db *postgres.DB, ingest Ingester) *Service { return &Service{db: db, ingest: ingest} }

const documentColumns = `
	d.id, d.name, d.format, d.size_bytes, d.status, d.progress_done, d.progress_total, d.pages, d.chunk_count, d.token_count,
	d.embedding_model, d.notes, d.failure_code, d.failure_title, d.failure_message, d.failure_page, d.created_at, d.updated_at,
	coalesce((select u.name from users u where u.tenant_id = d.tenant_id and u.id = d.uploaded_by), ''),
	(select count(distinct c.message_id) from citations c where c.tenant_id = d.tenant_id and c.document_id = d.id),
	case when d.status = 'queued' then
		(select count(*) from documents q where q.tenant_id = d.tenant_id and q.status = 'queued' and (q.queued_at, q.id) <= (d.queued_at, d.id))
	else 0 end,
	d.waits_for, d.due_at, d.version, d.live_version, d.off, d.cut_tokens, d.cut_overlap,
	(select count(*) from chunks c where c.tenant_id = d.tenant_id and c.document_id = d.id and c.off),
	(select count(*) filter (where e.text is not null and e.state = 'applied') from chunk_edits e where e.tenant_id = d.tenant_id and e.document_id = d.id),
	(select count(*) filter (where e.state <> 'applied') from chunk_edits e where e.tenant_id = d.tenant_id and e.document_id = d.id),
	d.language`

func scanDocument(row pgx.CollectableRow) (Document, error) {
	var d Document
	var f Failure
	err := row.Scan(&d.ID, &d.Name, &d.Format, &d.SizeBytes, &d.Status, &d.Done, &d.Total, &d.Pages, &d.Chunks, &d.Tokens,
		&d.EmbeddingModel, &d.Notes, &f.Code, &f.Title, &f.Message, &f.Page, &d.CreatedAt, &d.UpdatedAt,
		&d.UploadedBy, &d.CitedIn, &d.QueuePlace, &d.WaitsFor, &d.DueAt, &d.Version, &d.Live, &d.Off, &d.Cutting.Tokens, &d.Cutting.Overlap,
		&d.OffChunks, &d.Edited, &d.Conflicts, &d.Language)
	if d.Status == Failed {
		d.Failure = &f
	}
	return d, err
}

// List returns a page of the tenant's documents with the counts that the page shows around it.
func (s *Service) List(ctx context.Context, tenantID domain.ID, f Filter) (List, error) {
	list := List{Filter: f}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := s.countDocuments(ctx, tx, tenantID, &list); err != nil {
			return err
		}
		// Postgres orders ties as it likes from page to page, so the id breaks them. The page is chosen first, or what the columns
		// count would be counted for every document that is sorted.
		order := orderOf(f) + ", d.id"
		rows, err := tx.Query(ctx, `with chosen as materialized (select d.id from documents d where d.tenant_id = $1 and `+matchesFilter+`
				order by `+order+` limit $4 offset $5)
			select `+documentColumns+` from documents d where d.tenant_id = $1 and d.id = any(array(select id from chosen)) order by `+order,
			tenantID, f.Search, f.Status, PageSize, (max(1, f.Page)-1)*PageSize)
		if err != nil {
			return fmt.Errorf("list documents: %w", err)
		}
		list.Documents, err = pgx.CollectRows(rows, scanDocument)
		return err
	})
	s.estimate(ctx, list.Documents)
	return list, err
}

// Counts returns the figures of the list without its documents.
func (s *Service) Counts(ctx context.Context, tenantID domain.ID) (List, error) {
	var list List
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error { return s.countDocuments(ctx, tx, tenantID, &list) })
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

func (s *Service) countDocuments(ctx context.Context, tx pgx.Tx, tenantID domain.ID, list *List) error {
	err := tx.QueryRow(ctx, `
		select count(*), count(*) filter (where d.status = 'ready'), count(*) filter (where d.status = 'failed'),
			coalesce(sum(d.chunk_count), 0), coalesce(sum(d.pages), 0),
			count(*) filter (where `+matchesFilter+`), count(*) filter (where d.status = 'failed' and d.failure_code <> all($4)),
			count(*) filter (where d.chunk_count > 0), count(*) filter (where d.chunk_count > 0 and d.embedding_model <> $5)
		from documents d where d.tenant_id = $1`, tenantID, list.Filter.Search, list.Filter.Status, notRetried, s.ingest.Model()).
		Scan(&list.All, &list.ReadyN, &list.FailedN, &list.TotalChunks, &list.TotalPages, &list.Matching, &list.RetryableN,
			&list.Embedding.Of, &list.Embedding.Outdated)
	list.Embedding.Model = s.ingest.Model()
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
	one := []Document{d}
	s.estimate(ctx, one)
	return one[0], err
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
	s.estimate(ctx, documents)
	return documents, err
}

// Chunks returns a page of a document's chunks in reading order, the last one where fewer are there.
func (s *Service) Chunks(ctx context.Context, tenantID, id domain.ID, f ChunkFilter) (ChunkList, error) {
	list := ChunkList{Filter: f}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		const match = `c.tenant_id = $1 and c.document_id = $2
			and ($4 = '' or ($4 = 'edited' and e.text is not null and e.state = 'applied') or ($4 = 'off' and c.off))
			and ($3 = '' or strpos(lower(c.text), lower($3)) > 0 or strpos(lower(array_to_string(c.heading, ' › ')), lower($3)) > 0)`
		err := tx.QueryRow(ctx, "select count(*) from "+chunkTables+" where "+match, tenantID, id, f.Search, f.Only).Scan(&list.Matching)
		if err != nil {
			return fmt.Errorf("count chunks: %w", err)
		}
		list.Filter.Page = min(max(1, f.Page), list.PageCount())
		rows, err := tx.Query(ctx, "select "+chunkColumns+" from "+chunkTables+" where "+match+" order by c.ordinal limit $5 offset $6",
			tenantID, id, f.Search, f.Only, ChunkPageSize, (list.Filter.Page-1)*ChunkPageSize)
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
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		c, err = getChunk(ctx, tx, tenantID, id)
		return err
	})
	return c, err
}

func getChunk(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) (Chunk, error) {
	rows, err := tx.Query(ctx, "select "+chunkColumns+" from "+chunkTables+" where c.tenant_id = $1 and c.id = $2", tenantID, id)
	if err != nil {
		return Chunk{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanChunk)
}

const chunkTables = "chunks c left join chunk_edits e on e.tenant_id = c.tenant_id and e.id = c.edit_id"

const chunkColumns = `
	c.id, c.document_id, c.ordinal, c.text, c.heading, c.page_from, c.page_to, c.tokens, length(c.text), c.start_offset, c.end_offset,
	coalesce((select max(v.model) from chunk_embeddings v where v.tenant_id = c.tenant_id and v.chunk_id = c.id),
		(select max(v.model) from hidden_embeddings v where v.tenant_id = c.tenant_id and v.chunk_id = c.id), ''),
	(select count(*) from citations t where t.tenant_id = c.tenant_id and t.chunk_id = c.id), c.off, c.edit_id, ` + editColumns

func scanChunk(row pgx.CollectableRow) (Chunk, error) {
	var c Chunk
	var edit *domain.ID
	var e nullEdit
	err := row.Scan(append([]any{&c.ID, &c.DocumentID, &c.Ordinal, &c.Text, &c.Heading, &c.PageFrom, &c.PageTo, &c.Tokens, &c.Chars,
		&c.Start, &c.End, &c.EmbeddingModel, &c.CitedIn, &c.Off, &edit}, e.fields()...)...)
	if edit != nil {
		c.Edit = e.edit()
	}
	return c, err
}

// Places returns where the chunks stand that have a part of a page, in order.
func (s *Service) Places(ctx context.Context, tenantID, documentID domain.ID, p Page) ([]Place, error) {
	var places []Place
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select id, ordinal, start_offset, end_offset, off from chunks
			where tenant_id = $1 and document_id = $2 and start_offset < $4 and end_offset > $3 and start_offset < end_offset
			order by ordinal limit 500`, tenantID, documentID, p.Start, p.Start+utf8.RuneCountInString(p.Text))
		if err != nil {
			return fmt.Errorf("find the chunks of a page: %w", err)
		}
		places, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Place, err error) {
			err = row.Scan(&l.ChunkID, &l.Ordinal, &l.Start, &l.End, &l.Off)
			return l, err
		})
		return err
	})
	return places, err
}

// PageText returns what was read from one page; number 0 where the format has no pages.
func (s *Service) PageText(ctx context.Context, tenantID, id domain.ID, number int) (Page, error) {
	p := Page{Number: number}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var lines []int32
		p.Lines = nil
		err := tx.QueryRow(ctx, `select start_offset, text, lines from document_pages
			where tenant_id = $1 and document_id = $2 and page = $3`, tenantID, id, number).Scan(&p.Start, &p.Text, &lines)
		for ; len(lines) >= lineFields; lines = lines[lineFields:] {
			p.Lines = append(p.Lines, Line{int(lines[0]), int(lines[1]), int(lines[2]), int(lines[3]), int(lines[4]), int(lines[5])})
		}
		return err
	})
	return p, err
}
