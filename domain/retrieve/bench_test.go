package retrieve_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/lexical"
	"bitb/domain/llm"
	"bitb/domain/retrieve"
)

// BenchmarkRetrieve times Service.Retrieve, as the server's role under row-level security and with its trace stored, for
// tenants of three sizes in one database of two hundred. Beside it stands the bare SQL: the same reads by a superuser
// straight from the tables, with the question's terms, weights and frequencies known, and nothing stored.
// Run it with -bench Retrieve -benchtime 300x.
func BenchmarkRetrieve(b *testing.B) {
	db := dbtest.New(b)
	conn := db.Super(b)
	v := newVocabulary(50_000)
	rebuild := dropIndexes(b, conn)
	began := time.Now()
	sizes := []int{100, 10_000, 100_000}
	tenants := map[int]domain.ID{}
	for _, n := range sizes {
		tenants[n] = fill(b, conn, v, n)
	}
	for range 200 {
		fill(b, conn, v, 100)
	}
	rebuild()
	reportSizes(b, conn, time.Since(began))
	search := searchBy(db, builtin)
	for _, n := range sizes {
		questions := v.questions(b, conn, tenants[n], n)
		service := func(i int) {
			q := questions[i]
			r, err := search.Retrieve(b.Context(), tenants[n], retrieve.Query{Text: q.text})
			if err != nil || len(r.Passages) == 0 {
				b.Fatalf("%d passages: %v", len(r.Passages), err)
			}
		}
		misspelled := func(i int) {
			q := questions[i]
			r, err := search.Retrieve(b.Context(), tenants[n], retrieve.Query{Text: omit(q.text)})
			if err != nil || len(r.Passages) == 0 {
				b.Fatalf("%d passages for %q: %v", len(r.Passages), omit(q.text), err)
			}
		}
		byHand := func(i int) { bare(b, conn, tenants[n], questions[i]) }
		b.Run(fmt.Sprintf("chunks=%d", n), func(b *testing.B) {
			for i := range questions {
				service(i)
				misspelled(i)
				byHand(i)
			}
			var took, spellTook, bareTook []time.Duration
			for i := 0; b.Loop(); i++ { // in turns, so that both meet the same weather
				took = append(took, timed(service, i%len(questions)))
				spellTook = append(spellTook, timed(misspelled, i%len(questions)))
				bareTook = append(bareTook, timed(byHand, i%len(questions)))
			}
			b.ReportMetric(percentile(took, 50), "p50-ms")
			b.ReportMetric(percentile(took, 95), "p95-ms")
			b.ReportMetric(percentile(spellTook, 50), "misspelled-p50-ms")
			b.ReportMetric(percentile(spellTook, 95), "misspelled-p95-ms")
			b.ReportMetric(percentile(bareTook, 50), "bare-p50-ms")
			b.ReportMetric(percentile(bareTook, 95), "bare-p95-ms")
			b.ReportMetric(percentile(took, 50)/percentile(bareTook, 50), "times-bare")
			b.ReportMetric(0, "ns/op") // of both together: says nothing
		})
	}
}

// omit leaves the third letter of each word out.
func omit(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = w[:2] + w[3:]
	}
	return strings.Join(words, " ")
}

func timed(do func(int), i int) time.Duration {
	from := time.Now()
	do(i)
	return time.Since(from)
}

// percentile returns milliseconds.
func percentile(took []time.Duration, p int) float64 {
	slices.Sort(took)
	return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000
}

// question asks for a chunk by a few of its words.
type question struct {
	text   string
	vector []float32
	terms  []int32 // of the candidates
	all    []int32
	sparse string
	dense  string
}

