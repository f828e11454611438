package retrieve

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Settings is how a tenant searches.
type Settings struct {
	Threshold  float64 `json:"threshold"`  // of Passage.Score: nothing under it reaches a model
	Limit      int     `json:"limit"`      // chunks that reach the model, 1 to MaxLimit
	Search     Sides   `json:"search"`     // by what chunks are found
	Spelling   bool    `json:"spelling"`   // misspelled words are taken for the documents' own
	Rerank     bool    `json:"rerank"`     // by the re-ranking model, where there is one
	Duplicates bool    `json:"duplicates"` // near-duplicates are left out
	Neighbours bool    `json:"neighbours"` // chunks that follow each other are joined
	FollowUps  bool    `json:"follow_ups"` // a question within a conversation is searched with what was said before
}

// Sides names what chunks are found by.
type Sides string

// The sides.
const (
	Both        Sides = "both"
	WordsOnly   Sides = "words"
	VectorsOnly Sides = "vectors"
)

// MaxLimit is the most chunks that may reach a model.
const MaxLimit = 8

// Default thresholds, which differ as the scores of the models do. Measured on questions that the documents do answer, the one of
// the built-in model and the one of meaning (with MiniLM) refuse two in a hundred at most; of questions about something else
// altogether, one in seven to all of them, by the set. No re-ranking model was at hand to measure with: what such models think
// irrelevant they score in the hundredths, so the default only keeps that out, and a tenant's own questions have to say more.
const (
	builtinThreshold = 0.25
	meaningThreshold = 0.25
	rerankThreshold  = 0.05
)

// Defaults are the settings of a tenant that has set none: as measured, for vectors of that model and the re-ranking model, if
// any.
func Defaults(model, reranker string) Settings {
	s := Settings{Threshold: meaningThreshold, Limit: MaxLimit, Search: Both, Spelling: true, Rerank: true, Duplicates: true, Neighbours: true, FollowUps: true}
	switch {
	case reranker != "":
		s.Threshold = rerankThreshold
	case isBuiltin(model):
		s.Threshold = builtinThreshold
	}
	return s
}

// Check returns what is wrong with settings, by field, in sentences for a person.
func (s Settings) Check() error {
	wrong := map[string]string{}
	if math.IsNaN(s.Threshold) || s.Threshold < 0 || s.Threshold > 1 {
		wrong["threshold"] = "A threshold is a number from 0 to 1."
	}
	if s.Limit < 1 || s.Limit > MaxLimit {
		wrong["limit"] = fmt.Sprintf("Give the model 1 to %d chunks.", MaxLimit)
	}
	if s.Search != Both && s.Search != WordsOnly && s.Search != VectorsOnly {
		wrong["search"] = "Search by words, by vectors or by both."
	}
	if len(wrong) > 0 {
		return &domain.Error{Code: domain.Invalid, Message: "Some settings need another look.", Fields: wrong}
	}
	return nil
}

// Settings returns how the tenant searches.
func (s *Service) Settings(ctx context.Context, tenantID domain.ID) (Settings, error) {
	var kept []byte
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select search_settings from corpora where tenant_id = $1", tenantID).Scan(&kept)
	})
	if err != nil {
		return Settings{}, err
	}
	return s.settingsFrom(kept)
}

// settingsFrom fills what a tenant has not set with the defaults.
func (s *Service) settingsFrom(kept []byte) (Settings, error) {
	out := s.Defaults()
	if err := json.Unmarshal(kept, &out); err != nil {
		return out, fmt.Errorf("read the settings of the search: %w", err)
	}
	return out, nil
}

// Defaults are the settings of a tenant that has set none.
func (s *Service) Defaults() Settings {
	return Defaults(s.embedder.Model(), s.Reranker())
}

// SaveSettings changes how the tenant searches. What is as by default is not kept, so that it follows what is measured later.
// Wrong ones are domain.Invalid.
func (s *Service) SaveSettings(ctx context.Context, tenantID domain.ID, to Settings) error {
	if err := to.Check(); err != nil {
		return err
	}
	kept, err := differences(to, s.Defaults())
	if err != nil {
		return err
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update corpora set search_settings = $2, changed_at = clock_timestamp()
			where tenant_id = $1 and search_settings <> $2`, tenantID, kept)
		if err != nil || tag.RowsAffected() == 0 || s.changed == nil {
			return err
		}
		return s.changed(ctx, tx, tenantID)
	})
}

// State is what searches depend on beside their questions.
type State struct {
	IndexVersion int64
	Settings     Settings
	Model        string    // that embeds questions
	Reranker     string    // "": none, or not used
	ChangedAt    time.Time // of the index, or of the settings
}

// Same reports whether searches find the same in both.
func (s State) Same(t State) bool {
	return s.IndexVersion == t.IndexVersion && s.Settings == t.Settings && s.Model == t.Model && s.Reranker == t.Reranker
}

// State returns it as the transaction sees it.
func (s *Service) State(ctx context.Context, tx pgx.Tx, tenantID domain.ID) (State, error) {
	st := State{Model: s.embedder.Model()}
	var kept []byte
	err := tx.QueryRow(ctx, "select index_version, search_settings, changed_at from corpora where tenant_id = $1", tenantID).
		Scan(&st.IndexVersion, &kept, &st.ChangedAt)
	if err != nil {
		return st, err
	}
	if st.Settings, err = s.settingsFrom(kept); err == nil && s.reranker != nil && st.Settings.Rerank {
		st.Reranker = s.reranker.Model()
	}
	return st, err
}

// differences returns as JSON the fields of s that are not as in usual.
func differences(s, usual Settings) ([]byte, error) {
	fields := func(s Settings) (map[string]any, error) {
		b, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		var m map[string]any
		return m, json.Unmarshal(b, &m)
	}
	have, err := fields(s)
	if err != nil {
		return nil, err
	}
	was, err := fields(usual)
	if err != nil {
		return nil, err
	}
	for name, value := range was {
		if have[name] == value {
			delete(have, name)
		}
	}
	return json.Marshal(have)
}
