package lexical

import (
	"math"
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
	begins beginnings   // of words that are worth stemming
	known  map[form]int // words that were stemmed before: their place, or -1
}

type form struct {
	text          string
	lang          Lang
	latin, spared bool
}

// Near returns what looks for the words.
func (w Weighed) Near(tenant [16]byte) *Near {
	n := &Near{tenant: tenant, places: make(map[int32]int, len(w.Weights)), known: map[form]int{}}
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
		for _, text := range append([]string{word.Text}, word.Spelled...) {
			n.begins.add(text)
			n.begins.add(foldAccents(strings.ToLower(text)))
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
	type match struct{ at, word int }
	var window []match
	var sum float32
	clear(n.counts)
	n.tokens(text, func(at int, tok token) {
		word, ok := n.word(tok, lang)
		if !ok {
			return
		}
		for len(window) > 0 && at-window[0].at >= nearWindow {
			first := window[0].word
			if n.counts[first]--; n.counts[first] == 0 {
				sum -= n.weight[first]
			}
			window = window[1:]
		}
		if n.counts[word]++; n.counts[word] == 1 {
			sum += n.weight[word]
		}
		if last := len(window) - 1; last >= 0 && window[last].at == at-1 {
			pairs += n.pair(window[last].word, word)
		}
		window = append(window, match{at, word})
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

// tokens goes through those of a text that may be a word of the question, with their places. Most are none by how they begin.
func (n *Near) tokens(text string, do func(at int, tok token)) {
	t, at := newTokenizer(text), 0
	eachRun(text, func(run string, letters bool) {
		if letters && !n.begins.has(run) { // one token
			at++
			return
		}
		t.out = t.out[:0]
		t.run(run, letters)
		for _, tok := range t.out {
			do(at, tok)
			at++
		}
	})
}

// word returns which word of the question a token is.
func (n *Near) word(tok token, lang Lang) (word int, ok bool) {
	if tok.latin && isASCII(tok.text) && !n.begins.has(tok.text) {
		return 0, false
	}
	as := form{tok.text, lang, tok.latin, tok.spared}
	word, ok = n.known[as]
	if !ok {
		if word, ok = n.places[Hash(n.tenant, tok.term(lang))]; !ok {
			word = -1
		}
		n.known[as] = word
	}
	return word, word >= 0
}

// beginnings are how words of a question and their inflections begin: stemmers hardly ever change the first two letters, nor the
// third of words that are not short, but for y and i (trying, tries).
// It holds a number for the first two letters with a bit for the third; letters are their last five bits, which they share with little.
type beginnings [1 << 10]uint32

const shortWord = 6 // letters

func (b *beginnings) add(word string) {
	two, third := beginning(word)
	if len(word) < shortWord {
		third = math.MaxUint32
	}
	b[two] |= third
}

func (b *beginnings) has(word string) bool {
	two, third := beginning(word)
	return b[two]&third != 0
}

func beginning(word string) (two int, third uint32) {
	var c [3]byte
	copy(c[:], word)
	if c[2]|0x20 == 'y' {
		c[2] = 'i'
	}
	return int(c[0]&31)<<5 | int(c[1]&31), 1 << (c[2] & 31)
}
