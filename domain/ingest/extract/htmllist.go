package extract

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlCounter numbers the items of a list.
type htmlCounter struct {
	next, step int    // step is 0 for a bulleted list
	format     string // as of formatNumber
}

func (w *htmlWalker) list(n *html.Node, z zone) {
	w.flush()
	var c htmlCounter
	if n.DataAtom == atom.Ol {
		c = htmlCounter{next: 1, step: 1, format: letterFormats[attr(n, "type")]}
		if hasAttr(n, "reversed") {
			c.next, c.step = countItems(n), -1
		}
		if start, err := strconv.Atoi(strings.TrimSpace(attr(n, "start"))); err == nil && start >= 0 {
			c.next = start
		}
	}
	w.counters = append(w.counters, c)
	w.walk(n, z)
	w.flush()
	w.counters = w.counters[:len(w.counters)-1]
}

func countItems(n *html.Node) int {
	items := 0
	for c := range n.ChildNodes() {
		if c.DataAtom == atom.Li {
			items++
		}
	}
	return items
}

// marker returns the number of an item of the list around, "" in a bulleted one.
func (w *htmlWalker) marker(item *html.Node) string {
	last := len(w.counters) - 1
	if last < 0 || w.counters[last].step == 0 {
		return ""
	}
	c := &w.counters[last]
	if value, err := strconv.Atoi(strings.TrimSpace(attr(item, "value"))); err == nil && value >= 0 {
		c.next = value
	}
	number := c.next
	c.next += c.step
	return formatNumber(c.format, number) + "."
}

// term keeps what a definition list defines until its definition comes: the two are one item.
func (w *htmlWalker) term(n *html.Node, z zone) {
	w.flush()
	if find(n, func(d *html.Node) bool { return d.DataAtom == atom.Dt || d.DataAtom == atom.Table }) != nil { // it lays out the page
		w.block(n, z, Block{Kind: Paragraph})
		return
	}
	text := strings.TrimSpace(cleanText(w.cellText(n, z)))
	switch {
	case text == "":
	case len(text) > 150:
		w.endTerm(z)
		w.blocks = append(w.blocks, Block{Kind: Paragraph, Text: text, Furniture: z.furniture})
	case w.label != "":
		w.label = strings.TrimRight(w.label, ": ") + ", " + label(text)
	default:
		w.label = label(text)
	}
}

func label(term string) string {
	if r, _ := utf8.DecodeLastRuneInString(term); strings.ContainsRune("?!:.？！：。", r) {
		return term + " "
	}
	return term + ": "
}

func (w *htmlWalker) definition(n *html.Node, z zone) {
	w.block(n, z, Block{Kind: ListItem, Level: z.list + 1})
	w.endTerm(z)
}

// endTerm writes a term whose definition is empty.
func (w *htmlWalker) endTerm(z zone) {
	if text := strings.TrimSpace(w.label); text != "" {
		w.blocks = append(w.blocks, Block{Kind: ListItem, Level: z.list + 1, Text: strings.TrimSuffix(text, ":"), Furniture: z.furniture})
	}
	w.label = ""
}

// summary reads what is always seen of a part that a click opens: its heading, even where it is not said to be one.
func (w *htmlWalker) summary(n *html.Node, z zone) {
	if find(n, isHeading) != nil {
		w.block(n, z, Block{Kind: Paragraph})
		return
	}
	level := min(w.level+1, 6)
	above := w.level
	w.block(n, z, Block{Kind: Heading, Level: level})
	w.level = above // the next one stands beside it
}

// button reads a button that opens a part of the page as text; what else can be clicked says nothing.
func (w *htmlWalker) button(n *html.Node, z zone) {
	if w.open.Kind != Heading && !hasAttr(n, "aria-expanded") && !hasAttr(n, "aria-controls") && !hasAttr(n, "data-target") && !hasAttr(n, "data-bs-target") {
		z.furniture = true
		w.block(n, z, Block{Kind: Paragraph})
		return
	}
	w.walk(n, z)
}

func isHeading(n *html.Node) bool {
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}

// headingRole returns the level of an element that is a heading by its role.
func headingRole(n *html.Node) (int, bool) {
	if attr(n, "role") != "heading" {
		return 0, false
	}
	var level int
	if _, err := fmt.Sscan(attr(n, "aria-level"), &level); err != nil {
		level = 2
	}
	return min(max(level, 1), 6), true
}

// struck marks what is no longer valid, as an old price is: without the mark it would be read as one with the new.
func (w *htmlWalker) struck(n *html.Node, z zone) {
	start, blocks, links := len(w.text), len(w.blocks), len(w.marks)
	w.walk(n, z)
	if len(w.blocks) > blocks || len(w.marks) > links || len(bytes.TrimSpace(w.text[start:])) == 0 || len(w.text)-start > 200 {
		return
	}
	text := strings.TrimSpace(string(w.text[start:]))
	w.text = append(w.text[:start], "~~"+text+"~~"...)
}

// superscript returns digits raised, so that 10 m² and a price with small cents are read as they are meant; "" for anything else.
func superscript(s string) string {
	s = strings.TrimSpace(s)
	if n := strings.TrimLeft(s, "+-−"); n == "" || len(n) > 3 || strings.Trim(n, "0123456789") != "" {
		return ""
	}
	return shift(s, raised)
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}
