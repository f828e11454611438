package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"bitb/domain"
	"bitb/domain/chat"
	"bitb/domain/tenant"
)

// customer is the throw-away customer of a smoke test, in front of a browser without a window.
type customer struct {
	http                     *http.Client
	base                     string
	company, email, password string
	invitation               string // where sign-up needs one
	word                     string // stands in the document and nowhere else in the world
	site                     string // their website
	began                    bool   // there may be something to erase
	document                 string
	bot                      string
}

// newCustomer makes somebody whom nobody can be taken for, and whom the server knows as a smoke test by the address.
func newCustomer(base string) *customer {
	jar, _ := cookiejar.New(nil) // never fails without options
	name := strings.ToLower(rand.Text()[:12])
	return &customer{
		http: &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base: strings.TrimRight(base, "/"), company: "Smoke test " + time.Now().UTC().Format("2006-01-02 15:04:05"), email: name + "@" + tenant.SmokeHost,
		password: rand.Text() + rand.Text(), word: newWord(), site: "https://" + name + "." + tenant.SmokeHost,
	}
}

// newWord is a word that can be said and that no document has.
func newWord() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails
	return "zu" + strings.ToLower(base32.StdEncoding.EncodeToString(b)[:10])
}

const smokeQuestion = "What is the code of the %s locker?"

func (c *customer) question() string { return fmt.Sprintf(smokeQuestion, c.word) }

func (c *customer) text() string {
	return fmt.Sprintf("# Notes of a smoke test\n\nThe code of the %s locker is 4711. Bring it back before noon.\n\n"+
		"# Something else\n\nThis document was uploaded by a smoke test of BITB, which deletes it again in a moment.\n", c.word)
}

// wrongAnswer is what the server said where something else was due.
type wrongAnswer struct {
	said      string
	requestID string
}

func (w *wrongAnswer) Error() string { return w.said }

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) wrong(format string, args ...any) error {
	return &wrongAnswer{said: fmt.Sprintf(format, args...), requestID: a.Header.Get("X-Request-Id")}
}

// is returns nil for the status that was due, and else what the server said instead.
func (a answer) is(status int) error {
	if a.StatusCode == status {
		return nil
	}
	var said struct{ Message string }
	_ = json.Unmarshal(a.body, &said) // whatever stands before the server may answer in another form
	if said.Message == "" && strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		said.Message = strings.TrimSpace(string(a.body[:min(len(a.body), 200)]))
	}
	return a.wrong("%s %s was answered with %s instead of %d. %s", a.Request.Method, a.Request.URL.Path, a.Status, status, said.Message)
}

const mostAnswer = 4 << 20

// do sends a request. body is a form, an object for JSON, or nothing.
func (c *customer) do(ctx context.Context, method, path string, body any, header ...string) (answer, error) {
	var content io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		content, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		content, kind = bytes.NewReader(encoded), "application/json"
	}
	return c.send(ctx, method, path, content, append([]string{"Content-Type", kind}, header...)...)
}

func (c *customer) send(ctx context.Context, method, path string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return answer{}, fmt.Errorf("%q is no address: write it like https://chat.example.com", c.base)
	}
	req.Header.Set("User-Agent", "bitb-smoke")
	req.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("the answer to %s %s broke off: %w", method, path, err)
	}
	return answer{res, content}, nil
}

// expect sends a request whose answer must have the status.
func (c *customer) expect(ctx context.Context, status int, method, path string, body any, header ...string) (answer, error) {
	a, err := c.do(ctx, method, path, body, header...)
	if err == nil {
		err = a.is(status)
	}
	return a, err
}

func (c *customer) reach(ctx context.Context) (string, error) {
	a, err := c.expect(ctx, http.StatusOK, http.MethodGet, "/readyz", nil)
	if err == nil && a.Header.Get("X-Request-Id") == "" {
		err = a.wrong("something answers at %s, but it is not BITB", c.base)
	}
	return "", err
}

func (c *customer) signUp(ctx context.Context) (string, error) {
	c.began = true // the answer may be lost on its way
	a, err := c.expect(ctx, http.StatusSeeOther, http.MethodPost, "/signup",
		url.Values{"company": {c.company}, "name": {"Smoke test"}, "email": {c.email}, "password": {c.password}, "invitation": {c.invitation}})
	if err != nil {
		return "", err
	}
	for _, cookie := range a.Cookies() {
		if cookie.Secure && strings.HasPrefix(c.base, "http:") {
			return "", a.wrong("the server's cookies are for https alone; give its public address as --url")
		}
	}
	return c.company, nil
}

