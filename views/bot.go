package views

import (
	"net/url"
	"strconv"
	"strings"

	"bitb/domain/chat"
)

func ratioWord(ratio float64) string { return strconv.FormatFloat(ratio, 'f', 1, 64) }

// originOf is the scheme and host of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// previewHost is what stands in the address bar of the example page.
func previewHost(b chat.Bot) string {
	if len(b.Origins) == 0 {
		return "www.example.com/help"
	}
	_, host, _ := strings.Cut(b.Origins[0], "://")
	return host + "/help"
}
