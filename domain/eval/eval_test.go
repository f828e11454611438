package eval

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeSet writes a set whose documents have one chunk for each heading.
func writeSet(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestChunks(t *testing.T) {
	// chunk 1: "# Locks\n\nThe lock opens by code." has 32 characters, the answer 23 of them; chunk 2: "# Lamps\n\nThe lamp is bright. A
	// lock needs none." has 47, the answer 18; the other document, "# Keys\n\nNo lock, no keys.", has 25, the
	// answer 8
	dir := writeSet(t, map[string]string{
		"a.md": "# Locks\n\nThe **lock** opens by code.\n\n# Lamps\n\nThe lamp is bright. A lock needs none.\n",
		"b.md": "# Keys\n\nNo lock, no keys.",
		"questions.jsonl": `{"_id": "1", "text": "how does it open?", "doc": "a.md", "spans": [[9, 36]], "excerpts": ["The **lock** opens by code."]}
{"_id": "2", "text": "which lamps are bright?", "doc": "a.md", "spans": [[47, 65]]}

{"_id": "3", "text": "which lamps are bright?", "doc": "b.md", "spans": [[8, 16]]}
{"_id": "4", "text": "lock", "doc": "a.md", "spans": [[9, 36]]}
`})
	set, err := Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.questions) != 4 || set.Spans != 4 || len(set.Unmapped) != 0 {
		t.Fatalf("%+v", set)
	}
	got, err := set.Chunks(t.Context(), []Setting{{Tokens: 128}}, []int{1, 3}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	// 1 finds chunk 1, 2 and 3 find chunk 2, which does not answer 3; 4 finds chunk 1 first, then the two others
	one := Result{Tokens: 128, Top: 1, Chunks: 3, Budget: 1000, SpanRecall: (1 + 1 + 0 + 1) / 4., IoU: (23./32 + 18./47 + 0 + 23./32) / 4}
	one.RecallAtBudget, one.IoUAtBudget = (1+1+0+1)/4., (23./32+18./47+0+23./104)/4
	three := one
	three.Top, three.IoU = 3, one.IoUAtBudget
	for i := range got {
		if got[i].MeanTokens < 5 || got[i].MeanTokens > 15 {
			t.Errorf("mean %v", got[i].MeanTokens)
		}
		got[i].MeanTokens = 0
	}
	round := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })
	if diff := cmp.Diff([]Result{one, three}, got, round); diff != "" {
		t.Error(diff)
	}
}

func TestBudgetCutsTheLastChunk(t *testing.T) {
	pieces := []piece{{span: span{0, 100}, tokens: 20}, {doc: 1, span: span{50, 90}, tokens: 10}, {span: span{200, 300}, tokens: 20}}
	tests := []struct {
		budget      int
		want        []span
		recall, iou float64 // of a question answered at 90–110 and 200–220 of the first document
	}{
		{10, []span{{0, 50}}, 0, 0},
		{20, []span{{0, 100}}, 10. / 40, 10. / 130},
		{25, []span{{0, 100}, {50, 70}}, 10. / 40, 10. / 150},
		{33, []span{{0, 100}, {50, 90}, {200, 215}}, 25. / 40, 25. / 170},
		{99, []span{{0, 100}, {50, 90}, {200, 300}}, 30. / 40, 30. / 250},
	}
	q := question{gold: []span{{90, 110}, {200, 220}}}
	for _, tt := range tests {
		fetched := upTo(pieces, tt.budget)
		var got []span
		for _, p := range fetched {
			got = append(got, p.span)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%d tokens: %v, want %v", tt.budget, got, tt.want)
		}
		if recall, iou := q.score(fetched); recall != tt.recall || iou != tt.iou {
			t.Errorf("%d tokens: recall %v, IoU %v, want %v, %v", tt.budget, recall, iou, tt.recall, tt.iou)
		}
	}
}

// What two chunks share is found once, and fetched twice; what could not be mapped is never found.
func TestScore(t *testing.T) {
	q := question{gold: []span{{0, 10}}, lost: 10}
	recall, iou := q.score([]piece{{span: span{0, 8}}, {span: span{4, 12}}})
	if recall != 10./20 || iou != 10./(16+20-10) {
		t.Errorf("recall %v, IoU %v", recall, iou)
	}
}

