package questions

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"bitb/domain"
	"bitb/domain/ingest/extract"
)

// Line is a question as it stands in a list.
type Line struct {
	Number   int // in the list, from 1
	Text     string
	Document string // by its name or id; "" or "none": the documents do not answer it
	Page     string
	Heading  string

	named bool // there is a place for the document, empty or not
}

// Wrong is a line that was not taken, and why.
type Wrong struct {
	Line
	Message string
}

// NoDocument stands for the document of a question that none answers.
const NoDocument = "none"

// columns are what the heads of a list may be called.
var columns = map[string]string{
	"question": "question", "questions": "question", "query": "question", "frage": "question", "pregunta": "question", "سؤال": "question", "السؤال": "question",
	"document": "document", "documents": "document", "expecteddocument": "document", "doc": "document", "file": "document", "source": "document",
	"dokument": "document", "documento": "document", "fichier": "document", "datei": "document", "المستند": "document",
	"page": "page", "seite": "page", "página": "page", "pagina": "page", "heading": "heading", "section": "heading", "überschrift": "heading",
}

var usual = []string{"question", "document", "page", "heading"}

// Parse reads a list of separated values with the columns question, document, page and heading, or without a head in this order.
func Parse(list []byte) []Line {
	records := extract.Records(list)
	order := usual
	if len(records) > 0 {
		if head := headOf(records[0].Fields); head != nil {
			order, records = head, records[1:]
		}
	}
	var lines []Line
	for _, r := range records {
		l := Line{Number: r.Line}
		for i, field := range r.Fields {
			field = unguard(storable(field))
			switch at(order, i) {
			case "question":
				l.Text = field
			case "document":
				l.Document, l.named = field, true
			case "page":
				l.Page = field
			case "heading":
				l.Heading = field
			}
		}
		if strings.TrimSpace(strings.Join(r.Fields, "")) != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

func at(order []string, i int) string {
	if i < len(order) {
		return order[i]
	}
	return ""
}

// headOf returns what each column of a head holds, nil when it is none.
func headOf(fields []string) []string {
	head := make([]string, len(fields))
	for i, f := range fields {
		name := strings.NewReplacer(" ", "", "_", "", "-", "", "\ufeff", "").Replace(strings.ToLower(strings.TrimSpace(f)))
		head[i] = columns[name]
	}
	if !slices.Contains(head, "question") {
		return nil
	}
	return head
}

// storable makes text of one line that PostgreSQL stores.
func storable(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", " ")), " ")
}

// shelf is the documents that lines may name.
type shelf struct {
	byID   map[domain.ID]string
	byName map[string][]domain.ID // by folded name, with and without its ending
}

func newShelf(documents map[domain.ID]string) shelf {
	s := shelf{byID: documents, byName: map[string][]domain.ID{}}
	for id, name := range documents {
		s.byName[fold(name)] = append(s.byName[fold(name)], id)
	}
	for id, name := range documents {
		if stem, _, ok := cutLast(fold(name), "."); ok && len(s.byName[stem]) == 0 {
			s.byName[stem] = append(s.byName[stem], id)
		}
	}
	return s
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i <= 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func fold(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

func sameName(a, b string) bool { return fold(a) == fold(b) }

// question makes a test question of a line, or says what is wrong with which of its fields.
func (l Line) question(documents shelf) (Question, *domain.Error) {
	q := Question{Text: storable(l.Text), Heading: storable(l.Heading)}
	text, heading := utf8.RuneCountInString(q.Text), utf8.RuneCountInString(q.Heading)
	switch {
	case text == 0:
		return q, domain.InvalidField("question", "There is no question.")
	case text > maxRunes:
		return q, domain.InvalidField("question", fmt.Sprintf("A question can have %s characters; this one has %s.", domain.Thousands(maxRunes), domain.Thousands(text)))
	case heading > maxHeadingRunes:
		return q, domain.InvalidField("heading", fmt.Sprintf("A heading can have %d characters; this one has %s.", maxHeadingRunes, domain.Thousands(heading)))
	case !l.named:
		return q, domain.InvalidField("document", "No document is named. Write “none” where your documents do not answer the question.")
	}
	if page := strings.TrimSpace(l.Page); page != "" {
		n, err := strconv.Atoi(page)
		if err != nil || n < 1 || n > 1_000_000 {
			return q, domain.InvalidField("page", "A page is a number from 1.")
		}
		q.Page = n
	}
	name := storable(l.Document)
	if name == "" || strings.EqualFold(name, NoDocument) {
		q.Unanswerable, q.Page, q.Heading = true, 0, ""
		return q, nil
	}
	var err *domain.Error
	q.DocumentID, q.Document, err = documents.find(name)
	return q, err
}

func (s shelf) find(name string) (domain.ID, string, *domain.Error) {
	if id, err := domain.ParseID(strings.ToLower(name)); err == nil {
		if found, there := s.byID[id]; there {
			return id, found, nil
		}
	}
	switch ids := s.byName[fold(name)]; len(ids) {
	case 0:
		return domain.ID{}, "", domain.InvalidField("document", "No document is called “"+short(name)+"”.")
	case 1:
		return ids[0], s.byID[ids[0]], nil
	default:
		return domain.ID{}, "", domain.InvalidField("document", fmt.Sprintf("%d documents are called “%s”. Write the id of the one you mean.", len(ids), short(name)))
	}
}

func short(text string) string {
	if r := []rune(text); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return text
}

// formula are the beginnings that a spreadsheet takes for a formula.
const formula = "=+-@\t\r"

// guard keeps a spreadsheet from computing a cell, and unguard takes that back.
func guard(cell string) string {
	if cell != "" && strings.ContainsRune(formula, rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func unguard(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && rest != "" && strings.ContainsRune(formula, rune(rest[0])) {
		return rest
	}
	return cell
}

// Write writes questions as a list that Parse reads. A document whose name says too little is written by its id.
func Write(w io.Writer, all []Question) error {
	names := map[string]map[domain.ID]bool{}
	for _, q := range all {
		if names[fold(q.Document)] == nil {
			names[fold(q.Document)] = map[domain.ID]bool{}
		}
		names[fold(q.Document)][q.DocumentID] = true
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(usual)
	for _, q := range all {
		document, page := NoDocument, ""
		if !q.Unanswerable {
			if document = q.Document; q.DocumentID != (domain.ID{}) && (len(names[fold(document)]) > 1 || strings.EqualFold(document, NoDocument)) {
				document = q.DocumentID.String()
			}
		}
		if q.Page > 0 {
			page = strconv.Itoa(q.Page)
		}
		_ = out.Write([]string{guard(q.Text), guard(document), page, guard(q.Heading)})
	}
	out.Flush()
	return out.Error()
}

// Rejoin writes lines that were not taken as they can be corrected and sent again.
func Rejoin(wrong []Wrong) string {
	var b strings.Builder
	out := csv.NewWriter(&b)
	for _, w := range wrong {
		fields := []string{w.Text}
		if w.named {
			fields = append(fields, w.Document)
		}
		if w.Page != "" || w.Heading != "" {
			fields = append(fields, w.Page, w.Heading)
		}
		_ = out.Write(fields)
	}
	out.Flush()
	return b.String()
}

// NewLine is a line of a form. An empty document was forgotten there: that none answers is said by NoDocument.
func NewLine(text, document, page, heading string) Line {
	return Line{Number: 1, Text: text, Document: document, Page: page, Heading: heading, named: strings.TrimSpace(document) != ""}
}
