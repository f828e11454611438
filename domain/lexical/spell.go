package lexical

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a misspelled word is taken for is found by deletions (Garbe, "SymSpell", 2012): every word of the vocabulary is known by
// its own hash and by the hashes of what is left when one letter is taken out, and so is the word that was typed. Two words
// that one edit makes of each other, a letter too many, one missing, one for another or two in the wrong order, have such a
// key in common.

// What may be misspelled, and what it may be taken for. Shorter words have too many neighbours.
const (
	leastLetters = 3
	mostLetters  = 24
)

// Entry is a word of a vocabulary.
type Entry struct {
	Hash int32
	Text string // in small letters, as it is written
	Keys string // by which it is found when it is misspelled, as a PostgreSQL array of integers
}

// Reader reads the words of one tenant's chunks. It remembers those that it has seen.
type Reader struct {
	tenant [16]byte
	known  map[string]Entry
}

// NewReader returns a reader of the tenant's chunks.
func NewReader(tenant [16]byte) Reader { return Reader{tenant, map[string]Entry{}} }

// Words returns the different words of a chunk, its document's title and its headings, that AnalyzeChunk takes the terms
// from, by their hashes. Words with digits, and those of scripts without spaces, are not there.
func (r Reader) Words(title string, headings []string, text string, lang Lang) []Entry {
	var words []Entry
	for _, part := range []string{text, title, strings.Join(headings, "\n")} {
		for _, tok := range tokens(part) {
			word := tok.surface(lang)
			if word == "" {
				continue
			}
			e, ok := r.known[word]
			if !ok {
				e = Entry{Hash(r.tenant, word), word, array(Keys(r.tenant, word))}
				r.known[word] = e
			}
			words = append(words, e)
		}
	}
	slices.SortFunc(words, func(a, b Entry) int { return cmp.Compare(a.Hash, b.Hash) })
	return slices.CompactFunc(words, func(a, b Entry) bool { return a.Hash == b.Hash })
}

// surface is the word in small letters, "" for what is no word or too short or too long to be one that is misspelled.
func (t token) surface(lang Lang) string {
	word := t.word
	if t.latin {
		word = lang.lower(t.text)
	}
	if n := utf8.RuneCountInString(word); n < leastLetters || n > mostLetters || strings.ContainsFunc(word, notLetter) {
		return ""
	}
	return word
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

// Keys are the hashes by which a word is found when it is misspelled: of the word without accents, and of that
// with each one letter left out.
func Keys(tenant [16]byte, word string) []int32 {
	word = foldWord(word)
	keys := append(make([]int32, 0, len(word)+1), Hash(tenant, word))
	left := make([]byte, 0, len(word))
	for at, r := range word {
		left = append(append(left[:0], word[:at]...), word[at+utf8.RuneLen(r):]...)
		if key := Hash(tenant, string(left)); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// foldWord takes the accents off a word in small letters; words of other scripts come without.
func foldWord(word string) string {
	if isASCII(word) || !isLatin(word) {
		return word
	}
	return foldAccents(word)
}

func isLatin(word string) bool {
	first, _ := utf8.DecodeRuneInString(word)
	return scriptOf(first) == latin
}

// A Neighbour is a word of the tenant's vocabulary that has a key in common with one that was typed.
type Neighbour struct {
	Word   string
	Chunks int // that have it
}

// Unknown returns the keys of the question's words that no chunk has, or nil. df is as for Weigh.
func (q Query) Unknown(df map[int32]int) []int32 {
	var keys []int32
	for _, w := range q.words {
		if w.unknown(df) && len(keys) < maxKeys {
			keys = append(keys, Keys(q.tenant, w.surface)...)
		}
	}
	return keys
}

// maxKeys bounds what a question that is misspelled from end to end costs.
const maxKeys = 400

func (w queryWord) unknown(df map[int32]int) bool {
	return w.surface != "" && !slices.ContainsFunc(w.terms, func(term int32) bool { return df[term] > 0 })
}

// Spell takes the words that no chunk has for those of their neighbours that are most like them. It returns the terms of
// these, whose document frequencies Weigh needs too.
func (q *Query) Spell(df map[int32]int, vocabulary []Neighbour) (hashes []int32) {
	folded := make([][]rune, len(vocabulary))
	for i, n := range vocabulary {
		folded[i] = []rune(foldWord(n.Word))
	}
	for i, w := range q.words {
		if !w.unknown(df) {
			continue
		}
		q.words[i].spelled = q.spellings([]rune(foldWord(w.surface)), vocabulary, folded)
		for _, s := range q.words[i].spelled {
			hashes = append(hashes, s.terms...)
		}
	}
	return hashes
}

// A spelling is a word that another was perhaps meant to be.
type spelling struct {
	word  string
	small bool
	terms []int32
	stems []string // that the terms are of
	sure  float64  // 0 to 1: how likely it was meant
}

func (q Query) spellings(typed []rune, vocabulary []Neighbour, folded [][]rune) []spelling {
	var found []spelling
	all := asItIs * math.Exp(float64(6-len(typed))/2)
	for i, n := range vocabulary {
		like := likeness(typed, folded[i])
		if like == 0 {
			continue
		}
		s := spelling{word: n.Word, sure: like * math.Sqrt(float64(n.Chunks))}
		all += s.sure
		found = append(found, s)
	}
	slices.SortStableFunc(found, func(a, b spelling) int { return cmp.Or(cmp.Compare(b.sure, a.sure), cmp.Compare(a.word, b.word)) })
	found = found[:min(mostSpellings, len(found))]
	for i := range found {
		s := &found[i]
		s.sure /= all
		for _, lang := range q.langs {
			term := stemScript(s.word)
			if isLatin(s.word) {
				term, s.small = lang.stem(s.word), s.small || lang.isSmall(s.word)
			}
			if h := Hash(q.tenant, term); !slices.Contains(s.terms, h) {
				s.terms, s.stems = append(s.terms, h), append(s.stems, term)
			}
		}
	}
	// A small word says nothing, however likely it was meant.
	return slices.DeleteFunc(found, func(s spelling) bool { return s.small })
}

// What was measured on questions with a typo in each content word, and on questions that no document answers: the figures may
// be twice as large or half without much of a difference.
const (
	mostSpellings = 3   // that a word is taken for at once
	sameLetters   = 10  // how likely it is that only accents differ, beside another edit,
	swappedTwo    = 2.5 // that two letters changed places,
	otherFirst    = 0.5 // and that the first letter is not right
	asItIs        = 0.2 // that a word of six letters is none of them; shorter words have more neighbours by chance
)

// likeness is how likely who typed one word meant the other, 0 when it takes more than one edit.
func likeness(typed, word []rune) float64 {
	a, b := typed, word
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	like := 1.0
	switch {
	case len(a) == 0 && len(b) == 0:
		return sameLetters
	case len(a) <= 1 && len(b) <= 1:
	case len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]:
		like = swappedTwo
	default:
		return 0
	}
	if typed[0] != word[0] {
		like *= otherFirst
	}
	return like
}
