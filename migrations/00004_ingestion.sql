-- +goose Up
-- Versions of documents, chunks that a person edited or switched off, how documents are cut, and the line they wait in.

-- The owner is under the policies too, and would see no row to fill in.
alter table documents no force row level security;
alter table document_files no force row level security;
alter table chunks no force row level security;

-- How a tenant's documents are cut, in tokens.
alter table corpora
  add column chunk_tokens  integer not null default 320 check (chunk_tokens between 128 and 1024),
  add column chunk_overlap integer not null default 32 check (chunk_overlap between 0 and chunk_tokens / 4);

-- A document keeps what each of its versions was; its own row tells of the one that answers, and of the reading under way.
alter table document_files
  add column version     integer not null default 1,
  add column name        text not null default '',
  add column format      text not null default '',
  add column size_bytes  bigint not null default 0,
  add column sha256      bytea not null default '',
  add column uploaded_by uuid,
  add column created_at  timestamptz not null default now(),
  drop constraint document_files_pkey,
  add primary key (tenant_id, document_id, version),
  add foreign key (tenant_id, uploaded_by) references users (tenant_id, id) on delete set null (uploaded_by);
update document_files f set name = d.name, format = d.format, size_bytes = d.size_bytes, sha256 = d.sha256,
  uploaded_by = d.uploaded_by, created_at = d.created_at
  from documents d where d.tenant_id = f.tenant_id and d.id = f.document_id;

alter table documents
  add column title         text not null default '',     -- its own, as it was read
  add column version       integer not null default 1,   -- the newest that was uploaded
  add column live_version  integer not null default 0,   -- whose chunks answer; 0: none yet
  add column off           boolean not null default false, -- left out of answers by a person
  add column cut_tokens    integer not null default 0,   -- how its chunks were cut
  add column cut_overlap   integer not null default 0,
  add column edit_revision integer not null default 0,   -- rises with every edit; a reading that knew fewer starts anew
  -- its place in the line of its tenant
  add column queued_at     timestamptz not null default now(),
  add column due_at        timestamptz not null default now(), -- not before
  add column tries         integer not null default 0,   -- of the present reading that failed
  add column interruptions integer not null default 0,   -- processes that died while they read it
  add column waits_for     text not null default '',     -- why it waits until due_at, for the person; '': for its turn
  add column waits_since   timestamptz,
  add column job_id        bigint not null default 0;    -- of the queue, that reads it
update documents d set live_version = 1, cut_tokens = 320, cut_overlap = 32
  where exists (select from chunks c where c.tenant_id = d.tenant_id and c.document_id = d.id);
-- The job that was reading one does not say so; it takes the next in line.
update documents set status = 'queued' where status in ('reading', 'embedding');
create index documents_line on documents (tenant_id, queued_at, id) where status in ('queued', 'reading', 'embedding');

-- Where the lines of a PDF stand on their page, six numbers a line: start and end in code points of the whole text, then
-- left, top, right and bottom in ten-thousandths of the page.
alter table document_pages add column lines integer[] not null default '{}';

-- A new reading's chunks are written beside the old ones, which go in the same transaction.
alter table chunks
  add column reading integer not null default 0,         -- documents.attempt of the reading that made it
  add column terms   integer not null default 0,         -- its length in terms: what corpora.terms counts
  add column off     boolean not null default false,     -- switched off by a person
  add column indexed boolean not null default true,      -- can be found: neither it nor its document is off
  add column edit_id uuid,                               -- the edit that made it what it is
  drop constraint chunks_tenant_id_document_id_ordinal_key,
  add constraint chunks_ordinal unique (tenant_id, document_id, reading, ordinal);
update chunks c set terms = d.term_count / d.chunk_count + case when c.ordinal = 1 then d.term_count % d.chunk_count else 0 end
  from documents d where d.tenant_id = c.tenant_id and d.id = c.document_id and d.chunk_count > 0;
alter table documents drop column term_count;

-- What a person did to a chunk, anchored to the passage it was made from, so that it outlives the chunk: every reading looks
-- for the passage and makes a chunk of it again.
create table chunk_edits (
  tenant_id    uuid not null,
  id           uuid not null,
  document_id  uuid not null,
  quote        text not null,                -- the passage; '': an addition that stands nowhere in the document
  start_offset integer not null,             -- where it stood, in code points of the whole text
  original     text not null,                -- the chunk's text without the edit
  text         text,                         -- with it; null: as it was
  off          boolean not null default false,
  state        text not null default 'applied' check (state in ('applied', 'changed', 'lost')),
  heading      text[] not null default '{}', -- where it stood, for when it is lost
  page         integer not null default 0,
  edited_by    uuid,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete cascade,
  foreign key (tenant_id, edited_by) references users (tenant_id, id) on delete set null (edited_by)
);
create index chunk_edits_document on chunk_edits (tenant_id, document_id);
alter table chunks add foreign key (tenant_id, edit_id) references chunk_edits (tenant_id, id) on delete set null (edit_id);
create index chunks_off on chunks (tenant_id, document_id) where off;
create index chunks_edit on chunks (tenant_id, edit_id) where edit_id is not null;

