package manager

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bitb/domain/secret"
)

const value = `{"key": "sk-from-the-manager"}`

// cloud plays one provider: its real addresses lead to it, over TLS, and it answers as the provider's documentation says.
type cloud struct {
	*httptest.Server
	t     *testing.T
	asked []string
	away  bool
}

// RoundTrip sends every request here, whatever host it was meant for.
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	to, _ := url.Parse(c.URL)
	sent := r.Clone(r.Context())
	sent.Host, sent.URL.Scheme, sent.URL.Host = r.URL.Host, to.Scheme, to.Host
	return c.Client().Transport.RoundTrip(sent)
}

func newCloud(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *cloud {
	t.Helper()
	c := &cloud{t: t}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked = append(c.asked, r.Method+" "+r.Host+r.URL.Path)
		if c.away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// resolves reads a reference the way the program does, and again after the manager was away.
func resolves(t *testing.T, c *cloud, getenv func(string) string, reference string) {
	t.Helper()
	r := &secret.Resolver{Managers: all(getenv, c)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := r.Resolve(ctx, "NAME", reference)
	if err != nil || got != "sk-from-the-manager" {
		t.Fatalf("%s is %q, %v; asked %v", reference, got, err, c.asked)
	}
	c.away = true
	if _, err := r.Resolve(ctx, "OTHER", reference); err == nil || strings.Contains(err.Error(), "sk-from") {
		t.Errorf("from a manager that is away: %v", err)
	}
	c.away = false
	if got, err := r.Resolve(ctx, "AGAIN", reference); err != nil || got != "sk-from-the-manager" {
		t.Errorf("when it is back: %q, %v", got, err)
	}
}

func none(string) string { return "" }

func TestAWS(t *testing.T) {
	var problem string
	c := newCloud(t, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		switch {
		case r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue", !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIATEST/"):
			problem = "not signed: " + r.Header.Get("Authorization")
		case in.SecretId != "bitb/openai":
			w.WriteHeader(http.StatusBadRequest)
			reply(w, map[string]string{"__type": "ResourceNotFoundException", "message": "Secrets Manager can't find the specified secret."})
		default:
			reply(w, map[string]any{"Name": in.SecretId, "SecretString": value, "VersionStages": []string{"AWSCURRENT"}})
		}
	})
	pool := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pool, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]string{"AWS_ENDPOINT_URL": c.URL, "AWS_CA_BUNDLE": pool, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIATEST",
		"AWS_SECRET_ACCESS_KEY": "geheim", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"} {
		t.Setenv(name, v)
	}
	resolves(t, c, none, "awssm://bitb/openai#key")
	if _, err := (&aws{}).Read(t.Context(), "bitb/other"); err == nil || !strings.Contains(err.Error(), "can't find the specified secret") {
		t.Errorf("a secret that is not there: %v", err)
	}
	if problem != "" {
		t.Error(problem)
	}
}