// questions takes words of random chunks. The vocabulary's most frequent words are what small words are in a language:
// they come now and then.
func (v *vocabulary) questions(b *testing.B, conn *pgx.Conn, tenant domain.ID, chunks int) []question {
	b.Helper()
	rows, _ := conn.Query(b.Context(), "select text from chunks where tenant_id = $1 order by md5(id::text) limit 100", tenant)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		b.Fatal(err)
	}
	var out []question
	for _, text := range texts {
		words := strings.Fields(text)
		var picked []string
		for len(picked) < 4+v.random.IntN(4) {
			w := words[v.random.IntN(len(words))]
			if !slices.Contains(v.words[:200], w) || v.random.IntN(4) == 0 {
				picked = append(picked, w)
			}
		}
		q := question{text: strings.Join(picked, " ")}
		parsed := lexical.ParseQuery(tenant, q.text, []lexical.Lang{lexical.English})
		q.all = parsed.Hashes()
		weighed := parsed.Weigh(chunks, frequencies(b, conn, tenant, q.all))
		q.terms, q.sparse = weighed.Rarest, weighed.Weights.Sparse()
		q.vector = embed(b, q.text)[0]
		q.dense = halfvec(q.vector)
		out = append(out, q)
	}
	return out
}

func frequencies(b *testing.B, conn *pgx.Conn, tenant domain.ID, terms []int32) map[int32]int {
	rows, _ := conn.Query(b.Context(), "select term, chunks from search.term_stats where tenant_id = $1 and term = any($2)", tenant, terms)
	df := map[int32]int{}
	var term int32
	var chunks int
	if _, err := pgx.ForEachRow(rows, []any{&term, &chunks}, func() error { df[term] = chunks; return nil }); err != nil {
		b.Fatal(err)
	}
	return df
}

// bare is the search in SQL alone: candidates by their terms, scored by both vectors, the best ones read.
func bare(b *testing.B, conn *pgx.Conn, tenant domain.ID, q question) {
	err := pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error {
		var version, chunks int
		if err := tx.QueryRow(b.Context(), "select index_version, chunks from corpora where tenant_id = $1", tenant).Scan(&version, &chunks); err != nil {
			return err
		}
		frequencies(b, conn, tenant, q.all)
		rows, _ := tx.Query(b.Context(), `
			with best as materialized (
				select chunk_id, weights <#> $3::sparsevec as distance from search.lexemes
				where (tenant_id = $1) is true and terms && $2 order by distance limit 50)
			select chunk_id, distance, (select embedding <#> $4::halfvec from chunk_embeddings e
				where e.tenant_id = $1 and e.model = $5 and e.chunk_id = best.chunk_id) from best order by 2`,
			tenant, q.terms, q.sparse, q.dense, llm.NewHashing().Model())
		var ids []domain.ID
		var id domain.ID
		var words, looks float64
		if _, err := pgx.ForEachRow(rows, []any{&id, &words, &looks}, func() error { ids = append(ids, id); return nil }); err != nil {
			return err
		}
		rows, _ = tx.Query(b.Context(), `select c.id, c.text, d.name
			from (select * from chunks where tenant_id = $1 and id = any($2) offset 0) c
			join documents d on d.tenant_id = $1 and d.id = c.document_id`, tenant, ids[:min(12, len(ids))])
		var text, name string
		_, err := pgx.ForEachRow(rows, []any{&id, &text, &name}, func() error { return nil })
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// dropIndexes takes the slowest indexes and the checks away while a lot is loaded, and returns what puts them back.
func dropIndexes(b *testing.B, conn *pgx.Conn) (rebuild func()) {
	b.Helper()
	rows, _ := conn.Query(b.Context(), "select pg_get_indexdef(unnest(array['search.lexemes_terms', 'search.vocabulary_keys'])::regclass)")
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		b.Fatal(err)
	}
	exec := func(sql string) {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			b.Fatal(err)
		}
	}
	exec("drop index search.lexemes_terms, search.vocabulary_keys")
	exec("set session_replication_role = replica") // foreign keys hold, as the rows are made here
	return func() {
		exec("set session_replication_role = origin")
		exec(indexes[0])
		exec(indexes[1])
		exec("vacuum analyze")
	}
}

func reportSizes(b *testing.B, conn *pgx.Conn, took time.Duration) {
	for _, table := range []string{"chunks", "search.lexemes", "search.term_stats", "search.vocabulary", "chunk_embeddings"} {
		var rows int
		var data, indexes string
		err := conn.QueryRow(b.Context(), `select count(*), pg_size_pretty(pg_table_size($1::text::regclass)), pg_size_pretty(pg_indexes_size($1::text::regclass))
			from `+table, table).Scan(&rows, &data, &indexes)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %d rows, %s, indexes %s", table, rows, data, indexes)
	}
	b.Logf("loaded in %s", took.Round(time.Second))
}
