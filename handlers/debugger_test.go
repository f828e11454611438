package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bitb/domain"
	"bitb/domain/questions"
)

// asked has documents, of which one answers a question that was asked, and the others do not.
func asked(t *testing.T, m *member) (retrieval string, prices, hours domain.ID, chunks []domain.ID) {
	t.Helper()
	prices, chunks = m.ready(t, "Prices.txt", "A bicycle costs 19 euros a day. Children pay half.", "A helmet is free of charge.")
	hours, _ = m.ready(t, "Opening hours.txt", "The harbour station opens at nine and closes at six.")
	m.ask(t, "What does a bicycle cost a day?")
	current, err := m.app.chat.Current(t.Context(), m.account.Tenant.ID, m.bot.ID, chatMember(m))
	if err != nil || len(current.Messages) != 2 {
		t.Fatalf("%d messages, %v", len(current.Messages), err)
	}
	return "/retrievals/" + current.Messages[1].RetrievalID.String(), prices, hours, chunks
}

// has fails for each part that a page lacks.
func (r response) has(t *testing.T, status int, parts ...string) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s: %d, want %d: %.300s", r.Request.URL, r.StatusCode, status, r.body)
	}
	for _, part := range parts {
		if !strings.Contains(r.body, part) {
			t.Errorf("%s has no %q", r.Request.URL, part)
		}
	}
}

func (r response) lacks(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(r.body, part) {
			t.Errorf("%s has %q", r.Request.URL, part)
		}
	}
}

func TestAnswerIsExplained(t *testing.T) {
	m := newApp(t).owner(t, "Harbour Loop")
	page, _, _, _ := asked(t, m)
	m.get(t, page).has(t, http.StatusOK, "What does a bicycle cost a day?", "19 euros", "Threshold", "What the model was given", "You answer questions of visitors", `data-flow`, "What if?", "Export")

	panel := m.get(t, page, "HX-Request", "true")
	panel.has(t, http.StatusOK, `id="passages"`, "19 euros")
	panel.lacks(t, "<html", `id="pipeline"`)

	m.colleague(t, domain.Viewer).get(t, page).lacks(t, "What if?")
	m.get(t, page+"?follow=x&others=all").has(t, http.StatusOK, "Candidates")

	m.app.db.Exec(t, "delete from retrievals where tenant_id = $1", m.account.Tenant.ID)
	m.get(t, page).has(t, http.StatusNotFound, "kept for 30 days")
}

// The page says who wrote an answer and what it was given, also where nobody did, nothing was, or it was written before.
func TestWhoWroteAnAnswer(t *testing.T) {
	m := newApp(t).owner(t, "Harbour Loop")
	page, prices, _, _ := asked(t, m)
	last := func() string {
		t.Helper()
		current, err := m.app.chat.Current(t.Context(), m.account.Tenant.ID, m.bot.ID, chatMember(m))
		if err != nil {
			t.Fatal(err)
		}
		return "/retrievals/" + current.Messages[len(current.Messages)-1].RetrievalID.String()
	}
	m.get(t, page).has(t, http.StatusOK, "Answered by", "2 parts, about", "The answer cites it")
	m.get(t, page).lacks(t, "none was called", "The bot was changed since")
	m.app.db.Exec(t, "update citations set chunk_id = null") // as when its document is read again
	m.get(t, page).has(t, http.StatusOK, "Prices.txt</bdi>, read again since", "The answer cites it")

	m.post(t, "/playground/conversations", nil)
	m.ask(t, "What does a bicycle cost a day?")
	m.get(t, last()).has(t, http.StatusOK, "Answered by", "This time none was called")
	m.post(t, "/playground/conversations", nil)
	m.ask(t, "Who won the chess championship of 1972?")
	nobody := m.get(t, last())
	nobody.has(t, http.StatusOK, "Nothing: no passage reached it.")
	nobody.lacks(t, "Answered by", "You answer questions of visitors")
	m.app.db.Exec(t, "update bots set updated_at = now() where tenant_id = $1", m.account.Tenant.ID)
	m.get(t, page).has(t, http.StatusOK, "The bot was changed since")

	if _, err := m.app.questions.AddOne(t.Context(), m.account.Tenant.ID, m.account.User.ID, questions.NewLine("What does a helmet cost?", prices.String(), "", "")); err != nil {
		t.Fatal(err)
	}
	all, err := m.app.questions.All(t.Context(), m.account.Tenant.ID)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d questions, %v", len(all), err)
	}
	explained := m.post(t, "/questions/"+all[0].ID.String()+"/explain", nil)
	alone := m.get(t, explained.Header.Get("Location"))
	alone.has(t, http.StatusOK, `<a href="/questions">Test questions</a>`, "No answer was written from it.", "Nothing: no answer was written.")
}

