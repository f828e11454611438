package extract

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// readHTML reads a page: what stands in it for a reader first, then its menus and lists of links as furniture.
func readHTML(data []byte) (*Document, error) { return readHTMLPart(decode(data, true), 0) }

// readHTMLPart reads a page, or a part of one that stands below a heading of the given level.
func readHTMLPart(text string, level int) (*Document, error) {
	if strings.HasPrefix(strings.TrimLeft(text, "\ufeff \t\r\n"), "<?xml") { // XHTML
		text = openTags(text)
	}
	root, err := parseHTML(text)
	if err != nil {
		return nil, err
	}
	w := &htmlWalker{level: level, hasMain: find(root, isMain) != nil, open: Block{Kind: Paragraph}, base: baseAddress(root), panels: panels(root)}
	w.walk(root, zone{soft: w.hasMain})
	w.flush()
	doc := &Document{Title: w.title, Blocks: w.blocks}
	content := func(b Block) bool { return !b.Furniture && strings.TrimSpace(b.Text) != "" || len(b.Rows) > 0 }
	if !slices.ContainsFunc(doc.Blocks, content) {
		for i := range doc.Blocks {
			doc.Blocks[i].Furniture = false
		}
	}
	doc.Blocks = furnitureLast(doc.Blocks)
	return doc, nil
}

// readContent reads a page of which all is content: a chapter of a book, or a letter.
func readContent(text string) ([]Block, error) {
	root, err := parseHTML(text)
	if err != nil {
		return nil, err
	}
	w := &htmlWalker{whole: true, open: Block{Kind: Paragraph}}
	w.walk(root, zone{})
	w.flush()
	return w.blocks, nil
}

// furnitureLast puts what surrounds the content behind it. A menu that is on the page twice, for wide and for narrow screens,
// comes once.
func furnitureLast(blocks []Block) []Block {
	var content, furniture []Block
	seen := map[string]bool{}
	for _, b := range blocks {
		text := strings.TrimSpace(b.Text)
		switch {
		case !b.Furniture:
			content = append(content, b)
		case b.Kind == Table || !seen[text]:
			seen[text] = true
			furniture = append(furniture, b)
		}
	}
	return append(content, furniture...)
}

// baseAddress returns what the page says that its addresses are relative to, or nil.
func baseAddress(root *html.Node) *url.URL {
	n := find(root, func(n *html.Node) bool { return n.DataAtom == atom.Base && attr(n, "href") != "" })
	if n == nil {
		return nil
	}
	u, err := url.Parse(strings.TrimSpace(attr(n, "href")))
	if err != nil || u.Host == "" || len(u.String()) > 300 {
		return nil
	}
	return u
}

// parseHTML parses with the HTML5 algorithm, which refuses more than 512 open elements. A page nested deeper is parsed
// again without the tags below that depth: their text stays.
func parseHTML(text string) (*html.Node, error) {
	root, err := html.Parse(strings.NewReader(text))
	if err == nil {
		return root, nil
	}
	return html.Parse(strings.NewReader(flatten(text)))
}

func flatten(text string) string {
	const maxDepth = 100
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(text))
	depth := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.StartTagToken:
			raw := string(z.Raw())
			name, _ := z.TagName()
			if isVoid(atom.Lookup(name)) {
				b.WriteString(raw)
				continue
			}
			if depth++; depth < maxDepth {
				b.WriteString(raw)
			}
		case html.EndTagToken:
			if depth < maxDepth {
				b.Write(z.Raw())
			}
			depth = max(depth-1, 0)
		default:
			b.Write(z.Raw())
		}
	}
}

func isVoid(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta,
		atom.Param, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// zone is where in a page a node stands.
type zone struct {
	furniture bool // within a menu: all of it is furniture
	soft      bool // beside the main content: furniture if it is mostly links
	quote     bool
	pre       bool
	list      int // depth of lists
}

// linkMark is where in a block's text a link stands.
type linkMark struct {
	start, end int
	href       string
}

type htmlWalker struct {
	hasMain bool
	whole   bool // there are no menus
	base    *url.URL
	panels  map[string]bool // ids of what a click shows
	title   string
	blocks  []Block
	level   int // of the last heading

	text     []byte     // of the block being read
	marks    []linkMark // the links in it
	open     Block      // kind, level and marker of that block
	openZone zone
	spent    int           // on tables, see grid
	label    string        // what a definition list defines, to be written before the definition
	counters []htmlCounter // of the lists around
}

// flush ends the block being read; what follows is a paragraph.
func (w *htmlWalker) flush() {
	if size := len(bytes.TrimSpace(w.text)); size > 0 {
		b := w.open
		if b.Kind == Heading {
			w.level = b.Level
		}
		linked := w.linked() * 100 / size
		b.Furniture = !w.whole && (w.openZone.furniture || w.openZone.soft && linked >= 60 || len(w.marks) > 3 && linked >= 85)
		if b.Furniture || b.Kind == Code {
			b.Text = string(w.text)
		} else {
			b.Text = w.textWithLinks()
		}
		w.blocks = append(w.blocks, b)
	}
	w.text, w.marks = w.text[:0], w.marks[:0]
	w.open = Block{Kind: Paragraph}
}

// linked returns how many bytes of the block's text lead to other pages.
func (w *htmlWalker) linked() int {
	n := 0
	for _, m := range w.marks {
		if !strings.HasPrefix(m.href, "tel:") && !strings.HasPrefix(m.href, "mailto:") {
			n += m.end - m.start
		}
	}
	return n
}

func (w *htmlWalker) textWithLinks() string {
	var b strings.Builder
	at := 0
	for _, m := range w.marks {
		b.Write(w.text[at:m.start])
		b.WriteString(link(string(w.text[m.start:m.end]), absolute(w.base, m.href)))
		at = m.end
	}
	b.Write(w.text[at:])
	return b.String()
}

func (w *htmlWalker) walk(n *html.Node, z zone) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			w.writeText(c.Data, z)
		case html.ElementNode:
			if !w.isHidden(c) {
				w.element(c, w.enter(c, z))
			}
		}
	}
}

