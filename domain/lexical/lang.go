package lexical

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/irish"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"
)

// Lang is a language of Latin script by its ISO 639-1 code, or None. Other scripts need no Lang: their letters tell.
type Lang string

// The languages that Guess tells apart.
const (
	None       Lang = "" // no language known: words are kept as they are
	Czech      Lang = "cs"
	Danish     Lang = "da"
	German     Lang = "de"
	English    Lang = "en"
	Spanish    Lang = "es"
	Finnish    Lang = "fi"
	French     Lang = "fr"
	Irish      Lang = "ga"
	Hungarian  Lang = "hu"
	Indonesian Lang = "id"
	Italian    Lang = "it"
	Dutch      Lang = "nl"
	Norwegian  Lang = "no"
	Polish     Lang = "pl"
	Portuguese Lang = "pt"
	Romanian   Lang = "ro"
	Swedish    Lang = "sv"
	Turkish    Lang = "tr"
	Vietnamese Lang = "vi"
)

var stemmers = map[Lang]func(*snowballstem.Env) bool{
	Danish: danish.Stem, Dutch: dutch.Stem, English: english.Stem, Finnish: finnish.Stem, French: french.Stem,
	German: german.Stem, Hungarian: hungarian.Stem, Irish: irish.Stem, Italian: italian.Stem, Norwegian: norwegian.Stem,
	Portuguese: portuguese.Stem, Romanian: romanian.Stem, Spanish: spanish.Stem, Swedish: swedish.Stem,
	Turkish: turkish.Stem,
}

// stem brings a word in small letters to its stem, without accents: people leave them out when they ask.
func (l Lang) stem(word string) string {
	stem := stemmers[l]
	if stem == nil || strings.ContainsAny(word, "0123456789") {
		return l.fold(word)
	}
	env := snowballstem.NewEnv(word)
	stem(env)
	return l.fold(env.Current())
}

// fold takes accents off, but not in Vietnamese, where they make another word.
func (l Lang) fold(word string) string {
	if l == Vietnamese || isASCII(word) {
		return word
	}
	return foldAccents(word)
}

func (l Lang) lower(word string) string {
	if l == Turkish {
		return strings.ToLowerSpecial(unicode.TurkishCase, word)
	}
	return strings.ToLower(word)
}

func (l Lang) isSmall(word string) bool {
	_, ok := smallWords[l][word]
	return ok
}

// Guess tells the language of a text by the small words in it. Give it a whole document: a sentence is often too short.
// English is the answer too where there is little to go by, or where the script is not Latin, as the odd Latin word in
// such a text is English as a rule; None is for a text of a Latin script in a language that is not known here.
func Guess(text string) Lang {
	if len(text) > guessBytes {
		text = strings.ToValidUTF8(text[:guessBytes], "")
	}
	score, words := smallScores(text)
	best := English
	for _, l := range slices.Sorted(maps.Keys(score)) {
		if score[l] > score[best] {
			best = l
		}
	}
	if score[best] < max(2, 1.5*score[English]) {
		best = English
	}
	mostlyLatin := words > utf8.RuneCountInString(text)/20
	if words >= 50 && score[best] < 0.05*float64(words) && mostlyLatin {
		return None
	}
	return best
}

// smallScores counts the small words of each language in a text, those of several languages in parts, and all words.
func smallScores(text string) (score map[Lang]float64, words int) {
	score = map[Lang]float64{}
	for _, word := range strings.FieldsFunc(strings.ToLower(text), notLatin) {
		words++
		for _, l := range smallIndex[word] {
			score[l] += 1 / float64(len(smallIndex[word]))
		}
	}
	return score, words
}

// guessBytes is how much of a text Guess reads.
const guessBytes = 20_000

func notLatin(r rune) bool {
	return !('a' <= r && r <= 'z' || r >= 0xaa && (unicode.Is(unicode.Latin, r) || unicode.Is(unicode.Mn, r)))
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if binary.LittleEndian.Uint64([]byte(s[:8]))&0x8080808080808080 != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
