package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/eval"
	"bitb/domain/ingest"
	"bitb/domain/ingest/reader"
	"bitb/domain/llm"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
	"bitb/handlers"
)

// evaluateSets is "bitb eval --set": each set goes into tenants of its own, which are erased when it is measured, by each of the ways.
func evaluateSets(ctx context.Context, dirs []string, ways []retrieve.Sides, asJSON bool, getenv func(string) string, stdout io.Writer) error {
	var sets []*eval.Judged
	for _, dir := range dirs {
		set, err := eval.LoadJudged(dir)
		if err != nil {
			return err
		}
		sets = append(sets, set)
	}
	c, err := loadConfigWithoutRedis(getenv)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	l, err := newLaboratory(ctx, c)
	if err != nil {
		return err
	}
	defer l.db.Close()
	if _, err := l.tenants.EraseScratch(ctx, tenant.LeftAfter); err != nil {
		return err
	}
	said := newProgress(os.Stderr)
	askers := make([]eval.Asker, len(ways))
	for i, by := range ways {
		askers[i] = asker{l, by}
	}
	for i, set := range sets {
		measured, err := set.Measure(ctx, l, said.of(set.Name), askers...)
		said.clear()
		if err != nil {
			return fmt.Errorf("%s: %w", set.Name, err)
		}
		for j, m := range measured {
			if len(ways) > 1 {
				m.Search = string(ways[j])
			}
			if asJSON {
				err = json.NewEncoder(stdout).Encode(m)
			} else {
				err = m.Print(stdout, i+j == 0)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// laboratory is as much of the product as storing and searching take, without Redis: nothing is cached that is measured.
type laboratory struct {
	db        *postgres.DB
	tenants   *tenant.Service
	documents *document.Service
	queue     *ingest.Service
	search    *retrieve.Service
	chat      *chat.Service
	readers   int
}

// asker asks by words, by vectors or by both.
type asker struct {
	*laboratory
	by retrieve.Sides
}

func newLaboratory(ctx context.Context, c Config) (*laboratory, error) {
	log := handlers.NewLog(os.Stderr, max(c.LogLevel, slog.LevelWarn))
	s := &server{config: c, log: log, metrics: newMetrics()}
	var err error
	if s.keys, err = c.keyrings(s.metrics, log); err != nil {
		return nil, err
	}
	_, embedder, err := s.newModels()
	if err != nil {
		return nil, err
	}
	rewriter, err := s.newRewriter()
	if err != nil {
		return nil, err
	}
	reranker, err := s.newReranker()
	if err != nil {
		return nil, err
	}
	l := &laboratory{readers: max(1, c.Workers)}
	database := c.database("bitb eval", 0)
	database.AsyncCommit = true
	if l.db, err = postgres.Open(ctx, database); err != nil {
		return nil, err
	}
	l.queue, err = ingest.NewService(ingest.Config{DB: l.db, Log: log, Embedder: embedder, Reader: reader.Here{}, Hints: noHints{}, Metrics: s.metrics,
		Alone: true})
	if err != nil {
		l.db.Close()
		return nil, err
	}
	l.tenants = tenant.NewService(l.db, nil)
	l.search = retrieve.NewService(retrieve.Config{DB: l.db, Log: log, Embedder: llm.Cached(embedder, noCache{}, nil), Reranker: reranker})
	l.chat = chat.NewService(chat.Config{DB: l.db, Log: log, Retrieve: l.search, Rewriter: rewriter})
	l.documents = document.NewService(l.db, l.queue)
	err = l.queue.Use(l.documents)
	if err == nil {
		err = ingest.Models{DB: l.db}.Examine(ctx, embedder)
	}
	if err != nil {
		l.db.Close()
		return nil, err
	}
	return l, nil
}

// noHints tells nobody.
type noHints struct{}

// Publish does nothing.
func (noHints) Publish(context.Context, string) {}

// Make makes a tenant.
func (l *laboratory) Make(ctx context.Context, name string) (domain.ID, error) {
	short := []rune(document.CleanName(name))
	return l.tenants.MakeScratch(ctx, "bitb eval: "+string(short[:min(100, len(short))]))
}

// Erase erases it.
func (l *laboratory) Erase(ctx context.Context, tenantID domain.ID) error {
	return l.tenants.Erase(ctx, tenantID)
}

// Store stores entries as uploads and reads them, several at a time.
func (l *laboratory) Store(ctx context.Context, tenantID domain.ID, entries []eval.Entry, stored func(n int)) ([]domain.ID, error) {
	ids := make([]domain.ID, len(entries))
	var lock sync.Mutex
	next := 0
	take := func() (i int) {
		lock.Lock()
		defer lock.Unlock()
		stored(next)
		next++
		return next - 1
	}
	group, work := errgroup.WithContext(ctx)
	for n := range l.readers {
		group.Go(func() (err error) {
			for i := take(); i < len(entries) && work.Err() == nil; i = take() {
				if ids[i], err = l.storeOne(work, tenantID, entries[i], -1-int64(n)); err != nil {
					return fmt.Errorf("%q: %w", entries[i].ID, err)
				}
			}
			return work.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return ids, l.keepUp(ctx, tenantID)
}

// keepUp gives the approximate index what it lacks, if searches look into it.
func (l *laboratory) keepUp(ctx context.Context, tenantID domain.ID) error {
	chunks, _, err := l.documents.Corpus(ctx, tenantID)
	for n := 1; err == nil && n > 0 && chunks > postgres.ApproximateFrom; {
		n, err = l.documents.IndexVectors(ctx, tenantID)
	}
	return err
}

// nameless is the name of all uploads. A document without a title is found by its name, in which the sets have nothing.
const nameless = "–.md"

func (l *laboratory) storeOne(ctx context.Context, tenantID domain.ID, e eval.Entry, reader int64) (domain.ID, error) {
	if e.Blank() {
		return domain.ID{}, nil
	}
	kept, err := l.documents.Store(ctx, tenantID, document.Upload{Name: nameless, Format: "markdown", Content: e.Markdown()})
	if err != nil || kept.Duplicate {
		return kept.ID, err
	}
	err = l.queue.ReadNext(ctx, tenantID, reader)
	if errors.Is(err, document.ErrNothing) { // another took it
		err = nil
	}
	return kept.ID, err
}

// Ask searches as an answer does, for a follow-up too. further searches for the same once more, as deep as it is told.
func (l asker) Ask(ctx context.Context, tenantID domain.ID, history []eval.Turn, question string) (passages []eval.Passage, further func(depth int) ([]eval.Passage, error), err error) {
	messages := make([]chat.Message, len(history))
	for i, turn := range history {
		messages[i] = chat.Message{Author: chat.Answer, Text: turn.Text}
		if turn.Role == "user" {
			messages[i].Author = chat.Person
		}
	}
	q := l.chat.Standalone(ctx, messages, question).Query(question)
	passages, err = l.retrieve(ctx, tenantID, q)
	return passages, func(depth int) ([]eval.Passage, error) {
		settings, err := l.search.Settings(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		// A re-ranking model is paid for each passage, and has had the best already.
		settings.Rerank, q.Settings, q.Depth = false, &settings, depth
		return l.retrieve(ctx, tenantID, q)
	}, err
}

// retrieve searches. A search that had to do without its models would be another one, so it is an error.
func (l asker) retrieve(ctx context.Context, tenantID domain.ID, q retrieve.Query) ([]eval.Passage, error) {
	if l.by != retrieve.Both {
		settings := l.search.Defaults()
		settings.Search, settings.Rerank = l.by, false
		q.Settings = &settings
	}
	found, err := l.search.Retrieve(ctx, tenantID, q)
	if err != nil {
		return nil, err
	}
	if lost := cmp.Or(found.VectorsLost, found.RerankLost); lost != "" {
		return nil, fmt.Errorf("a model did not answer: %s", lost)
	}
	passages := make([]eval.Passage, len(found.Passages))
	for i, p := range found.Passages {
		passages[i] = eval.Passage{DocumentID: p.DocumentID, Score: p.Score}
	}
	return passages, nil
}

// noCache keeps nothing.
type noCache struct{}

// Get finds nothing.
func (noCache) Get(context.Context, string) ([]byte, bool) { return nil, false }

// Set does nothing.
func (noCache) Set(context.Context, string, []byte, time.Duration) {}

// progress says on a terminal how far it is in one line that is written over, and elsewhere in a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	last     time.Time
}

func newProgress(f *os.File) *progress {
	info, err := f.Stat()
	return &progress{w: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) of(set string) func(doing string, done, of int) {
	return func(doing string, done, of int) {
		every := 10 * time.Second
		if p.terminal {
			every = 100 * time.Millisecond
		}
		if time.Since(p.last) < every {
			return
		}
		p.last = time.Now()
		p.clear()
		fmt.Fprintf(p.w, "%s: %d of %d %s", set, done, of, doing)
		if !p.terminal {
			fmt.Fprintln(p.w)
		}
	}
}

func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
