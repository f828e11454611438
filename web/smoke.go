package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"time"
)

const smokeUsage = `bitb smoke [--url https://chat.example.com] [--invitation LINK] [--timeout 3m] [--json]
                     try the whole product from outside as a throw-away customer, who is erased again`

// smokeReport is what a smoke test found. A key is never renamed: people's scripts read it.
type smokeReport struct {
	URL    string      `json:"url"`
	OK     bool        `json:"ok"`
	Erased bool        `json:"erased"` // nothing of the throw-away customer is left
	TookMS int64       `json:"took_ms"`
	Steps  []smokeStep `json:"steps"`
}

type smokeStep struct {
	Name      string `json:"name"`
	OK        bool   `json:"ok"`
	TookMS    int64  `json:"took_ms"`
	Found     string `json:"found,omitempty"`
	Error     string `json:"error,omitempty"`
	RequestID string `json:"request_id,omitempty"` // of the answer that was not as it should be: the server's log has it
}

// smokeCommand is `bitb smoke`. It needs an address and no setting.
func smokeCommand(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("smoke", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	address := flags.String("url", "", "")
	limit := flags.Duration("timeout", 3*time.Minute, "")
	invitation := flags.String("invitation", "", "")
	asJSON := flags.Bool("json", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errors.Join(err, errors.New("say it so:\n  "+smokeUsage))
	}
	if *address == "" {
		*address = publicURL(getenv)
	}
	if u, err := url.Parse(*address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no address to try: write it like https://chat.example.com", *address)
	}
	if *limit <= 0 {
		return errors.New("--timeout must be a time such as 3m")
	}
	if *limit > smokeMost {
		*limit = smokeMost
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	p := newPrinter(stdout, getenv)
	var told func(smokeStep)
	if !*asJSON {
		p.line("\n  Smoke test of %s\n", p.bold(*address))
		told = p.step
	}
	c := newCustomer(*address)
	if u, err := url.Parse(*invitation); err == nil {
		c.invitation = cmp.Or(u.Query().Get("invitation"), *invitation)
	}
	report := smokeAs(ctx, c, told)
	if *asJSON {
		if err := writeJSON(stdout, report); err != nil {
			return err
		}
	} else {
		p.smokeEnd(report)
	}
	if !report.OK {
		return exitCode(1)
	}
	return nil
}

// smokeMost is longer than any smoke test may take: what is older was left behind (see tenant.SmokeHost).
const smokeMost = 10 * time.Minute

// smoke signs up a throw-away customer at an address, uploads a document, waits until it is ready, has it found, asks for an answer
// with a citation as a member and as a visitor of a website, and erases all of it again, also after a failure and after ctx has
// ended. It goes through HTTP alone, as people do, and is safe on production. told hears of each step as it ends; nil: nobody does.
func smoke(ctx context.Context, address string, told func(smokeStep)) smokeReport {
	return smokeAs(ctx, newCustomer(address), told)
}

func smokeAs(ctx context.Context, c *customer, told func(smokeStep)) smokeReport {
	began := time.Now()
	report := smokeReport{URL: c.base, OK: true}
	run := func(ctx context.Context, name string, do func(context.Context) (found string, err error)) {
		at := time.Now()
		found, err := do(ctx)
		step := smokeStep{Name: name, OK: err == nil, Found: found, TookMS: time.Since(at).Milliseconds()}
		if err != nil {
			step.Error = err.Error()
			if wrong, ok := errors.AsType[*wrongAnswer](err); ok {
				step.RequestID = wrong.requestID
			}
			report.OK = false
		}
		report.Steps = append(report.Steps, step)
		if told != nil {
			told(step)
		}
	}
	for _, s := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"Reach the server", c.reach},
		{"Sign up", c.signUp},
		{"Upload a document", c.upload},
		{"Wait until it is ready", c.ready},
		{"Ask as a member", c.ask},
		{"Look at the retrieval", c.retrieval},
		{"Allow a website", c.allowSite},
		{"Ask there as a visitor", c.askWidget},
		{"Refuse another website", c.otherSite},
	} {
		if run(ctx, s.name, s.do); !report.OK {
			break
		}
	}
	report.Erased = true
	if c.began {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		run(last, "Erase it all again", c.erase)
		report.Erased = report.Steps[len(report.Steps)-1].OK
	}
	report.TookMS = time.Since(began).Milliseconds()
	return report
}

func (p *printer) step(s smokeStep) {
	mark, note := p.green("✓"), s.Found
	if !s.OK {
		mark, note = p.red("✗"), ""
	}
	p.line("  %s %-24s %9s   %s", mark, s.Name, inMillis(s.TookMS), p.faint(note))
	if s.OK {
		return
	}
	p.wrapped(6, s.Error)
	if s.RequestID != "" {
		p.wrapped(6, "Look for request "+s.RequestID+" in the server's log.")
	}
}

func (p *printer) smokeEnd(r smokeReport) {
	switch took := inMillis(r.TookMS); {
	case r.OK:
		p.line("\n  %s in %s. Nothing of it is left.\n", p.green(fmt.Sprintf("All %d steps passed", len(r.Steps))), took)
	case r.Erased:
		p.line("\n  %s after %s. Nothing of it is left.\n", p.red("Failed"), took)
	default:
		p.line("\n  %s after %s. The throw-away customer is still there; the next smoke test removes it when it is a quarter of an hour old.\n", p.red("Failed"), took)
	}
}
