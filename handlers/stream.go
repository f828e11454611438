package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

const (
	writeTimeout = 30 * time.Second // for one event: a reader that does not read is let go
	lookAgain    = 2 * time.Second  // how long a stream waits for a hint before it looks by itself
	pingEvery    = 15 * time.Second
)

// stream is an open answer of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type stream struct {
	ctx    context.Context // ends with the request or with the server
	close  context.CancelFunc
	out    http.ResponseWriter
	pinged time.Time
}

// openStream sends the header. From here on errors are events: a status cannot be sent any more.
func (s *server) openStream(c echo.Context, ctx context.Context) *stream {
	ctx, cancel := context.WithCancel(ctx)
	st := &stream{ctx: ctx, close: cancel, out: c.Response(), pinged: time.Now()}
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	c.Response().WriteHeader(http.StatusOK)
	_ = st.write([]byte(": open\n\n"))
	return st
}

// wait returns true when it is time to look: after a hint, or after a while without one. It returns false at the end.
func (st *stream) wait(hints <-chan struct{}) bool {
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	select {
	case <-st.ctx.Done():
		return false
	case <-hints:
	case <-timer.C:
	}
	return true
}

// send writes one event with a JSON object.
func (st *stream) send(event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.event(event, data)
}

// html writes one event with a rendered fragment.
func (st *stream) html(event string, part templ.Component) error {
	var buf bytes.Buffer
	if err := part.Render(st.ctx, &buf); err != nil {
		return err
	}
	return st.event(event, buf.Bytes())
}

func (st *stream) event(name string, data []byte) error {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\n")
	for line := range strings.SplitSeq(strings.ReplaceAll(string(data), "\r", ""), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteByte('\n')
	return st.write(b.Bytes())
}

// ping keeps proxies from closing a quiet stream, and tells us when the reader has gone.
func (st *stream) ping() error {
	if time.Since(st.pinged) < pingEvery {
		return nil
	}
	return st.write([]byte(": ping\n\n"))
}

func (st *stream) write(b []byte) error {
	st.pinged = time.Now()
	control := http.NewResponseController(st.out)
	_ = control.SetWriteDeadline(st.pinged.Add(writeTimeout)) // not every writer has one; then the server's holds
	if _, err := st.out.Write(b); err != nil {
		return err
	}
	return control.Flush()
}
