package llm

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bitb/domain/lexical"
)

// question is what is looked for in the quotes.
type question struct {
	words  []word
	weight float64 // of all words
}

// word is one word of a question: its terms in the languages of the passages, and how much it says.
type word struct {
	terms  []string
	weight float64
	code   bool // has a digit, and some quote has it
	before bool // is of the question before
}

// smallWeight is how much words like "what" and "the" count, as in retrieval.
const smallWeight = 0.2

// beforeWeight is how much a word counts that only the question before had. Measured on conversations (MTRAG), the right
// passage is quoted for .83 of the follow-ups instead of .77; where the subject changed, it costs .01.
const beforeWeight = 1.0 / 3

func newQuestion(req Request, langs []lexical.Lang, quotes []scored) question {
	var q question
	own := lexical.Guess(req.Question)
	if len(langs) > 0 && !slices.Contains(langs, own) {
		own = langs[0]
	}
	// What is a word does not depend on the language, so all analyses have the same length.
	forms := [][]string{lexical.Analyze(req.Question, own)}
	for _, lang := range langs {
		forms = append(forms, lexical.Analyze(req.Question, lang))
	}
	n := len(forms[0]) // from here on, words of the question before
	for i, lang := range append([]lexical.Lang{own}, langs...) {
		forms[i] = append(forms[i], lexical.Analyze(req.Before, lang)...)
	}
	seen := map[string]bool{}
	for i, term := range forms[0] {
		if seen[term] {
			continue
		}
		seen[term] = true
		w := word{before: i >= n}
		for _, f := range forms {
			if !slices.Contains(w.terms, f[i]) {
				w.terms = append(w.terms, f[i])
			}
		}
		q.words = append(q.words, w)
	}
	q.weigh(quotes, lexical.Keywords(req.Question+"\n"+req.Before, own))
	return q
}

// weigh gives each word its weight: the fewer quotes have it, the more. One that none has weighs most if it is long or a
// code: short ones, such as "long" or "take", are common words that these passages happen not to have. (Its rarity among
// all the tenant's chunks is a little better, .894 instead of .888 answers held on SQuAD, and not worth the arrow.)
func (q *question) weigh(quotes []scored, telling []string) {
	most := 1e-9
	for i := range q.words {
		w := &q.words[i]
		w.weight = w.rarity(quotes)
		most = max(most, w.weight)
	}
	for i := range q.words {
		w := &q.words[i]
		digits := strings.ContainsFunc(w.terms[0], unicode.IsDigit)
		switch {
		case w.before:
			w.weight *= beforeWeight
		case w.weight > 0:
			w.code = digits
		case digits:
			w.weight = most * 1.1
		default:
			w.weight = most * min(1.1, max(0.3, float64(utf8.RuneCountInString(w.terms[0]))/6))
		}
		if !slices.Contains(telling, w.terms[0]) {
			w.weight *= smallWeight
		}
		q.weight += w.weight
	}
}

// rarity is the inverse document frequency of w among quotes, 0 if it is in none.
func (w word) rarity(quotes []scored) float64 {
	n := 0
	for _, q := range quotes {
		if w.in(q.terms) {
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return lexical.IDF(len(quotes), n)
}

func (w word) in(terms map[string]bool) bool {
	return slices.ContainsFunc(w.terms, func(t string) bool { return terms[t] })
}

// near is 1 for a word that is among terms, less for one of which another form is, and else 0.
func (w word) near(terms map[string]bool) float64 {
	if w.in(terms) {
		return 1
	}
	for t := range terms {
		if slices.ContainsFunc(w.terms, func(own string) bool { return kin(own, t) }) {
			return ofKin
		}
	}
	return 0
}

// kin tells whether two terms look like forms of one word, which stemming did not bring together, or like one word and a
// misspelling of it: they begin alike, for the better part of both.
func kin(a, b string) bool {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n < 4 {
		return false
	}
	same, la, lb := utf8.RuneCountInString(a[:n]), utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	return same >= 4 && 10*same >= 7*min(la, lb) && 2*same >= max(la, lb)
}

// fits tells whether the best passage has enough of the question to answer it. The fewer words a question has, the more
// of them must be there: two of five are often found by chance, eight of twenty are not. Words of the question before do not
// count: that its subject is there is no answer to this one.
func (q question) fits(quotes []scored) bool {
	own := q.own()
	return own.coverage(quotes)*math.Pow(float64(len(own.words)), 0.4) >= leastCoverage
}

// own is the question without the words of the one before.
func (q question) own() (own question) {
	for _, w := range q.words {
		if !w.before {
			own.words = append(own.words, w)
			own.weight += w.weight
		}
	}
	return own
}

// coverage is the part of the question's weight that the best passage has, 0 to 1.
func (q question) coverage(quotes []scored) float64 {
	found := map[int][]float64{} // by passage, of each word
	for _, s := range quotes {
		if found[s.passage] == nil {
			found[s.passage] = make([]float64, len(q.words))
		}
		for i, w := range q.words {
			if f := &found[s.passage][i]; *f < 1 {
				*f = max(*f, w.near(s.terms), w.near(s.over))
			}
		}
	}
	best := 0.0
	for _, f := range found {
		sum := 0.0
		for i, w := range q.words {
			sum += w.weight * f[i]
		}
		best = max(best, sum)
	}
	return best / q.weight
}

// score scores all quotes, in place.
func (q question) score(passages []Passage, quotes []scored) {
	top := 1e-9
	for _, p := range passages {
		top = max(top, p.Score)
	}
	for i := range quotes {
		s := &quotes[i]
		for _, w := range q.words {
			own, about := w.near(s.terms), w.about(i, quotes)
			s.cells += w.weight * own / q.weight
			switch {
			case s.answer:
				own = max(own, about)
			case s.row:
				own = max(own, min(about, ofHeader))
			}
			s.own += w.weight * own / q.weight
			s.score += w.weight * max(own, about) / q.weight
		}
		s.score += ofPassage * max(0, passages[s.passage].Score) / top
		if q.lacksCode(*s) {
			s.score /= 2
		}
	}
}

// lacksCode reports whether the question asks for a code or a year that the passages have, but not this quote: another
// error's row is no answer.
func (q question) lacksCode(s scored) bool {
	return slices.ContainsFunc(q.words, func(w word) bool { return w.code && !w.in(s.terms) && !w.in(s.over) })
}

// about says how much of a word there is around quote i.
func (w word) about(i int, quotes []scored) float64 {
	s := quotes[i]
	switch {
	case !w.in(s.over):
	case s.answer || s.row:
		return ofAnswered
	default:
		return ofHeading
	}
	for _, j := range []int{i - 1, i + 1} {
		if j >= 0 && j < len(quotes) && quotes[j].passage == s.passage && w.in(quotes[j].terms) {
			return ofNeighbor
		}
	}
	return 0
}
