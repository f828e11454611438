package views

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"bitb/domain"
	"bitb/domain/document"
)

// ChunkAddress leads to a chunk wherever it is in its document: the inspector opens the page of the list that holds it.
func ChunkAddress(documentID, chunkID domain.ID) string {
	return "/documents/" + documentID.String() + "?chunk=" + chunkID.String() + "#chunk-" + chunkID.String()
}

// chunksAddress is the inspector as it is shown, with a page of the list.
func chunksAddress(v ChunksView, page int) string {
	return address(documentAddress(v.Document.ID), inspectorParams(v, page)...)
}

// inspectorParams are the parameters of the inspector but for the page of the original, as address takes them.
func inspectorParams(v ChunksView, page int) []string {
	as, zoom := "", ""
	if v.AsText {
		as = "text"
	}
	if v.Zoom > 0 {
		zoom = strconv.Itoa(v.Zoom)
	}
	return []string{"q", v.Chunks.Filter.Search, "only", v.Chunks.Filter.Only, "page", pageParam(page), "chunk", selectedID(v), "as", as, "zoom", zoom}
}

// sourceAddress is the inspector with the page of the original that is shown now.
func sourceAddress(v ChunksView) string {
	if v.Source.Number > 0 {
		return withParam(documentAddress(v.Document.ID), inspectorParams(v, v.Chunks.Filter.Page), "source", v.Source.Number)
	}
	return chunksAddress(v, v.Chunks.Filter.Page)
}

func asText(v ChunksView, yes bool) string {
	v.AsText = yes
	return sourceAddress(v)
}

// zoomed is "" where the picture is as large, or as small, as it gets.
func zoomed(v ChunksView, by int) string {
	if v.Zoom += by; v.Zoom < 0 || v.Zoom > MostZoom {
		return ""
	}
	return sourceAddress(v)
}

func withOnly(v ChunksView, only string) string {
	v.Chunks.Filter.Only, v.Selected = only, nil
	return chunksAddress(v, 1)
}

func onlyTotal(only string, d document.Document) int {
	switch only {
	case "edited":
		return d.Edited
	case "off":
		return d.OffChunks
	}
	return d.Chunks
}

func chunkPage(v ChunksView) func(int) string {
	v.Selected = nil // the next page has others
	return func(page int) string { return chunksAddress(v, page) }
}

// selectAddress selects a chunk within what is shown now.
func selectAddress(v ChunksView, id domain.ID) string {
	c := document.Chunk{ID: id}
	v.Selected = &c
	return chunksAddress(v, v.Chunks.Filter.Page) + "#" + chunkID(c)
}

// stepAddress leads to a page of so many; there is none outside them, and it is "".
func stepAddress(path string, kept []string, param string, to, pages int) string {
	if to < 1 || to > pages {
		return ""
	}
	return withParam(path, kept, param, to)
}

func withParam(path string, kept []string, name string, value int) string {
	return address(path, slices.Concat(kept, []string{name, strconv.Itoa(value)})...)
}

func selected(v ChunksView, id domain.ID) bool { return v.Selected != nil && v.Selected.ID == id }

func selectedRange(v ChunksView) (start, end int) {
	if v.Selected == nil {
		return 0, 0
	}
	return v.Selected.Start, v.Selected.End
}

// excerptStart is the place in a long text that is shown: the selected chunk's, or the first one's on the list.
func excerptStart(v ChunksView) int {
	if v.Selected != nil {
		return v.Selected.Start
	}
	if len(v.Chunks.Chunks) > 0 {
		return v.Chunks.Chunks[0].Start
	}
	return 0
}

// unit is what a part of a document is called: a page, a slide, a sheet.
func unit(format string) string {
	switch format {
	case "pptx", "odp":
		return "slide"
	case "xlsx", "ods":
		return "sheet"
	}
	return "page"
}

func unitTitle(format string) string {
	word := unit(format)
	return strings.ToUpper(word[:1]) + word[1:]
}

func units(format string, n int) string { return count(n, unit(format), unit(format)+"s") }

func sourceLabel(format string, page document.Page) string {
	if page.Number == 0 {
		return "Extracted text"
	}
	return unitTitle(format) + " " + number(page.Number)
}

// where is "p. 3", "p. 3–5" or "slide 3".
func where(format string, from, to int) string {
	if unit(format) == "page" {
		return pageSpan(from, to)
	}
	if to <= from {
		return unit(format) + " " + number(from)
	}
	return unit(format) + "s " + number(from) + "–" + number(to)
}

// pageSpan is "p. 3", or "p. 3–5".
func pageSpan(from, to int) string {
	if to <= from {
		return "p. " + number(from)
	}
	return "p. " + number(from) + "–" + number(to)
}

func joinHeadings(path []string) string { return strings.Join(path, " › ") }

// chunkFacts is "1,184 chunks, 1 off, 3 edited".
func chunkFacts(d document.Document) string {
	line := count(d.Chunks, "chunk", "chunks")
	if d.OffChunks > 0 {
		line += ", " + number(d.OffChunks) + " off"
	}
	if d.Edited > 0 {
		line += ", " + number(d.Edited) + " edited"
	}
	return line
}

func cuttingFact(c document.Cutting) string {
	size := "Chunks of about " + count(c.Tokens, "token", "tokens")
	if c.Overlap == 0 {
		return size
	}
	return size + "; each repeats the last " + number(c.Overlap) + " of the one before"
}

// chunkID is the id of the element that shows a chunk.
func chunkID(c document.Chunk) string { return "chunk-" + c.ID.String() }

