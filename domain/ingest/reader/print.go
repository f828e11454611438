package reader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// Print is the command "bitb extract FILE…": it writes what is read from the files as Markdown to stdout, and why one cannot be
// read, and what a person should know, to stderr. It returns the exit status: 1 when a file could not be read.
func (c *Child) Print(ctx context.Context, files []string, stdout, stderr io.Writer) int {
	if len(files) == 0 {
		fmt.Fprintln(stderr, "usage: bitb extract FILE…")
		return 2
	}
	status := 0
	for i, name := range files {
		result, err := c.readFile(ctx, name)
		if err != nil {
			fmt.Fprintf(stderr, "%s: %s\n", name, explain(err))
			status = 1
			continue
		}
		for _, note := range result.Notes {
			fmt.Fprintf(stderr, "%s: %s\n", name, note)
		}
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		if _, err := fmt.Fprintln(stdout, result.Text); err != nil {
			return 1
		}
	}
	return status
}

func (c *Child) readFile(ctx context.Context, name string) (*Result, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return c.Read(ctx, f, filepath.Base(name), chunk.Options{}, nil)
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
