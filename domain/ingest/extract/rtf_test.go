package extract

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRTF(t *testing.T) {
	const (
		fonts  = `{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1\fnil\fcharset128 MS Mincho;}{\f2\fnil\fcharset204{\*\fname Arial;}Arial Cyr;}{\f3\froman\fcharset2 Symbol;}{\f4\fnil\fcharset2 Wingdings;}}`
		styles = `{\stylesheet{\ql Normal;}{\s1\outlinelevel0 heading 1;}{\s2\sbasedon1 Clause;}{\s3 Quote;}{\s4 HTML Preformatted;}{\s5\b caption;}{\*\cs6 Strong;}}`
		lists  = `{\*\listtable{\list{\listlevel\levelnfc0\levelstartat3{\leveltext\'02\'00.;}{\levelnumbers\'01;}}{\listlevel\levelnfc4\levelstartat1{\leveltext\'04\'00.\'01);}{\levelnumbers\'01;}}\listid7}` +
			`{\list{\listlevel\levelnfc23{\leveltext\'01\u-3913 ?;}{\levelnumbers;}}\listid8}}{\*\listoverridetable{\listoverride\listid7\listoverridecount0\ls1}{\listoverride\listid8\listoverridecount0\ls2}}`
	)
	rtf := func(body string) string { return `{\rtf1\ansi\ansicpg1252\deff0` + fonts + styles + body + "}" }
	row := func(defs string, cells ...string) string {
		return `\trowd` + defs + `\pard\intbl ` + strings.Join(cells, `\cell `) + `\cell\row `
	}
	testReader(t, "a.rtf", []readTest{
		{"paragraphs", rtf("\\pard one\r\n two\\par\\pard{\\b three\\par}four\\line five\\par"), []string{"paragraph: one two", "heading2: three", "paragraph: four\nfive"}},
		{"headings", rtf(`\pard\s1 One\par\pard\s2 Two\par\pard\outlinelevel2{\b Three}\par\pard{\b bold}\par`), []string{"heading1: One", "heading1: Two", "heading3: Three", "paragraph: bold"}},
		{"bold that is no heading", rtf(`\pard\s5{\b Figure 1}\par\pard{\b A sentence.}\par\pard{\b Note:} text`), []string{"paragraph: Figure 1", "paragraph: A sentence.", "paragraph: Note: text"}},
		{"quote and code", rtf(`\pard\s3 wise\par\pard\s4 if a \{\par\pard\s4\~ b\par`), []string{"quote: wise", "code: if a {\n  b"}},
		{"characters", rtf(`a\tab b\emdash c\~d\-e\_f\'e4\'80\lquote g\rquote\bullet\\ \{\}`), []string{"paragraph: a b—c de-fä€‘g’•\\ {}"}},
		{"unicode", rtf(`\u228\'e4\u8364?\uc0\u228 x{\uc2\u26085\'93\'fa}\uc1\u-10179?\u-8704?\u-10179? -\u-8704? \u252\'81\'40y\u8217\par z`), []string{"paragraph: ä€äx日😀 -� ü@y’", "paragraph: z"}},
		{"code pages", rtf(`{\f2 \'cf\'ee\'f0\'f2} {\f1 \'93\'fa\'96\'7b\'83A} {\f3 m\'b3} {\f4\'fc}`), []string{"paragraph: Порт 日本ア μ≥ ✓"}},
		{"bytes that are not escaped", rtf("{\\f1 \x93\xfa\x96{}}"), []string{"paragraph: 日\ufffd"}},
		{"utf-8 that is not escaped", rtf("Größe {\\f1 日本}"), []string{"paragraph: Größe 日本"}},
		{"a code page that no font declares", `{\rtf1\ansi\ansicpg1251{\fonttbl{\f0\fcharset0 Arial;}}\f0\'cf\'ee\'f0\'f2}`, []string{"paragraph: Порт"}},
		{"mac", `{\rtf1\mac{\fonttbl\f0\fswiss Geneva;}\f0 Gr\'9a\'a7e}`, []string{"paragraph: Größe"}},
		{"hidden", rtf(`a{\v b}{\deleted c}{\*\unknown d}{\pict\wmetafile8 0102}{\*\annotation e}{\xe f}{\b0\*\cs7 f}{\info{\author g}{\title\'dcber}}{\v\footnote h}\bin3 }}}i`), []string{"paragraph: afi"}},
		{"picture", rtf(`Map: {\*\shppict{\pict{\*\picprop{\sp{\sn wzName}{\sv x}}{\sp{\sn wzDescription}{\sv the loop}}}ffd8}}{\nonshppict{\pict 00}}`), []string{"paragraph: Map: the loop"}},
		{"a picture that a program described", rtf(`Map:{\pict{\*\picprop{\sp{\sn wzDescription}{\sv A bear\line\line Description automatically generated}}}ffd8}`), []string{"paragraph: Map:"}},
		{"no hexadecimal digits", rtf("a\\'\x14\x11b"), []string{"paragraph: ab"}},
		{"above and below the line", rtf(`10{\super 6}, H\sub 2\nosupersub O, 1{\super st} 5`), []string{"paragraph: 10⁶, H₂O, 1st 5"}},
		{"object", rtf(`{\object\objemb{\*\objdata 0105}{\result sum 12}}`), []string{"paragraph: sum 12"}},
		{"formula", rtf(`{\mmath{\*\moMath{\mr E}{\mr =m}{\mctrlPr no}}{\mmathPict{\pict 00}}}`), []string{"paragraph: E=m"}},
		{"said twice", rtf(`{\upr{\fldinst{no}}{\*\ud{yes}}}`), []string{"paragraph: yes"}},
		{"links", rtf(`see {\field{\*\fldinst{HYPERLINK "https://a.example/b"}}{\fldrslt{\ul our page}}}, {\field{\*\fldinst HYPERLINK \\l "x"}{\fldrslt here}} {\field{\*\fldinst PAGE}{\fldrslt 3}}`),
			[]string{"paragraph: see [our page](https://a.example/b), here 3"}},
		{"lists as Word and WordPad write them", rtf(`{\listtext\pard\plain\f0 1)\tab}\pard\ls1 a\par{\listtext\f3\'b7\tab}\pard\ilvl1\ls2 b\par\pard{\pntext\f4\'a7\tab}{\*\pn\pnlvlblt{\pntxtb\'b7}}c\par{\listtext\f0 o\tab}d\par{\listtext\tab}e\par`),
			[]string{"list_item1: 1) a", "list_item2: b", "list_item1: c", "list_item1: d", "paragraph: e"}},
		{"lists without their numbers", rtf(lists + `\pard\ls1 a\par\ls1\ilvl1 b\par b\par\pard\ls2 c\par\pard d`), []string{"list_item1: 3. a", "list_item2: 3.a) b", "list_item2: 3.b) b", "list_item1: c", "paragraph: d"}},
		{"numbered heading", rtf(`{\listtext 2.1\tab}\pard\s1\ls1 Prices\par`), []string{"heading1: 2.1 Prices"}},
		{"table", rtf(row(`\trhdr\cellx100\cellx200`, "A", "B") + row(`\cellx100\cellx200`, `1\par 2`, "") + `\pard after`), []string{"table: A|B / 1 2|", "paragraph: after"}},
		{"table without marks", rtf(`\trowd\cellx9\cellx19 a\cell b\par c\cell\row\trowd d\cell e\cell\row f\par`), []string{"table: a|b c / d|e", "paragraph: f"}},
		{"merged cells", rtf(row(`\cellx1000\cellx2000\cellx3000`, "A", "B", "C") + row(`\clvmgf\cellx1000\clmgf\cellx2000\clmrg\cellx3000`, "x", "y", "") + row(`\clvmrg\cellx1000\cellx3010`, "", "1") + row(`\cellx2000\cellx3000`, "p", "q")),
			[]string{"table: A|B|C / x|y| / x|1| / p||q"}},
		{"frame", rtf(row(`\cellx100`, "Note") + `\pard text`), []string{"paragraph: Note", "paragraph: text"}},
		{"table in a cell", rtf(`\trowd\cellx100\cellx200\pard\intbl A\cell B\cell\row\pard\intbl\itap2 a\nestcell{\nonesttables\par}b\nestcell{\*\nesttableprops\trowd\cellx50\cellx90\nestrow}\pard\intbl rest\cell x\cell\row\pard`),
			[]string{"table: A|B / a b rest|x"}},
		{"row that is cut off", rtf(`\trowd\cellx100\cellx200\pard\intbl a\cell b`), []string{"table: | / a|b"}},
		{"footnote", rtf(`Worn{\super\chftn{\footnote\pard\plain\chftn  At 20\par degrees.}}. More{\*\footnote\ftnalt end}\par next`), []string{"paragraph: Worn[1]. More[2]", "paragraph: [1] At 20\ndegrees.", "paragraph: [2] end", "paragraph: next"}},
		{"running heads", rtf(`{\header Loop Bikes\par}{\headerl Loop Bikes\par}{\footer page {\field{\*\fldinst PAGE}{\fldrslt 1}}}{\footerl page 2}text`), []string{"paragraph: text", "furniture: Loop Bikes", "furniture: page 1"}},
		{"text box", rtf(`a{\shp{\*\shpinst{\sp{\sn shapeType}{\sv 202}}{\shptxt\pard box\par}}{\shprslt{\*\do{\dptxbxtext no}}}} b{\*\do{\dptxbxtext old box}}\par`), []string{"paragraph: a b", "paragraph: box", "paragraph: old box"}},
		{"as TextEdit writes", "{\\rtf1\\ansi\\ansicpg1252\\cocoartf2639\n{\\fonttbl\\f0\\fswiss\\fcharset0 Helvetica;\\f1\\fswiss\\fcharset0 Helvetica-Bold;}\n\\pard\\pardirnatural\n\\f1\\b\\fs24 \\cf0 Hours\n\\f0\\b0 \\\n\\pard\\ls1\\ilvl0{\\listtext\t\\uc0\\u8226 \t}daily\\\n{\\listtext\t\\uc0\\u8226 \t}nightly\\\n}",
			[]string{"heading2: Hours", "list_item1: daily", "list_item1: nightly"}},
		{"after the end", rtf("text") + "more", []string{"paragraph: text"}},
	})
	if doc := extractString(t, rtf(`{\info{\upr{\title ?}{\*\ud{\title\u12478?}}}}x`), "a.rtf"); doc.Title != "ゾ" || doc.Pages != 0 {
		t.Errorf("title %q, %d pages", doc.Title, doc.Pages)
	}
	if doc := extractString(t, strings.TrimSuffix(rtf(`{\b text`), "}"), "a.rtf"); doc.Markdown() != "## text" || len(doc.Notes) != 1 {
		t.Errorf("cut off: %q %v", doc.Markdown(), doc.Notes)
	}
	if got := reasonFor(t, rtf(`\pard\par{\pict 00}`), "a.rtf"); got != ReasonEmpty {
		t.Errorf("no text: %s", got)
	}
}

