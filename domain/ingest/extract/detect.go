package extract

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/gabriel-vasile/mimetype"
)

// sniffLen is how much of a file Detect looks at.
const sniffLen = 64 << 10

// Detect says what a file of the given size is, by its content; the name only decides between text formats.
// It reads little, allocates little more than a megabyte, and is meant for the upload handler: an empty file, a wrong kind and
// a protected office file are refused before anything is stored. The error is an *Error unless ra failed.
func Detect(ra io.ReaderAt, size int64, name string) (Format, error) {
	head := make([]byte, min(size, sniffLen))
	if n, err := ra.ReadAt(head, 0); err != nil && !(errors.Is(err, io.EOF) && n == len(head)) {
		return "", fmt.Errorf("read head of document: %w", err)
	}
	switch {
	case len(bytes.Trim(head, "\x00 \t\r\n\ufeff")) == 0:
		if size > sniffLen {
			return "", &Error{Reason: ReasonCorrupt, Detail: "begins with blanks only"}
		}
		return "", &Error{Reason: ReasonEmpty, Detail: "no bytes but blanks"}
	case isPDF(head):
		return PDF, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return detectZip(ra, size)
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return "", detectOLE(ra, size)
	case bytes.HasPrefix(bytes.TrimLeft(head, "\ufeff \t\r\n"), []byte(`{\rtf`)):
		return RTF, nil
	}
	text := decode(head, true)
	if what := xmlKind(text); what != "" {
		return "", unsupported(what)
	}
	if what := binaryKind(head, text); what != "" {
		return "", unsupported(what)
	}
	return detectText(text, name)
}

func unsupported(what string) *Error { return &Error{Reason: ReasonUnsupported, What: what} }

// pdfMark may follow junk within the first kilobyte (ISO 32000-2, annex on readers' practice), but then on a line of its own.
var pdfMark = regexp.MustCompile(`(?:^|[\r\n\x00])%PDF-\d`)

func isPDF(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	return bytes.HasPrefix(head, []byte("%PDF-")) || pdfMark.Match(head[:min(len(head), 1024)])
}

// binaryKind names a file that is no text, or returns "".
func binaryKind(head []byte, text string) string {
	mime := mimetype.Detect(head)
	kind, _, _ := strings.Cut(mime.String(), "/")
	ext := strings.ToUpper(strings.TrimPrefix(mime.Extension(), "."))
	switch {
	case kind == "image" && !mime.Is("image/svg+xml"):
		return "a picture (" + ext + ")"
	case mime.Is("image/svg+xml"):
		return "a drawing (SVG)"
	case kind == "audio":
		return "a sound recording (" + ext + ")"
	case kind == "video":
		return "a film (" + ext + ")"
	case mime.Is("application/gzip"), mime.Is("application/x-tar"), mime.Is("application/x-7z-compressed"),
		mime.Is("application/x-rar-compressed"), mime.Is("application/x-xz"), mime.Is("application/x-bzip2"):
		return "a packed archive (" + ext + ")"
	case isBinary(head, text):
		return "no text and no document that is known here"
	}
	return ""
}

// xmlKind names an office document that is one file of XML and no archive, or returns "".
func xmlKind(text string) string {
	start := text[:min(len(text), 4096)]
	switch {
	case !strings.HasPrefix(strings.TrimLeft(start, "\ufeff \t\r\n"), "<?xml"):
		return ""
	case strings.Contains(start, "<?mso-application progid="):
		return "an Office document saved as XML"
	case strings.Contains(start, "<office:document ") && strings.Contains(start, "urn:oasis:names:tc:opendocument"):
		return "an OpenDocument file saved as XML"
	}
	return ""
}

// packages tells what a zip is by a word of its declared type, or by its main part where nothing is declared.
var packages = []struct {
	mark, part string
	format     Format
}{
	{"wordprocessingml", "word/document.xml", DOCX},
	{"ms-word", "", DOCX},
	{"presentationml", "ppt/presentation.xml", PPTX},
	{"ms-powerpoint", "", PPTX},
	{"spreadsheetml", "xl/workbook.xml", XLSX},
	{"ms-excel", "", XLSX},
	{"opendocument.text", "", ODT},
	{"opendocument.spreadsheet", "", ODS},
	{"opendocument.presentation", "", ODP},
	{"epub+zip", "META-INF/container.xml", EPUB},
}

