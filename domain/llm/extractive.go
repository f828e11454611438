package llm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bitb/domain/lexical"
	"bitb/domain/trace"
)

// Extractive answers without a model: it quotes the sentences of the passages that have most of the question's words,
// weighted by their rarity, each with its citation. It writes nothing of its own, so it cannot be wrong in its own
// words; nor can it count, compare or translate.
type Extractive struct {
	Observer Observer // may be nil
}

// Model implements Chat.
func (Extractive) Model() string { return "builtin-extractive-v1" }

// Stream implements Chat. It returns ErrNothingFits when no passage has enough of the question's words.
func (x Extractive) Stream(ctx context.Context, req Request, emit func(string) error) (_ Result, err error) {
	report := Call{Kind: "chat", Model: x.Model(), Outcome: OutcomeOK}
	start := time.Now()
	ctx, end := trace.Start(ctx, "chat "+x.Model())
	defer func() {
		report.Duration = time.Since(start)
		report.describe(ctx)
		if report.Outcome == OutcomeNothingFits {
			end(nil)
		} else {
			end(err)
		}
		if x.Observer != nil {
			x.Observer.ModelCall(report)
		}
	}()
	answer := extract(req)
	for _, word := range pieces(answer) {
		if report.FirstToken == 0 {
			report.FirstToken = time.Since(start)
		}
		err := ctx.Err()
		if err == nil {
			err = emit(word)
		}
		if err != nil {
			report.Outcome = OutcomeCancelled
			return Result{}, fmt.Errorf("chat with %s: %w", x.Model(), err)
		}
	}
	if answer == "" {
		report.Outcome = OutcomeNothingFits
		return Result{}, ErrNothingFits
	}
	report.Usage = Usage{Out: EstimateTokens(answer), Estimated: true}
	return Result{Usage: report.Usage, FinishReason: "stop"}, nil
}

// pieces cuts an answer for streaming: after each space, and now and then where there are none.
func pieces(answer string) []string {
	var out []string
	start, n := 0, 0
	for i, r := range answer {
		if n++; unicode.IsSpace(r) || n >= 8 && r >= 0x2E80 {
			end := i + len(string(r))
			out = append(out, answer[start:end])
			start, n = end, 0
		}
	}
	if start < len(answer) {
		out = append(out, answer[start:])
	}
	return out
}

// How much a question's word counts where it was found, and what else a score is made of. Measured together on SQuAD 2.0
// and XQuAD; each alone changes little, and none is sharp.
const (
	ofKin      = 0.8 // in the quote, but as another form of the word
	ofAnswered = 0.8 // in the question that the quote answers, or in the header of its row
	ofHeading  = 0.5 // in the heading or lead-in above it, or in the document's title
	ofHeader   = 0.4 // in the header of its row, as the row's own
	ofNeighbor = 0.3 // in the quote before or after
	ofPassage  = 0.4 // the passage's score over that of the best
)

const (
	leastCoverage  = 0.8  // see fits
	leastScore     = 0.65 // of the best quote's score
	leastOwn       = 0.3  // of the best quote's share of the question, so that no quote lives by its neighbours alone
	leastElsewhere = 0.6  // the same in another passage than the best quote's
	asAsked        = 0.6  // of the question's weight that makes a question above a quote the same question
	maxQuotes      = 3
	maxRunes       = 900 // of the whole answer, but the best quote is given whatever its length
)

// scored is a quote with what is known of it.
type scored struct {
	quote
	passage int // index into the passages
	terms   map[string]bool
	over    map[string]bool // terms of what stands above it
	cells   float64         // the part of the question's weight that is in the quote
	own     float64         // the same, with the question it answers and, at less, the header of its row
	score   float64
}

// extract returns the answer, or "".
func extract(req Request) string {
	all, langs := readPassages(req)
	asked := newQuestion(req, langs, all)
	if len(all) == 0 || len(asked.words) == 0 || !asked.fits(all) {
		return ""
	}
	asked.score(req.Passages, all)
	return render(req.Passages, choose(all))
}

