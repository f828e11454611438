package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bitb/domain/eval"
	"bitb/domain/ingest/chunk"
	"bitb/domain/retrieve"
)

// evaluate is the command "bitb eval": it measures on sets of questions and prints tables, or JSON.
func evaluate(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("eval", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var sets []string
	flags.Func("set", "", func(dir string) error { sets = append(sets, dir); return nil })
	var c chunksCommand
	flags.StringVar(&c.dir, "chunks", "", "")
	flags.StringVar(&c.tokens, "tokens", "128,192,256,320,400,512,768,1024", "")
	flags.StringVar(&c.overlap, "overlap", "0,32,64", "")
	flags.StringVar(&c.top, "top", "5,10", "")
	flags.IntVar(&c.budget, "budget", 1600, "")
	asJSON := flags.Bool("json", false, "")
	ways := []retrieve.Sides{retrieve.Both}
	flags.Func("search", "", func(list string) error {
		ways = nil
		for by := range strings.SplitSeq(list, ",") {
			way := retrieve.Sides(by)
			if way != retrieve.Both && way != retrieve.WordsOnly && way != retrieve.VectorsOnly || slices.Contains(ways, way) {
				return errors.New("it is both, words or vectors, or some of them with commas between")
			}
			ways = append(ways, way)
		}
		return nil
	})
	for rest := args; ; { // --set A B --json: options may follow what is none
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			_, err := fmt.Fprint(stdout, usage)
			return err
		} else if err != nil {
			return fmt.Errorf("%w; bitb help lists the options", err)
		}
		if flags.NArg() == 0 {
			break
		}
		if len(sets) == 0 {
			return errors.New(noSet)
		}
		sets, rest = append(sets, flags.Arg(0)), flags.Args()[1:]
	}
	switch {
	case (len(sets) > 0) == (c.dir != ""):
		return errors.New(noSet)
	case c.dir != "":
		return c.run(ctx, *asJSON, stdout)
	}
	return evaluateSets(ctx, sets, ways, *asJSON, getenv, stdout)
}

const noSet = "eval needs a set: bitb eval --chunks DIR, or bitb eval --set DIR…"

// chunksCommand is "bitb eval --chunks".
type chunksCommand struct {
	dir, tokens, overlap, top string
	budget                    int
}

func (c chunksCommand) run(ctx context.Context, asJSON bool, stdout io.Writer) error {
	settings, err := settingsOf(c.tokens, c.overlap)
	if err != nil {
		return err
	}
	tops, err := numbers("top", c.top, 1, 1000)
	if err != nil {
		return err
	}
	if c.budget < 1 || c.budget > 1_000_000 {
		return fmt.Errorf("--budget is a number from 1 to 1000000, not %d", c.budget)
	}
	set, err := eval.Load(ctx, c.dir)
	if err != nil {
		return err
	}
	results, err := set.Chunks(ctx, settings, tops, c.budget)
	if err != nil {
		return err
	}
	if asJSON {
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
