package extract

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// headlines finds the headings of a document: by their styles, or by bold type where its author used no such styles.
type headlines struct {
	headings int             // by their styles so far
	bold     map[string]bool // texts of short paragraphs that are bold throughout
}

func newHeadlines() headlines { return headlines{bold: map[string]bool{}} }

// wordPara is what Word, and RTF after it, say about a paragraph.
type wordPara struct {
	text    string
	plain   int // bytes of it that are not bold
	style   docxStyle
	outline int    // level + 1, 0 for that of the style
	label   string // its number in a list
	listed  bool
	level   int // of the list, from 0
}

// paragraphBlock decides what a paragraph is: a heading by its outline level, a list item by its numbering, or plain.
func (h *headlines) paragraphBlock(p wordPara) Block {
	switch level := cmp.Or(p.outline, p.style.outline); {
	case level >= 1 && level <= 9:
		h.headings++
		if p.label != "" {
			p.text = p.label + " " + p.text
		}
		return Block{Kind: Heading, Level: min(level, 6), Text: p.text}
	case p.listed:
		return Block{Kind: ListItem, Level: p.level + 1, Marker: p.label, Text: p.text}
	case p.style.quote:
		return Block{Kind: Quote, Text: p.text}
	case p.style.code:
		return Block{Kind: Code, Text: p.text}
	}
	if p.style.name != "caption" {
		h.noteBold(p.text, p.plain)
	}
	return Block{Kind: Paragraph, Text: p.text}
}

// noteBold takes note of a paragraph that may be a heading: plain says how much of it is not bold.
func (h *headlines) noteBold(text string, plain int) {
	if plain == 0 && isHeadline(text) {
		h.bold[text] = true
	}
}

// isHeadline reports whether a paragraph is as short as a heading and ends like one.
func isHeadline(text string) bool {
	return utf8.RuneCountInString(text) <= 90 && !strings.HasSuffix(strings.TrimSpace(text), ".")
}

// promoteBold makes headings of the paragraphs in bold type, in a document whose author used no heading styles.
func (h *headlines) promoteBold(blocks []Block) {
	if h.headings > 0 {
		return
	}
	for i := range blocks {
		if blocks[i].Kind == Paragraph && h.bold[blocks[i].Text] {
			blocks[i].Kind, blocks[i].Level = Heading, 2
		}
	}
}
