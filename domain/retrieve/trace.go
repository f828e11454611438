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

// trace is what is kept of a search, as JSON. It names chunks and does not hold their words: what a tenant deletes must be gone.
type trace struct {
	Searched    string         `json:"searched,omitempty"` // "": the question
	SearchedBy  string         `json:"searched_by,omitempty"`
	Context     []string       `json:"context,omitempty"`
	Settings    Settings       `json:"settings"`
	Passages    []tracePassage `json:"passages"`
	Others      []tracePassage `json:"others,omitempty"`
	Timings     []Timing       `json:"timings"`
	Chunks      int            `json:"chunks"`
	Languages   []string       `json:"languages"`
	Words       []Word         `json:"words"`
	Vectors     VectorPlan     `json:"vectors"`
	VectorsLost string         `json:"vectors_lost,omitempty"`
	Models      []string       `json:"models,omitempty"`
	Foreign     []string       `json:"foreign,omitempty"`
	Reranker    string         `json:"reranker,omitempty"`
	RerankLost  string         `json:"rerank_lost,omitempty"`
	ByWords     Side           `json:"by_words"`
	ByVector    Side           `json:"by_vector"`
}

// tracePassage has short names: there are two hundred of them in a trace.
type tracePassage struct {
	ChunkID      domain.ID  `json:"chunk"`
	Revision     int        `json:"rev,omitempty"`
	DocumentID   *domain.ID `json:"doc,omitempty"`
	Version      int        `json:"ver,omitempty"`
	DocumentName string     `json:"name,omitempty"`
	Ordinal      int        `json:"n,omitempty"`
	Lexical      float64    `json:"bm25,omitempty"`
	Vector       float64    `json:"cos,omitempty"`
	Fused        float64    `json:"fused,omitempty"`
	Reranked     float64    `json:"rerank,omitempty"`
	Ranks        [4]int     `json:"ranks"` // by words, by vector, fused, re-ranked
	Lost         Loss       `json:"lost,omitempty"`
	Into         *domain.ID `json:"into,omitempty"`
}

func (r Retrieval) trace() trace {
	t := trace{SearchedBy: r.SearchedBy, Context: r.Context, Settings: r.Settings, Timings: r.Timings, Chunks: r.Chunks, Languages: r.Languages, Words: r.Words, Vectors: r.Vectors,
		VectorsLost: r.VectorsLost, Models: r.Models, Foreign: r.Foreign, Reranker: r.Reranker, RerankLost: r.RerankLost, ByWords: r.ByWords, ByVector: r.ByVector}
	if r.Searched != r.Question {
		t.Searched = r.Searched
	}
	short := func(passages []Passage) (out []tracePassage) {
		for _, p := range passages {
			out = append(out, tracePassage{ChunkID: p.ChunkID, Revision: p.Revision, DocumentID: orNull(p.DocumentID), Version: p.Version,
				DocumentName: p.DocumentName, Ordinal: p.Ordinal, Lexical: round(p.Lexical), Vector: round(p.Vector), Fused: round(p.Fused),
				Reranked: round(p.Reranked), Ranks: [4]int{p.LexicalRank, p.VectorRank, p.FusedRank, p.RerankRank}, Lost: p.Lost, Into: orNull(p.Into)})
		}
		return out
	}
	t.Passages, t.Others = short(r.Passages), short(r.Others)
	return t
}

// round leaves four digits behind the point: more are not shown and say nothing.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

func orNull(id domain.ID) *domain.ID {
	if id == (domain.ID{}) {
		return nil
	}
	return &id
}

func (t trace) apply(r *Retrieval) {
	r.Searched, r.SearchedBy, r.Context, r.Settings, r.Timings = t.Searched, t.SearchedBy, t.Context, t.Settings, t.Timings
	if r.Searched == "" {
		r.Searched = r.Question
	}
	r.Chunks, r.Languages, r.Words, r.Vectors, r.VectorsLost, r.Models = t.Chunks, t.Languages, t.Words, t.Vectors, t.VectorsLost, t.Models
	r.Foreign, r.Reranker, r.RerankLost, r.ByWords, r.ByVector = t.Foreign, t.Reranker, t.RerankLost, t.ByWords, t.ByVector
	long := func(short []tracePassage) (out []Passage) {
		for _, p := range short {
			l := Passage{ChunkID: p.ChunkID, Revision: p.Revision, Version: p.Version, DocumentName: p.DocumentName, Ordinal: p.Ordinal,
				Lexical: p.Lexical, Vector: p.Vector, Fused: p.Fused, Reranked: p.Reranked, Score: p.Fused,
				LexicalRank: p.Ranks[0], VectorRank: p.Ranks[1], FusedRank: p.Ranks[2], RerankRank: p.Ranks[3], Lost: p.Lost}
			if l.RerankRank > 0 {
				l.Score = p.Reranked
			}
			if p.DocumentID != nil {
				l.DocumentID = *p.DocumentID
			}
			if p.Into != nil {
				l.Into = *p.Into
			}
			out = append(out, l)
		}
		return out
	}
	r.Passages, r.Others = long(t.Passages), long(t.Others)
}

