package handlers

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/retrieve"
	"bitb/views"
)

// exported is an answer taken apart, as a file. docs/retrieval.md describes it: keys are added, and none is renamed or taken away.
type exported struct {
	Format       string           `json:"format"`
	ID           domain.ID        `json:"id"`
	AskedAt      time.Time        `json:"asked_at"`
	Question     string           `json:"question"`
	SearchedFor  string           `json:"searched_for"`
	RewrittenBy  string           `json:"rewritten_by"`
	Context      []string         `json:"context"`
	IndexVersion int64            `json:"index_version"`
	Chunks       int              `json:"chunks"`
	Languages    []string         `json:"languages"`
	Settings     exportedSettings `json:"settings"`
	Models       exportedModels   `json:"models"`
	Words        []exportedWord   `json:"words"`
	Stages       exportedStages   `json:"stages"`
	Timings      []exportedTiming `json:"timings"`
	Candidates   []exportedChunk  `json:"candidates"`
	Prompt       []exportedPart   `json:"prompt"`
	Answer       *exportedAnswer  `json:"answer"`
}

type exportedSettings struct {
	Threshold  float64 `json:"threshold"`
	Limit      int     `json:"limit"`
	Search     string  `json:"search"`
	Spelling   bool    `json:"spelling"`
	Rerank     bool    `json:"rerank"`
	Duplicates bool    `json:"duplicates"`
	Neighbours bool    `json:"neighbours"`
	FollowUps  bool    `json:"follow_ups"`
}

type exportedModels struct {
	Vectors     []string `json:"vectors"`
	VectorsHow  string   `json:"vectors_how"`
	VectorsLost string   `json:"vectors_lost"`
	Foreign     []string `json:"foreign"`
	Rerank      string   `json:"rerank"`
	RerankLost  string   `json:"rerank_lost"`
}

type exportedWord struct {
	Word     string   `json:"word"`
	Small    bool     `json:"small"`
	Weight   float64  `json:"weight"`
	Chunks   int      `json:"chunks"`
	TakenFor []string `json:"taken_for"`
	Carried  bool     `json:"carried"`
}

type exportedStages struct {
	Words    exportedSide `json:"words"`
	Vectors  exportedSide `json:"vectors"`
	Fused    int          `json:"fused"`
	LookedAt int          `json:"looked_at"`
	InPrompt int          `json:"in_prompt"`
}

type exportedSide struct {
	Found int     `json:"found"`
	Most  int     `json:"most"`
	Last  float64 `json:"bar"`
}

type exportedTiming struct {
	Stage  string  `json:"stage"`
	Start  float64 `json:"start_ms"`
	Millis float64 `json:"ms"`
}

type exportedChunk struct {
	ChunkID    domain.ID      `json:"chunk_id"`
	Revision   int            `json:"revision"`
	DocumentID *domain.ID     `json:"document_id"`
	Document   string         `json:"document"`
	Version    int            `json:"version"`
	Number     int            `json:"number"`
	Heading    []string       `json:"heading"`
	PageFrom   int            `json:"page_from"`
	PageTo     int            `json:"page_to"`
	Tokens     int            `json:"tokens"`
	Text       string         `json:"text"`
	Scores     exportedScores `json:"scores"`
	Ranks      exportedRanks  `json:"ranks"`
	LostAt     string         `json:"lost_at"`
	StandsFor  *domain.ID     `json:"stands_for_it"`
}

type exportedScores struct {
	Words    float64 `json:"words"`
	Vectors  float64 `json:"vectors"`
	Fused    float64 `json:"fused"`
	Reranked float64 `json:"reranked"`
}

type exportedRanks struct {
	Words    int `json:"words"`
	Vectors  int `json:"vectors"`
	Fused    int `json:"fused"`
	Reranked int `json:"reranked"`
}

type exportedPart struct {
	Role   string `json:"role"`
	Tokens int    `json:"tokens"`
	Text   string `json:"text"`
}

type exportedAnswer struct {
	ID        domain.ID        `json:"id"`
	Text      string           `json:"text"`
	Outcome   string           `json:"outcome"`
	Model     string           `json:"model"`
	TokensIn  int              `json:"tokens_in"`
	TokensOut int              `json:"tokens_out"`
	WrittenAt time.Time        `json:"written_at"`
	Timings   []exportedTiming `json:"timings"`
	Citations []exportedSource `json:"citations"`
}

