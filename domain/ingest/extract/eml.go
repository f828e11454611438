package extract

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Bounds of a message.
const (
	maxMailDepth   = 20 // of parts within parts, and of messages within messages
	maxMailParts   = 500
	maxAttachments = 50 // that are named
)

// readEML reads an e-mail (RFC 5322 and MIME): who wrote to whom, the text, messages that were forwarded with it, and the names of
// what is attached. It takes messages apart itself, as those of real mailboxes break the rules that the standard library
// insists on, and as github.com/jhillyerd/enmime reads parts within parts without a bound.
func readEML(data []byte) (*Document, error) {
	r := &mailReader{}
	m := r.message(data, 0)
	if !m.hasText && r.locked {
		return nil, &Error{Reason: ReasonEncrypted, What: "encryption (S/MIME or PGP)", Detail: "encrypted message"}
	}
	if len(m.blocks) == 0 {
		return nil, errors.New("no fields and no text")
	}
	doc := &Document{Title: m.subject, Blocks: m.blocks}
	if len(r.names) > 0 {
		names := strings.Join(r.names, ", ")
		if more := r.attached - len(r.names); more > 0 {
			names += fmt.Sprintf(" and %s more", thousands(more))
		}
		doc.Blocks = append(doc.Blocks, Block{Kind: Paragraph, Text: "Attachments: " + names})
	}
	if r.attached > 0 {
		doc.Notes = append(doc.Notes, counted(r.attached, "attachment was not read; upload it as a file of its own.", "attachments were not read; upload them as files of their own."))
	}
	if r.parts > maxMailParts || r.tooDeep {
		doc.Notes = append(doc.Notes, "It holds too many messages or parts within each other. Not all of them were read.")
	}
	return doc, nil
}

// mailReader is what is known of a message and all messages within it.
type mailReader struct {
	level    int // of the heading of the message being read
	parts    int
	tooDeep  bool
	locked   bool
	attached int
	names    []string // of what is attached
}

// mailMessage is a message that was read.
type mailMessage struct {
	subject string
	blocks  []Block
	hasText bool // beside its fields
}

// message reads a message, or one that was forwarded within it.
func (r *mailReader) message(data []byte, depth int) mailMessage {
	h, body := cutHeader(data)
	outer := r.level
	r.level = min(outer+1, 2)
	defer func() { r.level = outer }()
	m := mailMessage{subject: cleanText(decodeWords(h["subject"]))}
	head := m.subject
	if r.level > 1 {
		head = strings.TrimSuffix("Forwarded message: "+head, ": ")
	}
	if head != "" {
		m.blocks = append(m.blocks, Block{Kind: Heading, Level: r.level, Text: head})
	}
	var fields []string
	for _, name := range []string{"From", "To", "Cc", "Date"} {
		value := strings.ReplaceAll(decodeWords(h[strings.ToLower(name)]), `"`, "")
		if value = cleanText(value); value != "" {
			fields = append(fields, name+": "+value)
		}
	}
	if len(fields) > 0 {
		m.blocks = append(m.blocks, Block{Kind: Paragraph, Text: strings.Join(fields, "\n")})
	}
	text := r.part(mailPart{h, body}, depth, true)
	m.hasText = len(text) > 0
	m.blocks = append(m.blocks, text...)
	return m
}

// text puts blocks below the heading of their message. What is forwarded is quoted.
func (r *mailReader) text(blocks []Block) []Block {
	for i := range blocks {
		switch {
		case blocks[i].Kind == Heading:
			blocks[i].Level += r.level
		case blocks[i].Kind == Paragraph && r.level > 1:
			blocks[i].Kind = Quote
		}
	}
	return blocks
}

// part reads a part of a message. The whole of one is text unless it says otherwise, whatever it is named.
func (r *mailReader) part(p mailPart, depth int, whole bool) []Block {
	if r.parts++; r.parts > maxMailParts {
		return nil
	}
	if depth > maxMailDepth {
		r.tooDeep = true
		return nil
	}
	kind, params := p.mediaType()
	family, _, _ := strings.Cut(kind, "/")
	disposition, _ := p.disposition()
	switch {
	case family == "multipart":
		return r.multipart(p, kind, params, depth)
	case kind == "message/rfc822" || kind == "message/global":
		return r.message(p.decoded(), depth+1).blocks
	case strings.HasSuffix(kind, "pkcs7-mime") && params["smime-type"] != "signed-data", kind == "application/pgp-encrypted":
		r.locked = true
		return nil
	case !whole && (disposition == "attachment" || p.filename() != ""):
	case kind == "text/html" || kind == "application/xhtml+xml":
		return r.text(mailHTML(decodeMail(p.decoded(), params["charset"], true)))
	case kind == "text/css", kind == "text/javascript": // of a page saved whole
		return nil
	case kind == "text/calendar", strings.HasSuffix(kind, "vcard"), kind == "text/rtf":
	case family == "text":
		return r.text(mailText(decodeMail(p.decoded(), params["charset"], false), params["format"] == "flowed"))
	}
	r.attach(p, kind, disposition)
	return nil
}

