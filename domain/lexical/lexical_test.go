package lexical

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAnalyze(t *testing.T) {
	for name, c := range map[string]struct {
		lang Lang
		text string
		want string
	}{
		"english":              {English, "The refunds were Refunded, don't worry", "the refund were refund don worri"},
		"possessive":           {English, "the company's policy", "the compani polici"},
		"german":               {German, "Die Versicherungen für Häuser", "die versicher fur haus"},
		"french elision":       {French, "l'école d’été", "ecol ete"},
		"spanish":              {Spanish, "las informaciones", "las inform"},
		"turkish capitals":     {Turkish, "IŞIK İZMİR", "isik izmir"},
		"unknown language":     {None, "Świadczenia", "swiadczenia"},
		"marks on a digit":     {None, "0\u0300\u0300", "0"},
		"vietnamese tones":     {Vietnamese, "má mà", "má mà"},
		"russian":              {English, "документами ёлки", "документ елк"},
		"arabic":               {English, "والكتاب أمريكيين", "كتاب امريك"},
		"greek":                {English, "Λόγος λόγους", "λογ λογ"},
		"hebrew points":        {English, "שָׁלוֹם", "שלום"},
		"han":                  {English, "退款政策", "退 款 退款 政 款政 策 政策"},
		"han beside latin":     {English, "用GitHub吗", "用 github 吗"},
		"katakana":             {English, "サーバー", "サー ーバ バー"},
		"thai":                 {English, "คืน", "คื ืน"},
		"thai sentence":        {English, strings.Repeat("คืน", 20), strings.TrimSuffix(strings.Repeat("คื ืน นค ", 20), " นค ")},
		"unspaced, unknown":    {English, strings.Repeat("ꦏꦭ", 30), strings.TrimSuffix(strings.Repeat("ꦏꦭ ꦭꦏ ", 30), " ꦭꦏ ")},
		"korean":               {English, "환불 정책", "환불 정책"},
		"code":                 {English, "ERR-4012", "err4012 err 4012"},
		"code without hyphen":  {English, "err4012", "err4012 err 4012"},
		"version":              {English, "v2.3.1.", "v2.3.1 2.3.1 v2 3 1"},
		"number":               {English, "1,000,000.50 and 3.14", "1000000.50 and 3.14"},
		"address":              {English, "Mail help@example.com!", "mail help@example.com help exampl com"},
		"file name":            {English, "config.yaml", "config.yaml config yaml"},
		"sentence end":         {English, "the end.Then", "the end then"},
		"hyphen":               {English, "long-term e-mail", "longterm long term email e mail"},
		"sign":                 {English, "C++ and C#, not #1", "c++ and c# not 1"},
		"capitals spare":       {English, "ask the IT team about it", "ask the IT team about it"},
		"shouting":             {English, "ASK IT", "ask it"},
		"ligature, full width": {English, "ofﬁce ＡＢＣ１２", "offic abc12 abc 12"},
		"soft hyphen":          {English, "re\u00adfund", "refund"},
		"emoji and signs":      {English, "🎉 ?! — …", ""},
		"empty":                {English, "", ""},
		"long junk":            {English, strings.Repeat("Ab", 5000), strings.Repeat("ab", 20)},
		"broken utf-8":         {English, "a\xffb", "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, strings.Join(Analyze(c.text, c.lang), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeywords(t *testing.T) {
	if got := strings.Join(Keywords("What is the refund policy of the WHO?", English), " "); got != "refund polici WHO" {
		t.Error(got)
	}
	if got := strings.Join(Keywords("who are you", English), " "); got != "who are you" {
		t.Error("a question of small words has no words left:", got)
	}
}

func TestGuess(t *testing.T) {
	for want, text := range map[Lang]string{
		English:    "You can return an item within 30 days if it is not damaged.",
		German:     "Sie können den Artikel innerhalb von 30 Tagen zurückgeben, wenn er nicht beschädigt ist.",
		French:     "Vous pouvez retourner un article dans les 30 jours s'il n'est pas endommagé.",
		Spanish:    "Puede devolver un artículo en un plazo de 30 días si no está dañado, y le haremos el reembolso.",
		Italian:    "Puoi restituire un articolo entro 30 giorni se non è danneggiato, e ti rimborsiamo.",
		Portuguese: "Você pode devolver um artigo em até 30 dias se ele não estiver danificado.",
		Dutch:      "U kunt een artikel binnen 30 dagen terugsturen als het niet beschadigd is.",
		Swedish:    "Du kan lämna tillbaka en vara inom 30 dagar om den inte är skadad.",
		Danish:     "Du kan returnere en vare inden for 30 dage, hvis den ikke er beskadiget af dig.",
		Norwegian:  "Du kan ikke returnere en vare etter 30 dager hvis den har blitt skadet av deg.",
		Finnish:    "Voit palauttaa tuotteen 30 päivän kuluessa, jos se ei ole vahingoittunut, ja me korvaamme sen.",
		Polish:     "Możesz zwrócić towar w ciągu 30 dni, jeśli nie jest on uszkodzony.",
		Turkish:    "Bir ürünü 30 gün içinde iade edebilirsiniz, ama hasarlı olan ürün için bu çok zor.",
	} {
		if got := Guess(text); got != want {
			t.Errorf("%q for %s", got, want)
		}
	}
	if got := Guess(strings.Repeat("lorem ipsum dolor amet consectetur adipiscing elit ", 20)); got != None {
		t.Errorf("%q for no language", got)
	}
	if got := Guess("Press la-la on et"); got != English {
		t.Errorf("%q by two words", got)
	}
	if got := Guess("退款政策 GitHub"); got != English {
		t.Errorf("%q for Han with a Latin word", got)
	}
}

func TestQueryInSeveralLanguages(t *testing.T) {
	var tenant [16]byte
	doc := DocWeights(tenant, Terms{Text: Analyze("Die Versicherungen zahlen nicht.", German)}, 4)
	q := ParseQuery(tenant, "Versicherung", []Lang{English, German})
	df := map[int32]int{}
	for h := range doc {
		df[h] = 1
	}
	w := q.Weigh(10, df)
	if w.Weights.Dot(doc) == 0 {
		t.Error("a German word is not found among English and German documents")
	}
	if len(w.Rarest) != 1 || len(w.Words) != 1 || w.Found != 1 {
		t.Errorf("candidates from %d terms", len(w.Rarest))
	}
}

func TestWeigh(t *testing.T) {
	var tenant [16]byte
	q := ParseQuery(tenant, "what about the refund refund zebra ERR-4012", []Lang{English})
	h := func(term string) int32 { return Hash(tenant, term) }
	w := q.Weigh(1000, map[int32]int{h("the"): 900, h("what"): 100, h("refund"): 20, h("err"): 30, h("4012"): 2})
	if diff := cmp.Diff([]int32{h("4012"), h("refund"), h("err"), h("what"), h("the")}, w.Rarest); diff != "" {
		t.Error(diff)
	}
	if got, full := w.Weights[h("what")], IDF(1000, 100); float64(got) > full/4 {
		t.Errorf("a small word weighs %f of %f", got, full)
	}
	if got, once := float64(w.Weights[h("refund")]), IDF(1100, 20); math.Abs(got-math.Sqrt2*once) > 1e-5 {
		t.Errorf("a word that is said twice weighs %f, and once %f", got, once)
	}
	if _, ok := w.Weights[h("zebra")]; ok {
		t.Error("a word that no document has is searched for")
	}
	if want := (IDF(1100, 0) + IDF(1100, 0) + IDF(1100, 2)) * (k1 + 1 + nearShare); math.Abs(w.Possible-want) > 1e-9 {
		t.Errorf("possible %f, not %f: zebra, err4012 and 4012", w.Possible, want)
	}
	big := q.Weigh(1e6, map[int32]int{h("the"): 900000, h("what"): 100000, h("refund"): 20000, h("err"): 30000, h("4012"): 2})
	if diff := cmp.Diff([]int32{h("4012")}, big.Rarest); diff != "" {
		t.Errorf("candidates of a large tenant: %s", diff)
	}
}

// TestWeights works BM25 out by hand: a term that stands twice among eight, where chunks have four on average.
func TestWeights(t *testing.T) {
	var tenant [16]byte
	w := DocWeights(tenant, Terms{Text: strings.Fields("a a b c d e f g")}, 4)
	h := Hash(tenant, "a")
	if want := 2 * (k1 + 1) / (2 + k1*(0.25+0.75*8/4)); math.Abs(float64(w[h])-want) > 1e-5 {
		t.Errorf("weight %f, not %f", w[h], want)
	}
	title := DocWeights(tenant, Terms{Text: strings.Fields("a b c d e"), Above: []string{"a"}}, 4)
	if want := 4*(k1+1)/(4+k1*(0.25+0.75*8/4)) + 0.5; math.Abs(float64(title[h])-want) > 1e-5 {
		t.Errorf("weight %f of a word in the title, not %f", title[h], want)
	}
	one := Weights{h: 1.5}
	if got, want := one.Sparse(), fmt.Sprintf("{%d:1.5}/1000000000", h+1); got != want {
		t.Errorf("%s, not %s: pgvector counts from 1", got, want)
	}
	if got, want := one.Terms(), fmt.Sprintf("{%d}", h); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

func TestAnalyzeChunk(t *testing.T) {
	got := AnalyzeChunk("Guide", []string{"Refunds"}, "Pay back.", English)
	if diff := cmp.Diff(Terms{Text: []string{"pay", "back"}, Above: []string{"guid", "refund"}}, got); diff != "" || got.Len() != 8 {
		t.Errorf("%d terms: %s", got.Len(), diff)
	}
	if diff := cmp.Diff(got, AnalyzeChunk("Guide", []string{"Guide", "Refunds"}, "Pay back.", English)); diff != "" {
		t.Errorf("with the title as first heading: %s", diff)
	}
}

func TestHashDiffersByTenant(t *testing.T) {
	if Hash([16]byte{1}, "refund") == Hash([16]byte{2}, "refund") {
		t.Error("two tenants share the number of a word")
	}
}

func TestAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		lang := rapid.SampledFrom([]Lang{None, English, Turkish, Finnish, Vietnamese}).Draw(t, "lang")
		terms := Analyze(text, lang)
		for _, term := range terms {
			if term == "" || len([]rune(term)) > 2*maxTermRunes {
				t.Fatalf("term %q", term)
			}
		}
		var tenant [16]byte
		weights := DocWeights(tenant, Terms{Text: terms}, 100)
		if s := weights.Sparse(); !strings.HasSuffix(s, "}/1000000000") {
			t.Fatal(s)
		}
		df := map[int32]int{}
		for h, w := range weights {
			if df[h] = 1; h < 0 || h >= Dimensions || !(w > 0 && w < k1+1) {
				t.Fatalf("weight %d: %f", h, w)
			}
		}
		// A text finds itself: the question's terms are the document's, whatever the language was taken for.
		q := ParseQuery(tenant, text, []Lang{lang}).Weigh(1, df)
		if near := q.Near(tenant).Score("", text, lang); len(terms) > 0 && (q.Weights.Dot(weights) <= 0 || near <= 0) {
			t.Fatalf("a text does not find itself: %f, near %f", q.Weights.Dot(weights), near)
		}
	})
}

