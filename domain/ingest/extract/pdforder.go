package extract

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
)

// Running heads and page numbers

// A running head is short, and stands on at least so many pages, which are every fourth of those from its first to its last.
const (
	maxRunning    = 150 // bytes
	fewestRunning = 3
	runningShare  = 4
)

// runningLines finds the lines at the top or bottom of pages that repeat there, but for a number, and the untagged ones of tagged
// pages.
func runningLines(pages []pdfPage) map[*pdfLine]bool {
	type seen struct {
		n, first, last int
		lines          []*pdfLine
	}
	texts := map[string]*seen{}
	running := map[*pdfLine]bool{}
	for i := range pages {
		top, bottom := pages[i].edges()
		for _, l := range append(top, bottom...) {
			if isPageNumber(l.text, i+1, len(pages)) || pages[i].tagged && l.tag == nil {
				running[l] = true
			}
		}
		note := func(l *pdfLine, keys []string) {
			for _, key := range keys {
				s := texts[key]
				if s == nil {
					s = &seen{first: i, last: -1}
					texts[key] = s
				}
				if s.lines = append(s.lines, l); s.last < i {
					s.n, s.last = s.n+1, i
				}
			}
		}
		for _, l := range top {
			note(l, runningKeys(l.text, i))
		}
		for _, l := range bottom { // no heading stands there, so its numbers may be any
			keys := runningKeys(l.text, i)
			if masked := digits.ReplaceAllString(l.text, "#"); keys != nil && len(masked) > 4 {
				keys = append(keys, masked)
			}
			note(l, keys)
		}
	}
	for _, s := range texts {
		if s.n >= fewestRunning && s.n*runningShare > s.last-s.first {
			for _, l := range s.lines {
				running[l] = true
			}
		}
	}
	return running
}

var digits = regexp.MustCompile(`[0-9]{1,6}`)

// runningKeys returns what is equal for lines that repeat: the text, and the text with one of its numbers counted from the
// page's own.
func runningKeys(text string, page int) []string {
	if len(text) >= maxRunning {
		return nil
	}
	keys := []string{text}
	for _, at := range digits.FindAllStringIndex(text, 4) {
		n, _ := strconv.Atoi(text[at[0]:at[1]])
		keys = append(keys, text[:at[0]]+"#"+strconv.Itoa(n-page)+"#"+text[at[1]:])
	}
	return keys
}

var ofPages = regexp.MustCompile(`^\W*(?:\p{L}+\.? )?(\d+) ?(?:/|\p{L}{2,3}) ?(\d+)\W*$`)

// isPageNumber reports whether a text says "Page 1 of 2" and the like, and says the truth.
func isPageNumber(text string, page, pages int) bool {
	if len(text) >= 30 {
		return false
	}
	m := ofPages.FindStringSubmatch(text)
	return m != nil && m[1] == strconv.Itoa(page) && m[2] == strconv.Itoa(pages)
}

