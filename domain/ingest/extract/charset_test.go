package extract

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name, text string
		enc        encoding.Encoding
	}{
		{"utf-8", "Fahrräder für 18 € am Tag", nil},
		{"utf-8 with mark", "\ufeffFahrräder", nil},
		{"utf-16 little", "Fahrräder, 自転車", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)},
		{"utf-16 big", "Fahrräder, 自転車", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)},
		{"utf-8 with a few bad bytes", "Fahrräder für Anfänger, Größe übrig, Schlüssel hängen im Büro gegenüber\x80", nil},
		{"utf-16 without mark", "Opening hours of the station", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
		{"utf-32", "Fahrräder", utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)},
		{"windows-1252", "Die Gebühr beträgt 4,50 €, “heute” noch", charmap.Windows1252},
		{"windows-1252, two words", "déjà élève", charmap.Windows1252},
		{"windows-1251", "Станция у причала открыта каждый день", charmap.Windows1251},
		{"greek", "Ο σταθμός είναι ανοιχτός κάθε μέρα", charmap.ISO8859_7},
		{"shift jis", "自転車のレンタルは港の近くです。", japanese.ShiftJIS},
		{"shift jis with letters that are Microsoft's", "名前,年齢\r\n髙橋淳,35\r\n", japanese.ShiftJIS},
		{"euc-jp", "自転車のレンタルは港の近くです。", japanese.EUCJP},
		{"iso-2022-jp", "自転車のレンタルは港の近くです。", japanese.ISO2022JP},
		{"gbk", "我们的自行车租赁服务在港口附近提供。价格为每天二十欧元。", simplifiedchinese.GBK},
		{"big5", "我們的自行車租賃服務在港口附近提供。價格為每天二十歐元。", traditionalchinese.Big5},
		{"euc-kr", "자전거 대여 서비스는 항구 근처에서 제공됩니다.", korean.EUCKR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := []byte(tt.text)
			if tt.enc != nil {
				var err error
				if data, err = tt.enc.NewEncoder().Bytes(data); err != nil {
					t.Fatal(err)
				}
			}
			if got := cleanText(decode(data, false)); got != cleanText(tt.text) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Texts of one sentence, of three and of more come back from every encoding in which their languages are written; of the single
// sentences, a German one in the encoding of DOS does not.
func TestDecodeLanguages(t *testing.T) {
	data, err := os.ReadFile("testdata/languages.txt")
	if err != nil {
		t.Fatal(err)
	}
	tried, missed := 0, 0
	for _, part := range strings.Split(string(data), "== ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		names := strings.Fields(head)
		lines := strings.Split(strings.TrimSpace(body), "\n")
		for _, name := range append(names[1:], "utf-8", "utf-16le", "utf-16be") {
			enc, err := ianaindex.IANA.Encoding(name)
			if err != nil || enc == nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, n := range []int{1, 3, len(lines)} {
				want := strings.Join(lines[:n], "\n")
				raw, err := enc.NewEncoder().String(want)
				if err != nil {
					t.Fatalf("%s in %s: %v", names[0], name, err)
				}
				tried++
				if got := decode([]byte(raw), false); got != want {
					missed++
					if n > 1 || missed > 1 {
						t.Errorf("%s in %s, %d sentences: %.80q", names[0], name, n, got)
					}
				}
			}
		}
	}
	t.Logf("%d of %d came back", tried-missed, tried)
}

// A few words among much ASCII, as in lists and code, do not decide for another script.
func TestDecodeFewWords(t *testing.T) {
	tests := []struct {
		name, text string
		enc        encoding.Encoding
	}{
		{"a price", "Lift £825, not bad for a £2 bet on three homes.", charmap.Windows1252},
		{"a degree", "Store it at 20°C or below; ½ cup a day.", charmap.Windows1252},
		{"one short word", "Considerato che è indispensabile promuovere lo sviluppo", charmap.Windows1252},
		{"a list of names", "id;name;city\r\n1;Müller;Köln\r\n2;Groß;Lübeck\r\n", charmap.Windows1252},
		{"marks alone", "The “station” at the quay – open daily…", charmap.Windows1252},
		{"russian in markup", `<table class="prices" id="t1"><tr><td width=100>Цена</td><td>100</td></tr></table>`, charmap.Windows1251},
		{"a short list in Japanese", "名前,価格\n机,100\n椅子,200\n", japanese.ShiftJIS},
		{"a short list in Korean", "이름,가격\n책상,100\n의자,200\n", korean.EUCKR},
		{"a short list in Thai", "ชื่อ,ราคา\nโต๊ะ,100\n", charmap.Windows874},
		{"a ligature", "Prénom;Référence\nHélène;œuvre\n", charmap.ISO8859_15},
		{"capitals", "ЦЕНЫ НА ПРОКАТ ВЕЛОСИПЕДОВ", charmap.KOI8R},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := tt.enc.NewEncoder().String(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := decode([]byte(raw), false); got != tt.text {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestDecodeMarkup(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"declared", `<meta charset="windows-1251">` + "\xcf\xee\xf0\xf2", "Порт"},
		{"declared wrongly", `<meta charset="iso-8859-1">Größe`, "Größe"},
		{"declared, but no such bytes", `<meta charset="euc-kr">` + "Gr\xf6\xdfe f\xfcr R\xe4der", "Größe für Räder"},
		{"utf-16 declared in bytes", `<meta charset="utf-16">` + "Gr\xf6\xdfe", "Größe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if doc := extractString(t, "<html>"+tt.in, "a.html"); doc.Blocks[0].Text != tt.want {
				t.Errorf("got %q, want %q", doc.Blocks[0].Text, tt.want)
			}
		})
	}
}

func TestCleanText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"tidy", "one line\nand another", "one line\nand another"},
		{"blanks", "  a \t b\u00a0 c  ", "a b c"},
		{"wide blanks", "\u3000ゾルゲ\u3000と\u3000", "ゾルゲ と"},
		{"line ends", "a \r\n\r\n\r\n b\rc\u2028d", "a\nb\nc\nd"},
		{"controls", "a\x00b\x07c\x1b[31m", "abc[31m"},
		{"invalid utf-8", "a\xffb", "a\ufffdb"},
		{"ligatures", "oﬃce ﬂag", "office flag"},
		{"arabic forms", "\ufefb", "لا"},
		{"superscripts keep their meaning", "m² ½", "m² ½"},
		{"composed", "u\u0308ber", "über"},
		{"soft hyphen", "Fahr\u00adrad\u200b", "Fahrrad"},
		{"direction marks", "invoice\u202efdp.exe", "invoicefdp.exe"},
		{"joiners", "می\u200cخواهم", "می\u200cخواهم"},
		{"noncharacter", "a\ufffeb\U0001ffff", "ab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := cleanText(tt.in)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if again := cleanText(got); again != got {
				t.Errorf("cleaned again: %q", again)
			}
		})
	}
}
