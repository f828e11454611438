package dbtest

import (
	"context"
	"testing"

	"bitb/domain"
)

// CheckIndex compares what searches count with, and what documents say of themselves, to what is there.
func (d *Database) CheckIndex(t testing.TB, tenantID domain.ID) {
	t.Helper()
	conn := d.Super(t)
	for what, sql := range map[string]string{
		"chunks without lexemes or vector": `select count(*) from chunks c where tenant_id = $1 and (
			indexed <> exists (select from search.lexemes l where l.tenant_id = c.tenant_id and l.chunk_id = c.id) or
			indexed <> exists (select from chunk_embeddings e where e.tenant_id = c.tenant_id and e.chunk_id = c.id) or
			indexed = exists (select from search.hidden_lexemes l where l.tenant_id = c.tenant_id and l.chunk_id = c.id) or
			indexed = exists (select from hidden_embeddings e where e.tenant_id = c.tenant_id and e.chunk_id = c.id))`,
		"switches that the index does not follow": `select count(*) from chunks c join documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
			where c.tenant_id = $1 and c.indexed <> (not c.off and not d.off)`,
		"chunks counted wrongly":  `select abs(chunks - (select count(*) from chunks where tenant_id = $1 and indexed)) from corpora where tenant_id = $1`,
		"lengths counted wrongly": `select abs(terms - (select coalesce(sum(terms), 0) from chunks where tenant_id = $1 and indexed)) from corpora where tenant_id = $1`,
		"terms counted wrongly": `select count(*) from (select term, count(*) n from search.lexemes l, unnest(l.terms) term where tenant_id = $1 group by term) real
			full join (select term, chunks from search.term_stats where tenant_id = $1 and chunks <> 0) kept using (term) where n is distinct from chunks`,
		"words counted wrongly": `select count(*) from (select hash, count(*) filter (where found) n, count(*) h from (
				select words, true found from search.lexemes where tenant_id = $1 union all select words, false from search.hidden_lexemes where tenant_id = $1) l,
				unnest(words) hash group by hash) real
			full join (select hash, chunks, held from search.vocabulary where tenant_id = $1) kept using (hash) where (n, h) is distinct from (chunks, held)`,
		"chunks without words": `select count(*) from search.lexemes l join chunks c on c.tenant_id = l.tenant_id and c.id = l.chunk_id where l.tenant_id = $1 and words = '{}' and c.text ~ '[a-z]{4}'`,
		"documents counted wrongly": `select count(*) from documents d where tenant_id = $1 and (chunk_count, token_count) is distinct from
			(select (count(*)::int, coalesce(sum(tokens), 0)::int) from chunks c where c.tenant_id = $1 and c.document_id = d.id)`,
		"documents with chunks of two readings": `select count(*) from (select from chunks where tenant_id = $1 group by document_id having count(distinct reading) > 1) d`,
		"pages of nothing":                      `select count(*) from document_pages p where tenant_id = $1 and not exists (select from documents d where d.tenant_id = p.tenant_id and d.id = p.document_id and d.live_version > 0)`,
		"chunks that are not what their edit says": `select count(*) from chunks c join chunk_edits e on e.tenant_id = c.tenant_id and e.id = c.edit_id
			where c.tenant_id = $1 and e.state = 'applied' and (c.text <> coalesce(e.text, e.original) or c.off <> e.off)`,
		"edits at work without a chunk": `select count(*) from chunk_edits e where tenant_id = $1 and state = 'applied' and not exists (select from chunks c where c.tenant_id = $1 and c.edit_id = e.id)`,
	} {
		var n int
		if err := conn.QueryRow(context.Background(), sql, tenantID).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
}