func BenchmarkAnalyze(b *testing.B) {
	text := strings.Repeat("Customers who bought the annual plan may cancel within 14 days and receive a full refund. ", 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Analyze(text, English)
	}
}

func TestNear(t *testing.T) {
	var tenant [16]byte
	weight := func(term string) int32 { return Hash(tenant, term) }
	w := Weighed{Weights: Weights{weight("refund"): 4, weight("annual"): 2, weight("plan"): 1, weight("gross"): 8},
		Words: []Word{{Text: "Refund", stems: []string{"refund"}}, {Text: "anual", Spelled: []string{"annual"}, stems: []string{"annual"}},
			{Text: "plan", stems: []string{"plan"}}, {Text: "Größe", stems: []string{"gross"}}}}
	far := strings.Repeat("and so on ", 4)
	for name, c := range map[string]struct {
		above, text string
		want        float64
	}{
		"none":           {"", "Nothing of that.", 0},
		"side by side":   {"", "Refunds for annual plans.", 7},
		"any order":      {"", "The plan is annual; it is refunded.", 7},
		"far apart":      {"", "Refunds." + far + "Annual plans.", 4},
		"the best place": {"", "Annual plans." + far + "Refund the plan. " + far + "Annual.", 5},
		"repeats":        {"", "Plan, plan, plan, plan.", 1},
		"above":          {"Annual plans", "Plans are made.", 3},
		"not over it":    {"Refunds", "Annual plans", 4},
		"no ASCII":       {"", "Größe der Refunds", 12},
	} {
		lang := English
		if name == "no ASCII" {
			lang = German
			w.Weights[weight("refund")], w.Weights[Hash(tenant, Analyze("Refunds", German)[0])] = 0, 4
		}
		if got := w.Near(tenant).Score(c.above, c.text, lang); math.Abs(got-c.want*nearShare) > 1e-6 {
			t.Errorf("%s: %f, not %f", name, got, c.want*nearShare)
		}
		w.Weights[weight("refund")] = 4
	}
}