// Keep stores the trace of a search, within the transaction that stores what was made of it.
func Keep(ctx context.Context, tx pgx.Tx, tenantID domain.ID, r Retrieval) error {
	kept, err := json.Marshal(r.trace())
	if err != nil {
		return fmt.Errorf("write the trace: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into retrievals (tenant_id, id, bot_id, question, index_version, trace, created_at)
		values ($1, $2, $3, $4, $5, $6, $7)`, tenantID, r.ID, orNull(r.BotID), r.Question, r.IndexVersion, kept, r.CreatedAt)
	if err != nil {
		return fmt.Errorf("store the retrieval: %w", err)
	}
	return nil
}

// Get returns a past retrieval as it was, with the passages' words of then. One whose document is gone has none.
func (s *Service) Get(ctx context.Context, tenantID, id domain.ID) (Retrieval, error) {
	r := Retrieval{ID: id}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var kept []byte
		var bot *domain.ID
		err := tx.QueryRow(ctx, "select bot_id, question, index_version, trace, created_at from retrievals where tenant_id = $1 and id = $2",
			tenantID, id).Scan(&bot, &r.Question, &r.IndexVersion, &kept, &r.CreatedAt)
		if err != nil {
			return err
		}
		if bot != nil {
			r.BotID = *bot
		}
		var t trace
		if err := json.Unmarshal(kept, &t); err != nil {
			return fmt.Errorf("read the trace: %w", err)
		}
		t.apply(&r)
		if err := asTheyWere(ctx, tx, tenantID, r.Passages); err != nil {
			return err
		}
		(&chooser{passages: r.Passages, joined: r.joined()}).join()
		return nil
	})
	asked := r.Query()
	r.query = &asked
	r.forReader(ctx)
	return r, err
}

// joined are the numbers of the passages that were joined into each other.
func (r Retrieval) joined() map[int][]int {
	at := map[domain.ID]int{}
	for i, p := range r.Passages {
		at[p.ChunkID] = i
	}
	joined := map[int][]int{}
	for i, p := range r.Passages {
		if into, found := at[p.Into]; found && p.Lost == Joined {
			joined[into] = append(joined[into], i)
		}
	}
	return joined
}

// asTheyWere fills in the words that the passages had at their revisions: they stand in the chunk still, or where it was kept
// before something took its place.
func asTheyWere(ctx context.Context, tx pgx.Tx, tenantID domain.ID, passages []Passage) error {
	at := map[domain.ID]*Passage{}
	var ids []domain.ID
	var revisions []int
	for i := range passages {
		at[passages[i].ChunkID] = &passages[i]
		ids, revisions = append(ids, passages[i].ChunkID), append(revisions, passages[i].Revision)
	}
	rows, err := tx.Query(ctx, `
		with named as (select * from unnest($2::uuid[], $3::int[]) as n (chunk_id, revision))
		select c.id, c.heading, c.page_from, c.page_to, c.text, c.tokens
			from named n join chunks c on c.tenant_id = $1 and c.id = n.chunk_id and c.revision = n.revision
		union all
		select c.chunk_id, c.heading, c.page_from, c.page_to, c.text, c.tokens
			from named n join chunk_revisions c on c.tenant_id = $1 and c.chunk_id = n.chunk_id and c.revision = n.revision`, tenantID, ids, revisions)
	if err != nil {
		return fmt.Errorf("read passages as they were: %w", err)
	}
	var p Passage
	_, err = pgx.ForEachRow(rows, []any{&p.ChunkID, &p.Heading, &p.PageFrom, &p.PageTo, &p.Text, &p.Tokens}, func() error {
		to := at[p.ChunkID]
		to.Heading, to.PageFrom, to.PageTo, to.Text, to.Tokens = p.Heading, p.PageFrom, p.PageTo, p.Text, p.Tokens
		p.Heading = nil // the next row must not write into it
		return nil
	})
	if err != nil {
		return fmt.Errorf("read passages as they were: %w", err)
	}
	return nil
}

// Forget removes the tenant's traces from before a time.
func (s *Service) Forget(ctx context.Context, tenantID domain.ID, before time.Time) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from retrievals where tenant_id = $1 and created_at < $2", tenantID, before)
		return err
	})
}
