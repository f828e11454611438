package views

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"bitb/domain/questions"
	"bitb/domain/retrieve"
)

// NewSearchForm is the form of settings as they are.
func NewSearchForm(s retrieve.Settings) SearchForm {
	return SearchForm{Threshold: plain(s.Threshold), Limit: strconv.Itoa(s.Limit), Search: string(s.Search), Spelling: s.Spelling,
		Rerank: s.Rerank, Duplicates: s.Duplicates, Neighbours: s.Neighbours, FollowUps: s.FollowUps}
}

// plain writes a number with as many decimals as it has.
func plain(x float64) string { return strconv.FormatFloat(math.Round(x*1e4)/1e4, 'f', -1, 64) }

func worseWord(n int) string {
	if n == 1 {
		return "question got worse"
	}
	return "questions got worse"
}

func questionAddress(show string, page int) string {
	return address("/questions", "show", show, "page", pageParam(page))
}

func questionPage(show string) func(int) string {
	return func(page int) string { return questionAddress(show, page) }
}

// polled makes an element ask for itself again and again. It is marked, so that it takes no confirmation away.
func polled(url, every string) templ.Attributes {
	return templ.Attributes{"hx-get": url, "hx-trigger": "every " + every, "hx-swap": "outerHTML", "hx-headers": `{"X-Refresh":"true"}`}
}

// calibrating makes the form answer while somebody moves the slider; the last request wins.
func calibrating() templ.Attributes {
	attributes := swap("/questions/threshold", "#calibrated", "#accept-problem")
	attributes["hx-trigger"] = "submit, input delay:150ms"
	attributes["hx-sync"] = "this:replace"
	attributes["hx-push-url"] = "false"
	return attributes
}

func becauseOf(r questions.Reason) string {
	switch r {
	case questions.BySettings:
		return "because settings changed"
	case questions.ByDocuments:
		return "because documents changed"
	case questions.ByQuestions:
		return "because questions changed"
	}
	return "by hand"
}

// madeBecause says why the last test was made, and what else is not as it was at the one it is compared with: a test that settings
// brought about finds with documents that changed in the same minute.
func madeBecause(o questions.Overview) string {
	said := "It was made " + becauseOf(o.Last.Reason) + "."
	if o.Before == nil {
		return said
	}
	then, now := o.Before.Searched, o.Last.Searched
	var what []string
	for _, c := range []struct {
		what    string
		changed bool
	}{
		{"documents", then.IndexVersion != now.IndexVersion},
		{"settings", then.Settings != now.Settings},
		{"models", then.Model != now.Model || then.Reranker != now.Reranker},
	} {
		if c.changed {
			what = append(what, c.what)
		}
	}
	if len(what) == 0 || len(what) == 1 && what[0] == string(o.Last.Reason) {
		return said
	}
	return said + " Since the one before, " + strings.Join(what, " and ") + " changed."
}

func soonFact(r questions.Reason) string {
	return "A test starts by itself in less than a minute, " + becauseOf(r) + "."
}

func runFact(r questions.Run) string {
	fact := count(r.Figures.Answerable+r.Figures.Unanswerable, "question", "questions") + ", " + becauseOf(r.Reason)
	if r.Took >= time.Second {
		return fact + ", in " + roughSeconds(r.Took)
	}
	return fact + ", in " + millis(float64(r.Took.Microseconds())/1000)
}

