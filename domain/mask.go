package domain

import (
	"context"
	"regexp"
	"slices"
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
	if strings.ContainsAny(text, "@＠﹫%") {
		text = dottedEmail.ReplaceAllString(text, "•••@••••")
		text = email.ReplaceAllStringFunc(text, maskEmail)
	}
	if saysAt(text) {
		text = spelledEmail.ReplaceAllString(text, "•••@••••")
		text = atEmail.ReplaceAllString(text, "•••@••••")
	}
	return maskPhones(text)
}

// saysAt reports whether an address may be spelled out in text. Most texts are spared the search for one.
func saysAt(text string) bool {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("()[]{}<>", r) })
	return slices.ContainsFunc(words, func(w string) bool { return w == "@" || strings.EqualFold(w, "at") || strings.EqualFold(w, "ät") })
}

// The characters of a name in an address, of any script, with invisible ones that could be put between them.
const (
	addressRune = `[\p{L}\p{N}\p{M}\p{Cf}.!#$%&'*+/=?^_` + "`" + `{|}~-]`
	domainRune  = `[\p{L}\p{N}\p{M}\p{Cf}-]`
)

const (
	addressName = `(?:"[^"\n]{1,64}"|` + addressRune + `+)`
	domainStart = `(?:` + domainRune + `+[.．。])+`
	spaces      = `[ \t\p{Zs}]{0,2}`
)

var (
	// With spaces around the sign, what follows has to end like a name: "3 @ 4.50" is a price.
	email = regexp.MustCompile(addressName + `(?:[@＠﹫]|%40)(` + domainStart + domainRune + `{2,}|\[[0-9a-fA-F.:]+\])` +
		`|` + addressName + spaces + `[@＠﹫]` + spaces + `(` + domainStart + `\p{L}` + domainRune + `+)`)
	// With the sign, and a dot that is spelled out.
	dottedEmail = regexp.MustCompile(`(?i)` + addressRune + `+` + spaces + `[@＠﹫]` + spaces + `[\p{L}\p{N}\p{M}\p{Cf}.-]+` +
		`(?:(?:\s*[(\[{<]\s*(?:dot|punkt|[.．。])\s*[)\]}>]\s*|\s+(?:dot|punkt)\s+)\p{L}` + domainRune + `+)+`)
	spelledEmail = regexp.MustCompile(`(?i)` + addressRune + `+\s*(?:[(\[{<]\s*(?:at|@|ät)\s*[)\]}>]\s*` + domainRune + `+(?:\s*(?:[.．。]|[(\[{<]\s*(?:dot|punkt|\.)\s*[)\]}>]|\s(?:dot|punkt)\s)\s*` + domainRune + `+)+` +
		`|\s(?:at|ät)\s+` + domainRune + `+(?:\s+(?:dot|punkt)\s+` + domainRune + `+)+)`)
	// "at" is a word, so it takes a name with a dot in it, or the name of a mail service behind it.
	atEmail = regexp.MustCompile(`(?i)(?:\pL+[._][\p{L}\p{N}._-]*[\p{L}\p{N}]\s+(?:at|ät)\s+` + domainStart + `\pL{2,}` +
		`|` + addressRune + `+\s+(?:at|ät)\s+(?:g(?:oogle)?mail|gmx|hotmail|icloud|outlook|proton(?:mail)?|web|yahoo|yandex)\.\pL{2,3}\b)`)
)

func maskEmail(address string) string {
	parts := email.FindStringSubmatch(address)
	host, end := parts[1]+parts[2], ""
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
	date      = regexp.MustCompile(`^(?:(?:19|20)\d\d[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d{2}))`)
	address4  = regexp.MustCompile(`^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$`)
	northern  = regexp.MustCompile(`^(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}$`)  // as in North America
	eight     = regexp.MustCompile(`^(?:[2-9]\d{3} \d{4}|\d{2}[- ]\d{2}[- ]\d{2}[- ]\d{2})$`) // as in Singapore, as in Norway
	years     = regexp.MustCompile(`^20\d\d 20\d\d$`)
	fours     = regexp.MustCompile(`^[1-9]\d{0,3}(?: \d{4}){2,}(?: \d{1,3})?$`) // as on bank cards
	money     = regexp.MustCompile(`(?i)(?:[$€£¥₹₽₺₩]|\b(?:eur|usd|gbp|chf|euros?|dollars?|pln|sek|nok|dkk|jpy|inr|aed|sar))[\s\p{Zs}]*$`)
	moneyNext = regexp.MustCompile(`(?i)^(?:[.,]\d{1,2})?[\s\p{Zs}]*(?:[$€£¥₹₽₺₩%]|(?:eur|usd|gbp|chf|euros?|dollars?|pln|sek|nok|dkk|jpy|inr|aed|sar|kg|km|mm|ml|kwh)\b)`)
	decimals  = regexp.MustCompile(`^,\d{2}(?:\D|$)`)
	// A word close before the number tells what it is of: the last one counts.
	phoneWord = regexp.MustCompile(`(?i)(?:\b(?:phone|tel|call|mobile?|cell|whats ?app|wa\.me|sms|text me|fax|handy|rufnummer|ruf|reach me|t[ée]l[ée]phone|portable|tel[ée]fono|móvil|cellulare|telefon|tlf|puh|(?:tél|mob|gsm)\b|ring me|my number|meine nummer|mon num[ée]ro|mi n[úu]mero)|sđt|điện thoại|тел\.|телефон|моб|звон|τηλ|טלפון|נייד|फ़ोन|फोन|मोबाइल|โทร|เบอร์|هاتف|جوال|موبايل|اتصل|电话|手机|電話|携帯|전화)`)
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
	if digits := strings.Map(onlyDigits, text); utf8.RuneCountInString(digits) < minPhone {
		return text
	}
	var out strings.Builder
	from := 0
	for _, at := range numberRun.FindAllStringIndex(text, -1) {
		out.WriteString(text[from:at[0]])
		maskRun(&out, text, at[0], at[1])
		from = at[1]
	}
	return out.String() + text[from:]
}

