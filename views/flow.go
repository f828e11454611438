package views

import (
	"fmt"
	"slices"
	"strconv"

	"bitb/domain"
	"bitb/domain/retrieve"
)

// flow is lists of chunks beside each other, with a line from each chunk to itself in the next list that has it.
type flow struct {
	label   string // for somebody who listens
	columns []flowColumn
	follow  domain.ID // the chunk whose line stands out; zero: none
}

type flowColumn struct {
	title, fact, took string
	cells             []flowCell
	cut               int     // cells above the threshold
	threshold         float64 // drawn below them; under 0: not in this list
	more              int     // that are not shown
	empty             string  // what to say when there are none
}

// flowCell is one chunk in one list.
type flowCell struct {
	id          domain.ID
	href        string
	rank        int // 0: none
	name, place string
	value       string
	note        string // what became of it here
	kind        string // of the note: "bad", "ok", ""
	out         bool   // it does not reach the model
	ends        bool   // no later list has it
}

// Measures of a flow. Heights are pixels; widths are shares, so that the lines fit whatever width the lists are given.
const (
	cellHeight  = 40
	cellGap     = 6
	columnShare = 40
	gapShare    = 10
)

type flowPath struct {
	id   domain.ID
	d    string
	kind string // "", "skip" past a list that has not got the chunk, "end" where it is lost
}

func (f flow) height() int {
	most := 1
	for _, c := range f.columns {
		most = max(most, len(c.cells))
	}
	return most*(cellHeight+cellGap) - cellGap
}

func (f flow) width() int { return len(f.columns)*(columnShare+gapShare) - gapShare }

func (f flow) box() string { return fmt.Sprintf("0 0 %d %d", f.width(), f.height()) }

// paths are the lines, those that are followed last so that they lie above the others.
func (f flow) paths() []flowPath {
	var paths, followed []flowPath
	for i, column := range f.columns {
		for row, cell := range column.cells {
			p := flowPath{id: cell.id}
			from, y := i*(columnShare+gapShare)+columnShare, middle(row)
			if to, other, found := f.next(i, cell.id); found {
				x, bend := to*(columnShare+gapShare), gapShare/2
				p.d = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", from, y, from+bend, y, x-bend, middle(other), x, middle(other))
				if to > i+1 {
					p.kind = "skip"
				}
			} else if cell.ends && i+1 < len(f.columns) {
				p.d, p.kind = fmt.Sprintf("M%d %dh3", from, y), "end"
			}
			switch {
			case p.d == "":
			case cell.id == f.follow:
				followed = append(followed, p)
			default:
				paths = append(paths, p)
			}
		}
	}
	return append(paths, followed...)
}

// next is where a chunk stands in the first list after the i-th that has it.
func (f flow) next(i int, id domain.ID) (column, row int, found bool) {
	for to := i + 1; to < len(f.columns); to++ {
		row := slices.IndexFunc(f.columns[to].cells, func(c flowCell) bool { return c.id == id })
		if row >= 0 {
			return to, row, true
		}
	}
	return 0, 0, false
}

func middle(row int) int { return row*(cellHeight+cellGap) + cellHeight/2 }

// cutLine is where the threshold of the i-th list is drawn: from a little before it to its end.
func (f flow) cutLine(i int) (d string, drawn bool) {
	c := f.columns[i]
	if c.threshold < 0 || len(c.cells) == 0 || c.cut == len(c.cells) && c.more > 0 {
		return "", false
	}
	x, y := i*(columnShare+gapShare), c.cut*(cellHeight+cellGap)-cellGap/2
	if c.cut == 0 {
		y = 0
	}
	return fmt.Sprintf("M%d %dH%d", max(0, x-3), y, x+columnShare), true
}

func (f flow) following() string {
	for i := len(f.columns) - 1; i >= 0; i-- {
		for _, c := range f.columns[i].cells {
			if c.id == f.follow {
				return c.name
			}
		}
	}
	return ""
}

