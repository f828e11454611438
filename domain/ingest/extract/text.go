package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// readText reads plain text: paragraphs are parted by empty lines; underlined lines, short lines in capitals that stand alone,
// and numbered lines that do among paragraphs, are headings; lines that begin with a bullet or a number are list items.
func readText(data []byte) (*Document, error) {
	text := unixLines(decode(data, false))
	doc := &Document{}
	lone := -1 // the last block, if it is a numbered line that stands alone after a paragraph
	for len(text) > 0 {
		var para string
		para, text = cutParagraph(text)
		blocks := textBlocks(para)
		if len(blocks) == 0 {
			continue
		}
		if lone >= 0 && blocks[0].Kind == Paragraph {
			b := &doc.Blocks[lone]
			*b = Block{Kind: Heading, Level: 2, Text: b.Marker + " " + b.Text}
		}
		lone = -1
		if last := len(doc.Blocks) - 1; isNumberedLine(blocks) && (last < 0 || doc.Blocks[last].Kind != ListItem) {
			lone = last + 1
		}
		doc.Blocks = append(doc.Blocks, blocks...)
	}
	return doc, nil
}

// unixLines ends all lines alike.
func unixLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// isNumberedLine reports whether a paragraph is a line such as "3. Opening hours", which is a heading if more text follows.
func isNumberedLine(blocks []Block) bool {
	b := blocks[0]
	return len(blocks) == 1 && b.Kind == ListItem && startsDigit(b.Marker) && isHeadline(b.Text) && !strings.ContainsAny(b.Text, "\n") &&
		!strings.HasSuffix(b.Text, ",") && !strings.HasSuffix(b.Text, ";") && !strings.HasSuffix(b.Text, ":")
}

// cutParagraph returns what stands before the first empty line or page break, and the rest.
func cutParagraph(text string) (para, rest string) {
	for i := 0; i < len(text); {
		if text[i] == '\f' && i > 0 {
			return text[:i], text[i:]
		}
		end := strings.IndexByte(text[i:], '\n')
		if end < 0 {
			break
		}
		end += i
		if strings.TrimSpace(text[i:end]) == "" {
			return text[:i], text[end+1:]
		}
		i = end + 1
	}
	return text, ""
}

func textBlocks(para string) []Block {
	if strings.Trim(para, "-=_*~#+ \t\f\n") == "" {
		return nil // a line drawn across
	}
	var blocks []Block
	lines := strings.Split(strings.Trim(para, "\n\f"), "\n")
	for level := underline(lines); level > 0; level = underline(lines) {
		blocks = append(blocks, Block{Kind: Heading, Level: level, Text: lines[0]})
		lines = lines[2:]
	}
	if len(lines) == 1 && isCapitals(lines[0]) {
		return append(blocks, Block{Kind: Heading, Level: 2, Text: lines[0]})
	}
	return append(blocks, lineBlocks(lines)...)
}

// lineBlocks makes a paragraph and list items of lines without an empty one among them.
func lineBlocks(lines []string) []Block {
	var blocks []Block
	var indents []int // of the list items around
	start := 0        // of the lines of the last block
	end := func(i int) {
		if len(blocks) > 0 {
			last := &blocks[len(blocks)-1]
			last.Text = strings.Join(append([]string{last.Text}, lines[start+1:i]...), "\n")
		}
		start = i
	}
	for i, line := range lines {
		marker, text := splitMarker(line)
		if s := strings.TrimLeft(line, " \t"); marker == "" && len(s) > 2 && s[0] >= 'a' && s[0] <= 'z' && s[1] == ')' && isBlank(s[2:]) {
			marker, text = s[:2], strings.TrimSpace(s[2:])
		}
		if marker == "" && i > 0 {
			continue // goes on with the block before
		}
		end(i)
		block := Block{Kind: Paragraph, Text: text}
		if marker != "" {
			indents = nest(indents, line)
			block.Kind, block.Level = ListItem, len(indents)
			if len(marker) > 1 && marker[0] < utf8.RuneSelf {
				block.Marker = marker
			}
		}
		blocks = append(blocks, block)
	}
	end(len(lines))
	return blocks
}

// nest returns how far the items are indented that a list item stands within, and how far it is itself.
func nest(indents []int, line string) []int {
	indent := 0
	for _, c := range []byte(line) {
		if c == '\t' {
			indent += 4
		} else if c == ' ' {
			indent++
		} else {
			break
		}
	}
	for len(indents) > 0 && indents[len(indents)-1] >= indent {
		indents = indents[:len(indents)-1]
	}
	return append(indents, indent)
}

// underline returns the level of a heading whose second line is a row of "=" or "-", or 0.
func underline(lines []string) int {
	if len(lines) < 2 || len(lines[0]) > 120 {
		return 0
	}
	line := strings.TrimSpace(lines[1])
	if len(line) < 3 || len(line)*3 < utf8.RuneCountInString(strings.TrimSpace(lines[0]))*2 {
		return 0
	}
	if strings.Trim(line, "=") == "" {
		return 1
	}
	if strings.Trim(line, "-") == "" {
		return 2
	}
	return 0
}

// isCapitals reports whether a line reads like "OPENING HOURS".
func isCapitals(line string) bool {
	line = strings.TrimSpace(line)
	if len(line) > 80 || strings.HasSuffix(line, ".") || strings.HasSuffix(line, ",") {
		return false
	}
	upper := 0
	for _, r := range line {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsUpper(r) {
			upper++
		}
	}
	return upper >= 3
}

// splitMarker cuts a bullet, or a number as in "3." and "12)", off a line. marker is empty when there is none.
func splitMarker(line string) (marker, text string) {
	s := strings.TrimLeft(line, " \t")
	if r, n := utf8.DecodeRuneInString(s); strings.ContainsRune("-*•‣▪●○◦–∙·", r) && n < len(s) && isBlank(s[n:]) {
		return s[:n], strings.TrimSpace(s[n:])
	}
	n := 0
	for n < len(s) && n < 3 && isDigit(s[n]) {
		n++
	}
	if n > 0 && n < len(s) && (s[n] == '.' || s[n] == ')') && isBlank(s[n+1:]) {
		return s[:n+1], strings.TrimSpace(s[n+1:])
	}
	return "", line
}

// isBlank reports whether s begins with a blank and goes on.
func isBlank(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return (r == ' ' || r == '\t' || r == 0xa0) && strings.TrimSpace(s) != ""
}

func startsDigit(s string) bool { return s != "" && isDigit(s[0]) }
