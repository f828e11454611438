package extract

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPoints bounds how many points of a series are read.
const maxPoints = 5000

// chart is a chart being read: DrawingML's own (ECMA-376 part 1, 21.2), or one of the kinds that came in 2016.
type chart struct {
	title, axis string // axis is the title of that of the categories
	series      []*chartSeries
	data        map[string]*chartSeries // of a newer chart, by id
}

type chartSeries struct {
	name   string
	labels map[int]string // of the points, by number
	values map[int]string
	id     string
}

// chart reads the title, the names and the values in a chart's part.
func (a *archive) chart(part string) []Block {
	c := &chart{data: map[string]*chartSeries{}}
	a.side(a.part(part, c.read))
	var blocks []Block
	if c.title != "" {
		blocks = append(blocks, Block{Kind: Paragraph, Text: c.title})
	}
	for rest := c.series; len(rest) > 0; {
		n := 1
		for n < min(len(rest), maxColumns) && maps.Equal(rest[n].labels, rest[0].labels) {
			n++
		}
		rows := c.rows(rest[:n])
		if a.spent += cellCost * len(rows) * (n + 1); a.spent > maxGrid {
			a.side(&Error{Reason: ReasonTooLarge, Detail: "charts of more points than the limit"})
			break
		}
		blocks = append(blocks, tableOf(rows)...)
		rest = rest[n:]
	}
	return blocks
}

// rows makes a table of series that share their labels.
func (c *chart) rows(series []*chartSeries) [][]string {
	points := map[int]bool{}
	header := []string{c.axis}
	for _, s := range series {
		header = append(header, s.name)
		for i := range s.values {
			points[i] = true
		}
	}
	if len(points) == 0 {
		for i := range series[0].labels {
			points[i] = true
		}
	}
	rows := [][]string{header}
	for _, i := range slices.Sorted(maps.Keys(points)) {
		row := []string{series[0].labels[i]}
		for _, s := range series {
			row = append(row, s.values[i])
		}
		rows = append(rows, row)
	}
	return rows
}

func (c *chart) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "title":
			c.title, err = chartText(x)
			return err
		case "catAx", "dateAx":
			return c.readAxis(x)
		case "ser", "series":
			return c.readSeries(x)
		case "data":
			s := &chartSeries{}
			c.data[attrOf(e, "id")] = s
			return s.read(x)
		case "chartSpace", "chart", "plotArea", "plotAreaRegion", "chartData":
			return c.read(x)
		}
		if strings.HasSuffix(e.Name.Local, "Chart") { // barChart, pieChart, …
			return c.read(x)
		}
		return x.skip()
	})
}

func (c *chart) readAxis(x *xmlReader) error {
	return x.each(func(e xml.StartElement) (err error) {
		if e.Name.Local != "title" {
			return x.skip()
		}
		c.axis, err = chartText(x)
		return err
	})
}

func (c *chart) readSeries(x *xmlReader) error {
	s := &chartSeries{}
	err := s.read(x)
	if data := c.data[s.id]; data != nil {
		data.name = s.name
		s = data
	}
	c.series = append(c.series, s)
	return err
}

func (s *chartSeries) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) (err error) {
		switch kind := attrOf(e, "type"); {
		case e.Name.Local == "tx":
			s.name, err = chartText(x)
			return err
		case e.Name.Local == "cat", e.Name.Local == "xVal", e.Name.Local == "strDim" && kind == "cat":
			s.labels, err = readPoints(x)
			return err
		case e.Name.Local == "val", e.Name.Local == "yVal", e.Name.Local == "numDim" && (kind == "val" || kind == "size"):
			s.values, err = readPoints(x)
			return err
		case e.Name.Local == "dataId":
			s.id = attrOf(e, "val")
		}
		return x.skip()
	})
}

