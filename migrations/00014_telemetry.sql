-- +goose Up
-- The trace of the request that brought a file, so that its reading is part of it (https://www.w3.org/TR/trace-context/).
alter table document_files add column traceparent text not null default '' check (length(traceparent) <= 64);

-- How long documents have waited, without a word of what they are.
grant select (queued_at, waits_since) on documents to bitb_system;

-- +goose Down
revoke select (queued_at, waits_since) on documents from bitb_system;
alter table document_files drop column traceparent;