// readPassages takes the passages apart, and tells their languages.
func readPassages(req Request) (all []scored, langs []lexical.Lang) {
	for i, p := range req.Passages {
		lang := lexical.Guess(p.Text)
		if !slices.Contains(langs, lang) {
			langs = append(langs, lang)
		}
		title := p.Title + "\n" + strings.Join(p.Heading, "\n")
		over := map[string]map[string]bool{}
		heading := ""
		if n := len(p.Heading); n > 0 {
			heading = p.Heading[n-1]
		}
		for _, q := range quotesOf(heading, p.Text) {
			if over[q.above] == nil {
				over[q.above] = termSet(title+"\n"+q.above, lang)
			}
			all = append(all, scored{quote: q, passage: i, terms: termSet(q.body, lang), over: over[q.above]})
		}
	}
	return all, langs
}

func termSet(text string, lang lexical.Lang) map[string]bool {
	set := map[string]bool{}
	for _, t := range lexical.Analyze(text, lang) {
		set[t] = true
	}
	return set
}

// choose picks the best quotes, without repetitions, and puts them in reading order: the best passage first, and within
// a passage as the document has them.
func choose(all []scored) []scored {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b].score, all[a].score) })
	best := all[order[0]]
	answered := best.answer && best.own >= asAsked // somebody asked just this before: its answer is enough
	var picked []int
	var rank []int // passages in the order of their best quote
	runes := 0
	for _, i := range order {
		n := utf8.RuneCountInString(all[i].text)
		if len(picked) == maxQuotes || all[i].score < leastScore*best.score {
			break
		}
		if len(picked) > 0 && (runes+n > maxRunes || !adds(all[i], best) || answered && !together(all[i], best)) {
			continue
		}
		if slices.ContainsFunc(picked, func(j int) bool { return repeats(all[i], all[j]) }) {
			continue
		}
		picked, runes = append(picked, i), runes+n
		if !slices.Contains(rank, all[i].passage) {
			rank = append(rank, all[i].passage)
		}
	}
	slices.SortFunc(picked, func(a, b int) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, all[a].passage), slices.Index(rank, all[b].passage)), cmp.Compare(a, b))
	})
	out := make([]scored, len(picked))
	for n, i := range picked {
		out[n] = all[i]
	}
	return out
}

// adds reports whether q has enough of the question to stand beside the best quote. Of a table, the row that has more of
// the question in its cells is enough.
func adds(q, best scored) bool {
	switch {
	case q.row && together(q, best):
		return q.cells >= leastElsewhere*best.cells
	case q.passage == best.passage:
		return q.own >= leastOwn*best.own
	}
	return q.own >= leastElsewhere*best.own
}

// together reports whether two quotes stand under the same heading, question or header.
func together(a, b scored) bool { return a.passage == b.passage && a.above == b.above }

// repeats reports whether a says little that b does not say: passages overlap, and documents repeat themselves.
func repeats(a, b scored) bool {
	if strings.Contains(b.text, a.text) || strings.Contains(a.text, b.text) {
		return true
	}
	same := 0
	for t := range a.terms {
		if b.terms[t] {
			same++
		}
	}
	return 10*same >= 9*len(a.terms)
}

// render writes the quotes, each with its citation, a paragraph for each passage.
func render(passages []Passage, quotes []scored) string {
	var b strings.Builder
	for i, q := range quotes {
		switch {
		case i == 0:
		case quotes[i-1].passage != q.passage || quotes[i-1].block || q.block:
			b.WriteString("\n\n")
		default:
			b.WriteString(" ")
		}
		b.WriteString(q.text)
		if strings.HasSuffix(q.text, "```") {
			b.WriteString("\n")
		} else {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "[%d]", passages[q.passage].N)
	}
	return b.String()
}
