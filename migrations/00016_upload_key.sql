-- +goose Up
-- The Idempotency-Key that a file was uploaded under, hashed: the same upload again, at once or a day later, gets the same answer,
-- whichever instance it reaches and whatever Redis knows. See docs/adr/0020.
alter table document_files add column upload_key bytea;
create unique index document_files_upload_key on document_files (tenant_id, upload_key) where upload_key is not null;

-- +goose Down
drop index document_files_upload_key;
alter table document_files drop column upload_key;
