package llm

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// quote is the smallest thing that is quoted: a sentence, a row of a table, a list, a piece of code.
type quote struct {
	text   string
	body   string // what of it is matched with the question
	block  bool   // stands on lines of its own
	above  string // the heading, question, lead-in or table header it stands under
	answer bool   // above is a question
	row    bool   // of a table, and above has its header
}

const (
	quoteRunes   = 500     // a longer sentence is cut
	listBytes    = 700     // a longer list is quoted item by item
	codeLines    = 15      // longer code is not quoted
	passageBytes = 1 << 16 // of a passage that are read; far more than a passage has
)

// quotesOf takes apart the Markdown of a passage, which may begin in the middle of what heading stands over. Headings, and
// questions with an answer below them, are not quoted: they tell what the quotes below them are about.
func quotesOf(heading, text string) []quote {
	if len(text) > passageBytes {
		text = strings.ToValidUTF8(text[:passageBytes], "")
	}
	r := reader{lines: strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), above: heading, question: asks(heading)}
	for r.i < len(r.lines) {
		r.block()
	}
	switch {
	case len(r.quotes) == 0 && r.above != heading:
		r.add(quote{text: r.above, body: r.above}) // nothing but a heading or a question
	case len(r.quotes) > 1 && r.lead() != "":
		r.quotes = r.quotes[:len(r.quotes)-1] // announces what another passage has
	}
	return r.quotes
}

// reader walks over the lines of a passage.
type reader struct {
	lines    []string
	i        int
	above    string // the heading or question that was read last
	question bool   // above is a question
	title    bool   // above is the title of all
	quotes   []quote
}

var (
	headingLine = regexp.MustCompile(`^ {0,3}#{1,6}\s+(.*?)\s*#*$`)
	itemLine    = regexp.MustCompile(`^\s*(?:[-*+•‣◦▪–]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+\S`)
	bullet      = regexp.MustCompile(`^\s*[-*+•‣◦▪–]\s+`)
	ruleLine    = regexp.MustCompile(`^\s*(?:[-*_=]\s*){3,}$`)
	dashRow     = regexp.MustCompile(`^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$`)
	answerMark  = regexp.MustCompile(`^(?i:q|a|question|answer|frage|antwort)\s*[:.)]\s+`)
)

// block reads one block, starting at line i; it always moves on.
func (r *reader) block() {
	line := r.lines[r.i]
	switch {
	case strings.TrimSpace(line) == "", ruleLine.MatchString(line):
		r.i++
	case strings.HasPrefix(strings.TrimSpace(line), "```"):
		r.code()
	case headingLine.MatchString(line):
		r.above = plainText(headingLine.FindStringSubmatch(line)[1])
		r.question = asks(r.above)
		r.title = strings.HasPrefix(strings.TrimLeft(line, " "), "# ")
		r.i++
	case strings.HasPrefix(strings.TrimSpace(line), "|"):
		r.table()
	case itemLine.MatchString(line):
		r.list()
	default:
		r.paragraph()
	}
}

func (r *reader) add(u quote) {
	if u.text = strings.TrimSpace(u.text); u.text == "" {
		return
	}
	if u.above == "" {
		u.above, u.answer = r.above, r.question
	}
	if lead := r.lead(); lead != "" && len(lead)+len(u.text) < 2*quoteRunes {
		r.quotes = r.quotes[:len(r.quotes)-1]
		sep := " "
		if u.block {
			sep = "\n"
		}
		u.text, u.body = lead+sep+u.text, lead+" "+u.body
	}
	r.quotes = append(r.quotes, u)
}

// lead is the quote before, if it announces what comes now.
func (r *reader) lead() string {
	n := len(r.quotes) - 1
	if n < 0 || r.quotes[n].block || !endsIn(r.quotes[n].text, ":：") || r.quotes[n].above != r.above {
		return ""
	}
	return r.quotes[n].text
}

func (r *reader) code() {
	fence := strings.TrimSpace(r.lines[r.i])
	fence = fence[:len(fence)-len(strings.TrimLeft(fence, "`"))]
	start := r.i + 1
	for r.i = start; r.i < len(r.lines) && strings.TrimSpace(r.lines[r.i]) != fence; r.i++ {
	}
	body := strings.Join(r.lines[start:r.i], "\n")
	if n := r.i - start; n > 0 && n <= codeLines && !strings.Contains(body, "```") {
		r.add(quote{text: "```\n" + body + "\n```", body: body, block: true})
	}
	r.i++
}

