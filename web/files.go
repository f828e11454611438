package main

import (
	"bytes"
	"context"
	"errors"

	"bitb/domain"
	"bitb/domain/ingest/extract"
	"bitb/domain/ingest/reader"
	"bitb/handlers"
)

// sniff refuses a file that cannot be read before it is stored.
func sniff(content []byte, name string) (string, error) {
	format, err := extract.Detect(bytes.NewReader(content), int64(len(content)), name)
	if e, ok := errors.AsType[*extract.Error](err); ok {
		return "", refused(e)
	}
	return string(format), err
}

// refused says why a file is not taken: in two sentences, and in few words for where many files are listed.
func refused(e *extract.Error) *domain.Error {
	code, is := domain.Invalid, "damaged or incomplete"
	switch e.Reason {
	case extract.ReasonUnsupported:
		if code, is = domain.Unsupported, e.What; is == "" {
			is = "of a kind that cannot be read"
		}
	case extract.ReasonEmpty, extract.ReasonNoText:
		is = "without text"
	case extract.ReasonEncrypted:
		is = "protected with a password"
	case extract.ReasonTooLarge, extract.ReasonTooManyPages, extract.ReasonTooManyFiles:
		is = "too much to read at once"
	}
	return &domain.Error{Code: code, Message: e.Title() + ". " + e.Message(), Err: &handlers.Refusal{Is: is, Err: e}}
}

// unzip takes a ZIP apart, file by file.
func unzip(content []byte, each func(name string, content []byte, err error) error) error {
	err := extract.Unzip(bytes.NewReader(content), int64(len(content)), func(e extract.Entry) error {
		if e.Err != nil {
			return each(e.Name, nil, refused(e.Err))
		}
		return each(e.Name, e.Content, nil)
	})
	if e, ok := errors.AsType[*extract.Error](err); ok {
		return refused(e)
	}
	return err
}

// renderPage makes a picture of a page of a PDF, in a child process.
func renderPage(ctx context.Context, content []byte, page, width int) (picture []byte, mediaType string, err error) {
	picture, mediaType, err = (&reader.Child{}).RenderPage(ctx, bytes.NewReader(content), page, width)
	if e, ok := errors.AsType[*extract.Error](err); ok {
		return nil, "", refused(e)
	}
	return picture, mediaType, err
}