func (w *htmlWalker) writeText(s string, z zone) {
	if !z.pre {
		s = collapse(s)
	}
	if s == "" || s == " " && len(w.text) == 0 {
		return
	}
	if len(w.text) == 0 {
		w.text = append(w.text, w.label...)
		w.label = ""
		w.openZone = z
		if z.quote && w.open.Kind == Paragraph {
			w.open.Kind = Quote
		}
	}
	w.text = append(w.text, s...)
}

// collapse makes one space of every run of white space.
func collapse(s string) string {
	var b strings.Builder
	blank := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\n', '\r', '\f':
			blank = true
			continue
		}
		if blank {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteByte(s[i])
	}
	if blank {
		b.WriteByte(' ')
	}
	return b.String()
}

var (
	menuNames  = regexp.MustCompile(`(?i)(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|sidebar|footer|header|skip|social|share|pagination|toc|related|languages?|catlinks)(?:$|[\s_-])`)
	adverNames = regexp.MustCompile(`(?i)(?:cookie|consent|gdpr)[-_]?(?:banner|bar|notice|popup|modal|dialog|overlay)`)
)

// enter returns the zone inside n.
func (w *htmlWalker) enter(n *html.Node, z zone) zone {
	switch n.DataAtom {
	case atom.Nav:
		z.furniture = true
	case atom.Header, atom.Footer, atom.Aside, atom.Form:
		z.soft = true
	case atom.Blockquote:
		z.quote = true
	case atom.Pre:
		z.pre = true
	case atom.Ul, atom.Ol, atom.Menu:
		z.list++
	}
	switch attr(n, "role") {
	case "navigation", "menu", "menubar", "search":
		z.furniture = true
	case "banner", "contentinfo", "complementary":
		z.soft = true
	}
	if isMain(n) {
		z.soft = false
	}
	if names := attr(n, "class") + " " + attr(n, "id"); len(names) > 1 && n.DataAtom != atom.Body && n.DataAtom != atom.Html {
		z.soft = z.soft || menuNames.MatchString(names)
		z.furniture = z.furniture || adverNames.MatchString(names)
	}
	if w.whole {
		z.furniture, z.soft = false, false
	}
	return z
}

func isMain(n *html.Node) bool {
	return n.Type == html.ElementNode && (n.DataAtom == atom.Main || attr(n, "role") == "main")
}

func (w *htmlWalker) element(n *html.Node, z zone) {
	switch n.DataAtom {
	case atom.Title:
		if w.title == "" {
			w.title = collapse(nodeText(n))
		}
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.block(n, z, Block{Kind: Heading, Level: int(n.Data[1] - '0')})
	case atom.Summary:
		w.summary(n, z)
	case atom.Button:
		w.button(n, z)
	case atom.Ul, atom.Ol, atom.Menu:
		w.list(n, z)
	case atom.Li:
		w.block(n, z, Block{Kind: ListItem, Level: max(z.list, 1), Marker: w.marker(n)})
	case atom.Dl:
		w.block(n, z, Block{Kind: Paragraph})
		w.endTerm(z)
	case atom.Dt:
		w.term(n, z)
	case atom.Dd:
		w.definition(n, z)
	case atom.Pre:
		w.block(n, z, Block{Kind: Code})
	case atom.Table:
		w.table(n, z)
	case atom.A:
		w.link(n, z)
	case atom.Br:
		w.text = append(w.text, '\n')
	case atom.Img:
		w.writeText(" "+attr(n, "alt")+" ", z)
	case atom.Q:
		w.writeText("“", z)
		w.walk(n, z)
		w.writeText("”", z)
	case atom.Math:
		w.writeText(mathML(n), z)
	case atom.Del, atom.S, atom.Strike:
		w.struck(n, z)
	case atom.Sup:
		if raised := superscript(nodeText(n)); raised != "" {
			w.writeText(raised, z)
			return
		}
		w.walk(n, z)
	default:
		if level, ok := headingRole(n); ok {
			w.block(n, z, Block{Kind: Heading, Level: level})
			return
		}
		if isInline(n.DataAtom) {
			apart := isCellRole(attr(n, "role"))
			if apart {
				w.writeText(" ", z)
			}
			if w.walk(n, z); apart {
				w.writeText(" ", z)
			}
			return
		}
		w.block(n, z, w.continued())
	}
}

