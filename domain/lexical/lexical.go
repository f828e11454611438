// Package lexical turns text into terms, and terms into the BM25 weights that retrieval ranks by. It is pure: it knows
// nothing of tenants, tables or models. The terms decide what can be found: after a change of what Analyze returns,
// chunks that were stored before match badly until they are analysed again. Package ingest does that in the background, for
// documents whose chunks an older Version analysed.
package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Version numbers what texts are turned into. Raise it by one with every change of the terms, weights or words of any text: of what
// AnalyzeChunk, DocWeights or Reader.Words return. 0 is what documents have from before there were versions.
const Version = 1

// maxTermRunes bounds what one "word" may be: base64 and the like are cut, not stemmed. As long a run of letters that are not Latin is no
// word either, but has no spaces between its words, as whole sentences in Thai have none.
const maxTermRunes = 40

// Analyze returns the terms of text in reading order, repeats included. lang, from Guess, decides the stemmer of Latin
// script; every other script is recognised word by word, whatever lang says. A code such as ERR-4012 or v2.3.1 yields the
// whole and its parts. Scripts that put no spaces between words yield pairs of letters, and Han single ones too. Small
// words ("the", "what") are terms like others: ParseQuery makes them weigh little.
func Analyze(text string, lang Lang) []string {
	toks := tokens(text)
	terms := make([]string, len(toks))
	for i, tok := range toks {
		terms[i] = tok.term(lang)
	}
	return terms
}

// Keywords is Analyze without the small words, unless there are no others.
func Keywords(text string, lang Lang) []string {
	toks := tokens(text)
	terms := make([]string, 0, len(toks))
	for _, tok := range toks {
		if !tok.isSmall(lang) {
			terms = append(terms, tok.term(lang))
		}
	}
	if len(terms) == 0 {
		return Analyze(text, lang)
	}
	return terms
}

// titleWeight is how many times a word in a title or heading counts, and titleBonus what it weighs beside that: a text that says
// a word often has all the weight it can get from repeats, in a title or not. Measured: 3 times gains .01 to .04 nDCG@10 where
// titles say what the text is about, the bonus .013 and .020 more; both cost nothing where they do not.
const (
	titleWeight = 3
	titleBonus  = 0.5
)

// Terms are the terms of a chunk.
type Terms struct {
	Text  []string
	Above []string // of the document's title and the headings, which weigh more than the text
}

// Len is how many terms they count as.
func (t Terms) Len() int { return len(t.Text) + titleWeight*len(t.Above) }

// AnalyzeChunk returns the terms of a chunk below its document's title and its headings. A title that is the first heading too, as it
// is on most pages, counts once.
func AnalyzeChunk(title string, headings []string, text string, lang Lang) Terms {
	if len(headings) > 0 && headings[0] == title {
		headings = headings[1:]
	}
	return Terms{Text: Analyze(text, lang), Above: Analyze(title+"\n"+strings.Join(headings, "\n"), lang)}
}

// token is one word, or one thing to be found as it is.
type token struct {
	text   string // a Latin word as written, to be stemmed as the language has it; else the term
	word   string // of a script other than Latin: the term before its endings were taken off, "" for what is no word
	latin  bool
	spared bool // in capitals among small letters: the IT department is not "it"
	small  bool // a small word of such a script
}

// isAsIs reports a token that is its own term, whatever the language.
func (t token) isAsIs() bool { return !t.latin && t.word == "" }

// term is the token as documents in lang have it. A small word that is spared keeps its capitals.
func (t token) term(lang Lang) string {
	if !t.latin {
		return t.text
	}
	lower := lang.lower(t.text)
	if t.spared && lang.isSmall(lower) {
		return t.text
	}
	return lang.stem(lower)
}

// isSmall reports a word that says little in a question in lang.
func (t token) isSmall(lang Lang) bool {
	if t.latin {
		return !t.spared && lang.isSmall(lang.lower(t.text))
	}
	return t.small || t.isAsIs() && otherScripts.isSmall(t.text)
}

