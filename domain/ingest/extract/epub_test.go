package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	epubContainer = `<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>`
	epubMetadata  = `<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title> The rider's book </dc:title><dc:title>Second</dc:title></metadata>`
)

// epubOf makes a book of parts below OEBPS/, which are read in this order unless they bring a package document of their own.
func epubOf(t testing.TB, parts ...string) string {
	t.Helper()
	all := []string{"mimetype", "application/epub+zip", "META-INF/container.xml", epubContainer}
	manifest, spine, own := "", "", false
	for i := 0; i < len(parts); i += 2 {
		name := parts[i]
		own = own || name == "book.opf"
		if strings.HasPrefix(name, "/") {
			all = append(all, name[1:], parts[i+1])
			continue
		}
		properties, mediaType := "", "application/xhtml+xml"
		if name == "nav.xhtml" {
			properties = ` properties="nav"`
		}
		if name == "toc.ncx" {
			mediaType = "application/x-dtbncx+xml"
		} else {
			spine += `<itemref idref="` + name + `"/>`
		}
		manifest += `<item id="` + name + `" href="` + name + `" media-type="` + mediaType + `"` + properties + `/>`
		if parts[i+1] != "" {
			all = append(all, "OEBPS/"+name, parts[i+1])
		}
	}
	if !own {
		all = append(all, "OEBPS/book.opf", `<package>`+epubMetadata+`<manifest>`+manifest+`</manifest><spine>`+spine+`</spine></package>`)
	}
	return zipOf(t, all...)
}

func TestEPUB(t *testing.T) {
	nav := `<html xmlns:epub="x"><body><nav epub:type="toc"><h1>Contents</h1><ol><li><a href="a.xhtml">First</a><li><a href="b%20b.xhtml#x">Second</a></ol></nav></body></html>`
	ncx := `<ncx><navMap><navPoint><navLabel><text>Part one</text></navLabel><content src="a.xhtml#p1"/><navPoint><navLabel><text>Inner</text></navLabel><content src="b%20b.xhtml"/></navPoint></navPoint></navMap></ncx>`
	testReader(t, "a.epub", []readTest{
		{"chapters in order", epubOf(t, "b.xhtml", "<h1>Two</h1><p>b", "a.xhtml", "<h1>One</h1><p>a"),
			[]string{"heading1: Two", "paragraph: b", "heading1: One", "paragraph: a"}},
		{"links", epubOf(t, "a.xhtml", `<p>See <a href="b.xhtml#n1">note 1</a>, more<a xmlns:epub="x" epub:type="noteref" href="#2">2</a> and <a href="https://a.example/x">this</a>. <img alt="The map" src="m.png"/></p>`),
			[]string{"paragraph: See note 1, more 2 and [this](https://a.example/x). The map"}},
		{"all of it is content", epubOf(t, "a.xhtml", `<header><p><a href="1">a</a> <a href="2">b</a> <a href="3">c</a> <a href="4">d</a></p></header><aside class="sidebar">Note</aside>`),
			[]string{"paragraph: a b c d", "paragraph: Note"}},
		{"tags that XML closes", epubOf(t, "a.xhtml", `<html><head><title/><script src="x"/></head><body><p><a id="p1"/>One<i/> two<br/>three</p><p/>Four<![CDATA[ <5> ]]></body></html>`),
			[]string{"paragraph: One two\nthree", "paragraph: Four <5>"}},
		{"printed page numbers and readings", epubOf(t, "a.xhtml", `<p xmlns:epub="x">one <span epub:type="pagebreak">12</span>two <ruby>漢<rt>かん</rt></ruby></p>`),
			[]string{"paragraph: one two 漢"}},
		{"contents are not read", epubOf(t, "nav.xhtml", nav, "a.xhtml", "<h1>First</h1><p>x"), []string{"heading1: First", "paragraph: x"}},
		{"contents on a page with more", epubOf(t, "nav.xhtml", nav+"<p>Preface</p>"), []string{"paragraph: Preface"}},
		{"headings from the contents", epubOf(t, "nav.xhtml", nav, "a.xhtml", "<p>x", "b b.xhtml", "<p>Second</p><p>y"),
			[]string{"heading1: First", "paragraph: x", "heading1: Second", "paragraph: y"}},
		{"headings from the old kind of contents", epubOf(t, "toc.ncx", ncx, "a.xhtml", "<p>x", "b b.xhtml", "<h2>Own</h2><p>y"),
			[]string{"heading2: Part one", "paragraph: x", "heading2: Own", "paragraph: y"}},
		{"named twice", epubOf(t, "a.xhtml", "<p>x", "book.opf", `<package><manifest><item id="1" href="a.xhtml" media-type="text/html"/><item id="2" href="./a.xhtml"/></manifest><spine><itemref idref="1"/><itemref idref="2"/></spine></package>`),
			[]string{"paragraph: x"}},
		{"fonts kept from copying", epubOf(t, "a.xhtml", "<p>x", "/META-INF/encryption.xml", encryption("http://www.idpf.org/2008/embedding", "OEBPS/f")), []string{"paragraph: x"}},
		{"fonts that are locked", epubOf(t, "a.xhtml", "<p>x", "/META-INF/encryption.xml", encryption("aes", "OEBPS/f.otf")), []string{"paragraph: x"}},
		{"no container", zipOf(t, "mimetype", "application/epub+zip", "b/c.opf", `<package><manifest><item id="1" href="a.xhtml"/></manifest><spine><itemref idref="1"/></spine></package>`, "b/a.xhtml", "<p>x"),
			[]string{"paragraph: x"}},
		{"charset", epubOf(t, "a.xhtml", "<?xml version=\"1.0\" encoding=\"windows-1251\"?><html><p>\xcf\xee\xf0\xf2"), []string{"paragraph: Порт"}},
	})
	if doc := extractString(t, epubOf(t, "a.xhtml", "<h1>x</h1>"), "a"); doc.Title != "The rider's book" || doc.Pages != 0 {
		t.Errorf("title %q, %d pages", doc.Title, doc.Pages)
	}
}