// maskRun writes text[from:to], which is digits and separators, with the phone numbers hidden that stand in it. Each is judged with what
// stands before and after it; dates are left alone.
func maskRun(out *strings.Builder, text string, from, to int) {
	plain, starts := digitsOf(text[from:to])
	starts = append(starts, to-from)
	for at := 0; at < len(plain); {
		n := dateLength(plain[at:])
		isDate := n > 0
		if !isDate {
			n = numberLength(plain[at:])
		}
		begin, end := from+starts[at], from+starts[at+n]
		before := text[:begin]
		if at > 0 { // the stroke between two numbers is none of a path
			before = strings.TrimRight(before, "/")
		}
		if number := plain[at : at+n]; !isDate && isPhone(before, number, text[end:]) {
			out.WriteString(hidePhone(number))
		} else {
			out.WriteString(text[begin:end])
		}
		at += n
		for ; at < len(plain) && !opensNumber(plain[at]) && !isDigit(plain[at]); at++ {
			out.WriteString(text[from+starts[at] : from+starts[at+1]])
		}
	}
}

func onlyDigits(r rune) rune {
	if unicode.IsDigit(r) {
		return r
	}
	return -1
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// opensNumber reports what a phone number begins with where its area or country is said, and hardly a group of digits within one.
func opensNumber(c byte) bool { return c == '0' || c == '+' || c == '(' }

// dateLength is how long the date is that plain begins with, 0 without one. What goes on after a year of two digits is a phone
// number in pairs: 06.12.34.56.78.
func dateLength(plain string) int {
	n := len(date.FindString(plain))
	isSeparator := func(at int) bool { return at < len(plain) && strings.IndexByte("-./", plain[at]) >= 0 }
	switch {
	case n == 0, n < len(plain) && isDigit(plain[n]):
		return 0
	case n <= len("06.12.34") && isSeparator(n-3) && isSeparator(n) && n+1 < len(plain) && isDigit(plain[n+1]):
		return 0
	}
	return n
}

// numberLength is how long the first number of plain is. Another one may follow with no more than a space, a line or a stroke between:
// a second phone number, or one behind the number of an order.
func numberLength(plain string) int {
	if fours.MatchString(plain) {
		return len(plain)
	}
	before, end := 0, 0 // digits, and where the last of them ends
	for at := range len(plain) {
		if !isDigit(plain[at]) {
			continue
		}
		if end > 0 && strings.ContainsAny(plain[end:at], " \n/") {
			start := end + strings.IndexAny(plain[end:at+1], "+(0123456789")
			if anotherNumber(before, plain[0], plain[end:start], plain[start:]) {
				return end
			}
		}
		before, end = before+1, at+1
	}
	return len(plain)
}

// anotherNumber reports whether rest is a number of its own, after so many digits of which the first is given and a separator.
func anotherNumber(before int, first byte, separator, rest string) bool {
	after := 0
	for i := 0; i < len(rest) && after <= maxPhone; i++ {
		if isDigit(rest[i]) {
			after++
		}
	}
	whole, part := before >= minPhone, !opensNumber(first) // a phone number already; no beginning of one
	switch {
	case after < minPhone:
		return false
	case opensNumber(rest[0]) && (whole || part && after >= 9), strings.Contains(separator, "\n") && (whole || part):
		return true
	}
	return whole && before+after > maxPhone
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
		case r == '\n':
			b.WriteByte('\n')
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
	if opensNumber(plain[0]) && strings.ContainsFunc(other, unicode.IsDigit) {
		other = "" // it is what the number before this one is called
	}
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
	case plain[0] == '0', northern.MatchString(plain), eight.MatchString(plain) && !years.MatchString(plain):
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
