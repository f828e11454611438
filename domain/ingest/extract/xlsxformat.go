package extract

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// numFormat is a number format of a spreadsheet (ECMA-376 part 1, 18.8.31): up to four sections, for positive and negative
// numbers, for zero and for text.
type numFormat struct {
	sections    []numSection
	conditional bool
}

// numSection is a section of a format, taken apart.
type numSection struct {
	tokens    []numToken
	op        string // of its condition, e.g. ">=", or ""
	limit     float64
	date      bool
	text      bool // shows text by an @
	fine      bool // shows parts of a second
	clock12   bool
	whole     int // digits before the point
	decimals  int
	exponent  int // digits of it
	grouped   bool
	percents  int
	thousands int // to divide by
	slash     int // index of the slash of a fraction, else -1
	calendar  []string
}

// numToken is a literal, or one sign of a format: a digit (0 # ?), a point, a percent sign, e for an exponent, @ for text, g for
// General; or a part of a date: y m d h s, n for minutes, a for AM/PM, f for parts of a second, and in capitals H N S for time
// that runs on.
type numToken struct {
	kind byte
	text string // of a literal, or as it stands in the format
}

const (
	literal   = 'l'
	dateUnits = "ymdhsHNSn"
)

// builtinFormats are those a file refers to by number alone. Three are shown in the manner of whoever opens the file (14, 22 and the
// East Asian dates); the order of year, month and day reads the same to everyone.
var builtinFormats = map[int]string{
	1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
	5: "$#,##0;-$#,##0", 6: "$#,##0;-$#,##0", 7: "$#,##0.00;-$#,##0.00", 8: "$#,##0.00;-$#,##0.00",
	9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
	14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
	18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm",
	27: "yyyy-mm-dd", 28: "yyyy-mm-dd", 29: "yyyy-mm-dd", 30: "yyyy-mm-dd", 31: "yyyy-mm-dd",
	32: "h:mm", 33: "h:mm:ss", 34: "h:mm", 35: "h:mm:ss", 36: "yyyy-mm-dd",
	37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
	41: "#,##0;(#,##0);-;@", 42: "$#,##0;($#,##0);-;@", 43: "#,##0.00;(#,##0.00);-;@", 44: "$#,##0.00;($#,##0.00);-;@",
	45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
	50: "yyyy-mm-dd", 51: "yyyy-mm-dd", 52: "yyyy-mm-dd", 53: "yyyy-mm-dd", 54: "yyyy-mm-dd", 55: "h:mm", 56: "h:mm:ss",
	57: "yyyy-mm-dd", 58: "yyyy-mm-dd",
}

// maxFormat is how long a format may be; Excel itself allows 255 characters.
const maxFormat = 512

// parseFormat takes a format apart, once for all cells that have it.
func parseFormat(code string) *numFormat {
	f := &numFormat{}
	if len(code) > maxFormat {
		return f
	}
	for len(f.sections) < 4 {
		s := numSection{slash: -1}
		rest := s.scan(code)
		s.settle()
		f.conditional = f.conditional || s.op != ""
		f.sections = append(f.sections, s)
		if rest == "" {
			break
		}
		code = rest[1:]
	}
	return f
}

// scan reads tokens up to the end of a section and returns the rest, which is empty or begins with its semicolon.
func (s *numSection) scan(code string) (rest string) {
	for code != "" && code[0] != ';' {
		r, n := utf8.DecodeRuneInString(code)
		switch r {
		case '"':
			quoted, after, _ := strings.Cut(code[1:], `"`)
			s.add(literal, quoted)
			code = after
			continue
		case '\\', '_', '*':
			next, size := utf8.DecodeRuneInString(code[1:])
			switch {
			case size == 0:
			case r == '\\':
				s.add(literal, string(next))
			case r == '_': // as wide as the next sign
				s.add(literal, " ")
			}
			n += size
		case '[':
			inside, after, closed := strings.Cut(code[1:], "]")
			if closed {
				s.bracket(inside)
				code = after
				continue
			}
		default:
			n = s.sign(code, n)
		}
		code = code[n:]
	}
	return code
}

func (s *numSection) add(kind byte, text string) {
	s.tokens = append(s.tokens, numToken{kind, text})
}

