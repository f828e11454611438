package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads a file as Docker Compose does, against the schema of the Compose Specification, with the settings of .env.example.
func compose(t *testing.T, file string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnvFiles(root+"deploy/compose/.env.example"), cli.WithDotEnv)
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := compose(t, root+"deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inCompose are the services that run BITB.
func inCompose(t *testing.T) (all []process) {
	t.Helper()
	for name, s := range project(t).Services {
		if !strings.HasPrefix(s.Image, "bitb") {
			continue
		}
		p := process{where: "compose: " + name, args: s.Command, env: map[string]string{}, grace: 10 * time.Second}
		if s.StopGracePeriod != nil {
			p.grace = time.Duration(*s.StopGracePeriod)
		}
		for key, value := range s.Environment {
			if value != nil {
				p.env[key] = *value
			}
		}
		for _, secret := range s.Secrets {
			p.files = append(p.files, "/run/secrets/"+secret.Source)
		}
		all = append(all, p)
	}
	return all
}

// Every container is confined, bounded and looked after, and none but the proxy can be reached from outside.
func TestComposeConfines(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not confined", name)
		}
		if s.User == "" && name != "proxy" {
			t.Errorf("%s runs as root", name)
		}
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 || s.Deploy.Resources.Limits.NanoCPUs == 0 {
			t.Errorf("%s may take all of the machine", name)
		}
		if len(s.Ports) > 0 && name != "proxy" {
			t.Errorf("%s can be reached from outside", name)
		}
		for _, secret := range s.Secrets {
			if p.Secrets[secret.Source].File == "" {
				t.Errorf("%s: the secret %s is no file", name, secret.Source)
			}
		}
	}
	for _, name := range []string{"web-a", "web-b", "worker", "postgres", "redis"} {
		if s := p.Services[name]; s.HealthCheck == nil || s.Restart != "unless-stopped" {
			t.Errorf("%s is not looked after", name)
		}
	}
	if !p.Networks["inside"].Internal || p.Services["postgres"].Networks["outside"] != nil || len(p.Services["postgres"].Networks) != 1 {
		t.Error("the database is not inside alone")
	}
	caddy := read(t, "deploy/compose/Caddyfile")
	for _, name := range []string{"web-a", "web-b"} {
		if !strings.Contains(caddy, name+":8080") {
			t.Errorf("the proxy does not know %s", name)
		}
	}
}

// secrets.sh makes each secret that compose.yaml wants, for reading by all in a directory for one.
func TestSecretsAreMade(t *testing.T) {
	script := read(t, "deploy/compose/secrets.sh")
	for name := range project(t).Secrets {
		stem := strings.TrimSuffix(strings.TrimSuffix(name, "_password"), "_keys")
		if !regexp.MustCompile(`put ` + name + ` |for name in [^;]*\b` + stem + `\b`).MatchString(script) {
			t.Errorf("nothing makes secrets/%s", name)
		}
	}
}

func TestPlantedComposeMistakes(t *testing.T) {
	good := read(t, "deploy/compose/compose.yaml")
	for what, change := range map[string][2]string{
		"a misspelled key":       {"stop_grace_period: 45s # B", "stop_grace_periode: 45s # B"},
		"a list that is none":    {"cap_drop: [ALL]", "cap_drop: ALL"},
		"a secret of no name":    {"secrets: [redis_password]", "secrets: [redis_pasword]"},
		"a dependency of no one": {"migrate: {condition", "migrat: {condition"},
		"a network of no name":   {"networks: [outside]", "networks: [outsyde]"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: %q is not in compose.yaml", what, change[0])
		}
		file := filepath.Join(t.TempDir(), "compose.yaml")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := compose(t, file); err == nil {
			t.Errorf("%s is not found", what)
		} else {
			t.Log(fmt.Sprint(what, ": ", err))
		}
	}
}