type exportedSource struct {
	Number   int        `json:"number"`
	ChunkID  *domain.ID `json:"chunk_id"`
	Document string     `json:"document"`
	Page     int        `json:"page"`
}

// retrievalExport is all of the page as a file.
func (s *server) retrievalExport(c echo.Context) error {
	e, err := s.explainedHere(c)
	if err != nil {
		return err
	}
	v, err := s.debugger(c.Request().Context(), tenantOf(c), e, true, "")
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="retrieval-`+v.Retrieval.ID.String()+`.json"`)
	return c.JSONPretty(http.StatusOK, export(v), "  ")
}

func export(v views.DebuggerView) exported {
	r := v.Retrieval
	out := exported{Format: "bitb-retrieval-1", ID: r.ID, AskedAt: r.CreatedAt.UTC(), Question: r.Question, SearchedFor: r.Searched, RewrittenBy: r.SearchedBy, Context: list(r.Context),
		IndexVersion: r.IndexVersion, Chunks: r.Chunks, Languages: list(r.Languages), Settings: exportedSettings{r.Settings.Threshold, r.Settings.Limit,
			string(r.Settings.Search), r.Settings.Spelling, r.Settings.Rerank, r.Settings.Duplicates, r.Settings.Neighbours, r.Settings.FollowUps},
		Models: exportedModels{list(r.Models), string(r.Vectors), r.VectorsLost, list(r.Foreign), r.Reranker, r.RerankLost},
		Stages: exportedStages{Words: exportedSide(r.ByWords), Vectors: exportedSide(r.ByVector), Fused: len(r.Passages) + len(r.Others), LookedAt: len(r.Passages)},
		Words:  []exportedWord{}, Timings: []exportedTiming{}, Candidates: []exportedChunk{}, Prompt: []exportedPart{}}
	for _, w := range r.Words {
		out.Words = append(out.Words, exportedWord{w.Text, w.Small, w.Weight, w.Chunks, list(w.Spelled), w.Carried})
	}
	for _, t := range r.Timings {
		out.Timings = append(out.Timings, exportedTiming(t))
	}
	for _, passages := range [][]retrieve.Passage{r.Passages, r.Others} {
		for _, p := range passages {
			out.Candidates = append(out.Candidates, exportPassage(p))
			if p.Lost == retrieve.Kept || p.Lost == retrieve.Joined {
				out.Stages.InPrompt++
			}
		}
	}
	for _, p := range v.Prompt {
		out.Prompt = append(out.Prompt, exportedPart{p.Role, p.Tokens, p.Text})
	}
	if v.Answer != nil {
		out.Answer = exportAnswer(*v.Answer)
	}
	return out
}

func exportPassage(p retrieve.Passage) exportedChunk {
	return exportedChunk{ChunkID: p.ChunkID, Revision: p.Revision, DocumentID: idOrNull(p.DocumentID), Document: p.DocumentName, Version: p.Version, Number: p.Ordinal,
		Heading: list(p.Heading), PageFrom: p.PageFrom, PageTo: p.PageTo, Tokens: p.Tokens, Text: p.Text,
		Scores: exportedScores{p.Lexical, p.Vector, p.Fused, p.Reranked}, Ranks: exportedRanks{p.LexicalRank, p.VectorRank, p.FusedRank, p.RerankRank},
		LostAt: string(p.Lost), StandsFor: idOrNull(p.Into)}
}

func exportAnswer(m chat.Message) *exportedAnswer {
	out := &exportedAnswer{ID: m.ID, Text: m.Text, Outcome: string(m.Outcome), Model: m.Model, TokensIn: m.TokensIn, TokensOut: m.TokensOut,
		WrittenAt: m.CreatedAt.UTC(), Timings: []exportedTiming{}, Citations: []exportedSource{}}
	for _, t := range m.Timings {
		out.Timings = append(out.Timings, exportedTiming(t))
	}
	for _, cited := range m.Citations {
		out.Citations = append(out.Citations, exportedSource{cited.Number, idOrNull(cited.ChunkID), cited.DocumentName, cited.Page})
	}
	return out
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

func idOrNull(id domain.ID) *domain.ID {
	if id == (domain.ID{}) {
		return nil
	}
	return &id
}
