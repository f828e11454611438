package llm_test

import (
	"testing"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
)

// A question is embedded with the model that embedded what it is compared with: the present one, the built-in one, or one that the
// server has under its name. One that is gone is not asked for again with each question.
func TestEmbeddersByName(t *testing.T) {
	srv := llmtest.New(t)
	server := llm.OpenAI{BaseURL: srv.URL, Key: srv.Key, Model: "new-model"}
	current, err := llm.NewEmbedder(server)
	if err != nil {
		t.Fatal(err)
	}
	q := llm.Cached(current, shelf{}, nil).WithFormer(server)
	if q.Model() != "new-model" {
		t.Errorf("the present model is %s", q.Model())
	}
	asked := 0
	embed := func(model, text string, fails bool, calls int) {
		t.Helper()
		v, err := q.EmbedQuery(t.Context(), domain.ID{1}, model, text)
		if (err != nil) != fails || !fails && len(v) == 0 {
			t.Errorf("%s: %d dimensions, %v", model, len(v), err)
		}
		if n := len(srv.Embed.Requests()); n-asked != calls {
			t.Errorf("%s: %d requests, want %d", model, n-asked, calls)
		} else if calls > 0 && srv.Embed.Requests()[n-1].Model != model {
			t.Errorf("%s was asked for as %s", model, srv.Embed.Requests()[n-1].Model)
		}
		asked = len(srv.Embed.Requests())
	}
	embed("new-model", "opening hours", false, 2) // and once more to be sure of its dimensions
	embed("new-model", "opening hours", false, 0)
	embed("old-model", "opening hours", false, 2) // not the other model's vector
	embed("old-model", "opening hours", false, 0)
	embed(llm.NewHashing().Model(), "opening hours", false, 0)
	srv.FailNext(llmtest.Status(404))
	embed("gone-model", "opening hours", true, 1)
	embed("gone-model", "prices", true, 0)
	embed("old-model", "prices", false, 1)
	srv.FailNext(llmtest.Status(503))
	embed("old-model", "refunds", true, 1) // a person waits: it is tried once

	alone := llm.Cached(llm.NewHashing(), shelf{}, nil)
	if _, err := alone.EmbedQuery(t.Context(), domain.ID{1}, "old-model", "prices"); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("without a server: %v", err)
	}
}
