package document

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// A document is older when an earlier release analysed the words of its chunks: documents.analysis is below lexical.Version. It is found
// by its old terms, until it is analysed anew.

const isOlder = "d.tenant_id = $1 and d.chunk_count > 0 and d.analysis < $2"

// HasOlder reports whether an earlier analysis than this one found words of the tenant. It takes a step in an index.
func (s *Service) HasOlder(ctx context.Context, tenantID domain.ID, analysis int) (has bool, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select exists (select from documents d where "+isOlder+")", tenantID, analysis).Scan(&has)
	})
	return has, err
}

// NextOlder returns a document to analyse, and its chunks with the terms, weights and words as they are stored; of a word there is only
// its hash. ErrNothing when there is none, or ErrLater: one that is being read is left to its reading.
func (s *Service) NextOlder(ctx context.Context, tenantID domain.ID, analysis int) (Outdated, []NewChunk, error) {
	o := Outdated{TenantID: tenantID}
	var chunks []NewChunk
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := nextOutdated(ctx, tx, &o, isRead, isOlder, analysis); err != nil {
			return err
		}
		// A union of the two would be joined by reading all of the tenant's.
		rows, err := tx.Query(ctx, `select c.id, c.reading, c.text, c.heading, c.terms,
				coalesce(l.terms::text, h.terms::text, ''), coalesce(l.weights::text, h.weights::text, ''), coalesce(l.words, h.words)
			from chunks c left join search.lexemes l on l.tenant_id = $1 and l.chunk_id = c.id
				left join search.hidden_lexemes h on h.tenant_id = $1 and h.chunk_id = c.id
			where c.tenant_id = $1 and c.document_id = $2 order by c.ordinal`, tenantID, o.DocumentID)
		if err != nil {
			return err
		}
		chunks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k NewChunk, err error) {
			var words []int32
			err = row.Scan(&k.ID, &o.reading, &k.Text, &k.Heading, &k.Terms, &k.Lexemes, &k.Weights, &words)
			for _, hash := range words {
				k.Words = append(k.Words, Word{Hash: hash})
			}
			return k, err
		})
		return err
	})
	return o, chunks, err
}

// ReplaceWords gives those of the document's chunks that are analysed otherwise now what they are found by, and notes that the document
// is as this analysis has it. words are all that its chunks have. When the document changed meanwhile, nothing is written: ErrSuperseded.
func (s *Service) ReplaceWords(ctx context.Context, o Outdated, analysis int, otherwise []NewChunk, words []Word) error {
	return s.db.InTenant(ctx, o.TenantID, func(tx pgx.Tx) error {
		if err := takeTime(ctx, tx); err != nil {
			return err
		}
		now, err := unchanged(ctx, tx, o)
		if err != nil {
			return err
		}
		if now.analysis != o.analysis {
			return ErrSuperseded
		}
		if err := hold(ctx, tx, o.TenantID); err != nil {
			return err
		}
		if err := replaceWords(ctx, tx, o, otherwise); err != nil {
			return err
		}
		corrected, err := correctKeys(ctx, tx, o.TenantID, words)
		if err != nil {
			return err
		}
		if corrected {
			if err := changed(ctx, tx, o.TenantID); err != nil {
				return err
			}
		}
		if err := noteAnalysis(ctx, tx, o.TenantID, o.DocumentID, analysis); err != nil || !corrected && len(otherwise) == 0 {
			return err
		}
		return s.keepUp(ctx, tx, o.TenantID)
	})
}

// replaceWords leaves all else of the chunks as it is: what they say has not changed.
func replaceWords(ctx context.Context, tx pgx.Tx, o Outdated, chunks []NewChunk) error {
	if len(chunks) == 0 {
		return nil
	}
	hidden, err := hiddenChunks(ctx, tx, o)
	if err != nil {
		return err
	}
	var ids, found []domain.ID
	var terms []int
	for i := range chunks {
		k := &chunks[i]
		ids, terms = append(ids, k.ID), append(terms, k.Terms)
		if k.hidden = hidden[k.ID]; !k.hidden {
			found = append(found, k.ID)
		}
	}
	if err := takeWords(ctx, tx, o.TenantID, ids, found); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update chunks c set terms = k.terms from unnest($2::uuid[], $3::int[]) as k (id, terms)
		where c.tenant_id = $1 and c.id = k.id and c.terms <> k.terms`, o.TenantID, ids, terms)
	if err != nil {
		return fmt.Errorf("note how long chunks are: %w", err)
	}
	return putWords(ctx, tx, Attempt{TenantID: o.TenantID, DocumentID: o.DocumentID}, Content{Chunks: chunks}, found)
}

// noteAnalysis stands alone, after what sets live_version or edit_revision: that makes the document one of no known analysis, in the
// database, as a release that knows of none may have done it.
func noteAnalysis(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID, analysis int) error {
	_, err := tx.Exec(ctx, "update documents set analysis = $3 where tenant_id = $1 and id = $2", tenantID, documentID, analysis)
	if err != nil {
		return fmt.Errorf("note the analysis: %w", err)
	}
	return nil
}