// tokens cuts a text into tokens. What it finds does not depend on the language.
func tokens(text string) []token {
	t := newTokenizer(text)
	t.out = make([]token, 0, len(text)/5)
	eachRun(text, t.run)
	return t.out
}

type tokenizer struct {
	shouting bool // the text has no small letter, so that capitals say nothing
	out      []token
}

func newTokenizer(text string) tokenizer {
	return tokenizer{shouting: !strings.ContainsFunc(text, unicode.IsLower)}
}

func (t *tokenizer) asIs(term string) { t.out = append(t.out, token{text: term}) }

// run takes one run of letters and digits, held together by joiners; see eachRun. letters says that it has ASCII letters alone, or digits.
func (t *tokenizer) run(run string, letters bool) {
	if letters && len(run) <= maxTermRunes {
		t.out = append(t.out, t.latinToken(run))
		return
	}
	if isSimple(run) {
		t.word(run)
		return
	}
	parts, joiners := splitRun(run)
	if len(parts) == 1 {
		t.word(parts[0])
		return
	}
	if number := plainNumber(parts, joiners); number != "" {
		t.asIs(number)
		return
	}
	if whole := wholeCode(parts, joiners); whole != "" {
		t.asIs(whole)
		if number := strings.TrimLeftFunc(whole, unicode.IsLetter); strings.Contains(number, ".") && startsWithDigit(number) && number != whole {
			t.asIs(number) // v2.3.1 is version 2.3.1
		}
	}
	elided := strings.ContainsAny(joiners, "'’")
	for i, part := range parts {
		if elided && utf8.RuneCountInString(part) == 1 && i < len(joiners) {
			continue // l'eau, d'accord
		}
		if elided && i > 0 && contractions[strings.ToLower(part)] {
			continue // it's, we'll
		}
		t.word(part)
	}
}

// word takes letters and digits without joiners.
func (t *tokenizer) word(word string) {
	if word == "" {
		return
	}
	long := utf8.RuneCountInString(word) > maxTermRunes
	switch first, _ := utf8.DecodeRuneInString(word); scriptOf(first) {
	case unspaced:
		t.pairs(word)
	case latin, plain:
		if long {
			t.asIs(strings.ToLower(string([]rune(word)[:maxTermRunes])))
			return
		}
		t.latin(word)
	default:
		if long { // a script without spaces that is not among the known ones
			t.pairs(word)
			return
		}
		lower := strings.ToLower(word)
		_, small := smallWords[otherScripts][lower]
		folded := foldScript(lower)
		if stem := stemScript(folded); stem != "" { // letters of marks alone have none
			t.out = append(t.out, token{text: stem, word: folded, small: small})
		}
	}
}

func (t *tokenizer) latinToken(word string) token {
	spared := !t.shouting && len(word) > 1 && (word[0] < 'a' || word[0] > 'z') && strings.ToUpper(word) == word
	return token{text: word, latin: true, spared: spared}
}

// latin takes a word of Latin letters and digits. covid19 yields covid19, covid and 19.
func (t *tokenizer) latin(word string) {
	t.out = append(t.out, t.latinToken(word))
	letters, digits := splitDigits(word)
	if utf8.RuneCountInString(letters) > 1 && strings.ContainsFunc(letters, unicode.IsLetter) { // marks alone are none
		t.out = append(t.out, token{text: letters, latin: true}, token{text: digits})
	}
}

// pairs adds each two letters that follow each other, and single ones where they are words or alone.
func (t *tokenizer) pairs(word string) {
	before := -1 // where the letter before begins
	for i, r := range word {
		end := i + utf8.RuneLen(r)
		if end == len(word) && before < 0 || unicode.Is(unicode.Han, r) {
			t.asIs(word[i:end])
		}
		if before >= 0 {
			t.asIs(word[before:end])
		}
		before = i
	}
}

func startsWithDigit(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// normalize brings a text to compatibility form: ﬁ → fi, full width → half.
func normalize(text string) string {
	if !isASCII(text) && !norm.NFKC.IsNormalString(text) {
		text = norm.NFKC.String(text)
	}
	return text
}
