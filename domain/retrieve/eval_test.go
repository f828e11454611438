package retrieve

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bitb/domain"
	"bitb/domain/lexical"
	"bitb/domain/llm"
)

// evalEmbedder is the built-in one, or that of an OpenAI-compatible server: BITB_EVAL_EMBED=model@http://127.0.0.1:8199/v1.
var evalEmbedder = sync.OnceValue(func() llm.Embedder {
	model, url, ok := strings.Cut(os.Getenv("BITB_EVAL_EMBED"), "@")
	if !ok {
		return llm.NewHashing()
	}
	e, err := llm.NewEmbedder(llm.OpenAI{Model: model, BaseURL: url})
	if err != nil {
		panic(err)
	}
	return e
})

// evalLanguages are those that it knows.
var evalLanguages = sync.OnceValue(func() []string {
	known, err := llm.Languages(context.Background(), evalEmbedder())
	if err != nil {
		panic(err)
	}
	return known
})

// TestEval ranks public question sets with the product's own analysis, weights, embedder and fusion, in memory instead of
// in SQL, and checks that fusion is never worse than BM25 or the vectors alone. BITB_EVAL=1 takes all sets; -v prints the table.
func TestEval(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no question sets at", root)
	}
	all := os.Getenv("BITB_EVAL") != "" // the large sets take half a minute
	offTopic := readLines[evalText](t, filepath.Join(root, "offtopic", "unanswerable.jsonl"))
	t.Logf("%-20s %-8s %-8s %-8s %-8s %s", "nDCG@10", "BM25", "cosine", "fused", "refused", "off topic refused")
	for _, c := range []struct {
		set   string
		large bool
		bm25  float64 // what it must not fall below
	}{
		{"scifact", true, .698}, {"feedbackqa-cdc-who", true, .730}, {"stackfaq", true, .778}, {"squad2", true, .905},
		{"mtrag-un-wiki-fin", false, .810}, {"xquad-es", false, .973}, {"xquad-ar", false, .953}, {"xquad-zh", false, .973},
	} {
		if c.large && !all {
			continue
		}
		set := loadSet(t, filepath.Join(root, c.set))
		var words, vectors, fused, refused, off float64
		for id, relevant := range set.qrels {
			q := set.queries[id]
			got := set.tenants[q.Tenant].ask(q.Text)
			words += ndcg(got.byWords, relevant)
			vectors += ndcg(got.byVector, relevant)
			fused += ndcg(got.fused, relevant)
			refused += got.refused
		}
		n := float64(len(set.qrels))
		for i, q := range offTopic {
			off += set.tenants[set.names[i%len(set.names)]].ask(q.Text).refused
		}
		words, vectors, fused, refused, off = words/n, vectors/n, fused/n, refused/n, off/float64(len(offTopic))
		t.Logf("%-20s %-8.4f %-8.4f %-8.4f %-8.3f %.3f", c.set, words, vectors, fused, refused, off)
		if words < c.bm25 {
			t.Errorf("%s: BM25 fell to %.4f", c.set, words)
		}
		if fused < max(words, vectors) {
			t.Errorf("%s: fused %.4f is worse than BM25's %.4f or the vectors' %.4f", c.set, fused, words, vectors)
		}
		if refused > 0.04 {
			t.Errorf("%s: %.3f of the questions that have an answer are refused", c.set, refused)
		}
	}
}

type evalText struct {
	ID     string `json:"_id"`
	Title  string `json:"title"`
	Text   string `json:"text"`
	Tenant string `json:"tenant"`
}

type evalSet struct {
	queries map[string]evalText
	qrels   map[string]map[string]int
	tenants map[string]*evalIndex
	names   []string // of the tenants
}

