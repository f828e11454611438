package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/tamil"
	"golang.org/x/text/unicode/norm"
)

// foldScript writes a word in small letters, whose script is neither Latin nor unspaced, without what people leave out or
// write in several ways.
func foldScript(word string) string {
	first, _ := utf8.DecodeRuneInString(word)
	switch {
	case unicode.Is(unicode.Arabic, first):
		return arabicLetters.Replace(dropMarks(word))
	case unicode.Is(unicode.Cyrillic, first):
		return strings.ReplaceAll(word, "ё", "е")
	case unicode.Is(unicode.Greek, first):
		return strings.ReplaceAll(foldAccents(word), "ς", "σ")
	case unicode.Is(unicode.Devanagari, first):
		return foldHindi.Replace(word)
	case unicode.Is(unicode.Hebrew, first):
		return dropMarks(word)
	}
	return word
}

// stemScript stems what foldScript returns.
func stemScript(word string) string {
	first, _ := utf8.DecodeRuneInString(word)
	switch {
	case unicode.Is(unicode.Arabic, first):
		return stemArabic(word)
	case unicode.Is(unicode.Cyrillic, first):
		env := snowballstem.NewEnv(word)
		russian.Stem(env)
		return env.Current()
	case unicode.Is(unicode.Greek, first):
		return stemSuffix(word, greekEndings, 3)
	case unicode.Is(unicode.Devanagari, first):
		return stemSuffix(word, hindiEndings, 2)
	case unicode.Is(unicode.Tamil, first):
		env := snowballstem.NewEnv(word)
		tamil.Stem(env)
		return env.Current()
	}
	return word
}

// foldAccents takes the marks off Latin and Greek letters, and writes ø, ß and the like in plain letters.
func foldAccents(word string) string {
	return plainLetters.Replace(dropMarks(norm.NFD.String(word)))
}

var plainLetters = strings.NewReplacer("ø", "o", "ß", "ss", "æ", "ae", "œ", "oe", "ł", "l", "ı", "i", "đ", "d", "ð", "d", "þ", "th")

func dropMarks(word string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, word)
}

// stemArabic takes off articles, conjunctions and common endings: the "light10" stemmer of Larkey, Ballesteros and Connell,
// "Improving stemming for Arabic information retrieval" (SIGIR 2002).
func stemArabic(word string) string {
	size := utf8.RuneCountInString(word)
	if rest, ok := strings.CutPrefix(word, "و"); ok && size > 3 {
		word, size = rest, size-1
	}
	for _, prefix := range []string{"وال", "بال", "كال", "فال", "ال", "لل"} {
		n := utf8.RuneCountInString(prefix)
		if rest, ok := strings.CutPrefix(word, prefix); ok && size-n >= 2 {
			word, size = rest, size-n
			break
		}
	}
	for _, suffix := range []string{"ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي"} {
		n := utf8.RuneCountInString(suffix)
		if rest, ok := strings.CutSuffix(word, suffix); ok && size-n >= 2 {
			word, size = rest, size-n
		}
	}
	return word
}

var arabicLetters = strings.NewReplacer("ـ", "", "آ", "ا", "أ", "ا", "إ", "ا", "ٱ", "ا", "ى", "ي", "ی", "ي", "ې", "ي",
	"ک", "ك", "ة", "ه", "ؤ", "و", "ئ", "ي")

// stemSuffix takes the first of endings off that leaves at least keep letters. Endings stand longest first.
func stemSuffix(word string, endings []string, keep int) string {
	for _, ending := range endings {
		if rest, ok := strings.CutSuffix(word, ending); ok && utf8.RuneCountInString(rest) >= keep {
			return rest
		}
	}
	return word
}

// greekEndings are the endings of nouns, adjectives and common verbs, accents off and ς as σ.
var greekEndings = strings.Fields("ματων ματοσ ματα ουσαν ονται εται ουμε ησησ ισμου ισμο ευση ηση ιων ιου εισ ουσ " +
	"οντασ ησ εσ ασ οσ ων ου οι ια ιο ει αι α ε η ι ο υ ω σ")

// hindiEndings follow Ramanathan and Rao, "A lightweight stemmer for Hindi" (EACL 2003).
var hindiEndings = strings.Fields("ियाँ ियों ाइयाँ ाइयों ाएंगी ाएंगे ाऊंगी ाऊंगा ाइए ाकर ाएं ाओं ाता ाती ाते ाना ानी ाने " +
	"ेगा ेगी ोगे ोगी ुओं ुआं ुएं ियां ीय कर ाओ िए ाई ाए ने नी ना ते ीं ती ता ाँ ां ों ें ो े ू ु ी ि ा")

// foldHindi unifies nasal marks and takes off the dot below.
var foldHindi = strings.NewReplacer("ँ", "ं", "़", "")