// Words that follow each other as in the question are worth more than the same words elsewhere.
func TestNearPairs(t *testing.T) {
	var tenant [16]byte
	q := ParseQuery(tenant, "opening hours of the library", []Lang{English}).Carry([]string{"And museums?"})
	df := map[int32]int{}
	for _, h := range q.Hashes() {
		df[h] = 1
	}
	w := q.Weigh(10, df)
	weight := func(i int) float64 { return w.Words[i].Weight }
	for text, want := range map[string]float64{
		"Library hours, and opening":                   0,
		"Opening the hours":                            0,
		"Opening hours":                                (weight(0) + weight(1)) / 2,
		"Opening hours: opening hours on Monday":       (weight(0) + weight(1)) / 2,
		"Hours of a library museum":                    (weight(1) + weight(2)) / 2,
		"The opening hours are those of the libraries": (weight(0)+weight(1))/2 + (weight(2)+weight(3))/2 + (weight(3)+weight(4))/2,
	} {
		n := w.Near(tenant)
		_, got := n.score(text, English)
		if math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("%s: %f, not %f", text, got, want)
		}
		if above := n.Score(text, text, English); math.Abs(above-n.Score("", text, English)) > 1e-6 {
			t.Errorf("%s: counted twice where it is the heading too", text)
		}
	}
}

