package handlers_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/questions"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
)

type call func(ctx context.Context) error

// asCall makes a call of a method whose arguments are given and whose last result is an error.
func asCall(method any, args ...any) call {
	return func(ctx context.Context) error {
		in := []reflect.Value{reflect.ValueOf(ctx)}
		for i, arg := range args {
			if arg == nil {
				in = append(in, reflect.Zero(reflect.TypeOf(method).In(i+1)))
				continue
			}
			in = append(in, reflect.ValueOf(arg))
		}
		out := reflect.ValueOf(method).Call(in)
		err, _ := out[len(out)-1].Interface().(error)
		return err
	}
}

// Whatever a service can do is done within a case, by itself. What reads works as bitb_support; what writes, and what reads keys,
// tokens, addresses of members or original files, is refused by the database. A method that is in neither list fails the test.
func TestCasesOnlyRead(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Company")
	ids := m.things(t)
	id, doc, chunk, user := m.account.Tenant.ID, ids["document"], ids["chunk"], m.account.User.ID
	h := a.helper(t)
	open := caseID(t, h.open(t, m))
	other, err := a.support.Member(t.Context(), h.staff.ID)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.support.Look(t.Context(), h.staff, open, tenant.Visit{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.chat.NewVisitor(t.Context(), id, m.bot.ID)
	if err != nil {
		t.Fatal(err)
	}
	// One edit of each kind that somebody may decide on, and a chunk that stands nowhere in the document.
	addition, conflict := domain.NewID(), domain.NewID()
	a.db.Exec(t, "insert into chunk_edits (tenant_id, id, document_id, quote, start_offset, original, text) values ($1, $2, $3, '', 0, '', 'added')", id, addition, doc)
	a.db.Exec(t, "insert into chunk_edits (tenant_id, id, document_id, quote, start_offset, original, text, state) values ($1, $2, $3, 'x', 0, 'x', 'y', 'lost')", id, conflict, doc)
	added := domain.NewID()
	a.db.Exec(t, `insert into chunks (tenant_id, id, document_id, ordinal, reading, text, tokens, start_offset, end_offset, edit_id)
		select tenant_id, $2, document_id, 99, reading, 'added', 1, 0, 0, $3 from chunks where tenant_id = $1 and id = $4`, id, added, addition, chunk)
	a.db.Exec(t, "with s as (insert into tenants (id, name) values ($1, 'Left') returning id) insert into auth.scratch_tenants (tenant_id, made_at) select id, now() - interval '1 day' from s", domain.NewID())
	text, err := a.documents.Chunk(t.Context(), id, chunk)
	if err != nil {
		t.Fatal(err)
	}
	waiting := domain.NewID()
	a.db.Exec(t, "insert into documents (tenant_id, id, name, format, size_bytes, sha256, status, job_id) values ($1, $2, 'Waiting', 'text', 1, 'w', 'reading', 7)", id, waiting)
	a.db.Exec(t, "insert into document_files (tenant_id, document_id, content) values ($1, $2, 'x')", id, waiting)
	attempt := document.Attempt{TenantID: id, DocumentID: waiting}
	also := func(pgx.Tx) error { return nil }
	asker := chat.Asker{UserID: user}
	form := chat.BotForm{Name: "B", Greeting: "G", Fallback: "F", Brand: "#000000", Corner: "left"}
	d, k, r, s, u, q := a.documents, a.chat, a.search, a.tenants, a.support, a.questions
	line := questions.NewLine("Who?", questions.NoDocument, "", "")
	refused := map[string]call{
		"document.EditChunk": asCall(d.EditChunk, id, chunk, text.Text, "other", user), "document.UndoEdit": asCall(d.UndoEdit, id, chunk, user),
		"document.RemoveAddition": asCall(d.RemoveAddition, id, added), "document.SetChunkOff": asCall(d.SetChunkOff, id, chunk, true, user),
		"document.SetOff": asCall(d.SetOff, id, doc, true), "document.Resolve": asCall(d.Resolve, id, conflict, document.TakeDocument, user),
		"document.IndexVectors": asCall(d.IndexVectors, id), "document.ForgetRevisions": asCall(d.ForgetRevisions, id, time.Now()),
		"document.Retry": asCall(d.Retry, id, doc), "document.ReadAgain": asCall(d.ReadAgain, id, doc), "document.RetryFailed": asCall(d.RetryFailed, id),
		"document.ReadOutdated": asCall(d.ReadOutdated, id), "document.Cancel": asCall(d.Cancel, id, waiting),
		"document.SetCutting": asCall(d.SetCutting, id, document.Cutting{Tokens: 200, Overlap: 10}), "document.Next": asCall(d.Next, id, int64(7), also),
		"document.Postpone": asCall(d.Postpone, attempt, time.Second, "", false, also), "document.Release": asCall(d.Release, attempt),
		"document.Abandoned": asCall(d.Abandoned, id, int64(7)),
		"document.Progress":  asCall(d.Progress, attempt, document.Reading, 1, 2), "document.Fail": asCall(d.Fail, attempt, document.Failure{}, also),
		"document.Wanted": asCall(d.Wanted, attempt), "document.Complete": asCall(d.Complete, attempt, document.Content{}, also),
		"document.Delete": asCall(d.Delete, id, doc), "document.Store": asCall(d.Store, id, document.Upload{Name: "n", Format: "text", Content: []byte("new")}),
		"document.StoreVersion":   asCall(d.StoreVersion, id, doc, document.Upload{Name: "n", Format: "text", Content: []byte("newer")}),
		"document.RestoreVersion": asCall(d.RestoreVersion, id, doc, 1, user), "document.Original": asCall(d.Original, id, doc, 1),
		"document.LeaveOutdated":  asCall(d.LeaveOutdated, document.Outdated{TenantID: id, DocumentID: doc}, time.Minute),
		"document.ReplaceVectors": asCall(d.ReplaceVectors, document.Outdated{TenantID: id, DocumentID: doc}, "m", [][]float32{{1}}),
		"document.ReplaceWords":   asCall(d.ReplaceWords, document.Outdated{TenantID: id, DocumentID: doc}, 1, []document.NewChunk{}, []document.Word{}),
		"chat.SaveBot":            asCall(k.SaveBot, id, m.bot.ID, form), "chat.AllowOrigin": asCall(k.AllowOrigin, id, m.bot.ID, "https://x.example"),
		"chat.ForbidOrigin": asCall(k.ForbidOrigin, id, m.bot.ID, "https://x.example"), "chat.NewVisitor": asCall(k.NewVisitor, id, m.bot.ID),
		"chat.Visitor": asCall(k.Visitor, id, m.bot.ID, token), "chat.NewConversation": asCall(k.NewConversation, id, m.bot.ID, asker),
		"chat.Ask":              asCall(k.Ask, chat.Question{ID: domain.NewID(), TenantID: id, Bot: m.bot, Asker: asker, Text: "What?"}, chat.Events{}),
		"retrieve.SaveSettings": asCall(r.SaveSettings, id, r.Defaults()), "retrieve.Forget": asCall(r.Forget, id, time.Now()),
		"tenant.SignUp":         asCall(s.SignUp, tenant.SignUp{Company: "C", Name: "N", Email: "new@example.com", Password: password}),
		"tenant.SignIn":         asCall(s.SignIn, m.account.User.Email, password),
		"tenant.Account":        asCall(s.Account, id, user),
		"tenant.Rename":         asCall(s.Rename, id, "Other"),
		"tenant.ChangePassword": asCall(s.ChangePassword, m.account, password, password+"x"),
		"tenant.Erase":          asCall(s.Erase, id),
		"tenant.Delete":         asCall(s.Delete, m.account, password, "Shop"),
		"tenant.Invite":         asCall(s.Invite, "Somebody", time.Now()),
		"tenant.MakeScratch":    asCall(s.MakeScratch, "Scratch"),
		"tenant.EraseScratch":   asCall(s.EraseScratch, time.Minute),
		"support.OpenCase":      asCall(u.OpenCase, h.staff, id, tenant.CaseForm{Reason: "The answer about prices", Minutes: 15, Code: h.code()}, tenant.Visit{}),
		"support.Look":          asCall(u.Look, h.staff, open, tenant.Visit{}), "support.CloseCase": asCall(u.CloseCase, h.staff, open, tenant.Visit{}),
		"support.Add": asCall(u.Add, "new@support.example", ""), "support.Remove": asCall(u.Remove, h.staff.Email),
		"support.Reseal":  asCall(u.Reseal),
		"support.SignIn":  asCall(u.SignIn, h.staff.Email, h.signIn.Password, h.code()),
		"support.SignOut": asCall(u.SignOut, h.staff, tenant.Visit{}),
		"support.Audit":   asCall(u.Audit, id, 1), "support.LookingIn": asCall(u.LookingIn, id),
		"questions.Add": asCall(q.Add, id, user, []questions.Line{line}), "questions.AddOne": asCall(q.AddOne, id, user, line),
		"questions.Delete": asCall(q.Delete, id, ids["question"]), "questions.Explain": asCall(q.Explain, id, ids["question"]),
		"questions.Run": asCall(q.Run, id, questions.ByHand), "questions.Follow": asCall(q.Follow, id, also), "questions.Looked": asCall(q.Looked, id),
	}
	reads := map[string]call{
		"document.Conflicts": asCall(d.Conflicts, id, doc), "document.Edit": asCall(d.Edit, id, conflict), "document.Corpus": asCall(d.Corpus, id),
		"document.Cutting": asCall(d.Cutting, id), "document.Changes": asCall(d.Changes, id), "document.List": asCall(d.List, id, document.Filter{Status: "failed"}),
		"document.Counts": asCall(d.Counts, id), "document.Get": asCall(d.Get, id, doc), "document.Some": asCall(d.Some, id, []domain.ID{doc}),
		"document.Chunks": asCall(d.Chunks, id, doc, document.ChunkFilter{}), "document.Chunk": asCall(d.Chunk, id, chunk),
		"document.Places": asCall(d.Places, id, doc, document.Page{Text: "x"}), "document.PageText": asCall(d.PageText, id, doc, 0),
		"document.Namesake": asCall(d.Namesake, id, document.Upload{Name: "n", Content: []byte("x")}), "document.Versions": asCall(d.Versions, id, doc),
		"document.Leave": asCall(d.Leave, id, also), // writes what its caller writes, and wakes a line that waits for nothing here
		"chat.Bot":       asCall(k.Bot, id), "chat.ByKey": asCall(k.ByKey, m.bot.Key), "chat.Current": asCall(k.Current, id, m.bot.ID, asker),
		"chat.Conversation": asCall(k.Conversation, id, ids["conversation"], domain.ID{}), "chat.Conversations": asCall(k.Conversations, id, chat.ConversationFilter{}),
		"chat.Count": asCall(k.Count, id), "chat.ByRetrieval": asCall(k.ByRetrieval, id, ids["retrieval"]), "chat.FindAnswers": asCall(k.FindAnswers, id, chat.AnswerFilter{Words: "bicycle"}),
		"retrieve.Recent": asCall(r.Recent, id, 1), "retrieve.Retrieve": asCall(r.Retrieve, id, retrieve.Query{Text: "What does a bicycle cost?"}),
		"retrieve.Settings": asCall(r.Settings, id), "retrieve.Get": asCall(r.Get, id, ids["retrieval"]), "retrieve.Defaults": nil, "retrieve.Reranker": nil,
		"retrieve.Name": asCall(r.Name, id, []retrieve.Passage{{ChunkID: chunk}}), "retrieve.Explain": asCall(r.Explain, id, retrieve.Query{Text: "bicycle"}, doc, chunk),
		"retrieve.Since": asCall(r.Since, id, retrieve.Retrieval{Question: "bicycle", Searched: "bicycle"}), "chat.Prompt": asCall(k.Prompt, id, ids["retrieval"]),
		"document.Waiting":     asCall(d.Waiting, []domain.ID{id}),
		"document.KeepVectors": asCall(d.KeepVectors, id), // queues what is not lacking here
		"document.HasOutdated": asCall(d.HasOutdated, id, "m"), "document.NextOutdated": asCall(d.NextOutdated, id, "m"),
		"document.HasOlder": asCall(d.HasOlder, id, 99), "document.NextOlder": asCall(d.NextOlder, id, 99),
		"questions.Overview": asCall(q.Overview, id, questions.Filter{}), "questions.All": asCall(q.All, id), "questions.Names": asCall(q.Names, id),
		"questions.Progress": asCall(q.Progress, id), "questions.Notice": asCall(q.Notice, id), "questions.Calibration": asCall(q.Calibration, id),
		"questions.Follows": nil, "retrieve.State": nil, // statements of a transaction
		"chat.Standalone": nil, "tenant.Each": asCall(s.Each, func(domain.ID) error { return nil }),
		"document.KeepOriginalsIn": nil, "document.OriginalOf": asCall(d.OriginalOf, attempt), "document.SweepOriginals": asCall(d.SweepOriginals, time.Now()),
		"document.EraseOriginals": asCall(d.EraseOriginals, id), "tenant.AfterErasing": nil,
		"tenant.ByInvitation": nil, "tenant.NeedsInvitation": nil, "tenant.Invited": asCall(s.Invited, "x"), "tenant.Oldest": asCall(s.Oldest),
		"support.OpenCases": asCall(u.OpenCases, other), "support.Tenants": asCall(u.Tenants, "", 1), "support.Tenant": asCall(u.Tenant, id),
		"support.Members": asCall(u.Members), "support.Member": asCall(u.Member, h.staff.ID),
		"support.SealedWith": asCall(u.SealedWith),
	}
	then, err := r.Get(t.Context(), id, ids["retrieval"])
	if err != nil {
		t.Fatal(err)
	}
	reads["chat.Prompt"], reads["retrieve.Since"] = asCall(k.Prompt, id, then.ID), asCall(r.Since, id, then)
	reads["retrieve.Explain"] = asCall(r.Explain, id, retrieve.Query{Text: "What does a bicycle cost?"}, doc, chunk)
	for name, service := range map[string]any{"document": d, "chat": k, "retrieve": r, "tenant": s, "support": u, "questions": q} {
		for i := range reflect.TypeOf(service).NumMethod() {
			method := name + "." + reflect.TypeOf(service).Method(i).Name
			_, write := refused[method]
			if _, read := reads[method]; !read && !write {
				t.Errorf("%s is in neither list", method)
			}
		}
	}
	before := a.fingerprint(t, m)
	ctx := domain.WithIdentity(t.Context(), c.Identity(h.staff))
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		err := refused[name](ctx)
		e, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || (e.Code != "25006" && e.Code != "42501") || (domain.CodeOf(err) != domain.Forbidden && domain.CodeOf(err) != domain.Unavailable) {
			t.Errorf("%s within a case: %v", name, err)
		}
	}
	if after := a.fingerprint(t, m); after != before {
		t.Error("something of the tenant changed")
	}
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		if do := reads[name]; do != nil {
			if err := do(ctx); err != nil {
				t.Errorf("%s within a case: %v", name, err)
			}
		}
	}
}