// How many of the best of a list are shown, and of the last one, where most is lost. What reached the model is shown wherever
// it stood.
const (
	shownInColumn = 8
	shownInLast   = 11
)

// pipeline is a search as a flow: what each stage found, in its own order.
func pipeline(v DebuggerView) flow {
	r := v.Retrieval
	all := slices.Concat(r.Passages, r.Others)
	f := flow{label: "The stages of the search", follow: v.Follow}
	list := func(title, fact, took string, rank func(retrieve.Passage) int, value func(retrieve.Passage) float64, last bool) {
		c := flowColumn{title: title, fact: fact, took: took, threshold: -1, empty: "Nothing was found this way."}
		shown := shownInColumn
		if last {
			shown = shownInLast
		}
		in := slices.DeleteFunc(slices.Clone(all), func(p retrieve.Passage) bool { return rank(p) == 0 })
		slices.SortFunc(in, func(a, b retrieve.Passage) int { return rank(a) - rank(b) })
		for _, p := range in {
			if rank(p) > shown && !reached(p) && p.ChunkID != v.Follow {
				c.more++
				continue
			}
			cell := v.cell(p)
			if last && p.Score >= r.Settings.Threshold {
				c.cut++
			}
			cell.rank, cell.value = rank(p), score(value(p))
			if last {
				cell.value = scoreAt(p.Score, r.Settings.Threshold)
			}
			if last || p.Lost == retrieve.LostRank {
				cell.note, cell.kind = lossWord(p)
			}
			cell.out = !reached(p) && (last || p.Lost == retrieve.LostRank)
			cell.ends = cell.out
			c.cells = append(c.cells, cell)
		}
		if last {
			c.threshold = r.Settings.Threshold
		}
		f.columns = append(f.columns, c)
	}
	reranked := r.Reranker != ""
	if r.Settings.Search != retrieve.VectorsOnly {
		list("By words", sideFact(r.ByWords), took(r, "statistics"), func(p retrieve.Passage) int { return p.LexicalRank }, func(p retrieve.Passage) float64 { return p.Lexical }, false)
	}
	if r.AskedVectors() {
		list("By vectors", sideFact(alike(r)), took(r, "embed"), func(p retrieve.Passage) int { return p.VectorRank }, func(p retrieve.Passage) float64 { return p.Vector }, false)
	}
	list("Fused", number(len(all))+" in, "+number(len(r.Passages))+" looked at", took(r, "search", "passages", "near"),
		func(p retrieve.Passage) int { return p.FusedRank }, func(p retrieve.Passage) float64 { return p.Fused }, !reranked)
	if reranked {
		list("Re-ranked", number(len(r.Passages))+" by "+r.Reranker, took(r, "rerank"),
			func(p retrieve.Passage) int { return p.RerankRank }, func(p retrieve.Passage) float64 { return p.Reranked }, true)
	}
	f.columns = append(f.columns, v.given())
	return f
}

// given is the last list: what the model was given.
func (v DebuggerView) given() flowColumn {
	r := v.Retrieval
	used, chunks := r.Used(), 0
	c := flowColumn{title: "In the prompt", took: took(r, "choose"), threshold: -1, empty: "Nothing reached the model."}
	for i, p := range r.Passages {
		if !reached(p) {
			continue
		}
		chunks++
		cell := v.cell(p)
		cell.value = count(p.Tokens, "token", "tokens")
		cell.rank = passageNumber(r, i, citedChunks(r, v.Answer))
		if p.Lost == retrieve.Joined {
			cell.rank, cell.value = 0, ""
			if _, at, found := standsFor(r, p); found {
				cell.note = "joined to " + number(passageNumber(r, at, citedChunks(r, v.Answer)))
			}
		}
		c.cells = append(c.cells, cell)
	}
	c.fact = count(chunks, "chunk", "chunks") + " of " + number(r.Settings.Limit) + " at most"
	if len(used) < chunks {
		c.fact += ", " + count(len(used), "passage", "passages")
	}
	return c
}

