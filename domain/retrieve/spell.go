package retrieve

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"bitb/domain/lexical"
)

const neighboursSQL = "select word, chunks from search.neighbours($1, $2)"

// mostNeighbours bounds how many of the tenant's words are compared with those of a question, the frequent ones first.
const mostNeighbours = 2000

// spell looks the words that no chunk has up in the tenant's vocabulary. A question whose words are all known pays nothing.
func (s *search) spell(ctx context.Context, words *lexical.Query, df map[int32]int) error {
	keys := words.Unknown(df)
	if len(keys) == 0 {
		return nil
	}
	rows, err := s.tx.Query(ctx, neighboursSQL, keys, mostNeighbours)
	if err != nil {
		return fmt.Errorf("look words up: %w", err)
	}
	vocabulary, err := pgx.CollectRows(rows, pgx.RowToStructByPos[lexical.Neighbour])
	if err != nil {
		return fmt.Errorf("look words up: %w", err)
	}
	missing := words.Spell(df, vocabulary)
	missing = slices.DeleteFunc(missing, func(term int32) bool { return df[term] > 0 })
	if len(missing) == 0 {
		return nil
	}
	rows, err = s.tx.Query(ctx, frequenciesSQL, s.tenant, missing)
	if err == nil {
		err = readFrequencies(df)(rows)
	}
	if err != nil {
		return fmt.Errorf("read the frequencies of words: %w", err)
	}
	return nil
}
