package views

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/retrieve"
)

// Explained is an answer that is taken apart, as all pages of the debugger show it at their top. The pages' bodies stand in more
// than one shell: where their links lead and what may be done there is said here.
type Explained struct {
	Base      string  // path of the answer's page; the other pages are below it
	Trail     []Crumb // from the outermost page down to this one's parent
	Retrieval retrieve.Retrieval
	Answer    *chat.Message // nil: none was written

	CanTry        bool // run the search again with other settings
	CanSave       bool // make these the tenant's
	CanOpenChunks bool
	CanShare      bool // copy the link, export
}

// Crumb is a page above another one.
type Crumb struct{ Name, Path string }

// DebuggerView is how an answer came about.
type DebuggerView struct {
	Explained
	Prompt   []chat.PromptPart
	BotSince bool // the bot was changed since: the prompt has its name and fallback of now
	Defaults retrieve.Settings
	All      bool      // show all of Retrieval.Others, not only the first
	Follow   domain.ID // the chunk that is followed through the stages; zero: none
}

// WhyView answers why a chunk was not found, or lets somebody choose which.
type WhyView struct {
	Explained
	Documents   document.List      // to choose from, as searched for
	Document    *document.Document // that was chosen; nil: none yet
	Chunks      document.ChunkList // of it, as searched for
	ChunkID     domain.ID          // that was chosen; zero: the document's best one
	Explanation *retrieve.Explanation
}

// TryView is the search run again with other settings.
type TryView struct {
	Explained
	Form     TryForm
	Reranker string            // "": there is none
	Now      retrieve.Settings // of the tenant
	Result   *TryResult        // nil: not run yet
}

// TryForm is what somebody typed, with what was wrong with it.
type TryForm struct {
	Question   string
	SearchForm // Err has the field question too
}

// TryResult is what another search found, beside the one of then.
type TryResult struct {
	Retrieval retrieve.Retrieval
	Moves     []retrieve.Move
}

// NowView is a past answer's search beside the same search now.
type NowView struct {
	Explained
	Now     retrieve.Retrieval
	Changes []retrieve.Change
	Moves   []retrieve.Move
	Names   map[domain.ID]string // of the documents of the changes
}

// FormOf is the form with these settings.
func FormOf(question string, s retrieve.Settings) TryForm {
	return TryForm{Question: question, SearchForm: NewSearchForm(s)}
}

// whyAddress follows a chunk; "" where it is not there any more.
func whyAddress(v Explained, p retrieve.Passage) string {
	if p.DocumentID == (domain.ID{}) || deleted(p) {
		return ""
	}
	return address(v.Base+"/why", "document", p.DocumentID.String(), "chunk", p.ChunkID.String())
}

// deleted reports whether nothing is left of a passage that was looked at closely.
func deleted(p retrieve.Passage) bool { return p.Text == "" && p.Lost != retrieve.LostRank }

// shownOthers is how many of the candidates that were not looked at closely are listed before somebody asks for all.
const shownOthers = 20

func othersShown(v DebuggerView) []retrieve.Passage {
	if v.All {
		return v.Retrieval.Others
	}
	return v.Retrieval.Others[:min(shownOthers, len(v.Retrieval.Others))]
}

// rewritten is what was searched for, with the words marked that the person did not write.
func rewritten(r retrieve.Retrieval) []piece {
	was, now := strings.ToLower(r.Question), strings.ToLower(r.Searched)
	if len(now) != len(r.Searched) { // a script in which letters change their length
		was, now = r.Question, r.Searched
	}
	_, added := diffWords(was, now)
	var pieces []piece
	done := 0
	for _, s := range added {
		pieces = append(pieces, piece{text: r.Searched[done:s.from]}, piece{text: r.Searched[s.from:s.to], marked: true})
		done = s.to
	}
	return append(pieces, piece{text: r.Searched[done:]})
}

func rewriter(r retrieve.Retrieval) string {
	if r.SearchedBy == "" {
		return "rewritten"
	}
	return "rewritten by " + r.SearchedBy
}

// heaviest is the weight of the question's heaviest word.
func heaviest(words []retrieve.Word) float64 {
	most := 0.0
	for _, w := range words {
		most = max(most, w.Weight)
	}
	return max(most, 1e-9)
}

// wordFact says how common a word is.
func wordFact(w retrieve.Word) string {
	if w.Chunks == 0 {
		return "in no chunk"
	}
	return "in " + count(w.Chunks, "chunk", "chunks")
}

