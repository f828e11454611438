package views

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/document"
	"bitb/domain/retrieve"
	"bitb/domain/tenant"
)

// example is one component with one set of data. A page is a whole document, any other a fragment.
type example struct {
	component string // the exported function
	variant   string // "full", "empty", "hostile" and what a component needs beyond these
	page      bool
	html      templ.Component
}

const (
	hostile = `"><img src=x onerror=alert(1)><script>alert(1)</script>'&amp;{{7*7}}`
	german  = "Wartungsvertrag Komfort – Allgemeine Geschäftsbedingungen, Donaudampfschifffahrtsgesellschaftskapitänsmützenverordnung und Preisliste 2026.pdf"
	arabic  = "دليل صيانة القوارب للمستخدم، الإصدار الثاني.pdf"
)

var now = time.Date(2026, 3, 11, 14, 32, 0, 0, time.UTC)

// nth is a fixed id, so that the same examples come out of each run.
func nth(n int) domain.ID {
	return domain.ID{1, 0x95, 0x8f, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}
}

func somebody(role domain.Role, path string) Page {
	return Page{
		Account: tenant.Account{
			Tenant: tenant.Tenant{ID: nth(1), Name: "Harbour Canoe Rental"},
			User:   tenant.User{ID: nth(2), Email: "service@canoe.example", Name: "Head of Service", Role: role},
		},
		Path: path, Documents: 42, Conversations: 348, Now: now,
	}
}

func hostilePage(path string) Page {
	p := somebody(domain.Owner, path)
	p.Account.Tenant.Name = hostile + german
	p.Account.User = tenant.User{ID: nth(2), Email: hostile, Name: hostile, Role: domain.Owner}
	p.Flash = Flash{Bad: true, Text: hostile}
	return p
}

func someDocuments() []document.Document {
	at := func(d time.Duration) time.Time { return now.Add(-d) }
	base := document.Document{UploadedBy: "Head of Service", Format: "pdf", EmbeddingModel: "hashing-1024", CreatedAt: at(80 * time.Hour)}
	make := func(n int, change func(*document.Document)) document.Document {
		d := base
		d.ID, d.UpdatedAt = nth(100+n), at(time.Duration(n)*37*time.Minute)
		change(&d)
		return d
	}
	return []document.Document{
		make(0, func(d *document.Document) {
			d.Name, d.Status, d.Done, d.Total, d.SizeBytes, d.Pages = "Rental terms and prices, spring and summer 2026.pdf", document.Reading, 96, 148, 4_310_000, 148
		}),
		make(1, func(d *document.Document) {
			d.Name, d.Status, d.Done, d.Total, d.Pages, d.Chunks, d.SizeBytes = german, document.Embedding, 310, 486, 58, 486, 4_300_000
		}),
		make(2, func(d *document.Document) {
			d.Name, d.Status, d.QueuePlace, d.SizeBytes = arabic, document.Queued, 4, 7_000_000
		}),
		make(3, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.SizeBytes = "Staff rota and telephone list.docx", "docx", document.Failed, 912_000
			d.Failure = &document.Failure{Code: "encrypted", Title: "Could not open the file", Message: "It is protected with a password. Save a copy without the password and upload that."}
		}),
		make(4, func(d *document.Document) {
			d.Name, d.Status, d.SizeBytes = "Jetty inspection, scanned.pdf", document.Failed, 22_600_000
			d.Failure = &document.Failure{Code: "embedding", Title: "Embedding stopped", Message: "The embedding service did not answer after 5 tries. Your file is fine.", Page: 12}
		}),
		make(5, func(d *document.Document) {
			d.Name, d.Status, d.Pages, d.Chunks, d.Tokens, d.SizeBytes, d.CitedIn = "Lost and damaged equipment.pdf", document.Ready, 14, 61, 9_412, 410_000, 987
		}),
		make(30, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Chunks, d.Tokens, d.SizeBytes = "How to get back into a canoe.md", "markdown", document.Ready, 17, 2_210, 11_800
		}),
		make(60, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Chunks, d.Tokens, d.SizeBytes, d.UploadedBy = "Boats and serial numbers.csv", "csv", document.Ready, 1_204, 51_000, 1_480_000, ""
			d.Notes = []string{"Rows 80 to 96 are empty."}
		}),
		make(61, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Done, d.Total, d.SizeBytes = "Training for new staff.pptx", "pptx", document.Reading, 3, 20, 9_600_000
			d.Version, d.Live, d.Pages, d.Chunks = 3, 2, 18, 40
		}),
		make(62, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.QueuePlace, d.Wait, d.SizeBytes = "Season accounts.ods", "ods", document.Queued, 3, 4*time.Minute, 88_000
		}),
		make(63, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.SizeBytes = "Harbour rules.epub", "epub", document.Queued, 480_000
			d.WaitsFor, d.DueAt = "The embedding service does not answer.", now.Add(40*time.Second)
			d.Version, d.Live, d.Chunks = 1, 1, 118
		}),
		make(64, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.SizeBytes = "Answer to the harbour master.eml", "eml", document.Failed, 48_000
			d.Failure = &document.Failure{Code: document.Cancelled, Title: "Cancelled", Message: "It was stopped before it was ready. Your file is here; retry to read it."}
		}),
		make(65, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Version, d.Live, d.Pages, d.Chunks, d.SizeBytes = "Price list, wholesale.xlsx", "xlsx", document.Failed, 4, 3, 5, 210, 640_000
			d.Failure = &document.Failure{Code: "corrupt", Title: "Could not open the file", Message: "It is damaged or incomplete, on page 2. Open it on your computer, save a new copy and upload that.", Page: 2}
			d.Edited, d.OffChunks, d.Conflicts = 2, 1, 1
		}),
		make(66, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Version, d.Live, d.Chunks, d.SizeBytes = "Old tariffs.rtf", "rtf", document.Ready, 2, 2, 9, 31_000
			d.Off, d.Edited = true, 1
		}),
		make(67, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Version, d.Live, d.Chunks, d.SizeBytes = "Slip plan.odp", "odp", document.Failed, 2, 2, 12, 5_100_000
			d.Failure = &document.Failure{Code: "internal", Title: "Reading stopped", Message: "Something on our side failed again and again. Your file is fine; try again later."}
		}),
		make(9000, func(d *document.Document) {
			d.Name, d.Format, d.Status, d.Chunks, d.SizeBytes = "Opening hours.html", "html", document.Ready, 2, 840
		}),
	}
}

