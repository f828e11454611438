package handlers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/retrieve"
	"bitb/views"
)

// noTrace is said of a trace that is too old, and of one that never was: nobody learns which.
func (s *server) noTrace() error {
	days := "a day"
	if s.TraceDays > 1 {
		days = fmt.Sprintf("%d days", s.TraceDays)
	}
	return domain.NewError(domain.NotFound, "How this answer was found is not known any more: that is kept for "+days+". What was asked and answered stays among the conversations.")
}

// explained gathers what all pages of the debugger show of an answer. It only reads.
func (s *server) explained(ctx context.Context, tenantID, id domain.ID, base string) (views.Explained, error) {
	v := views.Explained{Base: base}
	var err error
	if v.Retrieval, err = s.Retrieve.Get(ctx, tenantID, id); err != nil {
		if domain.CodeOf(err) == domain.NotFound {
			err = s.noTrace()
		}
		return v, err
	}
	answer, conversation, err := s.Chat.ByRetrieval(ctx, tenantID, id)
	if domain.CodeOf(err) == domain.NotFound {
		return v, nil
	}
	v.Answer, v.Trail = &answer, []views.Crumb{{Name: "Conversation", Path: "/conversations/" + conversation.String()}}
	return v, err
}

// explainedHere is an answer of the tenant that the request is in, with what may be done with it there: within a case of support
// it is only looked at.
func (s *server) explainedHere(c echo.Context) (views.Explained, error) {
	id, err := idParam(c, "id")
	if err != nil {
		return views.Explained{}, err
	}
	at, first := "", views.Crumb{Name: "Conversations", Path: "/conversations"}
	open, inCase := caseOf(c)
	if inCase {
		at = "/staff/cases/" + open.ID.String()
		first = views.Crumb{Name: "Retrievals", Path: "/retrievals"}
	}
	v, err := s.explained(c.Request().Context(), tenantOf(c), id, at+"/retrievals/"+id.String())
	if !inCase && v.Answer == nil { // nobody asked it in a conversation
		first = views.Crumb{Name: "Test questions", Path: "/questions"}
	}
	v.Trail = append([]views.Crumb{first}, v.Trail...)
	for i := range v.Trail {
		v.Trail[i].Path = at + v.Trail[i].Path
	}
	if inCase {
		return v, err
	}
	account, _ := accountOf(c)
	v.CanTry, v.CanSave = account.User.Role.Allows(domain.Editor), account.User.Role.Allows(domain.Admin)
	v.CanOpenChunks, v.CanShare = true, true
	return v, err
}

// retrieval explains one answer. The playground takes the passages alone, to show them beside the conversation.
func (s *server) retrieval(c echo.Context) error {
	v, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	if fragment(c) {
		return render(c, http.StatusOK, views.Evidence(v.Retrieval, v.Answer))
	}
	debugger, err := s.debugger(c.Request().Context(), tenantOf(c), v, c.QueryParam("others") == "all", c.QueryParam("follow"))
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.RetrievalPage(page, debugger))
}

// debugger gathers the rest of the page of one answer.
func (s *server) debugger(ctx context.Context, tenantID domain.ID, e views.Explained, all bool, follow string) (views.DebuggerView, error) {
	v := views.DebuggerView{Explained: e, Defaults: s.Retrieve.Defaults(), All: all}
	v.Follow, _ = domain.ParseID(follow) // one that is not there is not followed
	if err := s.Retrieve.Name(ctx, tenantID, v.Retrieval.Others); err != nil {
		return v, err
	}
	var err error
	v.Prompt, err = s.Chat.Prompt(ctx, tenantID, v.Retrieval.ID)
	if domain.CodeOf(err) == domain.NotFound { // no answer was written, or its conversation is gone
		return v, nil
	}
	if err != nil {
		return v, err
	}
	bot, err := s.Chat.Bot(ctx, tenantID)
	v.BotSince = bot.UpdatedAt.After(v.Retrieval.CreatedAt)
	return v, err
}

// retrievalWhy follows a chunk that somebody expected through the search.
func (s *server) retrievalWhy(c echo.Context) error {
	e, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	v, err := s.why(c, tenantOf(c), e)
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.WhyPage(page, v))
}

