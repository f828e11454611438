package extract

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mailHead = "From: \"Ana Bo\" <ana@bikes.example>\r\nTo: info@bikes.example\r\nDate: Tue, 1 Oct 2024 12:34:56 +0200\r\nSubject: Deposit\r\nMIME-Version: 1.0\r\n"

// mailOf makes a message of fields about its content, and its body.
func mailOf(fields, body string) string { return mailHead + fields + "\r\n" + body }

// multipartOf makes the fields and the body of several parts, each with fields of its own.
func multipartOf(kind string, parts ...string) string {
	body := "Content-Type: multipart/" + kind + "; boundary=\"=_" + kind + "\"\r\n\r\nThis is a message in parts.\r\n"
	for _, part := range parts {
		body += "--=_" + kind + "\r\n" + part + "\r\n"
	}
	return body + "--=_" + kind + "--\r\nafter the end\r\n"
}

func TestEML(t *testing.T) {
	fields := "paragraph: From: Ana Bo <ana@bikes.example>\nTo: info@bikes.example\nDate: Tue, 1 Oct 2024 12:34:56 +0200"
	plain, rich := "Content-Type: text/plain\r\n\r\nThe deposit is 50 euro.", "Content-Type: text/html\r\n\r\n<nav>Menu</nav><h1>Deposit</h1><p>It is <a href=\"https://bikes.example/d\">50 euro</a>."
	pdf := "Content-Type: application/pdf; name=\"=?utf-8?q?Pr=C3=A4?= prices.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0="
	picture := "Content-Type: image/png; name=logo.png\r\nContent-ID: <1>\r\n\r\nxx"
	notes := "Content-Type: text/plain\r\nContent-Disposition: attachment; filename*=utf-8''C%3A%5Cterms%5C1.txt\r\n\r\nnot read"
	forwarded := "Content-Type: message/rfc822\r\n\r\nFrom: bo@bikes.example\r\nSubject: Lock\r\nContent-Type: text/html\r\n\r\n<h2>Code</h2><p>It is 7.</p>"
	var tests []readTest
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"plain", mailOf("", "One line\r\nand another.\r\n\r\n- a list\r\n\r\n-- \r\nAna"), []string{"paragraph: One line\nand another.", "list_item1: a list", "paragraph: Ana"}},
		{"quotes", mailOf("", "Yes.\n> How much\n> > is it?\n>\n> Thanks\n\nBye"), []string{"paragraph: Yes.", "quote: How much\nis it?", "quote: Thanks", "paragraph: Bye"}},
		{"shouting", mailOf("", "THANK YOU\n\nmore"), []string{"paragraph: THANK YOU", "paragraph: more"}},
		{"flowed", mailOf("Content-Type: text/plain; format=flowed\n", "One \nline.\n> quo \n> ted\n-- \nAna"), []string{"paragraph: One line.", "quote: quo ted", "paragraph: Ana"}},
		{"html", mailHead + strings.Replace(rich, "Content", "X: y\r\nContent", 1), []string{"paragraph: Menu", "heading2: Deposit", "paragraph: It is [50 euro](https://bikes.example/d)."}},
		{"alternative", mailHead + multipartOf("alternative", plain, rich), []string{"paragraph: The deposit is 50 euro."}},
		{"alternative without words", mailHead + multipartOf("alternative", "\r\n \r\n", multipartOf("related", rich, picture)), []string{"paragraph: Menu", "heading2: Deposit", "paragraph: It is [50 euro](https://bikes.example/d)."}},
		{"alternative that says nothing", mailHead + multipartOf("alternative", "Content-Type: text/plain\r\n\r\nUse another program. https://bikes.example/a-very-long-address-that-says-nothing", rich+strings.Repeat(" Bring a card.", 5)),
			[]string{"paragraph: Menu", "heading2: Deposit", "paragraph: It is [50 euro](https://bikes.example/d)." + strings.Repeat(" Bring a card.", 5)}},
		{"attachments", mailHead + multipartOf("mixed", plain, pdf, notes, picture), []string{"paragraph: The deposit is 50 euro.", "paragraph: Attachments: Prä prices.pdf, 1.txt"}},
		{"signed", mailHead + multipartOf("signed", plain, "Content-Type: application/pgp-signature; name=s.asc\r\n\r\nxx"), []string{"paragraph: The deposit is 50 euro."}},
		{"forwarded", mailHead + multipartOf("mixed", plain, forwarded), []string{"paragraph: The deposit is 50 euro.", "heading2: Forwarded message: Lock", "paragraph: From: bo@bikes.example", "heading4: Code", "quote: It is 7."}},
		{"a page saved whole", mailHead + multipartOf("related", rich, "Content-Type: text/css\r\nContent-Location: cid:css\r\n\r\na { color: red }"), []string{"paragraph: Menu", "heading2: Deposit", "paragraph: It is [50 euro](https://bikes.example/d)."}},
		{"quoted-printable", mailOf("Content-Transfer-Encoding: Quoted-Printable\r\nContent-Type: text/plain; charset=utf-8\r\n", "K=C3=BCche =\r\nhier =ZZ a=3Db 5=\r\n"), []string{"paragraph: Küche hier =ZZ a=b 5"}},
		{"base64", mailOf("Content-Transfer-Encoding: base64\r\n", "S8O8\r\nY2hl IQ==\r\n"), []string{"paragraph: Küche!"}},
		{"base64 that is none", mailOf("Content-Transfer-Encoding: base64\r\n", "Not encoded at all, is it?"), []string{"paragraph: Not encoded at all, is it?"}},
		{"declared charset", mailOf("Content-Type: text/plain; charset=windows-1255\r\n", "\xf9\xec\xe5\xed"), []string{"paragraph: שלום"}},
		{"charset by habit", mailOf("Content-Type: text/plain; charset=us-ascii\r\n", "Größe"), []string{"paragraph: Größe"}},
		{"wrong charset", mailOf("Content-Type: text/plain; charset=iso-8859-1\r\n", "Größe"), []string{"paragraph: Größe"}},
		{"unknown charset", mailOf("Content-Type: text/plain; charset=x-none\r\n", "Gr\xf6\xdfe"), []string{"paragraph: Größe"}},
		{"japanese", mailOf("Content-Type: text/plain; charset=iso-2022-jp\r\n", "\x1b$B<+E>\x1b(B"), []string{"paragraph: 自転"}},
		{"boundary that is not closed", mailHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nFirst.\r\n--b\r\n\r\nSecond", []string{"paragraph: First.", "paragraph: Second"}},
		{"another boundary than declared", mailHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\nFirst.\r\n--c--", []string{"paragraph: First."}},
		{"no boundary", mailHead + "Content-Type: multipart/mixed\r\n\r\nOnly this.", []string{"paragraph: Only this."}},
		{"doubled parameter", mailHead + "Content-Type: multipart/mixed; boundary=b; boundary=\"b\"\r\n\r\n--b\r\n\r\nFirst.\r\n--b--", []string{"paragraph: First."}},
		{"boundary within another", mailHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\nFirst.\r\n--bb\r\nContent-Type: text/html\r\n\r\nFirst.\r\n--bb--\r\n--b--", []string{"paragraph: First."}},
		{"no text", mailOf("", ""), nil},
		{"mailbox of one", "From ana@bikes.example Tue Oct  1 12:34:56 2024\r\n" + mailOf("", "Text"), []string{"paragraph: Text"}},
	} {
		tests = append(tests, readTest{tt.name, tt.in, append([]string{"heading1: Deposit", fields}, tt.want...)})
	}
	testReader(t, "a.eml", tests)
}

func TestEMLFields(t *testing.T) {
	for _, tt := range []struct{ name, field, want string }{
		{"words in base64", "=?windows-1255?B?UkU6IPns5e0=?=", "RE: שלום"},
		{"two words", "=?utf-8?q?Gr=C3=B6?=\r\n =?utf-8?q?=C3=9Fe?= neu", "Größe neu"},
		{"folded", "one\r\n\ttwo", "one two"},
		{"bytes", "Gr\xf6\xdfe", "Größe"},
		{"unknown charset", "=?x-none?q?a?=", "=?x-none?q?a?="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, "Subject: "+tt.field+"\r\nFrom: a@b.example\r\n\r\nx", "a.eml")
			if doc.Title != tt.want || doc.Blocks[0].Text != tt.want {
				t.Errorf("title %q, %q", doc.Title, outline(doc))
			}
		})
	}
}