func someList() document.List {
	return document.List{
		Documents: someDocuments(), Filter: document.Filter{Page: 2}, Matching: 42,
		All: 42, ReadyN: 36, BusyN: 3, FailedN: 3, RetryableN: 2, TotalChunks: 6842, TotalPages: 1206,
		Embedding: document.Embedded{Model: "text-embedding-3-large", Outdated: 27, Of: 39},
	}
}

func hostileDocument() document.Document {
	return document.Document{
		ID: nth(200), Name: hostile, Format: hostile, Status: document.Failed, UploadedBy: hostile, Notes: []string{hostile},
		Failure: &document.Failure{Code: "x", Title: hostile, Message: hostile}, Version: 3, Live: 1, Edited: -1, OffChunks: 9_999_999, Conflicts: 2, Off: true, CreatedAt: now, UpdatedAt: now, EmbeddingModel: hostile,
	}
}

const sourceText = `# 2 Returning a boat

Boats are handed out from 9:00. A boat is returned to the jetty by 19:00 on the day it was booked for; each started hour after that is charged at the hourly rate.

## 2.1 Late returns

Call the boathouse if you are held up. Nobody is charged for a storm warning that was given while they were on the water.

| Boat | Hour | Day |
|------|------|-----|
| Single canoe | 9.00 | 38.00 |
| Double canoe | 14.00 | 56.00 |

- Life jackets are hung up to dry.
- Paddles stand in the rack by size.`

func someChunks() ChunksView {
	d := someDocuments()[5]
	cut := func(n, start, end int) document.Chunk {
		runes := []rune(sourceText)
		return document.Chunk{
			ID: nth(300 + n), DocumentID: d.ID, Ordinal: n, Text: string(runes[start:end]), Heading: []string{"2 Returning a boat", "2.1 Late returns"},
			PageFrom: 3, PageTo: 3 + n%2, Tokens: 88 + n, Chars: end - start, Start: 1000 + start, End: 1000 + end, EmbeddingModel: "hashing-1024",
		}
	}
	v := ChunksView{
		Document: d,
		Source:   document.Page{Number: 3, Start: 1000, Text: sourceText},
		Chunks:   document.ChunkList{Chunks: []document.Chunk{cut(411, 0, 54), cut(412, 54, 186), cut(413, 186, 329), cut(1414, 329, len([]rune(sourceText)))}, Matching: 61},
	}
	v.Chunks.Chunks[0].EmbeddingModel = ""
	v.Chunks.Chunks[1].CitedIn = 143
	long := cut(1415, 0, 329)
	long.Text = strings.Repeat(long.Text+"\n", 4)
	v.Chunks.Chunks = append(v.Chunks.Chunks, long)
	v.Selected = &v.Chunks.Chunks[1]
	return v
}

// longGerman and longArabic are what a narrow pane has to cope with.
const (
	longGerman = "Die Donaudampfschifffahrtsgesellschaftskapitänsmützenverordnung gilt für alle Vermietungen einschließlich der Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzgebung."
	longArabic = "تُعاد القوارب إلى الرصيف قبل الساعة السابعة مساءً في يوم الحجز، وتُحتسب كل ساعة تأخير تبدأ بعد ذلك بسعر الساعة الكاملة."
)

// worked is the inspector of a PDF after people worked on its chunks: a page as a picture, with every state that a chunk can have.
func worked() ChunksView {
	v := someChunks()
	v.Pictures = true
	v.Document.Live, v.Document.Version, v.Document.Cutting = 2, 2, document.Cutting{Tokens: 320, Overlap: 32}
	v.Document.Edited, v.Document.OffChunks, v.Document.Language = 3, 1, "en"
	at := 1000
	for i, raw := range strings.SplitAfter(sourceText, "\n") {
		n := len([]rune(raw))
		if n > 1 {
			v.Source.Lines = append(v.Source.Lines, document.Line{Start: at, End: at + n - 1, X0: 1200, Y0: 900 + 420*i, X1: min(8800, 1200+60*n), Y1: 1200 + 420*i})
		}
		at += n
	}
	c := v.Chunks.Chunks
	for _, k := range c[:4] {
		v.Places = append(v.Places, document.Place{ChunkID: k.ID, Ordinal: k.Ordinal, Start: k.Start, End: k.End})
	}
	edit := func(n int, original string, text *string, by string) *document.Edit {
		return &document.Edit{ID: nth(900 + n), DocumentID: v.Document.ID, Quote: original, Original: original, Text: text, State: document.Applied, Page: 3, By: by, UpdatedAt: now.Add(-26 * time.Hour)}
	}
	text := "Boats are handed out from 8:30, and from 9:00 on Sundays. A boat is returned to the jetty by 19:00 on the day it was booked for."
	c[0].Edit, c[0].Text = edit(0, "Boats are handed out from 9:00. A boat is returned to the jetty by 19:00 on the day it was booked for.", &text, "Head of Service"), text
	c[2].Off, c[2].Edit = true, edit(2, c[2].Text, nil, "Head of Service")
	c[2].Edit.Off = true
	german := longGerman + " Neu."
	c[3].Edit, c[3].Text, c[3].Off = edit(3, longGerman, &german, ""), german, true
	c[4].Edit = edit(4, "The passage before.", &text, "Head of Service")
	c[4].Edit.State = document.Changed
	added := longArabic
	v.Chunks.Chunks = append(c, document.Chunk{ID: nth(398), DocumentID: v.Document.ID, Ordinal: 1416, Text: added, Edit: edit(5, "", &added, "Head of Service"), EmbeddingModel: "hashing-1024", Tokens: 61, Chars: 130})
	return v
}

// undecided has conflicts of every kind, more of them than are shown at once.
func undecided() ChunksView {
	v := worked()
	now := v.Chunks.Chunks[4]
	mine, arabic := "Late boats cost nothing while a storm warning is out.", longArabic
	edit := func(n int, text *string, change func(*document.Edit)) {
		e := document.Edit{ID: nth(900 + n), DocumentID: v.Document.ID, Original: "Late boats are charged by the hour.", Text: text, State: document.Changed, Heading: now.Heading, Page: 3, By: "Head of Service", UpdatedAt: now.Edit.UpdatedAt, Now: &now}
		change(&e)
		v.Conflicts = append(v.Conflicts, e)
	}
	gone := func(e *document.Edit) { e.State, e.Now, e.By = document.Lost, nil, "" }
	edit(4, &mine, func(*document.Edit) {})
	edit(11, &arabic, gone)
	edit(12, nil, func(e *document.Edit) { e.Off, e.Heading = true, nil })
	edit(13, nil, gone)
	edit(14, &mine, gone)
	v.Document.Conflicts = len(v.Conflicts)
	return v
}

