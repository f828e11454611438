-- +goose Up
-- Support staff, the cases in which they look into a tenant, and the log of what they looked at. See docs/adr/0011.

-- A list of tenants for bitb_system, which cannot look past the policy of tenants. The trigger writes a new tenant down, the
-- foreign key follows a new name: checks and cascades of foreign keys are made past row-level security.
alter table tenants add constraint tenants_name unique (id, name);
create table auth.tenants (
  tenant_id  uuid primary key,
  name       text not null,
  created_at timestamptz not null default now(),
  foreign key (tenant_id, name) references tenants (id, name) on update cascade on delete cascade
);
create index tenants_by_name on auth.tenants (lower(name), tenant_id);
-- The owner is under the policy too, and would see no row to copy.
alter table tenants no force row level security;
insert into auth.tenants (tenant_id, name, created_at) select id, name, created_at from tenants;
alter table tenants force row level security;
-- +goose StatementBegin
create function auth.list_tenant() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into auth.tenants (tenant_id, name, created_at) values (new.id, new.name, new.created_at);
  return null;
end
$$;
-- +goose StatementEnd
create trigger listed after insert on tenants for each row execute function auth.list_tenant();

-- Staff belong to no tenant. totp_step is the time step of the last code that was taken, so that none is taken twice.
create table auth.staff (
  id            uuid primary key,
  email         text not null unique,
  name          text not null,
  password_hash text not null,
  totp_secret   bytea not null,
  totp_step     bigint not null default 0,
  wrong_codes   integer not null default 0,  -- one after another
  wrong_at      timestamptz,
  session_epoch integer not null default 1,  -- a session made under another number is over
  created_at    timestamptz not null default now()
);

-- A permission of one staff member to look into one tenant. It keeps their name: it is read when they are long gone.
create table cases (
  tenant_id  uuid not null references tenants (id) on delete cascade,
  id         uuid not null,
  staff_id   uuid not null,
  staff_name text not null,
  reason     text not null check (length(reason) between 10 and 500),
  opened_at  timestamptz not null default now(),
  expires_at timestamptz not null check (expires_at > opened_at and expires_at <= opened_at + interval '60 minutes'),
  closed_at  timestamptz,
  primary key (tenant_id, id)
);
create index cases_opened on cases (tenant_id, opened_at desc, id);

-- Which tenant a case is of, before the tenant is known.
create table auth.staff_cases (
  case_id    uuid primary key,
  tenant_id  uuid not null,
  staff_id   uuid not null references auth.staff (id) on delete cascade,
  expires_at timestamptz not null,
  foreign key (tenant_id, case_id) references cases (tenant_id, id) on delete cascade
);
create index staff_cases_tenant on auth.staff_cases (tenant_id, case_id);
create index staff_cases_staff on auth.staff_cases (staff_id, expires_at);

-- What was done, by whom. Nobody that the server can become may change a row or take one out, or say when it was: these grants
-- are the whole of it, and a test reads them.
create table audit_log (
  tenant_id  uuid not null references tenants (id) on delete cascade,
  id         uuid not null,
  at         timestamptz not null default clock_timestamp(),
  actor      text not null check (actor in ('staff', 'member')),
  actor_id   uuid not null,
  actor_name text not null,
  case_id    uuid,
  action     text not null,             -- "case.opened"
  route      text not null default '',  -- as the table of routes has it
  object_id  uuid,                      -- what was looked at
  request_id text not null default '',
  primary key (tenant_id, id),
  foreign key (tenant_id, case_id) references cases (tenant_id, id) on delete cascade
);
create index audit_log_at on audit_log (tenant_id, at desc, id desc);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['cases', 'audit_log'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to bitb_app, bitb_support, bitb_system
      using      (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))
      with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', t);
    execute format('grant select on %I to bitb_app, bitb_system', t);
  end loop;
  foreach t in array array['tenants', 'staff', 'staff_cases'] loop
    execute format('alter table auth.%I enable row level security', t);
    execute format('alter table auth.%I force row level security', t);
    execute format('create policy system on auth.%I to bitb_system using (true) with check (true)', t);
  end loop;
end $$;
-- +goose StatementEnd
grant insert (tenant_id, id, staff_id, staff_name, reason, expires_at), update (closed_at) on cases to bitb_system;
grant insert (tenant_id, id, actor, actor_id, actor_name, case_id, action, route, object_id, request_id) on audit_log
  to bitb_app, bitb_system;
grant select, insert on auth.tenants to bitb_system;
grant select, insert, update, delete on auth.staff to bitb_system;
grant select, insert on auth.staff_cases to bitb_system;

-- How a tenant fares, without a word of what it is about.
grant select (tenant_id, status, updated_at) on documents to bitb_system;
grant select (tenant_id, author, status, created_at) on messages to bitb_system;
create index messages_created on messages (tenant_id, created_at desc, id desc);

-- Support reads what it needs to explain an answer: no key, no token, no address of a member, no original file.
revoke select on bots, visitors, users, document_files from bitb_support;
grant select (tenant_id, id, name, greeting, suggestions, fallback, brand, corner, origins, created_at, updated_at) on bots to bitb_support;
grant select (tenant_id, id, bot_id, created_at, seen_at) on visitors to bitb_support;
grant select (tenant_id, id, name, role, created_at) on users to bitb_support;
grant select (tenant_id, document_id, version, name, format, size_bytes, sha256, uploaded_by, created_at) on document_files to bitb_support;

-- +goose Down
revoke select on bots, visitors, users, document_files from bitb_support;
revoke select (tenant_id, id, name, greeting, suggestions, fallback, brand, corner, origins, created_at, updated_at) on bots from bitb_support;
revoke select (tenant_id, id, bot_id, created_at, seen_at) on visitors from bitb_support;
revoke select (tenant_id, id, name, role, created_at) on users from bitb_support;
revoke select (tenant_id, document_id, version, name, format, size_bytes, sha256, uploaded_by, created_at) on document_files from bitb_support;
grant select on bots, visitors, users, document_files to bitb_support;
drop index messages_created;
revoke select (tenant_id, author, status, created_at) on messages from bitb_system;
revoke select (tenant_id, status, updated_at) on documents from bitb_system;
drop table audit_log, auth.staff_cases, cases, auth.staff, auth.tenants;
drop trigger listed on tenants;
drop function auth.list_tenant();
alter table tenants drop constraint tenants_name;
