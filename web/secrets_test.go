package main

import (
	"fmt"
	"strings"
	"testing"

	"bitb/domain/secret"
)

// In production a server does not start without keys, with one that was made up, or without HTTPS, and says what to set.
func TestProductionSettings(t *testing.T) {
	key, other := secret.NewKey(), secret.NewKey()
	good := map[string]string{"BITB_PRODUCTION": "true", "BITB_PUBLIC_URL": "https://chat.example.com", "BITB_TRUSTED_PROXIES": "10.0.0.0/8",
		"DATABASE_URL": "postgres://bitb_app:Vn3kq8sTz0pL@db.example/bitb?sslmode=verify-full", "REDIS_URL": "rediss://:w8Jq2mXc5RtY@redis.example",
		"BITB_ENCRYPTION_KEYS": key, "BITB_SESSION_KEYS": other}
	for _, tt := range []struct {
		command, name, value string
		want                 string // "": it starts
	}{
		{"serve", "", "", ""}, {"work", "BITB_ENCRYPTION_KEYS", "", ""}, {"migrate", "BITB_SESSION_KEYS", "", ""}, {"migrate", "BITB_TRUSTED_PROXIES", "", ""},
		{"serve", "BITB_ENCRYPTION_KEYS", "", "bitb keys new"}, {"serve", "BITB_SESSION_KEYS", "", "BITB_SESSION_KEYS is not set"},
		{"staff", "BITB_ENCRYPTION_KEYS", "", "BITB_ENCRYPTION_KEYS is not set"}, {"staff", "BITB_SESSION_KEYS", "", ""},
		{"serve", "BITB_SESSION_KEYS", "short", "32 random bytes"}, {"serve", "BITB_SESSION_KEYS", "plain", "must not be plain"},
		{"serve", "BITB_SESSION_KEYS", "plain," + other, "must not be plain"}, {"serve", "BITB_SESSION_KEYS", other + ",plain", ""},
		{"serve", "BITB_SESSION_KEYS", key, "must not share"}, {"serve", "BITB_SESSION_KEYS", other + "," + key, "must not share"},
		{"serve", "BITB_ENCRYPTION_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "32 random bytes"},
		{"serve", "OPENAI_API_KEY", "sk-changeme", "OPENAI_API_KEY still holds a placeholder"},
		{"serve", "DATABASE_URL", "postgres://bitb_app:bitb_app@db.example/bitb?sslmode=require", "DATABASE_URL: its password"},
		{"serve", "DATABASE_URL", "host=db.example user=bitb_app password=bitb_app sslmode=disable", "DATABASE_URL must be like"},
		{"serve", "DATABASE_URL", "postgres:///bitb?host=db.example&user=bitb_app&sslmode=disable", "behind the @"},
		{"serve", "DATABASE_URL", "postgres://bitb_app:Vn3kq8sTz0pL@db.example/bitb?sslmode=allow", "turns encryption off"},
		{"serve", "DATABASE_URL", "postgres:///bitb?host=/run/postgresql&user=bitb_app&sslmode=disable", ""},
		{"serve", "BITB_SESSION_KEYS", " , ", "must not be plain"}, {"serve", "BITB_SESSION_KEYS", ", plain," + other, "must not be plain"},
		{"serve", "REDIS_URL", "redis://:redis@redis.example", "REDIS_URL: its password"},
		{"serve", "BITB_TRUSTED_PROXIES", "", "BITB_TRUSTED_PROXIES"}, {"serve", "BITB_TRUSTED_PROXIES", "0.0.0.0/0", "believe everybody"},
		{"serve", "BITB_TLS_CERT_FILE", "/c.pem", "set together"}, {"serve", "BITB_ACME_EMAIL", "ops", "e-mail address"},
		{"serve", "BITB_ACME_DIRECTORY", "http://ca.example", "BITB_ACME_DIRECTORY"}, {"serve", "BITB_SECRET_REFRESH", "1ms", "BITB_SECRET_REFRESH"},
	} {
		values := map[string]string{tt.name: tt.value}
		c, err := loadConfig(func(name string) string {
			if value, ok := values[name]; ok {
				return value
			}
			return good[name]
		})
		if err == nil {
			err = c.checkFor(tt.command)
		}
		if (err == nil) != (tt.want == "") || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s with %s=%s: %v", tt.command, tt.name, tt.value, err)
		}
		if err != nil && (strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "Vn3kq8sTz0pL") || strings.Contains(err.Error(), "sk-changeme")) {
			t.Errorf("a secret is printed: %v", err)
		}
	}
}
