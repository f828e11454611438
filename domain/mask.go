package domain

import (
	"context"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ForReader is what a visitor wrote as whoever reads it may see it: a staff member sees no e-mail address and no phone number.
// Packages that read such text put it through this where they read it, so that no page can forget to.
func ForReader(ctx context.Context, text string) string {
	if !InCase(ctx) {
		return text
	}
	return Mask(text)
}

// Mask hides e-mail addresses and phone numbers and leaves enough to tell two of them apart: "m•••@e••••.com" and
// "+49 ••• ••12". Prices, dates and what is named as an order number or the like stay. In doubt a number is hidden.
func Mask(text string) string {
	text = email.ReplaceAllStringFunc(text, maskEmail)
	text = spelledEmail.ReplaceAllString(text, "•••@••••")
	return maskPhones(text)
}

// The characters of a name in an address, of any script, with invisible ones that could be put between them.
const (
	addressRune = `[\p{L}\p{N}\p{M}\p{Cf}.!#$%&'*+/=?^_` + "`" + `{|}~-]`
	domainRune  = `[\p{L}\p{N}\p{M}\p{Cf}-]`
)

var (
	email = regexp.MustCompile(`(?:"[^"\n]{1,64}"|` + addressRune + `+)[@＠﹫](?:` + domainRune + `+[.．。])+` + domainRune + `{2,}` +
		`|(?:"[^"\n]{1,64}"|` + addressRune + `+)[@＠﹫]\[[0-9a-fA-F.:]+\]`)
	spelledEmail = regexp.MustCompile(`(?i)` + addressRune + `+\s*(?:[(\[{<]\s*(?:at|@|ät)\s*[)\]}>]\s*` + domainRune + `+(?:\s*(?:[.．。]|[(\[{<]\s*(?:dot|punkt|\.)\s*[)\]}>]|\s(?:dot|punkt)\s)\s*` + domainRune + `+)+` +
		`|\s(?:at|ät)\s+` + domainRune + `+(?:\s+(?:dot|punkt)\s+` + domainRune + `+)+)`)
)

func maskEmail(address string) string {
	at := strings.LastIndexAny(address, "@＠﹫")
	_, size := utf8.DecodeRuneInString(address[at:])
	host := address[at+size:]
	end := ""
	if dot := strings.LastIndexAny(host, ".．。"); dot >= 0 && host[0] != '[' {
		_, size := utf8.DecodeRuneInString(host[dot:])
		end = "." + host[dot+size:]
	}
	return first(address) + "•••@" + first(host) + "••••" + end
}

// first is the first letter or digit, "" when there is none.
func first(s string) string {
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return string(r)
		}
	}
	return ""
}

// A number as people write phone numbers: digits of any script, with at most two separators between two of them.
var numberRun = regexp.MustCompile(`[+＋]?[(（]?[+＋]?\p{Nd}(?:[\s\p{Zs}\p{Cf}()（）./\-‐-―−·]{0,3}\p{Nd})+`)

var (
	dateOrTime = regexp.MustCompile(`^(?:\d{4}([-./])\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d{2}))(?:\D|$)`)
	address4   = regexp.MustCompile(`^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$`)
	northern   = regexp.MustCompile(`^(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}$`) // as in North America
	money      = regexp.MustCompile(`(?i)(?:[$€£¥₹₽₺₩]|\b(?:eur|usd|gbp|chf|euros?|dollars?|pln|sek|nok|dkk|jpy|inr|aed|sar))[\s\p{Zs}]*$`)
	moneyNext  = regexp.MustCompile(`(?i)^(?:[.,]\d{1,2})?[\s\p{Zs}]*(?:[$€£¥₹₽₺₩%]|(?:eur|usd|gbp|chf|euros?|dollars?|pln|sek|nok|dkk|jpy|inr|aed|sar|kg|km|mm|ml|kwh)\b)`)
	decimals   = regexp.MustCompile(`^,\d{2}(?:\D|$)`)
	// A word close before the number tells what it is of: the last one counts.
	phoneWord = regexp.MustCompile(`(?i)(?:\b(?:phone|tel|call|mobile?|cell|whats ?app|wa\.me|sms|text me|fax|handy|rufnummer|ruf|reach me|t[ée]l[ée]phone|portable|tel[ée]fono|móvil|cellulare|telefon)|هاتف|جوال|موبايل|اتصل|电话|手机|電話|携帯|전화)`)
	otherWord = regexp.MustCompile(`(?i)(?:\b(?:(?:order|invoice|ticket|case|customer|account|article|item|tracking|serial|part|parcel|shipment|booking|contract|commande|facture|client|pedido|factura)s?` +
		`|ref|reference|sku|isbn|ean|no|nr|id|référence|ordine|fattura|(?:bestell|auftrag|rechnung|kunde|artikel|sendung|vertrag|buchung|vorgang|serien|zamówieni|faktur)\pL*)(?:[^\pL,;!?]|$)|الطلب|طلبي|فاتورة|الفاتورة|订单号?|訂單|发注|注文番号|주문|[#№])` +
		`(?:[\s:.=]|\b(?:number|numbers|nummer|no|nr|id|with|the|is|was|are|of|and|und|mit|der|ist|lautet|numéro|número)\b|号|番号|رقم|[\pNd][\pNd./-]*[,;]?)*$`)
)

