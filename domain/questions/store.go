package questions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/retrieve"
)

// Added is what became of a list.
type Added struct {
	New, Changed, Same int
	Wrong              []Wrong
}

// Add takes the questions of a list. A question that is there already gets the expectation of the list. Lines that are wrong
// come back with what is wrong; the others are taken.
func (s *Service) Add(ctx context.Context, tenantID, by domain.ID, lines []Line) (Added, error) {
	var added Added
	err := s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		added = Added{}
		if err := lock(ctx, tx, tenantID); err != nil {
			return err
		}
		documents, err := namesOf(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		there, err := list(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		fresh, gone := added.sort(lines, newShelf(documents), there)
		if len(fresh) == 0 {
			return nil
		}
		if err := insert(ctx, tx, tenantID, by, fresh, gone); err != nil {
			return err
		}
		return s.Queue.Changed(ctx, tx, tenantID)
	})
	return added, err
}

// sort finds what is new and what takes the place of which question.
func (a *Added) sort(lines []Line, documents shelf, there []Question) (fresh []Question, gone []domain.ID) {
	known := map[string]Question{}
	for _, q := range there {
		known[q.Text] = q
	}
	place := map[string]int{} // in fresh
	for _, l := range lines {
		q, wrong := l.question(documents)
		old, isThere := known[q.Text]
		i, again := place[q.Text]
		if wrong == nil && !isThere && !again && len(known)+a.New >= MaxQuestions {
			wrong = domain.NewError(domain.Full, fmt.Sprintf("You have %d questions, which is as many as there can be.", MaxQuestions))
		}
		switch {
		case wrong != nil:
			a.Wrong = append(a.Wrong, Wrong{Line: l, Message: wrong.Message})
		case again:
			q.ID, fresh[i] = fresh[i].ID, q
		case isThere && sameExpectation(old, q):
			a.Same++
		default:
			if a.New++; isThere {
				a.New--
				a.Changed++
				gone = append(gone, old.ID)
			}
			q.ID = domain.NewID()
			place[q.Text] = len(fresh)
			fresh = append(fresh, q)
		}
	}
	return fresh, gone
}

func sameExpectation(a, b Question) bool {
	return a.Unanswerable == b.Unanswerable && a.DocumentID == b.DocumentID && a.Page == b.Page && a.Heading == b.Heading
}

// AddOne takes one question of a form. What is wrong is domain.Invalid, by field.
func (s *Service) AddOne(ctx context.Context, tenantID, by domain.ID, l Line) (Added, error) {
	err := s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		documents, err := namesOf(ctx, tx, tenantID)
		if err != nil {
			return err
		}
		if _, wrong := l.question(newShelf(documents)); wrong != nil {
			return wrong
		}
		return nil
	})
	if err != nil {
		return Added{}, err
	}
	added, err := s.Add(ctx, tenantID, by, []Line{l})
	if err == nil && len(added.Wrong) > 0 {
		err = domain.NewError(domain.Invalid, added.Wrong[0].Message)
	}
	return added, err
}

// Names returns the names of documents that questions may name, in order, some of them where they are many.
func (s *Service) Names(ctx context.Context, tenantID domain.ID) ([]string, error) {
	var names []string
	err := s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select distinct name from documents where tenant_id = $1 order by name limit 500", tenantID)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, err
}

// Delete removes a question with its results.
func (s *Service) Delete(ctx context.Context, tenantID, id domain.ID) error {
	return s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "delete from test_questions where tenant_id = $1 and id = $2", tenantID, id)
		if err == nil && tag.RowsAffected() == 0 {
			return errNoQuestion
		}
		return err
	})
}

var errNoQuestion = domain.NewError(domain.NotFound, "There is no such test question.")

// All returns the tenant's questions in the order in which they came.
func (s *Service) All(ctx context.Context, tenantID domain.ID) ([]Question, error) {
	var all []Question
	err := s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		all, err = list(ctx, tx, tenantID)
		return err
	})
	return all, err
}

// Explain searches for a question as a visitor's question is, and keeps the trace for the debugger.
func (s *Service) Explain(ctx context.Context, tenantID, id domain.ID) (retrievalID domain.ID, err error) {
	var text string
	err = s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select question from test_questions where tenant_id = $1 and id = $2", tenantID, id).Scan(&text)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return retrievalID, errNoQuestion
	}
	if err != nil {
		return retrievalID, err
	}
	found, err := s.Searcher.Retrieve(ctx, tenantID, retrieve.Query{Text: text})
	if err != nil {
		return retrievalID, fmt.Errorf("search for a test question: %w", err)
	}
	return found.ID, s.DB.InTenant(ctx, tenantID, func(tx pgx.Tx) error { return retrieve.Keep(ctx, tx, tenantID, found) })
}

// lock takes the tenant's row of corpora, which everything takes that changes what a run depends on.
func lock(ctx context.Context, tx pgx.Tx, tenantID domain.ID) error {
	_, err := tx.Exec(ctx, "select from corpora where tenant_id = $1 for no key update", tenantID)
	return err
}

func namesOf(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (map[domain.ID]string, error) {
	rows, err := tx.Query(ctx, "select id, name from documents where tenant_id = $1", tenantID)
	if err != nil {
		return nil, err
	}
	names := map[domain.ID]string{}
	var id domain.ID
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil })
	if err != nil {
		return nil, fmt.Errorf("read the names of documents: %w", err)
	}
	return names, nil
}

