package lexical

import (
	"cmp"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"
)

// languages that a script tells, as far as models go: one that knows Russian mostly knows what else is written in Cyrillic.
var languages = []struct {
	script *unicode.RangeTable
	code   string
}{
	{unicode.Latin, anyLatin}, {unicode.Cyrillic, "ru"}, {unicode.Arabic, "ar"}, {unicode.Han, "zh"}, {unicode.Hiragana, "ja"}, {unicode.Katakana, "ja"},
	{unicode.Hangul, "ko"}, {unicode.Devanagari, "hi"}, {unicode.Thai, "th"}, {unicode.Greek, "el"}, {unicode.Hebrew, "he"},
}

// anyLatin stands for the languages of the Latin script, which it does not tell apart.
const anyLatin = "latin"

// Spoken returns the ISO 639-1 codes of the languages that a question may be in, "" for one that is not known here: the one that its script
// tells; or, of the languages of documents that it may be about, English and what Guess says, the one of whose small words it has most. Of
// several it is the one of most documents; of several again English, or all.
func Spoken(question string, documents []Lang) []string {
	if language := byScript(question); language != anyLatin {
		return []string{language}
	}
	about := map[Lang]int{English: 0, Guess(question): 0}
	for _, l := range documents {
		about[l]++
	}
	score, _ := smallScores(question)
	likelier := func(a, b Lang) int { return cmp.Or(cmp.Compare(score[a], score[b]), cmp.Compare(about[a], about[b])) }
	candidates := slices.Sorted(maps.Keys(about))
	likeliest := slices.MaxFunc(candidates, likelier)
	if likelier(English, likeliest) == 0 {
		return []string{string(English)}
	}
	var codes []string
	for _, l := range candidates {
		if likelier(l, likeliest) == 0 {
			codes = append(codes, string(l))
		}
	}
	return codes
}

// byScript is the language of the script that most letters of a question have.
func byScript(question string) string {
	count := map[string]int{}
	for _, r := range question {
		if unicode.IsLetter(r) {
			count[languageBy(r)]++
		}
	}
	if count["ja"] > 0 { // it is written with Chinese characters too
		count["ja"] += count["zh"]
	}
	most := anyLatin
	for _, language := range slices.Sorted(maps.Keys(count)) {
		if count[language] > count[most] {
			most = language
		}
	}
	return most
}

func languageBy(letter rune) string {
	if letter < utf8.RuneSelf {
		return anyLatin
	}
	for _, l := range languages {
		if unicode.Is(l.script, letter) {
			return l.code
		}
	}
	return ""
}
