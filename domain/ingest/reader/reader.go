// Package reader reads an uploaded file in a child process: it extracts the text and cuts it into chunks there, and hands both
// back. It draws pages of PDFs in the same way.
//
// A parser that meets a malicious file can use up all memory, overflow its stack or never end, and no Go program survives the
// first two. So the child, which is the same binary started again with a hidden argument, gets the file on a pipe, an
// environment without secrets, and limits on memory, time and files; whatever becomes of it, the server gets a
// *extract.Error with a reason. The server itself loads neither PDFium nor the tables of the tokenizer.
package reader

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// Argument is the hidden sub-command that makes a binary call ChildMain.
const Argument = "extract-child"

// Defaults of Child. A page of text takes milliseconds, so a file that shows no progress for stallAfter never will.
const (
	defaultTimeout = 2 * time.Minute
	renderTimeout  = 20 * time.Second
	defaultMemory  = 1 << 30
	stallAfter     = 25 * time.Second
	maxInput       = 64 << 20
	maxText        = 64 << 20  // bytes of text that are taken from a child; a table's Markdown is longer than its file
	maxOutput      = 192 << 20 // of all it writes
	maxPicture     = 32 << 20  // bytes of a picture of a page
)

// What a document gets beyond Child.Timeout: so much for each page, once the child has said how many there are, and so much for each
// page that is a picture whose text is recognised, which may take no longer than that. Longest is the most that Read takes.
const (
	EachPage       = 500 * time.Millisecond
	RecognizedPage = 20 * time.Second
	Longest        = defaultTimeout + extract.MaxPages*EachPage + extract.MaxRecognized*RecognizedPage
)

// Child starts child processes. The zero value runs this binary with the default limits.
type Child struct {
	Executable string        // by default the running one, even if its file was replaced meanwhile
	Timeout    time.Duration // for all of it, by default 2 minutes; Read adds EachPage and RecognizedPage, RenderPage has 20 s
	Stall      time.Duration // without a page of progress
	Memory     int64         // bytes that the process may have mapped for writing
}

// Result is what was read.
type Result struct {
	Format     extract.Format
	Title      string
	Pages      int           // 0 when the format has none
	Notes      []string      // for the person who uploaded it
	Text       string        // canonical Markdown; chunks point into it
	PageStarts []int         // where each page begins in Text, in code points; page 1 is at index 0
	Chunks     []chunk.Chunk // in order
	Lost       []string      // IDs of the anchors of Options that no chunk has
	Lines      []Line        // of a PDF, in the order of Start
	Memory     int64         // bytes the child had at most; 0 when that is not known
}

// Page returns the Markdown of page n, counted from 1.
func (r *Result) Page(n int) string {
	if n < 1 || n > len(r.PageStarts) {
		return ""
	}
	return strings.TrimSpace(r.PageTexts()[n-1])
}

// PageTexts returns the part of Text that each page has, as it stands there; none when the format has no pages.
func (r *Result) PageTexts() []string {
	texts := make([]string, len(r.PageStarts))
	rest, at := r.Text, 0
	for i, start := range r.PageStarts {
		before := rest
		rest, at = afterPoints(rest, start-at), start
		if i > 0 {
			texts[i-1] = before[:len(before)-len(rest)]
		}
		texts[i] = rest
	}
	return texts
}

// Between returns the part of Text from start to end, in code points, as those of Chunks are.
func (r *Result) Between(start, end int) string {
	from := afterPoints(r.Text, start)
	return from[:len(from)-len(afterPoints(from, end-start))]
}

// afterPoints returns what follows the first n code points of a text. A slice of runes would take four times its memory.
func afterPoints(text string, n int) string {
	for i := range text {
		if n <= 0 {
			return text[i:]
		}
		n--
	}
	return ""
}

// request is the first line of the child's input; the file follows it.
type request struct {
	Name    string        `json:"name"`
	Options chunk.Options `json:"options"`
	Warm    bool          `json:"warm,omitempty"`   // only fill the cache
	Render  *picture      `json:"render,omitempty"` // draw a page instead of reading
	Memory  int64         `json:"memory"`
	Seconds uint64        `json:"seconds"` // of processor time, to begin with
}

// picture is a page to draw.
type picture struct{ Page, Width int }

// frame is a line of the child's output. One of its fields is set.
type frame struct {
	Progress    *[2]int        `json:"progress,omitempty"`
	Recognizing int            `json:"recognizing,omitempty"` // pages
	Head        *head          `json:"head,omitempty"`
	Text        string         `json:"text,omitempty"` // a part; they are joined
	Chunk       *chunk.Chunk   `json:"chunk,omitempty"`
	Lost        []string       `json:"lost,omitempty"`
	Lines       []int          `json:"lines,omitempty"`   // some, lineFields numbers each
	Picture     []byte         `json:"picture,omitempty"` // of a page
	MediaType   string         `json:"media_type,omitempty"`
	Error       *extract.Error `json:"error,omitempty"`
	End         bool           `json:"end,omitempty"`
	Memory      int64          `json:"memory,omitempty"` // with End and Error: the most that the child had
}

