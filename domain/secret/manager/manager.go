// Package manager reads secrets from AWS Secrets Manager, Google Cloud Secret Manager, Azure Key Vault and HashiCorp Vault. How a
// process proves there who it is, and where they are, is set as for each of their own programs: by a role or an identity of the machine,
// or by the variables that docs/secrets.md lists. Nothing is set up, and no network is touched, before the first secret is read.
package manager

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"bitb/domain/secret"
)

// All are the managers, by the scheme of a reference.
func All(getenv func(string) string) map[string]secret.Manager {
	return all(getenv, http.DefaultTransport)
}

func all(getenv func(string) string, transport http.RoundTripper) map[string]secret.Manager {
	client := &http.Client{Transport: transport}
	return map[string]secret.Manager{
		"awssm": &aws{},
		"gcpsm": &google{client: client, getenv: getenv},
		"azkv":  &azure{client: client},
		"vault": &vault{client: client, getenv: getenv},
	}
}

// maxAnswer bounds what is read of an answer; no manager keeps secrets that large.
const maxAnswer = 1 << 20

// get makes one request and returns the body of a good answer. Of any other it tells the status alone.
func get(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	return body, err
}

// parts takes a name apart that has n parts at least; the last one has all that is left.
func parts(name string, n int, shape string) ([]string, error) {
	found := strings.SplitN(name, "/", n)
	if len(found) < n {
		return nil, errors.New("a reference must look like " + shape)
	}
	for _, part := range found {
		if part == "" {
			return nil, errors.New("a reference must look like " + shape)
		}
	}
	return found, nil
}