// Irish words are found near each other however they begin.
func TestNearInIrish(t *testing.T) {
	var tenant [16]byte
	q := ParseQuery(tenant, "Seolaimid beartán", []Lang{Irish})
	df := map[int32]int{}
	for _, h := range q.Hashes() {
		df[h] = 1
	}
	w := q.Weigh(10, df)
	want := w.Near(tenant).Score("", "Seolaimid beartán.", Irish)
	if got := w.Near(tenant).Score("", "An sheolaimid bheartán?", Irish); got != want || got == 0 {
		t.Errorf("%f, and %f as it was asked", got, want)
	}
}

// What a word is asked for by its beginning is every other word with its stem: the small words of each language say so, and the
// verbs and nouns that change most.
func TestBeginnings(t *testing.T) {
	more := map[Lang]string{
		English: "die dies died dying try tries trying use using hope hoping hopped hopping add adding happy happily relate relational sensible sensibility",
		French:  "application appliquer appliquent patience patient logique logiquement yeux", German: "haus hauses häuser versichern versicherung versicherungen",
		Finnish: "kallio kallion kalliot russian tyttö tytöt", Dutch: "maan manen vraag vragen", Turkish: "kitap kitabı kitaplar evlerinizden evde",
	}
	for lang := range stemmers {
		if lang == Irish { // changes the beginnings of words
			continue
		}
		having := map[string][]string{} // stem → words
		for _, word := range slices.Concat(slices.Collect(maps.Keys(smallWords[lang])), strings.Fields(more[lang])) {
			having[lang.stem(word)] = append(having[lang.stem(word)], word)
		}
		for stem, words := range having {
			for _, asked := range words {
				var b beginnings
				b.add(stem, stem)
				b.add(foldAccents(asked), stem)
				for _, word := range words {
					if isASCII(word) && len(stem) > 1 && !b.has(word) {
						t.Errorf("%s: %s is not found by %s: both are %s", lang, word, asked, stem)
					}
				}
			}
		}
	}
	var b beginnings
	b.add("a", "a")
	b.add("versicherung", "versicher")
	for word, want := range map[string]bool{"A": true, "as": false, "Versicherte": true, "versiert": false, "versuch": false, "v": false, "wer": false} {
		if b.has(word) != want {
			t.Errorf("%s: %t", word, !want)
		}
	}
}

func BenchmarkNear(b *testing.B) {
	text := strings.Repeat("Customers who bought the annual plan may cancel within 14 days and receive a full refund. ", 20)
	var tenant [16]byte
	q := ParseQuery(tenant, "refund of the annual plan within 14 days", []Lang{English})
	df := map[int32]int{}
	for _, h := range q.Hashes() {
		df[h] = 1
	}
	w := q.Weigh(10, df)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w.Near(tenant).Score("Plans", text, English)
	}
}
