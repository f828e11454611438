package llm_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"bitb/domain/llm"
)

func TestHashing(t *testing.T) {
	embed := func(text string) []float32 {
		t.Helper()
		vectors, _, err := llm.NewHashing().Embed(context.Background(), []string{text})
		if err != nil || len(vectors) != 1 || len(vectors[0]) != llm.NewHashing().Dims() {
			t.Fatalf("%d vectors: %v", len(vectors), err)
		}
		return vectors[0]
	}
	cos := func(a, b string) float64 {
		var sum float64
		for i, x := range embed(a) {
			sum += float64(x) * float64(embed(b)[i])
		}
		return sum
	}
	const policy = "You may return an item within thirty days and get a refund."
	if got := cos(policy, policy); math.Abs(got-1) > 1e-5 {
		t.Errorf("length %f", got)
	}
	if !slices.Equal(embed(policy), embed(policy)) {
		t.Error("the same text gave two vectors")
	}
	near, typo, far := cos(policy, "refunds of returned items"), cos(policy, "retrned itms refnds"), cos(policy, "shipping to Norway")
	if near < far+0.2 {
		t.Errorf("word forms: %.2f for the same subject, %.2f for another", near, far)
	}
	if typo < far+0.02 {
		t.Errorf("typos: %.2f for the same subject, %.2f for another", typo, far)
	}
	for _, x := range embed("🎉") {
		if x != 0 {
			t.Fatal("a text without a word has a direction")
		}
	}
}
