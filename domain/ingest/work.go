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
)

// worker reads one document a job.
type worker struct {
	river.WorkerDefaults[job]
	*Service
}

// Work returns nil when the document reached an end or is not wanted any more, and an error to be tried again.
func (w *worker) Work(ctx context.Context, j *river.Job[job]) error {
	ctx = domain.WithIdentity(ctx, domain.Identity{TenantID: j.Args.TenantID})
	reading, err := w.documents.Begin(ctx, j.Args.TenantID, j.Args.DocumentID)
	if errors.Is(err, document.ErrSuperseded) {
		return nil
	}
	if err != nil {
		return err
	}
	w.changed(ctx, reading)
	complete := func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, j)
		return err
	}
	err = w.process(ctx, reading, complete)
	defer w.changed(context.WithoutCancel(ctx), reading)
	if err == nil || errors.Is(err, document.ErrSuperseded) {
		return nil
	}
	return w.failed(ctx, j, reading, err, complete)
}

// failed decides what an error means: a bad file ends at once with its reason; a model that asks to wait is waited for;
// the rest is tried again, and ends with a sentence after the last attempt.
func (w *worker) failed(ctx context.Context, j *river.Job[job], r document.Attempt, err error, complete func(pgx.Tx) error) error {
	last := j.Attempt >= j.MaxAttempts
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // the process is stopping: River puts the job back
	}
	f, ended := failureOf(err, last)
	if !ended {
		if e, ok := errors.AsType[*domain.Error](err); ok && e.Code == domain.RateLimited {
			w.Log.InfoContext(ctx, "embedding waits", "document_id", r.DocumentID, "seconds", e.RetryAfter.Seconds())
			return river.JobSnooze(max(e.RetryAfter, time.Second))
		}
		w.Log.WarnContext(ctx, "reading a document failed; it is tried again", "document_id", r.DocumentID, "attempt", j.Attempt, "error", err)
		return err
	}
	w.Log.InfoContext(ctx, "document failed", "document_id", r.DocumentID, "code", f.Code, "page", f.Page, "error", err)
	err = w.documents.Fail(context.WithoutCancel(ctx), r, f, complete)
	if errors.Is(err, document.ErrSuperseded) {
		return nil
	}
	if err == nil {
		w.Metrics.Ended(f.Code, 0)
	}
	return err
}

func failureOf(err error, last bool) (f document.Failure, ended bool) {
	if e, ok := errors.AsType[*extract.Error](err); ok && (last || !e.Temporary()) {
		return document.Failure{Code: string(e.Reason), Title: e.Title(), Message: e.Message(), Page: e.Page}, true
	}
	if !last {
		return f, false
	}
	if _, ok := errors.AsType[*embeddingError](err); ok {
		return document.Failure{Code: "embedding", Title: "Embedding stopped",
			Message: "The embedding service did not answer after five tries. Your file is fine; try again later."}, true
	}
	return gaveUp, true
}

// embeddingError marks an error of the embedding model.
type embeddingError struct{ err error }

func (e *embeddingError) Error() string { return "embed chunks: " + e.err.Error() }
func (e *embeddingError) Unwrap() error { return e.err }

// process is the way of one document. Nothing that readers see is written before the last step.
func (w *worker) process(ctx context.Context, r document.Attempt, complete func(pgx.Tx) error) error {
	began := time.Now()
	read, err := w.read(ctx, r)
	if err != nil {
		return err
	}
	w.Metrics.Stage("read", time.Since(began))
	began = time.Now()
	content, err := w.contentOf(ctx, r, read)
	if err != nil {
		return err
	}
	if err := w.embed(ctx, r, &content); err != nil {
		return err
	}
	w.Metrics.Stage("embed", time.Since(began))
	began = time.Now()
	if err := w.documents.Complete(ctx, r, content, complete); err != nil {
		return err
	}
	w.Metrics.Stage("store", time.Since(began))
	w.Metrics.Ended("", len(content.Chunks))
	w.Log.InfoContext(ctx, "document ready", "document_id", r.DocumentID, "chunks", len(content.Chunks), "pages", content.Pages)
	return nil
}

func (w *worker) read(ctx context.Context, r document.Attempt) (*reader.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	report := w.reporter(ctx, r, document.Reading, cancel)
	read, err := w.Reader.Read(ctx, bytes.NewReader(r.Content), r.Name, chunk.Options{}, report)
	if cause := context.Cause(ctx); errors.Is(cause, document.ErrSuperseded) {
		return nil, cause
	}
	return read, err
}

