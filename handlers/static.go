package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// static serves a built file. With the content hash in its address it may be kept for ever.
func (s *server) static(c echo.Context) error {
	cache := "public, max-age=300"
	if c.QueryParam("v") != "" {
		cache = "public, max-age=31536000, immutable"
	}
	return s.file(c, c.Param("*"), cache)
}

func (s *server) file(c echo.Context, name, cache string) error {
	if !fs.ValidPath(name) {
		return echo.ErrNotFound
	}
	content, err := fs.ReadFile(s.Static, name)
	if err != nil || strings.HasPrefix(name, "src/") {
		return echo.ErrNotFound
	}
	sum := sha256.Sum256(content)
	h := c.Response().Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Cache-Control", cache)
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	if !strings.HasPrefix(h.Get("Content-Type"), "font/") && acceptsGzip(c.Request()) {
		return serveGzip(c, name, content)
	}
	h.Add("Vary", "Accept-Encoding")
	http.ServeContent(c.Response(), c.Request(), name, time.Time{}, bytes.NewReader(content))
	return nil
}

func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	case ".svg":
		return "image/svg+xml"
	default:
		return mime.TypeByExtension(ext)
	}
}

func (s *server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz is for a load balancer: it says no while the database is away and as soon as a stop has begun.
func (s *server) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 2*time.Second)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		return err
	}
	return c.String(http.StatusOK, "ready\n")
}
