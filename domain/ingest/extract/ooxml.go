package extract

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// maxDepth bounds how deep elements may nest: what reads them recurses.
const maxDepth = 256

// archive is an Office file: parts in a zip, which may unpack to maxUnzip bytes together.
type archive struct {
	files    map[string]*zip.File
	left     uint64
	spent    int   // on its tables, see grid
	damaged  bool  // a part beside the text is
	tooLarge error // what a part beside the text unpacks to
}

func openArchive(data []byte) (*archive, error) {
	zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("zip: %w", err)
	}
	a := &archive{files: make(map[string]*zip.File, len(zr.File)), left: maxUnzip}
	for _, f := range zr.File {
		name := strings.TrimPrefix(strings.ReplaceAll(f.Name, `\`, "/"), "/")
		if _, ok := a.files[name]; !ok {
			a.files[name] = f
		}
	}
	return a, nil
}

// part calls read with a decoder of the named part; a part that does not exist is skipped. Entities that a document
// type declares are not resolved: there is nothing in the decoder that could open or expand one.
func (a *archive) part(name string, read func(*xmlReader) error) error {
	if a.files[name] == nil {
		return nil
	}
	r, err := a.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	in := bufio.NewReader(r)
	if mark, _ := in.Peek(2); string(mark) == "\xff\xfe" || string(mark) == "\xfe\xff" {
		data, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Base(name), err)
		}
		in = bufio.NewReader(strings.NewReader(decode(data, true)))
	}
	dec := xml.NewDecoder(in)
	dec.Strict = false
	dec.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		data, err := io.ReadAll(in)
		return strings.NewReader(decode(data, true)), err
	}
	if err := read(&xmlReader{dec: dec}); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", path.Base(name), err)
	}
	return nil
}

// read returns a part. With an error that is no *Error it returns what comes before the damage.
func (a *archive) read(name string) ([]byte, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// open opens a part, whose size then counts as unpacked: reading ends with an error where it is longer than it claims.
func (a *archive) open(name string) (io.ReadCloser, error) {
	f := a.files[name]
	if f == nil {
		return nil, errors.New("no part " + path.Base(name))
	}
	if f.UncompressedSize64 > a.left {
		return nil, &Error{Reason: ReasonTooLarge, Detail: "unpacks to more than the limit"}
	}
	a.left -= f.UncompressedSize64
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path.Base(name), err)
	}
	return r, nil
}

// side takes note of what went wrong in a part beside the text: damage there is no reason to refuse the text.
func (a *archive) side(err error) {
	if refusal(err) != nil {
		a.tooLarge = err
	} else if err != nil {
		a.damaged = true
	}
}

// main returns the name of the main part, or the usual one where none is declared.
func (a *archive) main(usual string) string {
	_, roots, err := a.relations("")
	a.side(err)
	if name := roots["officeDocument"]; a.files[name] != nil {
		return name
	}
	return usual
}

// relations returns the targets of a part's relationships by id, and those of a kind by the last word of their type.
func (a *archive) relations(part string) (byID, byKind map[string]string, err error) {
	byID, byKind = map[string]string{}, map[string]string{}
	dir, base := path.Split(part)
	err = a.part(dir+"_rels/"+base+".rels", func(x *xmlReader) error {
		return x.each(func(xml.StartElement) error {
			return x.each(func(e xml.StartElement) error {
				target := attrOf(e, "Target")
				if attrOf(e, "TargetMode") != "External" {
					target = resolvePart(dir, target)
				}
				byID[attrOf(e, "Id")] = target
				byKind[path.Base(attrOf(e, "Type"))] = target
				return x.skip()
			})
		})
	})
	return byID, byKind, err
}

func resolvePart(dir, target string) string {
	if absolute, ok := strings.CutPrefix(target, "/"); ok {
		return absolute
	}
	return path.Join(dir, target)
}

// xmlReader walks a part element by element, knowing how deep it is.
type xmlReader struct {
	dec   *xml.Decoder
	depth int
	text  func(string) // told the character data of the element being walked; may be nil
}

// each calls do for every child element of the current element, up to its end; do must consume the child, by calling
// each, skip or content.
func (x *xmlReader) each(do func(xml.StartElement) error) error {
	if x.depth++; x.depth > maxDepth {
		return errors.New("elements nested too deep")
	}
	defer func() { x.depth-- }()
	for {
		tok, err := x.dec.Token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := do(t); err != nil {
				return err
			}
		case xml.CharData:
			if x.text != nil {
				x.text(string(t))
			}
		case xml.EndElement:
			return nil
		}
	}
}

// skip passes over the rest of the current element, however deep it is.
func (x *xmlReader) skip() error {
	for depth := 1; depth > 0; {
		tok, err := x.dec.Token()
		if err != nil {
			return err
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// eachWith is each with another receiver of character data, which may be nil.
func (x *xmlReader) eachWith(text func(string), do func(xml.StartElement) error) error {
	saved := x.text
	x.text = text
	defer func() { x.text = saved }()
	return x.each(do)
}

// content returns the character data of the current element, up to its end.
func (x *xmlReader) content() (string, error) {
	var b strings.Builder
	err := x.eachWith(func(s string) { b.WriteString(s) }, func(xml.StartElement) error { return x.skip() })
	return b.String(), err
}

// attrOf returns the attribute of that local name: names are unique enough, and Strict files use other namespaces.
func attrOf(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// idOf returns the relationship an element refers to. Its own id, where it has one, is in no namespace.
func idOf(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

var (
	pictureFile = regexp.MustCompile(`(?i)\.(?:png|jpe?g|gif|bmp|tiff?|svg|[ew]mf|webp|heic)\s*$`)
	guessedText = regexp.MustCompile(`(?i)automatically generated|AI-generated|automatisch ge(?:neriert|genereerd)|KI-generiert|` +
		`générée? (?:automatiquement|par l.IA)|generad[oa] (?:automáticamente|por IA)|generat[oa] (?:automaticamente|dall.IA)`)
)

// altText returns what a person wrote to stand for a picture. Programs put a file's name there, or their guess.
func altText(s string) string {
	if pictureFile.MatchString(s) || guessedText.MatchString(s) {
		return ""
	}
	return strings.TrimSpace(s)
}

// textRuns is the text of a paragraph in pieces that lead to one address each, or to none. Programs cut a link in many.
type textRuns []textRun

type textRun struct {
	text    []byte
	address string
}

func (t *textRuns) add(s, address string) {
	if last := len(*t) - 1; last < 0 || (*t)[last].address != address {
		*t = append(*t, textRun{address: address})
	}
	run := &(*t)[len(*t)-1]
	run.text = append(run.text, s...)
}

func (t textRuns) text() string {
	var b strings.Builder
	for _, run := range t {
		if run.address == "" {
			b.Write(run.text)
		} else {
			b.WriteString(link(string(run.text), run.address))
		}
	}
	return b.String()
}
