package check

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads files as Docker Compose does, against the schema of the Compose Specification, with the settings of .env.example.
func compose(t *testing.T, files ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions(files, cli.WithEnvFiles(root+"deploy/compose/.env.example"), cli.WithDotEnv)
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

// Docker starts no container that may have more processors than the machine, and docs/go-live.md says that two will do. A volume that is
// mounted where the image has no directory is root's, and nobody else can write to it.
func TestComposeStartsOnASmallMachine(t *testing.T) {
	docker := read(t, "Dockerfile")
	for name, s := range project(t).Services {
		if s.Deploy.Resources.Limits.NanoCPUs > 2 {
			t.Errorf("%s may have %v processors", name, s.Deploy.Resources.Limits.NanoCPUs)
		}
		for _, v := range s.Volumes {
			if v.Type == "volume" && strings.HasPrefix(s.Image, "bitb") && v.Target != "/tmp" &&
				!strings.Contains(docker, "install -d -o "+strings.Replace(s.User, ":", " -g ", 1)+" -m 700 "+v.Target+"\n") {
				t.Errorf("%s cannot write to %s", name, v.Target)
			}
		}
	}
}

// settings.env beside compose.yaml takes any setting of the README, and changes none that the file itself makes.
func TestComposeTakesSettings(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"compose.yaml": read(t, "deploy/compose/compose.yaml"), "settings.env": "BITB_SIGN_UP=invited\nBITB_PRODUCTION=false\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := compose(t, filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range p.Services {
		if !strings.HasPrefix(s.Image, "bitb") {
			continue
		}
		if v := s.Environment["BITB_SIGN_UP"]; v == nil || *v != "invited" {
			t.Errorf("%s does not see settings.env", name)
		}
		if v := s.Environment["BITB_PRODUCTION"]; v == nil || *v != "true" {
			t.Errorf("%s: settings.env turns production off", name)
		}
	}
}

// Monitoring can be put beside what runs without restarting any of it. Its files are there, and Prometheus knows every process that has metrics.
func TestMonitoringBesideCompose(t *testing.T) {
	alone := project(t)
	p, err := compose(t, root+"deploy/compose/compose.yaml", root+"deploy/monitoring/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	prometheus, script, page := read(t, "deploy/monitoring/prometheus.yml"), read(t, "deploy/compose/secrets.sh"), read(t, "docs/monitoring.md")
	for name, s := range p.Services {
		if before, there := alone.Services[name]; there {
			if !reflect.DeepEqual(before, s) {
				t.Errorf("%s is another one with monitoring beside it", name)
			}
			if len(s.Command) > 0 && (s.Command[0] == "serve" || s.Command[0] == "work") && !strings.Contains(prometheus, name+":9464") {
				t.Errorf("Prometheus does not know %s", name)
			}
			continue
		}
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); v.Type == "bind" && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, secret := range s.Secrets {
			file := filepath.Base(p.Secrets[secret.Source].File)
			if !strings.Contains(page, "secrets/"+file) && !strings.Contains(script, strings.TrimSuffix(file, "_password")+";") {
				t.Errorf("%s: nothing tells of secrets/%s", name, file)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s can be reached from outside", name)
			}
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