func TestEMLNotes(t *testing.T) {
	file := "Content-Type: application/x-thing\r\n\r\nx"
	one, many := extractString(t, mailHead+multipartOf("mixed", file), "a.eml"), extractString(t, mailHead+multipartOf("mixed", make([]string, 600)...), "a.eml")
	if diff := cmp.Diff([]string{"1 attachment was not read; upload it as a file of its own."}, one.Notes); diff != "" || one.Blocks[2].Text != "Attachments: unnamed (application/x-thing)" {
		t.Errorf("%s %q", diff, outline(one))
	}
	if diff := cmp.Diff([]string{"It holds too many messages or parts within each other. Not all of them were read."}, many.Notes); diff != "" {
		t.Error(diff)
	}
	files := extractString(t, mailHead+multipartOf("mixed", slicesOf(file, 60)...), "a.eml")
	if last := files.Blocks[len(files.Blocks)-1].Text; !strings.HasSuffix(last, ", unnamed (application/x-thing) and 10 more") || len(files.Notes) != 1 {
		t.Errorf("%q %q", last, files.Notes)
	}
	for name, in := range map[string]string{
		"S/MIME": mailOf("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n", "MII="),
		"PGP":    mailHead + multipartOf("encrypted", "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", file),
	} {
		if got := reasonFor(t, in, "a.eml"); got != ReasonEncrypted {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func slicesOf(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// Parts within parts end somewhere, as do parts beside each other.
func TestEMLNested(t *testing.T) {
	nested := func(depth int) string {
		s := mailHead
		for i := range depth {
			s += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return s + "\r\nat the bottom"
	}
	for _, tt := range []struct {
		name, in string
		read     bool
	}{
		{"deep", nested(maxMailDepth), true},
		{"deeper", nested(maxMailDepth + 1), false},
		{"deepest", nested(5_000), false},
		{"messages", mailHead + strings.Repeat("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n", 20_000) + "\r\nat the bottom", false},
		{"wide", mailHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 500_000), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, tt.in, "a.eml")
			sound(t, doc)
			if read := strings.HasSuffix(doc.Markdown(), "at the bottom"); read != tt.read || read == (doc.Notes != nil) || len(doc.Blocks) > maxMailParts+2 {
				t.Errorf("%d blocks, notes %q", len(doc.Blocks), doc.Notes)
			}
		})
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(mailOf("", "inner")))
	doc := extractString(t, mailHead+multipartOf("mixed", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"+encoded), "a.eml")
	if last := doc.Blocks[len(doc.Blocks)-1]; last.Text != "inner" {
		t.Errorf("%q", outline(doc))
	}
}

func FuzzEML(f *testing.F) {
	f.Add([]byte(mailHead + multipartOf("mixed", multipartOf("alternative", "\r\nx", "Content-Type: text/html\r\n\r\n<p>y"), "Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?a?=\r\n\r\n>q")))
	f.Add([]byte("From x\nSubject: a\n b\nContent-Transfer-Encoding: base64\nContent-Type: text/plain; format=flowed; charset=gbk\n\nYQ=="))
	f.Add([]byte("Content-Transfer-Encoding: quoted-printable\nContent-Type: multipart/x; boundary=\"\n\n--a\nContent-b\n\n=3D=\n--a--"))
	fuzz(f, readEML)
}
