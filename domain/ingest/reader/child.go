package reader

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// ChildMain is the main function of the child process: it reads a file from standard input as Child.Read sends it, and writes
// frames to standard output. It returns the exit status.
func ChildMain() int {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	w := &frameWriter{out: out, enc: json.NewEncoder(out)}
	w.enc.SetEscapeHTML(false)
	err := serve(in, w)
	if err == nil {
		w.write(frame{End: true, Memory: peakMemory()})
	} else {
		var failure *extract.Error
		if !errors.As(err, &failure) {
			failure = &extract.Error{Reason: extract.ReasonCorrupt, Detail: err.Error()}
		}
		w.write(frame{Error: failure, Memory: peakMemory()})
	}
	w.flush()
	if w.err != nil {
		return 1
	}
	return 0
}

type frameWriter struct {
	out *bufio.Writer
	enc *json.Encoder
	err error
}

func (w *frameWriter) write(f frame) {
	if w.err == nil {
		w.err = w.enc.Encode(f)
	}
}

func (w *frameWriter) flush() {
	if w.err == nil {
		w.err = w.out.Flush()
	}
}

func serve(in *bufio.Reader, w *frameWriter) (err error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	var req request
	if err := json.Unmarshal(line, &req); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	debug.SetMaxStack(128 << 20)
	debug.SetMemoryLimit(req.Memory / 2) // the collector works harder before the process is refused memory
	allowance := &allowance{seconds: req.Seconds}
	if err := limit(req.Memory, req.Seconds, req.Seconds+uint64(Longest.Seconds())); err != nil {
		return fmt.Errorf("limit reader: %w", err)
	}
	if req.Warm {
		return extract.Warm()
	}
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	if len(data) > maxInput {
		return &extract.Error{Reason: extract.ReasonTooLarge, Detail: "file of more than 64 MB"}
	}
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	if bytes.Contains(data[:min(len(data), 1024)], []byte("%PDF-")) {
		if err := extract.Warm(); err != nil { // may write the cache, which is forbidden from now on
			return err
		}
	}
	if err := forbidWriting(); err != nil {
		return fmt.Errorf("limit reader: %w", err)
	}
	if req.Render != nil {
		return render(data, req.Render, w)
	}
	return read(data, req, w, allowance)
}

// cannotAllocate is what the kernel's refusal of memory reads like, in Go's runtime and in the interpreter of WebAssembly.
const cannotAllocate = "cannot allocate memory"

func panicked(p any) *extract.Error {
	e := &extract.Error{Reason: extract.ReasonCorrupt, Detail: fmt.Sprintf("panic: %.200v", p)}
	if strings.Contains(e.Detail, cannotAllocate) {
		e.Reason = extract.ReasonMemory
	}
	return e
}

// allowance is the processor time that the child may use; it grows as the time does that the parent waits.
type allowance struct{ seconds uint64 }

func (a *allowance) add(d time.Duration) {
	a.seconds += uint64(d.Seconds()) + 1
	_ = allow(a.seconds)
}

func render(data []byte, p *picture, w *frameWriter) error {
	page, mediaType, err := extract.RenderPage(data, p.Page, p.Width)
	if err != nil {
		return err
	}
	w.write(frame{Picture: page, MediaType: mediaType})
	return nil
}

func read(data []byte, req request, w *frameWriter, a *allowance) error {
	began := false
	o := extract.Options{
		Progress: func(done, total int) {
			if !began {
				began = true
				a.add(time.Duration(min(total, extract.MaxPages)) * EachPage)
			}
			w.write(frame{Progress: &[2]int{done, total}})
			w.flush()
		},
		Recognizing: func(pages int) {
			a.add(time.Duration(pages) * RecognizedPage)
			w.write(frame{Recognizing: pages})
			w.flush()
		},
	}
	ctx := context.Background()
	if t := findTesseract(ctx); t != nil {
		o.Recognize = t.recognize
	}
	doc, err := o.Extract(ctx, data, req.Name)
	if err != nil {
		return err
	}
	r := resultOf(doc, req.Options)
	w.write(frame{Head: &head{r.Format, r.Title, r.Pages, r.Notes, r.PageStarts}})
	for i := range r.Chunks {
		w.write(frame{Chunk: &r.Chunks[i]})
	}
	if len(r.Lost) > 0 {
		w.write(frame{Lost: r.Lost})
	}
	w.writeLines(r.Lines)
	text := r.Text
	const part = 64 << 10
	for len(text) > 0 {
		end := min(part, len(text))
		for end < len(text) && !utf8.RuneStart(text[end]) {
			end++
		}
		w.write(frame{Text: text[:end]})
		text = text[end:]
	}
	return nil
}

// resultOf cuts a document up and brings it to the form in which it is stored.
func resultOf(doc *extract.Document, o chunk.Options) *Result {
	text, spans := doc.Render()
	starts := doc.PageStarts(text, spans)
	toPoints(text, starts)
	r := &Result{Format: doc.Format, Title: doc.Title, Pages: doc.Pages, Notes: doc.Notes, Text: text, PageStarts: starts, Lines: linesOf(doc, text, spans)}
	r.Chunks, r.Lost = chunk.Split(doc, o)
	return r
}

// toPoints turns ascending offsets in bytes into offsets in code points.
func toPoints(text string, offsets []int) {
	at, points := 0, 0
	for i, offset := range offsets {
		points += utf8.RuneCountInString(text[at:offset])
		at, offsets[i] = offset, points
	}
}
