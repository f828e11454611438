-- +goose Up
-- When a tenant is erased, rows lose what they point to one after the other, all in one transaction. The second loss of one row made
-- PostgreSQL look again for all that it points to, the tenant or the message that was gone already, and nothing was erased. So the
-- tables with two such pointers let whoever erases put that look off to the end, where their rows are gone too.
-- +goose StatementBegin
do $$
declare k record;
begin
  for k in select conname, conrelid::regclass as tab from pg_constraint
    where contype = 'f' and conrelid in ('citations'::regclass, 'test_questions'::regclass) loop
    execute format('alter table %s alter constraint %I deferrable initially immediate', k.tab, k.conname);
  end loop;
end $$;
-- +goose StatementEnd

-- Invitations to sign up, where that is not open to all. They come before a tenant. token_hash: a dump of this table invites nobody.
create table auth.invitations (
  token_hash bytea primary key,
  note       text not null,  -- whom it is for, for whoever made it
  made_at    timestamptz not null default now(),
  expires_at timestamptz not null
);
alter table auth.invitations enable row level security;
alter table auth.invitations force row level security;
create policy system on auth.invitations to bitb_system using (true) with check (true);
grant select, insert, delete on auth.invitations to bitb_system;

-- Which migrations ran: `bitb doctor` compares them with those that the binary carries.
grant select on meta.goose_db_version to bitb_app;

-- +goose Down
drop table auth.invitations;
revoke select on meta.goose_db_version from bitb_app;
-- +goose StatementBegin
do $$
declare k record;
begin
  for k in select conname, conrelid::regclass as tab from pg_constraint
    where contype = 'f' and conrelid in ('citations'::regclass, 'test_questions'::regclass) loop
    execute format('alter table %s alter constraint %I not deferrable', k.tab, k.conname);
  end loop;
end $$;
-- +goose StatementEnd
