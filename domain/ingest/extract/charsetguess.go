package extract

import (
	"bytes"
	_ "embed"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	textunicode "golang.org/x/text/encoding/unicode"
)

// candidate is an encoding that a text without any mark may be in, and the languages that are written in it.
type candidate struct {
	enc       encoding.Encoding
	languages string
	rare      float64 // how much likelier the text must be than in a common encoding, as a logarithm
	rareRows  func(lead, trail byte) bool
}

// rareRow is how unlikely a character is that its standard, which orders them so, has among the rare ones.
const rareRow = 4

var candidates = []candidate{
	{charmap.Windows1252, "en de fr es it pt nl sv da fi is", 0, nil},
	{charmap.Windows1250, "pl cs sk hu ro hr", 1, nil},
	{charmap.Windows1251, "ru uk bg sr", 1, nil},
	{charmap.Windows1253, "el", 1, nil},
	{charmap.Windows1254, "tr", 1, nil},
	{charmap.Windows1255, "he", 1, nil},
	{charmap.Windows1256, "ar fa", 1, nil},
	{charmap.Windows1257, "lt lv et", 1, nil},
	{charmap.Windows874, "th", 1, nil},
	{japanese.ShiftJIS, "ja", 4, func(lead, _ byte) bool { return lead > 0x98 && lead < 0xa0 || lead > 0xdf }},
	{japanese.EUCJP, "ja", 4, func(lead, _ byte) bool { return lead >= 0xd0 }},
	{simplifiedchinese.GB18030, "zh-Hans", 4, func(lead, trail byte) bool { return min(lead, trail) < 0xa1 || lead >= 0xd8 }},
	{traditionalchinese.Big5, "zh-Hant", 4, func(lead, _ byte) bool { return lead < 0xa1 || lead >= 0xc9 }},
	{korean.EUCKR, "ko", 4, func(lead, trail byte) bool { return min(lead, trail) < 0xa1 }},
	{charmap.ISO8859_2, "pl cs sk hu ro hr", 3, nil},
	{charmap.ISO8859_5, "ru bg sr", 3, nil},
	{charmap.ISO8859_7, "el", 3, nil},
	{charmap.ISO8859_15, "de fr es it pt nl fi", 3, nil},
	{charmap.KOI8U, "ru uk", 3, nil},
	{charmap.Macintosh, "de fr es it pt nl sv da", 4, nil},
	{charmap.CodePage850, "de fr es it pt nl sv da", 4, nil},
	{charmap.CodePage852, "pl cs sk hu", 4, nil},
	{charmap.CodePage866, "ru", 4, nil},
	{charmap.ISO8859_6, "ar", 4, nil},
	{charmap.MacintoshCyrillic, "ru", 4, nil},
}

// guess returns the encoding in which data reads most like a text in one of its languages.
func guess(data []byte) encoding.Encoding {
	sample := telling(data)
	words := latinWords(sample)
	var best encoding.Encoding
	most := math.Inf(-1)
	for _, c := range candidates {
		cost := c.rare + c.rarities(sample)
		if likely := likelihood(decodeAs(c.enc, sample), c.languages, words, most+cost) - cost; likely > most {
			best, most = c.enc, likely
		}
	}
	return best
}

// rarities returns how unlikely the characters of two bytes are that are rare.
func (c candidate) rarities(sample []byte) float64 {
	sum := 0.0
	for i := 0; c.rareRows != nil && i+1 < len(sample); i++ {
		lead := sample[i]
		if lead <= utf8.RuneSelf || c.enc == japanese.ShiftJIS && lead >= 0xa0 && lead <= 0xdf { // those of one byte
			continue
		}
		i++
		if c.rareRows(lead, sample[i]) {
			sum += rareRow
		}
	}
	return sum
}

// guessWide returns the UTF-16 in which data without a mark reads like text, or nil. Control characters give it away: they are
// half of the characters of most scripts, and blanks and line ends have them in all.
func guessWide(data []byte) encoding.Encoding {
	sample := data[:min(len(data), 2<<10)&^1]
	controls := 0
	for _, c := range sample {
		if c < ' ' && !strings.ContainsRune("\t\n\f\r\x1b", rune(c)) {
			controls++
		}
	}
	if controls*50 < len(sample) || len(sample) < 8 {
		return nil
	}
	var best encoding.Encoding
	most := math.Inf(-1)
	for _, order := range []textunicode.Endianness{textunicode.LittleEndian, textunicode.BigEndian} {
		enc := textunicode.UTF16(order, textunicode.IgnoreBOM)
		text := decodeAs(enc, sample)
		if strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) && !unicode.IsSpace(r) }) {
			continue
		}
		floor := max(most, -9*float64(utf8.RuneCountInString(text))) // what no language has
		if likely := likelihood(text, "pl tr ru uk el he ar fa th ja zh-Hans zh-Hant ko", nil, floor); likely > floor {
			best, most = enc, likely
		}
	}
	return best
}

