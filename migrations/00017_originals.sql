-- +goose Up
-- An original may lie outside the database: then its row says under which name.
alter table document_files alter column content drop not null;
alter table document_files add column object uuid;
alter table document_files add constraint document_files_somewhere check ((content is null) <> (object is null)) not valid;
create index document_files_object on document_files (tenant_id, object) where object is not null;

-- +goose Down
-- Fails while an original lies outside: nothing would be left of it here.
drop index document_files_object;
alter table document_files drop constraint document_files_somewhere, drop column object, alter column content set not null;
