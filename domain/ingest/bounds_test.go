package ingest

import (
	"testing"

	"bitb/domain/document"
	"bitb/domain/ingest/chunk"
)

// What settings offer is what documents are cut by. Neither package imports the other.
func TestBoundsOfCutting(t *testing.T) {
	offered := []int{document.MinChunkTokens, document.MaxChunkTokens, document.DefaultChunkTokens, document.DefaultOverlap}
	for i, cut := range []int{chunk.MinTokens, chunk.MaxTokens, chunk.DefaultTokens, chunk.DefaultOverlap} {
		if offered[i] != cut {
			t.Errorf("settings say %d, chunks are cut by %d", offered[i], cut)
		}
	}
	for _, size := range []int{chunk.MinTokens, chunk.DefaultTokens, chunk.MaxTokens} {
		if got := size / document.MaxOverlapShare; got != chunk.MaxOverlap(size) {
			t.Errorf("settings allow an overlap of %d for %d tokens, chunks of %d", got, size, chunk.MaxOverlap(size))
		}
	}
}
