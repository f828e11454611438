package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/questions"
	"bitb/domain/retrieve"
	"bitb/views"
)

func (s *server) questions(c echo.Context) error {
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	f := questions.Filter{Page: pageNumber(c.QueryParam("page"))}
	switch show := c.QueryParam("show"); show {
	case "missed", "refused", "worse":
		f.Show = show
	}
	o, err := s.Questions.Overview(ctx, tenantID, f)
	if err != nil {
		return err
	}
	if !refreshes(c.Request()) {
		if err := s.Questions.Looked(ctx, tenantID); err != nil {
			return err
		}
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Questions(page, o))
}

// questionProgress is the line that a page with a run under way asks for again and again. When the run has ended, the page is to
// load itself anew.
func (s *server) questionProgress(c echo.Context) error {
	open, why, err := s.Questions.Progress(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	if open == nil && why == "" {
		c.Response().Header().Set("HX-Refresh", "true")
	}
	return render(c, http.StatusOK, views.QuestionProgress(open, why))
}

func (s *server) newQuestion(c echo.Context) error {
	v := views.NewQuestionView{}
	if sent := c.QueryParam("retrieval"); sent != "" {
		id, err := domain.ParseID(sent)
		if err != nil {
			return err
		}
		if err := s.fromAnswer(c.Request().Context(), tenantOf(c), id, &v); err != nil {
			return err
		}
	}
	return s.newQuestionPage(c, http.StatusOK, v)
}

// fromAnswer fills the form with the question of an answer, and what it was answered from.
func (s *server) fromAnswer(ctx context.Context, tenantID, retrievalID domain.ID, v *views.NewQuestionView) error {
	r, err := s.Retrieve.Get(ctx, tenantID, retrievalID)
	if domain.CodeOf(err) == domain.NotFound {
		return domain.NewError(domain.NotFound, "There is no such retrieval.")
	}
	if err != nil {
		return err
	}
	v.Question = r.Searched
	seen := map[domain.ID]bool{}
	for _, p := range r.Passages {
		if !seen[p.DocumentID] && p.DocumentID != (domain.ID{}) {
			seen[p.DocumentID] = true
			v.Found = append(v.Found, views.FoundDocument{ID: p.DocumentID, Name: p.DocumentName})
		}
	}
	if used := r.Used(); len(used) > 0 {
		v.Document = used[0].DocumentName
		for _, f := range v.Found {
			if f.Name == v.Document && f.ID != used[0].DocumentID {
				v.Document = used[0].DocumentID.String() // another document has the same name
			}
		}
	}
	return nil
}

func (s *server) newQuestionPage(c echo.Context, status int, v views.NewQuestionView) error {
	var err error
	if v.Names, err = s.Questions.Names(c.Request().Context(), tenantOf(c)); err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, status, views.NewQuestion(page, v))
}

func (s *server) addQuestion(c echo.Context) error {
	v := views.NewQuestionView{Question: text(c.FormValue("question")), Document: text(c.FormValue("document")), Page: text(c.FormValue("page")),
		Heading: text(c.FormValue("heading")), None: c.FormValue("none") != ""}
	document := v.Document
	if v.None {
		document = questions.NoDocument
	}
	account, _ := accountOf(c)
	added, err := s.Questions.AddOne(c.Request().Context(), tenantOf(c), account.User.ID, questions.NewLine(v.Question, document, v.Page, v.Heading))
	if e, ok := asError(err, domain.Invalid); ok {
		if wantsJSON(c.Request()) {
			return e
		}
		v.Err = e
		return s.newQuestionPage(c, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return s.done(c, "/questions", addedSentence(added))
}

// addQuestions takes a list, as a file or pasted. Good lines are kept; the others come back to be corrected.
func (s *server) addQuestions(c echo.Context) error {
	list, err := s.receiveList(c)
	if e, ok := asError(err, domain.Invalid, domain.TooLarge); ok && !wantsJSON(c.Request()) {
		return s.newQuestionPage(c, statuses[e.Code], views.NewQuestionView{ListErr: e})
	}
	if err != nil {
		return err
	}
	lines := questions.Parse(list)
	if len(lines) == 0 {
		e := domain.InvalidField("list", "There is no question in this list.")
		if wantsJSON(c.Request()) {
			return e
		}
		return s.newQuestionPage(c, http.StatusUnprocessableEntity, views.NewQuestionView{ListErr: e})
	}
	account, _ := accountOf(c)
	added, err := s.Questions.Add(c.Request().Context(), tenantOf(c), account.User.ID, lines)
	if err != nil {
		return err
	}
	if len(added.Wrong) > 0 {
		return s.newQuestionPage(c, http.StatusUnprocessableEntity, views.NewQuestionView{Added: &added, List: questions.Rejoin(added.Wrong)})
	}
	return s.done(c, "/questions", addedSentence(added))
}

// receiveList reads the file of the form, or what was pasted into it.
func (s *server) receiveList(c echo.Context) ([]byte, error) {
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, questions.MaxListBytes+64<<10)
	kind, _, _ := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		form, err := c.FormParams()
		if err != nil {
			return nil, listError(err)
		}
		return []byte(text(form.Get("list"))), nil
	}
	parts, err := c.Request().MultipartReader()
	if err != nil {
		return nil, &domain.Error{Code: domain.BadRequest, Message: brokeOff, Err: err}
	}
	var list []byte
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, listError(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, listError(err)
		}
		if name := part.FormName(); len(bytes.TrimSpace(content)) > 0 && (name == "file" || name == "list" && len(list) == 0) {
			list = content
		}
		if isWorkbook(list) {
			return nil, domain.InvalidField("list", "This is an Excel file or the like. Save it as CSV, and upload that.")
		}
	}
}

