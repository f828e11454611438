-- +goose Up
-- An approximate index of its own for each large tenant, instead of one over all of them. See docs/adr/0013.

-- What is near lies twice: in chunk_embeddings, which stays the truth, and in a table of its tenant, its model and its number of
-- dimensions, which is there for its index alone. Triggers keep the second as the first is, whoever writes to that.

-- near_table names the table. A model's name may be longer than a table's, and have anything in it.
-- +goose StatementBegin
create function search.near_table(tenant uuid, model text, dimensions integer) returns text
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select format('search.near_%s_%s_%s', replace(tenant::text, '-', ''), dimensions, encode(substr(sha256(convert_to(model, 'UTF8')), 1, 6), 'hex'))
$$;
-- +goose StatementEnd

-- make_near makes the table, with what every tenant's table has: the tenant in its key, and the one policy, forced. Only the
-- trigger below may call it.
-- +goose StatementBegin
create function search.make_near(tenant uuid, model text, dimensions integer) returns text
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
  t text := search.near_table(tenant, model, dimensions);
begin
  if to_regclass(t) is not null then
    return t;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(t, 0)); -- "if not exists" fails where two make it at once
  if to_regclass(t) is not null then
    return t;
  end if;
  execute format('create table %s (tenant_id uuid not null check (tenant_id = %L), chunk_id uuid not null,
    embedding halfvec(%s) not null, primary key (tenant_id, chunk_id))', t, tenant, dimensions);
  execute format('alter table %s alter column embedding set storage plain', t);
  execute format('create index %s_hnsw on %s using hnsw (embedding halfvec_ip_ops)', split_part(t, '.', 2), t);
  execute format('alter table %s enable row level security', t);
  execute format('alter table %s force row level security', t);
  execute format('create policy tenant on %s to bitb_app, bitb_support, bitb_search
    using      (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))
    with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', t);
  execute format('grant select on %s to bitb_app, bitb_support', t);
  return t;
end
$$;
-- +goose StatementEnd

-- follow_near does to the tenant's table what was done to a vector. Nobody can call it: it runs for rows that the policy of
-- chunk_embeddings let through, and it is under the policy itself, as the tenant of the row.
-- +goose StatementBegin
create function search.follow_near() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
  was text := coalesce(current_setting('app.tenant_id', true), '');
  t text;
begin
  if tg_op <> 'INSERT' and old.near then
    t := search.near_table(old.tenant_id, old.model, vector_dims(old.embedding));
    if to_regclass(t) is not null then -- else it went with the tenant
      perform set_config('app.tenant_id', old.tenant_id::text, true);
      execute format('delete from %s where tenant_id = $1 and chunk_id = $2', t) using old.tenant_id, old.chunk_id;
    end if;
  end if;
  if tg_op <> 'DELETE' and new.near then
    t := search.make_near(new.tenant_id, new.model, vector_dims(new.embedding));
    perform set_config('app.tenant_id', new.tenant_id::text, true);
    execute format('insert into %s (tenant_id, chunk_id, embedding) values ($1, $2, $3)', t) using new.tenant_id, new.chunk_id, new.embedding;
  end if;
  perform set_config('app.tenant_id', was, true);
  return null;
end
$$;
-- +goose StatementEnd

-- drop_near drops the tables of a tenant that goes.
-- +goose StatementBegin
create function search.drop_near() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  t regclass;
begin
  for t in select c.oid from pg_class c where c.relnamespace = 'search'::regnamespace and c.relkind = 'r'
    and starts_with(c.relname, 'near_' || replace(old.id::text, '-', '') || '_')
  loop
    execute format('drop table %s', t);
  end loop;
  return old;
end
$$;
-- +goose StatementEnd

-- tidy_near drops those of the tenant's tables that have no row any more: the model was left behind. Where somebody reads, or
-- dumps the database, it leaves it to the next time: whoever waits for a table has everybody behind it wait too.
-- +goose StatementBegin
create function search.tidy_near() returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
  t regclass;
  used boolean;
