package reader

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"

	"bitb/domain/ingest/chunk"
)

// BenchmarkPages is how many pages of a PDF a second are read and cut into chunks, from the start of the child process to its
// result, beside pdftotext over the same file in the same run.
func BenchmarkPages(b *testing.B) {
	pdf, err := os.ReadFile(handbook)
	if err != nil {
		b.Fatal(err)
	}
	if err := new(Child).Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("10", func(b *testing.B) { benchPages(b, pdf) })
	b.Run("400", func(b *testing.B) { benchPages(b, repeated(b, pdf, 40)) })
	b.Run("corpus-400", func(b *testing.B) {
		pdf, err := os.ReadFile(filepath.Join(hostile, "../files/pdf2image-memory-error-test-400p.pdf"))
		if err != nil {
			b.Skip("the corpus is not on this machine")
		}
		benchPages(b, pdf)
	})
}

// benchPages takes medians of at most 20 rounds: a machine that does other things at times is not what is measured.
func benchPages(b *testing.B, pdf []byte) {
	file := filepath.Join(b.TempDir(), "file.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		b.Fatal(err)
	}
	pages := 0
	ours := func() {
		r, err := new(Child).Read(b.Context(), bytes.NewReader(pdf), "file.pdf", chunk.Options{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		pages = r.Pages
	}
	var took, theirs []time.Duration
	pdftotext, missing := exec.LookPath("pdftotext")
	ours()
	for n := 0; b.Loop(); n++ {
		if n >= 20 {
			continue
		}
		took = append(took, timed(ours))
		if missing == nil {
			theirs = append(theirs, timed(func() {
				if out, err := exec.CommandContext(b.Context(), pdftotext, file, "-").Output(); err != nil || len(out) == 0 {
					b.Fatal(err)
				}
			}))
		}
	}
	perSecond := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(pages) / d[len(d)/2].Seconds()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(perSecond(took), "pages/s")
	if missing == nil {
		b.ReportMetric(perSecond(theirs), "pdftotext-pages/s")
	}
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// repeated returns a PDF with the ten pages of another so many times.
func repeated(b *testing.B, pdf []byte, times int) []byte {
	b.Helper()
	pool, err := webassembly.Init(webassembly.Config{MaxTotal: 1, FSConfig: wazero.NewFSConfig()})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	p, err := pool.GetInstance(time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	source, err := p.OpenDocument(&requests.OpenDocument{File: &pdf})
	if err != nil {
		b.Fatal(err)
	}
	whole, err := p.FPDF_CreateNewDocument(&requests.FPDF_CreateNewDocument{})
	if err != nil {
		b.Fatal(err)
	}
	pages := strings.TrimSuffix(strings.Repeat("1-10,", times), ",") // in one go, so that they share their fonts as those of a book do
	if _, err := p.FPDF_ImportPages(&requests.FPDF_ImportPages{Source: source.Document, Destination: whole.Document, PageRange: &pages}); err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := p.FPDF_SaveAsCopy(&requests.FPDF_SaveAsCopy{Document: whole.Document, FileWriter: &out, Flags: requests.SaveFlagNoIncremental}); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}
