package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/views"
)

func (s *server) bot(c echo.Context) error {
	b, err := s.Chat.Bot(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	return s.botPage(c, http.StatusOK, views.BotView{Bot: b})
}

func (s *server) botPage(c echo.Context, status int, v views.BotView) error {
	page, err := s.page(c)
	if err != nil {
		return err
	}
	v.ScriptURL = s.PublicURL + "/widget.js"
	return render(c, status, views.Bot(page, v))
}

func (s *server) saveBot(c echo.Context) error {
	ctx := c.Request().Context()
	b, err := s.Chat.Bot(ctx, tenantOf(c))
	if err != nil {
		return err
	}
	form := chat.BotForm{
		Name: text(c.FormValue("name")), Greeting: text(c.FormValue("greeting")), Suggestions: text(c.FormValue("suggestions")),
		Fallback: text(c.FormValue("fallback")), Brand: text(c.FormValue("brand")), Corner: text(c.FormValue("corner")),
	}
	err = s.Chat.SaveBot(ctx, tenantOf(c), b.ID, form)
	if e, ok := asError(err, domain.Invalid); ok {
		b.Name, b.Greeting, b.Fallback, b.Brand, b.Corner = form.Name, form.Greeting, form.Fallback, form.Brand, form.Corner
		b.Suggestions = strings.Split(strings.ReplaceAll(form.Suggestions, "\r", ""), "\n")
		return s.botPage(c, http.StatusUnprocessableEntity, views.BotView{Bot: b, Err: e})
	}
	if err != nil {
		return err
	}
	return s.done(c, "/bot", "Saved. Visitors see it from their next page on.")
}

func (s *server) allowOrigin(c echo.Context) error {
	ctx := c.Request().Context()
	b, err := s.Chat.Bot(ctx, tenantOf(c))
	if err != nil {
		return err
	}
	typed := text(c.FormValue("origin"))
	err = s.Chat.AllowOrigin(ctx, tenantOf(c), b.ID, typed)
	if e, ok := asError(err, domain.Invalid); ok {
		return s.botPage(c, http.StatusUnprocessableEntity, views.BotView{Bot: b, Origin: typed, OriginErr: e})
	}
	if err != nil {
		return err
	}
	return s.done(c, "/bot", "The bot now answers there.")
}

func (s *server) forbidOrigin(c echo.Context) error {
	ctx := c.Request().Context()
	b, err := s.Chat.Bot(ctx, tenantOf(c))
	if err != nil {
		return err
	}
	if err := s.Chat.ForbidOrigin(ctx, tenantOf(c), b.ID, text(c.FormValue("origin"))); err != nil {
		return err
	}
	return s.done(c, "/bot", "The bot no longer answers there.")
}

// botPreview is a customer's page made up for the Bot page, which alone may frame it.
func (s *server) botPreview(c echo.Context) error {
	b, err := s.Chat.Bot(c.Request().Context(), tenantOf(c))
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
	h.Set("X-Frame-Options", "SAMEORIGIN")
	return render(c, http.StatusOK, views.BotPreview(views.BotView{Bot: b, ScriptURL: "/widget.js"}))
}