// bracket reads what stands in brackets: a condition, a currency, a running time. Colours and languages are not shown.
func (s *numSection) bracket(inside string) {
	if symbol, ok := strings.CutPrefix(inside, "$"); ok {
		symbol, language, _ := strings.Cut(symbol, "-")
		s.add(literal, symbol)
		if id, err := strconv.ParseUint(language, 16, 32); err == nil && calendars[id&0x3ff] != "" {
			s.calendar = strings.Fields(calendars[id&0x3ff])
		}
		return
	}
	if number := strings.TrimLeft(inside, "<>="); number != inside {
		if limit, err := strconv.ParseFloat(strings.TrimSpace(number), 64); err == nil {
			s.op, s.limit = inside[:len(inside)-len(number)], limit
		}
		return
	}
	lower := strings.ToLower(inside)
	for i, unit := range "hms" {
		if lower != "" && strings.Trim(lower, string(unit)) == "" {
			s.add("HNS"[i], lower)
		}
	}
}

// sign reads a sign outside quotes and returns its length; n is that of its first character.
func (s *numSection) sign(code string, n int) int {
	lower := strings.ToLower(code[:min(len(code), len("general"))])
	switch {
	case lower == "general":
		s.add('g', "")
		return len("general")
	case strings.HasPrefix(lower, "am/pm"):
		s.add('a', "")
		return len("am/pm")
	case strings.HasPrefix(lower, "a/p"):
		s.add('a', "")
		return len("a/p")
	case strings.HasPrefix(lower, "e+"), strings.HasPrefix(lower, "e-"):
		s.add('e', code[1:2])
		return 2
	}
	switch c := lower[0]; c {
	case 'y', 'm', 'd', 'h', 's', 'e', 'b', 'g':
		n = len(lower) - len(strings.TrimLeft(lower, string(rune(c))))
		s.addDate(c, n)
	case '0', '#', '?', '.', ',', '%', '@', '/':
		s.add(c, code[:1])
	default:
		s.add(literal, code[:n])
	}
	return n
}

func (s *numSection) addDate(c byte, n int) {
	switch c {
	case 'e', 'b': // a year of another era: the common one is understood
		s.add('y', "yyyy")
	case 'g': // the name of the era
	default:
		s.add(c, strings.Repeat(string(rune(c)), n))
	}
}

// settle works out what the tokens mean together.
func (s *numSection) settle() {
	for i, t := range s.tokens {
		switch t.kind {
		case 'y', 'm', 'd', 'h', 's', 'H', 'N', 'S', 'a':
			s.date = true
			s.clock12 = s.clock12 || t.kind == 'a'
		case '@':
			s.text = true
		case '/':
			if s.slash < 0 {
				s.slash = i
			}
		}
	}
	if s.date {
		s.settleDate()
	} else {
		s.settleNumber()
	}
}

// settleDate tells minutes from months, and parts of a second from digits; other signs of numbers stand for themselves.
func (s *numSection) settleDate() {
	before := byte(0)
	for i := range s.tokens {
		t := &s.tokens[i]
		switch t.kind {
		case 's', 'S':
			if last := s.lastUnit(i); last >= 0 && s.tokens[last].kind == 'm' && len(s.tokens[last].text) < 3 {
				s.tokens[last].kind = 'n'
			}
		case 'm':
			if (before == 'h' || before == 'H') && len(t.text) < 3 {
				t.kind = 'n'
			}
		case '.':
			t.kind = literal
			if i+1 < len(s.tokens) && s.tokens[i+1].kind == '0' && (before == 's' || before == 'S') {
				t.kind, t.text, s.fine = 'f', "", true
			}
		case '0', '#', '?':
			t.kind = literal
			if i > 0 && s.tokens[i-1].kind == 'f' {
				t.kind = 'f'
			}
		case '/', ',', '%', 'e':
			t.kind = literal
		}
		if strings.IndexByte(dateUnits, t.kind) >= 0 {
			before = t.kind
		}
	}
}

// lastUnit returns the index of the part of a date before token i, or -1.
func (s *numSection) lastUnit(i int) int {
	for i--; i >= 0; i-- {
		if strings.IndexByte(dateUnits, s.tokens[i].kind) >= 0 {
			return i
		}
	}
	return -1
}

