package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"path"
	"strings"

	"bitb/domain"
	"bitb/domain/document"
	"bitb/domain/ingest/extract"
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
	case extract.ReasonTooLarge, extract.ReasonTooManyPages:
		is = "too much to read at once"
	}
	return &domain.Error{Code: code, Message: e.Title() + ". " + e.Message(), Err: &handlers.Refusal{Is: is, Err: e}}
}

// Limits on one ZIP. Its directory was bounded when its format was told.
const (
	mostZipped   = 1000     // files
	mostUnpacked = 96 << 20 // bytes, all files together
)

var errManyFiles = domain.NewError(domain.TooLarge, "This ZIP holds too many files, or too large ones. Split it and upload the parts.")

// unzip takes a ZIP apart. What a system leaves beside the files of a person is passed over.
func unzip(content []byte, each func(name string, content []byte, err error) error) error {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return refused(&extract.Error{Reason: extract.ReasonCorrupt, Detail: err.Error()})
	}
	files, left := 0, mostUnpacked
	for _, f := range archive.File {
		base := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
		if !f.Mode().IsRegular() || strings.HasPrefix(f.Name, "__MACOSX/") || strings.HasPrefix(base, ".") || base == "Thumbs.db" {
			continue
		}
		if files++; files > mostZipped {
			return errManyFiles
		}
		one, read, err := unpack(f)
		if left -= read; left < 0 {
			return errManyFiles
		}
		if err := each(f.Name, one, err); err != nil {
			return err
		}
	}
	return nil
}

// unpack also tells how much was unpacked, of a file that is refused too: a ZIP may be made to cost as much as it can.
func unpack(f *zip.File) (content []byte, read int, err error) {
	const protected = 1 // APPNOTE.TXT, 4.4.4
	switch {
	case f.Flags&protected != 0:
		return nil, 0, refused(&extract.Error{Reason: extract.ReasonEncrypted, Detail: "a file in a ZIP"})
	case f.UncompressedSize64 > document.MaxFileBytes:
		return nil, 0, refused(&extract.Error{Reason: extract.ReasonTooLarge, Detail: "a file in a ZIP"})
	}
	r, err := f.Open()
	if err != nil {
		return nil, 0, refused(&extract.Error{Reason: extract.ReasonCorrupt, Detail: err.Error()})
	}
	defer r.Close()
	content, err = io.ReadAll(io.LimitReader(r, document.MaxFileBytes+1)) // what it states may be a lie
	switch {
	case err != nil:
		return nil, len(content), refused(&extract.Error{Reason: extract.ReasonCorrupt, Detail: err.Error()})
	case len(content) > document.MaxFileBytes:
		return nil, len(content), refused(&extract.Error{Reason: extract.ReasonTooLarge, Detail: "a file in a ZIP"})
	}
	return content, len(content), nil
}
