package retrieve

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// trace is what is kept of a search, as JSON. It names chunks and does not hold their text: what a tenant deletes must be
// gone.
type trace struct {
	Threshold float64        `json:"threshold"`
	Passages  []tracePassage `json:"passages"`
	Timings   []Timing       `json:"timings"`
	Chunks    int            `json:"chunks"`
	Languages []string       `json:"languages"`
	Words     int            `json:"words"`
	Unknown   int            `json:"unknown"`
	Vectors   VectorPlan     `json:"vectors"`
	Model     string         `json:"model,omitempty"`
	ByWords   int            `json:"by_words"`
	ByVector  int            `json:"by_vector"`
}

type tracePassage struct {
	ChunkID      domain.ID `json:"chunk_id"`
	DocumentID   domain.ID `json:"document_id"`
	DocumentName string    `json:"document_name"`
	Ordinal      int       `json:"ordinal"`
	Lexical      float64   `json:"lexical"`
	Vector       float64   `json:"vector"`
	Fused        float64   `json:"fused"`
	LexicalRank  int       `json:"lexical_rank"`
	VectorRank   int       `json:"vector_rank"`
	Used         bool      `json:"used"`
}

func (r Retrieval) trace() trace {
	t := trace{Threshold: r.Threshold, Timings: r.Timings, Chunks: r.Chunks, Languages: r.Languages, Words: r.Words,
		Unknown: r.Unknown, Vectors: r.Vectors, Model: r.Model, ByWords: r.ByWords, ByVector: r.ByVector}
	for _, p := range r.Passages {
		t.Passages = append(t.Passages, tracePassage{p.ChunkID, p.DocumentID, p.DocumentName, p.Ordinal, p.Lexical, p.Vector,
			p.Fused, p.LexicalRank, p.VectorRank, p.Used})
	}
	return t
}

func (t trace) apply(r *Retrieval) {
	r.Threshold, r.Timings, r.Chunks, r.Languages, r.Words = t.Threshold, t.Timings, t.Chunks, t.Languages, t.Words
	r.Unknown, r.Vectors, r.Model, r.ByWords, r.ByVector = t.Unknown, t.Vectors, t.Model, t.ByWords, t.ByVector
	for _, p := range t.Passages {
		r.Passages = append(r.Passages, Passage{ChunkID: p.ChunkID, DocumentID: p.DocumentID, DocumentName: p.DocumentName,
			Ordinal: p.Ordinal, Lexical: p.Lexical, Vector: p.Vector, Fused: p.Fused, LexicalRank: p.LexicalRank,
			VectorRank: p.VectorRank, Used: p.Used})
	}
}

func insertRetrieval(ctx context.Context, tx pgx.Tx, tenant domain.ID, r Retrieval) error {
	var bot *domain.ID
	if r.BotID != (domain.ID{}) {
		bot = &r.BotID
	}
	kept, err := json.Marshal(r.trace())
	if err != nil {
		return fmt.Errorf("write the trace: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into retrievals (tenant_id, id, bot_id, question, index_version, trace, created_at)
		values ($1, $2, $3, $4, $5, $6, $7)`, tenant, r.ID, bot, r.Question, r.IndexVersion, kept, r.CreatedAt)
	if err != nil {
		return fmt.Errorf("store the retrieval: %w", err)
	}
	return nil
}

// Get returns a past retrieval with the scores of then and the passages' words of now.
func (s *Service) Get(ctx context.Context, tenantID, id domain.ID) (Retrieval, error) {
	r := Retrieval{ID: id}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var kept []byte
		var bot *domain.ID
		var at time.Time
		err := tx.QueryRow(ctx, "select bot_id, question, index_version, trace, created_at from retrievals where tenant_id = $1 and id = $2",
			tenantID, id).Scan(&bot, &r.Question, &r.IndexVersion, &kept, &at)
		if err != nil {
			return err
		}
		if bot != nil {
			r.BotID = *bot
		}
		r.CreatedAt = at
		var t trace
		if err := json.Unmarshal(kept, &t); err != nil {
			return fmt.Errorf("read the trace: %w", err)
		}
		t.apply(&r)
		return fillPassages(ctx, tx, tenantID, r.Passages)
	})
	return r, err
}
