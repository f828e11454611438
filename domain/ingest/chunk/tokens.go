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

// Tokens returns how many tokens of cl100k_base a text has.
func Tokens(text string) int { return newCounter().tokens(text) }

// counter counts tokens, remembering words: most words of a document come again. A single blank before a word always begins
// a token, so the words between blanks can be counted apart.
type counter struct {
	words map[string]int
}

// maxWords bounds the memory of a counter.
const maxWords = 1 << 16

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

// wordEnd returns where the next word begins: at a blank that stands alone between two characters that are none.
func wordEnd(s string) int {
	for i := 1; i+1 < len(s); i++ {
		n := strings.IndexByte(s[i:len(s)-1], ' ')
		if n < 0 {
			break
		}
		i += n
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+1:])
		if !unicode.IsSpace(before) && !unicode.IsSpace(after) {
			return i
		}
	}
	return len(s)
}

func (c *counter) word(s string) int {
	if n, ok := c.words[s]; ok {
		return n
	}
	n, err := encoding().Count(s)
	if err != nil { // the pattern gave up; a token has at least one byte
		n = len(s)
	}
	if len(s) <= 32 && len(c.words) < maxWords {
		c.words[strings.Clone(s)] = n
	}
	return n
}