// form is a chunk of v that somebody edits.
func form(v ChunksView, n int, text string, err *domain.Error) ChunksView {
	v.Form = &ChunkForm{Chunk: v.Chunks.Chunks[n], Text: text, Err: err}
	v.Selected = &v.Chunks.Chunks[n]
	return v
}

func hostileWorked() ChunksView {
	v := undecided()
	v.Document.Name, v.Document.Language = hostile, hostile
	v.Source.Text = hostile
	v.Places = append(v.Places, document.Place{ChunkID: nth(1), Ordinal: -1, Start: -5, End: 1 << 40})
	v.Source.Lines = append(v.Source.Lines, document.Line{Start: -9, End: 1 << 40, X0: -1, Y0: -1, X1: 1 << 40, Y1: 1 << 40})
	v.Chunks.Filter = document.ChunkFilter{Search: `<img "`, Only: hostile}
	text := "a " + hostile
	for i := range v.Chunks.Chunks {
		c := &v.Chunks.Chunks[i]
		c.Text, c.Heading, c.EmbeddingModel = text, []string{hostile}, hostile
		if c.Edit != nil {
			c.Edit.Original, c.Edit.By = hostile+" b", hostile
			if c.Edit.Text != nil {
				c.Edit.Text = &text
			}
		}
	}
	for i := range v.Conflicts {
		v.Conflicts[i].Original, v.Conflicts[i].By, v.Conflicts[i].Heading = hostile, hostile, []string{hostile}
		if v.Conflicts[i].Text != nil {
			v.Conflicts[i].Text = &text
		}
	}
	return v
}

func someVersions() DetailsView {
	d := someDocuments()[5]
	d.Version, d.Live, d.Language, d.Cutting = 4, 3, "de", document.Cutting{Tokens: 320, Overlap: 32}
	d.Status = document.Embedding
	v := DetailsView{Document: d}
	for n := 4; n > 0; n-- {
		v.Versions = append(v.Versions, document.Version{Number: n, Name: []string{arabic, d.Name, german, "final (2).pdf"}[n-1], Format: "pdf", SizeBytes: int64(n) * 410_000, UploadedBy: "Head of Service", CreatedAt: now.Add(-time.Duration(5-n) * 90 * time.Hour)})
	}
	v.Versions[2].UploadedBy = ""
	return v
}

// again is a document whose chunks answer while something else is with its newest version.
func again(status document.Status, version int, failure *document.Failure) ChunksView {
	v := worked()
	v.Document.Status, v.Document.Version, v.Document.Failure = status, version, failure
	v.Document.Done, v.Document.Total = 4, 14
	return v
}

func hostileChunks() ChunksView {
	v := someChunks()
	v.Document.Name, v.Document.Format = hostile, hostile
	v.Source = document.Page{Text: hostile + "\n# " + hostile + "\n|" + hostile, Start: 0}
	v.Document.Pages = 0
	c := document.Chunk{ID: nth(399), DocumentID: nth(200), Ordinal: 1, Text: hostile, Heading: []string{hostile, arabic}, Start: 3, End: 30, EmbeddingModel: hostile}
	v.Chunks = document.ChunkList{Chunks: []document.Chunk{c}, Matching: 1, Filter: document.ChunkFilter{Search: `<img "`}}
	v.Selected = &v.Chunks.Chunks[0]
	return v
}

func someRetrieval() retrieve.Retrieval {
	r := retrieve.Retrieval{
		ID: nth(500), Question: "How long may I keep a rented canoe?", Searched: "How long may I keep a rented canoe?", CreatedAt: now, Chunks: 6842,
		Settings: retrieve.Settings{Threshold: 0.45, Limit: 8, Search: retrieve.Both},
		Words:    []retrieve.Word{{Text: "long", Chunks: 812, Weight: 2.1}, {Text: "keep", Chunks: 93, Weight: 4.3}, {Text: "rented", Chunks: 12, Weight: 6.2}, {Text: "canoo", Spelled: []string{"canoe"}}},
		Vectors:  retrieve.VectorsExact, Models: []string{"builtin-hash-v1"}, ByWords: retrieve.Side{Found: 38, Most: 100, Last: .04}, ByVector: retrieve.Side{Found: 100, Most: 100, Last: .2},
		Timings: []retrieve.Timing{{Stage: "statistics", Millis: 0.4}, {Stage: "search", Start: 0.4, Millis: 11.2}},
	}
	scores := [][3]float64{{0.91, 0.84, 0.93}, {0.88, 0.79, 0.86}, {0.42, 0.81, 0.71}, {0.57, 0.62, 0.52}, {0.08, 0.58, 0.38}, {0.21, 0.33, 0.24}}
	names := []string{"Rental terms and prices, spring and summer 2026.pdf", "Lost and damaged equipment.pdf", arabic, "How to get back into a canoe.md", german, "Opening hours.html"}
	for i, s := range scores {
		p := retrieve.Passage{
			ChunkID: nth(310 + i), DocumentID: nth(105), DocumentName: names[i], Ordinal: 40 + i, Heading: []string{"2 Returning a boat"},
			PageFrom: 3 + i, PageTo: 3 + i, Text: strings.Repeat("A boat is returned to the jetty by 19:00 on the day it was booked for. ", 3),
			Lexical: s[0], Vector: s[1], Fused: s[2], Score: s[2], LexicalRank: i + 1, VectorRank: 6 - i, FusedRank: i + 1,
		}
		if s[2] < r.Settings.Threshold {
			p.Lost = retrieve.LostThreshold
		}
		r.Passages = append(r.Passages, p)
	}
	r.Passages[5].Text = ""
	r.Passages[3].PageFrom, r.Passages[3].Heading = 0, nil
	r.Passages[2].Text = "تُعاد القوارب إلى الرصيف قبل الساعة السابعة مساءً في يوم الحجز."
	return r
}

func hostileRetrieval() retrieve.Retrieval {
	r := someRetrieval()
	r.Question = hostile
	for i := range r.Passages {
		p := &r.Passages[i]
		p.DocumentName, p.Text, p.Heading, p.Lexical, p.Vector, p.Fused = hostile, hostile, []string{hostile}, 7, -3, 2
	}
	return r
}

