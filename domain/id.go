package domain

import (
	"github.com/google/uuid"
)

// ID identifies every row: a UUID, version 7, so that new rows land at the end of an index.
type ID = uuid.UUID

// NewID makes a UUID version 7. It panics when the system has no randomness, as nothing is safe then.
func NewID() ID { return uuid.Must(uuid.NewV7()) }

// ParseID accepts the 36-character lower-case form alone. uuid.Parse takes braces, urn: and upper case too, and two
// spellings of one id are two cache keys and two rate-limit keys.
func ParseID(s string) (ID, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id.String() != s {
		return ID{}, NewError(BadRequest, "That is not a valid identifier.")
	}
	return id, nil
}