// How many digits a phone number has: ITU-T E.164 allows 15, and shorter than 7 they are extensions.
const (
	minPhone = 7
	maxPhone = 15
)

func maskPhones(text string) string {
	var out strings.Builder
	from := 0
	for _, at := range numberRun.FindAllStringIndex(text, -1) {
		out.WriteString(text[from:at[0]])
		out.WriteString(maskNumber(text[:at[0]], text[at[0]:at[1]], text[at[1]:]))
		from = at[1]
	}
	return out.String() + text[from:]
}

// maskNumber hides run if it is a phone number, with what stands before and after it. A date in front of it is left alone and
// what follows is looked at again.
func maskNumber(before, run, after string) string {
	plain, starts := digitsOf(run)
	if m := dateOrTime.FindStringIndex(plain + " "); m != nil && len(plain) >= m[1]-1 {
		cut := len(run)
		if m[1]-1 < len(starts) {
			cut = starts[m[1]-1]
		}
		return run[:cut] + maskPhones(run[cut:])
	}
	if !isPhone(before, plain, after) {
		return run
	}
	return hidePhone(plain)
}

// digitsOf is run with ASCII digits and separators, without what cannot be seen, and where in run each character begins.
func digitsOf(run string) (plain string, starts []int) {
	var b strings.Builder
	for i, r := range run {
		switch {
		case unicode.Is(unicode.Cf, r):
			continue
		case unicode.Is(unicode.Nd, r):
			b.WriteByte(byte('0' + digit(r)))
		case r == '＋':
			b.WriteByte('+')
		case r == '（':
			b.WriteByte('(')
		case r == '）':
			b.WriteByte(')')
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r > unicode.MaxASCII: // a dash
			b.WriteByte('-')
		default:
			b.WriteByte(byte(r))
		}
		starts = append(starts, i)
	}
	return b.String(), starts
}

// digit is the value of a decimal digit of any script: Unicode has them in runs of ten that begin with zero.
func digit(r rune) int {
	n := 0
	for n < 9 && unicode.Is(unicode.Nd, r-1) && (r-1)%16 != 15 {
		n++
		r--
	}
	return n
}

func isPhone(before, plain, after string) bool {
	n := 0
	for _, r := range plain {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	international := strings.HasPrefix(strings.TrimLeft(plain, "("), "+") || strings.HasPrefix(plain, "00")
	before = lastRunes(before, 48)
	named, other := lastMatch(phoneWord, lastRunes(before, 32)), lastMatch(otherWord, before)
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	switch {
	case n < minPhone || n > maxPhone, address4.MatchString(plain):
		return false
	case international && plain[0] != '0', named != "" && len(named) < len(other), named != "" && other == "":
		return true
	case unicode.IsLetter(last), strings.ContainsRune("-_/#=", last), unicode.IsLetter(next) && unicode.Is(unicode.Latin, next):
		return false // part of a code, of a path
	case other != "", money.MatchString(before), moneyNext.MatchString(firstRunes(after)), decimals.MatchString(firstRunes(after)):
		return false
	case plain[0] == '0', northern.MatchString(plain):
		return true
	}
	return n >= 9
}

// lastMatch is what stands behind the beginning of the last match, with the match; "": there is none.
func lastMatch(what *regexp.Regexp, text string) string {
	all := what.FindAllStringIndex(text, -1)
	if len(all) == 0 {
		return ""
	}
	return text[all[len(all)-1][0]:]
}

func lastRunes(s string, n int) string {
	i := len(s)
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return s[i:]
}

// firstRunes is as much of s as tells a unit.
func firstRunes(s string) string { return s[:min(len(s), 32)] }

// hidePhone keeps a country code and the last two digits.
func hidePhone(plain string) string {
	var digits []byte
	for i := range len(plain) {
		if plain[i] >= '0' && plain[i] <= '9' {
			digits = append(digits, plain[i])
		}
	}
	country := ""
	if strings.HasPrefix(strings.TrimLeft(plain, "("), "+") {
		country = "+" + string(digits[:2]) + " "
	}
	return country + "••• ••" + string(digits[len(digits)-2:])
}