// questionColumns and questionTables take a document of the same name for one that was deleted.
const (
	questionColumns = `q.id, q.question, q.unanswerable, coalesce(q.document_id, same.id), coalesce(d.name, q.document_name), q.page, q.heading, q.created_at`
	questionTables  = `test_questions q
		left join documents d on d.tenant_id = q.tenant_id and d.id = q.document_id
		left join lateral (select id from documents s where q.document_id is null and not q.unanswerable and s.tenant_id = q.tenant_id
			and s.name = q.document_name order by s.id desc limit 1) same on true`
)

func (q *Question) fields() []any {
	return []any{&q.ID, &q.Text, &q.Unanswerable, (*nullID)(&q.DocumentID), &q.Document, &q.Page, &q.Heading, &q.CreatedAt}
}

func list(ctx context.Context, tx pgx.Tx, tenantID domain.ID) ([]Question, error) {
	rows, err := tx.Query(ctx, "select "+questionColumns+" from "+questionTables+" where q.tenant_id = $1 order by q.id", tenantID)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (q Question, err error) { err = row.Scan(q.fields()...); return q, err })
	if err != nil {
		return nil, fmt.Errorf("list the test questions: %w", err)
	}
	return all, nil
}

// nullID reads null as the zero id.
type nullID domain.ID

// Scan reads what pgx gives to a sql.Scanner.
func (n *nullID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*n = nullID{}
		return nil
	case string:
		id, err := domain.ParseID(v)
		*n = nullID(id)
		return err
	}
	return errors.New("an id is a text")
}

func insert(ctx context.Context, tx pgx.Tx, tenantID, by domain.ID, fresh []Question, gone []domain.ID) error {
	if _, err := tx.Exec(ctx, "delete from test_questions where tenant_id = $1 and id = any($2)", tenantID, gone); err != nil {
		return fmt.Errorf("replace test questions: %w", err)
	}
	n := len(fresh)
	ids, texts, unanswerable := make([]domain.ID, n), make([]string, n), make([]bool, n)
	documents, names, pages, headings := make([]*domain.ID, n), make([]string, n), make([]int, n), make([]string, n)
	for i, q := range fresh {
		ids[i], texts[i], unanswerable[i], names[i], pages[i], headings[i] = q.ID, q.Text, q.Unanswerable, q.Document, q.Page, q.Heading
		if !q.Unanswerable {
			documents[i] = &fresh[i].DocumentID
		}
	}
	_, err := tx.Exec(ctx, `insert into test_questions (tenant_id, id, question, unanswerable, document_id, document_name, page, heading, added_by)
		select $1, q.*, nullif($9, '00000000-0000-0000-0000-000000000000'::uuid)
		from unnest($2::uuid[], $3::text[], $4::bool[], $5::uuid[], $6::text[], $7::int[], $8::text[]) q`,
		tenantID, ids, texts, unanswerable, documents, names, pages, headings, by)
	if err != nil {
		return fmt.Errorf("add test questions: %w", err)
	}
	return nil
}

// results returns those of a run, in the order of the questions.
func results(ctx context.Context, tx pgx.Tx, tenantID, runID domain.ID) ([]Result, error) {
	rows, err := tx.Query(ctx, `select r.question_id, q.unanswerable, r.rank, r.document_rank, r.best, coalesce(r.expected, -1)
		from test_results r join test_questions q on q.tenant_id = r.tenant_id and q.id = r.question_id
		where r.tenant_id = $1 and r.run_id = $2 order by q.id`, tenantID, runID)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Result, err error) {
		err = row.Scan(&r.QuestionID, &r.Unanswerable, &r.Rank, &r.DocumentRank, &r.Best, &r.Expected)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the results of a run: %w", err)
	}
	return all, nil
}

// insertResults leaves out questions that were deleted meanwhile.
func insertResults(ctx context.Context, tx pgx.Tx, tenantID, runID domain.ID, all []Result) error {
	n := len(all)
	ids, ranks, documentRanks := make([]domain.ID, n), make([]int, n), make([]int, n)
	best, expected := make([]float64, n), make([]*float64, n)
	for i, r := range all {
		ids[i], ranks[i], documentRanks[i], best[i] = r.QuestionID, r.Rank, r.DocumentRank, r.Best
		if r.Expected != None {
			expected[i] = &all[i].Expected
		}
	}
	_, err := tx.Exec(ctx, `insert into test_results (tenant_id, run_id, question_id, rank, document_rank, best, expected)
		select $1, $2, r.* from unnest($3::uuid[], $4::int[], $5::int[], $6::float8[], $7::float8[]) r (id, rank, document_rank, best, expected)
		where exists (select from test_questions q where q.tenant_id = $1 and q.id = r.id for key share)`,
		tenantID, runID, ids, ranks, documentRanks, best, expected)
	if err != nil {
		return fmt.Errorf("keep the results of a run: %w", err)
	}
	return nil
}

// stillThere leaves out results of questions that were deleted meanwhile.
func stillThere(all []Result, questions []Question) []Result {
	there := map[domain.ID]bool{}
	for _, q := range questions {
		there[q.ID] = true
	}
	return slices.DeleteFunc(all, func(r Result) bool { return !there[r.QuestionID] })
}
