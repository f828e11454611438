package views

import (
	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/questions"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
)

// SignInForm is what the person typed, with what was wrong with it.
type SignInForm struct {
	Email string
	Next  string // local path to go on to, "" for the start page
	Err   *domain.Error

	ByInvitation bool // nobody signs up without one

	Deleted bool // the organisation of whoever comes here was deleted just now
}

// SignUpForm is what the person typed, with what was wrong with it. Fields: company, name, email, password.
type SignUpForm struct {
	Company, Name, Email string
	Invitation           string // that the link had; "": none
	NotInvited           bool   // it does not hold, and one is needed
	Err                  *domain.Error
}

// ChunksView is a document taken apart: its chunks beside what they were cut from.
type ChunksView struct {
	Document  document.Document
	Chunks    document.ChunkList
	Source    document.Page    // the page shown beside the chunks; its range of Selected is marked
	Selected  *document.Chunk  // nil: none
	Gone      bool             // a chunk was asked for that is not there any more
	Pictures  bool             // pages can be shown as pictures
	AsText    bool             // and somebody wants the text instead
	Zoom      int              // of the picture, from 0 to MostZoom
	Places    []document.Place // of the chunks on Source, where it is a picture
	Conflicts []document.Edit
	Form      *ChunkForm // a chunk that is being edited; nil: none
}

// ChunkForm is a chunk that somebody edits, with what was wrong with it.
type ChunkForm struct {
	Chunk document.Chunk // as it is now
	Text  string         // what they typed
	Err   *domain.Error  // field: text; a Conflict shows both texts
}

// ChunkResult is what an action made of a chunk.
type ChunkResult struct {
	Chunk   document.Chunk
	Said    string // for somebody who listens
	Toast   string // for everybody; "" says nothing
	Refused string // why nothing was done; "": it was
	Focus   bool   // the form that had the focus is gone: its pencil takes it
}

// TextView is what the reader made of one page of a document, or of a whole document without pages, of which DocumentText
// then shows part At.
type TextView struct {
	Document document.Document
	Page     document.Page
	At       int // which page, or part, from 1; past the end of the parts shows the last
	Pages    int // of the document
	Part     int // of a page that is long itself, like a sheet, from 1
}

// DetailsView is all that is known of a document, with the files it was made from.
type DetailsView struct {
	Document document.Document
	Versions []document.Version // newest first
}

// PlaygroundView is the playground with the conversation that is going on.
type PlaygroundView struct {
	Conversation chat.Conversation   // zero ID: not begun
	Suggestions  []string            // questions to begin with
	Retrieval    *retrieve.Retrieval // of the last answer; nil: none
	Ready        int                 // documents that can answer; with 0 the page says what to do first
	Model        string              // which model answers
}

// ConversationsView is the list of conversations with one of them open, or none.
type ConversationsView struct {
	List chat.ConversationList
	Open *chat.Conversation
}

// BotView is the bot's form: Bot holds what was typed when Err is set.
type BotView struct {
	Bot       chat.Bot
	Err       *domain.Error // fields: name, greeting, suggestions, brand, corner, fallback
	Origin    string        // what was typed into "allow a site", with OriginErr
	OriginErr *domain.Error // field: origin
	ScriptURL string        // absolute address of widget.js
}

// SettingsView is the settings page. Company holds what was typed when CompanyErr is set.
type SettingsView struct {
	Company     string
	CompanyErr  *domain.Error // field: company
	PasswordErr *domain.Error // fields: current, password
	DeleteErr   *domain.Error // fields: name, password
	Models      Models
	Embedding   document.Embedded
	Cutting     CuttingForm
	Search      SearchForm
}

// SearchForm is how the tenant searches; what was typed when Err is set.
type SearchForm struct {
	Threshold, Limit, Search                            string
	Spelling, Rerank, Duplicates, Neighbours, FollowUps bool
	Measured                                            retrieve.Settings // as it was measured best
	Err                                                 *domain.Error     // fields: threshold, limit, search
}

// NewQuestionView is the page on which test questions are added: what was typed, with what was wrong with it.
type NewQuestionView struct {
	Question, Document, Page, Heading string
	None                              bool            // the documents do not answer it
	Found                             []FoundDocument // for an answer that the question comes from
	Names                             []string        // of documents, to choose from
	Err                               *domain.Error   // fields: question, document, page, heading

	Added   *questions.Added // what became of a list with wrong lines; nil: none was sent
	List    string           // the lines to correct
	ListErr *domain.Error    // field: list
}

// FoundDocument is a document that something was found in.
type FoundDocument struct {
	ID   domain.ID
	Name string
}

// ThresholdView is the calibrator.
type ThresholdView struct {
	Calibration *questions.Calibration // nil: no run yet
	Now         float64                // the tenant's threshold
	Accepted    float64                // share of wrong answers
	Err         *domain.Error          // fields: accept, threshold
}

// CuttingForm is how documents are cut, in tokens; what was typed when Err is set.
type CuttingForm struct {
	Tokens, Overlap string
	Outdated        int           // documents that are cut otherwise
	Err             *domain.Error // fields: tokens, overlap
}

// Models says which models are at work.
type Models struct {
	Answer     string // name of the model that answers
	Embedding  string
	Dimensions int
	BuiltIn    bool // no model service is set up: sentences are quoted from the passages
}

// TenantsView is the list of tenants for staff.
type TenantsView struct {
	List tenant.TenantList
	Open []tenant.Case // of the staff member
}

// TenantView is one tenant for staff, with the form that opens a case.
type TenantView struct {
	Tenant tenant.Health
	Open   *tenant.Case // that the staff member has about it; nil: none
	Form   CaseForm
}

// CaseForm is what was typed to open a case, but the code.
type CaseForm struct {
	Reason  string
	Minutes int
	Err     *domain.Error // fields: reason, minutes, code
}

// CaseAnswersView is the search for an answer within a case, with what was typed.
type CaseAnswersView struct {
	Search, From, To string
	BadTime          bool // From or To is no time
	Found            chat.FoundAnswers
	First            bool   // the first page
	Next             string // parameter of the next page; "": there is none
}

// ErrorView is an error page. Page is nil where nobody is signed in.
type ErrorView struct {
	Staff     bool // the address is one of staff
	Page      *Page
	Status    int
	Message   string // safe to show; "" takes the fixed sentence of the status
	RequestID string
}