func (c *customer) upload(ctx context.Context) (string, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, _ := w.CreateFormFile("file", "smoke-test.md") // neither fails into memory
	_, _ = io.WriteString(part, c.text())
	_ = w.Close()
	a, err := c.send(ctx, http.MethodPost, "/documents", &form, "Content-Type", w.FormDataContentType())
	if err == nil {
		err = a.is(http.StatusCreated)
	}
	if err != nil {
		return "", err
	}
	var stored struct{ ID string }
	if err := json.Unmarshal(a.body, &stored); err != nil || stored.ID == "" {
		return "", a.wrong("the upload was taken, but the answer names no document")
	}
	c.document = stored.ID
	return fmt.Sprintf("%d bytes of Markdown", len(c.text())), nil
}

// ready looks at the list of documents, as somebody does who waits before it.
func (c *customer) ready(ctx context.Context) (string, error) {
	row := regexp.MustCompile(`id="doc-` + regexp.QuoteMeta(c.document) + `" data-status="([a-z]+)"`)
	pause := 100 * time.Millisecond
	for status := "not in the list"; ; pause = min(2*pause, time.Second) {
		a, err := c.expect(ctx, http.StatusOK, http.MethodGet, "/documents", nil, "Accept", "text/html")
		if err != nil {
			if ctx.Err() != nil {
				return "", fmt.Errorf("gave up waiting; the document was last %s. Does a worker run? See docs/runbooks", status)
			}
			return "", err
		}
		if found := row.FindSubmatch(a.body); found != nil {
			status = string(found[1])
		}
		switch status {
		case "ready":
			return "", nil
		case "failed":
			return "", a.wrong("the document failed; its page in the dashboard would say why, and the worker's log does")
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("gave up waiting; the document was last %s. Does a worker run?", status)
		case <-time.After(pause):
		}
	}
}

// cited is the end of an answer as the playground and the widget get it.
type cited struct {
	Status  chat.Outcome
	Text    string
	Model   string
	Sources []struct{ Text string }
}

// check wants an answer of the model with a citation of the document.
func (c *customer) check(a answer, got cited) (string, error) {
	if got.Status == chat.Quoted {
		return "", a.wrong("the answering model did not answer, so passages were quoted; is its service down or its key wrong?")
	}
	if got.Status != chat.Complete {
		return "", a.wrong("the answer ended as %q: %s", got.Status, got.Text)
	}
	for _, s := range got.Sources {
		if strings.Contains(s.Text, c.word) {
			return fmt.Sprintf("%d cited, by %s", len(got.Sources), got.Model), nil
		}
	}
	return "", a.wrong("the answer cites nothing of the document: %s", got.Text)
}

var retrievalLink = regexp.MustCompile(`/retrievals/([0-9a-f-]{36})`)

// ask asks in the playground and reads the stream, which must come in pieces and end well.
func (c *customer) ask(ctx context.Context) (string, error) {
	a, err := c.expect(ctx, http.StatusOK, http.MethodPost, "/playground/messages", url.Values{"question": {c.question()}}, "Accept", "text/event-stream")
	if err != nil {
		return "", err
	}
	var got cited
	ended, deltas := false, 0
	for _, e := range events(a.body) {
		switch e.name {
		case "delta":
			deltas++
		case "error":
			return "", a.wrong("the answer broke off: %s", e.data)
		case "done":
			ended = json.Unmarshal([]byte(e.data), &got) == nil
		}
	}
	if !ended || deltas == 0 {
		return "", a.wrong("the stream of the answer ended before the answer did; does a proxy cut it?")
	}
	return c.check(a, got)
}

type event struct{ name, data string }

// events takes a stream of server-sent events apart.
func events(body []byte) (all []event) {
	var e event
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, mostAnswer)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "data":
			e.data += value + "\n"
		case "":
			if e.name != "" {
				all = append(all, e)
			}
			e = event{}
		}
	}
	return all
}

