// Package ingest takes a document from upload to ready: it works on the lines in which documents wait (River jobs), has each
// read and cut up by a child process, embeds the chunks, works out their lexical weights and hands all of it to package
// document, which stores it in one transaction. A job that dies at any point is taken up again and loses and doubles
// nothing: only the last transaction writes what readers see, and only the newest attempt may commit it.
//
// Every tenant has a line of its own (documents with the status queued). A job is a turn of one tenant: it takes the
// tenant's next document, and when that has ended puts another turn at the end of the queue of turns. So the tenants take
// turns, however many files one of them has. A tenant has up to four turns at a time, on lanes of falling priority: alone
// it may use all workers, and among others each comes first with one.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
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

// Times and counts of a job. How long reading may take is reader.Child's; embedding gives up by itself and waits. When a
// process dies, its jobs are taken over within seconds by rescue; River's own rescuer, which goes by the clock, is the net
// below, so its time is longer than the longest document's.
const (
	jobTimeout   = reader.Longest + time.Hour
	rescueAfter  = jobTimeout + 10*time.Minute
	rescueEvery  = 2 * time.Second
	missingAfter = 10 * time.Second // a job that the queue gave us, and nothing here works on
	softStop     = 15 * time.Second
	jobAttempts  = 25 // of a job, which fails only when the database does
	mostTries    = 5  // of a document
	mostReads    = 2  // of a file that takes too long or too much memory
	patience     = time.Hour
	progressStep = 250 * time.Millisecond // how often progress is written
	watchStep    = 500 * time.Millisecond // how often a reading looks whether it is still wanted
	paceFor      = 5 * time.Second        // how long an estimate of the pace is good
	paceWithin   = 2 * time.Second        // and how long a page waits for one
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
	Ended(ctx context.Context, reason string, chunks int) // of a document of the tenant in ctx
	Reembedded(chunks int)                                // of a document that an earlier model had embedded
}

// Tenants goes over all tenants; see tenant.Service.
type Tenants interface {
	Each(ctx context.Context, do func(domain.ID) error) error
}

// Config is what a Service is made of.
type Config struct {
	DB       *postgres.DB
	Log      *slog.Logger
	Reader   Reader
	Embedder Embedder
	Tenants  Tenants // whose documents are embedded and analysed anew when that is due
	Hints    Hints
	Metrics  Metrics
	Workers  int // documents worked on at once by this process

	// Alone is without the queue and without anybody who looks on: nobody is called to a line, and who puts documents into it
	// calls ReadNext.
	Alone bool

	// RetryAfter is how long a document waits after its n-th failed try; nil: 2 s, 8 s, 32 s, 2 min.
	RetryAfter func(try int) time.Duration
	// Patience is how long a document waits for an embedding model that does not answer before it fails; 0: an hour.
	Patience time.Duration
}

// Service is the lines of documents and their workers. It is a document.Ingester.
type Service struct {
	Config
	documents *document.Service
	follower  Follower
	workers   *river.Workers
	client    *river.Client[pgx.Tx]
	id        string // of this process among those that work
	stop      context.CancelFunc
	running   sync.WaitGroup
	working   working
	outage    outage
	calls     calls
	atOnce    int // calls of the embedder: as many as there are workers, two at least

	paceLock sync.Mutex
	pace     document.Pace
	paceAt   time.Time
}

// job is one turn of a tenant. Ids only: the queue's tables are under no policy.
type job struct {
	TenantID domain.ID `json:"tenant_id" river:"unique"`
	Lane     int       `json:"lane" river:"unique"`         // from 0; timer for one that looks at the line at a time
	At       int64     `json:"at,omitempty" river:"unique"` // of a timer, in Unix milliseconds
}

const (
	jobKind = "read_document"
	timer   = -1
)

// Kind is River's name for the job.
func (job) Kind() string { return jobKind }

// upkeep gives the approximate index of vectors what it lacks of a tenant.
type upkeep struct {
	TenantID domain.ID `json:"tenant_id" river:"unique"`
}

