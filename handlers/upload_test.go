package handlers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/handlers"
)

type uploadAnswer struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Duplicate bool           `json:"duplicate"`
	SameName  string         `json:"same_name"`
	Message   string         `json:"message"`
	Code      string         `json:"code"`
	Batch     bool           `json:"batch"`
	Stored    int            `json:"stored"`
	Files     []uploadAnswer `json:"files"`
}

// A ZIP is a document for each file in it; what is refused loses none of the others and is told by its reason.
func TestUploadZIP(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	want(t, "one of them before", m.upload(t, "prices.txt", []byte("Prices")), http.StatusCreated)
	zip := archive("manuals/a.txt", "First", "photo.png", "\x89PNG\r\n\x1a\n", "old/prices-copy.txt", "Prices", "b.txt", "locked",
		"inner.zip", "archive", "empty.txt", "", "../../c\u202e.txt", "Third")
	r := m.upload(t, "manuals.zip", zip)
	want(t, "some new", r, http.StatusCreated)
	got := decode[uploadAnswer](t, r.body)
	if !got.Batch || got.Name != "manuals.zip" || got.Stored != 2 || got.Message != "2 documents are in line. 1 you had already. 4 were left out." {
		t.Errorf("answered %s", r.body)
	}
	for i, f := range []uploadAnswer{
		{Name: "a.txt"},
		{Name: "photo.png", Code: "unsupported_type", Message: "It is a picture (PNG)."},
		{Name: "prices-copy.txt", Duplicate: true},
		{Name: "b.txt", Code: "invalid", Message: "It is protected with a password."},
		{Name: "inner.zip", Code: "unsupported_type", Message: "It is a ZIP within a ZIP."},
		{Name: "empty.txt", Code: "invalid", Message: "It is empty."},
		{Name: "c.txt"},
	} {
		is := got.Files[i]
		if is.Name != f.Name || is.Code != f.Code || is.Duplicate != f.Duplicate || (is.ID == "") != (f.Code != "") || f.Message != "" && is.Message != f.Message {
			t.Errorf("file %d: %+v, want %+v", i, is, f)
		}
	}
	want(t, "the same once more", m.upload(t, "manuals.zip", zip), http.StatusOK)
	for name, content := range map[string][]byte{
		"nothing fits": archive("photo.png", "\x89PNG"), "no files": archive()} {
		r := m.upload(t, "x.zip", content)
		want(t, name, r, http.StatusUnprocessableEntity)
		if got := decode[uploadAnswer](t, r.body); got.Code != "invalid" || got.Message == "" {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	r = m.upload(t, "x.zip", archive("half.txt", "Half", "x", "broken", "lost.txt", "Lost"))
	want(t, "damaged half way", r, http.StatusCreated)
	if got := decode[uploadAnswer](t, r.body); got.Stored != 1 || len(got.Files) != 2 || got.Files[1].Code != "invalid" {
		t.Errorf("damaged half way: %s", r.body)
	}
	want(t, "damaged at once", m.upload(t, "x.zip", archive("x", "broken")), http.StatusUnprocessableEntity)
	if n := a.db.Count(t, "select count(*) from documents"); n != 4 {
		t.Errorf("%d documents, want 4", n)
	}
}

// The plain form takes several files and says in one sentence what became of them.
func TestUploadForm(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	png := "\x89PNG\r\n\x1a\n"
	for _, c := range []struct {
		name  string
		files []string
		says  string
		bad   bool
	}{
		{"one", []string{"a.txt", "A"}, "Uploaded. It answers when it is ready.", false},
		{"several", []string{"b.txt", "B", "photo.png", png, "a.txt", "A", "c.txt", "C"}, "2 documents are in line. 1 you had already. 1 was left out: photo.png (a picture (PNG)).", false},
		{"a ZIP", []string{"m.zip", string(archive("d.txt", "D", "photo.png", png, "e.txt", "locked"))},
			"1 document from m.zip is in line. 2 were left out: photo.png (a picture (PNG)), e.txt (protected with a password).", false},
		{"a ZIP and a file", []string{"m.zip", string(archive("f.txt", "F")), "g.txt", "G"}, "2 documents are in line.", false},
		{"many left out", []string{"m.zip", string(archive("1", png, "2", png, "3", png, "4", png, "5", png, "6", png, "7", png))},
			"5 (a picture (PNG)), 2 more.", true},
		{"nothing fits", []string{"photo.png", png}, "photo.png: It is a PNG picture.", true},
		{"no file", nil, "Choose a file first.", true},
	} {
		r := m.sendFiles(t, "/documents", c.files, "Accept", "text/html")
		want(t, c.name, r, http.StatusSeeOther)
		page := m.get(t, "/documents", "Accept", "text/html")
		if !strings.Contains(page.body, c.says) {
			t.Errorf("%s: does not say %q: %s", c.name, c.says, toastOf(page.body))
		}
		if bad := strings.Contains(toastOf(page.body), `data-s="bad"`); bad != c.bad {
			t.Errorf("%s: told as a failure: %v", c.name, bad)
		}
	}
}

// toastOf is what a page confirms.
func toastOf(page string) string {
	_, toast, _ := strings.Cut(page, `id="toasts"`)
	toast, _, _ = strings.Cut(toast, "<template")
	return toast
}

func TestUploadVersion(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	id, _ := m.ready(t, "prices.txt", "A bicycle costs 19 euros a day.")
	want(t, "another document", m.upload(t, "other.txt", []byte("Other")), http.StatusCreated)
	to := "/documents/" + id.String() + "/versions"
	for _, c := range []struct {
		name    string
		files   []string
		status  int
		message string
	}{
		{"new", []string{"prices-2.txt", "21 euros"}, http.StatusCreated, "Uploaded as the new version. Version 1 answers until it is ready."},
		{"the same again", []string{"prices-2.txt", "21 euros"}, http.StatusOK, "This is the file that “prices.txt” has already. Nothing changed."},
		{"another document's", []string{"x.txt", "Other"}, http.StatusConflict, "You have this file already, as “other.txt”."},
		{"a ZIP", []string{"x.zip", string(archive("a.txt", "A"))}, http.StatusUnsupportedMediaType, "A ZIP holds several files"},
		{"a picture", []string{"x.png", "\x89PNG"}, http.StatusUnsupportedMediaType, "It is a PNG picture."},
		{"nothing in it", []string{"x.txt", ""}, http.StatusUnprocessableEntity, "This file is empty."},
		{"no file", nil, http.StatusBadRequest, "There is no file"},
	} {
		r := m.sendFiles(t, to, c.files, "Accept", "application/json")
		want(t, c.name, r, c.status)
		if got := decode[uploadAnswer](t, r.body); !strings.HasPrefix(got.Message, c.message) {
			t.Errorf("%s: says %q", c.name, got.Message)
		}
		plain := m.sendFiles(t, to, c.files, "Accept", "text/html", "Referer", a.URL+"/documents?status=failed")
		want(t, c.name+", as a form", plain, http.StatusSeeOther)
		if plain.Header.Get("Location") != "/documents?status=failed" {
			t.Errorf("%s: leads to %q", c.name, plain.Header.Get("Location"))
		}
	}
	if d, err := a.documents.Get(t.Context(), m.account.Tenant.ID, id); err != nil || d.Version != 2 || d.Live != 1 || d.Name != "prices.txt" {
		t.Errorf("the document is %+v, %v", d, err)
	}
}

// A file whose name is known is asked about before it is stored, if the caller wants that, and never twice.
func TestUploadSameName(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "One"), a.owner(t, "Two")
	first := decode[uploadAnswer](t, m.upload(t, "prices.txt", []byte("March")).body)
	ask := func(m *member, name, content string) (response, uploadAnswer) {
		r := m.sendFiles(t, "/documents?same_name=ask", []string{name, content}, "Accept", "application/json")
		return r, decode[uploadAnswer](t, r.body)
	}
	r, got := ask(m, "folder/prices.txt", "April")
	want(t, "asked", r, http.StatusConflict)
	if got.SameName != first.ID || got.ID != "" || got.Code != "conflict" {
		t.Errorf("answered %s", r.body)
	}
	r, _ = ask(m, "prices.txt", "March")
	want(t, "the same bytes", r, http.StatusOK)
	r, _ = ask(other, "prices.txt", "April")
	want(t, "another tenant's name", r, http.StatusCreated)
	r, _ = ask(m, "Prices.txt", "May")
	want(t, "another name", r, http.StatusCreated)
	r = m.upload(t, "prices.txt", []byte("April"))
	want(t, "not asked", r, http.StatusCreated)
	if got := decode[uploadAnswer](t, r.body); got.SameName != first.ID {
		t.Errorf("answered %s", r.body)
	}
}

// Of a form with too many files the first ones are kept, and the person is told so.
func TestUploadTooMany(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	var files []string
	for i := range 101 {
		files = append(files, fmt.Sprintf("%d.txt", i), fmt.Sprintf("Text %d", i))
	}
	leads(t, "the form", m.sendFiles(t, "/documents", files, "Accept", "text/html"), "/documents")
	shows(t, "the list", m.get(t, "/documents", "Accept", "text/html"), "100 documents are in line. The rest was not taken. Upload it again.")
	if n := a.db.Count(t, "select count(*) from documents where tenant_id = $1", m.account.Tenant.ID); n != 100 {
		t.Errorf("%d documents, want 100", n)
	}
}

// The same key with the same bytes gets the same answer, with other bytes none.
func TestIdempotencyKey(t *testing.T) {
	a := newApp(t)
	m, other := a.owner(t, "One"), a.owner(t, "Two")
	key := domain.NewID().String()
	send := func(m *member, content, key string) response {
		return m.sendFiles(t, "/documents", []string{"prices.txt", content}, "Accept", "application/json", "Idempotency-Key", key)
	}
	first := send(m, "March", key)
	want(t, "first", first, http.StatusCreated)
	again := send(m, "March", key)
	want(t, "again", again, http.StatusCreated)
	if strings.TrimSpace(again.body) != strings.TrimSpace(first.body) {
		t.Errorf("answered %s, then %s", first.body, again.body)
	}
	want(t, "other bytes", send(m, "April", key), http.StatusConflict)
	want(t, "another tenant's key", send(other, "April", key), http.StatusCreated)
	want(t, "a new key", send(m, "April", key+"2"), http.StatusCreated)
	want(t, "the same bytes with a new key", send(m, "March", key+"3"), http.StatusOK)
	want(t, "refused", send(m, "", key+"4"), http.StatusUnprocessableEntity)
	want(t, "a key after a refusal", send(m, "May", key+"4"), http.StatusCreated)
	want(t, "a long key", send(m, "June", strings.Repeat("k", 256)), http.StatusBadRequest)
	if n := a.db.Count(t, "select count(*) from documents where tenant_id = $1", m.account.Tenant.ID); n != 3 {
		t.Errorf("%d documents, want 3", n)
	}
}

// slowUpload is a file on its way, of which the server has taken the beginning.
type slowUpload struct {
	*io.PipeWriter
	answered chan response
}

// begin returns when the upload has its turn: nothing of its body is sent before the server asks for it.
func (m *member) begin(t *testing.T, address string) slowUpload {
	t.Helper()
	body, send := io.Pipe()
	u := slowUpload{send, make(chan response, 1)}
	sender := &member{app: m.app, Client: &http.Client{Jar: m.Jar, Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}}
	r := sender.request(t, http.MethodPost, "/documents", body, "Content-Type", "multipart/form-data; boundary=x", "Expect", "100-continue", "Accept", "application/json")
	r.URL.Host = strings.TrimPrefix(address, "http://")
	go func() { u.answered <- sender.do(t, r) }()
	_, _ = io.WriteString(send, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n"+domain.NewID().String())
	return u
}

func (u slowUpload) end() response {
	_, _ = io.WriteString(u, "\r\n--x--\r\n")
	u.Close()
	return <-u.answered
}

// Whoever sends many files as slowly as they can waits for themselves: another tenant's upload goes through meanwhile.
func TestSlowUploads(t *testing.T) {
	a := newApp(t)
	slow, other := a.owner(t, "Harbour Loop"), a.owner(t, "Ferry")
	began := make(chan slowUpload)
	for range 5 {
		go func() { began <- slow.begin(t, a.URL) }()
	}
	first, second := <-began, <-began
	dbtest.Eventually(t, 10*time.Second, "all have come", func() bool { return a.counted.uploads.Load() == 5 })
	want(t, "another tenant's", other.upload(t, "b.txt", []byte("B")), http.StatusCreated)
	select {
	case <-began:
		t.Fatal("a tenant has three slots of four")
	default:
	}
	want(t, "the first", first.end(), http.StatusCreated)
	third := <-began
	want(t, "the second", second.end(), http.StatusCreated)
	want(t, "the third", third.end(), http.StatusCreated)
	for range 2 {
		u := <-began
		want(t, "one after them", u.end(), http.StatusCreated)
	}
}

// The last slot is for a tenant that has none, and who gives up waiting takes none along.
func TestSlots(t *testing.T) {
	take := handlers.Slots(4)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	waiting, end := context.WithTimeout(t.Context(), 10*time.Second)
	defer end()
	a, b, c := domain.NewID(), domain.NewID(), domain.NewID()
	for range 20 {
		var leave []func()
		for _, tenant := range []domain.ID{a, a, b, c} {
			if third, err := take(gone, a); err == nil { // the slot and the end came at once
				if third(); len(leave) > 1 {
					t.Fatal("a third slot of one tenant")
				}
			}
			one, err := take(waiting, tenant)
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, one)
		}
		for _, one := range leave {
			one()
		}
	}
}

// The time an upload has begins with its turn, however long it waited for it.
func TestUploadTimeBeginsWithItsTurn(t *testing.T) {
	a := newApp(t)
	m := a.owner(t, "Harbour Loop")
	impatient := httptest.NewUnstartedServer(a.Config.Handler)
	impatient.Config.ReadHeaderTimeout, impatient.Config.ReadTimeout = time.Minute, time.Nanosecond
	impatient.Start()
	defer impatient.Close()
	u := m.begin(t, impatient.URL)
	want(t, "an upload whose time had run out before its turn", u.end(), http.StatusCreated)
}

// What is still on its way when somebody signs out must not write the session back: an upload, or a form that somebody who took the
// cookie sends as slowly as they can.
func TestSignOutMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		path, kind, begin, end string
		status                 int
	}{
		"an upload": {"/documents", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" +
			"hello", "\r\n--x--\r\n", http.StatusCreated},
		"a form": {"/settings/tenant", "application/x-www-form-urlencoded", "company=Harbour", "+Loop", http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			m := a.owner(t, "Harbour Loop")
			base, err := url.Parse(a.URL)
			if err != nil {
				t.Fatal(err)
			}
			cookie := m.Jar.Cookies(base)[0]
			body, send := io.Pipe()
			answered := make(chan response, 1)
			thief := a.nobody(t)
			thief.Transport = &http.Transport{ExpectContinueTimeout: time.Minute}
			r := thief.request(t, http.MethodPost, c.path, body, "Content-Type", c.kind, "Expect", "100-continue", "Cookie", cookie.Name+"="+cookie.Value, "Accept", "application/json")
			go func() { answered <- thief.do(t, r) }()
			_, _ = io.WriteString(send, c.begin) // is taken when the server asks for it: then it has loaded the session
			want(t, "sign out", m.post(t, "/signout", nil), http.StatusSeeOther)
			_, _ = io.WriteString(send, c.end)
			send.Close()
			want(t, "what was on its way", <-answered, c.status)
			want(t, "the token after that", a.nobody(t).get(t, "/documents", "Cookie", cookie.Name+"="+cookie.Value, "Accept", "application/json"), http.StatusUnauthorized)
		})
	}
}
