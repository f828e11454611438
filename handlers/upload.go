package handlers

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
)

var (
	errTooLarge = &domain.Error{Code: domain.TooLarge, Message: document.TooLargeMessage, Err: &Refusal{Is: "larger than 25 MB"}}
	errNoBytes  = &domain.Error{Code: domain.Invalid, Message: "This file is empty. Check it and upload it again.", Err: &Refusal{Is: "empty"}}
	errNoFile   = domain.NewError(domain.BadRequest, "There is no file in this upload.")
)

const brokeOff = "The upload broke off before it was complete. Nothing of it was kept."

// maxUpload leaves room for the multipart frame around one file of the largest size.
const maxUpload = document.MaxFileBytes + 64<<10

// mostParts is how many files a form may send at once.
const mostParts = 100

// uploadTime is how long a request with files may take from its turn on.
const uploadTime = 2 * time.Minute

// file is one part of an upload.
type file struct {
	name    string
	content []byte
}

// uploaded tells what became of one file: to a script as JSON, to a person in a sentence.
type uploaded struct {
	ID        domain.ID   `json:"id,omitzero"` // none for a file that was not taken
	Name      string      `json:"name"`
	Duplicate bool        `json:"duplicate"`
	Existing  string      `json:"existing,omitempty"` // the name of the document that has these bytes already
	SameName  domain.ID   `json:"same_name,omitzero"` // a document of this name with other bytes
	Message   string      `json:"message"`
	Code      domain.Code `json:"code,omitempty"` // why it was not taken

	is string // the reason in few words, to follow "It is"
}

// upload takes files in the field "file". A script sends one a request and reads JSON; the plain form may send several.
func (s *server) upload(c echo.Context) error {
	next, leave, err := s.receive(c)
	if err != nil {
		return err
	}
	defer leave()
	if wantsJSON(c.Request()) {
		f, err := next()
		if errors.Is(err, io.EOF) {
			return errNoFile
		}
		if err != nil {
			return err
		}
		return s.answerOnce(c, f.content, func() (int, any, error) { return s.uploadOne(c, f) })
	}
	return s.uploadMany(c, next)
}

// uploadOne stores what a script sent and returns the answer.
func (s *server) uploadOne(c echo.Context, f file) (status int, answer any, err error) {
	up, err := s.checked(c, f)
	if err != nil {
		return 0, nil, err
	}
	if up.Format == formatZIP {
		b, err := s.storeBatch(c, up)
		return b.status(), b, err
	}
	namesake, err := s.Documents.Namesake(c.Request().Context(), tenantOf(c), up)
	if err != nil {
		return 0, nil, err
	}
	if namesake != (domain.ID{}) && c.QueryParam("same_name") == "ask" {
		return http.StatusConflict, uploaded{Name: document.CleanName(f.name), SameName: namesake, Code: domain.Conflict,
			Message: "You have a document of this name already. Make this its new version, or keep both."}, nil
	}
	if key := c.Request().Header.Get("Idempotency-Key"); key != "" {
		sum := sha256.Sum256([]byte(key))
		up.Key = sum[:]
	}
	one, err := s.store(c, up)
	one.SameName = namesake
	if one.Duplicate {
		return http.StatusOK, one, err
	}
	return http.StatusCreated, one, err
}

// uploadMany stores what a form sent. A file that is refused loses none of the others.
func (s *server) uploadMany(c echo.Context, next func() (file, error)) error {
	var all told
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		var up document.Upload
		if err == nil {
			up, err = s.checked(c, f)
		}
		if err == nil && up.Format == formatZIP {
			var b batch
			if b, err = s.storeBatch(c, up); err == nil {
				all.add(b.Files...)
				all.from = append(all.from, b.Name)
				continue
			}
		}
		var one uploaded
		if err == nil {
			one, err = s.store(c, up)
		}
		if one, err = refused(f.name, one, err); err != nil {
			return s.partly(c, all, err)
		}
		all.add(one)
		all.parts++
	}
	switch {
	case len(all.files) == 0:
		return s.notDone(c, "/documents", domain.NewError(domain.BadRequest, "Choose a file first."))
	case !all.good():
		return s.notDone(c, "/documents", domain.NewError(domain.Invalid, all.String()))
	}
	return s.done(c, "/documents", all.String())
}

// partly tells what was kept of a form that broke off or was too long.
func (s *server) partly(c echo.Context, all told, err error) error {
	if _, ok := asError(err, domain.BadRequest); !ok || !all.good() {
		return err
	}
	return s.notDone(c, "/documents", domain.NewError(domain.BadRequest, all.String()+" The rest was not taken. Upload it again."))
}

// refused makes a line of the list of an error that is about the file alone; any other error goes on.
func refused(name string, one uploaded, err error) (uploaded, error) {
	if err == nil {
		return one, nil
	}
	e, ok := asError(err, domain.Invalid, domain.TooLarge, domain.Unsupported, domain.Conflict)
	if !ok {
		return one, err
	}
	one = uploaded{Name: document.CleanName(name), Code: e.Code, Message: e.Message}
	if r, ok := errors.AsType[*Refusal](err); ok {
		one.is = r.Is
	}
	return one, nil
}