func roughSeconds(d time.Duration) string {
	if d < time.Minute {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
}

// figure is one figure of a run, with what it was on the same questions the time before.
type figure struct {
	name, note string
	value      string
	unit       string
	delta      float64 // in hundredths
	compared   bool
	none       bool // there is no question it could be of
}

func ledger(o questions.Overview) []figure {
	f := o.Last.Figures
	compared := o.Before != nil
	one := func(name, note string, of func(questions.Figures) float64) figure {
		return figure{name: name, note: note, value: score(of(f)), delta: of(o.Compared.After) - of(o.Compared.Before), compared: compared, none: f.Answerable == 0}
	}
	part := func(name, note string, of func(questions.Figures) float64, n int) figure {
		g := one(name, note, of)
		g.value, g.unit, g.none = strconv.Itoa(int(math.Round(100*of(f)))), "%", n == 0
		return g
	}
	return []figure{
		one("nDCG@10", "1 when the expected document comes first every time; the further down it is, the less", func(f questions.Figures) float64 { return f.NDCG10 }),
		one("Recall@5", "Share of the questions whose document is among the first five", func(f questions.Figures) float64 { return f.Recall5 }),
		one("MRR@10", "Mean of 1 divided by the place of the expected document", func(f questions.Figures) float64 { return f.MRR10 }),
		one("Success@1", "Share of the questions whose document comes first", func(f questions.Figures) float64 { return f.Success1 }),
		part("Answered from it", "Share of the questions whose document reaches the model", func(f questions.Figures) float64 { return f.Answered }, f.Answerable),
		part("Rightly refused", "Share of the questions without an answer for which nothing reaches the model", func(f questions.Figures) float64 { return f.Refused }, f.Unanswerable),
	}
}

func (f figure) text() string {
	if f.none {
		return "–"
	}
	return f.value
}

// change says how a figure differs from the one before.
func (f figure) change() (text, kind string) {
	hundredths := math.Round(100 * f.delta)
	switch {
	case f.none || !f.compared:
		return "", ""
	case hundredths == 0:
		return "as before", ""
	case f.unit != "" && hundredths > 0:
		return fmt.Sprintf("+%.0f points", hundredths), "up"
	case f.unit != "":
		return fmt.Sprintf("−%.0f points", -hundredths), "down"
	case hundredths > 0:
		return fmt.Sprintf("+%.2f", hundredths/100), "up"
	}
	return fmt.Sprintf("−%.2f", -hundredths/100), "down"
}

func worseFact(o questions.Overview) string {
	before, after := o.Compared.Before, o.Compared.After
	var facts []string
	if math.Round(100*before.NDCG10) != math.Round(100*after.NDCG10) {
		facts = append(facts, "nDCG@10 went from "+score(before.NDCG10)+" to "+score(after.NDCG10))
	}
	if o.Worse > 0 {
		facts = append(facts, number(o.Worse)+" "+worseWord(o.Worse))
	}
	return "This test went worse than the one before: " + strings.Join(facts, ", and ") + "."
}

// placeFact says where the expected document came, and where it had come.
func placeFact(i questions.Item) string {
	if i.Now == nil || i.Unanswerable {
		return "–"
	}
	place := rankWord(i.Now.DocumentRank)
	if i.Before != nil && i.Before.DocumentRank != i.Now.DocumentRank {
		return rankWord(i.Before.DocumentRank) + " → " + place
	}
	return place
}

func rankWord(rank int) string {
	if rank == 0 {
		return "not found"
	}
	return ordinal(rank)
}

// outcomeOf is how a question ended: a kind of pill and its word.
func outcomeOf(i questions.Item, threshold float64) (kind, word string) {
	switch {
	case i.Now == nil:
		return "", "Not tested yet"
	case i.Unanswerable && i.Now.Refused(threshold):
		return "ok", "Rightly refused"
	case i.Unanswerable:
		return "bad", "Answered from something"
	case i.Now.Reached(threshold):
		return "ok", "Reaches the model"
	case i.Now.Refused(threshold):
		return "warn", "Refused"
	case i.Now.Rank == 0:
		return "bad", "Not found"
	}
	return "bad", "Other passages reach the model"
}

// shownScore is what the bar of a question shows: the score of its document, or of the best of all where there is none to be.
func shownScore(r questions.Result) float64 {
	if !r.Unanswerable {
		return max(0, r.Expected)
	}
	return r.Best
}

// history is the line of the last runs, the oldest first, in a box of 1000 by 100.
type history struct {
	runs   []questions.Run
	lowest float64
}

func historyOf(runs []questions.Run) history {
	h := history{lowest: 0.9}
	for i := len(runs) - 1; i >= 0; i-- {
		h.runs = append(h.runs, runs[i])
		h.lowest = min(h.lowest, math.Floor(runs[i].Figures.NDCG10*10)/10)
	}
	return h
}

func (h history) x(i int) string {
	if len(h.runs) == 1 {
		return "500"
	}
	return coordinate(1000 * float64(i) / float64(len(h.runs)-1))
}

func (h history) y(r questions.Run) string {
	return coordinate(100 * (1 - r.Figures.NDCG10) / (1 - h.lowest))
}

func (h history) path() string {
	var b strings.Builder
	for i, r := range h.runs {
		b.WriteString(map[bool]string{true: "M", false: "L"}[i == 0] + h.x(i) + " " + h.y(r))
	}
	return b.String()
}

func (h history) kind(r questions.Run) string {
	if r.Worse > 0 {
		return "wrong"
	}
	return "good"
}

func coordinate(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

// curve is a line over all thresholds, in a box of 1000 by 100.
func curve(c questions.Calibration, of func(questions.Point) float64) string {
	var b strings.Builder
	for i, p := range c.Points {
		b.WriteString(map[bool]string{true: "M", false: "L"}[i == 0] + coordinate(1000*p.Threshold) + " " + coordinate(100*(1-of(p))))
	}
	return b.String()
}

func refusedShare(c questions.Calibration) func(questions.Point) float64 {
	return func(p questions.Point) float64 { return float64(p.Refused) / float64(max(1, c.Answerable)) }
}

func wrongShare(p questions.Point) float64 { return p.WrongShare() }

// tenths are the points of a curve that a table lists.
func tenths(c questions.Calibration) (points []questions.Point) {
	for i := 0; i <= 10; i++ {
		points = append(points, c.At(float64(i)/10))
	}
	return points
}

// percentage writes a share of 0 to 1, with a decimal where it matters.
func percentage(share float64) string {
	if p := 100 * share; p > 0 && p < 10 && math.Abs(p-math.Round(p)) > 0.05 {
		return strconv.FormatFloat(p, 'f', 1, 64) + "\u00a0%"
	}
	return strconv.Itoa(int(math.Round(100*share))) + "\u00a0%"
}

func partFact(n, of int, what string) string { return number(n) + " of " + number(of) + " " + what }

func between(k, n int) string {
	low, high := questions.Wilson(k, n)
	return percentage(low) + " to " + percentage(high)
}

func historyTitle(tests int) string {
	if tests == 1 {
		return "nDCG@10 of the first test"
	}
	return "nDCG@10 of the last " + number(tests) + " tests"
}

// few is how many questions are too few to rest a threshold on.
const few = 100

func cautions(c questions.Calibration) (all []string) {
	if c.Unanswerable == 0 {
		all = append(all, "None of your questions is one that your documents do not answer, so answers to such questions are not counted. Visitors ask them: add some.")
	}
	if c.Answerable == 0 {
		all = append(all, "All of your questions are ones that your documents do not answer, so what a threshold costs is not known. Add some that they do answer.")
	}
	if c.Questions() < few {
		all = append(all, fmt.Sprintf("That is few. With fewer than %d questions these shares say little of what visitors will get: add more before you rely on them.", few))
	}
	return all
}

func addedFact(a questions.Added) string {
	taken := a.New + a.Changed + a.Same
	return number(taken) + " of " + count(taken+len(a.Wrong), "line was", "lines were") + " taken. Correct the others below and send them again; nothing is lost."
}

// comma follows the i-th thing of n.
func comma(i, n int) string {
	if i == n-1 {
		return "."
	}
	return ", "
}

func sideName(s retrieve.Sides) string {
	switch s {
	case retrieve.WordsOnly:
		return "By words alone"
	case retrieve.VectorsOnly:
		return "By meaning alone"
	}
	return "By words and by meaning"
}