func loadSet(t *testing.T, dir string) evalSet {
	t.Helper()
	set := evalSet{queries: map[string]evalText{}, qrels: map[string]map[string]int{}, tenants: map[string]*evalIndex{}}
	docs := map[string][]evalText{}
	for _, d := range readLines[evalText](t, filepath.Join(dir, "corpus.jsonl")) {
		docs[d.Tenant] = append(docs[d.Tenant], d)
	}
	for name, docs := range docs {
		set.tenants[name] = newEvalIndex(t, docs)
		set.names = append(set.names, name)
	}
	slices.Sort(set.names)
	for _, q := range readLines[evalText](t, filepath.Join(dir, "queries.jsonl")) {
		set.queries[q.ID] = q
	}
	content, err := os.ReadFile(filepath.Join(dir, "qrels.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n")[1:] {
		f := strings.Split(line, "\t")
		gain, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		if set.qrels[f[0]] == nil {
			set.qrels[f[0]] = map[string]int{}
		}
		set.qrels[f[0]][f[1]] = gain
	}
	return set
}

func readLines[T any](t *testing.T, path string) (out []T) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var x T
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// evalIndex is a tenant's chunks in memory, one for each document.
type evalIndex struct {
	ids       []string
	languages []lexical.Lang
	weights   []lexical.Weights
	vectors   [][]float32
	docs      []evalText
	langs     []lexical.Lang
	having    map[int32][]int // term → chunks
	df        map[int32]int
	words     evalWords
}

var evalTenant = domain.ID{1}

func newEvalIndex(t *testing.T, docs []evalText) *evalIndex {
	t.Helper()
	x := &evalIndex{having: map[int32][]int{}, df: map[int32]int{}, docs: docs, words: evalWords{chunks: map[string]int{}, having: map[int32][]string{}}}
	terms := make([]lexical.Terms, len(docs))
	texts := make([]string, len(docs))
	length := 0
	reader := lexical.NewReader(evalTenant)
	for i, d := range docs {
		lang := lexical.Guess(d.Title + "\n" + d.Text)
		if !slices.Contains(x.languages, lang) {
			x.languages = append(x.languages, lang)
		}
		terms[i], texts[i] = lexical.AnalyzeChunk(d.Title, nil, d.Text, lang), d.Title+"\n"+d.Text
		x.langs = append(x.langs, lang)
		length += terms[i].Len()
		x.words.add(reader.Words(d.Title, nil, d.Text, lang))
	}
	slices.Sort(x.languages)
	for i, d := range docs {
		w := lexical.DocWeights(evalTenant, terms[i], lexical.MeanLength(len(docs), int64(length)))
		x.ids, x.weights = append(x.ids, d.ID), append(x.weights, w)
		for term := range w {
			x.having[term] = append(x.having[term], i)
			x.df[term]++
		}
	}
	vectors, _, err := evalEmbedder().Embed(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	x.vectors = vectors
	return x
}

type evalRanking struct {
	byWords, byVector, fused []string // ids, the best first
	refused                  float64  // 1 when nothing would reach the model
	sure                     float64  // the best score
}

func (x *evalIndex) ask(text string, earlier ...string) evalRanking {
	words := lexical.ParseQuery(evalTenant, text, x.languages).Carry(earlier)
	words.Spell(x.df, x.words.similar(words.Unknown(x.df)))
	q := words.Weigh(len(x.ids), x.df)
	vectors, _, err := evalEmbedder().Embed(context.Background(), []string{text})
	if err != nil {
		panic(err)
	}
	all := make([]hit, len(x.ids))
	for i := range all {
		for d, v := range x.vectors[i] {
			all[i].cosine += float64(v) * float64(vectors[0][d])
		}
		all[i].chunk[0], all[i].chunk[1] = byte(i>>8), byte(i)
	}
	for _, term := range q.Rarest {
		for _, i := range x.having[term] {
			if all[i].bm25 == 0 {
				all[i].bm25 = q.Weights.Dot(x.weights[i])
			}
		}
	}
	byWords := best(all, most, func(h hit) float64 { return h.bm25 })
	byVector := best(all, most, func(h hit) float64 { return h.cosine })
	found, nearest := slices.Clone(byWords), byVector
	if isBuiltin(evalEmbedder().Model()) && len(found) >= few {
		nearest = nil
	}
	for _, h := range nearest {
		if !slices.ContainsFunc(found, func(f hit) bool { return f.chunk == h.chunk }) {
			h.bm25 = 0 // as in SQL, which has not scored it
			found = append(found, h)
		}
	}
	speak := func(documents []lexical.Lang) bool { return len(foreign(text, documents, evalLanguages())) > 0 }
	fuse(found, q.Possible, evalEmbedder().Model(), speak(x.languages))
	near := q.Near(evalTenant)
	var langs []lexical.Lang
	for i := range found[:min(toLookAt, len(found))] {
		at := int(found[i].chunk[0])<<8 | int(found[i].chunk[1])
		found[i].near = near.Score(x.docs[at].Title, x.docs[at].Text, x.langs[at])
		langs = append(langs, x.langs[at])
	}
	fuse(found, q.Possible, evalEmbedder().Model(), speak(langs))
	out := evalRanking{byWords: x.names(byWords), byVector: x.names(byVector), fused: x.names(found)}
	if len(found) > 0 {
		out.sure = found[0].fused
	}
	if out.sure < Defaults(evalEmbedder().Model(), "").Threshold {
		out.refused = 1
	}
	return out
}

// best returns the n hits that score most, those that score nothing left out.
func best(hits []hit, n int, score func(hit) float64) []hit {
	hits = slices.DeleteFunc(slices.Clone(hits), func(h hit) bool { return score(h) <= 0 })
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(score(b), score(a)), bytes.Compare(a.chunk[:], b.chunk[:]))
	})
	return hits[:min(n, len(hits))]
}

func (x *evalIndex) names(hits []hit) []string {
	var ids []string
	for _, h := range hits {
		ids = append(ids, x.ids[int(h.chunk[0])<<8|int(h.chunk[1])])
	}
	return ids
}

// ndcg is nDCG@10 as trec_eval has it: the gain is the judgement.
func ndcg(ids []string, relevant map[string]int) float64 {
	var got, ideal float64
	for i, id := range ids[:min(10, len(ids))] {
		got += float64(relevant[id]) / math.Log2(float64(i+2))
	}
	var gains []int
	for _, gain := range relevant {
		gains = append(gains, -gain)
	}
	slices.Sort(gains)
	for i, gain := range gains[:min(10, len(gains))] {
		ideal += float64(-gain) / math.Log2(float64(i+2))
	}
	return got / ideal
}
