// Package questions tests a tenant's search with questions of its own: each names the document that answers it, or says that
// none does. A run searches for all of them as answers do, without a model that writes, and keeps how well each was found. Runs
// start by themselves when documents, settings or questions have changed, so that what got worse is noticed; and from the scores
// of a run a threshold is calibrated.
package questions

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
)

// Limits.
const (
	MaxQuestions = 2000
	MaxListBytes = 4 << 20 // of an uploaded list
	PageSize     = 50
	RunsKept     = 20

	maxRunes        = 2000 // of a question
	maxHeadingRunes = 300
)

// Question is a test question.
type Question struct {
	ID           domain.ID
	Text         string
	Unanswerable bool      // by the documents, and rightly so
	DocumentID   domain.ID // that answers it; zero with Unanswerable, and where it was deleted
	Document     string    // its name; that of then where it was deleted
	Page         int       // that answers it; 0: any
	Heading      string    // above what answers it; "": any
	CreatedAt    time.Time
}

// Deleted reports whether the expected document is gone, and none of its name took its place.
func (q Question) Deleted() bool { return !q.Unanswerable && q.DocumentID == domain.ID{} }

// Reason says why a run was made.
type Reason string

// The reasons.
const (
	ByHand      Reason = "hand"
	BySettings  Reason = "settings"
	ByDocuments Reason = "documents"
	ByQuestions Reason = "questions"
)

// RunState is how far a run is.
type RunState string

// The states.
const (
	Waiting RunState = "waiting"
	Running RunState = "running"
	Done    RunState = "done"
)

// Run is one search for all test questions.
type Run struct {
	ID          domain.ID
	Reason      Reason
	State       RunState
	Done, Total int // questions, while it runs
	Searched    retrieve.State
	Figures     Figures
	Without     int // questions that a model did not answer for
	Worse       int // questions answered worse than in the run before, where that is worth a notice
	Looked      bool
	CreatedAt   time.Time
	Took        time.Duration
}

// Queue has Follow called for a tenant; see ingest.Service.
type Queue interface {
	// FollowNow does so right after the transaction.
	FollowNow(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error
	// Changed does so too, and Follow finds that it is too early.
	Changed(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error
}

// Searcher searches as answers do; see retrieve.Service.
type Searcher interface {
	Retrieve(ctx context.Context, tenantID domain.ID, q retrieve.Query) (retrieve.Retrieval, error)
	State(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (retrieve.State, error)
}

// Config is what a Service is made of.
type Config struct {
	DB       *postgres.DB
	Log      *slog.Logger
	Searcher Searcher
	Queue    Queue
	Quiet    time.Duration // without a change before a run starts by itself; 0: 30 s
}

// Service keeps test questions and runs them. It is an ingest.Follower.
type Service struct {
	Config
}

// NewService returns the service.
func NewService(c Config) *Service {
	if c.Quiet == 0 {
		c.Quiet = 30 * time.Second
	}
	return &Service{Config: c}
}
