// Package extract turns the bytes of an uploaded file into structured text: headings, paragraphs,
// list items, tables and code in reading order, each with the page it stands on.
//
// It decides what a file is by its content, reads PDF (PDFium in WebAssembly), DOCX, PPTX, XLSX, ODT, ODS,
// ODP, EPUB, RTF, HTML, e-mail, CSV, Markdown and plain text, takes ZIPs apart, and says in plain words why it
// cannot read the rest. All text it returns is valid UTF-8 in NFC without control characters, so it can be
// stored as it is.
//
// It opens no file and no connection and starts no program, and it trusts nothing in its input; but a parser can still run out
// of memory or overflow its stack, which Go cannot recover from. Whoever reads files from strangers
// calls it through package reader, in a child process with limits. Only Detect is safe and cheap enough
// for a server to call itself.
package extract

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Format is a kind of file that can be read.
type Format string

// The formats that can be read.
const (
	PDF      Format = "pdf"
	DOCX     Format = "docx"
	PPTX     Format = "pptx"
	XLSX     Format = "xlsx"
	ODT      Format = "odt"
	ODS      Format = "ods"
	ODP      Format = "odp"
	EPUB     Format = "epub"
	RTF      Format = "rtf"
	HTML     Format = "html"
	EML      Format = "eml"
	Markdown Format = "markdown"
	Text     Format = "text"
	CSV      Format = "csv"

	// ZIP is several files in one: Detect names it, Unzip takes it apart, Extract refuses it.
	ZIP Format = "zip"
)

// Limits on one file. What exceeds them is refused with ReasonTooLarge or ReasonTooManyPages.
const (
	MaxPages = 3000     // pages of a PDF, slides of a presentation
	maxText  = 32 << 20 // bytes of text taken out of one file
	maxUnzip = 96 << 20 // bytes unpacked from one archive, all parts together
	maxCells = 4 << 20  // of a table, the empty ones too

	maxHeading = 600 // bytes; what is longer is a paragraph that somebody made large
)

// Kind says what a Block is.
type Kind string

// The kinds of blocks.
const (
	Heading   Kind = "heading"
	Paragraph Kind = "paragraph"
	ListItem  Kind = "list_item"
	Table     Kind = "table"
	Code      Kind = "code"
	Quote     Kind = "quote"
)

// Document is the text of a file in reading order.
type Document struct {
	Format Format
	Title  string   // from the file's own metadata or its first heading; may be empty
	Pages  int      // also slides of a presentation and sheets of a workbook; 0 when the format has none
	Blocks []Block  // never empty
	Notes  []string // what a person should know, e.g. "Pages 3–5 hold pictures only."
}

// Block is one paragraph, heading, list item, table, quotation or piece of code.
//
// Text may hold line ends, and links as [text](url); it is not escaped Markdown beyond that.
type Block struct {
	Kind   Kind
	Level  int    // heading: 1–6; list item: depth from 1
	Marker string // list item: "1.", "b)", … ; empty means a bullet
	Text   string // empty for a table
	Header []string
	Rows   [][]string // of a table; every row is as long as Header
	Page   int        // 1-based; the slide or sheet; 0 when the format has none
	Boxes  []Box      // of a PDF: where its lines stand, in the order of the text
	// Furniture marks what surrounds the content and is repeated elsewhere: site menus, running heads,
	// page numbers. It is shown to a person and left out of chunks.
	Furniture bool
}

// Box is where a line of a block stands on its page: shares of the page's width and height, from the top left as the page is
// shown.
type Box struct {
	X0, Y0, X1, Y1 float32
	Runes          int // of the block's text that stand in it, near enough to find a sentence by
}

// Options say how a file is read. The zero value reads it without telling anybody, and leaves out pictures of pages.
type Options struct {
	Progress func(done, total int) // is told how many of how many pages were read

	// Recognize reads the text in a picture of a page, which it gets as a portable graymap (PGM) of Resolution dots per inch,
	// and returns it as hOCR. Several calls may run at the same time. Recognizing is told before how many there will be.
	Recognize   func(ctx context.Context, pgm []byte) (hocr []byte, err error)
	Recognizing func(pages int)
}

// Extract reads data in this process. The name only breaks ties between text formats. progress, which may
// be nil, is told how many of how many pages were read. The error is always an *Error.
func Extract(ctx context.Context, data []byte, name string, progress func(done, total int)) (*Document, error) {
	return Options{Progress: progress}.Extract(ctx, data, name)
}

