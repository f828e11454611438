package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// eachSentence finds the sentences of a text (Unicode UAX 29), each with the blanks after it, and puts together what
// that cuts at abbreviations and within addresses.
func eachSentence(text string, yield func(start, end int)) {
	// the algorithm ends a sentence at every line end, of which a paragraph has many
	it := sentences.FromString(strings.ReplaceAll(text, "\n", " "))
	start := 0
	for it.Next() {
		end := it.End()
		if end < len(text) {
			end = beforeOpening(text, start, end)
		}
		if end == len(text) || end > start && ends(text[start:end]) {
			yield(start, end)
			start = end
		}
	}
}

// beforeOpening leaves the bracket or quotation mark that opens the next sentence to it, where no blank stands between: 。「
func beforeOpening(text string, start, end int) int {
	for end > start {
		r, n := utf8.DecodeLastRuneInString(text[start:end])
		if !unicode.In(r, unicode.Ps, unicode.Pi) {
			break
		}
		end -= n
	}
	return end
}

// ends reports whether what looks like a sentence is one. When in doubt it is none: two sentences in one piece do less harm
// than two halves.
func ends(sentence string) bool {
	s := strings.TrimRightFunc(sentence, unicode.IsSpace)
	mark, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, `)]}"'*_`))
	if len(s) == len(sentence) && mark < utf8.RuneSelf {
		return false // only marks such as 。 need no blank after them: this one is in "/search?Q=1"
	}
	s, ok := strings.CutSuffix(s, ".")
	return !ok || !abbreviates(s)
}

// abbreviations end with a full stop that ends no sentence.
var abbreviations = map[string]bool{}

func init() {
	for word := range strings.FieldsSeq(`dr mr mrs ms messrs prof rev gen sen rep gov hon pres capt lt col sgt jr sr st ave blvd mt ft
		vs etc cf fig figs eq eqs no nos sec ch chap vol ed eds pp approx inc ltd corp co bros dept est tel ext ref min max avg
		jan feb mar apr jun jul aug sep sept oct nov dec
		bzw ca nr str abs abb art kap aufl usw vgl inkl exkl zzgl ggf evtl bspw gem mind mio mrd hr fr fa dipl ing geb gest jh sog std
		mme mlle env av bd sig dott sra srta dra ud uds núm pág págs tél art
		dhr mevr bijv enz resp nl obs pkt ust ul`) {
		abbreviations[word] = true
	}
}

// abbreviates reports whether the last word before a full stop is an abbreviation: one of the list, a letter or letters with
// stops between them ("J.", "e.g.", "U.S.", "Ph.D.") or a number as in "4. Oktober".
func abbreviates(s string) bool {
	word := s[strings.LastIndexFunc(s, unicode.IsSpace)+1:]
	word = strings.TrimLeft(word, "([\"'“„«*_")
	if abbreviations[strings.ToLower(word)] {
		return true
	}
	size := utf8.RuneCountInString(word)
	if size > 0 && size <= 2 && strings.Trim(word, "0123456789") == "" {
		return true
	}
	for part := range strings.SplitSeq(word, ".") {
		r, n := utf8.DecodeRuneInString(part)
		_, rest := utf8.DecodeRuneInString(part[n:])
		if !unicode.IsLetter(r) || n+rest < len(part) {
			return false // empty, a number, or of more than two letters
		}
	}
	return size == 1 || strings.Contains(word, ".")
}
