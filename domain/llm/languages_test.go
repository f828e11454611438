package llm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bitb/domain"
)

// polyglot places questions and answers of the languages that it knows by what they are about, and all other texts by their letters.
type polyglot struct {
	Embedder
	knows func(language string) bool
	err   error
}

func (p polyglot) Embed(ctx context.Context, texts []string) ([][]float32, Usage, error) {
	if p.err != nil {
		return nil, Usage{}, p.err
	}
	vectors, usage, err := p.Embedder.Embed(ctx, texts)
	about := map[string]int{}
	for n, line := range slices.Collect(strings.Lines(languagePairs)) {
		if f := strings.Split(strings.TrimSpace(line), " | "); len(f) == 3 && p.knows(f[0]) {
			about[f[1]], about[f[2]] = n, n
		}
	}
	for i, text := range texts {
		if n, known := about[text]; known {
			vectors[i][n%len(vectors[i])] += 2
		}
	}
	return vectors, usage, err
}

func TestLanguages(t *testing.T) {
	all := []string{OtherLanguages, "ar", "cs", "da", "de", "el", "en", "es", "fi", "fr", "ga", "he", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl", "pt",
		"ro", "ru", "sv", "th", "tr", "vi", "zh"}
	for name, c := range map[string]struct {
		knows func(string) bool
		want  []string
	}{
		"spellings alone": {func(string) bool { return false }, []string{}},
		"english":         {func(l string) bool { return l == "en" }, []string{"en"}},
		"two":             {func(l string) bool { return l == "zh" || l == "id" }, []string{"id", "zh"}},
		"all":             {func(string) bool { return true }, all},
	} {
		t.Run(name, func(t *testing.T) {
			known, err := Languages(t.Context(), polyglot{Embedder: NewHashing(), knows: c.knows})
			if diff := cmp.Diff(c.want, known); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
	broken := errors.New("broken")
	if known, err := Languages(t.Context(), polyglot{Embedder: NewHashing(), err: broken}); !errors.Is(err, broken) || known != nil {
		t.Error(known, err)
	}
}

// busy refuses all calls but a few a minute.
type busy struct {
	Embedder
	left int
	from time.Time
}

func (b *busy) Embed(ctx context.Context, texts []string) ([][]float32, Usage, error) {
	if now := time.Now(); now.Sub(b.from) >= time.Minute {
		b.left, b.from = 3, now
	}
	if b.left--; b.left < 0 {
		return nil, Usage{}, &domain.Error{Code: domain.RateLimited, Message: "Too often."}
	}
	return b.Embedder.Embed(ctx, texts)
}

// A server that allows few calls a minute is not asked in vain for ever, and one that allows none is given up.
func TestLanguagesOfABusyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		english := polyglot{Embedder: NewHashing(), knows: func(l string) bool { return l == "en" }}
		if known, err := Languages(t.Context(), &busy{Embedder: english}); err != nil || !slices.Equal(known, []string{"en"}) {
			t.Error(known, err)
		}
		if known, err := Languages(t.Context(), &busy{Embedder: english, from: time.Now().Add(time.Hour)}); domain.CodeOf(err) != domain.RateLimited || known != nil {
			t.Error(known, err)
		}
	})
}

// Whatever is done to all questions, or to all answers, says nothing of which belong together.
func TestSensitivity(t *testing.T) {
	alike := [][]float32{{1, 0}, {1, 0}, {1, 0}}
	if d := sensitivity(alike, alike); d != 0 {
		t.Errorf("%f for a model that finds all texts alike", d)
	}
	questions, answers := [][]float32{{.9, .1, 0}, {.1, .9, 0}, {0, .1, .9}}, [][]float32{{.8, .2, .1}, {.1, .8, .2}, {.2, .1, .8}}
	right := sensitivity(questions, answers)
	if wrong := sensitivity(questions, [][]float32{answers[1], answers[2], answers[0]}); right < knownFrom || wrong > 0 {
		t.Errorf("%f for the right answers, %f for others", right, wrong)
	}
	for _, a := range answers {
		a[0] += 5 // a direction that all of them share
	}
	if d := sensitivity(questions, answers); d < right-.01 || d > right+.01 {
		t.Errorf("%f, and %f with what all answers share", right, d)
	}
}
