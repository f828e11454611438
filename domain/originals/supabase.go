// Package originals keeps the bytes that were uploaded outside the database, where that is wanted: in Supabase's storage. Package
// document says what is kept and when it goes; it keeps the bytes itself where no such place is set up.
package originals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bitb/domain"
)

const (
	bucket  = "bitb-originals" // private: what is in it is read with the key alone
	timeout = 30 * time.Second
	page    = 1000 // entries of one answer of the list
	mostGot = 64 << 20
)

// Supabase is the storage of a Supabase project. An object's name begins with its tenant. What does not succeed is
// domain.Unavailable, and the cause has no key in it.
type Supabase struct {
	base   string
	key    func() string
	client *http.Client
}

// NewSupabase returns the storage of the project at address (SUPABASE_URL), reached with its service role key, which passes all
// policies there: it never leaves the server.
func NewSupabase(address string, key func() string) *Supabase {
	return &Supabase{base: strings.TrimRight(address, "/") + "/storage/v1", key: key, client: &http.Client{Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}} // the key goes nowhere else
}

func name(tenantID, object domain.ID) string { return tenantID.String() + "/" + object.String() }

// Put keeps content under a new name. The bucket is made for the first.
func (s *Supabase) Put(ctx context.Context, tenantID, object domain.ID, content []byte) error {
	path := "/object/" + bucket + "/" + name(tenantID, object)
	answer, err := s.do(ctx, http.MethodPost, path, "application/octet-stream", content)
	if err == nil || !strings.Contains(string(answer), "Bucket not found") {
		return err
	}
	body, _ := json.Marshal(map[string]any{"id": bucket, "name": bucket, "public": false})
	if answer, err = s.do(ctx, http.MethodPost, "/bucket", "application/json", body); err != nil && !strings.Contains(string(answer), "already exists") {
		return err // two may make it at once
	}
	_, err = s.do(ctx, http.MethodPost, path, "application/octet-stream", content)
	return err
}

// Get returns what was put; domain.NotFound where there is none.
func (s *Supabase) Get(ctx context.Context, tenantID, object domain.ID) ([]byte, error) {
	return s.do(ctx, http.MethodGet, "/object/authenticated/"+bucket+"/"+name(tenantID, object), "", nil)
}

// Delete removes objects; those that are not there are no error.
func (s *Supabase) Delete(ctx context.Context, tenantID domain.ID, objects ...domain.ID) error {
	for some := range slices.Chunk(objects, page) {
		names := make([]string, len(some))
		for i, object := range some {
			names[i] = name(tenantID, object)
		}
		body, _ := json.Marshal(map[string][]string{"prefixes": names})
		if _, err := s.do(ctx, http.MethodDelete, "/object/"+bucket, "application/json", body); err != nil {
			return err
		}
	}
	return nil
}

// Object is one that is kept.
type Object struct {
	ID   domain.ID
	Made time.Time
}

// Tenants calls visit with each tenant of which something is kept.
func (s *Supabase) Tenants(ctx context.Context, visit func(domain.ID) error) error {
	return s.list(ctx, "", func(e entry) error {
		tenantID, err := domain.ParseID(e.Name)
		if err != nil {
			return nil // not ours
		}
		return visit(tenantID)
	})
}

// List returns a tenant's objects.
func (s *Supabase) List(ctx context.Context, tenantID domain.ID) (objects []Object, err error) {
	err = s.list(ctx, tenantID.String(), func(e entry) error {
		if id, err := domain.ParseID(e.Name); err == nil {
			objects = append(objects, Object{id, e.Made})
		}
		return nil
	})
	return objects, err
}

type entry struct {
	Name string    `json:"name"`
	Made time.Time `json:"created_at"` // null for a folder
}

func (s *Supabase) list(ctx context.Context, prefix string, visit func(entry) error) error {
	for offset := 0; ; offset += page {
		body, _ := json.Marshal(map[string]any{"prefix": prefix, "limit": page, "offset": offset, "sortBy": map[string]string{"column": "name", "order": "asc"}})
		answer, err := s.do(ctx, http.MethodPost, "/object/list/"+bucket, "application/json", body)
		if strings.Contains(string(answer), "Bucket not found") { // nothing was put yet
			return nil
		}
		if err != nil {
			return err
		}
		var entries []entry
		if err := json.Unmarshal(answer, &entries); err != nil {
			return s.failed(fmt.Errorf("read the list of objects: %w", err))
		}
		for _, e := range entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}

// do asks once. Whoever needs it again comes again: an upload is tried by a person, a document by the queue.
func (s *Supabase) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, s.failed(errors.New("the address of the storage cannot be read"))
	}
	key := s.key()
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("apikey", key)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := s.client.Do(request)
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok {
			err = cause.Err
		}
		return nil, s.failed(fmt.Errorf("%s: %w", method, err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostGot))
	if err != nil {
		return nil, s.failed(fmt.Errorf("%s: %w", method, err))
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	said := strings.ReplaceAll(string(answer[:min(len(answer), 300)]), key, "redacted")
	err = fmt.Errorf("%s: status %d: %s", method, response.StatusCode, said)
	// Storage says of a missing object 404, or 400 with a code of 404 in the body.
	if method == http.MethodGet && (response.StatusCode == http.StatusNotFound || strings.Contains(said, `"404"`)) {
		return answer, &domain.Error{Code: domain.NotFound, Message: "The original of this document is not there any more.", Err: err}
	}
	return answer, s.failed(err)
}

func (s *Supabase) failed(err error) error {
	return &domain.Error{Code: domain.Unavailable, Message: "The storage of original files does not answer. Try again in a moment.", Err: err}
}
