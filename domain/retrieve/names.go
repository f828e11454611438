package retrieve

import (
	"context"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Name fills in what is known now of passages that a trace keeps without it: the Others of a past retrieval. One whose chunk
// is gone stays as it is.
func (s *Service) Name(ctx context.Context, tenantID domain.ID, passages []Passage) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error { return fillPassages(ctx, tx, tenantID, passages) })
}

// Reranker is the name of the re-ranking model, "" for none.
func (s *Service) Reranker() string {
	if s.reranker == nil {
		return ""
	}
	return s.reranker.Model()
}