// The same document as warranty.docx, as LibreOffice writes it.
func TestWarrantyRTF(t *testing.T) {
	doc := extractFile(t, "testdata/warranty.rtf")
	sound(t, doc)
	golden(t, doc, "testdata/warranty.md")
	if doc.Title != "Warranty for used bicycles" {
		t.Errorf("title %q", doc.Title)
	}
}

// Reading takes a time in proportion to the size, and memory for the text alone.
func TestRTFHostile(t *testing.T) {
	tests := []struct{ name, body string }{
		{"picture", `{\pict ` + strings.Repeat("0123456789abcdef\n", 1<<20) + `}x`},
		{"groups", strings.Repeat("{", 1<<20) + "x"},
		{"groups in a group", "x" + strings.Repeat(`{\b y}`, 1<<18)},
		{"notes in notes", strings.Repeat(`{\footnote y`, rtfMaxDepth-2) + strings.Repeat("z", 1<<22)},
		{"tables in tables", strings.Repeat(`\itap99\trowd\cellx1 x\nestcell\nestrow`, 1<<16)},
		{"fields in fields", strings.Repeat(`{\field{\*\fldinst HYPERLINK "https://a.example"}{\fldrslt x`, rtfMaxDepth/2-2) + strings.Repeat("z", 1<<22)},
		{"rows without end", `\trowd` + strings.Repeat(`\cellx5000`, 1<<16) + strings.Repeat(`x\cell\row`, 1<<16)},
		{"spans", func() string {
			var b strings.Builder
			for i := range 199 {
				fmt.Fprintf(&b, `\trowd\cellx%d x\cell\row`, (i+1)*100)
			}
			return b.String() + `\trowd\cellx9\cellx19900 x\cell x\cell\row` + strings.Repeat(`x\cell\row`, 1<<16)
		}()},
		{"binary that claims too much", `x\bin999999999 `},
		{"number that is too large", `x\u99999999999999999999 \fs-99999999999999999999 `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			doc, err := readRTF([]byte(`{\rtf1` + tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if doc.finish() == nil {
				sound(t, doc)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func FuzzRTF(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansi{\fonttbl{\f1\fcharset128 M;}{\f3 Symbol;}}{\stylesheet{\s1\outlinelevel0 Quote;}}{\header h}\trowd\clvmgf\cellx9\clmrg\cellx99\intbl{\f1\'93\'fa}\cell{\f3 a}\nestcell\row\pard\s1{\footnote n}\u-10179?\par`))
	f.Add([]byte(`{\listtable{\list{\listlevel\levelnfc2{\leveltext\'02\'00.;}}\listid7}}{\listoverride\listid7\ls1}{\listtext 1.\tab}\ls1{\field{\*\fldinst HYPERLINK "https://x"}{\fldrslt y}}{\shptxt z{\upr{a}{\*\ud{b}}}`))
	fuzz(f, readRTF)
}
