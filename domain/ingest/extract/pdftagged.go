package extract

import (
	"cmp"
	"slices"
	"strings"
)

// isTagged reports whether the tags of a page are worth following: most of its text has them, and their paragraphs are not
// single lines throughout, as those of careless programs are.
func (p *pdfPage) isTagged() bool {
	tagged, all, lines := 0, 0, 0
	var last *pdfTag
	longest := 0
	for i := range p.lines {
		l := &p.lines[i]
		if l.table != nil {
			continue
		}
		all += len(l.text)
		if l.tag == nil {
			continue
		}
		tagged += len(l.text)
		if l.tag != last {
			last, lines = l.tag, 0
		}
		if lines++; l.tag.table == 0 {
			longest = max(longest, lines)
		}
	}
	const few = 12 // lines
	return tagged*10 >= all*7 && (longest > 1 || len(p.lines) < few)
}

// readTagged makes blocks of lines as their tags say.
func (l *pageLayout) readTagged(lines []pdfLine) {
	order := 0
	for i := range lines { // what has no tag stays after what is drawn before it
		if tag := lines[i].tag; tag != nil {
			order = tag.order
		}
		lines[i].order = order
	}
	slices.SortStableFunc(lines, func(a, b pdfLine) int { return cmp.Compare(a.order, b.order) })
	for len(lines) > 0 {
		n := 1
		first := lines[0].tag
		for n < len(lines) && together(first, lines[n].tag) && (lines[n].table == nil) == (lines[0].table == nil) {
			n++
		}
		part := lines[:n]
		lines = lines[n:]
		switch {
		case part[0].table != nil || first == nil || first.loose:
			l.read(part)
		case first.table > 0:
			l.taggedTable(part)
		default:
			l.taggedBlock(part)
		}
	}
}

// together reports whether two tags are of one block.
func together(a, b *pdfTag) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.order == b.order || a.table > 0 && a.table == b.table
}

func (l *pageLayout) taggedBlock(lines []pdfLine) {
	tag := lines[0].tag
	b := Block{Kind: tag.kind, Level: tag.level}
	if tag.label {
		if marker := lines[0].text; len(lines) > 1 && hasLetters(marker) {
			b.Marker = marker
		}
		if len(lines) > 1 {
			lines = lines[1:]
		}
	}
	for i := 0; i < len(lines); {
		line, row := firstRow(lines[i:])
		if i == 0 {
			from := 0
			if marker, text := splitItem(line.text); b.Kind == ListItem && b.Marker == "" && marker != "" {
				if from = len(line.text) - len(text); hasLetters(marker) {
					b.Marker = marker
				}
			}
			l.begin(&line, from, b)
			l.blocks[len(l.blocks)-1].tagged = true
		} else {
			block := &l.blocks[len(l.blocks)-1]
			left, right := columnAround(lines, &block.last)
			block.append(&line, left, right, l.frame)
		}
		i += row
	}
}

func hasLetters(s string) bool { return strings.ContainsFunc(s, isLetterOrDigit) }

// taggedTable makes a table of the lines of cells.
func (l *pageLayout) taggedTable(lines []pdfLine) {
	t := &pdfTable{size: medianSize(lines)}
	var cells []pdfLine // one for each, as large as its lines
	of := map[*pdfTag]int{}
	for i := range lines {
		k, known := of[lines[i].tag]
		if !known {
			of[lines[i].tag] = len(cells)
			cells = append(cells, lines[i])
			continue
		}
		c := &cells[k]
		c.x0, c.x1 = min(c.x0, lines[i].x0), max(c.x1, lines[i].x1)
	}
	t.columns = widestRow(cells)
	if t.top, t.bottom = lines[0].top, lines[len(lines)-1].bottom; len(t.columns) < 2 {
		l.read(lines)
		return
	}
	row := 0
	column := map[*pdfTag]int{}
	for i := range lines {
		tag := lines[i].tag
		if tag.row != row {
			row = tag.row
			t.rows = append(t.rows, newRow(len(t.columns)))
		}
		r := &t.rows[len(t.rows)-1]
		at, known := column[tag]
		if !known {
			c := &cells[of[tag]]
			at = columnAt(t.columns, (c.x0+c.x1)/2)
			if len(r.cells[at]) > 0 { // across several: its beginning may be free
				at = columnAt(t.columns, c.x0)
			}
			column[tag] = at
		}
		r.add(at, &lines[i])
	}
	t.dropEmpty()
	l.table(t)
}

// widestRow returns where the columns of a table stand: those of the rows with most cells.
func widestRow(cells []pdfLine) [][2]float64 {
	count := map[int]int{}
	most := 0
	for i := range cells {
		count[cells[i].tag.row]++
		most = max(most, count[cells[i].tag.row])
	}
	var rows [][]*pdfLine
	last := 0
	for i := range cells {
		c := &cells[i]
		if count[c.tag.row] < most {
			continue
		}
		if c.tag.row != last {
			last = c.tag.row
			rows = append(rows, nil)
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], c)
	}
	columns := make([][2]float64, most)
	for i, row := range rows {
		slices.SortFunc(row, func(a, b *pdfLine) int { return cmp.Compare(a.x0, b.x0) })
		for k, c := range row {
			if i == 0 {
				columns[k] = [2]float64{c.x0, c.x1}
			} else {
				columns[k] = [2]float64{min(columns[k][0], c.x0), max(columns[k][1], c.x1)}
			}
		}
	}
	return columns
}