type head struct {
	Format     extract.Format `json:"format"`
	Title      string         `json:"title"`
	Pages      int            `json:"pages"`
	Notes      []string       `json:"notes"`
	PageStarts []int          `json:"page_starts"`
}

// Read reads the file from r. The name only breaks ties between text formats. progress, which may be nil, is told how many
// of how many pages were read. The error is an *extract.Error when the file is the cause, or the limits; otherwise it
// comes from r, from ctx or from starting the process.
func (c *Child) Read(ctx context.Context, r io.Reader, name string, o chunk.Options, progress func(done, total int)) (*Result, error) {
	result, err := c.read(ctx, request{Name: name, Options: o}, r, progress)
	if err != nil {
		return nil, err
	}
	return result, nil
}

// read returns a result, whose Memory is known, also with an error.
func (c *Child) read(ctx context.Context, req request, r io.Reader, progress func(done, total int)) (*Result, error) {
	reading := &reading{result: &Result{}}
	p := &process{child: c, progress: progress, take: reading.take}
	err := p.run(ctx, req, r)
	reading.result.Text, reading.result.Memory = reading.text.String(), p.memory
	return reading.result, err
}

// RenderPage draws page n, counted from 1, of the PDF in r, in a width of pixels that is brought within 100 and 2,000. A very
// long page becomes narrower: no picture is higher than 8,000 pixels or has more than 8 million. mediaType says what picture is:
// "image/png", or "image/jpeg" where that is much smaller. The error is an *extract.Error when the file is the cause, or the
// limits; its reason is extract.ReasonNoPage when there is no such page.
func (c *Child) RenderPage(ctx context.Context, r io.Reader, n, width int) (page []byte, mediaType string, err error) {
	p := &process{child: c, take: func(f frame) error {
		if page, mediaType = f.Picture, f.MediaType; len(page) > maxPicture {
			return errors.New("more than a picture can have")
		}
		return nil
	}}
	if err := p.run(ctx, request{Render: &picture{n, width}}, r); err != nil {
		return nil, "", err
	}
	return page, mediaType, nil
}

// Warm makes the child leave the compiled PDF reader in the cache directory, so that the first upload need not wait for it.
func (c *Child) Warm(ctx context.Context) error {
	p := &process{child: c, take: func(frame) error { return nil }}
	return p.run(ctx, request{Warm: true}, strings.NewReader(""))
}

// reading puts together what a child has read.
type reading struct {
	result *Result
	text   strings.Builder
}

func (r *reading) take(f frame) error {
	switch {
	case f.Head != nil:
		r.result.Format, r.result.Title, r.result.Pages = f.Head.Format, f.Head.Title, f.Head.Pages
		r.result.Notes, r.result.PageStarts = f.Head.Notes, f.Head.PageStarts
	case f.Text != "":
		r.text.WriteString(f.Text)
	case f.Chunk != nil:
		r.result.Chunks = append(r.result.Chunks, *f.Chunk)
	case f.Lost != nil:
		r.result.Lost = f.Lost
	case f.Lines != nil:
		r.result.Lines = appendLines(r.result.Lines, f.Lines)
	}
	if r.text.Len() > maxText || len(r.result.Lines) > maxLines {
		return errors.New("more text than a file can have")
	}
	return nil
}

// process is one child process.
type process struct {
	child    *Child
	progress func(done, total int) // may be nil
	take     func(frame) error     // gets what has nothing to do with the process itself

	page        int // being read
	pages       int
	recognizing int
	failure     *extract.Error
	ended       bool  // the child said that it was done
	memory      int64 // that it had at most
	stderr      tail
	clock       clock
}

func (p *process) run(ctx context.Context, req request, r io.Reader) error {
	timeout, stall := or(p.child.Timeout, defaultTimeout), or(p.child.Stall, stallAfter)
	if req.Render != nil {
		timeout = or(p.child.Timeout, renderTimeout)
	}
	req.Memory, req.Seconds = or(p.child.Memory, defaultMemory), uint64(timeout.Seconds())+1
	line, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("describe document to reader: %w", err)
	}
	// the signal at the parent's death is tied to the thread that starts the child
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, err := p.command(run, req)
	if err != nil {
		return err
	}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return fmt.Errorf("start reader: %w", err)
	}
	input := feed(stdin, io.MultiReader(bytes.NewReader(append(line, '\n')), r))
	p.clock.start(timeout, cancel)
	defer p.clock.stop()
	watchdog := time.AfterFunc(stall, cancel)
	readErr := p.readFrames(stdout, func() { watchdog.Reset(stall) })
	watchdog.Stop()
	late := run.Err() != nil
	if errors.Is(readErr, io.EOF) {
		defer time.AfterFunc(stall, cancel).Stop() // it is ending, and will say how
	} else {
		cancel() // it has said all it had to, or rubbish
	}
	waitErr := cmd.Wait()
	select {
	case err := <-input:
		if err != nil {
			return fmt.Errorf("read uploaded file: %w", err)
		}
	default:
	}
	if err := ctx.Err(); err != nil && !p.ended {
		return fmt.Errorf("read document: %w", err)
	}
	return p.verdict(readErr, waitErr, late)
}

