// Package views renders the dashboard: a .templ file for each screen, the layout around them and the parts they share.
// It is given what the domain packages return and decides nothing: which data a page shows is for the handlers, what it
// says and how it looks is said here. No page has an inline script or a style attribute, as the content policy forbids both.
package views

import (
	"strings"
	"time"

	"bitb/domain"
	"bitb/domain/tenant"
)

// Page is what every page of somebody who is signed in needs.
type Page struct {
	Account       tenant.Account
	Path          string // of the request, without query: marks the section in the navigation
	Documents     int    // count beside the section's name
	Conversations int
	Worse         int           // test questions that got worse, until somebody looks
	LookingIn     []tenant.Case // open cases of support staff, for those who may see them
	Staff         *StaffShell   // the page is a staff member's; nil: a member's
	Flash         Flash         // what the last action did; zero says nothing
	Now           time.Time     // what "5 min" counts from; zero means the present
}

// StaffShell is what stands around every page of a staff member.
type StaffShell struct {
	Member tenant.StaffMember
	Case   *tenant.Case // that they look into; nil: none
}

// Flash confirms an action on the page that follows it.
type Flash struct {
	Bad  bool // something did not work
	Text string
	Undo string // local path of the form that takes it back; "": none does
}

// can reports whether the member may do what needs the role. The routes enforce it; pages only leave the button out.
func (p Page) can(need domain.Role) bool { return p.Account.User.Role.Allows(need) }

// sections are the entries of the navigation that the member's role may open.
func (p Page) sections() []section {
	var open []section
	for _, s := range sections {
		if p.can(s.need) {
			open = append(open, s)
		}
	}
	return open
}

// in reports whether the page belongs to the section.
func (p Page) in(s section) bool {
	return p.Path == s.path || strings.HasPrefix(p.Path, s.path+"/")
}

func (p Page) count(s section) int {
	switch s.path {
	case "/documents":
		return p.Documents
	case "/conversations":
		return p.Conversations
	}
	return 0
}

// notice is how much of a section waits to be looked at.
func (p Page) notice(s section) int {
	if s.path == "/questions" {
		return p.Worse
	}
	return 0
}

func goodOrBad(bad bool) string {
	if bad {
		return "bad"
	}
	return "good"
}

func (p Page) now() time.Time {
	if p.Now.IsZero() {
		return time.Now()
	}
	return p.Now
}

// message is the sentence of an error that is not tied to one field, or "".
func message(err *domain.Error) string {
	if err == nil || len(err.Fields) > 0 {
		return ""
	}
	return err.Message
}

// fieldError is the sentence for one form field, or "".
func fieldError(err *domain.Error, field string) string {
	if err == nil {
		return ""
	}
	return err.Fields[field]
}
