package extract

import (
	"math"
	"strconv"
	"strings"
)

// digits shows a number that is not negative by the digits of a format.
func (s *numSection) digits(v float64) string {
	v *= math.Pow(100, float64(s.percents))
	v /= math.Pow(1000, float64(s.thousands))
	switch {
	case math.IsInf(v, 0) || math.IsNaN(v):
		return general(v)
	case s.slash >= 0 && s.whole > 0:
		return s.fraction(v)
	case s.exponent > 0:
		return s.scientific(v)
	}
	return s.fill(v, s.tokens)
}

// fill puts the digits of v into tokens: those before the point from the right, with the first place taking all that are left
// over, those behind it from the left.
func (s *numSection) fill(v float64, tokens []numToken) string {
	whole, decimals, _ := strings.Cut(strconv.FormatFloat(nudge(v, s.decimals), 'f', min(s.decimals, 30), 64), ".")
	if whole == "0" {
		whole = ""
	}
	decimals = s.shorten(decimals, tokens)
	var b strings.Builder
	place, behind := s.whole, -1 // places left before the point; places used behind it
	for _, t := range tokens {
		switch t.kind {
		case literal, '%':
			b.WriteString(t.text)
		case 'g':
			b.WriteString(general(v))
		case '.':
			behind = 0
			if s.whole == 0 {
				b.WriteString(whole)
			}
			if decimals != "" {
				b.WriteByte('.')
			}
		case '0', '#', '?':
			if behind >= 0 {
				if behind < len(decimals) {
					b.WriteByte(decimals[behind])
				}
				behind++
				continue
			}
			if place == s.whole {
				for n := len(whole); n > place; n-- {
					s.place(&b, whole, n, t.kind)
				}
			}
			s.place(&b, whole, place, t.kind)
			place--
		}
	}
	return b.String()
}

// place writes the n-th digit from the right, or what the format wants where the number has none.
func (s *numSection) place(b *strings.Builder, whole string, n int, kind byte) {
	switch {
	case n < 1:
		return
	case n <= len(whole):
		b.WriteByte(whole[len(whole)-n])
	case kind == '0':
		b.WriteByte('0')
	default:
		return
	}
	if s.grouped && n > 1 && n%3 == 1 {
		b.WriteByte(',')
	}
}

// shorten drops zeros at the end for which the format has no 0.
func (s *numSection) shorten(decimals string, tokens []numToken) string {
	var places []byte
	behind := false
	for _, t := range tokens {
		behind = behind || t.kind == '.'
		if behind && (t.kind == '0' || t.kind == '#' || t.kind == '?') {
			places = append(places, t.kind)
		}
	}
	for n := len(decimals); n > 0 && n <= len(places) && decimals[n-1] == '0' && places[n-1] != '0'; n-- {
		decimals = decimals[:n-1]
	}
	return decimals
}

// scientific shows a number as digits and a power of ten; several places before the point mean powers of a thousand and
// the like.
func (s *numSection) scientific(v float64) string {
	at := 0
	for at < len(s.tokens) && s.tokens[at].kind != 'e' {
		at++
	}
	step := max(s.whole, 1)
	power := 0
	if v > 0 {
		power = int(math.Floor(math.Log10(nudge(v, 0))))
		power = int(math.Floor(float64(power)/float64(step))) * step
	}
	mantissa := v / math.Pow(10, float64(power))
	if limit := math.Pow(10, float64(step)); roundTo(mantissa, s.decimals) >= limit { // 9.999 becomes 10.0
		mantissa, power = mantissa/limit, power+step
	}
	text := s.fill(mantissa, s.tokens[:at]) + "E"
	if power < 0 {
		text += "-"
	} else if s.tokens[at].text == "+" {
		text += "+"
	}
	exponent := strconv.Itoa(max(power, -power))
	text += strings.Repeat("0", max(s.exponent-len(exponent), 0)) + exponent
	for _, t := range s.tokens[at:] {
		if t.kind == literal || t.kind == '%' {
			text += t.text
		}
	}
	return text
}

func roundTo(v float64, decimals int) float64 {
	scale := math.Pow(10, float64(min(decimals, 15)))
	return math.Round(nudge(v, decimals)*scale) / scale
}

// fraction shows a number as in 2 1/2; a denominator that is given by the format is kept.
func (s *numSection) fraction(v float64) string {
	isPlace := func(i int) bool {
		return i >= 0 && i < len(s.tokens) && strings.IndexByte("0#?", s.tokens[i].kind) >= 0
	}
	from, to := s.slash, s.slash+1
	for isPlace(from - 1) {
		from--
	}
	digits, fixed := 0, ""
	for ; to < len(s.tokens); to++ {
		t := s.tokens[to]
		if isPlace(to) {
			digits++
		} else if t.kind != literal || len(t.text) != 1 || !startsDigit(t.text) || len(fixed) > 3 {
			break
		}
		if t.kind == literal || t.kind == '0' && fixed != "" {
			fixed += t.text
		}
	}
	mixed := s.whole > s.slash-from+digits
	whole := 0.0
	if mixed {
		whole = math.Floor(v)
	}
	denominator, err := strconv.Atoi(fixed)
	if err != nil || denominator == 0 {
		denominator = nearest(v-whole, int(math.Pow(10, float64(min(max(digits, 1), 3))))-1)
	}
	numerator := math.Round((v - whole) * float64(denominator))
	if mixed && numerator == float64(denominator) {
		whole, numerator = whole+1, 0
	}
	text := s.literals(0, from)
	if whole > 0 || numerator == 0 {
		text += strconv.FormatFloat(whole, 'f', 0, 64) + " "
	}
	if numerator > 0 {
		text += strconv.FormatFloat(numerator, 'f', 0, 64) + "/" + strconv.Itoa(denominator)
	}
	return strings.TrimSpace(strings.TrimSpace(text) + s.literals(to, len(s.tokens)))
}

// literals returns the literals among tokens that are more than blanks.
func (s *numSection) literals(from, to int) string {
	text := ""
	for _, t := range s.tokens[from:to] {
		if t.kind == literal || t.kind == '%' {
			text += t.text
		}
	}
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// nearest returns the denominator, up to most, of the fraction nearest to v.
func nearest(v float64, most int) int {
	best, off := 1, math.Inf(1)
	for d := 1; d <= most && off > 1e-9; d++ {
		if e := math.Abs(v - math.Round(v*float64(d))/float64(d)); e < off-1e-12 {
			best, off = d, e
		}
	}
	return best
}
