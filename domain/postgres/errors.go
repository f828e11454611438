package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
)

// SQLSTATEs that are told apart. https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
	diskFull            = "53100"
	tooManyConnections  = "53300"
	queryCanceled       = "57014"
	lockNotAvailable    = "55P03" // lock_timeout
	deadlock            = "40P01"
	serialization       = "40001"
	adminShutdown       = "57P01"
	crashShutdown       = "57P02"
	cannotConnectNow    = "57P03"
	readOnlyTransaction = "25006"

	insufficientPrivilege = "42501"
	undefinedTable        = "42P01"
	undefinedSchema       = "3F000"
	undefinedColumn       = "42703"
)

// IsUnique reports whether err comes from the named unique constraint or index; "" stands for any.
func IsUnique(err error, constraint string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == uniqueViolation && (constraint == "" || e.ConstraintName == constraint)
}

// NotMigrated reports whether something of the schema is not there.
func NotMigrated(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == undefinedTable || e.Code == undefinedSchema || e.Code == undefinedColumn)
}

// undone reports whether the server gave a transaction up for the sake of another: nothing of it remains.
func undone(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == deadlock || e.Code == serialization)
}

// unreachable reports whether the server was not there, or the connection to it broke.
func unreachable(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == adminShutdown || e.Code == crashShutdown || e.Code == cannotConnectNow
	}
	_, network := errors.AsType[net.Error](err)
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	return network || connect || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// spoken is toDomain for an error that came while ctx was, or was not, to go on.
func spoken(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		return unavailable(errSilent)
	}
	return toDomain(err)
}

// toDomain gives a driver error the code and the sentence it is shown with. Errors that have a code keep it.
func toDomain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*domain.Error](err); ok {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return &domain.Error{Code: domain.NotFound, Message: "There is nothing here.", Err: err}
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fromState(e, err)
	}
	if unreachable(err) || errors.Is(err, context.DeadlineExceeded) {
		return unavailable(err)
	}
	return err
}

func fromState(e *pgconn.PgError, err error) error {
	switch e.Code {
	case uniqueViolation:
		return &domain.Error{Code: domain.Conflict, Message: "That exists already.", Err: err}
	case foreignKeyViolation:
		// The row it points to is gone, or belongs to another tenant: the same thing to whoever asks.
		return &domain.Error{Code: domain.NotFound, Message: "There is nothing here.", Err: err}
	case diskFull:
		return &domain.Error{Code: domain.Full, Message: "The storage is full. Nothing was saved.", Err: err}
	case tooManyConnections, queryCanceled, lockNotAvailable, deadlock, serialization, adminShutdown, crashShutdown, cannotConnectNow, readOnlyTransaction:
		return unavailable(err)
	}
	return err
}

func unavailable(err error) error {
	return &domain.Error{Code: domain.Unavailable, Message: "The database does not answer right now. Try again in a moment.", Err: err}
}
