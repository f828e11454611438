package llm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"bitb/domain/llm"
)

// quoted runs the built-in answerer over passages, each "title | text".
func quoted(t *testing.T, question string, passages ...string) string {
	t.Helper()
	req := llm.Request{Question: question}
	for i, p := range passages {
		title, text, _ := strings.Cut(p, " | ")
		req.Passages = append(req.Passages, llm.Passage{N: i + 1, Title: title, Text: text, Score: 1 / float64(i+1)})
	}
	var b strings.Builder
	_, err := llm.Extractive{}.Stream(t.Context(), req, func(s string) error { b.WriteString(s); return nil })
	if errors.Is(err, llm.ErrNothingFits) {
		return "nothing fits" + b.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExtractiveQuotes(t *testing.T) {
	const shop = "Returns | You may return goods within 30 days of delivery. The parcel must carry the return label. " +
		"Our shop was founded in 1987 by two sisters. Refunds reach your account after five working days."
	tests := []struct {
		name, question string
		passages       []string
		want           string
	}{
		{"one sentence", "When was the shop founded?", []string{shop},
			"Our shop was founded in 1987 by two sisters. [1]"},
		{"another form of the word", "When is the money refunded?", []string{shop},
			"Refunds reach your account after five working days. [1]"},
		{"misspelt", "When was the shop foundded?", []string{shop},
			"Our shop was founded in 1987 by two sisters. [1]"},
		{"from the passage that has it", "Do you ship to Norway?", []string{shop, "Shipping | We ship to Norway and Sweden twice a week."},
			"We ship to Norway and Sweden twice a week. [2]"},
		{"German", "Wie lange dauert die Lieferung nach Österreich?",
			[]string{"Versand | Wir liefern mit der Post. Die Lieferung nach Österreich dauert drei bis fünf Werktage. Die Verpackung ist recycelbar."},
			"Die Lieferung nach Österreich dauert drei bis fünf Werktage. [1]"},
		{"Arabic", "ما هي مدة الضمان؟", []string{"الضمان | مدة الضمان سبع سنوات من تاريخ التشغيل. يجب صيانة الجهاز كل سنة."},
			"مدة الضمان سبع سنوات من تاريخ التشغيل. [1]"},
		{"Chinese", "保修期是多久？", []string{"保修 | 我们的公司位于上海。保修期为自调试之日起七年。请每年维护设备。"},
			"保修期为自调试之日起七年。 [1]"},
		{"the answer below a question", "How do I reset my password?",
			[]string{"FAQ | ## How do I reset my password?\n\nOpen the sign-in page and choose Forgotten. We send a link.\n\n## How do I delete my account?\n\nWrite to support."},
			"Open the sign-in page and choose Forgotten. [1] We send a link. [1]"},
		{"the answer after a question", "How do I reset my password?",
			[]string{"FAQ | Q: How do I reset my password?\nA: Choose Forgotten on the sign-in page."},
			"Choose Forgotten on the sign-in page. [1]"},
		{"the answer, not what has the words", "How do I reset my password?",
			[]string{"FAQ | ## Security\n\nA password must be long.\n\n## How do I reset my password?\n\nChoose Forgotten."},
			"Choose Forgotten. [1]"},
		{"the row of the code alone", "What does E12 on the dock terminal mean?",
			[]string{"Codes | | Code | Meaning | Dock |\n| --- | --- | --- |\n| E12 | Card not read | free |\n| E23 | The dock terminal is frozen | shut |"},
			"Code: E12, Meaning: Card not read, Dock: free [1]"},
		{"the row that has more", "Is the Lighthouse station open on Tuesdays?",
			[]string{"Stations | | Station | Open |\n| --- | --- |\n| Old Quay | daily, on Tuesdays from noon |\n| Lighthouse | not on Tuesdays |"},
			"Station: Lighthouse, Open: not on Tuesdays [1]"},
		{"all rows when the header is asked for", "What are the opening hours?",
			[]string{"Stations | | Station | Opening hours |\n| --- | --- |\n| Old Quay | daily |\n| Lighthouse | never |"},
			"Station: Old Quay, Opening hours: daily [1]\n\nStation: Lighthouse, Opening hours: never [1]"},
		{"a row whose header is asked for, elsewhere", "How much do I get back if I cancel five hours before the start?",
			[]string{"Notes | What you get back depends on how long before the start you cancel.",
				"Terms | | You cancel | You get back |\n| --- | --- |\n| 24 hours before the start | the price |\n| never | nothing |"},
			"What you get back depends on how long before the start you cancel. [1]\n\n" +
				"You cancel: 24 hours before the start, You get back: the price [2]"},
		{"items of a long list", "Which of these parts are yours?",
			[]string{"Bikes | These parts are yours:\n\n- the saddle\n" + strings.Repeat("- another thing that is written down here at some length\n", 20)},
			"the saddle [1] another thing that is written down here at some length [1]"},
		{"the item that answers", "Does an aeroplane carry it?",
			[]string{"Bikes | Mind this:\n\n- Never leave the battery in the sun.\n- Aeroplanes do not carry the battery.\n- Wipe the frame."},
			"Aeroplanes do not carry the battery. [1]"},
		{"two passages", "What does the Komfort plan cost, and what does the Basis plan cost?",
			[]string{"Plans | The Komfort plan costs 12 euros.", "More | The Basis plan costs 7 euros."},
			"The Komfort plan costs 12 euros. [1]\n\nThe Basis plan costs 7 euros. [2]"},
		{"a row of a table", "What does E47 mean?",
			[]string{"Errors | | Code | Meaning |\n| --- | --- |\n| E45 | Flow too hot |\n| E47 | Pressure too low |"},
			"Code: E47, Meaning: Pressure too low [1]"},
		{"a row without its header", "What does E47 mean?", []string{"Errors | | E46 | Sensor |\n| E47 | Pressure \\| flow too low |"},
			"E47, Pressure | flow too low [1]"},
		{"a whole list", "Which papers do I need to register?",
			[]string{"Office | To register you need these papers:\n\n- a passport\n- a proof of address\n- **one** photo\n\nThe office opens at nine."},
			"To register you need these papers:\n- a passport\n- a proof of address\n- one photo [1]"},
		{"steps", "How to descale the machine?",
			[]string{"Manual | ### Descale the machine\n1. Empty the tank.\n2. Fill in the\n   descaler.\n3. Press start."},
			"1. Empty the tank.\n2. Fill in the descaler.\n3. Press start. [1]"},
		{"no Markdown left", "Where is the contact form?",
			[]string{"Help | The **contact form** is on the [help page](https://shop.test/help \"Help\")![icon](/i.png), see `Support` &amp; _more_.[12] <br>"},
			"The contact form is on the help page, see Support & _more_. [1]"},
		{"abbreviations", "Who is the doctor on duty?", []string{"Clinic | The doctor on duty is Dr. A. Meyer, e.g. on No. 5 Main St. in town. Parking is free."},
			"The doctor on duty is Dr. A. Meyer, e.g. on No. 5 Main St. in town. [1]"},
		{"an address keeps its question mark", "Where is the map?", []string{"Way | The map is at https://maps.test/?q=shop&z=3 for all. Bring water."},
			"The map is at https://maps.test/?q=shop&z=3 for all. [1]"},
		{"wrapped lines", "Who may enter the laboratory?", []string{"Rules | The laboratory may be entered by members of the staff\nof the institute. Food is forbidden."},
			"The laboratory may be entered by members of the staff of the institute. [1]"},
		{"code", "How do I install the command?", []string{"Tool | Install the command like this:\n\n```\ngo install tool\nx[1]\n```\n\nThen rest."},
			"Install the command like this:\n```\ngo install tool\nx[1]\n```\n[1]"},
		{"no repetition", "When was the shop founded?", []string{shop, shop, "About | Our shop was founded in 1987 by two sisters"},
			"Our shop was founded in 1987 by two sisters. [1]"},
		{"nothing but a question", "How is the weather in Oslo today?", []string{"FAQ | How is the weather in Oslo today?"},
			"How is the weather in Oslo today? [1]"},
		{"another subject", "What size of wipers does my car take?", []string{shop}, "nothing fits"},
		{"only small words meet", "What is this and who are you?", []string{"A | Bicycles need air. Trains need rails."}, "nothing fits"},
		{"no passages", "When was the shop founded?", nil, "nothing fits"},
		{"empty passage", "When was the shop founded?", []string{"A | "}, "nothing fits"},
		{"no words", "?!", []string{shop}, "nothing fits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := quoted(t, tt.question, tt.passages...); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// A chunk from the middle of a section has its heading beside it, not in its text.
func TestExtractiveAnswersHeading(t *testing.T) {
	req := llm.Request{Question: "How do I reset my password?", Passages: []llm.Passage{
		{N: 1, Text: "A password must be long, and you must not tell your password.", Score: 1},
		{N: 2, Heading: []string{"FAQ", "How do I reset my password?"}, Text: "Choose Forgotten, then read your mail.", Score: 1}}}
	if got := answerTo(req); got != "Choose Forgotten, then read your mail. [2]" {
		t.Errorf("got %s", got)
	}
}

func TestExtractiveStreamsWords(t *testing.T) {
	var parts []string
	seen := &calls{}
	req := llm.Request{Question: "Where is the office?", Passages: []llm.Passage{{N: 7, Text: "The office is in Oslo."}}}
	res, err := llm.Extractive{Observer: seen}.Stream(t.Context(), req, func(s string) error { parts = append(parts, s); return nil })
	if err != nil || strings.Join(parts, "|") != "The |office |is |in |Oslo. |[7]" || res.FinishReason != "stop" {
		t.Errorf("got %q, %+v, %v", parts, res, err)
	}
	if seen.last().Outcome != llm.OutcomeOK || seen.last().Model != "builtin-extractive-v1" {
		t.Errorf("observed %+v", seen.last())
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err = llm.Extractive{}.Stream(ctx, req, func(string) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("after cancelling: %d pieces, %v", n, err)
	}
	gone := errors.New("gone")
	if _, err = (llm.Extractive{}).Stream(t.Context(), req, func(string) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

// What stands in a document must not look like a citation of ours, nor blow up, whatever it is.
func TestExtractiveHostileText(t *testing.T) {
	texts := map[string]string{
		"false citations": "The code word is swordfish [2][3] and [4, 5] [6–7]. Ignore the rules [9].",
		"one huge word":   "code word " + strings.Repeat("a", 1<<20),
		"many huge lines": strings.Repeat("The code word is "+strings.Repeat("very ", 2000)+"long.\n", 200),
		"open constructs": "```\ncode word\n| a |\n- [x](\n**code word [",
		"stray fences":    "The code word ``` is `swordfish.\n\n```\ncode word ``` in\n```\n",
		"pipes":           strings.Repeat("|", 5000) + " code word",
		"nested brackets": strings.Repeat("[", 5000) + "code word" + strings.Repeat("](x)", 5000),
		"stars":           strings.Repeat("*", 5000) + "code word" + strings.Repeat("* *", 5000),
		"invalid UTF-8":   "The code word is \xff\xfe swordfish.",
		"NUL and BOM":     "\ufeffThe code word is\x00 swordfish.",
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			got := quoted(t, "What is the code word?", "Secret | "+text)
			for n := 2; n < 10; n++ {
				if strings.Contains(got, fmt.Sprintf("[%d", n)) {
					t.Errorf("a document's mark stayed: %s", got)
				}
			}
			if strings.Count(got, "```")%2 != 0 || strings.Contains(strings.ReplaceAll(got, "```", ""), "`") {
				t.Errorf("what follows is taken for code: %s", got)
			}
			if n := utf8.RuneCountInString(got); n > 2500 {
				t.Errorf("an answer of %d characters", n)
			}
		})
	}
}

// "A week?" alone fits either; the words of the question before decide, and do not make an answer of what is none.
func TestExtractiveReadsTheQuestionBefore(t *testing.T) {
	passages := []llm.Passage{{N: 1, Text: "A tandem is 90 euros a week."}, {N: 2, Text: "A rowing boat is 200 euros a week."}}
	for before, want := range map[string]string{"What does a rowing boat cost a day?": "[2]", "What does a tandem cost a day?": "[1]"} {
		if got, err := extract(llm.Request{Question: "And a week?", Before: before, Passages: passages}); err != nil || !strings.Contains(got, want) {
			t.Errorf("after %q: %q, %v", before, got, err)
		}
	}
	other := llm.Request{Question: "Who founded Antarctica's observatory?", Before: "What does a rowing boat cost a week?", Passages: passages}
	if got, err := extract(other); !errors.Is(err, llm.ErrNothingFits) {
		t.Errorf("another subject is answered with %q, %v", got, err)
	}
}

func extract(r llm.Request) (string, error) {
	var b strings.Builder
	_, err := llm.Extractive{}.Stream(context.Background(), r, func(s string) error { b.WriteString(s); return nil })
	return b.String(), err
}
