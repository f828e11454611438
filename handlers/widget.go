package handlers

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/redis"
)

// botMinute bounds what all visitors of one bot together may ask, however many addresses they come from.
var botMinute = redis.Limit{Events: 600, Per: time.Minute}

// lookUpWithin is how long a visitor waits to be told that the database is too busy.
const lookUpWithin = 1500 * time.Millisecond

// site is what the guard knows of a widget's request.
type site struct {
	tenantID domain.ID
	bot      chat.Bot
	asker    chat.Asker
}

func siteOf(c echo.Context) site { v, _ := c.Get("site").(site); return v }

// guardSite lets a browser in whose page stands on one of the bot's sites, and answers it with exact CORS headers. The
// dashboard's own origin counts as one, for the preview. Without Origin nobody is let in: only browsers have a page.
func (s *server) guardSite(c echo.Context, r route) error {
	req, h := c.Request(), c.Response().Header()
	h.Set("Vary", "Origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	key, err := domain.ParseID(c.Param("bot"))
	if err != nil {
		return err
	}
	// A request of a page to its own server has no Origin when it is a plain GET; Sec-Fetch-Site cannot be forged by a page.
	origin := req.Header.Get("Origin")
	if origin == "" && req.Header.Get("Sec-Fetch-Site") == "same-origin" {
		origin = s.PublicURL
	}
	if err := s.count(c, "widget:ip:"+placeOf(c), redis.Limit{Events: 600, Per: time.Minute}); err != nil {
		return s.withoutBot(c, origin, err)
	}
	soon, cancel := context.WithTimeout(req.Context(), lookUpWithin)
	defer cancel()
	tenantID, bot, err := s.Chat.ByKey(soon, key)
	if err != nil {
		if domain.CodeOf(err) == domain.NotFound {
			s.Metrics.KeyUsed("bot", "unknown", false)
		}
		return s.withoutBot(c, origin, err)
	}
	if origin == "" || (origin != s.PublicURL && !slices.Contains(bot.Origins, origin)) {
		return errOrigin
	}
	readableFrom(h, origin)
	about := site{tenantID: tenantID, bot: bot, asker: chat.Asker{Origin: origin}}
	who := domain.Identity{TenantID: tenantID}
	seenIn(req.Context()).identity = who
	c.SetRequest(req.WithContext(domain.WithIdentity(req.Context(), who)))
	if r.who == visitor {
		token, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		if about.asker.VisitorID, err = s.Chat.Visitor(soon, tenantID, bot.ID, token); err != nil {
			if domain.CodeOf(err) == domain.Unauthenticated {
				s.Metrics.KeyUsed("visitor", "unknown", false)
			}
			return err
		}
		seenIn(req.Context()).visitor = about.asker.VisitorID
	}
	c.Set("site", about)
	if err := s.limited(c, r, about.asker.VisitorID); err != nil {
		return err
	}
	if err := s.oneTenant(c, r); err != nil {
		return err
	}
	return r.handle(s, c)
}

// withoutBot lets the page read why no bot was found for it: there is none, there were too many requests, the database is busy.
// Unread, each would look to the widget like a lost connection or a site that is not allowed.
func (s *server) withoutBot(c echo.Context, origin string, err error) error {
	if origin == "" {
		return err
	}
	readableFrom(c.Response().Header(), origin)
	if c.Request().Method == http.MethodOptions {
		return s.preflight(c) // what follows is told why
	}
	return err
}

func readableFrom(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// preflight answers a browser that asks whether it may send what it is about to send.
func (s *server) preflight(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "600")
	return c.NoContent(http.StatusNoContent)
}

// widgetConfig has these fields and no others: everybody can read it.
type widgetConfig struct {
	Name        string   `json:"name"`
	Greeting    string   `json:"greeting"`
	Suggestions []string `json:"suggestions"`
	Brand       string   `json:"brand"`
	OnBrand     string   `json:"on_brand"`
	Corner      string   `json:"corner"`
	Fallback    string   `json:"fallback"`
	Model       string   `json:"model"`
}

func (s *server) widgetConfig(c echo.Context) error {
	b := siteOf(c).bot
	onBrand, _ := chat.OnBrand(b.Brand)
	return c.JSON(http.StatusOK, widgetConfig{Name: b.Name, Greeting: b.Greeting, Suggestions: b.Suggestions, Brand: b.Brand,
		OnBrand: onBrand, Corner: b.Corner, Fallback: b.Fallback, Model: s.Models.Answer})
}

func (s *server) widgetVisitor(c echo.Context) error {
	token, err := s.Chat.NewVisitor(c.Request().Context(), siteOf(c).tenantID, siteOf(c).bot.ID)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]string{"token": token})
}

