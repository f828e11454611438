package extract

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/net/html/atom"
)

// markdownParser reads CommonMark with GitHub's tables, footnotes and strike-through, and with the definition lists and the
// attributes of headings that other writers have. Bare addresses stay text.
var markdownParser = goldmark.New(
	goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList, extension.Footnote, extension.DefinitionList),
	goldmark.WithParserOptions(parser.WithAttribute()),
).Parser()

func readMarkdown(data []byte) (*Document, error) {
	source := unixLines(decode(data, false))
	doc := &Document{}
	source = doc.frontMatter(source)
	if tooNested(source) {
		return readText([]byte(source))
	}
	src := []byte(source)
	w := &markdownWalker{doc: doc, src: src}
	w.children(markdownParser.Parse(text.NewReader(src)), 0)
	return doc, nil
}

// frontMatter takes a head in YAML between lines of dashes, or in TOML between lines of pluses, off a page, keeps its title, and
// shows it as code.
func (d *Document) frontMatter(s string) string {
	fence, sign := "---\n", ":"
	if strings.HasPrefix(s, "+++\n") {
		fence, sign = "+++\n", "="
	}
	head, ok := strings.CutPrefix(s, fence)
	if !ok {
		return s
	}
	head, body, ok := strings.Cut(head, "\n"+fence)
	if !ok || !strings.Contains(head, sign) || len(head) > 4096 {
		return s
	}
	for line := range strings.SplitSeq(head, "\n") {
		if name, title, ok := strings.Cut(line, sign); ok && strings.TrimSpace(name) == "title" {
			d.Title = strings.Trim(strings.TrimSpace(title), `"'`)
		}
	}
	d.Blocks = append(d.Blocks, Block{Kind: Code, Text: head})
	return body
}

// tooNested finds lines that open or stand within thousands of lists, quotations or brackets, on which parsing takes the square
// of their number.
func tooNested(s string) bool {
	const limit = 2000
	for line := range strings.SplitSeq(s, "\n") {
		if len(line) < limit {
			continue
		}
		if strings.TrimLeft(line[:limit], " \t->*+") == "" || strings.Count(line, "[") > limit || strings.Count(line, ">") > limit && strings.HasPrefix(line, ">") ||
			strings.Count(line, "*")+strings.Count(line, "_")+strings.Count(line, "`")+strings.Count(line, "<") > 20*limit {
			return true
		}
	}
	return false
}

type markdownWalker struct {
	doc   *Document
	src   []byte
	level int // of the last heading
}

func (w *markdownWalker) add(b Block) { w.doc.Blocks = append(w.doc.Blocks, b) }

func (w *markdownWalker) children(n ast.Node, depth int) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.block(c, depth)
	}
}

func (w *markdownWalker) block(n ast.Node, depth int) {
	switch n := n.(type) {
	case *ast.Heading:
		w.level = n.Level
		w.add(Block{Kind: Heading, Level: n.Level, Text: w.inline(n)})
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		w.add(Block{Kind: Code, Text: w.lines(n)})
	case *ast.HTMLBlock:
		w.html(w.lines(n) + w.closure(n))
	case *ast.List:
		w.list(n, depth+1)
	case *ast.Blockquote:
		w.quote(n, depth)
	case *extast.Table:
		w.table(n)
	case *extast.FootnoteList:
		w.footnotes(n)
	case *extast.DefinitionList:
		w.definitions(n, depth+1)
	case *ast.Paragraph, *ast.TextBlock:
		w.add(Block{Kind: Paragraph, Text: w.inline(n)})
	default:
		w.children(n, depth)
	}
}

// quote turns the paragraphs of a quotation into quotes and leaves its lists and tables what they are.
func (w *markdownWalker) quote(n ast.Node, depth int) {
	first := len(w.doc.Blocks)
	w.children(n, depth)
	for i := first; i < len(w.doc.Blocks); i++ {
		if w.doc.Blocks[i].Kind == Paragraph {
			w.doc.Blocks[i].Kind = Quote
		}
	}
}

func (w *markdownWalker) list(n *ast.List, depth int) {
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		marker := ""
		if n.IsOrdered() {
			marker = fmt.Sprintf("%d%c", number, n.Marker)
			number++
		}
		w.item(item, marker, depth)
	}
}

// item makes one list item of the text at the head of an item; what follows (code, lists) are blocks of their own.
func (w *markdownWalker) item(n ast.Node, marker string, depth int) {
	block := Block{Kind: ListItem, Level: depth, Marker: marker}
	c := n.FirstChild()
	for ; c != nil; c = c.NextSibling() {
		if c.Kind() != ast.KindParagraph && c.Kind() != ast.KindTextBlock {
			break
		}
		if block.Text != "" {
			block.Text += "\n"
		}
		block.Text += w.inline(c)
	}
	w.add(block)
	for ; c != nil; c = c.NextSibling() {
		w.block(c, depth)
	}
}