// clock ends something at a time that can be put off.
type clock struct {
	timer *time.Timer
	until time.Time
}

func (c *clock) start(d time.Duration, end func()) {
	c.until = time.Now().Add(d)
	c.timer = time.AfterFunc(d, end)
}

func (c *clock) add(d time.Duration) {
	c.until = c.until.Add(d)
	c.timer.Reset(time.Until(c.until))
}

func (c *clock) stop() { c.timer.Stop() }

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (p *process) command(ctx context.Context, req request) (*exec.Cmd, error) {
	path := p.child.Executable
	if path == "" {
		var err error
		if path, err = self(); err != nil {
			return nil, fmt.Errorf("find own executable: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, path, Argument)
	names := []string{"BITB_CACHE_DIR", "TMPDIR"}
	if req.Render == nil {
		names = append(names, "PATH", "TESSDATA_PREFIX") // to find what recognises text
	}
	cmd.Env = append(environment(names...), "GOTRACEBACK=none", "GOMAXPROCS=2")
	cmd.Dir = os.TempDir()
	cmd.Stderr = &p.stderr
	cmd.WaitDelay = 2 * time.Second
	isolate(cmd)
	return cmd, nil
}

// environment returns the variables of those names, for a program that gets no others.
func environment(names ...string) []string {
	var out []string
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// feed copies the input to the child in the background. A child that has seen enough closes its end, which is no error; input
// that fails is, even if the child could make something of the part that came.
func feed(w io.WriteCloser, r io.Reader) <-chan error {
	done := make(chan error, 1)
	source := &errorKeeper{r: r}
	go func() {
		_, _ = io.Copy(w, source)
		done <- source.err
		_ = w.Close()
	}()
	return done
}

// errorKeeper remembers why reading failed.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(b []byte) (int, error) {
	n, err := k.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		k.err = err
	}
	return n, err
}

// readFrames reads what the child writes, up to its end or the first thing that is no frame.
func (p *process) readFrames(stdout io.Reader, alive func()) error {
	dec := json.NewDecoder(io.LimitReader(stdout, maxOutput))
	for !p.ended {
		var f frame
		if err := dec.Decode(&f); err != nil {
			return err
		}
		alive()
		if err := p.note(f); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) note(f frame) error {
	p.memory = max(p.memory, f.Memory)
	switch {
	case f.Progress != nil:
		done, total := f.Progress[0], f.Progress[1]
		if p.pages == 0 && total > 0 {
			p.pages = min(total, extract.MaxPages)
			p.clock.add(time.Duration(p.pages) * EachPage)
		}
		if p.page = min(done+1, total); p.progress != nil {
			p.progress(done, total)
		}
	case f.Recognizing > 0:
		if p.recognizing == 0 {
			p.recognizing = min(f.Recognizing, extract.MaxRecognized)
			p.clock.add(time.Duration(p.recognizing) * RecognizedPage)
		}
	case f.Error != nil:
		p.failure, p.ended = f.Error, true
	case f.End:
		p.ended = true
	default:
		return p.take(f)
	}
	return nil
}

// verdict says what the end of the child means.
func (p *process) verdict(readErr, waitErr error, late bool) error {
	detail := p.stderr.line()
	switch {
	case p.failure != nil:
		return p.failure
	case p.ended:
		return nil
	case late:
		return &extract.Error{Reason: extract.ReasonTimeout, Page: p.page, Detail: "the reader was stopped"}
	}
	var exit *exec.ExitError
	if errors.Is(readErr, io.EOF) && errors.As(waitErr, &exit) {
		if reason := reasonOf(exit, p.stderr.String()); reason != "" {
			return &extract.Error{Reason: reason, Page: p.page, Detail: detail}
		}
	}
	return &extract.Error{Reason: extract.ReasonCorrupt, Page: p.page,
		Detail: fmt.Sprintf("the reader broke off: %v, %v: %s", waitErr, readErr, detail)}
}

// tail keeps the beginning of what is written to it, where a Go program that dies says why.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[:min(len(b), 4096-len(t.buf))]...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

func (t *tail) line() string {
	line, _, _ := strings.Cut(t.String(), "\n")
	return strings.ToValidUTF8(line, "?")
}
