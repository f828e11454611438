package views

import (
	"strings"

	"bitb/domain"
	"bitb/domain/chat"
)

func conversationsAddress(search, kind string, page int) string {
	return address("/conversations", "q", search, "kind", kind, "page", pageParam(page))
}

// conversationAddress opens a conversation and keeps the list as it is.
func conversationAddress(f chat.ConversationFilter, id domain.ID) string {
	return address("/conversations/"+id.String(), "q", f.Search, "kind", f.Kind, "page", pageParam(f.Page))
}

func conversationPage(f chat.ConversationFilter) func(int) string {
	return func(page int) string { return conversationsAddress(f.Search, f.Kind, page) }
}

func conversationPages(l chat.ConversationList) int {
	return max(1, (l.Matching+chat.ConversationPageSize-1)/chat.ConversationPageSize)
}

// heldBy says who asked, and where.
func heldBy(c chat.Conversation) string {
	if !c.Playground() {
		_, host, found := strings.Cut(c.Origin, "://")
		if !found {
			host = c.Origin
		}
		return "Visitor, " + host
	}
	if c.Member == "" {
		return "Playground"
	}
	return c.Member + ", playground"
}

func conversationFacts(l chat.ConversationList) string {
	facts := number(l.All) + " in all"
	if l.Unfound > 0 {
		facts += ", " + number(l.Unfound) + " without an answer"
	}
	return facts
}
