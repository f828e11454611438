package extract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// corpus holds documents of other people with reference texts. It is no part of the repository.
const corpus = "../../../../shared/data/documents/"

// TestCorpus scores what is read of real documents as the corpus's own tools/score_extract.py does: every marker must be
// found, and the mean recall of words over the files of a format must not fall.
func TestCorpus(t *testing.T) {
	manifest, err := os.ReadFile(corpus + "manifest.jsonl")
	if err != nil {
		t.Skip("the corpus is not on this machine")
	}
	least := map[string]float64{"pdf": 0.93, "docx": 0.98, "pptx": 1, "odt": 0.984, "html": 0.98, "csv": 1, "md": 1, "txt": 1, "xlsx": 0.654, "epub": 1, "eml": 0.998, "rtf": 0.995}
	recall := map[string][]float64{}
	for line := range strings.Lines(string(manifest)) {
		var e struct {
			Path, Type, Reference string
			Markers               []string
			NeedsOCR              bool `json:"needs_ocr"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if least[e.Type] == 0 || e.NeedsOCR {
			continue
		}
		t.Run(filepath.Base(e.Path), func(t *testing.T) {
			doc := extractFile(t, corpus+e.Path)
			sound(t, doc)
			text := doc.Markdown()
			for _, marker := range e.Markers {
				if !strings.Contains(squeeze(text), squeeze(marker)) {
					t.Errorf("not found: %q", marker)
				}
			}
			reference, err := os.ReadFile(corpus + e.Reference)
			if err != nil {
				t.Fatal(err)
			}
			r := wordRecall(string(reference), text)
			t.Logf("word recall %.3f", r)
			recall[e.Type] = append(recall[e.Type], r)
		})
	}
	for kind, want := range least {
		sum := 0.0
		for _, r := range recall[kind] {
			sum += r
		}
		if mean := sum / float64(len(recall[kind])); mean < want-0.0005 {
			t.Errorf("%s: mean word recall %.3f, was %.3f", kind, mean, want)
		}
	}
}

var marks = regexp.MustCompile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")

func fold(s string) string {
	return marks.ReplaceAllString(strings.ToLower(norm.NFKC.String(s)), "")
}

func squeeze(s string) string { return strings.Join(strings.Fields(fold(s)), "") }

// wordRecall returns the share of the words of want that are in got, each as often.
func wordRecall(want, got string) float64 {
	have := map[string]int{}
	for _, w := range words(got) {
		have[w]++
	}
	total, found := 0, 0
	for _, w := range words(want) {
		total++
		if have[w] > 0 {
			have[w]--
			found++
		}
	}
	return float64(found) / float64(max(total, 1))
}

// words cuts a text into words, and those of Chinese and Japanese into pairs of characters.
func words(s string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' }) {
		runes := []rune(w)
		if len(runes) < 2 || !strings.ContainsFunc(w, func(r rune) bool { return r >= 0x3040 && r <= 0x30ff || r >= 0x3400 && r <= 0x9fff }) {
			out = append(out, w)
			continue
		}
		for i := range len(runes) - 1 {
			out = append(out, string(runes[i:i+2]))
		}
	}
	return out
}
