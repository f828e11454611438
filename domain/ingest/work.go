package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
	"bitb/domain/ingest/reader"
	"bitb/domain/lexical"
	"bitb/domain/llm"
	"bitb/domain/trace"
)

// worker takes turns.
type worker struct {
	river.WorkerDefaults[job]
	*Service
}

// Work reads the tenant's next document, if there is one, and ends the turn with it. An error means that not even that
// could be written down: the turn is taken again, and finds what this one left.
func (w *worker) Work(ctx context.Context, j *river.Job[job]) (err error) {
	ctx = domain.WithIdentity(ctx, domain.Identity{TenantID: j.Args.TenantID})
	complete := func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, j)
		return err
	}
	a, err := w.documents.Next(ctx, j.Args.TenantID, j.ID, complete)
	if errors.Is(err, document.ErrNothing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take up a document: %w", err)
	}
	ctx, end := trace.Start(trace.Resume(ctx, a.Trace), "read a document",
		"bitb.tenant_id", a.TenantID.String(), "bitb.document_id", a.DocumentID.String())
	defer func() { end(err) }()
	w.changed(ctx, a)
	defer w.changed(context.WithoutCancel(ctx), a)
	err = w.process(ctx, a, complete)
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the process is stopping: River puts the turn back
		if e := w.documents.Release(context.WithoutCancel(ctx), a); e != nil && !errors.Is(e, document.ErrSuperseded) {
			w.Log.WarnContext(ctx, "document not put back; it is taken up again later", "document_id", a.DocumentID, "error", e)
		}
		return err
	}
	after := context.WithoutCancel(ctx)
	if !errors.Is(err, document.ErrSuperseded) {
		err = w.end(after, a, err, complete)
	}
	if errors.Is(err, document.ErrSuperseded) { // deleted, cancelled, or replaced by a newer version
		return w.documents.Leave(after, a.TenantID, complete)
	}
	return err
}

// ReadNext reads the tenant's next document that is in line, here and now, as a turn of number does: two at once need two
// numbers, and negative ones are no job's. A document that cannot be read stays where it is, and the error says why; an empty
// line is document.ErrNothing.
func (s *Service) ReadNext(ctx context.Context, tenantID domain.ID, number int64) error {
	nothing := func(pgx.Tx) error { return nil }
	a, err := s.documents.Next(ctx, tenantID, number, nothing)
	if err != nil {
		return err
	}
	return (&worker{Service: s}).process(ctx, a, nothing)
}

// end decides what an error means: a bad file ends at once with its reason; a model that does not answer is waited for; the
// rest is tried again, behind the others of the line, and ends with a sentence after the last try.
func (w *worker) end(ctx context.Context, a document.Attempt, err error, complete func(pgx.Tx) error) error {
	if errors.Is(err, document.ErrEdited) {
		return w.documents.Postpone(ctx, a, 0, "", false, complete)
	}
	var silent *silentError
	if errors.As(err, &silent) {
		if waited := a.Waited(); waited < w.Patience {
			wait := max(silent.after, min(waited/4, time.Minute), w.RetryAfter(1))
			if !silent.known && !silent.original { // or the outage would go on for as long as there are documents to hear of it
				w.outage.begin(time.Now().Add(wait), silent.message)
			}
			w.Log.WarnContext(ctx, "embedding waits", "document_id", a.DocumentID, "seconds", wait.Seconds(), "error", err)
			return w.documents.Postpone(ctx, a, wait, silent.message, false, complete)
		}
	}
	f, ended := failureOf(err, a.Tries+1)
	if !ended {
		w.Log.WarnContext(ctx, "reading a document failed; it is tried again", "document_id", a.DocumentID, "try", a.Tries+1, "error", err)
		return w.documents.Postpone(ctx, a, w.RetryAfter(a.Tries+1), "", true, complete)
	}
	w.Log.InfoContext(ctx, "document failed", "document_id", a.DocumentID, "code", f.Code, "page", f.Page, "error", err)
	if err := w.documents.Fail(ctx, a, f, complete); err != nil {
		return err
	}
	w.Metrics.Ended(ctx, f.Code, 0)
	return nil
}

