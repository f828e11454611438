-- Runs before the migrations as a role that may create roles (a superuser, or a managed service's administrator), and is
-- harmless to run again. Everything after it is created by bitb_owner, which cannot log in.
do $$
declare r text;
begin
  foreach r in array array['bitb_owner', 'bitb_app', 'bitb_support', 'bitb_system', 'bitb_search'] loop
    if not exists (select from pg_roles where rolname = r) then
      execute format('create role %I %s nosuperuser nocreatedb nocreaterole', r, case r when 'bitb_app' then 'login' else 'nologin' end);
    end if;
  end loop;
end $$;

-- Without inherit, membership alone gives bitb_app nothing: only SET LOCAL ROLE, which AsSystem and AsSupport do, does.
alter role bitb_app noinherit;
grant bitb_support, bitb_system to bitb_app;
grant bitb_owner, bitb_app to current_user;
-- bitb_owner hands the search functions to bitb_search, and PostgreSQL asks for membership to do so.
grant bitb_search to bitb_owner;

-- Supabase keeps extensions in a schema of their own. What is in one is found by its bare name: by the server's role, and by the
-- role that migrates. A pooler passes on no settings that a connection begins with, so the others are the role's too.
do $$
declare
  s text;
  setting text;
begin
  execute 'create extension if not exists vector' ||
    case when exists (select from pg_namespace where nspname = 'extensions') then ' with schema extensions' else '' end;
  select n.nspname into s from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  if s <> 'public' then
    execute format('grant usage on schema %I to bitb_owner, bitb_app, bitb_support, bitb_system, bitb_search', s);
    execute format('alter role bitb_app in database %I set search_path = "$user", public, %I', current_database(), s);
  end if;
  foreach setting in array array['jit = off', 'statement_timeout = 60000', 'lock_timeout = 10000', 'idle_in_transaction_session_timeout = 30000'] loop
    execute format('alter role bitb_app in database %I set %s', current_database(), setting);
  end loop;
end $$;

-- auth: what comes before a tenant is known. search: the lexical index and its one definer function. river: the job
-- queue's own tables. meta: which migrations ran, which backups were made.
do $$
declare s text;
begin
  foreach s in array array['auth', 'search', 'river', 'meta'] loop
    execute format('create schema if not exists %I', s);
    execute format('grant create, usage on schema %I to bitb_owner', s);
  end loop;
end $$;
revoke create on schema public from public;
grant create, usage on schema public to bitb_owner;
grant usage on schema public to bitb_app, bitb_support, bitb_system, bitb_search;
grant usage on schema search to bitb_app, bitb_support;
grant create, usage on schema search to bitb_search;
grant usage on schema auth, meta to bitb_system;
grant usage on schema river, meta to bitb_app;
grant usage on schema meta to bitb_support;