// searchedHow says of a retrieval what was searched, in one line.
func searchedHow(r retrieve.Retrieval) string {
	how := count(r.Chunks, "chunk", "chunks")
	switch r.Vectors {
	case retrieve.VectorsExact:
		how += ", every vector compared"
	case retrieve.VectorsHNSW:
		how += ", the nearest vectors by index"
	case retrieve.VectorsIfFew:
		how += ", by words alone"
	case retrieve.VectorsOff:
		how += ", no vectors"
	}
	if len(r.Foreign) > 0 {
		how += "; the model of the vectors was not found to know " + languageNames(r.Foreign) + ", so words alone order what words find"
	}
	return how
}

// setting is one setting as a person reads it.
type setting struct{ name, value, usual string }

// settingsOf lists how a search was set, in the form's order. usual is "" where it is as by default.
func settingsOf(s, usual retrieve.Settings, reranker bool) []setting {
	all := []setting{
		{"Threshold", plain(s.Threshold), plain(usual.Threshold)},
		{"Chunks in the prompt, at most", number(s.Limit), number(usual.Limit)},
		{"Searched by", sidesWord(s.Search), sidesWord(usual.Search)},
		{"Spelling is corrected", yesNo(s.Spelling), yesNo(usual.Spelling)},
	}
	if reranker {
		all = append(all, setting{"Re-ranked", yesNo(s.Rerank), yesNo(usual.Rerank)})
	}
	all = append(all,
		setting{"Near-duplicates left out", yesNo(s.Duplicates), yesNo(usual.Duplicates)},
		setting{"Neighbours joined", yesNo(s.Neighbours), yesNo(usual.Neighbours)},
		setting{"Follow-ups searched in context", yesNo(s.FollowUps), yesNo(usual.FollowUps)})
	for i := range all {
		if all[i].usual == all[i].value {
			all[i].usual = ""
		}
	}
	return all
}

func sidesWord(s retrieve.Sides) string {
	switch s {
	case retrieve.WordsOnly:
		return "words"
	case retrieve.VectorsOnly:
		return "vectors"
	}
	return "words and vectors"
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// partName is who speaks in a part of a prompt.
func partName(role string) string {
	switch role {
	case "system":
		return "Rules"
	case "user":
		return "Person"
	case "assistant":
		return "Bot"
	}
	return role
}

func promptTokens(parts []chat.PromptPart) int {
	n := 0
	for _, p := range parts {
		n += p.Tokens
	}
	return n
}

// oneLine is the beginning of a text on one line.
func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > most {
		text = text[:runeOffset(text, most)] + "…"
	}
	return text
}

// standsFor finds the passage that a joined or duplicate one is part of.
func standsFor(r retrieve.Retrieval, p retrieve.Passage) (into retrieve.Passage, at int, found bool) {
	for i, other := range r.Passages {
		if other.ChunkID == p.Into && p.Into != (domain.ID{}) {
			return other, i, true
		}
	}
	return retrieve.Passage{}, 0, false
}

func passageID(p retrieve.Passage) string { return "passage-" + p.ChunkID.String() }

// lostReason says of a candidate why it did not reach the model, in a few words.
func lostReason(r retrieve.Retrieval, p retrieve.Passage) string {
	switch p.Lost {
	case retrieve.LostRank:
		return "Not among the best"
	case retrieve.LostThreshold:
		return "Under the threshold"
	case retrieve.LostDuplicate:
		return "Says the same as"
	case retrieve.LostLimit:
		return "After the first " + number(r.Settings.Limit)
	case retrieve.LostBudget:
		return "No room in the prompt"
	case retrieve.Joined:
		return "Part of"
	}
	return ""
}

// givenFact says how much of what was found reached the model.
func givenFact(r retrieve.Retrieval) string {
	return number(len(r.Used())) + " of " + number(len(r.Passages)+len(r.Others))
}