func chunkAction(c document.Chunk, action string) string {
	return "/chunks/" + c.ID.String() + "/" + action
}

// edited reports whether a person's words stand in the chunk.
func edited(c document.Chunk) bool {
	return c.Edit != nil && c.Edit.Text != nil && c.Edit.State == document.Applied
}

func addition(c document.Chunk) bool { return edited(c) && c.Edit.Quote == "" }

// waiting reports whether an edit of the chunk's passage waits for a decision.
func waiting(c document.Chunk) bool { return c.Edit != nil && c.Edit.State == document.Changed }

// formerMember stands for somebody whose name is not known any more.
func formerMember(c document.Chunk) string {
	if edited(c) {
		return "A former member"
	}
	return "a former member"
}

// shownLines are the lines of a chunk, with what an edit brought in marked.
func shownLines(c document.Chunk, search string) []line {
	var added []span
	if c.Undoable() {
		_, added = diffWords(c.Edit.Original, c.Text)
	}
	return chunkLines(c.Text, search, added)
}

// linesWithout are the lines of an old text, with the words marked that a new one leaves out.
func linesWithout(was, now string) []line {
	removed, _ := diffWords(was, now)
	return chunkLines(was, "", removed)
}

// linesWith are the lines of a new text, with the words marked that an old one does not have.
func linesWith(was, now string) []line {
	_, added := diffWords(was, now)
	return chunkLines(now, "", added)
}

// formNote counts the tokens of a chunk that is being edited; app.ts estimates them with every key. What was typed before
// nobody has counted.
func formNote(d document.Document, f *ChunkForm) string {
	switch {
	case f.Text != f.Chunk.Text:
		return ""
	case d.Cutting.Tokens == 0:
		return "About " + count(f.Chunk.Tokens, "token", "tokens") + ". "
	}
	return "About " + number(f.Chunk.Tokens) + " of " + count(d.Cutting.Tokens, "token", "tokens") + ". "
}

// staysSentence says what answers while the newest reading is under way, or after it failed.
func staysSentence(d document.Document) string {
	again := d.Version == d.Live
	switch {
	case d.Status == document.Failed && again:
		return "This document could not be read again. Its chunks answer as before."
	case d.Status == document.Failed:
		return "Version " + number(d.Version) + " could not be read. Version " + number(d.Live) + " goes on answering."
	case again:
		return "This document is being read again. Its chunks answer until the new ones are ready."
	}
	return "Version " + number(d.Version) + " is being read. Version " + number(d.Live) + " answers until it is ready."
}

// versionState says what a version is to the document; "" for one of the past.
func versionState(d document.Document, v document.Version) (kind, word string) {
	switch {
	case v.Number == d.Live:
		return "ok", "Answers now"
	case v.Number == d.Version && d.Status.Busy():
		return "tint", "Being read"
	case v.Number == d.Version && cancelled(d):
		return "", "Stopped"
	case v.Number == d.Version && d.Status == document.Failed:
		return "bad", "Could not be read"
	}
	return "", ""
}

// languages are those that lexical.Guess tells apart.
var languages = map[string]string{
	"cs": "Czech", "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French", "ga": "Irish", "hu": "Hungarian",
	"id": "Indonesian", "it": "Italian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "sv": "Swedish",
	"tr": "Turkish", "vi": "Vietnamese",
}

// scriptLanguages are those that a question's script tells; see lexical.Spoken.
var scriptLanguages = map[string]string{
	"ar": "Arabic", "el": "Greek", "he": "Hebrew", "hi": "Hindi", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "th": "Thai", "zh": "Chinese",
}

// languageNames are those of codes, one of which a question is in.
func languageNames(codes []string) string {
	names := make([]string, len(codes))
	for i, code := range codes {
		names[i] = cmp.Or(languages[code], scriptLanguages[code], "its language")
	}
	return strings.Join(names, " or ")
}

// searchedAs is the language whose endings do not count when words are compared. A text of another script than the Latin one
// has "en": only its odd Latin word is looked at so.
func searchedAs(code string) string {
	switch name, ok := languages[code]; {
	case ok:
		return name
	case code == "":
		return "No language in particular: words count as they stand"
	}
	return code
}

// fewConflicts are shown at once; the others on demand.
const fewConflicts = 3

func conflictTitle(e document.Edit) string {
	if e.Now == nil {
		return "Passage gone"
	}
	return "Passage changed"
}

func oldTitle(e document.Edit) string {
	if e.Text == nil {
		return "The document then, which was switched off"
	}
	return "The document then"
}

func keepEditWord(e document.Edit) string {
	switch {
	case e.Now == nil:
		return "Keep it as an addition"
	case e.Text == nil:
		return "Keep it off"
	}
	return "Keep the edit"
}

func takeDocumentWord(e document.Edit) string {
	if e.Now == nil {
		return "Let it go"
	}
	return "Take the document’s words"
}

func selectedID(v ChunksView) string {
	if v.Selected == nil {
		return ""
	}
	return v.Selected.ID.String()
}

// describedText is what a screen reader says of the field of a chunk's text.
func describedText(f *ChunkForm) string {
	id := f.Chunk.ID.String()
	if fieldError(f.Err, "text") != "" {
		return "wrong-" + id + " note-" + id
	}
	return "note-" + id
}

// tokensOf is how large the document's chunks are meant to be; "" where that is not known.
func tokensOf(d document.Document) string {
	if d.Cutting.Tokens == 0 {
		return ""
	}
	return strconv.Itoa(d.Cutting.Tokens)
}
