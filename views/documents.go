package views

import (
	"bitb/domain"
	"bitb/domain/document"
)

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

func formatName(format string) string {
	switch format {
	case "pdf":
		return "PDF"
	case "docx":
		return "Word"
	case "html":
		return "HTML"
	case "markdown":
		return "Markdown"
	case "csv":
		return "CSV"
	case "text":
		return "Text"
	}
	return format
}

func formatIcon(format string) string {
	switch format {
	case "docx":
		return "file-type"
	case "html", "markdown":
		return "file-code"
	case "csv":
		return "file-spreadsheet"
	}
	return "file-text"
}

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
	return "Page " + number(d.Done) + " of " + number(d.Total)
}

func queuePlace(place int) string {
	if place == 1 {
		return "Next in the queue"
	}
	return ordinal(place) + " in the queue"
}

func failureTitle(f *document.Failure) string {
	if f == nil || f.Title == "" {
		return "Could not be read"
	}
	return f.Title
}

func orDash(n int) string {
	if n == 0 {
		return "–"
	}
	return number(n)
}
