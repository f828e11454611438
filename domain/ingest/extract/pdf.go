package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// pdfMemory is how much PDFium may take for one file, in pages of 64 kB: 256 MB. It grows by copying, so twice that may be taken for a moment.
const pdfMemory = 4096

// pdfium is compiled once for a process: 3 s, or 0.1 s when a compilation cache holds the result.
var pdfiumPool = sync.OnceValues(func() (pdfium.Pool, error) {
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling). // PDFium's setjmp needs them
		WithMemoryLimitPages(pdfMemory)
	if cache, err := compilationCache(); err == nil {
		config = config.WithCompilationCache(cache)
	}
	return webassembly.Init(webassembly.Config{
		MaxTotal:      4,
		FSConfig:      wazero.NewFSConfig(), // the default would mount / into the sandbox
		RuntimeConfig: config,
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
})

// Warm compiles what reading a PDF needs, and leaves the result in the cache directory for later processes.
func Warm() error {
	_, err := pdfiumPool()
	return err
}

// compilationCache opens the directory BITB_CACHE_DIR, or one of our own below the temporary one. Compiled code is run as it is
// found, so a directory that others may write to is not used.
func compilationCache() (wazero.CompilationCache, error) {
	dir := os.Getenv("BITB_CACHE_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("bitb-cache-%d", os.Getuid()))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 || !ownedByUs(info) {
		return nil, fmt.Errorf("%s is not ours alone", dir)
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// pdfReader reads one file.
type pdfReader struct {
	pdfium.Pdfium
	doc references.FPDF_DOCUMENT
}

func readPDF(ctx context.Context, data []byte, progress func(done, total int)) (*Document, error) {
	pool, err := pdfiumPool()
	if err != nil {
		return nil, fmt.Errorf("start pdfium: %w", err)
	}
	instance, err := pool.GetInstance(30 * time.Second)
	if err != nil {
		return nil, fmt.Errorf("start pdfium: %w", err)
	}
	defer instance.Close()
	opened, err := instance.OpenDocument(&requests.OpenDocument{File: &data})
	if err != nil {
		return nil, openError(err)
	}
	r := &pdfReader{Pdfium: instance, doc: opened.Document}
	count, err := r.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: r.doc})
	switch {
	case err != nil:
		return nil, err
	case count.PageCount == 0:
		return nil, errors.New("no pages")
	case count.PageCount > MaxPages:
		return nil, &Error{Reason: ReasonTooManyPages}
	}
	return r.read(ctx, count.PageCount, progress)
}

func openError(err error) error {
	if errors.Is(err, pdfiumerrors.ErrPassword) || errors.Is(err, pdfiumerrors.ErrSecurity) {
		return &Error{Reason: ReasonEncrypted, Detail: err.Error()}
	}
	return err
}

// read reads all pages and puts their layouts together.
func (r *pdfReader) read(ctx context.Context, total int, progress func(done, total int)) (*Document, error) {
	progress(0, total)
	pages := make([]pdfPage, total)
	size, failed := 0, 0
	for i := range pages {
		if err := ctx.Err(); err != nil {
			return nil, &Error{Reason: ReasonTimeout, Page: i + 1, Detail: err.Error()}
		}
		page, err := r.page(i)
		if isTrap(err) {
			return nil, &Error{Reason: ReasonMemory, Page: i + 1, Detail: firstLine(err.Error())}
		}
		if err != nil {
			page.broken = true
			failed++
		}
		if size += page.size(); size > maxText {
			return nil, &Error{Reason: ReasonTooLarge, Page: i + 1, Detail: "more text than the limit"}
		}
		pages[i] = page
		progress(i+1, total)
	}
	if failed == total {
		return nil, &Error{Reason: ReasonCorrupt, Detail: "no page can be read"}
	}
	return r.assemble(pages)
}

// isTrap reports whether PDFium itself failed, after which its instance is of no use: it ran out of the memory it is
// allowed, or hit a check of its own.
func isTrap(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "wasm error") || strings.Contains(err.Error(), "module closed"))
}

func (r *pdfReader) assemble(pages []pdfPage) (*Document, error) {
	doc := &Document{Pages: len(pages), Title: r.title()}
	doc.Blocks = layOut(pages)
	pictures := pagesWhere(pages, func(p *pdfPage) bool { return len(p.lines) == 0 && p.objects > 0 })
	if len(doc.Blocks) == 0 {
		if pictures.n > 0 {
			return nil, &Error{Reason: ReasonNoText, Detail: "pages hold pictures only"}
		}
		return nil, &Error{Reason: ReasonEmpty, Detail: "pages are blank"}
	}
	if pictures.n > 0 {
		doc.Notes = append(doc.Notes, pictures.String()+" only pictures, so there was no text to read.")
	}
	if broken := pagesWhere(pages, func(p *pdfPage) bool { return p.broken }); broken.n > 0 {
		doc.Notes = append(doc.Notes, broken.String()+" damage and could not be read.")
	}
	return doc, nil
}

// title returns the title in the file's metadata unless it is the name of another file, as most are.
func (r *pdfReader) title() string {
	meta, err := r.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: r.doc, Tag: "Title"})
	if err != nil {
		return ""
	}
	title := strings.TrimSpace(meta.Value)
	lower := strings.ToLower(title)
	if strings.HasPrefix(lower, "microsoft word - ") || strings.HasPrefix(lower, "untitled") || len(title) < 3 ||
		strings.Contains(lower[max(len(lower)-5, 0):], ".") || strings.Contains(lower, "about:blank") {
		return ""
	}
	return title
}

// pageList is a list of pages for a sentence such as "Pages 3–5 and 8 hold".
type pageList struct {
	n      int
	ranges [][2]int
}

func pagesWhere(pages []pdfPage, is func(*pdfPage) bool) pageList {
	var l pageList
	for i := range pages {
		if is(&pages[i]) {
			l.add(i + 1)
		}
	}
	return l
}

func (l *pageList) add(page int) {
	l.n++
	if last := len(l.ranges) - 1; last >= 0 && l.ranges[last][1] == page-1 {
		l.ranges[last][1] = page
	} else {
		l.ranges = append(l.ranges, [2]int{page, page})
	}
}

func (l pageList) String() string { return l.sentence("Page", "holds", "hold") }

// sentence begins one about the pages, or slides, with a verb for one and for several.
func (l pageList) sentence(noun, one, several string) string {
	if l.n == 1 {
		return fmt.Sprintf("%s %d %s", noun, l.ranges[0][0], one)
	}
	if len(l.ranges) > 6 {
		return thousands(l.n) + " " + strings.ToLower(noun) + "s " + several
	}
	var parts []string
	for _, r := range l.ranges {
		if r[0] == r[1] {
			parts = append(parts, fmt.Sprint(r[0]))
		} else {
			parts = append(parts, fmt.Sprintf("%d–%d", r[0], r[1]))
		}
	}
	last := len(parts) - 1
	if last == 0 {
		return noun + "s " + parts[0] + " " + several
	}
	return noun + "s " + strings.Join(parts[:last], ", ") + " and " + parts[last] + " " + several
}
