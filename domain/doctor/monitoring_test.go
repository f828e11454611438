package doctor

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answering serves bodies by path; what is not there is 404.
func answering(t *testing.T, bodies map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestMetrics(t *testing.T) {
	ours := answering(t, map[string]string{"/metrics": "# TYPE bitb_answers_total counter\nbitb_answers_total 1\n# TYPE go_gc counter\n"})
	others, closed := answering(t, map[string]string{"/metrics": "# TYPE up gauge\n"}), answering(t, nil)
	ends(t, "served", Metrics(ours+"/metrics", closed)(t.Context()), Passed, "1 kinds")
	ends(t, "public", Metrics(ours+"/metrics", ours)(t.Context()), Failed, "are public")
	ends(t, "others'", Metrics(others+"/metrics", closed)(t.Context()), Failed, "no metric of BITB")
	ends(t, "none", Metrics("http://127.0.0.1:1/metrics", closed)(t.Context()), Failed, "refused")
}

func TestPrometheus(t *testing.T) {
	target := func(job, health string) string {
		return `{"status":"success","data":{"activeTargets":[{"labels":{"job":"node"},"health":"up"},
			{"labels":{"job":"` + job + `"},"health":"` + health + `","scrapeUrl":"http://web-1:9464/metrics","lastError":"timeout"}]}}`
	}
	rules := func(name, health, state string) string {
		return `{"status":"success","data":{"groups":[{"rules":[{"name":"Watchdog","health":"ok","state":"firing","query":"vector(1)"},
			{"name":"` + name + `","query":"up","health":"` + health + `","state":"` + state + `","lastError":"bad"}]}]}}`
	}
	managers := func(list string) string {
		return `{"status":"success","data":{"activeAlertmanagers":[` + list + `]}}`
	}
	of := func(path, body string) Prometheus {
		return Prometheus{Address: answering(t, map[string]string{"/api/v1/" + path: body}) + "/"}
	}
	away, wrong := Prometheus{Address: "http://127.0.0.1:1"}, of("targets", "<html>")
	for _, c := range []struct {
		name string
		got  Result
		want Status
		says string
	}{
		{"up", of("targets", target("bitb", "up")).Targets(t.Context()), Passed, "1 process"},
		{"down", of("targets", target("bitb", "down")).Targets(t.Context()), Failed, "http://web-1:9464/metrics (timeout)"},
		{"not known", of("targets", target("others", "up")).Targets(t.Context()), Failed, "no metrics of BITB"},
		{"away", away.Targets(t.Context()), Failed, "refused"},
		{"no Prometheus", wrong.Targets(t.Context()), Failed, "no Prometheus"},
		{"loaded", of("rules", rules("BitbErrors", "ok", "inactive")).Rules([]string{"BitbErrors"})(t.Context()), Passed, "1 alert is loaded, none fires"},
		{"loaded, any", of("rules", rules("BitbErrors", "ok", "inactive")).Rules(nil)(t.Context()), Passed, "1 alert"},
		{"one is missing", of("rules", rules("BitbErrors", "ok", "inactive")).Rules([]string{"BitbErrors", "BitbBackupOld"})(t.Context()), Failed, "the 1 alert BitbBackupOld"},
		{"not loaded", of("rules", rules("Others", "ok", "inactive")).Rules(nil)(t.Context()), Failed, "lacks every alert"},
		{"broken", of("rules", rules("BitbErrors", "err", "inactive")).Rules(nil)(t.Context()), Failed, "cannot evaluate BitbErrors (bad)"},
		{"fires", of("rules", rules("BitbErrors", "ok", "firing")).Rules(nil)(t.Context()), Failed, "1 alert fires: BitbErrors"},
		{"rules away", away.Rules(nil)(t.Context()), Failed, "refused"},
		{"told", of("alertmanagers", managers(`{"url":"http://am:9093/api"}`)).Alertmanager(t.Context()), Passed, "am:9093"},
		{"nobody told", of("alertmanagers", managers("")).Alertmanager(t.Context()), Failed, "wakes nobody"},
		{"told, away", away.Alertmanager(t.Context()), Failed, "refused"},
	} {
		ends(t, c.name, c.got, c.want, c.says)
	}
}

func TestCollector(t *testing.T) {
	at := answering(t, map[string]string{"/health": "ok"})
	ends(t, "well", Collector(at+"/health")(t.Context()), Passed, "well")
	ends(t, "ill", Collector(at+"/ill")(t.Context()), Failed, "404")
}

const deployments = `{"items":[
	{"metadata":{"name":"web","labels":{"app.kubernetes.io/component":"web"}},"spec":{"replicas":3},"status":{"readyReplicas":3,"updatedReplicas":3}},
	{"metadata":{"name":"worker","labels":{"app.kubernetes.io/component":"worker"}},"spec":{"replicas":2},"status":{"readyReplicas":2,"updatedReplicas":2}}]}`

const budgets = `{"items":[
	{"spec":{"selector":{"matchLabels":{"app.kubernetes.io/component":"web"}}},"status":{"disruptionsAllowed":1}},
	{"spec":{"selector":{"matchLabels":{"app.kubernetes.io/component":"worker"}}},"status":{"disruptionsAllowed":1}}]}`

const scalers = `{"items":[
	{"spec":{"scaleTargetRef":{"name":"web"},"minReplicas":3,"maxReplicas":20},"status":{"currentReplicas":3,"conditions":[{"type":"ScalingActive","status":"True"}]}},
	{"spec":{"scaleTargetRef":{"name":"worker"},"minReplicas":2,"maxReplicas":20},"status":{"currentReplicas":2,"conditions":[{"type":"ScalingActive","status":"True","message":"no metrics"}]}}]}`

// cluster plays the Kubernetes API to whoever has the token of the account.
func cluster(t *testing.T, path, body string) *Kubernetes {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-the-pod" || r.URL.Path != path || body == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, content := range map[string]string{"token": "token-of-the-pod\n", "namespace": "bitb", "ca.crt": string(ca)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	k, err := InKubernetes(u.Hostname(), u.Port(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKubernetes(t *testing.T) {
	const apps, policy, scaling = "/apis/apps/v1/namespaces/bitb/deployments", "/apis/policy/v1/namespaces/bitb/poddisruptionbudgets", "/apis/autoscaling/v2/namespaces/bitb/horizontalpodautoscalers"
	swap := func(in, old, with string) string {
		if !strings.Contains(in, old) {
			t.Fatalf("no %s", old)
		}
		return strings.ReplaceAll(in, old, with)
	}
	for _, c := range []struct {
		name string
		got  Result
		want Status
		says string
	}{
		{"replicas", cluster(t, apps, deployments).Replicas(t.Context()), Passed, "3 pods serve and 2 read"},
		{"one is not ready", cluster(t, apps, swap(deployments, `"readyReplicas":3`, `"readyReplicas":2`)).Replicas(t.Context()), Failed, "web has 2 of 3 pods ready"},
		{"one worker", cluster(t, apps, swap(deployments, `2`, `1`)).Replicas(t.Context()), Failed, "worker has 1 pod"},
		{"a roll-out that hangs", cluster(t, apps, swap(deployments, `"updatedReplicas":3`, `"updatedReplicas":1`)).Replicas(t.Context()), Failed, "1 of them new"},
		{"no deployments", cluster(t, apps, `{"items":[]}`).Replicas(t.Context()), Failed, "web has 0 pods"},
		{"not allowed", cluster(t, apps, "").Replicas(t.Context()), Failed, "does not let this account read deployments"},
		{"budgets", cluster(t, policy, budgets).Disruption(t.Context()), Passed, "One pod of each"},
		{"no budget left", cluster(t, policy, swap(budgets, `"disruptionsAllowed":1`, `"disruptionsAllowed":0`)).Disruption(t.Context()), Failed, "web may lose no pod now"},
		{"no budgets", cluster(t, policy, `{"items":[]}`).Disruption(t.Context()), Failed, "web has none; worker has none"},
		{"budgets not allowed", cluster(t, policy, "").Disruption(t.Context()), Failed, "poddisruptionbudgets"},
		{"autoscalers", cluster(t, scaling, scalers).Autoscaler(t.Context()), Passed, "web: 3 of 3 to 20, worker: 2 of 2 to 20"},
		{"one does not scale", cluster(t, scaling, swap(scalers, `"True","message"`, `"False","message"`)).Autoscaler(t.Context()), Failed, "worker does not scale: no metrics"},
		{"at its end", cluster(t, scaling, swap(scalers, `"currentReplicas":3`, `"currentReplicas":20`)).Autoscaler(t.Context()), Failed, "as many pods as it may have"},
		{"no room", cluster(t, scaling, swap(scalers, `"maxReplicas":20`, `"maxReplicas":2`)).Autoscaler(t.Context()), Failed, "no room to grow"},
		{"none", cluster(t, scaling, `{"items":[]}`).Autoscaler(t.Context()), Failed, "web has none"},
		{"autoscalers not allowed", cluster(t, scaling, "").Autoscaler(t.Context()), Failed, "horizontalpodautoscalers"},
	} {
		ends(t, c.name, c.got, c.want, c.says)
	}
	if k, err := InKubernetes("", "", ""); k != nil || err != nil {
		t.Errorf("outside: %v, %v", k, err)
	}
	if _, err := InKubernetes("10.0.0.1", "443", t.TempDir()); !errors.Is(err, ErrNoAccount) {
		t.Errorf("without an account: %v", err)
	}
}
