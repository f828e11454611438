-- +goose Up
-- Tenants, their people, documents and chunks. Keys begin with the tenant, so that no foreign key and no unique
-- constraint can be used to see across.

create table tenants (
  id         uuid primary key,
  name       text not null check (length(name) between 1 and 120),
  created_at timestamptz not null default now()
);

-- What the answers of a tenant are made from, as one row. index_version rises with every change of the chunks: a cached
-- answer carries it, so a deleted document cannot be quoted from the cache. terms/chunks is BM25's average length.
create table corpora (
  tenant_id     uuid primary key references tenants (id) on delete cascade,
  index_version bigint not null default 1,
  chunks        integer not null default 0,
  terms         bigint not null default 0
);

create table users (
  tenant_id  uuid not null references tenants (id) on delete cascade,
  id         uuid not null,
  email      text not null,
  name       text not null,
  role       text not null check (role in ('owner', 'admin', 'editor', 'viewer')),
  session_epoch integer not null default 1,  -- a session made under another number is over
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, email)
);

create table documents (
  tenant_id       uuid not null references tenants (id) on delete cascade,
  id              uuid not null,
  name            text not null,
  format          text not null,
  size_bytes      bigint not null,
  sha256          bytea not null,
  status          text not null default 'queued'
                  check (status in ('queued', 'reading', 'embedding', 'ready', 'failed')),
  progress_done   integer not null default 0,  -- pages while reading, chunks while embedding
  progress_total  integer not null default 0,
  pages           integer not null default 0,  -- 0: the format has none
  chunk_count     integer not null default 0,
  token_count     integer not null default 0,
  term_count      integer not null default 0,  -- of all chunks together: what corpora.terms counts of this document
  attempt         integer not null default 0,  -- rises with each reading; what an older one writes is refused
  embedding_model text not null default '',
  language        text not null default '',    -- ISO 639-1, as guessed from the text; '': not known
  notes           text[] not null default '{}', -- what the reader noticed, for the person
  failure_code    text not null default '',
  failure_title   text not null default '',
  failure_message text not null default '',
  failure_page    integer not null default 0,
  uploaded_by     uuid,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, sha256),
  foreign key (tenant_id, uploaded_by) references users (tenant_id, id) on delete set null (uploaded_by)
);
create index documents_updated on documents (tenant_id, updated_at desc, id);

-- The originals. External: already compressed formats gain nothing from another try.
create table document_files (
  tenant_id   uuid not null,
  document_id uuid not null,
  content     bytea not null,
  primary key (tenant_id, document_id),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete cascade
);
alter table document_files alter column content set storage external;

-- What the reader made of the original, a row a page; one row with page 0 for formats without pages. start_offset is
-- the page's first code point in the whole text, the scale of chunks.start_offset.
create table document_pages (
  tenant_id    uuid not null,
  document_id  uuid not null,
  page         integer not null,
  start_offset integer not null,
  text         text not null,
  primary key (tenant_id, document_id, page),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete cascade
);

create table chunks (
  tenant_id    uuid not null,
  id           uuid not null,
  document_id  uuid not null,
  ordinal      integer not null,  -- from 1, in reading order
  text         text not null,
  heading      text[] not null default '{}',
  page_from    integer not null default 0,
  page_to      integer not null default 0,
  tokens       integer not null,
  start_offset integer not null,
  end_offset   integer not null,
  created_at   timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, document_id, ordinal),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete cascade
);

-- Narrow and stored in line: an exact search reads every vector of the tenant, and fetching them out of line takes five
-- times as long. In line holds up to 3,072 half-precision dimensions.
create table chunk_embeddings (
  tenant_id uuid not null,
  chunk_id  uuid not null,
  model     text not null,
  embedding halfvec not null,
  primary key (tenant_id, model, chunk_id),
  foreign key (tenant_id, chunk_id) references chunks (tenant_id, id) on delete cascade
);
alter table chunk_embeddings alter column embedding set storage plain;
create index chunk_embeddings_chunk on chunk_embeddings (tenant_id, chunk_id);

create table bots (
  tenant_id   uuid not null references tenants (id) on delete cascade,
  id          uuid not null,
  key         uuid not null,  -- public: stands in the customer's page
  name        text not null,
  greeting    text not null,
  suggestions text[] not null default '{}',
  fallback    text not null,  -- what the bot says when nothing fits
  brand       text not null default '#0e5a6e',
  corner      text not null default 'right' check (corner in ('left', 'right')),
  origins     text[] not null default '{}',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, key)
);

