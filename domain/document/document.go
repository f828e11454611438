// Package document owns documents, their original files, what was read from them and their chunks with embeddings and
// lexical weights: it alone writes these tables. It decides what may be stored, what the status of a document is and what
// happens on delete. Reading, chunking and embedding are ingest's; searching is retrieve's.
package document

import (
	"time"

	"bitb/domain"
)

// Limits that the upload states before it reads.
const (
	MaxFileBytes = 25 << 20
	MaxNameRunes = 255
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
	Done, Total    int // progress of the stage; Total 0: not known yet
	QueuePlace     int // with Queued: 1 is next within the tenant; else 0
	Pages          int // 0: the format has none
	Chunks         int
	Tokens         int
	EmbeddingModel string
	Notes          []string // what the reader noticed, e.g. pages that hold pictures only
	Failure        *Failure // with Failed
	UploadedBy     string   // the member's name, "" when gone
	CitedIn        int      // answers that cite it
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Failure says why a document failed, and what to do.
type Failure struct {
	Code    string // for machines, e.g. "encrypted"
	Title   string // "Could not open the file"
	Message string // what happened, then what to do
	Page    int    // 0: not tied to a page
}

// Retryable reports whether trying again can help without another file.
func (f *Failure) Retryable() bool {
	switch f.Code {
	case "encrypted", "empty", "unsupported", "no_text", "corrupt", "too_large":
		return false
	}
	return true
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
	TotalChunks, TotalPages     int
}

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
}

// ChunkFilter selects the chunks that the inspector shows.
type ChunkFilter struct {
	Search string // words or a phrase, in the text and heading
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
}