// whyVerdict says in one sentence where a chunk was lost, and in another what would change that.
func whyVerdict(v WhyView) (lost, remedy string) {
	e := *v.Explanation
	var step retrieve.Step
	for _, s := range e.Steps {
		if s.Stage == e.Lost {
			step = s
		}
	}
	switch e.Lost {
	case "":
		if then, found := among(v.Retrieval, e.Passage.ChunkID); found && reached(then) {
			return "It reached the model.", "Its words are in the prompt of this answer."
		}
		if len(e.Steps) > 0 && e.Steps[0].Reason == retrieve.ReasonLater {
			return "It came after this answer.", "Ask again: now it would reach the model."
		}
		return "It would reach the model now.", "When this answer was given it did not. What changed since is on the page “As it was, and now”."
	case "index":
		return indexVerdict(step.Reason)
	case "words":
		switch step.Reason {
		case retrieve.ReasonNoWord:
			remedy = "Add the words that people ask with to the chunk."
			if v.Retrieval.Settings.Search == retrieve.WordsOnly {
				remedy = "Add the words that people ask with to the chunk, or search by vectors too."
			}
			return "It was not found: it has none of the question’s words.", remedy
		case retrieve.ReasonCommon:
			return "It was not found: it has only words of the question that are too common to look for.", "Add a telling word of the question to the chunk."
		}
		return "Lost by words: " + ordinal(step.Rank) + ", and the first " + number(step.Most) + " go on.", "Use more of the question’s telling words in the chunk."
	case "vectors":
		return "Lost by vectors: its meaning is the " + ordinal(step.Rank) + " nearest, and the first " + number(step.Most) + " go on.", "Say in the chunk what it answers, in the words of the question."
	case "fused":
		return "Lost when fused: " + ordinal(step.Rank) + ", and the first " + number(step.Most) + " are looked at closely.", "Use more of the question’s telling words in the chunk."
	case "rerank":
		return "Lost at the re-ranking: " + score(step.Value) + ".", "Try the search without re-ranking."
	case "threshold":
		return "Lost at the threshold: " + scoreAt(step.Value, step.Bar) + " is under " + plain(step.Bar) + ".", "Lower the threshold or edit the chunk."
	case "duplicate":
		return "Left out as a duplicate: a better passage says the same.", "The answer misses nothing. To have both, search with near-duplicates."
	case "limit":
		if step.Reason == retrieve.ReasonNoRoom {
			return "Lost in the prompt: better passages fill it.", "Have documents cut into smaller chunks, or switch off chunks before it that do not answer."
		}
		remedy = "Raise the limit, or switch off chunks before it that do not answer."
		if step.Most >= retrieve.MaxLimit {
			remedy = "Switch off chunks before it that do not answer: no more can reach the model."
		}
		return "Lost at the limit: " + ordinal(step.Rank) + ", and " + count(step.Most, "chunk reaches", "chunks reach") + " the model.", remedy
	}
	return "It did not reach the model.", ""
}

func indexVerdict(reason retrieve.Reason) (lost, remedy string) {
	switch reason {
	case retrieve.ReasonGone:
		return "It is not there any more.", "The document was read again, or the chunk was deleted. Choose the chunk that has its place now."
	case retrieve.ReasonOff:
		return "It is switched off.", "Switch the chunk on where it stands in its document."
	case retrieve.ReasonDocumentOff:
		return "Its document is left out of answers.", "Use the document again, on its page."
	case retrieve.ReasonNotReady:
		return "Its document is not ready.", "Wait until it is, or try it again if it failed."
	case retrieve.ReasonLater:
		return "It came after this answer.", "Ask again: it is searched now."
	}
	return "It is not in the index.", ""
}

// exact writes a score so that it reads differently from the one it is compared with.
func exact(s, other float64) string {
	for digits := 2; digits < 5; digits++ {
		if text := strconv.FormatFloat(s, 'f', digits, 64); text != strconv.FormatFloat(other, 'f', digits, 64) {
			return text
		}
	}
	return score(s)
}

// scoreAt writes a score so that it does not read as if it reached a threshold that it is under.
func scoreAt(s, threshold float64) string {
	for digits := 2; s < threshold && digits < 5; digits++ {
		text := strconv.FormatFloat(s, 'f', digits, 64)
		if shown, err := strconv.ParseFloat(text, 64); err == nil && shown < threshold {
			return text
		}
	}
	return score(s)
}

func among(r retrieve.Retrieval, id domain.ID) (retrieve.Passage, bool) {
	for _, list := range [][]retrieve.Passage{r.Passages, r.Others} {
		for _, p := range list {
			if p.ChunkID == id {
				return p, true
			}
		}
	}
	return retrieve.Passage{}, false
}

// whyStep is a step as a person reads it.
type whyStep struct{ state, title, note, figure, figureNote string }

