package retrieve_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
)

// published is hybrid search on Postgres as it is commonly published (https://supabase.com/docs/guides/ai/hybrid-search): ts_rank_cd of
// what matches all words, and vectors, fused by their ranks (RRF), and the tenant under the policy of all tables here. Its HNSW index
// is left out, which would take half the time of loading: to number the rows all of them are sorted, with the index or without. With the words joined by "or" it finds what has some of them, which is what a question needs.
type published struct{ conn *pgx.Conn }

const publishedSQL = `
create table published (
	id bigint primary key generated always as identity,
	tenant_id uuid not null,
	content text,
	fts tsvector generated always as (to_tsvector('english', content)) stored,
	embedding vector(384));
alter table published enable row level security;
alter table published force row level security;
create policy tenant on published to bitb_app
	using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
grant select on published to bitb_app;
insert into published (tenant_id, content, embedding)
	select c.tenant_id, c.text, e.embedding::vector from chunks c
	join chunk_embeddings e on e.tenant_id = c.tenant_id and e.chunk_id = c.id and e.model = 'topics' order by c.tenant_id;
create index on published (tenant_id);
create index on published using gin (fts);
analyze published;
create function hybrid_search(query_text text, query_embedding vector(384), match_count int,
	full_text_weight float = 1, semantic_weight float = 1, rrf_k int = 50)
returns setof published language sql as $$
with full_text as (
	select id, row_number() over (order by ts_rank_cd(fts, websearch_to_tsquery('english', query_text)) desc) as rank_ix
	from published
	where fts @@ websearch_to_tsquery('english', query_text)
	order by rank_ix
	limit least(match_count, 30) * 2),
semantic as (
	select id, row_number() over (order by embedding <#> query_embedding) as rank_ix
	from published
	order by rank_ix
	limit least(match_count, 30) * 2)
select published.*
from full_text
full outer join semantic on full_text.id = semantic.id
join published on coalesce(full_text.id, semantic.id) = published.id
order by coalesce(1.0 / (rrf_k + full_text.rank_ix), 0.0) * full_text_weight +
	coalesce(1.0 / (rrf_k + semantic.rank_ix), 0.0) * semantic_weight desc
limit least(match_count, 30)
$$;`

func newPublished(b *testing.B, db *dbtest.Database, conn *pgx.Conn) published {
	b.Helper()
	began := time.Now()
	if _, err := conn.Exec(b.Context(), publishedSQL); err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(b.Context(), "vacuum analyze published"); err != nil {
		b.Fatal(err)
	}
	b.Logf("the published way loaded in %s", time.Since(began).Round(time.Second))
	app := db.Super(b)
	if _, err := app.Exec(b.Context(), "set jit = off; set role bitb_app"); err != nil {
		b.Fatal(err)
	}
	return published{app}
}

func (p published) ask(b *testing.B, tenant domain.ID, text string, q question) {
	err := pgx.BeginFunc(b.Context(), p.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.Context(), "select set_config('app.tenant_id', $1, true)", tenant.String()); err != nil {
			return err
		}
		rows, _ := tx.Query(b.Context(), "select id, content from hybrid_search($1, $2::vector, 24)", text, postgres.VectorText(q.meaning))
		var id int64
		var content string
		found, err := pgx.ForEachRow(rows, []any{&id, &content}, func() error { return nil })
		if err == nil && found.RowsAffected() == 0 {
			b.Errorf("nothing for %q", text)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
