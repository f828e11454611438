package reader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// Print is the command "bitb extract FILE…": it writes what is read from the files as Markdown to stdout, and why one cannot be
// read, and what a person should know, to stderr. Of an archive it writes every file, each below a heading with its name. It
// returns the exit status: 1 when a file could not be read.
func (c *Child) Print(ctx context.Context, files []string, stdout, stderr io.Writer) int {
	if len(files) == 0 {
		fmt.Fprintln(stderr, "usage: bitb extract FILE…")
		return 2
	}
	p := &printer{child: c, stdout: stdout, stderr: stderr}
	for _, name := range files {
		err := p.file(ctx, name)
		if p.broken != nil {
			return 1
		}
		if err != nil {
			p.fail(name, err)
		}
	}
	return p.status
}

type printer struct {
	child          *Child
	stdout, stderr io.Writer
	printed        bool // something, so that a blank line comes next
	status         int
	broken         error // why stdout takes no more
}

func (p *printer) fail(name string, err error) {
	fmt.Fprintf(p.stderr, "%s: %s\n", name, explain(err))
	p.status = 1
}

func (p *printer) file(ctx context.Context, name string) error {
	// A named pipe that nobody writes to is then empty, instead of never opening.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() { // a pipe cannot be read twice
		if format, err := extract.Detect(f, info.Size(), name); err == nil && format == extract.ZIP {
			return p.archive(ctx, name, f, info.Size())
		}
	}
	return p.document(ctx, name, "", f)
}

func (p *printer) archive(ctx context.Context, name string, f io.ReaderAt, size int64) error {
	return extract.Unzip(f, size, func(e extract.Entry) error {
		full := name + ": " + e.Name
		if e.Err != nil {
			p.fail(full, e.Err)
		} else if err := p.document(ctx, full, e.Name, bytes.NewReader(e.Content)); err != nil {
			p.fail(full, err)
		}
		return errors.Join(p.broken, ctx.Err())
	})
}

// document prints what is read from r, below a heading with the file's name in its archive unless that is empty.
func (p *printer) document(ctx context.Context, name, heading string, r io.Reader) error {
	result, err := p.child.Read(ctx, r, filepath.Base(or(heading, name)), chunk.Options{}, nil)
	if err != nil {
		return err
	}
	for _, note := range result.Notes {
		fmt.Fprintf(p.stderr, "%s: %s\n", name, note)
	}
	text := result.Text
	if heading != "" {
		text = "# " + heading + "\n\n" + text
	}
	if p.printed {
		text = "\n" + text
	}
	p.printed = true
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		p.broken = err
	}
	return nil
}

func explain(err error) string {
	var e *extract.Error
	if errors.As(err, &e) {
		return e.Title() + ". " + e.Message()
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return strings.TrimPrefix(path.Err.Error(), path.Path+": ")
	}
	return err.Error()
}