func whySteps(v WhyView) []whyStep {
	e := *v.Explanation
	var steps []whyStep
	over := false
	_, then := among(v.Retrieval, e.Passage.ChunkID)
	for _, s := range e.Steps {
		if then && s.Reason == retrieve.ReasonLater { // its words were there, before its document was read again
			s.Reason = ""
		}
		steps = append(steps, stepWords(e, s, over))
		over = over || s.State == retrieve.Fell
	}
	return steps
}

// stepWords says how a stage went. over: the chunk was lost before.
func stepWords(e retrieve.Explanation, s retrieve.Step, over bool) whyStep {
	out := whyStep{state: string(s.State)}
	if s.Rank > 0 {
		out.figure = ordinal(s.Rank)
	}
	if s.Most > 0 && s.State != retrieve.Skipped {
		out.figureNote = "of " + number(s.Most) + " that go on"
	}
	pick := func(passed, lost, missed, skipped string) {
		out.title = map[retrieve.StepState]string{retrieve.Passed: passed, retrieve.Fell: lost, retrieve.Missed: missed}[s.State]
		if out.title == "" {
			out.title = skipped
		}
	}
	switch s.Stage {
	case "index":
		pick("In the index, and switched on", "Not in the index", "Not in the index", "In the index")
		switch p := e.Passage; {
		case s.Reason != "":
			out.note, _ = indexVerdict(s.Reason)
		case p.Version > 0:
			out.note = "Chunk " + number(p.Ordinal) + " of version " + number(p.Version) + "."
		}
	case "words":
		pick("Found by its words", "Not found by its words", "Not found by its words", "By words")
		out.note = wordsNote(e.Retrieval, s)
	case "vectors":
		pick("Found by its meaning", "Not found by its meaning", "Not found by its meaning", "By meaning")
		out.note = vectorsNote(e.Retrieval, s)
	case "fused":
		pick("Among the best when fused", "Not among the best when fused", "", "Fused")
		out.note = "Both together score " + against(s) + "."
	case "rerank":
		pick("Re-ranked", "", "", "Re-ranking")
		out.note = "The model gives it " + score(s.Value) + "."
		if s.State == retrieve.Skipped && e.Retrieval.Reranker == "" {
			out.note = lostOr(e.Retrieval.RerankLost, "This search had none.")
		}
	case "threshold":
		pick("Over the threshold", "Lost at the threshold", "", "Threshold")
		out.figure = scoreAt(s.Value, s.Bar) + map[bool]string{true: " < ", false: " ≥ "}[s.Value < s.Bar] + plain(s.Bar)
	case "duplicate":
		pick("Says something of its own", "Said already", "", "Near-duplicates")
		if other, found := among(e.Retrieval, s.Other); found {
			out.note = "A better passage says the same: " + shortName(other) + ", " + placeOf(other) + "."
		}
		if s.State == retrieve.Skipped && !e.Retrieval.Settings.Duplicates {
			out.note = "This search kept them."
		}
	case "limit":
		pick("In the prompt", "Lost at the limit", "", "In the prompt")
		if s.State == retrieve.Fell && s.Reason == retrieve.ReasonNoRoom {
			out.title, out.note = "No room in the prompt", "The passages before it fill it."
		}
		if s.Most > 0 && s.State != retrieve.Skipped {
			out.figureNote = number(s.Most) + " at most"
		}
		if other, found := among(e.Retrieval, s.Other); found {
			out.note = "Its words are part of its neighbour’s passage: " + placeOf(other) + "."
		}
	}
	if over && (s.Stage != "rerank" || e.Retrieval.Reranker != "") {
		out.note = strings.TrimSuffix("It did not come this far. "+onceThere(s), " ")
		if s.Stage != "threshold" {
			out.figure = ""
		}
	}
	return out
}

// onceThere says what a stage would have made of a chunk that was lost before.
func onceThere(s retrieve.Step) string {
	switch {
	case s.Stage == "threshold" && s.Value < s.Bar:
		return "It would not pass."
	case s.Stage == "threshold":
		return "It would pass."
	}
	return ""
}

// against is a score, with the one it had to beat.
func against(s retrieve.Step) string {
	if s.Bar > 0 {
		return exact(s.Value, s.Bar) + "; the last that goes on has " + exact(s.Bar, s.Value)
	}
	return score(s.Value)
}

