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
