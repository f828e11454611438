package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"

	"bitb/domain"
)

// bucket is an S3 server in this process with one bucket.
func bucket(t *testing.T) (place string, c S3) {
	t.Helper()
	server := httptest.NewTLSServer(gofakes3.New(s3mem.New()).Server()) // over plain HTTP it mistakes signatures for content
	t.Cleanup(server.Close)
	c = S3{Endpoint: server.URL, Region: "us-east-1", Keys: func() (string, string) { return "access", "secret" }, transport: server.Client().Transport}
	s, err := openStore("s3://backups/of/bitb", c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(bucketStore).client.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return "s3://backups/of/bitb", c
}

func stores(t *testing.T) map[string]store {
	t.Helper()
	place, c := bucket(t)
	b, err := openStore(place, c)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]store{"directory": dirStore{t.TempDir()}, "bucket": b}
}

func TestStores(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			for _, object := range []string{"base/b/data", "base/a/data", "wal/1"} {
				if err := s.Put(ctx, object, strings.NewReader("of "+object), -1); err != nil {
					t.Fatal(err)
				}
			}
			list, err := s.List(ctx, "base/")
			if err != nil || len(list) != 2 || list[0].Name != "base/a/data" || list[1].Size != int64(len("of base/b/data")) || time.Since(list[0].Modified) > time.Minute {
				t.Errorf("listed %+v, %v", list, err)
			}
			if got := read(t, s, "base/b/data"); got != "of base/b/data" {
				t.Errorf("read %q", got)
			}
			if err := s.Put(ctx, "wal/1", strings.NewReader("new"), 3); err != nil || read(t, s, "wal/1") != "new" {
				t.Errorf("not replaced: %v", err)
			}
			for range 2 { // what is gone already is no error
				if err := s.Delete(ctx, "wal/1"); err != nil {
					t.Error(err)
				}
			}
			if _, err := s.Get(ctx, "wal/1"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a deleted object: %v", err)
			}
			if list, err := s.List(ctx, "nothing/"); err != nil || len(list) != 0 {
				t.Errorf("listed %v, %v", list, err)
			}
		})
	}
}

// A place that is not there is told from one without backups; the first backup makes a directory, and no bucket.
func TestPlaceIsNotThere(t *testing.T) {
	secret, _ := newKey(t)
	_, c := bucket(t)
	dir := filepath.Join(t.TempDir(), "backup")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct {
		place, says string
		code        domain.Code
	}{
		{dir, "The directory " + dir + " does not exist.", domain.NotFound},
		{file, file + " is no directory.", domain.Invalid},
		{"s3://backup/of/bitb", "The bucket backup does not exist.", domain.NotFound},
	} {
		s, err := NewService(Config{Place: wrong.place, S3: c, Keys: secret})
		if err != nil {
			t.Fatal(err)
		}
		for what, try := range map[string]func() error{
			"list":    func() error { _, err := s.Reaches(t.Context()); return err },
			"restore": func() error { _, err := s.Newest(t.Context(), time.Time{}, "", Base); return err },
		} {
			if err := try(); domain.CodeOf(err) != wrong.code || !strings.Contains(err.Error(), wrong.says) {
				t.Errorf("%s of %s: %v", what, wrong.place, err)
			}
		}
	}
	s, err := NewService(Config{Place: dir, Keys: secret})
	if err != nil {
		t.Fatal(err)
	}
	made(t, s, Dump, day(0), "first", nil)
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("listed %v, %v", all, err)
	}
}

// The keys of a bucket may be others with each request.
func TestBucketKeysAreFresh(t *testing.T) {
	place, c := bucket(t)
	var signed string
	next := c.transport
	c.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		signed = r.Header.Get("Authorization")
		return next.RoundTrip(r)
	})
	access := ""
	c.Keys = func() (string, string) { return access, "secret" }
	s, err := openStore(place, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, access = range []string{"first", "second"} {
		if _, err := s.List(t.Context(), ""); err != nil || !strings.Contains(signed, "Credential="+access+"/") {
			t.Errorf("with the key %s: signed %q, %v", access, signed, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func read(t *testing.T, s store, name string) string {
	t.Helper()
	r, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An upload that is cut off leaves nothing under its name, wherever it is cut, and what it replaces stays.
func TestCutOffPut(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			if err := s.Put(t.Context(), "kept", strings.NewReader("before"), -1); err != nil {
				t.Fatal(err)
			}
			cut := errors.New("cut off")
			for _, object := range []string{"fresh", "kept"} {
				content := io.MultiReader(bytes.NewReader(make([]byte, 17<<20)), errorReader{cut})
				if err := s.Put(t.Context(), object, content, -1); err == nil {
					t.Fatalf("%s was stored", object)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Put(ctx, "stopped", strings.NewReader("x"), -1); err == nil {
				t.Error("stored after its context ended")
			}
			list, err := s.List(t.Context(), "")
			if err != nil || len(list) != 1 || read(t, s, "kept") != "before" {
				t.Errorf("there is %v, %v", list, err)
			}
		})
	}
}

// A process that is killed can leave a file behind, which is shown to nobody and goes a day later.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, tempPrefix+"1")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := dirStore{dir}
	if list, err := s.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	if err := s.Tidy(t.Context(), time.Now().Add(-time.Hour)); err != nil || !exists(left) {
		t.Errorf("what may still be written went: %v", err)
	}
	if err := s.Tidy(t.Context(), time.Now().Add(time.Hour)); err != nil || exists(left) {
		t.Errorf("what was left stayed: %v", err)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