func (w *markdownWalker) table(n *extast.Table) {
	block := Block{Kind: Table}
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			cells = append(cells, w.inline(cell))
		}
		if row.Kind() == extast.KindTableHeader {
			block.Header = cells
		} else {
			block.Rows = append(block.Rows, cells)
		}
	}
	w.add(block)
}

func (w *markdownWalker) footnotes(list *extast.FootnoteList) {
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		first := len(w.doc.Blocks)
		w.children(n, 0)
		if note, ok := n.(*extast.Footnote); ok && first < len(w.doc.Blocks) {
			w.doc.Blocks[first].Text = fmt.Sprintf("[%d] %s", note.Index, w.doc.Blocks[first].Text)
		}
	}
}

// definitions makes one item of each definition, with what it defines before it.
func (w *markdownWalker) definitions(list *extast.DefinitionList, depth int) {
	term := ""
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		if n.Kind() == extast.KindDefinitionTerm {
			if term != "" {
				term = strings.TrimRight(term, ": ") + ", "
			}
			term += label(w.inline(n))
			continue
		}
		first := len(w.doc.Blocks)
		w.item(n, "", depth)
		w.doc.Blocks[first].Text = term + w.doc.Blocks[first].Text
		term = ""
	}
	if term != "" {
		w.add(Block{Kind: ListItem, Level: depth, Text: strings.TrimRight(term, ": ")})
	}
}

// html reads a piece of HTML inside Markdown.
func (w *markdownWalker) html(fragment string) {
	if doc, err := readHTMLPart(fragment, w.level); err == nil {
		for _, b := range doc.Blocks {
			b.Furniture = false
			w.add(b)
		}
	}
}

func (w *markdownWalker) closure(n *ast.HTMLBlock) string {
	if !n.HasClosure() {
		return ""
	}
	return string(n.ClosureLine.Value(w.src))
}

func (w *markdownWalker) lines(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		b.Write(line.Value(w.src))
	}
	return b.String()
}

// inline returns the text of a block's inline nodes; emphasis is dropped, links are kept.
func (w *markdownWalker) inline(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.inlineNode(&b, c)
	}
	return b.String()
}

func (w *markdownWalker) inlineNode(b *strings.Builder, n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		b.Write(unescape(n.Value(w.src)))
		if n.HardLineBreak() {
			b.WriteByte('\n')
		} else if n.SoftLineBreak() {
			b.WriteByte(' ')
		}
	case *ast.String:
		b.Write(n.Value)
	case *ast.CodeSpan:
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			if t, ok := c.(*ast.Text); ok {
				b.Write(t.Value(w.src))
			}
		}
	case *ast.AutoLink:
		b.Write(n.URL(w.src))
	case *ast.Link:
		b.WriteString(link(w.inline(n), string(unescape(n.Destination))))
	case *ast.RawHTML:
		w.rawHTML(b, string(n.Segments.Value(w.src)))
	case *extast.FootnoteLink:
		fmt.Fprintf(b, "[%d]", n.Index)
	case *extast.FootnoteBacklink:
	case *extast.Strikethrough:
		mark := w.tildes(n)
		b.WriteString(mark + w.inline(n) + mark)
	case *extast.TaskCheckBox:
		b.WriteString(map[bool]string{true: "[x] ", false: "[ ] "}[n.IsChecked])
	default:
		b.WriteString(w.inline(n))
	}
}

// tildes returns the mark of struck text, or none where a single tilde lowers it, as some writers do.
func (w *markdownWalker) tildes(n ast.Node) string {
	if t, ok := n.FirstChild().(*ast.Text); ok && !bytes.HasSuffix(w.src[:t.Segment.Start], []byte("~~")) {
		return ""
	}
	return "~~"
}

var tagName = regexp.MustCompile(`^</?([A-Za-z][\w-]*)`)

// rawHTML drops tags within a line, but keeps what only looks like one, as in "run <command>".
func (w *markdownWalker) rawHTML(b *strings.Builder, tag string) {
	m := tagName.FindStringSubmatch(tag)
	switch {
	case m == nil: // a comment
	case strings.EqualFold(m[1], "br"):
		b.WriteByte('\n')
	case !isKnownTag(atom.Lookup([]byte(strings.ToLower(m[1])))):
		b.WriteString(tag)
	}
}

// isKnownTag reports whether a tag is one that people use within Markdown.
func isKnownTag(a atom.Atom) bool {
	switch a {
	case 0:
		return false
	case atom.A, atom.Img, atom.Div, atom.P, atom.Center, atom.Details, atom.Summary, atom.Source, atom.Video, atom.Hr,
		atom.Ul, atom.Ol, atom.Li, atom.Table, atom.Tr, atom.Td, atom.Th, atom.Button, atom.Input, atom.Script, atom.Style:
		return true
	}
	return isInline(a)
}

// unescape resolves backslashes before punctuation and HTML entities, which the parser leaves to its renderer.
func unescape(s []byte) []byte {
	return util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(s)))
}