func (r *mailReader) multipart(p mailPart, kind string, params map[string]string, depth int) []Block {
	parts := splitParts(p.decoded(), params["boundary"])
	if len(parts) == 0 {
		return r.text(mailText(decodeMail(p.decoded(), params["charset"], false), false))
	}
	switch kind {
	case "multipart/alternative":
		return r.alternative(parts, depth)
	case "multipart/encrypted":
		r.locked = true
		return nil
	case "multipart/digest":
		for i := range parts {
			if parts[i].header["content-type"] == "" {
				parts[i].header["content-type"] = "message/rfc822"
			}
		}
	}
	var blocks []Block
	for _, part := range parts {
		blocks = append(blocks, r.part(part, depth+1, false)...)
	}
	return blocks
}

// alternative chooses between forms of the same text. The plain one is what somebody wrote, without the dress of a newsletter;
// but some programs put nothing there but a line that asks for another program.
func (r *mailReader) alternative(parts []mailPart, depth int) []Block {
	var plain, rich []Block
	for _, p := range parts {
		kind, _ := p.mediaType()
		blocks := r.part(p, depth+1, false)
		if kind == "text/plain" {
			plain = append(plain, blocks...)
		} else if len(blocks) > 0 {
			rich = blocks
		}
	}
	if len(plain) == 0 || textSize(plain)*2 < textSize(rich) {
		return rich
	}
	return plain
}

var address = regexp.MustCompile(`\]\([^()\s]*\)|https?://[^\s<>]*`)

// textSize counts letters and digits, without addresses.
func textSize(blocks []Block) int {
	n := 0
	count := func(s string) {
		for _, r := range address.ReplaceAllString(s, "") {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				n++
			}
		}
	}
	for _, b := range blocks {
		count(b.Text)
		for _, row := range append([][]string{b.Header}, b.Rows...) {
			for _, cell := range row {
				count(cell)
			}
		}
	}
	return n
}

// attach takes note of a part that is not read: not of signatures, and not of pictures that are part of the text.
func (r *mailReader) attach(p mailPart, kind, disposition string) {
	name := p.filename()
	switch {
	case strings.HasSuffix(kind, "-signature"), name == "smime.p7s":
		return
	case strings.HasPrefix(kind, "image/") && disposition != "attachment" && (name == "" || p.header["content-id"] != ""):
		return
	case kind == "message/delivery-status", kind == "message/disposition-notification", kind == "text/rfc822-headers":
		return
	}
	r.attached++
	if name == "" {
		name = "unnamed (" + kind + ")"
	}
	if len(r.names) < maxAttachments {
		r.names = append(r.names, name)
	}
}

func mailHTML(text string) []Block {
	blocks, err := readContent(text)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(blocks, func(b Block) bool { return b.Kind != Table && cleanText(b.Text) == "" })
}

// mailText reads plain text: lines that begin with ">" are quoted from another message.
func mailText(text string, flowed bool) []Block {
	text = unixLines(text)
	if flowed {
		text = unflow(text)
	}
	var blocks []Block
	lines := strings.Split(text, "\n")
	for start, i := 0, 1; i <= len(lines); i++ {
		quoted := strings.HasPrefix(lines[start], ">")
		if i < len(lines) && strings.HasPrefix(lines[i], ">") == quoted {
			continue
		}
		if quoted {
			for j := start; j < i; j++ {
				lines[j] = strings.TrimLeft(lines[j], "> ")
			}
		}
		blocks = append(blocks, mailParagraphs(strings.Join(lines[start:i], "\n"), quoted)...)
		start = i
	}
	return blocks
}

func mailParagraphs(text string, quoted bool) []Block {
	var blocks []Block
	for len(text) > 0 {
		var para string
		para, text = cutParagraph(text)
		para = strings.Trim(strings.TrimPrefix(para, "-- \n"), "\n") // without what separates a signature
		switch {
		case strings.Trim(para, " \t") == "" || strings.TrimSpace(para) == "--":
		case quoted:
			blocks = append(blocks, Block{Kind: Quote, Text: para})
		case isCapitals(para) && !strings.Contains(para, "\n"): // somebody shouts
			blocks = append(blocks, Block{Kind: Paragraph, Text: para})
		default:
			blocks = append(blocks, textBlocks(para)...)
		}
	}
	return blocks
}

// unflow joins the lines that a mail program broke (RFC 3676): those that end in a blank, and whose next is quoted as deep.
func unflow(text string) string {
	var b strings.Builder
	open, before := false, 0
	for line := range strings.SplitSeq(text, "\n") {
		content := strings.TrimLeft(line, ">")
		depth := len(line) - len(content)
		content = strings.TrimPrefix(content, " ")
		if open && depth == before && content != "-- " {
			b.WriteString(content)
		} else {
			b.WriteString("\n" + line)
		}
		open, before = strings.HasSuffix(line, " ") && content != "-- ", depth
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// filename returns the name that a part has as a file, or "".
func (p mailPart) filename() string {
	_, params := p.disposition()
	name := params["filename"]
	if name == "" {
		_, params = p.mediaType()
		name = params["name"]
	}
	name = cleanText(decodeWords(name))
	if name == "" {
		return ""
	}
	return firstLine(path.Base(strings.ReplaceAll(name, `\`, "/")))
}
