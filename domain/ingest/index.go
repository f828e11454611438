package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/lexical"
	"bitb/domain/llm"
	"bitb/domain/postgres"
)

const (
	embedBatch  = 64 // chunks in one call of the embedder
	waitInPlace = 20 * time.Second
)

// Index makes one chunk findable. An error of the model comes back as it is: a person waits.
func (s *Service) Index(ctx context.Context, tenantID domain.ID, title, language string, c document.Chunk) (document.NewChunk, error) {
	setText(&c, c.Text)
	k := document.NewChunk{Chunk: c}
	vectors, err := s.embedTexts(ctx, []string{embeddedText(title, &c)}, 0)
	if err != nil {
		return k, fmt.Errorf("embed a chunk: %w", err)
	}
	chunks, terms, err := s.documents.Corpus(ctx, tenantID)
	if err != nil {
		return k, err
	}
	k.Vector, k.EmbeddingModel = vectors[0], s.Embedder.Model()
	weigh(&k, tenantID, lexical.NewReader(tenantID), title, lexical.Lang(language), lexical.MeanLength(chunks, terms))
	return k, nil
}

// weigh works out what finds a chunk by its words, and returns its terms.
func weigh(k *document.NewChunk, tenantID domain.ID, reader lexical.Reader, title string, lang lexical.Lang, mean float64) lexical.Terms {
	found := lexical.AnalyzeChunk(title, k.Heading, k.Text, lang)
	weights := lexical.DocWeights(tenantID, found, mean)
	k.Terms, k.Lexemes, k.Weights = found.Len(), weights.Terms(), weights.Sparse()
	k.Words = nil
	for _, w := range reader.Words(title, k.Heading, k.Text, lang) {
		k.Words = append(k.Words, document.Word(w))
	}
	return found
}

