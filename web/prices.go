package main

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"bitb/domain/llm"
)

// price is what a model costs: US dollars for a million tokens.
type price struct{ in, out float64 }

// knownPrices are OpenAI's list prices as of June 2025 (https://platform.openai.com/docs/pricing). They change:
// BITB_MODEL_PRICES says what holds, and what other models cost.
var knownPrices = map[string]price{
	"gpt-4.1": {2, 8}, "gpt-4.1-mini": {.40, 1.60}, "gpt-4.1-nano": {.10, .40}, "gpt-4o": {2.50, 10}, "gpt-4o-mini": {.15, .60},
	"text-embedding-3-small": {in: .02}, "text-embedding-3-large": {in: .13}, "text-embedding-ada-002": {in: .10},
}

// parsePrices reads "model=in/out,model=in" over the known prices.
func parsePrices(text string) (map[string]price, error) {
	prices := maps.Clone(knownPrices)
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		model, numbers, _ := strings.Cut(entry, "=")
		in, out, both := strings.Cut(numbers, "/")
		var p price
		var ok, okOut bool
		p.in, ok = dollars(in)
		if okOut = true; both {
			p.out, okOut = dollars(out)
		}
		if model == "" || !ok || !okOut {
			return nil, fmt.Errorf("BITB_MODEL_PRICES: %q is not like my-model=0.40/1.60, in dollars for a million tokens read and written", entry)
		}
		prices[model] = p
	}
	return prices, nil
}

func dollars(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return n, err == nil && n >= 0 && !math.IsInf(n, 0)
}

// of is what one call cost.
func (p price) of(u llm.Usage) float64 { return (float64(u.In)*p.in + float64(u.Out)*p.out) / 1e6 }
