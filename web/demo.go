package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/tenant"
)

// The demo customer. The files are in deploy/demo of the checkout: they are no part of the product and not in the binary.
const (
	demoDir      = "deploy/demo"
	demoEmail    = "demo@bitb.example"
	demoPassword = "harbour-loop-demo"
	demoCompany  = "Harbour Loop Bikes"
)

// demo migrates, makes the sample customer if it is not there, and serves the product and the customer's website.
func demo(ctx context.Context, c Config, log *slog.Logger, stdout io.Writer) error {
	if c.Production {
		return errors.New("the demo has a known password and does not run in production")
	}
	if err := migrate(ctx, c); err != nil {
		return err
	}
	s, err := newServer(ctx, c, log)
	if err != nil {
		return err
	}
	site := "http://" + c.DemoListen
	bot, err := s.seed(ctx, os.DirFS(demoDir), site)
	if err != nil {
		s.close()
		return fmt.Errorf("make the demo customer: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	if err := serve(ctx, group, c.DemoListen, demoSite(os.DirFS(path.Join(demoDir, "site")), c.PublicURL, bot.Key), "BITB_DEMO_LISTEN"); err != nil {
		s.close()
		return err
	}
	group.Go(func() error {
		return s.run(ctx, true, func() {
			fmt.Fprintf(stdout, demoText, c.PublicURL, demoEmail, demoPassword, site, s.answeredBy(), c.metricsAddress())
		})
	})
	return group.Wait()
}

const demoText = `
  Dashboard      %s
  Sign in with   %s
  Password       %s
  Customer site  %s
  Answers from   %s
  Metrics        %s

  Ctrl-C stops everything.

`

func (s *server) answeredBy() string {
	if s.models.BuiltIn {
		return s.models.Answer + " (no key needed; set OPENAI_API_KEY for a model that writes)"
	}
	return s.models.Answer
}

func (c Config) metricsAddress() string {
	if c.MetricsListen == "off" {
		return "off"
	}
	return "http://" + c.MetricsListen + "/metrics"
}

// seed makes the demo customer with its documents and its site, all once.
func (s *server) seed(ctx context.Context, files fs.FS, site string) (chat.Bot, error) {
	account, err := s.tenants.SignIn(ctx, demoEmail, demoPassword)
	fresh := errors.Is(err, tenant.ErrSignIn)
	if fresh {
		account, err = s.tenants.SignUp(ctx, tenant.SignUp{Company: demoCompany, Name: "Demo owner", Email: demoEmail, Password: demoPassword})
	}
	if err != nil {
		return chat.Bot{}, err
	}
	bot, err := s.chat.Bot(ctx, account.Tenant.ID)
	if err != nil {
		return bot, err
	}
	if err := s.chat.AllowOrigin(ctx, account.Tenant.ID, bot.ID, site); err != nil {
		return bot, err
	}
	if !fresh {
		return bot, nil // what was changed or deleted since stays so
	}
	err = s.chat.SaveBot(ctx, account.Tenant.ID, bot.ID, chat.BotForm{
		Name: demoCompany, Greeting: "What would you like to know about our bikes?", Brand: "#9a3b12", Corner: "right",
		Suggestions: "How old do you have to be to rent a bike alone?\nWhat does a missing saddle cost?\nHow long are gift vouchers valid?",
		Fallback:    "I could not find this in our help pages. Our shop is happy to answer: help@harbourloop.example.",
	})
	if err != nil {
		return bot, err
	}
	return bot, s.seedDocuments(ctx, files, account)
}

func (s *server) seedDocuments(ctx context.Context, files fs.FS, account tenant.Account) error {
	entries, err := fs.ReadDir(files, "documents")
	if err != nil {
		return fmt.Errorf("find the sample documents (run this from the checkout): %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := fs.ReadFile(files, path.Join("documents", e.Name()))
		if err != nil {
			return err
		}
		format, err := sniff(content, e.Name())
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		up := document.Upload{Name: e.Name(), Format: format, Content: content, By: account.User.ID}
		if _, err := s.documents.Store(ctx, account.Tenant.ID, up); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

// demoSite serves the customer's website with the script tag filled in, as they would paste it.
func demoSite(files fs.FS, product string, key domain.ID) http.Handler {
	fill := strings.NewReplacer("{{WIDGET_ORIGIN}}", product, "{{BOT}}", key.String())
	plain := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if name == "" {
			name = "index.html"
		}
		if path.Ext(name) == "" {
			name += ".html"
		}
		page, err := fs.ReadFile(files, name)
		if err != nil || path.Ext(name) != ".html" {
			plain.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, name, time.Time{}, strings.NewReader(fill.Replace(string(page))))
	})
}
