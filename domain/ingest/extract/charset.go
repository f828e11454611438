package extract

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	textunicode "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

var (
	boms = []struct {
		mark string
		enc  encoding.Encoding
	}{
		{"\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
		{"\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
		{"\xef\xbb\xbf", textunicode.UTF8},
		{"\xff\xfe", textunicode.UTF16(textunicode.LittleEndian, textunicode.IgnoreBOM)},
		{"\xfe\xff", textunicode.UTF16(textunicode.BigEndian, textunicode.IgnoreBOM)},
	}
	metaCharset = regexp.MustCompile(`(?i)(?:charset|encoding)\s*=\s*["']?\s*([\w:.-]+)`)
)

// chardetSure is the confidence below which a guessed encoding is worse than Windows-1252: short German text
// is taken for Turkish at 0.42, while Shift JIS and Windows-1251 come out at 0.99.
const chardetSure = 0.8

// decode returns data as text in UTF-8. What decides, in order: a byte-order mark, valid UTF-8, the encoding that
// markup declares, UTF-16 without a mark, ISO-2022-JP by its escapes, a statistical guess that is sure, and else Windows-1252.
func decode(data []byte, markup bool) string {
	for _, bom := range boms {
		if bytes.HasPrefix(data, []byte(bom.mark)) {
			return decodeAs(bom.enc, data[len(bom.mark):])
		}
	}
	if enc := utf16WithoutMark(data); enc != nil {
		return decodeAs(enc, data)
	}
	if bytes.Contains(data, []byte("\x1b$B")) { // ISO 2022 consists of ASCII bytes
		return decodeAs(japanese.ISO2022JP, data)
	}
	if mostlyUTF8(data) {
		return strings.ToValidUTF8(string(data), "\uFFFD")
	}
	if markup {
		if m := metaCharset.FindSubmatch(data[:min(len(data), 4096)]); m != nil {
			if enc, name := charset.Lookup(string(m[1])); enc != nil && name != "utf-8" && !strings.HasPrefix(name, "utf-16") {
				return decodeAs(enc, data)
			}
		}
	}
	if guess := chardet.Detect(data[:min(len(data), 64<<10)]); guess.Confidence >= chardetSure {
		if enc, _ := charset.Lookup(webLabel(guess.Encoding)); enc != nil {
			return decodeAs(enc, data)
		}
	}
	if text := decodeAs(japanese.ShiftJIS, data); isJapanese(text) {
		return text
	}
	return decodeAs(charmap.Windows1252, data)
}

// isJapanese reports whether text, decoded from Shift JIS, reads like Japanese throughout. The statistical guess knows none
// of the characters that Microsoft added, which names of people and places use.
func isJapanese(text string) bool {
	letters, wide := 0, 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) && (r < 0xff61 || r > 0xff9f):
			letters++
			wide++
		case r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60:
		case r >= 0x80:
			return false
		case unicode.IsLetter(r):
			letters++
		}
	}
	return wide >= 4 && wide*2 >= letters
}

func decodeAs(enc encoding.Encoding, data []byte) string {
	out, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return strings.ToValidUTF8(string(data), "\uFFFD")
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// webLabel maps the detector's names to labels of the WHATWG Encoding Standard.
func webLabel(name string) string {
	switch strings.ToUpper(name) {
	case "CP932":
		return "shift_jis"
	case "CP949":
		return "euc-kr"
	case "GB2312", "HZ-GB-2312":
		return "gb18030"
	case "MACCYRILLIC", "X-MAC-CYRILLIC": // taken for it now and then; it is extinct
		return "windows-1251"
	}
	return name
}

// mostlyUTF8 reports whether data is UTF-8, forgiving a few broken bytes among many good sequences.
func mostlyUTF8(data []byte) bool {
	if utf8.Valid(data) {
		return true
	}
	good, bad := 0, 0
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			bad++
		} else if n > 1 {
			good++
		}
		data = data[n:]
	}
	return good >= 10*bad
}

// utf16WithoutMark recognises Latin text in UTF-16 by its zero bytes, which all fall on one side.
func utf16WithoutMark(data []byte) encoding.Encoding {
	var zeros [2]int
	head := data[:min(len(data), 4096)&^1]
	for i, c := range head {
		if c == 0 {
			zeros[i&1]++
		}
	}
	half := len(head) / 2
	switch {
	case half < 4:
	case zeros[1] > half*4/10 && zeros[0] < half/20:
		return textunicode.UTF16(textunicode.LittleEndian, textunicode.IgnoreBOM)
	case zeros[0] > half*4/10 && zeros[1] < half/20:
		return textunicode.UTF16(textunicode.BigEndian, textunicode.IgnoreBOM)
	}
	return nil
}

// isBinary reports whether data is no text in any encoding: control characters that no text holds, and few letters.
func isBinary(data []byte) bool {
	sample := data[:min(len(data), 64<<10)]
	text := decode(sample, false)
	control, total := 0, 0
	for _, r := range text {
		total++
		if r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1a\x1b", r) || r == 0x7f || r == utf8.RuneError {
			control++
		}
	}
	if control == 0 {
		return false
	}
	readable := 0
	for _, c := range sample {
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\r' || c == '\t' {
			readable++
		}
	}
	return control*100 > total*2 && readable*100 < len(sample)*70 || control*100 > total*30
}
