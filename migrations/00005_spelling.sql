-- +goose Up
-- The words of a tenant's chunks, that misspelled words of a question are taken for. Chunks that were stored before have no
-- words: they help no spelling until their document is read again.

-- Hashes of the chunk's different words, as they are written.
alter table search.lexemes add column words integer[] not null default '{}';
alter table search.hidden_lexemes add column words integer[] not null default '{}';

-- A word goes with the last chunk that has it.
create table search.vocabulary (
  tenant_id uuid not null references tenants (id) on delete cascade,
  hash      integer not null,
  word      text not null,
  keys      integer[] not null, -- hashes of the word and of it with each one letter left out; see package lexical
  chunks    integer not null,   -- that have it and can be found
  held      integer not null,   -- that have it, those that are off among them
  primary key (tenant_id, hash)
) with (fillfactor = 75);       -- counts rise with every document, in place and without a look at the indexes
create index vocabulary_keys on search.vocabulary using gin (keys) with (fastupdate = off);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['search.vocabulary'] loop
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

-- For the reasons of search.lexical, in the same manner: the tenant comes from the setting and from nowhere else.
create policy search on search.vocabulary for select to bitb_search using (true);
grant select on search.vocabulary to bitb_search;

-- +goose StatementBegin
create function search.neighbours(typed integer[], most integer)
returns table (word text, chunks integer)
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  return query
    select v.word, v.chunks
    from search.vocabulary v
    where (v.tenant_id = tenant) is true
      and v.keys && typed
      and v.chunks > 0
    order by v.chunks desc, v.hash
    limit most;
end
$$;
-- +goose StatementEnd
revoke all on function search.neighbours from public;
grant execute on function search.neighbours to bitb_app, bitb_support;
alter function search.neighbours owner to bitb_search;

-- +goose Down
drop function search.neighbours;
drop table search.vocabulary;
alter table search.hidden_lexemes drop column words;
alter table search.lexemes drop column words;
