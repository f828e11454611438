package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// readText reads plain text: paragraphs are parted by empty lines; underlined lines and short lines in capitals
// that stand alone are headings; lines that begin with a bullet are list items.
func readText(data []byte) (*Document, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(decode(data, false), "\r\n", "\n"), "\r", "\n")
	doc := &Document{}
	for len(text) > 0 {
		var para string
		para, text = cutParagraph(text)
		doc.Blocks = append(doc.Blocks, textBlocks(para)...)
	}
	return doc, nil
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
	lines := strings.Split(strings.Trim(para, "\n\f"), "\n")
	var blocks []Block
	for level := underline(lines); level > 0; level = underline(lines) {
		blocks = append(blocks, Block{Kind: Heading, Level: level, Text: lines[0]})
		lines = lines[2:]
	}
	if len(lines) == 1 && isCapitals(lines[0]) {
		return append(blocks, Block{Kind: Heading, Level: 2, Text: lines[0]})
	}
	return append(blocks, lineBlocks(lines)...)
}

// lineBlocks makes list items of lines that begin with a marker and of those after it, and a paragraph of what comes before.
func lineBlocks(lines []string) []Block {
	var blocks []Block
	start := 0 // of the lines of the last block
	end := func(i int) {
		if len(blocks) > 0 {
			last := &blocks[len(blocks)-1]
			last.Text = strings.Join(append([]string{last.Text}, lines[start+1:i]...), "\n")
		}
		start = i
	}
	for i, line := range lines {
		marker, text := splitMarker(line)
		if marker == "" && i > 0 {
			continue // goes on with the block before
		}
		end(i)
		block := Block{Kind: Paragraph, Text: text}
		if marker != "" {
			block.Kind, block.Level = ListItem, 1
			if startsDigit(marker) {
				block.Marker = marker
			}
		}
		blocks = append(blocks, block)
	}
	end(len(lines))
	return blocks
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
	for n < len(s) && n < 3 && s[n] >= '0' && s[n] <= '9' {
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

func startsDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
