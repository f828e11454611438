package llm

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestGuardedBody checks that what a server can make us hold is bounded: go-openai reads whole lines and bodies.
func TestGuardedBody(t *testing.T) {
	line := "data: {}\n"
	tests := []struct {
		name    string
		text    string
		stream  bool
		limit   int64
		atMost  int
		done    bool
		tooMuch bool
	}{
		{"ends", line + "data: [DONE]\n", true, maxBody, 100, true, false},
		{"ends without a line end", line + "data:[DONE]", true, maxBody, 100, true, false},
		{"no end", line + line, true, maxBody, 100, false, false},
		{"end inside a text", "data: {\"a\":\"data: [DONE]\"}\n", true, maxBody, 100, false, false},
		{"many lines", strings.Repeat(line, 1<<18) + "data: [DONE]\n", true, maxBody, maxBody, true, false},
		{"endless line", strings.Repeat("a", 4<<20), true, maxBody, 2 * maxLine, false, true},
		{"long line, no stream", strings.Repeat("a", 4<<20), false, maxBody, maxBody, false, false},
		{"long body", strings.Repeat(line, 1<<10), true, 1000, 1000, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &guardedBody{ReadCloser: io.NopCloser(strings.NewReader(tt.text)), left: tt.limit, stream: tt.stream}
			got, err := io.ReadAll(b)
			if len(got) > tt.atMost || errors.Is(err, errTooMuch) != tt.tooMuch || b.done() != tt.done {
				t.Errorf("%d bytes, done %v, %v", len(got), b.done(), err)
			}
		})
	}
}