func anAnswer() chat.Message {
	return chat.Message{
		ID: nth(601), ReplyTo: nth(600), Author: chat.Answer, Outcome: chat.Complete, Model: "extractive-1", TokensIn: 2914, TokensOut: 231, RetrievalID: nth(500),
		Text: "Until 19:00 on the day you booked. [1] After that **each started hour** is charged. [2]\n\n- Call the boathouse if you are held up. [1]\n- Nobody is charged for a storm warning. [3]\n\n| Boat | Hour |\n|---|---|\n| Single | 9.00 |\n| Double | 14.00 |",
		Citations: []chat.Citation{
			{Number: 1, ChunkID: nth(310), DocumentID: nth(105), DocumentName: "Rental terms and prices, spring and summer 2026.pdf", Heading: []string{"2 Returning a boat"}, Page: 3},
			{Number: 2, ChunkID: nth(311), DocumentID: nth(105), DocumentName: "Lost and damaged equipment.pdf", Page: 4},
			{Number: 3, DocumentName: "Deleted long ago.pdf"},
		},
		Timings:   []chat.Timing{{Stage: "embed", Millis: 0.4}, {Stage: "retrieve", Start: 0.4, Millis: 31}, {Stage: "wait", Start: 31.4, Millis: 612}, {Stage: "write", Start: 643.4, Millis: 2143}},
		CreatedAt: now.Add(-3 * time.Minute),
	}
}

func aConversation(n int, questions ...string) chat.Conversation {
	c := chat.Conversation{ID: nth(700 + n), BotName: "Harbour Canoe Rental", Origin: "https://www.canoe.example", First: questions[0], Questions: len(questions), CreatedAt: now.Add(-time.Hour), UpdatedAt: now.Add(-time.Duration(n*n) * 11 * time.Minute)}
	for i, q := range questions {
		c.Messages = append(c.Messages, chat.Message{ID: nth(800 + 10*n + 2*i), Author: chat.Person, Text: q, CreatedAt: c.CreatedAt})
		a := anAnswer()
		a.ID = nth(801 + 10*n + 2*i)
		c.Messages = append(c.Messages, a)
	}
	return c
}

func someConversations() ConversationsView {
	v := ConversationsView{List: chat.ConversationList{Matching: 348, All: 348, Visitors: 301, Tests: 47, Unfound: 27}}
	v.List.Conversations = []chat.Conversation{
		aConversation(0, "How long may I keep a rented canoe?", "And what if a storm warning comes while we are out on the lake with three boats?"),
		aConversation(1, "Wie lange dauert die Lieferung eines Ersatz-Doppelpaddels für Wanderkajaks, und wer bezahlt die Verpackungsverordnungskosten?"),
		aConversation(2, "متى يجب إعادة القارب؟"),
		aConversation(3, "Is there a discount for schools?"),
	}
	v.List.Conversations[2].Unfound, v.List.Conversations[3].Origin, v.List.Conversations[3].Member = 1, "", "Head of Service"
	open := v.List.Conversations[0]
	open.Messages = append([]chat.Message(nil), open.Messages...)
	open.Messages[3].Outcome, open.Messages[3].Text, open.Messages[3].Citations = chat.Fallback, "I could not find this in our documents, so I would rather not guess.", nil
	open.Earlier = true
	v.Open = &open
	return v
}

func hostileConversations() ConversationsView {
	v := someConversations()
	c := aConversation(4, hostile, hostile)
	c.Origin, c.Messages[1].Text, c.Messages[1].Model = hostile, hostile, hostile
	c.Messages[1].Citations = []chat.Citation{{Number: 1, ChunkID: nth(1), DocumentID: nth(2), DocumentName: hostile, Heading: []string{hostile}}}
	v.List.Conversations = append(v.List.Conversations, c)
	v.List.Filter = chat.ConversationFilter{Search: hostile, Kind: hostile}
	v.Open = &c
	return v
}

func aBot() BotView {
	return BotView{
		Bot: chat.Bot{
			ID: nth(3), Key: nth(4), Name: "Harbour Canoe Rental", Greeting: "What would you like to know about our boats?",
			Suggestions: []string{"How long may I keep a boat?", "Wo kann ich das Kanu zurückgeben, wenn die Anlegestelle geschlossen ist?", "متى يجب إعادة القارب؟"},
			Fallback:    "I could not find this in our documents, so I would rather not guess.", Brand: "#9a3b12", Corner: "right",
			Origins: []string{"https://www.canoe.example", "https://shop.canoe.example:8443"},
		},
		ScriptURL: "https://bitb.example/widget.js",
	}
}

func hostileBot() BotView {
	wrong := &domain.Error{Code: domain.Invalid, Message: hostile, Fields: map[string]string{"name": hostile, "brand": hostile, "suggestions": hostile}}
	return BotView{
		Bot: chat.Bot{Name: hostile, Greeting: hostile, Suggestions: []string{hostile}, Fallback: "</textarea>" + hostile, Brand: hostile, Corner: hostile, Origins: []string{"javascript:alert(1)", hostile}},
		Err: wrong, Origin: hostile, OriginErr: domain.InvalidField("origin", hostile), ScriptURL: "https://bitb.example/widget.js" + hostile,
	}
}

