package views

import (
	"strings"
	"testing"

	"bitb/domain/retrieve"
)

// What a chunk is followed through is not always what the answer was found with: the page says so.
func TestWhyTellsOfOtherModels(t *testing.T) {
	then := retrieve.Retrieval{Vectors: retrieve.VectorsExact, Models: []string{"embed-a"}, Reranker: "rank-a"}
	now := retrieve.Retrieval{Vectors: retrieve.VectorsOff, VectorsLost: "The embedding model embed-b did not answer.", RerankLost: "The re-ranking model rank-b did not answer."}
	steps := []retrieve.Step{{Stage: "vectors", State: retrieve.Skipped}, {Stage: "rerank", State: retrieve.Skipped}}
	v := WhyView{Explained: Explained{Retrieval: then}, Explanation: &retrieve.Explanation{Retrieval: now, Steps: steps}}
	for i, want := range []string{"embed-b did not answer. It was done without.", "rank-b did not answer. It was done without."} {
		if got := whySteps(v)[i].note; !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := followedBy(v); !strings.Contains(got, "the models of now. The answer’s passages were re-ranked by rank-a, and found by the vectors of embed-a.") {
		t.Error(got)
	}
	v.Explanation.Retrieval = then
	if got := followedBy(v); got != "Followed through the index as it is now, with the settings of then." {
		t.Error(got)
	}
	v.Retrieval, v.Explanation.Retrieval = retrieve.Retrieval{}, retrieve.Retrieval{Vectors: retrieve.VectorsOff}
	if steps := whySteps(v); steps[0].note != "This search had no vectors." || steps[1].note != "This search had none." {
		t.Errorf("%+v", steps)
	}
}

// Other models move chunks as well, and so that is not taken for the work of the settings.
func TestWhatElseMovesChunks(t *testing.T) {
	then := retrieve.Retrieval{IndexVersion: 3, Models: []string{"embed-a"}, Reranker: "rank-a"}
	for want, c := range map[string]struct {
		now      retrieve.Retrieval
		reranker string
	}{
		"":                                     {then, "rank-a"},
		"The documents have changed since, so": {retrieve.Retrieval{IndexVersion: 4}, "rank-a"}, // searched by words alone, as it was set
		"The models have changed since, so":    {retrieve.Retrieval{IndexVersion: 3, Models: []string{"embed-b"}}, "rank-a"},
		"The documents and models have changed since, so": {retrieve.Retrieval{IndexVersion: 4, Models: []string{"embed-a"}}, ""},
	} {
		v := TryView{Explained: Explained{Retrieval: then}, Reranker: c.reranker, Result: &TryResult{Retrieval: c.now}}
		if got := changedMeanwhile(v); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
