package check

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

const root = "../../"

// process is what runs in a container, from whichever kind of file.
type process struct {
	where    string
	args     []string
	env      map[string]string
	grace    time.Duration // from SIGTERM to SIGKILL
	files    []string      // below which secrets are files
	ports    map[string]int
	probes   map[string]string // paths by the name of their port
	database bool
}

// inKubernetes are the containers of an overlay.
func inKubernetes(t *testing.T, dir string) (all []process) {
	t.Helper()
	objects := built(t, dir)
	for _, o := range objects {
		pod, ok := podOf(o)
		if !ok {
			continue
		}
		for _, c := range pod["containers"].([]any) {
			p := process{where: dir + ": " + name(o), env: map[string]string{}, ports: map[string]int{}, probes: map[string]string{}, grace: 30 * time.Second}
			if seconds, ok := pod["terminationGracePeriodSeconds"].(float64); ok {
				p.grace = time.Duration(seconds) * time.Second
			}
			for _, arg := range c.(object)["args"].([]any) {
				p.args = append(p.args, arg.(string))
			}
			maps, _ := c.(object)["envFrom"].([]any)
			for _, from := range maps {
				settings := find(t, objects, "ConfigMap", lookup(from, "configMapRef.name").(string))
				for key, value := range settings["data"].(object) {
					p.env[key] = value.(string)
				}
			}
			own, _ := c.(object)["env"].([]any)
			for _, e := range own {
				p.env[lookup(e, "name").(string)], _ = lookup(e, "value").(string)
			}
			secrets := map[string]bool{}
			for _, v := range pod["volumes"].([]any) {
				secrets[lookup(v, "name").(string)] = lookup(v, "secret") != nil
			}
			for _, m := range c.(object)["volumeMounts"].([]any) {
				if secrets[lookup(m, "name").(string)] {
					p.files = append(p.files, lookup(m, "mountPath").(string)+"/")
				}
			}
			for port, number := range ports(pod) {
				p.ports[port] = int(number.(float64))
			}
			for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
				if lookup(c, probe) != nil {
					p.probes[lookup(c, probe+".httpGet.path").(string)] = lookup(c, probe+".httpGet.port").(string)
				}
			}
			all = append(all, p)
		}
	}
	return all
}

func everywhere(t *testing.T) (all []process) {
	t.Helper()
	for _, dir := range overlays {
		all = append(all, inKubernetes(t, dir)...)
	}
	return append(all, inCompose(t)...)
}

// Whatever is set is a setting that the program reads and the README explains, and every secret is where its setting says.
func TestSettingsExist(t *testing.T) {
	known, readme := settings(t), read(t, "README.md")
	for _, p := range everywhere(t) {
		for key, value := range p.env {
			setting, isFile := strings.CutSuffix(key, "_FILE")
			if !isFile || known[key] != "" {
				setting, isFile = key, false
			}
			switch {
			case known[setting] == "" || !strings.Contains(readme, "`"+setting+"`"):
				t.Errorf("%s: there is no setting %s", p.where, key)
			case isFile && known[setting] != "Secret":
				t.Errorf("%s: %s is no secret and has no file", p.where, setting)
			case isFile && value == "": // not set
			case isFile && !slices.ContainsFunc(p.files, func(dir string) bool { return strings.HasPrefix(value, dir) }):
				t.Errorf("%s: %s is %s, where no secret is", p.where, key, value)
			case !isFile && known[setting] == "Secret" && value != "":
				t.Errorf("%s: the secret %s is written down", p.where, setting)
			}
		}
	}
}

