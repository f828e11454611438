package extract

import (
	"strconv"
	"strings"
)

// rtfChars are the words that stand for a character.
var rtfChars = map[string]string{
	"tab": "\t", "line": "\n", "softline": "\n", "page": "\n", "column": "\n", "emdash": "—", "endash": "–", "bullet": "•",
	"lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ", "qmspace": " ",
	"zwj": "\u200d", "zwnj": "\u200c", "zwbo": "\u200b",
}

// rtfDefaults are the numbers of words that come without one, where it is not 0.
var rtfDefaults = map[string]int{"b": 1, "v": 1, "deleted": 1, "uc": 1, "itap": 1}

var (
	rtfGroups map[string]func(*rtfReader)      // the words at the head of a group that goes elsewhere
	rtfWords  map[string]func(*rtfReader, int) // the others that change something
)

func init() { // at run time: the functions refer back to the tables
	rtfWords, rtfGroups = rtfWordTable(), rtfGroupTable()
}

func rtfWordTable() map[string]func(*rtfReader, int) {
	format := func(r *rtfReader, n int) { r.list.level().format = rtfFormats[n] }
	return map[string]func(*rtfReader, int){
		"u": (*rtfReader).unicode, "par": rtfPar, "sect": rtfPar, "cell": rtfCellEnd, "nestcell": rtfNestCellEnd, "row": rtfRowEnd,
		"nestrow": rtfNestRowEnd, "trowd": rtfRowStart,
		"pard":         func(r *rtfReader, _ int) { r.state.para = rtfProps{} },
		"plain":        rtfPlain,
		"b":            func(r *rtfReader, n int) { r.state.bold = n != 0 },
		"super":        func(r *rtfReader, _ int) { r.state.shift = raised },
		"sub":          func(r *rtfReader, _ int) { r.state.shift = lowered },
		"nosupersub":   func(r *rtfReader, _ int) { r.state.shift = nil },
		"v":            func(r *rtfReader, n int) { r.state.hidden = n != 0 },
		"deleted":      func(r *rtfReader, n int) { r.state.deleted = n != 0 },
		"mvf":          func(r *rtfReader, _ int) { r.state.deleted = true }, // moved from here
		"f":            func(r *rtfReader, n int) { r.state.font = n },
		"uc":           func(r *rtfReader, n int) { r.state.uc = min(max(n, 0), 16) },
		"deff":         func(r *rtfReader, n int) { r.font, r.state.font = n, n },
		"mac":          func(r *rtfReader, _ int) { r.page = 10000 },
		"pc":           func(r *rtfReader, _ int) { r.page = 437 },
		"pca":          func(r *rtfReader, _ int) { r.page = 850 },
		"ansicpg":      rtfPage,
		"fcharset":     func(r *rtfReader, n int) { r.setFont(func(f *rtfFont) { f.charset = min(max(n, 0), 255) + 1 }) },
		"cpg":          func(r *rtfReader, n int) { r.setFont(func(f *rtfFont) { f.page = n }) },
		"s":            func(r *rtfReader, n int) { r.state.para.style = n },
		"cs":           rtfOtherStyle,
		"ds":           rtfOtherStyle,
		"ts":           rtfOtherStyle,
		"sbasedon":     func(r *rtfReader, n int) { r.list.basedOn = n },
		"outlinelevel": rtfOutline,
		"ls":           func(r *rtfReader, n int) { r.state.para.list, r.list.number = n, n },
		"ilvl":         func(r *rtfReader, n int) { r.state.para.level = min(max(n, 0), 8) },
		"intbl":        func(r *rtfReader, _ int) { r.state.para.depth = max(r.state.para.depth, 1) },
		"itap":         func(r *rtfReader, n int) { r.state.para.depth = min(max(n, 0), rtfMaxTables) },
		"cellx":        func(r *rtfReader, n int) { r.rowTable().endDef(n) },
		"clmrg":        func(r *rtfReader, _ int) { r.rowTable().def.joined = true },
		"clvmgf":       func(r *rtfReader, _ int) { r.rowTable().def.merge = "restart" },
		"clvmrg":       func(r *rtfReader, _ int) { r.rowTable().def.merge = "continue" },

		"levelnfc":          format,
		"levelnfcn":         format,
		"levelstartat":      func(r *rtfReader, n int) { r.list.level().start = n },
		"listid":            func(r *rtfReader, n int) { r.list.id = n },
		"listoverridecount": func(r *rtfReader, n int) { r.list.override = n },
	}
}

func rtfGroupTable() map[string]func(*rtfReader) {
	to := func(dest rtfDest) func(*rtfReader) { return func(r *rtfReader) { r.state.dest = dest } }
	groups := map[string]func(*rtfReader){
		"fonttbl": rtfFontTable, "stylesheet": to(rtfStyles), "info": to(rtfInfo), "title": rtfTitle, "upr": func(r *rtfReader) { r.state.upr = true },
		"ud": func(*rtfReader) {}, "nesttableprops": func(r *rtfReader) { r.state.inner = true },
		"field": func(r *rtfReader) { r.state.field = &rtfField{} }, "fldinst": rtfInstruction, "fldrslt": rtfResult,
		"listtext": rtfLabel, "pntext": rtfLabel, "footnote": rtfNote, "shptxt": rtfBox, "dptxbxtext": rtfBox,
		"sn": rtfShapeName, "sv": rtfShapeValue,
		"listtable": to(rtfVoid), "listoverridetable": to(rtfVoid), "leveltext": rtfLevelText,
		"list": rtfListStart, "listlevel": rtfListLevel, "listoverride": rtfListOverride,
		"result": to(rtfShown), "mr": to(rtfShown), // of an object, of a formula
	}
	for word := range strings.FieldsSeq("shpinst shppict pict picprop sp do object moMath moMathPara") {
		groups[word] = to(rtfVoid)
	}
	for word := range strings.FieldsSeq(`colortbl filetbl revtbl rsidtbl nonshppict shprslt nonesttables pn xe tc tcn rxe txe annotation atnid
		atnauthor objdata objclass objname objalias objtopic objitem mmathPict listpicture levelnumbers listname falt panose blipuid
		datafield formfield ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn template generator themedata latentstyles datastore`) {
		groups[word] = to(rtfSkip)
	}
	for word := range strings.FieldsSeq("header headerl headerr headerf footer footerl footerr footerf") {
		groups[word] = rtfRunningHead
	}
	return groups
}

