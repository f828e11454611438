package retrieve

import (
	"iter"
	"slices"
	"strings"
	"unicode"

	"bitb/domain"
)

// choose decides, from the best down, which passages reach a model, and why the others do not. Passages come in the order of
// their scores. It is pure: the same passages and settings always end the same way.
func choose(passages []Passage, s Settings) {
	c := chooser{settings: s, passages: passages, joined: map[int][]int{}, shingles: map[int]shingles{}}
	for i := range passages {
		c.one(i)
	}
	c.join()
}

type chooser struct {
	settings Settings
	passages []Passage
	kept     []int         // numbers of the passages that are kept
	joined   map[int][]int // of each, those of the neighbours that are part of it
	chunks   int           // of both together
	shingles map[int]shingles
}

func (c *chooser) one(i int) {
	p := &c.passages[i]
	p.Lost, p.Into = Kept, domain.ID{}
	if p.Score < c.settings.Threshold {
		p.Lost = LostThreshold
		return
	}
	if of, found := c.twin(i); found {
		p.Lost, p.Into = LostDuplicate, c.passages[of].ChunkID
		return
	}
	if c.chunks == c.settings.Limit {
		p.Lost = LostLimit
		return
	}
	c.chunks++
	if of, found := c.neighbour(i); found {
		c.joined[of] = append(c.joined[of], i)
		p.Lost, p.Into = Joined, c.passages[of].ChunkID
		return
	}
	c.kept = append(c.kept, i)
}

// sameWords is the resemblance from which two passages say the same: the share of their three-word shingles that both have.
// Broder, "On the resemblance and containment of documents" (1997).
const sameWords = 0.8

// twin finds a passage that is kept, or part of one, and says the same. Passages whose numbers or codes differ do not, however
// alike they are otherwise: the price of one product is no duplicate of another's.
func (c *chooser) twin(i int) (of int, found bool) {
	if !c.settings.Duplicates {
		return 0, false
	}
	own := c.shinglesOf(i)
	for _, k := range c.kept {
		for _, part := range append([]int{k}, c.joined[k]...) {
			if own.resembles(c.shinglesOf(part)) {
				return k, true
			}
		}
	}
	return 0, false
}

func (c *chooser) shinglesOf(i int) shingles {
	s, ok := c.shingles[i]
	if !ok {
		s = newShingles(c.passages[i].Text)
		c.shingles[i] = s
	}
	return s
}

// shingles are what near-duplicates have in common.
type shingles struct {
	hashes  []uint64 // of each three words that follow each other, sorted
	numbers []string // words with a digit, sorted
}

func newShingles(text string) shingles {
	s := shingles{hashes: make([]uint64, 0, len(text)/6)}
	var before, last uint64 // the hashes of two words and of one
	words := 0
	for word := range wordsOf(strings.ToLower(text)) {
		h := uint64(14695981039346656037) // FNV-1a
		digit := false
		for _, r := range word {
			h = (h ^ uint64(r)) * 1099511628211
			digit = digit || unicode.IsDigit(r) || kindOf(r) == numeral
		}
		if digit {
			s.numbers = append(s.numbers, word)
		}
		if words++; words <= 3 { // a shorter text is one shingle
			s.hashes = s.hashes[:0]
		}
		s.hashes = append(s.hashes, before*31*31+last*31+h)
		before, last = last, h
	}
	slices.Sort(s.hashes)
	slices.Sort(s.numbers)
	s.hashes, s.numbers = slices.Compact(s.hashes), slices.Compact(s.numbers)
	return s
}

// kind tells which characters make a word together.
type kind int

const (
	between kind = iota
	spaced       // letters and digits of a word that stands between spaces
	alone        // a letter of a script that puts no spaces between words: one by itself, as a whole clause would be a word otherwise
	numeral      // a number in Han letters: what has 七天 is no duplicate of what has 八天
)

const hanNumerals = "〇零一二三四五六七八九十百千万萬亿億两兩"

func kindOf(r rune) kind {
	switch {
	case 'a' <= r && r <= 'z': // most
		return spaced
	case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '〇':
		return between
	case r < 0x0e00 || unicode.IsDigit(r):
		return spaced
	case strings.ContainsRune(hanNumerals, r):
		return numeral
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return alone
	}
	return spaced
}

// wordsOf cuts a text into words, in order.
func wordsOf(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, last := 0, between
		for i, r := range text {
			k := kindOf(r)
			if k == last && k != alone {
				continue
			}
			if last != between && !yield(text[start:i]) {
				return
			}
			start, last = i, k
		}
		if last != between {
			yield(text[start:])
		}
	}
}

func (s shingles) resembles(t shingles) bool {
	a, b := s.hashes, t.hashes
	if len(a) == 0 || float64(min(len(a), len(b))) < sameWords*float64(max(len(a), len(b))) || !slices.Equal(s.numbers, t.numbers) {
		return false
	}
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			both, i, j = both+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(both) >= sameWords*float64(len(a)+len(b)-both)
}

// mostJoined bounds the chunks of one passage: a whole chapter would leave no room for anything else.
const mostJoined = 3

// neighbour finds a kept passage that a chunk goes on, or that goes on in it.
func (c *chooser) neighbour(i int) (of int, found bool) {
	if !c.settings.Neighbours {
		return 0, false
	}
	for _, k := range c.kept {
		parts := append([]int{k}, c.joined[k]...)
		if len(parts) < mostJoined && slices.ContainsFunc(parts, func(part int) bool { return adjacent(c.passages[part], c.passages[i]) }) {
			return k, true
		}
	}
	return 0, false
}

// adjacent chunks follow each other in one reading of a document, under one top-level heading.
func adjacent(a, b Passage) bool {
	top := func(p Passage) string {
		if len(p.Heading) == 0 {
			return ""
		}
		return p.Heading[0]
	}
	return a.DocumentID == b.DocumentID && a.DocumentID != domain.ID{} && a.Version == b.Version && top(a) == top(b) &&
		(a.Ordinal-b.Ordinal == 1 || b.Ordinal-a.Ordinal == 1)
}

// join gives each kept passage the words of its neighbours, in the order of the document.
func (c *chooser) join() {
	for k, parts := range c.joined {
		parts = append(parts, k)
		slices.SortFunc(parts, func(a, b int) int { return c.passages[a].Ordinal - c.passages[b].Ordinal })
		p := &c.passages[k]
		text, tokens := "", 0
		for _, part := range parts {
			q := c.passages[part]
			text, tokens = goOn(text, q.Text), tokens+q.Tokens
			if q.PageFrom > 0 {
				p.PageFrom, p.PageTo = min(p.PageFrom, q.PageFrom), max(p.PageTo, q.PageTo)
			}
		}
		p.Text, p.Tokens = text, tokens
	}
}

// goOn appends the next chunk without what it repeats of the end of the one before.
func goOn(text, next string) string {
	if text == "" {
		return next
	}
	for n := min(len(text), len(next)); n > 0; n-- {
		if strings.HasSuffix(text, next[:n]) && n >= 8 {
			return text + next[n:]
		}
	}
	return text + "\n\n" + next
}
