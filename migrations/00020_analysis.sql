-- +goose Up
-- By which analysis the words of a document's chunks were found: lexical.Version. 0: by one from before there were versions, or nobody
-- knows. Documents of an older one are analysed anew in the background.
alter table documents add column analysis smallint not null default 0;
create index documents_analysis on documents (tenant_id, analysis) where chunk_count > 0;

-- Whatever reads a document or edits its chunks may be of another release, which does not say so. Who knows notes it afterwards.
-- +goose StatementBegin
create function search.forget_analysis() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.analysis := 0;
  return new;
end
$$;
-- +goose StatementEnd
create trigger analysis_forgotten before update of live_version, edit_revision on documents
  for each row execute function search.forget_analysis();

-- +goose Down
drop trigger analysis_forgotten on documents;
drop function search.forget_analysis();
drop index documents_analysis;
alter table documents drop column analysis;