// reached reports whether a chunk's words are in the prompt.
func reached(p retrieve.Passage) bool { return p.Lost == retrieve.Kept || p.Lost == retrieve.Joined }

func (v DebuggerView) cell(p retrieve.Passage) flowCell {
	return flowCell{id: p.ChunkID, href: address(v.Base, "follow", p.ChunkID.String()) + "#pipeline", name: cellName(p), place: cellPlace(p)}
}

// cellName tells a chunk from the others of its document: by its innermost heading where it has one.
func cellName(p retrieve.Passage) string {
	if len(p.Heading) > 0 {
		return p.Heading[len(p.Heading)-1]
	}
	return shortName(p)
}

func cellPlace(p retrieve.Passage) string {
	place := "chunk " + number(p.Ordinal)
	switch {
	case p.PageFrom > 0:
		place = pageSpan(p.PageFrom, p.PageTo)
	case p.Ordinal == 0:
		return ""
	}
	if len(p.Heading) > 0 {
		place += " · " + shortName(p)
	}
	return place
}

// placeOf is where in its document a chunk stands: its innermost heading, page or number.
func placeOf(p retrieve.Passage) string {
	place := ""
	if p.PageFrom > 0 {
		place = pageSpan(p.PageFrom, p.PageTo)
	} else if p.Ordinal > 0 {
		place = "chunk " + number(p.Ordinal)
	}
	if len(p.Heading) > 0 {
		place += " · " + p.Heading[len(p.Heading)-1]
	}
	return place
}

func shortName(p retrieve.Passage) string {
	if p.DocumentName == "" {
		return "Deleted since"
	}
	return p.DocumentName
}

// lossWord is the shortest way to say where a chunk was lost.
func lossWord(p retrieve.Passage) (word, kind string) {
	switch p.Lost {
	case retrieve.LostRank:
		return ordinal(p.FusedRank) + " when fused", "bad"
	case retrieve.LostThreshold:
		return "below", "bad"
	case retrieve.LostDuplicate:
		return "said already", "bad"
	case retrieve.LostLimit:
		return "over the limit", "bad"
	case retrieve.LostBudget:
		return "no room", "bad"
	case retrieve.Joined:
		return "joined", ""
	}
	return "", ""
}

// sideFact says how much one of the two searches found, and what one more chunk would have had to beat.
func sideFact(s retrieve.Side) string {
	if s.Full() {
		return number(s.Found) + " go on, bar " + score(s.Last)
	}
	return number(s.Found) + " found, all go on"
}

// alike is what vectors found, without what is not alike at all: that is no candidate.
func alike(r retrieve.Retrieval) retrieve.Side {
	side := r.ByVector
	side.Found = 0
	for _, list := range [][]retrieve.Passage{r.Passages, r.Others} {
		for _, p := range list {
			if p.VectorRank > 0 {
				side.Found++
			}
		}
	}
	return side
}

// took sums what stages took; "" when there were none.
func took(r retrieve.Retrieval, stages ...string) string {
	sum, ran := 0.0, false
	for _, t := range r.Timings {
		if slices.Contains(stages, t.Stage) {
			sum, ran = sum+t.Millis, true
		}
	}
	if !ran {
		return ""
	}
	return millis(sum)
}