// receive waits for its turn and returns the function that reads one file after the other, until io.EOF. The error of a file
// that is refused for its size is about this file alone. A script's is refused by its stated length, before it is read.
func (s *server) receive(c echo.Context) (next func() (file, error), leave func(), err error) {
	req := c.Request()
	if wantsJSON(req) && req.ContentLength > maxUpload {
		c.Response().Header().Set("Connection", "close")
		return nil, nil, errTooLarge
	}
	parts, err := req.MultipartReader()
	if err != nil {
		return nil, nil, &domain.Error{Code: domain.BadRequest, Message: "Send the file as a form with the field \"file\".", Err: err}
	}
	if leave, err = s.uploadTurn(c); err != nil {
		return nil, nil, err
	}
	n := 0
	return func() (file, error) {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return file{}, err
		}
		if n++; err == nil && n > mostParts {
			return file{}, domain.NewError(domain.BadRequest, "These are more than 100 files. Upload fewer at once.")
		}
		if err != nil {
			return file{}, &domain.Error{Code: domain.BadRequest, Message: brokeOff, Err: err}
		}
		if part.FormName() != "file" {
			return file{}, domain.NewError(domain.BadRequest, "The upload has a field that is not a file.")
		}
		return readPart(c, part)
	}, leave, nil
}

// uploadTurn waits for a slot. The time that a request has begins with it: waiting for others takes nothing away.
func (s *server) uploadTurn(c echo.Context) (leave func(), err error) {
	within := func(deadline time.Time) { // not every writer has one; then the server's holds
		conn := http.NewResponseController(c.Response())
		_, _ = conn.SetReadDeadline(deadline), conn.SetWriteDeadline(deadline)
	}
	within(time.Time{})
	if leave, err = s.uploads.take(c.Request().Context(), tenantOf(c)); err == nil {
		within(time.Now().Add(uploadTime))
	}
	return leave, err
}

func readPart(c echo.Context, part *multipart.Part) (file, error) {
	var content bytes.Buffer
	n, err := content.ReadFrom(io.LimitReader(part, document.MaxFileBytes+1))
	f := file{name: part.FileName(), content: content.Bytes()}
	switch {
	case err != nil:
		return f, &domain.Error{Code: domain.BadRequest, Message: brokeOff, Err: err}
	case n > document.MaxFileBytes:
		c.Response().Header().Set("Connection", "close")
		return file{name: f.name}, errTooLarge
	case n == 0:
		return f, errNoBytes
	}
	return f, nil
}

// checked is a file whose format is known. That of several files in one is formatZIP, which is no document's.
func (s *server) checked(c echo.Context, f file) (document.Upload, error) {
	account, _ := accountOf(c)
	format, err := s.Sniff(f.content, f.name)
	return document.Upload{Name: f.name, Format: format, Content: f.content, By: account.User.ID}, err
}

func (s *server) store(c echo.Context, up document.Upload) (uploaded, error) {
	stored, err := s.Documents.Store(c.Request().Context(), tenantOf(c), up)
	if err != nil {
		return uploaded{}, err
	}
	one := uploaded{ID: stored.ID, Name: document.CleanName(up.Name), Message: "Uploaded. It answers when it is ready."}
	if stored.Duplicate {
		one.Duplicate, one.Existing = true, stored.Name
		one.Message = fmt.Sprintf("You have this file already, as “%s”. It was not stored again.", stored.Name)
	}
	return one, nil
}

// uploadVersion takes one file in the field "file" as the new version of a document.
func (s *server) uploadVersion(c echo.Context) error {
	d, err := s.documentParam(c)
	if err != nil {
		return err
	}
	one, err := s.storeVersion(c, d)
	if wantsJSON(c.Request()) {
		if err != nil {
			return err
		}
		if one.Duplicate {
			return c.JSON(http.StatusOK, one)
		}
		return c.JSON(http.StatusCreated, one)
	}
	if e, ok := asError(err, domain.Invalid, domain.TooLarge, domain.Unsupported, domain.Conflict, domain.BadRequest); ok {
		return s.notDone(c, back(c), e)
	}
	if err != nil {
		return err
	}
	return s.done(c, back(c), one.Message)
}

func (s *server) storeVersion(c echo.Context, d document.Document) (uploaded, error) {
	next, leave, err := s.receive(c)
	if err != nil {
		return uploaded{}, err
	}
	defer leave()
	f, err := next()
	if errors.Is(err, io.EOF) {
		return uploaded{}, errNoFile
	}
	if err != nil {
		return uploaded{}, err
	}
	up, err := s.checked(c, f)
	if err != nil {
		return uploaded{}, err
	}
	if up.Format == formatZIP {
		return uploaded{}, domain.NewError(domain.Unsupported, "A ZIP holds several files and cannot be a version of one document. Upload the file itself.")
	}
	stored, err := s.Documents.StoreVersion(c.Request().Context(), tenantOf(c), d.ID, up)
	if err != nil {
		return uploaded{}, err
	}
	one := uploaded{ID: stored.ID, Name: document.CleanName(f.name), Message: "Uploaded as the new version. It answers when it is ready."}
	switch {
	case stored.Duplicate:
		one.Duplicate, one.Existing = true, d.Name
		one.Message = fmt.Sprintf("This is the file that “%s” has already. Nothing changed.", d.Name)
	case d.Live > 0 && !d.Off:
		one.Message = fmt.Sprintf("Uploaded as the new version. Version %d answers until it is ready.", d.Live)
	}
	return one, nil
}
