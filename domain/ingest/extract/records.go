package extract

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// Record is a row of separated values.
type Record struct {
	Line   int // it begins on, from 1
	Fields []string
}

// Records reads separated values, whatever their encoding and separator. Where quotes follow no rule, each line is a record:
// one stray quote must not swallow all that comes after it. Empty lines are none.
func Records(data []byte) []Record {
	text := decode(data, false)
	comma, _ := sniffDelimiter(text)
	if strings.ContainsRune("\"\r\n\uFFFD", comma) {
		comma = ','
	}
	skipped := 0
	if strings.HasPrefix(text, "sep=") {
		_, text, _ = strings.Cut(text, "\n")
		skipped = 1
	}
	records, err := strictRecords(text, comma, skipped)
	if err == nil {
		return records
	}
	records = nil
	line := skipped
	for raw := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")) {
		line++
		if fields, err := newCSVReader(strings.NewReader(raw), comma).Read(); err == nil {
			records = append(records, Record{Line: line, Fields: fields})
		}
	}
	return records
}

func strictRecords(text string, comma rune, skipped int) ([]Record, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1
	var records []Record
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		records = append(records, Record{Line: line + skipped, Fields: fields})
	}
}
