-- +goose Up
-- What makes chunks findable by their words, and the record of every search.

-- A chunk's terms as hashes that the tenant is part of, and BM25's document weights by the same hashes. See package lexical.
create table search.lexemes (
  tenant_id uuid not null,
  chunk_id  uuid not null,
  terms     integer[] not null,
  weights   sparsevec not null,
  primary key (tenant_id, chunk_id),
  foreign key (tenant_id, chunk_id) references chunks (tenant_id, id) on delete cascade
);
-- Hashes differ between tenants, so each entry of this index lists chunks of one tenant. Pending entries are written at
-- once: a search must not pay for what an upload left.
create index lexemes_terms on search.lexemes using gin (terms) with (fastupdate = off);

-- In how many chunks of the tenant a term stands.
create table search.term_stats (
  tenant_id uuid not null references tenants (id) on delete cascade,
  term      integer not null,
  chunks    integer not null,
  primary key (tenant_id, term)
);

-- A question is read in the languages of the documents that can answer it; this finds them in a step for each.
create index documents_language on documents (tenant_id, language) where chunk_count > 0;

-- An approximate index for each usual number of dimensions, over the tenants together. Only tenants with more chunks than
-- are compared one by one use them. The built-in model has none: its vectors are compared with what the words found.
-- pgvector before 0.8.2 can write past its memory in a parallel build (CVE-2026-3172).
set local max_parallel_maintenance_workers = 0;
-- +goose StatementBegin
do $$
declare d int;
begin
  foreach d in array array[384, 768, 1024, 1536, 3072] loop
    execute format('create index chunk_embeddings_hnsw_%1$s on chunk_embeddings
      using hnsw ((embedding::halfvec(%1$s)) halfvec_ip_ops) where vector_dims(embedding) = %1$s', d);
  end loop;
end $$;
-- +goose StatementEnd

create table retrievals (
  tenant_id     uuid not null references tenants (id) on delete cascade,
  id            uuid not null,
  bot_id        uuid,
  question      text not null,
  index_version bigint not null,
  trace         jsonb not null,
  created_at    timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, bot_id) references bots (tenant_id, id) on delete set null (bot_id)
);
create index retrievals_created on retrievals (tenant_id, created_at);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['search.lexemes', 'search.term_stats', 'public.retrievals'] loop
    execute format('alter table %s enable row level security', t);
    execute format('alter table %s force row level security', t);
    execute format('create policy tenant on %s to bitb_app, bitb_support
      using      (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))
      with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', t);
    execute format('grant select, insert, update, delete on %s to bitb_app', t);
    execute format('grant select on %s to bitb_support', t);
  end loop;
end $$;
-- +goose StatementEnd

-- Under a policy the planner may not use the index: && is not leakproof, so the policy is applied to every row first. This
-- function looks past the policy and applies the same condition itself, as its first: the tenant comes from the setting and
-- from nowhere else, and without one there is nothing. Its owner cannot log in and may read this one table.
create policy search on search.lexemes for select to bitb_search using (true);
grant select on search.lexemes to bitb_search;

-- "is true" keeps the planner from reading all of a large tenant through the primary key, which it likes to combine with
-- the index of terms: 43 ms instead of 10 for 2,500 candidates among 100,000 chunks. A plan for any question is as good as
-- one for this question, so it is made once a session.
-- +goose StatementBegin
create function search.lexical(candidates integer[], query sparsevec, most integer)
returns table (chunk_id uuid, score double precision)
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  return query
    select best.chunk_id, -best.distance
    from (
      select l.chunk_id, l.weights <#> query as distance
      from search.lexemes l
      where (l.tenant_id = tenant) is true
        and l.terms && candidates
      order by distance, l.chunk_id
      limit most) best;
end
$$;
-- +goose StatementEnd
revoke all on function search.lexical from public;
grant execute on function search.lexical to bitb_app, bitb_support;
alter function search.lexical owner to bitb_search;

-- +goose Down
drop function search.lexical;
drop index documents_language, chunk_embeddings_hnsw_384, chunk_embeddings_hnsw_768, chunk_embeddings_hnsw_1024,
  chunk_embeddings_hnsw_1536, chunk_embeddings_hnsw_3072;
drop table retrievals, search.term_stats, search.lexemes;
