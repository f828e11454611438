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

-- +goose StatementBegin
create function search.lexical(candidates integer[], query sparsevec, most integer)
returns table (chunk_id uuid, score double precision)
language sql stable security definer parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
  select l.chunk_id, -(l.weights <#> query)
  from search.lexemes l
  where l.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
    and l.terms && candidates
  order by l.weights <#> query, l.chunk_id
  limit most
$$;
-- +goose StatementEnd
revoke all on function search.lexical from public;
grant execute on function search.lexical to bitb_app, bitb_support;
alter function search.lexical owner to bitb_search;

-- +goose Down
drop function search.lexical;
drop table retrievals, search.term_stats, search.lexemes;