// index makes the chunks of a document findable: with several calls of the embedder at once, and by their words meanwhile.
func (w *worker) index(ctx context.Context, a document.Attempt, content *document.Content) error {
	chunks, terms, err := w.documents.Corpus(ctx, a.TenantID)
	if err != nil {
		return err
	}
	mean := lexical.MeanLength(chunks, terms)
	report := w.reporter(ctx, a, document.Embedding)
	n := len(content.Chunks)
	report(0, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(w.atOnce + 1)
	group.Go(func() error { // while the embedder is waited for
		reader := lexical.NewReader(a.TenantID)
		for i := range content.Chunks {
			weigh(&content.Chunks[i], a.TenantID, reader, content.Title, lexical.Lang(content.Language), mean)
		}
		return nil
	})
	var lock sync.Mutex
	done := 0
	for from := 0; from < n && ctx.Err() == nil; from += embedBatch {
		batch := content.Chunks[from:min(from+embedBatch, n)]
		group.Go(func() error {
			if err := w.embed(ctx, content.Title, batch, (n-from)/embedBatch); err != nil {
				return err
			}
			lock.Lock()
			defer lock.Unlock()
			done += len(batch)
			report(done, n)
			return nil
		})
	}
	content.Model, content.Analysis = w.Embedder.Model(), lexical.Version
	return group.Wait()
}

// embed fills in the vectors of a batch of a document, with so many left behind it. A model that asks to wait for a moment is waited for.
func (s *Service) embed(ctx context.Context, title string, batch []document.NewChunk, left int) error {
	texts := make([]string, len(batch))
	for i := range batch {
		texts[i] = embeddedText(title, &batch[i].Chunk)
	}
	for try := 1; ; try++ {
		vectors, err := s.embedTexts(ctx, texts, left)
		if err == nil {
			for i := range batch {
				batch[i].Vector = vectors[i]
			}
			return nil
		}
		pause, ok := momentToWait(err)
		if !ok || try == mostTries {
			return embeddingError(ctx, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func momentToWait(err error) (time.Duration, bool) {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Code != domain.RateLimited || e.RetryAfter > waitInPlace {
		return 0, false
	}
	return max(e.RetryAfter, 250*time.Millisecond), true
}

// embedTexts calls the embedder and refuses what cannot be stored: one wrong vector in the index is found by nobody, and
// ranks at random for ever. left is how many calls are left for the document, or inBackground.
func (s *Service) embedTexts(ctx context.Context, texts []string, left int) ([][]float32, error) {
	release, err := s.calls.acquire(ctx, left)
	if err != nil {
		return nil, err
	}
	defer release()
	vectors, _, err := s.Embedder.Embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	if len(vectors) != len(texts) {
		return nil, fmt.Errorf("%w: %d for %d texts", llm.ErrVectors, len(vectors), len(texts))
	}
	if dims := len(vectors[0]); dims > postgres.MaxVectorDims {
		return nil, &domain.Error{Code: domain.Unavailable, Err: errTooLarge, Message: fmt.Sprintf(
			"The embedding model %s makes vectors of %d dimensions, and %d can be stored. Another model has to be set up.",
			s.Embedder.Model(), dims, postgres.MaxVectorDims)}
	}
	for _, v := range vectors {
		sum := 0.0
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		if len(v) != len(vectors[0]) || sum == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, fmt.Errorf("%w: one of %d dimensions is zero, not finite or unlike the others", llm.ErrVectors, len(v))
		}
	}
	return vectors, nil
}

// errTooLarge says that nothing this model makes can be stored.
var errTooLarge = errors.New("vectors of too many dimensions")

// keeper does the upkeep of vectors.
type keeper struct {
	river.WorkerDefaults[upkeep]
	*Service
}

// Work goes on until the index lacks nothing. What comes in the meantime may be left to the next time: searches find it.
func (k *keeper) Work(ctx context.Context, j *river.Job[upkeep]) error {
	ctx = domain.WithIdentity(ctx, domain.Identity{TenantID: j.Args.TenantID})
	for {
		n, err := k.documents.IndexVectors(ctx, j.Args.TenantID)
		if err != nil || n == 0 {
			return err
		}
	}
}

// silentError says that the embedding model does not answer, which is not the document's fault.
type silentError struct {
	err     error
	after   time.Duration // that the model asks to wait; 0: it does not say
	known   bool          // somebody else found out, just now
	message string        // for the person

	original bool // it is not a model that does not answer, but the storage of originals
}

func (e *silentError) Error() string {
	if e.original {
		return "read the original: " + e.err.Error()
	}
	return "embed chunks: " + e.err.Error()
}
func (e *silentError) Unwrap() error { return e.err }

// originalError tells a storage that does not answer, which is waited for, from an original that is gone.
func originalError(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*domain.Error](err); ok && e.Code == domain.Unavailable && ctx.Err() == nil {
		return &silentError{err: err, original: true, message: "The storage of original files does not answer."}
	}
	return fmt.Errorf("read the original: %w", err)
}

// embeddingError tells a model that does not answer from one that answers with rubbish, or that will never take this text.
func embeddingError(ctx context.Context, err error) error {
	e, ok := errors.AsType[*domain.Error](err)
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, llm.ErrVectors), errors.Is(err, errTooLarge), ok && e.Code == domain.Invalid:
		return fmt.Errorf("embed chunks: %w", err)
	case ok && e.Message != "":
		return &silentError{err: err, after: e.RetryAfter, message: strings.TrimSuffix(e.Message, " Try again in a moment.")} // it is, by itself
	}
	return &silentError{err: err, message: "The embedding service does not answer."}
}

// outage remembers that the embedding model did not answer, so that the documents behind need not find out one by one.
type outage struct {
	lock    sync.Mutex
	until   time.Time
	message string
}

func (o *outage) begin(until time.Time, message string) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.until, o.message = until, message
}

// now returns until when the outage lasts, zero when there is none.
func (o *outage) now() (until time.Time, message string) {
	o.lock.Lock()
	defer o.lock.Unlock()
	if time.Now().After(o.until) {
		return time.Time{}, ""
	}
	return o.until, o.message
}

// embeddedText is what stands for a chunk in the vector: its document's title and its headings say what its words are about.
// Without titles, vectors alone found a third less on a set of pages (feedbackqa-cdc-who).
func embeddedText(title string, c *document.Chunk) string {
	above := c.Heading
	if len(above) == 0 || above[0] != title {
		above = append([]string{title}, above...)
	}
	return strings.TrimLeft(strings.Join(above, " › ")+"\n\n"+c.Text, "\n")
}
