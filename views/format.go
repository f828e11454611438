package views

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// number writes n with thousands separators.
func number(n int) string {
	digits := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(digits) - 3; i > start; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// count is a number with its noun: "1 chunk", "1,184 chunks".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// ordinal is "1st", "2nd", "3rd", "11th".
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return number(n) + suffix
}

// size writes a number of bytes the way people know it from their files: "842 B", "12 KB", "4.1 MB".
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 100_000:
		return fmt.Sprintf("%d KB", max(1, (n+512)>>10))
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
}

// millis writes a duration in milliseconds, with decimals only where they matter.
func millis(ms float64) string {
	if ms > 0 && ms < 10 {
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	}
	return number(int(math.Round(ms))) + " ms"
}

// score writes a score of 0 to 1.
func score(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) }

// share is a share of 0 to 1 as a width in an SVG attribute.
func share(s float64) string {
	return strconv.FormatFloat(100*math.Min(1, math.Max(0, s)), 'f', 2, 64) + "%"
}

// percent is how much of total is done, 0 when the total is not known.
func percent(done, total int) int {
	if total <= 0 {
		return 0
	}
	return min(100, max(0, 100*done/total))
}

// arc is the stroke-dasharray that fills a circle of radius 6 to the percentage; a little shows even at 0.
func arc(percent int) string {
	const around = 2 * math.Pi * 6
	return fmt.Sprintf("%.1f %.1f", around*float64(max(6, percent))/100, around)
}

// ago says how long before now t was, as short as people say it.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d < 48*time.Hour:
		return "yesterday"
	case t.Year() == now.Year() || d < 180*24*time.Hour:
		return t.Format("2 Jan")
	default:
		return t.Format("2 Jan 2006")
	}
}

func exactTime(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// aMoment is a wait too short to count.
const aMoment = 10 * time.Second

// roughly is a time to wait as people say it: "a few seconds", "40 s", "4 min", "2 h".
func roughly(d time.Duration) string {
	switch {
	case d < aMoment:
		return "a few seconds"
	case d < 55*time.Second:
		return fmt.Sprintf("%d s", (d+5*time.Second)/(10*time.Second)*10)
	case d < 55*time.Minute:
		return fmt.Sprintf("%d min", (d+30*time.Second)/time.Minute)
	}
	return fmt.Sprintf("%d h", max(1, (d+30*time.Minute)/time.Hour))
}

// initials are the first letters of the first and the last word of a name.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '\'' })
	if len(words) == 0 {
		return "?"
	}
	first, _ := utf8.DecodeRuneInString(words[0])
	if len(words) == 1 {
		return strings.ToUpper(string(first))
	}
	last, _ := utf8.DecodeRuneInString(words[len(words)-1])
	return strings.ToUpper(string(first) + string(last))
}

// address is a local path with the parameters that are not empty, in the order given: key, value, key, value.
func address(path string, params ...string) string {
	var query strings.Builder
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] == "" {
			continue
		}
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(params[i] + "=" + url.QueryEscape(params[i+1]))
	}
	if query.Len() == 0 {
		return path
	}
	return path + "?" + query.String()
}

// pageParam is the value of the parameter "page": the first page has none.
func pageParam(page int) string {
	if page <= 1 {
		return ""
	}
	return strconv.Itoa(page)
}
