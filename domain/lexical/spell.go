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
	sure  float64 // 0 to 1: how likely it was meant
}

func (q Query) spellings(typed []rune, vocabulary []Neighbour, folded [][]rune) []spelling {
	var found []spelling
	var all float64
	for i, n := range vocabulary {
		like := likeness(typed, folded[i])
		if like == 0 {
			continue
		}
		s := spelling{word: n.Word, sure: like * math.Pow(float64(n.Chunks), frequencyPower)}
		all += s.sure
		found = append(found, s)
	}
	slices.SortStableFunc(found, func(a, b spelling) int { return cmp.Or(cmp.Compare(b.sure, a.sure), cmp.Compare(a.word, b.word)) })
	found = found[:min(mostSpellings, len(found))]
	for i := range found {
		s := &found[i]
		s.sure /= all + noneLikeness
		for _, lang := range q.langs {
			term := stemScript(s.word)
			if isLatin(s.word) {
				term, s.small = lang.stem(s.word), s.small || lang.isSmall(s.word)
			}
			if h := Hash(q.tenant, term); !slices.Contains(s.terms, h) {
				s.terms = append(s.terms, h)
			}
		}
	}
	return found
}

var (
	mostSpellings  = 3
	frequencyPower = 0.5
	noneLikeness   = 0.3
	otherFirst     = 0.3
	swapped        = 1.5
	twice          = 0.05
)

// likeness is how likely somebody who meant word typed typed, 0 when two edits do not make one of the other.
func likeness(typed, word []rune) float64 {
	like := 1.0
	switch distance(typed, word) {
	case 0:
		return 10
	case 1:
		if len(typed) == len(word) && swap(typed, word) {
			like = swapped
		}
	case 2:
		like = twice
	default:
		return 0
	}
	if typed[0] != word[0] {
		like *= otherFirst
	}
	return like
}

// swap reports whether two words of the same length and distance 1 differ in the order of two letters.
func swap(a, b []rune) bool {
	differ := 0
	for i := range a {
		if a[i] != b[i] {
			differ++
		}
	}
	return differ == 2
}

// distance is how many edits make one word of the other (Damerau-Levenshtein, no letter moved twice); anything above 2 is 3.
func distance(a, b []rune) int {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 0 || len(b) == 0 {
		return min(3, len(a)+len(b))
	}
	if d := len(a) - len(b); d > 2 || d < -2 {
		return 3
	}
	var rows [3][mostLetters + 4]int
	before, last, row := rows[0][:len(b)+1], rows[1][:len(b)+1], rows[2][:len(b)+1]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(3, last[len(b)])
}