// examples are all components, each with the data it meets in life and with data that somebody made to break it.
func examples() []example {
	var all []example
	add := func(component, variant string, page bool, html templ.Component) {
		all = append(all, example{component, variant, page, html})
	}
	wrong := &domain.Error{Code: domain.Invalid, Message: "Some fields need another look.", Fields: map[string]string{
		"company": "Write the name of your company.", "email": "This is not an address.", "password": "Use at least 15 characters. Four or five words in a row do it.", "current": hostile}}
	refused := domain.NewError(domain.Unauthenticated, "This address and password do not belong together. Check both and try again.")

	add("SignIn", "empty", true, SignIn(SignInForm{}))
	add("SignIn", "full", true, SignIn(SignInForm{Email: "service@canoe.example", Next: "/bot", Err: refused}))
	add("SignIn", "deleted", true, SignIn(SignInForm{Deleted: true}))
	add("SignIn", "hostile", true, SignIn(SignInForm{Email: hostile, Next: hostile, Err: domain.NewError(domain.RateLimited, hostile)}))
	add("SignUp", "invited", true, SignUp(SignUpForm{Invitation: hostile}))
	add("SignUp", "not-invited", true, SignUp(SignUpForm{NotInvited: true}))
	add("SignIn", "by-invitation", true, SignIn(SignInForm{ByInvitation: true}))
	add("SignUp", "empty", true, SignUp(SignUpForm{}))
	add("SignUp", "full", true, SignUp(SignUpForm{Company: german, Name: arabic, Email: "x", Err: wrong}))
	add("SignUp", "hostile", true, SignUp(SignUpForm{Company: hostile, Name: hostile, Email: hostile, Err: wrong}))

	documentExamples(add)
	chatExamples(add)
	staffExamples(add)

	owner := somebody(domain.Owner, "/settings")
	models := Models{Answer: "extractive-1", Embedding: "hashing-1024", Dimensions: 1024, BuiltIn: true}
	cut := CuttingForm{Tokens: "320", Overlap: "32", Outdated: 12}
	search := NewSearchForm(retrieve.Defaults("builtin", ""))
	search.Measured = retrieve.Defaults("builtin", "")
	badSearch := SearchForm{Threshold: hostile, Limit: hostile, Search: hostile, Err: &domain.Error{Code: domain.Invalid, Fields: map[string]string{"threshold": hostile, "limit": hostile, "search": hostile}}}
	badCut := CuttingForm{Tokens: hostile, Overlap: "9999", Err: &domain.Error{Code: domain.Invalid, Fields: map[string]string{"tokens": "Choose from 128 to 1024 tokens.", "overlap": hostile}}}
	add("Settings", "full", true, Settings(owner, SettingsView{Company: owner.Account.Tenant.Name, Models: models, Embedding: document.Embedded{Model: "hashing-1024", Of: 480}, Cutting: cut, Search: search}))
	add("Settings", "cutting-wrong", true, Settings(owner, SettingsView{Company: owner.Account.Tenant.Name, Models: models, Cutting: badCut}))
	add("Settings", "viewer", true, Settings(somebody(domain.Viewer, "/settings"), SettingsView{Company: german, Models: Models{Answer: "a", Embedding: "b"}, Embedding: document.Embedded{Model: "b", Outdated: 1, Of: 480}, Cutting: cut}))
	add("Settings", "wrong", true, Settings(owner, SettingsView{Company: "", CompanyErr: wrong, PasswordErr: wrong, DeleteErr: domain.InvalidField("name", "This is not the name. Type it as it stands above."), Models: models}))
	add("Settings", "hostile", true, Settings(hostilePage("/settings"), SettingsView{Company: hostile, CompanyErr: wrong, PasswordErr: wrong, DeleteErr: &domain.Error{Code: domain.Invalid, Fields: map[string]string{"name": hostile, "password": hostile}}, Models: Models{Answer: hostile, Embedding: hostile}, Cutting: badCut, Search: badSearch}))

	questionExamples(add)
	for _, status := range []int{400, 401, 403, 404, 405, 413, 429, 500, 503} {
		add("ErrorPage", fmt.Sprint(status), true, ErrorPage(ErrorView{Page: &owner, Status: status, RequestID: nth(9).String()}))
	}
	add("ErrorPage", "nobody", true, ErrorPage(ErrorView{Status: 404}))
	add("ErrorPage", "hostile", true, ErrorPage(ErrorView{Status: 404, Message: hostile, RequestID: hostile}))
	return all
}

func documentExamples(add func(string, string, bool, templ.Component)) {
	p := somebody(domain.Owner, "/documents")
	confirmed := p
	confirmed.Flash = Flash{Text: "“Opening hours.html” was deleted. The bot no longer answers from it."}
	undone := p
	undone.Flash = Flash{Text: "“" + german + "” is left out of answers.", Undo: "/documents/" + nth(105).String() + "/on"}
	failed := someList()
	failed.Filter = document.Filter{Status: "failed"}
	failed.Documents = slices.DeleteFunc(failed.Documents, func(d document.Document) bool { return d.Status != document.Failed })
	viewer := somebody(domain.Viewer, "/documents")
	none := someList()
	none.Documents, none.Filter = nil, document.Filter{Search: "kayak", Status: "failed", Sort: document.ByName}
	evil := document.List{Documents: []document.Document{hostileDocument()}, All: 1, Embedding: document.Embedded{Model: hostile, Outdated: 2, Of: 1}, Matching: 1, Filter: document.Filter{Search: hostile, Status: hostile, Sort: hostile}}

	add("Documents", "full", true, Documents(confirmed, someList()))
	add("Documents", "empty", true, Documents(p, document.List{}))
	add("Documents", "viewer", true, Documents(viewer, someList()))
	add("Documents", "viewer-empty", true, Documents(viewer, document.List{}))
	add("Documents", "none", true, Documents(p, none))
	add("Documents", "hostile", true, Documents(hostilePage("/documents"), evil))
	add("Documents", "failed", true, Documents(undone, failed))
	add("DocumentPart", "full", false, DocumentPart(undone, someList()))
	add("DocumentResults", "full", false, DocumentResults(p, someList()))
	done := someDocuments()[0]
	done.Status, done.Chunks = document.Ready, 1022
	add("DocumentRow", "full", false, DocumentRow(p, done))
	add("DocumentRow", "hostile", false, DocumentRow(p, hostileDocument()))
	add("DocumentCounts", "full", false, DocumentCounts(p, someList()))

	full := someChunks()
	search := someChunks()
	search.Selected, search.Chunks.Filter.Search, search.Chunks.Matching = nil, "boat late", 4
	nothing := someChunks()
	nothing.Selected, nothing.Chunks = nil, document.ChunkList{Filter: document.ChunkFilter{Search: "kayak"}}
	p.Path = "/documents/" + full.Document.ID.String()
	add("DocumentChunks", "full", true, DocumentChunks(p, full))
	add("DocumentChunks", "search", true, DocumentChunks(p, search))
	add("DocumentChunks", "none", true, DocumentChunks(p, nothing))
	add("DocumentChunks", "busy", true, DocumentChunks(p, ChunksView{Document: someDocuments()[1]}))
	add("DocumentChunks", "failed", true, DocumentChunks(p, ChunksView{Document: someDocuments()[4]}))
	add("DocumentChunks", "hostile", true, DocumentChunks(hostilePage(p.Path), hostileChunks()))
	add("DocumentText", "full", true, DocumentText(p, TextView{Document: full.Document, Page: full.Source, At: 3, Pages: 14}))
	long := TextView{Document: someDocuments()[6], Page: document.Page{Text: strings.Repeat(sourceText+"\n\n", 80)}, At: 2, Pages: 1}
	deep := someChunks()
	deep.Source = document.Page{Start: 0, Text: strings.Repeat(sourceText+"\n\n", 80)}
	deep.Selected.Start, deep.Selected.End = 27_500, 27_700
	add("DocumentChunks", "long", true, DocumentChunks(p, deep))
	add("DocumentText", "long", true, DocumentText(p, long))
	add("DocumentText", "empty", true, DocumentText(p, TextView{Document: full.Document, Page: document.Page{Number: 4}, At: 4, Pages: 14}))
	add("DocumentText", "hostile", true, DocumentText(p, TextView{Document: hostileChunks().Document, Page: hostileChunks().Source, At: 1, Pages: 1}))
	add("DocumentDetails", "full", true, DocumentDetails(p, DetailsView{Document: someDocuments()[7], Versions: someVersions().Versions[3:]}))
	add("DocumentDetails", "versions", true, DocumentDetails(p, someVersions()))
	add("DocumentDetails", "viewer", true, DocumentDetails(viewer, someVersions()))
	add("DocumentDetails", "hostile", true, DocumentDetails(hostilePage(p.Path), DetailsView{Document: hostileDocument(), Versions: []document.Version{{Number: 1, Name: hostile, UploadedBy: hostile}}}))
	workedExamples(add, p)
}

