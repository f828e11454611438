package reader

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitb/domain/ingest/chunk"
)

func needTesseract(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("tesseract"); err != nil {
		t.Skip("NOT TESTED: tesseract is not installed, which `make test` does")
	}
}

// Text in pictures of pages is recognised in the child's limits, with its place.
func TestTesseract(t *testing.T) {
	needTesseract(t)
	tests := []struct {
		path  string
		words string
		least float64 // share of them
		notes []string
	}{
		{"../extract/testdata/scanned.pdf", "You can rent on the web in the app or in person This takes up to eight seconds Check tyres brakes and lights before you ride", 0.8,
			[]string{"Pages 1–2 are pictures; their text was recognised and may have mistakes."}},
		{hostile + "../files/ocr_test.pdf", "Docling bundles PDF document conversion to JSON and Markdown in an easy self contained package", 1,
			[]string{"Page 1 is a picture; its text was recognised and may have mistakes."}},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			f, err := os.Open(tt.path)
			if err != nil && strings.HasPrefix(tt.path, hostile) {
				t.Skip("the corpus is not on this machine")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, err := new(Child).Read(t.Context(), f, "scan.pdf", chunk.Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			found := 0.0
			words := strings.Fields(tt.words)
			for _, w := range words {
				if strings.Contains(r.Text, w) {
					found++
				}
			}
			if found/float64(len(words)) < tt.least || len(r.Lines) == 0 || len(r.Chunks) == 0 {
				t.Errorf("found %v of %d words, %d lines: %s", found, len(words), len(r.Lines), r.Text)
			}
			if diff := cmp.Diff(tt.notes, r.Notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}
