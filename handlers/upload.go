package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
)

var errTooLarge = domain.NewError(domain.TooLarge, "This file is larger than 25 MB. Split it, or save a smaller copy.")

// maxUpload leaves room for the multipart frame around one file of the largest size.
const maxUpload = document.MaxFileBytes + 64<<10

// uploaded is what the upload answers to a script, for one file.
type uploaded struct {
	ID        domain.ID `json:"id"`
	Name      string    `json:"name"`
	Duplicate bool      `json:"duplicate"`
	Existing  string    `json:"existing,omitempty"`
	Message   string    `json:"message"`
}

// upload takes files in the field "file". A script sends one a request and reads JSON; the plain form may send several.
// What is too large is refused by its stated length, before it is read.
func (s *server) upload(c echo.Context) error {
	req := c.Request()
	single := wantsJSON(req)
	if single && req.ContentLength > maxUpload {
		c.Response().Header().Set("Connection", "close")
		return errTooLarge
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-req.Context().Done():
		return req.Context().Err()
	}
	parts, err := req.MultipartReader()
	if err != nil {
		return &domain.Error{Code: domain.BadRequest, Message: "Send the file as a form with the field \"file\".", Err: err}
	}
	var results []uploaded
	var failed *domain.Error
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n > 100 {
			return &domain.Error{Code: domain.BadRequest, Message: "The upload broke off before it was complete. Nothing of it was kept.", Err: err}
		}
		if part.FormName() != "file" {
			return domain.NewError(domain.BadRequest, "The upload has a field that is not a file.")
		}
		one, err := s.storePart(c, part)
		if e, ok := errors.AsType[*domain.Error](err); ok && !single && e.Code != domain.Unavailable {
			failed = &domain.Error{Code: e.Code, Message: document.CleanName(part.FileName()) + ": " + e.Message}
			continue
		}
		if err != nil {
			return err
		}
		results = append(results, one)
		if single {
			break
		}
	}
	return s.uploadDone(c, results, failed)
}

func (s *server) storePart(c echo.Context, part *multipart.Part) (uploaded, error) {
	account, _ := accountOf(c)
	var content bytes.Buffer
	n, err := content.ReadFrom(io.LimitReader(part, document.MaxFileBytes+1))
	switch {
	case err != nil:
		return uploaded{}, &domain.Error{Code: domain.BadRequest, Message: "The upload broke off before it was complete. Nothing of it was kept.", Err: err}
	case n > document.MaxFileBytes:
		c.Response().Header().Set("Connection", "close")
		return uploaded{}, errTooLarge
	case n == 0:
		return uploaded{}, domain.NewError(domain.Invalid, "This file is empty. Check it and upload it again.")
	}
	format, err := s.Sniff(content.Bytes(), part.FileName())
	if err != nil {
		return uploaded{}, err
	}
	stored, err := s.Documents.Store(c.Request().Context(), account.Tenant.ID,
		document.Upload{Name: part.FileName(), Format: format, Content: content.Bytes(), By: account.User.ID})
	if err != nil {
		return uploaded{}, err
	}
	one := uploaded{ID: stored.ID, Name: document.CleanName(part.FileName()), Message: "Uploaded. It answers when it is ready."}
	if stored.Duplicate {
		one.Duplicate, one.Existing = true, stored.Name
		one.Message = fmt.Sprintf("You have this file already, as “%s”. It was not stored again.", stored.Name)
	}
	return one, nil
}

func (s *server) uploadDone(c echo.Context, results []uploaded, failed *domain.Error) error {
	if wantsJSON(c.Request()) {
		if len(results) == 0 {
			return domain.NewError(domain.BadRequest, "There is no file in this upload.")
		}
		status := http.StatusCreated
		if results[0].Duplicate {
			status = http.StatusOK
		}
		return c.JSON(status, results[0])
	}
	switch {
	case failed != nil:
		return s.notDone(c, "/documents", failed)
	case len(results) == 0:
		return s.notDone(c, "/documents", domain.NewError(domain.BadRequest, "Choose a file first."))
	case len(results) == 1:
		return s.done(c, "/documents", results[0].Message)
	}
	return s.done(c, "/documents", fmt.Sprintf("%d files were uploaded. They answer when they are ready.", len(results)))
}
