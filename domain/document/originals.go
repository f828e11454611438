package document

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/originals"
)

// Originals is a place outside the database for the bytes of uploads; see originals.Supabase.
type Originals interface {
	Put(ctx context.Context, tenantID, object domain.ID, content []byte) error
	Get(ctx context.Context, tenantID, object domain.ID) ([]byte, error)
	Delete(ctx context.Context, tenantID domain.ID, objects ...domain.ID) error
	Tenants(ctx context.Context, visit func(domain.ID) error) error
	List(ctx context.Context, tenantID domain.ID) ([]originals.Object, error)
}

// KeepOriginalsIn has new uploads kept there instead of in the database. What is in the database already stays.
func (s *Service) KeepOriginalsIn(place Originals) { s.originals = place }

// put keeps an upload's bytes before the transaction that stores the rest, and returns what takes them away again where they turn out not to
// be wanted. After an error that is not known, as the answer to a commit may be lost: SweepOriginals looks later whether there is a row.
func (s *Service) put(ctx context.Context, tenantID domain.ID, up *Upload) (undo func(), err error) {
	if s.originals == nil {
		return func() {}, nil
	}
	object := domain.NewID()
	if err := s.originals.Put(ctx, tenantID, object, up.Content); err != nil {
		return nil, fmt.Errorf("keep the original: %w", err)
	}
	up.object = object
	return func() { _ = s.originals.Delete(context.WithoutCancel(ctx), tenantID, object) }, nil // or SweepOriginals does
}

// OriginalOf returns the file of an attempt, from wherever it is kept.
func (s *Service) OriginalOf(ctx context.Context, a Attempt) ([]byte, error) {
	return s.fetch(ctx, a.TenantID, a.object, a.Content)
}

func (s *Service) fetch(ctx context.Context, tenantID domain.ID, object *domain.ID, content []byte) ([]byte, error) {
	switch {
	case object == nil:
		return content, nil
	case s.originals == nil:
		return nil, domain.NewError(domain.Unavailable, "The storage of original files is not set up any more.")
	}
	return s.originals.Get(ctx, tenantID, *object)
}

func objectsOf(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) ([]domain.ID, error) {
	rows, err := tx.Query(ctx, "select distinct object from document_files where tenant_id = $1 and document_id = $2 and object is not null", tenantID, documentID)
	if err != nil {
		return nil, fmt.Errorf("list originals: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[domain.ID])
}

// unwantedAfter is for how long an object without a row may be that of an upload which is just being stored.
const unwantedAfter = time.Hour

// EraseOriginals removes what is kept outside the database of a tenant that was erased.
func (s *Service) EraseOriginals(ctx context.Context, tenantID domain.ID) error {
	if s.originals == nil {
		return nil
	}
	return s.sweepTenant(ctx, tenantID, func(originals.Object) bool { return true })
}

// SweepOriginals removes what is kept outside the database and belongs to nothing: of uploads that broke off, of documents and
// tenants that were deleted while the place did not answer.
func (s *Service) SweepOriginals(ctx context.Context, now time.Time) error {
	if s.originals == nil {
		return nil
	}
	return s.originals.Tenants(ctx, func(tenantID domain.ID) error {
		return s.sweepTenant(ctx, tenantID, func(o originals.Object) bool { return now.Sub(o.Made) > unwantedAfter })
	})
}

// sweepTenant removes those of a tenant's objects that have no row and may go.
func (s *Service) sweepTenant(ctx context.Context, tenantID domain.ID, may func(originals.Object) bool) error {
	kept, err := s.originals.List(ctx, tenantID)
	if err != nil {
		return err
	}
	var looked []domain.ID
	for _, o := range kept {
		if may(o) {
			looked = append(looked, o.ID)
		}
	}
	unwanted, err := s.unwanted(ctx, tenantID, looked)
	if err != nil {
		return err
	}
	return s.originals.Delete(ctx, tenantID, unwanted...)
}

func (s *Service) unwanted(ctx context.Context, tenantID domain.ID, objects []domain.ID) (unwanted []domain.ID, err error) {
	if len(objects) == 0 {
		return nil, nil
	}
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select o from unnest($2::uuid[]) o
			where not exists (select from document_files f where f.tenant_id = $1 and f.object = o)`, tenantID, objects)
		if err != nil {
			return fmt.Errorf("look for rows of originals: %w", err)
		}
		unwanted, err = pgx.CollectRows(rows, pgx.RowTo[domain.ID])
		return err
	})
	return unwanted, err
}
