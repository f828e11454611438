package views

import (
	"strings"
	"testing"
)

// Commands stand out of the sentence around them, and what they hold stays text.
func TestWithCode(t *testing.T) {
	for text, want := range map[string]string{
		"Run `bitb migrate`, then go on.": "Run <code>bitb migrate</code>, then go on.",
		"`<b>` (or `x`)":                  "<code>&lt;b&gt;</code> (or <code>x</code>)",
		"one ` alone":                     "one ` alone",
		"`a` and one ` alone":             "<code>a</code> and one ` alone",
		"":                                "",
	} {
		var html strings.Builder
		if err := withCode(text).Render(t.Context(), &html); err != nil || html.String() != want {
			t.Errorf("%q is shown as %q, %v", text, html.String(), err)
		}
	}
}
