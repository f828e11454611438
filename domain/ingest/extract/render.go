package extract

import (
	"strings"
)

// Span is a range of bytes in a rendered text.
type Span struct{ Start, End int }

// Markdown returns the whole document as Markdown for a person to read: the canonical text that chunks point into.
func (d *Document) Markdown() string {
	text, _ := d.Render()
	return text
}

// Render returns the canonical text and, for each block, where it stands in it, without the blank lines around it.
//
// A table is one line for the header, one of dashes, and one for each row; code stands between fences. Other text
// is as it is in the block, unescaped: show it as text, or let a Markdown renderer without raw HTML have it.
func (d *Document) Render() (string, []Span) {
	var b strings.Builder
	spans := make([]Span, len(d.Blocks))
	for i := range d.Blocks {
		if i > 0 {
			b.WriteString(separator(&d.Blocks[i-1], &d.Blocks[i]))
		}
		start := b.Len()
		d.Blocks[i].render(&b)
		spans[i] = Span{start, b.Len()}
	}
	return b.String(), spans
}

func separator(prev, next *Block) string {
	if prev.Kind == ListItem && next.Kind == ListItem {
		return "\n"
	}
	return "\n\n"
}

func (b *Block) render(w *strings.Builder) {
	switch b.Kind {
	case Heading:
		w.WriteString("######"[:b.Level])
		w.WriteByte(' ')
		w.WriteString(b.Text)
	case ListItem:
		b.renderItem(w)
	case Table:
		b.renderTable(w)
	case Code:
		fence := "```"
		for strings.Contains(b.Text, fence) {
			fence += "`"
		}
		w.WriteString(fence + "\n" + b.Text + "\n" + fence)
	case Quote:
		w.WriteString("> ")
		w.WriteString(strings.ReplaceAll(b.Text, "\n", "\n> "))
	default:
		w.WriteString(b.Text)
	}
}

func (b *Block) renderItem(w *strings.Builder) {
	indent := strings.Repeat("  ", b.Level-1)
	marker := b.Marker
	if marker == "" {
		marker = "-"
	}
	w.WriteString(indent + marker + " ")
	w.WriteString(strings.ReplaceAll(b.Text, "\n", "\n"+indent+"  "))
}

func (b *Block) renderTable(w *strings.Builder) {
	renderRow(w, b.Header)
	w.WriteString("\n|")
	w.WriteString(strings.Repeat(" --- |", max(len(b.Header), 1)))
	for _, row := range b.Rows {
		w.WriteByte('\n')
		renderRow(w, row)
	}
}

func renderRow(w *strings.Builder, row []string) {
	w.WriteByte('|')
	for _, cell := range row {
		w.WriteByte(' ')
		w.WriteString(strings.ReplaceAll(cell, "|", `\|`))
		w.WriteString(" |")
	}
}

// PageStarts returns where each page begins in the rendered text, in bytes; page 1 is at index 0. It is nil when the format has
// no pages.
func (d *Document) PageStarts(text string, spans []Span) []int {
	if d.Pages == 0 {
		return nil
	}
	starts := make([]int, d.Pages)
	block := 0
	for i := range starts {
		for block < len(d.Blocks) && d.Blocks[block].Page <= i {
			block++
		}
		starts[i] = len(text)
		if block < len(d.Blocks) {
			starts[i] = spans[block].Start
		}
	}
	return starts
}