func wordsNote(r retrieve.Retrieval, s retrieve.Step) string {
	switch {
	case r.Settings.Search == retrieve.VectorsOnly:
		return "This search did not look for words."
	case s.Reason == retrieve.ReasonNoWord:
		return "It has none of the question’s words."
	case s.Reason == retrieve.ReasonCommon:
		return "It has only words of the question that are too common to look for."
	}
	return "Its words score " + against(s) + "."
}

func vectorsNote(r retrieve.Retrieval, s retrieve.Step) string {
	switch {
	case r.Vectors == retrieve.VectorsIfFew:
		return "The built-in vectors add nothing to what words find, and were not asked."
	case r.Vectors == retrieve.VectorsOff:
		return lostOr(r.VectorsLost, "This search had no vectors.")
	}
	return "Its vector scores " + against(s) + "."
}

// lostOr says that a stage was done without a model that did not answer, or otherwise that there was none.
func lostOr(lost, none string) string {
	if lost != "" {
		return lost + " It was done without."
	}
	return none
}

// followedBy says what a chunk was followed through: what the answer was found with may be gone.
func followedBy(v WhyView) string {
	then, now := v.Retrieval, v.Explanation.Retrieval
	said := "Followed through the index as it is now, with the settings of then"
	var was []string
	if then.Reranker != now.Reranker && then.Reranker != "" {
		was = append(was, "re-ranked by "+then.Reranker)
	}
	if embedded := strings.Join(then.Models, " and "); then.AskedVectors() && embedded != strings.Join(now.Models, " and ") {
		was = append(was, "found by the vectors of "+embedded)
	}
	if len(was) == 0 {
		return said + "."
	}
	return said + " and the models of now. The answer’s passages were " + strings.Join(was, ", and ") + "."
}

// questionWords are the question's words that the chunk has, or has not.
func questionWords(e retrieve.Explanation, has bool) []retrieve.MatchedWord {
	var out []retrieve.MatchedWord
	for _, w := range e.Words {
		if w.Has == has {
			out = append(out, w)
		}
	}
	return out
}

// marking are the words that are marked in a chunk: those of the question that it has, without small ones where it has others.
func marking(e retrieve.Explanation) []string {
	var telling, small []string
	for _, w := range questionWords(e, true) {
		forms := []string{w.Text}
		if len(w.Spelled) > 0 {
			forms = append([]string{foundAs(w)}, w.Spelled...)
		}
		if w.Small {
			small = append(small, forms...)
		} else {
			telling = append(telling, forms...)
		}
	}
	if len(telling) == 0 {
		return small
	}
	return telling
}

// foundLines are a chunk's text as lines, with words marked that it is known to have, in whatever form.
func foundLines(text string, marked []string) []line {
	return cutLines(strings.Trim(text, "\n"), 0, func(part string, _ int) []piece { return wordsIn(part, marked) })
}

func wordsIn(text string, marked []string) []piece {
	var pieces []piece
	done := 0
	for _, w := range words(text) {
		if w.sign || !slices.ContainsFunc(marked, func(form string) bool { return sameWord(w.text, form) }) {
			continue
		}
		if w.at.from > done {
			pieces = append(pieces, piece{text: text[done:w.at.from]})
		}
		pieces = append(pieces, piece{text: text[w.at.from:w.at.to], marked: true})
		done = w.at.to
	}
	return append(pieces, piece{text: text[done:]})
}

// sameWord reports whether two words are likely forms of one: they are alike but for an ending. One letter of a script without
// blanks is the same as a word that has it.
func sameWord(a, b string) bool {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	same := 0
	for same < min(len(x), len(y)) && x[same] == y[same] {
		same++
	}
	switch {
	case same == len(x) && same == len(y):
		return true
	case len(x) == 1 && len(y) > 1 && strings.ContainsRune(b, x[0]):
		return len(y) <= 3 && x[0] > 0x0e00
	}
	return same >= 4 && len(x)-same <= min(3, same-2) && len(y)-same <= min(3, same-2)
}

