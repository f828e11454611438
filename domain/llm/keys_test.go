package llm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bitb/domain"
	"bitb/domain/llm"
	"bitb/domain/llm/llmtest"
)

// twoKeys are keys while they are exchanged, and what became of each.
type twoKeys struct {
	keys []string
	used []string
}

func (k *twoKeys) All() []string { return k.keys }

func (k *twoKeys) Used(key string, accepted bool) {
	k.used = append(k.used, fmt.Sprintf("%s %v", key, accepted))
}

// While keys are exchanged, either of two may be the one that the server knows: it is found at once, by every kind of call.
func TestTwoKeysAtOnce(t *testing.T) {
	srv := llmtest.New(t)
	keys := &twoKeys{}
	c := llm.OpenAI{BaseURL: srv.URL, Keys: keys, Model: "m", HTTP: srv.Client()}
	rerank := c
	rerank.BaseURL = srv.RerankURL(llmtest.Cohere)
	chat, embedder, ranker := must(llm.NewChat(c)), must(llm.NewEmbedder(c)), must(llm.NewReranker(rerank))
	calls := map[string]func() error{
		"chat":   func() error { _, err := chat.Stream(t.Context(), ask, func(string) error { return nil }); return err },
		"embed":  func() error { _, _, err := embedder.Embed(t.Context(), []string{"text"}); return err },
		"rerank": func() error { _, err := ranker.Rerank(t.Context(), "question", []string{"text"}); return err },
	}
	good, gone, other := srv.Key, "a-key-that-is-gone", "another-one"
	for _, tt := range []struct {
		keys, used []string
		fails      bool
	}{
		{[]string{good, gone}, []string{good + " true"}, false},
		{[]string{gone, good}, []string{gone + " false", good + " true"}, false},
		{[]string{gone, other}, []string{gone + " false", other + " false"}, true},
	} {
		for kind, call := range calls {
			keys.keys, keys.used = tt.keys, nil
			err := call()
			if (domain.CodeOf(err) == domain.Unavailable) != tt.fails || (err != nil) != tt.fails || !slices.Equal(keys.used, tt.used) {
				t.Errorf("%s with %v: %v, used %v", kind, tt.keys, err, keys.used)
			}
		}
	}
	// A server that tells what it was sent does not get a key into the log, whichever it was.
	keys.keys = []string{good, gone}
	srv.FailAll(llmtest.Body("data: {\"error\": {\"message\": \"you sent " + good + ", not " + gone + "\"}}\n\n"))
	err := calls["chat"]()
	if err == nil || strings.Contains(err.Error(), good) || strings.Contains(err.Error(), gone) {
		t.Errorf("the error is %v", err)
	}
}
