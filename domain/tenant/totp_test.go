package tenant

import (
	"strings"
	"testing"
	"time"
)

// The table of RFC 6238, appendix B, of which six digits are used.
func TestCodesAreTheStandards(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
		2000000000: "69279037", 20000000000: "65353130"} {
		if got := codeAt(secret, at/codeSeconds); got != want[2:] {
			t.Errorf("at %d: %s, want %s", at, got, want[2:])
		}
	}
	if got := secretURI("a b@example.com", secret); !strings.HasPrefix(got, "otpauth://totp/BITB:a%20b@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=BITB") {
		t.Error(got)
	}
}

func TestCodeOfOneStepBeforeAndAfter(t *testing.T) {
	secret, now := []byte("12345678901234567890"), time.Unix(1111111111, 0)
	present := now.Unix() / codeSeconds
	for off := int64(-3); off <= 3; off++ {
		want := int64(0)
		if off >= -1 && off <= 1 {
			want = present + off
		}
		if got := stepOf(secret, codeAt(secret, present+off), now, 0); got != want {
			t.Errorf("%d steps off: %d, want %d", off, got, want)
		}
	}
	if got := stepOf(secret, codeAt(secret, present), now, present); got != 0 {
		t.Errorf("a code was taken twice: %d", got)
	}
	if got := stepOf(secret, " "+codeAt(secret, present)[:3]+" "+codeAt(secret, present)[3:], now, present-1); got != present {
		t.Errorf("as an app shows it: %d", got)
	}
	for _, wrong := range []string{"", "0", "000000000000", "١٢٣٤٥٦", strings.Repeat("9", 100_000)} {
		if got := stepOf(secret, wrong, now, 0); got != 0 {
			t.Errorf("%.10q was taken", wrong)
		}
	}
}
