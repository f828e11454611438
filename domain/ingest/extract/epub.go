package extract

import (
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// readEPUB reads a book (EPUB 2 and 3): its chapters in the order of reading, without its table of contents.
func readEPUB(data []byte) (*Document, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	r := &epubReader{archive: a, items: map[string]epubItem{}, taken: map[string]bool{}}
	if err := r.refuseLocked(); err != nil {
		return nil, err
	}
	if err := r.readPackage(); err != nil {
		return nil, err
	}
	doc := &Document{Title: r.title}
	for _, id := range r.spine {
		blocks, err := r.chapter(r.items[id])
		if err != nil {
			return nil, err
		}
		doc.Blocks = append(doc.Blocks, blocks...)
	}
	level := r.chapterLevel()
	for i, b := range doc.Blocks {
		if b.Kind == Heading && b.Level == 0 {
			doc.Blocks[i].Level = level
		}
	}
	doc.Notes = r.notes()
	return doc, nil
}

type epubReader struct {
	*archive
	dir     string // of the package document
	title   string
	items   map[string]epubItem // by id
	spine   []string            // ids in the order of reading
	taken   map[string]bool     // names of parts that were read
	nav     string              // the tables of contents of EPUB 3 and 2
	ncx     string
	labels  map[string]string // of parts by name, from a table of contents; nil until it is needed
	levels  [7]int            // how often a chapter's first heading has that level
	missing int               // parts that are named and not there
	broken  int               // parts that are damaged
}

type epubItem struct{ name, mediaType string }

// fontMethods are not encryption: they keep a font from being copied out of the book.
var fontMethods = []string{"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}

var fontFile = regexp.MustCompile(`(?i)\.(?:ttf|otf|ttc|woff2?)$`)

// refuseLocked returns an error for a book whose text is encrypted.
func (r *epubReader) refuseLocked() error {
	locked := false
	err := r.part("META-INF/encryption.xml", func(x *xmlReader) error {
		return x.each(func(xml.StartElement) error {
			return x.each(func(xml.StartElement) error { // EncryptedData
				method, file := "", ""
				err := x.each(func(e xml.StartElement) error {
					switch e.Name.Local {
					case "EncryptionMethod":
						method = attrOf(e, "Algorithm")
					case "CipherData":
						return x.each(func(e xml.StartElement) error {
							file = attrOf(e, "URI")
							return x.skip()
						})
					}
					return x.skip()
				})
				locked = locked || method != "" && !slices.Contains(fontMethods, method) && !fontFile.MatchString(file)
				return err
			})
		})
	})
	if e := refusal(err); e != nil {
		return e
	}
	if locked {
		return &Error{Reason: ReasonEncrypted, What: "copy protection (DRM)", Detail: "encrypted parts in encryption.xml"}
	}
	return nil
}

// readPackage finds the package document, and reads what the book consists of.
func (r *epubReader) readPackage() error {
	name := ""
	err := r.part("META-INF/container.xml", func(x *xmlReader) error {
		return x.each(func(xml.StartElement) error {
			return x.each(func(xml.StartElement) error {
				return x.each(func(e xml.StartElement) error {
					if name == "" && e.Name.Local == "rootfile" {
						name = r.find("", attrOf(e, "full-path"))
					}
					return x.skip()
				})
			})
		})
	})
	if e := refusal(err); e != nil {
		return e
	}
	if r.files[name] == nil {
		name = ""
		for _, other := range slices.Sorted(maps.Keys(r.files)) {
			if strings.HasSuffix(other, ".opf") {
				name = other
				break
			}
		}
	}
	if name == "" {
		return errors.New("no package document")
	}
	r.dir = path.Dir(name)
	return r.part(name, func(x *xmlReader) error {
		return x.each(func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error { return r.packageElement(x, e) })
		})
	})
}

// find returns the name of the part that a reference in a part of a directory means.
func (a *archive) find(dir, href string) string {
	href, _, _ = strings.Cut(href, "#")
	if href == "" {
		return ""
	}
	name := resolvePart(dir, href)
	if a.files[name] != nil {
		return name
	}
	if plain, err := url.PathUnescape(href); err == nil {
		return resolvePart(dir, plain)
	}
	return name
}

func (r *epubReader) packageElement(x *xmlReader, e xml.StartElement) error {
	switch e.Name.Local {
	case "metadata":
		return r.metadata(x)
	case "manifest":
		return x.each(func(e xml.StartElement) error {
			item := epubItem{r.find(r.dir, attrOf(e, "href")), attrOf(e, "media-type")}
			r.items[attrOf(e, "id")] = item
			if slices.Contains(strings.Fields(attrOf(e, "properties")), "nav") {
				r.nav = item.name
			}
			if item.mediaType == "application/x-dtbncx+xml" {
				r.ncx = item.name
			}
			return x.skip()
		})
	case "spine":
		return x.each(func(e xml.StartElement) error {
			r.spine = append(r.spine, attrOf(e, "idref"))
			return x.skip()
		})
	}
	return x.skip()
}

// metadata takes the first title. Books of the old kind wrap the titles once more.
func (r *epubReader) metadata(x *xmlReader) error {
	return x.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "title":
			title, err := x.content()
			if r.title == "" {
				r.title = strings.TrimSpace(title)
			}
			return err
		case "dc-metadata":
			return r.metadata(x)
		}
		return x.skip()
	})
}

