// Package secret holds what nobody else may know while it is in use: settings that are read from files and secret managers and
// read again while the process runs (Resolver), keys of which two are valid at once so that they can be exchanged (Ring), what is
// sealed with such keys (Sealer), and the record of which key was used when (Record). What speaks to a manager is in package
// manager below.
package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Manager reads a secret by what stands between the scheme and the # of a reference.
type Manager interface {
	Read(ctx context.Context, name string) (string, error)
}

// readLimit bounds the wait for one secret: a manager that hangs must not keep the others from being read.
const readLimit = 10 * time.Second

// Resolver finds out what settings stand for, and keeps that current. A setting is the secret itself, or a reference such as
// awssm://name#field, or several references with commas between them. The zero value resolves files alone.
type Resolver struct {
	Managers map[string]Manager // by scheme

	mu       sync.Mutex
	settings map[string]*setting
}

type setting struct {
	text    string // as it was set
	value   string // as it was last read
	changed []func(string) error
}

// Resolve returns the value of a setting and remembers where it came from. An error names the place and no value.
func (r *Resolver) Resolve(ctx context.Context, name, text string) (string, error) {
	value, err := r.read(ctx, text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings == nil {
		r.settings = map[string]*setting{}
	}
	r.settings[name] = &setting{text: text, value: value}
	return value, nil
}

// Value is the setting as it was last read; "" where it was never set.
func (r *Resolver) Value(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.settings[name]; s != nil {
		return s.value
	}
	return ""
}

// Place says where a setting comes from: its reference, which is no secret, or "environment".
func (r *Resolver) Place(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.settings[name]
	switch {
	case s == nil:
		return ""
	case r.isReference(s.text):
		return s.text
	}
	return "environment"
}

// OnChange has do called with each new value of a setting. An error refuses the value: the one before stays.
func (r *Resolver) OnChange(name string, do func(value string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.settings[name]; s != nil {
		s.changed = append(s.changed, do)
	}
}

// Run reads all references anew every so often, until ctx ends.
func (r *Resolver) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.Refresh(ctx, log)
		}
	}
}

// Refresh reads all references anew once. What cannot be read, or is refused, stays as it was, and that is logged.
func (r *Resolver) Refresh(ctx context.Context, log *slog.Logger) {
	r.mu.Lock()
	var names []string
	for name, s := range r.settings {
		if r.isReference(s.text) {
			names = append(names, name)
		}
	}
	r.mu.Unlock()
	for _, name := range names {
		changed, err := r.refresh(ctx, name)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("a secret was not refreshed; the last good value stays in use", "setting", name, "place", r.Place(name), "error", err)
		case changed:
			log.Info("a secret changed", "setting", name, "place", r.Place(name))
		}
	}
}

func (r *Resolver) refresh(ctx context.Context, name string) (changed bool, err error) {
	r.mu.Lock()
	s := r.settings[name]
	text, before, followers := s.text, s.value, s.changed
	r.mu.Unlock()
	value, err := r.read(ctx, text)
	if err != nil || value == before {
		return false, err
	}
	for _, do := range followers {
		if err := do(value); err != nil {
			return false, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.value = value
	return true, nil
}

// isReference: what begins like a reference is one; no secret begins so.
func (r *Resolver) isReference(text string) bool {
	if strings.HasPrefix(text, "file:") {
		return true
	}
	scheme, _, ok := strings.Cut(text, "://")
	return ok && r.Managers[scheme] != nil
}

func (r *Resolver) read(ctx context.Context, text string) (string, error) {
	if !r.isReference(text) {
		return text, nil
	}
	var values []string
	for _, one := range strings.Split(text, ",") {
		value, err := r.readOne(ctx, strings.TrimSpace(one))
		if err != nil {
			return "", fmt.Errorf("%s: %w", strings.TrimSpace(one), err)
		}
		values = append(values, value)
	}
	return strings.Join(values, ","), nil
}

var errEmpty = errors.New("there is nothing in it")

func (r *Resolver) readOne(ctx context.Context, reference string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	place, field, _ := strings.Cut(reference, "#")
	if field == "" && strings.HasPrefix(place, "vault://") {
		return "", errors.New("the field is missing: vault://MOUNT/PATH#FIELD")
	}
	value, err := r.fetch(ctx, place)
	if err != nil {
		return "", err
	}
	if field != "" {
		if value, err = fieldOf(value, field); err != nil {
			return "", err
		}
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", errEmpty
	}
	return value, nil
}

func (r *Resolver) fetch(ctx context.Context, place string) (string, error) {
	if path, ok := strings.CutPrefix(place, "file:"); ok {
		content, err := os.ReadFile(strings.TrimPrefix(path, "//"))
		return string(content), err
	}
	scheme, name, _ := strings.Cut(place, "://")
	manager := r.Managers[scheme]
	if manager == nil {
		// Its text may be a secret that stands among references by mistake.
		return "", errors.New("this is no reference to a file or to a known secret manager")
	}
	return manager.Read(ctx, name)
}

// fieldOf takes a field out of a secret that is a JSON object. What is wrong with it is said without a word of it.
func fieldOf(value, field string) (string, error) {
	var fields map[string]any
	if json.Unmarshal([]byte(value), &fields) != nil {
		return "", fmt.Errorf("the secret is no JSON object, so it has no field %q", field)
	}
	text, ok := fields[field].(string)
	if !ok {
		return "", fmt.Errorf("the secret has no field %q that is a text", field)
	}
	return text, nil
}