// settleNumber counts digits, and finds out whether a comma groups them or divides by a thousand.
func (s *numSection) settleNumber() {
	point, exponent := false, false
	commas := 0
	for i := range s.tokens {
		t := &s.tokens[i]
		switch t.kind {
		case '0', '#', '?':
			switch {
			case exponent:
				s.exponent++
			case point:
				s.decimals++
			default:
				s.grouped = s.grouped || commas > 0 && s.whole > 0
				s.whole++
			}
			commas = 0
		case ',':
			commas++
			t.kind, t.text = literal, ""
		case '.':
			if point {
				t.kind = literal
				continue
			}
			s.thousands += commas
			point, commas = true, 0
		case 'e':
			exponent = true
		case '%':
			s.percents++
		}
	}
	s.thousands = min(s.thousands+commas, 10)
	s.percents = min(s.percents, 10)
}

// number shows v. A section that cannot show it, as a date before the calendar begins, gives up.
func (f *numFormat) number(v float64, date1904 bool) string {
	s, negative := f.choose(v)
	if s == nil {
		return general(v)
	}
	if s.date {
		if text, ok := s.dateTime(v, date1904); ok {
			return text
		}
		return general(v)
	}
	text := strings.TrimSpace(s.digits(math.Abs(v)))
	if negative && strings.ContainsAny(text, "123456789") {
		return "-" + text
	}
	return text
}

// choose returns the section for v, and whether a minus sign must be put before what it shows.
func (f *numFormat) choose(v float64) (s *numSection, negative bool) {
	n := len(f.sections)
	if n > 1 && n < 4 && f.sections[n-1].text || n == 4 {
		n-- // the last one is for text
	}
	if f.conditional {
		for i := range f.sections[:n] {
			if s := &f.sections[i]; s.op == "" && (i == n-1 || i == 0 && v >= 0) || s.op != "" && s.holds(v) {
				return s, v < 0 && !(i == 1 && n > 1 && s.op == "")
			}
		}
		return nil, false
	}
	switch {
	case n == 0 || n == 1 && f.sections[0].text:
		return nil, false
	case n > 1 && v < 0:
		return &f.sections[1], false
	case n > 2 && v == 0:
		return &f.sections[2], false
	}
	return &f.sections[0], v < 0
}

func (s *numSection) holds(v float64) bool {
	switch s.op {
	case "<":
		return v < s.limit
	case "<=":
		return v <= s.limit
	case ">":
		return v > s.limit
	case ">=":
		return v >= s.limit
	case "=":
		return v == s.limit
	}
	return s.op == "<>" && v != s.limit
}

// words shows a text: as it is, unless the format has a section for text.
func (f *numFormat) words(text string) string {
	if n := len(f.sections); n == 4 || n > 0 && f.sections[n-1].text {
		var b strings.Builder
		for _, t := range f.sections[n-1].tokens {
			switch t.kind {
			case '@', 'g':
				b.WriteString(text)
			case literal:
				b.WriteString(t.text)
			}
		}
		return b.String()
	}
	return text
}