// failureOf says how a document ends with an error at its n-th try, or that it does not end yet.
func failureOf(err error, try int) (f document.Failure, ended bool) {
	if e, ok := errors.AsType[*extract.Error](err); ok && (!e.Temporary() || try >= mostReads) {
		return document.Failure{Code: string(e.Reason), Title: e.Title(), Message: e.Message(), Page: e.Page}, true
	}
	var silent *silentError
	if errors.As(err, &silent) {
		if silent.original {
			return document.Failure{Code: "internal", Title: "Reading stopped",
				Message: "The storage of original files did not answer for a long time. Try again later."}, true
		}
		return document.Failure{Code: "embedding", Title: "Embedding stopped",
			Message: "The embedding service did not answer for a long time. Your file is fine; try again later."}, true
	}
	if e, ok := errors.AsType[*domain.Error](err); ok && errors.Is(err, errTooLarge) {
		return document.Failure{Code: "embedding", Title: "Embedding stopped", Message: e.Message + " Your file is fine."}, true
	}
	if try < mostTries {
		return f, false
	}
	if errors.Is(err, llm.ErrVectors) {
		return document.Failure{Code: "embedding", Title: "Embedding stopped",
			Message: "The embedding service sent vectors that cannot be used. Your file is fine; have the embedding model checked, then try again."}, true
	}
	return document.GaveUp, true
}

// process is the way of one document. Nothing that readers see is written before the last step.
func (w *worker) process(ctx context.Context, a document.Attempt, complete func(pgx.Tx) error) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if until, message := w.outage.now(); !until.IsZero() { // nobody need read a file again and again for nothing
		return &silentError{err: errors.New("the embedding service did not answer just now"), after: time.Until(until), known: true, message: message}
	}
	go w.watch(work, a, cancel)
	began := time.Now()
	var content document.Content
	err := step(work, "read the file", func(ctx context.Context) (err error) {
		content, err = w.read(ctx, a)
		return err
	})
	if err == nil {
		w.Metrics.Stage("read", time.Since(began))
		began = time.Now()
		err = step(work, "embed the chunks", func(ctx context.Context) error { return w.index(ctx, a, &content) })
	}
	if cause := context.Cause(work); errors.Is(cause, document.ErrSuperseded) {
		return cause
	}
	if err != nil {
		return err
	}
	w.Metrics.Stage("embed", time.Since(began))
	began = time.Now()
	err = step(ctx, "store the chunks", func(ctx context.Context) error { return w.documents.Complete(ctx, a, content, complete) })
	if err != nil {
		return err
	}
	w.Metrics.Stage("store", time.Since(began))
	w.Metrics.Ended(ctx, "", len(content.Chunks))
	w.Log.InfoContext(ctx, "document ready", "document_id", a.DocumentID, "chunks", len(content.Chunks), "pages", content.Pages)
	return nil
}

// step does a part of the work as a step of the trace.
func step(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, end := trace.Start(ctx, name)
	err := do(ctx)
	end(err)
	return err
}

// watch ends the work soon after the document was deleted, cancelled or replaced.
func (w *worker) watch(ctx context.Context, a document.Attempt, end context.CancelCauseFunc) {
	tick := time.NewTicker(watchStep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.documents.Wanted(ctx, a); errors.Is(err, document.ErrSuperseded) {
				end(err)
				return
			}
		}
	}
}

// read has the file read and cut, and brings that to the form in which it is stored.
func (w *worker) read(ctx context.Context, a document.Attempt) (document.Content, error) {
	options := chunk.Options{Tokens: a.Cutting.Tokens, Overlap: a.Cutting.Overlap}
	if options.Overlap == 0 {
		options.Overlap = -1 // none; 0 would be the default
	}
	for _, e := range a.Edits {
		if e.Quote != "" {
			options.Anchors = append(options.Anchors, chunk.Anchor{ID: e.ID.String(), Quote: e.Quote, Start: e.Start})
		}
	}
	original, err := w.documents.OriginalOf(ctx, a)
	if err != nil {
		return document.Content{}, originalError(ctx, err)
	}
	read, err := w.Reader.Read(ctx, bytes.NewReader(original), a.Name, options, w.reporter(ctx, a, document.Reading))
	if err != nil {
		return document.Content{}, err
	}
	content := document.Content{Format: string(read.Format), Title: titleOf(a.Name, read.Title), Language: string(lexical.Guess(read.Text)),
		Pages: read.Pages, Notes: read.Notes, Text: pagesOf(read), Chunks: make([]document.NewChunk, len(read.Chunks))}
	for i, k := range read.Chunks {
		content.Chunks[i].Chunk = document.Chunk{ID: domain.NewID(), DocumentID: a.DocumentID, Ordinal: i + 1, Text: k.Text, Heading: k.Heading,
			PageFrom: k.PageFrom, PageTo: k.PageTo, Tokens: k.Tokens, Start: k.Start, End: k.End}
	}
	applyEdits(a, read, &content)
	return content, nil
}

