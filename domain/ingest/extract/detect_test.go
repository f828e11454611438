package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00"
	rows := strings.Repeat("4711,blue,12\n", 6)
	tests := []struct {
		name, file, content string
		want                Format
	}{
		{"pdf", "a.pdf", "%PDF-1.7\n%âãÏÓ\n", PDF},
		{"pdf without its name", "letter.txt", "%PDF-1.4\n", PDF},
		{"pdf after junk", "a", "junk from a mail server\r\n%PDF-1.4\n", PDF},
		{"pdf after a byte order mark", "a", "\ufeff%PDF-1.3\n", PDF},
		{"text about pdf", "a.txt", "Files begin with %PDF-1.7 in most cases.", Text},
		{"html", "a.html", "<!DOCTYPE html><p>x", HTML},
		{"html without its name", "a.txt", "<html><body>x", HTML},
		{"html after a comment", "a", "<!-- saved -->\n<HTML lang=en>", HTML},
		{"part of a page", "a", "<div class=a>x</div>", HTML},
		{"xhtml", "a", `<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>`, HTML},
		{"html in utf-16", "a", "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", HTML},
		{"markdown by name", "a.md", "just words", Markdown},
		{"markdown that begins with html", "README.md", "<p align=center>x</p>", Markdown},
		{"markdown by content", "notes", "# Prices\n\nSee [here](https://a.example).\n", Markdown},
		{"a comment is no heading", "notes", "# set the price\nprice=4\n", Text},
		{"csv by name", "a.csv", "one column\n1\n", CSV},
		{"csv by content", "export", "id,colour,stock\n" + rows, CSV},
		{"prose with commas", "a", strings.Repeat("First, we ride, then we rest, and so the day, a long one, ends.\n", 6), Text},
		{"csv in a text file", "a.txt", "id,colour,stock\n" + rows, Text},
		{"tabs in a text file", "a.txt", "\xff\xfe" + string(utf16le("a\tb\tc\r\n1\t\"x\r\ny\"\t3\r\n")), CSV},
		{"text with a tab", "a.txt", "a\tb\nwords without one\n", Text},
		{"short mail by name", "a.eml", "Subject: x\nFrom: a@b.example\n\ny", EML},
		{"tab-separated", "a.tsv", "a\n1\n", CSV},
		{"one nul", "a.txt", "words and\x00 more words", Text},
		{"xml", "a.xml", `<?xml version="1.0"?><a>b</a>`, Text},
		{"docx", "a.pdf", docxOf(t, "<w:p/>"), DOCX},
		{"rtf", "a.doc", `{\rtf1 x}`, RTF},
		{"rtf after a mark", "a", "\ufeff\r\n" + `{\rtf1 x}`, RTF},
		{"e-mail", "a.txt", "From: a@b.example\nTo: c@d.example\nSubject: x\nDate: y\n\nBody", EML},
		{"presentation", "a", zipOf(t, "[Content_Types].xml", "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"), PPTX},
		{"presentation that embeds a text", "a", zipOf(t, "ppt/presentation.xml", "x", "[Content_Types].xml", "vnd.openxmlformats-officedocument.wordprocessingml.document vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"), PPTX},
		{"workbook", "a", zipOf(t, "[Content_Types].xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"), XLSX},
		{"workbook without declared types", "a.zip", zipOf(t, "xl/workbook.xml", "<workbook/>"), XLSX},
		{"odt", "a.docx", zipOf(t, "mimetype", "application/vnd.oasis.opendocument.text"), ODT},
		{"ods", "a", zipOf(t, "mimetype", "application/vnd.oasis.opendocument.spreadsheet-template"), ODS},
		{"odp by its manifest", "a", zipOf(t, "META-INF/manifest.xml", `<file-entry media-type="application/vnd.oasis.opendocument.presentation"/>`), ODP},
		{"epub", "a", zipOf(t, "mimetype", "application/epub+zip"), EPUB},
		{"zip", "a.docx", zipOf(t, "a.txt", "x"), ZIP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Detect(strings.NewReader(tt.content), int64(len(tt.content)), tt.file)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	refused := []struct {
		name, content string
		want          Reason
		says          string
	}{
		{"empty", "", ReasonEmpty, "nothing to read"},
		{"blanks", " \r\n\t\x00", ReasonEmpty, "nothing to read"},
		{"picture named pdf", png, ReasonUnsupported, "a picture (PNG)"},
		{"svg", `<svg xmlns="http://www.w3.org/2000/svg"></svg>`, ReasonUnsupported, "a drawing (SVG)"},
		{"flat odt", `<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0">`, ReasonUnsupported, "an OpenDocument file saved as XML"},
		{"office xml", `<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook>`, ReasonUnsupported, "an Office document saved as XML"},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00", ReasonUnsupported, "a packed archive (GZ)"},
		{"program", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00\x01\xfa\x93", ReasonUnsupported, "no text"},
		{"empty zip", zipOf(t), ReasonEmpty, "nothing to read"},
		{"zip cut off", zipOf(t, "word/document.xml", "x")[:40], ReasonCorrupt, "damaged"},
		{"protected odt", zipOf(t, "mimetype", "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml", "<manifest:encryption-data/>"), ReasonEncrypted, "password"},
		{"protected docx", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 900) + string(utf16le("EncryptedPackage")), ReasonEncrypted, "password"},
		{"old word", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 300<<10) + string(utf16le("WordDocument")), ReasonUnsupported, "(.doc)"},
		{"outlook", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600) + string(utf16le("WordDocument")) + strings.Repeat("\x00", 300<<10) + string(utf16le("__substg1.0_0037001F")), ReasonUnsupported, "an Outlook message (.msg)"},
		{"old excel", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600) + string(utf16le("Workbook")), ReasonUnsupported, "(.xls)"},
		{"binary excel", zipOf(t, "[Content_Types].xml", "application/vnd.ms-excel.sheet.binary.macroEnabled.main"), ReasonUnsupported, "(.xlsb)"},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Detect(strings.NewReader(tt.content), int64(len(tt.content)), "x.pdf")
			var e *Error
			if !errors.As(err, &e) || e.Reason != tt.want || !strings.Contains(e.Message(), tt.says) {
				t.Errorf("got %v, want %s, saying %q", err, tt.want, tt.says)
			}
		})
	}
}

// A file of 25 MB can name half a million empty parts; the server must not make room for them all.
func TestDetectHugeDirectory(t *testing.T) {
	var parts []string
	for i := range 50_000 {
		parts = append(parts, fmt.Sprintf("%050d", i), "")
	}
	bomb := zipOf(t, parts...)
	var e *Error
	_, err := Detect(strings.NewReader(bomb), int64(len(bomb)), "a.docx")
	if !errors.As(err, &e) || e.Reason != ReasonTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestDetectReaderFails(t *testing.T) {
	_, err := Detect(failing{}, 100, "a.txt")
	var e *Error
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &e) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzDetect(f *testing.F) {
	f.Add([]byte("%PDF-1.7"), "a.pdf")
	f.Add([]byte(zipOf(f, "mimetype", "x")), "a")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		format, err := Detect(bytes.NewReader(data), int64(len(data)), name)
		if (format == "") == (err == nil) {
			t.Fatalf("%q, %v", format, err)
		}
	})
}