const upkeepKind = "index_vectors" // and the name of its queue: documents are not to wait for it

// Kind is River's name for the job.
func (upkeep) Kind() string { return upkeepKind }

// unfinished are the states in which a turn is in the queue already.
var unfinished = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled}

// NewService makes the line; Use gives it the documents and Start begins to work.
func NewService(c Config) (*Service, error) {
	if c.RetryAfter == nil {
		c.RetryAfter = func(try int) time.Duration { return 2 * time.Second << (2 * min(try-1, 3)) }
	}
	if c.Patience == 0 {
		c.Patience = patience
	}
	s := &Service{Config: c, workers: river.NewWorkers(), id: domain.NewID().String(), atOnce: max(2, c.Workers)}
	s.calls.free = s.atOnce
	config := &river.Config{
		ID: s.id, Schema: postgres.QueueSchema, Logger: c.Log, Workers: s.workers,
		JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter, SoftStopTimeout: softStop, MaxAttempts: jobAttempts,
		RetryPolicy: retryPolicy{}, FetchPollInterval: time.Second, FetchCooldown: 20 * time.Millisecond,
		CompletedJobRetentionPeriod: time.Hour, SkipUnknownJobCheck: true, PollOnly: c.DB.Pooled(),
		Middleware: []rivertype.Middleware{river.WorkerMiddlewareFunc(s.working.on), river.JobInsertMiddlewareFunc(dated)},
	}
	if c.Workers > 0 {
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Workers}, upkeepKind: {MaxWorkers: 1},
			s.reembedQueue(): {MaxWorkers: 1}, reanalyseQueue(): {MaxWorkers: 1}, followKind: {MaxWorkers: 1}}
	}
	client, err := river.NewClient(riverpgxv5.New(c.DB.QueuePool()), config)
	if err != nil {
		return nil, fmt.Errorf("set up the queue: %w", err)
	}
	s.client = client
	return s, nil
}

// retryPolicy is for jobs that fail, which they do when the database does: it is back in seconds or in minutes.
type retryPolicy struct{}

func (retryPolicy) NextRetry(j *rivertype.JobRow) time.Time {
	from := time.Now()
	if j.AttemptedAt != nil { // by the clock of the database, by which it will be looked for
		from = *j.AttemptedAt
	}
	return from.Add(min(250*time.Millisecond<<min(j.Attempt-1, 7), 30*time.Second))
}

// dated leaves it to the database to date what is inserted: the queue would do so itself, and an instance whose clock is ahead would
// put documents in a line that nobody looks at until then.
func dated(ctx context.Context, jobs []*rivertype.JobInsertParams, insert func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	for _, j := range jobs {
		if j.CreatedAt == nil {
			j.CreatedAt = &time.Time{}
		}
		if j.ScheduledAt == nil {
			j.ScheduledAt = &time.Time{}
		}
	}
	return insert(ctx)
}

// Use ties the line to the documents it works on.
func (s *Service) Use(documents *document.Service) error {
	s.documents = documents
	err := errors.Join(river.AddWorkerSafely(s.workers, &worker{Service: s}), river.AddWorkerSafely(s.workers, &keeper{Service: s}),
		river.AddWorkerSafely(s.workers, &reembedder{Service: s}), river.AddWorkerSafely(s.workers, &reanalyser{Service: s}),
		river.AddWorkerSafely(s.workers, &following{Service: s}))
	if err != nil {
		return fmt.Errorf("add the workers: %w", err)
	}
	return nil
}

// Wake makes sure, within the transaction, that so many turns of the tenant run or are in the queue.
func (s *Service) Wake(ctx context.Context, tx pgx.Tx, tenantID domain.ID, jobs int) error {
	if s.Alone {
		return nil
	}
	params := make([]river.InsertManyParams, jobs)
	for lane := range params {
		params[lane] = river.InsertManyParams{Args: job{TenantID: tenantID, Lane: lane}, InsertOpts: &river.InsertOpts{
			Priority: min(lane+1, 4), UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}}
	}
	if _, err := s.client.InsertManyTx(ctx, tx, params); err != nil {
		return fmt.Errorf("queue a turn: %w", err)
	}
	return nil
}

