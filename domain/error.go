package domain

import (
	"errors"
	"fmt"
	"time"
)

// Code names a kind of failure for machines. Handlers map it to an HTTP status, ingestion to what a job does next.
type Code string

// The codes, with the HTTP status each stands for.
const (
	BadRequest      Code = "bad_request"       // 400: cannot be understood
	Unauthenticated Code = "unauthenticated"   // 401: nobody is signed in
	Forbidden       Code = "forbidden"         // 403: signed in, but the role does not allow it
	NotFound        Code = "not_found"         // 404: does not exist, or belongs to another tenant
	Conflict        Code = "conflict"          // 409: exists already, or changed in between
	TooLarge        Code = "too_large"         // 413
	Unsupported     Code = "unsupported_type"  // 415
	Invalid         Code = "invalid"           // 422: understood, but a field is wrong
	RateLimited     Code = "rate_limited"      // 429: see RetryAfter
	Internal        Code = "internal"          // 500
	Unavailable     Code = "unavailable"       // 503: try again
	Full            Code = "storage_exhausted" // 507
)

// Error is a failure with a sentence that is safe to show. Err is the cause, for the log only.
type Error struct {
	Code       Code
	Message    string            // for a person: what happened, then what to do
	Fields     map[string]string // form field → sentence; with Invalid
	RetryAfter time.Duration     // with RateLimited and Unavailable; 0 means unknown
	Err        error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Code) + ": " + e.Message + ": " + e.Err.Error()
	}
	return string(e.Code) + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// NewError makes an Error without a cause.
func NewError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// InvalidField makes the error for one wrong form field.
func InvalidField(field, message string) *Error {
	return &Error{Code: Invalid, Message: message, Fields: map[string]string{field: message}}
}

// TooLong is the sentence for a field that takes most characters and was sent n.
func TooLong(n, most int) string {
	return "Use at most " + Thousands(most) + " characters; these are " + Thousands(n) + "."
}

// Thousands writes a number as it stands in a sentence: 12,000.
func Thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return Thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// CodeOf is the code of the first Error in the chain of err, Internal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// ErrCaseOver says that the case in which a staff member looked into a tenant has expired or was closed.
var ErrCaseOver = NewError(Forbidden, "This case has ended, so nothing of the tenant is shown any more. Open a new one to look again.")