func detectZip(ra io.ReaderAt, size int64) (Format, error) {
	zr, err := openZip(ra, size)
	if err != nil {
		return "", err
	}
	types, manifest := zipHead(zr, "[Content_Types].xml"), ""
	if types == "" {
		types, manifest = zipHead(zr, "mimetype"), zipHead(zr, "META-INF/manifest.xml")
		if strings.Contains(manifest, "encryption-data") {
			return "", &Error{Reason: ReasonEncrypted, Detail: "encrypted parts in the manifest"}
		}
	}
	if strings.Contains(types, "sheet.binary") {
		return "", unsupported("a binary Excel workbook (.xlsb)")
	}
	for _, p := range packages { // a file embedded in another declares its type too, but has its parts in a part
		if strings.Contains(types, p.mark) && p.part != "" && zipHas(zr, p.part) {
			return p.format, nil
		}
	}
	for _, declared := range []string{types, manifest} {
		for _, p := range packages {
			if strings.Contains(declared, p.mark) {
				return p.format, nil
			}
		}
	}
	for _, p := range packages {
		if p.part != "" && zipHas(zr, p.part) {
			return p.format, nil
		}
	}
	switch {
	case strings.Contains(types, "opendocument"):
		return "", unsupported("an OpenDocument file that holds no text, table or slides")
	case len(zr.File) == 0:
		return "", &Error{Reason: ReasonEmpty, Detail: "empty archive"}
	}
	return ZIP, nil
}

// meteredReaderAt stops after a number of bytes. It bounds what the directory of an archive, which may name half a
// million empty parts in 25 MB, makes archive/zip allocate.
type meteredReaderAt struct {
	ra   io.ReaderAt
	left int
}

var errMeter = errors.New("read more than allowed")

func (m *meteredReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if m.left -= len(p); m.left < 0 {
		return 0, errMeter
	}
	return m.ra.ReadAt(p, off)
}

func zipHas(zr *zip.Reader, name string) bool {
	for _, f := range zr.File {
		if f.Name == name {
			return true
		}
	}
	return false
}

// zipHead returns up to 256 kB of a part, "" when there is none.
func zipHead(zr *zip.Reader, name string) string {
	for _, f := range zr.File {
		if f.Name != name {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return ""
		}
		defer r.Close()
		head, _ := io.ReadAll(io.LimitReader(r, 256<<10))
		return string(head)
	}
	return ""
}

// compounds tells what a compound file is by the name of a stream in it. A message may have a document attached, so it comes first.
var compounds = []struct{ stream, what string }{
	{"__substg1.0_", "an Outlook message (.msg)"},
	{"WordDocument", "a Word document of the old kind (.doc)"},
	{"Workbook", "an Excel workbook of the old kind (.xls)"},
	{"PowerPoint Document", "a PowerPoint presentation of the old kind (.ppt)"},
}

// detectOLE explains a compound file: what Word and Excel wrap a protected document in, or their formats before 2007.
func detectOLE(ra io.ReaderAt, size int64) error {
	encrypted := utf16le("EncryptedPackage")
	buf := make([]byte, 256<<10)
	found := len(compounds)
	for off := int64(0); off < size; off += int64(len(buf) - 64) {
		n, err := ra.ReadAt(buf, off)
		if bytes.Contains(buf[:n], encrypted) {
			return &Error{Reason: ReasonEncrypted, Detail: "compound file with an encrypted package"}
		}
		for i := range found {
			if bytes.Contains(buf[:n], utf16le(compounds[i].stream)) {
				found = i
				break
			}
		}
		if err != nil {
			break
		}
	}
	if found < len(compounds) {
		return unsupported(compounds[found].what)
	}
	return unsupported("an Office file of the old kind (before 2007)")
}

func utf16le(s string) []byte {
	var b []byte
	for _, c := range []byte(s) {
		b = append(b, c, 0)
	}
	return b
}

