package check

import (
	"os"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// The Dockerfile is read as BuildKit reads it, with the checks of `docker build --check` that need no build. Building it needs an engine.
func TestDockerfile(t *testing.T) {
	file, err := os.Open(root + "Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, what, _, message string, _ []parser.Range) { t.Errorf("%s: %s: %s", rule, what, message) }})
	stages, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, stage := range stages {
		names[stage.Name] = true
		user, authorities := "", false
		for _, command := range stage.Commands {
			switch c := command.(type) {
			case *instructions.UserCommand:
				user = c.User
			case *instructions.CopyCommand:
				if c.From != "" && !names[c.From] {
					t.Errorf("copies from %s, which is no stage before", c.From)
				}
				authorities = authorities || c.DestPath == "/etc/ssl/certs/ca-certificates.crt"
			}
		}
		if stage.Name != "build" && (user == "" || strings.HasPrefix(user, "0")) {
			t.Errorf("%s runs as root", stage.Name)
		}
		if stage.Name != "build" && !authorities {
			t.Errorf("%s believes no certificate of a bucket or a model", stage.Name)
		}
	}
	// The linker says nothing of a variable that is not there.
	if !strings.Contains(read(t, "Dockerfile"), "-X main.revision=$REVISION") || !strings.Contains(read(t, "web/doctor.go"), "\nvar revision string\n") {
		t.Error("an image does not know which commit it is")
	}
	if len(stages) != 3 || stages[2].Name != "bitb" {
		t.Errorf("the last stage, which a plain build makes, is %v", names)
	}
}
