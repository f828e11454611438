package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"bitb"
	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/ingest"
	"bitb/domain/ingest/reader"
	"bitb/domain/llm"
	"bitb/domain/originals"
	"bitb/domain/postgres"
	"bitb/domain/questions"
	"bitb/domain/redis"
	"bitb/domain/retrieve"
	"bitb/domain/secret"
	"bitb/domain/tenant"
	"bitb/handlers"
	"bitb/views"
)

// server holds what was started, in the order in which it is stopped.
type server struct {
	config    Config
	log       *slog.Logger
	keys      keyrings
	authority *http.Client // asks for certificates; nil: the usual one
	metrics   *metrics
	models    views.Models
	embedder  llm.Embedder
	redis     *redis.Store
	db        *postgres.DB
	queue     *ingest.Service
	tenants   *tenant.Service
	documents *document.Service
	chat      *chat.Service
	deps      handlers.Deps
	tracing   *tracing
	drain     drain
	started   atomic.Bool // all that was to be started is
}

// newServer puts the product together. Nothing runs yet.
func newServer(ctx context.Context, c Config, log *slog.Logger) (*server, error) {
	s := &server{config: c, log: log, metrics: newMetrics()}
	var err error
	if s.keys, err = c.keyrings(s.metrics, log); err != nil {
		return nil, err
	}
	if s.tracing, err = newTracing(ctx, c, log); err != nil {
		return nil, err
	}
	if s.redis, err = redis.OpenFresh(c.fresh("REDIS_URL", c.RedisURL), log); err != nil {
		return nil, err
	}
	if s.tracing != nil {
		if err := s.redis.Trace(); err != nil {
			return nil, fmt.Errorf("trace redis: %w", err)
		}
	}
	if s.db, err = postgres.Open(ctx, postgres.Config{URL: string(c.DatabaseURL), Fresh: c.fresh("DATABASE_URL", c.DatabaseURL), AllowPrivileged: !c.Production,
		Pooled: c.Pooled, Name: c.processName(), Trace: s.tracing != nil, Refused: s.refused}); err != nil {
		return nil, err
	}
	answerer, embedder, err := s.newModels()
	if err != nil {
		return nil, err
	}
	s.embedder = embedder
	s.tenants = tenant.NewService(s.db, chat.FirstBot)
	if c.SignUp == "invited" {
		s.tenants.ByInvitation()
	}
	s.tenants.AfterErasing(s.forgetErased)
	if err := s.newQueue(embedder); err != nil {
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
	search := retrieve.NewService(retrieve.Config{DB: s.db, Log: log, Embedder: s.questions(embedder), Reranker: reranker, Fit: chat.Fit, Changed: s.queue.Changed})
	tests := questions.NewService(questions.Config{DB: s.db, Log: log, Searcher: search, Queue: s.queue})
	s.queue.FollowedBy(tests)
	s.chat = chat.NewService(chat.Config{DB: s.db, Log: log, Retrieve: search, Model: answerer, Quoter: llm.Extractive{Observer: s.metrics},
		Rewriter: rewriter, Cache: s.redis, Metrics: s.metrics})
	if err := s.measure(); err != nil {
		return nil, err
	}
	static, err := fs.Sub(bitb.Static, "static")
	if err != nil {
		return nil, err
	}
	s.deps = handlers.Deps{
		Log: log, PublicURL: c.PublicURL, Static: static, Tenants: s.tenants, Sessions: tenant.NewSessions(s.db, s.keys.session), Support: tenant.NewSupport(s.db, s.keys.encryption, time.Now),
		Documents: s.documents, Retrieve: search, Chat: s.chat, Questions: tests, Limiter: s.redis, Hints: s.redis, Cache: s.redis, Metrics: s.metrics,
		Models: s.models, TraceDays: s.config.TraceDays, Sniff: sniff, Unzip: unzip, RenderPage: renderPage,
		Readiness: &clinic{config: c, server: s}, Ready: s.ready, Secured: c.secured(), ClientIP: clientIP(c.proxies()),
	}
	return s, nil
}

// openAI is a model of the server of the settings.
func (s *server) openAI(model string) llm.OpenAI {
	c := llm.OpenAI{BaseURL: s.config.OpenAIBaseURL, Keys: s.keys.model, Model: model, Observer: s.metrics}
	if s.db != nil { // a measurement learns for itself
		c.Learnt = ingest.Models{DB: s.db}
	}
	return c
}

func (s *server) newModels() (llm.Chat, llm.Embedder, error) {
	c := s.config
	var answerer llm.Chat = llm.Extractive{Observer: s.metrics}
	var embedder llm.Embedder = llm.NewHashing()
	var err error
	if c.ChatModel != builtinModel {
		if answerer, err = llm.NewChat(s.openAI(c.ChatModel)); err != nil {
			return nil, nil, fmt.Errorf("set up the answering model: %w", err)
		}
	}
	if c.EmbeddingModel != builtinModel {
		if embedder, err = llm.NewEmbedder(s.openAI(c.EmbeddingModel)); err != nil {
			return nil, nil, fmt.Errorf("set up the embedding model: %w", err)
		}
	}
	s.models = views.Models{Answer: answerer.Model(), Embedding: embedder.Model(), Dimensions: embedder.Dims(), BuiltIn: c.ChatModel == builtinModel}
	return answerer, embedder, nil
}

// newReranker returns nil where no endpoint is set.
func (s *server) newReranker() (retrieve.Reranker, error) {
	c := s.config
	if c.RerankURL == "" {
		return nil, nil
	}
	return llm.NewReranker(llm.OpenAI{BaseURL: c.RerankURL, Keys: s.keys.rerank, Model: c.RerankModel, Observer: s.metrics})
}

// newRewriter sets up the answering model a second time, with a breaker of its own: one that is too slow for rewriting
// questions may still answer them. The built-in model rewrites nothing: nil.
func (s *server) newRewriter() (llm.Chat, error) {
	c := s.config
	if c.ChatModel == builtinModel {
		return nil, nil
	}
	return llm.NewChat(s.openAI(c.ChatModel))
}

// questions embeds questions with the present model and, where a server is set up, with those that it had before.
func (s *server) questions(current llm.Embedder) *llm.QueryEmbedder {
	c, q := s.config, llm.Cached(current, s.redis, s.metrics)
	if c.OpenAIKey == "" && c.OpenAIBaseURL == "" {
		return q
	}
	return q.WithFormer(s.openAI(""))
}

// newQueue ties the knot: documents are put in line by the queue, and the queue works on documents.
func (s *server) newQueue(embedder llm.Embedder) error {
	var err error
	s.queue, err = ingest.NewService(ingest.Config{DB: s.db, Log: s.log, Embedder: embedder, Workers: s.config.Workers,
		Reader: &reader.Child{}, Tenants: s.tenants, Hints: s.redis, Metrics: s.metrics})
	if err != nil {
		return err
	}
	s.documents = document.NewService(s.db, s.queue)
	if c := s.config; c.SupabaseURL != "" {
		s.documents.KeepOriginalsIn(originals.NewSupabase(c.SupabaseURL, c.fresh("SUPABASE_SERVICE_ROLE_KEY", c.SupabaseKey)))
	}
	return s.queue.Use(s.documents)
}

// run serves until ctx ends, then stops as drain.go says: no new requests, streams told to end, jobs finished or put back,
// connections closed.
func (s *server) run(ctx context.Context, web bool, started func()) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	lead := s.config.Drain
	if !web {
		lead = 0 // nobody sends requests to a worker
	}
	s.drain = newDrain(ctx, lead)
	if s.config.MetricsListen != "off" {
		probed, unprobed := context.WithCancel(context.WithoutCancel(ctx))
		var inward errgroup.Group
		defer func() { unprobed(); _ = inward.Wait() }() // after all else: what the process does is seen to its end
		if err := serve(probed, &inward, s.config.MetricsListen, s.inward(), "BITB_METRICS_LISTEN"); err != nil {
			return err
		}
	}
	if err := s.start(ctx, group, web); err != nil {
		cancel()
		return errors.Join(err, group.Wait())
	}
	s.started.Store(true)
	started()
	return group.Wait()
}