// moved are two lists of chunks beside each other: what reached the model and what follows, before and after.
func moved(v Explained, titles [2]string, before, after retrieve.Retrieval, moves []retrieve.Move) flow {
	f := flow{label: titles[0] + " and " + titles[1]}
	place := [2]func(retrieve.Move) int{func(m retrieve.Move) int { return m.Before }, func(m retrieve.Move) int { return m.After }}
	lost := [2]func(retrieve.Move) retrieve.Loss{func(m retrieve.Move) retrieve.Loss { return m.BeforeLost }, func(m retrieve.Move) retrieve.Loss { return m.AfterLost }}
	for side, r := range [2]retrieve.Retrieval{before, after} {
		c := flowColumn{title: titles[side], threshold: r.Settings.Threshold, empty: "Nothing was found."}
		in := slices.DeleteFunc(slices.Clone(moves), func(m retrieve.Move) bool { return place[side](m) == 0 })
		slices.SortFunc(in, func(a, b retrieve.Move) int { return place[side](a) - place[side](b) })
		used, over := 0, true
		for i, m := range in {
			p := of(r, m.Passage)
			p.Lost = lost[side](m)
			if over = over && p.Score >= r.Settings.Threshold; over && i < shownMoved {
				c.cut++
			}
			if reached(p) {
				used++
			}
			if i >= shownMoved {
				c.more++
				continue
			}
			cell := flowCell{id: p.ChunkID, href: whyAddress(v, p), rank: place[side](m), name: cellName(p), place: cellPlace(p), value: scoreAt(p.Score, r.Settings.Threshold), out: !reached(p), ends: m.After == 0}
			cell.note, cell.kind = moveWord(m, side)
			c.cells = append(c.cells, cell)
		}
		c.fact = count(used, "chunk", "chunks") + " in the prompt, threshold " + plain(r.Settings.Threshold)
		f.columns = append(f.columns, c)
	}
	return f
}

// shownMoved is how much of each list stands beside the other.
const shownMoved = 14

// of is a passage as one of the two searches scored it.
func of(r retrieve.Retrieval, p retrieve.Passage) retrieve.Passage {
	for _, list := range [][]retrieve.Passage{r.Passages, r.Others} {
		for _, found := range list {
			if found.ChunkID == p.ChunkID {
				if found.DocumentName == "" {
					found.DocumentName, found.Heading, found.PageFrom, found.PageTo, found.Ordinal = p.DocumentName, p.Heading, p.PageFrom, p.PageTo, p.Ordinal
				}
				return found
			}
		}
	}
	return p
}

// moveWord says beside a chunk what became of it: at its old place when it left, at its new one how it got there.
func moveWord(m retrieve.Move, side int) (word, kind string) {
	was, is := used(m.Before, m.BeforeLost), used(m.After, m.AfterLost)
	switch {
	case side == 0 && was && !is:
		return "drops out", "bad"
	case side == 0 && m.After == 0:
		return "not found", ""
	case side == 0:
		return "", ""
	case is && !was:
		return "comes in", "ok"
	case m.Before == 0:
		return "new", ""
	case m.After < m.Before:
		return "↑ " + strconv.Itoa(m.Before-m.After), ""
	case m.After > m.Before:
		return "↓ " + strconv.Itoa(m.After-m.Before), ""
	}
	return "", ""
}

func used(place int, lost retrieve.Loss) bool {
	return place > 0 && (lost == retrieve.Kept || lost == retrieve.Joined)
}

// movesFact counts what changed in the prompt.
func movesFact(moves []retrieve.Move) string {
	in, out, shifted := 0, 0, 0
	for _, m := range moves {
		was, is := used(m.Before, m.BeforeLost), used(m.After, m.AfterLost)
		switch {
		case is && !was:
			in++
		case was && !is:
			out++
		case was && m.Before != m.After:
			shifted++
		}
	}
	if in+out+shifted == 0 {
		return "The model gets the same chunks in the same order."
	}
	fact := "Of what the model gets, "
	switch {
	case in+out == 0:
		return fact + "nothing comes in or drops out; " + count(shifted, "chunk has", "chunks have") + " another place."
	case in == 0:
		return fact + count(out, "chunk drops", "chunks drop") + " out."
	case out == 0:
		return fact + count(in, "chunk comes", "chunks come") + " in."
	}
	return fact + count(in, "chunk comes", "chunks come") + " in and " + count(out, "chunk drops", "chunks drop") + " out."
}

// flowWidth keeps the stages readable on a phone, where they scroll sideways inside themselves.
func flowWidth(f flow) string {
	if len(f.columns) > 4 {
		return "min-w-[920px] max-w-[1320px]"
	}
	return "min-w-[760px] max-w-[1320px]"
}
