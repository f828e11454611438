package retrieve

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Name fills in where passages stand that a search or its trace left without it: Retrieval.Others. One whose document was read again
// is called what it was called before; one whose document is gone stays as it is.
func (s *Service) Name(ctx context.Context, tenantID domain.ID, passages []Passage) error {
	at := make(map[domain.ID]*Passage, len(passages))
	var ids []domain.ID
	for i := range passages {
		at[passages[i].ChunkID] = &passages[i]
		ids = append(ids, passages[i].ChunkID)
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select c.id, c.revision, c.document_id, d.live_version, d.name, c.ordinal, c.heading, c.page_from, c.page_to
			from chunks c join documents d on d.tenant_id = $1 and d.id = c.document_id where c.tenant_id = $1 and c.id = any($2)
			union all
			select c.chunk_id, c.revision, c.document_id, c.version, d.name, c.ordinal, c.heading, c.page_from, c.page_to
			from chunk_revisions c join documents d on d.tenant_id = $1 and d.id = c.document_id
			where c.tenant_id = $1 and c.chunk_id = any($2) and c.replaced_by = 'reading'`, tenantID, ids)
		if err != nil {
			return fmt.Errorf("name passages: %w", err)
		}
		var p Passage
		_, err = pgx.ForEachRow(rows, []any{&p.ChunkID, &p.Revision, &p.DocumentID, &p.Version, &p.DocumentName, &p.Ordinal, &p.Heading, &p.PageFrom, &p.PageTo}, func() error {
			to := at[p.ChunkID]
			to.Revision, to.DocumentID, to.Version, to.DocumentName = p.Revision, p.DocumentID, p.Version, p.DocumentName
			to.Ordinal, to.Heading, to.PageFrom, to.PageTo = p.Ordinal, p.Heading, p.PageFrom, p.PageTo
			p.Heading = nil // the next row must not write into it
			return nil
		})
		if err != nil {
			return fmt.Errorf("name passages: %w", err)
		}
		return nil
	})
}

// Reranker is the name of the re-ranking model, "" for none.
func (s *Service) Reranker() string {
	if s.reranker == nil {
		return ""
	}
	return s.reranker.Model()
}