// reporter writes progress now and then, and ends the work when the document was deleted in between.
func (w *worker) reporter(ctx context.Context, r document.Attempt, stage document.Status, end context.CancelCauseFunc) func(done, total int) {
	var last time.Time
	return func(done, total int) {
		if time.Since(last) < progressStep && done < total {
			return
		}
		last = time.Now()
		err := w.documents.Progress(ctx, r, stage, done, total)
		if errors.Is(err, document.ErrSuperseded) {
			end(err)
		}
		w.changed(ctx, r)
	}
}

func (w *worker) changed(ctx context.Context, r document.Attempt) {
	w.Hints.Publish(ctx, document.Topic(r.TenantID))
}

// contentOf brings what was read to the form in which it is stored, with the words of each chunk weighed.
func (w *worker) contentOf(ctx context.Context, r document.Attempt, read *reader.Result) (document.Content, error) {
	chunks, terms, err := w.documents.Corpus(ctx, r.TenantID)
	if err != nil {
		return document.Content{}, err
	}
	mean := lexical.MeanLength(chunks, terms)
	title, lang := titleOf(r.Name, read.Title), lexical.Guess(read.Text)
	content := document.Content{Format: string(read.Format), Language: string(lang), Pages: read.Pages, Notes: read.Notes, Text: pagesOf(read),
		Chunks: make([]document.NewChunk, len(read.Chunks))}
	for i, k := range read.Chunks {
		found := lexical.AnalyzeChunk(title, k.Heading, k.Text, lang)
		weights := lexical.DocWeights(r.TenantID, found, mean)
		content.Chunks[i] = document.NewChunk{
			Chunk: document.Chunk{ID: domain.NewID(), DocumentID: r.DocumentID, Ordinal: i + 1, Text: k.Text, Heading: k.Heading,
				PageFrom: k.PageFrom, PageTo: k.PageTo, Tokens: k.Tokens, Start: k.Start, End: k.End},
			Terms: len(found), Lexemes: weights.Terms(), Weights: weights.Sparse(),
		}
	}
	return content, nil
}

// titleOf is what the document is about in few words: its own title, or its name without the ending.
func titleOf(name, title string) string {
	if title != "" {
		return title
	}
	return strings.TrimSuffix(name, path.Ext(name))
}

func pagesOf(read *reader.Result) []document.Page {
	if read.Pages == 0 {
		return []document.Page{{Text: read.Text}}
	}
	pages := make([]document.Page, len(read.PageStarts))
	text := []rune(read.Text)
	for i, start := range read.PageStarts {
		end := len(text)
		if i+1 < len(read.PageStarts) {
			end = read.PageStarts[i+1]
		}
		pages[i] = document.Page{Number: i + 1, Start: start, Text: string(text[start:end])}
	}
	return pages
}

// embedBatch is how many chunks are embedded between two looks at the progress.
const embedBatch = 64

func (w *worker) embed(ctx context.Context, r document.Attempt, content *document.Content) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	report := w.reporter(ctx, r, document.Embedding, cancel)
	n := len(content.Chunks)
	report(0, n)
	for from := 0; from < n; from += embedBatch {
		batch := content.Chunks[from:min(from+embedBatch, n)]
		texts := make([]string, len(batch))
		for i := range batch {
			texts[i] = embeddedText(&batch[i].Chunk)
		}
		vectors, _, err := w.Embedder.Embed(ctx, texts)
		if cause := context.Cause(ctx); errors.Is(cause, document.ErrSuperseded) {
			return cause
		}
		if err != nil {
			return &embeddingError{err}
		}
		if len(vectors) != len(batch) {
			return &embeddingError{fmt.Errorf("%d vectors for %d chunks", len(vectors), len(batch))}
		}
		for i := range batch {
			batch[i].Vector = vectors[i]
		}
		report(from+len(batch), n)
	}
	content.Model = w.Embedder.Model()
	return nil
}

// embeddedText is what stands for a chunk in the vector: its headings say what its words are about.
func embeddedText(c *document.Chunk) string {
	if len(c.Heading) == 0 {
		return c.Text
	}
	return strings.Join(c.Heading, " › ") + "\n\n" + c.Text
}