var (
	htmlStart = regexp.MustCompile(`(?i)^(?:<\?xml[^>]*>|<!--(?s:.*?)-->|\s)*<(?:!doctype\s+html|html|head|body)[\s>]`)
	htmlTag   = regexp.MustCompile(`(?i)^\s*<(?:div|p|h[1-6]|table|section|article|main|ul|ol|title|meta|span)[\s>/]`)
	anyTag    = regexp.MustCompile(`<[A-Za-z][^<>]*>`)
	mailField = regexp.MustCompile(`(?m)^(?:Return-Path|Received|Delivered-To|MIME-Version|Message-I[Dd]|From|To|Date|Subject|Content-Type):`)
)

// detectText tells text formats apart. A name wins only where the content does not contradict it.
func detectText(text, name string) (Format, error) {
	ext := strings.ToLower(path.Ext(name))
	switch {
	case ext == ".md" || ext == ".markdown":
		return Markdown, nil
	case htmlStart.MatchString(text), htmlTag.MatchString(text) && ext != ".txt",
		(ext == ".html" || ext == ".htm") && anyTag.MatchString(text):
		return HTML, nil
	case isMail(text), ext == ".eml" && beginsWithField(text):
		return EML, nil
	case ext == ".csv" || ext == ".tsv" || ext == ".tab":
		return CSV, nil
	case ext == ".txt" && isTabbed(text): // what Excel saves as "Unicode text"
		return CSV, nil
	case ext == ".txt" || ext == ".text" || ext == ".log":
		return Text, nil
	case markdownScore(text) >= 2:
		return Markdown, nil
	case looksTabular(text):
		return CSV, nil
	}
	return Text, nil
}

func beginsWithField(text string) bool {
	at := mailField.FindStringIndex(text)
	return at != nil && at[0] <= 200
}

// isMail reports whether text begins with the header of an Internet message (RFC 5322).
func isMail(text string) bool {
	head, _, ok := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	if !ok || !beginsWithField(head) {
		return false
	}
	return len(mailField.FindAllStringIndex(head, 4)) >= 4 && strings.Contains("\n"+head, "\nFrom:")
}

var markdownSigns = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^#{1,6} \S`),
	regexp.MustCompile("(?m)^```"),
	regexp.MustCompile(`\[[^\]\n]+\]\([^)\s]+\)`),
	regexp.MustCompile(`(?m)^\|?(?: *:?-{3,}:? *\|)+`),
	regexp.MustCompile(`\*\*[^*\n]+\*\*`),
	regexp.MustCompile(`(?m)^[-*+] \S.*\n[-*+] \S`),
}

// markdownScore counts the different signs of Markdown in text.
func markdownScore(text string) int {
	n := 0
	for _, sign := range markdownSigns {
		if sign.MatchString(text) {
			n++
		}
	}
	return n
}

// looksTabular reports whether text without a telling name is separated values: every line has the same number of
// short fields, at least three of them and five lines, which prose with commas does not.
func looksTabular(text string) bool {
	comma, fields := sniffDelimiter(text)
	if fields < 3 || comma == ',' && strings.Count(text, ", ")*2 > strings.Count(text, ",") {
		return false
	}
	lines, regular := sampleRecords(text, comma, fields)
	return regular && lines >= 5 && len(text) <= lines*fields*60
}

// isTabbed reports whether every line of text has the same number of tabs, which is no accident.
func isTabbed(text string) bool {
	comma, fields := sniffDelimiter(text)
	lines, regular := sampleRecords(text, comma, fields)
	return comma == '\t' && regular && lines >= 2 && lines*fields >= 6
}

// sampleRecords counts the lines of a sample, and reports whether each record in it has that number of fields.
func sampleRecords(text string, comma rune, fields int) (lines int, regular bool) {
	all := strings.Split(strings.TrimRightFunc(text, unicode.IsSpace), "\n")
	if len(text) >= sniffLen/2 {
		all = all[:len(all)-1] // the sample ends within a line
	}
	r := newCSVReader(strings.NewReader(strings.Join(all, "\n")), comma)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return len(all), true
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) || len(row) != fields {
			return len(all), false
		}
	}
}
