package lexical

import (
	"maps"
	"slices"
	"strings"
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

// Spoken returns the ISO 639-1 codes of the languages that a question may be in, "" for one that is not known here. Its script tells, or the
// small words in it: of the documents' languages, English and what Guess says, it is those of which it has most. Where that is several, the
// documents' come first, and English before all.
func Spoken(question string, documents []Lang) []string {
	if language := byScript(question); language != anyLatin {
		return []string{language}
	}
	score := map[Lang]float64{}
	for _, word := range strings.FieldsFunc(strings.ToLower(question), notLatin) {
		for _, l := range smallIndex[word] {
			score[l] += 1 / float64(len(smallIndex[word]))
		}
	}
	others := []Lang{English, Guess(question)}
	most := max(score[others[0]], score[others[1]])
	for _, l := range documents {
		most = max(most, score[l])
	}
	less := func(l Lang) bool { return score[l] < most }
	best := slices.DeleteFunc(slices.Clone(documents), less)
	if len(best) == 0 {
		best = slices.DeleteFunc(others, less)
	}
	if slices.Contains(best, English) {
		return []string{string(English)}
	}
	codes := make([]string, len(best))
	for i, l := range best {
		codes[i] = string(l)
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
