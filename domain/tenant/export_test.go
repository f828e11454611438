package tenant

import (
	"encoding/base32"
	"time"
)

// Code is what an app shows for a secret at a time.
func Code(secret string, at time.Time) string {
	key, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	return codeAt(key, at.Unix()/codeSeconds)
}

// HoldHashing keeps everybody from hashing a password until it is released.
func HoldHashing() (release func()) {
	for range cap(hashSlots) {
		hashSlots <- struct{}{}
	}
	return func() {
		for range cap(hashSlots) {
			<-hashSlots
		}
	}
}