// telling returns the lines of data that hold bytes beyond ASCII, up to a length at which more make no difference.
func telling(data []byte) []byte {
	const enough = 2 << 10
	var out []byte
	for len(data) > 0 && len(out) < enough {
		i := 0
		for i < len(data) && data[i] < utf8.RuneSelf {
			i++
		}
		if i == len(data) {
			break
		}
		start, end := i, i
		for start > 0 && data[start-1] != '\n' && i-start < 256 {
			start--
		}
		for end < len(data) && data[end] != '\n' && end-i < enough {
			end++
		}
		out = append(append(out, data[start:end]...), '\n')
		data = data[end:]
	}
	return out
}

// latinWords returns how likely the words in ASCII are in each language, beside the language in which they are likeliest. They
// may be of another language than the rest, as markup is, so they count for little.
func latinWords(sample []byte) map[string]float64 {
	const weight, most, enough = 0.3, 8, 500
	var words strings.Builder
	for word := range bytes.FieldsFuncSeq(sample, func(r rune) bool { return r < utf8.RuneSelf && !isASCIILetter(r) }) {
		if words.Len() < enough && !slices.ContainsFunc(word, func(c byte) bool { return c >= utf8.RuneSelf }) {
			words.Write(word)
			words.WriteByte(' ')
		}
	}
	out := map[string]float64{}
	best := math.Inf(-1)
	for name, m := range models() {
		out[name] = m.likelihood(words.String(), math.Inf(-1), true)
		best = max(best, out[name])
	}
	for name := range out {
		out[name] = max(weight*(out[name]-best), -most)
	}
	return out
}

// likelihood returns the logarithm of how likely a text is in the likeliest of the languages, if it is above the floor. words says
// how likely its words in ASCII are, which are the same in every encoding.
func likelihood(text, languages string, words map[string]float64, floor float64) float64 {
	for name := range strings.FieldsSeq(languages) {
		floor = max(floor, models()[name].likelihood(text, floor-words[name], false)+words[name])
	}
	return floor
}

//go:embed charsetsamples.txt
var samples string

// models learns the languages from samples of them.
var models = sync.OnceValue(func() map[string]*model {
	out := map[string]*model{}
	for _, part := range strings.Split(samples, "== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		out[name] = learn(text)
	}
	return out
})

// model says how likely letters follow each other in a language, as logarithms. Its first two letters are none: the boundary of
// a word, and what the language does not have. A language of thousands of letters is known by how often each is used.
type model struct {
	letters map[rune]int
	scripts []*unicode.RangeTable
	single  []float32
	pairs   [][]float32
}

const (
	boundary = 0
	foreign  = 1
)

func learn(text string) *model {
	text = strings.ToLower(text)
	m := &model{letters: map[rune]int{}}
	count := map[rune]int{}
	for _, r := range text {
		need := 2 // a letter seen once may be of a foreign name
		if r < utf8.RuneSelf {
			need = 1
		}
		if count[r]++; count[r] != need || !unicode.In(r, unicode.L, unicode.M) {
			continue
		}
		m.letters[r] = len(m.letters) + 2
		if script := scriptOf(r); script != nil && !slices.Contains(m.scripts, script) {
			m.scripts = append(m.scripts, script)
		}
	}
	size, total := len(m.letters)+2, float64(utf8.RuneCountInString(text))
	single := make([]float64, size)
	for _, r := range text {
		single[m.letter(r)]++
	}
	m.single = make([]float32, size)
	for k := range single {
		single[k] = (single[k] + 0.1) / total
		m.single[k] = float32(math.Log(single[k]))
	}
	m.single[foreign] = -7
	if size < 128 {
		m.learnPairs(text, single)
	}
	return m
}