func workedExamples(add func(string, string, bool, templ.Component), p Page) {
	viewer := somebody(domain.Viewer, p.Path)
	failure := &document.Failure{Code: "embedding", Title: "Embedding stopped", Message: "The embedding service did not answer for a long time. Your file is fine; try again later.", Page: 12}
	conflict := domain.NewError(domain.Conflict, "Somebody changed this chunk in the meantime. Look at it again before you save yours.")
	wrong := domain.InvalidField("text", "A chunk needs some text. Switch it off instead to leave it out.")
	zoomed, text, unmarked, filtered, slides, gone, off := worked(), worked(), worked(), worked(), worked(), worked(), worked()
	zoomed.Zoom, text.AsText = 2, true
	unmarked.Source.Lines, unmarked.Places = nil, nil
	filtered.Chunks.Filter, filtered.Chunks.Chunks = document.ChunkFilter{Only: "edited"}, nil
	slides.Pictures, slides.Document.Format, slides.Places = false, "pptx", nil
	gone.Gone, gone.Selected = true, nil
	off.Document.Off = true

	add("DocumentChunks", "worked", true, DocumentChunks(p, worked()))
	add("DocumentChunks", "worked-viewer", true, DocumentChunks(viewer, undecided()))
	add("DocumentChunks", "zoomed", true, DocumentChunks(p, zoomed))
	add("DocumentChunks", "as-text", true, DocumentChunks(p, text))
	add("DocumentChunks", "unmarked", true, DocumentChunks(p, unmarked))
	add("DocumentChunks", "none-edited", true, DocumentChunks(p, filtered))
	add("DocumentChunks", "slides", true, DocumentChunks(p, slides))
	add("DocumentChunks", "gone", true, DocumentChunks(p, gone))
	add("DocumentChunks", "off", true, DocumentChunks(p, off))
	add("DocumentChunks", "conflicts", true, DocumentChunks(p, undecided()))
	add("DocumentChunks", "again", true, DocumentChunks(p, again(document.Reading, 2, nil)))
	add("DocumentChunks", "next-version", true, DocumentChunks(p, again(document.Embedding, 3, nil)))
	add("DocumentChunks", "next-version-failed", true, DocumentChunks(p, again(document.Failed, 3, failure)))
	add("DocumentChunks", "again-failed", true, DocumentChunks(viewer, again(document.Failed, 2, failure)))
	add("DocumentChunks", "editing", true, DocumentChunks(p, form(worked(), 1, worked().Chunks.Chunks[1].Text, nil)))
	add("DocumentChunks", "edit-wrong", true, DocumentChunks(p, form(worked(), 1, " ", wrong)))
	add("DocumentChunks", "edit-conflict", true, DocumentChunks(p, form(worked(), 0, "Boats are handed out from 8:00. A boat is returned to the jetty by 20:00.", conflict)))
	add("DocumentChunks", "hostile-worked", true, DocumentChunks(hostilePage(p.Path), hostileWorked()))
	add("DocumentChunks", "hostile-conflict", true, DocumentChunks(hostilePage(p.Path), form(hostileWorked(), 0, hostile, domain.NewError(domain.Conflict, hostile))))
	add("ChunkAnswer", "full", false, ChunkAnswer(p, worked(), ChunkResult{Chunk: worked().Chunks.Chunks[0], Said: "Chunk 411 was saved.", Toast: "Saved"}))
	add("ChunkAnswer", "refused", false, ChunkAnswer(p, worked(), ChunkResult{Chunk: worked().Chunks.Chunks[4], Refused: "An edit of this chunk waits for a decision. Decide that first."}))
	add("ChunkAnswer", "hostile", false, ChunkAnswer(p, hostileWorked(), ChunkResult{Chunk: hostileWorked().Chunks.Chunks[0], Said: hostile, Toast: hostile, Refused: hostile}))
	add("ChunkEditor", "full", false, ChunkEditor(form(worked(), 3, longGerman, nil)))
	add("ChunkEditor", "hostile", false, ChunkEditor(form(hostileWorked(), 3, "</textarea>"+hostile, domain.InvalidField("text", hostile))))
}

func chatExamples(add func(string, string, bool, templ.Component)) {
	p := somebody(domain.Owner, "/playground")
	r, evil := someRetrieval(), hostileRetrieval()
	talk := aConversation(5, "How long may I keep a rented canoe?", "متى يجب إعادة القارب؟")
	talk.Messages[3].Text, talk.Messages[3].Outcome = "تُعاد القوارب إلى الرصيف قبل الساعة السابعة مساءً في يوم الحجز. [1]", chat.Quoted
	evilTalk := *hostileConversations().Open
	first := PlaygroundView{Suggestions: aBot().Bot.Suggestions, Ready: 36, Model: "extractive-1"}

	add("Playground", "full", true, Playground(p, PlaygroundView{Conversation: talk, Retrieval: &r, Ready: 36, Model: "extractive-1"}))
	add("Playground", "first", true, Playground(p, first))
	add("Playground", "empty", true, Playground(p, PlaygroundView{Model: "extractive-1"}))
	add("Playground", "hostile", true, Playground(hostilePage("/playground"), PlaygroundView{Conversation: evilTalk, Suggestions: []string{hostile}, Retrieval: &evil, Ready: 1, Model: hostile}))
	add("RetrievalPanel", "full", false, RetrievalPanel(r))
	add("RetrievalPanel", "empty", false, RetrievalPanel(retrieve.Retrieval{}))
	add("RetrievalPanel", "hostile", false, RetrievalPanel(evil))
	add("AnswerMeta", "full", false, AnswerMeta(anAnswer()))
	add("AnswerMeta", "hostile", false, AnswerMeta(evilTalk.Messages[1]))
	answer := anAnswer()
	add("Evidence", "full", false, Evidence(r, &answer))
	add("Evidence", "hostile", false, Evidence(evil, &evilTalk.Messages[1]))
	debuggerExamples(add)

	p.Path = "/conversations"
	list := someConversations()
	list.Open = nil
	none := someConversations()
	none.Open, none.List.Conversations, none.List.Filter.Search = nil, nil, "kayak"
	add("Conversations", "full", true, Conversations(p, someConversations()))
	add("Conversations", "list", true, Conversations(p, list))
	add("Conversations", "none", true, Conversations(p, none))
	add("Conversations", "empty", true, Conversations(p, ConversationsView{}))
	add("Conversations", "hostile", true, Conversations(hostilePage("/conversations"), hostileConversations()))

	p.Path = "/bot"
	empty := BotView{Bot: chat.Bot{Name: "Harbour Canoe Rental", Brand: "#00617a"}, ScriptURL: "https://bitb.example/widget.js"}
	add("Bot", "full", true, Bot(p, aBot()))
	add("Bot", "empty", true, Bot(p, empty))
	add("Bot", "viewer", true, Bot(somebody(domain.Viewer, "/bot"), aBot()))
	add("Bot", "hostile", true, Bot(hostilePage("/bot"), hostileBot()))
	add("BotPreview", "full", true, BotPreview(BotView{Bot: aBot().Bot, ScriptURL: "/widget.js"}))
	add("BotPreview", "hostile", true, BotPreview(hostileBot()))
}

