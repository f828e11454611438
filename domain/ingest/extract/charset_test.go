package extract

import (
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
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

func TestDecodeMarkup(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"declared", `<meta charset="windows-1251">` + "\xcf\xee\xf0\xf2", "Порт"},
		{"declared wrongly", `<meta charset="iso-8859-1">Größe`, "Größe"},
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
