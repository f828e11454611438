// Package document owns documents, their original files, what was read from them and their chunks with embeddings and
// lexical weights: it alone writes these tables. It decides what may be stored, what the status of a document is and what
// happens on delete. Reading, chunking and embedding are ingest's; searching is retrieve's.
package document

import (
	"slices"
	"time"

	"bitb/domain"
)

// Limits that the upload states before it reads.
const (
	MaxFileBytes  = 25 << 20
	MaxChunkRunes = 12_000 // of a chunk that a person edits
	MaxNameRunes  = 255
)

// Status is where a document is on its way to answering.
type Status string

// The statuses. Every document ends Ready or Failed.
const (
	Queued    Status = "queued"
	Reading   Status = "reading"   // progress counts pages
	Embedding Status = "embedding" // progress counts chunks
	Ready     Status = "ready"
	Failed    Status = "failed"
)

// Busy reports whether the status will change by itself.
func (s Status) Busy() bool { return s != Ready && s != Failed }

// Document is what was uploaded, and how far it got.
type Document struct {
	ID             domain.ID
	Name           string // as uploaded, cleaned of path parts; hostile text
	Format         string // "pdf", "docx", "html", "markdown", "text", "csv"
	SizeBytes      int64
	Status         Status
	Done, Total    int           // progress of the stage; Total 0: not known yet
	QueuePlace     int           // with Queued: 1 is next within the tenant; else 0
	Wait           time.Duration // with Queued: about how long until it is read; 0: not known
	WaitsFor       string        // with Queued: a sentence, when it waits for something else than its turn
	DueAt          time.Time     // with WaitsFor: when it is tried again
	Pages          int           // 0: the format has none
	Language       string        // ISO 639-1; "": not known
	Chunks         int
	Tokens         int
	EmbeddingModel string
	Notes          []string // what the reader noticed, e.g. pages that hold pictures only
	Failure        *Failure // with Failed
	Version        int      // the newest that was uploaded, from 1; status, progress and failure are of its reading
	Live           int      // the version whose chunks answer; 0: none yet
	Off            bool     // left out of answers by a person
	Cutting        Cutting  // how its chunks were cut; zero: not yet
	Edited         int      // chunks that a person edited
	OffChunks      int      // chunks that a person switched off
	Conflicts      int      // edits that wait for a decision
	UploadedBy     string   // the member's name, "" when gone
	CitedIn        int      // answers that cite it
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Retryable reports whether a person can have it read once more without another file.
func (d Document) Retryable() bool {
	return d.Status == Failed && d.Failure != nil && d.Failure.Retryable()
}

// HasChunks reports whether a reading of it was stored: there is something to look at.
func (d Document) HasChunks() bool { return d.Live > 0 || d.Status == Ready }

// Stays reports whether an older reading answers while the newest one is under way or has failed.
func (d Document) Stays() bool { return d.Live > 0 && d.Status != Ready }

// Failure says why a document failed, and what to do.
type Failure struct {
	Code    string // for machines, e.g. "encrypted"
	Title   string // "Could not open the file"
	Message string // what happened, then what to do
	Page    int    // 0: not tied to a page
}

// Retryable reports whether trying again can help without another file.
func (f *Failure) Retryable() bool { return !slices.Contains(final, f.Code) }

// final are the codes of failures that lie in the file itself. A scan can be read once text recognition is installed.
var final = []string{"encrypted", "empty", "unsupported", "corrupt", "too_large", "too_many_pages"}

// Cancelled is the code of a document whose reading a person stopped.
const Cancelled = "cancelled"

// notRetried are the codes of failures that are left out where all are tried again at once.
var notRetried = slices.Concat(final, []string{Cancelled})

// Cutting is how a tenant's documents are cut into chunks, in tokens.
type Cutting struct {
	Tokens  int // a chunk aims at
	Overlap int // of its end that the next one repeats
}

// Bounds and defaults of Cutting. The table corpora has the same ones.
const (
	MinChunkTokens     = 128
	MaxChunkTokens     = 1024
	DefaultChunkTokens = 320
	DefaultOverlap     = 32
	MaxOverlapShare    = 4 // an overlap is a quarter of a chunk at most
)

// Version is a file that a document was, or is, made from.
type Version struct {
	Number     int
	Name       string
	Format     string
	SizeBytes  int64
	UploadedBy string
	CreatedAt  time.Time
}

// EditState says whether an edit found its passage in the present text.
type EditState string

// The states of an edit. Changed and Lost are conflicts: a person decides.
const (
	Applied EditState = "applied"
	Changed EditState = "changed" // the passage reads differently now; the document's own words answer
	Lost    EditState = "lost"    // the passage is gone
)

// Edit is what a person did to a chunk. It is anchored to the passage and outlives the chunk.
type Edit struct {
	ID         domain.ID
	DocumentID domain.ID
	Quote      string  // the passage in the document's text; "": an addition that stands nowhere in it
	Start      int     // where it stood, in code points
	Original   string  // the chunk's text without the edit
	Text       *string // with it; nil: the text is as it was
	Off        bool
	State      EditState
	Heading    []string
	Page       int
	By         string // the member's name, "" when gone
	UpdatedAt  time.Time

	Now *Chunk // with Changed, in a list of conflicts: what stands there now
}

// Sort is an order of the list.
type Sort string

// The orders; newest change first is the default.
const (
	ByUpdated Sort = "updated"
	ByName    Sort = "name"
	BySize    Sort = "size"
	ByChunks  Sort = "chunks"
)

// Filter selects and orders the list. The zero Filter lists all, newest change first.
type Filter struct {
	Search string // in names
	Status string // "", "ready", "busy", "failed"
	Sort   Sort
	Desc   bool
	Page   int // from 1
}

// PageSize is how many documents a page of the list holds.
const PageSize = 20

// List is one page of a tenant's documents.
type List struct {
	Documents                   []Document
	Filter                      Filter
	Matching                    int // that the filter selects, over all pages
	All, ReadyN, BusyN, FailedN int // of the tenant, whatever the filter
	RetryableN                  int // of those that failed: another try can help
	TotalChunks, TotalPages     int
	Embedding                   Embedded // of the tenant too
}

// Embedded is how far the documents of a tenant are embedded with the present model.
type Embedded struct {
	Model    string
	Outdated int // documents whose vectors an earlier model made; the background embeds them anew
	Of       int // documents that have vectors
}

// Done is how many documents have the present model's vectors.
func (e Embedded) Done() int { return e.Of - e.Outdated }

// PageCount is the number of pages of the list, one at least.
func (l List) PageCount() int { return max(1, (l.Matching+PageSize-1)/PageSize) }

// Chunk is a retrievable piece of a document.
type Chunk struct {
	ID             domain.ID
	DocumentID     domain.ID
	Ordinal        int // from 1, in reading order
	Text           string
	Heading        []string // path, outermost first
	PageFrom       int      // 0: no pages
	PageTo         int
	Tokens         int
	Chars          int
	Start, End     int    // code points in the whole extracted text
	EmbeddingModel string // "" when not embedded
	CitedIn        int
	Off            bool  // switched off by a person
	Edit           *Edit // that made it what it is; nil: nobody touched it
}

// Undoable reports whether a person's words stand in place of the document's, which can be had back.
func (c Chunk) Undoable() bool {
	return c.Edit != nil && c.Edit.Text != nil && c.Edit.Quote != "" && c.Edit.State == Applied
}

// ChunkFilter selects the chunks that the inspector shows.
type ChunkFilter struct {
	Search string // words or a phrase, in the text and heading
	Only   string // "", "edited", "off"
	Page   int    // page of the list, from 1
}

// ChunkPageSize is how many chunks the inspector shows at once.
const ChunkPageSize = 50

// ChunkList is one page of a document's chunks, in order.
type ChunkList struct {
	Chunks   []Chunk
	Filter   ChunkFilter
	Matching int
}

// PageCount is the number of pages of the list, one at least.
func (l ChunkList) PageCount() int { return max(1, (l.Matching+ChunkPageSize-1)/ChunkPageSize) }

// Page is what the reader made of one page of the original: Markdown. Number is 0 where the format has no pages.
type Page struct {
	Number int
	Start  int // its first code point in the whole text
	Text   string
	Lines  []Line // of a PDF: where its lines stand
}

// Line is where a line of text stands on its page: code points of the whole text, and ten-thousandths of the page from the
// top left.
type Line struct{ Start, End, X0, Y0, X1, Y1 int }

// Place is where a chunk stands: code points of the whole text.
type Place struct {
	ChunkID    domain.ID
	Ordinal    int
	Start, End int
	Off        bool
}
