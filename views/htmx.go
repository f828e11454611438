package views

import (
	"github.com/a-h/templ"

	"bitb/domain/document"
)

// What htmx does is said on each element: its attributes are never inherited, so that an element can be read by itself and
// moved. The server may answer with the whole page or with the part alone, as the part is picked from the answer.

// swap replaces the element target, and others beside it ("" for none), with those of the answer to url.
func swap(url, target, beside string) templ.Attributes {
	attributes := templ.Attributes{
		"hx-get":      url,
		"hx-target":   target,
		"hx-select":   target,
		"hx-swap":     "outerHTML show:none",
		"hx-push-url": "true",
	}
	if beside != "" {
		attributes["hx-select-oob"] = beside
	}
	return attributes
}

// swapAsTyped makes a form search while somebody types; the last request wins.
func swapAsTyped(url, target, beside string) templ.Attributes {
	attributes := swap(url, target, beside)
	attributes["hx-trigger"] = "submit, input changed delay:250ms from:find input[type=search]"
	attributes["hx-sync"] = "this:replace"
	return attributes
}

// swapForm sends a form and replaces the element target, and others beside it, with those of the page that it leads to.
// Without script the browser goes to that page.
func swapForm(url, target, beside string) templ.Attributes {
	attributes := swap(url, target, beside)
	delete(attributes, "hx-get")
	delete(attributes, "hx-push-url")
	attributes["hx-post"] = url
	attributes["hx-disabled-elt"] = "find button"
	return attributes
}

// swapChunk asks for a chunk's article anew, or acts on it, and puts the answer in its place, with the figures around it.
func swapChunk(method, url string, c document.Chunk) templ.Attributes {
	return templ.Attributes{
		"hx-" + method:  url,
		"hx-target":     "#" + chunkID(c),
		"hx-select":     "#" + chunkID(c),
		"hx-select-oob": "#chunk-facts,#chunk-filter",
		"hx-swap":       "outerHTML show:none",
		"hx-sync":       "#" + chunkID(c) + ":drop",
	}
}
