package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// script groups letters by how they become terms.
type script int

const (
	plain    script = iota // digits
	latin                  // the language's stemmer
	unspaced               // Han, Kana, Hangul, Thai, Lao, Khmer, Myanmar: pairs of letters
	other                  // a stemmer that the script names
)

func scriptOf(r rune) script {
	switch {
	case r < 0x80 && unicode.IsLetter(r), unicode.Is(unicode.Latin, r):
		return latin
	case unicode.IsDigit(r):
		return plain
	case r < 0x0e00:
		return other
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao,
		unicode.Khmer, unicode.Myanmar), r == 'ー', r == '々':
		return unspaced
	}
	return other
}

// joins are the characters that hold a run together when a letter or a digit stands on both sides.
const joins = "-‐_./'’@&,+#"

// eachRun cuts a text into runs of letters and digits of one script group, joiners inside included. c++ and c# keep their sign. Of most
// that have ASCII letters alone it says so.
func eachRun(text string, do func(run string, letters bool)) {
	text = normalize(text)
	start, group, hidden := -1, plain, false
	flush := func(end int) {
		if start >= 0 {
			run := text[start:end]
			if hidden {
				run = clean(run)
			}
			do(run, false)
		}
		start, group, hidden = -1, plain, false
	}
	word := func(at int, s script) {
		if start >= 0 && parts(group, s) {
			flush(at)
		}
		if start < 0 {
			start = at
		}
		if s != plain {
			group = s
		}
	}
	for i, n := 0, 0; i < len(text); i += n {
		n = 1
		switch c := text[i]; { // most of most texts
		case isASCIILetter(c):
			end := i + 1
			for end < len(text) && isASCIILetter(text[end]) {
				end++
			}
			n = end - i
			if start < 0 && end < len(text) && endsWord(text[end]) {
				do(text[i:end], true)
				n++
				continue
			}
			word(i, latin)
			continue
		case '0' <= c && c <= '9':
			word(i, plain)
			continue
		case c == ' ':
			flush(i)
			continue
		}
		var r rune
		r, n = utf8.DecodeRuneInString(text[i:])
		switch {
		case start < 0 && unicode.IsMark(r): // a mark without a letter
		case unicode.IsMark(r):
			word(i, group)
		case isWord(r):
			word(i, scriptOf(r))
		case isFormat(r):
			hidden = true
		case start >= 0 && group != unspaced && strings.ContainsRune(joins, r) && joinsHere(text, i, r):
		default:
			flush(i)
		}
	}
	flush(len(text))
}

// isOneToken reports a run of ASCII letters alone, or digits alone.
func isOneToken(run string) bool {
	letters := isASCIILetter(run[0])
	for i := range len(run) {
		if c := run[i]; letters && !isASCIILetter(c) || !letters && !isASCIIDigit(c) {
			return false
		}
	}
	return true
}

func isASCIIDigit(c byte) bool { return c-'0' < 10 }

func isASCIILetter(c byte) bool { return c|0x20-'a' < 26 }

// endsWord reports most of the characters that end a word of letters wherever they stand behind one.
func endsWord(c byte) bool { return c == ' ' || c == ',' || c == '\n' || c == ')' }

// parts reports whether a run ends between two characters. Digits go with all letters but those of unspaced scripts.
func parts(a, b script) bool {
	if a == plain || b == plain {
		return a == unspaced || b == unspaced
	}
	return a != b
}

