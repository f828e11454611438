package check

import (
	"net/netip"
	"slices"
	"testing"
)

// place is where a connection comes from or goes to: a pod of ours by its component, a pod of another namespace, or an address.
type place struct{ component, namespace, address string }

// Each pod reaches what it needs, and nobody what hands out the node's rights.
func TestNetwork(t *testing.T) {
	ours := func(component string) place { return place{component: component} }
	in := func(namespace string) place { return place{namespace: namespace} }
	at := func(address string) place { return place{address: address} }
	policies := slices.Concat(built(t, "overlays/own-postgres"), built(t, "overlays/production/doctor"), built(t, "overlays/production/migrate"))
	everybody := []string{"web", "worker", "migrate", "doctor", "backup", "prune", "drill", "archive"}
	serving, looking := []string{"web"}, []string{"web", "doctor"}
	for _, c := range []struct {
		what  string
		to    place
		port  any
		allow []string
	}{
		{"names", in("kube-system"), 53.0, everybody},
		{"PostgreSQL", at("10.20.1.2"), 5432.0, everybody},
		{"Redis", at("10.20.1.2"), 6379.0, everybody},
		{"models and buckets", at("203.0.113.5"), 443.0, everybody},
		{"plain HTTP, to see that it is refused", at("203.0.113.5"), 80.0, looking},
		{"the ingress controller", in("traefik"), 8443.0, looking},
		{"Prometheus", in("monitoring"), 9090.0, looking},
		{"the collector's health", in("monitoring"), 2020.0, looking},
		{"Kubernetes' API", at("10.0.0.1"), 6443.0, []string{"doctor"}},
		{"Kubernetes' API", at("10.0.0.1"), 443.0, []string{"doctor"}},
		{"somebody's private HTTP", at("10.0.0.1"), 80.0, nil},
		{"another namespace", in("default"), 443.0, nil},
		{"the node's rights", at("169.254.169.254"), 80.0, nil},
		{"the node's rights", at("169.254.169.254"), 443.0, nil},
	} {
		for _, component := range everybody {
			if got, want := allowed(policies, "egress", component, c.to, c.port), slices.Contains(c.allow, component); got != want {
				t.Errorf("%s to %s, port %v: %v", component, c.what, c.port, got)
			}
		}
	}
	for _, c := range []struct {
		from  place
		port  any
		allow []string
	}{
		{in("traefik"), "http", serving}, {in("traefik"), "metrics", nil}, {in("default"), "http", nil}, {at("203.0.113.5"), "http", nil},
		{in("monitoring"), "metrics", []string{"web", "worker"}}, {in("monitoring"), "http", nil}, {ours("worker"), "http", nil},
	} {
		for _, component := range everybody {
			if got, want := allowed(policies, "ingress", component, c.from, c.port), slices.Contains(c.allow, component); got != want {
				t.Errorf("%+v to %s, port %v: %v", c.from, component, c.port, got)
			}
		}
	}
}

// allowed is whether some policy lets a component's connections through, as network plugins add them up. All components are under one that
// lets nothing through.
func allowed(objects []object, way, component string, other place, port any) bool {
	peers := map[string]string{"egress": "to", "ingress": "from"}[way]
	for _, o := range objects {
		if o["kind"] != "NetworkPolicy" || !chooses(lookup(o, "spec.podSelector"), component) {
			continue
		}
		rules, _ := lookup(o, "spec."+way).([]any)
		for _, rule := range rules {
			who, named := lookup(rule, peers).([]any)
			if onPort(lookup(rule, "ports"), port) && (!named || slices.ContainsFunc(who, func(peer any) bool { return isPlace(peer, other) })) {
				return true
			}
		}
	}
	return false
}

func chooses(selector any, component string) bool {
	if want := lookup(selector, "matchLabels.app\\.kubernetes\\.io/component"); want != nil {
		return want == component
	}
	if expressions, ok := lookup(selector, "matchExpressions").([]any); ok {
		return slices.Contains(at[[]any](expressions[0], "values"), any(component))
	}
	return true
}

func onPort(ports, port any) bool {
	list, restricted := ports.([]any)
	return !restricted || slices.ContainsFunc(list, func(p any) bool { return lookup(p, "port") == port })
}

func isPlace(peer any, other place) bool {
	if cidr := lookup(peer, "ipBlock.cidr"); cidr != nil {
		address, err := netip.ParseAddr(other.address)
		if err != nil { // a pod: its address is not known, and plugins differ
			return false
		}
		except, _ := lookup(peer, "ipBlock.except").([]any)
		return within(cidr, address) && !slices.ContainsFunc(except, func(e any) bool { return within(e, address) })
	}
	return lookup(peer, "namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name") == any(other.namespace) && other.namespace != ""
}

func within(cidr any, address netip.Addr) bool {
	return netip.MustParsePrefix(cidr.(string)).Contains(address)
}
