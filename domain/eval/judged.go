package eval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Judged is documents and questions to them with judgements: which documents answer which question, and how well.
type Judged struct {
	Name    string
	Tenants []string // whose documents they are, in order; one, "", for a set that names none

	entries      []Entry
	questions    []Question // that have a judgement
	unanswerable []Question
	history      bool // some question has one
}

// Entry is a document of a set.
type Entry struct {
	ID     string `json:"_id"`
	Title  string `json:"title"`
	Text   string `json:"text"`
	Tenant string `json:"tenant"`
}

// Turn is a message that came before a question.
type Turn struct {
	Role string `json:"role"` // "user" or "assistant"
	Text string `json:"text"`
}

// Question is a question of a set.
type Question struct {
	ID      string `json:"_id"`
	Text    string `json:"text"`
	Tenant  string `json:"tenant"`
	History []Turn `json:"history"`

	gains map[string]int // document → how well it answers, from 1
}

// Limits on a set of judgements.
const (
	maxSetFile = 512 << 20
	maxEntries = 1_000_000
	maxTurns   = 1000
	maxTenants = 1000
)

// LoadJudged reads a set: corpus.jsonl ({_id, title, text[, tenant]} a line), queries.jsonl ({_id, text[, tenant, history]}),
// qrels.tsv (a header, then question, document and judgement with tabs between them) and, if it is there, unanswerable.jsonl
// ({_id, text[, tenant, history]}). Its errors are sentences for a person.
func LoadJudged(dir string) (*Judged, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("there is no set at %s: %w", dir, err)
	}
	set := &Judged{Name: filepath.Base(path)}
	if err := set.load(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", set.Name, err)
	}
	return set, nil
}

func (set *Judged) load(dir string) error {
	known := map[string]bool{}
	err := readLines(filepath.Join(dir, "corpus.jsonl"), func(e Entry) error {
		if !slices.Contains(set.Tenants, e.Tenant) {
			set.Tenants = append(set.Tenants, e.Tenant)
		}
		if known[e.ID] || e.ID == "" {
			return fmt.Errorf("a document needs an _id of its own, not %q", e.ID)
		}
		if len(set.Tenants) > maxTenants {
			return fmt.Errorf("there are more than %d tenants", maxTenants)
		}
		known[e.ID] = true
		set.entries = append(set.entries, e)
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(set.Tenants)
	asked := map[string]*Question{}
	all, err := set.loadQuestions(filepath.Join(dir, "queries.jsonl"))
	if err != nil {
		return err
	}
	for i := range all {
		asked[all[i].ID] = &all[i]
	}
	if err := readJudgements(filepath.Join(dir, "qrels.tsv"), asked); err != nil {
		return err
	}
	for _, q := range all {
		if len(q.gains) > 0 {
			set.questions = append(set.questions, q)
			set.history = set.history || len(q.History) > 0
		}
	}
	if len(set.questions) == 0 {
		return errors.New("no question has a document that answers it")
	}
	set.unanswerable, err = set.loadQuestions(filepath.Join(dir, "unanswerable.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// loadQuestions reads questions. In a set with tenants an unanswerable one that names none is put to one of them in turn.
func (set *Judged) loadQuestions(path string) (questions []Question, err error) {
	known := map[string]bool{}
	unanswerable := filepath.Base(path) == "unanswerable.jsonl"
	err = readLines(path, func(q Question) error {
		switch {
		case q.ID == "" || known[q.ID]:
			return fmt.Errorf("a question needs an _id of its own, not %q", q.ID)
		case strings.TrimSpace(q.Text) == "":
			return errors.New("a question needs a text")
		case len(q.History) > maxTurns:
			return fmt.Errorf("a question has at most %d turns before it", maxTurns)
		}
		for _, turn := range q.History {
			if turn.Role != "user" && turn.Role != "assistant" {
				return fmt.Errorf(`the role of a turn is "user" or "assistant", not %q`, turn.Role)
			}
		}
		if unanswerable && q.Tenant == "" {
			q.Tenant = set.Tenants[len(questions)%len(set.Tenants)]
		}
		if !slices.Contains(set.Tenants, q.Tenant) {
			return fmt.Errorf("no document belongs to the tenant %q", q.Tenant)
		}
		known[q.ID] = true
		questions = append(questions, q)
		return nil
	})
	return questions, err
}

// readLines gives each line that is not empty to take, and says in which one something was wrong.
func readLines[T any](path string, take func(T) error) error {
	name := filepath.Base(path)
	scanner, end, err := open(path)
	if err != nil {
		return err
	}
	defer end()
	taken := 0
	for number := 1; scanner.Scan(); number++ {
		line := bytes.TrimPrefix(bytes.TrimSpace(scanner.Bytes()), []byte("\ufeff"))
		if len(line) == 0 {
			continue
		}
		var x T
		if err := json.Unmarshal(line, &x); err != nil {
			return fmt.Errorf("%s, line %d cannot be read: %w", name, number, err)
		}
		if err := take(x); err != nil {
			return fmt.Errorf("%s, line %d: %w", name, number, err)
		}
		if taken++; taken > maxEntries {
			return fmt.Errorf("%s has more than %d lines", name, maxEntries)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if taken == 0 {
		return fmt.Errorf("%s is empty", name)
	}
	return nil
}

// open opens a file of a set to be read line by line.
func open(path string) (*bufio.Scanner, func(), error) {
	name := filepath.Base(path)
	if info, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", name, err)
	} else if !info.Mode().IsRegular() || info.Size() > maxSetFile {
		return nil, nil, fmt.Errorf("%s is no file of at most %d MB", name, maxSetFile>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, maxFile)
	return scanner, func() { _ = f.Close() }, nil
}

// readJudgements gives the questions their judgements. One of a document that the set does not have counts as never found; one
// that is not above 0 says that the document does not answer.
func readJudgements(path string, questions map[string]*Question) error {
	scanner, end, err := open(path)
	if err != nil {
		return err
	}
	defer end()
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimRight(scanner.Text(), "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			return fmt.Errorf("qrels.tsv, line %d: a judgement is a question, a document and a number with tabs between them", number)
		}
		gain, err := strconv.ParseFloat(strings.TrimSpace(fields[2]), 64)
		switch q := questions[fields[0]]; {
		case err != nil && number == 1: // the header
		case err != nil || gain != float64(int(gain)) || gain > 1000:
			return fmt.Errorf("qrels.tsv, line %d: a judgement is a whole number of at most 1000, not %q", number, shorten(fields[2]))
		case q == nil:
			return fmt.Errorf("qrels.tsv, line %d: queries.jsonl has no question %q", number, shorten(fields[0]))
		case gain > 0:
			if q.gains == nil {
				q.gains = map[string]int{}
			}
			q.gains[fields[1]] = int(gain)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("qrels.tsv cannot be read: %w", err)
	}
	return nil
}

// Blank reports whether there is nothing in the entry to store.
func (e Entry) Blank() bool {
	return strings.TrimSpace(strings.ToValidUTF8(e.Title+e.Text, "")) == ""
}

// Markdown is the entry as the file that a tenant would upload, with its title for a heading.
func (e Entry) Markdown() []byte {
	title := strings.Join(strings.Fields(e.Title), " ")
	if title == "" {
		return []byte(e.Text)
	}
	if !utf8.ValidString(title) {
		title = strings.ToValidUTF8(title, "\uFFFD")
	}
	return []byte("# " + title + "\n\n" + e.Text)
}
