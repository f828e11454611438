package llm

import (
	"bytes"
	"errors"
	"io"
)

// Bounds on what a server may send. A longest line of 1 MiB is some 250,000 tokens in one piece: no model does that.
const (
	maxBody      = 32 << 20
	maxErrorBody = 64 << 10
	maxLine      = 1 << 20
)

var errTooMuch = errors.New("the model server sent more than an answer can be")

// guardedBody bounds a response, and sees whether a stream ended with its end mark: go-openai returns io.EOF for the
// mark and for a connection that was closed in the middle alike.
type guardedBody struct {
	io.ReadCloser
	left   int64
	stream bool // bound the length of lines too
	line   int  // bytes of the current line
	head   []byte
	ended  bool // "data: [DONE]" went by
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	b.scan(p[:n])
	if b.stream && b.line > maxLine {
		return n, errTooMuch
	}
	return n, err
}

func (b *guardedBody) scan(p []byte) {
	for len(p) > 0 && !b.ended {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		b.line += len(line)
		b.head = append(b.head, line[:min(len(line), 32-len(b.head))]...)
		if whole {
			b.ended = isDone(b.head)
			b.line, b.head = 0, b.head[:0]
		}
		p = rest
	}
}

// done reports whether the end mark came; it may be the last line, without a line end.
func (b *guardedBody) done() bool { return b.ended || isDone(b.head) }

func isDone(line []byte) bool {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	return ok && string(bytes.TrimSpace(data)) == "[DONE]"
}
