package handlers

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"bitb/domain/doctor"
	"bitb/views"
)

// Readiness makes the readiness check, or has it from a moment ago; see package doctor.
type Readiness interface {
	Report(ctx context.Context, again bool) doctor.Report
}

func (s *server) readiness(c echo.Context) error {
	return render(c, http.StatusOK, views.Readiness(s.staffPage(c), s.Readiness.Report(c.Request().Context(), false)))
}

func (s *server) readinessAgain(c echo.Context) error {
	s.Readiness.Report(c.Request().Context(), true)
	return c.Redirect(http.StatusSeeOther, "/staff/readiness")
}
