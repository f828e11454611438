-- +goose Up
-- Erasing a tenant: one row is deleted, and all others go with it by their foreign keys, whose triggers run as the tables'
-- owner and past the policies. bitb_system alone may, under its policy: the tenant of the setting and no other.
grant delete on tenants to bitb_system;

-- Tenants that were made to measure with. A tenant chooses its name, so the name cannot say that it may be erased; this does,
-- for those that a process left behind when it was killed.
create table auth.scratch_tenants (
  tenant_id uuid primary key references tenants (id) on delete cascade,
  made_at   timestamptz not null default now()
);
alter table auth.scratch_tenants enable row level security;
alter table auth.scratch_tenants force row level security;
create policy system on auth.scratch_tenants to bitb_system using (true) with check (true);
grant select, insert on auth.scratch_tenants to bitb_system;

-- +goose Down
drop table auth.scratch_tenants;
revoke delete on tenants from bitb_system;
