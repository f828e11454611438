package questions

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitb/domain"
	"bitb/domain/retrieve"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		list string
		want []Line
	}{
		"head in another order": {"Expected document;Page;Question\nprices.pdf;3;What, then, does it cost?\n;;Who won?\n",
			[]Line{{Number: 2, Text: "What, then, does it cost?", Document: "prices.pdf", Page: "3", named: true}, {Number: 3, Text: "Who won?", named: true}}},
		"no head, tabs":        {"How much?\tprices.pdf\nWho won?\tnone\n", []Line{{Number: 1, Text: "How much?", Document: "prices.pdf", named: true}, {Number: 2, Text: "Who won?", Document: "none", named: true}}},
		"no document":          {"question\nHow much?\n", []Line{{Number: 2, Text: "How much?"}}},
		"empty lines":          {"question,document\r\n\r\nHow much?,a\r\n,,\r\n", []Line{{Number: 3, Text: "How much?", Document: "a", named: true}}},
		"lines in quotes":      {"question,document\n\"How\nmuch?\",a\nWhere?,b\n", []Line{{Number: 2, Text: "How much?", Document: "a", named: true}, {Number: 4, Text: "Where?", Document: "b", named: true}}},
		"a stray quote":        {"question,document\n\"How much?,a\nWhere?,b\n", []Line{{Number: 2, Text: "How much?,a"}, {Number: 3, Text: "Where?", Document: "b", named: true}}},
		"UTF-16 of Excel":      {"\xff\xfeQ\x00u\x00e\x00s\x00t\x00i\x00o\x00n\x00\t\x00D\x00o\x00c\x00\r\x00\n\x00W\x00i\x00e\x00 \x00\xfc\x00?\x00\t\x00a\x00\r\x00\n\x00", []Line{{Number: 2, Text: "Wie ü?", Document: "a", named: true}}},
		"Latin-1 with a mark":  {"Frage;Dokument\nWof\xfcr ist die B\xfcrgschaft?;B\xfcrgschaften f\xfcr Gesch\xe4fte\n", []Line{{Number: 2, Text: "Wofür ist die Bürgschaft?", Document: "Bürgschaften für Geschäfte", named: true}}},
		"Arabic":               {"السؤال,المستند\nكم السعر؟,الأسعار.pdf\n", []Line{{Number: 2, Text: "كم السعر؟", Document: "الأسعار.pdf", named: true}}},
		"guarded cells":        {"question,document\n'=1+1?,'-a.pdf\n'tis so?,a\n", []Line{{Number: 2, Text: "=1+1?", Document: "-a.pdf", named: true}, {Number: 3, Text: "'tis so?", Document: "a", named: true}}},
		"zero bytes":           {"question,document\nHow\x00 much?,a\n", []Line{{Number: 2, Text: "How much?", Document: "a", named: true}}},
		"a separator declared": {"sep=|\nquestion|document\nHow much?|a\n", []Line{{Number: 3, Text: "How much?", Document: "a", named: true}}},
		"nothing":              {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Parse([]byte(c.list)), cmp.AllowUnexported(Line{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("question,document\n\"a\nb\",c\n"))
	f.Add([]byte("sep=\"\n"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, l := range Parse(list) {
			if strings.ContainsAny(l.Text, "\x00\n") {
				t.Errorf("not storable: %q", l.Text)
			}
		}
	})
}

func TestLineNamesADocument(t *testing.T) {
	prices, twin1, twin2, odd := domain.NewID(), domain.NewID(), domain.NewID(), domain.NewID()
	documents := newShelf(map[domain.ID]string{prices: "Prices 2026.pdf", twin1: "Terms.pdf", twin2: "terms.PDF", odd: "none"})
	line := func(document string) Line { return NewLine("How much?", document, "", "") }
	for document, want := range map[string]domain.ID{"Prices 2026.pdf": prices, " prices  2026.PDF ": prices, "Prices 2026": prices, prices.String(): prices,
		strings.ToUpper(prices.String()): prices, twin2.String(): twin2, odd.String(): odd} {
		if q, err := line(document).question(documents); err != nil || q.DocumentID != want || q.Unanswerable {
			t.Errorf("%q: %+v, %v", document, q, err)
		}
	}
	if q, err := line("None").question(documents); err != nil || !q.Unanswerable {
		t.Errorf("none: %+v, %v", q, err)
	}
	for field, wrong := range map[string]Line{
		"document": line("Terms.pdf"), "question": NewLine(" \x00", "none", "", ""), "page": NewLine("How much?", prices.String(), "two", ""),
		"heading": NewLine("How much?", "none", "", strings.Repeat("x", 301)),
	} {
		if _, err := wrong.question(documents); err == nil || err.Fields[field] == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, missing := range []string{"", "   ", "Gone.pdf", domain.NewID().String()} {
		if _, err := line(missing).question(documents); err == nil || err.Fields["document"] == "" {
			t.Errorf("%q: %v", missing, err)
		}
	}
}

// What is written can be read again, and a spreadsheet computes none of it.
func TestWriteIsRead(t *testing.T) {
	ids := map[domain.ID]string{domain.NewID(): "=cmd|' /C calc'!A0", domain.NewID(): "Terms.pdf", domain.NewID(): "Terms.pdf", domain.NewID(): "none"}
	var all []Question
	for _, text := range []string{"=1+1", "+49 30 1", "-", "@sum", "How, \"then\"?", "Wie?", "كم؟", "'quoted'"} {
		for id, name := range ids {
			all = append(all, Question{Text: text + " " + id.String(), DocumentID: id, Document: name, Page: 2, Heading: "-1"})
		}
	}
	all = append(all, Question{Text: "Who?", Unanswerable: true})
	var out bytes.Buffer
	if err := Write(&out, all); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.ContainsAny(line[:1], "=+-@") || strings.Contains(line, ",=") || strings.Contains(line, ",-") {
			t.Errorf("a formula: %s", line)
		}
	}
	lines := Parse(out.Bytes())
	if len(lines) != len(all) {
		t.Fatalf("%d lines of %d questions", len(lines), len(all))
	}
	for i, l := range lines {
		q, err := l.question(newShelf(ids))
		if err != nil || q.Text != all[i].Text || !sameExpectation(q, all[i]) {
			t.Errorf("%+v became %+v, %v", all[i], q, err)
		}
	}
}

func TestResult(t *testing.T) {
	right, other := domain.NewID(), domain.NewID()
	passage := func(document domain.ID, score float64, lost retrieve.Loss) retrieve.Passage {
		return retrieve.Passage{DocumentID: document, Score: score, Lost: lost, PageFrom: 3, PageTo: 4, Heading: []string{"Fees"}}
	}
	found := retrieve.Retrieval{
		Passages: []retrieve.Passage{passage(other, .8, ""), passage(other, .7, retrieve.Joined), passage(right, .6, retrieve.LostDuplicate), passage(right, .5, retrieve.LostLimit)},
		Others:   []retrieve.Passage{passage(domain.NewID(), .4, retrieve.LostRank)},
	}
	q := Question{DocumentID: right}
	want := Result{Rank: 3, DocumentRank: 2, Best: .8, Expected: .6}
	if diff := cmp.Diff(want, newResult(q, found)); diff != "" {
		t.Error(diff)
	}
	for name, q := range map[string]Question{"page": {DocumentID: right, Page: 5}, "heading": {DocumentID: right, Heading: "Terms"}, "document": {DocumentID: domain.NewID()}, "deleted": {}} {
		if r := newResult(q, found); r.Rank != 0 || r.Expected != None {
			t.Errorf("another %s: %+v", name, r)
		}
	}
	if r := newResult(Question{DocumentID: right, Page: 4, Heading: " fees"}, found); r.Rank != 3 {
		t.Errorf("the place: %+v", r)
	}
	if r := newResult(Question{Unanswerable: true}, retrieve.Retrieval{}); !r.Refused(0) || !r.Right(0) {
		t.Errorf("nothing at all: %+v", r)
	}
}

func TestFigures(t *testing.T) {
	f := figuresOf([]Result{
		{DocumentRank: 1, Best: .8, Expected: .8}, {DocumentRank: 3, Best: .8, Expected: .2}, {DocumentRank: 12, Best: .1, Expected: None}, {Best: .6, Expected: None},
		{Unanswerable: true, Best: .1, Expected: None}, {Unanswerable: true, Best: .5, Expected: None},
	}, .25)
	want := Figures{Answerable: 4, Unanswerable: 2, NDCG10: (1 + 1/math.Log2(4)) / 4, Recall5: .5, MRR10: (1 + 1./3) / 4, Success1: .25, Answered: .25, Refused: .5}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	if f := figuresOf(nil, .25); f != (Figures{}) {
		t.Errorf("of nothing: %+v", f)
	}
}

func TestCompare(t *testing.T) {
	id := func(n byte) domain.ID { return domain.ID{n} }
	at := func(n byte, rank int, score float64) Result {
		return Result{QuestionID: id(n), DocumentRank: rank, Best: .9, Expected: score}
	}
	before := []Result{at(1, 1, .9), at(2, 2, .5), at(3, 1, .5), at(4, 0, None)}
	for name, c := range map[string]struct {
		after []Result
		now   float64
		worse []byte
		seen  bool
	}{
		"the same":                     {before, .25, nil, false},
		"another question":             {append([]Result{at(9, 0, None)}, before...), .25, nil, false},
		"lost":                         {[]Result{at(1, 1, .9), at(2, 2, None), at(3, 1, .5), at(4, 1, .9)}, .25, []byte{2}, true},
		"lost by the threshold":        {before, .6, []byte{2, 3}, true},
		"further down":                 {[]Result{at(1, 2, .9), at(2, 2, .5), at(3, 1, .5), at(4, 0, None)}, .25, []byte{1}, true},
		"down for one, up for another": {[]Result{at(1, 2, .9), at(2, 1, .5), at(3, 1, .5), at(4, 0, None)}, .25, []byte{1}, false},
		"all deleted":                  {nil, .25, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := compare(before, .25, c.after, c.now)
			want := map[domain.ID]bool{}
			for _, n := range c.worse {
				want[id(n)] = true
			}
			if diff := cmp.Diff(want, got.Worse); diff != "" || (got.noticed() > 0) != c.seen {
				t.Errorf("noticed %d, %s", got.noticed(), diff)
			}
		})
	}
}

func TestCalibrate(t *testing.T) {
	right := func(score float64) Result { return Result{Best: score, Expected: score} }
	misled := func(best, expected float64) Result { return Result{Best: best, Expected: expected} }
	outside := func(score float64) Result { return Result{Unanswerable: true, Best: score, Expected: None} }
	for name, c := range map[string]struct {
		results  []Result
		accepted float64
		want     Point
		ok       bool
	}{
		"apart":                   {[]Result{right(.8), right(.6), outside(.3), outside(.2)}, 0, Point{Threshold: .305, Answers: 2, Stopped: 2}, true},
		"no unanswerable ones":    {[]Result{right(.8), right(.6), misled(.4, None)}, 0, Point{Threshold: .405, Answers: 2, Refused: 1}, true},
		"nothing but them":        {[]Result{outside(.3), outside(.5)}, .5, Point{Threshold: .505, Stopped: 2}, true},
		"all the same score":      {[]Result{right(.5), outside(.5)}, .1, Point{Threshold: .505, Refused: 1, Stopped: 1}, true},
		"accepted as it is":       {[]Result{right(.5), outside(.5)}, .5, Point{Answers: 2, Wrong: 1}, true},
		"one question":            {[]Result{right(.5)}, 0, Point{Answers: 1}, true},
		"one that is never right": {[]Result{misled(.5, None)}, 0, Point{Threshold: .505, Refused: 1}, true},
		"right, then misled":      {[]Result{misled(.9, .3), right(.9)}, 0, Point{Answers: 2}, true},
		"sure of what is wrong":   {[]Result{outside(1)}, .5, Point{Answers: 1, Wrong: 1}, false},
		"nothing found":           {[]Result{outside(0), misled(0, None)}, 0, Point{Stopped: 1, Refused: 1}, true},
		"no question":             {nil, 0, Point{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Calibrate(c.results).For(c.accepted)
			if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
				t.Errorf("%t: %s", ok, diff)
			}
		})
	}
	crossing := Calibrate([]Result{misled(.9, .3)})
	if p := crossing.At(.3); p.Wrong != 0 {
		t.Errorf("its own score is wrong: %+v", p)
	}
	if p := crossing.At(.301); p.Threshold != .3 {
		t.Errorf("nearest to .301 is %v", p.Threshold)
	}
	if p := crossing.At(.31); p.Wrong != 1 {
		t.Errorf("another document is all that reaches the model: %+v", p)
	}
	if p := crossing.At(7); p.Threshold != 1 {
		t.Errorf("beyond the end is %v", p.Threshold)
	}
}

// The values are those of the formula in Wilson's paper, as R's prop.test(correct = FALSE) gives them.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high string
	}{{0, 0, "0.0000", "1.0000"}, {0, 1, "0.0000", "0.7935"}, {1, 1, "0.2065", "1.0000"}, {5, 100, "0.0215", "0.1118"}, {50, 100, "0.4038", "0.5962"}} {
		low, high := Wilson(c.k, c.n)
		if fmt.Sprintf("%.4f", low) != c.low || fmt.Sprintf("%.4f", high) != c.high {
			t.Errorf("%d of %d: %.4f to %.4f", c.k, c.n, low, high)
		}
	}
}