// Extract is the function Extract with all options.
func (o Options) Extract(ctx context.Context, data []byte, name string) (*Document, error) {
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	if o.Recognizing == nil {
		o.Recognizing = func(int) {}
	}
	format, err := Detect(bytes.NewReader(data), int64(len(data)), name)
	if err != nil {
		return nil, err
	}
	doc, err := read(ctx, format, data, o)
	if err != nil {
		return nil, asError(err)
	}
	doc.Format = format
	if err := doc.finish(); err != nil {
		return nil, err
	}
	return doc, nil
}

func read(ctx context.Context, format Format, data []byte, o Options) (*Document, error) {
	switch format {
	case PDF:
		return readPDF(ctx, data, o)
	case DOCX:
		return readDOCX(data)
	case PPTX:
		return readPPTX(data, o.Progress)
	case XLSX:
		return readXLSX(data, o.Progress)
	case ODT, ODS, ODP:
		return readODF(format, data)
	case EPUB:
		return readEPUB(data)
	case RTF:
		return readRTF(data)
	case EML:
		return readEML(data)
	case HTML:
		return readHTML(data)
	case Markdown:
		return readMarkdown(data)
	case CSV:
		return readCSV(data)
	case Text:
		return readText(data)
	}
	return nil, &Error{Reason: ReasonUnsupported, Detail: fmt.Sprintf("no reader for %q", format)}
}

// finish cleans the text of every block, drops the empty ones, and refuses a document without text.
func (d *Document) finish() error {
	kept := d.Blocks[:0]
	size := 0
	for _, b := range d.Blocks {
		if b.width()*len(b.Rows) > maxCells || b.size() > 4*maxText {
			return &Error{Reason: ReasonTooLarge, Page: b.Page, Detail: "table of more cells, or block of more text, than the limit"}
		}
		b.clean()
		n := b.size()
		if n == 0 {
			continue
		}
		if size += n; size > maxText {
			return &Error{Reason: ReasonTooLarge, Page: b.Page, Detail: "more text than the limit"}
		}
		kept = append(kept, b)
	}
	d.Blocks = kept
	if len(kept) == 0 {
		return &Error{Reason: ReasonEmpty, Detail: "no text in the file"}
	}
	d.Title = firstLine(cleanText(d.Title))
	sheets := d.Format == XLSX || d.Format == ODS // whose headings are names such as "Sheet1"
	for i := 0; d.Title == "" && !sheets && i < len(kept); i++ {
		if kept[i].Kind == Heading && !kept[i].Furniture {
			d.Title = firstLine(kept[i].Text)
		}
	}
	return nil
}

func (b *Block) clean() {
	if b.Kind == Code {
		b.Text = strings.Trim(cleanCode(b.Text), "\n")
	} else {
		b.Text = cleanText(b.Text)
	}
	if b.Kind == Heading && len(b.Text) > maxHeading {
		b.Kind, b.Level = Paragraph, 0
	}
	if b.Kind == Heading {
		b.Text = strings.ReplaceAll(b.Text, "\n", " ")
		b.Level = min(max(b.Level, 1), 6)
	}
	if b.Kind == ListItem {
		b.Level = min(max(b.Level, 1), 9)
	}
	if b.Kind != Table {
		return
	}
	width := b.width()
	b.Header = cleanRow(b.Header, width)
	rows := b.Rows[:0]
	for _, row := range b.Rows {
		if row = cleanRow(row, width); rowSize(row) > 0 {
			rows = append(rows, row)
		}
	}
	b.Rows = rows
}

// width is how many columns a table has.
func (b *Block) width() int {
	n := len(b.Header)
	for _, row := range b.Rows {
		n = max(n, len(row))
	}
	return n
}

func cleanRow(row []string, width int) []string {
	for i, cell := range row {
		row[i] = strings.ReplaceAll(cleanText(cell), "\n", " ")
	}
	for len(row) < width {
		row = append(row, "")
	}
	return row
}

func (b *Block) size() int {
	n := len(b.Text) + rowSize(b.Header)
	for _, row := range b.Rows {
		n += rowSize(row)
	}
	return n
}

func rowSize(row []string) int {
	n := 0
	for _, cell := range row {
		n += len(cell)
	}
	return n
}

// firstLine returns the first line of s, cut to a length that fits a title.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) <= 300 {
		return s
	}
	cut := 300
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
