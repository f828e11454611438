package handlers

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// route is a line of the table: who may call it and how often stand beside its address.
type route struct {
	method, path string
	who          access
	limit        limit
	handle       func(*server, echo.Context) error
	upload       bool // takes files: the body is bounded by the handler
}

const (
	get  = http.MethodGet
	post = http.MethodPost
)

var unlimited = limit{}

// routes is every address of the public interface. Echo is given no other; a test walks Echo's own list and this one, and
// tries each line as nobody, as the wrong role, as another tenant and from another site.
var routes = []route{
	{method: get, path: "/", who: anyone, limit: unlimited, handle: (*server).start},
	{method: get, path: "/signin", who: anyone, limit: per(60, time.Minute, "ip"), handle: (*server).signInPage},
	{method: post, path: "/signin", who: anyone, limit: per(30, time.Minute, "ip"), handle: (*server).signIn},
	{method: get, path: "/signup", who: anyone, limit: per(60, time.Minute, "ip"), handle: (*server).signUpPage},
	{method: post, path: "/signup", who: anyone, limit: per(100, time.Hour, "ip"), handle: (*server).signUp},
	{method: post, path: "/signout", who: anyone, limit: unlimited, handle: (*server).signOut},

	{method: get, path: "/documents", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).documents},
	{method: post, path: "/documents", who: editor, limit: per(2000, time.Hour, "tenant"), handle: (*server).upload, upload: true},
	{method: post, path: "/documents/retry", who: editor, limit: per(20, time.Minute, "member"), handle: (*server).retryFailed},
	{method: post, path: "/documents/read-outdated", who: admin, limit: per(20, time.Minute, "member"), handle: (*server).readOutdated},
	{method: get, path: "/documents/events", who: viewer, limit: per(60, time.Minute, "member"), handle: (*server).documentEvents},
	{method: get, path: "/documents/:id", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).documentChunks},
	{method: get, path: "/documents/:id/text", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).documentText},
	{method: get, path: "/documents/:id/details", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).documentDetails},
	{method: get, path: "/documents/:id/file", who: viewer, limit: per(60, time.Minute, "member"), handle: (*server).documentFile},
	{method: post, path: "/documents/:id/retry", who: editor, limit: per(60, time.Minute, "member"), handle: (*server).retryDocument},
	{method: post, path: "/documents/:id/cancel", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).cancelDocument},
	{method: post, path: "/documents/:id/read", who: editor, limit: per(60, time.Minute, "member"), handle: (*server).readDocument},
	{method: post, path: "/documents/:id/versions", who: editor, limit: per(600, time.Hour, "tenant"), handle: (*server).uploadVersion, upload: true},
	{method: post, path: "/documents/:id/off", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).leaveOutDocument},
	{method: post, path: "/documents/:id/on", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).useDocument},
	{method: post, path: "/documents/:id/delete", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).deleteDocument},
	{method: get, path: "/documents/:id/pages/:n", who: viewer, limit: per(120, time.Minute, "member"), handle: (*server).pagePicture},
	{method: post, path: "/documents/:id/versions/:n/restore", who: editor, limit: per(60, time.Minute, "member"), handle: (*server).restoreVersion},
	{method: get, path: "/chunks/:id", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).chunk},
	{method: get, path: "/chunks/:id/edit", who: editor, limit: per(300, time.Minute, "member"), handle: (*server).editChunk},
	{method: post, path: "/chunks/:id/text", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).saveChunk},
	{method: post, path: "/chunks/:id/undo", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).undoChunk},
	{method: post, path: "/chunks/:id/delete", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).deleteChunk},
	{method: post, path: "/chunks/:id/off", who: editor, limit: per(300, time.Minute, "member"), handle: (*server).chunkOff},
	{method: post, path: "/chunks/:id/on", who: editor, limit: per(300, time.Minute, "member"), handle: (*server).chunkOn},
	{method: post, path: "/edits/:id", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).decideEdit},

	{method: get, path: "/playground", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).playground},
	{method: post, path: "/playground/messages", who: editor, limit: per(30, time.Minute, "member"), handle: (*server).playgroundAsk},
	{method: post, path: "/playground/conversations", who: editor, limit: per(30, time.Minute, "member"), handle: (*server).playgroundStartOver},
	{method: get, path: "/retrievals/:id", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).retrieval},
	{method: get, path: "/retrievals/:id/why", who: viewer, limit: per(120, time.Minute, "member"), handle: (*server).retrievalWhy},
	{method: get, path: "/retrievals/:id/now", who: viewer, limit: per(60, time.Minute, "member"), handle: (*server).retrievalNow},
	{method: get, path: "/retrievals/:id/try", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).retrievalTryForm},
	{method: post, path: "/retrievals/:id/try", who: editor, limit: per(60, time.Minute, "member"), handle: (*server).retrievalTry},
	{method: post, path: "/retrievals/:id/settings", who: admin, limit: per(20, time.Minute, "member"), handle: (*server).retrievalSettings},
	{method: get, path: "/retrievals/:id/export", who: viewer, limit: per(60, time.Minute, "member"), handle: (*server).retrievalExport},

	{method: get, path: "/questions", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).questions},
	{method: post, path: "/questions", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).addQuestion},
	{method: get, path: "/questions/new", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).newQuestion},
	{method: post, path: "/questions/list", who: editor, limit: per(30, time.Minute, "member"), handle: (*server).addQuestions, upload: true},
	{method: get, path: "/questions/progress", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).questionProgress},
	{method: get, path: "/questions/export.csv", who: viewer, limit: per(30, time.Minute, "member"), handle: (*server).exportQuestions},
	{method: get, path: "/questions/template.csv", who: viewer, limit: per(30, time.Minute, "member"), handle: (*server).questionTemplate},
	{method: post, path: "/questions/run", who: editor, limit: per(20, time.Minute, "member"), handle: (*server).runQuestions},
	{method: get, path: "/questions/threshold", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).threshold},
	{method: post, path: "/questions/threshold", who: admin, limit: per(30, time.Minute, "member"), handle: (*server).saveThreshold},
	{method: post, path: "/questions/:id/explain", who: editor, limit: per(60, time.Minute, "member"), handle: (*server).explainQuestion},
	{method: post, path: "/questions/:id/delete", who: editor, limit: per(120, time.Minute, "member"), handle: (*server).deleteQuestion},

	{method: get, path: "/conversations", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).conversations},
	{method: get, path: "/conversations/:id", who: viewer, limit: per(300, time.Minute, "member"), handle: (*server).conversation},

	{method: get, path: "/bot", who: viewer, limit: per(120, time.Minute, "member"), handle: (*server).bot},
	{method: post, path: "/bot", who: admin, limit: per(60, time.Minute, "member"), handle: (*server).saveBot},
	{method: post, path: "/bot/origins", who: admin, limit: per(60, time.Minute, "member"), handle: (*server).allowOrigin},
	{method: post, path: "/bot/origins/delete", who: admin, limit: per(60, time.Minute, "member"), handle: (*server).forbidOrigin},
	{method: get, path: "/bot/preview", who: viewer, limit: per(120, time.Minute, "member"), handle: (*server).botPreview},

	{method: get, path: "/settings", who: viewer, limit: per(120, time.Minute, "member"), handle: (*server).settings},
	{method: post, path: "/settings/tenant", who: owner, limit: per(20, time.Minute, "member"), handle: (*server).renameTenant},
	{method: post, path: "/settings/chunks", who: admin, limit: per(20, time.Minute, "member"), handle: (*server).saveCutting},
	{method: post, path: "/settings/search", who: admin, limit: per(30, time.Minute, "member"), handle: (*server).saveSearchForm},
	{method: post, path: "/settings/search/reset", who: admin, limit: per(30, time.Minute, "member"), handle: (*server).resetSearch},
	{method: post, path: "/settings/password", who: viewer, limit: per(10, time.Minute, "member"), handle: (*server).changePassword},
	{method: post, path: "/settings/delete", who: owner, limit: per(10, time.Minute, "member"), handle: (*server).deleteTenant},

	{method: get, path: "/settings/audit", who: admin, limit: per(120, time.Minute, "member"), handle: (*server).audit},

	{method: get, path: "/staff/signin", who: anyone, limit: per(60, time.Minute, "ip"), handle: (*server).staffSignInPage},
	{method: post, path: "/staff/signin", who: anyone, limit: per(30, time.Minute, "ip"), handle: (*server).staffSignIn},
	{method: post, path: "/staff/signout", who: staff, limit: per(60, time.Minute, "staff"), handle: (*server).staffSignOut},
	{method: get, path: "/staff", who: staff, limit: per(120, time.Minute, "staff"), handle: (*server).tenants},
	{method: get, path: "/staff/readiness", who: staff, limit: per(60, time.Minute, "staff"), handle: (*server).readiness},
	{method: post, path: "/staff/readiness", who: staff, limit: per(6, time.Minute, "staff"), handle: (*server).readinessAgain},
	{method: get, path: "/staff/tenants/:tenant", who: staff, limit: per(120, time.Minute, "staff"), handle: (*server).staffTenant},
	{method: post, path: "/staff/tenants/:tenant/cases", who: staff, limit: per(20, time.Minute, "staff"), handle: (*server).openCase},
	{method: post, path: "/staff/cases/:case/close", who: staff, limit: per(60, time.Minute, "staff"), handle: (*server).closeCase},
	{method: get, path: "/staff/cases/:case", who: inCase, limit: per(120, time.Minute, "staff"), handle: (*server).caseAnswers},
	{method: get, path: "/staff/cases/:case/conversations/:id", who: inCase, limit: per(120, time.Minute, "staff"), handle: (*server).caseConversation},
	{method: get, path: "/staff/cases/:case/failures", who: inCase, limit: per(120, time.Minute, "staff"), handle: (*server).caseFailures},
	{method: get, path: "/staff/cases/:case/retrievals", who: inCase, limit: per(120, time.Minute, "staff"), handle: (*server).caseRetrievals},
	{method: get, path: "/staff/cases/:case/retrievals/:id", who: inCase, limit: per(120, time.Minute, "staff"), handle: (*server).retrieval},
	{method: get, path: "/staff/cases/:case/retrievals/:id/why", who: inCase, limit: per(120, time.Minute, "staff"), handle: (*server).retrievalWhy},
	{method: get, path: "/staff/cases/:case/retrievals/:id/now", who: inCase, limit: per(60, time.Minute, "staff"), handle: (*server).retrievalNow},

	{method: get, path: "/widget.js", who: anyone, limit: unlimited, handle: (*server).widgetScript},
	{method: get, path: "/widget/v1/bots/:bot", who: website, limit: per(120, time.Minute, "ip"), handle: (*server).widgetConfig},
	{method: post, path: "/widget/v1/bots/:bot/visitors", who: website, limit: per(10, time.Minute, "ip"), handle: (*server).widgetVisitor},
	{method: get, path: "/widget/v1/bots/:bot/messages", who: visitor, limit: per(120, time.Minute, "visitor"), handle: (*server).widgetMessages},
	{method: post, path: "/widget/v1/bots/:bot/messages", who: visitor, limit: per(30, time.Minute, "visitor"), handle: (*server).widgetAsk},
	{method: post, path: "/widget/v1/bots/:bot/conversations", who: visitor, limit: per(30, time.Minute, "visitor"), handle: (*server).widgetStartOver},
	{method: http.MethodOptions, path: "/widget/v1/bots/:bot", who: website, limit: unlimited, handle: (*server).preflight},
	{method: http.MethodOptions, path: "/widget/v1/bots/:bot/*", who: website, limit: unlimited, handle: (*server).preflight},

	{method: get, path: "/static/*", who: anyone, limit: unlimited, handle: (*server).static},
	{method: http.MethodHead, path: "/static/*", who: anyone, limit: unlimited, handle: (*server).static},
	{method: get, path: "/healthz", who: anyone, limit: unlimited, handle: (*server).healthz},
	{method: get, path: "/readyz", who: anyone, limit: unlimited, handle: (*server).readyz},
}
