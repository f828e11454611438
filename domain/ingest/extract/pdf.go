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
	pdfSharePages = 6
)

// pdfRestarts is how often PDFium is started again for one file after pages that it could not bear.
const pdfRestarts = 3

func readPDF(ctx context.Context, data []byte, o Options) (*Document, error) {
	s, err := openPDF(data)
	if err != nil {
		return nil, err
	}
	r := &pdfReader{sandbox: s}
	defer func() { r.close() }()
	total := r.count("FPDF_GetPageCount", r.document)
	switch {
	case r.err != nil:
		return nil, memoryError(r.err, 0)
	case total == 0:
		return nil, errors.New("no pages")
	case total > MaxPages:
		return nil, &Error{Reason: ReasonTooManyPages}
	}
	doc, outline := &Document{Pages: total, Title: r.title()}, r.outline()
	job := &pdfJob{Options: o, data: data, pages: make([]pdfPage, total), results: make(chan pdfResult)}
	if err := job.read(ctx, r); err != nil {
		return nil, err
	}
	if err := job.recognize(ctx, r); err != nil {
		return nil, err
	}
	return doc, job.assemble(doc, outline)
}

// pdfJob is the reading of the pages of a file.
type pdfJob struct {
	Options
	data     []byte
	pages    []pdfPage
	pictures []int // pages to be recognised
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
func (j *pdfJob) read(ctx context.Context, r *pdfReader) error {
	total := len(j.pages)
	j.Progress(0, total)
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
		var got pdfResult
		select {
		case got = <-j.results:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return &Error{Reason: ReasonTimeout, Page: done + 1, Detail: err.Error()}
		}
		var failure *Error
		if errors.As(got.err, &failure) {
			return failure
		}
		if got.err != nil {
			trapped = memoryError(got.err, got.index+1)
		}
		if got.page.broken {
			broken++
		}
		if size += got.page.size; size > maxText {
			return &Error{Reason: ReasonTooLarge, Page: got.index + 1, Detail: "more text than the limit"}
		}
		if j.pages[got.index] = got.page; got.page.picture && j.Recognize != nil {
			j.pictures = append(j.pictures, got.index)
		} else {
			j.Progress(done+1-len(j.pictures), total)
		}
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
		return memoryError(stopped, i+1)
	}
	s, err := openPDF(j.data)
	if err != nil {
		return memoryError(err, i+1)
	}
	r.sandbox = s
	return nil
}

// assemble puts the layouts of all pages together.
func (j *pdfJob) assemble(doc *Document, outline pdfOutline) error {
	doc.Blocks = layOut(j.pages, outline)
	if len(doc.Blocks) == 0 {
		if pagesWhere(j.pages, (*pdfPage).isUnread).n > 0 {
			return &Error{Reason: ReasonNoText, Tried: j.Recognize != nil, Detail: "pages hold pictures only"}
		}
		return &Error{Reason: ReasonEmpty, Detail: "pages are blank"}
	}
	j.note(doc, func(p *pdfPage) bool { return p.recognition == recognized },
		"is a picture; its text was recognised and may have mistakes.", "are pictures; their text was recognised and may have mistakes.")
	j.note(doc, func(p *pdfPage) bool { return p.recognition == recognizedNothing },
		"is a picture in which no text was recognised.", "are pictures in which no text was recognised.")
	excess := fmt.Sprintf("left out: text is recognised on %d pages at most.", MaxRecognized)
	j.note(doc, func(p *pdfPage) bool { return p.recognition == leftOut }, "is a picture and was "+excess, "are pictures and were "+excess)
	const missing = "only pictures, so there was no text to read. Text recognition is not installed on this server."
	j.note(doc, func(p *pdfPage) bool { return p.recognition == "" && p.isUnread() }, "holds "+missing, "hold "+missing)
	const damage = "damage and could not be read."
	j.note(doc, func(p *pdfPage) bool { return p.broken }, "holds "+damage, "hold "+damage)
	return nil
}

// isUnread reports whether a page is a picture from which no text was read.
func (p *pdfPage) isUnread() bool { return len(p.lines) == 0 && p.picture }

// note adds what a person should know about some pages.
func (j *pdfJob) note(doc *Document, is func(*pdfPage) bool, one, several string) {
	if pages := pagesWhere(j.pages, is); pages.n > 0 {
		doc.Notes = append(doc.Notes, pages.sentence("Page", one, several))
	}
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

// pageList is a list of pages for a sentence such as "Pages 3–5 and 8 hold text".
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