func isWord(r rune) bool {
	if r < 0x80 {
		return isASCIILetter(byte(r)) || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// isFormat reports characters that are not seen: soft hyphen, zero-width joiners and spaces, direction marks.
func isFormat(r rune) bool { return r >= 0xad && unicode.Is(unicode.Cf, r) }

// joinsHere reports whether the joiner r at text[i] has a letter or digit on both sides.
func joinsHere(text string, i int, r rune) bool {
	next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
	prev, _ := utf8.DecodeLastRuneInString(text[:i])
	if r == ',' {
		return unicode.IsDigit(prev) && unicode.IsDigit(next)
	}
	if r == '+' || r == '#' { // a sign after one letter: c++, c#
		return signAfterLetter(text[:i])
	}
	return isWord(prev) && isWord(next) && scriptOf(next) != unspaced
}

// signAfterLetter reports whether before ends in a word of one Latin letter, with at most one + after it.
func signAfterLetter(before string) bool {
	before = strings.TrimSuffix(before, "+")
	letter, n := utf8.DecodeLastRuneInString(before)
	prev, _ := utf8.DecodeLastRuneInString(before[:len(before)-n])
	return letter < 0x80 && unicode.IsLetter(letter) && !isWord(prev)
}

// clean drops the characters that are not seen.
func clean(run string) string {
	return strings.Map(func(r rune) rune {
		if isFormat(r) {
			return -1
		}
		return r
	}, run)
}

// isSimple reports a run of ASCII letters and digits: most are.
func isSimple(run string) bool {
	for i := range len(run) {
		if c := run[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// splitRun cuts a run at its joiners. The joiners stand in one string, in order.
func splitRun(run string) (parts []string, joiners string) {
	if strings.HasSuffix(run, "+") || strings.HasSuffix(run, "#") {
		return []string{run}, ""
	}
	at := strings.IndexAny(run, joins)
	for at >= 0 {
		_, n := utf8.DecodeRuneInString(run[at:])
		if at > 0 {
			parts = append(parts, run[:at])
			joiners += run[at : at+n]
		}
		run = run[at+n:]
		at = strings.IndexAny(run, joins)
	}
	if run != "" {
		parts = append(parts, run)
	}
	return parts, joiners
}

// plainNumber is a number with separators, thousands taken out: 1,000.50 → 1000.50. Empty for anything else.
func plainNumber(parts []string, joiners string) string {
	if strings.Trim(joiners, ",") != "" && strings.Trim(joiners, ",.") != "" {
		return ""
	}
	for _, p := range parts {
		if strings.TrimLeft(p, "0123456789") != "" {
			return ""
		}
	}
	if strings.Count(joiners, ".") > 1 {
		return ""
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 && joiners[i-1] == '.' {
			b.WriteByte('.')
		}
		b.WriteString(p)
	}
	return b.String()
}

// wholeCode is the run as one term, if it looks like a name of its own: a digit in it, or joined by a hyphen, a low
// line, @ or &, or a dotted name in small letters. Hyphens and the like go, so that ERR-4012, err_4012 and ERR4012 meet.
// Dots stay: v2.31 is not v2.3.1.
func wholeCode(parts []string, joiners string) string {
	joined := strings.ToLower(strings.Join(parts, ""))
	hasDigit := strings.ContainsAny(joined, "0123456789")
	if strings.ContainsAny(joiners, "'’") || !hasDigit && !strings.ContainsAny(joiners, "-‐_@&.") {
		return ""
	}
	if !hasDigit && strings.Contains(joiners, ".") && strings.Join(parts, "") != joined {
		return "" // a sentence that ends without a space after it
	}
	if utf8.RuneCountInString(joined) > maxTermRunes {
		return ""
	}
	if strings.Contains(joiners, ".") {
		return strings.ToLower(joinDots(parts, joiners))
	}
	return joined
}

// joinDots joins the parts, keeping dots and @ only.
func joinDots(parts []string, joiners string) string {
	var b strings.Builder
	signs := []rune(joiners)
	for i, p := range parts {
		if i > 0 && (signs[i-1] == '.' || signs[i-1] == '@') {
			b.WriteRune(signs[i-1])
		}
		b.WriteString(p)
	}
	return b.String()
}

// splitDigits cuts a word of letters followed by digits, or digits followed by letters, in two. Anything else has no
// digits.
func splitDigits(word string) (letters, digits string) {
	head := strings.TrimRightFunc(word, unicode.IsDigit)
	if head != word && head != "" {
		if strings.ContainsFunc(head, unicode.IsDigit) {
			return "", ""
		}
		return head, word[len(head):]
	}
	tail := strings.TrimLeftFunc(word, unicode.IsDigit)
	if tail != word && tail != "" && !strings.ContainsFunc(tail, unicode.IsDigit) {
		return tail, word[:len(word)-len(tail)]
	}
	return "", ""
}
