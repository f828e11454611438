package eval

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// bestOf returns the setting that holds most of the answers within the budget, by IoU where they hold the same.
func bestOf(results []Result) Setting {
	var best Result
	for _, r := range results {
		if r.RecallAtBudget > best.RecallAtBudget+1e-9 || r.RecallAtBudget > best.RecallAtBudget-1e-9 && r.IoUAtBudget > best.IoUAtBudget+1e-9 {
			best = r
		}
	}
	return Setting{best.Tokens, best.Overlap}
}

// Print writes results as a table for a person: a line for each setting, the best one marked.
func (set *Set) Print(w io.Writer, results []Result) error {
	fmt.Fprintf(w, "%d documents, %d questions, %d spans that answer them\n", len(set.docs), len(set.questions), set.Spans)
	if n := len(set.Unmapped); n > 0 {
		fmt.Fprintf(w, "%d spans are not in the text that was read, and count as never found:\n", n)
		for _, u := range set.Unmapped {
			fmt.Fprintf(w, "  %s: %s\n", u.Question, shorten(u.Excerpt))
		}
	}
	fmt.Fprintln(w)
	best := bestOf(results)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := 0; i < len(results); {
		end := i + 1
		for end < len(results) && results[end].Tokens == results[i].Tokens && results[end].Overlap == results[i].Overlap {
			end++
		}
		if i == 0 {
			fmt.Fprintln(t, heads(results[:end]))
		}
		mark := ""
		if best == (Setting{results[i].Tokens, results[i].Overlap}) {
			mark = "*"
		}
		fmt.Fprintln(t, mark+"\t"+cells(results[i:end]))
		i = end
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n* holds most of the answers in %d tokens of its best chunks.\n", results[0].Budget)
	return err
}

func heads(rows []Result) string {
	var b strings.Builder
	b.WriteString("\ttokens\toverlap\tchunks\tmean\t")
	for _, r := range rows {
		fmt.Fprintf(&b, "recall@%d\tIoU@%d\t", r.Top, r.Top)
	}
	fmt.Fprintf(&b, "recall in %d tokens\tIoU in %d\t", rows[0].Budget, rows[0].Budget)
	return b.String()
}

func cells(rows []Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\t%d\t%d\t%.0f\t", rows[0].Tokens, rows[0].Overlap, rows[0].Chunks, rows[0].MeanTokens)
	for _, r := range rows {
		fmt.Fprintf(&b, "%.3f\t%.3f\t", r.SpanRecall, r.IoU)
	}
	fmt.Fprintf(&b, "%.3f\t%.3f\t", rows[0].RecallAtBudget, rows[0].IoUAtBudget)
	return b.String()
}

// shorten brings an excerpt to one line of a terminal, without characters that would do something there.
func shorten(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > 80 {
		s = string(runes[:80]) + "…"
	}
	return s
}

// Print writes what was measured as lines of a table for a person, with the heads of the columns before the first.
func (m Measured) Print(w io.Writer, first bool) error {
	if first {
		fmt.Fprintf(w, "%-22s %6s %7s %7s %8s %6s %6s %9s %9s %6s %9s\n", "set", "nDCG@10", "R@5", "R@20", "R@100", "MRR@10", "S@1", "p50 ms", "p95 ms", "AUC", "refused@5")
	}
	rows := []struct {
		name string
		Figures
	}{{strings.TrimSpace(shorten(m.Set) + " " + m.Search), m.Figures}}
	if m.LastTurn != nil {
		rows = append(rows, struct {
			name string
			Figures
		}{"  last turn alone", m.LastTurn.Figures})
	}
	for _, r := range rows {
		_, err := fmt.Fprintf(w, "%-22s %7.3f %7.3f %7.3f %8.3f %6.3f %6.3f %9.1f %9.1f %6s %9s\n", r.name, r.NDCG10, r.Recall5, r.Recall20, r.Recall100,
			r.MRR10, r.Success1, r.P50, r.P95, optional(r.AUC), optional(r.RefusedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func optional(x *float64) string {
	if x == nil {
		return "–"
	}
	return fmt.Sprintf("%.3f", *x)
}
