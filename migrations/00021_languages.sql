-- +goose Up
-- Which languages a model was found to know, in which its vectors count; null: it was not examined yet. Every search asks.
alter table meta.embedding_models add column languages text[];
grant update (languages) on meta.embedding_models to bitb_system;
grant select on meta.embedding_models to bitb_app, bitb_support;
create policy known on meta.embedding_models for select to bitb_app, bitb_support using (true);

-- +goose Down
drop policy known on meta.embedding_models;
revoke select on meta.embedding_models from bitb_app, bitb_support;
alter table meta.embedding_models drop column languages;