// continued returns the block that the children of a plain container belong to: in a list item that has no text yet,
// still that item, as in <li><p>text</p></li>.
func (w *htmlWalker) continued() Block {
	if len(bytes.TrimSpace(w.text)) == 0 && w.open.Kind != "" {
		return w.open
	}
	return Block{Kind: Paragraph}
}

// block reads n as a block of its own.
func (w *htmlWalker) block(n *html.Node, z zone, as Block) {
	w.flush()
	w.open = as
	w.walk(n, z)
	w.flush()
}

// link reads a link. If it is a card of several blocks, the first paragraph of them leads where the card does.
func (w *htmlWalker) link(n *html.Node, z zone) {
	start, blocks := len(w.text), len(w.blocks)
	if attr(n, "epub:type") == "noteref" { // which is raised, and so no part of the word before it
		w.writeText(" ", z)
	}
	w.walk(n, z)
	href := attr(n, "href")
	switch {
	case href == "":
	case href[0] == '#' && len(w.blocks) == blocks && isAnchorSign(string(w.text[start:])):
		w.text = w.text[:start]
	case len(w.blocks) == blocks && len(w.text) > start:
		w.marks = append(w.marks, linkMark{start, len(w.text), href})
	case start == 0:
		for i := range w.blocks[blocks:] {
			if b := &w.blocks[blocks+i]; !b.Furniture && b.Kind == Paragraph && len(b.Text) < 200 {
				b.Text = link(b.Text, absolute(w.base, href))
				return
			}
		}
	}
}

// isAnchorSign reports whether a link within the page is but the handle by which a heading can be linked to.
func isAnchorSign(text string) bool {
	switch strings.TrimSpace(text) {
	case "¶", "#", "§", "🔗":
		return true
	}
	return false
}

// absolute makes an address absolute, unless it leads to another place on the same page.
func absolute(base *url.URL, href string) string {
	href = strings.TrimSpace(href)
	if base == nil || href == "" || href[0] == '#' {
		return href
	}
	u, err := base.Parse(href)
	if err != nil {
		return href
	}
	return u.String()
}

// linkEscaper writes what would end the address of a Markdown link.
var linkEscaper = strings.NewReplacer(" ", "%20", "(", "%28", ")", "%29")

// link writes a link as [text](address) if a person could follow the address from anywhere: one of the web, a
// mailbox or a telephone. Of any other link only the text stays.
func link(text, address string) string {
	trimmed := strings.TrimSpace(text)
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || trimmed == "" || len(address) > 300 {
		return text
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return text
		}
	case "mailto", "tel":
		if strings.HasSuffix(trimmed, u.Opaque) {
			return text
		}
	default:
		return text
	}
	plain := linkEscaper.Replace(u.String())
	if trimmed == plain || strings.TrimSuffix(plain, "/") == trimmed {
		return text
	}
	lead, trail, _ := strings.Cut(text, trimmed)
	return lead + "[" + strings.ReplaceAll(trimmed, "\n", " ") + "](" + plain + ")" + trail
}

func isInline(a atom.Atom) bool {
	switch a {
	case atom.Span, atom.B, atom.I, atom.Em, atom.Strong, atom.Small, atom.Sub, atom.Sup, atom.U, atom.S, atom.Code, atom.Kbd,
		atom.Samp, atom.Var, atom.Abbr, atom.Acronym, atom.Cite, atom.Dfn, atom.Mark, atom.Del, atom.Ins, atom.Time, atom.Data,
		atom.Font, atom.Tt, atom.Big, atom.Strike, atom.Bdi, atom.Bdo, atom.Ruby, atom.Rb, atom.Label, atom.Wbr, atom.Output,
		atom.Nobr, atom.Picture:
		return true
	}
	return a == 0 // unknown and custom elements are inline until a style sheet says otherwise
}

// isCellRole reports whether an element is a cell of a table that is made of other elements.
func isCellRole(role string) bool {
	return role == "cell" || role == "gridcell" || role == "columnheader" || role == "rowheader"
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func find(n *html.Node, is func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if is(d) {
			return d
		}
	}
	return nil
}

// nodeText returns all text below n.
func nodeText(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}
