-- +goose Up
-- What was backed up and what was tried to be restored: for the readiness check and the alerts, which must know how old the last
-- good ones are. Facts of operation, of no tenant. The backups themselves say all that a restore needs. See docs/adr/0016.
create table meta.backups (
  id          uuid primary key,
  kind        text not null check (kind in ('base', 'wal', 'dump', 'redis')),
  started_at  timestamptz not null,
  finished_at timestamptz,
  bytes       bigint not null default 0,
  place       text not null,
  sha256      text not null default '',
  ok          boolean not null default false,
  detail      text not null default ''
);
create index backups_last on meta.backups (kind, finished_at desc) where ok;

create table meta.drills (
  id          uuid primary key,
  started_at  timestamptz not null,
  finished_at timestamptz not null,
  ok          boolean not null,
  backup_id   uuid,
  rpo_seconds double precision,
  rto_seconds double precision,
  bytes       bigint not null default 0,
  detail      jsonb not null default '{}'
);
create index drills_last on meta.drills (finished_at desc) where ok;

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['backups', 'drills'] loop
    execute format('alter table meta.%I enable row level security', t);
    execute format('alter table meta.%I force row level security', t);
    execute format('create policy system on meta.%I to bitb_system using (true) with check (true)', t);
    execute format('grant select, insert, update on meta.%I to bitb_system', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table meta.drills, meta.backups;
