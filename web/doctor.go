package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"bitb/domain/doctor"
)

const doctorUsage = `bitb doctor [--json]   go through what must be so before customers come, against the running system; status 1 when something is not`

// doctorCommand is `bitb doctor`. It looks at the system that the settings describe, from beside the server, and says what it can even
// where the settings are wrong or the database is away.
func doctorCommand(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	asJSON := len(args) == 1 && (args[0] == "--json" || args[0] == "-json")
	if len(args) > 0 && !asJSON {
		return errors.New("say it so:\n  " + doctorUsage)
	}
	c, configErr := loadConfig(getenv)
	c.command = "doctor"
	d := &clinic{config: c, configErr: configErr}
	if configErr == nil {
		d.server, d.openErr = openForDoctor(ctx, c)
	}
	if d.server != nil {
		defer d.server.close()
	}
	report := d.report(ctx)
	if asJSON {
		if err := writeJSON(stdout, report); err != nil {
			return err
		}
	} else {
		newPrinter(stdout, getenv).report(report)
	}
	if !report.OK {
		return exitCode(1)
	}
	return nil
}

// openForDoctor puts the product together as the server does; nothing of it runs. A role that may too much is let in: the list says so.
func openForDoctor(ctx context.Context, c Config) (*server, error) {
	c.Production = false
	return newServer(ctx, c, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
}

// clinic makes the readiness check: for the command, and within the server for the page of staff.
type clinic struct {
	config    Config
	configErr error
	server    *server // nil: could not be put together, and why is openErr
	openErr   error

	mu   sync.Mutex
	last doctor.Report
}

// sameFor is how long a report is shown again before another one is made.
const sameFor = time.Minute

// Report is the list as it is now, or as it was less than a minute ago, unless again is asked for. One is made at a time.
func (d *clinic) Report(ctx context.Context, again bool) doctor.Report {
	asked := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh := d.last.At.After(asked) // somebody else asked at the same time, and waited for it too
	if fresh || !again && time.Since(d.last.At) < sameFor {
		return d.last
	}
	d.last = d.report(context.WithoutCancel(ctx)) // whoever asks next may have it, also when this one has gone
	return d.last
}

func (d *clinic) report(ctx context.Context) doctor.Report {
	r := doctor.Run(ctx, d.checks(), d.config.secretTexts())
	r.Address, r.Version, r.Production = d.config.PublicURL, version(), d.config.Production
	return r
}

// revision is set by the linker where the build sees no history, as in the image.
var revision string

// version is that of the binary, as the tool chain wrote it down.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := revision, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = " with changes"
		}
	}
	return cmp.Or(revision, strings.Trim(info.Main.Version, "()"), "devel") + dirty
}

func (p *printer) report(r doctor.Report) {
	mode := "not in production mode"
	if r.Production {
		mode = "production"
	}
	p.line("\n  BITB %s at %s, %s", r.Version, p.bold(r.Address), mode)
	width := 0
	for _, l := range r.Lines {
		width = max(width, len([]rune(l.Name)))
	}
	for _, g := range r.Groups() {
		p.line("\n  %s", p.bold(g.Name))
		for _, l := range g.Lines {
			p.check(l, width)
		}
	}
	verdict := p.green(fmt.Sprintf("%d passed", r.Passed))
	if r.Failed > 0 {
		verdict += ", " + p.red(fmt.Sprintf("%d failed", r.Failed))
	}
	p.line("\n  %s, %d not applicable, in %s.\n", verdict, r.NotApplicable, inMillis(r.TookMS))
}

// check prints a line of the list: what was found beside the name, folded below itself, and what to do on lines of its own.
func (p *printer) check(l doctor.Line, width int) {
	mark, text := p.green("✓"), func(s string) string { return s }
	switch l.Status {
	case doctor.Failed:
		mark, text = p.red("✗"), p.red
	case doctor.NotApplicable:
		mark, text = p.faint("–"), p.faint
	}
	const time = 9
	indent := 4 + width + 2
	for i, line := range fold(l.Found, p.width-indent-time) {
		if i > 0 {
			p.line("%s%s", strings.Repeat(" ", indent), text(line))
			continue
		}
		gap := strings.Repeat(" ", max(1, p.width-indent-time-len([]rune(line))))
		p.line("  %s %-*s  %s%s%s", mark, width, l.Name, text(line), gap, p.faint(fmt.Sprintf("%*s", time, inMillis(l.TookMS))))
	}
	arrow := "→ "
	for _, line := range fold(l.Do, p.width-indent-2) {
		p.line("%s%s", strings.Repeat(" ", indent), p.yellow(arrow+line))
		arrow = "  "
	}
}