// settings are the fields of the program's configuration, with their types.
func settings(t *testing.T) map[string]string {
	t.Helper()
	sources, err := filepath.Glob(root + "web/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{"BITB_CACHE_DIR": "string"} // read by the PDF reader
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(\\S+) +`env:\"(\\w+)").FindAllStringSubmatch(string(text), -1) {
			found[m[2]] = m[1]
		}
	}
	if len(found) < 20 {
		t.Fatalf("found %d settings", len(found))
	}
	return found
}

// Containers run commands that there are, and have the time to stop that the program takes.
func TestStopsInTime(t *testing.T) {
	within := duration(t, "web/drain.go", "stopWithin")
	usage := read(t, "web/main.go")
	for _, p := range everywhere(t) {
		if len(p.args) == 0 || !strings.Contains(usage, "\n  bitb "+p.args[0]+" ") {
			t.Errorf("%s: there is no command %v", p.where, p.args)
			continue
		}
		switch p.args[0] {
		case "serve":
			drain, err := time.ParseDuration(p.env["BITB_DRAIN"])
			if err != nil || drain <= 0 {
				t.Errorf("%s: BITB_DRAIN is %q", p.where, p.env["BITB_DRAIN"])
			}
			if p.grace < drain+within+5*time.Second {
				t.Errorf("%s: is killed after %s, and takes up to %s", p.where, p.grace, drain+within)
			}
		case "work":
			if p.grace < within+5*time.Second {
				t.Errorf("%s: is killed after %s, and takes up to %s", p.where, p.grace, within)
			}
		}
	}
}

// Ports are those that the image listens on, and probes ask for what the program answers there.
func TestPortsAndProbes(t *testing.T) {
	docker, routes, inward := read(t, "Dockerfile"), read(t, "handlers/routes.go"), read(t, "web/drain.go")
	listens := map[string]string{"http": "BITB_LISTEN", "metrics": "BITB_METRICS_LISTEN"}
	probed := 0
	for _, p := range everywhere(t) {
		for port, number := range p.ports {
			if !strings.Contains(docker, fmt.Sprintf("%s=:%d", listens[port], number)) || !regexp.MustCompile(fmt.Sprintf(`EXPOSE.* %d\b`, number)).MatchString(docker) {
				t.Errorf("%s: the image does not listen on %d", p.where, number)
			}
		}
		for path, port := range p.probes {
			probed++
			if port == "http" && !strings.Contains(routes, `path: "`+path+`"`) || port == "metrics" && !strings.Contains(inward, `"GET `+path+`"`) {
				t.Errorf("%s: %s does not answer %s", p.where, port, path)
			}
			if p.ports[port] == 0 {
				t.Errorf("%s: there is no port %s", p.where, port)
			}
		}
	}
	if probed < 8 {
		t.Errorf("%d probes", probed)
	}
}

// duration is a constant of a Go file, such as 25 * time.Second.
func duration(t *testing.T, file, constant string) time.Duration {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), root+file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found time.Duration
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != constant || len(spec.Values) != 1 {
			return true
		}
		product, ok := spec.Values[0].(*ast.BinaryExpr)
		if !ok {
			return true
		}
		count, err := strconv.Atoi(product.X.(*ast.BasicLit).Value)
		unit := map[string]time.Duration{"Second": time.Second, "Minute": time.Minute}[product.Y.(*ast.SelectorExpr).Sel.Name]
		if err == nil {
			found = time.Duration(count) * unit
		}
		return false
	})
	if found == 0 {
		t.Fatalf("%s has no %s", file, constant)
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(root + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Prometheus in the cluster keeps the pods that have metrics: by what it is told of their labels and ports.
func TestPrometheusFindsPods(t *testing.T) {
	var config struct {
		Scrapes []struct {
			Relabel []struct {
				From          []string `json:"source_labels"`
				Regex, Action string
			} `json:"relabel_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/monitoring/prometheus-kubernetes.yml")), &config); err != nil {
		t.Fatal(err)
	}
	objects := built(t, "overlays/production")
	for _, deployment := range []string{"web", "worker"} {
		o := find(t, objects, "Deployment", deployment)
		told := map[string]string{}
		for label, value := range at[object](o, "spec.template.metadata.labels") {
			told["__meta_kubernetes_pod_label_"+regexp.MustCompile(`\W`).ReplaceAllString(label, "_")] = value.(string)
		}
		if pod, _ := podOf(o); ports(pod)["metrics"] != nil {
			told["__meta_kubernetes_pod_container_port_name"] = "metrics"
		}
		kept := 0
		for _, r := range config.Scrapes[0].Relabel {
			if r.Action != "keep" {
				continue
			}
			if !regexp.MustCompile("^(?:" + r.Regex + ")$").MatchString(told[r.From[0]]) {
				t.Errorf("Prometheus does not keep %s: %s is %q", deployment, r.From[0], told[r.From[0]])
			}
			kept++
		}
		if kept < 2 {
			t.Errorf("Prometheus keeps everything")
		}
	}
}

// The metric that the workers' autoscaler goes by is one that the adapter serves and the program tells.
func TestAutoscalerMetric(t *testing.T) {
	worker := find(t, built(t, "overlays/production"), "HorizontalPodAutoscaler", "worker")
	metric := ""
	for _, m := range at[[]any](worker, "spec.metrics") {
		if m := lookup(m, "external.metric.name"); m != nil {
			metric = m.(string)
		}
	}
	if adapter := read(t, "deploy/kubernetes/prometheus-adapter.yaml"); metric == "" || !strings.Contains(adapter, "as: "+metric+"\n") {
		t.Errorf("the adapter does not serve %q", metric)
	}
	sources, err := filepath.Glob(root + "web/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if text, err := os.ReadFile(source); err == nil && strings.Contains(string(text), `"`+metric+`"`) {
			return
		}
	}
	t.Errorf("the program does not tell %q", metric)
}