// An answer stays within reach when much is said after it.
func TestLongConversation(t *testing.T) {
	m := newApp(t).owner(t, "Harbour Loop")
	explained, _, _, _ := asked(t, m)
	current, err := m.app.chat.Current(t.Context(), m.account.Tenant.ID, m.bot.ID, chatMember(m))
	if err != nil {
		t.Fatal(err)
	}
	m.app.db.Exec(t, `insert into messages (tenant_id, id, conversation_id, author, text, status, created_at)
		select tenant_id, gen_random_uuid(), conversation_id, 'person', 'Later ' || n, 'complete', created_at + make_interval(secs => n)
		from messages, generate_series(1, 210) n where id = $1`, current.Messages[1].ID)
	page := "/conversations/" + current.ID.String()
	end := m.get(t, page)
	end.has(t, http.StatusOK, "Later 210", "Earlier messages")
	end.lacks(t, explained)
	_, link, _ := strings.Cut(end.body, page+"?until=")
	link, _, _ = strings.Cut(link, `"`)
	before := m.get(t, page+"?until="+link)
	before.has(t, http.StatusOK, "What does a bicycle cost a day?", explained)
	before.lacks(t, "Later 210", "Earlier messages")
	m.get(t, explained).has(t, http.StatusOK, "You answer questions of visitors")
	m.get(t, page+"?until=x").has(t, http.StatusOK, "Later 210")
}

// The file has everything that the page shows, under the names that docs/retrieval.md promises.
func TestAnswerIsExported(t *testing.T) {
	m := newApp(t).owner(t, "Harbour Loop")
	page, _, _, chunks := asked(t, m)
	got := m.get(t, page+"/export")
	got.has(t, http.StatusOK)
	if name := got.Header.Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="retrieval-`) {
		t.Error(name)
	}
	file := decode[map[string]json.RawMessage](t, got.body)
	want := []string{"answer", "asked_at", "candidates", "chunks", "context", "format", "id", "index_version", "languages", "models", "prompt", "question",
		"rewritten_by", "searched_for", "settings", "stages", "timings", "words"}
	var keys []string
	for key, value := range file {
		keys = append(keys, key)
		if string(value) == "null" {
			t.Errorf("%s is null", key)
		}
	}
	if slices.Sort(keys); !slices.Equal(keys, want) {
		t.Errorf("keys %v", keys)
	}
	candidates := decode[[]struct {
		ChunkID domain.ID `json:"chunk_id"`
		Text    string    `json:"text"`
		LostAt  string    `json:"lost_at"`
		Scores  struct{ Words, Fused float64 }
	}](t, string(file["candidates"]))
	first := candidates[0]
	if first.ChunkID != chunks[0] || !strings.Contains(first.Text, "19 euros") || first.LostAt != "" || first.Scores.Words == 0 || first.Scores.Fused == 0 {
		t.Errorf("the first candidate is %+v", first)
	}
	if !strings.Contains(string(file["prompt"]), "19 euros") {
		t.Error("the prompt has no passage")
	}
}

