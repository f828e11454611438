package extract

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what contains itself: deeper tables are read as if they stood at this depth, deeper texts not at all.
const (
	rtfMaxTables = 12
	rtfMaxFlows  = 8
)

// rtfFlow is a text being read: that of the document, of a running head, of a note or of a text box.
type rtfFlow struct {
	depth  int
	blocks []Block
	tables []*rtfTable // that are open, the outermost first

	text       []byte // of the paragraph being read
	plain      int    // bytes of it that are not bold
	label      string // its number in a list
	listed     bool
	boxes      []Block
	notes      []Block
	paragraphs int // so far
}

func (f *rtfFlow) write(s string, bold bool) {
	if !bold && strings.TrimSpace(s) != "" {
		f.plain += len(s)
	}
	f.text = append(f.text, s...)
}

// setLabel takes what stands before an item of a list: a number, or a bullet of any shape.
func (f *rtfFlow) setLabel(label string) {
	label = strings.TrimSpace(firstLine(cleanText(label)))
	f.listed = label != ""
	f.label = ""
	if utf8.RuneCountInString(label) <= 40 && label != "o" && strings.ContainsFunc(label, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) {
		f.label = label
	}
}

// nest opens and closes tables until depth of them are open.
func (f *rtfFlow) nest(depth int) {
	for len(f.tables) > depth {
		last := len(f.tables) - 1
		table := f.tables[last]
		f.tables = f.tables[:last]
		f.add(table.blocks()...)
	}
	for len(f.tables) < depth {
		f.tables = append(f.tables, &rtfTable{})
	}
}

// add puts blocks into the cell being read, or outside all tables. Lines of code that follow each other are one block.
func (f *rtfFlow) add(blocks ...Block) {
	to := &f.blocks
	if last := len(f.tables) - 1; last >= 0 {
		to = &f.tables[last].cell
	}
	for _, b := range blocks {
		if last := len(*to) - 1; b.Kind == Code && last >= 0 && (*to)[last].Kind == Code {
			(*to)[last].Text += "\n" + b.Text
			continue
		}
		*to = append(*to, b)
	}
}

func (f *rtfFlow) finish() []Block {
	f.nest(0)
	return f.blocks
}

func rtfPar(r *rtfReader, _ int) {
	if r.state.dest == rtfShown {
		r.endParagraph(r.state.para.depth)
	}
}

// endParagraph ends the paragraph being read, which stands in so many tables. Some writers do not say that it does: within a
// row it must.
func (r *rtfReader) endParagraph(depth int) {
	f := r.flow
	if depth == 0 && len(f.tables) > 0 && f.tables[0].open {
		depth = 1
	}
	f.nest(depth)
	if text := string(f.text); strings.TrimSpace(text) != "" {
		f.add(r.block(text))
	}
	f.add(f.boxes...)
	f.add(f.notes...)
	f.text, f.plain, f.label, f.listed, f.boxes, f.notes = f.text[:0], 0, "", false, nil, nil
	f.paragraphs++
}

func (r *rtfReader) block(text string) Block {
	p, f := r.state.para, r.flow
	style := r.styles.get(strconv.Itoa(p.style))
	label, listed := f.label, f.listed
	if !r.labelled && p.list > 0 {
		label, listed = r.numbering.next(docxNum{strconv.Itoa(p.list), p.level})
		label = cleanText(label)
	}
	return r.paragraphBlock(wordPara{text: text, plain: f.plain, style: style, outline: p.outline, label: label, listed: listed, level: p.level})
}

// begin lets the group be read as a text of its own.
func (r *rtfReader) begin(done func([]Block)) {
	outer := r.flow
	if outer.depth == rtfMaxFlows {
		r.state.dest = rtfSkip
		return
	}
	r.flow = &rtfFlow{depth: outer.depth + 1}
	r.state.dest, r.state.para, r.state.inner, r.state.shift = rtfShown, rtfProps{}, false, nil
	r.state.done = func() {
		r.endParagraph(0)
		blocks := r.flow.finish()
		r.flow = outer
		done(blocks)
	}
}

// rtfRunningHead reads a running head once: every section repeats it, for left and for right pages and with other numbers.
func rtfRunningHead(r *rtfReader) {
	r.begin(func(blocks []Block) {
		for _, b := range blocks {
			letters := lettersOf(joinBlocks([]Block{b}))
			if letters != "" && !r.heads[letters] {
				r.heads[letters] = true
				b.Furniture = true
				r.furniture = append(r.furniture, b)
			}
		}
	})
}

func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