// why reads which chunk is meant from the address, and explains it. Without a document it offers all of the tenant's.
func (s *server) why(c echo.Context, tenantID domain.ID, e views.Explained) (v views.WhyView, err error) {
	v.Explained = e
	ctx := c.Request().Context()
	if chosen := c.QueryParam("chunk"); chosen != "" {
		if v.ChunkID, err = domain.ParseID(chosen); err != nil {
			return v, err
		}
	}
	var documentID domain.ID
	switch chosen := c.QueryParam("document"); {
	case chosen != "":
		if documentID, err = domain.ParseID(chosen); err != nil {
			return v, err
		}
	case v.ChunkID != (domain.ID{}):
		chunk, err := s.Documents.Chunk(ctx, tenantID, v.ChunkID)
		if err != nil {
			return v, err
		}
		documentID = chunk.DocumentID
	default:
		filter := document.Filter{Search: search(c.QueryParam("q")), Sort: document.ByName, Page: pageNumber(c.QueryParam("page"))}
		v.Documents, err = s.Documents.List(ctx, tenantID, filter)
		return v, err
	}
	explanation, err := s.Retrieve.Explain(ctx, tenantID, queryOf(e.Retrieval), documentID, v.ChunkID)
	if err != nil {
		return v, err
	}
	v.Explanation = &explanation
	v.Retrieval = retrieve.Renamed(v.Retrieval, v.Explanation.Retrieval)
	return v, s.pick(c, tenantID, documentID, &v)
}

// queryOf is the question of a past search, to be searched again as it was.
func queryOf(then retrieve.Retrieval) retrieve.Query {
	q, settings := then.Query(), then.Settings
	q.Settings, q.At = &settings, then.CreatedAt
	return q
}

// pick lists the chunks of the chosen document: a number finds the chunk of that number.
func (s *server) pick(c echo.Context, tenantID, documentID domain.ID, v *views.WhyView) error {
	ctx := c.Request().Context()
	d, err := s.Documents.Get(ctx, tenantID, documentID)
	if err != nil {
		return err
	}
	v.Document = &d
	filter := document.ChunkFilter{Search: search(c.QueryParam("cq")), Page: pageNumber(c.QueryParam("page"))}
	ordinal, isNumber := chunkNumber(filter.Search)
	switch {
	case isNumber:
		filter.Search = ""
	case filter.Search == "" && c.QueryParam("page") == "":
		ordinal = v.Explanation.Passage.Ordinal
	}
	if ordinal > 0 {
		filter.Page = (ordinal-1)/document.ChunkPageSize + 1
	}
	if v.Chunks, err = s.Documents.Chunks(ctx, tenantID, documentID, filter); err != nil || !isNumber {
		return err
	}
	var found []document.Chunk
	for _, chunk := range v.Chunks.Chunks {
		if chunk.Ordinal == ordinal {
			found = append(found, chunk)
		}
	}
	v.Chunks = document.ChunkList{Chunks: found, Matching: len(found), Filter: document.ChunkFilter{Search: search(c.QueryParam("cq")), Page: 1}}
	return nil
}

func chunkNumber(typed string) (int, bool) {
	n, err := strconv.Atoi(typed)
	return n, err == nil && n > 0 && n < 1_000_000
}

// retrievalTryForm shows the form, with settings of the address where a page suggests some.
func (s *server) retrievalTryForm(c echo.Context) error {
	e, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	v := views.TryView{Explained: e, Form: views.FormOf(e.Retrieval.Searched, e.Retrieval.Settings)}
	if suggested := c.QueryParam("threshold"); suggested != "" {
		v.Form.Threshold = search(suggested)
	}
	if suggested := c.QueryParam("limit"); suggested != "" {
		v.Form.Limit = search(suggested)
	}
	if c.QueryParam("duplicates") == "off" {
		v.Form.Duplicates = false
	}
	return s.renderTry(c, http.StatusOK, v)
}

func (s *server) renderTry(c echo.Context, status int, v views.TryView) error {
	v.Reranker = s.Retrieve.Reranker()
	var err error
	if v.Now, err = s.Retrieve.Settings(c.Request().Context(), tenantOf(c)); err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, status, views.TryPage(page, v))
}

// retrievalTry runs a past search again with other settings. Nothing is kept.
func (s *server) retrievalTry(c echo.Context) error {
	e, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	v := views.TryView{Explained: e, Form: tryForm(c)}
	settings, err := trySettings(v.Form, e.Retrieval.Settings)
	if err == nil {
		v.Result, err = s.try(c.Request().Context(), tenantOf(c), &v.Retrieval, v.Form.Question, settings)
	}
	if refused, ok := asError(err, domain.Invalid); ok && !wantsJSON(c.Request()) {
		v.Form.Err = refused
		return s.renderTry(c, statuses[refused.Code], v)
	}
	if err != nil {
		return err
	}
	return s.renderTry(c, http.StatusOK, v)
}

