package manager

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	googleauth "golang.org/x/oauth2/google"
)

// google is Google Cloud Secret Manager: Google's own library for who we are, and one call, which its client library would bring some
// hundred packages for.
type google struct {
	client *http.Client
	getenv func(string) string

	mu     sync.Mutex
	tokens oauth2.TokenSource
}

// Read takes projects/…/secrets/…/versions/….
func (g *google) Read(ctx context.Context, name string) (string, error) {
	if p := strings.Split(name, "/"); len(p) != 6 || p[0] != "projects" || p[2] != "secrets" || p[4] != "versions" {
		return "", errors.New("a reference must look like gcpsm://projects/PROJECT/secrets/NAME/versions/latest")
	}
	token, err := g.token()
	if err != nil {
		return "", err
	}
	// gcloud knows the same variable.
	endpoint := cmp.Or(g.getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"), "https://secretmanager.googleapis.com/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(endpoint, "/")+"/v1/"+name+":access", nil)
	if err != nil {
		return "", err
	}
	token.SetAuthHeader(req)
	body, err := get(g.client, req)
	if err != nil {
		return "", err
	}
	var answer struct {
		Payload struct {
			Data string `json:"data"`
		} `json:"payload"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", errors.New("the answer cannot be read")
	}
	text, err := base64.StdEncoding.DecodeString(answer.Payload.Data)
	return string(text), err
}

// token outlives the request that fetched it, so its context is not that of the request; the client's time-outs bound it.
func (g *google) token() (*oauth2.Token, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tokens == nil {
		client := *g.client
		client.Timeout = tokenLimit
		ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &client)
		found, err := googleauth.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/cloud-platform")
		if err != nil {
			return nil, err
		}
		g.tokens = found.TokenSource
	}
	return g.tokens.Token()
}