begin
  for t in select c.oid from pg_class c where c.relnamespace = 'search'::regnamespace and c.relkind = 'r'
    and starts_with(c.relname, 'near_' || replace(tenant::text, '-', '') || '_')
  loop
    execute format('select exists (select from %s where tenant_id = $1)', t) into used using tenant;
    continue when used;
    begin
      execute format('lock table %s in access exclusive mode nowait', t);
      execute format('select exists (select from %s where tenant_id = $1)', t) into used using tenant;
      if not used then
        execute format('drop table %s', t);
      end if;
    exception when lock_not_available then null;
    end;
  end loop;
end
$$;
-- +goose StatementEnd

-- nearest asks the index, in which no row of another tenant or model is. It runs as who calls it, under the policy.
-- +goose StatementBegin
create function search.nearest(model text, query halfvec, most integer)
returns table (chunk_id uuid, distance double precision)
language plpgsql stable
set search_path = pg_catalog, public, pg_temp
as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  return query execute format('select n.chunk_id, n.embedding <#> $2 from %s n where n.tenant_id = $1 order by n.embedding <#> $2 limit $3',
    search.near_table(tenant, model, vector_dims(query))) using tenant, query, most;
exception when undefined_table then -- no vector is near yet
end
$$;
-- +goose StatementEnd

revoke all on function search.make_near, search.follow_near, search.drop_near, search.tidy_near, search.nearest from public;
grant execute on function search.nearest to bitb_app, bitb_support;
grant execute on function search.tidy_near to bitb_app;
alter function search.make_near owner to bitb_search;
alter function search.follow_near owner to bitb_search;
alter function search.drop_near owner to bitb_search;
alter function search.tidy_near owner to bitb_search;

-- The indexes over all tenants go. A server of the version before compares all vectors of a large tenant until it is replaced:
-- it finds the same, more slowly.
drop index chunk_embeddings_hnsw_256, chunk_embeddings_hnsw_384, chunk_embeddings_hnsw_512, chunk_embeddings_hnsw_768, chunk_embeddings_hnsw_1024,
  chunk_embeddings_hnsw_1536, chunk_embeddings_hnsw_2048, chunk_embeddings_hnsw_2560, chunk_embeddings_hnsw_3072, chunk_embeddings_hnsw_4000;
alter table chunk_embeddings no force row level security; -- the owner is under the policy too, and would see no row
update chunk_embeddings set near = false where near;      -- the upkeep has them join the new ones
alter table chunk_embeddings force row level security;

create trigger near_comes after insert on chunk_embeddings for each row when (new.near) execute function search.follow_near();
create trigger near_moves after update on chunk_embeddings for each row when (old.near or new.near) execute function search.follow_near();
create trigger near_goes after delete on chunk_embeddings for each row when (old.near) execute function search.follow_near();
create trigger near_ends before delete on tenants for each row execute function search.drop_near();

-- +goose Down
drop trigger near_ends on tenants;
drop trigger near_goes on chunk_embeddings;
drop trigger near_moves on chunk_embeddings;
drop trigger near_comes on chunk_embeddings;
-- +goose StatementBegin
do $$
declare
  t regclass;
  d int;
begin
  for t in select oid from pg_class where relnamespace = 'search'::regnamespace and relkind = 'r' and starts_with(relname, 'near_') loop
    execute format('drop table %s', t);
  end loop;
  set local max_parallel_maintenance_workers = 0; -- see 00003
  foreach d in array array[256, 384, 512, 768, 1024, 1536, 2048, 2560, 3072, 4000] loop
    execute format('create index chunk_embeddings_hnsw_%1$s on chunk_embeddings
      using hnsw ((embedding::halfvec(%1$s)) halfvec_ip_ops) where near and vector_dims(embedding) = %1$s', d);
  end loop;
end $$;
-- +goose StatementEnd
drop function search.nearest, search.tidy_near, search.drop_near, search.follow_near, search.make_near, search.near_table;