func encryption(method, file string) string {
	return `<encryption><EncryptedData><KeyInfo><EncryptedKey><EncryptionMethod Algorithm="rsa"/></EncryptedKey></KeyInfo><EncryptionMethod Algorithm="` + method +
		`"/><CipherData><CipherReference URI="` + file + `"/></CipherData></EncryptedData></encryption>`
}

func TestEPUBDamaged(t *testing.T) {
	damaged := epubOf(t, "a.xhtml", "<p>kept", "b.xhtml", strings.Repeat("<p>lost</p>", 99), "c.xhtml", "")
	at := strings.Index(damaged, "OEBPS/b.xhtml") + len("OEBPS/b.xhtml") + 6
	damaged = damaged[:at] + "\xff\xff\xff" + damaged[at+3:]
	doc := extractString(t, damaged, "a.epub")
	want := []string{"1 part of the book is missing.", "1 part of the book is damaged. Text of it may be missing."}
	if diff := cmp.Diff(want, doc.Notes); diff != "" || doc.Blocks[0].Text != "kept" {
		t.Errorf("%s %q", diff, outline(doc))
	}
	for _, tt := range []struct {
		name, in string
		want     Reason
	}{
		{"locked", epubOf(t, "a.xhtml", "<p>x", "/META-INF/encryption.xml", encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "a.xhtml")), ReasonEncrypted},
		{"nothing to read", epubOf(t, "a.xhtml", "<p> "), ReasonEmpty},
		{"no package document", zipOf(t, "mimetype", "application/epub+zip"), ReasonCorrupt},
	} {
		if got := reasonFor(t, tt.in, "a.epub"); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func FuzzEPUB(f *testing.F) {
	f.Add(`<package>`+epubMetadata+`<manifest><item id="1" href="a.xhtml"/><item id="n" href="nav.xhtml" properties="nav"/></manifest><spine><itemref idref="1"/></spine></package>`,
		`<html><head><title/></head><p>x<![CDATA[y]]>`, `<nav epub:type="toc"><a href="a.xhtml#b">c</a></nav>`)
	f.Fuzz(func(t *testing.T, opf, chapter, nav string) {
		doc, err := readEPUB([]byte(epubOf(t, "book.opf", opf, "a.xhtml", chapter, "nav.xhtml", nav, "toc.ncx", nav)))
		if err == nil && doc.finish() == nil {
			sound(t, doc)
		}
	})
}
