package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// extractString reads content in this process and fails the test when it cannot be read.
func extractString(t *testing.T, content, name string) *Document {
	t.Helper()
	doc, err := Extract(context.Background(), []byte(content), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func extractFile(t *testing.T, path string) *Document {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return extractString(t, string(data), path)
}

// reasonFor returns why content cannot be read.
func reasonFor(t *testing.T, content, name string) Reason {
	t.Helper()
	doc, err := Extract(context.Background(), []byte(content), name, nil)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("read %v, want an *Error, got %v", doc, err)
	}
	if len(e.Title()) < 5 || strings.Count(e.Message(), ". ")+1 > 2 || strings.ContainsAny(e.Title()+e.Message(), "!") {
		t.Errorf("not words for a person: %q, %q", e.Title(), e.Message())
	}
	return e.Reason
}

// golden compares a document's Markdown with a file beside the test.
func golden(t *testing.T, doc *Document, path string) {
	t.Helper()
	got := doc.Markdown() + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// sound checks what holds for every document: text that Postgres stores, and blocks that Render finds again.
func sound(t *testing.T, doc *Document) {
	t.Helper()
	text, spans := doc.Render()
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		t.Fatalf("text cannot be stored: %.200q", text)
	}
	if len(doc.Blocks) == 0 {
		t.Fatal("no blocks and no error")
	}
	end := 0
	for i, s := range spans {
		b := &doc.Blocks[i]
		if s.Start < end || s.End <= s.Start || s.End > len(text) {
			t.Fatalf("block %d at %v after %d", i, s, end)
		}
		if b.Kind != Table && b.Kind != ListItem && b.Kind != Quote && !strings.Contains(text[s.Start:s.End], b.Text) {
			t.Fatalf("block %d is not where it says: %.100q", i, b.Text)
		}
		for _, row := range b.Rows {
			if len(row) != len(b.Header) {
				t.Fatalf("row of %d cells under a header of %d", len(row), len(b.Header))
			}
		}
		end = s.End
	}
}

// zipOf makes an archive; names and contents alternate.
func zipOf(t testing.TB, parts ...string) string {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for i := 0; i < len(parts); i += 2 {
		w, err := zw.Create(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

const wordNamespace = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`

// docxOf makes a Word document of a body, and of further parts below word/ with their contents.
func docxOf(t testing.TB, body string, parts ...string) string {
	t.Helper()
	all := []string{
		"[Content_Types].xml", `<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
		"_rels/.rels", `<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
		"word/document.xml", `<?xml version="1.0"?><w:document ` + wordNamespace + `><w:body>` + body + `</w:body></w:document>`,
	}
	rels := ""
	for i := 0; i < len(parts); i += 2 {
		kind := strings.TrimSuffix(parts[i], ".xml")
		rels += `<Relationship Id="` + kind + `" Type="http://example/` + kind + `" Target="` + parts[i] + `"/>`
		all = append(all, "word/"+parts[i], parts[i+1])
	}
	rels += `<Relationship Id="web" Type="http://example/hyperlink" Target="https://harbourloop.example/a(b)" TargetMode="External"/>`
	return zipOf(t, append(all, "word/_rels/document.xml.rels", `<Relationships>`+rels+`</Relationships>`)...)
}
