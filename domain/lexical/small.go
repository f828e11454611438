package lexical

import (
	_ "embed"
	"strings"
)

// smallText lists the small words of each language: a line each, the code, a colon, the words. In a question they say
// little, so they weigh little there, and Guess knows a language by them. Those with which people speak to whoever answers (know,
// tell, please) are among them, but none that is an abbreviation too (ok, hi). The lines marked * are the scripts other than
// Latin together: their words cannot be taken for each other.
//
//go:embed small.txt
var smallText string

const otherScripts Lang = "*"

var smallWords, smallIndex = readSmall(smallText)

// contractions follow an apostrophe and say nothing.
var contractions = map[string]bool{"s": true, "t": true, "d": true, "m": true, "re": true, "ve": true, "ll": true}

func readSmall(text string) (byLang map[Lang]map[string]struct{}, index map[string][]Lang) {
	byLang, index = map[Lang]map[string]struct{}{}, map[string][]Lang{}
	for line := range strings.Lines(text) {
		code, words, _ := strings.Cut(line, ":")
		lang := Lang(code)
		if byLang[lang] == nil {
			byLang[lang] = map[string]struct{}{}
		}
		for _, word := range strings.Fields(words) {
			if _, dup := byLang[lang][word]; !dup {
				byLang[lang][word] = struct{}{}
				index[word] = append(index[word], lang)
			}
		}
	}
	return byLang, index
}