func rtfNote(r *rtfReader) {
	if r.state.dest != rtfShown || r.state.hidden || r.state.deleted {
		r.state.dest = rtfSkip
		return
	}
	r.noted++
	label := "[" + strconv.Itoa(r.noted) + "]"
	r.write(label)
	outer := r.flow
	r.begin(func(blocks []Block) {
		if text := strings.TrimSpace(joinBlocks(blocks)); text != "" {
			outer.notes = append(outer.notes, Block{Kind: Paragraph, Text: label + " " + text})
		}
	})
}

func rtfBox(r *rtfReader) {
	outer := r.flow
	r.begin(func(blocks []Block) { outer.boxes = append(outer.boxes, blocks...) })
}

// rtfTable is a table being read.
type rtfTable struct {
	rows  [][]docxCell
	edges [][]int   // where the cells of each row end
	cells [][]Block // of the row being read
	cell  []Block   // being read
	defs  []rtfDef  // what was said of the cells of the row
	def   rtfDef    // being read
	open  bool      // a row has begun
}

// rtfDef says how a cell stands in its row.
type rtfDef struct {
	right  int
	merge  string // as of docxCell
	joined bool   // to the cell before it
}

// rowTable is the table whose row is being described.
func (r *rtfReader) rowTable() *rtfTable {
	depth := 1
	if r.state.inner {
		depth = max(r.state.para.depth, 2)
	}
	if len(r.flow.tables) < depth {
		r.flow.nest(depth)
	}
	return r.flow.tables[depth-1]
}

func rtfRowStart(r *rtfReader, _ int) {
	t := r.rowTable()
	t.defs, t.def, t.open = nil, rtfDef{}, true
}

func (t *rtfTable) endDef(right int) {
	if t.def.right = right; len(t.defs) < maxColumns {
		t.defs = append(t.defs, t.def)
	}
	t.def = rtfDef{}
}

func rtfCellEnd(r *rtfReader, _ int)     { r.endCell(1) }
func rtfNestCellEnd(r *rtfReader, _ int) { r.endCell(max(r.state.para.depth, 2)) }
func rtfRowEnd(r *rtfReader, _ int)      { r.endRow(1) }
func rtfNestRowEnd(r *rtfReader, _ int)  { r.endRow(max(r.state.para.depth, 2)) }

func (r *rtfReader) endCell(depth int) {
	if r.state.dest == rtfShown {
		r.endParagraph(depth)
		r.flow.tables[depth-1].endCell()
	}
}

func (r *rtfReader) endRow(depth int) {
	if r.state.dest != rtfShown {
		return
	}
	if strings.TrimSpace(string(r.flow.text)) != "" {
		r.endParagraph(depth)
	}
	r.flow.nest(depth)
	r.flow.tables[depth-1].endRow()
}

func (t *rtfTable) endCell() {
	t.cells = append(t.cells, t.cell)
	t.cell = nil
}

func (t *rtfTable) endRow() {
	t.open = false
	if len(t.cell) > 0 {
		t.endCell()
	}
	var row []docxCell
	var edges []int
	for i, blocks := range t.cells {
		var def rtfDef
		if i < len(t.defs) {
			def = t.defs[i]
		}
		if last := len(row) - 1; def.joined && last >= 0 {
			row[last].blocks = append(row[last].blocks, blocks...)
			edges[last] = def.right
			continue
		}
		row = append(row, docxCell{blocks: blocks, span: 1, merge: def.merge})
		edges = append(edges, def.right)
	}
	t.cells = nil
	if len(row) > 0 {
		t.rows, t.edges = append(t.rows, row), append(t.edges, edges)
	}
}

func (t *rtfTable) blocks() []Block {
	t.endRow()
	t.setSpans()
	return tableBlocks(t.rows)
}

// setSpans finds out which columns the cells of rows with fewer cells span, by where they end.
func (t *rtfTable) setSpans() {
	const apart = 60 // twentieths of a point: edges closer than this are one
	if !slices.ContainsFunc(t.rows, func(row []docxCell) bool { return len(row) != len(t.rows[0]) }) {
		return
	}
	all := slices.Concat(t.edges...)
	slices.Sort(all)
	grid := slices.CompactFunc(all, func(a, b int) bool { return a-b < apart }) // a stands after b
	if len(grid) > maxColumns || len(grid)*len(t.rows) > maxCells {
		return
	}
	for i, edges := range t.edges {
		if !slices.IsSorted(edges) || edges[0] <= 0 {
			continue
		}
		from := 0
		for k, right := range edges {
			to, _ := slices.BinarySearch(grid, right+1)
			t.rows[i][k].span = max(to-from, 1)
			from = max(to, from)
		}
	}
}
