package domain_test

import (
	"strings"
	"testing"
	"time"

	"bitb/domain"
)

func TestMask(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an address":                {"Write to maria@example.com, please.", "Write to m•••@e••••.com, please."},
		"with a plus":               {"m.k+shop@mail.example.co.uk", "m•••@m••••.uk"},
		"of two scripts":            {"müller@bücher.example и иван@почта.рф", "m•••@b••••.example и и•••@п••••.рф"},
		"Arabic":                    {"راسلني على سارة@مثال.إختبار", "راسلني على س•••@م••••.إختبار"},
		"Chinese dot and at":        {"张伟＠例子。公司", "张•••@例••••.公司"},
		"in brackets":               {"<maria@example.com>", "<m•••@e••••.com>"},
		"a quoted name":             {`"maria k"@example.com`, "m•••@e••••.com"},
		"invisible characters":      {"ma\u200bria@exam\u200bple.com", "m•••@e••••.com"},
		"a number for a host":       {"maria@[192.168.0.1]", "m•••@1••••"},
		"two in a row":              {"a@b.de;c@d.org", "a•••@b••••.de;c•••@d••••.org"},
		"spelled out":               {"maria (at) example (dot) com", "•••@••••"},
		"spelled out with brackets": {"maria [at] example.com", "•••@••••"},
		"spelled with words":        {"it is maria at example dot com", "it is •••@••••"},
		"a spelled dot":             {"maria@example dot com, ivan@mail.example[.]org or eva @ example (punkt) de", "•••@••••, •••@•••• or •••@••••"},
		"no address":                {"Meet @ 10, or @shop on the net; a @ b", "Meet @ 10, or @shop on the net; a @ b"},
		"in a link":                 {"mailto:maria@example.com?subject=x", "mailto:m•••@e••••.com?subject=x"},
		"a script":                  {"<script>maria@example.com</script>", "<script>m•••@e••••.com</script>"},

		"international":            {"Call +49 171 1234512.", "Call +49 ••• ••12."},
		"with brackets":            {"+1 (555) 123-4567", "+15 ••• ••67"},
		"in one":                   {"+491711234512", "+49 ••• ••12"},
		"with two zeros":           {"0049 171 1234512", "••• ••12"},
		"national":                 {"030 / 123 45 12 rings", "••• ••12 rings"},
		"mobile":                   {"01711234512", "••• ••12"},
		"North American":           {"(555) 123-4567 or 555.123.4567", "••• ••67 or ••• ••67"},
		"with a country code":      {"1-800-555-0199", "••• ••99"},
		"French":                   {"06 12 34 56 78", "••• ••78"},
		"Indian":                   {"98765 43210", "••• ••10"},
		"Chinese":                  {"手机13812345678", "手机••• ••78"},
		"Arabic-Indic digits":      {"اتصل بي ٠٥٠١٢٣٤٥٦٧", "اتصل بي ••• ••67"},
		"Arabic-Indic with a plus": {"+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", "+96 ••• ••67"},
		"Persian digits":           {"شماره ۰۹۱۲۳۴۵۶۷۸۹", "شماره ••• ••89"},
		"wide digits":              {"＋４９ １７１ １２３４５１２", "+49 ••• ••12"},
		"short, but named":         {"my phone is 555-0199", "my phone is ••• ••99"},
		"a chat link":              {"https://wa.me/491711234512", "https://wa.me/••• ••12"},
		"a dial link":              {"tel:+491711234512", "tel:+49 ••• ••12"},
		"no-break spaces":          {"+49\u00a0171\u00a01234512", "+49 ••• ••12"},
		"invisible between":        {"+49\u200b171\u200b1234512", "+49 ••• ••12"},
		"dashes":                   {"0171–1234–512", "••• ••12"},
		"after a date":             {"11.03.2026 01711234512", "11.03.2026 ••• ••12"},
		"a customer":               {"I am a customer, 01711234512, of yours", "I am a customer, ••• ••12, of yours"},
		"a refund":                 {"for the refund 0171 1234512", "for the refund ••• ••12"},
		"after an order":           {"order 4711, phone 01711234512", "order 4711, phone ••• ••12"},

		"two numbers":                 {"01711234512 01719876543", "••• ••12 ••• ••43"},
		"two with a stroke":           {"0171 1234512 / 030 7654321", "••• ••12 / ••• ••21"},
		"two with a stroke alone":     {"0171/1234512/030/7654321", "••• ••12/••• ••21"},
		"two lines":                   {"mine: 98765 43210\n98765 43211", "mine: ••• ••10\n••• ••11"},
		"two American ones":           {"+1 (555) 123-4567 (555) 987-6543", "+15 ••• ••67 ••• ••43"},
		"two without a zero":          {"98765 43210 98765 43211", "••• ••10 ••• ••11"},
		"before an order":             {"+49 171 1234512 4500012345", "+49 ••• ••12 ••• ••45"},
		"before a date":               {"0171 1234512 2026-03-11", "••• ••12 2026-03-11"},
		"behind an order":             {"order 4500012345 01711234512", "order 4500012345 ••• ••12"},
		"behind a short one":          {"order 4711 0171 1234512", "order 4711 ••• ••12"},
		"on the line below an order":  {"order 4711\n5551234567", "order 4711\n5551234567"},
		"after an order and a comma":  {"order 4711, 01711234512", "order 4711, ••• ••12"},
		"after an id and its number":  {"my id is 12345678, number 0171 1234512", "my id is 12345678, number ••• ••12"},
		"behind a version":            {"v2.3.1 0171 1234512", "v2.3.1 ••• ••12"},
		"cut by a line":               {"0171\n1234512", "••• ••12"},
		"French with dots":            {"06.12.34.56.78", "••• ••78"},
		"French with dashes":          {"tél : 06-12-34-56-78", "tél : ••• ••78"},
		"Norwegian":                   {"tlf 91234567, 91 23 45 67", "tlf ••• ••67, ••• ••67"},
		"of Singapore":                {"9123 4567", "••• ••67"},
		"Russian, named":              {"телефон 123-45-67", "телефон ••• ••67"},
		"called a number":             {"my number is 555 0199", "my number is ••• ••99"},
		"of an address with spaces":   {"maria @ example.com, maria@ example.com", "m•••@e••••.com, m•••@e••••.com"},
		"an address in a link's form": {"maria%40example.com", "m•••@e••••.com"},
		"spelled with a name's dot":   {"maria.k at example.com", "•••@••••"},
		"at a mail service":           {"maria at gmail.com", "•••@••••"},
		"no address but a place":      {"I bought 3 @ 4.50 at example.com", "I bought 3 @ 4.50 at example.com"},

		"a span of dates":      {"01.02.2026-05.02.2026, 2026-03-11/2026-03-15", "01.02.2026-05.02.2026, 2026-03-11/2026-03-15"},
		"a date of two digits": {"on 11.03.26 14:00 and 3/11/26.", "on 11.03.26 14:00 and 3/11/26."},
		"two years":            {"2024 2026", "2024 2026"},
		"a bank card":          {"4111 1111 1111 1111", "4111 1111 1111 1111"},
		"a bank account":       {"DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"},
		"a billion":            {"1 000 000 000 EUR", "1 000 000 000 EUR"},
		"a date":               {"on 2026-03-11, 11.03.2026 and 3/11/2026", "on 2026-03-11, 11.03.2026 and 3/11/2026"},
		"a date with a time":   {"2026-03-11 14:32:05 UTC", "2026-03-11 14:32:05 UTC"},
		"years":                {"from 2024-2026", "from 2024-2026"},
		"a price":              {"1.234.567,89 € or 12,500.00 USD or $ 1200300400", "1.234.567,89 € or 12,500.00 USD or $ 1200300400"},
		"a big price":          {"it costs 612 345 678 EUR", "it costs 612 345 678 EUR"},
		"an order":             {"Where is my order 4500012345?", "Where is my order 4500012345?"},
		"an order in German":   {"Bestellnummer: 0012345678", "Bestellnummer: 0012345678"},
		"two orders":           {"orders 4500012345 and 4500012346", "orders 4500012345 and 4500012346"},
		"a cancelled order":    {"the cancelled order with the number 4500012345", "the cancelled order with the number 4500012345"},
		"an order with parts":  {"order no. 2026-004711-01", "order no. 2026-004711-01"},
		"a hash":               {"#1234567890", "#1234567890"},
		"Arabic order":         {"رقم الطلب ١٢٣٤٥٦٧٨٩٠", "رقم الطلب ١٢٣٤٥٦٧٨٩٠"},
		"a part number":        {"ERR-4012, v2.3.1, NT-240, SN-0123456789", "ERR-4012, v2.3.1, NT-240, SN-0123456789"},
		"an address of a net":  {"192.168.100.200", "192.168.100.200"},
		"a path":               {"https://shop.example/items/1234567890", "https://shop.example/items/1234567890"},
		"a long number":        {"4111 1111 1111 1111 1111", "4111 1111 1111 1111 1111"},
		"a short number":       {"12345, 555-019", "12345, 555-019"},
		"a sum":                {"12+30=42", "12+30=42"},
		"nothing":              {"", ""},
	} {
		if got := domain.Mask(c.text); got != c.want {
			t.Errorf("%s: %q became %q, want %q", name, c.text, got, c.want)
		}
	}
}

// Text from outside can be anything; masking it takes no longer than reading it, and twice is as good as once.
func TestMaskTakesAnything(t *testing.T) {
	began := time.Now()
	for _, piece := range []string{"@", "a@", "0", "+", "+1 ", "1-", "(", ".", "a.a@", "\xff", "\u202e", "٠", "at ", "a at b dot ", `"`, "1 (", "0 a@b.c "} {
		text := strings.Repeat(piece, 20_000)
		once := domain.Mask(text)
		if twice := domain.Mask(once); twice != once && len(piece) < 3 {
			t.Errorf("%q is masked again", piece)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}
