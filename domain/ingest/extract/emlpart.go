package extract

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// mailPart is a part of a message, or all of it: fields by their names in small letters, and what follows them.
type mailPart struct {
	header map[string]string
	body   []byte
}

// mailFields are the fields that are looked at.
var mailFields = map[string]bool{
	"subject": true, "from": true, "to": true, "cc": true, "date": true,
	"content-type": true, "content-transfer-encoding": true, "content-disposition": true, "content-id": true,
}

// maxField bounds a field; lists of recipients can be long.
const maxField = 16 << 10

var fieldName = regexp.MustCompile(`^[!-9;-~]+[ \t]*:`)

// cutHeader parts the fields from what follows the first empty line. A line that is no field is passed over, as the first one of
// a mailbox; but what begins with one is all body.
func cutHeader(data []byte) (header map[string]string, body []byte) {
	header = map[string]string{}
	name, rest := "", data
	for first := true; len(rest) > 0; first = false {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		switch mark := fieldName.Find(line[:min(len(line), 200)]); {
		case len(line) == 0:
			return header, after
		case line[0] == ' ' || line[0] == '\t':
			if name != "" && len(header[name]) < maxField {
				header[name] += " " + string(bytes.TrimSpace(line[:min(len(line), maxField)]))
			}
		case mark != nil:
			name = strings.ToLower(strings.TrimRight(string(mark[:len(mark)-1]), " \t"))
			if _, seen := header[name]; seen || !mailFields[name] {
				name = ""
				break
			}
			value := line[len(mark):]
			header[name] = string(bytes.TrimSpace(value[:min(len(value), maxField)]))
		case first && !bytes.HasPrefix(line, []byte("From ")):
			return header, data
		default:
			name = ""
		}
		rest = after
	}
	return header, nil
}

// mediaType returns what kind of text or file the part is; the kind of a part that does not say is plain text.
func (p mailPart) mediaType() (kind string, params map[string]string) {
	return parseMedia(p.header["content-type"], "text/plain")
}

func (p mailPart) disposition() (kind string, params map[string]string) {
	return parseMedia(p.header["content-disposition"], "inline")
}

var mediaParam = regexp.MustCompile(`(?i)[;\s](boundary|charset|name|filename|format|smime-type)\s*=\s*(?:"([^"]*)"|([^;\s"]+))`)

// parseMedia forgives what mime.ParseMediaType does not: doubled parameters, missing quotes.
func parseMedia(value, otherwise string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(value)
	if err == nil {
		return kind, params
	}
	kind, _, _ = strings.Cut(value, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" || strings.ContainsAny(kind, " \t") {
		kind = otherwise
	}
	params = map[string]string{}
	for _, m := range mediaParam.FindAllStringSubmatch(value, 20) {
		if name := strings.ToLower(m[1]); params[name] == "" {
			params[name] = m[2] + m[3]
		}
	}
	return kind, params
}

// decoded undoes the encoding for transport.
func (p mailPart) decoded() []byte {
	switch encoding, _, _ := strings.Cut(strings.ToLower(p.header["content-transfer-encoding"]), ";"); strings.TrimSpace(encoding) {
	case "base64":
		return decodeBase64(p.body)
	case "quoted-printable":
		return decodeQuoted(p.body)
	}
	return p.body
}

// decodeBase64 passes over what is no base64, as line ends are; a body that mostly is not was never encoded.
func decodeBase64(body []byte) []byte {
	kept := make([]byte, 0, len(body))
	other := 0
	for _, c := range body {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			kept = append(kept, c)
		case c != '\r' && c != '\n' && c != '=':
			other++
		}
	}
	if other*8 > len(kept) {
		return body
	}
	if len(kept)%4 == 1 {
		kept = kept[:len(kept)-1]
	}
	n, _ := base64.RawStdEncoding.Decode(kept, kept) // nothing is left that it could refuse
	return kept[:n]
}

// decodeQuoted leaves alone what is no quoted-printable.
func decodeQuoted(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for line := range bytes.Lines(body) {
		text := bytes.TrimRight(line, " \t\r\n")
		end := line[len(bytes.TrimRight(line, "\r\n")):]
		if soft, ok := bytes.CutSuffix(text, []byte("=")); ok {
			text, end = soft, nil
		}
		for len(text) > 0 {
			if text[0] == '=' && len(text) >= 3 && isHex(text[1]) && isHex(text[2]) {
				out = append(out, unhex(text[1])<<4|unhex(text[2]))
				text = text[3:]
				continue
			}
			out = append(out, text[0])
			text = text[1:]
		}
		out = append(out, end...)
	}
	return out
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// decodeMail returns a text in UTF-8. A charset that is not named, or is named out of habit, is found out.
func decodeMail(data []byte, label string, markup bool) string {
	label = strings.ToLower(strings.TrimSpace(label))
	enc, name := charset.Lookup(label)
	switch {
	case enc == nil || name == "utf-8" || label == "us-ascii" || label == "ascii":
		return decode(data, markup)
	case utf8.Valid(data) && bytes.ContainsFunc(data, func(r rune) bool { return r >= utf8.RuneSelf }):
		return decode(data, markup)
	}
	return decodeAs(enc, data)
}

var wordDecoder = mime.WordDecoder{CharsetReader: func(label string, in io.Reader) (io.Reader, error) {
	enc, _ := charset.Lookup(label)
	if enc == nil {
		return nil, fmt.Errorf("no charset %q", label)
	}
	return enc.NewDecoder().Reader(in), nil
}}

// decodeWords decodes a field: its encoded words (RFC 2047), or bytes that should have been encoded.
func decodeWords(field string) string {
	if strings.ContainsFunc(field, func(r rune) bool { return r >= utf8.RuneSelf }) {
		field = decode([]byte(field), false)
	}
	text, err := wordDecoder.DecodeHeader(field)
	if err != nil {
		return field
	}
	return text
}

// guessBoundary finds a line that looks like a boundary: fields of a part follow it.
var guessBoundary = regexp.MustCompile(`(?mi)^--(\S[^\r\n]*?)[ \t]*\r?\nContent-`)

// splitParts cuts a body at its boundary. One that is not closed ends with its last part; where no boundary is found, it may have
// another than it says.
func splitParts(body []byte, boundary string) []mailPart {
	parts := cutAt(body, boundary)
	if len(parts) == 0 {
		if m := guessBoundary.FindSubmatch(body); m != nil {
			parts = cutAt(body, string(m[1]))
		}
	}
	return parts
}

func cutAt(body []byte, boundary string) []mailPart {
	if boundary == "" {
		return nil
	}
	mark := []byte("--" + boundary)
	var parts []mailPart
	start := -1 // of the part being read
	for at := 0; at < len(body) && len(parts) <= maxMailParts; {
		i := bytes.Index(body[at:], mark)
		if i < 0 {
			break
		}
		i += at
		line, _, _ := bytes.Cut(body[i+len(mark):], []byte("\n"))
		at = i + len(mark) + len(line) + 1
		rest := string(bytes.TrimSpace(line[:min(len(line), 80)]))
		if i > 0 && body[i-1] != '\n' || rest != "" && rest != "--" {
			continue
		}
		if start >= 0 {
			parts = append(parts, newPart(body[start:i]))
		}
		if start = min(at, len(body)); rest == "--" {
			return parts
		}
	}
	if start >= 0 && start < len(body) {
		parts = append(parts, newPart(body[start:]))
	}
	return parts
}

func newPart(data []byte) mailPart {
	header, body := cutHeader(data)
	return mailPart{header, body}
}