func rtfPlain(r *rtfReader, _ int) {
	r.state.font, r.state.bold, r.state.hidden, r.state.deleted, r.state.shift = r.font, false, false, false, nil
}

func rtfPage(r *rtfReader, n int) {
	if n > 0 {
		r.page = n
	}
}

func rtfFontTable(r *rtfReader) { r.take(rtfFonts, r.endFonts) }

func rtfTitle(r *rtfReader) {
	if r.state.dest == rtfInfo {
		r.take(rtfTaken, func() { r.doc.Title = string(r.text) })
	}
}

// rtfOtherStyle leaves out the entry of a style that is not one of paragraphs.
func rtfOtherStyle(r *rtfReader, _ int) {
	if n := len(r.stack); n > 0 && r.stack[n-1].dest == rtfStyles {
		r.state.dest = rtfSkip
	}
}

func (r *rtfReader) endStyle() {
	if r.state.dest == rtfSkip {
		return
	}
	s := docxStyle{basedOn: strconv.Itoa(r.list.basedOn), outline: r.state.para.outline}
	name, _, _ := strings.Cut(string(r.text), ";")
	name, _, _ = strings.Cut(name, ",") // other names
	s.setName(strings.ToLower(strings.TrimSpace(name)))
	r.styles[strconv.Itoa(r.state.para.style)] = s
	r.list.basedOn = 0
}

func rtfOutline(r *rtfReader, n int) {
	r.state.para.outline = 10 // body text
	if n >= 0 && n <= 8 {
		r.state.para.outline = n + 1
	}
}

// rtfField is an instruction, which is no text, and its result, which is.
type rtfField struct{ instruction string }

func rtfInstruction(r *rtfReader) {
	field := r.state.field
	r.take(rtfTaken, func() {
		if field != nil {
			field.instruction = string(r.text)
		}
	})
}

// rtfMaxLink is how many bytes the text of a link has at most.
const rtfMaxLink = 2000

// rtfResult makes a link of the result of a HYPERLINK that stands in one paragraph.
func rtfResult(r *rtfReader) {
	field, flow := r.state.field, r.flow
	if field == nil || r.state.dest != rtfShown {
		return
	}
	from, paragraphs := len(flow.text), flow.paragraphs
	r.state.done = func() {
		m := hyperlinkField.FindStringSubmatch(field.instruction)
		if m != nil && flow == r.flow && flow.paragraphs == paragraphs && len(flow.text) > from && len(flow.text) < from+rtfMaxLink {
			flow.text = append(flow.text[:from], link(string(flow.text[from:]), m[1])...)
		}
	}
}

func rtfLabel(r *rtfReader) {
	flow := r.flow
	r.take(rtfMarker, func() { flow.setLabel(string(r.text)) })
}

func rtfShapeName(r *rtfReader) {
	r.take(rtfTaken, func() { r.shapeName = string(r.text) })
}

// rtfShapeValue reads what a picture shows, if its author said so.
func rtfShapeValue(r *rtfReader) {
	if r.shapeName == "wzDescription" {
		flow := r.flow
		r.take(rtfTaken, func() {
			flow.write(" "+altText(string(r.text))+" ", false)
		})
	}
	r.shapeName = ""
}

// rtfList is what is being read of the tables of lists and styles.
type rtfList struct {
	basedOn  int
	levels   [9]docxLevel
	at       int // level being read, from 1
	id       int
	number   int // of \ls
	override int
}

// rtfFormats are the numbers of \levelnfc that are not written in digits.
var rtfFormats = map[int]string{0: "decimal", 1: "upperRoman", 2: "lowerRoman", 3: "upperLetter", 4: "lowerLetter", 5: "decimal",
	22: "decimalZero", 23: "bullet", 255: "none"}

func (l *rtfList) level() *docxLevel { return &l.levels[min(max(l.at-1, 0), 8)] }

func rtfListStart(r *rtfReader) {
	r.list = rtfList{}
	r.state.done = func() { r.numbering.abstract[strconv.Itoa(r.list.id)] = r.list.levels }
}

func rtfListLevel(r *rtfReader) {
	r.list.at++
	*r.list.level() = docxLevel{format: "decimal", start: 1}
}

// rtfLevelText reads a pattern: its length, and then text in which the levels from 0 to 8 stand for their numbers.
func rtfLevelText(r *rtfReader) {
	r.take(rtfTaken, func() {
		var b strings.Builder
		for i, c := range strings.TrimSuffix(string(r.text), ";") {
			switch {
			case i == 0: // the length
			case c < 9:
				b.WriteString("%" + strconv.Itoa(int(c)+1))
			default:
				b.WriteRune(c)
			}
		}
		r.list.level().text = b.String()
	})
}

func rtfListOverride(r *rtfReader) {
	r.list = rtfList{}
	r.state.dest = rtfVoid
	r.state.done = func() {
		r.numbering.nums[strconv.Itoa(r.list.number)] = docxList{abstract: strconv.Itoa(r.list.id), own: r.list.override > 0}
	}
}
