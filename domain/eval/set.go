// Package eval measures on questions whose answers are known: how well documents are cut (Set), for which it reads, cuts and ranks
// as the product does but in this process and without a database, and how well questions find their documents (Judged), for
// which it has the product itself store and search. `bitb eval` is its command.
package eval

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"bitb/domain/ingest/extract"
	"bitb/domain/lexical"
)

// Set is documents and questions to them, with the passages that answer each.
type Set struct {
	docs      []*document
	languages []lexical.Lang
	questions []question

	Spans    int // passages in all
	Unmapped []Unmapped
}

// Unmapped is a passage that is not in the text that was read from its document. It counts as never found.
type Unmapped struct {
	Question string
	Excerpt  string
}

type document struct {
	title string
	lang  lexical.Lang
	read  *extract.Document
}

type question struct {
	text string
	doc  int    // number of the document that answers it
	gold []span // in order, apart from each other; code points of the canonical text
	lost int    // code points of the passages that could not be mapped
}

// span is a range of code points [start, end).
type span struct{ start, end int }

// line is a line of questions.jsonl.
type line struct {
	number int // from 1, as editors count

	ID       string   `json:"_id"`
	Text     string   `json:"text"`
	Doc      string   `json:"doc"`
	Spans    [][2]int `json:"spans"`    // in code points of the document's file
	Excerpts []string `json:"excerpts"` // what stands there, if it is given
}

// Limits on a set, which is somebody's file after all.
const (
	maxFile  = 32 << 20
	maxLine  = 1 << 20
	maxLines = 100_000
)

// Load reads a set: Markdown documents and questions.jsonl, one question a line with _id, text, doc (a file name), spans
// ([start, end] in code points of that file) and excerpts (the text of the spans). Its errors are sentences for a person.
func Load(ctx context.Context, dir string) (*Set, error) {
	lines, err := readQuestions(filepath.Join(dir, "questions.jsonl"))
	if err != nil {
		return nil, err
	}
	set := &Set{}
	loaded := map[string]int{}
	var maps []*mapping
	for _, l := range lines {
		at, ok := loaded[l.Doc]
		if !ok {
			doc, m, err := readDocument(ctx, dir, l.Doc)
			if err != nil {
				return nil, fmt.Errorf("questions.jsonl, line %d: %w", l.number, err)
			}
			at, loaded[l.Doc] = len(set.docs), len(set.docs)
			set.docs, maps = append(set.docs, doc), append(maps, m)
		}
		q, err := set.question(l, at, maps[at])
		if err != nil {
			return nil, fmt.Errorf("questions.jsonl, line %d: %w", l.number, err)
		}
		set.questions = append(set.questions, q)
	}
	seen := map[lexical.Lang]bool{}
	for _, d := range set.docs {
		if !seen[d.lang] {
			set.languages = append(set.languages, d.lang)
		}
		seen[d.lang] = true
	}
	return set, nil
}

func readQuestions(path string) ([]line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the questions cannot be read: %w", err)
	}
	defer f.Close()
	var lines []line
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, maxLine)
	for number := 1; scanner.Scan(); number++ {
		if strings.TrimSpace(scanner.Text()) == "" {
			continue
		}
		l := line{number: number}
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("questions.jsonl, line %d is no question in JSON: %w", number, err)
		}
		if lines = append(lines, l); len(lines) > maxLines {
			return nil, fmt.Errorf("questions.jsonl has more than %d questions", maxLines)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("questions.jsonl cannot be read: %w", err)
	}
	if len(lines) == 0 {
		return nil, errors.New("questions.jsonl has no questions")
	}
	return lines, nil
}

// readDocument reads a document of a set the way an upload is read.
func readDocument(ctx context.Context, dir, name string) (*document, *mapping, error) {
	if name == "" || name != filepath.Base(name) || !filepath.IsLocal(name) {
		return nil, nil, fmt.Errorf("%q is no name of a document beside it", name)
	}
	path := filepath.Join(dir, name)
	if info, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("its document cannot be read: %w", err)
	} else if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, nil, fmt.Errorf("%s is no file of at most %d MB", name, maxFile>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("its document cannot be read: %w", err)
	}
	if !utf8.Valid(data) {
		return nil, nil, fmt.Errorf("%s is no text in UTF-8, so that its spans cannot be counted", name)
	}
	read, err := extract.Extract(ctx, data, name, nil)
	if failure, ok := errors.AsType[*extract.Error](err); ok {
		return nil, nil, fmt.Errorf("%s: %s %s", name, failure.Title(), failure.Message())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	text := read.Markdown()
	title := read.Title
	if title == "" {
		title = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return &document{title: title, lang: lexical.Guess(text), read: read}, newMapping(string(data), text), nil
}

// question maps a question's spans to the canonical text.
func (set *Set) question(l line, doc int, m *mapping) (question, error) {
	q := question{text: l.Text, doc: doc}
	if strings.TrimSpace(l.Text) == "" || len(l.Spans) == 0 {
		return q, errors.New("a question needs a text and spans")
	}
	for i, s := range l.Spans {
		if s[0] < 0 || s[1] <= s[0] || s[1] > len(m.raw) {
			return q, fmt.Errorf("the span [%d, %d] is not within the %d characters of %s", s[0], s[1], len(m.raw), l.Doc)
		}
		excerpt := string(m.raw[s[0]:s[1]])
		if i < len(l.Excerpts) && l.Excerpts[i] != "" {
			excerpt = l.Excerpts[i]
		}
		set.Spans++
		found, ok := m.find(excerpt, s[0])
		if !ok {
			q.lost += s[1] - s[0]
			set.Unmapped = append(set.Unmapped, Unmapped{Question: l.ID, Excerpt: excerpt})
			continue
		}
		q.gold = append(q.gold, found)
	}
	q.gold = merged(q.gold)
	return q, nil
}