func (s *server) widgetStartOver(c echo.Context) error {
	at := siteOf(c)
	if _, err := s.Chat.NewConversation(c.Request().Context(), at.tenantID, at.bot.ID, at.asker); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// widgetSource is a cited passage as a visitor sees it: no ids and no scores.
type widgetSource struct {
	N       int    `json:"n"`
	Title   string `json:"title"`
	Page    int    `json:"page,omitempty"`
	Heading string `json:"heading,omitempty"`
	Text    string `json:"text"`
}

type widgetMessage struct {
	ID      domain.ID      `json:"id"`
	Role    string         `json:"role"` // "visitor" or "bot"
	ReplyTo string         `json:"reply_to,omitempty"`
	Text    string         `json:"text"`
	Status  chat.Outcome   `json:"status"`
	Sources []widgetSource `json:"sources,omitempty"`
	Model   string         `json:"model,omitempty"`
	At      time.Time      `json:"at"`
}

func toWidget(m chat.Message) widgetMessage {
	w := widgetMessage{ID: m.ID, Role: "visitor", Text: m.Text, Status: m.Outcome, Model: m.Writer(), At: m.CreatedAt.UTC()}
	if m.Author == chat.Answer {
		w.Role, w.ReplyTo = "bot", m.ReplyTo.String()
	}
	for _, source := range m.Citations {
		w.Sources = append(w.Sources, widgetSource{N: source.Number, Title: source.DocumentName, Page: source.Page,
			Heading: strings.Join(source.Heading, " › "), Text: source.Text})
	}
	return w
}

func (s *server) widgetMessages(c echo.Context) error {
	at := siteOf(c)
	conversation, err := s.Chat.Current(c.Request().Context(), at.tenantID, at.bot.ID, at.asker)
	if err != nil {
		return err
	}
	messages := []widgetMessage{}
	for _, m := range conversation.Messages {
		messages = append(messages, toWidget(m))
	}
	return c.JSON(http.StatusOK, map[string]any{"messages": messages})
}

type widgetQuestion struct {
	ID       string `json:"id"`
	Question string `json:"question"`
}

func (s *server) widgetAsk(c echo.Context) error {
	at := siteOf(c)
	var body widgetQuestion
	if err := decodeJSON(c, &body); err != nil {
		return err
	}
	id, err := domain.ParseID(body.ID)
	if err != nil {
		return err
	}
	if err := s.count(c, "bot:"+at.bot.ID.String(), botMinute); err != nil {
		return err
	}
	question := chat.Question{ID: id, TenantID: at.tenantID, Bot: at.bot, Asker: at.asker, Text: text(body.Question)}
	if !strings.Contains(c.Request().Header.Get("Accept"), "text/event-stream") {
		answer, err := s.Chat.Ask(c.Request().Context(), question, chat.Events{})
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, toWidget(answer))
	}
	return s.streamAnswer(c, question, chat.Events{}, func(stream *stream, answer chat.Message) error {
		return stream.send("done", toWidget(answer))
	})
}

func (s *server) widgetScript(c echo.Context) error {
	c.Response().Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	c.Response().Header().Set("Access-Control-Allow-Origin", "*")
	return s.file(c, "widget.js", "public, max-age=300")
}
