package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// printer writes for a person: in colour on a terminal, unless NO_COLOR says otherwise (https://no-color.org), and folded to its width.
type printer struct {
	out    io.Writer
	colour bool
	width  int
}

const paperWidth = 110

func newPrinter(out io.Writer, getenv func(string) string) *printer {
	p := &printer{out: out, width: paperWidth}
	if f, ok := out.(*os.File); ok && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" {
		info, err := f.Stat()
		p.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *printer) paint(code, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) bold(s string) string   { return p.paint("1", s) }
func (p *printer) faint(s string) string  { return p.paint("2", s) }
func (p *printer) red(s string) string    { return p.paint("31", s) }
func (p *printer) green(s string) string  { return p.paint("32", s) }
func (p *printer) yellow(s string) string { return p.paint("33", s) }

func (p *printer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintln(p.out, strings.TrimRight(text, " "))
}

// wrapped writes a sentence, folded and set in.
func (p *printer) wrapped(indent int, text string) {
	for _, line := range fold(text, p.width-indent) {
		p.line("%s%s", strings.Repeat(" ", indent), line)
	}
}

// fold breaks text between words into lines of a width; a longer word stands alone.
func fold(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// writeJSON writes for a program, in lines that a person can read too.
func writeJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// inMillis is a time as a person reads it.
func inMillis(ms int64) string {
	if ms < 10_000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%.1f s", float64(ms)/1000)
}
