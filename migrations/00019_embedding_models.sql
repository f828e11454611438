-- +goose Up
-- How many dimensions the vectors of a model have, as the first process learnt it: one that starts while the model answers wrongly would
-- otherwise take the wrong ones for right, and refuse the right ones for as long as it lives. A fact of operation, of no tenant.
create table meta.embedding_models (
  model     text primary key,
  dims      integer not null check (dims > 0),
  learnt_at timestamptz not null default now()
);
alter table meta.embedding_models enable row level security;
alter table meta.embedding_models force row level security;
create policy system on meta.embedding_models to bitb_system using (true) with check (true);
grant select, insert, delete on meta.embedding_models to bitb_system;

-- +goose Down
drop table meta.embedding_models;
