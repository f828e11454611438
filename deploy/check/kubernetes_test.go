package check

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

const manifests = "../kubernetes/"

var overlays = []string{"overlays/production", "overlays/production/migrate", "overlays/production/doctor", "overlays/own-postgres", "overlays/trial", "overlays/trial/migrate"}

var kubernetesSchemas = sync.OnceValues(newSchemas)

func built(t *testing.T, dir string) []object {
	t.Helper()
	objects, err := build(manifests + dir)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	return objects
}

// Each overlay is built as kubectl would, and each object has the fields and types that Kubernetes gives its kind.
func TestManifests(t *testing.T) {
	schemas, err := kubernetesSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range overlays {
		for _, o := range built(t, dir) {
			if err := schemas.validate(o); err != nil {
				t.Errorf("%s: %s: %v", dir, name(o), err)
			}
		}
	}
}

// The check above finds what people get wrong.
func TestPlantedMistakes(t *testing.T) {
	schemas, err := kubernetesSchemas()
	if err != nil {
		t.Fatal(err)
	}
	web := func() object { return find(t, built(t, "overlays/production"), "Deployment", "web") }
	container := func(o object) object { return at[[]any](o, "spec.template.spec.containers")[0].(object) }
	for what, plant := range map[string]func(object){
		"a misspelled field":        func(o object) { at[object](o, "spec.strategy.rollingUpdate")["maxUnavailible"] = 0 },
		"a field one level too far": func(o object) { container(o)["terminationGracePeriodSeconds"] = 60 },
		"a number in quotes":        func(o object) { at[object](o, "spec.template.spec")["terminationGracePeriodSeconds"] = "60" },
		"a list that is none":       func(o object) { container(o)["args"] = "serve" },
		"no selector":               func(o object) { delete(at[object](o, "spec"), "selector") },
		"a version that has gone":   func(o object) { o["apiVersion"] = "extensions/v1beta1" },
		"another kind's version":    func(o object) { o["apiVersion"] = "batch/v1" },
	} {
		o := web()
		if err := schemas.validate(o); err != nil {
			t.Fatalf("before %s: %v", what, err)
		}
		plant(o)
		if err := schemas.validate(o); err == nil {
			t.Errorf("%s is not found", what)
		}
	}
}

// Every pod keeps to the restricted Pod Security Standard, which the namespace enforces, and to a little more.
func TestPodsAreConfined(t *testing.T) {
	for _, dir := range overlays {
		for _, o := range built(t, dir) {
			pod, ok := podOf(o)
			if !ok {
				continue
			}
			account, token := "bitb", false
			if name(o) == "Job/doctor" { // which may look at a few things in the namespace
				account, token = "bitb-doctor", true
			}
			for path, want := range map[string]any{"securityContext.runAsNonRoot": true, "securityContext.seccompProfile.type": "RuntimeDefault",
				"automountServiceAccountToken": token, "serviceAccountName": account} {
				if got := lookup(pod, path); got != want {
					t.Errorf("%s: %s: %s is %v", dir, name(o), path, got)
				}
			}
			for _, c := range pod["containers"].([]any) {
				for path, want := range map[string]any{"securityContext.allowPrivilegeEscalation": false,
					"securityContext.readOnlyRootFilesystem": true, "securityContext.capabilities.drop": []any{"ALL"}} {
					if got := lookup(c, path); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: %s: %s is %v", dir, name(o), path, got)
					}
				}
				for _, path := range []string{"resources.requests.cpu", "resources.requests.memory", "resources.limits.memory"} {
					if lookup(c, path) == nil {
						t.Errorf("%s: %s has no %s", dir, name(o), path)
					}
				}
			}
		}
	}
}

// What belongs together does: selectors choose pods, autoscalers and budgets their deployments, and ports have the names used.
func TestReferences(t *testing.T) {
	for _, dir := range overlays {
		objects := built(t, dir)
		pods := map[string]object{} // by component
		for _, o := range objects {
			if pod, ok := podOf(o); ok {
				pods[lookup(o, "metadata.labels.app\\.kubernetes\\.io/component").(string)] = pod
			}
		}
		for _, o := range objects {
			switch o["kind"] {
			case "Service":
				pod := pods[lookup(o, "spec.selector.app\\.kubernetes\\.io/component").(string)]
				port := lookup(o, "spec.ports").([]any)[0].(object)["targetPort"]
				if pod == nil || ports(pod)[port.(string)] == nil {
					t.Errorf("%s: %s reaches no port", dir, name(o))
				}
			case "HorizontalPodAutoscaler":
				find(t, objects, "Deployment", lookup(o, "spec.scaleTargetRef.name").(string))
			case "PodDisruptionBudget":
				if pods[lookup(o, "spec.selector.matchLabels.app\\.kubernetes\\.io/component").(string)] == nil {
					t.Errorf("%s: %s protects nothing", dir, name(o))
				}
			case "Ingress":
				if !strings.Contains(fmt.Sprint(o["spec"]), "service:map[name:web port:map[name:http]]") {
					t.Errorf("%s: %s does not lead to web", dir, name(o))
				}
			}
		}
	}
}

func ports(pod object) map[string]any {
	named := map[string]any{}
	for _, c := range pod["containers"].([]any) {
		declared, _ := c.(object)["ports"].([]any)
		for _, p := range declared {
			named[p.(object)["name"].(string)] = p.(object)["containerPort"]
		}
	}
	return named
}

// podOf is the pod that an object makes.
func podOf(o object) (object, bool) {
	switch o["kind"] {
	case "Deployment", "Job":
		return at[object](o, "spec.template.spec"), true
	case "CronJob":
		return at[object](o, "spec.jobTemplate.spec.template.spec"), true
	}
	return nil, false
}

func name(o object) string { return fmt.Sprintf("%v/%v", o["kind"], lookup(o, "metadata.name")) }

func find(t *testing.T, objects []object, kind, called string) object {
	t.Helper()
	for _, o := range objects {
		if name(o) == kind+"/"+called {
			return o
		}
	}
	t.Fatalf("there is no %s/%s", kind, called)
	return nil
}

// lookup follows a path of names with dots between; a dot within a name is written \.
func lookup(v any, path string) any {
	for _, step := range strings.Split(strings.ReplaceAll(path, `\.`, "\x00"), ".") {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[strings.ReplaceAll(step, "\x00", ".")]
	}
	return v
}

func at[T any](v any, path string) T { return lookup(v, path).(T) }