// applyEdits gives the chunks of edited passages the words and the switch that people gave them, and notes which edits found
// theirs. A passage that reads differently by now keeps its own words until somebody decides.
func applyEdits(a document.Attempt, read *reader.Result, content *document.Content) {
	at := map[string]int{}
	for i, k := range read.Chunks {
		if k.Anchor != "" {
			at[k.Anchor] = i
		}
	}
	for _, e := range a.Edits {
		i, found := at[e.ID.String()]
		switch {
		case e.Quote == "":
			end := len(content.Chunks)
			last := document.Chunk{ID: domain.NewID(), DocumentID: a.DocumentID, Ordinal: end + 1, Heading: e.Heading, Off: e.Off}
			if end > 0 {
				last.Start = content.Chunks[end-1].End
			}
			last.End = last.Start
			content.Chunks = append(content.Chunks, document.NewChunk{Chunk: last, EditID: e.ID})
			setText(&content.Chunks[end].Chunk, *e.Text)
		case !found:
			e.State = document.Lost
		case read.Chunks[i].Changed:
			e.State = document.Changed
			content.Chunks[i].EditID = e.ID
		default:
			k := &content.Chunks[i]
			e.State, e.Quote, e.Start, e.Original = document.Applied, read.Between(k.Start, k.End), k.Start, k.Text
			e.Heading, e.Page = k.Heading, k.PageFrom
			k.EditID, k.Off = e.ID, e.Off
			if e.Text != nil {
				setText(&k.Chunk, *e.Text)
			}
		}
		content.Edits = append(content.Edits, e)
	}
}

// setText gives a chunk words of a person. Their tokens are estimated: the exact tables are only in the child.
func setText(c *document.Chunk, text string) {
	c.Text, c.Tokens = text, llm.EstimateTokens(text)
}

// reporter writes progress now and then. What cannot be written is not missed, and watch ends what is not wanted any more.
func (w *worker) reporter(ctx context.Context, a document.Attempt, stage document.Status) func(done, total int) {
	if w.Alone {
		return func(int, int) {}
	}
	var last time.Time
	return func(done, total int) {
		if time.Since(last) < progressStep && done < total {
			return
		}
		last = time.Now()
		_ = w.documents.Progress(ctx, a, stage, done, total)
		w.changed(ctx, a)
	}
}

func (w *worker) changed(ctx context.Context, a document.Attempt) {
	w.Hints.Publish(ctx, document.Topic(a.TenantID))
}

// titleOf is what the document is about in few words: its own title, or its name without the ending.
func titleOf(name, title string) string {
	if title != "" {
		return title
	}
	return strings.TrimSuffix(name, path.Ext(name))
}

// pagesOf cuts the text at the pages, and gives each its lines.
func pagesOf(read *reader.Result) []document.Page {
	if read.Pages == 0 {
		return []document.Page{{Text: read.Text}}
	}
	pages := make([]document.Page, len(read.PageStarts))
	for i, text := range read.PageTexts() {
		pages[i] = document.Page{Number: i + 1, Start: read.PageStarts[i], Text: text}
	}
	for _, l := range read.Lines {
		if l.Page >= 1 && l.Page <= len(pages) {
			p := &pages[l.Page-1]
			p.Lines = append(p.Lines, document.Line{Start: l.Start, End: l.End, X0: l.X0, Y0: l.Y0, X1: l.X1, Y1: l.Y1})
		}
	}
	return pages
}
