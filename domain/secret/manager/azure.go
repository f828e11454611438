package manager

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

const tokenLimit = 5 * time.Second

// azure is Azure Key Vault. The SDK reads AZURE_TENANT_ID, AZURE_CLIENT_ID and what goes with them, or asks the machine for its identity.
type azure struct {
	client *http.Client

	mu         sync.Mutex
	credential azcore.TokenCredential
	vaults     map[string]*azsecrets.Client
}

// Read takes a vault's name, or its whole host, and the secret's name.
func (a *azure) Read(ctx context.Context, name string) (string, error) {
	p, err := parts(name, 2, "azkv://VAULT/SECRET")
	if err != nil {
		return "", err
	}
	vault, err := a.open(p[0])
	if err != nil {
		return "", err
	}
	secret, version, _ := strings.Cut(p[1], "/")
	answer, err := vault.GetSecret(ctx, secret, version, nil)
	if err != nil {
		if refused, ok := errors.AsType[*azcore.ResponseError](err); ok {
			return "", errors.New(refused.ErrorCode + " " + http.StatusText(refused.StatusCode)) // its text is the whole exchange
		}
		return "", err
	}
	if answer.Value == nil {
		return "", nil
	}
	return *answer.Value, nil
}

func (a *azure) open(vault string) (*azsecrets.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if client := a.vaults[vault]; client != nil {
		return client, nil
	}
	options := azcore.ClientOptions{Transport: a.client, Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: 200 * time.Millisecond}}
	if a.credential == nil {
		credential, err := azureCredential(options)
		if err != nil {
			return nil, err
		}
		a.credential = credential
	}
	host := vault
	if !strings.Contains(host, ".") {
		host += ".vault.azure.net" // another cloud's vault is named with its whole host
	}
	client, err := azsecrets.NewClient("https://"+host, a.credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, err
	}
	if a.vaults == nil {
		a.vaults = map[string]*azsecrets.Client{}
	}
	a.vaults[vault] = client
	return client, nil
}

// azureCredential is the SDK's default without what a developer signed in with by hand: a server runs no command-line tools.
func azureCredential(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	var found []azcore.TokenCredential
	if c, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: options}); err == nil {
		found = append(found, c)
	}
	if c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: options}); err == nil {
		found = append(found, c)
	}
	if c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}); err == nil {
		found = append(found, c)
	}
	return azidentity.NewChainedTokenCredential(found, nil)
}