// tryAddress is the form of the search with one setting changed, which would let a chunk through; "" where none would.
func tryAddress(v WhyView) (path, word string) {
	e := v.Explanation
	if !v.CanTry || e == nil {
		return "", ""
	}
	base := v.Base + "/try"
	switch e.Lost {
	case "threshold":
		under := strconv.FormatFloat(float64(int(e.Passage.Score*100))/100, 'f', 2, 64)
		return address(base, "threshold", under), "Try a threshold of " + under
	case "limit":
		if v.Retrieval.Settings.Limit < retrieve.MaxLimit && e.Passage.Lost == retrieve.LostLimit {
			return address(base, "limit", strconv.Itoa(retrieve.MaxLimit)), "Try with " + number(retrieve.MaxLimit) + " chunks"
		}
	case "duplicate":
		return address(base, "duplicates", "off"), "Try with duplicates"
	}
	return "", ""
}

// changedMeanwhile says what else than the settings moves chunks, "" where nothing does.
func changedMeanwhile(v TryView) string {
	then, now := v.Retrieval, v.Result.Retrieval
	var what []string
	if then.IndexVersion != now.IndexVersion {
		what = append(what, "documents")
	}
	if then.Reranker != "" && then.Reranker != v.Reranker || len(then.Models) > 0 && len(now.Models) > 0 && !slices.Equal(then.Models, now.Models) {
		what = append(what, "models")
	}
	if len(what) == 0 {
		return ""
	}
	return "The " + strings.Join(what, " and ") + " have changed since, so not all that moves does because of the settings."
}

// changeWords is a change as a person reads it: what changed, and how.
func changeWords(v NowView, c retrieve.Change) (what, how string) {
	name := v.Names[c.DocumentID]
	if name == "" {
		name = c.Name
	}
	switch c.Kind {
	case retrieve.ChangedSetting:
		return settingName(c.Name), ""
	case retrieve.ChangedModel:
		return "Embedding model", ""
	case retrieve.ChangedLanguages:
		if c.Name == "" {
			return "Embedding model", "found to know the question’s language"
		}
		return "Embedding model", "found not to know " + languageNames(strings.Split(c.Name, ","))
	case retrieve.ChangedReranker:
		return "Re-ranking model", ""
	case retrieve.ChangedAnswerer:
		return "Answering model", ""
	case retrieve.DocumentAdded:
		return name, "added"
	case retrieve.DocumentDeleted:
		return name, "deleted"
	case retrieve.DocumentVersion:
		return name, "new version"
	case retrieve.DocumentSwitched:
		return name, "left out of answers"
	case retrieve.ChunkEdited:
		return name, "chunk edited"
	case retrieve.ChunkDeleted:
		return name, "chunk deleted"
	case retrieve.ChunkSwitched:
		return name, "chunk switched off"
	case retrieve.ChunksCut:
		return name, "read again"
	case retrieve.SwitchedOn:
		return name, "switched on"
	case retrieve.ChangedIndex:
		return "Other documents", "changed, so words weigh otherwise"
	}
	return name, string(c.Kind)
}

func settingName(field string) string {
	switch field {
	case "threshold":
		return "Threshold"
	case "limit":
		return "Chunks in the prompt"
	case "search":
		return "Searched by"
	case "spelling":
		return "Spelling"
	case "rerank":
		return "Re-ranking"
	case "duplicates":
		return "Near-duplicates"
	case "neighbours":
		return "Neighbours"
	case "follow_ups":
		return "Follow-ups"
	}
	return field
}

// settingValue is a value of a setting as a person reads it.
func settingValue(value string) string {
	switch value {
	case "true":
		return "on"
	case "false":
		return "off"
	case "both":
		return "words and vectors"
	}
	return value
}

func lostKind(lost retrieve.Loss) string {
	if lost == retrieve.Joined {
		return "tint"
	}
	return ""
}

func citedNote(cited bool) string {
	if cited {
		return "The answer cites it"
	}
	return "The model was given it, and did not cite it"
}

// tickBox is a checkbox of the form.
type tickBox struct {
	name string
	on   bool
}

func (f TryForm) boxes() []tickBox {
	return []tickBox{{"spelling", f.Spelling}, {"rerank", f.Rerank}, {"duplicates", f.Duplicates}, {"neighbours", f.Neighbours}}
}

// swapTry runs the search and shows both lists beside the form, or the form with what was wrong.
func swapTry(v TryView) templ.Attributes {
	attributes := swapForm(v.Base+"/try", "#try", "")
	delete(attributes, "hx-disabled-elt") // the button would lose the focus
	attributes["hx-sync"] = "this:replace"
	return attributes
}

