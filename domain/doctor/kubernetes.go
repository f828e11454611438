package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Kubernetes is the cluster that BITB runs in, asked with the account of the pod, which may read a few kinds of things of its own
// namespace (deploy/kubernetes/doctor).
type Kubernetes struct {
	address, namespace, token string
	client                    *http.Client
}

// accountDir is where a pod finds its account.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// ErrNoAccount says that this pod was given no account.
var ErrNoAccount = errors.New("this pod has no account with Kubernetes")

// InKubernetes returns the cluster at an address that every pod is told, nil where there is none, and ErrNoAccount where it cannot be
// asked. dir is where the account is; "": where pods find it.
func InKubernetes(host, port, dir string) (*Kubernetes, error) {
	if host == "" {
		return nil, nil
	}
	if dir == "" {
		dir = accountDir
	}
	var files [3]string
	for i, name := range []string{"token", "namespace", "ca.crt"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, ErrNoAccount
		}
		files[i] = strings.TrimSpace(string(content))
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(files[2]))
	return &Kubernetes{address: "https://" + net.JoinHostPort(host, port), token: files[0], namespace: files[1],
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}, nil
}

// list reads all of a kind in the namespace.
func (k *Kubernetes) list(ctx context.Context, api, kind string, into any) error {
	body, err := fetch(ctx, k.client, fmt.Sprintf("%s/apis/%s/namespaces/%s/%s", k.address, api, k.namespace, kind), "Authorization", "Bearer "+k.token)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return json.Unmarshal(body, into)
}

func (k *Kubernetes) away(err error) Result {
	if strings.Contains(err.Error(), "403") {
		return Fail("Kubernetes does not let this account read %v.", err).Doing("Run the doctor's job: `kubectl apply -k deploy/kubernetes/overlays/production/doctor`; its account may.")
	}
	return Fail("Kubernetes cannot be asked: %v.", err).Doing("See that the network policy lets this pod to the Kubernetes API.")
}

// components are the deployments that must not go all at once.
var components = []string{"web", "worker"}

type labelled struct {
	Metadata struct {
		Name   string
		Labels map[string]string
	}
}

const componentLabel = "app.kubernetes.io/component"

// Replicas wants two of each at least, all ready.
func (k *Kubernetes) Replicas(ctx context.Context) Result {
	var all struct {
		Items []struct {
			labelled
			Spec   struct{ Replicas int }
			Status struct{ ReadyReplicas, UpdatedReplicas int }
		}
	}
	if err := k.list(ctx, "apps/v1", "deployments", &all); err != nil {
		return k.away(err)
	}
	ready := map[string]int{}
	var wrong []string
	for _, d := range all.Items {
		component := d.Metadata.Labels[componentLabel]
		ready[component] = d.Status.ReadyReplicas
		if d.Status.ReadyReplicas < d.Spec.Replicas || d.Status.UpdatedReplicas < d.Spec.Replicas {
			wrong = append(wrong, fmt.Sprintf("%s has %d of %d pods ready, %d of them new", d.Metadata.Name, d.Status.ReadyReplicas, d.Spec.Replicas, d.Status.UpdatedReplicas))
		}
	}
	for _, c := range components {
		if ready[c] < 2 {
			wrong = append(wrong, fmt.Sprintf("%s has %s", c, plural(ready[c], "pod", "pods")))
		}
	}
	return All(wrong, fmt.Sprintf("%d pods serve and %d read documents.", ready["web"], ready["worker"]),
		"Let the autoscaler's minReplicas be two at least, and see why pods are not ready: `kubectl describe pods`.")
}

// Disruption wants a budget for each, that lets one go now.
func (k *Kubernetes) Disruption(ctx context.Context) Result {
	var all struct {
		Items []struct {
			Spec struct {
				Selector struct{ MatchLabels map[string]string }
			}
			Status struct{ DisruptionsAllowed int }
		}
	}
	if err := k.list(ctx, "policy/v1", "poddisruptionbudgets", &all); err != nil {
		return k.away(err)
	}
	allowed := map[string]int{}
	for _, b := range all.Items {
		allowed[b.Spec.Selector.MatchLabels[componentLabel]] = b.Status.DisruptionsAllowed
	}
	var wrong []string
	for _, c := range components {
		n, there := allowed[c]
		switch {
		case !there:
			wrong = append(wrong, c+" has none")
		case n < 1:
			wrong = append(wrong, c+" may lose no pod now")
		}
	}
	return All(wrong, "One pod of each may go at a time.", "Apply deploy/kubernetes as it is; where no pod may go now, see why some are not ready.")
}

// Autoscaler wants one for each, that works.
func (k *Kubernetes) Autoscaler(ctx context.Context) Result {
	var all struct {
		Items []struct {
			Spec struct {
				ScaleTargetRef           struct{ Name string }
				MinReplicas, MaxReplicas int
			}
			Status struct {
				CurrentReplicas int
				Conditions      []struct{ Type, Status, Message string }
			}
		}
	}
	if err := k.list(ctx, "autoscaling/v2", "horizontalpodautoscalers", &all); err != nil {
		return k.away(err)
	}
	var wrong, fine []string
	found := map[string]bool{}
	for _, a := range all.Items {
		name := a.Spec.ScaleTargetRef.Name
		found[name] = true
		fine = append(fine, fmt.Sprintf("%s: %d of %d to %d", name, a.Status.CurrentReplicas, a.Spec.MinReplicas, a.Spec.MaxReplicas))
		if a.Spec.MaxReplicas <= a.Spec.MinReplicas {
			wrong = append(wrong, name+" has no room to grow")
		}
		if a.Status.CurrentReplicas >= a.Spec.MaxReplicas {
			wrong = append(wrong, name+" has as many pods as it may have")
		}
		for _, c := range a.Status.Conditions {
			if c.Type == "ScalingActive" && c.Status != "True" {
				wrong = append(wrong, name+" does not scale: "+c.Message)
			}
		}
	}
	for _, c := range components {
		if !found[c] {
			wrong = append(wrong, c+" has none")
		}
	}
	return All(wrong, strings.Join(fine, ", ")+".", "Apply deploy/kubernetes; it needs the metrics server, and prometheus-adapter for the age of the queue (docs/deploying.md).")
}
