package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/views"
)

func (s *server) conversations(c echo.Context) error { return s.conversationsPage(c, nil) }

func (s *server) conversation(c echo.Context) error {
	open, err := s.conversationHere(c)
	if err != nil {
		return err
	}
	return s.conversationsPage(c, &open)
}

// conversationHere is the one that the address names.
func (s *server) conversationHere(c echo.Context) (open chat.Conversation, err error) {
	id, err := idParam(c, "id")
	if err != nil {
		return open, err
	}
	last, _ := domain.ParseID(c.QueryParam("until")) // one that is none opens it at its end
	open, err = s.Chat.Conversation(c.Request().Context(), tenantOf(c), id, last)
	if domain.CodeOf(err) == domain.NotFound {
		err = domain.NewError(domain.NotFound, "There is no such conversation.")
	}
	return open, err
}

func (s *server) conversationsPage(c echo.Context, open *chat.Conversation) error {
	list, err := s.Chat.Conversations(c.Request().Context(), tenantOf(c), conversationFilter(c))
	if err != nil {
		return err
	}
	page, err := s.page(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Conversations(page, views.ConversationsView{List: list, Open: open}))
}
