package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
)

// formatZIP is what Sniff says of several files in one.
const formatZIP = "zip"

// Refusal is the cause of an error about a file in few words, for where many files are listed. Is follows "It is": "a picture
// (PNG)", "protected with a password".
type Refusal struct {
	Is  string
	Err error
}

func (r *Refusal) Error() string { return fmt.Sprintf("the file is %s: %v", r.Is, r.Err) }

func (r *Refusal) Unwrap() error { return r.Err }

// batch is what the upload answers to a script for a ZIP.
type batch struct {
	Batch   bool        `json:"batch"`
	Name    string      `json:"name"`
	Message string      `json:"message"`
	Code    domain.Code `json:"code,omitempty"` // nothing could be stored
	Stored  int         `json:"stored"`
	Files   []uploaded  `json:"files"`
}

func (b batch) status() int {
	switch {
	case b.Stored > 0:
		return http.StatusCreated
	case b.Code != "":
		return statuses[b.Code]
	}
	return http.StatusOK
}

// storeBatch makes a document of each file in a ZIP. A file that is refused loses none of the others; what was stored before
// something else went wrong stays, and the same ZIP again stores the rest.
func (s *server) storeBatch(c echo.Context, up document.Upload) (batch, error) {
	b := batch{Batch: true, Name: document.CleanName(up.Name), Files: []uploaded{}}
	err := s.Unzip(up.Content, func(name string, content []byte, err error) error {
		if ctx := c.Request().Context(); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var one uploaded
		if err == nil {
			one, err = s.storeOf(c, file{name, content})
		}
		if one, err = refused(name, one, err); err != nil {
			return err
		}
		if one.is != "" {
			one.Message = "It is " + one.is + "."
		}
		b.Files = append(b.Files, one)
		return nil
	})
	if err != nil && len(b.Files) > 0 { // the rest of a damaged archive is one more file that is left out
		var rest uploaded
		if rest, err = refused(up.Name, rest, err); err == nil {
			b.Files = append(b.Files, rest)
		}
	}
	if err != nil {
		return b, err
	}
	var t told // without the name, which stands beside it
	t.add(b.Files...)
	b.Stored, b.Message = t.stored, t.inShort()
	if !t.good() {
		b.Code = domain.Invalid
	}
	return b, nil
}

// storeOf stores one file of a ZIP.
func (s *server) storeOf(c echo.Context, f file) (uploaded, error) {
	if len(f.content) == 0 {
		return uploaded{}, errNoBytes
	}
	up, err := s.checked(c, f)
	if err != nil {
		return uploaded{}, err
	}
	if up.Format == formatZIP {
		return uploaded{}, &domain.Error{Code: domain.Unsupported, Message: "It is a ZIP within a ZIP. Upload it by itself.", Err: &Refusal{Is: "a ZIP within a ZIP"}}
	}
	return s.store(c, up)
}

// told sums up what became of many files.
type told struct {
	files  []uploaded
	from   []string // the ZIPs that they came in
	parts  int      // that came by themselves
	stored int
	known  int // the tenant had them already
}

func (t *told) add(files ...uploaded) {
	t.files = append(t.files, files...)
	for _, f := range files {
		switch {
		case f.Code != "":
		case f.Duplicate:
			t.known++
		default:
			t.stored++
		}
	}
}

// good reports whether something was stored, or was there before.
func (t *told) good() bool { return t.stored+t.known > 0 }

// mostNamed is how many files that were left out a sentence names.
const mostNamed = 5

// String says it to a person, with the names of what was left out. One file by itself speaks for itself.
func (t *told) String() string {
	if len(t.files) == 1 && len(t.from) == 0 {
		if one := t.files[0]; one.Code != "" {
			return one.Name + ": " + one.Message
		}
		return t.files[0].Message
	}
	said := t.inShort()
	var names []string
	out := t.leftOut()
	for _, f := range out[:min(len(out), mostNamed)] {
		if f.is != "" {
			f.Name += " (" + f.is + ")"
		}
		names = append(names, f.Name)
	}
	if more := len(out) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if len(names) > 0 {
		said = strings.TrimSuffix(said, ".") + ": " + strings.Join(names, ", ") + "."
	}
	return said
}

// inShort is the sum without names.
func (t *told) inShort() string {
	from := ""
	if len(t.from) == 1 && t.parts == 0 {
		from = " from " + t.from[0]
	}
	if len(t.files) == 0 {
		return "There is no file in this ZIP. Check it and upload it again."
	}
	said := "Nothing new" + from + "."
	if t.stored == 1 {
		said = "1 document" + from + " is in line."
	} else if t.stored > 1 {
		said = fmt.Sprintf("%d documents%s are in line.", t.stored, from)
	}
	if t.known > 0 {
		said += fmt.Sprintf(" %d you had already.", t.known)
	}
	switch n := len(t.leftOut()); {
	case n == 1:
		said += " 1 was left out."
	case n > 1:
		said += fmt.Sprintf(" %d were left out.", n)
	}
	return said
}

func (t *told) leftOut() []uploaded {
	return slices.DeleteFunc(slices.Clone(t.files), func(f uploaded) bool { return f.Code == "" })
}