// edges returns the lines on the first and on the last three baselines of a page, without those of tables: their header may
// repeat on every page.
func (p *pdfPage) edges() (top, bottom []*pdfLine) {
	var rows [][]*pdfLine
	for _, row := range visualRows(p.lines) {
		if row = slices.DeleteFunc(row, func(l *pdfLine) bool { return l.turned }); len(row) > 0 {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	const deep = 3
	middle := (rows[0][0].base + rows[len(rows)-1][0].base) / 2
	for i, row := range rows {
		switch high := row[0].base >= middle; {
		case high && i >= deep, !high && i < len(rows)-deep, isOfTable(rows, i):
		case high:
			top = append(top, row...)
		default:
			bottom = append(bottom, row...)
		}
	}
	return top, bottom
}

// isOfTable reports whether row i is a table, or looks like a row of one beside its neighbours.
func isOfTable(rows [][]*pdfLine, i int) bool {
	return rows[i][0].table != nil || i > 0 && areCells(rows[i-1], rows[i]) || i+1 < len(rows) && areCells(rows[i], rows[i+1])
}

// areCells reports whether two rows of text look like those of a table.
func areCells(a, b []*pdfLine) bool {
	return a[0].base-b[0].base < 2.2*a[0].size && countPhrases(a) > 2 && countPhrases(b) > 2
}

// cutRunning parts the running heads and feet of a page from its body.
func cutRunning(p *pdfPage, running map[*pdfLine]bool) (head, body, foot []pdfLine) {
	top, bottom := math.Inf(-1), math.Inf(1)
	for i := range p.lines {
		top, bottom = max(top, p.lines[i].base), min(bottom, p.lines[i].base)
	}
	for i := range p.lines {
		switch l := &p.lines[i]; {
		case !running[l]:
			body = append(body, *l)
		case l.base > (top+bottom)/2:
			head = append(head, *l)
		default:
			foot = append(foot, *l)
		}
	}
	return head, body, foot
}

// Reading order

// readingOrder returns lines in the order of reading. The order in which a file draws its text is that order in nearly all
// files that a program wrote from flowing text, columns included; where it jumps back up again and again, or from one column
// to the other and back in every row, it is not, and the order is found by cutting the page along its white space (XY cut, Nagy
// and Seth 1984).
func readingOrder(lines []pdfLine) []pdfLine {
	turned, plain := part(lines, func(l *pdfLine) bool { return l.turned })
	filledIn, plain := part(plain, func(l *pdfLine) bool { return l.filledIn && l.table == nil })
	if jumps := backJumps(plain); jumps > 3 && jumps*8 > len(plain) || zigzags(plain) {
		plain = xyCut(plain, 0)
	}
	return append(fillIn(plain, filledIn), turned...)
}

// fillIn puts what was filled into a form, and is drawn after all of it, behind the words before it in its row, or else above it.
func fillIn(lines, filledIn []pdfLine) []pdfLine {
	const most = 1 << 22 // comparisons
	if len(lines)*len(filledIn) > most {
		return append(lines, filledIn...)
	}
	for _, f := range filledIn {
		at, nearest := 0, math.Inf(1)
		for i := range lines {
			l := &lines[i]
			distance := math.Inf(1)
			switch {
			case inRow(l, &f) && l.x1 <= f.x0+f.size:
				distance = f.x0 - l.x1
			case l.bottom > middle(&f) && l.x0 < f.x1 && f.x0 < l.x1:
				distance = maxCoordinate + l.bottom - f.top
			}
			if distance <= nearest {
				at, nearest = i+1, distance
			}
		}
		lines = slices.Insert(lines, at, f)
	}
	return lines
}

// inRow reports whether two lines stand about as high, as a word and the field beside it do.
func inRow(a, b *pdfLine) bool { return math.Abs(a.base-b.base) < 0.6*max(a.size, b.size) }

// backJumps counts the lines drawn above their predecessor without standing in a column beside it.
func backJumps(lines []pdfLine) int {
	n := 0
	for i := 1; i < len(lines); i++ {
		a, b := &lines[i-1], &lines[i]
		up := b.base-a.base > a.size
		beside := b.x0 >= a.x1-a.size || a.rightToLeft && b.x1 <= a.x0+a.size
		if up && !beside {
			n++
		}
	}
	return n
}

// zigzags reports whether lines go from a column of prose to the one beside it and back, row by row.
func zigzags(lines []pdfLine) bool {
	const fewest, prose = 5, 25 // rows, code points
	gutters := map[int]int{}    // rows by where the right column begins, in steps of a few points
	for i := 1; i < len(lines); i++ {
		a, b := &lines[i-1], &lines[i]
		if a.table == nil && b.table == nil && sameRow(a, b) && b.x0 > a.x1+a.size && len(a.text) > prose && len(b.text) > prose {
			gutters[int(b.x0/4)]++
		}
	}
	for at, n := range gutters {
		if n+gutters[at+1] >= fewest {
			return true
		}
	}
	return false
}

// xyCut splits lines at the widest gap between them, down the page or across it, until none is wide enough.
func xyCut(lines []pdfLine, depth int) []pdfLine {
	if len(lines) < 2 || depth > 40 {
		return lines
	}
	size := medianSize(lines)
	across, width := widestGap(lines, func(l *pdfLine) (float64, float64) { return l.x0, l.x1 })
	down, height := widestGap(lines, func(l *pdfLine) (float64, float64) { return -l.top, -l.bottom })
	switch {
	case width > size && width > height*0.8:
		left, right := part(lines, func(l *pdfLine) bool { return l.x0 < across })
		if rightToLeft(lines) {
			left, right = right, left
		}
		return append(xyCut(left, depth+1), xyCut(right, depth+1)...)
	case height > 0:
		top, bottom := part(lines, func(l *pdfLine) bool { return -l.top < down })
		return append(xyCut(top, depth+1), xyCut(bottom, depth+1)...)
	}
	slices.SortStableFunc(lines, func(a, b pdfLine) int {
		if math.Abs(a.base-b.base) > size/2 {
			return cmp.Compare(b.base, a.base)
		}
		return cmp.Compare(a.x0, b.x0)
	})
	return lines
}

// widestGap returns where the widest stretch that no line covers ends, and its width.
func widestGap(lines []pdfLine, extent func(*pdfLine) (float64, float64)) (at, width float64) {
	spans := make([][2]float64, len(lines))
	for i := range lines {
		spans[i][0], spans[i][1] = extent(&lines[i])
	}
	slices.SortFunc(spans, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
	end := spans[0][1]
	for _, s := range spans[1:] {
		if s[0]-end > width {
			at, width = s[0], s[0]-end
		}
		end = max(end, s[1])
	}
	return at, width
}

func part(lines []pdfLine, first func(*pdfLine) bool) (a, b []pdfLine) {
	for i := range lines {
		if first(&lines[i]) {
			a = append(a, lines[i])
		} else {
			b = append(b, lines[i])
		}
	}
	return a, b
}

func rightToLeft(lines []pdfLine) bool {
	n := 0
	for i := range lines {
		if lines[i].rightToLeft {
			n++
		}
	}
	return n*2 > len(lines)
}

func medianSize(lines []pdfLine) float64 {
	sizes := make([]float64, len(lines))
	for i := range lines {
		sizes[i] = lines[i].size
	}
	return median(sizes)
}

// median sorts values and returns the one in the middle.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