func TestMapping(t *testing.T) {
	raw := "# Title\n\nSome *emphasised* text, [a link](http://x.y) and 5 \\* 3.\nCafe\u0301 is open.\n\nAgain. Once.\n\nAgain. Twice.\n\nThere is, in the middle of a long sentence, a [link][1] to where it goes on for quite a while.\n\n[1]: http://example.org\n"
	canonical := "# Title\n\nSome emphasised text, [a link](http://x.y) and 5 * 3. Café is open.\n\nAgain. Once.\n\nAgain. Twice.\n\nThere is, in the middle of a long sentence, a [link](http://example.org) to where it goes on for quite a while."
	m := newMapping(raw, canonical)
	tests := []struct{ excerpt, want string }{
		{"Some *emphasised* text,", "Some emphasised text,"},
		{"(http://x.y) and 5 \\* 3.", "(http://x.y) and 5 * 3."},
		{"Cafe\u0301 is open.", "Café is open."},
		{"Again. Once.\n\nAgain.", "Again. Once.\n\nAgain."},
		{"There is, in the middle of a long sentence, a [link][1] to where it goes on for quite a while.", "There is, in the middle of a long sentence, a [link](http://example.org) to where it goes on for quite a while."},
		{"Again", "Again"},
	}
	for _, tt := range tests {
		start := strings.LastIndex(raw, tt.excerpt)
		s, ok := m.find(tt.excerpt, len([]rune(raw[:start])))
		if !ok || string(m.canonical[s.start:s.end]) != tt.want {
			t.Errorf("%q is at %v %v", tt.excerpt, s, ok)
		}
		if last := strings.LastIndex(canonical, tt.want); len([]rune(canonical[:last])) != s.start {
			t.Errorf("%q is at %d, not the one that was meant", tt.excerpt, s.start)
		}
	}
	for _, excerpt := range []string{"", "***", "Nobody wrote this.", "Some text that begins like this, and then is altogether different from there to its end."} {
		if s, ok := m.find(excerpt, 3); ok {
			t.Errorf("%q is at %v", excerpt, s)
		}
	}
}

func TestBadSets(t *testing.T) {
	ok := `{"_id": "1", "text": "q", "doc": "a.md", "spans": [[0, 3]]}`
	tests := []struct {
		name, questions, want string
	}{
		{"no questions", "\n", "questions.jsonl has no questions"},
		{"no JSON", ok + "\nx", "line 2 is no question in JSON"},
		{"no JSON behind blank lines", "\n\n" + ok + "\n\nx", "line 5 is no question in JSON"},
		{"no document behind blank lines", "\n \n" + `{"text": "q", "doc": "b.md", "spans": [[0, 3]]}`, "line 3: its document cannot be read"},
		{"no document", `{"text": "q", "doc": "b.md", "spans": [[0, 3]]}`, "line 1: its document cannot be read"},
		{"a document elsewhere", `{"text": "q", "doc": "../a.md", "spans": [[0, 3]]}`, `"../a.md" is no name of a document beside it`},
		{"no text", `{"doc": "a.md", "spans": [[0, 3]]}`, "a question needs a text and spans"},
		{"no spans", `{"text": "q", "doc": "a.md"}`, "a question needs a text and spans"},
		{"span beyond the end", `{"text": "q", "doc": "a.md", "spans": [[0, 99]]}`, "[0, 99] is not within the 12 characters of a.md"},
		{"span backwards", `{"text": "q", "doc": "a.md", "spans": [[3, 3]]}`, "[3, 3] is not within"},
		{"a document that cannot be read", `{"text": "q", "doc": "empty.md", "spans": [[0, 1]]}`, "empty.md: "},
		{"a document in another encoding", `{"text": "q", "doc": "latin.md", "spans": [[0, 1]]}`, "latin.md is no text in UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeSet(t, map[string]string{"a.md": "Twelve chars", "empty.md": " ", "latin.md": "caf\xe9", "questions.jsonl": tt.questions})
			if _, err := Load(t.Context(), dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Load(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "the questions cannot be read") {
		t.Errorf("%v", err)
	}
}

func TestPrint(t *testing.T) {
	set := &Set{docs: make([]*document, 2), questions: make([]question, 3), Spans: 4, Unmapped: []Unmapped{{"q7", "gone\n\x1b[2J" + strings.Repeat("x", 99)}}}
	row := Result{Tokens: 128, Top: 5, Chunks: 90, MeanTokens: 101.4, SpanRecall: .5, IoU: .1, Budget: 1600, RecallAtBudget: .8, IoUAtBudget: .02}
	top10, other := row, row
	top10.Top, top10.SpanRecall = 10, .75
	other.Tokens, other.Overlap, other.IoUAtBudget = 320, 32, .03
	other10 := other
	other10.Top = 10
	var b strings.Builder
	if err := set.Print(&b, []Result{row, top10, other, other10}); err != nil {
		t.Fatal(err)
	}
	want := `2 documents, 3 questions, 4 spans that answer them
1 spans are not in the text that was read, and count as never found:
  q7: gone  [2J` + strings.Repeat("x", 71) + `…

     tokens  overlap  chunks  mean  recall@5  IoU@5  recall@10  IoU@10  recall in 1600 tokens  IoU in 1600
        128        0      90   101     0.500  0.100      0.750   0.100                  0.800        0.020
  *     320       32      90   101     0.500  0.100      0.500   0.100                  0.800        0.030

* holds most of the answers in 1600 tokens of its best chunks.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