// chapter reads a part of the book. One that is missing or damaged is counted; the rest of the book is worth reading.
func (r *epubReader) chapter(item epubItem) ([]Block, error) {
	if r.taken[item.name] && item.name != "" { // some books name a part twice
		return nil, nil
	}
	r.taken[item.name] = true
	if r.files[item.name] == nil {
		r.missing++
		return nil, nil
	}
	if !strings.Contains(item.mediaType, "html") && !strings.Contains(path.Ext(item.name), "htm") {
		return nil, nil
	}
	data, err := r.read(item.name)
	if e := refusal(err); e != nil {
		return nil, e
	}
	binary := isBinary(data, decode(data[:min(len(data), sniffLen)], true))
	if err != nil || binary {
		r.broken++
	}
	if len(data) == 0 || binary {
		return nil, nil
	}
	blocks, err := readContent(openTags(decode(data, true)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Base(item.name), err)
	}
	isText := func(b Block) bool { return b.Kind != Heading }
	if item.name == r.nav && !slices.ContainsFunc(blocks, isText) {
		return nil, nil // nothing but the table of contents, which was not read
	}
	return r.labelled(item.name, blocks)
}

var (
	closedTag = regexp.MustCompile(`<([A-Za-z][\w-]*)((?:\s[^<>]*)?)/>`)
	cdata     = regexp.MustCompile(`(?s)<!\[CDATA\[(.*?)\]\]>`)
)

// openTags writes <title/> as <title></title>. To XML they are the same; to HTML the first one is open, and all that follows is
// the title.
func openTags(text string) string {
	text = cdata.ReplaceAllStringFunc(text, func(m string) string {
		return html.EscapeString(m[len("<![CDATA[") : len(m)-len("]]>")])
	})
	return closedTag.ReplaceAllStringFunc(text, func(tag string) string {
		m := closedTag.FindStringSubmatch(tag)
		if isVoid(atom.Lookup([]byte(strings.ToLower(m[1])))) {
			return tag
		}
		return "<" + m[1] + m[2] + "></" + m[1] + ">"
	})
}

// chapterLevel returns the level of most chapters' headings.
func (r *epubReader) chapterLevel() int {
	most := 0
	for level, n := range r.levels {
		if n > r.levels[most] {
			most = level
		}
	}
	return max(most, 1)
}

// labelled gives a chapter without a heading the one that the table of contents has for it, of a level yet to be found out.
func (r *epubReader) labelled(name string, blocks []Block) ([]Block, error) {
	if i := slices.IndexFunc(blocks, func(b Block) bool { return b.Kind == Heading }); i >= 0 {
		r.levels[blocks[i].Level]++
		return blocks, nil
	}
	if len(blocks) == 0 {
		return nil, nil
	}
	if r.labels == nil {
		if err := r.readLabels(); err != nil {
			return nil, err
		}
	}
	label := cleanText(r.labels[name])
	if label == "" {
		return blocks, nil
	}
	head := Block{Kind: Heading, Text: label}
	if strings.EqualFold(cleanText(blocks[0].Text), label) {
		blocks[0] = head
		return blocks, nil
	}
	return append([]Block{head}, blocks...), nil
}

// readLabels reads the table of contents: for each part the first entry that leads to it.
func (r *epubReader) readLabels() error {
	r.labels = map[string]string{}
	err := r.part(r.ncx, func(x *xmlReader) error { return r.navPoints(x, path.Dir(r.ncx)) })
	if e := refusal(err); e != nil {
		return e
	}
	if len(r.labels) > 0 || r.files[r.nav] == nil {
		return nil
	}
	data, err := r.read(r.nav)
	if e := refusal(err); e != nil {
		return e
	}
	root, err := parseHTML(openTags(decode(data, true)))
	if err != nil {
		return nil // without labels
	}
	for n := range root.Descendants() {
		if n.DataAtom == atom.A {
			r.label(r.find(path.Dir(r.nav), attr(n, "href")), collapse(nodeText(n)))
		}
	}
	return nil
}

func (r *epubReader) label(name, text string) {
	if name != "" && r.labels[name] == "" {
		r.labels[name] = text
	}
}

// navPoints looks for entries at any depth. The label of an entry stands before its target.
func (r *epubReader) navPoints(x *xmlReader, dir string) error {
	text := ""
	return x.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "navLabel":
			return x.each(func(xml.StartElement) (err error) {
				text, err = x.content()
				return err
			})
		case "content":
			r.label(r.find(dir, attrOf(e, "src")), text)
		case "ncx", "navMap", "navPoint":
			return r.navPoints(x, dir)
		}
		return x.skip()
	})
}

func (r *epubReader) notes() []string {
	var notes []string
	if r.missing > 0 {
		notes = append(notes, counted(r.missing, "part of the book is missing.", "parts of the book are missing."))
	}
	if r.broken > 0 {
		notes = append(notes, counted(r.broken, "part of the book is damaged. Text of it may be missing.", "parts of the book are damaged. Text of them may be missing."))
	}
	return notes
}
