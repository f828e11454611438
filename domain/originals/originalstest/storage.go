// Package originalstest plays Supabase's storage for tests: what of its interface is used, in memory.
// https://supabase.com/docs/reference/api and github.com/supabase/storage say how the real one answers.
package originalstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Storage is a project's.
type Storage struct {
	URL, Key string

	lock    sync.Mutex
	bucket  string
	public  bool
	down    bool
	objects map[string]object
}

type object struct {
	content []byte
	made    time.Time
}

// New starts a storage without a bucket. It stops when the test ends.
func New(t testing.TB) *Storage {
	s := &Storage{Key: "service-role-key-of-" + strings.ReplaceAll(t.Name(), "/", "-"), objects: map[string]object{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Names lists the objects that are kept.
func (s *Storage) Names() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	names := []string{}
	for name := range s.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Public reports whether anybody may read the bucket.
func (s *Storage) Public() bool { s.lock.Lock(); defer s.lock.Unlock(); return s.public }

// Down has the storage fail, or work again.
func (s *Storage) Down(down bool) { s.lock.Lock(); defer s.lock.Unlock(); s.down = down }

// Age makes all objects older.
func (s *Storage) Age(by time.Duration) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for name, o := range s.objects {
		o.made = o.made.Add(-by)
		s.objects[name] = o
	}
}

func (s *Storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	defer s.lock.Unlock()
	body, _ := io.ReadAll(r.Body)
	path, found := strings.CutPrefix(r.URL.Path, "/storage/v1")
	switch {
	case s.down:
		http.Error(w, "upstream connect error", http.StatusBadGateway)
	case !found:
		http.NotFound(w, r)
	case r.Header.Get("Authorization") != "Bearer "+s.Key || r.Header.Get("apikey") != s.Key:
		fail(w, http.StatusBadRequest, "403", "Unauthorized", "Invalid Compact JWS")
	case r.Method == http.MethodPost && path == "/bucket":
		s.make(w, body)
	case s.bucket == "":
		fail(w, http.StatusBadRequest, "404", "Bucket not found", "Bucket not found")
	case r.Method == http.MethodPost && path == "/object/list/"+s.bucket:
		s.list(w, body)
	case r.Method == http.MethodDelete && path == "/object/"+s.bucket:
		s.remove(w, body)
	case r.Method == http.MethodPost && strings.HasPrefix(path, "/object/"+s.bucket+"/"):
		s.objects[strings.TrimPrefix(path, "/object/"+s.bucket+"/")] = object{body, time.Now()}
		answer(w, map[string]string{"Key": path})
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/object/authenticated/"+s.bucket+"/"):
		o, there := s.objects[strings.TrimPrefix(path, "/object/authenticated/"+s.bucket+"/")]
		if !there {
			fail(w, http.StatusBadRequest, "404", "not_found", "Object not found")
			return
		}
		_, _ = w.Write(o.content)
	default:
		http.NotFound(w, r)
	}
}

func (s *Storage) make(w http.ResponseWriter, body []byte) {
	var asked struct {
		Name   string
		Public bool
	}
	_ = json.Unmarshal(body, &asked)
	if s.bucket != "" {
		fail(w, http.StatusBadRequest, "409", "Duplicate", "The resource already exists")
		return
	}
	s.bucket, s.public = asked.Name, asked.Public
	answer(w, map[string]string{"name": s.bucket})
}

func (s *Storage) list(w http.ResponseWriter, body []byte) {
	var asked struct {
		Prefix        string
		Limit, Offset int
	}
	_ = json.Unmarshal(body, &asked)
	prefix := strings.Trim(asked.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	entries := map[string]map[string]any{}
	for name, o := range s.objects {
		rest, below := strings.CutPrefix(name, prefix)
		first, _, folder := strings.Cut(rest, "/")
		switch {
		case below && folder:
			entries[first] = map[string]any{"name": first, "id": nil, "created_at": nil}
		case below:
			entries[first] = map[string]any{"name": first, "id": name, "created_at": o.made}
		}
	}
	sorted := []map[string]any{}
	for _, e := range entries {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b map[string]any) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	from := min(asked.Offset, len(sorted))
	answer(w, sorted[from:min(from+asked.Limit, len(sorted))])
}

func (s *Storage) remove(w http.ResponseWriter, body []byte) {
	var asked struct{ Prefixes []string }
	_ = json.Unmarshal(body, &asked)
	if len(asked.Prefixes) > 1000 { // no bound is documented; a list has at most so many
		fail(w, http.StatusBadRequest, "400", "invalid_request", "body/prefixes must NOT have more than 1000 items")
		return
	}
	removed := []map[string]string{}
	for _, name := range asked.Prefixes {
		if _, there := s.objects[name]; there {
			delete(s.objects, name)
			removed = append(removed, map[string]string{"name": name})
		}
	}
	answer(w, removed)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, code, name, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"statusCode": code, "error": name, "message": message})
}
