package extract

import (
	"cmp"
	"math"
	"slices"
)

// pdfRule is a straight line drawn across or down a page, or the edge of a filled box, in the coordinates of lines.
type pdfRule struct {
	down     bool
	at       float64 // y of one across, x of one down
	from, to float64
}

const (
	maxRules    = 3000 // of a page: beyond, it is a drawing
	maxSegments = 400  // of one path
	ruleWidth   = 4    // points; what is wider is a box
	ruleLength  = 6
)

// rules reads the straight lines of a page.
func (r *pdfReader) rules(page uint64, objects int) []pdfRule {
	r.found = r.found[:0]
	for i := range min(objects, maxObjects) {
		r.rulesOf(r.call("FPDFPage_GetObject", page, uint64(i)), asDrawn, 0)
	}
	if len(r.found) >= maxRules {
		return nil
	}
	return r.found
}

// pdfMatrix is an affine map: x' = a x + c y + e, y' = b x + d y + f.
type pdfMatrix [6]float64

var asDrawn = pdfMatrix{1, 0, 0, 1, 0, 0}

func (m *pdfMatrix) apply(x, y float64) (float64, float64) {
	return m[0]*x + m[2]*y + m[4], m[1]*x + m[3]*y + m[5]
}

// over returns the map that does n first and then m.
func (m *pdfMatrix) over(n *pdfMatrix) pdfMatrix {
	a, b := m.apply(n[0], n[1])
	c, d := m.apply(n[2], n[3])
	e, f := m.apply(n[4], n[5])
	return pdfMatrix{a - m[4], b - m[5], c - m[4], d - m[5], e, f}
}

// rulesOf reads the lines of one object, whose form stands on the page as m says.
func (r *pdfReader) rulesOf(object uint64, m pdfMatrix, depth int) {
	const path, form, maxDepth = 2, 5, 3
	if object == 0 || len(r.found) >= maxRules || r.err != nil {
		return
	}
	kind := r.call("FPDFPageObj_GetType", object)
	if kind != path && kind != form || !r.is("FPDFPageObj_GetMatrix", object, r.scratch) {
		return
	}
	var own pdfMatrix
	r.floats(r.scratch, own[:])
	own = m.over(&own)
	if kind == form {
		if depth < maxDepth {
			for i := range min(r.count("FPDFFormObj_CountObjects", object), maxObjects) {
				r.rulesOf(r.call("FPDFFormObj_GetObject", object, uint64(i)), own, depth+1)
			}
		}
		return
	}
	r.path(object, own)
}

// path reads the straight lines of a path: its own, when it is stroked or large, or its middle, when it is a thin box.
func (r *pdfReader) path(object uint64, m pdfMatrix) {
	n := r.count("FPDFPath_CountSegments", object)
	if n < 2 || n > maxSegments || !r.isDrawn(object) {
		return
	}
	var x, y, startX, startY float64
	box := pdfBox{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	first := len(r.found)
	for i := range n {
		segment := r.call("FPDFPath_GetPathSegment", object, uint64(i))
		const line, move = 0, 2
		kind := r.call("FPDFPathSegment_GetType", segment)
		var p [2]float64
		if !r.is("FPDFPathSegment_GetPoint", segment, r.scratch, r.scratch+4) {
			return
		}
		r.floats(r.scratch, p[:])
		nextX, nextY := m.apply(p[0], p[1])
		box = box.join(pdfBox{nextX, nextX, nextY, nextY})
		switch kind {
		case move:
			startX, startY = nextX, nextY
		case line:
			r.rule(x, y, nextX, nextY)
		}
		x, y = nextX, nextY
		if r.is("FPDFPathSegment_GetClose", segment) && kind != move {
			r.rule(x, y, startX, startY)
			x, y = startX, startY
		}
	}
	width, height := box.x1-box.x0, box.y1-box.y0
	if min(width, height) <= ruleWidth { // all its lines are one
		r.found = r.found[:first]
		if width > height {
			r.rule(box.x0, (box.y0+box.y1)/2, box.x1, (box.y0+box.y1)/2)
		} else {
			r.rule((box.x0+box.x1)/2, box.y0, (box.x0+box.x1)/2, box.y1)
		}
	}
}

// isDrawn reports whether a path is filled or stroked.
func (r *pdfReader) isDrawn(object uint64) bool {
	return r.is("FPDFPath_GetDrawMode", object, r.scratch, r.scratch+4) && (r.uint32At(r.scratch) != 0 || r.uint32At(r.scratch+4) != 0)
}

// rule adds a line from one point to another if it runs across or down the page.
func (r *pdfReader) rule(x0, y0, x1, y1 float64) {
	if !(max(math.Abs(x0), math.Abs(x1), math.Abs(y0), math.Abs(y1)) < maxCoordinate) {
		return
	}
	width, height := math.Abs(x1-x0), math.Abs(y1-y0)
	switch {
	case height < 1 && width >= ruleLength:
		r.found = append(r.found, pdfRule{at: (y0 + y1) / 2, from: min(x0, x1), to: max(x0, x1)})
	case width < 1 && height >= ruleLength:
		r.found = append(r.found, pdfRule{down: true, at: (x0 + x1) / 2, from: min(y0, y1), to: max(y0, y1)})
	}
}

// turnRules turns rules as lines are turned, and joins those that continue each other.
func turnRules(rules []pdfRule, quarters int) []pdfRule {
	out := slices.Clone(rules)
	for i := range out {
		b := pdfBox{out[i].from, out[i].to, out[i].at, out[i].at}
		if out[i].down {
			b = pdfBox{out[i].at, out[i].at, out[i].from, out[i].to}
		}
		b = b.turned(quarters)
		if out[i] = (pdfRule{at: b.y0, from: b.x0, to: b.x1}); b.x0 == b.x1 {
			out[i] = pdfRule{down: true, at: b.x0, from: b.y0, to: b.y1}
		}
	}
	return joinRules(out)
}

// ruleSlack is how far apart, in points, two lines may be that are meant to be one, or to touch.
const ruleSlack = 2.5

func joinRules(rules []pdfRule) []pdfRule {
	slices.SortFunc(rules, func(a, b pdfRule) int {
		if a.down != b.down {
			if b.down {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(math.Round(a.at), math.Round(b.at)), cmp.Compare(a.from, b.from))
	})
	out := rules[:0]
	for _, r := range rules {
		joined := false
		for k := len(out) - 1; k >= 0 && k >= len(out)-8 && !joined; k-- {
			o := &out[k]
			if o.down == r.down && math.Abs(o.at-r.at) <= ruleSlack && r.from <= o.to+ruleSlack && r.to >= o.from-ruleSlack {
				o.from, o.to, joined = min(o.from, r.from), max(o.to, r.to), true
			}
		}
		if !joined {
			out = append(out, r)
		}
	}
	return out
}

// downRules returns the rules down the page, in order.
func downRules(rules []pdfRule) []pdfRule {
	var out []pdfRule
	for _, r := range rules {
		if r.down {
			out = append(out, r)
		}
	}
	return out
}

// parted reports whether one of the rules down the page, which are in order, stands between two places of a line.
func parted(down []pdfRule, x0, x1, y float64) bool {
	if x1-x0 < 0.5 {
		return false
	}
	for _, r := range down {
		if r.at > x1+ruleSlack {
			break
		}
		if r.at > x0-0.5 && r.at < x1+0.5 && r.from <= y && y <= r.to {
			return true
		}
	}
	return false
}