create table visitors (
  tenant_id  uuid not null,
  id         uuid not null,
  bot_id     uuid not null,
  token_hash bytea not null,
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, token_hash),
  foreign key (tenant_id, bot_id) references bots (tenant_id, id) on delete cascade
);

-- A conversation belongs to a visitor of the widget, or to a member in the playground.
create table conversations (
  tenant_id  uuid not null,
  id         uuid not null,
  bot_id     uuid not null,
  visitor_id uuid,
  user_id    uuid,
  origin     text not null default '',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, bot_id) references bots (tenant_id, id) on delete cascade,
  foreign key (tenant_id, visitor_id) references visitors (tenant_id, id) on delete cascade,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
  check ((visitor_id is null) <> (user_id is null))
);
create index conversations_updated on conversations (tenant_id, updated_at desc, id);
create index conversations_visitor on conversations (tenant_id, visitor_id, created_at desc);

create table messages (
  tenant_id       uuid not null,
  id              uuid not null,
  conversation_id uuid not null,
  author          text not null check (author in ('person', 'bot')),
  reply_to        uuid,
  text            text not null,
  status          text not null check (status in ('complete', 'fallback', 'quoted', 'interrupted', 'failed')),
  model           text not null default '',
  tokens_in       integer not null default 0,
  tokens_out      integer not null default 0,
  retrieval_id    uuid,
  timings         jsonb not null default '[]',
  created_at      timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, reply_to) references messages (tenant_id, id) on delete cascade
);
create index messages_conversation on messages (tenant_id, conversation_id, created_at, id);
-- One answer to a question, however often a client sends it.
create unique index messages_reply on messages (tenant_id, reply_to);

-- A citation keeps its words: what was quoted stays readable in the transcript when the document is gone.
create table citations (
  tenant_id     uuid not null,
  message_id    uuid not null,
  number        integer not null,
  chunk_id      uuid,
  document_id   uuid,
  document_name text not null,
  heading       text[] not null default '{}',
  page          integer not null default 0,
  text          text not null,
  primary key (tenant_id, message_id, number),
  foreign key (tenant_id, message_id) references messages (tenant_id, id) on delete cascade,
  foreign key (tenant_id, chunk_id) references chunks (tenant_id, id) on delete set null (chunk_id),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete set null (document_id)
);
create index citations_chunk on citations (tenant_id, chunk_id);
create index citations_document on citations (tenant_id, document_id);

-- One policy text for all. See docs/adr/0002 for nullif and for the sub-select.
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['corpora', 'users', 'documents', 'document_files', 'document_pages', 'chunks',
                           'chunk_embeddings', 'bots', 'visitors', 'conversations', 'messages', 'citations'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to bitb_app, bitb_support, bitb_system
      using      (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))
      with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', t);
    execute format('grant select, insert, update, delete on %I to bitb_app', t);
    execute format('grant select on %I to bitb_support', t);
  end loop;
end $$;
-- +goose StatementEnd

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants to bitb_app, bitb_support, bitb_system
  using      (id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
grant select, update (name) on tenants to bitb_app;
grant select on tenants to bitb_support;

-- Signing up writes a tenant, its owner and its first bot in one transaction, under the same policy.
grant select, insert on tenants, corpora, users, bots to bitb_system;

-- Before a tenant is known: who signs in by this e-mail address, whose bot has this key, which sessions are there.
-- bitb_app has no grant on these; bitb_system alone, inside AsSystem.
create table auth.logins (
  email         text primary key,
  tenant_id     uuid not null,
  user_id       uuid not null,
  password_hash text not null,
  created_at    timestamptz not null default now(),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index logins_user on auth.logins (tenant_id, user_id);

create table auth.bot_keys (
  key       uuid primary key,
  tenant_id uuid not null,
  bot_id    uuid not null,
  foreign key (tenant_id, bot_id) references bots (tenant_id, id) on delete cascade
);
create index bot_keys_bot on auth.bot_keys (tenant_id, bot_id);

-- token_hash: a dump of this table signs nobody in. Whose session it is stands inside data, written by the session library;
-- users.session_epoch ends all sessions of a user at once.
create table auth.sessions (
  token_hash text primary key,
  data       bytea not null,
  expires_at timestamptz not null
);
create index sessions_expires on auth.sessions (expires_at);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['logins', 'bot_keys', 'sessions'] loop
    execute format('alter table auth.%I enable row level security', t);
    execute format('alter table auth.%I force row level security', t);
    execute format('create policy system on auth.%I to bitb_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on auth.%I to bitb_system', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table auth.sessions, auth.bot_keys, auth.logins;
drop table citations, messages, conversations, visitors, bots, chunk_embeddings, chunks, document_pages, document_files,
  documents, users, corpora, tenants;
