// Package check tests the files that put BITB on machines: the manifests against the schemas of Kubernetes itself, compose.yaml as
// Compose reads it, the Dockerfile as BuildKit does, and all of them against what the program knows.
package check

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// The release of Kubernetes whose API is checked against, and its checksum. Its OpenAPI files come with its Go module.
const (
	kubernetes    = "k8s.io/kubernetes@v1.37.2"
	kubernetesSum = "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="
)

type object = map[string]any

// build is what `kubectl apply -k` would send.
func build(dir string) ([]object, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, err
	}
	var objects []object
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		var o object
		if err := yaml.UnmarshalStrict(text, &o); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// schemas checks objects as the API server does when it is told to be strict about fields.
type schemas struct {
	dir      string
	compiler *jsonschema.Compiler
	loaded   map[string]map[string]string // by group and version: a kind's schema
}

func newSchemas() (*schemas, error) {
	command := exec.Command("go", "mod", "download", "-json", kubernetes)
	command.Dir = os.TempDir() // outside of this module, which does not link Kubernetes
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w: %s", kubernetes, err, out)
	}
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	if module.Sum != kubernetesSum {
		return nil, fmt.Errorf("%s has the checksum %s", kubernetes, module.Sum)
	}
	return &schemas{filepath.Join(module.Dir, "api", "openapi-spec", "v3"), jsonschema.NewCompiler(), map[string]map[string]string{}}, nil
}

func (s *schemas) validate(o object) error {
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	kinds, err := s.load(version)
	if err != nil {
		return err
	}
	at, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("Kubernetes has no %s in %s", kind, version)
	}
	schema, err := s.compiler.Compile(at)
	if err != nil {
		return err
	}
	return schema.Validate(o)
}

// load reads the schemas of one group and version, apps/v1 say, and says where each kind's is.
func (s *schemas) load(version string) (map[string]string, error) {
	if kinds, ok := s.loaded[version]; ok {
		return kinds, nil
	}
	group, v, grouped := strings.Cut(version, "/")
	name := "apis__" + group + "__" + v + "_openapi.json"
	if !grouped {
		name = "api__" + version + "_openapi.json"
	}
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return nil, fmt.Errorf("Kubernetes has no %s: %w", version, err)
	}
	var spec struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for key, schema := range spec.Components.Schemas {
		strict(schema)
		if strings.HasPrefix(key, "io.k8s.api.") {
			kinds[key[strings.LastIndex(key, ".")+1:]] = "https://kubernetes.test/" + name + "#/components/schemas/" + key
		}
	}
	if err := s.compiler.AddResource("https://kubernetes.test/"+name, object{"components": object{"schemas": spec.Components.Schemas}}); err != nil {
		return nil, err
	}
	s.loaded[version] = kinds
	return kinds, nil
}

// strict lets an object have no fields but those that are named.
func strict(schema any) {
	switch v := schema.(type) {
	case []any:
		for _, each := range v {
			strict(each)
		}
	case object:
		if _, ok := v["properties"].(object); ok && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, each := range v {
			strict(each)
		}
	}
}
