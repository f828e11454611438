-- +goose Up
-- Questions that a tenant tests its search with, and how they were answered each time.

-- When the index or the settings changed last: tests wait until it has been quiet for a while.
alter table corpora add column changed_at timestamptz not null default now();

-- A question with the document that answers it. One whose document is deleted keeps its name, and means a document of that
-- name from then on. A changed expectation is another question: what was measured for the old one says nothing of it.
create table test_questions (
  tenant_id     uuid not null references tenants (id) on delete cascade,
  id            uuid not null,
  question      text not null,
  unanswerable  boolean not null,             -- by the documents, and rightly so
  document_id   uuid,
  document_name text not null default '',
  page          integer not null default 0,   -- 0: any
  heading       text not null default '',     -- '': any
  added_by      uuid,
  created_at    timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, document_id) references documents (tenant_id, id) on delete set null (document_id),
  foreign key (tenant_id, added_by) references users (tenant_id, id) on delete set null (added_by)
);
create unique index test_questions_once on test_questions (tenant_id, md5(question));
create index test_questions_document on test_questions (tenant_id, document_id) where document_id is not null;

create table test_runs (
  tenant_id     uuid not null references tenants (id) on delete cascade,
  id            uuid not null,
  reason        text not null check (reason in ('hand', 'settings', 'documents', 'questions')),
  state         text not null check (state in ('waiting', 'running', 'done')),
  done          integer not null default 0,   -- questions, while it runs
  total         integer not null default 0,
  index_version bigint not null default 0,
  settings      jsonb not null default '{}',  -- all of them, as the search had them
  model         text not null default '',     -- that embedded the questions
  reranker      text not null default '',
  answerable    integer not null default 0,
  unanswerable  integer not null default 0,
  ndcg10        float8 not null default 0,
  recall5       float8 not null default 0,
  mrr10         float8 not null default 0,
  success1      float8 not null default 0,
  answered      float8 not null default 0,    -- share of the answerable whose document reached the model
  refused       float8 not null default 0,    -- share of the unanswerable for which nothing did
  without       integer not null default 0,   -- questions that a model did not answer for: the run says less
  worse         integer not null default 0,   -- questions that are answered worse than in the run before, when that was noticed
  looked_at     timestamptz,                  -- when somebody looked at that
  created_at    timestamptz not null default now(),
  started_at    timestamptz,
  ended_at      timestamptz,
  primary key (tenant_id, id)
);
create unique index test_runs_open on test_runs (tenant_id) where state <> 'done';
create index test_runs_created on test_runs (tenant_id, created_at desc);

create table test_results (
  tenant_id     uuid not null,
  run_id        uuid not null,
  question_id   uuid not null,
  rank          integer not null,             -- of the expected document's best passage among all candidates; 0: not found
  document_rank integer not null,             -- of the document among the documents found
  best          float8 not null,              -- score of the best passage of all
  expected      float8,                       -- of the expected document's best that only a threshold keeps from the model; null: none
  primary key (tenant_id, run_id, question_id),
  foreign key (tenant_id, run_id) references test_runs (tenant_id, id) on delete cascade,
  foreign key (tenant_id, question_id) references test_questions (tenant_id, id) on delete cascade
);
create index test_results_question on test_results (tenant_id, question_id);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['test_questions', 'test_runs', 'test_results'] loop
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

-- +goose Down
drop table test_results;
drop table test_runs;
drop table test_questions;
alter table corpora drop column changed_at;
