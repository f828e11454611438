package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

const monitoring = "../deploy/monitoring"

var described = regexp.MustCompile(`fqName: "(bitb_\w+)".*variableLabels: \{([^}]*)\}`)

// ownMetrics are the program's by name, with their labels.
func ownMetrics() map[string][]string {
	m := newMetrics()
	m.registry.MustRegister(newFacts(&server{}))
	names := map[string][]string{}
	descs := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descs)
	close(descs)
	for d := range descs {
		if found := described.FindStringSubmatch(d.String()); found != nil {
			names[found[1]] = strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	return names
}

// docs/monitoring.md explains every metric there is, with its labels, and none that is not.
func TestMetricsAreExplained(t *testing.T) {
	page := readFile(t, "../docs/monitoring.md")
	explained := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(bitb_\\w+)(?:\\{([^}]*)\\})?` \\|").FindAllStringSubmatch(page, -1) {
		explained[row[1]] = row[2]
	}
	own := ownMetrics()
	for name, labels := range own {
		if got, ok := explained[name]; !ok || got != strings.Join(labels, ", ") {
			t.Errorf("docs/monitoring.md says %q of the labels of %s, which are %q", got, name, strings.Join(labels, ", "))
		}
	}
	for name := range explained {
		if own[name] == nil {
			t.Errorf("docs/monitoring.md explains %s, which does not exist", name)
		}
	}
	for name := range rules(t) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/monitoring.md says nothing of the alert %s", name)
		}
	}
}

// checkExpression fails for a name that the program does not have.
func checkExpression(t *testing.T, where, expr string, own map[string][]string) {
	t.Helper()
	for _, name := range metricName.FindAllString(expr, -1) {
		base := regexp.MustCompile("_(bucket|count|sum)$").ReplaceAllString(name, "")
		if own[name] == nil && own[base] == nil && name != "up" && name != "bitb_system" { // a role
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
}

// Each alert has a severity, a summary and a page that says what to look at first.
func TestRules(t *testing.T) {
	own := ownMetrics()
	all := rules(t)
	for name, r := range all {
		labels, _ := r["labels"].(map[string]any)
		notes, _ := r["annotations"].(map[string]any)
		checkExpression(t, name, fmt.Sprint(r["expr"]), own)
		if s := labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %v", name, s)
		}
		page := "docs/runbooks/" + name + ".md"
		if notes["summary"] == nil || notes["runbook_url"] != page {
			t.Errorf("%s has the notes %v", name, notes)
		}
		if text := readFile(t, "../"+page); !strings.HasPrefix(text, "# "+name+"\n") || !strings.Contains(text, "Look first at") {
			t.Errorf("%s does not say what to look at first", page)
		}
	}
	for _, link := range regexp.MustCompile(`\]\((Bitb\w+)\.md\)`).FindAllStringSubmatch(allRunbooks(t), -1) {
		if all[link[1]] == nil {
			t.Errorf("a runbook points at %s, which is no alert", link[1])
		}
	}
	runPromtool(t, "check", "config", monitoring+"/prometheus.yml") // Debian's promtool knows no Kubernetes
}

// Whoever is not found cannot be seen to fail: that Prometheus finds nobody is an alert too.
func TestNobodyIsWatched(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nobody.yml")
	path, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	fires := func(at string, want int) map[string]any {
		return map[string]any{"eval_time": at, "expr": `count(ALERTS{alertname="BitbDown", alertstate="firing"}) or vector(0)`,
			"exp_samples": []map[string]any{{"labels": "{}", "value": want}}}
	}
	writeYAML(t, file, map[string]any{"rule_files": []string{path}, "evaluation_interval": "15s", "tests": []any{map[string]any{"interval": "15s",
		"input_series":     []map[string]string{{"series": `up{job="bitb",instance="web"}`, "values": "_x8 1x8"}},
		"promql_expr_test": []any{fires("30s", 0), fires("105s", 1), fires("4m", 0)}}}})
	runPromtool(t, "test", "rules", file)
}

func allRunbooks(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	files, _ := filepath.Glob("../docs/runbooks/Bitb*.md")
	for _, f := range files {
		content := readFile(t, f)
		text.WriteString(content)
		checkExpression(t, f, content, ownMetrics())
	}
	return text.String()
}

type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID          int
		Type, Title string
		Datasource  map[string]string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ RefID, Expr, LegendFormat string }
	}
	Templating struct{ List []struct{ Name, Type string } }
}

// What the dashboards ask for exists and can be asked for, and no panel covers another.
func TestDashboards(t *testing.T) {
	own, asked := ownMetrics(), map[string]bool{}
	files, _ := filepath.Glob(monitoring + "/grafana/dashboards/*.json")
	if len(files) != 4 {
		t.Errorf("there are %d dashboards", len(files))
	}
	var records []map[string]string
	for _, file := range files {
		var d dashboard
		if err := json.Unmarshal([]byte(readFile(t, file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d.UID+".json" != filepath.Base(file) || len(d.Templating.List) != 1 || d.Templating.List[0].Type != "datasource" {
			t.Errorf("%s: uid %q, variables %v", file, d.UID, d.Templating.List)
		}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if x >= 24 || taken[[2]int{x, y}] != "" {
						t.Fatalf("%s: %q covers %q or sticks out", file, p.Title, taken[[2]int{x, y}])
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			for _, target := range p.Targets {
				checkExpression(t, file+": "+p.Title, target.Expr, own)
				for _, name := range metricName.FindAllString(target.Expr, -1) {
					asked[name] = true
				}
				records = append(records, map[string]string{"record": "x", "expr": strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")})
			}
			if len(p.Targets) == 0 || p.Datasource["uid"] != "${datasource}" {
				t.Errorf("%s: %q asks for nothing, or of whom it does not say", file, p.Title)
			}
		}
	}
	for name := range own {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(asked)), func(a string) bool { return strings.HasPrefix(a, name) }) {
			t.Errorf("no dashboard shows %s", name)
		}
	}
	// promtool knows expressions in rules alone.
	for i := range records {
		records[i]["record"] = fmt.Sprintf("panel:%d", i)
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	writeYAML(t, file, map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": records}}})
	runPromtool(t, "check", "rules", file)
}

func runPromtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed; make test brings it")
	}
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
	}
}

// logFields are what a line of a request has.
var logFields = []string{"time", "level", "msg", "request_id", "actor", "route", "tenant_id", "trace_id", "span_id", "method", "status", "ms", "error"}

// The examples can be read, and whatever they say of a field of our log is said of one that exists. The collectors themselves are
// not here to try them.
func TestCollectors(t *testing.T) {
	n := 0
	err := fs.WalkDir(os.DirFS(monitoring), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text := readFile(t, filepath.Join(monitoring, path))
		var v any
		switch filepath.Ext(path) {
		case ".yml", ".yaml":
			err = yaml.Unmarshal([]byte(text), &v)
		case ".json":
			err = json.Unmarshal([]byte(text), &v)
		case ".conf", ".md":
		default:
			t.Errorf("%s: nobody looked at it", path)
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		n++
		for _, field := range regexp.MustCompile(`from: bitb\.(\w+)|"sources": \["(\w+)"\]|Time_Key +(\w+)|field: bitb\.(\w+)`).FindAllStringSubmatch(text, -1) {
			if name := strings.Join(field[1:], ""); !slices.Contains(logFields, name) {
				t.Errorf("%s: our log has no field %s", path, name)
			}
		}
		return nil
	})
	if err != nil || n < 12 {
		t.Errorf("%d files, %v", n, err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}
