package views

import (
	"strconv"
	"strings"

	"bitb/domain"
	"bitb/domain/document"
)

// chunkAddress leads to a chunk wherever it is in its document: the inspector opens the page of the list that holds it.
func chunkAddress(documentID, chunkID domain.ID) string {
	return "/documents/" + documentID.String() + "?chunk=" + chunkID.String() + "#chunk-" + chunkID.String()
}

// chunksAddress is the inspector with the search and the page of the list.
func chunksAddress(v ChunksView, page int) string {
	chunk := ""
	if v.Selected != nil {
		chunk = v.Selected.ID.String()
	}
	return address("/documents/"+v.Document.ID.String(), "q", v.Chunks.Filter.Search, "page", pageParam(page), "chunk", chunk)
}

func chunkPage(v ChunksView) func(int) string {
	v.Selected = nil // the next page has others
	return func(page int) string { return chunksAddress(v, page) }
}

// selectAddress selects a chunk within what is shown now.
func selectAddress(v ChunksView, c document.Chunk) string {
	v.Selected = &c
	return chunksAddress(v, v.Chunks.Filter.Page)
}

// hiddenParams are the parameters that a step to another page of the original keeps.
func hiddenParams(v ChunksView) []string {
	var params []string
	if v.Chunks.Filter.Search != "" {
		params = append(params, "q", v.Chunks.Filter.Search)
	}
	if v.Chunks.Filter.Page > 1 {
		params = append(params, "page", strconv.Itoa(v.Chunks.Filter.Page))
	}
	if v.Selected != nil {
		params = append(params, "chunk", v.Selected.ID.String())
	}
	return params
}

func pathOf(address string) string {
	path, _, _ := strings.Cut(address, "?")
	return path
}

func withParam(address, name string, value int) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + name + "=" + strconv.Itoa(value)
}

func selected(v ChunksView, c document.Chunk) bool { return v.Selected != nil && v.Selected.ID == c.ID }

func selectedStart(v ChunksView) int {
	if v.Selected == nil {
		return 0
	}
	return v.Selected.Start
}

func selectedEnd(v ChunksView) int {
	if v.Selected == nil {
		return 0
	}
	return v.Selected.End
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

func sourceLabel(page document.Page) string {
	if page.Number == 0 {
		return "Extracted text"
	}
	return "Page " + number(page.Number)
}

// pageSpan is "p. 3", or "p. 3–5".
func pageSpan(from, to int) string {
	if to <= from {
		return "p. " + number(from)
	}
	return "p. " + number(from) + "–" + number(to)
}

func joinHeadings(path []string) string { return strings.Join(path, " › ") }
