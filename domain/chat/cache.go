package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bitb/domain"
)

// answerTTL bounds how long an answer is given again. A changed document or bot changes the key at once.
const answerTTL = 6 * time.Hour

// cachedAnswer is what is kept of an answer. It names its tenant, so that a value under a wrong key is a miss.
type cachedAnswer struct {
	Tenant    domain.ID
	Text      string
	Outcome   Outcome
	Model     string
	Citations []Citation
}

// cacheKey stands for everything that an answer depends on: tenant, bot as it was saved, index version, models and what they are known to
// know, how the tenant searches, question.
// A question within a conversation depends on what was said before and is not cached: "".
func (t *turn) cacheKey() string {
	if len(t.history) > 0 {
		return ""
	}
	q := t.question
	sum := sha256.Sum256([]byte(fmt.Sprint(q.TenantID, q.Bot.ID, q.Bot.UpdatedAt.UnixNano(), t.retrieval.IndexVersion,
		t.retrieval.Models, t.retrieval.Foreign, t.retrieval.Reranker, t.retrieval.Settings, t.Model.Model(), strings.Join(strings.Fields(q.Text), " "))))
	return "answer:" + q.TenantID.String() + ":" + hex.EncodeToString(sum[:])
}

// fromCache gives an answer that was given before, and reports whether there was one.
func (t *turn) fromCache(ctx context.Context) bool {
	key := t.cacheKey()
	if key == "" {
		return false
	}
	var kept cachedAnswer
	value, found := t.Cache.Get(ctx, key)
	found = found && json.Unmarshal(value, &kept) == nil && kept.Tenant == t.question.TenantID
	t.Metrics.CacheLookup("answer", found)
	if !found {
		return false
	}
	t.cached = true
	t.message.Text, t.message.Outcome, t.message.Model, t.message.Citations = kept.Text, kept.Outcome, kept.Model, kept.Citations
	from := time.Now()
	_ = t.emit(kept.Text) // a reader that went away finds it in the transcript
	t.clock.note(cachedStage, from)
	return true
}

func (t *turn) intoCache(ctx context.Context) {
	key := t.cacheKey()
	if key == "" || t.message.Outcome != Complete {
		return
	}
	m := t.message
	value, err := json.Marshal(cachedAnswer{Tenant: t.question.TenantID, Text: m.Text, Outcome: m.Outcome, Model: m.Model, Citations: m.Citations})
	if err == nil {
		t.Cache.Set(ctx, key, value, answerTTL)
	}
}
