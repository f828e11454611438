package extract

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
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

// decode returns data as text in UTF-8. What decides, in order: a byte-order mark, UTF-16 by its control characters,
// ISO-2022-JP by its escapes, valid UTF-8, the encoding that markup declares, unless its bytes are none of that, and else the
// encoding in which it reads like a language.
func decode(data []byte, markup bool) string {
	for _, bom := range boms {
		if bytes.HasPrefix(data, []byte(bom.mark)) {
			return decodeAs(bom.enc, data[len(bom.mark):])
		}
	}
	if enc := utf16WithoutMark(data); enc != nil {
		return decodeAs(enc, data)
	}
	if enc := guessWide(data); enc != nil {
		return decodeAs(enc, data)
	}
	if bytes.Contains(data, []byte("\x1b$B")) || bytes.Contains(data, []byte("\x1b$@")) { // ISO 2022 consists of ASCII bytes
		return decodeAs(japanese.ISO2022JP, data)
	}
	if mostlyUTF8(data) {
		return strings.ToValidUTF8(string(data), "\uFFFD")
	}
	if markup {
		if m := metaCharset.FindSubmatch(data[:min(len(data), 4096)]); m != nil {
			if enc, name := charset.Lookup(string(m[1])); enc != nil && name != "utf-8" && !strings.HasPrefix(name, "utf-16") {
				if text := decodeAs(enc, data); plausible(text) {
					return text
				}
			}
		}
	}
	return decodeAs(guess(data), data)
}

// plausible reports whether few of the characters beyond ASCII that were decoded are none.
func plausible(text string) bool {
	wide, bad := 0, 0
	for _, r := range text {
		if r >= utf8.RuneSelf {
			wide++
		}
		if r == utf8.RuneError {
			bad++
		}
	}
	return bad*10 <= wide
}

func decodeAs(enc encoding.Encoding, data []byte) string {
	out, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return strings.ToValidUTF8(string(data), "\uFFFD")
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
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

// isBinary reports whether data, and the text decoded from it, is no text in any encoding: control characters that no text
// holds, and few letters.
func isBinary(data []byte, text string) bool {
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
	for _, c := range data {
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\r' || c == '\t' {
			readable++
		}
	}
	return control*100 > total*2 && readable*100 < len(data)*70 || control*100 > total*30
}
