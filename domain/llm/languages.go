package llm

import (
	"context"
	_ "embed" // the questions
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bitb/domain"
)

// OtherLanguages stands among a model's languages for those that it was not examined in.
const OtherLanguages = "*"

// knownFrom is the least d' at which a model knows a language. Models of one language (MiniLM, E5 small, BGE small in English and in Chinese)
// reach 3.0 to 4.4 in their own and at most 0.9 in 27 others, but for BGE's 1.3 in Japanese, which it reads by half; a model of a hundred
// (multilingual E5, small) reaches 1.6 to 4.2 in all but Irish.
const knownFrom = 1.4

//go:embed languages.txt
var languagePairs string

// Languages examines which languages an embedding model knows, by their ISO 639-1 codes in order: in each of 28 it embeds twelve questions and
// their answers, and looks how well the vectors tell which belong together. The right answers share hardly a word with their questions, so
// spellings do not help. OtherLanguages comes first where it knows most. It takes 672 short texts.
func Languages(ctx context.Context, e Embedder) ([]string, error) {
	texts := map[string][2][]string{} // questions and answers by language
	for line := range strings.Lines(languagePairs) {
		field := strings.Split(strings.TrimSpace(line), " | ")
		if len(field) == 3 && len(field[0]) == 2 {
			pairs := texts[field[0]]
			pairs[0], pairs[1] = append(pairs[0], field[1]), append(pairs[1], field[2])
			texts[field[0]] = pairs
		}
	}
	known := []string{}
	for language, pairs := range texts {
		vectors, err := patiently(ctx, e, slices.Concat(pairs[0], pairs[1]))
		if err != nil {
			return nil, fmt.Errorf("examine the embedding model in %s: %w", language, err)
		}
		if n := len(pairs[0]); sensitivity(vectors[:n], vectors[n:]) >= knownFrom {
			known = append(known, language)
		}
	}
	if len(known) > len(texts)/2 {
		known = append(known, OtherLanguages)
	}
	slices.Sort(known)
	return known, nil
}

// patiently waits where a server is asked too often, as nobody waits for this. Who began anew each time would never come to the end where
// few calls a minute are allowed, and leave none for questions.
func patiently(ctx context.Context, e Embedder, texts []string) ([][]float32, error) {
	for try := 1; ; try++ {
		vectors, _, err := e.Embed(ctx, texts)
		limited, ok := errors.AsType[*domain.Error](err)
		if !ok || limited.Code != domain.RateLimited || try == examTries || limited.RetryAfter > examMost {
			return vectors, err
		}
		if err := pause(ctx, max(limited.RetryAfter, time.Duration(try)*examPause)); err != nil {
			return nil, err
		}
	}
}

const (
	examTries = 5
	examPause = 15 * time.Second
	examMost  = 2 * time.Minute // what a server may ask to wait; who asks for more is busy for long
)

// sensitivity is d' of signal detection: how many standard deviations the cosine of a question and its answer is above that of a question and
// another one's. Some texts are nearer to all others than some, which says nothing: the mean of each is taken off first.
func sensitivity(questions, answers [][]float32) float64 {
	n := len(questions)
	cosine := make([][]float64, n)
	byQuestion, byAnswer, mean := make([]float64, n), make([]float64, n), 0.0
	for i := range n {
		cosine[i] = make([]float64, n)
		for j := range n {
			for d, x := range questions[i] {
				cosine[i][j] += float64(x) * float64(answers[j][d])
			}
			share := cosine[i][j] / float64(n)
			byQuestion[i], byAnswer[j], mean = byQuestion[i]+share, byAnswer[j]+share, mean+share/float64(n)
		}
	}
	var right, wrong, squares float64
	for i := range n {
		for j := range n {
			c := cosine[i][j] - byQuestion[i] - byAnswer[j] + mean
			if i == j {
				right += c / float64(n)
				continue
			}
			wrong += c / float64(n*n-n)
			squares += c * c / float64(n*n-n)
		}
	}
	spread := squares - wrong*wrong
	if spread <= 1e-12 { // it finds all texts alike
		return 0
	}
	return (right - wrong) / math.Sqrt(spread)
}
