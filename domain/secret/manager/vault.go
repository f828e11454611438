package manager

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// vault is HashiCorp Vault's second key-value engine: one call, as its own library is MPL. It is set up by the variables of Vault's
// program: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE, VAULT_CACERT; VAULT_TOKEN_FILE names the file that Vault's agent keeps a token in.
type vault struct {
	client *http.Client
	getenv func(string) string
}

// Read takes the engine's mount and the secret's path, and returns its fields as a JSON object.
func (v *vault) Read(ctx context.Context, name string) (string, error) {
	p, err := parts(name, 2, "vault://MOUNT/PATH#FIELD")
	if err != nil {
		return "", err
	}
	req, err := v.request(ctx, p[0], p[1])
	if err != nil {
		return "", err
	}
	client, err := v.trusting()
	if err != nil {
		return "", err
	}
	body, err := get(client, req)
	if err != nil {
		return "", err
	}
	var answer struct {
		Data struct {
			Data json.RawMessage `json:"data"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Data.Data) == 0 {
		return "", errors.New("the answer is not that of a key-value engine of version 2")
	}
	return string(answer.Data.Data), nil
}

func (v *vault) request(ctx context.Context, mount, path string) (*http.Request, error) {
	address, err := url.Parse(v.getenv("VAULT_ADDR"))
	if err != nil || address.Host == "" {
		return nil, errors.New("VAULT_ADDR must be set, like https://vault.example.com:8200")
	}
	token, err := v.token()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.JoinPath("v1", mount, "data", path).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true") // the agent's proxy may ask for it
	if namespace := v.getenv("VAULT_NAMESPACE"); namespace != "" {
		req.Header.Set("X-Vault-Namespace", namespace)
	}
	return req, nil
}

// token is read anew each time: the agent exchanges it before it expires.
func (v *vault) token() (string, error) {
	if file := v.getenv("VAULT_TOKEN_FILE"); file != "" {
		content, err := os.ReadFile(file)
		return strings.TrimSpace(string(content)), err
	}
	if token := v.getenv("VAULT_TOKEN"); token != "" {
		return token, nil
	}
	return "", errors.New("VAULT_TOKEN_FILE or VAULT_TOKEN must be set")
}

// trusting is the client, which trusts the authority of VAULT_CACERT where there is one.
func (v *vault) trusting() (*http.Client, error) {
	file := v.getenv("VAULT_CACERT")
	if file == "" {
		return v.client, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("VAULT_CACERT: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("VAULT_CACERT holds no certificate")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.DisableKeepAlives = true // made for one call
	return &http.Client{Transport: transport}, nil
}