// learnPairs counts which letters follow which. A pair that was not seen is as likely as its second letter, with the weight of
// three letters seen.
func (m *model) learnPairs(text string, single []float64) {
	const weight = 3
	count := make([][]float64, len(single))
	seen := make([]float64, len(single))
	for k := range count {
		count[k] = make([]float64, len(single))
	}
	last := boundary
	for _, r := range text {
		k := m.letter(r)
		count[last][k]++
		seen[last]++
		last = k
	}
	m.pairs = make([][]float32, len(single))
	for a := range m.pairs {
		m.pairs[a] = make([]float32, len(single))
		for b := range m.pairs[a] {
			m.pairs[a][b] = float32(math.Log((count[a][b] + weight*single[b]) / (seen[a] + weight)))
		}
	}
}

func (m *model) letter(r rune) int {
	if k, ok := m.letters[r]; ok {
		return k
	}
	if r < utf8.RuneSelf && !isASCIILetter(r) || r >= utf8.RuneSelf && !unicode.In(r, unicode.L, unicode.M) {
		return boundary
	}
	return foreign
}

func isASCIILetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// likelihood returns the logarithm of how likely the words of a text are, all of them or those that have characters beyond
// ASCII. It gives up when it is below the floor.
func (m *model) likelihood(text string, floor float64, all bool) float64 {
	sum, word := 0.0, 0.0
	wide, digit := false, false // the word has characters beyond ASCII; a digit stands before it
	last, lastRune, before := boundary, ' ', ' '
	for _, r := range text + "\n" {
		if r < utf8.RuneSelf && !isASCIILetter(r) { // between words
			if wide || all {
				if lastRune >= utf8.RuneSelf && (digit || isDigit(byte(r))) {
					word += besideDigit(lastRune)
				}
				if sum += word + m.pair(last, boundary); sum < floor {
					break
				}
			}
			digit = isDigit(byte(r))
			word, wide, last, lastRune, before = 0, false, boundary, ' ', ' '
			continue
		}
		if r == lastRune && r != utf8.RuneError && !unicode.IsLetter(r) { // a line drawn with it
			continue
		}
		small := unicode.ToLower(r)
		k := m.letter(small)
		word += m.pair(last, k) + m.oddity(r, k)
		if small != r && unicode.IsLower(lastRune) { // a capital within a word
			word -= 4
		}
		if k != boundary && last == boundary && before != ' ' && !strings.ContainsRune("’‘·´•–—", lastRune) { // a sign within a word
			word -= 5
		}
		if k != boundary && strings.ContainsRune("¼½¾", lastRune) { // œ in another encoding
			word -= 12
		}
		wide = wide || r >= utf8.RuneSelf
		last, lastRune, before = k, r, lastRune
	}
	return sum
}

// besideDigit is how unlikely a character is next to a digit: a currency or a degree is likelier than a letter.
func besideDigit(r rune) float64 {
	switch {
	case strings.ContainsRune("€£°²³½¼¾×±–%", r):
		return 3
	case unicode.IsLetter(r):
		return -3
	}
	return 0
}

func (m *model) pair(a, b int) float64 {
	if m.pairs == nil {
		return float64(m.single[b])
	}
	return float64(m.pairs[a][b])
}

// scriptOf returns the script of a letter, if it is one that candidates have.
func scriptOf(r rune) *unicode.RangeTable {
	for _, s := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Hebrew, unicode.Arabic, unicode.Thai,
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul} {
		if unicode.Is(s, r) {
			return s
		}
	}
	return nil
}

// oddity is how unlikely a character is among those that the language does not have.
func (m *model) oddity(r rune, letter int) float64 {
	switch {
	case letter > foreign:
		return 0
	case r < utf8.RuneSelf:
		return -4
	case r == utf8.RuneError, r < 0xa0, unicode.Is(unicode.Co, r):
		return -16
	case strings.ContainsRune("„“”‚‘’–—…•«»§°€\u00a0", r), r >= 0x3000 && r < 0x3020, r > 0xff00 && r < 0xff60:
		return -4
	case strings.ContainsRune("£©®™ªº¿¡²³½¼¾·×±´†", r):
		return -6
	case !unicode.In(r, unicode.L, unicode.M):
		return -10
	}
	switch script := scriptOf(r); {
	case !slices.Contains(m.scripts, script):
		return -8
	case script == unicode.Han:
		return -3
	case script == unicode.Hangul:
		return -2
	case script == unicode.Hiragana, script == unicode.Katakana:
		return 0
	}
	return -4
}
