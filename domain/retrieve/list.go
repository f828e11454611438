package retrieve

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/lexical"
)

// RecentPageSize is how many searches a page of the list holds.
const RecentPageSize = 50

// Past is a search whose trace is kept, as a list shows it.
type Past struct {
	ID        domain.ID
	Question  string
	CreatedAt time.Time
}

// RecentList is one page of a tenant's searches whose traces are kept, the last first.
type RecentList struct {
	Searches []Past
	Page     int // from 1
	All      int
}

// PageCount is the number of pages of the list, one at least.
func (l RecentList) PageCount() int { return max(1, (l.All+RecentPageSize-1)/RecentPageSize) }

// Recent lists the tenant's searches whose traces are kept.
func (s *Service) Recent(ctx context.Context, tenantID domain.ID, page int) (RecentList, error) {
	l := RecentList{Page: max(1, page)}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select count(*) from retrievals where tenant_id = $1", tenantID).Scan(&l.All); err != nil {
			return fmt.Errorf("count searches: %w", err)
		}
		rows, err := tx.Query(ctx, "select id, question, created_at from retrievals where tenant_id = $1 order by created_at desc, id desc limit $2 offset $3",
			tenantID, RecentPageSize, (l.Page-1)*RecentPageSize)
		if err != nil {
			return fmt.Errorf("list searches: %w", err)
		}
		l.Searches, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Past, error) {
			var p Past
			err := row.Scan(&p.ID, &p.Question, &p.CreatedAt)
			p.Question = domain.ForReader(ctx, p.Question)
			return p, err
		})
		return err
	})
	return l, err
}

// forReader masks what a visitor wrote where a staff member reads it, and the words that came from what is masked.
func (r *Retrieval) forReader(ctx context.Context) {
	question, searched, before := domain.ForReader(ctx, r.Question), domain.ForReader(ctx, r.Searched), slices.Clone(r.Context)
	for i, text := range before {
		before[i] = domain.ForReader(ctx, text)
	}
	if question == r.Question && searched == r.Searched && slices.Equal(before, r.Context) {
		return
	}
	r.Question, r.Searched, r.Context = question, searched, before
	shown := make([]lexical.Query, 0, 1+len(before))
	for _, text := range append([]string{searched}, before...) {
		shown = append(shown, lexical.ParseQuery(domain.ID{}, text, nil))
	}
	words := slices.Clone(r.Words)
	for i, w := range words {
		if !slices.ContainsFunc(shown, func(q lexical.Query) bool { return q.Has(w.Text) }) {
			words[i].Text, words[i].Spelled = "•••", nil
		}
	}
	r.Words = words
}
