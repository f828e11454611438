package extract

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	textunicode "golang.org/x/text/encoding/unicode"
)

// rtfFont is what a font says about its characters.
type rtfFont struct {
	charset int             // as in \fcharset, + 1; 0 when it is not said
	page    int             // of \cpg
	symbols map[byte]string // of a font of signs
}

func (r *rtfReader) setFont(change func(*rtfFont)) {
	if r.state.dest == rtfFonts && len(r.fonts) < 1<<16 {
		font := r.fonts[r.state.font]
		change(&font)
		r.fonts[r.state.font] = font
	}
}

// fontName takes text from the table of fonts, where a semicolon ends each name.
func (r *rtfReader) fontName(s string) {
	for _, c := range []byte(s) {
		if c != ';' && len(r.text) < 64 {
			r.text = append(r.text, c)
			continue
		}
		name := strings.TrimSpace(string(r.text))
		r.text = r.text[:0]
		if symbols := symbolFont(name); symbols != nil {
			r.setFont(func(f *rtfFont) { f.symbols = symbols })
		}
	}
}

// symbolFont returns the characters of a font of signs, by its name, or nil for any other font.
func symbolFont(name string) map[byte]string {
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "symbol"):
		return greekSymbols
	case strings.HasPrefix(name, "wingdings"), strings.HasPrefix(name, "webdings"), strings.HasPrefix(name, "zapfdingbats"):
		return wingdings
	}
	return nil
}

// endFonts looks whether any font is declared to be in the code page of the file. Where none is, the writer knew nothing of
// fonts' character sets, and those that claim to be Western are not.
func (r *rtfReader) endFonts() {
	r.anyPage = true
	for _, f := range r.fonts {
		if f.page == r.page || f.charset > 1 && rtfCharsets[f.charset-1] == r.page {
			r.anyPage = false
		}
	}
}

func (r *rtfReader) encoding(f rtfFont) encoding.Encoding {
	page := f.page
	if page == 0 && f.charset > 0 {
		page = rtfCharsets[f.charset-1]
	}
	if page == 0 || page == 1252 && r.anyPage {
		page = r.page
	}
	if enc := codePages[page]; enc != nil {
		return enc
	}
	return charmap.Windows1252
}

// rtfCharsets are the code pages of \fcharset.
var rtfCharsets = map[int]int{
	0: 1252, 77: 10000, 78: 932, 79: 949, 80: 936, 81: 950, 89: 1257, 128: 932, 129: 949, 130: 949, 134: 936, 136: 950, 161: 1253,
	162: 1254, 163: 1258, 177: 1255, 178: 1256, 179: 1256, 180: 1256, 181: 1255, 186: 1257, 204: 1251, 222: 874, 238: 1250, 254: 437, 255: 850,
}

// codePages are the encodings by the numbers of Windows.
var codePages = map[int]encoding.Encoding{
	437: charmap.CodePage437, 850: charmap.CodePage850, 852: charmap.CodePage852, 855: charmap.CodePage855, 858: charmap.CodePage858,
	860: charmap.CodePage860, 862: charmap.CodePage862, 863: charmap.CodePage863, 865: charmap.CodePage865, 866: charmap.CodePage866,
	874: charmap.Windows874, 932: japanese.ShiftJIS, 936: simplifiedchinese.GB18030, 949: korean.EUCKR, 950: traditionalchinese.Big5,
	1250: charmap.Windows1250, 1251: charmap.Windows1251, 1252: charmap.Windows1252, 1253: charmap.Windows1253,
	1254: charmap.Windows1254, 1255: charmap.Windows1255, 1256: charmap.Windows1256, 1257: charmap.Windows1257,
	1258: charmap.Windows1258, 10000: charmap.Macintosh, 10001: japanese.ShiftJIS, 10007: charmap.MacintoshCyrillic,
	20866: charmap.KOI8R, 28591: charmap.ISO8859_1, 28592: charmap.ISO8859_2, 28605: charmap.ISO8859_15,
	51932: japanese.EUCJP, 54936: simplifiedchinese.GB18030, 65001: textunicode.UTF8,
}

// greekSymbols are the characters of the font Symbol, from ! to þ.
var greekSymbols = symbolTable(map[byte]string{
	' ': " ! ∀ # ∃ % & ∋ ( ) ∗ + , − . / 0 1 2 3 4 5 6 7 8 9 : ; < = > ?",
	'@': "≅ Α Β Χ Δ Ε Φ Γ Η Ι ϑ Κ Λ Μ Ν Ο Π Θ Ρ Σ Τ Υ ς Ω Ξ Ψ Ζ [ ∴ ] ⊥ _",
	'`': "‾ α β χ δ ε φ γ η ι ϕ κ λ μ ν ο π θ ρ σ τ υ ϖ ω ξ ψ ζ { | } ∼",
	160: "€ ϒ ′ ≤ ⁄ ∞ ƒ ♣ ♦ ♥ ♠ ↔ ← ↑ → ↓ ° ± ″ ≥ × ∝ ∂ • ÷ ≠ ≡ ≈ … | — ↵",
	192: "ℵ ℑ ℜ ℘ ⊗ ⊕ ∅ ∩ ∪ ⊃ ⊇ ⊄ ⊂ ⊆ ∈ ∉ ∠ ∇ ® © ™ ∏ √ ⋅ ¬ ∧ ∨ ⇔ ⇐ ⇑ ⇒ ⇓",
	224: "◊ 〈 ® © ™ ∑",
})

// wingdings are those characters of the font Wingdings that say something.
var wingdings = symbolTable(map[byte]string{
	'(': "☎", '*': "✉", 'J': "☺", 'L': "☹", 'l': "● ❍ ■ □", 167: "▪", 168: "◻", 216: "➢", 223: "← → ↑ ↓", 232: "➔", 251: "✗ ✓ ☒ ☑",
})

func symbolTable(ranges map[byte]string) map[byte]string {
	table := map[byte]string{' ': " ", '\t': "\t"}
	for c, signs := range ranges {
		for s := range strings.FieldsSeq(signs) {
			if c == ' ' {
				c++ // a blank is no field
			}
			table[c] = s
			c++
		}
	}
	return table
}
