package handlers

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// packed holds each static file compressed once: they never change while the server runs.
var packed sync.Map // ETag → []byte

func acceptsGzip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == ""
}

func serveGzip(c echo.Context, name string, content []byte) error {
	h := c.Response().Header()
	etag := strings.TrimSuffix(h.Get("ETag"), `"`) + `-gz"`
	h.Set("ETag", etag)
	h.Add("Vary", "Accept-Encoding")
	if match := c.Request().Header.Get("If-None-Match"); match == etag {
		return c.NoContent(http.StatusNotModified)
	}
	body, ok := packed.Load(name + etag)
	if !ok {
		var buf bytes.Buffer
		w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
		_, _ = w.Write(content) // a bytes.Buffer takes all
		_ = w.Close()
		body, _ = packed.LoadOrStore(name+etag, buf.Bytes())
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Length", strconv.Itoa(len(body.([]byte))))
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := c.Response().Write(body.([]byte))
	return err
}
