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
	return string(format), refused(err)
}

// refused says why a file is not taken: in two sentences, and in few words for where many files are listed. An error that
// is not about the file stays what it is.
func refused(err error) error {
	e, ok := errors.AsType[*extract.Error](err)
	if !ok {
		return err
	}
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
	return refused(extract.Unzip(bytes.NewReader(content), int64(len(content)), func(e extract.Entry) error {
		if e.Err != nil {
			return each(e.Name, nil, refused(e.Err))
		}
		return each(e.Name, e.Content, nil)
	}))
}

// renderPage makes a picture of a page of a PDF, in a child process.
func renderPage(ctx context.Context, content []byte, page, width int) (picture []byte, mediaType string, err error) {
	picture, mediaType, err = (&reader.Child{}).RenderPage(ctx, bytes.NewReader(content), page, width)
	return picture, mediaType, refused(err)
}
