package views

import (
	"cmp"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/retrieve"
)

func retrievalAddress(id domain.ID) string { return "/retrievals/" + id.String() }

// evidenceAttributes show another answer's retrieval beside the conversation.
func evidenceAttributes(id domain.ID) templ.Attributes {
	return templ.Attributes{
		"hx-get":    "/retrievals/" + id.String(),
		"hx-target": "#evidence",
		"hx-swap":   "innerHTML show:none",
	}
}

// lastAnswer is the newest answer of a conversation, nil when there is none.
func lastAnswer(c chat.Conversation) *chat.Message {
	for i := len(c.Messages) - 1; i >= 0; i-- {
		if c.Messages[i].Author == chat.Answer {
			return &c.Messages[i]
		}
	}
	return nil
}

// byNumber are the citations of an answer in the order of their numbers.
func byNumber(citations []chat.Citation) []chat.Citation {
	return slices.SortedFunc(slices.Values(citations), func(a, b chat.Citation) int { return cmp.Compare(a.Number, b.Number) })
}

// citedChunks maps the chunks that an answer cites to their numbers in it. One that is gone is told by its number: that is its place
// among those that the model was given.
func citedChunks(r retrieve.Retrieval, answer *chat.Message) map[domain.ID]int {
	cited := map[domain.ID]int{}
	if answer == nil {
		return cited
	}
	given := r.Used()
	for _, c := range answer.Citations {
		if c.ChunkID == (domain.ID{}) && 0 < c.Number && c.Number <= len(given) && given[c.Number-1].DocumentName == c.DocumentName {
			c.ChunkID = given[c.Number-1].ChunkID
		}
		cited[c.ChunkID] = c.Number
	}
	return cited
}

// passageNumber is the number by which the model knew the i-th passage: its place among those it was given.
func passageNumber(r retrieve.Retrieval, i int, cited map[domain.ID]int) int {
	if n := cited[r.Passages[i].ChunkID]; n > 0 {
		return n
	}
	n := 0
	for _, found := range r.Passages[:i+1] {
		if found.Lost == retrieve.Kept {
			n++
		}
	}
	return n
}

// panelSize is how many passages stand beside an answer: those that reached the model, and the next few.
const panelSize = 12

// inPanel are the numbers of the passages that stand beside an answer.
func inPanel(r retrieve.Retrieval) []int {
	room := panelSize
	for _, p := range r.Passages {
		if reached(p) {
			room--
		}
	}
	var shown []int
	for i, p := range r.Passages {
		if !reached(p) {
			if room <= 0 {
				continue
			}
			room--
		}
		shown = append(shown, i)
	}
	return shown
}

func passageFact(r retrieve.Retrieval) string {
	return number(len(r.Used())) + " of " + number(len(r.Passages)+len(r.Others)) + " reached the model"
}

// searchFacts says what was searched, how much came of it and how long it took.
func searchFacts(r retrieve.Retrieval) string {
	facts := "Searched " + count(r.Chunks, "chunk", "chunks")
	if len(r.Timings) > 0 {
		last := r.Timings[len(r.Timings)-1]
		facts += " in " + millis(last.Start+last.Millis)
	}
	facts += ": " + number(r.ByWords.Found) + " found by words"
	if r.Vectors == retrieve.VectorsExact || r.Vectors == retrieve.VectorsHNSW {
		facts += ", " + number(alike(r).Found) + " by vectors"
	}
	if n := r.Unknown(); n > 0 {
		verb := " are"
		if n == 1 {
			verb = " is"
		}
		facts += ". " + number(n) + " of the question’s " + count(len(r.Words), "word", "words") + verb + " in no document"
	}
	return facts + "."
}

// crosses reports whether the threshold lies right above the i-th passage.
func crosses(r retrieve.Retrieval, i int) bool {
	under := r.Passages[i].Score < r.Settings.Threshold
	return under && (i == 0 || r.Passages[i-1].Score >= r.Settings.Threshold)
}

// lostNote says why a passage did not reach the model.
func lostNote(lost retrieve.Loss) string {
	switch lost {
	case retrieve.LostRank:
		return "Not among the best that are looked at closely"
	case retrieve.LostThreshold:
		return "Under the threshold"
	case retrieve.LostDuplicate:
		return "A better passage says the same"
	case retrieve.LostLimit:
		return "Not among the first that the model is given"
	case retrieve.Joined:
		return "Joined to its neighbour above"
	case retrieve.LostBudget:
		return "No room was left in the prompt"
	}
	return "Reached the model"
}

func fusedKind(found retrieve.Passage) string {
	if found.Lost == retrieve.Kept {
		return "fused"
	}
	return "under"
}

func rankNote(rank int) string {
	if rank == 0 {
		return "Not found this way"
	}
	return ordinal(rank) + " this way"
}

// excerpt is the beginning of a passage on one line, without the headings it begins with: their path stands above it. Of the
// Markdown, what would read badly on one line is left out.
func excerpt(text string) string {
	for rest := strings.TrimSpace(text); strings.HasPrefix(rest, "#"); {
		_, after, more := strings.Cut(rest, "\n")
		if !more {
			break
		}
		rest = strings.TrimSpace(after)
		text = rest
	}
	var plain strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "|") && strings.Trim(line, "|-: ") == "":
			continue
		case strings.HasPrefix(line, "|"):
			line = strings.Join(strings.FieldsFunc(strings.Trim(line, "| "), func(r rune) bool { return r == '|' }), "·") + ";"
		case strings.HasPrefix(line, "#"):
			line = strings.TrimLeft(line, "# ") + ":"
		}
		plain.WriteString(line + " ")
	}
	return oneLine(strings.TrimRight(plain.String(), ": "), 320)
}

// goneSince says why a source cannot be opened.
func goneSince(c chat.Citation) string {
	switch {
	case c.DocumentID == domain.ID{}:
		return ", deleted since"
	case c.ChunkID == domain.ID{}:
		return ", read again since"
	}
	return ""
}

func citationPlace(c chat.Citation) string {
	place := ""
	if c.Page > 0 {
		place += ", p. " + number(c.Page)
	}
	if len(c.Heading) > 0 {
		place += ", " + c.Heading[len(c.Heading)-1]
	}
	return place
}

// totalMillis is when the last stage ended, counted from the question.
func totalMillis(timings []chat.Timing) float64 {
	end := 0.0
	for _, t := range timings {
		end = max(end, t.Start+t.Millis)
	}
	return end
}

// barWidth is a stage's share of the whole time; a very short one still shows.
func barWidth(t chat.Timing, all []chat.Timing) float64 {
	return max(0.004, t.Millis/totalMillis(all))
}

func timingFact(timings []chat.Timing) string {
	for _, t := range timings {
		if t.Stage == "write" {
			return "first word after " + millis(t.Start) + ", done after " + millis(totalMillis(timings))
		}
	}
	return "done after " + millis(totalMillis(timings))
}

func stageName(stage string) string {
	switch stage {
	case "rewrite":
		return "Rewrite question"
	case "cached answer":
		return "Cached answer"
	case "embed":
		return "Embed question"
	case "statistics":
		return "Weigh words"
	case "search":
		return "Search"
	case "passages":
		return "Read passages"
	case "near":
		return "Look at texts"
	case "rerank":
		return "Re-rank"
	case "choose":
		return "Choose"
	case "wait":
		return "Wait for model"
	case "write":
		return "Write answer"
	}
	return stage
}
