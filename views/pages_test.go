package views

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/net/html"
)

// TestPages renders every example and holds the markup against the content policy and against what a browser and a screen
// reader need. PREVIEW_DIR=/some/folder keeps the pages as files, to look at.
func TestPages(t *testing.T) {
	for _, e := range examples() {
		t.Run(e.component+"/"+e.variant, func(t *testing.T) {
			var out bytes.Buffer
			if err := e.html.Render(context.Background(), &out); err != nil {
				t.Fatal(err)
			}
			if dir := os.Getenv("PREVIEW_DIR"); dir != "" {
				name := filepath.Join(dir, e.component+"-"+e.variant+".html")
				if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			root, err := html.Parse(&out)
			if err != nil {
				t.Fatal(err)
			}
			checkPolicy(t, root)
			checkNames(t, root, e.page)
			if e.page && e.component != "BotPreview" {
				checkPage(t, root)
			}
		})
	}
}

// TestEveryPageHasAnExample fails for an exported component that examples does not render.
func TestEveryPageHasAnExample(t *testing.T) {
	rendered := map[string]bool{}
	hostile := map[string]bool{"DocumentResults": true, "DocumentCounts": true, "DocumentPart": true} // Documents renders their parts
	for _, e := range examples() {
		rendered[e.component] = true
		hostile[e.component] = hostile[e.component] || e.variant == "hostile"
	}
	files, err := filepath.Glob("*_templ.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no generated views found", err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			if !rendered[f.Name.Name] || !hostile[f.Name.Name] {
				t.Errorf("%s has no example, or none with hostile data", f.Name.Name)
			}
		}
	}
}

// TestNothingIsUnescaped holds the ways around templ's escaping to the list here: none.
func TestNothingIsUnescaped(t *testing.T) {
	files, _ := filepath.Glob("*.templ")
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{"templ.Raw", "templ.JSFuncCall", "templ.SafeCSS", "templ.SafeURL", "templ.SafeScript", "unsafe", "<style"} {
			if strings.Contains(string(source), way) {
				t.Errorf("%s uses %s", name, way)
			}
		}
	}
}

// checkLink lets an address lead to this server and nowhere else, except for the widget's script.
func checkLink(t *testing.T, n *html.Node, key, value string) {
	t.Helper()
	switch {
	case value == "", strings.HasPrefix(value, "#"), strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//"):
	case n.Data == "script" && strings.HasPrefix(value, "https://"):
	case value == string(templ.FailedSanitizationURL):
	default:
		t.Errorf("<%s %s=%q> leads away from this server", n.Data, key, value)
	}
}

func checkPolicy(t *testing.T, root *html.Node) {
	t.Helper()
	allowed := map[string]bool{"script": true, "link": true, "meta": true, "iframe": true}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "img": // the one there is shows a page of a document
			if !strings.HasPrefix(attr(n, "src"), "/documents/") {
				t.Error("<img> came out: data was not escaped")
			}
		case "object", "embed", "base", "style":
			t.Errorf("<%s> came out: data was not escaped, or the policy forbids it", n.Data)
		case "script":
			if attr(n, "src") == "" || n.FirstChild != nil {
				t.Error("an inline script came out")
			}
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "style", strings.HasPrefix(a.Key, "on") && !allowed[n.Data]:
				t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
			case a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "hx-get" || a.Key == "hx-post" || a.Key == "data-version":
				checkLink(t, n, a.Key, a.Val)
			}
		}
	}
}

// checkNames looks for ids that stand twice, references that lead nowhere and controls without a name.
func checkNames(t *testing.T, root *html.Node, page bool) {
	t.Helper()
	ids := map[string]bool{}
	for n := range root.Descendants() {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("the id %q stands twice", id)
			}
			ids[id] = true
		}
	}
	labelled := map[string]bool{}
	for n := range root.Descendants() {
		if n.Data == "label" {
			labelled[attr(n, "for")] = true
		}
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, key := range []string{"for", "form", "aria-labelledby", "aria-describedby", "data-copy"} {
			for _, id := range strings.Fields(attr(n, key)) {
				if page && !ids[id] {
					t.Errorf("<%s %s=%q> leads to nothing", n.Data, key, id)
				}
			}
		}
		for _, key := range []string{"hx-target", "hx-select", "hx-select-oob"} {
			for selector := range strings.SplitSeq(attr(n, key), ",") {
				id, _, _ := strings.Cut(strings.TrimPrefix(selector, "#"), " ")
				id, _, _ = strings.Cut(id, ":")
				if page && id != "" && !ids[id] {
					t.Errorf("<%s %s=%q> leads to nothing", n.Data, key, id)
				}
			}
		}
		checkName(t, n, labelled)
	}
}

func checkName(t *testing.T, n *html.Node, labelled map[string]bool) {
	t.Helper()
	named := attr(n, "aria-label") != "" || attr(n, "aria-labelledby") != ""
	switch n.Data {
	case "input", "textarea", "select":
		if attr(n, "type") == "hidden" || named || labelled[attr(n, "id")] || n.Parent.Data == "label" {
			return
		}
		t.Errorf("the field %q has no label", attr(n, "name"))
	case "button", "a", "summary":
		if !named && strings.TrimSpace(textOf(n)) == "" && !inTemplate(n) {
			t.Errorf("a <%s class=%q> has no name", n.Data, attr(n, "class"))
		}
	}
}

func checkPage(t *testing.T, root *html.Node) {
	t.Helper()
	found := map[string]int{}
	for n := range root.Descendants() {
		if !inTemplate(n) && n.Type == html.ElementNode {
			found[n.Data]++
		}
	}
	for _, name := range []string{"main", "h1", "title"} {
		if found[name] != 1 {
			t.Errorf("the page has %d <%s>", found[name], name)
		}
	}
}

func inTemplate(n *html.Node) bool {
	for a := range n.Ancestors() {
		if a.Data == "template" {
			return true
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := range n.ChildNodes() {
		b.WriteString(textOf(c))
	}
	return b.String()
}
