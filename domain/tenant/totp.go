package tenant

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238's default, and all that many apps can do; HMAC does not need its collisions to be hard
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// One-time codes by RFC 6238 as every authenticator app has them: SHA-1, six digits, thirty seconds.
const (
	codeSeconds     = 30
	codeSecretBytes = 20 // RFC 4226, 4: as long as the hash
)

// codeAt is the code of a time step.
func codeAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", number%1_000_000)
}

// stepOf returns the time step whose code it is: the present one, the one before or the one after, as clocks differ, and none
// up to last, whose codes were used. 0: it is no such code.
func stepOf(secret []byte, code string, now time.Time, last int64) (found int64) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	present := now.Unix() / codeSeconds
	for step := present - 1; step <= present+1; step++ {
		if step > last && subtle.ConstantTimeCompare([]byte(codeAt(secret, step)), []byte(code)) == 1 {
			found = step
		}
	}
	return found
}

// secretText is a secret as a person types it into an app.
func secretText(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// secretURI is a secret as an app takes it at once.
func secretURI(email string, secret []byte) string {
	return "otpauth://totp/BITB:" + url.PathEscape(email) + "?secret=" + secretText(secret) + "&issuer=BITB&algorithm=SHA1&digits=6&period=30"
}
