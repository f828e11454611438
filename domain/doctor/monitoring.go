package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// mostRead is how much of an answer is read.
const mostRead = 8 << 20

// fetch reads an answer of 200 to its end.
func fetch(ctx context.Context, client *http.Client, address string, header ...string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address cannot be read")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, cause(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostRead))
	if err == nil && res.StatusCode != http.StatusOK {
		err = statusError(res.StatusCode)
	}
	return body, err
}

type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("answered with %d %s", int(s), http.StatusText(int(s)))
}

// Metrics wants the process to say what it does, on the inner address and not on the public one.
func Metrics(address, public string) func(context.Context) Result {
	return func(ctx context.Context) Result {
		body, err := fetch(ctx, http.DefaultClient, address)
		if err != nil {
			return Fail("%s: %v.", address, err).Doing("Start the server, or run the doctor beside it; BITB_METRICS_LISTEN must not be off.")
		}
		names := map[string]bool{}
		for line := range strings.Lines(string(body)) {
			if strings.HasPrefix(line, "# TYPE bitb_") {
				names[strings.Fields(line)[2]] = true
			}
		}
		if len(names) == 0 {
			return Fail("%s has no metric of BITB.", address).Doing("Something else answers there; see BITB_METRICS_LISTEN.")
		}
		if _, err := fetch(ctx, http.DefaultClient, public+"/metrics"); err == nil {
			return Fail("The metrics are public at %s/metrics.", public).Doing("See what the proxy sends there: nothing but BITB_LISTEN may be public.")
		}
		return Pass("%s kinds at %s, and not in public.", fmt.Sprint(len(names)), address)
	}
}

// Prometheus is one that watches this deployment.
type Prometheus struct{ Address string }

// ask reads the "data" of an answer of its API.
func (p Prometheus) ask(ctx context.Context, path string, data any) error {
	body, err := fetch(ctx, http.DefaultClient, strings.TrimRight(p.Address, "/")+path)
	if err != nil {
		return err
	}
	answer := struct {
		Status string
		Data   any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return errors.New("what answers is no Prometheus")
	}
	return nil
}

func prometheusAway(err error) Result {
	return Fail("Prometheus cannot be asked: %v.", err).Doing("See that it runs and that BITB_PROMETHEUS_URL is right (docs/monitoring.md).")
}

// ours tells whether something is about BITB, by the names that deploy/monitoring gives.
func ours(name string) bool { return strings.Contains(strings.ToLower(name), "bitb") }

// Targets wants Prometheus to read this product's metrics.
func (p Prometheus) Targets(ctx context.Context) Result {
	var data struct {
		ActiveTargets []struct {
			Labels                       map[string]string
			Health, LastError, ScrapeURL string
		}
	}
	if err := p.ask(ctx, "/api/v1/targets?state=active", &data); err != nil {
		return prometheusAway(err)
	}
	up := 0
	var down []string
	for _, t := range data.ActiveTargets {
		switch {
		case !ours(t.Labels["job"]) && !ours(t.Labels["namespace"]) && !ours(t.Labels["app"]):
		case t.Health == "up":
			up++
		default:
			down = append(down, t.ScrapeURL+" ("+t.LastError+")")
		}
	}
	const do = "Take deploy/monitoring's Prometheus settings over; the job is called bitb (docs/monitoring.md)."
	switch {
	case len(down) > 0:
		return Fail("Prometheus does not reach %s.", few(down)).Doing("See that the process runs and that the network lets Prometheus to its metrics port.")
	case up == 0:
		return Fail("Prometheus reads no metrics of BITB.").Doing(do)
	}
	return Pass("Prometheus reads %s.", plural(up, "process", "processes"))
}

// Rules wants the alerts to be loaded and evaluated, and none of them to be firing. names are those that must be there; none: any.
func (p Prometheus) Rules(names []string) func(context.Context) Result {
	return func(ctx context.Context) Result {
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError, State string }
			}
		}
		if err := p.ask(ctx, "/api/v1/rules?type=alert", &data); err != nil {
			return prometheusAway(err)
		}
		var loaded, broken, firing, missing []string
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if !ours(r.Name) && !ours(r.Query) && !slices.Contains(names, r.Name) {
					continue
				}
				loaded = append(loaded, r.Name)
				if r.Health != "ok" && r.Health != "unknown" { // unknown: loaded a moment ago
					broken = append(broken, r.Name+" ("+r.LastError+")")
				}
				if r.State == "firing" {
					firing = append(firing, r.Name)
				}
			}
		}
		for _, n := range names {
			if !slices.Contains(loaded, n) {
				missing = append(missing, n)
			}
		}
		switch {
		case len(loaded) == 0 || len(missing) > 0:
			return Fail("Prometheus lacks %s of BITB.", lacks(missing)).Doing("Load the rules of deploy/monitoring (docs/monitoring.md).")
		case len(broken) > 0:
			return Fail("Prometheus cannot evaluate %s.", few(broken)).Doing("Load the rules that belong to this version.")
		case len(firing) > 0:
			return Fail("%s: %s.", plural(len(firing), "alert fires", "alerts fire"), few(firing)).Doing("Each names its runbook in docs/runbooks.")
		}
		return Pass("%s loaded, none fires.", plural(len(loaded), "alert is", "alerts are"))
	}
}

func lacks(missing []string) string {
	if len(missing) == 0 {
		return "every alert"
	}
	return "the " + plural(len(missing), "alert ", "alerts ") + few(missing)
}

// Alertmanager wants somebody to be told.
func (p Prometheus) Alertmanager(ctx context.Context) Result {
	var data struct {
		ActiveAlertmanagers []struct{ URL string }
	}
	if err := p.ask(ctx, "/api/v1/alertmanagers", &data); err != nil {
		return prometheusAway(err)
	}
	if len(data.ActiveAlertmanagers) == 0 {
		return Fail("Prometheus tells no Alertmanager: an alert wakes nobody.").Doing("Name one under alerting in Prometheus's settings, with a receiver that somebody reads (docs/monitoring.md).")
	}
	first, err := url.Parse(data.ActiveAlertmanagers[0].URL)
	if err != nil {
		return Pass("Prometheus tells an Alertmanager.")
	}
	return Pass("Prometheus tells the Alertmanager at %s.", first.Host)
}

// Collector wants what carries the logs away to be alive.
func Collector(address string) func(context.Context) Result {
	return func(ctx context.Context) Result {
		if _, err := fetch(ctx, http.DefaultClient, address); err != nil {
			return Fail("The collector of the logs: %v.", err).Doing("See that it runs, and that BITB_LOG_COLLECTOR_URL is its health address (docs/monitoring.md).")
		}
		return Pass("The collector says that it is well.")
	}
}
