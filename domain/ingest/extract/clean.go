package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// cleanText makes running text storable and searchable: valid UTF-8 in NFC, ligatures and presentation forms
// resolved, invisible and control characters gone, runs of blanks and of line ends joined.
func cleanText(s string) string {
	if s == "" {
		return ""
	}
	if isTidy(s) {
		return s
	}
	return tidyLines(cleanCode(s))
}

// isTidy reports whether cleanText would return s as it is; most text is, and need not be copied.
func isTidy(s string) bool {
	prev := byte(' ')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' && c != '\n' || c >= 0x7f {
			return false
		}
		if (c == ' ' || c == '\n') && (prev == ' ' || prev == '\n') {
			return false
		}
		prev = c
	}
	return prev != ' ' && prev != '\n'
}

func tidyLines(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	blank, lines := false, false
	for _, r := range s {
		switch {
		case r == '\n':
			lines = true
		case r == ' ' || r == '\t':
			blank = true
		default:
			if b.Len() > 0 {
				if lines {
					b.WriteByte('\n')
				} else if blank {
					b.WriteByte(' ')
				}
			}
			blank, lines = false, false
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cleanCode is cleanText for text whose blanks carry meaning.
func cleanCode(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == '\r':
			if i >= len(s) || s[i] != '\n' {
				b.WriteByte('\n')
			}
		case r == '\n' || r == '\t' || r >= ' ' && r < 0x7f:
			b.WriteByte(byte(r))
		case r == '\v' || r == '\f':
			b.WriteByte('\n')
		case r < ' ' || r == 0x7f:
		default:
			writeWide(&b, r)
		}
	}
	return norm.NFC.String(b.String())
}

// writeWide writes one rune beyond ASCII in its searchable form.
func writeWide(b *strings.Builder, r rune) {
	switch {
	case r == 0x85 || r == 0x2028 || r == 0x2029:
		b.WriteByte('\n')
	case r >= 0x80 && r <= 0xa0, r == 0x202f, r >= 0x2000 && r <= 0x200a, r == 0x1680, r == 0x205f, r == 0x3000:
		b.WriteByte(' ')
	case isInvisible(r):
	case isCompat(r):
		b.WriteString(norm.NFKC.String(string(r)))
	default:
		b.WriteRune(r)
	}
}

// isInvisible covers soft hyphens, zero-width spaces, byte-order marks, noncharacters, tags, and the
// marks that turn the direction of what follows, with which a text can be shown differently from what it
// says. U+200C and U+200D stay: Persian, Indic scripts and emoji need them.
func isInvisible(r rune) bool {
	switch {
	case r == 0xad, r == 0x200b, r == 0x200e, r == 0x200f, r == 0x061c, r == 0xfeff,
		r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r >= 0xfff9 && r <= 0xfffb,
		r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef || r > unicode.MaxRune
}

// isCompat covers Latin, Armenian, Hebrew and Arabic ligatures and presentation forms: shapes of a font, which
// nobody types into a search box. Other compatibility characters (², ½, full-width letters) keep their meaning.
func isCompat(r rune) bool { return r >= 0xfb00 && r <= 0xfdfc || r >= 0xfe70 && r <= 0xfefc }

// raised and lowered are the figures that stand above and below the line, and the signs that go with them.
var raised, lowered = scripts("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ", "0123456789+-−=()ni"), scripts("₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₓₙᵢ", "0123456789+-−=()xni")

func scripts(to, from string) map[rune]rune {
	m, shifted := map[rune]rune{' ': ' '}, []rune(to)
	for i, r := range []rune(from) {
		m[r] = shifted[i]
	}
	return m
}

// shift writes text that stands above or below the line as such, so that 10⁶ does not become 106. It leaves alone what has
// no such form, as in 1st.
func shift(s string, to map[rune]rune) string {
	var b strings.Builder
	for _, r := range s {
		r, ok := to[r]
		if !ok {
			return s
		}
		b.WriteRune(r)
	}
	return b.String()
}
