-- +goose Up
-- What package secret owns: which key was used when, and what is kept sealed. See docs/adr/0014.

-- A key is here by its fingerprint, from which it cannot be had. uses and refused only grow.
create table auth.keys (
  purpose         text not null,
  fingerprint     text not null,
  uses            bigint not null default 0,
  first_used_at   timestamptz,
  last_used_at    timestamptz,
  refused         bigint not null default 0,
  last_refused_at timestamptz,
  primary key (purpose, fingerprint)
);

-- Certificates and the like, which all processes share. data is sealed with a key that is not in the database. lease_until: a process
-- is making it, and the others wait.
create table auth.sealed (
  name        text primary key,
  data        bytea,
  lease_until timestamptz,
  updated_at  timestamptz not null default now()
);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['keys', 'sealed'] loop
    execute format('alter table auth.%I enable row level security', t);
    execute format('alter table auth.%I force row level security', t);
    execute format('create policy system on auth.%I to bitb_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on auth.%I to bitb_system', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table auth.sealed, auth.keys;
