package ingest

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"bitb/domain/llm"
	"bitb/domain/postgres"
)

// Models keeps for all processes what was learnt of embedding models. It implements llm.Dimensions.
type Models struct{ DB *postgres.DB }

// Keep implements llm.Dimensions.
func (m Models) Keep(ctx context.Context, model string, dims int) (kept int, err error) {
	err = m.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into meta.embedding_models (model, dims) values ($1, $2) on conflict do nothing", model, dims); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select dims from meta.embedding_models where model = $1", model).Scan(&kept)
	})
	if err != nil {
		return 0, fmt.Errorf("keep how many dimensions %s has: %w", model, err)
	}
	return kept, nil
}

// Languages returns those that a model was found to know, nil for one that was not examined.
func (m Models) Languages(ctx context.Context, model string) (languages []string, err error) {
	err = m.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select (select languages from meta.embedding_models where model = $1)", model).Scan(&languages)
	})
	if err != nil {
		return nil, fmt.Errorf("look which languages %s knows: %w", model, err)
	}
	return languages, nil
}

// Examine finds out which languages a model knows, if nobody did before.
func (m Models) Examine(ctx context.Context, e llm.Embedder) error {
	if strings.HasPrefix(e.Model(), postgres.Builtin) {
		return nil // it knows spellings, and searches know it
	}
	languages, err := m.Languages(ctx, e.Model())
	if err != nil || languages != nil {
		return err
	}
	languages, err = llm.Languages(ctx, e)
	if err != nil {
		return err
	}
	err = m.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into meta.embedding_models (model, dims, languages) values ($1, $2, $3)
			on conflict (model) do update set languages = excluded.languages`, e.Model(), e.Dims(), languages)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep which languages %s knows: %w", e.Model(), err)
	}
	return nil
}
