package extract

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// xlsxOf makes a workbook of further parts and of sheets, each the whole part or the content of its worksheet element.
func xlsxOf(t testing.TB, parts []string, sheets ...string) string {
	t.Helper()
	list, rels := "", ""
	all := []string{
		"[Content_Types].xml", `<Types><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>`,
		"_rels/.rels", `<Relationships><Relationship Id="r1" Type="http://example/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
	}
	for i, sheet := range sheets {
		state := "visible"
		if strings.HasPrefix(sheet, "<worksheet hidden>") {
			state = "veryHidden"
		}
		list += fmt.Sprintf(`<sheet name="S%d" sheetId="%d" state=%q r:id="s%d"/>`, i+1, i+1, state, i+1)
		rels += fmt.Sprintf(`<Relationship Id="s%d" Type="http://example/worksheet" Target="worksheets/sheet%d.xml"/>`, i+1, i+1)
		if !strings.HasPrefix(sheet, "<chartsheet") && !strings.HasPrefix(sheet, "<worksheet") {
			sheet = "<worksheet>" + sheet + "</worksheet>"
		}
		all = append(all, fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1), sheet)
	}
	for i := 0; i < len(parts); i += 2 {
		kind := strings.TrimSuffix(parts[i], ".xml")
		rels += `<Relationship Id="` + kind + `" Type="http://example/` + kind + `" Target="` + parts[i] + `"/>`
		all = append(all, "xl/"+parts[i], parts[i+1])
	}
	return zipOf(t, append(all,
		"xl/workbook.xml", `<workbook xmlns:r="http://example/r"><sheets>`+list+`</sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships>`+rels+`</Relationships>`)...)
}

// sheetOf makes rows of lines; cells are parted by bars, and those that are no numbers become inline strings. An empty
// line is a row without cells.
func sheetOf(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("<row>")
		for cell := range strings.SplitSeq(line, "|") {
			switch {
			case cell == "":
				b.WriteString("<c/>")
			case strings.Trim(cell, "0123456789.") == "":
				b.WriteString("<c><v>" + cell + "</v></c>")
			default:
				b.WriteString(`<c t="inlineStr"><is><t>` + cell + `</t></is></c>`)
			}
		}
		b.WriteString("</row>")
	}
	return "<sheetData>" + b.String() + "</sheetData>"
}

func TestXLSXTables(t *testing.T) {
	long := strings.Repeat("long ", 20) + "line"
	var tests []readTest
	for _, tt := range []struct {
		name  string
		sheet string
		want  []string
	}{
		{"title, header, rows", sheetOf("Prices 2026", "", "bike|day", "city|18", "cargo|39"), []string{"paragraph: Prices 2026", "table: bike|day / city|18 / cargo|39"}},
		{"title right above", sheetOf("Prices", "bike|day", "city|18"), []string{"paragraph: Prices", "table: bike|day / city|18"}},
		{"note right below", sheetOf("bike|day", "city|18", long), []string{"table: bike|day / city|18", "paragraph: " + long}},
		{"short last row", sheetOf("bike|day", "city|18", "trike"), []string{"table: bike|day / city|18 / trike|"}},
		{"no header", sheetOf("1|2", "3|4"), []string{"table: | / 1|2 / 3|4"}},
		{"years as header", sheetOf("|2024|2025", "rent|5|6.5"), []string{"table: |2024|2025 / rent|5|6.5"}},
		{"parted by an empty row", sheetOf("a|b", "1|2", "", "c|d|e", "3|4|5"), []string{"table: a|b / 1|2", "table: c|d|e / 3|4|5"}},
		{"goes on without a header", sheetOf("bike|day", "city|18", "", "|", "trike|45", "tandem|30"), []string{"table: bike|day / city|18", "table: bike|day / trike|45 / tandem|30"}},
		{"beside each other", sheetOf("a|b||c|d", "x|1||y|3", "z|2||w|4"), []string{"table: a|b / x|1 / z|2", "table: c|d / y|3 / w|4"}},
		{"values after a gap", sheetOf("Phone||040 1", "Street||Old Quay", "City||Hamburg"), []string{"table: | / Phone|040 1 / Street|Old Quay / City|Hamburg"}},
		{"numbers after a gap", sheetOf("item|note||jan|feb", "rent|x||1|2", "sale|y||3|4"), []string{"table: item|note|jan|feb / rent|x|1|2 / sale|y|3|4"}},
		{"remark beside a table", sheetOf("a|b||VAT included", "x|1", "y|2"), []string{"table: a|b / x|1 / y|2", "paragraph: VAT included"}},
		{"lines of text", sheetOf("Terms", "Be careful.", long, "Lock it."), []string{"paragraph: Terms\nBe careful.", "paragraph: " + long, "paragraph: Lock it."}},
		{"list", sheetOf("Stations", "Quay", "Port", "Fair", "Zoo", "Park"), []string{"table: Stations / Quay / Port / Fair / Zoo / Park"}},
		{"lone cell", sheetOf("", "||only this"), []string{"paragraph: only this"}},
		{"merged downwards and sideways", sheetOf("class|prices|", "|hour|day", "city|4|18") + `<mergeCells><mergeCell ref="B1:C1"/><mergeCell ref="A1:A2"/></mergeCells>`,
			[]string{"table: class|prices| / class|hour|day / city|4|18"}},
		{"merged title", sheetOf("Prices||", "|", "bike|day|week", "city|18|75") + `<mergeCells><mergeCell ref="A1:C2"/></mergeCells>`, []string{"paragraph: Prices", "table: bike|day|week / city|18|75"}},
		{"numbered by the file", `<sheetData><row r="3"><c r="C3"><v>3</v></c><c r="B3"><v>2</v></c></row><row r="2"><c r="B2" t="str"><v>b</v></c><c t="str"><v>c</v></c></row></sheetData>`, []string{"table: b|c / 2|3"}},
		{"diagram", "<chartsheet><x>1</x></chartsheet>", nil},
		{"only formatted", `<sheetData><row r="1"><c s="1"/></row><row r="1048576" s="1"/></sheetData>`, nil},
	} {
		want := append([]string{"heading2: S1", "paragraph: first", "heading2: S2"}, tt.want...)
		if tt.want == nil {
			want = want[:2]
		}
		tests = append(tests, readTest{tt.name, xlsxOf(t, nil, sheetOf("first"), tt.sheet), want})
	}
	testReader(t, "a.xlsx", tests)
}

func TestXLSXCells(t *testing.T) {
	styles := `<styleSheet><numFmts><numFmt numFmtId="170" formatCode="0.0&quot; km&quot;"/></numFmts><fonts><font/><font><b/></font><font><b val="0"/></font></fonts>
<cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs><xf/><xf numFmtId="10"/><xf numFmtId="14"/><xf numFmtId="170"/><xf fontId="1"/></cellXfs></styleSheet>`
	shared := `<sst><si><t>plain</t></si><si><r><t xml:space="preserve">rich </t></r><r><rPr><b/></rPr><t>text</t></r><rPh><t>aid</t></rPh></si><si><t>a_x000D_b</t></si></sst>`
	parts := []string{"styles.xml", styles, "sharedStrings.xml", shared, "worksheets/_rels/sheet1.xml.rels",
		`<Relationships><Relationship Id="r1" Type="http://example/hyperlink" Target="https://bikes.example/a" TargetMode="External"/></Relationships>`}
	for _, tt := range []struct{ name, cell, want string }{
		{"shared", `<c t="s"><v>0</v></c>`, "plain"},
		{"rich", `<c t="s"><v>1</v></c>`, "rich text"},
		{"escaped", `<c t="s"><v>2</v></c>`, "a b"},
		{"shared text that is not there", `<c t="s"><v>9</v></c>`, ""},
		{"inline", `<c t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c>`, "inline"},
		{"number", `<c><v>1.50</v></c>`, "1.5"},
		{"percent", `<c s="1"><v>0.025</v></c>`, "2.50%"},
		{"date", `<c s="2"><v>44197</v></c>`, "2021-01-01"},
		{"own format", `<c s="3"><v>2.25</v></c>`, "2.3 km"},
		{"style that is not there", `<c s="77"><v>2</v></c>`, "2"},
		{"truth", `<c t="b"><v>1</v></c>`, "TRUE"},
		{"error", `<c t="e"><v>#DIV/0!</v></c>`, "#DIV/0!"},
		{"ISO date", `<c t="d"><v>2021-01-01</v></c>`, "2021-01-01"},
		{"formula with its result", `<c><f>SUM(A1:A9)</f><v>12</v></c>`, "12"},
		{"formula for text", `<c t="str"><f>A1&amp;"x"</f><v>ax</v></c>`, "ax"},
		{"formula for a link", `<c t="str"><f>HYPERLINK("https://bikes.example/b","more")</f><v>more</v></c>`, "[more](https://bikes.example/b)"},
		{"link", `<c r="A1" t="str"><v>page</v></c>`, "[page](https://bikes.example/a)"},
		{"no number", `<c><v>abc</v></c>`, "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sheet := `<sheetData><row>` + tt.cell + `<c r="C1" t="str"><v>end</v></c></row></sheetData>`
			if tt.name == "link" {
				sheet += `<hyperlinks xmlns:r="http://example/r"><hyperlink ref="A1" r:id="r1"/><hyperlink ref="C1" location="S1!A1"/></hyperlinks>`
			}
			doc := extractString(t, xlsxOf(t, parts, sheet), "a.xlsx")
			want := []string{"heading2: S1", "table: | / " + tt.want + "|end"}
			if tt.want == "" {
				want[1] = "paragraph: end"
			}
			if diff := cmp.Diff(want, outline(doc)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestXLSXTextBoxes(t *testing.T) {
	shape := func(hidden, text string) string {
		return `<xdr:sp><xdr:nvSpPr><xdr:cNvPr` + hidden + `/></xdr:nvSpPr><xdr:txBody><a:p><a:r><a:t>` + text + `</a:t></a:r></a:p></xdr:txBody></xdr:sp>`
	}
	drawing := `<xdr:wsDr xmlns:xdr="x" xmlns:a="a" xmlns:mc="mc"><xdr:twoCellAnchor><xdr:grpSp>` + shape("", "Closed in May") + shape(` hidden="1"`, "Draft") +
		`</xdr:grpSp></xdr:twoCellAnchor><mc:AlternateContent><mc:Choice>` + shape("", "Open in June") + `</mc:Choice><mc:Fallback>` + shape("", "Old") +
		`</mc:Fallback></mc:AlternateContent></xdr:wsDr>`
	rel := `<Relationships><Relationship Id="d" Type="http://example/drawing" Target="../drawings/drawing1.xml"/></Relationships>`
	doc := extractString(t, xlsxOf(t, []string{"worksheets/_rels/sheet1.xml.rels", rel, "drawings/drawing1.xml", drawing}, "<sheetData/>"), "a.xlsx")
	var got []string
	for _, b := range doc.Blocks {
		got = append(got, b.Text)
	}
	if diff := cmp.Diff([]string{"S1", "Closed in May", "Open in June"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestXLSXNotes(t *testing.T) {
	good := sheetOf("a|b", "1|2")
	cut := "<worksheet><sheetData><row><c><v>1</v></c><c><v>2</v></c></row><row><c><v>3"
	formula := `<sheetData><row><c><v>1</v></c><c><f>A1*2</f></c><c><f t="shared" si="0"/><v>3</v></c></row></sheetData>`
	for _, tt := range []struct {
		name, in string
		want     []string
		blocks   int
	}{
		{"sound", xlsxOf(t, nil, good), nil, 2},
		{"damaged at once", xlsxOf(t, nil, good, `<worksheet><sheetData><row><c><v>1`), []string{"Sheet “S2” is damaged and could not be read."}, 2},
		{"damaged later", xlsxOf(t, nil, cut, good), []string{"Sheet “S1” is damaged. Only its first part was read."}, 4},
		{"several", xlsxOf(t, nil, "<", "<", good, "<"), []string{"Sheets “S1”, “S2” and “S4” are damaged and could not be read."}, 2},
		{"styles", xlsxOf(t, []string{"styles.xml", "<styleSheet><"}, good), []string{"Some of it is damaged. Cells may be missing, or dates shown as numbers."}, 2},
		{"hidden", xlsxOf(t, nil, good, "<worksheet hidden>"+good+"</worksheet>"), []string{"Sheet “S2” is hidden and was read too."}, 4},
		{"not calculated, as libraries write it", xlsxOf(t, nil, strings.ReplaceAll(formula, "</f></c>", "</f><v></v></c>")),
			[]string{"1 formula has no stored result. Open the workbook in a spreadsheet program, save it and upload it again."}, 2},
		{"not calculated", xlsxOf(t, nil, formula), []string{"1 formula has no stored result. Open the workbook in a spreadsheet program, save it and upload it again."}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := extractString(t, tt.in, "a.xlsx")
			if diff := cmp.Diff(tt.want, doc.Notes); diff != "" || len(doc.Blocks) != tt.blocks {
				t.Errorf("%s\n%q", diff, outline(doc))
			}
		})
	}
	if got := sheetsNamed([]string{"a", "b", "c", "d", "e", "f", "g"}, "", "x"); got != "Sheets “a”, “b”, “c”, “d”, “e” and 2 more x" {
		t.Error(got)
	}
}

func TestXLSXRefused(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Reason
	}{
		{"empty", xlsxOf(t, nil, "<sheetData/>"), ReasonEmpty},
		{"all damaged", xlsxOf(t, nil, "<", "<"), ReasonCorrupt},
		{"no workbook", zipOf(t, "[Content_Types].xml", "spreadsheetml"), ReasonCorrupt},
		{"binary", zipOf(t, "[Content_Types].xml", "application/vnd.ms-excel.sheet.binary.macroEnabled.main"), ReasonUnsupported},
		{"too many sheets", xlsxOf(t, nil, make([]string, MaxPages+1)...), ReasonTooManyPages},
		{"one text in many cells", xlsxOf(t, []string{"sharedStrings.xml", "<sst><si><t>" + strings.Repeat("x", 1<<20) + "</t></si></sst>"},
			"<sheetData>"+strings.Repeat(`<row><c t="s"><v>0</v></c></row>`, 40)+"</sheetData>"), ReasonTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := reasonFor(t, tt.in, "a.xlsx"); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// A workbook as a program of other people writes it.
func TestXLSXWritten(t *testing.T) {
	f := excelize.NewFile()
	bold, err1 := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	euro, err2 := f.NewStyle(&excelize.Style{NumFmt: 4})
	day, err3 := f.NewStyle(&excelize.Style{NumFmt: 14})
	_, err4 := f.NewSheet("Hidden")
	for _, err := range []error{
		err1, err2, err3, err4,
		f.SetDocProps(&excelize.DocProperties{Title: "Fleet"}),
		f.SetSheetName("Sheet1", "Prices & more"),
		f.SetSheetRow("Prices & more", "B2", &[]any{"Bike", "2025", "Since"}),
		f.SetSheetRow("Prices & more", "B3", &[]any{"Long John", 1039.5, time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)}),
		f.SetSheetRow("Prices & more", "B4", &[]any{nil, 45, nil}),
		f.SetCellStyle("Prices & more", "B2", "D2", bold),
		f.SetCellStyle("Prices & more", "C3", "C4", euro),
		f.SetCellStyle("Prices & more", "D3", "D3", day),
		f.MergeCell("Prices & more", "B3", "B4"),
		f.SetCellHyperLink("Prices & more", "B3", "https://bikes.example/lj", "External"),
		f.SetSheetVisible("Hidden", false),
		f.SetCellValue("Hidden", "A1", true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if err := f.Write(&buf); err != nil {
		t.Fatal(err)
	}
	var progress []int
	doc, err := Extract(t.Context(), buf.Bytes(), "a.xlsx", func(done, total int) { progress = append(progress, done, total) })
	if err != nil {
		t.Fatal(err)
	}
	sound(t, doc)
	want := []string{"heading2: Prices & more", "table: Bike|2025|Since / [Long John](https://bikes.example/lj)|1,039.50|2024-05-01 / [Long John](https://bikes.example/lj)|45.00|",
		"heading2: Hidden", "paragraph: TRUE"}
	if diff := cmp.Diff(want, outline(doc)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{0, 2, 1, 2, 2, 2}, progress); diff != "" || doc.Title != "Fleet" || doc.Pages != 2 || doc.Blocks[1].Page != 1 || doc.Blocks[3].Page != 2 {
		t.Errorf("%v, %q, %d pages, %+v", progress, doc.Title, doc.Pages, doc.Blocks[3])
	}
}

// Cells that lie far apart would fill memory as a table.
func TestXLSXSparse(t *testing.T) {
	var b strings.Builder
	for i := 1; i <= 1500; i++ {
		name, err := excelize.CoordinatesToCellName(i, i)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, `<row r="%d"><c r="%s"><v>%d</v></c><c><v>7</v></c></row>`, i, name, i)
	}
	doc := extractString(t, xlsxOf(t, nil, "<sheetData>"+b.String()+"</sheetData>"), "a.xlsx")
	sound(t, doc)
	if n := len(doc.Markdown()); n > 100_000 || len(doc.Blocks) != 2 {
		t.Errorf("%d bytes of text in %d blocks", n, len(doc.Blocks))
	}
}

func FuzzXLSX(f *testing.F) {
	f.Add(sheetOf("a|b||c", "1|2", "", "x"), `<sst><si><t>a</t></si></sst>`, `<styleSheet><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>`)
	f.Add(`<sheetData><row r="9"><c r="ZZ9" s="0" t="s"><v>0</v></c></row></sheetData><mergeCells><mergeCell ref="A1:C3"/></mergeCells>`, "", `<styleSheet><numFmts><numFmt numFmtId="0" formatCode="[h]:mm;# ?/?;0.0E+0;@"/></numFmts></styleSheet>`)
	f.Fuzz(func(t *testing.T, sheet, shared, styles string) {
		doc, err := readXLSX([]byte(xlsxOf(t, []string{"sharedStrings.xml", shared, "styles.xml", styles}, sheet)), func(int, int) {})
		if err == nil && doc.finish() == nil {
			sound(t, doc)
		}
	})
}

func FuzzNumberFormat(f *testing.F) {
	for _, code := range builtinFormats {
		f.Add(code, 44197.26, false)
	}
	f.Add(`[>=1e9]0.0,,"M";[Red]-# ?/16;[$-407]dddd ss.000 AM/PM;_(@*x\`, -1e300, true)
	f.Fuzz(func(t *testing.T, code string, v float64, date1904 bool) {
		format := parseFormat(code)
		if n := len(format.number(v, date1904)) + len(format.words("x")); n > 4000 {
			t.Errorf("%d bytes", n)
		}
	})
}
