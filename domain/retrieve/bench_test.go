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
// tenants of three sizes in one database of three hundred. Beside it stands the bare SQL: the same reads by a superuser
// straight from the tables, with the question's terms, weights and frequencies known, and nothing stored.
// Run with -benchtime 300x or so.
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
	for range 300 {
		fill(b, conn, v, 100)
	}
	rebuild()
	reportSizes(b, conn, time.Since(began))
	for _, n := range sizes {
		questions := v.questions(b, conn, tenants[n], n)
		b.Run(fmt.Sprintf("chunks=%d/service", n), func(b *testing.B) {
			search := retrieve.NewService(db.DB)
			timed(b, len(questions), func(i int) {
				q := questions[i]
				r, err := search.Retrieve(b.Context(), tenants[n], retrieve.Query{Text: q.text, Vector: q.vector, Model: llm.NewHashing().Model()})
				if err != nil || len(r.Passages) == 0 {
					b.Fatalf("%d passages: %v", len(r.Passages), err)
				}
			})
		})
		b.Run(fmt.Sprintf("chunks=%d/bare", n), func(b *testing.B) {
			timed(b, len(questions), func(i int) { bare(b, conn, tenants[n], questions[i]) })
		})
	}
}

// timed runs do b.N times after a round to warm up, and reports percentiles.
func timed(b *testing.B, questions int, do func(i int)) {
	for i := range questions {
		do(i)
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		from := time.Now()
		do(i % questions)
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
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
		rows, _ = tx.Query(b.Context(), `select c.id, c.text, d.name from chunks c
			join documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
			where c.tenant_id = $1 and c.id = any($2)`, tenant, ids[:min(12, len(ids))])
		var text, name string
		_, err := pgx.ForEachRow(rows, []any{&id, &text, &name}, func() error { return nil })
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// dropIndexes takes the slow indexes away while a lot is loaded, and returns what makes them again.
func dropIndexes(b *testing.B, conn *pgx.Conn) (rebuild func()) {
	b.Helper()
	rows, _ := conn.Query(b.Context(), "select pg_get_indexdef('search.lexemes_terms'::regclass)")
	index, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		b.Fatal(err)
	}
	exec := func(sql string) {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			b.Fatal(err)
		}
	}
	exec("drop index search.lexemes_terms")
	return func() { exec(index); exec("vacuum analyze") }
}

func reportSizes(b *testing.B, conn *pgx.Conn, took time.Duration) {
	for _, table := range []string{"chunks", "search.lexemes", "search.term_stats", "chunk_embeddings"} {
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