func TestGoogle(t *testing.T) {
	c := newCloud(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "oauth2.googleapis.com" && r.FormValue("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" && strings.Count(r.FormValue("assertion"), ".") == 2:
			reply(w, map[string]any{"access_token": "token", "token_type": "Bearer", "expires_in": 3600})
		case r.Header.Get("Authorization") != "Bearer token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Host == "secretmanager.googleapis.com" && r.URL.Path == "/v1/projects/p/secrets/openai/versions/latest:access":
			reply(w, map[string]any{"name": "projects/1/secrets/openai/versions/3", "payload": map[string]string{"data": base64.StdEncoding.EncodeToString([]byte(value))}})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t))
	resolves(t, c, none, "gcpsm://projects/p/secrets/openai/versions/latest#key")
	g := all(none, c)["gcpsm"]
	for name, want := range map[string]string{"projects/p/secrets/gone/versions/latest": "404", "projects/p/secrets/openai": "must look like"} {
		if _, err := g.Read(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// serviceAccount is a file as Google gives it out, with a key that nobody has seen.
func serviceAccount(t *testing.T) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := json.Marshal(map[string]string{"type": "service_account", "client_email": "bitb@p.iam.gserviceaccount.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token"})
	name := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAzure(t *testing.T) {
	const login = "https://login.microsoftonline.com/the-tenant"
	c := newCloud(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "login.microsoftonline.com" && strings.HasSuffix(r.URL.Path, "/discovery/instance"):
			reply(w, map[string]any{"tenant_discovery_endpoint": login + "/v2.0/.well-known/openid-configuration", "metadata": []map[string]any{
				{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net", "aliases": []string{"login.microsoftonline.com", "login.windows.net"}}}})
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			reply(w, map[string]string{"issuer": login + "/v2.0", "authorization_endpoint": login + "/oauth2/v2.0/authorize", "token_endpoint": login + "/oauth2/v2.0/token"})
		case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") && r.FormValue("client_secret") == "geheim" && r.FormValue("scope") == "https://vault.azure.net/.default openid offline_access profile":
			reply(w, map[string]any{"access_token": "token", "token_type": "Bearer", "expires_in": 3600})
		case r.Host == "my-vault.vault.azure.net" && r.Header.Get("Authorization") != "Bearer token":
			w.Header().Set("WWW-Authenticate", `Bearer authorization="`+login+`", resource="https://vault.azure.net"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Host == "my-vault.vault.azure.net" && strings.TrimSuffix(r.URL.Path, "/") == "/secrets/openai":
			reply(w, map[string]string{"value": value, "id": "https://my-vault.vault.azure.net/secrets/openai/0123"})
		default:
			w.WriteHeader(http.StatusNotFound)
			reply(w, map[string]any{"error": map[string]string{"code": "SecretNotFound", "message": fmt.Sprintf("nothing at %s%s", r.Host, r.URL)}})
		}
	})
	for name, v := range map[string]string{"AZURE_TENANT_ID": "the-tenant", "AZURE_CLIENT_ID": "the-client", "AZURE_CLIENT_SECRET": "geheim"} {
		t.Setenv(name, v)
	}
	resolves(t, c, none, "azkv://my-vault/openai#key")
	a := all(none, c)["azkv"]
	for name, want := range map[string]string{"my-vault/gone": "SecretNotFound", "my-vault": "must look like"} {
		if _, err := a.Read(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVault(t *testing.T) {
	tokenFile := filepath.Join(t.TempDir(), "token")
	token := "hvs.first"
	c := newCloud(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Vault-Token") != token || r.Header.Get("X-Vault-Namespace") != "team":
			w.WriteHeader(http.StatusForbidden)
			reply(w, map[string][]string{"errors": {"permission denied"}})
		case r.Method == "GET" && r.URL.Path == "/v1/kv/data/bitb/openai":
			reply(w, map[string]any{"data": map[string]any{"data": json.RawMessage(value), "metadata": map[string]int{"version": 4}}})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	env := map[string]string{"VAULT_ADDR": "https://vault.example:8200", "VAULT_TOKEN_FILE": tokenFile, "VAULT_NAMESPACE": "team"}
	getenv := func(name string) string { return env[name] }
	write := func() {
		if err := os.WriteFile(tokenFile, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	resolves(t, c, getenv, "vault://kv/bitb/openai#key")
	token = "hvs.second" // the agent exchanged it
	v := all(getenv, c)["vault"]
	if _, err := v.Read(t.Context(), "kv/bitb/openai"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("with an old token: %v", err)
	}
	write()
	if _, err := v.Read(t.Context(), "kv/bitb/openai"); err != nil {
		t.Errorf("with the new token: %v", err)
	}
	for name, want := range map[string]string{"kv/bitb/gone": "404", "kv": "must look like", "kv/": "must look like"} {
		if _, err := v.Read(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	pool := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pool, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	env["VAULT_ADDR"], env["VAULT_CACERT"], env["VAULT_TOKEN"], env["VAULT_TOKEN_FILE"] = c.URL, pool, token, ""
	if _, err := (&vault{client: http.DefaultClient, getenv: getenv}).Read(t.Context(), "kv/bitb/openai"); err != nil {
		t.Errorf("with an authority of its own: %v", err)
	}
	env["VAULT_TOKEN"] = ""
	if _, err := v.Read(t.Context(), "kv/x"); err == nil || !strings.Contains(err.Error(), "VAULT_TOKEN_FILE") {
		t.Errorf("without a token: %v", err)
	}
}
