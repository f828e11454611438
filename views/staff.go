package views

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/tenant"
)

// here links to a local address of members. Within a case it leads to the same thing in the case, and nowhere where support has
// no such page: an <a> without an address is text.
func here(ctx context.Context, path string) templ.Attributes {
	who, _ := domain.IdentityFrom(ctx)
	switch {
	case who.StaffID == domain.ID{}:
		return href(path)
	case path == "/conversations":
		return href(caseAddress(who.CaseID))
	case strings.HasPrefix(path, "/conversations/"), strings.HasPrefix(path, "/retrievals/"):
		return href(caseAddress(who.CaseID) + path)
	}
	return nil
}

// href is the address of a link, if it is a local one.
func href(path string) templ.Attributes {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		path = string(templ.FailedSanitizationURL)
	}
	return templ.Attributes{"href": path}
}

func caseAddress(id domain.ID) string   { return "/staff/cases/" + id.String() }
func tenantAddress(id domain.ID) string { return "/staff/tenants/" + id.String() }

// caseSection is an entry of the support rail within a case.
type caseSection struct{ path, name, icon string }

// sections of a case, or of support outside of one.
func (s StaffShell) sections() []caseSection {
	tenants := caseSection{"/staff", "Tenants", "building"}
	if s.Case == nil {
		return []caseSection{tenants, {"/staff/readiness", "Readiness", "list-checks"}}
	}
	at := caseAddress(s.Case.ID)
	return []caseSection{{at, "Answers", "messages-square"}, {at + "/retrievals", "Retrievals", "bug"}, {at + "/failures", "Failures", "triangle-alert"}, tenants}
}

// in reports whether the page belongs to a section of support.
func (c caseSection) in(p Page) bool {
	switch c.name {
	case "Answers":
		return p.Path == c.path || strings.HasPrefix(p.Path, c.path+"/conversations/")
	case "Tenants":
		return p.Path == "/staff" || strings.HasPrefix(p.Path, "/staff/tenants/")
	}
	return p.Path == c.path || strings.HasPrefix(p.Path, c.path+"/")
}

// timeLeft says how long a case lasts, never more than it does.
func timeLeft(d time.Duration) string {
	if d < time.Minute {
		return "Less than a minute left"
	}
	return fmt.Sprintf("%d min left", d/time.Minute)
}

func clock(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// share100 is a share of answers in percent, "–" without answers.
func share100(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f\u00a0%%", 100*float64(n)/float64(of))
}

// tooMany reports whether a share of answers is worth a look.
func tooMany(n, of int, most float64) bool { return of > 0 && float64(n)/float64(of) > most }

// What is worth a look: more than one answer in fifty that went wrong, more than three in ten that found nothing.
const (
	worryErrors     = 0.02
	worryUnanswered = 0.3
)

func healthNote(h tenant.Health) string {
	if h.Answers == 0 {
		return "No answers in 7 days"
	}
	return fmt.Sprintf("%s in 7 days: %s errors, %s unanswered", count(h.Answers, "answer", "answers"), share100(h.Errors, h.Answers), share100(h.Unanswered, h.Answers))
}

func tenantsAddress(search string) func(int) string {
	return func(page int) string { return address("/staff", "q", search, "page", pageParam(page)) }
}

func pagesOf(path string) func(int) string {
	return func(page int) string { return address(path, "page", pageParam(page)) }
}

func minutesWord(n int) string {
	if n == tenant.MaxCaseMinutes {
		return "1 hour"
	}
	return fmt.Sprintf("%d minutes", n)
}

func answersAddress(p Page, v CaseAnswersView, after string) string {
	return address(caseAddress(p.Staff.Case.ID), "q", v.Search, "from", v.From, "to", v.To, "after", after)
}

// foundAddress is the answer in its conversation.
func foundAddress(p Page, found chat.FoundAnswer) string {
	to := caseAddress(p.Staff.Case.ID) + "/conversations/" + found.ConversationID.String()
	if found.Answer.ID != (domain.ID{}) {
		to += "#message-" + found.Answer.ID.String()
	}
	return to
}

// askedOn is the host of the site a question was asked on.
func askedOn(origin string) string {
	if origin == "" {
		return "Playground"
	}
	if u, err := url.Parse(origin); err == nil && u.Host != "" {
		return u.Host
	}
	return origin
}

// deed says what somebody did, with the address of what they looked at, "" for none.
func deed(e tenant.AuditEntry) (sentence, at string) {
	object := func(path string) string {
		if e.ObjectID == (domain.ID{}) {
			return ""
		}
		return path + e.ObjectID.String()
	}
	switch e.Action {
	case "case.opened":
		return "Opened a case", ""
	case "case.closed":
		return "Closed the case", ""
	}
	switch strings.TrimPrefix(e.Route, "/staff/cases/:case") {
	case "":
		return "Looked through questions and answers", ""
	case "/conversations/:id":
		return "Read a conversation", object("/conversations/")
	case "/failures":
		return "Looked at documents that failed", ""
	case "/retrievals":
		return "Looked through retrievals", ""
	case "/retrievals/:id":
		return "Looked at how an answer was found", object("/retrievals/")
	case "/retrievals/:id/why":
		return "Asked why a passage was or was not found", object("/retrievals/")
	case "/retrievals/:id/now":
		return "Compared how an answer was found with how it would be now", object("/retrievals/")
	}
	return "Looked at " + e.Route, ""
}