// isWorkbook knows a spreadsheet by its first bytes: as a zip archive, or as Excel's were before 2007.
func isWorkbook(list []byte) bool {
	return bytes.HasPrefix(list, []byte("PK\x03\x04")) || bytes.HasPrefix(list, []byte("\xd0\xcf\x11\xe0"))
}

func listError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		message := fmt.Sprintf("A list can have %d MB at most. Send it in parts.", questions.MaxListBytes>>20)
		return &domain.Error{Code: domain.TooLarge, Message: message, Fields: map[string]string{"list": message}}
	}
	return &domain.Error{Code: domain.BadRequest, Message: brokeOff, Err: err}
}

func addedSentence(a questions.Added) string {
	switch {
	case a.New+a.Changed == 0:
		return "Nothing is new: these questions are there with the same document."
	case a.New == 1 && a.Changed == 0:
		return "1 question was added. It is tested in a moment."
	case a.Changed == 0:
		return fmt.Sprintf("%d questions were added. They are tested in a moment.", a.New)
	}
	return fmt.Sprintf("%d questions were added and %d changed. They are tested in a moment.", a.New, a.Changed)
}

func (s *server) deleteQuestion(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	if err := s.Questions.Delete(c.Request().Context(), tenantOf(c), id); err != nil {
		return err
	}
	return s.done(c, "/questions", "The question was deleted.")
}

func (s *server) explainQuestion(c echo.Context) error {
	id, err := idParam(c, "id")
	if err != nil {
		return err
	}
	retrieval, err := s.Questions.Explain(c.Request().Context(), tenantOf(c), id)
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/retrievals/"+retrieval.String())
}

func (s *server) runQuestions(c echo.Context) error {
	err := s.Questions.Run(c.Request().Context(), tenantOf(c), questions.ByHand)
	return s.ended(c, "/questions", "The questions are being tested.", err)
}

func (s *server) exportQuestions(c echo.Context) error {
	all, err := s.Questions.All(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	return sendList(c, "test-questions.csv", all)
}

// questionTemplate is a list to fill in.
func (s *server) questionTemplate(c echo.Context) error {
	return sendList(c, "test-questions-template.csv", []questions.Question{
		{Text: "How long do I have to return a purchase?", Document: "Returns policy.pdf", Page: 2},
		{Text: "What does delivery abroad cost?", Document: "Prices 2026.xlsx", Heading: "Delivery"},
		{Text: "Who won the cup final?", Unanswerable: true},
	})
}

func sendList(c echo.Context, name string, all []questions.Question) error {
	var out bytes.Buffer
	out.WriteString("\ufeff") // Excel takes a list without it for another encoding
	if err := questions.Write(&out, all); err != nil {
		return fmt.Errorf("write a list of questions: %w", err)
	}
	c.Response().Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", out.Bytes())
}

func (s *server) threshold(c echo.Context) error {
	return s.thresholdPage(c, http.StatusOK, nil)
}

// mostAccepted is the share of wrong answers that the calibrator begins with.
const mostAccepted = 0.05

func (s *server) thresholdPage(c echo.Context, status int, wrong *domain.Error) error {
	calibration, now, ok, err := s.Questions.Calibration(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	v := views.ThresholdView{Now: now.Threshold, Accepted: mostAccepted, Err: wrong}
	if ok {
		v.Calibration = &calibration
	}
	if sent := text(c.QueryParam("accept")); sent != "" {
		percent, err := strconv.ParseFloat(strings.TrimSpace(strings.ReplaceAll(sent, ",", ".")), 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			v.Err = domain.InvalidField("accept", "A share is a number from 0 to 100.")
			status = http.StatusUnprocessableEntity
		} else {
			v.Accepted = percent / 100
		}
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, status, views.Threshold(page, v))
}

func (s *server) saveThreshold(c echo.Context) error {
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	to, err := s.Retrieve.Settings(ctx, tenantID)
	if err != nil {
		return err
	}
	to.Threshold = decimal(c.FormValue("threshold"))
	if err := s.saveSearch(ctx, tenantID, to); err != nil {
		if e, ok := asError(err, domain.Invalid); ok && !wantsJSON(c.Request()) {
			return s.thresholdPage(c, http.StatusUnprocessableEntity, e)
		}
		return err
	}
	return s.done(c, "/questions", fmt.Sprintf("The threshold is %s from now on. The questions are tested with it.", strconv.FormatFloat(to.Threshold, 'f', -1, 64)))
}

// saveSearch changes how the tenant searches, and has its questions tested with that.
func (s *server) saveSearch(ctx context.Context, tenantID domain.ID, to retrieve.Settings) error {
	if err := s.Retrieve.SaveSettings(ctx, tenantID, to); err != nil {
		return err
	}
	err := s.Questions.Run(ctx, tenantID, questions.BySettings)
	if domain.CodeOf(err) == domain.Conflict {
		return nil // there are none
	}
	return err
}

// decimal reads a number that a person typed; what is none is outside all bounds.
func decimal(s string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.ReplaceAll(s, ",", ".")), 64)
	if err != nil {
		return -1
	}
	return n
}
