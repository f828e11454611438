package ingest_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bitb/domain/dbtest"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/llm"
)

// The figures of docs/benchmarks.md, as `make bench` prints them. Nothing here fails for being slow.

// letters make words of numbers: words with digits are no part of a vocabulary.
var letters = strings.NewReplacer("0", "g", "1", "h", "2", "i", "3", "j", "4", "k", "5", "l", "6", "m", "7", "n", "8", "o", "9", "p")

// book is Markdown of about so many chunks of the default size, of words that are as unequally frequent as real ones.
func book(seed uint64, chunks int) []byte {
	var b strings.Builder
	word := func() string {
		seed = seed*6364136223846793005 + 1442695040888963407
		share := float64(seed>>11) / (1 << 53)
		rank := int(math.Pow(20_000, share)) // Zipf's law
		return "w" + letters.Replace(fmt.Sprintf("%x", rank*7919))
	}
	for i := range chunks {
		if i%4 == 0 {
			fmt.Fprintf(&b, "\n## Section %d of %s\n\n", i/4, word())
		}
		for range 8 {
			for range 12 {
				b.WriteString(word() + " ")
			}
			b.WriteString(word() + ". ")
		}
		b.WriteString("\n\n")
	}
	return []byte(b.String())
}

// BenchmarkChunks is chunks per second from files to ready, eight books at once on two workers: with the built-in embedder,
// and with a server that takes 50 ms for each call, beside what that server allows when nothing else is done: the same
// texts, as many calls at once.
func BenchmarkChunks(b *testing.B) {
	b.Run("builtin", func(b *testing.B) { benchmarkChunks(b, llm.NewHashing()) })
	b.Run("remote 50 ms", func(b *testing.B) {
		remote := &distant{Embedder: llm.NewHashing(), rand: rand.New(rand.NewPCG(1, 2))}
		took, chunks := benchmarkChunks(b, remote)
		alone := remote.alone(b, chunks)
		b.ReportMetric(float64(chunks)/alone.Seconds(), "embedder-chunks/s")
		b.ReportMetric(100*alone.Seconds()/took.Seconds(), "%-of-embedder")
	})
}

func benchmarkChunks(b *testing.B, embedder ingest.Embedder) (took time.Duration, chunks int) {
	const books = 8
	db := dbtest.New(b)
	queue, documents, err := start(db.DB, embedder)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = queue.Stop(context.Background()) }()
	tenantID := db.Tenant(b)
	conn := db.Super(b)
	run := func(seed uint64, size int) {
		var before, ready int
		if err := conn.QueryRow(b.Context(), "select count(*) from documents where status = 'ready'").Scan(&before); err != nil {
			b.Fatal(err)
		}
		for i := range books {
			content := book(seed*books+uint64(i), size)
			if _, err := documents.Store(b.Context(), tenantID, document.Upload{Name: "book.md", Format: "markdown", Content: content}); err != nil {
				b.Fatal(err)
			}
		}
		dbtest.Eventually(b, 10*time.Minute, "the books to be ready", func() bool {
			if err := conn.QueryRow(b.Context(), "select count(*) from documents where status = 'ready'").Scan(&ready); err != nil {
				b.Fatal(err)
			}
			return ready == before+books
		})
	}
	run(1, 8) // the child's first start, connections
	for seed := uint64(2); b.Loop(); seed++ {
		chunks -= db.Count(b, "select count(*) from chunks")
		began := time.Now()
		run(seed, 800)
		took += time.Since(began)
		chunks += db.Count(b, "select count(*) from chunks")
	}
	b.ReportMetric(float64(chunks)/took.Seconds(), "chunks/s")
	b.ReportMetric(0, "ns/op")
	return took, chunks
}

// distant is an embedder that answers each request of 32 texts after 50 ms, as a server over a network does; its own work
// is no part of what is measured.
type distant struct {
	llm.Embedder
	lock sync.Mutex
	rand *rand.Rand
}

// next is a vector like no other, of as many dimensions as common models have.
func (d *distant) next() []float32 {
	d.lock.Lock()
	defer d.lock.Unlock()
	v, sum := make([]float32, 1024), 0.0
	for i := range v {
		x := d.rand.NormFloat64()
		v[i], sum = float32(x), sum+x*x
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

func (d *distant) Embed(ctx context.Context, texts []string) ([][]float32, llm.Usage, error) {
	for range (len(texts) + 31) / 32 {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, llm.Usage{}, ctx.Err()
		}
	}
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = d.next()
	}
	return vectors, llm.Usage{}, nil
}

// alone is how long the embedder takes for so many chunks with nothing around it.
func (d *distant) alone(b *testing.B, chunks int) time.Duration {
	texts := make([]string, 64)
	for i := range texts {
		texts[i] = "x"
	}
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(2) // as many calls at once as with two workers
	for range (chunks + 63) / 64 {
		group.Go(func() error { _, _, err := d.Embed(b.Context(), texts); return err })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
