package extract

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// rtfMaxDepth bounds the groups that are open at once; what stands deeper is not read.
const rtfMaxDepth = 4000

// readRTF reads Rich Text Format (version 1.9.1), also what other writers than Word make of it.
func readRTF(data []byte) (*Document, error) {
	r := &rtfReader{
		data: data, page: 1252, flow: &rtfFlow{}, doc: &Document{},
		fonts: map[int]rtfFont{}, styles: docxStyles{}, headlines: newHeadlines(), heads: map[string]bool{},
		numbering: newDocxNumbering(),
		labelled:  bytes.Contains(data, []byte(`\listtext`)) || bytes.Contains(data, []byte(`\pntext`)),
		utf8:      utf8.Valid(data),
	}
	r.state.uc = 1
	r.run()
	r.flush()
	for len(r.stack) > 0 && r.close() { // of a file that is cut off
	}
	r.endParagraph(0)
	r.doc.Blocks = append(r.flow.finish(), r.furniture...)
	r.promoteBold(r.doc.Blocks)
	return r.doc, nil
}

// rtfReader walks a file token by token. Text of one font is gathered as bytes, since a character may have several, and
// decoded when something else follows.
type rtfReader struct {
	data  []byte
	at    int
	state rtfState
	stack []rtfState
	deep  int    // groups open beyond rtfMaxDepth
	raw   []byte // text not yet decoded
	skip  int    // characters to skip, which stand for the \u before them
	high  rune   // first half of a surrogate pair
	text  []byte // what a destination that is not shown gathers

	page     int // code page of the file
	font     int // default font
	fonts    map[int]rtfFont
	anyPage  bool // fonts that claim to be Western are in the code page of the file
	utf8     bool // bytes that are not escaped are UTF-8
	styles   docxStyles
	list     rtfList
	labelled bool // the file says the numbers of its lists; else they are counted

	doc *Document
	headlines
	flow      *rtfFlow
	furniture []Block
	heads     map[string]bool // the letters of what is in furniture
	numbering docxNumbering
	noted     int    // footnotes so far
	shapeName string // of the shape's property that is being read
}

// rtfDest says where the text of a group goes.
type rtfDest byte

const (
	rtfShown  rtfDest = iota // to the flow
	rtfVoid                  // nowhere, but a group within may go elsewhere
	rtfSkip                  // nowhere, with all that is in it
	rtfTaken                 // to rtfReader.text
	rtfMarker                // to rtfReader.text, where a character of a symbol font is a bullet
	rtfFonts                 // the table of fonts
	rtfStyles                // the table of styles
	rtfInfo                  // what the file says about itself
)

// rtfState is what a group inherits, and what is forgotten at its end.
type rtfState struct {
	dest    rtfDest
	head    bool   // nothing was read of the group yet
	ignore  bool   // \* was read at its head: skip the group if the next word is not known
	upr     bool   // the next group says the same as the one after it, in fewer characters
	inner   bool   // within the properties of a nested table's row
	done    func() // at the end of the group
	font    int
	uc      int // characters that stand for a \u, for readers that do not know it
	bold    bool
	hidden  bool
	deleted bool
	shift   map[rune]rune // above or below the line
	para    rtfProps
	field   *rtfField
}

// rtfProps are the properties of a paragraph.
type rtfProps struct {
	style, list int
	level       int // of the list, from 0
	outline     int // level + 1, 0 for none
	depth       int // of tables
}

func (r *rtfReader) run() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case '{':
			r.at++
			r.open()
		case '}':
			r.at++
			if !r.close() {
				return // what follows the end is not of the document
			}
		case '\\':
			r.at++
			r.control()
		default:
			start := r.at
			for r.at < len(r.data) && r.data[r.at] != '\\' && r.data[r.at] != '{' && r.data[r.at] != '}' {
				r.at++
			}
			text := r.data[start:r.at]
			r.state.head = r.state.head && len(text) < 8 && len(bytes.TrimSpace(text)) == 0
			r.plain(text)
		}
	}
	if len(r.stack) > 1 {
		r.doc.Notes = append(r.doc.Notes, "The file breaks off. Some of its end may be missing.")
	}
}

