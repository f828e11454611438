package manager

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/logging"
)

// aws is AWS Secrets Manager. The SDK reads AWS_REGION, AWS_ENDPOINT_URL, and the credentials, which may be a role of the machine.
type aws struct {
	mu     sync.Mutex
	client *secretsmanager.Client
}

// Read takes a name or an ARN.
func (a *aws) Read(ctx context.Context, name string) (string, error) {
	client, err := a.open(ctx)
	if err != nil {
		return "", err
	}
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	switch {
	case err != nil:
		return "", err
	case out.SecretString != nil:
		return *out.SecretString, nil
	}
	return string(out.SecretBinary), nil
}

func (a *aws) open(ctx context.Context) (*secretsmanager.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client == nil {
		c, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{})) // it would write lines of its own between ours
		if err != nil {
			return nil, err
		}
		a.client = secretsmanager.NewFromConfig(c)
	}
	return a.client, nil
}
