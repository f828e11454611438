package lexical

import (
	"slices"
	"strings"
)

// nearWindow is how many words in a row are looked at, nearShare what a word among them counts beside its BM25. Measured:
// nDCG@10 gains .010 on scifact, .007 on squad2 and feedbackqa, .006 on mtrag, and costs .002 at most. Windows of 8 to 20 and shares
// of 0.3 to 0.7 are much the same; windows from 40 on and the share of the question's words that a text has cost more than they gain.
const (
	nearWindow = 12
	nearShare  = 0.5
)

// pairShare is what two words count, of their mean weight, where a text has one right after the other as the question does, each
// pair once. Together with k1 it gains .003 to .006 nDCG@10 on five of eight sets and less on the others, with any share from 0.1 to 0.2.
const pairShare = 0.15

// Near tells how near to each other texts have the words of a question. BM25 takes a text for a bag of words; where those of
// the question stand together, the answer is more likely to be. Texts are cut into words again for it, so it is for the best few.
type Near struct {
	tenant [16]byte
	places map[int32]int // hash → place in the slices below
	weight []float32
	order  []int // of the words in the question, from 1; 0 for those carried over
	paired []bool
	counts []int
	window []match
	begins beginnings                 // of what may be a word of the question
	known  map[reading]map[string]run // what was looked at before
}

// reading is how a text is read.
type reading struct {
	lang     Lang
	shouting bool
}

// run is what is known of letters and digits that stand together: how many tokens they are, and which of these are words of the question.
type run struct {
	tokens  int
	matches []match
}

type match struct{ at, word int }

// Near returns what looks for the words.
func (w Weighed) Near(tenant [16]byte) *Near {
	n := &Near{tenant: tenant, places: make(map[int32]int, len(w.Weights)), known: map[reading]map[string]run{}}
	for hash, weight := range w.Weights {
		n.places[hash] = len(n.weight)
		n.weight = append(n.weight, weight)
	}
	n.order, n.counts, n.paired = make([]int, len(n.weight)), make([]int, len(n.weight)), make([]bool, len(w.Words)+1)
	for i, word := range w.Words {
		for _, hash := range word.Terms {
			if !word.Carried {
				n.order[n.places[hash]] = i + 1
			}
		}
		for _, stem := range word.stems {
			n.begins.add(stem, stem)
			for _, text := range append([]string{word.Text}, word.Spelled...) {
				n.begins.add(foldAccents(strings.ToLower(text)), stem)
			}
		}
	}
	return n
}

// Score returns what to add to BM25: the most weight of different words of the question that stand near each other, and that of
// pairs of them, in the text or in what stands above it, its title and headings.
func (n *Near) Score(above, text string, lang Lang) float64 {
	clear(n.paired)
	best, pairs := n.score(above, lang)
	inText, more := n.score(text, lang)
	return nearShare*float64(max(best, inText)) + pairShare*float64(pairs+more)
}

func (n *Near) score(text string, lang Lang) (best, pairs float32) {
	var sum float32
	clear(n.counts)
	n.window = n.window[:0]
	first := 0 // of the window's
	n.matches(text, lang, func(m match) {
		for first < len(n.window) && m.at-n.window[first].at >= nearWindow {
			word := n.window[first].word
			if n.counts[word]--; n.counts[word] == 0 {
				sum -= n.weight[word]
			}
			first++
		}
		if n.counts[m.word]++; n.counts[m.word] == 1 {
			sum += n.weight[m.word]
		}
		if last := len(n.window) - 1; last >= first && n.window[last].at == m.at-1 {
			pairs += n.pair(n.window[last].word, m.word)
		}
		n.window = append(n.window, m)
		best = max(best, sum)
	})
	return best, pairs
}

// pair is what two words weigh that follow each other in a text, if they do in the question and were not counted before.
func (n *Near) pair(a, b int) float32 {
	first := n.order[a]
	if first == 0 || n.order[b] != first+1 || n.paired[first] {
		return 0
	}
	n.paired[first] = true
	return (n.weight[a] + n.weight[b]) / 2
}

// matches goes through the words of the question in a text, with their places. Most of a text is none by how it begins, and what
// may be one is looked at once.
func (n *Near) matches(text string, lang Lang, do func(match)) {
	t, at := newTokenizer(text), 0
	as := reading{lang, t.shouting}
	if n.known[as] == nil {
		n.known[as] = make(map[string]run, 64)
	}
	known := n.known[as]
	eachRun(text, func(letters string, one bool) {
		one = one || isOneToken(letters)
		if one && !n.mayBe(letters, lang) {
			at++
			return
		}
		r, ok := known[letters]
		if !ok {
			t.out = t.out[:0]
			t.run(letters, one)
			r = n.run(t.out, lang)
			known[letters] = r
		}
		for _, m := range r.matches {
			do(match{at + m.at, m.word})
		}
		at += r.tokens
	})
}

// run returns what the tokens of a run are.
func (n *Near) run(tokens []token, lang Lang) run {
	r := run{tokens: len(tokens)}
	for i, tok := range tokens {
		if (tok.isAsIs() || isASCII(tok.text)) && !n.mayBe(tok.text, lang) {
			continue
		}
		if word, ok := n.places[Hash(n.tenant, tok.term(lang))]; ok {
			r.matches = append(r.matches, match{i, word})
		}
	}
	return r
}

// mayBe reports whether a word may be one of the question. In Irish it may begin otherwise: páirc, pháirc, bpáirc.
func (n *Near) mayBe(word string, lang Lang) bool { return lang == Irish || n.begins.has(word) }

// beginnings are how words begin that may have one of some stems, by their first letter.
type beginnings [32]struct {
	second uint32   // letters, of which most words have another: a bit for the last bits of each, the first for none
	all    []string // as alike writes them
}

// add takes what begins as the word does, as far as words with that stem have their letters in common: stemmers change the last letter
// of what they leave, and of what is long the one before. What changes before that, as in Finnish (kallio, to kalio), has at least the
// beginning of the question's own word.
func (b *beginnings) add(word, stem string) {
	if word == "" { // was of marks alone
		return
	}
	same := len(stem) - 1
	if same > 4 {
		same--
	}
	begin := []byte(word[:min(len(word), max(2, same))])
	for i, letter := range begin {
		begin[i] = alike(letter)
	}
	first, second := firstTwo(word)
	at := &b[first]
	if at.second |= second; !slices.Contains(at.all, string(begin)) {
		at.all = append(at.all, string(begin))
	}
}

// has reports whether a word begins like one that was added.
func (b *beginnings) has(word string) bool {
	first, second := firstTwo(word)
	return b[first].second&second != 0 && slices.ContainsFunc(b[first].all, func(begin string) bool { return beginsWith(word, begin) })
}

func firstTwo(word string) (first byte, second uint32) {
	if len(word) < 2 {
		return alike(word[0]) & 31, 1
	}
	return alike(word[0]) & 31, 1 << (alike(word[1]) & 31)
}

// beginsWith takes a single letter for a word of its own.
func beginsWith(word, begin string) bool {
	if len(word) < len(begin) || len(begin) == 1 && len(word) > 1 {
		return false
	}
	for i := range len(begin) {
		if alike(word[i]) != begin[i] {
			return false
		}
	}
	return true
}

// alike is the same for a small letter and its capital, and for y and i (try, tries).
func alike(letter byte) byte {
	if letter |= 0x20; letter == 'y' {
		return 'i'
	}
	return letter
}
