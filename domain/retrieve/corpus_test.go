package retrieve_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/lexical"
	"bitb/domain/llm"
	"bitb/domain/postgres"
)

// vocabulary makes texts whose words are spread as in real ones: a few everywhere, most of them rare (Zipf).
type vocabulary struct {
	words   []string
	stemOf  map[string]string
	vectors [][]float32 // of each word by itself
	random  *rand.Rand
	zipf    *rand.Zipf
}

func newVocabulary(size int) *vocabulary {
	v := &vocabulary{stemOf: map[string]string{}, random: rand.New(rand.NewPCG(1, 2))}
	v.zipf = rand.NewZipf(v.random, 1.07, 8, uint64(size-1))
	syllables := strings.Fields("ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bran cler drin fost gral plun stor trem")
	seen := map[string]bool{}
	for len(v.words) < size {
		var b strings.Builder
		for range 2 + v.random.IntN(3) {
			b.WriteString(syllables[v.random.IntN(len(syllables))])
		}
		if !seen[b.String()] {
			seen[b.String()] = true
			v.words = append(v.words, b.String())
		}
	}
	v.vectors, _, _ = llm.NewHashing().Embed(context.Background(), v.words)
	return v
}

// pick returns n words and their vector.
func (v *vocabulary) pick(n int) (words []string, vector []float32) {
	sum := make([]float64, len(v.vectors[0]))
	for range n {
		i := v.zipf.Uint64()
		words = append(words, v.words[i])
		for d, x := range v.vectors[i] {
			sum[d] += float64(x)
		}
	}
	var squares float64
	for _, x := range sum {
		squares += x * x
	}
	vector = make([]float32, len(sum))
	for d, x := range sum {
		vector[d] = float32(x / math.Sqrt(squares))
	}
	return words, vector
}

// stems are the words as documents in English are found by.
func (v *vocabulary) stems(words []string) []string {
	stems := make([]string, len(words))
	for i, w := range words {
		if v.stemOf[w] == "" {
			v.stemOf[w] = lexical.Analyze(w, lexical.English)[0]
		}
		stems[i] = v.stemOf[w]
	}
	return stems
}

// fill gives a new tenant n chunks, straight into the tables and not through ingestion, which would take minutes.
func fill(t testing.TB, conn *pgx.Conn, v *vocabulary, n int) domain.ID {
	t.Helper()
	return fillWith(t, conn, v, n, true)
}

// fillWith is fill with the tenant's vocabulary or without.
func fillWith(t testing.TB, conn *pgx.Conn, v *vocabulary, n int, words bool) domain.ID {
	t.Helper()
	tenant := domain.NewID()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("insert into tenants (id, name) values ($1, 'Bench')", tenant)
	terms := 0
	var chunksOf map[string]int
	if words {
		chunksOf = map[string]int{}
	}
	for from := 0; from < n; from += 1000 {
		terms += fillDocument(t, exec, v, tenant, from, min(1000, n-from), chunksOf)
	}
	fillWords(exec, tenant, chunksOf)
	exec("insert into corpora (tenant_id, chunks, terms) values ($1, $2, $3)", tenant, n, terms)
	exec(`insert into search.term_stats select $1, term, count(*) from search.lexemes, unnest(terms) term where tenant_id = $1 group by term`, tenant)
	return tenant
}

func fillDocument(t testing.TB, exec func(string, ...any), v *vocabulary, tenant domain.ID, from, n int, chunksOf map[string]int) (length int) {
	document := domain.NewID()
	exec(`insert into documents (tenant_id, id, name, format, size_bytes, sha256, status, chunk_count, language, embedding_model)
		values ($1, $2, 'bench', 'text', 1, $3, 'ready', $4, 'en', $5)`, tenant, document, document[:], n, llm.NewHashing().Model())
	ids, ordinals := make([]domain.ID, n), make([]int, n)
	texts, terms, weights, vectors, hashes := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	reader := lexical.NewReader(tenant)
	for i := range n {
		words, vector := v.pick(80 + v.random.IntN(80))
		w := lexical.DocWeights(tenant, lexical.Terms{Text: v.stems(words)}, 120)
		ids[i], ordinals[i], texts[i] = domain.NewID(), from+i+1, strings.Join(words, " ")
		terms[i], weights[i], vectors[i] = w.Terms(), w.Sparse(), postgres.VectorText(vector)
		length += len(words)
		var each []string
		if chunksOf != nil {
			for _, e := range reader.Words("", nil, texts[i], lexical.English) {
				chunksOf[e.Text]++
				each = append(each, strconv.Itoa(int(e.Hash)))
			}
		}
		hashes[i] = "{" + strings.Join(each, ",") + "}"
	}
	exec(`insert into chunks (tenant_id, document_id, id, ordinal, text, tokens, start_offset, end_offset)
		select $1, $2, c.*, 150, 0, 0 from unnest($3::uuid[], $4::int[], $5::text[]) c`, tenant, document, ids, ordinals, texts)
	exec(`insert into search.lexemes (tenant_id, chunk_id, terms, weights, words)
		select $1, l.id, l.terms::int[], l.weights::sparsevec, l.words::int[] from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) l (id, terms, weights, words)`,
		tenant, ids, terms, weights, hashes)
	exec(`insert into chunk_embeddings (tenant_id, chunk_id, model, embedding)
		select $1, e.id, $2, e.v::halfvec from unnest($3::uuid[], $4::text[]) e (id, v)`, tenant, llm.NewHashing().Model(), ids, vectors)
	return length
}

// fillWords gives the tenant its vocabulary.
func fillWords(exec func(string, ...any), tenant domain.ID, chunksOf map[string]int) {
	reader := lexical.NewReader(tenant)
	var hashes []int32
	var words, keys []string
	var chunks []int
	for word, n := range chunksOf {
		e := reader.Words("", nil, word, lexical.English)[0]
		hashes, words, keys, chunks = append(hashes, e.Hash), append(words, word), append(keys, e.Keys), append(chunks, n)
	}
	exec(`insert into search.vocabulary (tenant_id, hash, word, keys, chunks, held)
		select $1, w.hash, w.word, w.keys::int[], w.chunks, w.chunks from unnest($2::int[], $3::text[], $4::text[], $5::int[]) w (hash, word, keys, chunks)
		on conflict do nothing`, tenant, hashes, words, keys, chunks) // two words in a million have one hash
}
