package document

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// The words of a tenant's chunks stand in search.vocabulary as long as some chunk has them, found or off. Whoever changes it
// has the tenant's row of corpora.

// insertWords adds the words of chunks that are written.
func insertWords(ctx context.Context, tx pgx.Tx, tenantID domain.ID, chunks []NewChunk) error {
	at := map[int32]int{}
	var hashes, found, held []int32
	var texts, keys []string
	for _, k := range chunks {
		for _, w := range k.Words {
			i, known := at[w.Hash]
			if !known {
				i = len(hashes)
				at[w.Hash] = i
				hashes, texts, keys = append(hashes, w.Hash), append(texts, w.Text), append(keys, w.Keys)
				found, held = append(found, 0), append(held, 0)
			}
			held[i]++
			if !k.hidden {
				found[i]++
			}
		}
	}
	_, err := tx.Exec(ctx, `
		insert into search.vocabulary as v (tenant_id, hash, word, keys, chunks, held)
		select $1, w.hash, w.word, w.keys::integer[], w.chunks, w.held
		from unnest($2::integer[], $3::text[], $4::text[], $5::integer[], $6::integer[]) as w (hash, word, keys, chunks, held)
		order by w.hash
		on conflict (tenant_id, hash) do update set chunks = v.chunks + excluded.chunks, held = v.held + excluded.held`,
		tenantID, hashes, texts, keys, found, held)
	if err != nil {
		return fmt.Errorf("insert words: %w", err)
	}
	return nil
}

// correctKeys gives words the keys that they have now, and reports whether any had others.
func correctKeys(ctx context.Context, tx pgx.Tx, tenantID domain.ID, words []Word) (bool, error) {
	n := len(words)
	hashes, texts, keys := make([]int32, n), make([]string, n), make([]string, n)
	for i, w := range words {
		hashes[i], texts[i], keys[i] = w.Hash, w.Text, w.Keys
	}
	tag, err := tx.Exec(ctx, `update search.vocabulary v set keys = w.keys::integer[]
		from unnest($2::integer[], $3::text[], $4::text[]) as w (hash, word, keys)
		where v.tenant_id = $1 and v.hash = w.hash and v.word = w.word and v.keys <> w.keys::integer[]`, tenantID, hashes, texts, keys)
	if err != nil {
		return false, fmt.Errorf("correct the keys of words: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// countWords counts the words of chunks that are switched on (sign 1) or off (-1).
func countWords(ctx context.Context, tx pgx.Tx, tenantID domain.ID, ids []domain.ID, sign int) error {
	_, err := tx.Exec(ctx, `
		update search.vocabulary v set chunks = v.chunks + $3 * w.n
		from (select hash, count(*) as n from search.lexemes l, unnest(l.words) hash
			where l.tenant_id = $1 and l.chunk_id = any($2) group by hash) w
		where v.tenant_id = $1 and v.hash = w.hash`, tenantID, ids, sign)
	if err != nil {
		return fmt.Errorf("count words: %w", err)
	}
	return nil
}

// removeWords takes the words of chunks that are about to go out of the vocabulary; those that can be found are no longer counted.
func removeWords(ctx context.Context, tx pgx.Tx, tenantID domain.ID, ids []domain.ID) error {
	rows, err := tx.Query(ctx, `
		update search.vocabulary v set held = v.held - w.n
		from (select hash, count(*) as n from (
				select words from search.lexemes where tenant_id = $1 and chunk_id = any($2)
				union all select words from search.hidden_lexemes where tenant_id = $1 and chunk_id = any($2)) l,
			unnest(l.words) hash group by hash) w
		where v.tenant_id = $1 and v.hash = w.hash
		returning v.hash, v.held`, tenantID, ids)
	if err != nil {
		return err
	}
	var gone []int32
	var hash, held int32
	_, err = pgx.ForEachRow(rows, []any{&hash, &held}, func() error {
		if held <= 0 {
			gone = append(gone, hash)
		}
		return nil
	})
	if err == nil && len(gone) > 0 {
		_, err = tx.Exec(ctx, "delete from search.vocabulary where tenant_id = $1 and hash = any($2)", tenantID, gone)
	}
	if err != nil {
		return fmt.Errorf("remove words: %w", err)
	}
	return nil
}

// hashes are those of the words, as a PostgreSQL array of integers.
func hashes(words []Word) string {
	out := append(make([]byte, 0, 11*len(words)+2), '{')
	for i, w := range words {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(w.Hash), 10)
	}
	return string(append(out, '}'))
}
