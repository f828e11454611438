package extract

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf16"
)

// pdfInstances is how many PDFiums read one file at the same time. Each holds the file and what it has made of it, so large files
// and those whose pages take no time have one.
const (
	pdfInstances  = 2
	pdfShareBytes = 16 << 20
	pdfSharePages = 16
)

// pdfRestarts is how often PDFium is started again for one file after pages that it could not bear.
const pdfRestarts = 3

func readPDF(ctx context.Context, data []byte, progress func(done, total int)) (*Document, error) {
	s, err := openPDF(data)
	if err != nil {
		return nil, err
	}
	r := &pdfReader{sandbox: s}
	defer func() { r.close() }()
	total := r.count("FPDF_GetPageCount", r.document)
	switch {
	case r.err != nil:
		return nil, &Error{Reason: ReasonMemory, Detail: firstLine(r.err.Error())}
	case total == 0:
		return nil, errors.New("no pages")
	case total > MaxPages:
		return nil, &Error{Reason: ReasonTooManyPages}
	}
	doc := &Document{Pages: total, Title: r.title()}
	job := &pdfJob{data: data, pages: make([]pdfPage, total), results: make(chan pdfResult)}
	if err := job.read(ctx, r, progress); err != nil {
		return nil, err
	}
	return doc, doc.assemble(job.pages)
}

// pdfJob is the reading of the pages of a file.
type pdfJob struct {
	data     []byte
	pages    []pdfPage
	next     atomic.Int64
	restarts atomic.Int64
	results  chan pdfResult
}

type pdfResult struct {
	index int
	page  pdfPage
	err   error
}

// read reads all pages, with r and perhaps another reader.
func (j *pdfJob) read(ctx context.Context, r *pdfReader, progress func(done, total int)) error {
	total := len(j.pages)
	progress(0, total)
	work, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	workers.Go(func() { j.work(work, r) })
	if total >= pdfSharePages && len(j.data) <= pdfShareBytes {
		workers.Go(func() {
			if s, err := openPDF(j.data); err == nil {
				helper := &pdfReader{sandbox: s}
				j.work(work, helper)
				helper.close()
			}
		})
	}
	size, broken := 0, 0
	var trapped error
	for done := range total {
		if err := ctx.Err(); err != nil {
			return &Error{Reason: ReasonTimeout, Page: done + 1, Detail: err.Error()}
		}
		got := <-j.results
		var failure *Error
		if errors.As(got.err, &failure) {
			return failure
		}
		if got.err != nil {
			trapped = &Error{Reason: ReasonMemory, Page: got.index + 1, Detail: firstLine(got.err.Error())}
		}
		if got.page.broken {
			broken++
		}
		if size += got.page.size; size > maxText {
			return &Error{Reason: ReasonTooLarge, Page: got.index + 1, Detail: "more text than the limit"}
		}
		j.pages[got.index] = got.page
		progress(done+1, total)
	}
	if broken == total {
		if trapped != nil {
			return trapped
		}
		return &Error{Reason: ReasonCorrupt, Detail: "no page can be read"}
	}
	return nil
}

// work reads pages until there are none left or ctx ends.
func (j *pdfJob) work(ctx context.Context, r *pdfReader) {
	for {
		i := int(j.next.Add(1)) - 1
		if i >= len(j.pages) || ctx.Err() != nil {
			return
		}
		page, err := r.page(i)
		if err != nil {
			page, err = j.again(r, i)
		}
		select {
		case j.results <- pdfResult{i, page, err}:
		case <-ctx.Done():
			return
		}
		if r.err != nil {
			return
		}
	}
}

// again reads a page at which PDFium stopped with a fresh PDFium: it may have had enough of the pages before. A page that makes
// it stop once more is left out.
func (j *pdfJob) again(r *pdfReader, i int) (pdfPage, error) {
	if err := j.restart(r, i); err != nil {
		return pdfPage{}, err
	}
	page, err := r.page(i)
	if err == nil {
		return page, nil
	}
	if err := j.restart(r, i); err != nil {
		return pdfPage{}, err
	}
	return pdfPage{broken: true}, err
}

func (j *pdfJob) restart(r *pdfReader, i int) error {
	stopped := r.err
	r.close()
	if j.restarts.Add(1) > pdfRestarts {
		return &Error{Reason: ReasonMemory, Page: i + 1, Detail: firstLine(stopped.Error())}
	}
	s, err := openPDF(j.data)
	if err != nil {
		return &Error{Reason: ReasonMemory, Page: i + 1, Detail: firstLine(err.Error())}
	}
	r.sandbox = s
	return nil
}

// assemble puts the layouts of all pages together.
func (d *Document) assemble(pages []pdfPage) error {
	d.Blocks = layOut(pages)
	pictures := pagesWhere(pages, func(p *pdfPage) bool { return len(p.lines) == 0 && p.objects > 0 })
	if len(d.Blocks) == 0 {
		if pictures.n > 0 {
			return &Error{Reason: ReasonNoText, Detail: "pages hold pictures only"}
		}
		return &Error{Reason: ReasonEmpty, Detail: "pages are blank"}
	}
	if pictures.n > 0 {
		d.Notes = append(d.Notes, pictures.String()+" only pictures, so there was no text to read.")
	}
	if broken := pagesWhere(pages, func(p *pdfPage) bool { return p.broken }); broken.n > 0 {
		d.Notes = append(d.Notes, broken.String()+" damage and could not be read.")
	}
	return nil
}

// title returns the title in the file's metadata unless it is the name of another file, as most are.
func (r *pdfReader) title() string {
	const tag = "Title\x00"
	at := r.scratch + scratchSize - uint64(len(tag))
	copy(r.bytes(at, len(tag)), tag)
	title := strings.TrimSpace(utf16Text(r.blob("FPDF_GetMetaText", r.document, at)))
	lower := strings.ToLower(title)
	if strings.HasPrefix(lower, "microsoft word - ") || strings.HasPrefix(lower, "untitled") || len(title) < 3 ||
		strings.Contains(lower[max(len(lower)-5, 0):], ".") || strings.Contains(lower, "about:blank") {
		return ""
	}
	return title
}

// utf16Text decodes what PDFium returns as little-endian UTF-16 with a final zero.
func utf16Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
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