// general shows a number without a format: at most twelve digits, which hides that 0.1 and 0.2 make 0.30000000000000004, but
// whole numbers in full, as those are numbers of articles and accounts.
func general(v float64) string {
	a := math.Abs(v)
	switch {
	case a < 1e15 && v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', -1, 64)
	case a >= 1e15 || a < 1e-4:
		return strconv.FormatFloat(v, 'G', 6, 64)
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return ""
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// nudge makes up for what a decimal number loses in binary before it is rounded: 2.675 is stored as 2.67499…, and people round
// it up.
func nudge(v float64, decimals int) float64 {
	if v*math.Pow(10, float64(decimals)) < 1e14 {
		return v + v*4e-16
	}
	return v
}

// calendars are the names of months, and of days from Sunday, by the language that a format asks for (MS-LCID without the country).
var calendars = map[uint64]string{
	0x06: "januar februar marts april maj juni juli august september oktober november december søndag mandag tirsdag onsdag torsdag fredag lørdag",
	0x07: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag",
	0x0a: "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre domingo lunes martes miércoles jueves viernes sábado",
	0x0c: "janvier février mars avril mai juin juillet août septembre octobre novembre décembre dimanche lundi mardi mercredi jeudi vendredi samedi",
	0x10: "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre domenica lunedì martedì mercoledì giovedì venerdì sabato",
	0x13: "januari februari maart april mei juni juli augustus september oktober november december zondag maandag dinsdag woensdag donderdag vrijdag zaterdag",
	0x15: "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia niedziela poniedziałek wtorek środa czwartek piątek sobota",
	0x16: "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado",
	0x1d: "januari februari mars april maj juni juli augusti september oktober november december söndag måndag tisdag onsdag torsdag fredag lördag",
}

// name returns a month's name, counted from 0, or after the months a day's, and that cut to some letters unless n is 0.
func (s *numSection) name(i, n int) string {
	var name []rune
	switch {
	case s.calendar != nil:
		name = []rune(s.calendar[i])
	case i < 12:
		name = []rune(time.Month(i + 1).String())
	default:
		name = []rune(time.Weekday(i - 12).String())
	}
	if n == 3 && i < 12 && s.calendar != nil && s.calendar[5] == "juin" {
		n = 4 // three letters do not tell juin from juillet
	}
	if n == 0 || n > len(name) {
		return string(name)
	}
	return string(name[:n])
}

// dateTime shows a day counted from 1900 or 1904, with the time of day as its fraction.
func (s *numSection) dateTime(v float64, date1904 bool) (string, bool) {
	if !(v >= 0 && v <= 2958466) { // up to the year 9999
		return "", false
	}
	step := time.Second
	if s.fine {
		step = time.Millisecond
	}
	ticks := int64(math.Round(v * 86400 * float64(time.Second/step)))
	since := time.Duration(ticks%int64(24*time.Hour/step)) * step
	days := int(ticks / int64(24*time.Hour/step))
	seconds := int64(days)*86400 + int64(since/time.Second)
	first := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case date1904:
		first = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case days < 60: // the calendar has a 29th of February in 1900, as Lotus 1-2-3 had
		first = first.AddDate(0, 0, 1)
	}
	at := first.AddDate(0, 0, days).Add(since)
	var b strings.Builder
	for i, t := range s.tokens {
		switch t.kind {
		case literal:
			b.WriteString(t.text)
		case 'f':
			if t.text == "" && i+1 < len(s.tokens) {
				b.WriteByte('.')
			} else if n := i - s.pointBefore(i); n <= 3 {
				b.WriteByte(strconv.Itoa(1000 + at.Nanosecond()/1e6)[n])
			}
		default:
			b.WriteString(s.unit(t, at, seconds))
		}
	}
	return strings.TrimSpace(b.String()), true
}

// pointBefore returns the index of the point that the parts of a second at i follow.
func (s *numSection) pointBefore(i int) int {
	for i > 0 && s.tokens[i].text != "" {
		i--
	}
	return i
}

// unit shows a part of a date; seconds are all those since the first day.
func (s *numSection) unit(t numToken, at time.Time, seconds int64) string {
	n := len(t.text)
	pad := func(v int64) string {
		text := strconv.FormatInt(v, 10)
		return strings.Repeat("0", max(n-len(text), 0)) + text
	}
	switch t.kind {
	case 'y':
		if n <= 2 {
			return at.Format("06")
		}
		return at.Format("2006")
	case 'm':
		month := int(at.Month())
		switch {
		case n == 3:
			return s.name(month-1, 3)
		case n == 5:
			return s.name(month-1, 1)
		case n > 3:
			return s.name(month-1, 0)
		}
		return pad(int64(month))
	case 'd':
		day := 12 + int(at.Weekday())
		switch {
		case n == 3:
			return s.name(day, 3)
		case n > 3:
			return s.name(day, 0)
		}
		return pad(int64(at.Day()))
	case 'h':
		hour := at.Hour()
		if s.clock12 {
			hour = (hour+11)%12 + 1
		}
		return pad(int64(hour))
	case 'n':
		return pad(int64(at.Minute()))
	case 's':
		return pad(int64(at.Second()))
	case 'a':
		return at.Format("PM")
	case 'H':
		return pad(seconds / 3600)
	case 'N':
		return pad(seconds / 60)
	case 'S':
		return pad(seconds)
	}
	return ""
}