func (r *rtfReader) open() {
	if len(r.stack) == rtfMaxDepth {
		r.deep++
		return
	}
	r.flush()
	r.skip = 0
	r.stack = append(r.stack, r.state)
	r.state.done, r.state.head, r.state.ignore = nil, true, false
	switch {
	case r.state.dest == rtfStyles:
		r.take(rtfTaken, r.endStyle)
	case r.state.upr:
		r.state.upr = false
		if !bytes.HasPrefix(bytes.TrimLeft(r.data[r.at:min(len(r.data), r.at+16)], " \r\n"), []byte(`\*\ud`)) {
			r.state.dest = rtfSkip
		}
	}
}

// close ends a group, and reports whether another one is open.
func (r *rtfReader) close() bool {
	if r.deep > 0 {
		r.deep--
		return true
	}
	if len(r.stack) == 0 {
		return false
	}
	r.flush()
	r.skip = 0
	if r.state.done != nil {
		r.state.done()
	}
	last := len(r.stack) - 1
	r.state, r.stack = r.stack[last], r.stack[:last]
	return last > 0
}

// take lets the text of the group be gathered, and calls done at its end.
func (r *rtfReader) take(dest rtfDest, done func()) {
	outer := r.text
	r.state.dest, r.text = dest, nil
	r.state.done = func() {
		done()
		r.text = outer
	}
}

// control reads what follows a backslash: a word with perhaps a number, or a sign.
func (r *rtfReader) control() {
	start := r.at
	for r.at < len(r.data) && isASCIILetter(rune(r.data[r.at])) {
		r.at++
	}
	if r.at == start {
		r.sign()
		return
	}
	word := r.data[start:r.at]
	number, given := r.number()
	if r.at < len(r.data) && r.data[r.at] == ' ' {
		r.at++
	}
	if string(word) == "bin" { // that many bytes follow
		r.at += min(max(number, 0), len(r.data)-r.at)
	} else if r.deep == 0 && r.state.dest != rtfSkip {
		r.word(word, number, given)
	}
}

func (r *rtfReader) number() (n int, given bool) {
	negative := r.at+1 < len(r.data) && r.data[r.at] == '-' && isDigit(r.data[r.at+1])
	if negative {
		r.at++
	}
	for ; r.at < len(r.data) && isDigit(r.data[r.at]); r.at++ {
		if given = true; n < 1e9 {
			n = n*10 + int(r.data[r.at]-'0')
		}
	}
	if negative {
		n = -n
	}
	return n, given
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (r *rtfReader) sign() {
	if r.at == len(r.data) {
		return
	}
	c := r.data[r.at]
	r.at++
	if r.deep > 0 || r.state.dest == rtfSkip {
		return
	}
	switch c {
	case '*':
		r.state.ignore = r.state.head
	case '\'':
		if b, ok := hexPair(r.data[r.at:]); ok {
			r.at += 2
			r.plainByte(b)
		}
	case '\\', '{', '}':
		r.plainByte(c)
	case '~':
		r.char("\u00a0")
	case '_':
		r.char("-")
	case '-': // where a word may be broken
		r.char("")
	case '\t':
		r.char("\t")
	case '\r', '\n':
		if c == '\r' && r.at < len(r.data) && r.data[r.at] == '\n' {
			r.at++
		}
		r.word([]byte("par"), 0, false)
	}
}

func hexPair(s []byte) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	return unhex(s[0])<<4 | unhex(s[1]), isHex(s[0]) && isHex(s[1])
}

