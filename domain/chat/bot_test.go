package chat

import "testing"

func TestParseOrigin(t *testing.T) {
	for typed, want := range map[string]string{
		"example.com": "https://example.com", "https://Example.com/help?x#y": "https://example.com", " http://example.com:80/ ": "http://example.com",
		"https://example.com:8443": "https://example.com:8443", "http://127.0.0.1:8090": "http://127.0.0.1:8090", "localhost:3000": "https://localhost:3000",
		"müller.example": "https://xn--mller-kva.example",
	} {
		if got, err := ParseOrigin(typed); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{"", "*", "https://*.example.com", "ftp://example.com", "javascript:alert(1)", "https://user@example.com",
		"https://example.com:0", "https://example.com:99999", "null", "https://", "a b", "https://exa\nmple.com", "https://.com", "file:///etc/passwd"} {
		if got, err := ParseOrigin(typed); err == nil && typed != "null" {
			t.Errorf("%q was taken as %q", typed, got)
		}
	}
}

func TestOnBrand(t *testing.T) {
	for brand, want := range map[string]string{"#000000": "#ffffff", "#ffffff": "#101418", "#9a3b12": "#ffffff", "#ffd400": "#101418"} {
		if text, ratio := OnBrand(brand); text != want || ratio < 4.5 {
			t.Errorf("%s: %s at %.1f", brand, text, ratio)
		}
	}
}
