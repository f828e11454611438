// Package doctor goes through what has to be so before strangers trust a deployment with their documents. It looks at the running
// system, the database, Redis, the address that people use, the monitoring, Kubernetes, and changes nothing. Each check is a small
// function that ends in one line: passed, failed with what to do, or not applicable with why. Which checks there are, and what they
// are given, is put together in package web.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Status is how a check ended.
type Status string

// The three ways.
const (
	Passed        Status = "passed"
	Failed        Status = "failed"
	NotApplicable Status = "not_applicable"
)

// Result is what a check found, in a sentence, and if it failed what to do.
type Result struct {
	Status Status
	Found  string
	Do     string
}

// Pass says that all is well.
func Pass(found string, args ...any) Result {
	return Result{Status: Passed, Found: sentence(found, args)}
}

// NA says that there is nothing to check here, and why.
func NA(why string, args ...any) Result {
	return Result{Status: NotApplicable, Found: sentence(why, args)}
}

// Fail says what is wrong. Do what says what to do about it.
func Fail(found string, args ...any) Result {
	return Result{Status: Failed, Found: sentence(found, args)}
}

// Doing is a failed check with its way out.
func (r Result) Doing(what string, args ...any) Result { r.Do = sentence(what, args); return r }

func sentence(text string, args []any) string {
	if len(args) == 0 {
		return text
	}
	text = fmt.Sprintf(text, args...)
	if one, two := strings.CutSuffix(text, ".."); two { // an error that is a sentence stood at the end
		return one + "."
	}
	return text
}

// Check is one line of the list.
type Check struct {
	Group string        // checks of a group stand together
	ID    string        // for scripts; never renamed
	Name  string        // for people
	Limit time.Duration // 0: ordinary
	Run   func(ctx context.Context) Result
}

// Line is a check that was made.
type Line struct {
	Group  string `json:"group"`
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Do     string `json:"do,omitempty"`
	TookMS int64  `json:"took_ms"`
}

// Report is the whole list.
type Report struct {
	OK            bool      `json:"ok"`
	At            time.Time `json:"at"`
	Address       string    `json:"address"`
	Version       string    `json:"version"`
	Production    bool      `json:"production"`
	Passed        int       `json:"passed"`
	Failed        int       `json:"failed"`
	NotApplicable int       `json:"not_applicable"`
	TookMS        int64     `json:"took_ms"`
	Lines         []Line    `json:"checks"`
}

// Group is the lines that stand together.
type Group struct {
	Name  string
	Lines []Line
}

// Groups are the lines in their order.
func (r Report) Groups() (groups []Group) {
	for _, l := range r.Lines {
		if len(groups) == 0 || groups[len(groups)-1].Name != l.Group {
			groups = append(groups, Group{Name: l.Group})
		}
		last := &groups[len(groups)-1]
		last.Lines = append(last.Lines, l)
	}
	return groups
}

const (
	usualLimit = 5 * time.Second
	wholeLimit = 30 * time.Second
	atOnce     = 6
)

// Run makes all checks, some at once, and returns after half a minute at most. Whatever a check says of any of the secrets is blotted
// out: an error of a library may quote an address with its password.
func Run(ctx context.Context, checks []Check, secrets []string) Report {
	ctx, cancel := context.WithTimeout(ctx, wholeLimit)
	defer cancel()
	r := Report{OK: true, At: time.Now().UTC(), Lines: make([]Line, len(checks))}
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, c := range checks {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r.Lines[i] = c.line(ctx, secrets)
		})
	}
	wait.Wait()
	for _, l := range r.Lines {
		switch l.Status {
		case Passed:
			r.Passed++
		case NotApplicable:
			r.NotApplicable++
		default:
			r.Failed++
		}
	}
	r.OK, r.TookMS = r.Failed == 0, time.Since(r.At).Milliseconds()
	return r
}

func (c Check) line(ctx context.Context, secrets []string) Line {
	began := time.Now()
	result := c.run(ctx)
	return Line{Group: c.Group, ID: c.ID, Name: c.Name, Status: result.Status, Found: blot(result.Found, secrets), Do: blot(result.Do, secrets),
		TookMS: time.Since(began).Milliseconds()}
}

// run lets a check that does not end, or that breaks, end as one that failed.
func (c Check) run(ctx context.Context) Result {
	limit := c.Limit
	if limit == 0 {
		limit = usualLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ended := make(chan Result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- Fail("The check broke: %v.", p).Doing("This is a defect of BITB. Report it with the version.")
			}
		}()
		ended <- c.Run(ctx)
	}()
	select {
	case r := <-ended:
		return r
	case <-ctx.Done():
		select {
		case r := <-ended: // at the same moment
			return r
		default:
		}
		return Fail("No answer within %s.", limit).Doing("Something between here and there hangs. Try again, then look at the network and at what should answer.")
	}
}

// blot leaves out short secrets: a word of five letters may stand in any sentence, and whoever has one fails another check.
func blot(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) > 5 {
			text = strings.ReplaceAll(text, s, "[secret]")
		}
	}
	return text
}

// plural is a count with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// age is a time span as a person says it.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int(d.Seconds()), "second", "seconds")
	case d < 2*time.Hour:
		return plural(int(d.Minutes()), "minute", "minutes")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour", "hours")
	}
	return plural(int(d.Hours()/24), "day", "days")
}

// few lists the first of many things.
func few(things []string) string {
	const most = 4
	if len(things) > most {
		return strings.Join(things[:most], ", ") + fmt.Sprintf(" and %d more", len(things)-most)
	}
	return strings.Join(things, ", ")
}
