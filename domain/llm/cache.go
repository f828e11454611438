package llm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"bitb/domain"
)

// Cache keeps values that may be lost. A failure is a miss; see redis.Store.
type Cache interface {
	Get(ctx context.Context, key string) (value []byte, found bool)
	Set(ctx context.Context, key string, value []byte, ttl time.Duration)
}

// embeddingTTL bounds how long the vector of a question is kept. It never becomes wrong, only unused.
const embeddingTTL = 24 * time.Hour

// questionLimit is how long a person waits for a vector; without one their question is searched for by its words. A batch of a
// document may take longer (Limits.Embed).
const questionLimit = 5 * time.Second

// QueryEmbedder embeds questions, one tenant's apart from another's.
type QueryEmbedder struct {
	models   *embedders
	cache    Cache
	observer Observer // may be nil
}

// Cached returns a QueryEmbedder that asks embedder for what cache does not have.
func Cached(embedder Embedder, cache Cache, observer Observer) *QueryEmbedder {
	return &QueryEmbedder{models: newEmbedders(embedder), cache: cache, observer: observer}
}

// WithFormer returns q, which now asks server for the models that embedded documents before the present one.
func (q *QueryEmbedder) WithFormer(server OpenAI) *QueryEmbedder {
	q.models.server = &server
	return q
}

// Model names the present model: the one that all documents are embedded with in the end.
func (q *QueryEmbedder) Model() string { return q.models.current.Model() }

// EmbedQuery returns the vector of one question, of unit length, as the named model makes it. An error, if it is not the
// present model, says that the documents which still have its vectors are found by words alone.
func (q *QueryEmbedder) EmbedQuery(ctx context.Context, tenantID domain.ID, model, text string) ([]float32, error) {
	embedder, err := q.models.named(model)
	if err != nil {
		return nil, err
	}
	if local, ok := embedder.(hashingEmbedder); ok { // sooner done than looked up
		vectors, _, err := local.Embed(ctx, []string{text})
		if err != nil {
			return nil, err
		}
		return vectors[0], nil
	}
	key, sum := cacheKey(tenantID, embedder, text)
	value, found := q.cache.Get(ctx, key)
	vector, valid := unpack(sum, value)
	if q.observer != nil {
		q.observer.CacheLookup("embedding", found && valid)
	}
	if found && valid {
		return vector, nil
	}
	soon, cancel := context.WithTimeout(ctx, questionLimit)
	defer cancel()
	vectors, _, err := embedder.Embed(soon, []string{text})
	if err != nil {
		return nil, err
	}
	key, sum = cacheKey(tenantID, embedder, text) // the first answer of a model tells its dimensions
	q.cache.Set(ctx, key, pack(sum, vectors[0]), embeddingTTL)
	return vectors[0], nil
}

func cacheKey(tenantID domain.ID, e Embedder, text string) (key string, sum [sha256.Size]byte) {
	sum = sha256.Sum256(fmt.Appendf(tenantID[:16:16], "%s\x00%d\x00%s", e.Model(), e.Dims(), text))
	return "embedding:" + tenantID.String() + ":" + hex.EncodeToString(sum[:]), sum
}

// pack puts what the value is for before the numbers, tenant, model and question in one hash, so that a value that comes
// back for a wrong key is a miss, and not another tenant's.
func pack(sum [sha256.Size]byte, vector []float32) []byte {
	b := append(make([]byte, 0, len(sum)+4*len(vector)), sum[:]...)
	for _, x := range vector {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func unpack(sum [sha256.Size]byte, value []byte) ([]float32, bool) {
	numbers, ours := bytes.CutPrefix(value, sum[:])
	if !ours || len(numbers) == 0 || len(numbers)%4 != 0 {
		return nil, false
	}
	vector := make([]float32, len(numbers)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(numbers[4*i:]))
	}
	return vector, true
}
