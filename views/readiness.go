package views

import (
	"strings"

	"bitb/domain/doctor"
)

// readinessFacts counts how the checks ended.
func readinessFacts(r doctor.Report) string {
	facts := []string{number(r.Passed) + " passed"}
	if r.Failed > 0 {
		facts = append(facts, number(r.Failed)+" failed")
	}
	if r.NotApplicable > 0 {
		facts = append(facts, number(r.NotApplicable)+" not applicable")
	}
	return strings.Join(facts, ", ")
}

func failedLines(r doctor.Report) (failed []doctor.Line) {
	for _, l := range r.Lines {
		if l.Status == doctor.Failed {
			failed = append(failed, l)
		}
	}
	return failed
}

func readinessShape(s doctor.Status) string {
	switch s {
	case doctor.Passed:
		return "ready"
	case doctor.NotApplicable:
		return "stop"
	}
	return "fail"
}

func readinessWord(s doctor.Status) string {
	switch s {
	case doctor.Passed:
		return "Passed"
	case doctor.NotApplicable:
		return "Not applicable"
	}
	return "Failed"
}

// wording is a part of a text, which may be code.
type wording struct {
	text string
	code bool
}

// wordings takes what stands between backticks for code.
func wordings(text string) (all []wording) {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 { // the last one's end is missing
		last := len(parts) - 1
		parts[last-1] += "`" + parts[last]
		parts = parts[:last]
	}
	for i, part := range parts {
		all = append(all, wording{part, i%2 == 1})
	}
	return all
}
