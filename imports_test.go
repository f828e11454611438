package bitb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says which of our packages a package may import. A package or an arrow that is not here fails the test, so that
// a new one is a line somebody reads. docs/adr/0001 says why the table is as it is.
var arrows = map[string][]string{
	"":                               {},
	"web":                            {"*"},
	"static":                         {},
	"handlers":                       {"views", "domain", "domain/chat", "domain/doctor", "domain/document", "domain/questions", "domain/redis", "domain/retrieve", "domain/tenant", "domain/trace"},
	"views":                          {"domain", "domain/chat", "domain/doctor", "domain/document", "domain/questions", "domain/retrieve", "domain/tenant"},
	"domain":                         {},
	"domain/trace":                   {"domain"},
	"domain/postgres":                {"domain"},
	"domain/redis":                   {},
	"domain/secret":                  {"domain", "domain/postgres"},
	"domain/secret/manager":          {"domain/secret"},
	"domain/tenant":                  {"domain", "domain/postgres", "domain/secret"},
	"domain/document":                {"domain", "domain/originals", "domain/postgres", "domain/trace"},
	"domain/originals":               {"domain"},
	"domain/originals/originalstest": {},
	"domain/lexical":                 {},
	"domain/retrieve":                {"domain", "domain/lexical", "domain/postgres"},
	"domain/llm":                     {"domain", "domain/lexical", "domain/trace"},
	"domain/llm/llmtest":             {},
	"domain/chat":                    {"domain", "domain/llm", "domain/postgres", "domain/retrieve"},
	"domain/ingest":                  {"domain", "domain/document", "domain/ingest/chunk", "domain/ingest/extract", "domain/ingest/reader", "domain/lexical", "domain/llm", "domain/postgres", "domain/trace"},
	"domain/eval":                    {"domain", "domain/ingest/chunk", "domain/ingest/extract", "domain/lexical"},
	"domain/questions":               {"domain", "domain/eval", "domain/ingest/extract", "domain/postgres", "domain/retrieve"},
	"domain/backup":                  {"domain", "domain/postgres"},
	"domain/ingest/extract":          {},
	"domain/ingest/chunk":            {"domain/ingest/extract"},
	"domain/ingest/reader":           {"domain/ingest/chunk", "domain/ingest/extract"},
	"domain/doctor":                  {"domain", "domain/postgres"},
	"domain/dbtest":                  {"", "domain", "domain/document", "domain/lexical", "domain/llm", "domain/postgres", "domain/secret"},
	"deploy/faults":                  {}, // tests alone
}

// fenced are dependencies that few may know. The key is a prefix of an import path.
var fenced = map[string][]string{
	"github.com/labstack/echo":    {"handlers", "web"},
	"github.com/alexedwards/scs":  {"handlers"},
	"github.com/a-h/templ":        {"handlers", "views"},
	"github.com/redis/go-redis":   {"domain/redis"},
	"github.com/sashabaranov":     {"domain/llm"},
	"github.com/riverqueue/river": {"domain/ingest", "domain/postgres"},
	"github.com/jackc/pgx":        {"domain/backup", "domain/chat", "domain/dbtest", "domain/document", "domain/ingest", "domain/postgres", "domain/questions", "domain/retrieve", "domain/secret", "domain/tenant"},
	"github.com/jackc/pglogrepl":  {"domain/backup"},
	"github.com/klauspost":        {"domain/backup"},
	"github.com/klippa-app":       {"domain/ingest/extract"},
	"github.com/minio":            {"domain/backup"},
	"filippo.io/age":              {"domain/backup"},
	"github.com/pressly/goose":    {"domain/postgres"},
	"github.com/prometheus":       {"web"},
	"github.com/aws":              {"domain/secret/manager"},
	"github.com/Azure":            {"domain/secret/manager"},
	"golang.org/x/oauth2":         {"domain/secret/manager"},
	"go.opentelemetry.io":         {"domain/trace", "web"},
	"github.com/exaring/otelpgx":  {"domain/postgres"},
	"github.com/xuri":             {"domain/ingest/extract"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestArrows(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name := ours(p.ImportPath)
		allowed, known := arrows[name]
		if !known {
			t.Errorf("package %s is not in the table of arrows", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if path == "bitb" || strings.HasPrefix(path, "bitb/") {
				if target := ours(path); !slices.Contains(allowed, target) && !slices.Contains(allowed, "*") || target == "web" {
					t.Errorf("%s imports %s", name, path)
				}
			}
			for prefix, who := range fenced {
				if strings.HasPrefix(path, prefix) && !slices.Contains(who, name) {
					t.Errorf("%s imports %s, which is fenced", name, path)
				}
			}
		}
	}
}

func ours(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, "bitb"), "/") }