// table makes a quote of each row: "Header: cell, Header: cell". What all rows have in common, the header, is not what
// tells one row from another. A passage may begin inside a table, without its header.
func (r *reader) table() {
	var header []string
	above := r.takeLead()
	if r.i+1 < len(r.lines) && dashRow.MatchString(r.lines[r.i+1]) {
		header = cells(r.lines[r.i])
		above = strings.TrimSpace(above + " " + strings.Join(header, " "))
		r.i += 2
	}
	for ; r.i < len(r.lines) && strings.HasPrefix(strings.TrimSpace(r.lines[r.i]), "|"); r.i++ {
		if dashRow.MatchString(r.lines[r.i]) {
			continue
		}
		var parts []string
		row := cells(r.lines[r.i])
		body := strings.Join(row, " ")
		for n, cell := range row {
			if n < len(header) && header[n] != "" && cell != "" && header[n] != cell {
				cell = header[n] + ": " + cell
			}
			if cell != "" {
				parts = append(parts, cell)
			}
		}
		r.add(quote{text: strings.Join(parts, ", "), body: body, block: true, row: len(header) > 0, above: above, answer: r.question})
	}
}

func cells(row string) []string {
	row = strings.ReplaceAll(strings.TrimSpace(row), `\|`, "\x00")
	row = strings.TrimSuffix(strings.TrimPrefix(row, "|"), "|")
	out := strings.Split(row, "|")
	for i, c := range out {
		out[i] = plainText(strings.ReplaceAll(c, "\x00", "|"))
	}
	return out
}

// list reads items, with the lines that continue them, and takes a sentence before them that announces them along.
func (r *reader) list() {
	var items []string
	size := 0
	for ; r.i < len(r.lines); r.i++ {
		line := r.lines[r.i]
		switch {
		case itemLine.MatchString(line):
			items = append(items, line)
		case strings.TrimSpace(line) == "" && r.i+1 < len(r.lines) && itemLine.MatchString(r.lines[r.i+1]):
		case strings.HasPrefix(line, "  ") && strings.TrimSpace(line) != "":
			items[len(items)-1] += " " + strings.TrimSpace(line)
		default:
			r.listOf(items, size)
			return
		}
		size += len(line)
	}
	r.listOf(items, size)
}

// listOf makes quotes of a list. One that is not too long is quoted whole where what stands above it answers; steps are
// quoted whole too where one of them answers, and of other lists the item that does.
func (r *reader) listOf(items []string, size int) {
	lead := r.lead()
	above := r.takeLead()
	topic := lead
	if lead == "" && !r.title {
		topic = r.above
	}
	steps := true
	lines := make([]string, len(items))
	for i, item := range items {
		mark := bullet.FindString(item)
		items[i], lines[i] = plainText(item[len(mark):]), plainText(item)
		if mark != "" {
			steps, lines[i] = false, "- "+items[i]
		}
	}
	whole := quote{text: strings.TrimSpace(lead + "\n" + strings.Join(lines, "\n")), body: topic, block: true, above: above, answer: r.question}
	short := size+len(lead) <= listBytes
	if short {
		r.add(whole)
	}
	for _, item := range items {
		u := quote{text: item, body: item, above: above, answer: r.question}
		if steps && short {
			u.text, u.block = whole.text, true
		}
		r.add(u)
	}
}

// takeLead removes the quote that announces a long block, and returns what each part of the block then stands under.
func (r *reader) takeLead() string {
	lead := r.lead()
	if lead != "" {
		r.quotes = r.quotes[:len(r.quotes)-1]
	}
	return strings.TrimSpace(r.above + " " + lead)
}

// paragraph reads lines up to the next block, joins those that were only wrapped, and cuts them into sentences.
func (r *reader) paragraph() {
	var lines []string
	longest := 0
	for ; r.i < len(r.lines) && (len(lines) == 0 || !r.startsBlock()); r.i++ {
		line := strings.TrimSpace(strings.TrimLeft(r.lines[r.i], " >\t"))
		if line == "" {
			r.i++
			break
		}
		lines = append(lines, line)
		longest = max(longest, utf8.RuneCountInString(line))
	}
	var text strings.Builder
	for n, line := range lines {
		if n > 0 {
			text.WriteString(joint(lines[n-1], line, longest))
		}
		text.WriteString(line)
	}
	for part := range strings.SplitSeq(text.String(), "\n") {
		r.sentences(plainText(part))
	}
}

func (r *reader) startsBlock() bool {
	line := r.lines[r.i]
	return headingLine.MatchString(line) || itemLine.MatchString(line) || strings.HasPrefix(strings.TrimSpace(line), "|") ||
		strings.HasPrefix(strings.TrimSpace(line), "```") || ruleLine.MatchString(line)
}

