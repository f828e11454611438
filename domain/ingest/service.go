// Package ingest takes a document from upload to ready: it keeps the line of documents (River jobs), has each read and cut
// up by a child process, embeds the chunks, works out their lexical weights and hands all of it to package document, which
// stores it in one transaction. A job that dies at any point is taken up again and loses and doubles nothing: only the last
// transaction writes what readers see, and only the newest attempt may commit it.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/reader"
	"bitb/domain/llm"
	"bitb/domain/postgres"
)

// Times of a job. A document has eight minutes beside those of reading it, which are two for most, but many for hundreds of
// scanned pages. When a process dies, its jobs are taken over within seconds by rescue; River's own rescuer, which goes by the
// clock, is the net below.
const (
	jobTimeout   = reader.Longest + 8*time.Minute
	rescueAfter  = jobTimeout + 2*time.Minute
	rescueEvery  = 2 * time.Second
	softStop     = 15 * time.Second
	maxAttempts  = 5
	progressStep = 250 * time.Millisecond // how often progress is written
)

// Reader turns a file into text and chunks; see reader.Child.
type Reader interface {
	Read(ctx context.Context, r io.Reader, name string, o chunk.Options, progress func(done, total int)) (*reader.Result, error)
}

// Embedder makes the vectors of chunks; see llm.Embedder.
type Embedder interface {
	Model() string
	Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error)
}

// Hints tells who looks at a page that something changed; see redis.Store.
type Hints interface {
	Publish(ctx context.Context, topic string)
}

// Metrics counts stages and ends. reason is "" for a document that is ready.
type Metrics interface {
	Stage(stage string, took time.Duration)
	Ended(reason string, chunks int)
}

// Config is what a Service is made of.
type Config struct {
	DB       *postgres.DB
	Log      *slog.Logger
	Reader   Reader
	Embedder Embedder
	Hints    Hints
	Metrics  Metrics
	Workers  int // documents worked on at once by this process

	// RetryAfter is how long the n-th attempt waits after a failure of something else than the file; nil: 2 s, 8 s, 32 s, 2 min.
	RetryAfter func(attempt int) time.Duration
}

// Service is the line of documents and its workers. It is a document.Queue.
type Service struct {
	Config
	documents *document.Service
	workers   *river.Workers
	client    *river.Client[pgx.Tx]
	id        string // of this process among those that work
	stop      context.CancelFunc
	done      chan struct{}
}

// job names the document to read. Ids only: the queue's tables are under no policy.
type job struct {
	TenantID   domain.ID `json:"tenant_id" river:"unique"`
	DocumentID domain.ID `json:"document_id" river:"unique"`
}

const jobKind = "read_document"

// Kind is River's name for the job.
func (job) Kind() string { return jobKind }

// unfinished are the states in which a document is in line already.
var unfinished = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled}

// NewService makes the line; Use gives it the documents and Start begins to work.
func NewService(c Config) (*Service, error) {
	if c.RetryAfter == nil {
		c.RetryAfter = func(attempt int) time.Duration { return 2 * time.Second << (2 * min(attempt-1, 3)) }
	}
	s := &Service{Config: c, workers: river.NewWorkers(), id: domain.NewID().String(), done: make(chan struct{})}
	config := &river.Config{
		ID: s.id, Schema: postgres.QueueSchema, Logger: c.Log, Workers: s.workers,
		JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter, SoftStopTimeout: softStop, MaxAttempts: maxAttempts,
		RetryPolicy: retryPolicy{c.RetryAfter}, FetchPollInterval: time.Second, FetchCooldown: 20 * time.Millisecond,
		CompletedJobRetentionPeriod: time.Hour, SkipUnknownJobCheck: true,
	}
	if c.Workers > 0 {
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Workers}}
	}
	client, err := river.NewClient(riverpgxv5.New(c.DB.QueuePool()), config)
	if err != nil {
		return nil, fmt.Errorf("set up the queue: %w", err)
	}
	s.client = client
	return s, nil
}

type retryPolicy struct {
	after func(attempt int) time.Duration
}

func (p retryPolicy) NextRetry(j *rivertype.JobRow) time.Time {
	return time.Now().Add(p.after(j.Attempt))
}

// Use ties the line to the documents it works on.
func (s *Service) Use(documents *document.Service) error {
	s.documents = documents
	if err := river.AddWorkerSafely(s.workers, &worker{Service: s}); err != nil {
		return fmt.Errorf("add the worker: %w", err)
	}
	return nil
}

// Enqueue puts a document in line with the transaction that stored it. One that is in line already stays where it is.
func (s *Service) Enqueue(ctx context.Context, tx pgx.Tx, tenantID, documentID domain.ID) error {
	_, err := s.client.InsertTx(ctx, tx, job{TenantID: tenantID, DocumentID: documentID},
		&river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}})
	if err != nil {
		return fmt.Errorf("put a document in line: %w", err)
	}
	return nil
}

// Start works on the line until Stop.
func (s *Service) Start(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(ctx)
	alive := newLease(s)
	if err := alive.hold(ctx); err != nil {
		s.stop()
		return err
	}
	if err := s.client.Start(ctx); err != nil {
		s.stop()
		return fmt.Errorf("start the queue: %w", err)
	}
	go func() { defer close(s.done); alive.keep(ctx) }()
	return nil
}

// Stop lets running jobs finish for a while, puts the others back in line and returns when nothing runs any more.
func (s *Service) Stop(ctx context.Context) error {
	err := s.client.Stop(ctx)
	s.stop()
	<-s.done
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return err
}
