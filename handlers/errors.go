package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/views"
)

// statuses is the one place where a code becomes an HTTP status.
var statuses = map[domain.Code]int{
	domain.BadRequest:      http.StatusBadRequest,
	domain.Unauthenticated: http.StatusUnauthorized,
	domain.Forbidden:       http.StatusForbidden,
	domain.NotFound:        http.StatusNotFound,
	domain.Conflict:        http.StatusConflict,
	domain.TooLarge:        http.StatusRequestEntityTooLarge,
	domain.Unsupported:     http.StatusUnsupportedMediaType,
	domain.Invalid:         http.StatusUnprocessableEntity,
	domain.RateLimited:     http.StatusTooManyRequests,
	domain.Internal:        http.StatusInternalServerError,
	domain.Unavailable:     http.StatusServiceUnavailable,
	domain.Full:            http.StatusInsufficientStorage,
}

const unknownError = "Something went wrong on our side. It was noted; try again in a moment."

// problem brings any error to a domain.Error that may be shown, and logs what the person must not see.
func (s *server) problem(ctx context.Context, err error) *domain.Error {
	if h, ok := errors.AsType[*echo.HTTPError](err); ok {
		return fromEcho(h)
	}
	if e, ok := errors.AsType[*domain.Error](err); ok {
		switch e.Code {
		case domain.Internal:
			s.Log.ErrorContext(ctx, "request failed", "error", err)
			return &domain.Error{Code: domain.Internal, Message: unknownError}
		case domain.Unavailable, domain.Full:
			s.Log.WarnContext(ctx, "request refused", "code", e.Code, "error", err)
		}
		return e
	}
	if errors.Is(err, context.Canceled) || ctx.Err() != nil { // nobody reads the answer any more
		return &domain.Error{Code: domain.Unavailable, Message: "The request was broken off."}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &domain.Error{Code: domain.TooLarge, Message: "This request is too large."}
	}
	s.Log.ErrorContext(ctx, "request failed", "error", err)
	return &domain.Error{Code: domain.Internal, Message: unknownError}
}

func fromEcho(h *echo.HTTPError) *domain.Error {
	switch h.Code {
	case http.StatusNotFound:
		return &domain.Error{Code: domain.NotFound, Message: "There is nothing at this address."}
	case http.StatusMethodNotAllowed:
		return &domain.Error{Code: domain.NotFound, Message: "There is nothing at this address that answers to this method."}
	case http.StatusRequestEntityTooLarge:
		return &domain.Error{Code: domain.TooLarge, Message: "This request is too large."}
	}
	return &domain.Error{Code: domain.BadRequest, Message: "This request cannot be understood."}
}

// fail answers with an error, as a page, a JSON object or nothing more, whatever the caller reads. It is Echo's error handler.
func (s *server) fail(err error, c echo.Context) {
	s.watch(c, err)
	if c.Response().Committed {
		_ = s.problem(c.Request().Context(), err) // only the log can still be told
		return
	}
	e := s.problem(c.Request().Context(), err)
	status := statuses[e.Code]
	if h, ok := errors.AsType[*echo.HTTPError](err); ok && h.Code == http.StatusMethodNotAllowed {
		status = h.Code
	}
	header := c.Response().Header()
	header.Set("Cache-Control", "no-store")
	if e.Code == domain.Unavailable {
		header.Set("Retry-After", "5")
	}
	sayWhen(c, e)
	if wantsJSON(c.Request()) {
		_ = c.JSON(status, errorBody(e))
		return
	}
	view := views.ErrorView{Status: status, Message: e.Message, RequestID: seenIn(c.Request().Context()).id}
	view.Staff = staffPath(c.Request().URL.Path)
	if account, ok := accountOf(c); ok {
		view.Page = &views.Page{Account: account, Path: c.Request().URL.Path}
	} else if staffOf(c).ID != (domain.ID{}) {
		page := s.staffPage(c)
		view.Page = &page
	}
	_ = render(c, status, views.ErrorPage(view))
}

// apiError is how a machine is told. It has these fields and no others.
type apiError struct {
	Code       domain.Code       `json:"code"`
	Message    string            `json:"message"`
	Fields     map[string]string `json:"fields,omitempty"`
	RetryAfter int               `json:"retry_after,omitempty"` // seconds
}

func errorBody(e *domain.Error) apiError {
	return apiError{Code: e.Code, Message: e.Message, Fields: e.Fields, RetryAfter: seconds(e.RetryAfter)}
}

// sayWhen tells a client when to come back, if the error knows.
func sayWhen(c echo.Context, e *domain.Error) {
	if e.RetryAfter > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(seconds(e.RetryAfter)))
	}
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// wantsJSON: the widget always, scripts that say so, and whoever sends JSON.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.HasPrefix(r.URL.Path, "/widget/") ||
		strings.Contains(accept, "application/json") || strings.Contains(accept, "text/event-stream") ||
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
}

// asError is for a form's handler, which shows a domain.Error beside the fields and lets every other go on to fail.
func asError(err error, codes ...domain.Code) (*domain.Error, bool) {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return nil, false
	}
	for _, code := range codes {
		if e.Code == code {
			return e, true
		}
	}
	return nil, false
}

// decodeJSON reads a small object strictly: unknown fields, trailing text and wrong types are refused.
func decodeJSON(c echo.Context, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return err
		}
		return &domain.Error{Code: domain.BadRequest, Message: "The body is not the JSON object this address takes.", Err: err}
	}
	if d.More() {
		return domain.NewError(domain.BadRequest, "The body holds more than one JSON object.")
	}
	return nil
}