func (s *server) try(ctx context.Context, tenantID domain.ID, then *retrieve.Retrieval, question string, settings retrieve.Settings) (*views.TryResult, error) {
	query := queryOf(*then)
	query.Settings = &settings
	if question != then.Searched {
		query.Text, query.Context, query.Asked, query.By = question, nil, "", ""
	}
	now, err := s.Retrieve.Retrieve(ctx, tenantID, query)
	if err != nil {
		return nil, err
	}
	if err := s.Retrieve.Name(ctx, tenantID, then.Others); err != nil {
		return nil, err
	}
	*then = retrieve.Renamed(*then, now)
	return &views.TryResult{Retrieval: now, Moves: retrieve.Moves(*then, now)}, s.Retrieve.Name(ctx, tenantID, now.Others)
}

func tryForm(c echo.Context) views.TryForm {
	return views.TryForm{Question: strings.TrimSpace(text(c.FormValue("question"))), SearchForm: searchForm(c)}
}

// trySettings reads the form, and says all that is wrong with it at once. What the form does not have stays as in from.
func trySettings(f views.TryForm, from retrieve.Settings) (retrieve.Settings, error) {
	settings := settingsOf(f.SearchForm)
	settings.FollowUps = from.FollowUps
	err := settings.Check()
	if wrong, ok := asError(chat.CheckQuestion(f.Question), domain.Invalid); ok {
		if also, ok := asError(err, domain.Invalid); ok {
			maps.Copy(wrong.Fields, also.Fields)
		}
		err = wrong
	}
	return settings, err
}

// retrievalSettings makes the settings that were tried those of all answers.
func (s *server) retrievalSettings(c echo.Context) error {
	e, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	ctx, tenantID := c.Request().Context(), tenantOf(c)
	present, err := s.Retrieve.Settings(ctx, tenantID)
	if err != nil {
		return err
	}
	v := views.TryView{Explained: e, Form: tryForm(c)}
	settings, err := trySettings(v.Form, present)
	if s.Retrieve.Reranker() == "" {
		settings.Rerank = present.Rerank // the form has no such box
	}
	if err == nil {
		err = s.saveSearch(ctx, tenantID, settings)
	}
	if refused, ok := asError(err, domain.Invalid); ok && !wantsJSON(c.Request()) {
		v.Form.Err = refused
		return s.renderTry(c, statuses[refused.Code], v)
	}
	if err != nil {
		return err
	}
	return s.done(c, e.Base+"/now", "From now on all answers are found with these settings.")
}

// retrievalNow holds a past search against the same search now.
func (s *server) retrievalNow(c echo.Context) error {
	e, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	v, err := s.now(c.Request().Context(), tenantOf(c), e)
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.NowPage(page, v))
}

func (s *server) now(ctx context.Context, tenantID domain.ID, e views.Explained) (v views.NowView, err error) {
	v.Explained = e
	if v.Now, v.Changes, err = s.Retrieve.Since(ctx, tenantID, e.Retrieval); err != nil {
		return v, err
	}
	// What was quoted says who stood in, and not which model was set.
	if a := e.Answer; a != nil && a.Outcome != chat.Quoted && a.Model != "" && a.Model != s.Models.Answer {
		v.Changes = append(v.Changes, retrieve.Change{Kind: retrieve.ChangedAnswerer, Before: a.Model, After: s.Models.Answer})
	}
	if err := s.Retrieve.Name(ctx, tenantID, v.Retrieval.Others); err != nil {
		return v, err
	}
	if err := s.Retrieve.Name(ctx, tenantID, v.Now.Others); err != nil {
		return v, err
	}
	v.Retrieval = retrieve.Renamed(v.Retrieval, v.Now)
	v.Moves = retrieve.Moves(v.Retrieval, v.Now)
	v.Names, err = s.documentNames(ctx, tenantID, v.Changes)
	return v, err
}

// documentNames are those of the documents that changed, as far as they are there.
func (s *server) documentNames(ctx context.Context, tenantID domain.ID, changes []retrieve.Change) (map[domain.ID]string, error) {
	names := map[domain.ID]string{}
	var ids []domain.ID
	for _, change := range changes {
		if change.DocumentID != (domain.ID{}) {
			ids = append(ids, change.DocumentID)
		}
	}
	if len(ids) == 0 {
		return names, nil
	}
	documents, err := s.Documents.Some(ctx, tenantID, ids)
	for _, d := range documents {
		names[d.ID] = d.Name
	}
	return names, err
}
