-- +goose Up
-- What explains an answer afterwards: the settings of a tenant's search, and the words that its passages had at the time.

-- The owner is under the policies too, and would see no row to change.
alter table chunks no force row level security;
alter table chunks add column revision integer not null default 1; -- rises with every edit of its words
alter table chunks force row level security;

-- Only what a tenant has set; what is missing is as measured. See retrieve.Settings.
alter table corpora add column search_settings jsonb not null default '{}';

-- A chunk as it was before it was edited, or before a newer reading took its place. It goes with its document at once, and by
-- itself when no trace can name it any more.
create table chunk_revisions (
  tenant_id   uuid not null,
  chunk_id    uuid not null,
  revision    integer not null,
  document_id uuid not null,
  version     integer not null,           -- of the document
  ordinal     integer not null,
  heading     text[] not null,
  page_from   integer not null,
  page_to     integer not null,
  text        text not null,
  tokens      integer not null,
  replaced_at timestamptz not null default now(),
  replaced_by text not null check (replaced_by in ('edit', 'reading')),
  primary key (tenant_id, chunk_id, revision),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete cascade
);
create index chunk_revisions_document on chunk_revisions (tenant_id, document_id);
create index chunk_revisions_replaced on chunk_revisions (tenant_id, replaced_at);

alter table chunk_revisions enable row level security;
alter table chunk_revisions force row level security;
create policy tenant on chunk_revisions to bitb_app, bitb_support
  using      (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
grant select, insert, update, delete on chunk_revisions to bitb_app;
grant select on chunk_revisions to bitb_support;

-- From a trace to the answer that it explains.
create index messages_retrieval on messages (tenant_id, retrieval_id) where retrieval_id is not null;

-- +goose Down
drop index messages_retrieval;
drop table chunk_revisions;
alter table corpora drop column search_settings;
alter table chunks drop column revision;