// settingsToSave are the settings that were tried and are not the tenant's; usual holds what these are.
func settingsToSave(v TryView) []setting {
	tried := v.Result.Retrieval.Settings
	tried.FollowUps = v.Now.FollowUps // is none of one search
	var out []setting
	for _, s := range settingsOf(tried, v.Now, v.Reranker != "") {
		if s.usual != "" {
			out = append(out, s)
		}
	}
	return out
}

// followedChunk is the chunk that was chosen, or the best one that was followed instead.
func followedChunk(v WhyView) domain.ID {
	if v.ChunkID == (domain.ID{}) && v.Explanation != nil {
		return v.Explanation.Passage.ChunkID
	}
	return v.ChunkID
}

// pickerPage leads to a page of the list that is shown, with what is chosen already.
func pickerPage(v WhyView) func(page int) string {
	return func(page int) string {
		if v.Document == nil {
			return address(v.Base+"/why", "q", v.Documents.Filter.Search, "page", pageParam(page))
		}
		chunk := ""
		if v.ChunkID != (domain.ID{}) {
			chunk = v.ChunkID.String()
		}
		return address(v.Base+"/why", "document", v.Document.ID.String(), "chunk", chunk, "cq", v.Chunks.Filter.Search, "page", strconv.Itoa(page))
	}
}

func pickerFact(d document.Document) string {
	fact := count(d.Chunks, "chunk", "chunks")
	switch {
	case d.Off:
		fact += ", left out of answers"
	case d.Status == document.Failed && !d.HasChunks():
		fact = "could not be read"
	case d.Status != document.Ready && !d.HasChunks():
		fact = "not ready"
	}
	return fact
}

// excerptOf is the part of a text around what was searched for, on one line.
func excerptOf(text, search string) string {
	if search == "" {
		return excerpt(text)
	}
	text = excerptAll(text)
	before := 0
	for _, p := range matches(text, search) {
		if p.marked {
			break
		}
		before += len(p.text)
	}
	if before >= len(text) || before < 120 {
		return oneLine(text, 200)
	}
	from := before - 60
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	return "…" + oneLine(text[from:], 200)
}

func excerptAll(text string) string { return strings.Join(strings.Fields(text), " ") }

func verdictKind(e retrieve.Explanation) string {
	if e.Lost == "" {
		return "ok"
	}
	return "bad"
}

func stateWord(state string) string {
	switch state {
	case "passed":
		return "Passed:"
	case "lost":
		return "Lost:"
	case "missed":
		return "Missed:"
	}
	return "Not reached:"
}

// foundAs is a word of the question as the documents have it.
func foundAs(w retrieve.MatchedWord) string {
	if len(w.Spelled) > 0 {
		return strings.Join(w.Spelled, ", ")
	}
	return w.Text
}

func changeKind(k retrieve.ChangeKind) string {
	switch k {
	case retrieve.DocumentAdded, retrieve.SwitchedOn:
		return "ok"
	case retrieve.DocumentDeleted, retrieve.DocumentSwitched, retrieve.ChunkDeleted, retrieve.ChunkSwitched:
		return "bad"
	case retrieve.ChunkEdited:
		return "warn"
	}
	return ""
}

// askedInTitle reports whether the title of the page says all of the question.
func askedInTitle(r retrieve.Retrieval) bool {
	return r.Searched == r.Question && utf8.RuneCountInString(r.Question) <= 160
}

// byWeight are the telling words of a question, the heaviest first, and the texts of the small ones. With small ones alone, these
// are the telling ones.
func byWeight(words []retrieve.Word) (telling []retrieve.Word, small []string) {
	for _, w := range words {
		if w.Small {
			small = append(small, w.Text)
		} else {
			telling = append(telling, w)
		}
	}
	if len(telling) == 0 {
		telling, small = slices.Clone(words), nil
	}
	slices.SortStableFunc(telling, func(a, b retrieve.Word) int { return cmp.Compare(b.Weight, a.Weight) })
	return telling, small
}

func whyLabel(p retrieve.Passage) string {
	if reached(p) {
		return "Why this one: " + shortName(p) + ", " + placeOf(p)
	}
	return "Why not this one: " + shortName(p) + ", " + placeOf(p)
}

// sameTexts reports whether the prompt then and the prompt now have the same passages, word for word.
func sameTexts(v NowView) bool {
	return slices.EqualFunc(v.Retrieval.Used(), v.Now.Used(), func(a, b retrieve.Passage) bool { return a.ChunkID == b.ChunkID && a.Text == b.Text })
}