func TestWhyNotThisOne(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "Harbour Loop"), a.owner(t, "Other")
	page, prices, hours, chunks := asked(t, m)
	foreign, foreignChunks := other.ready(t, "Secret.txt", "Nobody may know this.")
	why := func(params ...string) response {
		query := url.Values{}
		for i := 0; i+1 < len(params); i += 2 {
			query.Set(params[i], params[i+1])
		}
		return m.get(t, page+"/why?"+query.Encode())
	}

	why().has(t, http.StatusOK, "Prices.txt", "Opening hours.txt", "Which passage did you expect?")
	found := why("q", "opening")
	found.has(t, http.StatusOK, "hours.txt")
	found.lacks(t, "Prices.txt")

	why("document", prices.String()).has(t, http.StatusOK, "The best chunk of this document", "It reached the model.", "<mark>bicycle</mark>")
	why("document", hours.String()).has(t, http.StatusOK, `id="verdict"`, "In the index, and switched on", "Has not")
	why("chunk", chunks[1].String()).has(t, http.StatusOK, "The chunk you chose", "A helmet is free")
	numbered := why("document", prices.String(), "cq", "2")
	numbered.has(t, http.StatusOK, "A helmet is free")

	m.post(t, "/chunks/"+chunks[1].String()+"/off", url.Values{}).has(t, http.StatusSeeOther)
	why("document", prices.String(), "chunk", chunks[1].String()).has(t, http.StatusOK, "It is switched off.")

	for name, query := range map[string][]string{"another tenant's document": {"document", foreign.String()}, "another tenant's chunk": {"chunk", foreignChunks[0].String()},
		"no document": {"document", domain.NewID().String()}} {
		if got := why(query...); got.StatusCode != http.StatusNotFound || strings.Contains(got.body, "Secret") {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	gone := why("document", prices.String(), "chunk", foreignChunks[0].String())
	gone.has(t, http.StatusOK, "It is not there any more.")
	gone.lacks(t, "Nobody may know")
	why("document", "x").has(t, http.StatusBadRequest)
	why("document", prices.String(), "chunk", "x").has(t, http.StatusBadRequest)
}

func TestWhatIf(t *testing.T) {
	m := newApp(t).owner(t, "Harbour Loop")
	page, _, _, _ := asked(t, m)
	rows := func() int {
		return m.app.db.Count(t, "select (select count(*) from retrievals) + (select count(*) from messages)")
	}
	before, tenant := rows(), m.account.Tenant.ID
	form := func(change ...string) url.Values {
		f := url.Values{"question": {"What does a bicycle cost a day?"}, "threshold": {"0.25"}, "limit": {"8"}, "search": {"both"},
			"spelling": {"on"}, "duplicates": {"on"}, "neighbours": {"on"}}
		for i := 0; i+1 < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}

	m.get(t, page+"/try?threshold=0.11").has(t, http.StatusOK, `value="0.11"`)
	m.post(t, page+"/try", form()).has(t, http.StatusOK, "The model gets the same chunks in the same order.", "These are the settings that all answers are found with.")
	none := m.post(t, page+"/try", form("threshold", "1", "search", "words"))
	none.has(t, http.StatusOK, "drop", "Use these settings for all answers")
	m.post(t, page+"/try", form("question", "Is a helmet free?")).has(t, http.StatusOK, "comes in")

	wrong := m.post(t, page+"/try", form("threshold", "much", "limit", "9000000000000000000000", "question", ""))
	wrong.has(t, http.StatusUnprocessableEntity, "A threshold is a number from 0 to 1.", "Give the model 1 to 8 chunks.", "Write a question", `value="much"`)
	for field, value := range map[string]string{"threshold": "NaN", "limit": "9", "search": "magic", "question": strings.Repeat("a", 2001)} {
		m.post(t, page+"/try", form(field, value)).has(t, http.StatusUnprocessableEntity, `class="wrong"`)
	}
	m.post(t, page+"/try", form("limit", "0"), "Accept", "application/json").has(t, http.StatusUnprocessableEntity, `"limit"`)
	if rows() != before {
		t.Error("something of a try was stored")
	}

	m.colleague(t, domain.Editor).post(t, page+"/try", form("threshold", "1")).lacks(t, "Use these settings")
	m.post(t, page+"/settings", form("threshold", "2")).has(t, http.StatusUnprocessableEntity, "A threshold is a number from 0 to 1.")
	if n := m.app.db.Count(t, "select count(*) from corpora where tenant_id = $1 and search_settings <> '{}'", tenant); n != 0 {
		t.Error("settings were saved that nobody saved")
	}
	m.post(t, page+"/settings", form("threshold", "0.4")).has(t, http.StatusSeeOther)
	if n := m.app.db.Count(t, `select count(*) from corpora where tenant_id = $1 and search_settings = '{"threshold": 0.4}'`, tenant); n != 1 {
		t.Error("the settings were not saved")
	}
	m.get(t, page+"/now").has(t, http.StatusOK, "From now on all answers are found with these settings.", "<del class=\"text-muted-foreground\">0.25</del> → 0.4")
}

func TestAsItWasAndNow(t *testing.T) {
	m := newApp(t).owner(t, "Harbour Loop")
	page, _, _, chunks := asked(t, m)
	m.get(t, page+"/now").has(t, http.StatusOK, "Nothing has changed since", "In the prompt, then as now")
	m.app.db.Exec(t, "update messages set model = 'earlier-model' where author = 'bot'")
	m.get(t, page+"/now").has(t, http.StatusOK, "Answering model", "earlier-model</del> → builtin-extractive-v1")
	m.app.db.Exec(t, "update messages set status = 'quoted' where author = 'bot'")
	m.get(t, page+"/now").has(t, http.StatusOK, "Nothing has changed since")

	was := "A bicycle costs 19 euros a day. Children pay half."
	if _, err := m.app.documents.EditChunk(t.Context(), m.account.Tenant.ID, chunks[0], was, strings.Replace(was, "19", "25", 1), m.account.User.ID); err != nil {
		t.Fatal(err)
	}
	m.get(t, page+"/now").has(t, http.StatusOK, "chunk edited", "<del>19</del>", "<ins>25</ins>", "In the prompt then", "In the prompt now")
	m.get(t, page).has(t, http.StatusOK, "19 euros")
}
