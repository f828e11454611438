package extract

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// panels returns the ids of the parts of a page that a click shows: the answers of an accordion, the pages behind tabs.
func panels(root *html.Node) map[string]bool {
	ids := map[string]bool{}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "aria-controls", "data-target", "data-bs-target":
				for id := range strings.FieldsSeq(a.Val) {
					ids[strings.TrimPrefix(id, "#")] = true
				}
			}
		}
	}
	return ids
}

// isHidden reports whether no reader sees n, however long they click.
func (w *htmlWalker) isHidden(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Iframe, atom.Object, atom.Embed, atom.Canvas,
		atom.Audio, atom.Video, atom.Select, atom.Datalist, atom.Textarea, atom.Input, atom.Map, atom.Rt, atom.Rp:
		return true
	case atom.Dialog:
		return !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "open" })
	case atom.Span, atom.I, atom.B, atom.Em:
		if attr(n, "aria-hidden") == "true" || iconNames.MatchString(attr(n, "class")) {
			return true // an icon, perhaps by its name
		}
		if spokenNames.MatchString(attr(n, "class")) && n.Parent.DataAtom == atom.A && n.PrevSibling != nil {
			return true // "opens in a new window" after the text of a link
		}
	}
	return isSwitchedOff(n) && !w.isPanel(n)
}

// isSwitchedOff reports whether an attribute of n hides it. What style sheets hide is not known.
func isSwitchedOff(n *html.Node) bool {
	for _, a := range n.Attr {
		if a.Key == "hidden" || a.Key == "epub:type" && (n.DataAtom == atom.Nav || a.Val == "pagebreak") || a.Key == "role" && a.Val == "doc-pagebreak" {
			return true // of a book: a table of contents, the number of a printed page
		}
		if a.Key == "style" {
			style := strings.ToLower(strings.ReplaceAll(a.Val, " ", ""))
			if strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden") {
				return true
			}
		}
	}
	return false
}

var (
	iconNames   = regexp.MustCompile(`(?:^|\s)material-(?:icons|symbols)`)
	spokenNames = regexp.MustCompile(`(?:^|\s)(?:sr-only|visually-?hidden|screen-?reader(?:-text|-only)?|u-hidden-visually|assistive-text)(?:$|\s)`)
	panelNames  = regexp.MustCompile(`(?i)accordion|collaps|expand|panel|answer|faq|(?:^|[\s_-])tabs?(?:$|[\s_-])`)
	modalNames  = regexp.MustCompile(`(?i)(?:^|[\s_-])(?:modal|dialog|popup|overlay|lightbox|offcanvas|drawer)(?:$|[\s_-])`)
)

// isPanel reports whether n is hidden until a reader clicks, and content like the rest of the page.
func (w *htmlWalker) isPanel(n *html.Node) bool {
	names := attr(n, "class") + " " + attr(n, "id")
	switch {
	case modalNames.MatchString(names), strings.HasSuffix(attr(n, "role"), "dialog"):
		return false
	case attr(n, "role") == "tabpanel", attr(n, "hidden") == "until-found", panelNames.MatchString(names):
		return true
	}
	id := attr(n, "id")
	return id != "" && w.panels[id]
}
