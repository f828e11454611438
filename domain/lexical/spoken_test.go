package lexical

import (
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