// explainedFully is an answer of which every stage dropped something.
func explainedFully() Explained {
	r := someRetrieval()
	r.Question, r.Searched, r.SearchedBy = "And how long may I keep it?", "How long may I keep a rented canoe?", "gpt-5-mini"
	r.IndexVersion, r.Languages, r.Reranker = 1204, []string{"en", "de", "ar"}, "rerank-v2"
	r.Words = append(r.Words, retrieve.Word{Text: "may", Small: true, Chunks: 2_301, Weight: .2}, retrieve.Word{Text: "Donaudampfschifffahrtsgesellschaft"})
	r.VectorsLost = "The embedding model text-embedding-3-small did not answer."
	r.Foreign = []string{"de", "fr"}
	losses := []retrieve.Loss{retrieve.Kept, retrieve.Joined, retrieve.LostDuplicate, retrieve.LostLimit, retrieve.LostThreshold, retrieve.LostThreshold}
	for i := range r.Passages {
		p := &r.Passages[i]
		p.Lost, p.RerankRank, p.Reranked, p.Tokens = losses[i], i+1, p.Score, 211
		if p.Lost == retrieve.Joined || p.Lost == retrieve.LostDuplicate {
			p.Into = r.Passages[0].ChunkID
		}
	}
	for i := range 31 {
		p := retrieve.Passage{ChunkID: nth(900 + i), DocumentID: nth(105), DocumentName: german, Ordinal: i + 1, Lexical: .1, LexicalRank: 20 + i, Fused: .2, FusedRank: 7 + i, Lost: retrieve.LostRank}
		if i%3 == 0 {
			p.DocumentName, p.DocumentID, p.LexicalRank, p.VectorRank, p.Vector = "", domain.ID{}, 0, 9+i, .31
		}
		r.Others = append(r.Others, p)
	}
	answer := anAnswer()
	return Explained{Base: "/retrievals/" + r.ID.String(), Trail: []Crumb{{"Conversations", "/conversations"}, {"Conversation", "/conversations/" + nth(700).String()}},
		Retrieval: r, Answer: &answer, CanTry: true, CanSave: true, CanOpenChunks: true, CanShare: true}
}

// staffLook is an answer as a case of support shows it.
func staffLook() Explained {
	e := explainedFully()
	e.Base, e.Trail, e.CanTry, e.CanSave, e.CanOpenChunks, e.CanShare = "/staff/cases/1/retrievals/2", []Crumb{{"Retrievals", "/staff/cases/1/retrievals"}}, false, false, false, false
	return e
}

func hostileExplained() Explained {
	e := explainedFully()
	e.Retrieval = hostileRetrieval()
	e.Retrieval.Searched, e.Retrieval.SearchedBy, e.Retrieval.VectorsLost, e.Retrieval.Reranker, e.Retrieval.Models, e.Retrieval.Foreign = hostile+" more", hostile, hostile, hostile, []string{hostile}, []string{hostile}
	e.Retrieval.Words = []retrieve.Word{{Text: hostile, Spelled: []string{hostile}}}
	e.Retrieval.Others = []retrieve.Passage{{ChunkID: nth(990), DocumentName: hostile, Heading: []string{hostile}, Lost: "?"}}
	e.Trail = []Crumb{{hostile, "javascript:alert(1)"}}
	e.Answer = &hostileConversations().Open.Messages[1]
	return e
}

func somePrompt() []chat.PromptPart {
	return []chat.PromptPart{{Role: "system", Text: "You answer questions of visitors.\n\n- Answer in the language of the question.", Tokens: 212},
		{Role: "user", Text: "Do you rent canoes?", Tokens: 5}, {Role: "assistant", Text: "نعم، نؤجر القوارب.", Tokens: 9}, {Role: "user", Text: "Passages:\n\n" + strings.Repeat(german+"\n", 9), Tokens: 1480}}
}

// anExplanation follows a chunk until it is lost at a stage.
func anExplanation(lost string) *retrieve.Explanation {
	e := explainedFully()
	x := &retrieve.Explanation{Retrieval: e.Retrieval, Passage: e.Retrieval.Passages[4], Lost: lost}
	x.Passage.Version, x.Passage.Text = 2, "## Returning\n\nA **canoe** may be kept as long as it was booked for.\n\n| Boat | Hour |\n|---|---|\n| Canoes | 9.00 |"
	x.Words = []retrieve.MatchedWord{{Word: retrieve.Word{Text: "canoo", Spelled: []string{"canoe"}}, Has: true, Score: .31}, {Word: retrieve.Word{Text: "long", Small: true}, Has: true}, {Word: retrieve.Word{Text: "rented"}}}
	fell := false
	for _, s := range []retrieve.Step{
		{Stage: "index"}, {Stage: "words", Value: .08, Bar: .04, Rank: 91, Most: 100}, {Stage: "vectors", State: retrieve.Missed, Value: .31, Bar: .33, Rank: 214, Most: 100},
		{Stage: "fused", Value: .38, Rank: 5, Most: 30}, {Stage: "rerank", Value: .38, Rank: 5}, {Stage: "threshold", Value: .449, Bar: .45},
		{Stage: "duplicate", Other: e.Retrieval.Passages[0].ChunkID}, {Stage: "limit", Rank: 9, Most: 8},
	} {
		switch {
		case fell:
			s.State = retrieve.Skipped
		case s.Stage == lost:
			s.State, fell = retrieve.Fell, true
		case s.State == "":
			s.State = retrieve.Passed
		}
		if s.State != retrieve.Fell {
			s.Other = domain.ID{}
		}
		x.Steps = append(x.Steps, s)
	}
	return x
}