// retrieval follows the link below the answer and wants the document among what the search found.
func (c *customer) retrieval(ctx context.Context) (string, error) {
	page, err := c.expect(ctx, http.StatusOK, http.MethodGet, "/playground", nil, "Accept", "text/html")
	if err != nil {
		return "", err
	}
	link := retrievalLink.FindStringSubmatch(string(page.body))
	if link == nil {
		return "", page.wrong("the answer stands in the playground without its retrieval")
	}
	a, err := c.expect(ctx, http.StatusOK, http.MethodGet, "/retrievals/"+link[1]+"/export", nil)
	if err != nil {
		return "", err
	}
	var trace struct {
		Candidates []struct {
			Text   string
			LostAt string `json:"lost_at"`
		}
	}
	if err := json.Unmarshal(a.body, &trace); err != nil {
		return "", a.wrong("the retrieval cannot be read")
	}
	for _, found := range trace.Candidates {
		if strings.Contains(found.Text, c.word) && found.LostAt == "" {
			return fmt.Sprintf("the passage is among %d", len(trace.Candidates)), nil
		}
	}
	return "", a.wrong("the search did not find the document")
}

var botKey = regexp.MustCompile(`data-bot="([0-9a-f-]{36})"`)

func (c *customer) allowSite(ctx context.Context) (string, error) {
	a, err := c.expect(ctx, http.StatusOK, http.MethodGet, "/bot", nil, "Accept", "text/html")
	if err != nil {
		return "", err
	}
	key := botKey.FindStringSubmatch(html.UnescapeString(string(a.body)))
	if key == nil {
		return "", a.wrong("the Bot page shows no snippet")
	}
	c.bot = key[1]
	if _, err := c.expect(ctx, http.StatusSeeOther, http.MethodPost, "/bot/origins", url.Values{"origin": {c.site}}); err != nil {
		return "", err
	}
	_, err = c.expect(ctx, http.StatusOK, http.MethodGet, "/widget.js", nil)
	return "", err
}

func (c *customer) widget(path string) string { return "/widget/v1/bots/" + c.bot + path }

// askWidget does what the widget does on a page of the website.
func (c *customer) askWidget(ctx context.Context) (string, error) {
	a, err := c.expect(ctx, http.StatusOK, http.MethodGet, c.widget(""), nil, "Origin", c.site)
	if err != nil {
		return "", err
	}
	if a.Header.Get("Access-Control-Allow-Origin") != c.site {
		return "", a.wrong("the widget's browser would not read the answer: Access-Control-Allow-Origin is %q", a.Header.Get("Access-Control-Allow-Origin"))
	}
	if a, err = c.expect(ctx, http.StatusCreated, http.MethodPost, c.widget("/visitors"), nil, "Origin", c.site); err != nil {
		return "", err
	}
	var visitor struct{ Token string }
	if err := json.Unmarshal(a.body, &visitor); err != nil || visitor.Token == "" {
		return "", a.wrong("the visitor got no token")
	}
	a, err = c.expect(ctx, http.StatusOK, http.MethodPost, c.widget("/messages"), map[string]string{"id": domain.NewID().String(), "question": c.question()},
		"Origin", c.site, "Authorization", "Bearer "+visitor.Token)
	if err != nil {
		return "", err
	}
	var got cited
	if err := json.Unmarshal(a.body, &got); err != nil {
		return "", a.wrong("the widget's answer cannot be read")
	}
	return c.check(a, got)
}

func (c *customer) otherSite(ctx context.Context) (string, error) {
	_, err := c.expect(ctx, http.StatusForbidden, http.MethodGet, c.widget(""), nil, "Origin", "https://elsewhere."+tenant.SmokeHost)
	return "", err
}

// erase deletes the organisation as its owner can, and looks whether it is gone. It signs in first, as the sign-up's answer may have
// been lost; an account that is not there was never made.
func (c *customer) erase(ctx context.Context) (string, error) {
	signIn := func() (answer, error) {
		return c.do(ctx, http.MethodPost, "/signin", url.Values{"email": {c.email}, "password": {c.password}})
	}
	a, err := signIn()
	if err != nil {
		return "", err
	}
	if a.StatusCode == http.StatusUnauthorized {
		return "nothing was made", nil
	}
	if err := a.is(http.StatusSeeOther); err != nil {
		return "", err
	}
	if _, err := c.expect(ctx, http.StatusSeeOther, http.MethodPost, "/settings/delete", url.Values{"name": {c.company}, "password": {c.password}}); err != nil {
		return "", err
	}
	if a, err = signIn(); err == nil {
		err = a.is(http.StatusUnauthorized)
	}
	if err == nil && c.bot != "" {
		_, err = c.expect(ctx, http.StatusNotFound, http.MethodGet, c.widget(""), nil, "Origin", c.site)
	}
	return "", err
}
