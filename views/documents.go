package views

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"bitb/domain"
	"bitb/domain/document"
)

// besideDocuments is what changes with the list: the counts and the button beside the search, and a confirmation, which is
// added to those that stand there.
const besideDocuments = "#document-filter,#toasts:beforeend"

// onList makes a form act on the list that it stands in: uploads go on, and the page stays where it is.
func onList(action string) templ.Attributes { return swapForm(action, "#documents", besideDocuments) }

func documentAddress(id domain.ID) string { return "/documents/" + id.String() }

// documentsAddress is the list's address with the filter. A filter without a Sort has no direction either.
func documentsAddress(f document.Filter) string {
	dir := ""
	if f.Sort != "" {
		dir = direction(f.Desc)
	}
	return address("/documents", "q", f.Search, "status", f.Status, "sort", string(f.Sort), "dir", dir, "page", pageParam(f.Page))
}

func documentPage(f document.Filter) func(int) string {
	return func(page int) string {
		f.Page = page
		return documentsAddress(f)
	}
}

func withStatus(f document.Filter, status string) document.Filter {
	f.Status, f.Page = status, 1
	return f
}

// sortedBy is the filter after a click on a column: names begin at A, figures with the most, and a second click turns them.
func sortedBy(f document.Filter, by document.Sort) document.Filter {
	turn := sortOf(f) == by
	desc := f.Desc || f.Sort == ""
	f.Sort, f.Page = by, 1
	if f.Desc = by != document.ByName; turn {
		f.Desc = !desc
	}
	return f
}

func sortOf(f document.Filter) document.Sort {
	if f.Sort == "" {
		return document.ByUpdated
	}
	return f.Sort
}

func direction(desc bool) string {
	if desc {
		return "desc"
	}
	return "asc"
}

func ariaSort(f document.Filter, by document.Sort) string {
	switch {
	case sortOf(f) != by:
		return "none"
	case f.Desc || f.Sort == "":
		return "descending"
	}
	return "ascending"
}

func statusTotal(status string, l document.List) int {
	switch status {
	case "ready":
		return l.ReadyN
	case "busy":
		return l.BusyN
	case "failed":
		return l.FailedN
	}
	return l.All
}

func documentFactLine(l document.List) string {
	line := count(l.All, "document", "documents") + ", " + count(l.TotalChunks, "chunk", "chunks")
	if l.TotalPages > 0 {
		line += ", " + count(l.TotalPages, "page", "pages")
	}
	return line
}

var formats = map[string]struct{ name, icon string }{
	"pdf":      {"PDF", "file-text"},
	"docx":     {"Word", "file-type"},
	"pptx":     {"PowerPoint", "presentation"},
	"xlsx":     {"Excel", "file-spreadsheet"},
	"odt":      {"OpenDocument text", "file-type"},
	"ods":      {"OpenDocument spreadsheet", "file-spreadsheet"},
	"odp":      {"OpenDocument presentation", "presentation"},
	"epub":     {"EPUB", "book-open"},
	"rtf":      {"RTF", "file-type"},
	"html":     {"HTML", "file-code"},
	"eml":      {"E-mail", "mail"},
	"markdown": {"Markdown", "file-code"},
	"text":     {"Text", "file-text"},
	"csv":      {"CSV", "file-spreadsheet"},
}

func formatName(format string) string {
	if f, known := formats[format]; known {
		return f.name
	}
	return format
}

func formatIcon(format string) string {
	if f, known := formats[format]; known {
		return f.icon
	}
	return "file-text"
}

// acceptedFiles and readableFiles say what can be uploaded: to the browser's file chooser, and to a person.
const (
	acceptedFiles = ".pdf,.docx,.pptx,.xlsx,.odt,.ods,.odp,.epub,.rtf,.html,.htm,.eml,.csv,.tsv,.md,.markdown,.txt,.zip"
	readableFiles = "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF, HTML, e-mail (.eml), CSV, Markdown and text, or a ZIP of these."
)

func stageWord(s document.Status) string {
	if s == document.Embedding {
		return "Embedding"
	}
	return "Reading"
}

func stageFact(d document.Document) string {
	if d.Status == document.Embedding {
		return number(d.Done) + " of " + count(d.Total, "chunk", "chunks")
	}
	return unitTitle(d.Format) + " " + number(d.Done) + " of " + number(d.Total)
}

// queuePlace says how far up a document is in the line, and how long that takes.
func queuePlace(d document.Document) string {
	place := ordinal(d.QueuePlace) + " in the queue"
	if d.QueuePlace == 1 {
		place = "Next in the queue"
	}
	switch {
	case d.Wait <= 0:
		return place
	case d.Wait < aMoment:
		return place + ", " + roughly(d.Wait)
	}
	return place + ", about " + roughly(d.Wait)
}

// kindFact is the format, and the version where there were others.
func kindFact(d document.Document) string {
	if d.Version > 1 {
		return formatName(d.Format) + ", version " + number(d.Version)
	}
	return formatName(d.Format)
}

// staysFact says, after what stands before it, which reading answers while the newest one is under way or has failed; "" where
// none does.
func staysFact(d document.Document) string {
	switch {
	case !d.Stays() || d.Off:
		return ""
	case d.Live == d.Version:
		return ". The last reading still answers."
	}
	return ". Version " + number(d.Live) + " still answers."
}

// keepWord is on the button that gives up the newest reading for the one that answers.
func keepWord(d document.Document) string {
	if d.Live == d.Version {
		return "Keep the last reading"
	}
	return "Keep version " + number(d.Live)
}

// cancelWord is the same for a reading under way.
func cancelWord(d document.Document) string {
	if d.Live == 0 {
		return "Cancel"
	}
	return "Cancel, " + strings.ToLower(keepWord(d)[:1]) + keepWord(d)[1:]
}

// handFact is what people did to the chunks.
func handFact(d document.Document) string {
	var facts []string
	if d.Edited > 0 {
		facts = append(facts, count(d.Edited, "chunk", "chunks")+" edited by hand")
	}
	if d.OffChunks > 0 {
		facts = append(facts, count(d.OffChunks, "chunk", "chunks")+" off")
	}
	return strings.Join(facts, ", ")
}

func cancelled(d document.Document) bool {
	return d.Status == document.Failed && d.Failure != nil && d.Failure.Code == document.Cancelled
}

// retryAt says when a document that waits for something is tried again.
func retryAt(now time.Time, d document.Document) string {
	wait := d.DueAt.Sub(now)
	if wait < time.Second {
		return "Tried again now."
	}
	return "Tried again in " + roughly(wait) + "."
}

func failureTitle(f *document.Failure) string {
	if f == nil || f.Title == "" {
		return "Could not be read"
	}
	return f.Title
}

// failurePage says where it happened, if the message does not.
func failurePage(d document.Document) string {
	if d.Failure.Page == 0 || strings.Contains(d.Failure.Message, " page "+number(d.Failure.Page)) {
		return ""
	}
	return "(" + unit(d.Format) + " " + number(d.Failure.Page) + ")"
}

func orDash(n int) string {
	if n == 0 {
		return "–"
	}
	return number(n)
}