// joint says what stands between two lines of a paragraph: a space, or nothing, where a line was only wrapped, and a line
// end where the lines were set one below the other, as in a list without marks.
func joint(line, next string, longest int) string {
	last, _ := utf8.DecodeLastRuneInString(line)
	first, _ := utf8.DecodeRuneInString(next)
	length := utf8.RuneCountInString(line)
	wrapped := unicode.IsLower(first) || length >= 45 && 10*length >= 8*longest || strings.ContainsRune(",;&-–", last)
	switch {
	case endsIn(line, sentenceEnds+":：") || !wrapped:
		return "\n"
	case unicode.In(last, unicode.Han, unicode.Hiragana, unicode.Katakana):
		return ""
	}
	return " "
}

// sentences adds the sentences of a paragraph. A question that something follows becomes what that is about.
func (r *reader) sentences(text string) {
	for _, s := range splitSentences(text) {
		s = answerMark.ReplaceAllString(s, "")
		if asks(s) {
			r.above, r.question = s, true
			continue
		}
		for _, piece := range cutLong(s) {
			r.add(quote{text: piece, body: piece})
		}
	}
}

const sentenceEnds = ".!?…。！？؟।"

func endsIn(s, set string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, " \"'”’»)*_"))
	return strings.ContainsRune(set, last)
}

func asks(s string) bool { return endsIn(s, "?？؟") }

// abbreviation ends in a period that ends no sentence; single capitals are initials.
var abbreviation = regexp.MustCompile(`(?:^|[\s(„"])(?:(?i:dr|mr|mrs|ms|prof|st|no|nr|vs|etc|approx|ca|bzw|evtl|ggf|inkl|max|min|sog|usw|vgl|fig|abb|art|abs|tel|str|e\.g|i\.e|z\.\s?b|d\.\s?h|u\.\s?a|p\.\s?ej|sra?|av)|\p{Lu}|\d{1,2})\.$`)

// splitSentences cuts text as Unicode Annex 29 says, and puts together again what it cuts after an abbreviation.
func splitSentences(text string) []string {
	var out []string
	carry := ""
	for it := sentences.FromString(text); it.Next(); {
		s := carry + it.Value()
		carry = ""
		trimmed := strings.TrimSpace(s)
		glued := len(trimmed) == len(s) && strings.ContainsRune(".?!", rune(s[len(s)-1])) // page?id=1, Node.js
		if len(s) < quoteRunes && (glued || strings.HasSuffix(trimmed, ".") && abbreviation.MatchString(trimmed)) {
			carry = s
			continue
		}
		out = append(out, strings.TrimSpace(s))
	}
	if carry = strings.TrimSpace(carry); carry != "" {
		out = append(out, carry)
	}
	return out
}

// cutLong cuts what is too long to be quoted, at a space if there is one.
func cutLong(s string) []string {
	var out []string
	for utf8.RuneCountInString(s) > quoteRunes {
		head := string([]rune(s)[:quoteRunes])
		if i := strings.LastIndexByte(head, ' '); i > len(head)/2 {
			head = head[:i]
		}
		out = append(out, head)
		s = strings.TrimSpace(s[len(head):])
	}
	return append(out, s)
}

var (
	image    = regexp.MustCompile(`!\[[^\]]*\]\([^)\s]*(?:\s"[^"]*")?\)`)
	link     = regexp.MustCompile(`\[([^\[\]]+)\]\([^)\s]*(?:\s"[^"]*")?\)`)
	autolink = regexp.MustCompile(`<((?:https?://|mailto:)[^\s<>]+)>`)
	tag      = regexp.MustCompile(`</?[a-zA-Z][^<>]{0,200}>`)
	emphasis = regexp.MustCompile(`(\*\*|__)(\S|\S.*?\S)(\*\*|__)`)
	stars    = regexp.MustCompile(`(^|[\s("])\*(\S|\S[^*]*?\S)\*($|[\s.,;:!?)"])`)
	escaped  = regexp.MustCompile("\\\\([\\\\`*_{}\\[\\]()#+.!|>~-])")
	footnote = regexp.MustCompile(`\[\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\]`)
)

// plainText strips Markdown and HTML from a line. Numbers in square brackets go too: a footnote of the document would
// be taken for a citation of ours.
func plainText(s string) string {
	if !strings.ContainsAny(s, "<[*_`\\&") {
		return strings.Join(strings.Fields(s), " ")
	}
	s = image.ReplaceAllString(s, "")
	s = link.ReplaceAllString(s, "$1")
	s = autolink.ReplaceAllString(s, "$1")
	s = tag.ReplaceAllString(s, " ")
	s = strings.ReplaceAll(s, "`", "") // one without its pair would make code of what follows
	s = emphasis.ReplaceAllString(s, "$2")
	s = stars.ReplaceAllString(s, "$1$2$3")
	s = escaped.ReplaceAllString(s, "$1")
	s = html.UnescapeString(s)
	s = footnote.ReplaceAllString(s, "")
	return strings.Join(strings.Fields(s), " ")
}
