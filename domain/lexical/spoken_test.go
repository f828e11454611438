package lexical

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpoken(t *testing.T) {
	documents := func(l ...Lang) []Lang { return l }
	for name, c := range map[string]struct {
		question  string
		documents []Lang
		want      []string
	}{
		"english":                               {"What is the price?", documents(English), []string{"en"}},
		"french":                                {"Quel est le prix ?", documents(English, French), []string{"fr"}},
		"french of french documents":            {"remboursement billet", documents(French), []string{"fr"}},
		"few words, english among others":       {"refund ticket", documents(English, French), []string{"en"}},
		"few words, no english":                 {"Rückgabe Ticket", documents(German, French), []string{"de", "fr"}},
		"few words, of mostly french documents": {"remboursement billet", documents(French, English, French), []string{"fr"}},
		"a word of several":                     {"la la", documents(Italian, French, Italian, German), []string{"it"}},
		"english of french documents":           {"When are you open?", documents(French), []string{"en"}},
		"spanish of english documents":          {"¿Cuánto cuesta el envío y cuándo se entrega?", documents(English), []string{"es"}},
		"a language that is not known here":     {"Bei ya kupeleka ni ngapi?", documents(None), []string{""}},
		"no documents":                          {"xyz", nil, []string{"en"}},
		"nothing":                               {"?", documents(German), []string{"de"}},
		"chinese":                               {"怎样拿回我的钱？", documents(English), []string{"zh"}},
		"japanese, mostly chinese characters":   {"契約解除方法は？", documents(English), []string{"ja"}},
		"arabic with a name":                    {"كيف أغير كلمة المرور في GitHub", documents(English), []string{"ar"}},
		"a name with an arabic word":            {"GitHub Enterprise Server كلمة", documents(English), []string{"en"}},
		"a script of a language not known here": {"როგორ დავიბრუნო ფული?", documents(English), []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Spoken(c.question, c.documents)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Embedding models are examined in every language that a question can be told to be in, with questions of which that can be told.
func TestModelsAreExaminedInAll(t *testing.T) {
	content, err := os.ReadFile("../llm/languages.txt")
	if err != nil {
		t.Fatal(err)
	}
	questions := map[string]int{}
	for _, line := range regexp.MustCompile(`(?m)^(\w\w) \| (.*) \| .*$`).FindAllStringSubmatch(string(content), -1) {
		questions[line[1]]++
		if spoken := Spoken(line[2], []Lang{Lang(line[1])}); !slices.Equal(spoken, []string{line[1]}) {
			t.Errorf("%q is taken for %v", line[2], spoken)
		}
	}
	want := map[string]int{}
	for _, l := range languages {
		want[l.code] = 12
	}
	for l := range smallWords {
		want[string(l)] = 12
	}
	delete(want, anyLatin)
	delete(want, string(otherScripts))
	if !maps.Equal(questions, want) {
		t.Errorf("questions %v for %v", questions, want)
	}
}
