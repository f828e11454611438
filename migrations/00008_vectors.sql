-- +goose Up
-- Vectors of any model of up to 4,000 dimensions: each is stored with zeros up to the next of these sizes, which leaves inner
-- products as they are (postgres.VectorText), and each size has an approximate index. A row holds 4,000 half-precision
-- dimensions in line.

-- Which models made the vectors of a tenant: one is left in the end, but while documents are embedded anew there are several.
create index documents_model on documents (tenant_id, embedding_model) where chunk_count > 0;

-- The owner is under the policies too, and would see no row to fill up.
alter table chunk_embeddings no force row level security;
alter table hidden_embeddings no force row level security;

-- The built-in model's vectors are compared for what the words found and joined an index for nothing, as now they would.
update chunk_embeddings set near = false where near and model like 'builtin-%';

-- A server of the older version does not fill up its questions: until it is replaced it finds what is filled up here by words.
-- +goose StatementBegin
do $$
declare
  sizes int[] := array[256, 384, 512, 768, 1024, 1536, 2048, 2560, 3072, 4000];
  t text;
begin
  foreach t in array array['chunk_embeddings', 'hidden_embeddings'] loop
    execute format('
      update %I set near = false, embedding = embedding || array_fill(0::real,
        array[(select min(size) from unnest($1) size where size > vector_dims(embedding)) - vector_dims(embedding)])::halfvec
      where vector_dims(embedding) <> all($1)', t) using sizes;
  end loop;
end $$;
-- +goose StatementEnd

set local max_parallel_maintenance_workers = 0; -- see 00003
-- +goose StatementBegin
do $$
declare d int;
begin
  foreach d in array array[256, 512, 2048, 2560, 4000] loop
    execute format('create index chunk_embeddings_hnsw_%1$s on chunk_embeddings
      using hnsw ((embedding::halfvec(%1$s)) halfvec_ip_ops) where near and vector_dims(embedding) = %1$s', d);
  end loop;
end $$;
-- +goose StatementEnd

alter table chunk_embeddings force row level security;
alter table hidden_embeddings force row level security;

-- +goose Down
-- Vectors stay filled up: how many dimensions their model has is not known here. Reading a document again makes them anew.
drop index documents_model, chunk_embeddings_hnsw_256, chunk_embeddings_hnsw_512, chunk_embeddings_hnsw_2048, chunk_embeddings_hnsw_2560,
  chunk_embeddings_hnsw_4000;