// word follows a control word: one of a group that goes elsewhere, one that stands for a character, or a property.
func (r *rtfReader) word(word []byte, number int, given bool) {
	ignore := r.state.ignore
	r.state.ignore, r.state.head = false, false
	if group, ok := rtfGroups[string(word)]; ok {
		r.flush()
		if r.state.done == nil { // else the group already goes somewhere
			group(r)
		}
		return
	}
	if ignore {
		r.flush()
		r.state.dest = rtfSkip
		return
	}
	if s, ok := rtfChars[string(word)]; ok {
		r.char(s)
		return
	}
	if do, ok := rtfWords[string(word)]; ok {
		r.flush()
		r.skip = 0
		if !given {
			number = rtfDefaults[string(word)]
		}
		do(r, number)
	}
}

// drops reports whether the text of the group goes nowhere.
func (r *rtfReader) drops() bool {
	switch r.state.dest {
	case rtfVoid, rtfSkip, rtfStyles, rtfInfo:
		return true
	}
	return false
}

// plain takes text as it stands in the file. Line ends there mean nothing.
func (r *rtfReader) plain(text []byte) {
	if r.deep > 0 || r.drops() {
		return
	}
	for ; r.skip > 0 && len(text) > 0; text = text[1:] {
		if text[0] != '\r' && text[0] != '\n' {
			r.skip--
		}
	}
	wide := r.utf8 && slices.ContainsFunc(text, func(c byte) bool { return c >= utf8.RuneSelf })
	if wide {
		r.flush()
	}
	for len(text) > 0 {
		n := bytes.IndexAny(text, "\r\n\x00")
		if n < 0 {
			n = len(text)
		}
		r.raw = append(r.raw, text[:n]...)
		text = text[min(n+1, len(text)):]
	}
	if wide {
		s := string(r.raw)
		r.raw = r.raw[:0]
		r.write(s)
	}
}

func (r *rtfReader) plainByte(b byte) {
	switch {
	case r.drops():
	case r.skip > 0:
		r.skip--
	default:
		r.raw = append(r.raw, b)
	}
}

// char takes a character that the file names.
func (r *rtfReader) char(s string) {
	if r.skip > 0 {
		r.skip--
		return
	}
	r.flush()
	r.write(s)
}

// unicode takes the character of a \u: a code unit of UTF-16, as a signed number of 16 bits.
func (r *rtfReader) unicode(n int) {
	r.skip = r.state.uc
	if n < 0 {
		n += 0x10000
	}
	c := rune(n)
	switch {
	case c >= 0xd800 && c <= 0xdbff:
		r.high = c
		return
	case c >= 0xdc00 && c <= 0xdfff:
		c = utf16.DecodeRune(r.high, c)
	case c >= 0xf000 && c <= 0xf0ff:
		r.symbols([]byte{byte(c)}, r.fonts[r.state.font].symbols)
		return
	}
	r.write(string(c))
}

// flush decodes the text gathered.
func (r *rtfReader) flush() {
	if len(r.raw) == 0 {
		return
	}
	raw := r.raw
	r.raw = r.raw[:0]
	font := r.fonts[r.state.font]
	switch {
	case font.symbols != nil && r.state.dest != rtfFonts:
		r.symbols(raw, font.symbols)
	case !slices.ContainsFunc(raw, func(c byte) bool { return c >= utf8.RuneSelf }):
		r.write(string(raw))
	default:
		r.write(decodeAs(r.encoding(font), raw))
	}
}

// symbols writes characters of a font of signs. One that means nothing outside it is left out.
func (r *rtfReader) symbols(raw []byte, symbols map[byte]string) {
	for _, c := range raw {
		s := symbols[c]
		if symbols == nil && c == 0xb7 || s == "" && r.state.dest == rtfMarker {
			s = "•"
		}
		r.write(s)
	}
}

// write puts text where the group's text goes.
func (r *rtfReader) write(s string) {
	r.high = 0
	switch r.state.dest {
	case rtfShown:
		if !r.state.hidden && !r.state.deleted {
			if r.state.shift != nil {
				s = shift(s, r.state.shift)
			}
			r.flow.write(s, r.state.bold)
		}
	case rtfTaken, rtfMarker:
		r.text = append(r.text, s...)
	case rtfFonts:
		r.fontName(s)
	}
}