// start begins what ends with ctx.
func (s *server) start(ctx context.Context, group *errgroup.Group, web bool) error {
	if s.config.Workers > 0 || !web {
		if err := s.queue.Start(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("start reading documents: %w", err)
		}
		group.Go(func() error { <-ctx.Done(); s.stopQueue(); return nil })
		group.Go(func() error { s.warm(ctx); return nil })
		group.Go(func() error { s.examine(ctx); return nil })
	}
	if web {
		handler, err := handlers.New(s.drain.over, s.deps)
		if err != nil {
			return err
		}
		if err := s.listen(ctx, group, s.tracing.around(s.drain.gently(handler))); err != nil {
			return err
		}
		group.Go(func() error { s.resealHourly(ctx); return nil })
	}
	record := secret.NewRecord(s.db, s.keys.all()...)
	group.Go(func() error { record.Run(ctx, s.log); return nil })
	group.Go(func() error { s.config.resolver.Run(ctx, s.config.SecretRefresh, s.log); return nil })
	group.Go(func() error { s.sweep(ctx); return nil })
	return nil
}

// migrated keeps a version from serving on a schema that lacks something of it. One that is newer will do.
func (s *server) migrated(ctx context.Context) error {
	pending, _, err := s.db.Pending(ctx, migrations())
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("the database lacks %s; run `bitb migrate` first", strings.Join(pending, ", "))
	}
	return err
}

