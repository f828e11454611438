package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/document"
)

// onceFor is how long an answer is kept for whoever sends the same upload with the same Idempotency-Key again.
const onceFor = 24 * time.Hour

// mostKey is the longest Idempotency-Key.
const mostKey = 255

// answered is an answer that was given before, and to which bytes.
type answered struct {
	At     string          `json:"at"` // its key: a value that comes back for another one is a miss
	Sum    string          `json:"sum"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// answerOnce sends the answer of do. With the header Idempotency-Key, the same bytes get the same answer again, and other
// bytes are domain.Conflict. Where Redis does not know the answer the documents do, but for a ZIP: then nothing is stored twice
// either, and the answer says so.
func (s *server) answerOnce(c echo.Context, content []byte, do func() (status int, answer any, err error)) error {
	key := c.Request().Header.Get("Idempotency-Key")
	if key == "" {
		status, answer, err := do()
		if err != nil {
			return err
		}
		return c.JSON(status, answer)
	}
	if len(key) > mostKey {
		return domain.NewError(domain.BadRequest, "The Idempotency-Key is longer than 255 characters. Use a shorter one.")
	}
	ctx, sum := c.Request().Context(), hash(content)
	at := "upload:" + tenantOf(c).String() + ":" + hash([]byte(key))
	var was answered
	if kept, found := s.Cache.Get(ctx, at); found && json.Unmarshal(kept, &was) == nil && was.At == at {
		if was.Sum != sum {
			return document.ErrKeyTaken
		}
		return c.JSONBlob(was.Status, was.Body)
	}
	status, answer, err := do()
	if err != nil {
		return err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if status < 300 {
		if kept, err := json.Marshal(answered{at, sum, status, body}); err == nil {
			s.Cache.Set(ctx, at, kept, onceFor)
		}
	}
	return c.JSONBlob(status, body)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