// WakeAt queues a turn that comes at a time.
func (s *Service) WakeAt(ctx context.Context, tx pgx.Tx, tenantID domain.ID, at time.Time) error {
	if s.Alone {
		return nil
	}
	_, err := s.client.InsertTx(ctx, tx, job{TenantID: tenantID, Lane: timer, At: at.UnixMilli()},
		&river.InsertOpts{ScheduledAt: at, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}})
	if err != nil {
		return fmt.Errorf("queue a later turn: %w", err)
	}
	return nil
}

// KeepUp queues the upkeep of the tenant's vectors.
func (s *Service) KeepUp(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	if s.Alone {
		return nil
	}
	_, err := s.client.InsertTx(ctx, tx, upkeep{TenantID: tenantID},
		&river.InsertOpts{Queue: upkeepKind, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}})
	if err != nil {
		return fmt.Errorf("queue the upkeep of vectors: %w", err)
	}
	return nil
}

// Model names the present embedding model.
func (s *Service) Model() string { return s.Embedder.Model() }

// Pace is how fast the last fifty documents were read, who takes turns now and how many are read at once. A turn of a few
// milliseconds found nothing to read.
func (s *Service) Pace(ctx context.Context) document.Pace {
	s.paceLock.Lock()
	defer s.paceLock.Unlock()
	if s.pace.Each > 0 && time.Since(s.paceAt) < paceFor {
		return s.pace
	}
	var each float64
	ctx, cancel := context.WithTimeout(ctx, paceWithin)
	defer cancel()
	err := s.DB.QueuePool().QueryRow(ctx, `
		select coalesce((select avg(took) from (select extract(epoch from finalized_at - attempted_at)::float8 as took from river.river_job
				where kind = $1 and state = 'completed' and finalized_at - attempted_at > interval '30 ms' order by finalized_at desc limit 50) last), 0),
			(select count(distinct args->>'tenant_id') from river.river_job where kind = $1 and state in ('available', 'running')),
			(select count(*) from river.river_job where kind = $1 and state = 'running')`, jobKind).
		Scan(&each, &s.pace.Tenants, &s.pace.Workers)
	if err != nil {
		s.Log.WarnContext(ctx, "pace of reading not known", "error", err)
		return document.Pace{}
	}
	s.pace.Each, s.paceAt = time.Duration(each*float64(time.Second)), time.Now()
	return s.pace
}

// Waiting is how many documents wait to be read, and for how long the one has that waits longest. Of more than a thousand tenants
// with a line, the thousand are looked at whose turns have waited longest.
func (s *Service) Waiting(ctx context.Context) (document.Waiting, error) {
	rows, err := s.DB.QueuePool().Query(ctx, `select (args->>'tenant_id')::uuid from river.river_job
		where kind = $1 and state in ('available', 'pending', 'running', 'retryable', 'scheduled') group by 1 order by min(created_at) limit 1000`, jobKind)
	if err != nil {
		return document.Waiting{}, fmt.Errorf("list who has a line: %w", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		return document.Waiting{}, fmt.Errorf("list who has a line: %w", err)
	}
	return s.documents.Waiting(ctx, tenants)
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
		alive.release() // or the database would wait for its connection when it is closed
		s.stop()
		return fmt.Errorf("start the queue: %w", err)
	}
	s.running.Go(func() { alive.keep(ctx) })
	s.running.Go(func() { s.lookOver(ctx) })
	return nil
}

// Stop lets running jobs finish for a while, puts the others back in line and returns when nothing runs any more.
func (s *Service) Stop(ctx context.Context) error {
	err := s.client.Stop(ctx)
	s.stop()
	s.running.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return err
}