func (s *server) stopQueue() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := s.queue.Stop(ctx); err != nil {
		s.log.Warn("reading documents did not stop in time; what was begun is taken up again", "error", err)
	}
}

func (s *server) close() {
	s.db.Close()
	if err := s.redis.Close(); err != nil {
		s.log.Warn("redis did not close", "error", err)
	}
	if err := s.tracing.stop(); err != nil {
		s.log.Warn("the last traces were not sent", "error", err)
	}
}

// warm leaves the compiled PDF reader in its cache, which takes some seconds once, so that the first upload need not wait.
func (s *server) warm(ctx context.Context) {
	if err := (&reader.Child{}).Warm(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("the PDF reader is not ready; the first PDF takes longer", "error", err)
	}
}

// examine finds out which languages the embedding model knows, as soon as it answers.
func (s *server) examine(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		err := ingest.Models{DB: s.db}.Examine(ctx, s.embedder)
		switch {
		case err == nil:
			return
		case ctx.Err() == nil:
			s.log.Warn("the embedding model was not examined; until it is, it is taken to know English alone", "model", s.embedder.Model(), "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep removes what has expired, at the start and once an hour.
func (s *server) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for hour := 0; ; hour++ {
		if hour%24 == 0 { // it goes through all that is kept
			if err := s.documents.SweepOriginals(ctx, time.Now()); err != nil && ctx.Err() == nil {
				s.log.Warn("originals that belong to nothing not removed", "error", err)
			}
		}
		if err := s.deps.Sessions.DeleteExpired(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("expired sessions not removed", "error", err)
		}
		if _, err := s.tenants.EraseScratch(ctx, tenant.LeftAfter); err != nil && ctx.Err() == nil {
			s.log.Warn("tenants that were to be erased are not", "error", err)
		}
		if err := s.forget(ctx, time.Now().AddDate(0, 0, -s.config.TraceDays)); err != nil && ctx.Err() == nil {
			s.log.Warn("old traces not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// resealHourly seals with the newest key what older ones sealed.
func (s *server) resealHourly(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		n, err := reseal(ctx, s.db, s.keys)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("some secrets in the database cannot be opened with the keys that are set", "error", err)
		case n > 0:
			s.log.Info("sealed anew with the newest key", "count", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forget removes what explains answers from before a time, tenant by tenant.
func (s *server) forget(ctx context.Context, before time.Time) error {
	return s.tenants.Each(ctx, func(id domain.ID) error {
		return errors.Join(s.deps.Retrieve.Forget(ctx, id, before), s.documents.ForgetRevisions(ctx, id, before))
	})
}

// forgetErased removes what is left of an erased tenant outside the database. What cannot be removed now goes by itself: from the cache
// within a day, and originals with the daily sweep.
func (s *server) forgetErased(ctx context.Context, tenantID domain.ID) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := errors.Join(s.redis.DeleteNaming(ctx, tenantID.String()), s.documents.EraseOriginals(ctx, tenantID)); err != nil {
		s.log.WarnContext(ctx, "what an erased tenant left outside the database is there a while longer", "erased", tenantID, "error", err)
	}
}

// clientIP takes the address of the connection, or what a trusted proxy says of it. Without a list none is trusted.
func clientIP(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, prefix := range trusted {
		addr := prefix.Masked().Addr()
		options = append(options, echo.TrustIPRange(&net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), addr.BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
