package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"bitb/domain/eval"
	"bitb/domain/ingest/chunk"
)

// evaluate is the command "bitb eval": it measures settings on a set of questions and prints a table, or JSON.
func evaluate(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("eval", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("chunks", "", "")
	tokens := flags.String("tokens", "128,192,256,320,400,512,768,1024", "")
	overlap := flags.String("overlap", "0,32,64", "")
	top := flags.String("top", "5,10", "")
	budget := flags.Int("budget", 1600, "")
	asJSON := flags.Bool("json", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Fprint(stdout, usage)
		return err
	} else if err != nil {
		return fmt.Errorf("%w; bitb help lists the options", err)
	}
	if *dir == "" || flags.NArg() > 0 {
		return errors.New("eval needs a set: bitb eval --chunks DIR")
	}
	settings, err := settingsOf(*tokens, *overlap)
	if err != nil {
		return err
	}
	tops, err := numbers("top", *top, 1, 1000)
	if err != nil {
		return err
	}
	if *budget < 1 || *budget > 1_000_000 {
		return fmt.Errorf("--budget is a number from 1 to 1000000, not %d", *budget)
	}
	set, err := eval.Load(ctx, *dir)
	if err != nil {
		return err
	}
	results, err := set.Chunks(ctx, settings, tops, *budget)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(results)
	}
	return set.Print(stdout, results)
}

// settingsOf returns each size of chunks with each overlap that it can have.
func settingsOf(tokens, overlap string) ([]eval.Setting, error) {
	sizes, err := numbers("tokens", tokens, chunk.MinTokens, chunk.MaxTokens)
	if err != nil {
		return nil, err
	}
	overlaps, err := numbers("overlap", overlap, 0, chunk.MaxOverlap(chunk.MaxTokens))
	if err != nil {
		return nil, err
	}
	var settings []eval.Setting
	for _, n := range sizes {
		for _, o := range overlaps {
			if o <= chunk.MaxOverlap(n) {
				settings = append(settings, eval.Setting{Tokens: n, Overlap: o})
			}
		}
	}
	if len(settings) == 0 {
		return nil, errors.New("an overlap can be a quarter of a chunk at most; give a smaller --overlap or larger --tokens")
	}
	return settings, nil
}

// numbers reads a list such as "5,10".
func numbers(name, list string, least, most int) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < least || n > most {
			return nil, fmt.Errorf("--%s is numbers from %d to %d with commas between them, not %q", name, least, most, part)
		}
		out = append(out, n)
		if len(out) > 100 {
			return nil, fmt.Errorf("--%s has more than 100 numbers", name)
		}
	}
	return out, nil
}
