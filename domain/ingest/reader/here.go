package reader

import (
	"context"
	"fmt"
	"io"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// Here reads files in this process, without the milliseconds that starting a child takes and without its limits: for the texts of
// somebody who runs this program, never for an upload.
type Here struct{}

// Read reads the file from r as Child.Read does.
func (Here) Read(ctx context.Context, r io.Reader, name string, o chunk.Options, progress func(done, total int)) (*Result, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	doc, err := extract.Extract(ctx, data, name, progress)
	if err != nil {
		return nil, err
	}
	return resultOf(doc, o), nil
}
