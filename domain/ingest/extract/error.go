package extract

import (
	"errors"
	"fmt"
)

// Reason says, for a machine, why a file could not be read.
type Reason string

// The reasons. The first four and ReasonUnsupported lie in the file; a timeout or a lack of memory may also come
// from a busy machine, so only those two are worth a second try.
const (
	ReasonUnsupported  Reason = "unsupported"
	ReasonEmpty        Reason = "empty"
	ReasonEncrypted    Reason = "encrypted"
	ReasonCorrupt      Reason = "corrupt"
	ReasonTooLarge     Reason = "too_large"
	ReasonNoText       Reason = "no_text" // pictures of pages: it would need text recognition
	ReasonTooManyPages Reason = "too_many_pages"
	ReasonTooManyFiles Reason = "too_many_files" // in an archive
	ReasonNoPage       Reason = "no_page"        // of RenderPage
	ReasonTimeout      Reason = "timeout"
	ReasonMemory       Reason = "memory"
)

// Readable lists for a person what can be uploaded.
const Readable = "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF, HTML, e-mail (.eml), CSV, Markdown and plain text, or a ZIP of these"

// Error is why a file could not be read. Title and Message are for the person who uploaded it, Error for the log.
type Error struct {
	Reason Reason `json:"reason"`
	Page   int    `json:"page,omitempty"`   // where reading stopped, 1-based; 0 when that is not known
	What   string `json:"what,omitempty"`   // what the file is instead, e.g. "a PNG picture", with ReasonUnsupported; what locks it, with ReasonEncrypted
	Tried  bool   `json:"tried,omitempty"`  // to recognise text in pictures, in vain; with ReasonNoText
	Detail string `json:"detail,omitempty"` // the cause, for the log; may quote a library, never the document
}

func (e *Error) Error() string {
	s := "read document: " + string(e.Reason)
	if e.Page > 0 {
		s += fmt.Sprintf(" on page %d", e.Page)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Temporary reports whether another try may succeed with the same file.
func (e *Error) Temporary() bool { return e.Reason == ReasonTimeout || e.Reason == ReasonMemory }

// Title says in a few words what went wrong.
func (e *Error) Title() string {
	switch e.Reason {
	case ReasonUnsupported:
		return "Cannot read this kind of file"
	case ReasonEmpty, ReasonNoText:
		return "Found no text"
	case ReasonTooLarge, ReasonTooManyPages, ReasonTooManyFiles:
		return "Too much to read"
	case ReasonNoPage:
		return "There is no such page"
	case ReasonTimeout, ReasonMemory:
		return "Reading stopped"
	}
	return "Could not open the file"
}

// Message says in two short sentences what happened and what to do.
func (e *Error) Message() string {
	switch e.Reason {
	case ReasonUnsupported:
		what := e.What
		if what == "" {
			what = "of a kind that cannot be read yet"
		}
		return "It is " + what + ". Upload one of these instead: " + Readable + "."
	case ReasonEmpty:
		return "There is nothing to read in it. Check that you picked the right file."
	case ReasonNoText:
		if e.What == "slide" { // whose pictures are not recognised, whatever is installed
			return "Every slide is a picture. Write the text on the slides, or upload them as a PDF."
		}
		if e.Tried {
			return "Every page is a picture, and no text could be recognised in them. Upload a copy whose text can be selected."
		}
		return "Every page is a picture, for example a scan, and text recognition is not installed on this server. " +
			"Upload a copy whose text can be selected, or have tesseract installed."
	case ReasonNoPage:
		return "The document has fewer pages. Go back to its first page."
	case ReasonEncrypted:
		if e.What != "" {
			return "It is locked by " + e.What + ". Upload a copy without that."
		}
		return "It is protected with a password. Save a copy without the password and upload that."
	case ReasonTooLarge:
		return "It unpacks to more text than can be read at once" + e.onPage() + ". Split it into parts and upload those."
	case ReasonTooManyPages:
		return fmt.Sprintf("It has more than %s pages. Split it into parts and upload those.", thousands(MaxPages))
	case ReasonTooManyFiles:
		return fmt.Sprintf("It holds more than %s files. Split it into several archives and upload those.", thousands(MaxFiles))
	case ReasonTimeout:
		return "Reading took too long" + e.onPage() + ". Try again, or save a simpler copy and upload that."
	case ReasonMemory:
		return "Reading took too much memory" + e.onPage() + ". Save a simpler copy, or split it into parts, and upload that."
	}
	return "It is damaged or incomplete" + e.onPage() + ". Open it on your computer, save a new copy and upload that."
}

func (e *Error) onPage() string {
	if e.Page == 0 {
		return ""
	}
	return fmt.Sprintf(", on page %s", thousands(e.Page))
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// counted begins a sentence with a number of things.
func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + several
}

// asError makes an *Error of whatever a reader returned: what no reader has named is damage.
func asError(err error) *Error {
	if e := refusal(err); e != nil {
		return e
	}
	return &Error{Reason: ReasonCorrupt, Detail: err.Error()}
}

// refusal returns the *Error in err, a reason to refuse the file; nil for damage, around which much may be worth reading.
func refusal(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}
