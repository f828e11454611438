package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"bitb/domain/postgres"
)

// Dimensions keeps for all processes how many dimensions a model's vectors have. It implements llm.Dimensions.
type Dimensions struct{ DB *postgres.DB }

// Keep implements llm.Dimensions.
func (d Dimensions) Keep(ctx context.Context, model string, dims int) (kept int, err error) {
	err = d.DB.AsSystem(ctx, func(tx pgx.Tx) error {
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
