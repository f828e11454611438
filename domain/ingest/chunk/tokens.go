package chunk

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

// encoding has 100,000 entries, 15 MB of memory: it is built when it is first needed, which is in the child process only.
var encoding = sync.OnceValue(codec.NewCl100kBase)

// counter counts tokens of cl100k_base, remembering words: most words of a document come again, and each is counted in its
// sentence and in its chunk. A single blank before a word always begins a token, and a run of letters always ends one, so
// the words between can be counted apart.
type counter struct {
	words map[string]int
}

// Bounds of a counter's memory.
const (
	maxWords = 1 << 16
	maxWord  = 64 // bytes
)

func newCounter() *counter { return &counter{words: map[string]int{}} }

func (c *counter) tokens(text string) int {
	n := 0
	for len(text) > 0 {
		end := wordEnd(text)
		n += c.word(text[:end])
		text = text[end:]
	}
	return n
}

// wordEnd returns where the next word begins: at a blank that stands alone between two characters that are none, or at a mark
// such as 。 after a letter.
func wordEnd(s string) int {
	letter := false // before i
	for i := 0; i+1 < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if b == ' ' && i > 0 && alone(s, i) {
				return i
			}
			letter = 'a' <= b|0x20 && b|0x20 <= 'z'
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		is := unicode.IsLetter(r)
		if letter && !is && !unicode.IsMark(r) {
			return i
		}
		letter = is
		i += n
	}
	return len(s)
}

func alone(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	return !unicode.IsSpace(before) && !unicode.IsSpace(after)
}

func (c *counter) word(s string) int {
	if n, ok := c.words[s]; ok {
		return n
	}
	n, err := encoding().Count(s)
	if err != nil { // the pattern gave up; a token has at least one byte
		n = len(s)
	}
	if len(s) <= maxWord && len(c.words) < maxWords {
		c.words[strings.Clone(s)] = n
	}
	return n
}