-- An approximate index takes milliseconds for each vector it is given, and only tenants with more chunks than are compared one
-- by one ever look into it. So a vector is written without it; for those tenants a job of its own gives it what is new, and
-- a search compares one by one what it does not have yet.
drop index chunk_embeddings_hnsw_384, chunk_embeddings_hnsw_768, chunk_embeddings_hnsw_1024, chunk_embeddings_hnsw_1536,
  chunk_embeddings_hnsw_3072;
alter table chunk_embeddings add column near boolean not null default false;
set local max_parallel_maintenance_workers = 0; -- see 00003
-- +goose StatementBegin
do $$
declare d int;
begin
  foreach d in array array[384, 768, 1024, 1536, 3072] loop
    execute format('create index chunk_embeddings_hnsw_%1$s on chunk_embeddings
      using hnsw ((embedding::halfvec(%1$s)) halfvec_ip_ops) where near and vector_dims(embedding) = %1$s', d);
  end loop;
end $$;
-- +goose StatementEnd
create index chunk_embeddings_far on chunk_embeddings (tenant_id, model, chunk_id) where not near;

-- What is off is not in the index at all, so that searching need not look and counts stay true. Its part of the index waits
-- here until it is switched on again.
create table hidden_embeddings (like chunk_embeddings including storage including defaults,
  primary key (tenant_id, model, chunk_id),
  foreign key (tenant_id, chunk_id) references chunks (tenant_id, id) on delete cascade);
create index hidden_embeddings_chunk on hidden_embeddings (tenant_id, chunk_id);
create table search.hidden_lexemes (like search.lexemes,
  primary key (tenant_id, chunk_id),
  foreign key (tenant_id, chunk_id) references chunks (tenant_id, id) on delete cascade);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['public.chunk_edits', 'public.hidden_embeddings', 'search.hidden_lexemes'] loop
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

alter table documents force row level security;
alter table document_files force row level security;
alter table chunks force row level security;

-- +goose Down
-- What the older schema has no place for goes: versions but the newest, and chunks that are switched off.
alter table documents no force row level security;
alter table document_files no force row level security;
alter table chunks no force row level security;
delete from document_files f using documents d where d.tenant_id = f.tenant_id and d.id = f.document_id and f.version <> d.version;
delete from chunks where not indexed;
alter table documents add column term_count integer not null default 0;
update documents d set (chunk_count, token_count, term_count) =
  (select count(*), coalesce(sum(c.tokens), 0), coalesce(sum(c.terms), 0) from chunks c where c.tenant_id = d.tenant_id and c.document_id = d.id);
alter table chunks drop column edit_id;
drop table search.hidden_lexemes, hidden_embeddings, chunk_edits;
drop index chunk_embeddings_far, chunk_embeddings_hnsw_384, chunk_embeddings_hnsw_768, chunk_embeddings_hnsw_1024,
  chunk_embeddings_hnsw_1536, chunk_embeddings_hnsw_3072;
alter table chunk_embeddings drop column near;
-- +goose StatementBegin
do $$
declare d int;
begin
  foreach d in array array[384, 768, 1024, 1536, 3072] loop
    execute format('create index chunk_embeddings_hnsw_%1$s on chunk_embeddings
      using hnsw ((embedding::halfvec(%1$s)) halfvec_ip_ops) where vector_dims(embedding) = %1$s', d);
  end loop;
end $$;
-- +goose StatementEnd
alter table chunks drop constraint chunks_ordinal, drop column reading, drop column terms, drop column off, drop column indexed,
  add unique (tenant_id, document_id, ordinal);
alter table document_pages drop column lines;
drop index documents_line;
alter table documents drop column title, drop column version, drop column live_version, drop column off, drop column cut_tokens,
  drop column cut_overlap, drop column edit_revision, drop column queued_at, drop column due_at, drop column tries, drop column interruptions,
  drop column waits_for, drop column waits_since, drop column job_id;
alter table document_files drop constraint document_files_pkey, drop column version, drop column name, drop column format,
  drop column size_bytes, drop column sha256, drop column uploaded_by, drop column created_at, add primary key (tenant_id, document_id);
alter table corpora drop column chunk_tokens, drop column chunk_overlap;
alter table documents force row level security;
alter table document_files force row level security;
alter table chunks force row level security;