func someMoves(e Explained) (now retrieve.Retrieval, moves []retrieve.Move) {
	now = e.Retrieval
	now.Passages = slices.Clone(now.Passages)
	slices.Reverse(now.Passages)
	for i := range now.Passages {
		now.Passages[i].Lost = []retrieve.Loss{retrieve.Kept, retrieve.Kept, retrieve.LostThreshold, retrieve.LostThreshold, retrieve.LostThreshold, retrieve.LostLimit}[i]
	}
	return now, retrieve.Moves(e.Retrieval, now)
}

func debuggerExamples(add func(string, string, bool, templ.Component)) {
	e, evil := explainedFully(), hostileExplained()
	p, bad := somebody(domain.Owner, e.Base), hostilePage(e.Base)
	usual := retrieve.Defaults("builtin-hash-v1", "")
	nothing := Explained{Base: e.Base, Retrieval: retrieve.Retrieval{ID: nth(500), Question: "متى يجب إعادة القارب؟", Searched: "متى يجب إعادة القارب؟", CreatedAt: now}}

	add("RetrievalPage", "full", true, RetrievalPage(p, DebuggerView{Explained: e, Prompt: somePrompt(), Defaults: usual, Follow: e.Retrieval.Passages[4].ChunkID}))
	add("RetrievalPage", "all", true, RetrievalPage(p, DebuggerView{Explained: e, Prompt: somePrompt(), Defaults: usual, All: true}))
	add("RetrievalPage", "staff", true, RetrievalPage(p, DebuggerView{Explained: staffLook(), Prompt: somePrompt(), Defaults: usual}))
	add("RetrievalPage", "empty", true, RetrievalPage(p, DebuggerView{Explained: nothing}))
	add("RetrievalPage", "hostile", true, RetrievalPage(bad, DebuggerView{Explained: evil, Prompt: []chat.PromptPart{{Role: hostile, Text: "</pre>" + hostile, Tokens: -1}}}))

	d, list := someDocuments()[5], someChunks().Chunks
	documents := someList()
	documents.Filter = document.Filter{Search: "canoe"}
	add("WhyPage", "choose", true, WhyPage(p, WhyView{Explained: e, Documents: documents}))
	add("WhyPage", "empty", true, WhyPage(p, WhyView{Explained: nothing}))
	for _, lost := range []string{"", "index", "words", "vectors", "fused", "threshold", "duplicate", "limit"} {
		add("WhyPage", "full-"+lost, true, WhyPage(p, WhyView{Explained: e, Document: &d, Chunks: list, Explanation: anExplanation(lost)}))
	}
	worst := anExplanation("duplicate")
	worst.Passage.Text, worst.Passage.DocumentName, worst.Words = hostile, hostile, []retrieve.MatchedWord{{Word: retrieve.Word{Text: hostile}, Has: true}}
	evilDocument := hostileDocument()
	evilList := hostileChunks().Chunks
	add("WhyPage", "hostile", true, WhyPage(bad, WhyView{Explained: evil, Document: &evilDocument, Chunks: evilList, ChunkID: nth(399), Explanation: worst}))

	after, moves := someMoves(e)
	form := FormOf(e.Retrieval.Searched, e.Retrieval.Settings)
	add("TryPage", "form", true, TryPage(p, TryView{Explained: e, Form: form, Now: usual}))
	add("TryPage", "full", true, TryPage(p, TryView{Explained: e, Form: form, Now: usual, Reranker: "rerank-v2", Result: &TryResult{after, moves}}))
	add("TryPage", "empty", true, TryPage(p, TryView{Explained: nothing, Result: &TryResult{}}))
	form.Threshold = "2"
	form.Err = &domain.Error{Code: domain.Invalid, Fields: map[string]string{"threshold": "A threshold is a number from 0 to 1.", "search": "Search by words, by vectors or by both."}}
	add("TryPage", "wrong", true, TryPage(p, TryView{Explained: e, Form: form, Now: usual}))
	evilMoves := retrieve.Moves(evil.Retrieval, evil.Retrieval)
	evilForm := TryForm{"</textarea>" + hostile, SearchForm{Threshold: hostile, Limit: hostile, Search: hostile, Err: domain.InvalidField("question", hostile)}}
	add("TryPage", "hostile", true, TryPage(bad, TryView{Explained: evil, Form: evilForm, Reranker: hostile, Result: &TryResult{evil.Retrieval, evilMoves}}))

	kinds := []retrieve.ChangeKind{retrieve.ChangedSetting, retrieve.ChangedModel, retrieve.ChangedReranker, retrieve.ChangedAnswerer, retrieve.DocumentAdded, retrieve.DocumentDeleted, retrieve.DocumentVersion,
		retrieve.DocumentSwitched, retrieve.ChunkSwitched, retrieve.ChunksCut, retrieve.ChunkDeleted, retrieve.SwitchedOn, retrieve.ChangedIndex, retrieve.ChangedLanguages}
	var changes, evilChanges []retrieve.Change
	for i, k := range kinds {
		changes = append(changes, retrieve.Change{Kind: k, Name: []string{"threshold", "", "", german}[min(i, 3)], Before: []string{"0.45", "3"}[min(i, 1)], After: []string{"0.25", "4"}[min(i, 1)], At: now})
		evilChanges = append(evilChanges, retrieve.Change{Kind: k, Name: hostile, Before: hostile, After: hostile})
	}
	changes = append(changes, retrieve.Change{Kind: retrieve.ChunkEdited, DocumentID: nth(105), Before: "A ticket costs twelve euros.\n\n| a | b |\n|---|---|\n| 1 | 2 |", After: "A ticket costs fourteen euros.", At: now})
	add("NowPage", "full", true, NowPage(p, NowView{Explained: e, Now: after, Moves: moves, Changes: changes, Names: map[domain.ID]string{nth(105): arabic}}))
	add("NowPage", "same", true, NowPage(p, NowView{Explained: e, Now: e.Retrieval, Moves: retrieve.Moves(e.Retrieval, e.Retrieval)}))
	add("NowPage", "empty", true, NowPage(p, NowView{Explained: nothing}))
	add("NowPage", "hostile", true, NowPage(bad, NowView{Explained: evil, Now: evil.Retrieval, Moves: evilMoves, Changes: append(evilChanges, retrieve.Change{Kind: retrieve.ChunkEdited, Before: hostile, After: hostile + german})}))
}
