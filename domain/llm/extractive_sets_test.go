package llm_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"bitb/domain/lexical"
	"bitb/domain/llm"
)

// TestExtractiveOnSets measures the built-in answerer as retrieval feeds it: five passages by BM25, the right one among
// them. The floors lie a little under what was measured; run with -v for the figures.
func TestExtractiveOnSets(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for some seconds")
	}
	tests := []struct {
		set           string
		every         int     // takes each n-th question
		holdsAnswer   float64 // of the answers, at least
		citesGold     float64
		falseRefusals float64 // at most
		refusesOther  float64 // of questions on other subjects, at least
	}{
		{"squad2", 12, 0.86, 0.87, 0.03, 0.15},
		{"xquad-ar", 4, 0.82, 0.88, 0.06, 0.95},
		{"xquad-zh", 4, 0.92, 0.95, 0.03, 0.95},
		{"stackfaq", 10, 0, 0.80, 0.04, 0.22},
	}
	for _, tt := range tests {
		t.Run(tt.set, func(t *testing.T) {
			set := loadSet(t, tt.set)
			got := set.measure(tt.every)
			t.Logf("%d questions: answer held %.3f, right passage cited %.3f, %.1f words; refused %.3f, on other subjects %.2f",
				got.questions, got.held, got.cited, got.words, got.refused, got.refusedOther)
			if got.held < tt.holdsAnswer || got.cited < tt.citesGold || got.refused > tt.falseRefusals || got.refusedOther < tt.refusesOther {
				t.Errorf("worse than %+v", tt)
			}
		})
	}
}

func BenchmarkExtractive(b *testing.B) {
	set := loadSet(b, "squad2")
	req := set.request(set.queries[7].Text, 8, -1)
	for b.Loop() {
		llm.Extractive{}.Stream(b.Context(), req, func(string) error { return nil })
	}
}

type record struct {
	ID      string `json:"_id"`
	Title   string
	Text    string
	Answers []string
	terms   map[string]float64 // how often
	length  float64
}

type testSet struct {
	docs, queries, other []record
	gold                 map[string][]string // question → documents
	lang                 lexical.Lang
	df                   map[string]int
	mean                 float64
}

type figures struct {
	questions                                 int
	held, cited, words, refused, refusedOther float64
}

func (s *testSet) measure(every int) figures {
	var f figures
	for i := 0; i < len(s.queries); i += every {
		q := s.queries[i]
		gold := slices.IndexFunc(s.docs, func(d record) bool { return slices.Contains(s.gold[q.ID], d.ID) })
		if gold < 0 {
			continue
		}
		f.questions++
		req := s.request(q.Text, 5, gold)
		answer := answerTo(req)
		if answer == "" {
			f.refused++
			continue
		}
		f.words += float64(len(strings.Fields(answer)))
		if slices.ContainsFunc(q.Answers, func(a string) bool { return strings.Contains(bare(answer), bare(a)) }) {
			f.held++
		}
		if slices.ContainsFunc(req.Passages, func(p llm.Passage) bool {
			return s.isGold(q, p.Text) && strings.Contains(answer, fmt.Sprintf("[%d]", p.N))
		}) {
			f.cited++
		}
	}
	const otherEvery = 4
	for i := 0; i < len(s.other); i += otherEvery {
		q := s.other[i]
		if answerTo(s.request(q.Text, 8, -1)) == "" {
			f.refusedOther++
		}
	}
	n := float64(f.questions)
	f.words /= n - f.refused
	f.held, f.cited, f.refused, f.refusedOther = f.held/n, f.cited/n, f.refused/n, f.refusedOther/float64(len(s.other)/otherEvery)
	return f
}

func (s *testSet) isGold(question record, text string) bool {
	return slices.ContainsFunc(s.docs, func(d record) bool {
		return d.Text == text && slices.Contains(s.gold[question.ID], d.ID)
	})
}

func answerTo(req llm.Request) string {
	var b strings.Builder
	_, err := llm.Extractive{}.Stream(context.Background(), req, func(w string) error { b.WriteString(w); return nil })
	if err != nil && !errors.Is(err, llm.ErrNothingFits) {
		panic(err)
	}
	return b.String()
}

// bare keeps letters and digits, and leaves the citations out.
func bare(s string) string {
	var b strings.Builder
	for _, word := range strings.Fields(strings.ToLower(s)) {
		if !strings.HasPrefix(word, "[") {
			b.WriteString(strings.Map(func(r rune) rune {
				if unicode.IsLetter(r) || unicode.IsDigit(r) {
					return r
				}
				return -1
			}, word))
		}
	}
	return b.String()
}

// request holds the k best documents by BM25; gold, unless negative, takes the last place if it is not among them.
func (s *testSet) request(question string, k, gold int) llm.Request {
	scores := map[int]float64{}
	for term := range counts(lexical.Analyze(question, s.lang)) {
		idf := lexical.IDF(len(s.docs), s.df[term])
		for i := range s.docs {
			d := &s.docs[i]
			if tf := d.terms[term]; tf > 0 {
				scores[i] += idf * tf * 2.2 / (tf + 1.2*(0.25+0.75*d.length/s.mean))
			}
		}
	}
	order := slices.SortedFunc(maps.Keys(scores), func(a, b int) int { return cmp.Or(cmp.Compare(scores[b], scores[a]), a-b) })
	order = order[:min(k, len(order))]
	if gold >= 0 && !slices.Contains(order, gold) {
		order = append(order[:min(k-1, len(order))], gold)
	}
	req := llm.Request{Question: question}
	for n, i := range order {
		req.Passages = append(req.Passages, llm.Passage{N: n + 1, Title: s.docs[i].Title, Text: s.docs[i].Text, Score: scores[i]})
	}
	return req
}

func counts(terms []string) map[string]float64 {
	m := map[string]float64{}
	for _, t := range terms {
		m[t]++
	}
	return m
}

func loadSet(t testing.TB, name string) *testSet {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(filepath.Join(root, name)); err != nil {
		t.Skipf("the test data are not there: %v", err)
	}
	s := &testSet{
		docs: records(t, filepath.Join(root, name, "corpus.jsonl")), queries: records(t, filepath.Join(root, name, "queries.jsonl")),
		other: records(t, filepath.Join(root, "offtopic", "unanswerable.jsonl")), gold: map[string][]string{}, df: map[string]int{},
	}
	qrels, err := os.ReadFile(filepath.Join(root, name, "qrels.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(qrels)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] != "0" {
			s.gold[f[0]] = append(s.gold[f[0]], f[1])
		}
	}
	var sample strings.Builder
	for _, d := range s.docs[:20] {
		sample.WriteString(d.Text + "\n")
	}
	s.lang = lexical.Guess(sample.String())
	for i := range s.docs {
		d := &s.docs[i]
		terms := lexical.Analyze(d.Title+"\n"+d.Text, s.lang)
		d.terms, d.length = counts(terms), float64(len(terms))
		s.mean += d.length / float64(len(s.docs))
		for term := range d.terms {
			s.df[term]++
		}
	}
	return s
}

func records(t testing.TB, path string) []record {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}