// readPoints reads the values that a chart keeps. Labels on several levels are joined, the outermost first.
func readPoints(x *xmlReader) (map[int]string, error) {
	points, format := map[int]string{}, ""
	var levels []map[int]string
	var read func(xml.StartElement) error
	read = func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "lvl":
			format = attrOf(e, "formatCode")
			points = map[int]string{}
			levels = append(levels, points)
			return x.each(read)
		case "formatCode":
			format, err = x.content()
			return err
		case "pt":
			i, err := strconv.Atoi(attrOf(e, "idx"))
			if err != nil || i < 0 || i >= maxPoints {
				return x.skip()
			}
			own := attrOf(e, "formatCode")
			s, err := pointText(x)
			points[i] = formatPoint(s, cmp.Or(own, format))
			return err
		case "f":
			return x.skip()
		}
		return x.each(read)
	}
	err := x.each(read)
	if len(levels) > 1 {
		points = joinLevels(levels)
	}
	return points, err
}

// joinLevels joins labels on several levels: one on an outer level is that of all points up to the next one.
func joinLevels(levels []map[int]string) map[int]string {
	joined := maps.Clone(levels[0])
	for _, outer := range levels[1:min(len(levels), 4)] {
		starts, label := slices.Sorted(maps.Keys(outer)), ""
		for _, i := range slices.Sorted(maps.Keys(joined)) {
			for len(starts) > 0 && starts[0] <= i {
				label, starts = outer[starts[0]], starts[1:]
			}
			if label != "" {
				joined[i] = label + " – " + joined[i]
			}
		}
	}
	return joined
}

// pointText returns the value of a point: its content in newer charts, its v element in others.
func pointText(x *xmlReader) (string, error) {
	var own strings.Builder
	var value string
	err := x.eachWith(func(s string) { own.WriteString(s) }, func(e xml.StartElement) (err error) {
		if e.Name.Local != "v" {
			return x.skip()
		}
		value, err = x.content()
		return err
	})
	return cmp.Or(strings.TrimSpace(value), strings.TrimSpace(own.String())), err
}

// chartText returns the text of a title or a name, which is written out or kept as a cell's value.
func chartText(x *xmlReader) (string, error) {
	var written, kept []string
	var read func(xml.StartElement) error
	read = func(e xml.StartElement) error {
		switch e.Name.Local {
		case "rich":
			body, err := readTextBody(x, nil)
			written = append(written, joinBlocks(body.blocks()))
			return err
		case "v":
			s, err := x.content()
			kept = append(kept, s)
			return err
		case "layout", "spPr", "txPr", "f":
			return x.skip()
		}
		return x.each(read)
	}
	err := x.each(read)
	if len(written) == 0 {
		written = kept
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(written, " "), "\n", " ")), err
}

// formatPoint writes a number as its format shows it as far as that changes what it says: shares and dates.
func formatPoint(s, format string) string {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	format, _, _ = strings.Cut(strings.ToLower(format), ";")
	switch shown := plainFormat(format); {
	case strings.Contains(shown, "%"):
		_, decimals, _ := strings.Cut(shown, ".")
		return strconv.FormatFloat(n*100, 'f', strings.Count(decimals, "0"), 64) + "%"
	case strings.ContainsAny(shown, "yd") && n > 0 && n < 2958466:
		day := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(n))
		if !strings.Contains(shown, "d") {
			return day.Format("2006-01")
		}
		return day.Format("2006-01-02")
	}
	return strconv.FormatFloat(roundTo15(n), 'f', -1, 64)
}

// plainFormat returns a number format without its quoted and bracketed parts, which are words, colours and currencies.
func plainFormat(format string) string {
	var b strings.Builder
	quoted, bracketed := false, false
	for _, r := range format {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '[' || r == ']':
			bracketed = r == '['
		case !bracketed:
			b.WriteRune(r)
		}
	}
	if s := b.String(); s != "general" && s != "standard" {
		return s
	}
	return ""
}

// roundTo15 drops the digits that a binary number has beyond those that were typed.
func roundTo15(n float64) float64 {
	rounded, err := strconv.ParseFloat(fmt.Sprintf("%.15g", n), 64)
	if err != nil {
		return n
	}
	return rounded
}
